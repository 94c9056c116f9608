/* Rights; see rights.h.  Happy path: the sections of the file become rights in an arena, found by
 * key.  What can fail: the file; nothing of it is then taken over. */
#include "proto/rights.h"

#include "proto/date.h"
#include "proto/error.h"
#include "proto/event_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define ALL_TYPES ((1U << EVENT_TYPES) - 1)

struct rights {
    struct arena arena;
    struct table by_key, by_name;
    struct right **list;
    size_t count;
};

const struct right right_local = {.name = "local",
                                  .source = "local",
                                  .may = MAY_ALL,
                                  .types = ALL_TYPES,
                                  .all_committees = true,
                                  .participants = true};

/* ---- the file ---- */

enum field {
    FIELD_KEY,
    FIELD_MAY,
    FIELD_SOURCE,
    FIELD_TYPES,
    FIELD_COMMITTEES,
    FIELD_RATE,
    FIELD_PARTICIPANTS,
    FIELD_REVOKED,
    FIELDS
};

static const char *const field_name[FIELDS] = {"key",        "may",  "source",       "types",
                                               "committees", "rate", "participants", "revoked"};

struct parser {
    struct rights *rights;
    struct settings settings;
    struct right *at; /* the section being read; NULL before the first */
    bool set[FIELDS]; /* of it */
    char why[160];
};

