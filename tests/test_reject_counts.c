/* Refused events by source, against a count from scratch: whoever has most loses its oldest. */
#include "broker/reject_counts.h"
#include "tests/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define MOST    60
#define NUMBERS 6000
#define SOURCES 7

static const char *const names[SOURCES] = {"a", "b", "c", "d", "e", "f", ""};

/* Which source each number belongs to; -1: not kept. */
struct truth {
    int source[NUMBERS];
    uint64_t next, total;
};

static uint64_t count_of(const struct truth *t, int source)
{
    uint64_t n = 0;

    for (uint64_t i = 1; i < t->next; i++)
        n += t->source[i] == source;
    return n;
}

static uint64_t greatest_count(const struct truth *t)
{
    uint64_t greatest = 0;

    for (int s = 0; s < SOURCES; s++)
        if (count_of(t, s) > greatest)
            greatest = count_of(t, s);
    return greatest;
}

static uint64_t oldest_of(const struct truth *t, int source)
{
    for (uint64_t i = 1; i < t->next; i++)
        if (t->source[i] == source)
            return i;
    return 0;
}

static void assert_true_counts(const struct reject_counts *c, const struct truth *t)
{
    assert_int_equal(reject_counts_total(c), t->total);
    for (int s = 0; s < SOURCES; s++)
        assert_int_equal(reject_counts_of(c, slice_of(names[s])), count_of(t, s));
}

static void add_one(struct reject_counts *c, struct truth *t, int source)
{
    uint64_t gone;

    reject_counts_add(c, slice_of(names[source]), t->next);
    t->source[t->next++] = source;
    if (++t->total <= MOST)
        return;
    gone = reject_counts_displace(c);
    assert_int_not_equal(t->source[gone], -1);
    assert_int_equal(count_of(t, t->source[gone]), greatest_count(t));
    assert_int_equal(gone, oldest_of(t, t->source[gone]));
    assert_int_not_equal(gone, t->next - 1); /* the newest is always kept */
    t->source[gone] = -1;
    t->total--;
}

static void remove_any(struct reject_counts *c, struct truth *t, struct random *r)
{
    uint64_t number = random_below(r, t->next + 2);
    bool there = number > 0 && number < t->next && t->source[number] != -1;

    assert_int_equal(reject_counts_remove(c, number), there);
    if (there) {
        t->source[number] = -1;
        t->total--;
    }
}

static void counts_and_turns_are_those_of_a_count_from_scratch(void **state)
{
    static struct truth kept, staged;
    struct random r = random_new(random_seed("reject_counts"));
    struct reject_counts *c = reject_counts_new();

    (void)state;
    kept.next = 1;
    while (kept.next < NUMBERS - 100) {
        staged = kept;
        int flood = (int)random_below(&r, SOURCES);
        for (uint64_t n = random_below(&r, 40); n > 0; n--) {
            if (random_below(&r, 4) == 0)
                remove_any(c, &staged, &r);
            else if (random_below(&r, 3))
                add_one(c, &staged, flood);
            else
                add_one(c, &staged, (int)random_below(&r, SOURCES));
        }
        bool keep = random_below(&r, 3) > 0;
        reject_counts_settle(c, keep);
        if (keep)
            kept = staged;
        assert_true_counts(c, &kept);
    }
    reject_counts_free(c);
}

static void a_flood_pushes_out_its_own_and_nobody_elses(void **state)
{
    struct reject_counts *c = reject_counts_new();
    uint64_t number = 0, gone = 0;

    (void)state;
    for (int i = 0; i < 100; i++)
        reject_counts_add(c, slice_of("quiet"), ++number);
    for (int i = 0; i < 200; i++)
        reject_counts_add(c, slice_of("chatty"), ++number);
    for (int i = 0; i < 1000000; i++) {
        reject_counts_add(c, slice_of("flood"), ++number);
        if (reject_counts_total(c) > 1000)
            assert_true((gone = reject_counts_displace(c)) > 300);
        if (i % 1000 == 0)
            reject_counts_settle(c, true);
    }
    assert_int_equal(reject_counts_of(c, slice_of("quiet")), 100);
    assert_int_equal(reject_counts_of(c, slice_of("chatty")), 200);
    assert_int_equal(reject_counts_of(c, slice_of("flood")), 700);
    assert_int_equal(gone, number - 700);
    reject_counts_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_and_turns_are_those_of_a_count_from_scratch),
        cmocka_unit_test(a_flood_pushes_out_its_own_and_nobody_elses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
