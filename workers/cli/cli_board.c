/* turnout board: the groups' figures of a period, as they are or as they were at some moment.
 *
 * As they are: read from Redis.  As they were: the journal's events up to that moment are counted
 * again into a store in memory, and the board is read from there; Redis is not even asked. */
#include "proto/clock.h"
#include "proto/error.h"
#include "workers/audit/as_of.h"
#include "workers/audit/moment.h"
#include "workers/cli/board_print.h"
#include "workers/cli/cli.h"
#include "workers/cli/cli_out.h"
#include "workers/table_text.h"

#include <stdlib.h>
#include <sysexits.h>

#define ANSWER_MS 5000

enum { KEY_AS_OF = 0x200, KEY_CSV, KEY_ALL, KEY_PROGRESS };

struct board_verb {
    struct site site;
    struct board_ask ask;
    enum cli_form form;
    bool then, progress; /* then: as it was at as_of_ms */
    int64_t as_of_ms;
};

static const struct argp_option option_table[] = {
    {"period", 'p', "PERIOD", 0,
     "a year (2026) or a month (2026-03); default: this year, or else the newest one with figures",
     0},
    {"group", 'g', "GROUP", 0, "only this group; may be given again", 0},
    {"all", KEY_ALL, 0, 0, "also each group without its three largest voters", 0},
    {"as-of", KEY_AS_OF, "TIME", 0,
     "what the board said at that moment, by the journal: " MOMENT_FORMS, 0},
    {"csv", KEY_CSV, 0, 0, "as CSV: period,group,figure,value,num,den,list", 0},
    {"json", 'j', 0, 0, "as one JSON object", 0},
    {"progress", KEY_PROGRESS, 0, 0, "tell of progress also when standard error is no terminal", 0},
    {0}};

static error_t option_parse(int key, char *arg, struct argp_state *state)
{
    struct board_verb *v = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &v->site;
        return 0;
    case 'p':
        v->ask.period = cli_period(arg, state);
        return 0;
    case 'g':
        name_list_add(&v->ask.groups, slice_of(arg));
        return 0;
    case 'j':
        cli_form_set(&v->form, FORM_JSON, state);
        return 0;
    case KEY_CSV:
        cli_form_set(&v->form, FORM_CSV, state);
        return 0;
    case KEY_ALL:
        v->ask.all = true;
        return 0;
    case KEY_AS_OF:
        v->then = true;
        v->as_of_ms = cli_moment("--as-of", arg, state);
        return 0;
    case KEY_PROGRESS:
        v->progress = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int load_then(struct board_verb *v, struct board *ret)
{
    struct store *memory = store_memory_new();
    int error = as_of_count(v->site.read, v->as_of_ms, v->progress, memory);

    if (error == 0)
        error = board_load(memory, &v->ask, ret);
    ret->dated = true;
    ret->as_of_ms = v->as_of_ms;
    store_free(memory);
    return error < 0 ? cli_fail("board", "the broker", v->site.read, error) : EX_OK;
}

static int load_now(struct board_verb *v, struct board *ret)
{
    struct store *store = site_store(&v->site, ANSWER_MS);
    int error = board_load(store, &v->ask, ret);

    store_free(store);
    return error < 0 ? cli_fail("board", "Redis", v->site.redis, error) : EX_OK;
}

/* What is not on the board, and why. */
static void tell_gaps(const struct board *b)
{
    if (!b->period.at)
        fprintf(stderr, "turnout board: no figures yet: no member has a counter in any year\n");
    else if (b->missing.at)
        fprintf(stderr, "turnout board: no such group in %.*s: %.*s\n", (int)b->period.size,
                b->period.at, (int)b->missing.size, b->missing.at);
    else if (b->count == 0)
        fprintf(stderr, "turnout board: no figures yet: no member has a counter in %.*s\n",
                (int)b->period.size, b->period.at);
}

static int print(const struct board_verb *v, const struct board *b)
{
    struct buffer out = {0};
    int status;

    if (v->form == FORM_JSON)
        board_print_json(b, &out);
    else if (v->form == FORM_CSV)
        board_print_csv(b, &out);
    else
        board_print_text(b, text_columns(stdout), text_colour_wanted(stdout), &out);
    status = cli_write("board", &out);
    buffer_free(&out);
    return status;
}

int cli_board(int argc, char **argv)
{
    static const struct argp_child children[] = {{&site_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        option_table,
        option_parse,
        NULL,
        "Prints the board: groups of members by figures, as a percentage with what was counted "
        "beside it; a dash where there is no data.\vThe rows are named as the fields are: turnout "
        "export --dictionary says what each means, and turnout why explains one number.  The "
        "figures of a period that is not over yet are provisional.\n\nExit status: 0 done (also "
        "when there is nothing to show, which is then said on standard error), 64 usage, 69 "
        "Redis, or with --as-of the broker, does not answer, 74 what is read is damaged, or the "
        "output cannot be written, 75 "
        "Redis is busy, 78 key, rights or user of Redis are not right.",
        children,
        NULL,
        NULL};
    struct board_verb v = {0};
    struct board board = {0};
    int status;

    argp_parse(&argp, argc, argv, 0, NULL, &v);
    v.ask.now_ms = v.then ? v.as_of_ms : clock_wall_ms();
    status = v.then ? load_then(&v, &board) : load_now(&v, &board);
    if (status == EX_OK) {
        tell_gaps(&board);
        status = print(&v, &board);
    }
    board_free(&board);
    name_list_free(&v.ask.groups);
    site_free(&v.site);
    return status;
}
