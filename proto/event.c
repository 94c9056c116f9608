/* Events: bytes to fields, with every check on the way; see event.h.
 *
 * The happy path: the size, the bounded walk of the bytes (pack_check), msgpack-c into a zone that
 * is cleared and used again, the keys sorted out by name, then the rules of the event's type from
 * top to bottom, each putting one value into the struct.  Nothing is allocated per event: the zone
 * is one chunk that holds whatever EVENT_MAX_BYTES can unpack to, and lists go to an arena.
 *
 * What can fail is the event: each refusal has a code, the field and what was expected. */
#include "proto/event.h"

#include "proto/error.h"
#include "proto/event_keys.h"
#include "proto/event_text.h"
#include "proto/pack.h"

#include <stdio.h>
#include <stdlib.h>

#include <msgpack.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

/* Every value takes at least one byte and becomes one object, so this much is always enough and
 * the zone never grows beyond its one chunk.  Only what is used of it is ever touched. */
#define ZONE_BYTES (EVENT_MAX_BYTES * sizeof(msgpack_object) + 64)

/* What decoded lists may keep over a reset. */
#define LISTS_KEEP ((size_t)1024 * 1024)

#define TIME_LATEST_MS 253402300799999 /* 9999-12-31T23:59:59.999Z: periods have four digits */

struct event_decoder {
    msgpack_zone zone;
    struct arena lists;
    struct key_index index;
};

/* One event on its way through the checks. */
struct decoding {
    struct event_decoder *decoder;
    int64_t now_ms;
    struct event *event;
    struct refusal *why;
    const msgpack_object *values[KEY_NAMES]; /* by name; NULL: absent or null */
};

/* One value on its way through its check. */
struct value {
    struct decoding *d;
    const struct key_rule *rule;
    const msgpack_object *object;
};

struct event_decoder *event_decoder_new(void)
{
    struct event_decoder *d = memory_need(sizeof *d);

    d->lists = (struct arena){0};
    key_index_build(&d->index);
    if (!msgpack_zone_init(&d->zone, ZONE_BYTES))
        abort(); /* out of memory, as everywhere */
    return d;
}

void event_decoder_free(struct event_decoder *d)
{
    if (!d)
        return;
    msgpack_zone_destroy(&d->zone);
    arena_free(&d->lists);
    free(d);
}

void event_decoder_reset(struct event_decoder *d)
{
    arena_reset(&d->lists, LISTS_KEEP);
}

static int refuse_whole(struct refusal *why, enum refusal_code code, const char *reason)
{
    return refusal_set(why, code, slice_make(NULL, 0), "%s", reason);
}

#define value_refuse(v, code, ...)                                                                 \
    refusal_set((v)->d->why, code, slice_of((v)->rule->key), __VA_ARGS__)

static void *value_place(const struct value *v)
{
    return (char *)v->d->event + v->rule->offset;
}

/* ---- one check per kind of value ---- */

static int value_str(const struct value *v, struct slice *ret)
{
    if (v->object->type != MSGPACK_OBJECT_STR)
        return value_refuse(v, REFUSAL_BAD_TYPE, "expected a string");
    *ret = slice_make(v->object->via.str.ptr, v->object->via.str.size);
    return 0;
}

static int value_sized(const struct value *v, size_t least, size_t most, struct slice *ret)
{
    int r = value_str(v, ret);

    if (r < 0)
        return r;
    if (ret->size < least || ret->size > most)
        return value_refuse(v, REFUSAL_OUT_OF_RANGE, "%zu bytes; expected %zu to %zu", ret->size,
                            least, most);
    return 0;
}

static int check_text(const struct value *v)
{
    return value_sized(v, 0, EVENT_MAX_TEXT, value_place(v));
}

static int check_id(const struct value *v)
{
    return value_sized(v, 1, EVENT_MAX_ID, value_place(v));
}

