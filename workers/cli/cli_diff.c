/* turnout diff: which published numbers moved between two moments, from what to what, and by which
 * facts.
 *
 *     walk     the journal up to the first moment; then, event by event, up to the second
 *     tell     each number that is another one, and below it what moved it
 *
 * Only the broker is asked; the live keys are neither read nor touched. */
#include "proto/clock.h"
#include "proto/error.h"
#include "proto/program.h"
#include "workers/audit/diff.h"
#include "workers/audit/moment.h"
#include "workers/cli/cli.h"
#include "workers/cli/cli_out.h"
#include "workers/json_out.h"
#include "workers/recall.h"
#include "workers/table_text.h"

#include <stdlib.h>
#include <sysexits.h>

#define ANSWER_MS   3000
#define WRITE_BYTES ((size_t)1 << 16)
#define MOST_CAUSES 20

enum { KEY_FROM = 0x200, KEY_TO, KEY_ALL, KEY_MAX, KEY_PROGRESS };

struct diff_verb {
    struct site site;
    bool json, all, progress, since, till; /* since, till: the moments are given */
    int64_t from_ms, to_ms;
    int64_t most; /* causes told of one number; 0: all */
};

static const struct argp_option option_table[] = {
    {"from", KEY_FROM, "TIME", 0, "default: 24 hours before the other moment", 0},
    {"to", KEY_TO, "TIME", 0, "default: now.  A TIME is " MOMENT_FORMS, 0},
    {"all", KEY_ALL, 0, 0,
     "not only groups: also numbers of members, committees, seats, ballots and meetings", 0},
    {"max", KEY_MAX, "N", 0, "tell at most so many causes of a number (default: 20; 0: all)", 0},
    {"json", 'j', 0, 0, "one JSON object a line", 0},
    {"progress", KEY_PROGRESS, 0, 0, "tell of progress also when standard error is no terminal", 0},
    {0}};

static void set_defaults(struct diff_verb *v, struct argp_state *state)
{
    if (!v->till)
        v->to_ms = clock_wall_ms();
    if (!v->since)
        v->from_ms = v->to_ms - DAY_MS;
    if (v->from_ms > v->to_ms)
        argp_error(state, "--from is later than --to");
}

