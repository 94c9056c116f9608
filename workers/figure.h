/* Figures: what is summed up of members and groups, and the fields of a group's key made of the
 * sums.  Pure; the rules are those of KEYS.md, "Groups and figures". */
#ifndef WORKERS_FIGURE_H
#define WORKERS_FIGURE_H

#include "workers/group.h"

/* What is additive: a group's sums are those of its members. */
enum sum {
    SUM_NUM,                     /* + figure */
    SUM_DEN = SUM_NUM + FIGURES, /* + figure */
    SUM_VOTES = SUM_DEN + FIGURES,
    SUM_ATTENDED, /* meetings */
    SUM_MEMBERS,
    SUM_ACTIVE,
    SUM_SEATS_P,
    SUM_SEATS_O,
    SUM_EFFECTIVE,
    SUM_DUTY,    /* seats with duties */
    SUM_DORMANT, /* P-seats without */
    SUMS
};

struct sums {
    int64_t n[SUMS];
};

/* Adds the value so many times, around the end of the numbers if need be: they come from a store
 * in which anybody may have written. */
static inline void sum_add(int64_t *to, int64_t value, int times)
{
    *to = (int64_t)((uint64_t)*to + (uint64_t)value * (uint64_t)(int64_t)times);
}

/* How many times a counter goes into each sum. */
struct weights {
    int8_t n[SUMS];
};

void weights_of(struct slice counter, struct weights *ret);
void sums_count(struct sums *s, const struct weights *w, int64_t value);
void sums_add(struct sums *s, const struct sums *more);

/* Where the fields go. */
struct figure_out {
    struct commit *commit;
    struct slice key, list;
    bool year;              /* there are effective seats */
    bool rest;              /* of a group without its top: no governance, where ballots are few */
    const struct sums *all; /* of the group `all`, for shares */
};

/* Writes members, seats, figures and the list; not the counters. */
void figures_write(const struct figure_out *out, const struct sums *s);

/* Writes the medians of the members' own rates; `room` is for `count` rates. */
struct rate {
    int64_t num, den;
};
void medians_write(const struct figure_out *out, const struct sums *const *members, size_t count,
                   struct rate *room);

#endif
