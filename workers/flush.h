/* Flushing: the ledger's changes as operations of one commit.  KEYS.md describes what they write;
 * this is the only place that writes it. */
#ifndef WORKERS_FLUSH_H
#define WORKERS_FLUSH_H

#include "workers/ledger.h"
#include "workers/store.h"

/* Adds all operations; the accounts that they move are loaded (account.h).  The slices live until
 * the ledger settles or is dropped. */
void flush_ledger(struct ledger *l, struct commit *c);

/* The same in parts: goes on from `at` until the commit has at least `most` operations (and one
 * record's more), and says whether there is more.  The records stay as they are in between. */
struct flush_place { /* zero at the start */
    unsigned list;
    size_t next;
    const struct row *row;
};
bool flush_part(struct ledger *l, struct commit *c, struct flush_place *at, size_t most);

/* Says what the keys are, the first time for a ledger; `partitions` as the journal has them. */
void flush_meta(struct ledger *l, struct commit *c, unsigned partitions);

#endif
