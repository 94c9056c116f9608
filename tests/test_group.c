/* Groups and figures: periods worked out by hand. */
#include "proto/error.h"
#include "tests/cast.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* A member with technical ballots due and missed, and votes. */
static void member(const char *id, int64_t due, int64_t missed, int64_t votes)
{
    groups_person(cast.groups, cast_person(&cast, id));
    if (due)
        cast_count(&cast, "technical.ballots.due", due);
    if (missed)
        cast_count(&cast, "technical.ballots.missed", missed);
    if (votes)
        cast_count(&cast, "technical.votes", votes);
}

/* NULL: the field must not be there. */
static void assert_field(const char *group, const char *field, const char *expected)
{
    char key[128];

    snprintf(key, sizeof key, "turnout:group:%s", group);
    struct slice found = dump_get(cast.dump, key, field);
    if (!expected) {
        assert_null(found.at);
        return;
    }
    if (!found.at || !slice_is(found, expected))
        fail_msg("%s %s: %.*s, not %s", key, field, (int)found.size, found.at ? found.at : "",
                 expected);
}

static bool has_group(const char *group)
{
    char key[128];

    snprintf(key, sizeof key, "turnout:group:%s", group);
    return dump_has(cast.dump, key);
}

static void a_period_ends_on_its_last_day(void **state)
{
    static const char *const ends[][2] = {
        {"2026", "2026-12-31"},    {"2026-01", "2026-01-31"}, {"2026-02", "2026-02-28"},
        {"2024-02", "2024-02-29"}, {"2000-02", "2000-02-29"}, {"1900-02", "1900-02-28"},
        {"2026-04", "2026-04-30"}, {"2026-12", "2026-12-31"}, {"0001", "0001-12-31"},
        {"9999-12", "9999-12-31"}, {"9999", "9999-12-31"},    {"0001-01", "0001-01-31"},
    };
    static const char *const none[] = {"",        "202",     "20265",   "2026-",   "2026-1",
                                       "2026-00", "2026-13", "2026/01", "0000",    "0000-01",
                                       "2026-0x", "abcd",    "-026",    "2026-011"};
    date_days last = 0;

    (void)state;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        assert_true(period_last_day(slice_of(ends[i][0]), &last));
        assert_int_equal(last, day(ends[i][1]));
    }
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        assert_false(period_last_day(slice_of(none[i]), &last));
        assert_int_equal(groups_begin(cast.groups, slice_of(none[i]), CAST_LIST), ERR_CORRUPT);
    }
}

static void a_name_is_told_from_its_period_and_its_ending(void **state)
{
    struct slice name = slice_of("ISO/TC 1:2|KE:2026-03"), part = slice_of("as before");

    (void)state;
    assert_true(period_cut(&name, &part));
    assert_true(slice_is(name, "ISO/TC 1:2|KE"));
    assert_true(slice_is(part, "2026-03"));
    name = slice_of(":");
    assert_true(period_cut(&name, &part));
    assert_true(name.size == 0 && part.size == 0);
    assert_false(period_cut(&name, &part));
    assert_true(group_without(slice_of("ldc-without-top3"), &name));
    assert_true(slice_is(name, "ldc"));
    assert_true(group_without(slice_of("ldc-without-top3-without-top3"), &name));
    assert_true(slice_is(name, "ldc-without-top3"));
    assert_false(group_without(slice_of("ldc"), &name));
    assert_false(group_without(slice_of("-without-top3"), &name));
    assert_false(group_without(slice_of("ldc-without-top3."), &name));
    assert_true(slice_is(name, "ldc-without-top3"));
}

/* Five members: KE and TZ developing, in africa; DE neither; US twice in its group; XX unknown. */
static void five_members(void)
{
    assert_int_equal(cast_notice(&cast, "KE", "0001-01-01", 1, "africa,ldc", 1), 0);
    assert_int_equal(cast_notice(&cast, "TZ", "0001-01-01", 1, "africa", 1), 0);
    assert_int_equal(cast_notice(&cast, "DE", "0001-01-01", 0, "-", 1), 0);
    assert_int_equal(cast_notice(&cast, "US", "0001-01-01", 0, "west,west", 1), 0);
    assert_int_equal(cast_tenure(&cast, "KE", "P|2020-01-01", 4), 0);
    assert_int_equal(cast_tenure(&cast, "DE", "P|2020-01-01", 6), 0);
    assert_int_equal(cast_tenure(&cast, "DE", "O|2020-01-01", 1), 0);
    cast_period(&cast, "2026");
    member("KE", 10, 2, 6);
    cast_count(&cast, "technical.ballots.excused", 1);
    cast_count(&cast, "technical.ballots.abstained", 3);
    cast_count(&cast, "technical.votes.commented", 2);
    cast_count(&cast, "technical.delegates", 3);
    groups_effect(cast.groups, 1, 3, 2);
    member("TZ", 4, 4, 0);
    cast_count(&cast, "technical.meetings.due", 2);
    cast_count(&cast, "technical.meetings.missed", 1);
    member("DE", 6, 0, 6);
    cast_count(&cast, "governance.votes", 4);
    cast_count(&cast, "governance.votes.commented", 1);
    cast_count(&cast, "governance.delegates", 5);
    groups_effect(cast.groups, 5, 6, 6);
    member("US", 3, 1, 2);
    cast_count(&cast, "governance.ballots.due", 8);
    cast_count(&cast, "governance.ballots.missed", 5);
    member("XX", 0, 0, 0);
    cast_count(&cast, "technical.meetings.attended", 1);
}

