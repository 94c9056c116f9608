/* Events: bytes to fields, with every check on the way; see event.h.
 *
 * The happy path is one pass over the bytes: the map's head, then key by key the name's number and
 * where the value lies (event_inner.h), then the rules of the event's type over those
 * (event_rules.c).  Nothing is unpacked and nothing allocated but the lists, in an arena.
 *
 * What can fail is the event: each refusal has a code, the field and what was expected.  The pass
 * ends at the first thing that is wrong; which of several is told is decided once it has failed. */
#include "proto/event.h"

#include "proto/error.h"
#include "proto/event_inner.h"
#include "proto/event_text.h"
#include "proto/pack_head.h"

#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* What decoded lists may keep over a reset. */
#define LISTS_KEEP ((size_t)1024 * 1024)

struct event_decoder {
    struct arena lists;
    struct key_index index;
};

struct event_decoder *event_decoder_new(void)
{
    struct event_decoder *d = memory_need(sizeof *d);

    d->lists = (struct arena){0};
    key_index_build(&d->index);
    return d;
}

void event_decoder_free(struct event_decoder *d)
{
    if (!d)
        return;
    arena_free(&d->lists);
    free(d);
}

void event_decoder_reset(struct event_decoder *d)
{
    arena_reset(&d->lists, LISTS_KEEP);
}

static int refuse_size(struct refusal *why, size_t size)
{
    return refusal_set(why, REFUSAL_TOO_LARGE, slice_make(NULL, 0),
                       "an event of %zu bytes; expected at most %d", size, EVENT_MAX_BYTES);
}

/* ---- keys ---- */

_Static_assert(KEY_NAMES <= 64, "there is one bit per name");

/* An event on its way through the pass. */
struct pass {
    struct decoding *d;
    struct slice rest; /* what is still to come */
    uint64_t seen;     /* bit per name: also null counts as given */
    unsigned unknown_count;
    struct slice unknown[EVENT_MAX_KEYS]; /* keys that turnout does not know */
};

static inline void slice_skip(struct slice *s, size_t size)
{
    s->at += size;
    s->size -= size;
}

static int refuse_duplicate(const struct pass *p, struct slice key)
{
    return refusal_set(p->d->why, REFUSAL_DUPLICATE_KEY, key, "the key is there more than once");
}

/* What is none of our keys: it has to be sound, and not there twice. */
static int key_pass_unknown(struct pass *p, const struct head *h)
{
    struct slice key = slice_make(p->rest.at + h->size, h->number);
    int r = pack_pass(&p->rest, 1, p->d->why);

    if (r < 0)
        return r;
    if (h->kind != PACK_STR)
        return refusal_malformed(p->d->why, "a key that is not a string");
    if (key.size < 1 || key.size > EVENT_MAX_KEY)
        return refusal_set(p->d->why, REFUSAL_OUT_OF_RANGE, key,
                           "a key of %zu bytes; expected 1 to %d", key.size, EVENT_MAX_KEY);
    for (unsigned i = 0; i < p->unknown_count; i++)
        if (slice_equal(p->unknown[i], key))
            return refuse_duplicate(p, key);
    p->unknown[p->unknown_count++] = key;
    return 0;
}

/* Takes a key off the rest; its name is KEY_NOT_KNOWN if it is sound and none of ours. */
static inline int key_pass(struct pass *p, uint8_t *ret_name)
{
    struct slice *rest = &p->rest, key;
    struct head h = {0};

    *ret_name = KEY_NOT_KNOWN;
    if (!head_read(*rest, &h) || h.kind != PACK_STR || h.number > rest->size - h.size)
        return key_pass_unknown(p, &h);
    key = slice_make(rest->at + h.size, h.number);
    *ret_name = key_index_find(p->d->index, key, rest->size - h.size);
    if (*ret_name == KEY_NOT_KNOWN)
        return key_pass_unknown(p, &h);
    if (p->seen >> *ret_name & 1)
        return refuse_duplicate(p, key);
    p->seen |= (uint64_t)1 << *ret_name;
    slice_skip(rest, h.size + h.number);
    return 0;
}

/* ---- values ---- */

/* Takes the value of the name with this bit, or of an unknown one (0), off the rest.  What is
 * neither a plain text nor of a fixed size is left to pack_pass, which also has the words for what
 * is wrong. */
static inline int value_pass(struct pass *p, uint64_t bit, struct value *ret)
{
    struct slice *rest = &p->rest;
    struct head h;

    if (!head_read(*rest, &h))
        return pack_pass(rest, 1, p->d->why);
    *ret = (struct value){rest->at + h.size, h.number, h.kind, false};
    p->d->given |= h.kind == PACK_NIL ? 0 : bit;
    if (h.kind == PACK_STR && h.number <= rest->size - h.size)
        ret->plain = text_is_plain(slice_make(ret->at, h.number));
    if (ret->plain)
        slice_skip(rest, h.size + h.number);
    else if (h.kind <= PACK_FLOAT)
        slice_skip(rest, h.size);
    else
        return pack_pass(rest, 1, p->d->why);
    return 0;
}

