/* What an event bears on: its fact, and the records of the ledger that the fact can move. */
#ifndef WORKERS_BEARING_H
#define WORKERS_BEARING_H

#include "workers/ledger.h"

/* By the type of its event; the pointers are good until the ledger is dropped. */
struct bearing {
    struct version *version; /* the first member of the fact */
    struct committee *committee;
    struct member *member;
    union {
        struct vote *vote;
        struct participant *participant;
        struct adoption *adoption;
        struct profile *profile;
        struct seat *seat;
    };
    union {
        struct ballot *ballot;
        struct meeting *meeting;
    };
};

/* Finds the records, or makes empty ones. */
struct bearing bearing_find(struct ledger *l, const struct event *e);

#endif
