/* msgpack, both ways; see pack.h.
 *
 * Writing is msgpack-c's packer into a buffer.  The check, the reader and the decoder of
 * events (event.c) share one function, head_read, which understands the first bytes of any msgpack
 * value and is told how many bytes there are; neither allocates, and neither believes a length
 * before it has compared it with what is left.  What can fail: foreign bytes, which are answered
 * with a refusal or ERR_PROTOCOL.
 */
#include "proto/pack.h"

#include "proto/error.h"
#include "proto/pack_head.h"

#include <endian.h>
#include <msgpack.h>

static int buffer_write(void *buffer, const char *bytes, size_t size)
{
    buffer_add(buffer, bytes, size);
    return 0;
}

static msgpack_packer packer_on(struct buffer *b)
{
    return (msgpack_packer){.data = b, .callback = buffer_write};
}

void pack_array(struct buffer *b, uint32_t count)
{
    msgpack_packer p = packer_on(b);
    msgpack_pack_array(&p, count);
}

void pack_map(struct buffer *b, uint32_t count)
{
    msgpack_packer p = packer_on(b);
    msgpack_pack_map(&p, count);
}

void pack_int(struct buffer *b, int64_t number)
{
    msgpack_packer p = packer_on(b);
    msgpack_pack_int64(&p, number);
}

void pack_uint(struct buffer *b, uint64_t number)
{
    msgpack_packer p = packer_on(b);
    msgpack_pack_uint64(&p, number);
}

void pack_bool(struct buffer *b, bool value)
{
    msgpack_packer p = packer_on(b);
    value ? msgpack_pack_true(&p) : msgpack_pack_false(&p);
}

void pack_nil(struct buffer *b)
{
    msgpack_packer p = packer_on(b);
    msgpack_pack_nil(&p);
}

void pack_double(struct buffer *b, double value)
{
    msgpack_packer p = packer_on(b);
    msgpack_pack_double(&p, value);
}

void pack_str(struct buffer *b, struct slice text)
{
    msgpack_packer p = packer_on(b);
    msgpack_pack_str(&p, text.size);
    msgpack_pack_str_body(&p, text.at, text.size);
}

void pack_bin(struct buffer *b, struct slice bytes)
{
    msgpack_packer p = packer_on(b);
    msgpack_pack_bin(&p, bytes.size);
    msgpack_pack_bin_body(&p, bytes.at, bytes.size);
}

/* ---- heads ---- */

/* The formats c0 to df: the kind, and how many big-endian bytes of a number come after it. */
static const struct {
    uint8_t kind, width;
} head_form[32] = {
    {PACK_NIL, 0},   {PACK_NONE, 0},  {PACK_BOOL, 0},  {PACK_BOOL, 0},  /* c0 */
    {PACK_BIN, 1},   {PACK_BIN, 2},   {PACK_BIN, 4},   {PACK_EXT, 1},   /* c4 */
    {PACK_EXT, 2},   {PACK_EXT, 4},   {PACK_FLOAT, 4}, {PACK_FLOAT, 8}, /* c8 */
    {PACK_UINT, 1},  {PACK_UINT, 2},  {PACK_UINT, 4},  {PACK_UINT, 8},  /* cc */
    {PACK_INT, 1},   {PACK_INT, 2},   {PACK_INT, 4},   {PACK_INT, 8},   /* d0 */
    {PACK_EXT, 0},   {PACK_EXT, 0},   {PACK_EXT, 0},   {PACK_EXT, 0},   /* d4 */
    {PACK_EXT, 0},   {PACK_STR, 1},   {PACK_STR, 2},   {PACK_STR, 4},   /* d8 */
    {PACK_ARRAY, 2}, {PACK_ARRAY, 4}, {PACK_MAP, 2},   {PACK_MAP, 4},   /* dc */
};

static uint64_t big_endian(const char *at, unsigned width)
{
    uint64_t n = 0;

    if (width == sizeof n) { /* times, mostly */
        memcpy(&n, at, sizeof n);
        return be64toh(n);
    }
    for (unsigned i = 0; i < width; i++)
        n = n << 8 | (unsigned char)at[i];
    return n;
}

bool head_read_long(struct slice bytes, struct head *ret)
{
    unsigned form = bytes.size ? (unsigned char)bytes.at[0] - 0xc0u : 1; /* c1 is none */
    unsigned kind = head_form[form].kind, width = head_form[form].width;

    if (kind == PACK_NONE || bytes.size < 1 + width)
        return false;
    *ret = (struct head){big_endian(bytes.at + 1, width), (uint8_t)kind, (uint8_t)(1 + width)};
    if (kind == PACK_BOOL)
        ret->number = form == 3;
    if (kind == PACK_INT) /* the sign bit goes to the top and is drawn back down */
        ret->number = (uint64_t)((int64_t)(ret->number << (64 - 8 * width)) >> (64 - 8 * width));
    if (kind == PACK_EXT && width == 0)
        ret->number = (uint64_t)1 << (form - 0x14);
    if (kind == PACK_EXT)
        ret->number++; /* its type is the first byte of what follows */
    return true;
}

static bool head_has_body(const struct head *h)
{
    return h->kind == PACK_STR || h->kind == PACK_BIN || h->kind == PACK_EXT;
}

/* Values that a container holds directly; 0 for all else. */
static uint64_t head_items(const struct head *h)
{
    return h->kind == PACK_MAP ? h->number * 2 : h->kind == PACK_ARRAY ? h->number : 0;
}

/* ---- the bounded check ---- */

