/* History; see history.h. */
#include "workers/audit/history.h"

#include "proto/error.h"
#include "workers/client.h"
#include "workers/walk.h"

#define ANSWER_MS 3000

/* One fact: a member's notices may be asked for all at once. */
struct line {
    struct table_entry entry; /* by the subject */
    struct history_copy *winner;
};

static struct line *line_of(struct history *h, struct slice subject)
{
    struct line *line = table_find(&h->lines, subject);

    if (!line) {
        line = arena_need(&h->arena, sizeof *line);
        line->entry.key = subject;
        table_add(&h->lines, &line->entry);
    }
    return line;
}

static struct slice subject_text(struct history *h, const struct event *e)
{
    struct subject s = subject_of(e);
    struct buffer text = {0};
    struct slice kept;

    subject_format(&s, &text);
    kept = arena_copy(&h->arena, buffer_slice(&text));
    buffer_free(&text);
    return kept;
}

static struct history_copy *copy_new(struct history *h, const struct event *e, uint64_t digest)
{
    struct history_copy *c = arena_need(&h->arena, sizeof *c);
    union any_fact *fact = arena_need(&h->arena, sizeof *fact);

    fact_from_event(e, digest, &h->arena, fact);
    fact->version.raw = arena_copy(&h->arena, e->raw);
    c->entry.key = fact->version.raw;
    c->witness.type = e->type;
    c->witness.fact = fact;
    c->witness.subject = subject_text(h, e);
    c->first = table_find(&h->copies, c->entry.key);
    if (!c->first)
        table_add(&h->copies, &c->entry);
    *h->last = c;
    h->last = &c->next;
    return c;
}

static void take_event(struct history *h, const struct event *e, const struct walk_run *run,
                       uint64_t offset)
{
    uint64_t digest = version_digest(e->raw);
    struct history_copy *c = copy_new(h, e, digest);
    struct line *line = line_of(h, c->witness.subject);

    c->witness.source = arena_copy(&h->arena, run->source);
    c->witness.received_ms = run->received_ms;
    c->witness.partition = run->partition;
    c->witness.offset = offset;
    if (line->winner &&
        version_compare(witness_version(&line->winner->witness), e, digest) != VERSION_NEWER)
        return;
    if (line->winner)
        line->winner->winner = false;
    c->winner = true;
    line->winner = c;
}

static int take_run(void *arg, const struct walk_run *run)
{
    struct history *h = arg;
    struct slice rest = run->events;
    struct refusal why;
    struct event e;

    for (uint64_t i = 0; i < run->count; i++) {
        if (event_next(h->decoder, &rest, EVENT_ANY_TIME, &e, &why) < 0)
            return ERR_CORRUPT;
        if (subject_is(&h->subject, &e))
            take_event(h, &e, run, run->offset + i);
    }
    event_decoder_reset(h->decoder);
    return 0;
}

static int read_partition(struct history *h, struct reader *r)
{
    uint64_t from[WIRE_MAX_PARTS] = {0}, ends[WIRE_MAX_PARTS] = {0};
    struct wire_report report;
    struct progress progress;
    int error = client_report(r, NULL, 0, ANSWER_MS, &report);

    if (error < 0)
        return error;
    unsigned count = report.count, p = subject_partition(&h->subject, count);
    ends[p] = report.ends[p];
    reader_reset(r);
    progress_begin(&progress, "reading events", ends[p], h->progress);
    error = walk_journal(r, from, ends, count, take_run, h, &progress);
    progress_end(&progress);
    return error;
}

int history_read(struct history *h, struct reader *r)
{
    int error;

    h->last = &h->first;
    h->decoder = event_decoder_new();
    error = read_partition(h, r);
    event_decoder_free(h->decoder);
    return error;
}

void history_free(struct history *h)
{
    table_free(&h->copies);
    table_free(&h->lines);
    arena_free(&h->arena);
}
