/* A round of deriving: what its steps share.  Only derive*.c include this. */
#ifndef WORKERS_DERIVE_ROUND_H
#define WORKERS_DERIVE_ROUND_H

#include "proto/date.h"
#include "workers/derive.h"
#include "workers/gather.h"
#include "workers/group.h"

enum derive_stage { DERIVE_IDLE, DERIVE_SEATS, DERIVE_WATCH, DERIVE_PERIODS, DERIVE_END };

/* The marked seats of one committee in one year; none marked: only the roles may have changed. */
struct seat_work {
    struct table_entry entry; /* by "C|YEAR" */
    struct slice committee, year;
    struct table members; /* struct table_entry */
};

/* Names to be worked on, each once. */
struct work {
    struct table names;
    struct pointers list;
    size_t at; /* those before are done */
};

/* The entry of that name; new if it was not there, then of `size` bytes and zeroed. */
void *work_add(struct work *w, struct arena *arena, struct slice name, size_t size);
bool work_left(const struct work *w);
void work_clear(struct work *w);
void work_free(struct work *w);

struct derive {
    struct store *store;
    struct rules rules;
    char log[LOG_ID + 1];
    struct applied applied; /* PLACE_DERIVED, as the last look or commit left it */

    struct applied ended; /* as our last whole round left it ... */
    int64_t began_ms;     /* ... and when that round began */
    struct applied seen;  /* at the last look, ... */
    int64_t seen_ms;      /* ... and since when it stands; 0 before the first */

    /* of a round */
    enum derive_stage stage;
    struct arena round;
    date_days today;
    bool dirty, left;                    /* marks wait; those of a round that did not end wait */
    struct slice day, rules_text, basis; /* as the last round left them */
    bool regrouped;                      /* another basis than theirs: all periods are derived */
    struct work seats, committees, periods;
    struct table since;            /* "C|DATE" */
    struct pointers known, groups; /* all periods and groups there are: struct table_entry */
    struct people people;
    char list[PEOPLE_VERSION];

    /* of a step */
    struct ledger *ledger;
    struct gather gather;
    struct groups *group;
    struct arena batch;
    struct commit commit;
    struct buffer scratch;
    size_t told; /* names in the change feed */
};

/* A ballot that closes on that day, open today, is one to warn of. */
bool derive_warns(const struct derive *d, date_days closes);

/* Adds fetches to those of the next look.  The row gets the ledger as its context. */
void derive_fetch(struct derive *d, struct slice key, enum fetch_kind kind, store_row_fn row,
                  void *record);

/* All that was asked for, at one moment; ERR_CONFLICT when somebody else has derived since. */
int derive_look(struct derive *d);

/* The same, or without a snapshot; tells where the place stands. */
int derive_look_at(struct derive *d, struct applied *ret, bool snapshot);

/* Commits the step, as the next derivation. */
int derive_commit(struct derive *d, int64_t now_ms);

/* FAMILY a BETWEEN b, in the step's memory. */
struct slice derive_key(struct derive *d, const char *family, struct slice a, const char *between,
                        struct slice b);

/* Reads the marks that were taken, and who there is, and lists what is to be done. */
int derive_load(struct derive *d, bool all_committees);

/* The next piece of each stage, as operations of the commit. */
int derive_seats(struct derive *d);
int derive_watch(struct derive *d);
int derive_periods(struct derive *d);

#endif
