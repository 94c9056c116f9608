/* The N-th allocation fails, in the broker or in a worker: it goes on or it ends, and after a start
 * nothing that was acknowledged is lost and nothing counts twice.
 *
 * As a rule every k-th allocation, from a random one on; TURNOUT_TEST_LONG=1 takes every one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdlib.h>

#include "tests/random.h"
#include "tests/trial.h"

#define TRIALS 60 /* of one victim */

static uint64_t seed;

static size_t list_trials(enum crew_member victim, const struct trial_sums *measured,
                          struct trial **ret)
{
    size_t most = (size_t)measured->allocations, count = 0;
    size_t stride = getenv("TURNOUT_TEST_LONG") ? 1 : most / TRIALS;
    struct trial *list = memory_need((most + 1) * sizeof *list);
    struct random random = random_new(seed);

    stride += stride == 0;
    for (size_t at = 1 + random_below(&random, stride); at <= most; at += stride)
        list[count++] = (struct trial){
            .victim = victim, .fault = TRIAL_ALLOCATION, .at = (int64_t)at, .seed = seed};
    *ret = list;
    return count;
}

static void fail_allocations(enum crew_member victim)
{
    struct trial_sums measured, sums;
    struct trial *list;
    size_t count;

#ifdef __SANITIZE_ADDRESS__
    skip(); /* the sanitizer's own allocations would fail too, and leave a process that hangs */
#endif
    assert_true(trial_measure(victim, &measured));
    assert_true(measured.allocations > 100);
    count = list_trials(victim, &measured, &list);
    assert_true(trials_run(list, count, &sums));
    assert_true(sums.deaths + sums.lived > (int64_t)count / 4);
    printf("%s: %" PRId64 " failures at %" PRId64 " allocations: it ended %" PRId64
           " times and went on %" PRId64 " times, 0 lost, 0 twice\n",
           crew_names[victim], sums.deaths + sums.lived, measured.allocations, sums.deaths,
           sums.lived);
    free(list);
}

static void the_broker_survives_or_ends_when_memory_fails(void **state)
{
    (void)state;
    fail_allocations(CREW_BROKER);
}

static void a_worker_survives_or_ends_when_memory_fails(void **state)
{
    (void)state;
    fail_allocations(CREW_WORKER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_broker_survives_or_ends_when_memory_fails),
        cmocka_unit_test(a_worker_survives_or_ends_when_memory_fails),
    };

    seed = random_seed("memory_fails");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
