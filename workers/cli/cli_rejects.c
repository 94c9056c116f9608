/* turnout rejects: the events that the broker refused, and what becomes of them.
 *
 * list and show read them page by page; redrive and drop send numbers, and are told of each what
 * became of it once that is on disk.  What can fail: the broker goes away in the middle, and then
 * nobody knows what became of the numbers under way.  Asking again is harmless. */
#include "proto/error.h"
#include "workers/cli/cli.h"
#include "workers/cli/cli_out.h"
#include "workers/cli/rejects_print.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

#define ANSWER_MS 10000
#define COMMIT_MS 60000 /* 8 MiB to a slow disk, behind whatever else it has to do */

struct rejects_verb {
    struct site site;
    const struct action *action;
    bool json, all;
    struct slice source, code; /* absent: whatever it is */
    uint64_t from, limit;
    struct buffer numbers; /* uint64_t each */
    struct reader *reader;
    struct text_table *table;
    struct buffer out;
    uint64_t seen, done, left; /* shown; settled; kept all the same */
};

struct action {
    const char *name;
    int (*run)(struct rejects_verb *v); /* the exit status */
    bool numbers, filters, all;         /* what it takes */
    enum wire_kind kind;                /* of those that settle */
    const char *done, *left;            /* what those call the two counts */
};

/* ---- asking ---- */

static size_t number_count(const struct rejects_verb *v)
{
    return v->numbers.size / sizeof(uint64_t);
}

static const uint64_t *number_list(const struct rejects_verb *v)
{
    return (const uint64_t *)(const void *)v->numbers.at;
}

static int fail(const struct rejects_verb *v, int error)
{
    return cli_fail("rejects", "the broker", v->site.read, error);
}

/* The next page from `first` on, of at most `most`. */
static int page(struct rejects_verb *v, uint64_t first, uint64_t most, struct wire_rejected *ret,
                struct slice *ret_payload)
{
    struct wire_message m = {.kind = WIRE_REJECTS, .rejects = {first, most}};
    uint64_t session = reader_session(v->reader);
    int error;

    reader_reset(v->reader);
    reader_send(v->reader, &m);
    error = client_await(v->reader, session, WIRE_REJECTED, ANSWER_MS, &m, ret_payload);
    if (error == 0)
        *ret = m.rejected;
    return error;
}

static bool is_asked_for(const struct rejects_verb *v, const struct wire_reject *r)
{
    return (!v->source.at || slice_equal(v->source, r->source)) &&
           (!v->code.at || slice_equal(v->code, r->code));
}

/* Calls back for all that are asked for.  Returns an exit status. */
static int visit(struct rejects_verb *v,
                 void (*take)(struct rejects_verb *v, const struct wire_reject *r))
{
    uint64_t first = v->from;
    struct wire_rejected list = {.count = 1};
    struct slice payload;
    int error, status = EX_OK;

    while (v->seen < v->limit && status == EX_OK) {
        error = page(v, first, WIRE_MAX_NUMBERS, &list, &payload);
        if (error < 0)
            return fail(v, error);
        if (list.count == 0)
            break;
        for (uint32_t i = 0; i < list.count && v->seen < v->limit; i++)
            if (is_asked_for(v, &list.rejects[i])) {
                take(v, &list.rejects[i]);
                v->seen++;
            }
        first = list.rejects[list.count - 1].number + 1;
        status = cli_write("rejects", &v->out);
    }
    return status;
}

/* ---- list and show ---- */

static void list_one(struct rejects_verb *v, const struct wire_reject *r)
{
    if (v->json)
        reject_json(r, slice_make(NULL, 0), &v->out);
    else
        rejects_table_add(v->table, r);
}

static int list(struct rejects_verb *v)
{
    int status;

    v->table = rejects_table_new();
    status = visit(v, list_one);
    if (status != EX_OK)
        return status;
    if (v->seen == 0)
        fprintf(stderr, "turnout rejects: no refused event%s is kept\n",
                v->source.at || v->code.at || v->from ? " of those asked for" : "");
    else if (!v->json)
        text_table_print(v->table, text_colour_wanted(stdout), &v->out);
    return cli_write("rejects", &v->out);
}

static int show_one(struct rejects_verb *v, uint64_t number)
{
    struct wire_rejected list = {0};
    struct slice event;
    int error = page(v, number, 1, &list, &event);

    if (error < 0)
        return fail(v, error);
    if (list.count == 0 || list.rejects[0].number != number) {
        fprintf(stderr, "turnout rejects: no refused event %" PRIu64 " is kept\n", number);
        v->left++;
        return EX_OK;
    }
    if (!event.at)
        event = slice_of(""); /* nothing was kept of it */
    if (v->json)
        reject_json(list.rejects, event, &v->out);
    else
        reject_text(list.rejects, event, text_colour_wanted(stdout), &v->out);
    return cli_write("rejects", &v->out);
}

