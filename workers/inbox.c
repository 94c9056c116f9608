/* The inbox; see inbox.h. */
#include "workers/inbox.h"

void inbox_add(struct inbox *i, unsigned partition, uint64_t count, struct slice events)
{
    struct inbox_part *p = &i->parts[partition];

    buffer_add_slice(&p->events, events);
    p->count += count;
    i->count += count;
}

void inbox_drop(struct inbox *i, unsigned partition)
{
    struct inbox_part *p = &i->parts[partition];

    i->count -= p->count;
    p->count = 0;
    buffer_clear(&p->events);
}

void inbox_free(struct inbox *i)
{
    for (unsigned p = 0; p < WIRE_MAX_PARTS; p++)
        buffer_free(&i->parts[p].events);
}
