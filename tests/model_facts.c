/* The facts under the model; see model_facts.h.  Every event is kept; facts_settle sorts them all
 * by subject and version, so that the last of each subject is the one that counts. */
#include "tests/model_facts.h"

#include <assert.h>
#include <stdlib.h>

struct version {
    struct slice subject, id, raw;
    int64_t rev, time_ms;
};

struct facts {
    struct arena arena; /* subjects and bytes of all versions */
    struct event_decoder *decoder;
    struct version *versions;
    size_t count, room;
    struct event *held; /* in order of their subjects */
    struct slice *subjects;
    size_t held_count;
};

struct facts *facts_new(void)
{
    struct facts *f = memory_need(sizeof *f);

    *f = (struct facts){.decoder = event_decoder_new()};
    return f;
}

void facts_free(struct facts *f)
{
    if (!f)
        return;
    event_decoder_free(f->decoder);
    arena_free(&f->arena);
    free(f->versions);
    free(f->held);
    free(f->subjects);
    free(f);
}

/* ---- subjects ---- */
/* A letter for the type, then every part with a NUL behind it: parts have no control characters,
 * so byte order is the order of the parts, one after the other. */
static void subject_begin(struct buffer *b, enum event_type type)
{
    char letter = (char)('a' + type);

    buffer_clear(b);
    buffer_add(b, &letter, 1);
}

static void subject_part(struct buffer *b, struct slice part)
{
    buffer_add_slice(b, part);
    buffer_add(b, "", 1);
}

static void subject_date(struct buffer *b, date_days day)
{
    char text[DATE_TEXT];

    date_format(day, text);
    subject_part(b, slice_make(text, sizeof text));
}

static void subject_of(const struct event *e, struct buffer *b)
{
    subject_begin(b, e->type);
    switch (e->type) {
    case EVENT_VOTE:
        subject_part(b, e->committee);
        subject_part(b, e->ballot);
        subject_part(b, e->member);
        break;
    case EVENT_ATTENDANCE:
        subject_part(b, e->committee);
        subject_part(b, e->meeting);
        subject_part(b, e->member);
        subject_part(b, e->participant);
        break;
    case EVENT_ADOPTION:
        subject_part(b, e->member);
        subject_part(b, e->standard);
        subject_part(b, e->reference);
        break;
    case EVENT_MEMBER:
        subject_part(b, e->member);
        subject_date(b, e->from);
        break;
    case EVENT_COMMITTEE:
        subject_part(b, e->committee);
        break;
    case EVENT_SEAT:
        subject_part(b, e->committee);
        subject_part(b, e->member);
        subject_date(b, e->from);
        break;
    case EVENT_BALLOT:
        subject_part(b, e->committee);
        subject_part(b, e->ballot);
        break;
    case EVENT_MEETING:
        subject_part(b, e->committee);
        subject_part(b, e->meeting);
        break;
    case EVENT_TYPES:
        assert(!"not a type");
    }
}

int facts_add(struct facts *f, struct slice event, struct refusal *why)
{
    struct slice raw = arena_copy(&f->arena, event);
    struct buffer subject = {0};
    struct event e;
    int error;

    event_decoder_reset(f->decoder);
    error = event_decode(f->decoder, raw, EVENT_ANY_TIME, &e, why);
    if (error < 0)
        return error;
    if (f->count == f->room) {
        f->room = f->room ? 2 * f->room : 1024;
        f->versions = memory_grow(f->versions, f->room * sizeof *f->versions);
    }
    subject_of(&e, &subject);
    f->versions[f->count++] =
        (struct version){.subject = arena_copy(&f->arena, buffer_slice(&subject)),
                         .id = e.id,
                         .raw = raw,
                         .rev = e.rev,
                         .time_ms = e.time_ms};
    buffer_free(&subject);
    return 0;
}

/* ---- the version that counts ---- */
static int number_compare(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int version_compare(const void *a, const void *b)
{
    const struct version *x = a, *y = b;
    int order = slice_compare(x->subject, y->subject);

    if (order == 0)
        order = number_compare(x->rev, y->rev);
    if (order == 0)
        order = number_compare(x->time_ms, y->time_ms);
    if (order == 0)
        order = slice_compare(x->id, y->id);
    if (order == 0)
        order = slice_compare(x->raw, y->raw);
    return order;
}

/* Whether a later version of the same subject follows. */
static bool version_lost(const struct facts *f, size_t at)
{
    return at + 1 < f->count && slice_equal(f->versions[at].subject, f->versions[at + 1].subject);
}

void facts_settle(struct facts *f)
{
    if (f->count)
        qsort(f->versions, f->count, sizeof *f->versions, version_compare);
    event_decoder_reset(f->decoder);
    f->held = memory_grow(f->held, (f->count + 1) * sizeof *f->held);
    f->subjects = memory_grow(f->subjects, (f->count + 1) * sizeof *f->subjects);
    f->held_count = 0;
    for (size_t i = 0; i < f->count; i++) {
        struct event *e = &f->held[f->held_count];
        struct refusal why;

        if (version_lost(f, i))
            continue;
        if (event_decode(f->decoder, f->versions[i].raw, EVENT_ANY_TIME, e, &why) < 0)
            abort(); /* facts_add has accepted it */
        if (!e->retracted)
            f->subjects[f->held_count++] = f->versions[i].subject;
    }
}

/* ---- looking up ---- */
static bool has_prefix(struct slice text, struct slice prefix)
{
    return text.size >= prefix.size && memcmp(text.at, prefix.at, prefix.size) == 0;
}

/* The first fact whose subject is not below the text. */
static size_t facts_from(const struct facts *f, struct slice text)
{
    size_t low = 0, high = f->held_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (slice_compare(f->subjects[middle], text) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct fact_range facts_of(const struct facts *f, enum event_type type, struct slice part1,
                           struct slice part2, struct slice part3)
{
    struct slice parts[] = {part1, part2, part3};
    struct buffer prefix = {0};
    size_t first, end;

    subject_begin(&prefix, type);
    for (int i = 0; i < 3 && parts[i].at; i++)
        subject_part(&prefix, parts[i]);
    first = end = facts_from(f, buffer_slice(&prefix));
    while (end < f->held_count && has_prefix(f->subjects[end], buffer_slice(&prefix)))
        end++;
    buffer_free(&prefix);
    return (struct fact_range){f->held + first, end - first};
}