/* One value without what it contains: takes it off *rest and checks its lengths and text. */
static int check_value(struct slice *rest, struct head *h, struct refusal *why)
{
    if (!head_read(*rest, h))
        return refusal_malformed(
            why, "the msgpack ends too early or has a byte that msgpack never uses");
    rest->at += h->size;
    rest->size -= h->size;
    if (head_items(h) > rest->size)
        return refusal_malformed(why,
                                 "an array or map claims more items than there are bytes left");
    if (!head_has_body(h))
        return 0;
    if (h->number > rest->size)
        return refusal_malformed(why, "a length points beyond the end");
    if (h->kind == PACK_STR && !utf8_valid(slice_make(rest->at, h->number)))
        return refusal_set(why, REFUSAL_BAD_UTF8, slice_make(NULL, 0), "text that is not UTF-8");
    rest->at += h->number;
    rest->size -= h->number;
    return 0;
}

int pack_pass(struct slice *rest, unsigned depth, struct refusal *why)
{
    uint64_t open[PACK_DEPTH + 1]; /* values still to come, at each depth */
    unsigned outer = depth;

    for (open[depth] = 1;;) {
        struct head h;
        int r = check_value(rest, &h, why);
        if (r < 0)
            return r;
        open[depth]--;
        if (h.kind == PACK_ARRAY || h.kind == PACK_MAP) {
            if (depth == PACK_DEPTH)
                return refusal_set(why, REFUSAL_MALFORMED, slice_make(NULL, 0),
                                   "containers nested more than %d deep", PACK_DEPTH);
            open[++depth] = head_items(&h);
        }
        while (depth > outer && open[depth] == 0)
            depth--;
        if (open[depth] == 0)
            return 0;
    }
}

int pack_check(struct slice bytes, size_t *ret_size, struct refusal *why)
{
    struct slice rest = bytes;
    int r = pack_pass(&rest, 0, why);

    if (r == 0)
        *ret_size = bytes.size - rest.size;
    return r;
}

bool pack_pass_over(struct slice *rest, uint64_t count)
{
    struct slice left = *rest;
    struct head h;

    for (; count > 0; count--) {
        if (!head_read(left, &h))
            return false;
        size_t size = h.size;
        if (h.kind == PACK_STR || h.kind == PACK_BIN || h.kind == PACK_EXT)
            size += h.number;
        else if (h.kind == PACK_ARRAY || h.kind == PACK_MAP)
            count += h.kind == PACK_MAP ? 2 * h.number : h.number;
        if (size > left.size)
            return false;
        left = slice_make(left.at + size, left.size - size);
    }
    *rest = left;
    return true;
}

/* ---- the reader ---- */

int pack_read(struct slice bytes, struct pack_reader *ret)
{
    struct refusal why;
    size_t size;

    if (pack_check(bytes, &size, &why) < 0 || size != bytes.size)
        return ERR_PROTOCOL;
    *ret = (struct pack_reader){.rest = bytes};
    return 0;
}

/* The head of the next value if its kind is one of two; else `failed`, and a head of zeros. */
static struct head reader_head(struct pack_reader *r, enum pack_kind kind, enum pack_kind other)
{
    struct head h;

    if (r->failed || !head_read(r->rest, &h) || (h.kind != kind && h.kind != other)) {
        r->failed = true;
        return (struct head){0};
    }
    r->rest.at += h.size;
    r->rest.size -= h.size;
    return h;
}

uint32_t pack_read_array(struct pack_reader *r)
{
    return (uint32_t)reader_head(r, PACK_ARRAY, PACK_ARRAY).number;
}

uint32_t pack_read_map(struct pack_reader *r)
{
    return (uint32_t)reader_head(r, PACK_MAP, PACK_MAP).number;
}

enum pack_kind pack_peek(const struct pack_reader *r)
{
    struct head h;

    return !r->failed && head_read(r->rest, &h) ? h.kind : PACK_NONE;
}

int64_t pack_read_int(struct pack_reader *r)
{
    struct head h = reader_head(r, PACK_INT, PACK_UINT);

    if (h.kind == PACK_UINT && h.number > INT64_MAX) {
        r->failed = true;
        return 0;
    }
    return (int64_t)h.number;
}

uint64_t pack_read_uint(struct pack_reader *r)
{
    struct head h = reader_head(r, PACK_INT, PACK_UINT);

    if (h.kind == PACK_INT && h.number > INT64_MAX) {
        r->failed = true;
        return 0;
    }
    return h.number;
}

bool pack_read_bool(struct pack_reader *r)
{
    return reader_head(r, PACK_BOOL, PACK_BOOL).number != 0;
}

double pack_read_double(struct pack_reader *r)
{
    struct head h = reader_head(r, PACK_FLOAT, PACK_FLOAT);
    uint32_t half = (uint32_t)h.number;
    float single;
    double value;

    memcpy(&single, &half, sizeof single);
    memcpy(&value, &h.number, sizeof value);
    return h.size == 1 + sizeof single ? (double)single : value;
}

struct slice pack_read_str(struct pack_reader *r)
{
    struct head h = reader_head(r, PACK_STR, PACK_STR);
    struct slice text = slice_make(r->rest.at, h.number);

    if (r->failed || h.number > r->rest.size) {
        r->failed = true;
        return slice_make(NULL, 0);
    }
    r->rest.at += h.number;
    r->rest.size -= h.number;
    return text;
}

void pack_skip(struct pack_reader *r)
{
    struct refusal why;
    size_t size;

    if (r->failed || pack_check(r->rest, &size, &why) < 0) {
        r->failed = true;
        return;
    }
    r->rest.at += size;
    r->rest.size -= size;
}
