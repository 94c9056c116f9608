/* Events: the rules of a type over the values of one event, each putting one value into the struct;
 * see event_keys.h for the table.  What can fail is the event: each refusal has a code, the field
 * and what was expected. */
#include "proto/event_inner.h"
#include "proto/event_text.h"
#include "proto/pack_head.h"

#include <stdio.h>

#define TIME_LATEST_MS 253402300799999 /* 9999-12-31T23:59:59.999Z: periods have four digits */

/* One value on its way through its check. */
struct checked {
    struct decoding *d;
    const struct key_rule *rule;
    const struct value *value;
};

#define value_refuse(c, code, ...)                                                                 \
    refusal_set((c)->d->why, code, slice_of((c)->rule->key), __VA_ARGS__)

static void *value_place(const struct checked *c)
{
    return (char *)c->d->event + c->rule->offset;
}

/* ---- one check per kind of value ---- */

static inline int value_str(const struct checked *c, struct slice *ret)
{
    if (c->value->kind != PACK_STR)
        return value_refuse(c, REFUSAL_BAD_TYPE, "expected a string");
    *ret = slice_make(c->value->at, c->value->number);
    return 0;
}

static int refuse_sized(const struct checked *c, size_t least, size_t most)
{
    if (c->value->kind != PACK_STR)
        return value_refuse(c, REFUSAL_BAD_TYPE, "expected a string");
    return value_refuse(c, REFUSAL_OUT_OF_RANGE, "%zu bytes; expected %zu to %zu",
                        (size_t)c->value->number, least, most);
}

static inline int check_sized(const struct checked *c, size_t least, size_t most)
{
    const struct value *v = c->value;

    if (v->kind != PACK_STR || v->number < least || v->number > most)
        return refuse_sized(c, least, most);
    *(struct slice *)value_place(c) = slice_make(v->at, v->number);
    return 0;
}

/* Most are plain, and so only their ends are looked at. */
static inline int check_identifier(const struct checked *c, size_t most)
{
    const struct value *v = c->value;
    int r = check_sized(c, 1, most);

    if (r < 0 || (v->plain && v->at[0] != ' ' && v->at[v->number - 1] != ' '))
        return r;
    const char *fault = identifier_fault(slice_make(v->at, v->number));
    return fault ? value_refuse(c, REFUSAL_BAD_VALUE, "an identifier %s", fault) : 0;
}

static int check_kind(const struct checked *c)
{
    struct slice *kind = value_place(c);
    int r = value_str(c, kind);

    if (r == 0 && !token_is_kind(*kind))
        return value_refuse(c, REFUSAL_BAD_VALUE,
                            "expected a token of 1 to %d letters, digits, '-' or '_' that begins "
                            "with a letter or digit",
                            EVENT_MAX_TOKEN);
    return r;
}

/* The refusal of a word that is none of the rule's, listing those. */
static int refuse_word(const struct checked *c)
{
    char list[REFUSAL_REASON] = "";
    size_t n = 0;

    for (unsigned i = 1; i < c->rule->word_count && n < sizeof list; i++)
        n += (size_t)snprintf(list + n, sizeof list - n, "%s%s",
                              i == 1                         ? ""
                              : i + 1 == c->rule->word_count ? " or "
                                                             : ", ",
                              c->rule->words[i]);
    return value_refuse(c, REFUSAL_BAD_VALUE, "expected %s", list);
}

static int check_word(const struct checked *c)
{
    struct slice word;
    int r = value_str(c, &word);

    if (r < 0)
        return r;
    uint8_t found = name_find(c->rule->words, c->rule->word_count, word);
    if (!found)
        return refuse_word(c);
    *(uint8_t *)value_place(c) = found;
    return 0;
}

static int check_bool(const struct checked *c)
{
    if (c->value->kind != PACK_BOOL)
        return value_refuse(c, REFUSAL_BAD_TYPE, "expected true or false");
    *(bool *)value_place(c) = c->value->number != 0;
    return 0;
}

