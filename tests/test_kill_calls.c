/* kill -9 at any call that writes, syncs, sends or receives, before and after it, and once more
 * while recovering: nothing that was acknowledged is lost, and nothing counts twice.
 *
 * As a rule every k-th call, from a random one on; TURNOUT_TEST_LONG=1 takes every call. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdlib.h>

#include "tests/random.h"
#include "tests/trial.h"

#define MEASURED 3
#define TRIALS   48 /* of one victim, half of them before the call and half after */

static uint64_t seed;
static struct trial_sums total;

/* At the end of the scenario calls come by time: a few more than were counted, a few fewer. */
static size_t list_trials(enum crew_member victim, const struct trial_sums *measured, bool all,
                          struct trial **ret)
{
    size_t calls = (size_t)measured->calls, stride = all ? 1 : calls / (TRIALS / 2), count = 0;
    struct trial *list = memory_need((calls + 1) * 2 * sizeof *list);
    struct random random = random_new(seed);

    stride += stride == 0;
    for (size_t after = 0; after < 2; after++)
        for (size_t at = 1 + random_below(&random, stride); at <= calls; at += stride)
            list[count++] = (struct trial){.victim = victim,
                                           .fault = after ? TRIAL_KILL_AFTER : TRIAL_KILL_BEFORE,
                                           .at = (int64_t)at,
                                           .recovery = measured->start_calls,
                                           .seed = seed};
    *ret = list;
    return count;
}

/* How many there are depends on how messages fall together: of a few runs, the fewest. */
static struct trial_sums measure(enum crew_member victim)
{
    struct trial_sums least, next;

    assert_true(trial_measure(victim, &least));
    for (int i = 1; i < MEASURED; i++) {
        assert_true(trial_measure(victim, &next));
        if (next.calls < least.calls)
            least = next;
    }
    assert_true(least.calls > 10);
    return least;
}

static void kill_at_calls(enum crew_member victim)
{
    bool all = getenv("TURNOUT_TEST_LONG") != NULL;
    struct trial_sums measured = measure(victim), sums;
    struct trial *list;
    size_t count;

    count = list_trials(victim, &measured, all, &list);
    assert_true(trials_run(list, count, &sums));
    assert_true(sums.deaths > (int64_t)count / 2);
    printf("%s: %" PRId64 " kills before or after one of %" PRId64 " calls, %" PRId64
           " more while recovering\n",
           victim == CREW_OTHER ? "turnout publish" : crew_names[victim], sums.deaths,
           measured.calls, sums.recoveries);
    total.deaths += sums.deaths;
    total.recoveries += sums.recoveries;
    total.calls += measured.calls;
    free(list);
}

static void the_broker_may_be_killed_at_any_call(void **state)
{
    (void)state;
    kill_at_calls(CREW_BROKER);
}

static void a_worker_may_be_killed_at_any_call(void **state)
{
    (void)state;
    kill_at_calls(CREW_WORKER);
}

static void redis_may_be_killed_at_any_call(void **state)
{
    (void)state;
    kill_at_calls(CREW_REDIS);
}

static void turnout_publish_may_be_killed_at_any_call(void **state)
{
    (void)state;
    kill_at_calls(CREW_OTHER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_broker_may_be_killed_at_any_call),
        cmocka_unit_test(a_worker_may_be_killed_at_any_call),
        cmocka_unit_test(redis_may_be_killed_at_any_call),
        cmocka_unit_test(turnout_publish_may_be_killed_at_any_call),
    };

    int failed;

    seed = random_seed("kill_calls");
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    printf("%" PRId64 " kills at %" PRId64 " calls%s\n", total.deaths + total.recoveries,
           total.calls, failed ? "" : ", 0 lost, 0 twice");
    return failed;
}
