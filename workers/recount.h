/* Counting again: the journal's events applied to a store of one's own, beside the live one. */
#ifndef WORKERS_RECOUNT_H
#define WORKERS_RECOUNT_H

#include "workers/apply.h"
#include "workers/rules.h"
#include "workers/walk.h"

struct recount;

/* All is borrowed.  `endpoint` is the broker's read endpoint (for ties between versions). */
struct recount *recount_new(struct store *store, struct reader *r, const char *endpoint);
void recount_free(struct recount *c);

/* Only events received up to this moment count (default: all).  With a moment the store's offsets
 * count the events that were taken, and cannot be gone on from with another one that is earlier. */
void recount_until(struct recount *c, int64_t as_of_ms);

/* Goes on from where the store stands to `end` (by partition, as many as the journal has).  0, or
 * an error of the walk or the store. */
int recount_run(struct recount *c, const uint64_t *end, struct progress *progress);

/* Derives groups and watch list as of a day, until nothing is left to be derived. */
int recount_derive(struct store *store, const struct rules *rules, const char *log, int64_t now_ms);

#endif