static void figures_of_a_year_are_those_worked_out_by_hand(void **state)
{
    static const char *const all[][2] = {
        {"members", "5"},
        {"members.active", "4"}, /* all but TZ; XX by a meeting */
        {"technical.ballots.due", "23"},
        {"technical.votes", "14"},
        {"technical.meetings.attended", "1"},
        {"seats.P", "10"},
        {"seats.O", "1"},
        {"seats.dormant", "2"},
        {"voting.num", "15"}, /* 23 - 1 - 7 */
        {"voting.den", "23"},
        {"voting", "0.6522"},
        {"substantive.num", "12"},
        {"substantive", "0.5217"},
        {"commented.num", "3"},
        {"commented.den", "18"},
        {"commented", "0.1667"},
        {"presence.num", "1"},
        {"presence", "0.5000"},
        {"governance.num", "3"},
        {"governance.den", "8"},
        {"governance", "0.3750"},
        {"share.votes", "1.0000"},
        {"share.delegates.den", "8"},
        {"share.seats", "1.0000"},
        {"voting.median", "0.6833"}, /* 0, 2/3, 7/10, 1 */
        {"presence.median", "0.5000"},
        {"effective.num", "6"},
        {"effective.den", "9"},
        {"effective", "0.6667"},
        {"list", CAST_LIST},
    };
    static const char *const africa[][2] = {
        {"members", "2"},           {"members.active", "1"},
        {"voting.num", "7"},        {"voting.den", "14"},
        {"voting", "0.5000"},       {"voting.median", "0.3500"},
        {"governance.num", "0"},    {"governance.den", "0"},
        {"governance", NULL},       {"share.votes.num", "6"},
        {"share.votes.den", "18"},  {"share.votes", "0.3333"},
        {"share.seats.num", "4"},   {"share.seats.den", "10"},
        {"share.seats", "0.4000"},  {"share.delegates", "0.3750"},
        {"seats.O", NULL},          {"technical.votes", "6"},
        {"governance.votes", NULL}, {"effective", "0.3333"},
        {"seats.dormant", "2"},
    };

    (void)state;
    five_members();
    cast_write(&cast, "all");
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        assert_field("all:2026", all[i][0], all[i][1]);
    for (size_t i = 0; i < sizeof africa / sizeof *africa; i++) {
        assert_field("africa:2026", africa[i][0], africa[i][1]);
        assert_field("developing:2026", africa[i][0], africa[i][1]);
    }
    assert_field("other:2026", "members", "2"); /* XX is in none but all */
    assert_field("west:2026", "members", "1");  /* a token given twice */
    assert_field("west:2026", "technical.votes", "2");
    assert_field("ldc:2026", "members", "1");
}

static void without_its_three_largest_a_group_is_what_remains(void **state)
{
    (void)state;
    five_members();
    cast_write(&cast, "all");
    assert_field("all-without-top3:2026", "without", "DE,KE,US");
    assert_field("all-without-top3:2026", "members", "2");
    assert_field("all-without-top3:2026", "members.active", "1");
    assert_field("all-without-top3:2026", "voting.num", "0");
    assert_field("all-without-top3:2026", "voting", "0.0000"); /* TZ was due, and missed */
    assert_field("all-without-top3:2026", "voting.median", "0.0000");
    assert_field("all-without-top3:2026", "share.votes.num", "0");
    assert_field("all-without-top3:2026", "share.votes.den", "18");
    assert_field("all-without-top3:2026", "share.votes", "0.0000");
    assert_field("all-without-top3:2026", "commented", NULL);
    assert_field("all-without-top3:2026", "share.seats.den", "10");
    assert_field("all-without-top3:2026", "effective.den", "0");
    assert_field("all-without-top3:2026", "effective", NULL);
    assert_field("all-without-top3:2026", "technical.ballots.due", NULL);
    assert_field("all-without-top3:2026", "list", CAST_LIST);
    assert_field("africa-without-top3:2026", "without", "KE");
    assert_field("africa-without-top3:2026", "members", "1");
    assert_false(has_group("west-without-top3:2026")); /* nobody remains */
    assert_false(has_group("other-without-top3:2026"));
}

