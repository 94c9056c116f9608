/* turnout history: all versions of one fact, in the order in which the journal has them.
 *
 * Only the partition of the fact is read.  Of all versions the newest wins, by the rule that the
 * fold follows; with all bytes at hand no tie is ever left open. */
#include "proto/error.h"
#include "proto/table.h"
#include "workers/audit/moment.h"
#include "workers/audit/subject.h"
#include "workers/audit/witness.h"
#include "workers/cli/cli.h"
#include "workers/cli/cli_out.h"
#include "workers/table_text.h"
#include "workers/walk.h"

#include <stdlib.h>
#include <sysexits.h>

#define ANSWER_MS  3000
#define MOST_WORDS 5

enum { KEY_PROGRESS = 0x200 };

/* One copy of one version. */
struct copy {
    struct table_entry entry;  /* by its bytes; of equal ones the first */
    struct copy *next, *first; /* first: the same bytes came before; NULL: they are new */
    struct witness witness;
    bool winner;
};

/* One fact: a member's notices may be asked for all at once. */
struct line {
    struct table_entry entry; /* by the subject */
    struct copy *winner;
};

struct history {
    struct cli_stack stack;
    struct slice words[MOST_WORDS];
    size_t word_count;
    bool json, progress;
    struct subject subject;
    struct event_decoder *decoder;
    struct arena arena;
    struct table copies, lines;
    struct copy *first, **last;
};

static const struct argp_option option_table[] = {
    {"json", 'j', 0, 0, "one JSON object a line", 0},
    {"progress", KEY_PROGRESS, 0, 0, "tell of progress also when standard error is no terminal", 0},
    {0}};

static error_t option_parse(int key, char *arg, struct argp_state *state)
{
    struct history *h = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &h->stack;
        return 0;
    case 'j':
        h->json = true;
        return 0;
    case KEY_PROGRESS:
        h->progress = true;
        return 0;
    case ARGP_KEY_ARG:
        if (h->word_count == MOST_WORDS)
            return ARGP_ERR_UNKNOWN;
        h->words[h->word_count++] = slice_of(arg);
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_usage(state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* ---- reading ---- */
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

static struct copy *copy_new(struct history *h, const struct event *e, uint64_t digest)
{
    struct copy *c = arena_need(&h->arena, sizeof *c);
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
    struct copy *c = copy_new(h, e, digest);
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

/* ---- telling ---- */
static void copy_text(const struct copy *c, struct buffer *out)
{
    const struct witness *w = &c->witness;
    char received[MOMENT_TEXT];

    buffer_add_text(out, c->winner ? "* " : "  ");
    witness_text(w, out);
    buffer_add_text(out, " rev=");
    buffer_add_int(out, witness_version(w)->rev);
    moment_format(w->received_ms, received);
    buffer_add_text(out, " received=");
    buffer_add_text(out, received);
    if (c->first) {
        buffer_add_text(out, " repeat=");
        witness_place(c->first->witness.partition, c->first->witness.offset, out);
    }
    buffer_add(out, "\n", 1);
}

static void copy_json(const struct copy *c, struct buffer *out)
{
    json_t *line = witness_json(&c->witness);

    json_object_set_new(line, "winner", json_boolean(c->winner));
    json_object_set_new(line, "repeat", json_boolean(c->first != NULL));
    witness_line(line, out);
}

static int tell(const struct history *h)
{
    struct buffer out = {0};
    int status;

    if (!h->first) {
        subject_format(&h->subject, &out);
        fprintf(stderr, "turnout history: the journal has no event about %.*s\n", (int)out.size,
                out.at);
        buffer_free(&out);
        return EXIT_FAILURE;
    }
    for (const struct copy *c = h->first; c; c = c->next)
        (h->json ? copy_json : copy_text)(c, &out);
    status = cli_write("history", &out);
    buffer_free(&out);
    return status;
}

static int answer(struct history *h)
{
    struct reader *r = NULL;
    int error = cli_connect(&h->stack, ANSWER_MS, &r);

    h->last = &h->first;
    h->decoder = event_decoder_new();
    if (error == 0)
        error = read_partition(h, r);
    reader_free(r);
    event_decoder_free(h->decoder);
    return error < 0 ? cli_fail("history", "the broker", h->stack.read, error) : tell(h);
}

/* What is wrong with the words; of a type that there is, which words it wants. */
static int refuse(const struct history *h, const char *reason)
{
    fprintf(stderr, "turnout history: %s\n", reason);
    for (int t = 0; t < EVENT_TYPES; t++)
        if (slice_is(h->words[0], event_type_name[t]))
            fprintf(stderr, "turnout history: %s %s\n", event_type_name[t],
                    subject_words((enum event_type)t));
    return EX_USAGE;
}

int cli_history(int argc, char **argv)
{
    static const struct argp_child children[] = {{&cli_stack_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        option_table,
        option_parse,
        "TYPE WORD...\n'TYPE|WORD|...'",
        "Tells all versions of one fact that the journal has, in its order: what each states, "
        "the event's id, source and time, its place PARTITION:OFFSET, its revision, and when it "
        "was "
        "received.  A star marks the version that counts; a repeat says of what."
        "\v"
        "TYPE and its words:\n"
        "  vote COMMITTEE BALLOT MEMBER\n"
        "  attendance COMMITTEE MEETING MEMBER PARTICIPANT\n"
        "  adoption MEMBER STANDARD REFERENCE\n"
        "  member MEMBER [FROM]       without FROM all its notices\n"
        "  committee COMMITTEE\n"
        "  seat COMMITTEE MEMBER FROM\n"
        "  ballot COMMITTEE BALLOT\n"
        "  meeting COMMITTEE MEETING\n"
        "\n"
        "  turnout history vote 'ISO/TC 207' 'DIS 14001' KE\n"
        "  turnout history 'vote|ISO/TC 207|DIS 14001|KE'     as turnout why tells it\n"
        "\n"
        "Exit status: 0 done, 1 the journal has no such fact, 64 these are no words of a fact, 69 "
        "the broker cannot be reached, 78 key or rights are not right.",
        children,
        NULL,
        NULL};
    struct history h = {.json = false};
    const char *reason;
    int status;

    argp_parse(&argp, argc, argv, 0, NULL, &h);
    if (subject_parse(h.words, h.word_count, &h.subject, &reason) < 0)
        status = refuse(&h, reason);
    else
        status = answer(&h);
    table_free(&h.copies);
    table_free(&h.lines);
    arena_free(&h.arena);
    cli_stack_free(&h.stack);
    return status;
}