static bool kind_is_int(uint8_t kind)
{
    return kind == PACK_UINT || kind == PACK_INT;
}

static int check_count(const struct checked *c)
{
    if (!kind_is_int(c->value->kind))
        return value_refuse(c, REFUSAL_BAD_TYPE, "expected an integer");
    if (c->value->number > INT64_MAX) /* also what is negative */
        return value_refuse(c, REFUSAL_OUT_OF_RANGE, "expected an integer from 0 to 2^63-1");
    *(int64_t *)value_place(c) = (int64_t)c->value->number;
    return 0;
}

static int check_date(const struct checked *c)
{
    struct slice text = slice_make(c->value->at, c->value->number);
    bool is_text = c->value->kind == PACK_STR;

    if (!is_text || !date_parse(text, value_place(c)))
        return value_refuse(c, is_text ? REFUSAL_BAD_VALUE : REFUSAL_BAD_TYPE,
                            "expected a date \"YYYY-MM-DD\"");
    return 0;
}

static int check_time(const struct checked *c)
{
    const struct value *v = c->value;
    int64_t *time_ms = value_place(c), latest = c->d->now_ms + EVENT_AHEAD_MS;

    if (v->kind == PACK_STR) {
        if (!time_parse(slice_make(v->at, v->number), time_ms))
            return value_refuse(c, REFUSAL_BAD_VALUE,
                                "expected RFC 3339, such as 2026-03-01T12:00:00Z");
    } else if (kind_is_int(v->kind)) {
        /* what int64 does not hold is above every limit */
        *time_ms = v->kind == PACK_UINT && v->number > INT64_MAX ? INT64_MAX : (int64_t)v->number;
    } else {
        return value_refuse(c, REFUSAL_BAD_TYPE, "expected RFC 3339 or an integer of Unix ms");
    }
    if (*time_ms > latest || *time_ms > TIME_LATEST_MS)
        return value_refuse(c, REFUSAL_OUT_OF_RANGE,
                            "more than one day ahead of the broker's "
                            "clock");
    if (*time_ms < TIME_EARLIEST_MS)
        return value_refuse(c, REFUSAL_OUT_OF_RANGE, "before 1900-01-01");
    return 0;
}

/* The items of a list; each is to be taken by item_next. */
static int value_list(const struct checked *c, struct slice *ret_items)
{
    const struct value *v = c->value;

    if (v->kind != PACK_ARRAY)
        return value_refuse(c, REFUSAL_BAD_TYPE, "expected a list");
    if (v->number > EVENT_MAX_LIST)
        return value_refuse(c, REFUSAL_TOO_LARGE, "%u items; expected at most %d",
                            (unsigned)v->number, EVENT_MAX_LIST);
    *ret_items = slice_make(v->at, (size_t)(c->d->end - v->at));
    return 0;
}

/* False if the item cannot be in a list; it and what is behind it then stay. */
static bool item_next(struct slice *items, struct head *ret)
{
    if (!head_read(*items, ret) || !(ret->kind == PACK_STR || kind_is_int(ret->kind)))
        return false;
    items->at += ret->size;
    items->size -= ret->size;
    return true;
}

static int check_tokens(const struct checked *c)
{
    struct slice items;
    int r = value_list(c, &items);

    if (r < 0)
        return r;
    uint32_t count = (uint32_t)c->value->number;
    struct slice *tokens = arena_need(c->d->lists, count * sizeof *tokens);
    for (uint32_t i = 0; i < count; i++) {
        struct head h;
        if (!item_next(&items, &h) || h.kind != PACK_STR || h.number > items.size)
            return value_refuse(c, REFUSAL_BAD_TYPE, "item %u: expected a string", i + 1);
        tokens[i] = slice_make(items.at, h.number);
        if (!token_is_small(tokens[i]))
            return value_refuse(c, REFUSAL_BAD_VALUE,
                                "item %u: expected a token of 1 to %d small letters, digits or "
                                "'-' that does not begin with '-'",
                                i + 1, EVENT_MAX_TOKEN);
        items.at += h.number;
        items.size -= h.number;
    }
    c->d->event->tokens = tokens;
    c->d->event->token_count = count;
    return 0;
}

