/* What the parts of the model share: the facts they read and the places they count in. */
#ifndef TESTS_MODEL_COUNT_H
#define TESTS_MODEL_COUNT_H

#include "tests/dump.h"
#include "tests/model_facts.h"
#include "workers/rules.h"

#define KEY_ROOM   256
#define FIELD_ROOM 96
#define TEXT(s)    (int)(s).size, (s).at /* a slice for "%.*s" */

struct model {
    struct facts *facts;
    struct dump *dump;  /* what has been counted */
    date_days today;    /* of the watch list, */
    bool by_clock;      /* it is the clock's, */
    struct rules rules; /* and its thresholds */
};

/* For a part of a subject that may be anything. */
extern const struct slice model_any;

/* A place in the counters: who, in which committee (absent for adoptions), on which day. */
struct place {
    struct slice member, committee;
    date_days day;
    uint8_t level;
};

/* Each adds 1.  A member's counter (its name with the level); one of votes or presence: for the
 * member and for the committee; one of duty: for the seat, too. */
void model_add_member(struct model *m, struct place at, const char *field);
void model_add_count(struct model *m, struct place at, const char *name);
void model_add_duty(struct model *m, struct place at, const char *name);
/* Adds 1 to a field of the seat alone, as it is called. */
void model_add_seat(struct model *m, struct place at, const char *field);

/* What has been counted for the seat under that name in a year, both levels together. */
int64_t model_seat_number(struct model *m, struct slice committee, struct slice member, int year,
                          const char *name);

/* A name in one of the sets. */
void model_name(struct model *m, const char *set, struct slice name);

/* A field of a notice; absent or empty ones are left out. */
void model_put_text(struct model *m, const char *key, const char *field, struct slice text);
void model_put_date(struct model *m, const char *key, const char *field, date_days day);
/* What the notices of ballots and meetings have in common. */
void model_put_common(struct model *m, const char *key, const struct event *notice);

/* The seat by the notice with the latest `from` not after the day. */
enum role model_role(struct model *m, struct slice committee, struct slice member, date_days day);

void model_count_ballots(struct model *m);  /* model_ballot.c */
void model_count_meetings(struct model *m); /* model_meeting.c */
/* From what the two above have counted, and from the notices: */
void model_count_groups(struct model *m); /* model_group.c */
void model_count_watch(struct model *m);  /* model_watch.c */

#endif
