/* The ring; see ring.h. */
#include "workers/web/ring.h"

#include <stdlib.h>

void ring_open(struct ring *r)
{
    memset(r, 0, sizeof *r);
}

static struct ring_event *slot(struct ring *r, uint64_t number)
{
    return &r->events[number % RING_EVENTS];
}

static void drop_oldest(struct ring *r)
{
    struct ring_event *e = slot(r, r->first++);

    if (change_id_compare(r->floor, e->id) < 0)
        r->floor = e->id;
    r->bytes -= e->text.size;
    free((void *)(uintptr_t)e->text.at);
    *e = (struct ring_event){.text = {0}};
}

void ring_free(struct ring *r)
{
    while (r->first < r->next)
        drop_oldest(r);
}

void ring_add(struct ring *r, struct change_id id, struct slice text)
{
    char *copy = memory_need(text.size + 1);

    while (r->first < r->next &&
           (r->next - r->first == RING_EVENTS || r->bytes + text.size > RING_BYTES))
        drop_oldest(r);
    memcpy(copy, text.at, text.size);
    *slot(r, r->next++) = (struct ring_event){id, slice_make(copy, text.size)};
    r->bytes += text.size;
}

void ring_cut(struct ring *r, struct change_id floor)
{
    r->floor = floor;
}

bool ring_resume(const struct ring *r, struct change_id id, uint64_t *ret_next)
{
    const struct ring_event *last = r->next > r->first ? ring_at(r, r->next - 1) : NULL;
    struct change_id newest = last ? last->id : r->floor;
    uint64_t n = r->next;

    if (change_id_compare(id, r->floor) < 0 || change_id_compare(newest, id) < 0)
        return false;
    while (n > r->first && change_id_compare(id, ring_at(r, n - 1)->id) < 0)
        n--;
    *ret_next = n;
    return true;
}

const struct ring_event *ring_at(const struct ring *r, uint64_t number)
{
    return number < r->first || number >= r->next ? NULL : &r->events[number % RING_EVENTS];
}
