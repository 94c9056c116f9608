/* A commit: everything that one step changes in the store, to happen all at once or not at all.
 *
 * It moves one or more partitions from one offset to another, and succeeds only if each of them
 * still stands where the commit begins (invariants 2 and 3 in README.md).  Keys carry no prefix
 * here: that is the store's. */
#ifndef WORKERS_COMMIT_H
#define WORKERS_COMMIT_H

#include "proto/arena.h"

#include <limits.h>

#define LOG_ID 32 /* hex digits of a journal's log id */

/* A place of the store stands for something and is moved on by commits: a partition, by its
 * number, or all that is derived from the counters. */
#define PLACE_DERIVED UINT_MAX

#define PLACE_KEY 32 /* room for a place's key */

/* "offset:3" or "derived", the key of what a place stands for; in `room`. */
struct slice place_key(unsigned place, char room[PLACE_KEY]);

/* What a place stands for. */
struct applied {
    bool known;           /* false: nothing was ever applied */
    char log[LOG_ID + 1]; /* the journal */
    uint64_t offset;      /* the next event; PLACE_DERIVED: how often was derived */
    int64_t time_ms;      /* when that was applied */
    uint64_t epoch;       /* greater after somebody changed keys otherwise than by events: whoever
                             remembers records of an earlier epoch forgets them */
    int64_t held_ms;      /* nobody but the one who says so moves it on before then (hold.h) */
};

/* Whether two looks saw the same: nothing was moved on in between. */
bool applied_same(const struct applied *a, const struct applied *b);

/* It stands for another journal, or for more than this one holds (an older copy of it). */
bool applied_foreign(const struct applied *a, struct slice log, uint64_t end);
bool applied_any_foreign(const struct applied *a, unsigned count, struct slice log,
                         const uint64_t *ends);

struct commit_move {
    unsigned place;
    struct applied from, to;
};

enum commit_verb {
    COMMIT_HSET,    /* key field value */
    COMMIT_HDEL,    /* key field */
    COMMIT_HINCRBY, /* key field amount; a field that comes to zero is removed */
    COMMIT_SADD,    /* key field */
    COMMIT_ZADD,    /* key field amount */
    COMMIT_ZREM,    /* key field */
    COMMIT_XADD,    /* key field value: consecutive ones of one key make one stream entry */
    COMMIT_DEL,     /* key, of whatever type */
    COMMIT_RENAME,  /* key field: the key, which must be there, has that name from now on */
};

struct commit_op {
    enum commit_verb verb;
    struct slice key, field, value;
    int64_t amount;
    bool below; /* COMMIT_HINCRBY: the number may be negative, and come to zero from below */
};

/* All slices must outlive the commit: they come from `arena` or from what the caller keeps. */
struct commit {
    struct arena *arena;
    struct commit_op *ops;
    size_t count, room;
    struct commit_move *moves;
    size_t move_count, move_room;
    bool unawaited; /* the store need not wait for the outcome: store_confirm, or the next begin,
                       gives it */
};

void commit_clear(struct commit *c);
void commit_free(struct commit *c);

struct commit_move *commit_move(struct commit *c, unsigned place);

void commit_hset(struct commit *c, struct slice key, struct slice field, struct slice value);
void commit_hdel(struct commit *c, struct slice key, struct slice field);
void commit_hincrby(struct commit *c, struct slice key, struct slice field, int64_t amount);
/* For numbers that may be negative. */
void commit_hincrby_below(struct commit *c, struct slice key, struct slice field, int64_t amount);
void commit_sadd(struct commit *c, struct slice key, struct slice name);
void commit_zadd(struct commit *c, struct slice key, struct slice name, int64_t score);
void commit_zrem(struct commit *c, struct slice key, struct slice name);
void commit_xadd(struct commit *c, struct slice key, struct slice field, struct slice value);
void commit_del(struct commit *c, struct slice key);
void commit_rename(struct commit *c, struct slice key, struct slice name);

/* How many of the operations from `i` on have the verb and key of operation `i`: stores send them
 * as one. */
size_t commit_run(const struct commit *c, size_t i);

/* A decimal, in the commit's arena. */
struct slice commit_text(struct commit *c, int64_t number);

/* The parts put together, in the commit's arena. */
struct slice commit_join(struct commit *c, const struct slice *parts, size_t count);

#endif
