/* What the parts of the model share that count groups: the people and their numbers in one
 * period, a year or a month. */
#ifndef TESTS_MODEL_GROUP_H
#define TESTS_MODEL_GROUP_H

#include "tests/model_count.h"

/* The numbers of a member from which all figures come: first counters, then what is found in the
 * seats. */
enum number {
    NUMBER_DUE,
    NUMBER_EXCUSED,
    NUMBER_MISSED,
    NUMBER_ABSTAINED,
    NUMBER_GOVERNANCE_DUE,
    NUMBER_GOVERNANCE_EXCUSED,
    NUMBER_GOVERNANCE_MISSED,
    NUMBER_VOTES,
    NUMBER_GOVERNANCE_VOTES,
    NUMBER_COMMENTED,
    NUMBER_GOVERNANCE_COMMENTED,
    NUMBER_DELEGATES,
    NUMBER_GOVERNANCE_DELEGATES,
    NUMBER_MEETINGS_DUE,
    NUMBER_MEETINGS_EXCUSED,
    NUMBER_MEETINGS_MISSED,
    NUMBER_ATTENDED,
    NUMBER_GOVERNANCE_ATTENDED,
    NUMBER_COUNTERS, /* so many are counters of the member */
    NUMBER_SEATS_P = NUMBER_COUNTERS,
    NUMBER_SEATS_O,
    NUMBER_EFFECTIVE_NUM, /* these three in years only */
    NUMBER_EFFECTIVE_DEN,
    NUMBER_DORMANT,
    NUMBERS
};

struct person {
    struct slice member;
    struct fact_range profiles; /* its notices, the earliest first */
    int64_t number[NUMBERS];    /* of the period at hand, as the next two */
    const struct counter *counters;
    size_t counter_count;
};

/* One counter of a member in a period. */
struct counter {
    struct slice period, member, field;
    int64_t amount;
};

/* Some people of a period, and where what they add up to is to stand. */
struct group {
    struct person **people;
    size_t count;
    bool in_year;             /* the period is a year */
    bool rest;                /* without its three largest: no figure of governance */
    const struct person *all; /* the numbers of everyone together */
    const char *list;         /* the group list's version */
    char key[KEY_ROOM];
};

/* A person's counters among its numbers.  model_figure.c */
void person_read(struct person *p);

/* All fields of a group but for the summed counters and `without`.  model_figure.c */
void model_put_figures(struct model *m, const struct group *g);

/* Whether a seat did what its duties of the year ask for; one without duties is not asked.
 * model_effective.c */
bool seat_has_duty(struct model *m, struct slice committee, struct slice member, int year);
bool seat_is_effective(struct model *m, struct slice committee, struct slice member, int year);

#endif