static int fail(struct parser *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int fail(struct parser *p, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(p->why, sizeof p->why, format, args);
    va_end(args);
    return ERR_CONFIG;
}

static void text_copy(char *out, struct slice text)
{
    memcpy(out, text.at, text.size);
    out[text.size] = '\0';
}

static int set_key(struct parser *p, struct slice value)
{
    if (!key_is_hex(value))
        return fail(p, "a key is %d hexadecimal digits in small letters", KEY_HEX);
    if (table_find(&p->rights->by_key, value))
        return fail(p, "this key has a section already");
    text_copy(p->at->key, value);
    p->at->entry.key = slice_make(p->at->key, value.size);
    table_add(&p->rights->by_key, &p->at->entry);
    return 0;
}

static int set_may(struct parser *p, struct slice value)
{
    if (slice_is(value, "publish"))
        p->at->may = MAY_PUBLISH;
    else if (slice_is(value, "work"))
        p->at->may = MAY_WORK;
    else if (slice_is(value, "watch"))
        p->at->may = MAY_WATCH;
    else
        return fail(p, "may is one of publish, work and watch");
    return 0;
}

static int set_source(struct parser *p, struct slice value)
{
    if (!name_is_plain(value))
        return fail(p, "a source is 1 to %d letters, digits, '-', '_' and '.'", NAME_MOST);
    if (slice_is(value, right_local.source))
        return fail(p, "the source local is that of this host's own programs");
    text_copy(p->at->source, value);
    return 0;
}

static int set_types(struct parser *p, struct slice value)
{
    enum event_type type;
    struct slice word;

    p->at->types = 0;
    while (word_next(&value, &word)) {
        if (!event_type_find(word, &type))
            return fail(p, "there is no such type: %.*s", (int)(word.size < 40 ? word.size : 40),
                        word.at);
        p->at->types |= 1U << type;
    }
    return p->at->types ? 0 : fail(p, "types names at least one type");
}

static int rule_parse(struct parser *p, struct slice text, struct committee_rule *ret)
{
    struct committee_rule rule = {text_strip(text), false};
    const char *fault;

    if (rule.text.size == 0)
        return fail(p, "a committee without a name");
    if (rule.text.at[rule.text.size - 1] == '*') {
        rule.prefix = true;
        rule.text.size--;
    }
    if (rule.text.size == 0)
        return fail(p, "a star alone is every committee: leave the line out");
    /* A prefix may end in a blank, which no identifier does. */
    fault = utf8_valid(rule.text) ? identifier_fault(text_strip(rule.text)) : "is valid UTF-8";
    if (fault)
        return fail(p, "a committee %s", fault);
    if (rule.text.size > EVENT_MAX_IDENTIFIER)
        return fail(p, "a committee has at most %d bytes", EVENT_MAX_IDENTIFIER);
    rule.text = arena_copy(&p->rights->arena, rule.text);
    *ret = rule;
    return 0;
}

static int set_committees(struct parser *p, struct slice value)
{
    size_t room = 1;
    bool more = true;

    for (size_t i = 0; i < value.size; i++)
        room += value.at[i] == '|';
    if (room > RIGHTS_COMMITTEES)
        return fail(p, "at most %d committees", RIGHTS_COMMITTEES);
    struct committee_rule *rules = arena_need(&p->rights->arena, room * sizeof *rules);
    p->at->all_committees = false;
    p->at->committees = rules;
    for (size_t n = 0; more; n++) {
        struct slice one;
        more = slice_cut(&value, '|', &one);
        int err = rule_parse(p, more ? one : value, &rules[n]);
        if (err < 0)
            return err;
        p->at->committee_count = n + 1;
    }
    return 0;
}

static int set_rate(struct parser *p, struct slice value)
{
    int64_t per_s;

    if (!slice_to_int(value, &per_s) || per_s < 1 || per_s > RIGHTS_RATE_MOST)
        return fail(p, "a rate is 1 to %d events a second", RIGHTS_RATE_MOST);
    p->at->rate = per_s;
    return 0;
}

static int set_participants(struct parser *p, struct slice value)
{
    if (!slice_is(value, "yes") && !slice_is(value, "no"))
        return fail(p, "participants is yes or no");
    p->at->participants = slice_is(value, "yes");
    return 0;
}

static int set_revoked(struct parser *p, struct slice value)
{
    if (!date_parse(value, &p->at->revoked_on))
        return fail(p, "revoked is a date, YYYY-MM-DD");
    p->at->revoked = true;
    return 0;
}

static int field_set(struct parser *p, enum field field, struct slice value)
{
    static int (*const set[FIELDS])(struct parser *, struct slice) = {
        set_key,        set_may,  set_source,       set_types,
        set_committees, set_rate, set_participants, set_revoked};

    if (p->set[field])
        return fail(p, "%s is given twice in this section", field_name[field]);
    p->set[field] = true;
    return set[field](p, value);
}

static int setting_take(struct parser *p, const struct setting *s)
{
    if (!p->at)
        return fail(p, "before it belongs a line [NAME]");
    for (int i = 0; i < FIELDS; i++)
        if (slice_is(s->name, field_name[i]))
            return field_set(p, (enum field)i, s->value);
    return fail(p, "there is no such setting: %.*s", (int)(s->name.size < 40 ? s->name.size : 40),
                s->name.at);
}

/* What belongs to the other kinds of keys only would be a right that its holder does not have. */
static int fields_fit(struct parser *p)
{
    static const enum field publishers[] = {FIELD_SOURCE, FIELD_TYPES, FIELD_COMMITTEES,
                                            FIELD_RATE};

    for (size_t i = 0; i < sizeof publishers / sizeof *publishers; i++)
        if (p->set[publishers[i]] && p->at->may != MAY_PUBLISH)
            return fail(p, "[%s]: %s is for keys that may publish", p->at->name,
                        field_name[publishers[i]]);
    if (p->set[FIELD_PARTICIPANTS] && p->at->may != MAY_WATCH)
        return fail(p, "[%s]: participants is for keys that may watch", p->at->name);
    return 0;
}

static int source_by_name(struct parser *p)
{
    if (p->set[FIELD_SOURCE] || p->at->may != MAY_PUBLISH)
        return 0;
    if (strcmp(p->at->name, right_local.source) == 0)
        return fail(p, "[%s]: the source local is that of this host's own programs", p->at->name);
    text_copy(p->at->source, slice_of(p->at->name));
    return 0;
}

static int section_end(struct parser *p)
{
    int err;

    if (!p->at)
        return 0;
    if (!p->set[FIELD_KEY])
        return fail(p, "[%s] has no key", p->at->name);
    if (!p->set[FIELD_MAY])
        return fail(p, "[%s] does not say what its key may", p->at->name);
    err = source_by_name(p);
    return err < 0 ? err : fields_fit(p);
}

static int section_begin(struct parser *p, struct slice name)
{
    struct rights *rights = p->rights;
    struct table_entry *entry;
    int err = section_end(p);

    if (err < 0)
        return err;
    if (!name_is_plain(name))
        return fail(p, "a name is 1 to %d letters, digits, '-', '_' and '.'", NAME_MOST);
    if (table_find(&rights->by_name, name))
        return fail(p, "this name has a section already");
    if (rights->count == RIGHTS_MOST)
        return fail(p, "at most %d keys", RIGHTS_MOST);
    p->at = arena_need(&rights->arena, sizeof *p->at);
    *p->at = (struct right){.types = ALL_TYPES, .all_committees = true};
    text_copy(p->at->name, name);
    entry = arena_need(&rights->arena, sizeof *entry);
    entry->key = slice_make(p->at->name, name.size);
    table_add(&rights->by_name, entry);
    p->at->number = rights->count;
    rights->list[rights->count++] = p->at;
    memset(p->set, 0, sizeof p->set);
    return 0;
}

static int sections_parse(struct parser *p)
{
    struct setting s;
    int got, err = 0;

    while (err == 0 && (got = settings_next(&p->settings, &s)) != 0) {
        if (got < 0)
            err = fail(p, "this is neither `name = value` nor [NAME]");
        else
            err = s.section.at ? section_begin(p, s.section) : setting_take(p, &s);
    }
    return err < 0 ? err : section_end(p);
}

int rights_parse(struct slice text, struct rights **ret, char *ret_error, size_t error_size)
{
    struct parser p = {.settings = {text, 0}};
    int err;

    if (text.size > RIGHTS_MAX_BYTES) {
        snprintf(ret_error, error_size, "longer than %d bytes", RIGHTS_MAX_BYTES);
        return ERR_CONFIG;
    }
    p.rights = memory_need(sizeof *p.rights);
    *p.rights = (struct rights){.count = 0};
    p.rights->list = arena_need(&p.rights->arena, RIGHTS_MOST * sizeof *p.rights->list);
    err = sections_parse(&p);
    if (err < 0) {
        snprintf(ret_error, error_size, "line %zu: %s", p.settings.line, p.why);
        rights_free(p.rights);
        return err;
    }
    *ret = p.rights;
    return 0;
}

/* ---- what a faulty text says all the same ---- */

/* False when it is none of the settings that there are. */
static bool outline_take(struct rights_outline *o, const struct setting *s)
{
    date_days day;
    int field = 0;

    while (field < FIELDS && !slice_is(s->name, field_name[field]))
        field++;
    if (field == FIELD_KEY && !o->key.at)
        o->key = s->value;
    if (field == FIELD_REVOKED && date_parse(s->value, &day))
        o->revoked = true;
    return field < FIELDS;
}

/* Behind a line that makes no sense nobody knows whose section it is: it may have been a heading.
 */
bool rights_outline_next(struct settings *s, struct rights_outline *ret)
{
    struct setting one;
    struct settings before;
    bool sound = true;
    int got;

    do
        got = settings_next(s, &one);
    while (got != 0 && (got < 0 || !one.section.at));
    if (got == 0)
        return false;
    *ret = (struct rights_outline){.name = one.section, .begin = s->rest.at};
    for (before = *s; (got = settings_next(s, &one)) != 0; before = *s) {
        if (got > 0 && one.section.at) {
            *s = before;
            return true;
        }
        sound = sound && got > 0 && outline_take(ret, &one);
    }
    return true;
}

static struct right *right_outlined(struct rights *r, const struct rights_outline *o)
{
    for (size_t i = 0; i < r->count; i++)
        if (slice_is(o->name, r->list[i]->name) &&
            (!o->key.at || slice_is(o->key, r->list[i]->key)))
            return r->list[i];
    return NULL;
}

size_t rights_take_away(struct rights *r, struct slice text)
{
    struct settings s = {text, 0};
    struct rights_outline o;
    size_t taken = 0;

    while (rights_outline_next(&s, &o)) {
        struct right *right = o.revoked ? right_outlined(r, &o) : NULL;
        if (right && !right->revoked) {
            right->revoked = true;
            taken++;
        }
    }
    return taken;
}

void rights_free(struct rights *r)
{
    if (!r)
        return;
    table_free(&r->by_key);
    table_free(&r->by_name);
    arena_free(&r->arena);
    free(r);
}

/* ---- asking ---- */

const struct right *rights_of_key(const struct rights *r, struct slice key)
{
    return table_find(&r->by_key, key);
}

const struct right *rights_of_source(const struct rights *r, struct slice source,
                                     const struct right *after)
{
    if (slice_is(source, right_local.source))
        return after ? NULL : RIGHT_LOCAL;
    for (size_t i = after ? after->number + 1 : 0; i < r->count; i++)
        if (r->list[i]->may == MAY_PUBLISH && !r->list[i]->revoked &&
            slice_is(source, r->list[i]->source))
            return r->list[i];
    return NULL;
}

size_t rights_count(const struct rights *r)
{
    return r->count;
}

const struct right *rights_at(const struct rights *r, size_t i)
{
    return r->list[i];
}

static bool rule_covers(const struct committee_rule *rule, struct slice committee)
{
    if (rule->prefix && committee.size > rule->text.size)
        committee.size = rule->text.size;
    return slice_equal(rule->text, committee);
}

static bool committee_allowed(const struct right *r, struct slice committee)
{
    if (r->all_committees || !committee.at)
        return true;
    for (size_t i = 0; i < r->committee_count; i++)
        if (rule_covers(&r->committees[i], committee))
            return true;
    return false;
}

int right_check(const struct right *r, const struct event *e, struct refusal *why)
{
    if (!(r->types & 1U << e->type))
        return refusal_set(why, REFUSAL_TYPE_DENIED, slice_of("type"),
                           "this key may not publish events of type %s", event_type_name[e->type]);
    if (!committee_allowed(r, e->committee))
        return refusal_set(why, REFUSAL_COMMITTEE_DENIED, slice_of("committee"),
                           "this key may not publish for this committee");
    return 0;
}

bool right_reads(const struct right *r)
{
    return r->participants || (r->may & MAY_WORK);
}
