/* turnout top: the board live, with rates, lag and the newest changes.
 *
 *     look → show → wait, answering the broker's pings meanwhile
 *
 * On a terminal one screen is drawn over and over; elsewhere every look is a line.  The first look
 * must succeed; later the screen says who does not answer, and goes on. */
#include "proto/clock.h"
#include "proto/error.h"
#include "workers/cli/cli.h"
#include "workers/cli/cli_out.h"
#include "workers/cli/top_view.h"
#include "workers/table_text.h"
#include "workers/view/watch_list.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sysexits.h>
#include <unistd.h>

#define ANSWER_MS  3000
#define INTERVAL_S 2
#define ROWS       24 /* where no terminal says how many */

struct top {
    struct site site;
    double interval_s;
    long count; /* looks; 0: for ever */
    bool terminal, colour;
    struct reader *reader;
    struct store *store;
    struct top_view now, last;
    bool looked; /* `last` is one */
    int64_t looked_ms;
};

static volatile sig_atomic_t stopped;

static const struct argp_option option_table[] = {
    {"interval", 'i', "SECONDS", 0, "between two looks, 0.1 to 3600 (default: 2)", 0},
    {"count", 'n', "NUMBER", 0, "end after so many looks (default: at an interrupt)", 0},
    {0}};

static void parse_interval(struct top *t, const char *arg, struct argp_state *state)
{
    char *end;

    t->interval_s = strtod(arg, &end);
    if (end == arg || *end || !(t->interval_s >= 0.1 && t->interval_s <= 3600))
        argp_error(state, "--interval takes a number of seconds, 0.1 to 3600");
}