static error_t option_parse(int key, char *arg, struct argp_state *state)
{
    struct diff_verb *v = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &v->site;
        return 0;
    case KEY_FROM:
        v->since = true;
        v->from_ms = cli_moment("--from", arg, state);
        return 0;
    case KEY_TO:
        v->till = true;
        v->to_ms = cli_moment("--to", arg, state);
        return 0;
    case KEY_ALL:
        v->all = true;
        return 0;
    case KEY_MAX:
        v->most = cli_number("--max", arg, 0, INT64_MAX, state);
        return 0;
    case 'j':
        v->json = true;
        return 0;
    case KEY_PROGRESS:
        v->progress = true;
        return 0;
    case ARGP_KEY_END:
        set_defaults(v, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* ---- walk ---- */
static int walk(const struct diff_verb *v, struct reader *r, const uint64_t *from,
                const uint64_t *ends, unsigned count, walk_fn each, struct diff *d)
{
    struct progress progress;
    uint64_t total = 0;
    int error;

    for (unsigned p = 0; p < count; p++)
        total += from[p] < ends[p] ? ends[p] - from[p] : 0;
    progress_begin(&progress, each == diff_run_before ? "reading events" : "taking them one by one",
                   total, v->progress);
    error = walk_journal(r, from, ends, count, each, d, &progress);
    progress_end(&progress);
    return error;
}

static int walk_twice(const struct diff_verb *v, struct reader *r, const uint64_t *ends,
                      unsigned count, struct diff *d)
{
    uint64_t from[WIRE_MAX_PARTS] = {0};
    int error = walk(v, r, from, ends, count, diff_run_before, d);

    if (error == 0)
        error = diff_turn(d, from);
    return error < 0 ? error : walk(v, r, from, ends, count, diff_run_between, d);
}

/* ---- tell ---- */
static void add_signed(struct buffer *out, int64_t n)
{
    if (n >= 0)
        buffer_add(out, "+", 1);
    buffer_add_int(out, n);
}

static void cause_text(const struct diff_change *c, const struct diff_cause *cause,
                       struct buffer *out)
{
    buffer_add_text(out, "  ");
    add_signed(out, cause->amount);
    if (c->quotient) {
        buffer_add(out, "/", 1);
        add_signed(out, cause->den);
    }
    buffer_add_text(out, "  ");
    if (cause->witness) {
        char received[MOMENT_TEXT];
        moment_format(cause->witness->received_ms, received);
        witness_text(cause->witness, out);
        buffer_add_text(out, " received=");
        buffer_add_text(out, received);
    } else {
        buffer_add_text(out, cause->reason);
    }
    buffer_add(out, "\n", 1);
}

/* A sum that is not written is zero; a quotient that is not written has no data. */
static struct slice value_of(const struct diff_change *c, struct slice text)
{
    if (!text.at && !c->quotient && !slice_is(c->field, "without"))
        return slice_of("0");
    return text;
}

static void add_value(const struct diff_change *c, struct slice text, struct buffer *out)
{
    text = value_of(c, text);
    text_add_clean(out, text.at ? text : slice_of("-"));
}

static void change_text(const struct diff_change *c, const struct diff_cause *causes, size_t count,
                        size_t most, struct buffer *out)
{
    text_add_clean(out, c->key);
    buffer_add_text(out, " ");
    text_add_clean(out, c->field);
    buffer_add_text(out, "  ");
    add_value(c, c->from, out);
    buffer_add_text(out, " -> ");
    add_value(c, c->to, out);
    buffer_add(out, "\n", 1);
    for (size_t i = 0; i < count && i < most; i++)
        cause_text(c, &causes[i], out);
    if (count > most) {
        buffer_add_text(out, "  and ");
        buffer_add_int(out, (int64_t)(count - most));
        buffer_add_text(out, " more\n");
    }
}

/* A number as a number, names as a string. */
static json_t *value_json(struct slice text)
{
    char room[64], *end;
    double real;
    int64_t n;

    if (!text.at)
        return json_null();
    if (slice_to_int(text, &n))
        return json_integer(n);
    if (text.size >= sizeof room)
        return json_text(text);
    memcpy(room, text.at, text.size);
    room[text.size] = '\0';
    real = strtod(room, &end);
    return *end || end == room ? json_text(text) : json_real(real);
}

static json_t *cause_json(const struct diff_change *c, const struct diff_cause *cause)
{
    json_t *object = json_object(), *fact;

    json_object_set_new(object, c->quotient ? "num" : "amount", json_integer(cause->amount));
    if (c->quotient)
        json_object_set_new(object, "den", json_integer(cause->den));
    if (!cause->witness) {
        json_object_set_new(object, "reason", json_string(cause->reason));
        return object;
    }
    fact = witness_json(cause->witness);
    json_object_update(object, fact);
    json_decref(fact);
    return object;
}

static void change_json(const struct diff_change *c, const struct diff_cause *causes, size_t count,
                        size_t most, struct buffer *out)
{
    json_t *list = json_array();
    size_t told = count < most ? count : most;

    for (size_t i = 0; i < told; i++)
        json_array_append_new(list, cause_json(c, &causes[i]));
    json_line(json_pack("{s:o,s:o,s:o,s:o,s:o,s:I}", "key", json_text(c->key), "field",
                        json_text(c->field), "from", value_json(value_of(c, c->from)), "to",
                        value_json(value_of(c, c->to)), "causes", list, "more",
                        (json_int_t)(count - told)),
              out);
}

static int tell(const struct diff_verb *v, struct diff *d, const struct diff_change *changes,
                size_t count)
{
    size_t most = v->most ? (size_t)v->most : SIZE_MAX, causes;
    struct buffer out = {0};
    int status = EX_OK;

    if (count == 0)
        fprintf(stderr, "turnout diff: nothing moved\n");
    for (size_t i = 0; i < count && status == EX_OK; i++) {
        const struct diff_cause *list = diff_causes(d, &changes[i], &causes);
        (v->json ? change_json : change_text)(&changes[i], list, causes, most, &out);
        if (out.size > WRITE_BYTES)
            status = cli_write("diff", &out);
    }
    if (status == EX_OK && count)
        status = cli_write("diff", &out);
    buffer_free(&out);
    return status;
}

static int compare(const struct diff_verb *v, struct reader *r, const struct diff_options *o,
                   const uint64_t *ends)
{
    struct diff *d = diff_new(o);
    const struct diff_change *changes = NULL;
    size_t count = 0;
    int error = walk_twice(v, r, ends, o->partitions, d), status;

    if (error == 0)
        error = diff_finish(d, &changes, &count);
    status = error < 0 ? cli_fail("diff", "the broker", v->site.read, error)
                       : tell(v, d, changes, count);
    diff_free(d);
    return status;
}

static int answer(const struct diff_verb *v, struct reader *r, const struct config *config)
{
    uint64_t ends[WIRE_MAX_PARTS];
    struct wire_report report;
    struct diff_options o = {.from_ms = v->from_ms,
                             .to_ms = v->to_ms,
                             .all = v->all,
                             .rules = config->rules,
                             .recall = recall_from_broker,
                             .recall_arg = (void *)(uintptr_t)v->site.read};
    char log[LOG_ID + 1];
    int error = client_report(r, NULL, 0, ANSWER_MS, &report);

    if (error < 0)
        return cli_fail("diff", "the broker", v->site.read, error);
    for (unsigned p = 0; p < report.count; p++)
        ends[p] = report.ends[p];
    o.partitions = report.count;
    reader_reset(r);
    o.log = memcpy(log, reader_log(r), sizeof log);
    return compare(v, r, &o, ends);
}

int cli_diff(int argc, char **argv)
{
    static const struct argp_child children[] = {{&site_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        option_table,
        option_parse,
        NULL,
        "Tells which numbers of groups moved between two moments, and what moved them: one line a "
        "number, KEY FIELD  FROM -> TO, and below it a line for each event: how much it added (to "
        "a quotient: to its numerator and denominator), what it is about and states, its id, "
        "source and time, its place PARTITION:OFFSET in the journal and when it was received.  "
        "The amounts below a sum add up to its change.\vWhat counts at a moment is what had been "
        "received by then.\n"
        "\n"
        "  turnout diff                              in the last 24 hours\n"
        "  turnout diff --from 2026-12-31 --max 0    since the end of 2026\n"
        "\n"
        "Exit status: 0 done, also when nothing moved; 64 these are no times, 69 the broker cannot "
        "be reached, 74 what is read is damaged, or the output cannot be written, 78 the "
        "configuration cannot be used.",
        children,
        NULL,
        NULL};
    struct diff_verb v = {.most = MOST_CAUSES};
    struct reader *r = NULL;
    struct config config;
    int status, error;

    argp_parse(&argp, argc, argv, 0, NULL, &v);
    error = site_config(&v.site, &config);
    status = program_exit_status(error);
    if (error == 0 && (error = site_connect(&v.site, ANSWER_MS, &r)) < 0)
        status = cli_fail("diff", "the broker", v.site.read, error);
    if (error == 0)
        status = answer(&v, r, &config);
    reader_free(r);
    site_free(&v.site);
    return status;
}
