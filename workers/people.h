/* People: the members that facts in force name, what groups they are in, and how many seats they
 * hold on a day.  What all groups of all periods are made from; no I/O in here. */
#ifndef WORKERS_PEOPLE_H
#define WORKERS_PEOPLE_H

#include "proto/table.h"
#include "workers/fact.h"

/* A member notice in force. */
struct membership {
    struct membership *next; /* by `from`, ascending */
    date_days from;
    struct profile_fact fact;
};

/* From this day on the member holds so many more (or fewer) seats. */
struct tenure {
    struct tenure *next; /* in no order */
    date_days day;
    int64_t p, o;
};

struct person {
    struct table_entry entry; /* by the member's id */
    bool named;               /* some fact in force names the member */
    struct membership *memberships;
    struct tenure *tenures;
};

struct people {
    struct arena arena;
    struct table all; /* struct person; those not named are in no group */
};

#define PEOPLE_VERSION 24 /* "2026-04-01-1f3c9a2b" and the end */

void people_clear(struct people *p);
void people_free(struct people *p);

/* Finds the person or makes one. */
struct person *people_person(struct people *p, struct slice id);

/* A notice as it stands in profiles:M: the field is its `from`, the value the fact; one that does
 * not hold is passed over.  ERR_CORRUPT for anything else. */
int people_add_notice(struct people *p, struct person *who, struct slice field, struct slice value);

/* A step as it stands in tenure:M: the field is "P|2026-04-01" or "O|2026-04-01", the value how
 * many seats more. */
int people_add_tenure(struct people *p, struct person *who, struct slice field, struct slice value);

/* The notice in force on the day, else the earliest one; NULL when there is none. */
const struct profile_fact *person_profile(const struct person *who, date_days day);

/* Seats held at the end of the day, by role P and O. */
void person_seats(const struct person *who, date_days day, int64_t *ret_p, int64_t *ret_o);

/* The group list's version: the date of the newest notice in force, and a digest of all of them
 * ("none" without any): "YYYY-MM-DD-xxxxxxxx". */
void people_version(const struct people *p, char ret[PEOPLE_VERSION]);

#endif
