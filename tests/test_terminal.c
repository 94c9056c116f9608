/* What people see at the terminal, by the real programs: board, watch, top and export with a stack
 * that is there, empty, or down; on a terminal, into files and into pipes that nobody reads. */
#include "proto/clock.h"
#include "tests/redis_dump.h"
#include "tests/stack.h"
#include "tests/world.h"

#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static const struct slice no_input;

#define RUN(s, ...) stack_run(s, no_input, (const char *const[]){__VA_ARGS__, NULL})

static const char *const verbs[] = {"board", "watch", "top", "export"};
#define VERBS (sizeof verbs / sizeof *verbs)

static void assert_has(const struct buffer *text, const char *part)
{
    if (!strstr(text->at, part))
        fail_msg("\"%s\" is not in:\n%s", part, text->at);
}

/* ---- nothing there ---- */
static void every_verb_has_a_page_of_help(void **state)
{
    struct stack *s = stack_new(1);

    (void)state;
    for (size_t i = 0; i < VERBS; i++) {
        struct run r = RUN(s, "turnout", verbs[i], "--help");
        assert_int_equal(r.status, 0);
        assert_has(&r.out, "Exit status");
        assert_has(&r.out, "--redis");
        run_free(&r);
        r = RUN(s, "turnout", verbs[i], "--no-such-option");
        assert_int_equal(r.status, 64);
        run_free(&r);
        r = RUN(s, "turnout", verbs[i], "word");
        assert_int_equal(r.status, 64);
        run_free(&r);
    }
    stack_free(s);
}

static void options_that_make_no_sense_are_told(void **state)
{
    static const char *const wrong[][4] = {
        {"board", "--period", "2026-13"},  {"board", "--csv", "--json"},
        {"board", "--as-of", "yesterday"}, {"watch", "--json", "--csv"},
        {"top", "--interval", "0"},        {"top", "--count", "-1"},
        {"export", "--kind", "opinion"},   {"export", "--period", "spring"},
    };
    struct stack *s = stack_new(1);

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct run r = RUN(s, "turnout", wrong[i][0], wrong[i][1], wrong[i][2]);
        assert_int_equal(r.status, 64);
        assert_int_equal(r.out.size, 0);
        run_free(&r);
    }
    stack_free(s);
}

static void a_stack_that_is_down_is_named(void **state)
{
    struct stack *s = stack_new(1);

    (void)state;
    for (size_t i = 0; i < VERBS; i++) {
        struct run r = RUN(s, "turnout", verbs[i]);
        assert_int_equal(r.status, 69);
        assert_has(&r.err, strcmp(verbs[i], "top") == 0 ? "the broker at" : "Redis at");
        assert_int_equal(r.out.size, 0);
        run_free(&r);
    }
    struct run r = RUN(s, "turnout", "board", "--as-of", "now");
    assert_int_equal(r.status, 69);
    assert_has(&r.err, "the broker at");
    run_free(&r);
    stack_free(s);
}

static void an_empty_journal_gives_empty_answers(void **state)
{
    struct stack *s = stack_new(1);
    struct run r;

    (void)state;
    stack_start(s);
    r = RUN(s, "turnout", "board");
    assert_int_equal(r.status, 0);
    assert_string_equal(r.out.at, "");
    assert_has(&r.err, "no figures yet");
    run_free(&r);
    r = RUN(s, "turnout", "board", "--group", "nobody");
    assert_int_equal(r.status, 0);
    assert_has(&r.err, "no figures yet: no member has a counter in any year\n");
    run_free(&r);
    r = RUN(s, "turnout", "board", "--as-of", "now", "--csv", "--period", "2026");
    assert_int_equal(r.status, 0);
    assert_string_equal(r.out.at, "period,group,figure,value,num,den,list\r\n");
    assert_has(&r.err, "no member has a counter in 2026");
    run_free(&r);
    r = RUN(s, "turnout", "watch");
    assert_int_equal(r.status, 0);
    assert_string_equal(r.out.at, "");
    run_free(&r);
    r = RUN(s, "turnout", "top", "--count", "1");
    assert_int_equal(r.status, 0);
    assert_has(&r.out, " period=- newest=\"\"\n");
    run_free(&r);
    r = RUN(s, "turnout", "export");
    assert_int_equal(r.status, 0);
    assert_string_equal(r.out.at, "kind,subject,member,committee,period,field,value\r\n");
    assert_has(&r.err, "nothing to export");
    run_free(&r);
    stack_free(s);
}

/* ---- boards ---- */

/* A moment after which, by this clock, nothing has come yet. */
static int64_t moment_now(void)
{
    int64_t now_ms = clock_wall_ms();

    while (clock_wall_ms() == now_ms)
        ;
    return now_ms;
}

#define MOMENTS 10

