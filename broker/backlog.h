/* A backlog: what a session has published and ingest has not yet looked at, because others come
 * first.  It holds copies, as the message they came in is gone by then.
 *
 * A session's backlog is at most its window (65,536 events, 16 MiB); that of all sessions together
 * is bounded by INGEST_BACKLOG. */
#ifndef BROKER_BACKLOG_H
#define BROKER_BACKLOG_H

#include "proto/wire.h"

struct backlog_item;

struct backlog {
    struct backlog_item *first, *last;
    size_t bytes; /* of memory: payloads, sizes, and what it takes to hold them */
};

/* Takes a copy. */
void backlog_add(struct backlog *b, const struct wire_publish *m, struct slice payload);

/* The oldest of what is left, borrowed until the next call; false when there is nothing. */
bool backlog_first(const struct backlog *b, struct wire_publish *ret, struct slice *ret_payload);

/* The first so many events of the oldest have been dealt with; they had so many bytes. */
void backlog_done(struct backlog *b, uint32_t events, size_t bytes);

void backlog_clear(struct backlog *b);

#endif
