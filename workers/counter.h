/* Counters: what a batch adds to the hashes of members, committees and seats, summed up before
 * it is sent.  A row is one hash; a cell is one of its fields. */
#ifndef WORKERS_COUNTER_H
#define WORKERS_COUNTER_H

#include "proto/event.h"
#include "proto/table.h"

/* The counters of ballots and meetings; each exists at both levels. */
enum counter {
    COUNTER_VOTES, /* + enum position: votes.approve ... */
    COUNTER_COMMENTED = COUNTER_VOTES + POSITION_NONE,
    COUNTER_PARTICIPATE,
    COUNTER_LATE,
    COUNTER_DUE,
    COUNTER_ABSTAINED,
    COUNTER_EXCUSED,
    COUNTER_MISSED,
    COUNTER_VOLUNTARY,
    COUNTER_ATTENDED,
    COUNTER_DELEGATES,
    COUNTER_DELEGATES_VIRTUAL,
    COUNTER_DELEGATES_HEAD,
    COUNTER_MEETINGS_DUE,
    COUNTER_MEETINGS_MISSED,
    COUNTER_MEETINGS_EXCUSED,
    COUNTER_MEETINGS_CORRESPONDENCE,
    COUNTERS
};

/* A name of a field, interned: equal names are one pointer. */
struct field {
    struct table_entry entry;
    uint8_t number; /* of a counter without a suffix, from 1; 0: any other */
};
#define FIELD_NUMBERS (LEVELS * COUNTERS)

struct cell {
    const struct field *field;
    int64_t amount;
};

enum row_kind { ROW_MEMBER, ROW_COMMITTEE, ROW_SEAT, ROW_TENURE };

struct member;
struct committee;

struct row_key {
    const struct member *member;       /* NULL in a committee's row */
    const struct committee *committee; /* NULL in a member's row */
    uint32_t kind;                     /* enum row_kind */
    uint32_t period;                   /* year * 100 + month; month 0 is the year; 0 in a tenure */
};

#define ROW_CELLS 8 /* enough for most */

struct row {
    struct row_key key;
    struct row *next, *twin; /* in the order of their making; with the same bucket */
    struct cell *cells;      /* `first`, or elsewhere when there are more */
    uint32_t count, room;
    bool loaded;                    /* of an account (account.h) */
    uint8_t cell_of[FIELD_NUMBERS]; /* by the field's number - 1: from 1; 0: not known */
    struct cell first[ROW_CELLS];
};

/* A few hundred rows are looked up for every event: a table of their own, which compares words. */
#define ROW_BUCKETS 8192

struct counters {
    struct arena *keep, *batch; /* for fields; for rows */
    struct table fields;
    struct row *buckets[ROW_BUCKETS];
    date_days civil_of; /* the day that was made a year and month last */
    struct date_civil civil;
    const struct field *fixed[LEVELS][COUNTERS];
    struct row *first, **last;
};

void counters_open(struct counters *c, struct arena *keep, struct arena *batch);

/* Forgets the rows. */
void counters_clear(struct counters *c);

/* Forgets the fields too: `keep` is about to be reset. */
void counters_drop(struct counters *c);
void counters_free(struct counters *c);

/* "technical.ballots.missed.DIS": the counter's name at a level, with a suffix if it is not empty.
 */
const struct field *counters_field(struct counters *c, uint8_t level, enum counter counter,
                                   struct slice suffix);
/* Any name, such as "adoptions.theme.trade". */
const struct field *counters_named(struct counters *c, struct slice name);

/* Finds the row or makes an empty one. */
struct row *counters_row(struct counters *c, const struct row_key *key);

/* Returns what the field then stands at. */
int64_t row_add(struct counters *c, struct row *r, const struct field *f, int64_t amount);
int64_t row_value(const struct row *r, const struct field *f);

/* True when anything in the row is not zero. */
bool row_moves(const struct row *r);

/* Where a contribution counts: for the member in the day's year and month; if there is a
 * committee, for it in the year; and for the seat when the counter is a duty.  The rows are looked
 * up once: a place that changes is another place. */
struct place {
    const struct member *member;
    const struct committee *committee;
    date_days day;
    bool duty;
    struct row *of_year, *of_month, *of_committee, *of_seat; /* NULL: not looked up yet */
};
void counters_add(struct counters *c, struct place *at, const struct field *f, int64_t amount);

/* The same in the seat's row of the year alone. */
void counters_add_seat(struct counters *c, struct place *at, const struct field *f, int64_t amount);

#endif
