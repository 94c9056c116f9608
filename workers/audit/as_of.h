/* As of then: the journal's events up to a moment, counted again into a store of one's own.  The
 * live keys are neither read nor touched. */
#ifndef WORKERS_AUDIT_AS_OF_H
#define WORKERS_AUDIT_AS_OF_H

#include "workers/store.h"

/* Fills `memory`, which is empty before, with what the keys were when all that the broker had
 * received by `as_of_ms` was counted, groups included.  (A watch list too, but by the default
 * thresholds.)  `progress`: told also when standard error is no terminal.  0, or an error of the
 * broker's session or the walk. */
int as_of_count(const char *endpoint, int64_t as_of_ms, bool progress, struct store *memory);

#endif