static int check_sdgs(const struct checked *c)
{
    struct slice items;
    int r = value_list(c, &items);

    for (uint32_t i = 0; r == 0 && i < c->value->number; i++) {
        struct head h;
        if (!item_next(&items, &h) || !kind_is_int(h.kind))
            return value_refuse(c, REFUSAL_BAD_TYPE, "item %u: expected an integer", i + 1);
        if (h.number < 1 || h.number > 17) /* a negative one is huge */
            return value_refuse(c, REFUSAL_OUT_OF_RANGE, "item %u: expected 1 to 17", i + 1);
        c->d->event->sdgs |= (uint32_t)1 << h.number;
    }
    return r;
}

static inline int value_check(const struct checked *c)
{
    switch ((enum key_check)c->rule->check) {
    case CHECK_TEXT:
        return check_sized(c, 0, EVENT_MAX_TEXT);
    case CHECK_ID:
        return check_sized(c, 1, EVENT_MAX_ID);
    case CHECK_IDENTIFIER:
        return check_identifier(c, EVENT_MAX_IDENTIFIER);
    case CHECK_MEMBER:
        return check_identifier(c, EVENT_MAX_MEMBER);
    case CHECK_KIND:
        return check_kind(c);
    case CHECK_WORD:
        return check_word(c);
    case CHECK_BOOL:
        return check_bool(c);
    case CHECK_COUNT:
        return check_count(c);
    case CHECK_DATE:
        return check_date(c);
    case CHECK_TIME:
        return check_time(c);
    case CHECK_TOKENS:
        return check_tokens(c);
    case CHECK_SDGS:
        return check_sdgs(c);
    case CHECK_TYPE: /* no rule of a type */
    case KEY_CHECKS:
        break;
    }
    return 0;
}

/* ---- the event as a whole ---- */

static bool is_given(const struct decoding *d, uint8_t name)
{
    return d->given >> name & 1;
}

static int event_find_type(struct decoding *d)
{
    uint8_t name = d->index->type_name;
    struct checked c = {d, &key_rules[0], &d->values[name]};
    struct slice word;

    if (!is_given(d, name))
        return value_refuse(&c, REFUSAL_MISSING, "every event has a type");
    int r = value_str(&c, &word);
    if (r < 0)
        return r;
    for (unsigned i = 0; i < EVENT_TYPES; i++)
        if (word_equal(event_type_name[i], word)) {
            d->event->type = (enum event_type)i;
            return 0;
        }
    return value_refuse(&c, REFUSAL_UNKNOWN_TYPE,
                        "expected vote, attendance, adoption, member, "
                        "committee, seat, ballot or meeting");
}

/* A key that is not there: a refusal or the default. */
static inline int rule_absent(const struct checked *c)
{
    const struct event *e = c->d->event;

    if (c->rule->need == NEED_ALWAYS || (c->rule->need == NEED_FACT && !e->retracted))
        return value_refuse(c, REFUSAL_MISSING, "required for type %s", event_type_name[e->type]);
    if (c->rule->fallback)
        *(uint8_t *)value_place(c) = c->rule->fallback;
    return 0;
}

static int type_apply(struct decoding *d)
{
    const struct type_rule *at = d->index->rules_of[d->event->type];

    for (; at->rule; at++) {
        struct checked c = {d, at->rule, &d->values[at->name]};
        int r = is_given(d, at->name) ? value_check(&c) : rule_absent(&c);
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
        !is_given(d, d->index->mandatory_name))
        e->mandatory = false;
    if (e->type == EVENT_MEMBER && e->from == DATE_NONE)
        e->from = date_from_civil((struct date_civil){1, 1, 1});
    return 0;
}

int rules_apply(struct decoding *d)
{
    int r = event_find_type(d);

    if (r == 0)
        r = type_apply(d);
    return r < 0 ? r : event_join(d);
}
