/* The fold: one event after the other into the ledger.
 *
 * A change is the difference of what the touched records contribute before and after; the order
 * of events does not matter, nor does repetition (invariants 2, 4 and 6). */
#ifndef WORKERS_FOLD_H
#define WORKERS_FOLD_H

#include "workers/bearing.h"

/* `b` is what the event bears on, and has been gathered.  Returns 0, or ERR_AGAIN with nothing
 * changed: the event ties with the winner in rev, time and id but not in its bytes, and the
 * winner's bytes are not at hand.  They are recalled from the journal (fold_recall), and the event
 * is folded again.  The event's bytes must live until the commit is flushed. */
int fold_event(struct ledger *l, const struct event *e, const struct bearing *b);

/* The same, but facts are all that changes: nothing is tallied, nor noted for the next commit. */
int fold_fact(struct ledger *l, const struct event *e, const struct bearing *b);

/* True when fold_event would say ERR_AGAIN: so that one recall serves a batch. */
bool fold_needs_bytes(const struct event *e, const struct bearing *b);

/* Gives the version its bytes, found in the journal by their digest. */
void fold_recall(struct ledger *l, struct version *v, struct slice raw);

#endif
