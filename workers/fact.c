/* Facts from events, to text and back; see fact.h.
 *
 * One table says for each type which fields its line has, in order; the three functions that
 * walk it can therefore never disagree about a line.  Each begins with a word out of a list, none
 * of which is "retracted". */
#include "workers/fact.h"

#include "proto/error.h"
#include "workers/words.h"

#define RETRACTED "retracted"

enum column_kind { WORD, BOOL, INT, DATE, TEXT, LIST, BITS };

struct column {
    const char *name; /* NULL: the first word of the line */
    enum column_kind kind;
    uint8_t usual;              /* WORD, BOOL: the value that is not written */
    uint16_t in_fact, in_event; /* offsets */
    uint16_t count_fact;        /* LIST: offset of the count */
    const char *const *words;   /* WORD */
    unsigned word_count;
};

#define COLUMN(field, k, type, member)                                                             \
    {                                                                                              \
        .name = field, .kind = k, .in_fact = offsetof(struct type##_fact, member),                 \
        .in_event = offsetof(struct event, member)                                                 \
    }
#define TRUTH(field, type, member, value)                                                          \
    {                                                                                              \
        .name = field, .kind = BOOL, .usual = value,                                               \
        .in_fact = offsetof(struct type##_fact, member),                                           \
        .in_event = offsetof(struct event, member)                                                 \
    }
#define CHOICE(field, type, member, value, list, count)                                            \
    {                                                                                              \
        .name = field, .kind = WORD, .usual = value,                                               \
        .in_fact = offsetof(struct type##_fact, member),                                           \
        .in_event = offsetof(struct event, member), .words = list, .word_count = count             \
    }
#define LISTED(field, type, member, number)                                                        \
    {                                                                                              \
        .name = field, .kind = LIST, .in_fact = offsetof(struct type##_fact, member),              \
        .in_event = offsetof(struct event, tokens),                                                \
        .count_fact = offsetof(struct type##_fact, number)                                         \
    }

static const struct column vote_columns[] = {
    CHOICE(NULL, vote, position, POSITION_ABSENT, position_name, POSITIONS),
    CHOICE("seat", vote, seat, ROLE_ABSENT, role_name, ROLES),
    COLUMN("comments", INT, vote, comments),
    TRUTH("excused", vote, excused, false),
    TRUTH("participate", vote, participate, false),
    CHOICE("level", vote, level, LEVEL_TECHNICAL, level_name, LEVELS),
};
static const struct column attendance_columns[] = {
    CHOICE(NULL, attendance, presence, PRESENCE_ABSENT, presence_name, PRESENCES),
    CHOICE("mode", attendance, mode, MODE_UNKNOWN, mode_name, MODES),
    CHOICE("role", attendance, part, PART_DELEGATE, part_name, PARTS),
    COLUMN("date", DATE, attendance, date),
    CHOICE("level", attendance, level, LEVEL_TECHNICAL, level_name, LEVELS),
};
static const struct column adoption_columns[] = {
    CHOICE(NULL, adoption, degree, DEGREE_ABSENT, degree_name, DEGREES),
    COLUMN("date", DATE, adoption, date),
    CHOICE("status", adoption, force, FORCE_IN_FORCE, force_name, FORCES),
    COLUMN("withdrawn", DATE, adoption, withdrawn),
    LISTED("themes", adoption, themes, theme_count),
    COLUMN("sdgs", BITS, adoption, sdgs),
};
static const struct column profile_columns[] = {
    CHOICE(NULL, profile, category, CATEGORY_ABSENT, category_name, CATEGORIES),
    TRUTH("developing", profile, developing, false),
    LISTED("groups", profile, groups, group_count),
    COLUMN("name", TEXT, profile, name),
    COLUMN("nsb", TEXT, profile, nsb),
};
static const struct column committee_columns[] = {
    CHOICE(NULL, committee, level, LEVEL_ABSENT, level_name, LEVELS),
    COLUMN("reference", TEXT, committee, reference),
    COLUMN("title", TEXT, committee, title),
};
static const struct column seat_columns[] = {
    CHOICE(NULL, seat, role, ROLE_ABSENT, role_name, ROLES),
};
static const struct column ballot_columns[] = {
    CHOICE(NULL, ballot, stage, STAGE_ABSENT, stage_name, STAGES),
    COLUMN("kind", TEXT, ballot, kind),
    COLUMN("opens", DATE, ballot, opens),
    COLUMN("closes", DATE, ballot, closes),
    TRUTH("mandatory", ballot, mandatory, true),
    CHOICE("level", ballot, level, LEVEL_TECHNICAL, level_name, LEVELS),
    COLUMN("title", TEXT, ballot, title),
};
static const struct column meeting_columns[] = {
    CHOICE(NULL, meeting, planning, PLANNING_ABSENT, planning_name, PLANNINGS),
    COLUMN("starts", DATE, meeting, starts),
    COLUMN("ends", DATE, meeting, ends),
    TRUTH("mandatory", meeting, mandatory, true),
    CHOICE("level", meeting, level, LEVEL_TECHNICAL, level_name, LEVELS),
    COLUMN("title", TEXT, meeting, title),
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
    version_set(v, e, digest);
    v->id = arena_copy(keep, e->id);
    for (size_t i = 0; i < s->count && !e->retracted; i++)
        column_from_event(&s->columns[i], e, keep, fact);
}

static const struct slice *list_of(const struct column *c, const void *fact, uint32_t *ret_count)
{
    *ret_count = *(const uint32_t *)((const char *)fact + c->count_fact);
    return *(const struct slice *const *)((const char *)fact + c->in_fact);
}

/* The field has the value that the line leaves out. */
static bool is_usual(const struct column *c, const void *fact)
{
    const void *from = (const char *)fact + c->in_fact;
    uint32_t count;

    switch (c->kind) {
    case WORD:
        return *(const uint8_t *)from == c->usual;
    case BOOL:
        return *(const bool *)from == c->usual;
    case INT:
        return *(const int64_t *)from == 0;
    case DATE:
        return *(const date_days *)from == DATE_NONE;
    case BITS:
        return *(const uint32_t *)from == 0;
    case TEXT:
        return ((const struct slice *)from)->at == NULL;
    case LIST:
        list_of(c, fact, &count);
        return count == 0;
    }
    return false;
}

static void value_format(const struct column *c, const void *fact, struct buffer *out)
{
    const void *from = (const char *)fact + c->in_fact;
    const struct slice *items;
    uint32_t count;

    switch (c->kind) {
    case WORD:
        buffer_add_text(out, *(const uint8_t *)from ? c->words[*(const uint8_t *)from] : "-");
        break;
    case BOOL:
        buffer_add(out, *(const bool *)from ? "1" : "0", 1);
        break;
    case INT:
        buffer_add_int(out, *(const int64_t *)from);
        break;
    case DATE:
        words_date(out, *(const date_days *)from);
        break;
    case BITS:
        buffer_add_int(out, *(const uint32_t *)from);
        break;
    case TEXT:
        words_escaped(out, *(const struct slice *)from);
        break;
    case LIST:
        items = list_of(c, fact, &count);
        words_list(out, items, count);
        break;
    }
}

static void name_format(const char *name, struct buffer *out)
{
    size_t size = strlen(name);
    char *at = buffer_room(out, size + 2);

    at[0] = ' ';
    memcpy(at + 1, name, size);
    at[1 + size] = '=';
    out->size += size + 2;
}

void fact_format(enum event_type type, const void *fact, struct buffer *out)
{
    const struct shape *s = &shapes[type];
    const struct version *v = fact;

    if (v->retracted)
        buffer_add_text(out, RETRACTED);
    else
        value_format(&s->columns[0], fact, out);
    buffer_add(out, " ", 1);
    buffer_add_int(out, v->time_ms);
    buffer_add(out, " ", 1);
    words_digest(out, v->digest);
    for (size_t i = 1; i < s->count && !v->retracted; i++)
        if (!is_usual(&s->columns[i], fact)) {
            name_format(s->columns[i].name, out);
            value_format(&s->columns[i], fact, out);
        }
    if (v->rev) {
        name_format("rev", out);
        buffer_add_int(out, v->rev);
    }
    if (v->contested) {
        name_format("bytes", out);
        words_hex(out, v->raw);
    }
    name_format("id", out);
    words_escaped(out, v->id);
}

/* What a line without the column says. */
static void column_default(const struct column *c, void *fact)
{
    void *to = (char *)fact + c->in_fact;

    if (c->kind == WORD || c->kind == BOOL)
        *(uint8_t *)to = c->usual;
    if (c->kind == DATE)
        *(date_days *)to = DATE_NONE;
}

static void value_parse(const struct column *c, struct words_in *w, struct arena *keep, void *fact)
{
    void *to = (char *)fact + c->in_fact;
    struct slice word;

    switch (c->kind) {
    case WORD:
        word = words_take(w);
        *(uint8_t *)to = name_find(c->words, c->word_count, word);
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

static void columns_parse(const struct shape *s, struct words_in *w, struct arena *keep, void *fact)
{
    for (size_t i = 1; i < s->count; i++) {
        const struct column *c = &s->columns[i];
        if (words_take_name(w, c->name))
            value_parse(c, w, keep, fact);
        else
            column_default(c, fact);
    }
}

int fact_parse(enum event_type type, struct slice text, struct arena *keep, void *fact)
{
    const struct shape *s = &shapes[type];
    struct version *v = fact;
    struct words_in w = {text, text.size == 0}, first = w;

    memset(fact, 0, s->size);
    v->known = true;
    v->retracted = slice_is(words_take(&first), RETRACTED);
    if (v->retracted)
        w = first;
    else
        value_parse(&s->columns[0], &w, keep, fact);
    v->time_ms = words_take_int(&w);
    v->digest = words_take_digest(&w);
    if (!v->retracted)
        columns_parse(s, &w, keep, fact);
    if (words_take_name(&w, "rev"))
        v->rev = words_take_int(&w);
    v->contested = words_take_name(&w, "bytes");
    if (v->contested)
        v->raw = words_take_hex(&w, keep);
    w.failed |= !words_take_name(&w, "id");
    v->id = words_take_escaped(&w, keep);
    w.failed |= v->id.size == 0 || words_left(&w);
    return w.failed ? ERR_CORRUPT : 0;
}
