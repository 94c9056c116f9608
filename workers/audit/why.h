/* Why: a number in Redis, and the journal's events explained up to what it stands for.
 *
 *     why_look     the number, and the offsets that it stands for
 *     why_walk     the journal's events before these offsets, of the partitions that can matter
 *
 * With `then` the walk takes what had been received by as_of_ms, and Redis is not asked. */
#ifndef WORKERS_AUDIT_WHY_H
#define WORKERS_AUDIT_WHY_H

#include "workers/audit/explain.h"
#include "workers/audit/live.h"

#define WHY_ANSWER_MS 3000

struct why {
    const struct target *target; /* borrowed, and so are the next two */
    struct reader *reader;       /* with a session */
    struct store *store;         /* not used with `then` */
    bool then, progress;
    int64_t as_of_ms;
    int patience_ms;     /* for groups to be derived */
    int64_t deadline_ms; /* by clock_mono_ms; 0: the walk may take as long as it takes */
    size_t most_bytes;   /* of memory for the facts; 0: as much as it takes */

    /* what was found */
    struct live live;
    uint64_t ends[WIRE_MAX_PARTS]; /* of what is read */
    unsigned partitions;
    uint64_t behind; /* events that are not in Redis yet */
    bool redis;      /* an error is Redis's, not the broker's */
};

/* 0, or an error; ERR_FOREIGN when Redis is of another journal; Redis' ERR_TIMEOUT when a group's
 * number does not come to rest. */
int why_look(struct why *w);

/* 0, or an error of the walk; ERR_TIMEOUT; ERR_FULL: the facts take more than most_bytes. */
int why_walk(struct why *w, struct explain *x);

/* Whether Redis has this sum; always when it was not asked. */
bool why_agrees(const struct why *w, int64_t sum);

#endif
