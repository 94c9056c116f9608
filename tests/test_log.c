/* Lines of the log, and texts of error codes: one line whatever is said, cut where it is too long,
 * rated where a peer could cause it; and progress, for a log and for a terminal. */
#include "proto/error.h"
#include "proto/log.h"
#include "proto/program.h"
#include "workers/progress.h"

#include <fcntl.h>
#include <pty.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* What a function writes to standard error, which is a pipe, or a terminal. */
struct told {
    char text[8192];
};

static struct told tell(void (*speak)(void), bool terminal)
{
    struct told t = {""};
    size_t size = 0;
    int ends[2], before = dup(STDERR_FILENO), made;
    ssize_t n;

    made = terminal ? openpty(&ends[0], &ends[1], NULL, NULL, NULL) : pipe(ends);
    assert_int_equal(made, 0);
    fflush(stderr);
    dup2(ends[1], STDERR_FILENO);
    speak();
    fflush(stderr);
    dup2(before, STDERR_FILENO);
    close(before);
    fcntl(ends[0], F_SETFL, O_NONBLOCK); /* all of it is there */
    while ((n = read(ends[0], t.text + size, sizeof t.text - 1 - size)) > 0)
        size += (size_t)n;
    close(ends[0]);
    close(ends[1]);
    return t;
}

static unsigned lines_of(const struct told *t)
{
    unsigned n = 0;

    for (const char *at = t->text; (at = strchr(at, '\n')); at++)
        n++;
    return n;
}

/* ---- lines ---- */

static void say_all_levels(void)
{
    log_open("tester", LOG_WARN);
    log_error("bad %d", 1);
    log_warn("odd");
    log_info("fine");
    log_debug("detail");
}

static void less_important_lines_are_left_out(void **state)
{
    struct told t = tell(say_all_levels, false);

    (void)state;
    assert_int_equal(lines_of(&t), 2);
    assert_non_null(strstr(t.text, "Z error tester: bad 1\n"));
    assert_non_null(strstr(t.text, "Z warn tester: odd\n"));
}

static void say_something_long(void)
{
    char text[3000];

    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    log_open("tester", LOG_WARN);
    log_error("%s", text);
    log_open(text, LOG_WARN);
    log_error("never seen");
}

static void a_line_that_is_too_long_is_cut_and_stays_one_line(void **state)
{
    struct told t = tell(say_something_long, false);

    (void)state;
    assert_int_equal(lines_of(&t), 2);
    assert_true(strlen(t.text) < 2 * 1024);
    assert_null(strstr(t.text, "never seen"));
}

static void say_the_same_often(void)
{
    static struct log_rate rate, quiet;

    log_open("tester", LOG_WARN);
    for (int i = 0; i < LOG_RATE + 5; i++) {
        log_rated(&rate, LOG_WARN, "once more");
        log_rated(&quiet, LOG_INFO, "never");
    }
    rate.second--; /* a second goes by */
    log_rated(&rate, LOG_WARN, "again");
}

/* The clock may step into another second meanwhile: then some more are said. */
static void what_peers_can_cause_is_rated(void **state)
{
    struct told t = tell(say_the_same_often, false);
    unsigned lines = lines_of(&t);

    (void)state;
    assert_true(lines >= LOG_RATE + 1 && lines <= LOG_RATE + 6);
    assert_null(strstr(t.text, "never"));
    if (lines == LOG_RATE + 1)
        assert_non_null(strstr(t.text, "again (5 more like this before)\n"));
}

static void levels_are_read_by_their_names(void **state)
{
    enum log_level level = LOG_DEBUG;

    (void)state;
    assert_true(log_level_parse("error", &level));
    assert_int_equal(level, LOG_ERROR);
    assert_true(log_level_parse("debug", &level));
    assert_int_equal(level, LOG_DEBUG);
    assert_false(log_level_parse("loud", &level));
    assert_int_equal(level, LOG_DEBUG);
}

