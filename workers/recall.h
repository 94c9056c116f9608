/* Recalling: reading old events of a partition again, to settle a tie that only their bytes can.
 * Rare: two different events with equal rev, time and id about one subject. */
#ifndef WORKERS_RECALL_H
#define WORKERS_RECALL_H

#include "workers/fold.h"

/* Finds in the journal, among the partition's events before `upto`, those with the digests of the
 * wanted versions (in their order), and hands each to fold_recall.  0, or an error as of a store.
 */
typedef int (*recall_fn)(void *arg, struct ledger *l, unsigned partition, uint64_t upto,
                         struct version *const *wanted, size_t count);

/* By that function, once the wanted versions are in order.  ERR_CORRUPT, logged, when the journal
 * lacks one of them. */
int recall_all(recall_fn recall, void *arg, struct ledger *l, unsigned partition, uint64_t upto,
               struct version **wanted, size_t count);

/* A recall_fn; `arg` is the broker's read endpoint.  Uses a session of its own, and reads from the
 * newest events back until all are found. */
int recall_from_broker(void *arg, struct ledger *l, unsigned partition, uint64_t upto,
                       struct version *const *wanted, size_t count);

/* Hands every wanted version its event, if it is among these consecutive events. */
void recall_match(struct ledger *l, struct slice events, struct version *const *wanted,
                  size_t count);

#endif
