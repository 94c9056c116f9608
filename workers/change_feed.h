/* The change feed: the stream of what has just changed, followed on a connection of its own. */
#ifndef WORKERS_CHANGE_FEED_H
#define WORKERS_CHANGE_FEED_H

#include "workers/store.h"

struct change_feed;

/* The place of an entry; 0-0 is before all of them. */
struct change_id {
    uint64_t ms, seq;
};

static inline int change_id_compare(struct change_id a, struct change_id b)
{
    if (a.ms != b.ms)
        return a.ms < b.ms ? -1 : 1;
    return a.seq < b.seq ? -1 : a.seq > b.seq;
}

/* "1764338400000-3"; false for anything else. */
bool change_id_parse(struct slice text, struct change_id *ret);

/* Once for each field of an entry: "moves" and the lists of KEYS.md; `id` is the entry's. */
typedef void (*change_fn)(void *arg, struct change_id id, struct slice field, struct slice value);

struct change_feed *change_feed_new(const struct redis_options *options); /* copied */
void change_feed_free(struct change_feed *f);                             /* NULL is allowed */

/* Goes to the end of the stream, after telling of its newest `count` entries, the oldest of them
 * first. 0, or an error of the store. */
int change_feed_begin(struct change_feed *f, unsigned count, change_fn each, void *arg);

/* Tells of what came since, at most `most` entries; waits for the first of them, at most wait_ms
 * (0: not at all).  Returns how many there were, or an error of the store: the place is kept.
 * ERR_CONFLICT: the stream has not the entry of the place any more, so that something may have been
 * missed: read everything again, after change_feed_begin.  From 0-0 on only their number tells,
 * when it is all that the stream keeps. */
int change_feed_next(struct change_feed *f, int wait_ms, unsigned most, change_fn each, void *arg);

struct change_id change_feed_place(const struct change_feed *f);

#endif
