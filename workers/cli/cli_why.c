/* turnout why: the facts that add up to a number.
 *
 *     look     the number in Redis, and the offsets that it stands for
 *     walk     the journal's events before these offsets, of the partitions that can matter
 *     tell     one line a part, and the sum beside what Redis has
 *
 * With --as-of the walk takes what had been received by then, and Redis is not asked. */
#include "proto/error.h"
#include "workers/audit/moment.h"
#include "workers/audit/why.h"
#include "workers/cli/cli.h"
#include "workers/cli/cli_out.h"
#include "workers/json_out.h"
#include "workers/recall.h"
#include "workers/table_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <sysexits.h>

#define PATIENCE_MS 15000 /* for groups to be derived */
#define WRITE_BYTES ((size_t)1 << 16)

enum { KEY_AS_OF = 0x200, KEY_PROGRESS };

struct ask {
    struct site site;
    const char *key, *field;
    bool json;
    struct target target;
    struct why why;
};

static const struct argp_option option_table[] = {
    {"as-of", KEY_AS_OF, "TIME", 0,
     "of what had been received by then; Redis is not asked: " MOMENT_FORMS, 0},
    {"json", 'j', 0, 0, "one JSON object a line, the last one {\"sum\":N,\"redis\":N}", 0},
    {"progress", KEY_PROGRESS, 0, 0, "tell of progress also when standard error is no terminal", 0},
    {0}};

static error_t take_argument(struct ask *a, char *arg, struct argp_state *state)
{
    if (state->arg_num > 1)
        return ARGP_ERR_UNKNOWN;
    *(state->arg_num ? &a->field : &a->key) = arg;
    return 0;
}

