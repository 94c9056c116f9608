/* Every verb of the command line while calls of it to Redis and to the broker fail, one at a time:
 * it says so by its exit status, or gets over it and prints what it always prints; and what is
 * counted stays as it was.  One stack for all, the verbs run in this process. */
#include "proto/error.h"
#include "tests/calls.h"
#include "tests/stack.h"
#include "tests/verbs.h"
#include "tests/world.h"
#include "workers/cli/cli.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define EVENTS     150
#define CALLS_MOST 60

static struct stack *stack;

/* What it says about this very moment may be another thing the next time. */
enum care { SAME, CHANGES };

static void stands(verb_fn verb, enum care care, const char *const *words)
{
    static const struct {
        const char *calls;
        int code;
    } failures[] = {{"store_", ERR_LOST},           {"store_", ERR_CORRUPT},
                    {"store_", ERR_CONFLICT},       {"reader_receive", ERR_AGAIN},
                    {"reader_receive", ERR_DENIED}, {"reader_receive", ERR_VERSION}};
    struct said whole = verb_run(verb, words);

    assert_true(whole.status == 0 || whole.status == 1);
    for (size_t i = 0; i < sizeof failures / sizeof *failures; i++)
        for (unsigned at = 1; at <= CALLS_MOST; at += 1 + at / 8) {
            calls_fail(failures[i].calls, at, failures[i].code);
            struct said s = verb_run(verb, words);
            bool failed = calls_end();
            bool same = s.out.size == whole.out.size &&
                        (s.out.size == 0 || memcmp(s.out.at, whole.out.at, s.out.size) == 0);
            if (s.status < 0 || s.status > 78 ||
                (care == SAME && s.status == 0 && whole.status == 0 && !same))
                fail_msg("%s: %s %u failed with %d: status %d", words[0] ? words[0] : "",
                         failures[i].calls, at, failures[i].code, s.status);
            buffer_free(&s.out);
            if (!failed)
                break;
        }
    buffer_free(&whole.out);
}

#define STANDS(verb, care, ...) stands(verb, care, (const char *const[VERB_WORDS + 1]){__VA_ARGS__})

static void what_is_shown_is_whole_or_refused(void **state)
{
    (void)state;
    STANDS(cli_board, SAME, "--json");
    STANDS(cli_board, SAME, "--all");
    STANDS(cli_board, SAME, "--csv", "--as-of", "now");
    STANDS(cli_watch, SAME, NULL);
    STANDS(cli_watch, SAME, "--json", "-m", "KE");
    STANDS(cli_export, SAME, NULL);
    STANDS(cli_export, SAME, "--as-of", "now");
    STANDS(cli_top, CHANGES, "-n", "1");
}

static void what_explains_is_whole_or_refused(void **state)
{
    (void)state;
    STANDS(cli_why, SAME, "member:KE:2026", "technical.votes");
    STANDS(cli_why, SAME, "--json", "--as-of", "now", "member:KE:2026", "technical.votes");
    STANDS(cli_why, SAME, "group:all:2026", "technical.votes");
    STANDS(cli_history, SAME, "vote|ISO/TC 207|DIS 1|KE");
    STANDS(cli_diff, CHANGES, "--all", "--from", "2020-01-01");
}

static void how_things_are_is_told_or_refused(void **state)
{
    (void)state;
    STANDS(cli_status, CHANGES, NULL);
    STANDS(cli_status, CHANGES, "--json");
    STANDS(cli_sync, CHANGES, "-t", "1");
    STANDS(cli_rejects, SAME, "list");
    STANDS(cli_rejects, SAME, "list", "--json");
    STANDS(cli_rejects, SAME, "show", "1");
    STANDS(cli_rejects, SAME, "redrive", "--all");
    STANDS(cli_rejects, CHANGES, "drop", "--all");
}

/* Each time that somebody held the partitions is counted. */
static enum dump_care care_held(struct slice key, struct slice field)
{
    return slice_is(field, "epoch") ? DUMP_IGNORE : stack_care(key, field);
}

static void verifying_and_rebuilding_leave_it_as_it_was(void **state)
{
    struct dump *before = stack_dump(stack), *after;
    struct said s;

    (void)state;
    STANDS(cli_verify, CHANGES, NULL);
    STANDS(cli_verify, CHANGES, "--json", "--repair");
    STANDS(cli_rebuild, CHANGES, "--force");
    stack_sync(stack);
    s = verb_run(cli_verify, (const char *const[]){NULL});
    assert_int_equal(s.status, 0);
    buffer_free(&s.out);
    after = stack_dump(stack);
    assert_int_equal(dump_compare(before, after, care_held, stderr, NULL), 0);
    dump_free(before);
    dump_free(after);
}

static int setup(void **state)
{
    struct buffer events = {0};
    struct run r;

    (void)state;
    stack = stack_new(1);
    stack_start(stack);
    setenv("TURNOUT_DIR", stack->dir, 1);
    world_events(7, EVENTS, &events);
    stack_publish_events(stack, buffer_slice(&events));
    stack_publish_lines(
        stack, slice_of("{\"type\":\"vote\",\"id\":\"v1\",\"time\":\"2026-03-01T12:00:00Z\","
                        "\"committee\":\"ISO/TC 207\",\"ballot\":\"DIS 1\",\"member\":\"KE\","
                        "\"position\":\"approve\"}\n"));
    r = stack_run(stack, slice_of("{\"type\":\"opinion\"}\n"),
                  (const char *const[]){"turnout", "publish", NULL});
    assert_int_equal(r.status, 1);
    run_free(&r);
    stack_sync(stack);
    buffer_free(&events);
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
        cmocka_unit_test(what_is_shown_is_whole_or_refused),
        cmocka_unit_test(what_explains_is_whole_or_refused),
        cmocka_unit_test(how_things_are_is_told_or_refused),
        cmocka_unit_test(verifying_and_rebuilding_leave_it_as_it_was),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
