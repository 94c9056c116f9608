/* Most keys are the same in both stores: those are found out without keeping anything of them. */
#ifndef WORKERS_AUDIT_GLANCE_H
#define WORKERS_AUDIT_GLANCE_H

#include "workers/audit/twin.h"
#include "workers/ledger.h"

/* Twins that have the very same fields get their number and no differences; all others are added to
 * `rest`, to be looked at field by field.  `expected` is a memory store.  0, or an error of the
 * stores; `progress`, which may be NULL, is told of every twin. */
int glance_over(struct store *expected, struct store *found, const struct pointers *twins,
                struct pointers *rest, struct progress *progress);

#endif
