/* Gathering: which records a batch of events needs, and how they come from the store into the
 * ledger.
 *
 *     gather_event    for every event: what it bears on directly
 *     gather_take     the fetches, for store_send and store_begin
 *     gather_seats    for all events again: the ballots and meetings that seat notices bear on
 *     gather_take     the fetches, for store_fetch
 *
 * What is already in the ledger is not fetched again. */
#ifndef WORKERS_GATHER_H
#define WORKERS_GATHER_H

#include "workers/bearing.h"
#include "workers/store.h"

struct gather {
    struct ledger *ledger;
    struct store_fetch *fetches;
    size_t count, room;
    size_t seats;                     /* notices in the batch so far; who begins one sets it to 0;
                                         after gather_seats those that change something, */
    bool several;                     /* and they are of several committees */
    struct pointers ballots, members; /* those with a list of single votes or adoptions to fetch */
};

void gather_open(struct gather *g, struct ledger *l);
void gather_close(struct gather *g);

/* `b` is what the event bears on. */
void gather_event(struct gather *g, const struct event *e, const struct bearing *b);
void gather_seats(struct gather *g, const struct event *events, const struct bearing *bearings,
                  size_t count);

/* Any key of which the caller reads the rows itself; the fetch may be refined. */
struct store_fetch *gather_key(struct gather *g, struct slice key, enum fetch_kind kind,
                               store_row_fn row, void *record);

/* One record at a time, for those who fold nothing: a committee's fact and seats; when its ballots
 * close and its meetings start; a ballot's notice and all its votes; a meeting's notice, and with
 * its participants. */
void gather_committee(struct gather *g, struct committee *c);
void gather_dates(struct gather *g, struct committee *c);
void gather_ballot(struct gather *g, struct ballot *b);
void gather_meeting_notice(struct gather *g, struct meeting *m);
void gather_meeting(struct gather *g, struct meeting *m);

/* All fetches since the last take; their context is the ledger.  They must be carried out, or the
 * ledger dropped: the records count as loaded from now on.  Valid until the next gather_event. */
const struct store_fetch *gather_take(struct gather *g, size_t *ret_count);

#endif
