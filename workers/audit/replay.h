/* Replaying: a partition's events, from its first on, into a ledger with no store behind it.
 *
 * Every record counts as loaded and complete from the first event on, because all events that bear
 * on it come by: so facts are all that is kept, and what they come to is tallied once at the end,
 * by whoever replays.  Memory grows with the facts. */
#ifndef WORKERS_AUDIT_REPLAY_H
#define WORKERS_AUDIT_REPLAY_H

#include "workers/recall.h"
#include "workers/walk.h"

struct replay;

/* An event that has won. */
struct replayed {
    const struct event *event;
    const struct version *fact; /* by its newest version, which is the event's */
    struct slice id_before;     /* of the version before; absent: there was none */
    uint64_t offset;
    const struct walk_run *run;
};

/* Who watches; either may be NULL. */
struct replay_watch {
    bool (*matters)(void *arg, const struct event *e); /* others are passed over */
    void (*won)(void *arg, const struct replayed *r);
    void *arg;
};

/* The ledger is borrowed; `recall` settles ties as for apply_new. */
struct replay *replay_new(struct ledger *l, const struct replay_watch *watch, recall_fn recall,
                          void *arg);
void replay_free(struct replay *r);

/* The partition's next events.  0; an error of the recall; ERR_CORRUPT for bytes that are no
 * event. */
int replay_run(struct replay *r, const struct walk_run *run);

#endif
