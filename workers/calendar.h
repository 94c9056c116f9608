/* The calendar of a committee's seat: which ballot waits for its answer, which meetings count, and
 * whether one was missed.  The rules of "Seats at risk" in KEYS.md, for the list itself and for
 * what it is explained by.  Pure; of the ledger only what was loaded counts. */
#ifndef WORKERS_CALENDAR_H
#define WORKERS_CALENDAR_H

#include "workers/ledger.h"

/* Open and mandatory, and the member has neither answered nor is it excused. */
bool calendar_awaits(const struct ballot *b, struct slice member);

/* The mandatory meetings that were held, latest first; in the arena. */
struct meeting **calendar_meetings(struct arena *a, const struct committee *c, size_t *ret_count);

/* No participant of the member, which was due, attended, was excused or took part by
 * correspondence. */
bool calendar_missed(const struct meeting *m, struct slice member);

#endif
