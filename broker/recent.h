/* The recent records: those that the journal has on disk, but not yet in the trees of their
 * partitions.
 *
 * A commit of a few events would change some pages of each partition's tree.  It goes into the
 * write-ahead log instead (wal.h), with the records of all partitions; once there are enough of
 * them they go into the trees, in one commit, and the log begins anew.  They are few and are kept
 * in memory, so that nobody who reads on at the end goes to the disk.
 *
 *     of a commit:   entry, entry ...
 *
 *     0         8         12          14        16
 *     +---------+---------+-----------+---------+-----------------+
 *     | offset  | size    | partition | zero    | record          |
 *     | u64     | u32     | u16       | u16     | `size` bytes    |
 *     +---------+---------+-----------+---------+-----------------+
 *
 * Numbers are little-endian.  An entry needs no checksum of its own: that of the record covers its
 * partition and its offset.  No I/O in here. */
#ifndef BROKER_RECENT_H
#define BROKER_RECENT_H

#include "broker/record.h"

#define RECENT_HEAD  16
#define RECENT_BYTES ((size_t)1024 * 1024) /* kept so, unless told otherwise */
#define RECENT_STAGE ((size_t)64 * 1024)   /* of one commit: more is worth the trees' pages */
#define RECENT_PART  4                     /* and no more than this part of what is kept */
#define RECENT_NONE  SIZE_MAX

struct recent_entry {
    unsigned partition;
    uint64_t offset;
    struct slice record; /* borrowed */
};

/* Takes the first entry off a value's bytes: 0; ERR_AGAIN when there is none left; ERR_CORRUPT for
 * what was not written so.  The record is not looked into. */
int recent_take(struct slice *value, struct recent_entry *ret);

struct recent;

struct recent *recent_new(void);
void recent_free(struct recent *r); /* NULL is allowed */

/* Room for a record, to be filled at once; it is staged until recent_settle. */
char *recent_stage(struct recent *r, unsigned partition, uint64_t offset, size_t size);

/* Entries in the order in which they were staged: all, and those that are not stored yet.  Borrowed
 * until the next change. */
struct slice recent_all(const struct recent *r);
struct slice recent_staged(const struct recent *r);

/* What was staged is stored, or is forgotten. */
void recent_settle(struct recent *r, bool stored);
void recent_clear(struct recent *r); /* all of them */

/* The partition's records that are stored, oldest first.  recent_find: the last one that begins at
 * `offset` or before it; RECENT_NONE if none does.  recent_get: false behind the last. */
size_t recent_find(const struct recent *r, unsigned partition, uint64_t offset);
bool recent_get(const struct recent *r, unsigned partition, size_t index, struct recent_entry *ret);

#endif
