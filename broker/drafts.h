/* Drafts: the events of a round, sorted by partition and source, until they become records. */
#ifndef BROKER_DRAFTS_H
#define BROKER_DRAFTS_H

#include "broker/journal.h"

struct drafts;

struct drafts *drafts_new(struct journal *journal); /* borrowed */
void drafts_free(struct drafts *d);                 /* NULL is allowed */

/* When all that is added from now on was received. */
void drafts_begin(struct drafts *d, int64_t received_ms);

/* Copies both.  A draft that is full, or of another source, goes to the journal first. */
void drafts_add(struct drafts *d, unsigned partition, struct slice source, struct slice event);

/* All of them to the journal.  An error of it sticks until the commit. */
void drafts_close(struct drafts *d);

#endif
