/* Repairs and rebuilds that have something to do, while calls to Redis fail, or while something
 * comes in between, at one call after the other: each ends well or says that it did not, and
 * nothing is left that the next one could not mend.  One stack for all. */
#include "proto/clock.h"
#include "proto/error.h"
#include "tests/calls.h"
#include "tests/redis_dump.h"
#include "tests/stack.h"
#include "tests/verbs.h"
#include "workers/cli/cli.h"
#include "workers/hold.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static struct stack *stack;
static struct redis *redis;
static unsigned published;

/* What a verb could not release is over by its time, for which no test need wait. */
static void nobody_holds(void)
{
    static const char *const boards[] = {"turnout:offset:%d", "turnout:new:offset:%d"};
    char key[32];

    for (int i = 0; i < 16; i++) {
        snprintf(key, sizeof key, boards[i % 2], i / 2);
        if (redis_do(redis, "HEXISTS", key, "held")->number == 1)
            redis_do(redis, "HSET", key, "held", "0");
    }
}

static void two_numbers_are_wrong(void)
{
    nobody_holds();
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
    if (redis_do(redis, "HEXISTS", "turnout:new:offset:0", "log")->number == 1)
        redis_do(redis, "HINCRBY", "turnout:new:offset:0", "epoch", "1");
}

/* By somebody who does not care for holds. */
static void something_is_derived(void)
{
    redis_do(redis, "HINCRBY", "turnout:derived", "epoch", "1");
}

static void something_built_is_derived(void)
{
    redis_do(redis, "HINCRBY", "turnout:new:derived", "epoch", "1");
}

