/* turnout-broker's command line: numbers that cannot be are refused with the option's name, and how
 * it ended is told by its exit status. */
#include "broker/journal.h"
#include "proto/file.h"
#include "proto/link.h"
#include "tests/stack.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include <cmocka.h>

static struct stack *stack;

#define RUN(...)                                                                                   \
    stack_run(stack, (struct slice){0}, (const char *const[]){"turnout-broker", __VA_ARGS__, NULL})

static void ends(struct run r, int status, const char *text)
{
    if (r.status != status || !strstr(r.err.at, text))
        fail_msg("status %d, not %d; it said: %s", r.status, status, r.err.at);
    run_free(&r);
}

static void numbers_that_cannot_be_are_refused(void **state)
{
    static const struct {
        const char *option, *values[6];
    } bad[] = {
        {"--journal-size", {"", "1M", "M", "-1G", "64X", "9000000000000000000K"}},
        {"--partitions", {"0", "257", "many", "-1", "", "1K"}},
        {"--memory-limit", {"1M", "x", "", "-64M", "65537G", "M"}},
        {"--max-connections", {"63", "4097", "x", "", "-64", "1G"}},
        {"--max-readers", {"0", "1025", "x", "", "-1", "1M"}},
        {"--log-level", {"loud", "", "INFO", "0", "infos", "-"}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        for (int k = 0; k < 6; k++) {
            char word[64];
            snprintf(word, sizeof word, "%s=%s", bad[i].option, bad[i].values[k]);
            ends(RUN(word), EX_USAGE, bad[i].option);
        }
    ends(RUN("--no-such"), EX_USAGE, "unrecognized");
    ends(RUN("word"), EX_USAGE, "Too many arguments");
}

static void settings_that_cannot_work_end_it(void **state)
{
    (void)state;
    ends(RUN("--publish", "tcp://127.0.0.1:1", "--log-level", "error"), EX_CONFIG,
         "without keys only ipc://");
    ends(RUN("--read", "tcp://0.0.0.0:1", "--insecure-loopback", "--max-readers", "4"), EX_CONFIG,
         "without keys only ipc://");
    ends(RUN("--rights", "/nonexistent"), EX_CONFIG, "/nonexistent");
    ends(RUN("--partitions", "4"), EX_CONFIG, "has 8 partitions"); /* as it was made just now */
    ends(RUN("--dir", "/dev/null"), EX_IOERR, "/dev/null");
    ends(RUN("--tcp", "nowhere", "--journal-size", "65536K"), EX_CONFIG, "HOST:PORT");
}

/* The program by its path, for those that start another with less. */
static const char *broker_path(void)
{
    static char absolute[PATH_MAX];
    const char *build = getenv("TURNOUT_BUILD");
    char path[512];

    snprintf(path, sizeof path, "%s/bin/turnout-broker", build ? build : "build");
    assert_non_null(realpath(path, absolute));
    return absolute;
}

#define RUN_BY(...) stack_run(stack, (struct slice){0}, (const char *const[]){__VA_ARGS__, NULL})

static void with_too_few_open_files_it_does_not_start(void **state)
{
    (void)state;
    ends(RUN_BY("/usr/bin/prlimit", "--nofile=575", broker_path()), EX_CONFIG,
         "575 open files are allowed, at least 576 are needed: raise the limit (ulimit -n)");
}

static void an_empty_folder_in_the_environment_is_none(void **state)
{
    (void)state;
    ends(RUN_BY("/usr/bin/env", "-C", stack->dir, "TURNOUT_DIR=", broker_path(), "--check"),
         EX_UNAVAILABLE, "turnout-broker: ./run/journal/data.mdb: No such file");
}

static void of_two_brokers_in_one_folder_the_second_ends(void **state)
{
    struct journal *j;
    struct journal_config c = {stack_path(stack, "journal"), JOURNAL_MIN_BYTES, 8, 0};

    (void)state;
    assert_int_equal(journal_open(&c, &j), 0); /* as the first would */
    ends(RUN("--journal-size", "64M"), EX_CONFIG, "another program is using it");
    journal_close(j);
}

/* Whoever listens there would hear nobody any more. */
static void an_endpoint_that_is_taken_is_left_alone(void **state)
{
    struct link *other;
    char taken[300], file[300];
    struct stat there;

    (void)state;
    snprintf(taken, sizeof taken, "ipc://%s/taken.sock", stack->dir);
    snprintf(file, sizeof file, "ipc://%s/file", stack->dir);
    assert_int_equal(link_bind(taken, &other), 0);
    assert_int_equal(file_write(file + 6, slice_of("text"), 0600, true), 0);
    ends(RUN("--publish", taken), EX_CONFIG, "another program listens at");
    ends(RUN("--read", file), EX_CONFIG, "is there, and is no socket");
    assert_int_equal(stat(file + 6, &there), 0);
    assert_int_equal(there.st_size, 4);
    link_close(other, 0);
}

static void a_journal_is_checked_and_copied(void **state)
{
    char copy[300];

    (void)state;
    snprintf(copy, sizeof copy, "%s/copy", stack->dir);
    ends(RUN("--check"), EX_OK, "");
    ends(RUN("--check", "--json"), EX_OK, "");
    ends(RUN("--backup", copy), EX_OK, "");
    ends(RUN("--dir", "/nonexistent", "--check"), EX_UNAVAILABLE, "No such file");
    ends(RUN("--dir", "/nonexistent", "--backup", copy), EX_UNAVAILABLE, "No such file");
    ends(RUN("--backup", "/nonexistent/copy"), EX_IOERR, "No such file");
}

static int setup(void **state)
{
    (void)state;
    stack = stack_new(0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    stack_free(stack);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_that_cannot_be_are_refused),
        cmocka_unit_test(settings_that_cannot_work_end_it),
        cmocka_unit_test(with_too_few_open_files_it_does_not_start),
        cmocka_unit_test(an_empty_folder_in_the_environment_is_none),
        cmocka_unit_test(of_two_brokers_in_one_folder_the_second_ends),
        cmocka_unit_test(an_endpoint_that_is_taken_is_left_alone),
        cmocka_unit_test(a_journal_is_checked_and_copied),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
