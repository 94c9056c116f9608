/* Counting partitions whole: from their first event on, each by itself, by several threads.
 *
 * A partition's events are replayed into a ledger of its own; then everything is tallied once and
 * written, each field once, and the ledger is let go.  So what a thread needs is bounded by the
 * facts of one partition, about 500 bytes each: 20 million facts in 8 partitions, by two threads,
 * are 2.5 GB.
 *
 * All that was written of a partition is in the store at once or, when it is more than WHOLE_OPS
 * operations, in several commits.  Between them the partition stands at WHOLE_HALF: more than any
 * journal holds, so that nobody takes it for something to go on with. */
#ifndef WORKERS_AUDIT_WHOLE_H
#define WORKERS_AUDIT_WHOLE_H

#include "workers/progress.h"
#include "workers/reader.h"
#include "workers/store.h"

#define WHOLE_OPS     65536 /* operations of one commit */
#define WHOLE_HALF    ((uint64_t)INT64_MAX)
#define WHOLE_THREADS 4 /* at most, unless it is said otherwise */

struct whole {
    struct store *store;   /* at most one thread uses it at a time */
    struct reader *reader; /* with a session; the others make their own */
    const char *endpoint;  /* the broker's read endpoint */
    int64_t until_ms;      /* events received later are passed over */
    unsigned threads;      /* 0: as many as are worth it */
    size_t ops;            /* of one commit; 0: WHOLE_OPS */
    unsigned partitions;
    const bool *wanted;      /* by partition: those to be counted, */
    const uint64_t *end;     /* up to here */
    struct applied *applied; /* where the store stands: at their beginning, and then behind it */
    uint64_t *passed;        /* the first event that was passed over; stays as it is if none was */
    struct progress *progress; /* may be NULL */
};

/* 0; an error of a walk, a recall or the store (ERR_CONFLICT also when a partition does not stand
 * where it is said to, ERR_FOREIGN when one stands for another journal), or ERR_CORRUPT for bytes
 * that are no event: then nothing is known of the store any more. */
int whole_count(const struct whole *w);

#endif
