/* The two values of the journal's table "meta": what the journal is, and where it ends.
 *
 * Key 0, written when the journal is made:
 *
 *     0         8         12          16        24               56          64
 *     +---------+---------+-----------+---------+----------------+-----------+
 *     | TRNTJRNL| format  | partitions| created | log id         | checksum  |
 *     | 8 bytes | u32     | u32       | i64 ms  | 32 hex digits  | XXH3-64   |
 *     +---------+---------+-----------+---------+----------------+-----------+
 *
 * Key 1, written by every commit to the trees:
 *
 *     0         8         16         24         32        40          48          48+8P
 *     +---------+---------+----------+----------+---------+-----------+-----------+
 *     | TRNTENDS| commit  | next     | rejects  | P       | checksum  | P ends    |
 *     | 8 bytes | u64     | reject   | kept u64 | u64     | XXH3-64   | u64 each  |
 *     +---------+---------+----------+----------+---------+-----------+-----------+
 *
 * A record's checksum says that the record is what was written, but not that there is none behind
 * it: LMDB's own pages have no checksums, and one changed number in them can show a partition as it
 * was some commits ago.  The ends say what must be there. */
#ifndef BROKER_META_H
#define BROKER_META_H

#include "proto/bytes.h"
#include "proto/wire.h"

#define META_FORMAT    4
#define META_BYTES     64
#define META_KEY       0
#define ENDS_KEY       1
#define ENDS_HEAD      48
#define ENDS_MAX_BYTES (ENDS_HEAD + 8 * WIRE_MAX_PARTS)

struct meta {
    unsigned format, partitions;
    int64_t created_ms;
    char log[WIRE_LOG]; /* random hex digits, for good */
};

struct ends {
    uint64_t commit;      /* the number of the commit, from 1 */
    uint64_t next_reject; /* the number that the next refused event gets */
    uint64_t rejects;     /* kept */
    unsigned partitions;
    uint64_t ends[WIRE_MAX_PARTS];
};

/* Writes META_BYTES. */
void meta_encode(const struct meta *m, char *out);

/* 0, ERR_VERSION for a format that is not known, or ERR_CORRUPT. */
int meta_decode(struct slice bytes, struct meta *ret);

size_t ends_size(const struct ends *e);
void ends_encode(const struct ends *e, char *out); /* writes ends_size bytes */

/* 0 or ERR_CORRUPT, also when they are those of another number of partitions. */
int ends_decode(struct slice bytes, unsigned partitions, struct ends *ret);

#endif
