/* Gathering: which records a batch of events needs, and how they come from the store into the
 * ledger.
 *
 *     gather_event    for every event: what it bears on directly
 *     gather_take     the fetches, for store_begin
 *     gather_seats    for every event again: the ballots and meetings that a seat notice bears on
 *     gather_take     the fetches, for store_fetch
 *
 * What is already in the ledger is not fetched again. */
#ifndef WORKERS_GATHER_H
#define WORKERS_GATHER_H

#include "workers/ledger.h"
#include "workers/store.h"

struct gather {
    struct ledger *ledger;
    struct store_fetch *fetches;
    size_t count, room;
    struct pointers ballots, members; /* those with a list of single votes or adoptions to fetch */
};

void gather_open(struct gather *g, struct ledger *l);
void gather_close(struct gather *g);

void gather_event(struct gather *g, const struct event *e);
void gather_seats(struct gather *g, const struct event *e);

/* All fetches since the last take; their context is the ledger.  They must be carried out, or the
 * ledger dropped: the records count as loaded from now on.  Valid until the next gather_event. */
const struct store_fetch *gather_take(struct gather *g, size_t *ret_count);

#endif
