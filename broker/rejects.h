/* The refused events, kept with their reasons so that they can be sent again once the cause is
 * mended.  They are a table of the journal's disk and part of its commits. */
#ifndef BROKER_REJECTS_H
#define BROKER_REJECTS_H

#include "broker/disk.h"
#include "broker/reject.h"

/* So many are kept, and of a small journal no more than an eighth of its limit.  Of too many the
 * oldest of the source that has most goes. */
#define REJECTS_MOST 100000
#define REJECTS_PART 8

struct rejects; /* borrows the disk */

/* The numbers of the refused events go on from `next` or behind the last one kept, whichever is
 * greater: so that a number is never given twice, also when the last ones were dropped. */
int rejects_open(struct disk *disk, unsigned table, uint64_t next, struct rejects **ret);
void rejects_free(struct rejects *r); /* NULL is allowed */

/* In the disk's write transaction. */
int rejects_add(struct rejects *r, const struct reject *reject);
int rejects_drop(struct rejects *r, uint64_t number); /* ERR_AGAIN: none; does not stick */

/* After the commit, or after an abort. */
void rejects_settle(struct rejects *r, bool committed);

/* How many are kept. */
uint64_t rejects_count(const struct rejects *r);

/* As they will be after the commit: the next number, and how many are kept. */
uint64_t rejects_next_number(const struct rejects *r);
uint64_t rejects_staged(const struct rejects *r);

/* The first kept whose number is at least `number`, within a read transaction of the disk, from
 * which the slices borrow.  ERR_AGAIN when there is none, ERR_IO; ERR_CORRUPT or ERR_VERSION for
 * one that is not what was written: *ret_number is then set too. */
int rejects_next(struct rejects *r, uint64_t number, uint64_t *ret_number, struct reject *ret);

#endif
