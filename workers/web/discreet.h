/* What the journal says of participants is not for everybody: their keys, and ids of events that
 * may be made of them, are left out of all that is served. */
#ifndef WORKERS_WEB_DISCREET_H
#define WORKERS_WEB_DISCREET_H

#include "workers/audit/witness.h"
#include "workers/web/sheet.h"

/* "attendance|ISO/TC 207|2026-05|KE" of "attendance|ISO/TC 207|2026-05|KE|4711". */
struct slice discreet_subject(struct view *v, const struct witness *w);
/* The event's id; absent when it may name a participant. */
struct slice discreet_id(struct view *v, const struct witness *w, struct slice id);
struct slice discreet_states(struct view *v, const struct witness *w);

#endif