static void of_equal_voters_the_smaller_names_are_left_out_first(void **state)
{
    static const char *const ids[] = {"B", "AA", "E", "A", "D", "C"};

    (void)state;
    cast_period(&cast, "2026");
    for (size_t i = 0; i < 6; i++)
        member(ids[i], 1, 0, slice_is(slice_of(ids[i]), "E") ? 9 : 5);
    cast_write(&cast, "all");
    assert_field("all-without-top3:2026", "without", "E,A,AA");
    assert_field("all-without-top3:2026", "members", "3");
    assert_field("all-without-top3:2026", "share.votes", "0.4412"); /* 15 of 34 */
}

static void nobody_without_votes_is_left_out(void **state)
{
    (void)state;
    cast_period(&cast, "2026");
    member("A", 1, 1, 0);
    member("B", 3, 1, 0);
    cast_write(&cast, "all");
    assert_field("all-without-top3:2026", "without", NULL);
    assert_field("all-without-top3:2026", "members", "2");
    assert_field("all-without-top3:2026", "voting.num", "2");
}

static void a_real_group_of_that_name_is_not_overwritten(void **state)
{
    (void)state;
    assert_int_equal(cast_notice(&cast, "A", "0001-01-01", 0, "x", 1), 0);
    assert_int_equal(cast_notice(&cast, "B", "0001-01-01", 0, "x,x-without-top3", 1), 0);
    assert_int_equal(cast_notice(&cast, "C", "0001-01-01", 0, "x-without-top3", 1), 0);
    cast_period(&cast, "2026");
    member("A", 1, 0, 0);
    member("B", 1, 0, 0);
    member("C", 1, 0, 7);
    cast_write(&cast, "x");
    assert_field("x-without-top3:2026", "technical.votes", "7");
    assert_field("x-without-top3-without-top3:2026", "without", "C");
    people_clear(&cast.people);
    assert_int_equal(cast_notice(&cast, "A", "0001-01-01", 0, "x", 2), 0);
    cast_period(&cast, "2026");
    member("A", 1, 0, 0);
    cast_write(&cast, "x x-without-top3");
    assert_field("x-without-top3:2026", "technical.votes", NULL);
    assert_field("x-without-top3:2026", "members", "1"); /* x, of which nobody was left out */
    assert_false(has_group("x-without-top3-without-top3:2026"));
}

static void a_token_may_name_a_group_that_is_there_anyway(void **state)
{
    (void)state;
    assert_int_equal(cast_notice(&cast, "A", "0001-01-01", 0, "all,developing,other", 1), 0);
    assert_int_equal(cast_notice(&cast, "B", "0001-01-01", 1, "developing", 1), 0);
    cast_period(&cast, "2026");
    member("A", 1, 0, 3);
    member("B", 1, 0, 4);
    cast_write(&cast, "all");
    assert_field("all:2026", "members", "2");
    assert_field("developing:2026", "members", "2");
    assert_field("developing:2026", "technical.votes", "7");
    assert_field("other:2026", "members", "1");
}

static void a_month_has_no_effective_seats(void **state)
{
    (void)state;
    assert_int_equal(cast_tenure(&cast, "KE", "P|2026-03-31", 2), 0);
    assert_int_equal(cast_tenure(&cast, "KE", "P|2026-04-01", 1), 0);
    assert_int_equal(cast_notice(&cast, "KE", "0001-01-01", 1, "-", 1), 0);
    assert_int_equal(cast_notice(&cast, "KE", "2026-03-31", 0, "new", 1), 0);
    cast_period(&cast, "2026-03");
    member("KE", 1, 0, 1);
    member("DE", 0, 0, 0);
    cast_write(&cast, "all");
    assert_field("all:2026-03", "seats.P", "2");
    assert_field("all:2026-03", "effective.den", NULL);
    assert_field("all:2026-03", "effective.num", NULL);
    assert_field("all:2026-03", "seats.dormant", NULL);
    assert_field("all:2026-03", "share.seats.den", "2");
    assert_field("new:2026-03", "members", "1");
    assert_false(has_group("developing:2026-03"));
}

