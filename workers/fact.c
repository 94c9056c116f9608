/* Facts from events, to text and back; see fact.h.
 *
 * One table says for each type which fields its line has, in order; the three functions that
 * walk it can therefore never disagree about a line.  No line begins with free text: that could
 * read "retracted". */
#include "workers/fact.h"

#include "proto/error.h"
#include "workers/words.h"

#define RETRACTED "retracted"

enum column_kind { WORD, BOOL, INT, DATE, TEXT, LIST, BITS };

struct column {
    enum column_kind kind;
    uint16_t in_fact, in_event;       /* offsets */
    uint16_t count_fact, count_event; /* LIST: offsets of the counts */
    const char *const *names;         /* WORD */
    unsigned name_count;
};

#define COLUMN(k, type, member, source)                                                            \
    {                                                                                              \
        k, offsetof(struct type##_fact, member), offsetof(struct event, source), 0, 0, NULL, 0     \
    }
#define WORDS(type, member, source, names, count)                                                  \
    {                                                                                              \
        WORD, offsetof(struct type##_fact, member), offsetof(struct event, source), 0, 0, names,   \
            count                                                                                  \
    }
#define LISTED(type, member, number)                                                               \
    {                                                                                              \
        LIST, offsetof(struct type##_fact, member), offsetof(struct event, tokens),                \
            offsetof(struct type##_fact, number), offsetof(struct event, token_count), NULL, 0     \
    }

static const struct column vote_columns[] = {
    WORDS(vote, position, position, position_name, POSITIONS),
    WORDS(vote, seat, seat, role_name, ROLES),
    COLUMN(INT, vote, comments, comments),
    COLUMN(BOOL, vote, excused, excused),
    COLUMN(BOOL, vote, participate, participate),
    WORDS(vote, level, level, level_name, LEVELS),
};
static const struct column attendance_columns[] = {
    WORDS(attendance, presence, presence, presence_name, PRESENCES),
    WORDS(attendance, mode, mode, mode_name, MODES),
    WORDS(attendance, part, part, part_name, PARTS),
    COLUMN(DATE, attendance, date, date),
    WORDS(attendance, level, level, level_name, LEVELS),
};
static const struct column adoption_columns[] = {
    WORDS(adoption, degree, degree, degree_name, DEGREES),
    COLUMN(DATE, adoption, date, date),
    WORDS(adoption, force, force, force_name, FORCES),
    COLUMN(DATE, adoption, withdrawn, withdrawn),
    LISTED(adoption, themes, theme_count),
    COLUMN(BITS, adoption, sdgs, sdgs),
};
static const struct column profile_columns[] = {
    WORDS(profile, category, category, category_name, CATEGORIES),
    COLUMN(BOOL, profile, developing, developing),
    LISTED(profile, groups, group_count),
    COLUMN(TEXT, profile, name, name),
    COLUMN(TEXT, profile, nsb, nsb),
};
static const struct column committee_columns[] = {
    WORDS(committee, level, level, level_name, LEVELS),
    COLUMN(TEXT, committee, reference, reference),
    COLUMN(TEXT, committee, title, title),
};
static const struct column seat_columns[] = {
    WORDS(seat, role, role, role_name, ROLES),
};
static const struct column ballot_columns[] = {
    WORDS(ballot, stage, stage, stage_name, STAGES),
    COLUMN(TEXT, ballot, kind, kind),
    COLUMN(DATE, ballot, opens, opens),
    COLUMN(DATE, ballot, closes, closes),
    COLUMN(BOOL, ballot, mandatory, mandatory),
    WORDS(ballot, level, level, level_name, LEVELS),
    COLUMN(TEXT, ballot, title, title),
};
static const struct column meeting_columns[] = {
    COLUMN(DATE, meeting, starts, starts),
    COLUMN(DATE, meeting, ends, ends),
    WORDS(meeting, planning, planning, planning_name, PLANNINGS),
    COLUMN(BOOL, meeting, mandatory, mandatory),
    WORDS(meeting, level, level, level_name, LEVELS),
    COLUMN(TEXT, meeting, title, title),
};

#define SHAPE(type)                                                                                \
    {                                                                                              \
        type##_columns, sizeof type##_columns / sizeof *type##_columns, sizeof(struct type##_fact) \
    }
static const struct shape {
    const struct column *columns;
    size_t count, size;
} shapes[EVENT_TYPES] = {
    [EVENT_VOTE] = SHAPE(vote),           [EVENT_ATTENDANCE] = SHAPE(attendance),
    [EVENT_ADOPTION] = SHAPE(adoption),   [EVENT_MEMBER] = SHAPE(profile),
    [EVENT_COMMITTEE] = SHAPE(committee), [EVENT_SEAT] = SHAPE(seat),
    [EVENT_BALLOT] = SHAPE(ballot),       [EVENT_MEETING] = SHAPE(meeting),
};

static const struct slice *list_copy(struct arena *keep, const struct slice *items, uint32_t count)
{
    struct slice *copy = count ? arena_need(keep, count * sizeof *copy) : NULL;

    for (uint32_t i = 0; i < count; i++)
        copy[i] = arena_copy(keep, items[i]);
    return copy;
}

static void column_from_event(const struct column *c, const struct event *e, struct arena *keep,
                              void *fact)
{
    void *to = (char *)fact + c->in_fact;
    const void *from = (const char *)e + c->in_event;

    switch (c->kind) {
    case WORD:
        *(uint8_t *)to = *(const uint8_t *)from;
        break;
    case BOOL:
        *(bool *)to = *(const bool *)from;
        break;
    case INT:
        *(int64_t *)to = *(const int64_t *)from;
        break;
    case DATE:
        *(date_days *)to = *(const date_days *)from;
        break;
    case BITS:
        *(uint32_t *)to = *(const uint32_t *)from;
        break;
    case TEXT:
        *(struct slice *)to = arena_copy(keep, *(const struct slice *)from);
        break;
    case LIST:
        *(const struct slice **)to = list_copy(keep, e->tokens, e->token_count);
        *(uint32_t *)((char *)fact + c->count_fact) = e->token_count;
        break;
    }
}

void fact_from_event(const struct event *e, uint64_t digest, struct arena *keep, void *fact)
{
    const struct shape *s = &shapes[e->type];
    struct version *v = fact;

    memset(fact, 0, s->size);
    *v = version_of(e, digest);
    v->id = arena_copy(keep, e->id);
    for (size_t i = 0; i < s->count && !e->retracted; i++)
        column_from_event(&s->columns[i], e, keep, fact);
}

static void column_format(const struct column *c, const void *fact, struct words_out *w)
{
    const void *from = (const char *)fact + c->in_fact;

    switch (c->kind) {
    case WORD:
        words_add(w, slice_of(*(const uint8_t *)from ? c->names[*(const uint8_t *)from] : "-"));
        break;
    case BOOL:
        words_add(w, slice_of(*(const bool *)from ? "1" : "0"));
        break;
    case INT:
        words_add_int(w, *(const int64_t *)from);
        break;
    case DATE:
        words_add_date(w, *(const date_days *)from);
        break;
    case BITS:
        words_add_int(w, *(const uint32_t *)from);
        break;
    case TEXT:
        words_add_escaped(w, *(const struct slice *)from);
        break;
    case LIST:
        words_add_list(w, *(const struct slice *const *)from,
                       *(const uint32_t *)((const char *)fact + c->count_fact));
        break;
    }
}

static void version_format(const struct version *v, struct words_out *w)
{
    words_add_int(w, v->time_ms);
    words_add_int(w, v->rev);
    words_add_digest(w, v->digest);
    words_add_escaped(w, v->id);
    if (v->contested)
        words_add_hex(w, v->raw);
}

void fact_format(enum event_type type, const void *fact, struct buffer *out)
{
    const struct shape *s = &shapes[type];
    const struct version *v = fact;
    struct words_out w = {out, out->size};

    if (v->retracted)
        words_add(&w, slice_of(RETRACTED));
    for (size_t i = 0; i < s->count && !v->retracted; i++)
        column_format(&s->columns[i], fact, &w);
    version_format(v, &w);
}

static void column_parse(const struct column *c, struct words_in *w, struct arena *keep, void *fact)
{
    void *to = (char *)fact + c->in_fact;
    struct slice word;

    switch (c->kind) {
    case WORD:
        word = words_take(w);
        *(uint8_t *)to = name_find(c->names, c->name_count, word);
        w->failed |= !*(uint8_t *)to && !slice_is(word, "-");
        break;
    case BOOL:
        word = words_take(w);
        *(bool *)to = slice_is(word, "1");
        w->failed |= !*(bool *)to && !slice_is(word, "0");
        break;
    case INT:
        *(int64_t *)to = words_take_int(w);
        break;
    case DATE:
        *(date_days *)to = words_take_date(w);
        break;
    case BITS:
        *(uint32_t *)to = (uint32_t)words_take_int(w);
        break;
    case TEXT:
        *(struct slice *)to = words_take_escaped(w, keep);
        break;
    case LIST:
        *(const struct slice **)to =
            words_take_list(w, keep, (uint32_t *)((char *)fact + c->count_fact));
        break;
    }
}

static void version_parse(struct words_in *w, struct arena *keep, struct version *v)
{
    v->known = true;
    v->time_ms = words_take_int(w);
    v->rev = words_take_int(w);
    v->digest = words_take_digest(w);
    v->id = words_take_escaped(w, keep);
    w->failed |= v->id.size == 0;
    if (words_left(w)) {
        v->raw = words_take_hex(w, keep);
        v->contested = true;
    }
    w->failed |= words_left(w);
}

int fact_parse(enum event_type type, struct slice text, struct arena *keep, void *fact)
{
    const struct shape *s = &shapes[type];
    struct version *v = fact;
    struct words_in w = {text, text.size == 0};
    struct words_in first = w;

    memset(fact, 0, s->size);
    if (slice_is(words_take(&first), RETRACTED)) {
        w = first;
        v->retracted = true;
    }
    for (size_t i = 0; i < s->count && !v->retracted; i++)
        column_parse(&s->columns[i], &w, keep, fact);
    version_parse(&w, keep, v);
    return w.failed ? ERR_CORRUPT : 0;
}
