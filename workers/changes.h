/* What else a commit says of its changes, before flush_ledger writes them: to live readers, by an
 * entry of the change feed, and to whoever derives groups and the watch list, by marks. */
#ifndef WORKERS_CHANGES_H
#define WORKERS_CHANGES_H

#include "workers/ledger.h"
#include "workers/store.h"

/* A change entry names at most this many of a kind, else "*": all of them may have changed. */
#define CHANGES_NAMED 100

/* The lists of an entry, beside what it says besides: KEYS.md, "The change feed". */
enum change_list {
    CHANGE_MEMBERS,
    CHANGE_COMMITTEES,
    CHANGE_PERIODS,
    CHANGE_BALLOTS,
    CHANGE_MEETINGS,
    CHANGE_GROUPS,
    CHANGE_WATCH,
    CHANGE_LISTS
};
extern const char *const change_list_name[CHANGE_LISTS];

/* An entry that sends readers to everything, and says why: "rebuilt" or "repaired". */
void changes_tell_all(struct commit *c, struct slice key, const char *why);

/* One entry of the stream `changes`: which members, committees, periods, ballots and meetings. */
void changes_tell(struct ledger *l, struct commit *c);

/* Marks in the set `dirty` (derive.h), each made of words separated by "|":
 *
 *     period|PERIOD       counters of the period moved
 *     seat|C|M|YEAR       duties of the seat moved
 *     seats|C|DATE        seats of the committee changed from that day on
 *     watch|C             a ballot's or meeting's notice changed
 *     answer|C|DATE       a vote on an open ballot that closes then
 *     members             which members there are, or their groups, may have changed */
void changes_mark(struct ledger *l, struct commit *c);

#endif