static int show(struct rejects_verb *v)
{
    int status = EX_OK;

    for (size_t i = 0; i < number_count(v) && status == EX_OK; i++)
        status = show_one(v, number_list(v)[i]);
    return status != EX_OK ? status : v->left ? EXIT_FAILURE : EX_OK;
}

/* ---- redrive and drop ---- */

static void collect_one(struct rejects_verb *v, const struct wire_reject *r)
{
    buffer_add(&v->numbers, &r->number, sizeof r->number);
}

static int compare_numbers(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* The protocol wants them to rise. */
static void sort_numbers(struct rejects_verb *v)
{
    uint64_t *numbers = (uint64_t *)(void *)v->numbers.at;
    size_t count = number_count(v), kept = 0;

    if (count == 0)
        return;
    qsort(numbers, count, sizeof *numbers, compare_numbers);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || numbers[i] != numbers[kept - 1])
            numbers[kept++] = numbers[i];
    v->numbers.size = kept * sizeof *numbers;
}

static void tell_settled(struct rejects_verb *v, const struct wire_settled *s)
{
    for (uint32_t i = 0; i < s->count; i++) {
        const struct wire_settlement *one = &s->list[i];
        if (one->code.size == 0) {
            v->done++;
            continue;
        }
        v->left++;
        buffer_add_int(&v->out, (int64_t)one->number);
        buffer_add_text(&v->out, ": ");
        text_add_clean(&v->out, one->code);
        buffer_add_text(&v->out, ": ");
        text_add_clean(&v->out, one->field);
        buffer_add_text(&v->out, one->field.size ? ": " : "");
        text_add_clean(&v->out, one->reason);
        buffer_add_text(&v->out, "\n");
    }
    if (v->out.size)
        fwrite(v->out.at, 1, v->out.size, stderr);
    buffer_clear(&v->out);
}

/* Asks for some numbers, and waits until all of them are settled. */
static int settle_some(struct rejects_verb *v, const uint64_t *numbers, uint32_t count)
{
    struct wire_message m = {.kind = v->action->kind, .numbers = {count, numbers}};
    uint64_t session = reader_session(v->reader);
    struct slice payload;
    int error = 0;

    reader_reset(v->reader);
    reader_send(v->reader, &m);
    while (count > 0 && error == 0) {
        error = client_await(v->reader, session, WIRE_SETTLED, COMMIT_MS, &m, &payload);
        if (error < 0)
            break;
        if (m.settled.count > count)
            return ERR_PROTOCOL;
        count -= m.settled.count;
        tell_settled(v, &m.settled);
    }
    return error;
}

static int settle_all(struct rejects_verb *v)
{
    size_t count = number_count(v), done = 0;
    int error = 0;

    sort_numbers(v);
    count = number_count(v);
    while (done < count && error == 0) {
        size_t some = count - done < WIRE_MAX_NUMBERS ? count - done : WIRE_MAX_NUMBERS;
        error = settle_some(v, number_list(v) + done, (uint32_t)some);
        done += some;
    }
    if (error != ERR_LOST && error != ERR_TIMEOUT)
        return error < 0 ? fail(v, error) : v->left ? EXIT_FAILURE : EX_OK;
    fprintf(stderr,
            "turnout rejects: the broker at %s went away: what became of %" PRIu64
            " of them is not known; asking again is harmless\n",
            v->site.read, count - v->done - v->left);
    return EX_TEMPFAIL;
}

static int settle(struct rejects_verb *v)
{
    int status = EX_OK;

    if (number_count(v) == 0)
        status = visit(v, collect_one);
    if (status != EX_OK)
        return status;
    status = settle_all(v);
    printf("{\"%s\":%" PRIu64 ",\"%s\":%" PRIu64 "}\n", v->action->done, v->done, v->action->left,
           v->left);
    return cli_flush("rejects") == EX_OK ? status : EX_IOERR;
}

/* ---- the verb ---- */

static const struct action actions[] = {
    {"list", list, false, true, false, WIRE_UNKNOWN, NULL, NULL},
    {"show", show, true, false, false, WIRE_UNKNOWN, NULL, NULL},
    {"redrive", settle, true, true, true, WIRE_REDRIVE, "accepted", "rejected"},
    {"drop", settle, true, true, true, WIRE_DROP, "dropped", "kept"},
};

enum { KEY_SOURCE = 0x200, KEY_CODE, KEY_FROM, KEY_LIMIT, KEY_ALL };

