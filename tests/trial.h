/* A trial: a small fixed scenario in a crew of its own, with one fault in one of its processes.
 *
 * A few hundred events are published in several commits while the fault strikes.  A victim that has
 * died is started again with a kill at a random call of its recovery, and then plainly.  What was
 * not acknowledged is sent again.  At the end every acknowledged event must be in the journal, byte
 * for byte, and Redis must agree with the model. */
#ifndef TESTS_TRIAL_H
#define TESTS_TRIAL_H

#include "tests/crew.h"

enum trial_fault { TRIAL_NONE, TRIAL_KILL_BEFORE, TRIAL_KILL_AFTER, TRIAL_ALLOCATION };

struct trial {
    enum crew_member victim; /* CREW_OTHER: turnout publish, which sends the events then */
    enum trial_fault fault;
    int64_t at;       /* the call or allocation */
    int64_t recovery; /* calls of a start, as trial_measure counted them */
    uint64_t seed;
};

/* Of many trials; shared by the processes that make them. */
struct trial_sums {
    _Atomic int64_t deaths;                          /* by the fault of the trial */
    _Atomic int64_t recoveries;                      /* kills while recovering from one */
    _Atomic int64_t lived;                           /* the fault happened and the victim went on */
    _Atomic int64_t through;                         /* the scenario ended before the fault came */
    _Atomic int64_t calls, allocations, start_calls; /* of the victim, by trial_measure */
};

/* One trial without a fault: how many calls and allocations the victim makes from its start to the
 * end of the scenario, and how many calls until the first event is acknowledged. */
bool trial_measure(enum crew_member victim, struct trial_sums *ret);

/* Runs them, several at once.  False when one went wrong: it is told on standard error, and its
 * folder is kept. */
bool trials_run(const struct trial *trials, size_t count, struct trial_sums *ret);

#endif
