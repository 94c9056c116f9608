/* Subjects; see subject.h.  One table says which keys of an event make the subject of its type. */
#include "workers/audit/subject.h"

#include "proto/error.h"

static const struct shape {
    const char *words;
    size_t count; /* of the parts below */
    bool dated;   /* `from` is the last word */
    size_t offsets[SUBJECT_PARTS];
} shapes[EVENT_TYPES] = {
#define AT(member) offsetof(struct event, member)
    [EVENT_VOTE] = {"COMMITTEE BALLOT MEMBER", 3, false, {AT(committee), AT(ballot), AT(member)}},
    [EVENT_ATTENDANCE] = {"COMMITTEE MEETING MEMBER PARTICIPANT",
                          4,
                          false,
                          {AT(committee), AT(meeting), AT(member), AT(participant)}},
    [EVENT_ADOPTION] = {"MEMBER STANDARD REFERENCE",
                        3,
                        false,
                        {AT(member), AT(standard), AT(reference)}},
    [EVENT_MEMBER] = {"MEMBER [FROM]", 1, true, {AT(member)}},
    [EVENT_COMMITTEE] = {"COMMITTEE", 1, false, {AT(committee)}},
    [EVENT_SEAT] = {"COMMITTEE MEMBER FROM", 2, true, {AT(committee), AT(member)}},
    [EVENT_BALLOT] = {"COMMITTEE BALLOT", 2, false, {AT(committee), AT(ballot)}},
    [EVENT_MEETING] = {"COMMITTEE MEETING", 2, false, {AT(committee), AT(meeting)}},
#undef AT
};

const char *subject_words(enum event_type type)
{
    return shapes[type].words;
}

struct subject subject_of(const struct event *e)
{
    const struct shape *shape = &shapes[e->type];
    struct subject s = {.type = e->type, .from = shape->dated ? e->from : DATE_NONE};

    for (size_t i = 0; i < shape->count; i++)
        s.parts[i] = *(const struct slice *)((const char *)e + shape->offsets[i]);
    return s;
}

/* Cuts "a|b|c" into words; returns how many there are, at most `most` of them. */
static size_t words_of(struct slice text, struct slice *ret, size_t most)
{
    size_t count = 0;

    while (count + 1 < most && slice_cut(&text, '|', &ret[count]))
        count++;
    ret[count] = text;
    return count + 1;
}

static int refuse(const char **ret_reason, const char *reason)
{
    *ret_reason = reason;
    return ERR_CONFIG;
}

int subject_parse(const struct slice *words, size_t count, struct subject *ret,
                  const char **ret_reason)
{
    struct slice cut[SUBJECT_PARTS + 3];
    struct subject s = {.from = DATE_NONE};
    const struct shape *shape;

    if (count == 1) {
        count = words_of(words[0], cut, sizeof cut / sizeof *cut);
        words = cut;
    }
    if (count == 0 || !event_type_find(words[0], &s.type))
        return refuse(ret_reason, "the type is vote, attendance, adoption, member, committee, "
                                  "seat, ballot or meeting");
    shape = &shapes[s.type];
    words++;
    count--;
    if (count < shape->count || count > shape->count + shape->dated)
        return refuse(ret_reason, "these are not the words of such a subject");
    for (size_t i = 0; i < shape->count; i++)
        s.parts[i] = words[i];
    if (count > shape->count && !date_parse(words[count - 1], &s.from))
        return refuse(ret_reason, "FROM is a date, YYYY-MM-DD");
    if (s.type == EVENT_SEAT && s.from == DATE_NONE)
        return refuse(ret_reason, "a seat's notice has a day, FROM, from which on it holds");
    *ret = s;
    return 0;
}

void subject_format(const struct subject *s, struct buffer *out)
{
    char from[DATE_TEXT];

    buffer_add_text(out, event_type_name[s->type]);
    for (size_t i = 0; i < shapes[s->type].count; i++) {
        buffer_add(out, "|", 1);
        buffer_add_slice(out, s->parts[i]);
    }
    if (s->from == DATE_NONE)
        return;
    date_format(s->from, from);
    buffer_add(out, "|", 1);
    buffer_add(out, from, sizeof from);
}

bool subject_is(const struct subject *s, const struct event *e)
{
    struct subject other;

    if (e->type != s->type)
        return false;
    other = subject_of(e);
    for (size_t i = 0; i < shapes[s->type].count; i++)
        if (!slice_equal(s->parts[i], other.parts[i]))
            return false;
    return s->from == DATE_NONE || s->from == other.from;
}

unsigned subject_partition(const struct subject *s, unsigned partitions)
{
    struct event e = {.type = s->type};

    for (size_t i = 0; i < shapes[s->type].count; i++)
        *(struct slice *)((char *)&e + shapes[s->type].offsets[i]) = s->parts[i];
    return event_partition(&e, partitions);
}

/* ---- statements ---- */
static void add_word(struct buffer *out, const char *word)
{
    if (out->size)
        buffer_add(out, " ", 1);
    buffer_add_text(out, word);
}