static int identifier_of(const struct value *v, size_t most)
{
    struct slice *text = value_place(v);
    int r = value_sized(v, 1, most, text);
    const char *fault = r < 0 ? NULL : identifier_fault(*text);

    return fault ? value_refuse(v, REFUSAL_BAD_VALUE, "an identifier %s", fault) : r;
}

static int check_identifier(const struct value *v)
{
    return identifier_of(v, EVENT_MAX_IDENTIFIER);
}

static int check_member(const struct value *v)
{
    return identifier_of(v, EVENT_MAX_MEMBER);
}

static int check_kind(const struct value *v)
{
    struct slice *kind = value_place(v);
    int r = value_str(v, kind);

    if (r == 0 && !token_is_kind(*kind))
        return value_refuse(v, REFUSAL_BAD_VALUE,
                            "expected a token of 1 to %d letters, digits, '-' or '_' that begins "
                            "with a letter or digit",
                            EVENT_MAX_TOKEN);
    return r;
}

/* The refusal of a word that is none of the rule's, listing those. */
static int refuse_word(const struct value *v)
{
    char list[REFUSAL_REASON] = "";
    size_t n = 0;

    for (unsigned i = 1; i < v->rule->word_count && n < sizeof list; i++)
        n += (size_t)snprintf(list + n, sizeof list - n, "%s%s",
                              i == 1                         ? ""
                              : i + 1 == v->rule->word_count ? " or "
                                                             : ", ",
                              v->rule->words[i]);
    return value_refuse(v, REFUSAL_BAD_VALUE, "expected %s", list);
}

static int check_word(const struct value *v)
{
    struct slice word;
    int r = value_str(v, &word);

    if (r < 0)
        return r;
    uint8_t found = name_find(v->rule->words, v->rule->word_count, word);
    if (!found)
        return refuse_word(v);
    *(uint8_t *)value_place(v) = found;
    return 0;
}

static int check_bool(const struct value *v)
{
    if (v->object->type != MSGPACK_OBJECT_BOOLEAN)
        return value_refuse(v, REFUSAL_BAD_TYPE, "expected true or false");
    *(bool *)value_place(v) = v->object->via.boolean;
    return 0;
}

static int check_count(const struct value *v)
{
    const msgpack_object *o = v->object;

    if (o->type == MSGPACK_OBJECT_NEGATIVE_INTEGER ||
        (o->type == MSGPACK_OBJECT_POSITIVE_INTEGER && o->via.u64 > INT64_MAX))
        return value_refuse(v, REFUSAL_OUT_OF_RANGE, "expected an integer from 0 to 2^63-1");
    if (o->type != MSGPACK_OBJECT_POSITIVE_INTEGER)
        return value_refuse(v, REFUSAL_BAD_TYPE, "expected an integer");
    *(int64_t *)value_place(v) = (int64_t)o->via.u64;
    return 0;
}

static int check_date(const struct value *v)
{
    struct slice text;
    int r = value_str(v, &text);

    if (r == 0 && !date_parse(text, value_place(v)))
        return value_refuse(v, REFUSAL_BAD_VALUE, "expected a date YYYY-MM-DD");
    return r;
}

/* False when it is above what int64 holds, and so above every limit. */
static bool int_of(const msgpack_object *o, int64_t *ret)
{
    if (o->type == MSGPACK_OBJECT_POSITIVE_INTEGER && o->via.u64 > INT64_MAX)
        return false;
    *ret = o->via.i64;
    return true;
}

