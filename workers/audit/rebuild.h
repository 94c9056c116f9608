/* Rebuilding: all keys made anew from the journal, under names of their own beside the live ones,
 * and switched over in one commit.
 *
 *     open      takes over what an earlier rebuild left, if it fits; else wipes it
 *     build     counts to the journal's end, derives, and once more until little is left
 *     switch    holds the live partitions, counts on to at least where they stand, derives, and
 *               renames everything at once
 *
 * Killed at any point it leaves the live keys as they were, or as they are to be.  Of two rebuilds
 * the one that began later goes on, from what both have built, unless the other one was switching
 * just then.
 *
 * What keeps two apart.  The commit that switches can watch the live places only, and yet must
 * fail when somebody else has changed what was built.  So opening goes in this order:
 *
 *     1 hold what is being built     (its epochs move)
 *     2 hold and release the live    (their epochs move)
 *     3 wipe, or go on               (each commit only if 1 still stands)
 *
 * and switching in this one:
 *
 *     a hold what was built, only if its epochs are those that we left
 *     b hold the live partitions; both holds are renewed, which fails if an epoch has moved
 *     c look once more at what was built
 *     d look once more at the live partitions, and watch them up to the commit
 *
 * If somebody has done 3 before the commit, he has done 1 and 2 before.  A 2 after b makes a
 * renewal, d or the commit fail.  A 2 before b has its 1 before b too: after a, then c sees it;
 * before a but after we opened, then a sees it; before we opened, then our own opening has made
 * every 3 of his impossible.  Whoever does 3 only after the commit finds that 1 does not stand any
 * more.  Epochs of what is built begin at the clock's time when it is wiped: they do not come again
 * after a switch has removed them.
 *
 * What an earlier rebuild left is gone on with only if it is of this journal, this version and this
 * history, and no partition of it was written by half (whole.h).  An older copy of the journal that
 * was put in place has the same name, and may have grown beyond what was counted from the lost one.
 * But its other events were received after the lost ones had been counted: so the last event
 * counted of each partition must have been received, by the broker's clock, before it was counted,
 * by ours.  Where the clocks disagree by more than it takes to put a copy in place, use `fresh`.
 * With `force`, or when the live keys are ahead of the journal, the history is known to be another
 * one, and nothing is gone on with. */
#ifndef WORKERS_AUDIT_REBUILD_H
#define WORKERS_AUDIT_REBUILD_H

#include "workers/reader.h"
#include "workers/rules.h"
#include "workers/store.h"

struct rebuild_options {
    struct store *live, *staged; /* the same Redis; the keys of `staged` begin with FAMILY_NEW */
    struct store *names;         /* as `live`, over a connection of its own */
    struct reader *reader;       /* with a session */
    const char *endpoint;        /* the broker's read endpoint */
    struct rules rules;          /* of the watch list */
    bool force;                  /* also when Redis belongs to another journal; then afresh */
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
