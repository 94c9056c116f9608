/* People: their profiles and seats on a day, and the version of the group list. */
#include "proto/error.h"
#include "tests/cast.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static bool developing_on(const char *id, const char *on)
{
    return person_profile(cast_person(&cast, id), day(on))->developing;
}

static void the_profile_is_that_in_force_or_the_earliest(void **state)
{
    (void)state;
    assert_int_equal(cast_notice(&cast, "KE", "2020-01-01", 0, "late", 2), 0);
    assert_int_equal(cast_notice(&cast, "KE", "2010-01-01", 1, "first", 1), 0);
    assert_int_equal(cast_notice(&cast, "KE", "2025-06-01", 1, "last", 3), 0);
    assert_true(developing_on("KE", "2009-12-31"));
    assert_true(developing_on("KE", "2010-01-01"));
    assert_true(developing_on("KE", "2019-12-31"));
    assert_false(developing_on("KE", "2020-01-01"));
    assert_false(developing_on("KE", "2025-05-31"));
    assert_true(developing_on("KE", "2025-06-01"));
    assert_true(
        slice_is(person_profile(cast_person(&cast, "KE"), day("2009-12-31"))->groups[0], "first"));
    assert_null(person_profile(cast_person(&cast, "DE"), day("2020-01-01")));
}

static int notice_of(const char *from, const char *line)
{
    return people_add_notice(&cast.people, cast_person(&cast, "KE"), slice_of(from),
                             slice_of(line));
}

static int tenure_of(const char *step, const char *more)
{
    return people_add_tenure(&cast.people, cast_person(&cast, "KE"), slice_of(step),
                             slice_of(more));
}

static void a_retracted_notice_is_no_profile(void **state)
{
    (void)state;
    assert_int_equal(notice_of("2020-01-01", "retracted 1 0123456789abcdef id=n-2"), 0);
    assert_null(person_profile(cast_person(&cast, "KE"), day("2026-01-01")));
}

static void what_is_no_notice_and_no_tenure_is_corrupt(void **state)
{
    (void)state;
    assert_int_equal(notice_of("2020-1-1", "full 1 0123456789abcdef id=n-1"), ERR_CORRUPT);
    assert_int_equal(notice_of("2020-01-01", "full"), ERR_CORRUPT);
    assert_int_equal(notice_of("2020-01-01", ""), ERR_CORRUPT);
    assert_int_equal(tenure_of("P", "1"), ERR_CORRUPT);
    assert_int_equal(tenure_of("X|2026-01-01", "1"), ERR_CORRUPT);
    assert_int_equal(tenure_of("|2026-01-01", "1"), ERR_CORRUPT);
    assert_int_equal(tenure_of("P|2026-01-32", "1"), ERR_CORRUPT);
    assert_int_equal(tenure_of("P|2026-01-01", "one"), ERR_CORRUPT);
    assert_int_equal(tenure_of("P|2026-01-01", ""), ERR_CORRUPT);
    assert_null(cast_person(&cast, "KE")->memberships);
    assert_null(cast_person(&cast, "KE")->tenures);
}

static void assert_seats(const char *id, const char *on, int64_t expected_p, int64_t expected_o)
{
    int64_t p, o;

    person_seats(cast_person(&cast, id), day(on), &p, &o);
    assert_int_equal(p, expected_p);
    assert_int_equal(o, expected_o);
}

static void seats_are_those_held_at_the_end_of_the_day(void **state)
{
    (void)state;
    assert_int_equal(cast_tenure(&cast, "KE", "P|2026-03-01", -2), 0);
    assert_int_equal(cast_tenure(&cast, "KE", "P|2020-01-01", 5), 0);
    assert_int_equal(cast_tenure(&cast, "KE", "O|2026-03-01", 2), 0);
    assert_int_equal(cast_tenure(&cast, "KE", "P|2026-04-01", 1), 0);
    assert_seats("KE", "2019-12-31", 0, 0);
    assert_seats("KE", "2020-01-01", 5, 0);
    assert_seats("KE", "2026-02-28", 5, 0);
    assert_seats("KE", "2026-03-01", 3, 2);
    assert_seats("KE", "2026-12-31", 4, 2);
    assert_seats("DE", "2026-12-31", 0, 0);
}

/* The first digest is that of `xxhsum -H3` over "KE|0001-01-01|0|", its last eight digits. */
static void the_list_has_a_version_that_its_order_does_not_change(void **state)
{
    char version[PEOPLE_VERSION], again[PEOPLE_VERSION], expected[PEOPLE_VERSION];
    uint64_t digest = version_digest(slice_of("KE|2026-01-01|1|africa,ldc")) ^
                      version_digest(slice_of("KE|0001-01-01|0|")) ^
                      version_digest(slice_of("DE|0001-01-01|0|g7"));

    (void)state;
    people_version(&cast.people, version);
    assert_string_equal(version, "none");
    assert_int_equal(cast_notice(&cast, "KE", "0001-01-01", 0, "-", 5), 0);
    people_version(&cast.people, version);
    assert_string_equal(version, "1970-01-01-b94d5523");
    people_clear(&cast.people);
    assert_int_equal(cast_notice(&cast, "KE", "2026-01-01", 1, "africa,ldc", 1775001600000), 0);
    assert_int_equal(cast_notice(&cast, "KE", "0001-01-01", 0, "-", 5), 0);
    assert_int_equal(cast_notice(&cast, "DE", "0001-01-01", 0, "g7", 1775001599999), 0);
    people_version(&cast.people, version);
    snprintf(expected, sizeof expected, "2026-04-01-%08x", (unsigned)digest);
    assert_string_equal(version, expected);
    people_clear(&cast.people);
    assert_int_equal(cast_notice(&cast, "DE", "0001-01-01", 0, "g7", 1775001599999), 0);
    assert_int_equal(cast_notice(&cast, "KE", "0001-01-01", 0, "-", 5), 0);
    assert_int_equal(cast_notice(&cast, "KE", "2026-01-01", 1, "africa,ldc", 1775001600000), 0);
    people_version(&cast.people, again);
    assert_string_equal(again, version);
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, cast_open, cast_close)
    const struct CMUnitTest tests[] = {
        test(the_profile_is_that_in_force_or_the_earliest),
        test(a_retracted_notice_is_no_profile),
        test(what_is_no_notice_and_no_tenure_is_corrupt),
        test(seats_are_those_held_at_the_end_of_the_day),
        test(the_list_has_a_version_that_its_order_does_not_change),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
