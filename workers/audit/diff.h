/* What moved between two moments: every published number that was another one at the first than it
 * is at the second, and the events that moved it.
 *
 *     diff_run_before    for every run of the journal: counts what was there at the first moment
 *     diff_turn          groups are derived; the numbers of the first moment are kept
 *     diff_run_between   for every run again: each event between the moments by itself, and what
 *                        it moved is noted
 *     diff_finish        groups are derived once more; what differs is listed
 *     diff_causes        for one of the changes: the events that made it
 *
 * All of it happens in a store in memory.  A walk that is led along must have the runs of a
 * partition in their order. */
#ifndef WORKERS_AUDIT_DIFF_H
#define WORKERS_AUDIT_DIFF_H

#include "workers/audit/witness.h"
#include "workers/recall.h"
#include "workers/rules.h"
#include "workers/walk.h"

struct diff;

struct diff_options {
    const char *log;
    unsigned partitions;
    int64_t from_ms, to_ms;
    bool all; /* not only groups: also members, committees, seats, ballots and meetings */
    struct rules rules;
    recall_fn recall; /* settles ties as for apply_new */
    void *recall_arg;
};

/* A number that changed.  An absent slice: there was, or is, none. */
struct diff_change {
    struct slice key, field, from, to;
    bool quotient; /* its causes have a part in its numerator and one in its denominator */
};

/* What changed it.  The amounts of all causes of a sum add up to the change. */
struct diff_cause {
    const struct witness *witness; /* the event; NULL: */
    const char *reason;            /* something else */
    int64_t amount, den;           /* den only of quotients */
};

struct diff *diff_new(const struct diff_options *o);
void diff_free(struct diff *d);

/* walk_fn, with the struct diff.  0, or an error of apply_batches. */
int diff_run_before(void *diff, const struct walk_run *run);
int diff_run_between(void *diff, const struct walk_run *run);

/* Behind the first walk.  In *ret_from (by partition) the offsets from which the second must go on.
 * 0, or an error of deriving. */
int diff_turn(struct diff *d, uint64_t *ret_from);

/* Behind the second walk.  The changes, ordered by key and field. */
int diff_finish(struct diff *d, const struct diff_change **ret, size_t *ret_count);

/* The causes in the order of receipt; good until the next call. */
const struct diff_cause *diff_causes(struct diff *d, const struct diff_change *change,
                                     size_t *ret_count);

#endif