static error_t option_parse(int key, char *arg, struct argp_state *state)
{
    struct top *t = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &t->site;
        return 0;
    case 'i':
        parse_interval(t, arg, state);
        return 0;
    case 'n':
        t->count = (long)cli_number("--count", arg, 1, 1000000000, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* ---- looking ---- */
static int row_change(void *context, void *record, struct slice field, struct slice value)
{
    (void)context;
    top_view_change(record, field, value);
    return 0;
}

static int look_redis(struct top *t, struct applied *ret_applied)
{
    static const char *const groups[] = {"all", "developing", "other"};
    struct board_ask ask = {.now_ms = t->now.now_ms};
    struct store_fetch changes = {.key = slice_of("changes"),
                                  .kind = FETCH_STREAM,
                                  .field_count = TOP_CHANGES,
                                  .row = row_change,
                                  .record = &t->now};
    int error = store_applied(t->store, reader_partitions(t->reader), ret_applied);

    for (unsigned p = 0; error == 0 && p < reader_partitions(t->reader); p++)
        t->now.applied += ret_applied[p].offset;
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
        name_list_add(&ask.groups, slice_of(groups[i]));
    if (error == 0)
        error = board_load(t->store, &ask, &t->now.board);
    if (error == 0)
        error = watch_count(t->store, &t->now.red, &t->now.amber);
    if (error == 0)
        error = store_fetch(t->store, &changes, 1, NULL);
    name_list_free(&ask.groups);
    t->now.redis = error == 0;
    return error;
}

static void take_report(struct top_view *v, const struct wire_report *r,
                        const struct applied *applied)
{
    for (unsigned p = 0; p < r->count; p++)
        v->received += r->ends[p];
    v->lag = lag_of(r, applied, v->now_ms);
    v->workers = r->worker_count;
}

static int look_broker(struct top *t, const struct applied *applied)
{
    unsigned count = reader_partitions(t->reader);
    uint64_t offsets[WIRE_MAX_PARTS];
    struct wire_report report;
    int error;

    for (unsigned p = 0; p < count; p++)
        offsets[p] = applied[p].offset;
    error = client_report(t->reader, offsets, count, ANSWER_MS, &report);
    t->now.broker = error == 0;
    if (error == 0 && report.count == count)
        take_report(&t->now, &report, applied);
    reader_reset(t->reader);
    return error;
}

/* Redis first, so that the broker can say how old the first unapplied events are. */
static int look(struct top *t, const char **ret_whom, const char **ret_where)
{
    struct applied applied[WIRE_MAX_PARTS] = {{0}};
    int64_t now_ms = clock_mono_ms();
    int redis, broker;

    top_view_free(&t->last);
    t->last = t->now;
    t->now = (struct top_view){.now_ms = clock_wall_ms()};
    redis = look_redis(t, applied);
    broker = look_broker(t, applied);
    top_view_rates(&t->now, t->looked ? &t->last : NULL, now_ms - t->looked_ms);
    t->looked = true;
    t->looked_ms = now_ms;
    *ret_whom = broker < 0 ? "the broker" : "Redis";
    *ret_where = broker < 0 ? t->site.read : t->site.redis;
    return broker < 0 ? broker : redis;
}

/* ---- showing ---- */
static size_t terminal_rows(void)
{
    struct winsize size;

    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row ? size.ws_row : ROWS;
}

/* Every line takes the place of the one that was there before. */
static void draw(const struct top *t, struct buffer *out)
{
    struct buffer screen = {0};
    struct slice rest, line;

    /* one row less: the last newline must not scroll */
    top_view_screen(&t->now, text_columns(stdout), terminal_rows() - 1, t->colour, &screen);
    buffer_add_text(out, "\033[H");
    for (rest = buffer_slice(&screen); slice_cut(&rest, '\n', &line);) {
        buffer_add_slice(out, line);
        buffer_add_text(out, "\033[K\n");
    }
    buffer_add_text(out, "\033[J");
    buffer_free(&screen);
}

static int show(struct top *t)
{
    struct buffer out = {0};
    int status;

    if (t->terminal)
        draw(t, &out);
    else
        top_view_line(&t->now, &out);
    status = cli_write("top", &out);
    buffer_free(&out);
    return status;
}

/* A screen of its own, without a cursor; what was there before comes back at the end. */
static void terminal_take(const struct top *t)
{
    if (t->terminal && fputs("\033[?1049h\033[?25l", stdout) >= 0)
        fflush(stdout);
}

static void terminal_give_back(const struct top *t)
{
    if (t->terminal && fputs("\033[?25h\033[?1049l", stdout) >= 0)
        fflush(stdout);
}

static void stop(int sig)
{
    (void)sig;
    stopped = 1;
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = stop}; /* waiting ends, too */

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* The session must not fall asleep meanwhile. */
static void wait_next(struct top *t)
{
    int64_t end_ms = t->looked_ms + (int64_t)(t->interval_s * 1000), left;
    struct wire_message m;
    struct slice payload;

    while (!stopped && (left = end_ms - clock_mono_ms()) > 0) {
        reader_receive(t->reader, -1, left < 100 ? (int)left : 100, &m, &payload);
        reader_reset(t->reader);
    }
}

static int run(struct top *t)
{
    const char *whom, *where;
    int error = look(t, &whom, &where), status;

    if (error < 0)
        return cli_fail("top", whom, where, error);
    catch_signals();
    terminal_take(t);
    status = show(t);
    for (long n = 1; status == EX_OK && !stopped && n != t->count; n++) {
        wait_next(t);
        if (stopped)
            break;
        look(t, &whom, &where);
        status = show(t);
    }
    terminal_give_back(t);
    return status;
}

int cli_top(int argc, char **argv)
{
    static const struct argp_child children[] = {{&site_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        option_table,
        option_parse,
        NULL,
        "Shows the board of the current period as it moves: events a second, lag, the headline "
        "figures, seats at risk and the newest changes.  On a terminal it is drawn in place until "
        "an interrupt; elsewhere every look is one line of words name=value.\vExit status: 0 done "
        "or interrupted, 64 usage, 69 at the first look the broker or Redis does not answer, 74 "
        "what is read is damaged, or the output cannot be written, 78 key, rights or user of Redis "
        "are not right.",
        children,
        NULL,
        NULL};
    struct top t = {.interval_s = INTERVAL_S};
    int error, status;

    argp_parse(&argp, argc, argv, 0, NULL, &t);
    t.terminal = isatty(STDOUT_FILENO);
    t.colour = text_colour_wanted(stdout);
    t.store = site_store(&t.site, ANSWER_MS);
    error = site_connect(&t.site, ANSWER_MS, &t.reader);
    status = error < 0 ? cli_fail("top", "the broker", t.site.read, error) : run(&t);
    top_view_free(&t.now);
    top_view_free(&t.last);
    reader_free(t.reader);
    store_free(t.store);
    site_free(&t.site);
    return status;
}
