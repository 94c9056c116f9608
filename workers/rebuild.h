/* Rebuilding: all keys made anew from the journal, under names of their own beside the live ones,
 * and switched over in one commit.
 *
 *     open      takes over what an earlier rebuild left, if it fits; else wipes it
 *     build     counts to the journal's end, derives, and once more until little is left
 *     switch    holds the live partitions, counts on to at least where they stand, derives, and
 *               renames everything at once
 *
 * Killed at any point it leaves the live keys as they were, or as they are to be.  Of two rebuilds
 * the one that began later goes on, from what both have built: every commit of either is a
 * compare-and-set on the offsets of what is being built, and beginning bumps their epoch.  The
 * switch counts on two things: opening first bumps the epochs of what is being built, then those
 * of the live partitions; switching first holds the live ones, then bumps the epochs of what was
 * built.  So whoever opens in the middle of a switch makes it fail, and whoever opened before can
 * change nothing more. */
#ifndef WORKERS_REBUILD_H
#define WORKERS_REBUILD_H

#include "workers/reader.h"
#include "workers/rules.h"
#include "workers/store.h"

struct rebuild_options {
    struct store *live, *staged; /* the same Redis; the keys of `staged` begin with FAMILY_NEW */
    struct reader *reader;       /* with a session */
    const char *endpoint;        /* the broker's read endpoint */
    struct rules rules;          /* of the watch list */
    bool force;                  /* also when Redis belongs to another journal */
    bool fresh;                  /* from the beginning */
    bool progress;               /* asked for */
};

struct rebuild_result {
    uint64_t keys, events; /* of the new board */
    uint64_t found;        /* of the events, those that an earlier rebuild had counted */
    int64_t taken_ms;
};

/* 0; or an error of the walk or a store, and the live keys are what they were: ERR_FOREIGN, Redis
 * stands for another journal or for more than this one holds; ERR_CONFLICT, another rebuild has
 * taken over; ERR_AGAIN, the partitions could not be held. */
int rebuild_run(const struct rebuild_options *o, struct rebuild_result *ret);

#endif
