/* A hold: all partitions in Redis stand still for a moment, so that they can be compared, mended or
 * switched over.  It bumps their epoch: workers forget what they remember, and wait until the hold
 * is released or its time is over.  Nothing is lost by it, not even if its holder is killed; and it
 * promises nothing that a commit's watch does not prove.
 *
 *     hold_take       and hold_renew when it takes long
 *     hold_watch      right before each commit that counts on it: nothing has moved
 *     hold_moves      in that commit, which ends the hold; or hold_moves_on, or hold_release */
#ifndef WORKERS_HOLD_H
#define WORKERS_HOLD_H

#include "proto/wire.h"
#include "workers/store.h"

#define HOLD_MS 5000 /* then workers go on by themselves */
/* A hold that is to last longer than this was left by somebody whose clock is wrong: it is none.
 * For a worker neither is one that was over so long ago. */
#define HOLD_MOST_MS 300000

struct hold { /* zero before the first take */
    struct store *store;
    unsigned partitions;
    struct applied applied[WIRE_MAX_PARTS]; /* where they stand while held */
    struct applied derived; /* where PLACE_DERIVED stood when it was taken; not held */
};

/* Takes the hold, or takes it anew (partitions may have moved in between: see `applied`).  A
 * partition for which nothing was ever applied stands at the beginning of `log` from now on.
 * 0, or an error of the store; ERR_AGAIN when commits came in between every time, or somebody else
 * holds. */
int hold_take(struct hold *h, struct store *store, unsigned partitions, const char *log,
              int64_t now_ms);

/* The same without holding anything, for who may only read: hold_watch tells afterwards whether it
 * all stood still. */
int hold_look(struct hold *h, struct store *store, unsigned partitions);

/* Holds for as long again, without a gap.  ERR_CONFLICT when a partition has moved since the hold
 * was taken, and so also when somebody else has taken it.  What is derived may have moved: see
 * `derived`. */
int hold_renew(struct hold *h, int64_t now_ms);

/* Looks again, and watches for the next commit of the store: ERR_CONFLICT when a partition has
 * moved, or anything was derived, since the hold was taken. */
int hold_watch(const struct hold *h);

/* Adds the moves that end the hold to a commit.  The partitions are left where they stand, or, with
 * `to` (an array by partition), stand there; their epoch goes on. */
void hold_moves(const struct hold *h, struct commit *c, const struct applied *to, int64_t now_ms);

/* Adds moves with which the hold goes on beyond the commit, and one of what is derived.  If that
 * commit fails, the hold is lost. */
void hold_moves_on(struct hold *h, struct commit *c, const char *log, int64_t now_ms);

/* Adds moves of all partitions to the beginning of `log`, with which the hold goes on beyond the
 * commit.  Their epochs are none that they ever had, even if their keys were once removed. */
void hold_moves_anew(struct hold *h, struct commit *c, const char *log, int64_t now_ms);

/* Adds a move of what is derived, for a commit that changes what it is derived from: what somebody
 * derives from the numbers before is then not written over the numbers after. */
void hold_moves_derived(const struct hold *h, struct commit *c, const char *log, int64_t now_ms);

/* Ends the hold without anything else.  ERR_CONFLICT: it had ended; another error means that it
 * ends by its time. */
int hold_release(struct hold *h, int64_t now_ms);

#endif
