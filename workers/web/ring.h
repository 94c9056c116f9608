/* A ring of the newest events for viewers.  Pure: no threads, no clock.
 *
 * Every event is kept once, as the bytes that go to everybody; a viewer is a place in the ring.
 * Whoever is so slow that the ring has run past its place has missed something, and is told to
 * reload. */
#ifndef WORKERS_WEB_RING_H
#define WORKERS_WEB_RING_H

#include "workers/change_feed.h"

#define RING_EVENTS 1024
#define RING_BYTES  (2 * 1024 * 1024)

struct ring_event {
    struct change_id id; /* of a change: of the newest entry in it; else that of the one before */
    struct slice text;   /* owned */
};

struct ring {
    struct ring_event events[RING_EVENTS];
    uint64_t first, next; /* numbers of the oldest event and of the one to come */
    size_t bytes;
    struct change_id
        floor; /* whoever has seen this has missed nothing that the ring no longer has */
};

void ring_open(struct ring *r);
void ring_free(struct ring *r);

/* Adds an event; its bytes are copied. */
void ring_add(struct ring *r, struct change_id id, struct slice text);

/* Nothing before this counts as seen: whoever resumes from before has to reload. */
void ring_cut(struct ring *r, struct change_id floor);

/* Where a viewer goes on that has seen `id`.  False: it has missed something. */
bool ring_resume(const struct ring *r, struct change_id id, uint64_t *ret_next);

/* The event of that number; NULL: the ring has run past it.  `number` is less than `next`. */
const struct ring_event *ring_at(const struct ring *r, uint64_t number);

#endif
