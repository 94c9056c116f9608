/* msgpack, both ways: a writer into a buffer (by msgpack-c), a bounded check of foreign bytes, and
 * a reader for the small arrays of the wire and the journal.
 *
 * msgpack-c trusts what it reads: five bytes make it ask for gigabytes.  So nothing foreign ever
 * reaches it, and it is the fuzzers that hold our reading against its own. */
#ifndef PROTO_PACK_H
#define PROTO_PACK_H

#include "proto/bytes.h"
#include "proto/refusal.h"

/* ---- writing: appends to a buffer, smallest encoding, cannot fail ---- */
void pack_array(struct buffer *b, uint32_t count);
void pack_map(struct buffer *b, uint32_t count);
void pack_int(struct buffer *b, int64_t number);
void pack_uint(struct buffer *b, uint64_t number);
void pack_bool(struct buffer *b, bool value);
void pack_nil(struct buffer *b);
void pack_double(struct buffer *b, double value);
void pack_str(struct buffer *b, struct slice text);
static inline void pack_text(struct buffer *b, const char *text)
{
    pack_str(b, slice_of(text));
}
void pack_bin(struct buffer *b, struct slice bytes);

/* ---- the bounded check ---- */
#define PACK_DEPTH 4 /* containers within containers; an event needs 2 */

/* Walks one object at the start of `bytes`: every length within the bytes that are left, depth
 * at most PACK_DEPTH, every str valid UTF-8.  Takes time linear in `bytes`, allocates nothing.
 * Returns 0 and its size, or ERR_REFUSED with `why` (malformed, bad-utf8). */
int pack_check(struct slice bytes, size_t *ret_size, struct refusal *why);

/* Takes `count` objects off *rest by nothing but their lengths: for what has been checked before.
 * False, with *rest as it was, when they are not all there. */
bool pack_pass_over(struct slice *rest, uint64_t count);

/* ---- reading small arrays: checks first, then steps through ---- */
struct pack_reader {
    struct slice rest;
    bool failed; /* sticky: once true all reads give 0 or empty, test it at the end */
};

/* `bytes` must be exactly one msgpack object; ERR_PROTOCOL if not. */
int pack_read(struct slice bytes, struct pack_reader *ret);

/* What a value is, by its first byte. */
enum pack_kind {
    PACK_NONE, /* c1, which msgpack never uses, or nothing left */
    PACK_NIL,
    PACK_BOOL,
    PACK_UINT,
    PACK_INT, /* the signed forms */
    PACK_FLOAT,
    PACK_STR,
    PACK_BIN,
    PACK_EXT,
    PACK_ARRAY,
    PACK_MAP
};
enum pack_kind pack_peek(const struct pack_reader *r); /* of the next value */

/* Each takes the next value; one of another kind, or none left, sets `failed`. */
uint32_t pack_read_array(struct pack_reader *r); /* the count; its items follow */
uint32_t pack_read_map(struct pack_reader *r);   /* the pairs; key and value follow for each */
double pack_read_double(struct pack_reader *r);
int64_t pack_read_int(struct pack_reader *r);
uint64_t pack_read_uint(struct pack_reader *r);
bool pack_read_bool(struct pack_reader *r);
struct slice pack_read_str(struct pack_reader *r); /* borrows from `bytes` */
void pack_skip(struct pack_reader *r);             /* one value of any kind */

#endif
