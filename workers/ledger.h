/* The ledger: the records that a fold works on, as they stand in the store at the offsets the
 * worker holds, and what the fold has changed in them since.
 *
 * It is a cache with one rule: it is right exactly as long as the worker's own commits succeed.
 * When anything at all goes wrong it is dropped whole and filled again from the store.  When it has
 * grown too large after a commit it first forgets all votes, participants and adoptions, of which
 * there is no end, and keeps what they are judged by; there is no eviction of single records.
 *
 *     committee ─┬─ seats ── line of seat notices of one member
 *                ├─ ballots ── notice, tally, votes (those that were asked for; all if `complete`)
 *                └─ meetings ── notice, tally, delegations ── participants (always all)
 *     member ────┬─ adoptions (those that were asked for)
 *                └─ profiles (all)
 *
 * No I/O, no clock, no globals in here: gather.h says what to fetch, fold.h changes the records,
 * flush.h turns the changes into a commit. */
#ifndef WORKERS_LEDGER_H
#define WORKERS_LEDGER_H

#include "workers/counter.h"
#include "workers/fact.h"

struct member {
    struct table_entry entry; /* by its code */
    bool listed;              /* the set of members has it */
    int64_t facts;            /* more facts in force name it than the store knows */
    bool profiles_loaded, touched;
    struct profile *profiles; /* by `from`, ascending */
    struct table adoptions;   /* struct adoption by "standard|reference" */
    struct adoption *changed_adoptions;
    struct adoption *wanted_adoptions;
};

struct profile {
    struct profile *next;
    date_days from;
    bool changed;
    struct profile_fact fact;
};

struct adoption {
    struct table_entry entry;
    struct adoption *next_changed, *next_wanted;
    bool loaded, changed;
    struct adoption_fact fact;
};

struct committee {
    struct table_entry entry; /* by its id */
    bool loaded, touched;
    bool dates_loaded; /* of all its ballots and meetings; there may be many */
    bool listed;       /* the store knows it */
    bool fact_changed;
    struct committee_fact fact;
    struct table seats;    /* struct seat_line by member */
    struct table ballots;  /* struct ballot by its id */
    struct table meetings; /* struct meeting by its id */
    struct seat *changed_seats;
};

struct seat_line {
    struct table_entry entry;
    struct member *member;
    struct seat *first; /* by `from`, ascending */
};

struct seat {
    struct seat *next, *next_changed;
    struct member *member;
    date_days from;
    bool changed;
    struct seat_fact fact;
};

/* Indices of a ballot's tally: all votes and each position, the same of P-members, duties. */
enum tally {
    TALLY_VOTES = 0,                             /* + enum position */
    TALLY_P_VOTES = TALLY_VOTES + POSITION_NONE, /* + enum position */
    TALLY_DUE = TALLY_P_VOTES + POSITION_NONE,
    TALLY_MISSED,
    TALLY_EXCUSED,
    TALLIES
};
extern const char *const tally_name[TALLIES];

enum verdict { VERDICT_ABSENT, VERDICT_PASS, VERDICT_FAIL, VERDICTS };
extern const char *const verdict_name[VERDICTS];

struct ballot {
    struct table_entry entry;
    struct committee *committee;
    bool loaded, touched;
    bool complete; /* all votes were asked for */
    bool at_hand;  /* and have come: nothing of it waits for the store */
    bool notice_changed;
    date_days indexed; /* `closes` as the committee's index has it; DATE_NONE: not there */
    struct ballot_fact notice;
    struct table votes; /* struct vote by member */
    struct vote *changed_votes;
    struct slice *wanted; /* members whose votes are to be fetched; in the batch's arena */
    uint32_t wanted_count, wanted_room;
    uint32_t singly;                         /* so many were asked for one by one */
    int64_t tally[TALLIES], stored[TALLIES]; /* now, and in the store */
    uint8_t stored_verdict;
};

struct vote {
    struct table_entry entry;
    struct member *member;
    struct vote *next_changed;
    const struct seat_line *line; /* the member's in the committee; NULL: not looked up yet */
    bool loaded;                  /* asked for; all are when the ballot is complete */
    bool changed;
    struct vote_fact fact;
};

