/* Token buckets: never more than the rate, and all of it to whoever asks steadily. */
#include "broker/rate.h"

#include "tests/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static int64_t take_all(struct rate *r, int64_t now_ms)
{
    int64_t n = 0;

    while (rate_take(r, now_ms))
        n++;
    return n;
}

static void a_full_bucket_holds_one_second(void **state)
{
    struct rate r = rate_make(500, 1000);

    (void)state;
    assert_int_equal(take_all(&r, 1000), 500);
    assert_int_equal(take_all(&r, 1000), 0);
}

static void tokens_come_with_time_to_the_exact_millisecond(void **state)
{
    struct rate r = rate_make(1, 0);

    (void)state;
    assert_true(rate_take(&r, 0));
    for (int64_t now_ms = 1; now_ms < 1000; now_ms++)
        assert_false(rate_take(&r, now_ms));
    assert_true(rate_take(&r, 1000));
    assert_false(rate_take(&r, 1000));
}

static void a_long_pause_is_worth_one_second_only(void **state)
{
    struct rate r = rate_make(1000000000, 0);

    (void)state;
    r.tokens = 0;
    assert_true(rate_take(&r, INT64_MAX / 2));
    assert_int_equal(r.tokens, (int64_t)1000000000 * 1000 - 1000);
}

static void a_clock_that_stands_or_goes_back_gives_nothing(void **state)
{
    struct rate r = rate_make(3, 5000);

    (void)state;
    assert_int_equal(take_all(&r, 5000), 3);
    assert_int_equal(take_all(&r, 4000), 0);
    assert_int_equal(take_all(&r, 5333), 0);
    assert_int_equal(take_all(&r, 5334), 1);
}

static void a_new_rate_goes_on_with_what_was_left(void **state)
{
    struct rate old = rate_make(10, 0), more = rate_make(100, 500), fewer = rate_make(2, 0);

    (void)state;
    for (int i = 0; i < 7; i++)
        rate_take(&old, 0);
    rate_continue(&more, &old);
    rate_continue(&fewer, &old);
    assert_int_equal(take_all(&more, 0), 3);
    assert_int_equal(take_all(&fewer, 0), 2);
    assert_int_equal(take_all(&more, 500), 50);
}

static void no_pattern_of_asking_gets_more_than_the_rate(void **state)
{
    struct random random = random_new(random_seed("test_rate"));

    (void)state;
    for (int round = 0; round < 200; round++) {
        int64_t per_s = 1 + (int64_t)random_below(&random, 3000), now_ms = 0, taken = 0, asked = 0;
        struct rate r = rate_make(per_s, 0);
        for (int step = 0; step < 500; step++) {
            int64_t wish = (int64_t)random_below(&random, (uint64_t)per_s);
            now_ms += (int64_t)random_below(&random, 20);
            for (int64_t i = 0; i < wish; i++)
                taken += rate_take(&r, now_ms);
            asked += wish;
        }
        assert_true(taken <= per_s + per_s * now_ms / 1000);
        assert_true(taken <= asked);
        assert_true(taken == asked || taken >= per_s * now_ms / 1000 - per_s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_bucket_holds_one_second),
        cmocka_unit_test(tokens_come_with_time_to_the_exact_millisecond),
        cmocka_unit_test(a_long_pause_is_worth_one_second_only),
        cmocka_unit_test(a_clock_that_stands_or_goes_back_gives_nothing),
        cmocka_unit_test(a_new_rate_goes_on_with_what_was_left),
        cmocka_unit_test(no_pattern_of_asking_gets_more_than_the_rate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