static int check_time(const struct value *v)
{
    const msgpack_object *o = v->object;
    int64_t *time_ms = value_place(v), latest = v->d->now_ms + EVENT_AHEAD_MS;
    bool sound = true;

    if (o->type == MSGPACK_OBJECT_STR) {
        if (!time_parse(slice_make(o->via.str.ptr, o->via.str.size), time_ms))
            return value_refuse(v, REFUSAL_BAD_VALUE,
                                "expected RFC 3339, such as 2026-03-01T12:00:00Z");
    } else if (o->type == MSGPACK_OBJECT_POSITIVE_INTEGER ||
               o->type == MSGPACK_OBJECT_NEGATIVE_INTEGER) {
        sound = int_of(o, time_ms);
    } else {
        return value_refuse(v, REFUSAL_BAD_TYPE, "expected RFC 3339 or an integer of Unix ms");
    }
    if (!sound || *time_ms > latest || *time_ms > TIME_LATEST_MS)
        return value_refuse(v, REFUSAL_OUT_OF_RANGE,
                            "more than one day ahead of the broker's "
                            "clock");
    if (*time_ms < TIME_EARLIEST_MS)
        return value_refuse(v, REFUSAL_OUT_OF_RANGE, "before 1900-01-01");
    return 0;
}

static int value_list(const struct value *v, msgpack_object_array *ret)
{
    if (v->object->type != MSGPACK_OBJECT_ARRAY)
        return value_refuse(v, REFUSAL_BAD_TYPE, "expected a list");
    if (v->object->via.array.size > EVENT_MAX_LIST)
        return value_refuse(v, REFUSAL_TOO_LARGE, "%u items; expected at most %d",
                            v->object->via.array.size, EVENT_MAX_LIST);
    *ret = v->object->via.array;
    return 0;
}

static int check_tokens(const struct value *v)
{
    msgpack_object_array list;
    int r = value_list(v, &list);

    if (r < 0)
        return r;
    struct slice *tokens = arena_need(&v->d->decoder->lists, list.size * sizeof *tokens);
    for (uint32_t i = 0; i < list.size; i++) {
        const msgpack_object *o = &list.ptr[i];
        if (o->type != MSGPACK_OBJECT_STR)
            return value_refuse(v, REFUSAL_BAD_TYPE, "item %u: expected a string", i + 1);
        tokens[i] = slice_make(o->via.str.ptr, o->via.str.size);
        if (!token_is_small(tokens[i]))
            return value_refuse(v, REFUSAL_BAD_VALUE,
                                "item %u: expected a token of 1 to %d small letters, digits or "
                                "'-' that does not begin with '-'",
                                i + 1, EVENT_MAX_TOKEN);
    }
    v->d->event->tokens = tokens;
    v->d->event->token_count = list.size;
    return 0;
}

static int check_sdgs(const struct value *v)
{
    msgpack_object_array list;
    int r = value_list(v, &list);

    for (uint32_t i = 0; r == 0 && i < list.size; i++) {
        const msgpack_object *o = &list.ptr[i];
        if (o->type != MSGPACK_OBJECT_POSITIVE_INTEGER &&
            o->type != MSGPACK_OBJECT_NEGATIVE_INTEGER)
            return value_refuse(v, REFUSAL_BAD_TYPE, "item %u: expected an integer", i + 1);
        if (o->via.u64 < 1 || o->via.u64 > 17) /* a negative one is huge as u64 */
            return value_refuse(v, REFUSAL_OUT_OF_RANGE, "item %u: expected 1 to 17", i + 1);
        v->d->event->sdgs |= (uint32_t)1 << o->via.u64;
    }
    return r;
}

typedef int (*value_check_fn)(const struct value *v);

static const value_check_fn check_of[KEY_CHECKS] = {
    [CHECK_TEXT] = check_text,
    [CHECK_ID] = check_id,
    [CHECK_IDENTIFIER] = check_identifier,
    [CHECK_MEMBER] = check_member,
    [CHECK_KIND] = check_kind,
    [CHECK_WORD] = check_word,
    [CHECK_BOOL] = check_bool,
    [CHECK_COUNT] = check_count,
    [CHECK_DATE] = check_date,
    [CHECK_TIME] = check_time,
    [CHECK_TOKENS] = check_tokens,
    [CHECK_SDGS] = check_sdgs,
};

/* ---- the event as a whole ---- */

