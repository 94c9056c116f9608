/* The steps of a rebuild that touch many keys at once: wiping what was built, and switching the
 * live keys over to it. */
#ifndef WORKERS_AUDIT_SWITCH_H
#define WORKERS_AUDIT_SWITCH_H

#include "workers/hold.h"

/* Whether what was built is of this version of the program and of its keys: only then can it be
 * gone on with. */
int switch_fits(struct store *staged, unsigned partitions, bool *ret_fits);

/* Empties the store, which is held, and holds it at the beginning of `log`.  Whoever is killed in
 * the middle leaves what does not fit.  ERR_CONFLICT when somebody else has come in between. */
int switch_wipe(struct store *staged, struct hold *h, const char *log);

/* Gives every key of `staged` the name without FAMILY_NEW, removes all other keys of the live store
 * but its stream of changes, and ends both holds, in one commit.  Both must be held, and are held
 * on while keys are listed: through `names`, the live store over a connection of its own.
 * ERR_CONFLICT when either has moved. */
int switch_over(struct hold *live, struct hold *staged, struct store *names, const char *log,
                uint64_t *ret_keys);

#endif
