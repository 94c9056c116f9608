/* Dates and times, against the C library's calendar and a table of cases. */
#include "proto/date.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <setjmp.h>

#include <cmocka.h>

#define FIRST_DAY (-719162) /* 0001-01-01 */
#define LAST_DAY  2932896   /* 9999-12-31 */

static void every_day_of_the_calendar_agrees_with_the_c_library(void **state)
{
    (void)state;
    for (date_days d = FIRST_DAY; d <= LAST_DAY; d++) {
        time_t seconds = (time_t)d * 86400;
        struct tm tm;
        char text[DATE_TEXT + 1] = "", expected[32];
        date_days back = DATE_NONE;

        assert_non_null(gmtime_r(&seconds, &tm));
        snprintf(expected, sizeof expected, "%04d-%02d-%02d", tm.tm_year + 1900, tm.tm_mon + 1,
                 tm.tm_mday);
        date_format(d, text);
        assert_string_equal(text, expected);
        assert_true(date_parse(slice_of(text), &back));
        assert_int_equal(back, d);
        struct date_civil c = date_to_civil(d);
        assert_int_equal(date_from_civil(c), d);
        assert_int_equal(c.year, tm.tm_year + 1900);
    }
}

static void a_day_that_does_not_exist_is_no_date(void **state)
{
    date_days d;

    (void)state;
    for (int year = 0; year <= 2400; year += year < 1890 ? 7 : 1)
        for (int month = 0; month <= 13; month++)
            for (int day = 0; day <= 32; day++) {
                struct tm tm = {.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day};
                char text[40];
                timegm(&tm); /* brings an impossible day into another month */
                bool real = year >= 1 && month >= 1 && month <= 12 && day >= 1 &&
                            tm.tm_mon == month - 1 && tm.tm_mday == day;
                snprintf(text, sizeof text, "%04d-%02d-%02d", year, month, day);
                if (date_parse(slice_of(text), &d) != real)
                    fail_msg("%s", text);
            }
}

static void a_date_has_exactly_its_form(void **state)
{
    static const char *const bad[] = {
        "",           "2026",        "2026-03",     "2026-3-01",   "2026-03-1",   "26-03-01",
        "2026/03/01", "2026-03-01 ", " 2026-03-01", "2026-03-0a",  "2026-03-01T", "-026-03-01",
        "+026-03-01", "20260301",    "2026-03 01",  "02026-03-01", "2026-03-011",
    };
    date_days d = 77;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (date_parse(slice_of(bad[i]), &d))
            fail_msg("%s", bad[i]);
    assert_false(date_parse(slice_make(NULL, 0), &d));
    assert_false(date_parse(slice_make("2026-03-01", 9), &d));
    assert_int_equal(d, 77);
}

static void a_time_is_read_to_the_millisecond(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01t00:00:00z", 0},
        {"1970-01-01 00:00:00Z", 0},
        {"1970-01-01T00:00:00.001Z", 1},
        {"1970-01-01T00:00:00.1Z", 100},
        {"1970-01-01T00:00:00.12Z", 120},
        {"1970-01-01T00:00:00.9999999999999Z", 999},
        {"1970-01-01T01:00:00+01:00", 0},
        {"1969-12-31T18:30:00-05:30", 0},
        {"1970-01-01T00:00:00-00:00", 0},
        {"1970-01-01T23:59:00+23:59", 0},
        {"1969-12-31T23:59:59Z", -1000},
        {"1969-12-31T23:59:59.999Z", -1},
        {"1969-12-31T23:59:59.9999Z", -1},
        {"1900-01-01T00:00:00Z", TIME_EARLIEST_MS},
        {"2016-12-31T23:59:60Z", 1483228799999},
        {"2016-12-31T23:59:60.5Z", 1483228799999},
        {"2017-01-01T05:29:60+05:30", 1483228799999},
        {"2016-12-31T15:59:60.123-08:00", 1483228799999},
        {"2026-02-28T23:59:59+00:00", 1772323199000},
        {"9999-12-31T23:59:59.999Z", 253402300799999},
        {"0001-01-01T00:00:00Z", FIRST_DAY * DAY_MS},
    };

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        int64_t ms = 77;
        if (!time_parse(slice_of(good[i].text), &ms) || ms != good[i].ms)
            fail_msg("%s: %lld", good[i].text, (long long)ms);
    }
}

