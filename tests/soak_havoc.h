/* Havoc: what the soak does to a crew, all at once and at random moments, and what it starts again.
 *
 * kill -9 of one or of all, also at a chosen call; SIGSTOP up to ten seconds; syncs, writes and
 * allocations that fail; a journal that cannot grow; Redis flushed, and rolled back to an older
 * copy of its files.  A process that ends although nothing was done to it is remembered as a
 * surprise. */
#ifndef TESTS_SOAK_HAVOC_H
#define TESTS_SOAK_HAVOC_H

#include "tests/crew.h"
#include "tests/random.h"

#define HAVOC_WORKERS 3

struct havoc_counts {
    uint64_t kills, stops, faults, flushes, rollbacks, full, surprises;
};

struct havoc {
    struct crew *crew;
    struct random random;
    char self[512], seed[24], rate[16]; /* how publishers are started */
    int64_t start_ms[CREW_MEMBERS];     /* of one that ended: when it is started again */
    int64_t wake_ms[CREW_MEMBERS];      /* of one that is stopped: until when; 0: it is not */
    int64_t heal_ms[CREW_MEMBERS];      /* of one that is failing: until when; 0: it is not */
    int64_t hits[CREW_MEMBERS];         /* of its plan when it was started */
    bool limited;                       /* the broker's files cannot grow */
    bool was_limited;                   /* since it was started */
    bool wished[CREW_MEMBERS];          /* it is to run; of publishers: until they are done */
    bool calm;                          /* no more damage is done */
    bool flush_wished;                  /* Redis is to be emptied */
    int64_t next_ms;
    struct havoc_counts counts;
};

/* The crew is borrowed; `rate` is each publisher's, in events a second. */
void havoc_begin(struct havoc *h, struct crew *crew, uint64_t seed, unsigned rate);

/* To be called every few milliseconds: buries, starts, wakes, heals, and strikes. */
void havoc_tick(struct havoc *h);

/* From now on everything works; publishers that end with 0 are not started again. */
void havoc_end(struct havoc *h);

#endif