static int pairs_pass(struct pass *p, uint64_t count)
{
    struct decoding *d = p->d;
    struct value unknown;
    uint8_t name;

    for (; count > 0; count--) {
        int r = key_pass(p, &name);
        struct value *v = name == KEY_NOT_KNOWN ? &unknown : &d->values[name];
        if (r == 0)
            r = value_pass(p, name == KEY_NOT_KNOWN ? 0 : (uint64_t)1 << name, v);
        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- events ---- */

/* Takes the map at the start of `bytes` apart. */
static int map_pass(struct decoding *d, struct slice bytes)
{
    struct pass p;
    struct head h;

    if (!head_read(bytes, &h) || h.kind != PACK_MAP)
        return refusal_malformed(d->why, "expected a map");
    if (h.number > EVENT_MAX_KEYS)
        return refusal_set(d->why, REFUSAL_TOO_LARGE, slice_make(NULL, 0),
                           "%u keys; expected at most %d", (unsigned)h.number, EVENT_MAX_KEYS);
    p.d = d; /* field by field, as there is no need to clear the long array */
    p.rest = bytes;
    p.seen = 0;
    p.unknown_count = 0;
    slice_skip(&p.rest, h.size);
    int r = pairs_pass(&p, h.number);
    d->end = p.rest.at;
    return r;
}

/* The event at the start of `bytes`, which may go on behind it. */
static int event_pass(struct event_decoder *decoder, struct slice bytes, int64_t now_ms,
                      struct event *ret, struct refusal *why)
{
    struct decoding d;

    d.index = &decoder->index; /* likewise */
    d.lists = &decoder->lists;
    d.now_ms = now_ms;
    d.event = ret;
    d.why = why;
    d.given = 0;
    int r = map_pass(&d, bytes);
    if (r < 0)
        return r;
    *ret = event_empty;
    ret->raw = slice_make(bytes.at, (size_t)(d.end - bytes.at));
    if (ret->raw.size > EVENT_MAX_BYTES)
        return refuse_size(why, ret->raw.size);
    return rules_apply(&d);
}

/* Of an event that pack_check refuses: names the key whose value it is, if it is one's. */
static void refuse_value(struct slice rest, struct refusal *why)
{
    struct refusal found;
    struct head map, key;

    if (!head_read(rest, &map) || map.kind != PACK_MAP)
        return;
    slice_skip(&rest, map.size);
    if (2 * map.number > rest.size) /* it is the map itself */
        return;
    for (uint64_t i = 0; i < map.number; i++) {
        struct slice at = rest;
        if (!head_read(rest, &key) || pack_pass(&rest, 1, &found) < 0)
            return;
        if (pack_pass(&rest, 1, &found) == 0)
            continue;
        if (key.kind == PACK_STR)
            refusal_set(why, found.code, slice_make(at.at + key.size, key.number), "%s",
                        found.reason);
        return;
    }
}

/* For what has been refused: *why is replaced if something is wrong with the bytes, wherever that
 * is, as it comes before all that may be wrong with their meaning. */
static int refuse_bytes(struct slice bytes, bool whole, struct refusal *why)
{
    size_t size;

    if (pack_check(bytes, &size, why) < 0) {
        refuse_value(bytes, why);
        return ERR_REFUSED;
    }
    if (size > EVENT_MAX_BYTES)
        return refuse_size(why, size);
    if (whole && size != bytes.size)
        return refusal_malformed(why, "bytes after the event");
    return ERR_REFUSED;
}

int event_decode(struct event_decoder *d, struct slice raw, int64_t now_ms, struct event *ret,
                 struct refusal *why)
{
    if (raw.size > EVENT_MAX_BYTES)
        return refuse_size(why, raw.size);
    if (event_pass(d, raw, now_ms, ret, why) < 0 || ret->raw.size != raw.size)
        return refuse_bytes(raw, true, why);
    return 0;
}

int event_next(struct event_decoder *d, struct slice *rest, int64_t now_ms, struct event *ret,
               struct refusal *why)
{
    if (event_pass(d, *rest, now_ms, ret, why) < 0)
        return refuse_bytes(*rest, false, why);
    slice_skip(rest, ret->raw.size);
    return 0;
}

struct slice event_partition_key(const struct event *e)
{
    return e->type == EVENT_ADOPTION || e->type == EVENT_MEMBER ? e->member : e->committee;
}

unsigned event_partition(const struct event *e, unsigned partitions)
{
    struct slice key = event_partition_key(e);

    return (unsigned)(XXH3_64bits(key.at, key.size) % partitions);
}