static struct run board_csv(struct stack *s, const char *moment)
{
    return moment ? RUN(s, "turnout", "board", "--all", "--csv", "--as-of", moment)
                  : RUN(s, "turnout", "board", "--all", "--csv");
}

static struct run board_text(struct stack *s, const char *moment)
{
    return moment ? RUN(s, "turnout", "board", "--period", "2025", "--as-of", moment)
                  : RUN(s, "turnout", "board", "--period", "2025");
}

/* The text without its line "as of". */
static void drop_moment(struct buffer *text)
{
    char *line = text->size ? strstr(text->at, "\nas of ") : NULL, *next;

    if (!line)
        return;
    next = strchr(line + 1, '\n');
    memmove(line, next, strlen(next) + 1);
}

static void boards_as_of_then_are_the_boards_of_then(void **state)
{
    uint64_t seed = random_seed(__func__);
    struct stack *s = stack_new(2);
    struct buffer events = {0}, part = {0};
    struct run csv[MOMENTS], text[MOMENTS], then;
    char moments[MOMENTS][32];
    struct slice *list;
    size_t count;

    (void)state;
    world_events(seed, 4000, &events);
    count = world_split(buffer_slice(&events), &list);
    stack_start(s);
    for (size_t m = 0; m < MOMENTS; m++) {
        buffer_clear(&part);
        for (size_t i = count * m / MOMENTS; i < count * (m + 1) / MOMENTS; i++)
            buffer_add_slice(&part, list[i]);
        stack_publish_events(s, buffer_slice(&part));
        stack_sync(s);
        csv[m] = board_csv(s, NULL);
        text[m] = board_text(s, NULL);
        assert_int_equal(csv[m].status, 0);
        assert_true(csv[m].out.size > 1000);
        snprintf(moments[m], sizeof moments[m], "%lld", (long long)moment_now());
    }
    for (size_t m = 0; m < MOMENTS; m++) {
        then = board_csv(s, moments[m]);
        assert_int_equal(then.status, 0);
        assert_string_equal(then.out.at, csv[m].out.at);
        run_free(&then);
        then = board_text(s, moments[m]);
        drop_moment(&then.out);
        drop_moment(&text[m].out);
        assert_string_equal(then.out.at, text[m].out.at);
        run_free(&then);
        if (m)
            assert_string_not_equal(csv[m].out.at, csv[m - 1].out.at);
    }
    for (size_t m = 0; m < MOMENTS; m++) {
        run_free(&csv[m]);
        run_free(&text[m]);
    }
    stack_free(s);
    free(list);
    buffer_free(&events);
    buffer_free(&part);
}

/* The broker is enough. */
static void a_board_of_then_needs_no_redis(void **state)
{
    struct stack *s = stack_new(1);
    struct buffer events = {0};
    struct run now, then;

    (void)state;
    world_events(random_seed(__func__), 500, &events);
    stack_start(s);
    stack_publish_events(s, buffer_slice(&events));
    stack_sync(s);
    now = board_csv(s, NULL);
    kill(stack_pid(s, "redis"), SIGKILL);
    then = board_csv(s, "now");
    assert_int_equal(then.status, 0);
    assert_string_equal(then.out.at, now.out.at);
    run_free(&now);
    run_free(&then);
    then = RUN(s, "turnout", "board", "-g", "all", "-g", "nobody", "--as-of", "now", "--progress");
    assert_int_equal(then.status, 0);
    assert_has(&then.out, "voting");
    assert_has(&then.err, "reading events");
    assert_has(&then.err, "turnout board: no such group in ");
    assert_has(&then.err, ": nobody\n");
    run_free(&then);
    then = RUN(s, "turnout", "export", "--kind", "group", "--as-of", "now", "--progress");
    assert_int_equal(then.status, 0);
    assert_has(&then.out, "group,all,,,");
    assert_has(&then.err, "reading events");
    run_free(&then);
    stack_free(s);
    buffer_free(&events);
}

/* ---- the watch list ---- */
static void publish(struct stack *s, const char *lines)
{
    stack_publish_lines(s, slice_of(lines));
    stack_sync(s);
}

/* A line with today's year in the place of %d, as often as it is there. */
static void publish_this_year(struct stack *s, const char *format)
{
    time_t now = time(NULL);
    int year = gmtime(&now)->tm_year + 1900;
    char line[1024];

    snprintf(line, sizeof line, format, year, year, year);
    publish(s, line);
}

