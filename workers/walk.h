/* A walk: the journal's events read again from the broker's read endpoint, all wanted partitions at
 * once, each in its order.  Goes on by itself when the session breaks. */
#ifndef WORKERS_WALK_H
#define WORKERS_WALK_H

#include "workers/progress.h"
#include "workers/reader.h"

/* Consecutive events that came from one source in one commit; borrowed for the call. */
struct walk_run {
    unsigned partition;
    uint64_t offset, count; /* of the first event; how many there are */
    struct slice source;
    int64_t received_ms;
    struct slice events;
};

/* An error ends the walk. */
typedef int (*walk_fn)(void *arg, const struct walk_run *run);

/* Partition p from from[p] up to (not with) end[p], for p below `count`; those with nothing to read
 * are not asked for.  0; ERR_LOST when the broker is silent for too long; ERR_FOREIGN when its
 * journal is another one than at the start; ERR_CORRUPT when it says a record cannot be read; or
 * the function's error.  `progress` (may be NULL) is told of every event. */
int walk_journal(struct reader *r, const uint64_t *from, const uint64_t *end, unsigned count,
                 walk_fn each, void *arg, struct progress *progress);

/* Waits; but the session stays alive, and what comes is passed over. */
void walk_pause(struct reader *r, int pause_ms);

#endif
