/* Accounts: what the store holds of a seat's or a committee's counters of a year.
 *
 * Only one partition moves them, so they are remembered like other records, and written in one
 * command where each field would take one of its own: a notice of a seat moves ten of them. */
#ifndef WORKERS_ACCOUNT_H
#define WORKERS_ACCOUNT_H

#include "workers/gather.h"

/* Such a row has an account; those of members are moved by all partitions. */
bool account_has(const struct row *r);

/* Fetches the accounts of all rows that the ledger's counters move and that it does not remember.
 * Between fold and flush; 0 or an error of the store. */
int account_load(struct gather *g, struct commit *c, struct store *store);

/* Writes what the row moves, as it stands then; an account that was never loaded is empty. */
void account_write(struct ledger *l, struct commit *c, const struct row *moved, struct slice key);

#endif