static void what_is_not_a_time_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "2026-03-01",
        "2026-03-01T",
        "2026-03-01T12:00Z",
        "2026-03-01T12:00:00",
        "2026-03-01T12:00:00.Z",
        "2026-03-01T12:00:00,5Z",
        "2026-03-01T12:00:00.5",
        "2026-03-01T12:00:00Zx",
        "2026-03-01T12:00:00ZZ",
        "2026-03-01T12:00:00 Z",
        "2026-03-01T12:00:00+1:00",
        "2026-03-01T12:00:00+0100",
        "2026-03-01T12:00:00+01",
        "2026-03-01T12:00:00+01:60",
        "2026-03-01T12:00:00+24:00",
        "2026-03-01T12:00:00*01:00",
        "2026-03-01T24:00:00Z",
        "2026-03-01T12:60:00Z",
        "2026-03-01T12:00:61Z",
        "2026-03-01T12:00:60Z",
        "2016-12-31T23:59:60+01:00",
        "2026-02-29T12:00:00Z",
        "0000-01-01T12:00:00Z",
        "2026-03-01X12:00:00Z",
        "2026-03-01T12-00:00Z",
        "2026-03-01T12:00-00Z",
        "2026-03-01T-2:00:00Z",
        "2026-03-01T12:00:00.-5Z",
    };
    int64_t ms = 77;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (time_parse(slice_of(bad[i]), &ms))
            fail_msg("%s", bad[i]);
    assert_false(time_parse(slice_make("2026-03-01\0"
                                       "12:00:00Z",
                                       20),
                            &ms));
    assert_int_equal(ms, 77);
}

static void every_prefix_of_a_time_is_refused(void **state)
{
    const struct slice whole = slice_of("2026-03-01T12:34:56.789+05:30");
    int64_t ms;

    (void)state;
    for (size_t size = 0; size < whole.size; size++) {
        char *exact = memory_need(size); /* so that a read beyond it is seen by the sanitizers */
        memcpy(exact, whole.at, size);
        assert_false(time_parse(slice_make(exact, size), &ms));
        free(exact);
    }
    assert_true(time_parse(whole, &ms));
}

static void a_millisecond_lies_in_its_day_also_before_1970(void **state)
{
    (void)state;
    assert_int_equal(date_of_ms(0), 0);
    assert_int_equal(date_of_ms(DAY_MS - 1), 0);
    assert_int_equal(date_of_ms(DAY_MS), 1);
    assert_int_equal(date_of_ms(-1), -1);
    assert_int_equal(date_of_ms(-DAY_MS), -1);
    assert_int_equal(date_of_ms(-DAY_MS - 1), -2);
    assert_int_equal(date_of_ms(FIRST_DAY * DAY_MS), FIRST_DAY);
    assert_int_equal(date_of_ms(LAST_DAY * DAY_MS + DAY_MS - 1), LAST_DAY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_day_of_the_calendar_agrees_with_the_c_library),
        cmocka_unit_test(a_day_that_does_not_exist_is_no_date),
        cmocka_unit_test(a_date_has_exactly_its_form),
        cmocka_unit_test(a_time_is_read_to_the_millisecond),
        cmocka_unit_test(what_is_not_a_time_is_refused),
        cmocka_unit_test(every_prefix_of_a_time_is_refused),
        cmocka_unit_test(a_millisecond_lies_in_its_day_also_before_1970),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
