/* turnout-broker's command line: numbers that cannot be are refused with the option's name, and how
 * it ended is told by its exit status. */
#include "tests/stack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
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

static void a_journal_is_checked_and_copied(void **state)
{
    char copy[300];

    (void)state;
    snprintf(copy, sizeof copy, "%s/copy", stack->dir);
    ends(RUN("--check"), EX_OK, "");
    ends(RUN("--check", "--json"), EX_OK, "");
    ends(RUN("--backup", copy), EX_OK, "");
    ends(RUN("--dir", "/nonexistent", "--check"), EX_IOERR, "No such file");
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
        cmocka_unit_test(a_journal_is_checked_and_copied),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
