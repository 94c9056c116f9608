/* turnout history: all versions of one fact, in the order in which the journal has them. */
#include "proto/error.h"
#include "workers/audit/history.h"
#include "workers/audit/moment.h"
#include "workers/cli/cli.h"
#include "workers/cli/cli_out.h"
#include "workers/json_out.h"
#include "workers/table_text.h"

#include <stdlib.h>
#include <sysexits.h>

#define ANSWER_MS  3000
#define MOST_WORDS 5

enum { KEY_PROGRESS = 0x200 };

struct ask {
    struct site site;
    struct slice words[MOST_WORDS];
    size_t word_count;
    bool json;
    struct history history;
};

static const struct argp_option option_table[] = {
    {"json", 'j', 0, 0, "one JSON object a line", 0},
    {"progress", KEY_PROGRESS, 0, 0, "tell of progress also when standard error is no terminal", 0},
    {0}};

static error_t option_parse(int key, char *arg, struct argp_state *state)
{
    struct ask *a = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &a->site;
        return 0;
    case 'j':
        a->json = true;
        return 0;
    case KEY_PROGRESS:
        a->history.progress = true;
        return 0;
    case ARGP_KEY_ARG:
        if (a->word_count == MOST_WORDS)
            return ARGP_ERR_UNKNOWN;
        a->words[a->word_count++] = slice_of(arg);
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_usage(state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* ---- telling ---- */
static void copy_text(const struct history_copy *c, struct buffer *out)
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

static void copy_json(const struct history_copy *c, struct buffer *out)
{
    json_t *line = witness_json(&c->witness);

    json_object_set_new(line, "winner", json_boolean(c->winner));
    json_object_set_new(line, "repeat", json_boolean(c->first != NULL));
    json_line(line, out);
}

static int tell(const struct ask *a)
{
    struct buffer out = {0};
    int status;

    if (!a->history.first) {
        subject_format(&a->history.subject, &out);
        fprintf(stderr, "turnout history: the journal has no event about %.*s\n", (int)out.size,
                out.at);
        buffer_free(&out);
        return EXIT_FAILURE;
    }
    for (const struct history_copy *c = a->history.first; c; c = c->next)
        (a->json ? copy_json : copy_text)(c, &out);
    status = cli_write("history", &out);
    buffer_free(&out);
    return status;
}

static int answer(struct ask *a)
{
    struct reader *r = NULL;
    int error = site_connect(&a->site, ANSWER_MS, &r);

    if (error == 0)
        error = history_read(&a->history, r);
    reader_free(r);
    return error < 0 ? cli_fail("history", "the broker", a->site.read, error) : tell(a);
}

/* What is wrong with the words; of a type that there is, which words it wants. */
static int refuse(const struct ask *a, const char *reason)
{
    enum event_type type;

    fprintf(stderr, "turnout history: %s\n", reason);
    if (event_type_find(a->words[0], &type))
        fprintf(stderr, "turnout history: %s %s\n", event_type_name[type], subject_words(type));
    return EX_USAGE;
}

int cli_history(int argc, char **argv)
{
    static const struct argp_child children[] = {{&site_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        option_table,
        option_parse,
        "TYPE WORD...\n'TYPE|WORD|...'",
        "Tells all versions of one fact that the journal has, in its order: what each states, the "
        "event's id, source and time, its place PARTITION:OFFSET, its revision, and when it was "
        "received.  A star marks the version that counts; a repeat says of what.\vTYPE and its "
        "words:\n"
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
        "the broker cannot be reached, 74 what is read is damaged, or the output cannot be "
        "written, 78 key or rights are not "
        "right.",
        children,
        NULL,
        NULL};
    struct ask a = {.json = false};
    const char *reason;
    int status;

    argp_parse(&argp, argc, argv, 0, NULL, &a);
    if (subject_parse(a.words, a.word_count, &a.history.subject, &reason) < 0)
        status = refuse(&a, reason);
    else
        status = answer(&a);
    history_free(&a.history);
    site_free(&a.site);
    return status;
}
