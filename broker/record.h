/* A record of the journal: events that one source sent in one commit, of one partition.
 *
 *     0        1         2        4         8            16          24         24+S
 *     +--------+---------+--------+---------+------------+-----------+----------+-----------+
 *     | version| S       | zero   | count   | received   | checksum  | source   | events    |
 *     | u8 = 1 | u8      | u16    | u32     | i64 ms     | XXH3-64   | S bytes  | msgpack   |
 *     +--------+---------+--------+---------+------------+-----------+----------+-----------+
 *
 * Numbers are little-endian.  The checksum covers the record's place (partition and offset) and
 * every byte but its own, so that a record that is sound but in the wrong place is found too. */
#ifndef BROKER_RECORD_H
#define BROKER_RECORD_H

#include "proto/bytes.h"
#include "proto/wire.h"

#define RECORD_VERSION    1
#define RECORD_HEAD       24
#define RECORD_MAX_EVENTS 16384 /* so that every record fits into one BATCH */
/* No record has more events than this many bytes, and no BATCH: what waits for a reader in ZeroMQ
 * is bounded by its number of messages (link.c).  With its head, and LMDB's of 16 bytes, a record
 * of that size ends where a page does. */
#define RECORD_BYTES     ((size_t)256 * 1024 - RECORD_HEAD - WIRE_NAME - 16)
#define RECORD_MAX_BYTES (RECORD_HEAD + WIRE_NAME + RECORD_BYTES)

struct record {
    struct slice source; /* at most WIRE_NAME bytes */
    int64_t received_ms;
    uint32_t count;      /* 1 to RECORD_MAX_EVENTS */
    struct slice events; /* consecutive msgpack maps, at most RECORD_BYTES */
};

size_t record_size(const struct record *r);

/* Writes record_size bytes. */
void record_encode(const struct record *r, unsigned partition, uint64_t offset, char *out);

/* The slices of *ret borrow from `bytes`.  0, ERR_VERSION, or ERR_CORRUPT. */
int record_decode(struct slice bytes, unsigned partition, uint64_t offset, struct record *ret);

/* The checksum of a value made of a head and a body, standing at `number` in the table `place`. */
uint64_t record_checksum(uint64_t place, uint64_t number, struct slice head, struct slice body);

#endif