static void add_date(struct buffer *out, const char *name, date_days day)
{
    char text[DATE_TEXT];

    if (day == DATE_NONE)
        return;
    date_format(day, text);
    add_word(out, name);
    buffer_add(out, text, sizeof text);
}

static void add_text(struct buffer *out, const char *name, struct slice text)
{
    if (text.size == 0)
        return;
    add_word(out, name);
    buffer_add(out, "\"", 1);
    buffer_add_slice(out, text);
    buffer_add(out, "\"", 1);
}

static void add_list(struct buffer *out, const char *name, const struct slice *items,
                     uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (i)
            buffer_add(out, ",", 1);
        else
            add_word(out, name);
        buffer_add_slice(out, items[i]);
    }
}

/* The usual level goes without saying. */
static void add_level(struct buffer *out, uint8_t level)
{
    if (level == LEVEL_GOVERNANCE)
        add_word(out, level_name[level]);
}

static void state_vote(const void *fact, struct buffer *out)
{
    const struct vote_fact *v = fact;

    add_word(out, position_name[v->position]);
    if (v->seat)
        add_word(out, v->seat == ROLE_NONE ? "seat=none" : role_name[v->seat]);
    if (v->comments) {
        add_word(out, "comments=");
        buffer_add_int(out, v->comments);
    }
    if (v->excused)
        add_word(out, "excused");
    if (v->participate)
        add_word(out, "participate");
    add_level(out, v->level);
}

static void state_attendance(const void *fact, struct buffer *out)
{
    const struct attendance_fact *a = fact;

    add_word(out, presence_name[a->presence]);
    add_date(out, "", a->date);
    if (a->mode != MODE_UNKNOWN)
        add_word(out, mode_name[a->mode]);
    if (a->part != PART_DELEGATE)
        add_word(out, part_name[a->part]);
    add_level(out, a->level);
}

static void state_adoption(const void *fact, struct buffer *out)
{
    const struct adoption_fact *a = fact;
    bool first = true;

    add_word(out, degree_name[a->degree]);
    add_date(out, "", a->date);
    add_date(out, "withdrawn=", a->force == FORCE_WITHDRAWN ? a->withdrawn : DATE_NONE);
    add_list(out, "themes=", a->themes, a->theme_count);
    for (int goal = 1; goal <= 17; goal++) {
        if (!(a->sdgs >> goal & 1))
            continue;
        if (first)
            add_word(out, "sdgs=");
        else
            buffer_add(out, ",", 1);
        buffer_add_int(out, goal);
        first = false;
    }
}

static void state_profile(const void *fact, struct buffer *out)
{
    const struct profile_fact *p = fact;

    if (p->category)
        add_word(out, category_name[p->category]);
    add_word(out, p->developing ? "developing" : "other");
    add_list(out, "groups=", p->groups, p->group_count);
    add_text(out, "name=", p->name);
    add_text(out, "nsb=", p->nsb);
}

static void state_committee(const void *fact, struct buffer *out)
{
    const struct committee_fact *c = fact;

    add_word(out, level_name[c->level]);
    add_text(out, "reference=", c->reference);
    add_text(out, "title=", c->title);
}

static void state_seat(const void *fact, struct buffer *out)
{
    add_word(out, role_name[((const struct seat_fact *)fact)->role]);
}

static void state_ballot(const void *fact, struct buffer *out)
{
    const struct ballot_fact *b = fact;

    add_list(out, "", &b->kind, b->kind.size != 0);
    add_word(out, stage_name[b->stage]);
    add_date(out, "opens=", b->opens);
    add_date(out, "closes=", b->closes);
    if (!b->mandatory)
        add_word(out, "voluntary");
    add_level(out, b->level);
    add_text(out, "title=", b->title);
}

static void state_meeting(const void *fact, struct buffer *out)
{
    const struct meeting_fact *m = fact;

    add_word(out, planning_name[m->planning]);
    add_date(out, "starts=", m->starts);
    add_date(out, "ends=", m->ends);
    if (!m->mandatory)
        add_word(out, "voluntary");
    add_level(out, m->level);
    add_text(out, "title=", m->title);
}

void statement_format(enum event_type type, const void *fact, struct buffer *out)
{
    static void (*const states[EVENT_TYPES])(const void *fact, struct buffer *out) = {
        [EVENT_VOTE] = state_vote,           [EVENT_ATTENDANCE] = state_attendance,
        [EVENT_ADOPTION] = state_adoption,   [EVENT_MEMBER] = state_profile,
        [EVENT_COMMITTEE] = state_committee, [EVENT_SEAT] = state_seat,
        [EVENT_BALLOT] = state_ballot,       [EVENT_MEETING] = state_meeting,
    };
    const struct version *v = fact;
    struct buffer words = {0};

    if (v->retracted)
        add_word(&words, "retracted");
    else
        states[type](fact, &words);
    buffer_add_slice(out, buffer_slice(&words));
    buffer_free(&words);
}
