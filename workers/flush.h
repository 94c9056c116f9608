/* Flushing: the ledger's changes as operations of one commit.  KEYS.md describes what they write;
 * this is the only place that writes it. */
#ifndef WORKERS_FLUSH_H
#define WORKERS_FLUSH_H

#include "workers/ledger.h"
#include "workers/store.h"

/* Adds all operations.  The slices live until the ledger settles or is dropped. */
void flush_ledger(struct ledger *l, struct commit *c);

/* One entry of the change feed, from the same changes; before flush_ledger. */
void flush_changes(struct ledger *l, struct commit *c);

#endif