/* Keys that turnout does not know, kept for the search for repeated ones. */
struct unknown_keys {
    struct slice key[EVENT_MAX_KEYS];
    unsigned count;
};

/* The key as a slice, if it can be one. */
static int key_sound(struct decoding *d, const msgpack_object *o, struct slice *ret)
{
    if (o->type != MSGPACK_OBJECT_STR)
        return refuse_whole(d->why, REFUSAL_MALFORMED, "a key that is not a string");
    *ret = slice_make(o->via.str.ptr, o->via.str.size);
    if (ret->size < 1 || ret->size > EVENT_MAX_KEY)
        return refusal_set(d->why, REFUSAL_OUT_OF_RANGE, *ret,
                           "a key of %zu bytes; expected 1 to %d", ret->size, EVENT_MAX_KEY);
    return 0;
}

static int refuse_duplicate(struct decoding *d, struct slice key)
{
    return refusal_set(d->why, REFUSAL_DUPLICATE_KEY, key, "the key is there more than once");
}

static int unknown_add(struct decoding *d, struct unknown_keys *u, struct slice key)
{
    for (unsigned i = 0; i < u->count; i++)
        if (slice_equal(u->key[i], key))
            return refuse_duplicate(d, key);
    u->key[u->count++] = key;
    return 0;
}

_Static_assert(KEY_NAMES <= 64, "event_sort has one bit per name");

/* Sorts the map's values by the names of their keys. */
static int event_sort(struct decoding *d, const msgpack_object_map *map)
{
    struct unknown_keys unknown;
    uint64_t seen = 0; /* bit per name: also null counts as given */

    unknown.count = 0;
    if (map->size > EVENT_MAX_KEYS)
        return refusal_set(d->why, REFUSAL_TOO_LARGE, slice_make(NULL, 0),
                           "%u keys; expected at most %d", map->size, EVENT_MAX_KEYS);
    for (uint32_t i = 0; i < map->size; i++) {
        struct slice key;
        int r = key_sound(d, &map->ptr[i].key, &key);
        if (r < 0)
            return r;
        uint8_t name = key_index_find(&d->decoder->index, key);
        if (name == KEY_NOT_KNOWN) {
            r = unknown_add(d, &unknown, key);
            if (r < 0)
                return r;
            continue;
        }
        if (seen >> name & 1)
            return refuse_duplicate(d, key);
        seen |= (uint64_t)1 << name;
        if (map->ptr[i].val.type != MSGPACK_OBJECT_NIL)
            d->values[name] = &map->ptr[i].val;
    }
    return 0;
}

static int event_find_type(struct decoding *d)
{
    struct value v = {d, &key_rules[0], d->values[d->decoder->index.type_name]};
    struct slice word;

    if (!v.object)
        return value_refuse(&v, REFUSAL_MISSING, "every event has a type");
    int r = value_str(&v, &word);
    if (r < 0)
        return r;
    for (unsigned i = 0; i < EVENT_TYPES; i++)
        if (word_equal(event_type_name[i], word)) {
            d->event->type = (enum event_type)i;
            return 0;
        }
    return value_refuse(&v, REFUSAL_UNKNOWN_TYPE,
                        "expected vote, attendance, adoption, member, "
                        "committee, seat, ballot or meeting");
}

/* A key that is not there: a refusal or the default. */
static int rule_absent(const struct value *v)
{
    const struct event *e = v->d->event;

    if (v->rule->need == NEED_ALWAYS || (v->rule->need == NEED_FACT && !e->retracted))
        return value_refuse(v, REFUSAL_MISSING, "required for type %s", event_type_name[e->type]);
    if (v->rule->fallback)
        *(uint8_t *)value_place(v) = v->rule->fallback;
    return 0;
}

