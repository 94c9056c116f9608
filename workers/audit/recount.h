/* Counting again: the journal's events applied to a store of one's own, beside the live one. */
#ifndef WORKERS_AUDIT_RECOUNT_H
#define WORKERS_AUDIT_RECOUNT_H

#include "workers/apply.h"
#include "workers/rules.h"
#include "workers/walk.h"

struct recount;

/* All is borrowed.  `endpoint` is the broker's read endpoint (for ties between versions). */
struct recount *recount_new(struct store *store, struct reader *r, const char *endpoint);
void recount_free(struct recount *c);

/* Only events received up to this moment count (default: all).  With a moment the store's offsets
 * count the events that were taken, not the journal's; go on to a later moment with the same
 * recount only, and never to an earlier one. */
void recount_until(struct recount *c, int64_t as_of_ms);

/* So many threads count what is counted from the beginning (default: as many as are worth it). */
void recount_threads(struct recount *c, unsigned threads);

/* The store stands there (by partition; the reader must have a session): the first run does not
 * look itself.  Every commit is a compare-and-set from there on, so a run fails with ERR_CONFLICT
 * if somebody else has moved the store. */
void recount_from(struct recount *c, const struct applied *applied);

/* Partitions of which the store has nothing are counted whole (whole.h).  The others:
 * goes on from where the store stands to `end` (by partition, as many as the journal has; the
 * reader must have a session).  0, or an error of the walk or the store: the next run then looks
 * again where the store stands.  `progress` may be NULL. */
int recount_run(struct recount *c, const uint64_t *end, struct progress *progress);

/* Where the store stands after a run, by partition. */
const struct applied *recount_applied(const struct recount *c);

/* Derives groups and watch list as of a day, until nothing is left to be derived. */
int recount_derive(struct store *store, const struct rules *rules, const char *log, int64_t now_ms);

#endif
