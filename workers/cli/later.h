/* Events that the broker has refused for now (rate-limit, journal-full): kept in order, to be sent
 * again by and by.  How many at a time and after what pause follows from what became of the last
 * ones, as the broker does not say when there will be room. */
#ifndef WORKERS_CLI_LATER_H
#define WORKERS_CLI_LATER_H

#include "proto/bytes.h"

/* Where an event comes from. */
struct line {
    const char *file;
    uint64_t number;
};

struct later {
    struct buffer bytes; /* of the events, end to end, those taken before `start` included */
    struct later_event *events;
    size_t first, count, room; /* those taken come before `first` */
    size_t start;              /* the first one's bytes */
    size_t share;              /* how many to send at a time; 0: not begun */
    int pause_ms;              /* before the next; 0: none */
    int64_t moved_ms;          /* when one was last accepted, or it began */
};

void later_free(struct later *l);

/* Takes a copy. */
void later_add(struct later *l, struct slice event, struct line at);

static inline size_t later_count(const struct later *l)
{
    return l->count - l->first;
}

/* The oldest, into `ret` in place of what was there; there must be one. */
struct line later_take(struct later *l, struct buffer *ret);

void later_begin(struct later *l, int64_t now_ms);

/* So many were sent, and so many of them accepted. */
void later_learn(struct later *l, size_t sent, size_t accepted, int64_t now_ms);

#endif