/* In a process of its own, as the test needs its files: true if it is. */
static void assert_in_a_child(bool (*is)(void))
{
    int status;
    pid_t child = fork();

    if (child == 0)
        _exit(is() ? 0 : 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static void standard_files_close(void)
{
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        close(fd);
}

static bool all_are_opened(void)
{
    bool next = is_open(STDERR_FILENO + 1);

    standard_files_close();
    standard_files_open();
    return is_open(0) && is_open(1) && is_open(2) && is_open(STDERR_FILENO + 1) == next;
}

static bool none_is_opened_where_none_may_be(void)
{
    struct rlimit none = {0, 0};

    standard_files_close();
    setrlimit(RLIMIT_NOFILE, &none);
    standard_files_open();
    return !is_open(0) && !is_open(1) && !is_open(2);
}

static bool a_line_for_nobody_is_left_out(void)
{
    standard_files_close();
    log_error("nobody hears this");
    return !is_open(2);
}

/* `turnout-broker 2>&1 | tee`, and tee is ended. */
static bool a_line_for_who_has_gone_ends_nobody(void)
{
    int ends[2];

    if (pipe(ends) < 0 || program_stop_open() < 0 || dup2(ends[1], STDERR_FILENO) < 0)
        return false;
    close(ends[0]);
    log_error("nobody hears this");
    return true;
}

static void closed_standard_files_are_opened_again(void **state)
{
    (void)state;
    assert_in_a_child(all_are_opened);
}

static void without_standard_files_a_program_goes_on(void **state)
{
    (void)state;
    assert_in_a_child(none_is_opened_where_none_may_be);
    assert_in_a_child(a_line_for_nobody_is_left_out);
    assert_in_a_child(a_line_for_who_has_gone_ends_nobody);
}

static void every_error_has_a_text_and_others_are_unknown(void **state)
{
    (void)state;
    assert_string_equal(error_text(0), "no error");
    assert_string_equal(error_text(ERR_LOST), "connection lost");
    assert_string_equal(error_text(1), "unknown error");
    assert_string_equal(error_text(-1000), "unknown error");
    for (int code = 0; code >= ERR_LARGE; code--)
        assert_string_not_equal(error_text(code), "unknown error");
}

/* ---- progress ---- */

static struct progress progress;

/* So many done, as if it had taken that long. */
static void progress_after(int64_t taken_ms, uint64_t done, uint64_t total, bool asked)
{
    progress_begin(&progress, "reading events", total, asked);
    progress.started_ms -= taken_ms;
    progress.shown_ms -= taken_ms;
    progress_add(&progress, done);
    progress_end(&progress);
    progress_end(&progress);
}

static void progress_short(void)
{
    progress_after(2000, 1234567, 2469134, true);
}

static void progress_minutes(void)
{
    progress_after(100000, 1000, 4000, true);
}

static void progress_hours(void)
{
    progress_after(100000, 100, 10000, true);
}

static void progress_nothing_done(void)
{
    progress_after(5000, 0, 10, true);
}

static void progress_of_unknown_total(void)
{
    progress_after(5000, 10, 0, true);
}

static void progress_not_asked_for(void)
{
    progress_after(5000, 10, 20, false);
}

static void assert_progress(void (*speak)(void), bool terminal, const char *part)
{
    struct told t = tell(speak, terminal);

    if (!strstr(t.text, part))
        fail_msg("\"%s\" is not in: %s", part, t.text);
}

static void progress_says_how_much_how_fast_and_how_long(void **state)
{
    (void)state;
    assert_progress(progress_short, false, "reading events  1,234,567 of 2,469,134  50 %  ");
    assert_progress(progress_short, false, " s left\n");
    assert_progress(progress_minutes, false, "  5 min ");
    assert_progress(progress_hours, false, "  2 h ");
    assert_progress(progress_nothing_done, false, "0 of 10  0 %  0/s\n");
    assert_progress(progress_of_unknown_total, false, "reading events  10  ");
}

static void progress_is_quiet_in_a_log_unless_asked_for(void **state)
{
    struct told t = tell(progress_not_asked_for, false);

    (void)state;
    assert_string_equal(t.text, "");
}

static void progress_on_a_terminal_is_one_line_that_goes_in_the_end(void **state)
{
    struct told t = tell(progress_not_asked_for, true);

    (void)state;
    assert_int_equal(t.text[0], '\r');
    assert_int_equal(lines_of(&t), 0);
    assert_non_null(strstr(t.text, "10 of 20"));
    assert_string_equal(t.text + strlen(t.text) - 4, "\r\033[K");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(less_important_lines_are_left_out),
        cmocka_unit_test(a_line_that_is_too_long_is_cut_and_stays_one_line),
        cmocka_unit_test(what_peers_can_cause_is_rated),
        cmocka_unit_test(levels_are_read_by_their_names),
        cmocka_unit_test(closed_standard_files_are_opened_again),
        cmocka_unit_test(without_standard_files_a_program_goes_on),
        cmocka_unit_test(every_error_has_a_text_and_others_are_unknown),
        cmocka_unit_test(progress_says_how_much_how_fast_and_how_long),
        cmocka_unit_test(progress_is_quiet_in_a_log_unless_asked_for),
        cmocka_unit_test(progress_on_a_terminal_is_one_line_that_goes_in_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