static void what_was_there_before_is_gone(void **state)
{
    (void)state;
    five_members();
    cast_count(&cast, "adoptions", 3);
    cast_write(&cast, "all");
    assert_field("all:2026", "adoptions", "3");
    assert_true(has_group("africa-without-top3:2026"));
    people_clear(&cast.people);
    assert_int_equal(cast_notice(&cast, "TZ", "0001-01-01", 0, "-", 1), 0);
    cast_period(&cast, "2026");
    member("TZ", 4, 4, 0);
    cast_write(&cast, "all africa developing ldc other west");
    assert_field("all:2026", "adoptions", NULL);
    assert_field("all:2026", "members", "1");
    assert_true(has_group("other:2026"));
    assert_false(has_group("africa:2026"));
    assert_false(has_group("africa-without-top3:2026"));
    assert_false(has_group("developing:2026"));
    assert_field("all-without-top3:2026", "members", "1");
    member("KE", 0, 0, 2);
    cast_period(&cast, "2026");
    member("TZ", 0, 0, 0);
    cast_count(&cast, "technical.votes", 0);
    cast_write(&cast, "all africa developing ldc other west");
    assert_int_equal(dump_keys(cast.dump), 0);
}

/* Periods of one commit stand until it is made, whatever becomes of the groups. */
static void several_periods_go_into_one_commit(void **state)
{
    struct slice known = slice_of("all");
    char month[24];

    (void)state;
    assert_int_equal(cast_notice(&cast, "KE", "0001-01-01", 1, "africa", 1), 0);
    for (int i = 1; i <= 12; i++) {
        snprintf(month, sizeof month, "2026-%02d", i);
        cast_period(&cast, month);
        member("KE", 1, 0, i);
        cast_count(&cast, i % 2 ? "adoptions.theme.odd" : "adoptions.theme.even", i);
        groups_write(cast.groups, &known, 1, &cast.commit);
    }
    groups_free(cast.groups);
    people_clear(&cast.people);
    cast.groups = groups_new();
    cast_commit(&cast);
    assert_field("africa:2026-11", "technical.votes", "11");
    assert_field("africa:2026-11", "adoptions.theme.odd", "11");
    assert_field("africa:2026-12", "adoptions.theme.even", "12");
    assert_field("africa:2026-12", "list", CAST_LIST);
}

static void operations_of_a_key_stand_together(void **state)
{
    struct slice known[] = {slice_of("all"), slice_of("gone")};
    size_t keys = 0;

    (void)state;
    five_members();
    groups_write(cast.groups, known, 2, &cast.commit);
    for (size_t i = 0; i < cast.commit.count; i += commit_run(&cast.commit, i), keys++)
        for (size_t j = 0; j < i; j++)
            assert_false(cast.commit.ops[j].verb == cast.commit.ops[i].verb &&
                         slice_equal(cast.commit.ops[j].key, cast.commit.ops[i].key));
    /* six groups and six without their three largest, of which three have somebody left; and
     * both names of the one that is gone */
    assert_int_equal(keys, 12 + 6 + 3 + 2);
    cast_commit(&cast);
}

static void counters_that_cancel_out_are_absent_and_hostile_ones_wrap(void **state)
{
    (void)state;
    cast_period(&cast, "2026");
    member("A", INT64_MAX, INT64_MIN, INT64_MAX);
    cast_count(&cast, "adoptions", 5);
    groups_effect(cast.groups, INT64_MAX, INT64_MAX, INT64_MIN);
    member("B", INT64_MAX, 0, INT64_MAX);
    cast_count(&cast, "adoptions", -5);
    cast_count(&cast, "technical.meetings.due", INT64_MIN);
    groups_effect(cast.groups, INT64_MAX, INT64_MAX, INT64_MIN);
    cast_write(&cast, "all");
    assert_field("all:2026", "adoptions", NULL);
    assert_field("all:2026", "technical.votes", "-2");
    assert_field("all:2026", "members", "2");
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, cast_open, cast_close)
    const struct CMUnitTest tests[] = {
        test(a_period_ends_on_its_last_day),
        test(a_name_is_told_from_its_period_and_its_ending),
        test(figures_of_a_year_are_those_worked_out_by_hand),
        test(without_its_three_largest_a_group_is_what_remains),
        test(of_equal_voters_the_smaller_names_are_left_out_first),
        test(nobody_without_votes_is_left_out),
        test(a_real_group_of_that_name_is_not_overwritten),
        test(a_token_may_name_a_group_that_is_there_anyway),
        test(a_month_has_no_effective_seats),
        test(what_was_there_before_is_gone),
        test(several_periods_go_into_one_commit),
        test(operations_of_a_key_stand_together),
        test(counters_that_cancel_out_are_absent_and_hostile_ones_wrap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
