/* Events that are to be sent again: none is lost or changed, and how many go at a time follows what
 * became of the last ones. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/random.h"
#include "workers/cli/later.h"

#define EVENTS 5000

/* The text of an event tells its number; `at` does too. */
static void add(struct later *l, uint64_t number)
{
    char text[64];
    int size = snprintf(text, sizeof text, "%0*" PRIu64, 1 + (int)(number % 40), number);

    later_add(l, slice_make(text, (size_t)size), (struct line){"f", number});
}

static void take(struct later *l, uint64_t number)
{
    struct buffer got = {0};
    struct line at = later_take(l, &got);
    char text[64];
    int size = snprintf(text, sizeof text, "%0*" PRIu64, 1 + (int)(number % 40), number);

    assert_int_equal(at.number, number);
    assert_true(slice_equal(buffer_slice(&got), slice_make(text, (size_t)size)));
    buffer_free(&got);
}

static void what_waits_comes_back_in_order_and_unchanged(void **state)
{
    struct random r = random_new(random_seed("later"));
    struct later l = {0};
    uint64_t next = 0, oldest = 0;

    (void)state;
    while (oldest < EVENTS) {
        for (uint64_t n = random_below(&r, 50); n > 0 && next < EVENTS; n--)
            add(&l, next++);
        assert_int_equal(later_count(&l), next - oldest);
        for (uint64_t n = random_below(&r, 50); n > 0 && oldest < next; n--)
            take(&l, oldest++);
    }
    later_free(&l);
}

static void as_long_as_all_is_accepted_more_goes_at_once(void **state)
{
    struct later l = {0};

    (void)state;
    later_begin(&l, 1000);
    assert_true(l.pause_ms > 0); /* it has just been refused */
    size_t first = l.share;
    later_learn(&l, first, first, 2000);
    assert_int_equal(l.share, 2 * first);
    assert_int_equal(l.pause_ms, 0);
    assert_int_equal(l.moved_ms, 2000);
}

static void where_some_were_refused_so_many_go_next_time_after_a_pause(void **state)
{
    struct later l = {0};

    (void)state;
    later_begin(&l, 0);
    later_learn(&l, 16, 16, 10);
    later_learn(&l, 32, 5, 20);
    assert_int_equal(l.share, 5);
    assert_int_equal(l.pause_ms, 500);
    assert_int_equal(l.moved_ms, 20);
}

static void while_nothing_is_accepted_the_pauses_grow_to_a_bound(void **state)
{
    struct later l = {0};
    int before;

    (void)state;
    later_begin(&l, 7);
    before = l.pause_ms;
    later_learn(&l, 16, 0, 100);
    assert_int_equal(l.pause_ms, 2 * before);
    for (int i = 0; i < 100; i++)
        later_learn(&l, l.share, 0, 1000);
    assert_int_equal(l.share, 1);
    assert_int_equal(l.pause_ms, 4000);
    assert_int_equal(l.moved_ms, 7);
    later_learn(&l, 1, 1, 2000);
    later_learn(&l, 2, 0, 2500); /* again */
    assert_int_equal(l.pause_ms, 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_waits_comes_back_in_order_and_unchanged),
        cmocka_unit_test(as_long_as_all_is_accepted_more_goes_at_once),
        cmocka_unit_test(where_some_were_refused_so_many_go_next_time_after_a_pause),
        cmocka_unit_test(while_nothing_is_accepted_the_pauses_grow_to_a_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
