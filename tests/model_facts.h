/* The facts under the model: of all events of one subject the one that counts. */
#ifndef TESTS_MODEL_FACTS_H
#define TESTS_MODEL_FACTS_H

#include "proto/event.h"

struct facts;

struct facts *facts_new(void);
void facts_free(struct facts *f); /* NULL is allowed */

/* Keeps a copy.  0, or ERR_REFUSED with *why. */
int facts_add(struct facts *f, struct slice event, struct refusal *why);

/* Finds the version of every subject that counts, and of these those that hold; afterwards
 * facts_of may be asked until the next facts_add. */
void facts_settle(struct facts *f);

/* The facts that hold of one type whose subject begins with these parts (absent: any), in order of
 * their subjects.  The parts of a subject are those of the event contract in its order, but an
 * attendance's are committee, meeting, member, participant. */
struct fact_range {
    const struct event *first;
    size_t count;
};
struct fact_range facts_of(const struct facts *f, enum event_type type, struct slice part1,
                           struct slice part2, struct slice part3);

#endif