static error_t option_parse(int key, char *arg, struct argp_state *state)
{
    struct ask *a = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &a->site;
        return 0;
    case KEY_AS_OF:
        a->why.then = true;
        a->why.as_of_ms = cli_moment("--as-of", arg, state);
        return 0;
    case 'j':
        a->json = true;
        return 0;
    case KEY_PROGRESS:
        a->why.progress = true;
        return 0;
    case ARGP_KEY_ARG:
        return take_argument(a, arg, state);
    case ARGP_KEY_END:
        if (state->arg_num < 2)
            argp_usage(state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* ---- tell ---- */
static void part_text(const struct explain_part *part, struct buffer *out)
{
    const struct explain_fact *f = part->facts[0];

    if (part->amount > 0)
        buffer_add(out, "+", 1);
    buffer_add_int(out, part->amount);
    buffer_add_text(out, "  ");
    text_add_clean(out, part->member);
    buffer_add_text(out, "  ");
    witness_text(&f->witness, out);
    buffer_add_text(out, " replaced=");
    text_add_clean(out, f->replaced.at ? f->replaced : slice_of("-"));
    if (f->replaced.at) {
        buffer_add(out, "@", 1);
        witness_place(f->witness.partition, f->replaced_offset, out);
    }
    for (size_t i = 1; i < part->count; i++) {
        buffer_add_text(out, i == 1 ? "  with " : ", ");
        witness_brief(&part->facts[i]->witness, out);
    }
    buffer_add(out, "\n", 1);
}

static json_t *fact_json(const struct explain_fact *f)
{
    json_t *object = witness_json(&f->witness);
    json_t *replaced = json_null();

    if (f->replaced.at)
        replaced =
            json_pack("{s:o,s:I,s:I}", "id", json_text(f->replaced), "partition",
                      (json_int_t)f->witness.partition, "offset", (json_int_t)f->replaced_offset);
    json_object_set_new(object, "replaced", replaced);
    return object;
}

static void part_json(const struct explain_part *part, struct buffer *out)
{
    json_t *line = json_pack("{s:I,s:o}", "amount", (json_int_t)part->amount, "member",
                             json_text(part->member));
    json_t *fact = fact_json(part->facts[0]), *with = json_array();

    json_object_update(line, fact);
    json_decref(fact);
    for (size_t i = 1; i < part->count; i++)
        json_array_append_new(with, fact_json(part->facts[i]));
    json_object_set_new(line, "with", with);
    json_line(line, out);
}

static void sum_json(const struct ask *a, int64_t sum, struct buffer *out)
{
    json_t *redis = a->why.then           ? json_null()
                    : a->why.live.numeric ? json_integer(a->why.live.number)
                                          : json_text(slice_of(a->why.live.text));

    json_line(json_pack("{s:I,s:o}", "sum", (json_int_t)sum, "redis", redis), out);
}

static void sum_text(const struct ask *a, int64_t sum, struct buffer *out)
{
    int64_t more = a->why.live.number - sum;
    char moment[MOMENT_TEXT];

    buffer_add_text(out, "sum ");
    buffer_add_int(out, sum);
    if (a->why.then) {
        moment_format(a->why.as_of_ms, moment);
        buffer_add_text(out, " as of ");
        buffer_add_text(out, moment);
    } else {
        buffer_add_text(out, ", Redis has ");
        text_add_clean(out, slice_of(a->why.live.there ? a->why.live.text : "0"));
    }
    if (!why_agrees(&a->why, sum) && !a->why.live.numeric) {
        buffer_add_text(out, ": no number");
    } else if (!why_agrees(&a->why, sum)) {
        buffer_add_text(out, ": ");
        buffer_add_int(out, more > 0 ? more : -more);
        buffer_add_text(out, more > 0 ? " too many" : " too few");
    }
    buffer_add(out, "\n", 1);
}

static int tell(const struct ask *a, struct explain *x)
{
    struct buffer out = {0};
    const struct explain_part *parts;
    size_t count;
    int64_t sum;
    int status = EX_OK;

    parts = explain_finish(x, &count, &sum);
    for (size_t i = 0; i < count && status == EX_OK; i++) {
        (a->json ? part_json : part_text)(&parts[i], &out);
        if (out.size > WRITE_BYTES)
            status = cli_write("why", &out);
    }
    if (count == 0)
        fprintf(stderr, "turnout why: no fact counts there (a mistyped name looks the same)\n");
    (a->json ? sum_json : sum_text)(a, sum, &out);
    if (status == EX_OK)
        status = cli_write("why", &out);
    buffer_free(&out);
    return status != EX_OK ? status : why_agrees(&a->why, sum) ? EX_OK : EXIT_FAILURE;
}

/* EX_OK, or the exit status after a sentence that says who failed. */
static int complain(const struct ask *a, int error)
{
    if (error == ERR_TIMEOUT && a->why.redis) {
        fprintf(stderr,
                "turnout why: for %d s there was always something left to be derived for groups: "
                "is a worker running? --as-of asks the journal alone\n",
                PATIENCE_MS / 1000);
        return EX_TEMPFAIL;
    }
    return a->why.redis ? cli_fail("why", "Redis", a->site.redis, error)
                        : cli_fail("why", "the broker", a->site.read, error);
}

static int explain(struct ask *a)
{
    struct explain *x;
    int error = why_look(&a->why), status;

    if (error < 0)
        return complain(a, error);
    if (a->why.behind)
        fprintf(stderr, "turnout why: the newest %" PRIu64 " events are not in Redis yet\n",
                a->why.behind);
    x = explain_new(&a->target, recall_from_broker, (void *)(uintptr_t)a->site.read);
    error = why_walk(&a->why, x);
    status = error < 0 ? complain(a, error) : tell(a, x);
    explain_free(x);
    return status;
}

static int answer(struct ask *a)
{
    int status, error = site_connect(&a->site, WHY_ANSWER_MS, &a->why.reader);

    if (error < 0)
        return complain(a, error);
    a->why.target = &a->target;
    a->why.patience_ms = PATIENCE_MS;
    a->why.store = a->why.then ? NULL : site_store(&a->site, WHY_ANSWER_MS);
    status = explain(a);
    store_free(a->why.store);
    reader_free(a->why.reader);
    return status;
}

int cli_why(int argc, char **argv)
{
    static const struct argp_child children[] = {{&site_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        option_table,
        option_parse,
        "KEY FIELD",
        "Tells which facts add up to a number in Redis, one a line: how much each adds and for "
        "which member, what it is about and states, the event's id, source and time, its place "
        "PARTITION:OFFSET in the journal, the event that it replaced, and the other facts it "
        "rests on.  A duty that was missed has no vote: its facts are the ballot's and the seat's "
        "notices.  The last line is the sum, beside what Redis has.\vKEY, with or without the "
        "prefix, and FIELD:\n"
        "  member:M:PERIOD  committee:C:YEAR  seat:C|M:YEAR  their counters\n"
        "  ballot:C|B  meeting:C|MT                          their tallies\n"
        "  group:G:PERIOD  group:G-without-top3:PERIOD       counters, members, seats,\n"
        "                                                    X.num and X.den of figures\n"
        "\n"
        "  turnout why member:KE:2026 technical.votes\n"
        "  turnout why 'seat:ISO/TC 207|KE:2026' technical.ballots.missed\n"
        "  turnout why group:developing:2026 voting.num --as-of 2026-06-30\n"
        "\n"
        "Exit status: 0 the sum is what Redis has, 1 it is not, 64 there is no such number, 69 "
        "the broker or Redis cannot be reached, 74 what is read is damaged, or the output cannot "
        "be written, 75 groups do not come to rest, 78 Redis belongs to another journal, or key, "
        "rights or user of Redis are not right.",
        children,
        NULL,
        NULL};
    struct ask a = {.json = false};
    struct buffer reason = {0};
    int status = EX_USAGE;

    argp_parse(&argp, argc, argv, 0, NULL, &a);
    if (target_parse(slice_of(a.key), slice_of(a.field), a.site.prefix, &a.target, &reason) == 0)
        status = answer(&a);
    else
        fprintf(stderr, "turnout why: %.*s\n", (int)reason.size, reason.at);
    buffer_free(&reason);
    site_free(&a.site);
    return status;
}
