/* Backlogs; see backlog.h.  A list of copied messages, of which the first may be dealt with in
 * part.  Nothing can fail. */
#include "broker/backlog.h"

#include <stdlib.h>

struct backlog_item {
    struct backlog_item *next;
    size_t memory; /* of all of it */
    uint64_t first;
    uint32_t count;  /* events left */
    uint32_t *sizes; /* of those left; behind this struct, with the payload behind them */
    struct slice payload;
};

void backlog_add(struct backlog *b, const struct wire_publish *m, struct slice payload)
{
    size_t sizes = m->count * sizeof *m->sizes;
    size_t memory = sizeof(struct backlog_item) + sizes + payload.size;
    struct backlog_item *item = memory_need(memory);

    *item = (struct backlog_item){.memory = memory, .first = m->first, .count = m->count};
    item->sizes = (uint32_t *)(item + 1);
    item->payload = slice_make((char *)(item + 1) + sizes, payload.size);
    memcpy(item->sizes, m->sizes, sizes);
    if (payload.size)
        memcpy((char *)(item + 1) + sizes, payload.at, payload.size);
    if (b->last)
        b->last->next = item;
    else
        b->first = item;
    b->last = item;
    b->bytes += memory;
}

bool backlog_first(const struct backlog *b, struct wire_publish *ret, struct slice *ret_payload)
{
    const struct backlog_item *item = b->first;

    if (!item)
        return false;
    *ret = (struct wire_publish){.first = item->first, .count = item->count, .sizes = item->sizes};
    *ret_payload = item->payload;
    return true;
}

static void backlog_drop(struct backlog *b)
{
    struct backlog_item *item = b->first;

    b->bytes -= item->memory;
    b->first = item->next;
    if (!b->first)
        b->last = NULL;
    free(item);
}

void backlog_done(struct backlog *b, uint32_t events, size_t bytes)
{
    struct backlog_item *item = b->first;

    item->first += events;
    item->count -= events;
    item->sizes += events;
    item->payload = slice_make(item->payload.at + bytes, item->payload.size - bytes);
    if (item->count == 0)
        backlog_drop(b);
}

void backlog_clear(struct backlog *b)
{
    while (b->first)
        backlog_drop(b);
}