static void what_is_built_moves(void)
{
    if (redis_do(redis, "HEXISTS", "turnout:new:offset:0", "log")->number == 1)
        redis_do(redis, "HINCRBY", "turnout:new:offset:0", "offset", "1");
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

/* Runs the verb once for every `step`-th of those calls, at which that happens.  It ends well or
 * says that it did not, and whoever mends afterwards has nothing that cannot be mended. */
static void happens(verb_fn verb, const char *calls, unsigned step, int code, void (*before)(void),
                    const char *const *words)
{
    unsigned at = 1;
    bool failed = true;

    for (; failed && at < 400; at += step) {
        before();
        calls_fail(calls, at, code);
        struct said s = verb_run(verb, words);
        failed = calls_end();
        if (s.status != 0 && s.status != 69 && s.status != 75 && s.status != 78 && s.status != 1)
            fail_msg("%s %u with %d: status %d", calls, at, code, s.status);
        if (!failed)
            assert_int_equal(s.status, 0);
        buffer_free(&s.out);
    }
    nobody_holds();
    assert_int_equal(verify_now("--repair"), 0);
    stack_sync(stack);
    assert_int_equal(verify_now(NULL), 0);
}

#define HAPPENS(verb, calls, step, code, before, ...)                                              \
    happens(verb, calls, step, code, before, (const char *const[VERB_WORDS + 1]){__VA_ARGS__})

static void a_repair_is_done_or_refused_whatever_fails(void **state)
{
    (void)state;
    HAPPENS(cli_verify, "store_", 1, ERR_LOST, two_numbers_are_wrong, "--repair");
    HAPPENS(cli_verify, "store_", 5, ERR_CONFLICT, two_numbers_are_wrong, "--repair");
    HAPPENS(cli_verify, "store_", 1, ERR_LOST, a_place_is_no_place, "--repair", "--json");
}

static void a_repair_is_done_or_refused_whatever_comes_meanwhile(void **state)
{
    (void)state;
    verb_meanwhile = an_event_comes;
    HAPPENS(cli_verify, "store_", 3, MEANWHILE, two_numbers_are_wrong, "--repair", "--progress");
    verb_meanwhile = redis_goes_back;
    HAPPENS(cli_verify, "store_begin", 3, MEANWHILE, two_numbers_are_wrong, "--repair");
}

static void a_rebuild_is_done_or_refused_whatever_fails(void **state)
{
    (void)state;
    HAPPENS(cli_rebuild, "store_", 1, ERR_LOST, nobody_holds, "--fresh");
    HAPPENS(cli_rebuild, "store_", 4, ERR_CONFLICT, nobody_holds, "--fresh");
    HAPPENS(cli_rebuild, "reader_receive", 1, ERR_DENIED, nobody_holds, NULL);
}

static void a_rebuild_is_done_or_refused_whatever_comes_meanwhile(void **state)
{
    static const struct {
        void (*comes)(void);
        const char *before; /* which calls */
    } what[] = {
        {an_event_comes, "store_"},
        {something_is_derived, "store_"},
        {something_is_derived, "store_keys"},
        {something_built_is_derived, "store_keys"},
        {another_rebuild_comes, "store_commit"},
        {what_is_built_moves, "store_begin"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof what / sizeof *what; i++) {
        verb_meanwhile = what[i].comes;
        HAPPENS(cli_rebuild, what[i].before, 3, MEANWHILE, nobody_holds, NULL);
    }
}

/* ---- what an earlier rebuild has left ---- */

/* Whether a rebuild goes on with what another one has built and could not put in place, after this
 * was said of it. */
static bool is_gone_on_with(const char *field, const char *value)
{
    struct said s;
    bool found;

    calls_fail("store_keys", 2, ERR_LOST); /* the first is to wipe, the second to switch */
    s = verb_run(cli_rebuild, (const char *const[]){"--fresh", NULL});
    assert_true(calls_end());
    assert_int_equal(s.status, 69);
    buffer_free(&s.out);
    if (field)
        redis_do(redis, "HSET", "turnout:new:meta", field, value);
    s = verb_run(cli_rebuild, (const char *const[]){"--json", NULL});
    assert_int_equal(s.status, 0);
    buffer_add(&s.out, "", 1);
    found = !strstr(s.out.at, "\"found\":0");
    buffer_free(&s.out);
    return found;
}

static void what_another_version_has_built_is_not_gone_on_with(void **state)
{
    static const char *const other[][2] = {
        {"version", "0"},    {"schema", "1"},       {"schema", "new"},
        {"partitions", "9"}, {"partitions", "all"},
    };

    (void)state;
    assert_true(is_gone_on_with(NULL, NULL));
    assert_true(is_gone_on_with("more", "x"));
    for (size_t i = 0; i < sizeof other / sizeof *other; i++)
        assert_false(is_gone_on_with(other[i][0], other[i][1]));
}

/* Places of partitions that are not there are no places. */
static void places_that_are_none_are_wiped(void **state)
{
    static const char *const keys[] = {"turnout:new:offset:8", "turnout:new:offset:-1",
                                       "turnout:new:offset:x", "turnout:new:offset"};
    struct said s;

    (void)state;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        redis_do(redis, "HSET", keys[i], "offset", "1");
    s = verb_run(cli_rebuild, (const char *const[]){"--fresh", NULL});
    assert_int_equal(s.status, 0);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        assert_int_equal(redis_do(redis, "EXISTS", keys[i])->number, 0);
    buffer_free(&s.out);
    assert_int_equal(verify_now(NULL), 0);
}

/* A holder that was killed, or a verification that takes its time. */
static void a_rebuild_waits_until_others_no_longer_hold(void **state)
{
    char until[32];
    struct said s;

    (void)state;
    snprintf(until, sizeof until, "%lld", (long long)clock_wall_ms() + 1000);
    redis_do(redis, "HSET", "turnout:offset:0", "held", until);
    s = verb_run(cli_rebuild, (const char *const[]){NULL});
    assert_int_equal(s.status, 0);
    assert_true(clock_wall_ms() >= strtoll(until, NULL, 10));
    buffer_free(&s.out);
    stack_sync(stack);
    assert_int_equal(verify_now(NULL), 0);
}

static uint64_t applied_events(void)
{
    uint64_t sum = 0;
    char key[32];

    for (int p = 0; p < 8; p++) {
        snprintf(key, sizeof key, "turnout:offset:%d", p);
        sum += strtoull(redis_do(redis, "HGET", key, "offset")->text.at, NULL, 10);
    }
    return sum;
}

/* Until some minutes ago; each time it is another one, so that who waits for it to be over waits
 * for ever. */
static void a_holder_was_killed_before(unsigned seconds)
{
    char key[32], until[32];

    snprintf(until, sizeof until, "%lld",
             (long long)clock_wall_ms() - HOLD_MOST_MS - seconds * 1000LL);
    for (int p = 0; p < 8; p++) {
        snprintf(key, sizeof key, "turnout:offset:%d", p);
        redis_do(redis, "HSET", key, "held", until);
    }
}

static void a_hold_that_was_left_behind_keeps_no_worker_back(void **state)
{
    uint64_t before = applied_events();

    (void)state;
    kill(stack_pid(stack, "worker-1"), SIGKILL);
    an_event_comes();
    a_holder_was_killed_before(1000);
    stack_start(stack);
    for (unsigned look = 0; look < 200 && applied_events() == before; look++) {
        a_holder_was_killed_before(999 - look);
        usleep(300000);
    }
    assert_int_equal(applied_events(), before + 1);
    nobody_holds();
    stack_sync(stack);
}

static void why_redis_takes_nothing_is_told_in_its_own_words(void **state)
{
    (void)state;
    redis_do(redis, "CONFIG", "SET", "maxmemory", "1");
    an_event_comes();
    stack_await_log(stack, "worker-1",
                    "redis: OOM command not allowed when used memory > 'maxmemory'");
    redis_do(redis, "CONFIG", "SET", "maxmemory", "0");
    stack_sync(stack);
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
        cmocka_unit_test(a_repair_is_done_or_refused_whatever_comes_meanwhile),
        cmocka_unit_test(a_rebuild_is_done_or_refused_whatever_fails),
        cmocka_unit_test(a_rebuild_is_done_or_refused_whatever_comes_meanwhile),
        cmocka_unit_test(what_another_version_has_built_is_not_gone_on_with),
        cmocka_unit_test(places_that_are_none_are_wiped),
        cmocka_unit_test(a_rebuild_waits_until_others_no_longer_hold),
        cmocka_unit_test(a_hold_that_was_left_behind_keeps_no_worker_back),
        cmocka_unit_test(why_redis_takes_nothing_is_told_in_its_own_words),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
