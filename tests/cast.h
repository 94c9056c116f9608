/* A cast: people described in a few words, and groups made of them in a memory store. */
#ifndef TESTS_CAST_H
#define TESTS_CAST_H

#include "tests/dump.h"
#include "workers/group.h"
#include "workers/store.h"

struct cast {
    struct people people;
    struct groups *groups;
    struct arena arena;
    struct commit commit;
    struct store *store;
    struct dump *dump; /* of the store, after the last commit */
};

#define CAST_LIST "2026-04-01-1f3c9a2b" /* the group list's version in all periods */

/* The one of the test that runs, by cmocka's setup and teardown. */
extern struct cast cast;
int cast_open(void **state);
int cast_close(void **state);

/* "2026-04-01", which must be a day. */
date_days day(const char *text);

struct person *cast_person(struct cast *c, const char *id);

/* A notice: developing or not, and its groups, joined by commas ("-": none).  The code of
 * people_add_notice, or of people_add_tenure for a step such as "P|2026-01-01". */
int cast_notice(struct cast *c, const char *id, const char *from, bool developing, const char *list,
                int64_t time_ms);
int cast_tenure(struct cast *c, const char *id, const char *step, int64_t more);

/* Begins a period, which must be one. */
void cast_period(struct cast *c, const char *period);

/* A counter of the member that was told last. */
void cast_count(struct cast *c, const char *field, int64_t value);

/* Makes the commit, and a new dump. */
void cast_commit(struct cast *c);

/* Writes the period and commits; `known` are names of groups, at most eight, between spaces. */
void cast_write(struct cast *c, const char *known);

#endif
