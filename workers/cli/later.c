/* Events to be sent again; see later.h. */
#include "workers/cli/later.h"

#include <assert.h>
#include <stdlib.h>

#define FIRST_SHARE   16
#define PAUSE_MS      500 /* half of what a rate lets collect: none of it is lost */
#define PAUSE_MOST_MS 4000

struct later_event {
    struct line at;
    size_t size;
};

void later_free(struct later *l)
{
    buffer_free(&l->bytes);
    free(l->events);
    *l = (struct later){0};
}

/* Forgets what was taken, once that is more than half of it. */
static void pack_up(struct later *l)
{
    if (l->first <= l->count / 2)
        return;
    memmove(l->events, l->events + l->first, (l->count - l->first) * sizeof *l->events);
    memmove(l->bytes.at, l->bytes.at + l->start, l->bytes.size - l->start);
    l->count -= l->first;
    l->bytes.size -= l->start;
    l->first = l->start = 0;
}

void later_add(struct later *l, struct slice event, struct line at)
{
    pack_up(l);
    l->events = memory_room(l->events, l->count, &l->room, sizeof *l->events);
    l->events[l->count++] = (struct later_event){at, event.size};
    buffer_add_slice(&l->bytes, event);
}

struct line later_take(struct later *l, struct buffer *ret)
{
    const struct later_event *e = &l->events[l->first];

    assert(later_count(l) > 0);
    buffer_clear(ret);
    buffer_add(ret, l->bytes.at + l->start, e->size);
    l->start += e->size;
    l->first++;
    return e->at;
}

void later_begin(struct later *l, int64_t now_ms)
{
    l->share = FIRST_SHARE;
    l->pause_ms = PAUSE_MS;
    l->moved_ms = now_ms;
}

void later_learn(struct later *l, size_t sent, size_t accepted, int64_t now_ms)
{
    if (accepted > 0)
        l->moved_ms = now_ms;
    if (accepted == sent) { /* there is room: more, and at once */
        l->share = 2 * sent;
        l->pause_ms = 0;
    } else if (accepted > 0) {
        l->share = accepted;
        l->pause_ms = PAUSE_MS;
    } else {
        l->share = l->share > 1 ? l->share / 2 : 1;
        l->pause_ms = l->pause_ms ? 2 * l->pause_ms : PAUSE_MS;
        l->pause_ms = l->pause_ms < PAUSE_MOST_MS ? l->pause_ms : PAUSE_MOST_MS;
    }
}