static int event_apply_rules(struct decoding *d)
{
    const struct key_index *index = &d->decoder->index;
    const uint8_t *at = index->rules_of[d->event->type];

    for (; *at != KEY_NOT_KNOWN; at++) {
        struct value v = {d, &key_rules[*at], d->values[index->name_of_rule[*at]]};
        int r = v.object ? check_of[v.rule->check](&v) : rule_absent(&v);
        if (r < 0)
            return r;
    }
    return 0;
}

/* What no key can tell alone, and the defaults that depend on other keys. */
static int event_join(struct decoding *d)
{
    struct event *e = d->event;

    if (e->type == EVENT_VOTE && e->excused && e->position != POSITION_NONE &&
        e->position != POSITION_ABSENT)
        return refusal_set(d->why, REFUSAL_NOT_ALLOWED, slice_of("excused"),
                           "true is only for position none");
    if (e->type == EVENT_ADOPTION && e->force == FORCE_WITHDRAWN && e->withdrawn == DATE_NONE &&
        !e->retracted)
        return refusal_set(d->why, REFUSAL_MISSING, slice_of("withdrawn"),
                           "required with status withdrawn");
    if (e->type == EVENT_BALLOT && slice_is(e->kind, "WDRL") &&
        !d->values[d->decoder->index.mandatory_name])
        e->mandatory = false;
    if (e->type == EVENT_MEMBER && e->from == DATE_NONE)
        e->from = date_from_civil((struct date_civil){1, 1, 1});
    return 0;
}

/* From bytes that pack_check has passed to fields that have passed everything. */
static int event_fill(struct event_decoder *decoder, struct slice raw, int64_t now_ms,
                      struct event *ret, struct refusal *why)
{
    struct decoding d = {.decoder = decoder, .now_ms = now_ms, .event = ret, .why = why};
    msgpack_object whole;
    int r;

    msgpack_zone_clear(&decoder->zone);
    if (msgpack_unpack(raw.at, raw.size, NULL, &decoder->zone, &whole) != MSGPACK_UNPACK_SUCCESS)
        return refuse_whole(why, REFUSAL_MALFORMED, "not msgpack");
    if (whole.type != MSGPACK_OBJECT_MAP)
        return refuse_whole(why, REFUSAL_MALFORMED, "expected a map");
    *ret = (struct event){.raw = raw,
                          .from = DATE_NONE,
                          .date = DATE_NONE,
                          .withdrawn = DATE_NONE,
                          .opens = DATE_NONE,
                          .closes = DATE_NONE,
                          .starts = DATE_NONE,
                          .ends = DATE_NONE};
    r = event_sort(&d, &whole.via.map);
    if (r == 0)
        r = event_find_type(&d);
    if (r == 0)
        r = event_apply_rules(&d);
    return r < 0 ? r : event_join(&d);
}

static int refuse_size(struct refusal *why, size_t size)
{
    return refusal_set(why, REFUSAL_TOO_LARGE, slice_make(NULL, 0),
                       "an event of %zu bytes; expected at most %d", size, EVENT_MAX_BYTES);
}

int event_decode(struct event_decoder *d, struct slice raw, int64_t now_ms, struct event *ret,
                 struct refusal *why)
{
    size_t size;

    if (raw.size > EVENT_MAX_BYTES)
        return refuse_size(why, raw.size);
    int r = pack_check(raw, &size, why);
    if (r < 0)
        return r;
    if (size != raw.size)
        return refuse_whole(why, REFUSAL_MALFORMED, "bytes after the event");
    return event_fill(d, raw, now_ms, ret, why);
}

int event_next(struct event_decoder *d, struct slice *rest, int64_t now_ms, struct event *ret,
               struct refusal *why)
{
    size_t size;
    int r = pack_check(*rest, &size, why);

    if (r < 0)
        return r;
    if (size > EVENT_MAX_BYTES)
        return refuse_size(why, size);
    r = event_fill(d, slice_make(rest->at, size), now_ms, ret, why);
    if (r < 0)
        return r;
    rest->at += size;
    rest->size -= size;
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
