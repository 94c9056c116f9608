/* What an event bears on: its fact, and the records of the ledger that the fact can move. */
#ifndef WORKERS_BEARING_H
#define WORKERS_BEARING_H

#include "workers/ledger.h"

/* By the type of its event; the pointers are good until the ledger is dropped. */
struct bearing {
    struct version *version; /* the first member of the fact */
    bool folded;
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

/* Finds the records, or makes empty ones, for many events in two passes: those that many events
 * share; and then the facts, of which votes, the most and lying anywhere, are on their way by now.
 */
void bearing_near(struct ledger *l, const struct event *e, struct bearing *b);
void bearing_find(struct ledger *l, const struct event *e, struct bearing *b);

/* What bearing_find will look for BEARING_AHEAD events from now. */
#define BEARING_AHEAD 8

HINT void bearing_expect(const struct event *e, const struct bearing *b)
{
    if (e->type == EVENT_VOTE)
        table_expect_entry(&b->ballot->votes, b->member->entry.hash);
}

/* What folding will touch. */
HINT void bearing_expect_fold(const struct bearing *b)
{
    __builtin_prefetch(b->version);
    __builtin_prefetch((const char *)b->version + 64);
}

#endif
