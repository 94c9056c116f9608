/* Groups: the members' counters of one period added up by group, and the figures made of them.
 * Pure; the rules are those of KEYS.md, "Groups and figures".
 *
 *     groups_begin    a period
 *     groups_person   for every member that is named, and behind each:
 *     groups_counter  every counter it has in the period
 *     groups_effect   in years: its seats with duties
 *     groups_write    the keys group:G:PERIOD of all groups, as operations of a commit */
#ifndef WORKERS_GROUP_H
#define WORKERS_GROUP_H

#include "workers/commit.h"
#include "workers/people.h"

struct groups;

struct groups *groups_new(void);
void groups_free(struct groups *g);

/* "2026" or "2026-03"; `list` is the group list's version.  Forgets the period before.  Returns 0,
 * or ERR_CORRUPT for what is no period. */
int groups_begin(struct groups *g, struct slice period, const char *list);

void groups_person(struct groups *g, const struct person *who);
void groups_counter(struct groups *g, struct slice field, int64_t value);

/* Of a member in a year, by its seats with duties: how many are effective, how many there are, and
 * how many of them it still held on the last day. */
void groups_effect(struct groups *g, int64_t effective, int64_t duty, int64_t held);

/* Writes each group's key anew (COMMIT_DEL, then COMMIT_HSET), and those of the groups without
 * their three largest voters; removes the keys (both forms) of those in `known` that have no
 * member now, and of all of them when the period has no counter. */
void groups_write(struct groups *g, const struct slice *known, size_t known_count,
                  struct commit *c);

/* Whether a member that is named, and has this notice (NULL: none), is in the group. */
bool profile_in_group(const struct profile_fact *p, struct slice group);

/* Behind the name of a group whose three largest voters are left out. */
#define GROUP_WITHOUT "-without-top3"

/* "ldc" of "ldc-without-top3": the group whose three largest are left out; false for others. */
bool group_without(struct slice group, struct slice *ret_of);

/* The last day of "2026" or "2026-03"; false for what is no period. */
bool period_last_day(struct slice period, date_days *ret);

/* Takes ":PERIOD", whatever it is, off the end of a key's name: what is before it may have colons
 * of its own.  False when there is no colon. */
bool period_cut(struct slice *name, struct slice *ret_period);

/* ---- figures: which counters they are made of ---- */
struct figure_term {
    const char *counter; /* "technical.ballots.due" */
    int sign;
};

struct figure {
    const char *name;                  /* "voting" */
    struct figure_term num[5], den[3]; /* ended by a NULL counter */
    bool share;                        /* the denominator is the whole of `all` */
};

#define FIGURES 7
extern const struct figure figures[FIGURES]; /* all but share.seats, which is made of seats */

#endif
