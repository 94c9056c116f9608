/* How many refused events each source has, and which: so that of too many the right one goes.
 *
 * The room for refused events is shared.  When it is full, the oldest of the source that has most
 * goes: a source that floods pushes out its own, and those of the others stay.
 *
 * Kept in memory, 8 bytes for each number; what is done is either kept or undone, as the commit it
 * belongs to.  Adding and finding whose turn it is take constant time, amortised. */
#ifndef BROKER_REJECT_COUNTS_H
#define BROKER_REJECT_COUNTS_H

#include "proto/bytes.h"

struct reject_counts;

struct reject_counts *reject_counts_new(void);
void reject_counts_free(struct reject_counts *c); /* NULL is allowed */

/* The number is not there yet, and as a rule greater than all before.  The source has at most
 * WIRE_NAME bytes. */
void reject_counts_add(struct reject_counts *c, struct slice source, uint64_t number);

/* False when it is not there. */
bool reject_counts_remove(struct reject_counts *c, uint64_t number);

/* Takes out the oldest of the source that has most; of several such sources, of the one that has
 * had so many for longest.  There must be one. */
uint64_t reject_counts_displace(struct reject_counts *c);

uint64_t reject_counts_total(const struct reject_counts *c);

/* Of one source; 0 too for one that is not known. */
uint64_t reject_counts_of(const struct reject_counts *c, struct slice source);

/* Keeps what was added and removed since the last call, or undoes it. */
void reject_counts_settle(struct reject_counts *c, bool keep);

#endif
