/* A refused event as the journal keeps it, with its reason, to bytes and back.
 *
 *     0         1      2      3      4      6      8          16         24     28
 *     +---------+------+------+------+------+------+----------+----------+------+---------------
 *     | version | S    | C    | F    | R    | zero | received | checksum | size | source, code,
 *     | u8 = 1  | u8   | u8   | u8   | u16  | u16  | i64 ms   | XXH3-64  | u32  | field, reason,
 *     +---------+------+------+------+------+------+----------+----------+------+ event
 *
 * S, C, F, R: bytes of source, code, field, reason.  `size` is the event's true size; of a larger
 * one the first EVENT_MAX_BYTES are kept. */
#ifndef BROKER_REJECT_H
#define BROKER_REJECT_H

#include "proto/bytes.h"

#define REJECT_VERSION 1
#define REJECT_HEAD    28

/* On disk one takes at most three pages (28 + 64 + 64 + 64 + 160 + 8192 bytes). */
#define REJECT_MAX_BYTES (12 * 1024)

struct reject {
    int64_t received_ms;
    struct slice source, code, field, reason;
    struct slice event; /* as it came; when read, perhaps only its beginning */
    uint32_t size;      /* of all of it; set by reject_decode */
};

/* Writes reject_size bytes; `number` goes into their checksum. */
size_t reject_size(const struct reject *r);
void reject_encode(const struct reject *r, uint64_t number, char *out);

/* The slices of *ret borrow from `bytes`.  0, ERR_VERSION, or ERR_CORRUPT. */
int reject_decode(struct slice bytes, uint64_t number, struct reject *ret);

/* The source by the head alone, which may be damaged: then whatever it seems to be, or none. */
struct slice reject_source(struct slice bytes);

#endif
