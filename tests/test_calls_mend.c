/* Repairs and rebuilds that have something to do, while calls to Redis fail, or while something
 * comes in between, at one call after the other: each ends well or says that it did not, and
 * nothing is left that the next one could not mend.  One stack for all. */
#include "proto/error.h"
#include "tests/calls.h"
#include "tests/redis_dump.h"
#include "tests/stack.h"
#include "tests/verbs.h"
#include "workers/cli/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct stack *stack;
static struct redis *redis;
static unsigned published;

static void two_numbers_are_wrong(void)
{
    assert_int_not_equal(
        redis_do(redis, "HSET", "turnout:member:KE:2026", "technical.votes", "999")->kind, '-');
    assert_int_not_equal(redis_do(redis, "SADD", "turnout:members", "NOBODY")->kind, '-');
    assert_int_not_equal(redis_do(redis, "HSET", "turnout:ballot:NO|NE", "votes", "7")->kind, '-');
}

static void a_place_is_no_place(void)
{
    two_numbers_are_wrong();
    assert_int_not_equal(redis_do(redis, "SET", "turnout:offset:3", "x")->kind, '-');
}

static void nothing_is_wrong(void)
{
}

/* A worker takes it when it may. */
static void an_event_comes(void)
{
    char line[256];

    snprintf(
        line, sizeof line,
        "{\"type\":\"vote\",\"id\":\"m%u\",\"time\":\"2026-03-01T12:00:00Z\",\"committee\":\"C "
        "%u\",\"ballot\":\"B\",\"member\":\"FR\",\"position\":\"approve\"}\n",
        published, published % 7);
    published++;
    stack_publish_lines(stack, slice_of(line));
}

/* As if another rebuild had opened what is being built. */
static void another_rebuild_comes(void)
{
    redis_do(redis, "HINCRBY", "turnout:new:offset:0", "epoch", "1");
}

/* As after a Redis that was put back to an earlier state. */
static void redis_goes_back(void)
{
    char key[32];

    for (int p = 0; p < 8; p++) {
        snprintf(key, sizeof key, "turnout:offset:%d", p);
        const struct redis_reply *r = redis_do(redis, "HGET", key, "offset");
        if (r->kind == '$' && !slice_is(r->text, "0"))
            redis_do(redis, "HINCRBY", key, "offset", "-1");
    }
}

static int verify_now(const char *option)
{
    struct said s = verb_run(cli_verify, (const char *const[]){option, NULL});

    buffer_free(&s.out);
    return s.status;
}

/* Runs the verb once for each call to Redis, at which that happens.  It ends well or says that it
 * did not, and whoever mends afterwards has nothing that cannot be mended. */
static void happens(verb_fn verb, int code, void (*before)(void), const char *const *words)
{
    unsigned step = 1 + (code == MEANWHILE), at = 1;
    bool failed = true;

    for (; failed && at < 400; at += step) {
        before();
        calls_fail("store_", at, code);
        struct said s = verb_run(verb, words);
        failed = calls_end();
        if (s.status != 0 && s.status != 69 && s.status != 75 && s.status != 78 && s.status != 1)
            fail_msg("%d at call %u: status %d", code, at, s.status);
        if (!failed)
            assert_int_equal(s.status, 0);
        buffer_free(&s.out);
    }
    print_message("%d: %u calls\n", code, at);
    assert_int_equal(verify_now("--repair"), 0);
    stack_sync(stack);
    assert_int_equal(verify_now(NULL), 0);
}

#define HAPPENS(verb, code, before, ...)                                                           \
    happens(verb, code, before, (const char *const[VERB_WORDS + 1]){__VA_ARGS__})

static void a_repair_is_done_or_refused_whatever_fails(void **state)
{
    (void)state;
    HAPPENS(cli_verify, ERR_LOST, two_numbers_are_wrong, "--repair");
    HAPPENS(cli_verify, ERR_CONFLICT, two_numbers_are_wrong, "--repair");
    HAPPENS(cli_verify, ERR_LOST, a_place_is_no_place, "--repair", "--json");
}

static void a_repair_is_done_whatever_comes_meanwhile(void **state)
{
    (void)state;
    verb_meanwhile = an_event_comes;
    HAPPENS(cli_verify, MEANWHILE, two_numbers_are_wrong, "--repair", "--progress");
    verb_meanwhile = redis_goes_back;
    HAPPENS(cli_verify, MEANWHILE, two_numbers_are_wrong, "--repair");
}

static void a_rebuild_is_done_or_refused_whatever_comes_meanwhile(void **state)
{
    (void)state;
    HAPPENS(cli_rebuild, ERR_LOST, nothing_is_wrong, NULL);
    HAPPENS(cli_rebuild, ERR_CONFLICT, nothing_is_wrong, NULL);
    verb_meanwhile = an_event_comes;
    HAPPENS(cli_rebuild, MEANWHILE, nothing_is_wrong, NULL);
    verb_meanwhile = another_rebuild_comes;
    HAPPENS(cli_rebuild, MEANWHILE, nothing_is_wrong, NULL);
}

static int setup(void **state)
{
    (void)state;
    stack = stack_new(1);
    stack_start(stack);
    redis = redis_open(stack_path(stack, "redis.sock"));
    setenv("TURNOUT_DIR", stack->dir, 1);
    for (int i = 0; i < 7; i++)
        an_event_comes();
    stack_sync(stack);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    redis_close(redis);
    stack_free(stack);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_repair_is_done_or_refused_whatever_fails),
        cmocka_unit_test(a_repair_is_done_whatever_comes_meanwhile),
        cmocka_unit_test(a_rebuild_is_done_or_refused_whatever_comes_meanwhile),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