static void a_seat_at_risk_is_listed_until_a_late_vote_clears_it(void **state)
{
    struct stack *s = stack_new(1);
    struct run r;

    (void)state;
    stack_start(s);
    publish(s, "{\"type\":\"seat\",\"id\":\"s\",\"time\":\"2026-01-01T00:00:00Z\",\"committee\":"
               "\"ISO/TC 207\",\"member\":\"KE\",\"from\":\"2020-01-01\",\"role\":\"P\"}\n");
    publish_this_year(s, "{\"type\":\"ballot\",\"id\":\"b\",\"time\":\"%d-01-01T00:00:00Z\","
                         "\"committee\":\"ISO/TC 207\",\"ballot\":\"DIS 1\",\"kind\":\"DIS\","
                         "\"closes\":\"%d-01-01\",\"status\":\"closed\"}\n");
    r = RUN(s, "turnout", "watch", "--member", "KE", "--committee", "ISO/TC 207");
    assert_int_equal(r.status, 0);
    assert_has(&r.out, "at risk 1 red, 0 amber\n");
    assert_has(&r.out, "missed: DIS 1 (closed ");
    run_free(&r);
    r = RUN(s, "turnout", "watch", "--member", "UG");
    assert_int_equal(r.status, 0);
    assert_string_equal(r.out.at, "");
    assert_has(&r.err, "no seat at risk of those asked for");
    run_free(&r);
    publish(s, "{\"type\":\"vote\",\"id\":\"v\",\"time\":\"2026-01-02T00:00:00Z\",\"committee\":"
               "\"ISO/TC 207\",\"ballot\":\"DIS 1\",\"member\":\"KE\",\"position\":\"approve\"}\n");
    r = RUN(s, "turnout", "watch", "--csv");
    assert_string_equal(r.out.at,
                        "risk,reason,committee,title,member,missing,next_ballot,next_closes\r\n");
    run_free(&r);
    stack_free(s);
}

/* ---- top ---- */
static void top_writes_a_line_a_look_where_there_is_no_terminal(void **state)
{
    struct stack *s = stack_new(1);
    unsigned lines = 0;
    struct run r;

    (void)state;
    stack_start(s);
    publish(s, "{\"type\":\"vote\",\"id\":\"v\",\"time\":\"2026-01-02T00:00:00Z\",\"committee\":"
               "\"C\",\"ballot\":\"B\",\"member\":\"KE\",\"position\":\"approve\"}\n");
    r = RUN(s, "turnout", "top", "--interval", "0.1", "--count", "3");
    assert_int_equal(r.status, 0);
    for (size_t i = 0; i < r.out.size; i++)
        lines += r.out.at[i] == '\n';
    assert_int_equal(lines, 3);
    assert_has(&r.out,
               "received/s=- applied/s=- lag=0 lag_s=0.000 workers=1 red=0 amber=0 period=");
    assert_has(&r.out, "received/s=0 applied/s=0 lag=0 ");
    assert_null(strchr(r.out.at, '\033'));
    run_free(&r);
    stack_free(s);
}

#define READS 500 /* of a screen that is drawn ten times a second, before a text is given up */

/* A program with a terminal of its own; what it writes there goes into `out`. */
struct screen {
    pid_t pid;
    int fd;
    struct buffer out;
};

static void screen_open(struct screen *t, struct stack *s, bool colour)
{
    struct winsize size = {.ws_row = 24, .ws_col = 80};
    const char *build = getenv("TURNOUT_BUILD");
    char program[256];

    snprintf(program, sizeof program, "%s/bin/turnout", build ? build : "build");
    *t = (struct screen){0};
    t->pid = forkpty(&t->fd, NULL, NULL, &size);
    assert_true(t->pid >= 0);
    if (t->pid == 0) {
        setenv("TURNOUT_DIR", s->dir, 1);
        unsetenv("COLUMNS");
        if (colour)
            unsetenv("NO_COLOR");
        else
            setenv("NO_COLOR", "1", 1);
        execl(program, "turnout", "top", "--interval", "0.1", (char *)NULL);
        _exit(127);
    }
}

/* Reads until the text was seen, and moves on behind it; or, NULL, until the end. */
static void screen_await(struct screen *t, const char *part)
{
    struct pollfd p = {t->fd, POLLIN, 0};
    ssize_t n = 1;

    buffer_clear(&t->out);
    for (int reads = 0; reads < READS && n > 0 && poll(&p, 1, 20000) > 0; reads++) {
        n = read(t->fd, buffer_room(&t->out, 4096), 4095);
        t->out.size += n > 0 ? (size_t)n : 0;
        buffer_add(&t->out, "", 1);
        t->out.size--;
        if (part && strstr(t->out.at, part))
            return;
    }
    if (part)
        fail_msg("\"%s\" never came on the screen; the last was:\n%s", part, t->out.at);
}