enum gathering {
    GATHERING_MEMBERS,
    GATHERING_DELEGATES,
    GATHERING_DUE,
    GATHERING_MISSED,
    GATHERINGS
};
extern const char *const gathering_name[GATHERINGS];

struct meeting {
    struct table_entry entry;
    struct committee *committee;
    bool loaded, touched, complete; /* loaded: notice and tally; complete: the participants too */
    bool notice_changed;
    date_days indexed; /* `starts` as the committee's index has it */
    struct meeting_fact notice;
    struct table delegations;  /* struct delegation by member */
    struct table participants; /* struct participant by "member|participant" */
    struct participant *changed_participants;
    int64_t tally[GATHERINGS], stored[GATHERINGS];
};

/* The participants of one member at one meeting. */
struct delegation {
    struct table_entry entry;
    struct member *member;
    struct participant *first;
    uint32_t present[PRESENCES]; /* how many hold with each status */
};

struct participant {
    struct table_entry entry;
    struct delegation *delegation;
    struct participant *next, *next_changed;
    bool changed;
    struct attendance_fact fact;
};

struct pointers {
    void **items;
    size_t count, room;
};
void pointers_add(struct pointers *p, void *item);

struct ledger {
    struct arena keep;  /* records; lives until the ledger is dropped */
    struct arena many;  /* votes, participants and adoptions; until there are too many */
    struct arena batch; /* what one commit needs */
    struct table committees, members;
    struct table listed; /* "p:2026", "g:ldc": names of periods and groups the store has */
    struct counters counters;
    struct counters accounts; /* rows as the store has them (account.h); there are many */
    struct pointers touched_committees, touched_ballots, touched_meetings, touched_members;
    struct buffer scratch;
};

struct ledger *ledger_new(void);
void ledger_free(struct ledger *l);

/* Forgets everything. */
void ledger_drop(struct ledger *l);

/* After a commit: forgets what it changed; of `keep_bytes`, those records of which there are many
 * when they hold more than a third, and all when the others hold more than half. */
void ledger_settle(struct ledger *l, size_t keep_bytes);

/* Each finds the record or makes an empty one. */
struct member *ledger_member(struct ledger *l, struct slice name);
struct committee *ledger_committee(struct ledger *l, struct slice id);
struct ballot *ledger_ballot(struct ledger *l, struct committee *c, struct slice id);
struct vote *ledger_vote(struct ledger *l, struct ballot *b, struct member *m);
struct meeting *ledger_meeting(struct ledger *l, struct committee *c, struct slice id);
struct participant *ledger_participant(struct ledger *l, struct meeting *m, struct member *member,
                                       struct slice key);
struct seat *ledger_seat(struct ledger *l, struct committee *c, struct member *m, date_days from);
struct profile *ledger_profile(struct ledger *l, struct member *m, date_days from);
struct adoption *ledger_adoption(struct ledger *l, struct member *m, struct slice key);

/* "a|b", the form of compound keys and fields; good until the next call. */
struct slice ledger_pair(struct ledger *l, struct slice a, struct slice b);

/* True the first time a name is said since the ledger was dropped. */
bool ledger_first_time(struct ledger *l, char kind, struct slice name);

/* Puts a record on the list of those that the next commit must look at. */
void ledger_touch_committee(struct ledger *l, struct committee *c);
void ledger_touch_ballot(struct ledger *l, struct ballot *b);
void ledger_touch_meeting(struct ledger *l, struct meeting *m);
void ledger_touch_member(struct ledger *l, struct member *m);

/* What is there of a member; NULL if there is nothing. */
struct vote *ledger_voted(const struct ballot *b, const struct member *m);
const struct seat_line *ledger_line(const struct committee *c, const struct member *m);

/* By seat notices on a day: the role of the latest `from` not after it; ROLE_NONE where there is
 * none, and for NULL. */
enum role seat_role(const struct seat_line *line, date_days day);

/* The member's role in the committee on a day, by its seat notices: the latest `from` not after
 * it; ROLE_NONE where there is none. */
enum role ledger_role(const struct committee *c, struct slice member, date_days day);

#endif
