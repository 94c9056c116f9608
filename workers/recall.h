/* Recalling: reading old events of a partition again, to settle a tie that only their bytes can.
 * Rare: two different events with equal rev, time and id about one subject. */
#ifndef WORKERS_RECALL_H
#define WORKERS_RECALL_H

#include "workers/fold.h"

/* An apply_recall_fn; `arg` is the broker's read endpoint.  Uses a session of its own, and reads
 * from the newest events back until all are found. */
int recall_from_broker(void *arg, struct ledger *l, unsigned partition, uint64_t upto,
                       struct version *const *wanted, size_t count);

/* Puts wanted versions into the order in which recall_match looks for them. */
void recall_order(struct version **wanted, size_t count);

/* Hands every wanted version its event, if it is among these consecutive events. */
void recall_match(struct ledger *l, struct slice events, struct version *const *wanted,
                  size_t count);

#endif
