/* Most keys are the same in both stores: those are found out without keeping anything of them. */
#ifndef WORKERS_AUDIT_GLANCE_H
#define WORKERS_AUDIT_GLANCE_H

#include "workers/audit/twin.h"
#include "workers/ledger.h"

struct glance_job {
    struct store *expected; /* a memory store, which two threads only read, and without `done` */
    struct store *found;
    struct store *aside; /* another connection to that, for a second thread; NULL: there is none,
                            or it failed */
    const struct pointers *twins;
    struct pointers *rest;     /* gets those to be looked at field by field */
    struct progress *progress; /* told of every twin; may be NULL */
};

/* Twins that have the very same fields get their number and no differences; all others are added to
 * `rest`.  0, or an error of the stores, but for the other connection: that one only leaves what it
 * had in hand, and is not used any more. */
int glance_over(struct glance_job *job);

#endif