static void top_draws_in_place_and_gives_the_terminal_back(void **state)
{
    struct stack *s = stack_new(1);
    struct screen t;
    int status;

    (void)state;
    stack_start(s);
    publish(s, "{\"type\":\"seat\",\"id\":\"s\",\"time\":\"2026-01-01T00:00:00Z\",\"committee\":"
               "\"C\",\"member\":\"KE\",\"from\":\"2020-01-01\",\"role\":\"P\"}\n");
    publish_this_year(s, "{\"type\":\"ballot\",\"id\":\"b\",\"time\":\"%d-01-01T00:00:00Z\","
                         "\"committee\":\"C\",\"ballot\":\"B\",\"kind\":\"DIS\","
                         "\"closes\":\"%d-01-01\",\"status\":\"closed\"}\n");
    screen_open(&t, s, true);
    screen_await(&t, "\033[?1049h\033[?25l");
    screen_await(&t, "voting       0.0 % (0/1)");
    screen_await(&t, "\033[31mat risk  1 red, 0 amber\033[0m");
    screen_await(&t, "\033[H");
    publish(s, "{\"type\":\"vote\",\"id\":\"v\",\"time\":\"2026-01-02T00:00:00Z\",\"committee\":"
               "\"C\",\"ballot\":\"B\",\"member\":\"KE\",\"position\":\"approve\"}\n");
    screen_await(&t, "voting     100.0 % (1/1)");
    screen_await(&t, "  members KE; committees C; periods ");
    kill(t.pid, SIGINT);
    screen_await(&t, "\033[?25h\033[?1049l");
    screen_await(&t, NULL);
    assert_int_equal(waitpid(t.pid, &status, 0), t.pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    buffer_free(&t.out);
    close(t.fd);
    stack_free(s);
}

static void top_says_who_went_away_and_goes_on_without_colour(void **state)
{
    struct stack *s = stack_new(1);
    struct screen t;
    int status;

    (void)state;
    stack_start(s);
    screen_open(&t, s, false);
    screen_await(&t, "events behind");
    assert_null(strstr(t.out.at, "\033[1m"));
    kill(stack_pid(s, "redis"), SIGKILL);
    screen_await(&t, "Redis does not answer");
    stack_start(s);
    screen_await(&t, "events behind");
    kill(t.pid, SIGTERM);
    screen_await(&t, NULL);
    assert_int_equal(waitpid(t.pid, &status, 0), t.pid);
    assert_int_equal(WEXITSTATUS(status), 0);
    buffer_free(&t.out);
    close(t.fd);
    stack_free(s);
}

/* ---- where nobody reads ---- */

/* The exit status with a pipe as standard output that has no reader; what was said goes to `err`.
 */
static int into_a_closed_pipe(struct stack *s, const char *verb)
{
    const char *build = getenv("TURNOUT_BUILD");
    char command[512];
    int pipes[2], status;

    assert_int_equal(pipe(pipes), 0);
    close(pipes[0]);
    assert_true(dup2(pipes[1], 9) == 9);
    close(pipes[1]);
    snprintf(command, sizeof command, "TURNOUT_DIR=%s %s/bin/turnout %s >&9 2>%s/err", s->dir,
             build ? build : "build", verb, s->dir);
    status = system(command);
    close(9);
    return WEXITSTATUS(status);
}

static void a_pipe_that_nobody_reads_ends_a_verb_without_complaint(void **state)
{
    static const char *const asked[] = {"board --csv", "watch --csv", "export --dictionary",
                                        "top --interval 0.1", "board --csv --as-of now"};
    struct stack *s = stack_new(1);
    struct buffer events = {0};

    (void)state;
    world_events(random_seed(__func__), 300, &events);
    stack_start(s);
    stack_publish_events(s, buffer_slice(&events));
    stack_sync(s);
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        assert_int_equal(into_a_closed_pipe(s, asked[i]), 74);
        FILE *f = fopen(stack_path(s, "err"), "r");
        int first = fgetc(f);
        fclose(f);
        if (strncmp(asked[i], "watch", 5) != 0) /* which may say that no seat is at risk */
            assert_int_equal(first, EOF);
    }
    stack_free(s);
    buffer_free(&events);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_verb_has_a_page_of_help),
        cmocka_unit_test(options_that_make_no_sense_are_told),
        cmocka_unit_test(a_stack_that_is_down_is_named),
        cmocka_unit_test(an_empty_journal_gives_empty_answers),
        cmocka_unit_test(boards_as_of_then_are_the_boards_of_then),
        cmocka_unit_test(a_board_of_then_needs_no_redis),
        cmocka_unit_test(a_seat_at_risk_is_listed_until_a_late_vote_clears_it),
        cmocka_unit_test(top_writes_a_line_a_look_where_there_is_no_terminal),
        cmocka_unit_test(top_draws_in_place_and_gives_the_terminal_back),
        cmocka_unit_test(top_says_who_went_away_and_goes_on_without_colour),
        cmocka_unit_test(a_pipe_that_nobody_reads_ends_a_verb_without_complaint),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