static const struct argp_option option_table[] = {
    {"source", KEY_SOURCE, "SOURCE", 0, "only those of this source", 0},
    {"code", KEY_CODE, "CODE", 0, "only those refused with this code", 0},
    {"from", KEY_FROM, "NUMBER", 0, "list: from this number on", 0},
    {"limit", KEY_LIMIT, "N", 0, "list: no more than so many", 0},
    {"all", KEY_ALL, 0, 0, "redrive, drop: all, or all of that source and code", 0},
    {"json", 'j', 0, 0, "list, show: one JSON object a line", 0},
    {0}};

static uint64_t number_of(const char *what, const char *arg, struct argp_state *state)
{
    int64_t number = 0;

    if (!slice_to_int(slice_of(arg), &number) || number < 1 || number == INT64_MAX)
        argp_error(state, "%s: a number from 1 on is wanted", what);
    return (uint64_t)number;
}

static void take_word(struct rejects_verb *v, const char *arg, struct argp_state *state)
{
    uint64_t number;

    for (size_t i = 0; i < sizeof actions / sizeof *actions && !v->action; i++)
        if (strcmp(arg, actions[i].name) == 0) {
            v->action = &actions[i];
            return;
        }
    if (!v->action)
        argp_error(state, "%s: expected list, show, redrive or drop", arg);
    number = number_of(arg, arg, state);
    buffer_add(&v->numbers, &number, sizeof number);
}

/* A bare `redrive` or `drop` does nothing: all is much.  To redrive by source or code only is
 * harmless, to drop so wants --all too. */
static void check(const struct rejects_verb *v, struct argp_state *state)
{
    bool filters = v->source.at || v->code.at, numbers = v->numbers.size > 0;
    const struct action *a = v->action;

    if (!a)
        argp_usage(state);
    if (numbers && !a->numbers)
        argp_error(state, "%s takes no numbers", a->name);
    if (filters && (!a->filters || numbers))
        argp_error(state,
                   "--source and --code are for list, or for redrive and drop without numbers");
    if (v->all && (!a->all || numbers))
        argp_error(state, "--all is for redrive and drop without numbers");
    if (v->json && a->all)
        argp_error(state, "--json is for list and show");
    if ((v->from || v->limit != UINT64_MAX) && a->run != list)
        argp_error(state, "--from and --limit are for list");
    if (a->numbers && !numbers && !v->all && !(filters && a->kind == WIRE_REDRIVE))
        argp_error(state, a->all ? "which? numbers, or --all" : "which? their numbers");
}

static error_t option_parse(int key, char *arg, struct argp_state *state)
{
    struct rejects_verb *v = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &v->site;
        return 0;
    case KEY_SOURCE:
        v->source = slice_of(arg);
        return 0;
    case KEY_CODE:
        v->code = slice_of(arg);
        return 0;
    case KEY_FROM:
        v->from = number_of("--from", arg, state);
        return 0;
    case KEY_LIMIT:
        v->limit = number_of("--limit", arg, state);
        return 0;
    case KEY_ALL:
        v->all = true;
        return 0;
    case 'j':
        v->json = true;
        return 0;
    case ARGP_KEY_ARG:
        take_word(v, arg, state);
        return 0;
    case ARGP_KEY_END:
        check(v, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int cli_rejects(int argc, char **argv)
{
    static const struct argp_child children[] = {{&site_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        option_table,
        option_parse,
        "list\nshow NUMBER...\nredrive [NUMBER...]\ndrop [NUMBER...]",
        "The events that the broker refused and kept.  list tells why each was refused; show also "
        "what it says, as JSON, or in hexadecimal where it is no msgpack that JSON can say; "
        "redrive has them judged anew once the cause is mended (the rights of their source, say): "
        "those accepted now count like any other event; drop forgets them.\vredrive ends with "
        "{\"accepted\":N,\"rejected\":M} on standard output, drop with "
        "{\"dropped\":N,\"kept\":M}; each number that stays, or is not kept any more, is told on "
        "standard error with its code, field and reason.  Asking twice is harmless: an event is "
        "accepted once.\n"
        "\n"
        "  turnout rejects list --code committee-denied\n"
        "  turnout rejects redrive --code committee-denied\n"
        "  turnout rejects drop --all --source election-feed\n"
        "\n"
        "Exit status: 0 done, 1 some refused again or not kept, 64 usage, 69 the broker cannot be "
        "reached, 74 it cannot read them, 75 it went away before it had answered, 78 it does not "
        "allow this.",
        children,
        NULL,
        NULL};
    struct rejects_verb v = {.limit = UINT64_MAX};
    int error, status;

    argp_parse(&argp, argc, argv, 0, NULL, &v);
    error = site_connect(&v.site, ANSWER_MS, &v.reader);
    status = error < 0 ? fail(&v, error) : v.action->run(&v);
    reader_free(v.reader);
    text_table_free(v.table);
    buffer_free(&v.numbers);
    buffer_free(&v.out);
    site_free(&v.site);
    return status;
}
