/* The inbox: batches that have come and are not yet applied, put together by partition. */
#ifndef WORKERS_INBOX_H
#define WORKERS_INBOX_H

#include "proto/bytes.h"
#include "proto/wire.h"

struct inbox_part {
    struct buffer events;
    uint64_t count;
};

struct inbox {
    struct inbox_part parts[WIRE_MAX_PARTS];
    uint64_t count; /* events in all */
};

void inbox_add(struct inbox *i, unsigned partition, uint64_t count, struct slice events);
void inbox_drop(struct inbox *i, unsigned partition);
void inbox_free(struct inbox *i);

#endif
