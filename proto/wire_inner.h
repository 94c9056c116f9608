/* What the functions that write and read headers share; for wire.c and wire_rejects.c only.
 *
 * Reading goes on after the first fault with zeros, as the cursor's `failed` is sticky. */
#ifndef PROTO_WIRE_INNER_H
#define PROTO_WIRE_INNER_H

#include "proto/pack.h"
#include "proto/wire.h"

/* No number is above 2^63-1, so that languages without unsigned integers can hold them all. */
#define NUMBER_MAX ((uint64_t)INT64_MAX)

struct cursor {
    struct pack_reader in;
    struct arena *arena;
    size_t payload_size;
    const char *at;  /* where the value lies that was looked at last */
    bool of_payload; /* it failed as the payload is not of the size that the items say */
};

static inline void check(struct cursor *r, bool holds)
{
    if (!holds)
        r->in.failed = true;
}

static inline void check_payload(struct cursor *r, bool holds)
{
    r->of_payload |= !r->in.failed && !holds;
    check(r, holds);
}

/* The next value is looked at, unless something has failed before it. */
static inline struct pack_reader *next(struct cursor *r)
{
    if (!r->in.failed)
        r->at = r->in.rest.at;
    return &r->in;
}

static inline uint64_t read_number(struct cursor *r, uint64_t least, uint64_t most)
{
    uint64_t number = pack_read_uint(next(r));

    check(r, number >= least && number <= most);
    return r->in.failed ? least : number;
}

static inline struct slice read_text(struct cursor *r, size_t most)
{
    struct slice text = pack_read_str(next(r));

    check(r, text.size <= most);
    return text;
}

/* Opens a list whose items take at least `item_bytes` each: the count, 0 after a fault. */
static inline uint32_t read_list(struct cursor *r, size_t item_bytes, uint32_t most)
{
    uint32_t count = pack_read_array(next(r));

    check(r, count <= most && count <= r->in.rest.size / item_bytes);
    return r->in.failed ? 0 : count;
}

/* Opens a record of `items` items; returns how many more a later version has put behind them. */
static inline uint32_t read_record(struct cursor *r, uint32_t items)
{
    uint32_t count = pack_read_array(next(r));

    check(r, count >= items);
    return r->in.failed ? 0 : count - items;
}

static inline void skip_items(struct cursor *r, uint32_t count)
{
    while (count-- > 0 && !r->in.failed)
        pack_skip(&r->in);
}

/* An array in the arena of the items of a list; of one item where the list is empty. */
static inline void *need_items(struct cursor *r, uint32_t count, size_t size)
{
    return arena_need(r->arena, size * (count ? count : 1));
}

static inline void pack_numbers(struct buffer *out, const uint64_t *numbers, uint32_t count)
{
    pack_array(out, count);
    for (uint32_t i = 0; i < count; i++)
        pack_uint(out, numbers[i]);
}

/* ---- the kinds about refused events, in wire_rejects.c ---- */
void wire_encode_rejects(const struct wire_message *m, struct buffer *out);
void wire_decode_rejects(struct cursor *r, struct wire_message *m);
void wire_encode_rejected(const struct wire_message *m, struct buffer *out);
void wire_decode_rejected(struct cursor *r, struct wire_message *m);
void wire_encode_numbers(const struct wire_message *m, struct buffer *out);
void wire_decode_numbers(struct cursor *r, struct wire_message *m);
void wire_encode_settled(const struct wire_message *m, struct buffer *out);
void wire_decode_settled(struct cursor *r, struct wire_message *m);

#endif
