/* Seats at risk and effective seats: every threshold from both sides. */
#include "tests/random.h"
#include "workers/risk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define DEFAULT RULES_DEFAULT

static void add(struct duties *d, const char *field, int64_t value)
{
    duties_add(d, slice_of(field), value);
}

static enum risk_score score(const struct rules *r, const struct risk_seat *s,
                             enum risk_reason reason)
{
    enum risk_score scores[RISKS];

    risk_scores(r, s, scores);
    return scores[reason];
}

/* ---- duties ---- */
static void duties_are_both_levels_added_up(void **state)
{
    static const char *const names[] = {
        "ballots.due",       "ballots.abstained",  "ballots.excused",    "ballots.missed",
        "ballots.due.CIB",   "ballots.missed.CIB", "ballots.missed.DIS", "ballots.missed.FDIS",
        "ballots.missed.SR", "meetings.due",       "meetings.missed",    "meetings.excused",
    };
    struct duties d = {0};
    char field[64];

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(field, sizeof field, "technical.%s", names[i]);
        add(&d, field, (int64_t)i + 1);
        snprintf(field, sizeof field, "governance.%s", names[i]);
        add(&d, field, 100);
    }
    add(&d, "ballots.commented", 7);
    const struct duties expected = {.ballots_due = 101,
                                    .abstained = 102,
                                    .excused = 103,
                                    .missed = 104,
                                    .due_cib = 105,
                                    .missed_cib = 106,
                                    .missed_dis = 107,
                                    .missed_fdis = 108,
                                    .missed_sr = 109,
                                    .meetings_due = 110,
                                    .meetings_missed = 111,
                                    .meetings_excused = 112,
                                    .commented = 7};
    assert_memory_equal(&d, &expected, sizeof d);
}

static void what_is_no_duty_is_passed_over(void **state)
{
    static const char *const names[] = {
        "technical.ballots.voluntary",
        "technical.meetings.correspondence",
        "technical.ballots.due.DIS",
        "technical.ballots.missed.NP",
        "ballots.due",
        "technical.ballots.commented",
        "local.ballots.due",
        "technical.ballots.due.CIBX",
        "technical.ballots.du",
        "technical.",
        "technical",
        "",
    };
    struct duties d = {0}, none = {0};

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        add(&d, names[i], 3);
    assert_memory_equal(&d, &none, sizeof d);
    assert_false(duties_any(&d));
    add(&d, "governance.meetings.due", 1);
    assert_true(duties_any(&d));
}

/* ---- effective ---- */
static bool effective(struct duties d)
{
    assert_true(duties_any(&d));
    return duties_effective(&d);
}

static void a_seat_is_effective_with_one_answer_and_nothing_missed(void **state)
{
    (void)state;
    assert_true(effective((struct duties){.ballots_due = 1}));
    assert_true(effective((struct duties){.ballots_due = 9, .missed = 8})); /* none of them DIS */
    assert_false(effective((struct duties){.ballots_due = 9, .missed = 9}));
    assert_false(effective((struct duties){.ballots_due = 9, .missed = 1, .missed_dis = 1}));
    assert_false(effective((struct duties){.ballots_due = 9, .missed = 1, .missed_fdis = 1}));
    assert_false(effective((struct duties){.ballots_due = 9, .missed = 1, .missed_sr = 1}));
}

static void a_seat_that_only_abstains_is_effective_by_a_comment(void **state)
{
    struct duties d = {.ballots_due = 4, .abstained = 3, .excused = 1};

    (void)state;
    assert_false(effective(d));
    d.commented = 1;
    assert_true(effective(d));
    d.commented = 0;
    d.excused = 0;
    assert_true(effective(d));
}

static void a_fifth_of_the_internal_ballots_may_be_missed(void **state)
{
    struct duties d = {.ballots_due = 20, .due_cib = 10, .missed_cib = 2, .missed = 2};

    (void)state;
    assert_true(effective(d));
    d.missed_cib = d.missed = 3;
    assert_false(effective(d));
    d.due_cib = 15;
    assert_true(effective(d));
    assert_false(effective((struct duties){
        .ballots_due = 5, .due_cib = 4, .missed_cib = 1, .missed = 1, .commented = 1}));
}

static void a_seat_that_stays_away_from_all_meetings_is_not_effective(void **state)
{
    struct duties d = {.ballots_due = 1, .meetings_due = 3, .meetings_missed = 3};

    (void)state;
    assert_false(effective(d));
    d.meetings_missed = 2;
    assert_true(effective(d));
    d.meetings_excused = 1; /* excused is not there either */
    assert_false(effective(d));
    assert_false(effective((struct duties){.meetings_due = 1})); /* came, and said nothing */
}

/* ---- missed-ballot ---- */
static void one_missed_document_is_red_and_an_open_one_amber(void **state)
{
    struct risk_seat s = {.open_ballot = false};
    struct rules r = DEFAULT;

    (void)state;
    assert_int_equal(score(&r, &s, RISK_MISSED_BALLOT), RISK_NONE);
    s.open_ballot = true;
    assert_int_equal(score(&r, &s, RISK_MISSED_BALLOT), RISK_AMBER);
    s.year.missed_sr = 1;
    assert_int_equal(score(&r, &s, RISK_MISSED_BALLOT), RISK_RED);
    r.missed_dis = 3;
    assert_int_equal(score(&r, &s, RISK_MISSED_BALLOT), RISK_AMBER);
    s.year.missed_dis = s.year.missed_fdis = 1;
    assert_int_equal(score(&r, &s, RISK_MISSED_BALLOT), RISK_RED);
    s.open_ballot = false;
    r.missed_dis = 4;
    assert_int_equal(score(&r, &s, RISK_MISSED_BALLOT), RISK_NONE);
}

static void documents_that_put_a_seat_at_risk_are_three(void **state)
{
    static const char *const others[] = {"", "CIB", "CDV", "DI", "DISX", "dis", "NP", "WDRL"};

    (void)state;
    assert_true(risk_kind(slice_of("DIS")));
    assert_true(risk_kind(slice_of("FDIS")));
    assert_true(risk_kind(slice_of("SR")));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(risk_kind(slice_of(others[i])));
    assert_string_equal(risk_name[RISK_MISSED_BALLOT], "missed-ballot");
    assert_string_equal(risk_name[RISK_MISSED_SHARE], "missed-share");
    assert_string_equal(risk_name[RISK_MISSED_MEETINGS], "missed-meetings");
}

/* ---- missed-share ---- */
static void internal_ballots_are_judged_by_number_and_by_share(void **state)
{
    static const struct {
        int64_t missed, due, expected;
    } cases[] = {
        {0, 0, RISK_NONE},     {0, 4, RISK_NONE},  /* one more is only one */
        {1, 1, RISK_AMBER},    {1, 8, RISK_AMBER}, /* 2 of 9 are 22 % */
        {1, 9, RISK_NONE},     /* 2 of 10 are 20 % */ {2, 9, RISK_RED},
        {2, 10, RISK_AMBER},   {2, 13, RISK_AMBER}, /* 3 of 14 are 21 % */
        {2, 14, RISK_NONE},    {20, 99, RISK_RED},
        {20, 100, RISK_AMBER}, {20, 104, RISK_NONE},
        {20, 103, RISK_AMBER}, /* 21 of 104: 20.2 % */
    };
    struct rules r = DEFAULT;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct risk_seat s = {.year = {.missed_cib = cases[i].missed, .due_cib = cases[i].due}};
        assert_int_equal(score(&r, &s, RISK_MISSED_SHARE), cases[i].expected);
    }
    r.cib_min = 1;
    r.cib_percent = 50;
    struct risk_seat s = {.year = {.missed_cib = 1, .due_cib = 2}};
    assert_int_equal(score(&r, &s, RISK_MISSED_SHARE), RISK_AMBER); /* 2 of 3 */
    s.year.due_cib = 1;
    assert_int_equal(score(&r, &s, RISK_MISSED_SHARE), RISK_RED);
    s.year.missed_cib = s.year.due_cib = INT64_MAX;
    assert_int_equal(score(&r, &s, RISK_MISSED_SHARE), RISK_RED);
}

/* ---- missed-meetings ---- */
/* The meetings as letters, latest first: m for missed. */
static enum risk_score meetings(int64_t run, const char *were)
{
    bool missed[8];
    struct rules r = DEFAULT;
    struct risk_seat s = {.missed = missed, .meetings = strlen(were)};

    for (size_t i = 0; i < s.meetings; i++)
        missed[i] = were[i] == 'm';
    r.meetings_run = run;
    return score(&r, &s, RISK_MISSED_MEETINGS);
}

static void meetings_missed_in_a_row_are_red(void **state)
{
    (void)state;
    assert_int_equal(meetings(2, ""), RISK_NONE);
    assert_int_equal(meetings(2, "c"), RISK_NONE);
    assert_int_equal(meetings(2, "m"), RISK_AMBER);
    assert_int_equal(meetings(2, "mc"), RISK_AMBER);
    assert_int_equal(meetings(2, "mm"), RISK_RED);
    assert_int_equal(meetings(2, "cm"), RISK_NONE);
    assert_int_equal(meetings(2, "cmm"), RISK_NONE);
    assert_int_equal(meetings(2, "mmc"), RISK_RED);
    assert_int_equal(meetings(3, "mm"), RISK_AMBER);
    assert_int_equal(meetings(3, "mmcm"), RISK_AMBER);
    assert_int_equal(meetings(3, "mmm"), RISK_RED);
    assert_int_equal(meetings(1, "m"), RISK_RED);
    assert_int_equal(meetings(1, "cm"), RISK_NONE);
    assert_int_equal(meetings(1, ""), RISK_NONE);
}

/* ---- all of them ---- */
/* Whatever is missed on top never makes a seat look better. */
static void missing_more_is_never_less_of_a_risk(void **state)
{
    struct random r = random_new(random_seed("missing more"));

    (void)state;
    for (int i = 0; i < 20000; i++) {
        struct rules rules = {(int64_t)random_below(&r, 4), (int64_t)random_below(&r, 101),
                              (int64_t)random_below(&r, 5), 1 + (int64_t)random_below(&r, 8), 14};
        bool missed[8], more[8];
        struct risk_seat s = {.open_ballot = random_percent(&r, 30),
                              .missed = missed,
                              .meetings = random_below(&r, 9)};
        enum risk_score before[RISKS], after[RISKS];
        s.year.due_cib = (int64_t)random_below(&r, 40);
        s.year.missed_cib = (int64_t)random_below(&r, (uint64_t)s.year.due_cib + 1);
        for (size_t m = 0; m < s.meetings; m++)
            more[m] = (missed[m] = random_percent(&r, 50)) || random_percent(&r, 50);
        risk_scores(&rules, &s, before);
        s.missed = more;
        s.open_ballot |= random_percent(&r, 50);
        s.year.missed_fdis = (int64_t)random_below(&r, 3);
        s.year.missed_cib++;
        s.year.due_cib++;
        risk_scores(&rules, &s, after);
        for (int reason = 0; reason < RISKS; reason++)
            assert_true(after[reason] >= before[reason]);
        if (before[RISK_MISSED_SHARE] == RISK_AMBER) /* as it said: one more is too many */
            assert_int_equal(after[RISK_MISSED_SHARE], RISK_RED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(duties_are_both_levels_added_up),
        cmocka_unit_test(what_is_no_duty_is_passed_over),
        cmocka_unit_test(a_seat_is_effective_with_one_answer_and_nothing_missed),
        cmocka_unit_test(a_seat_that_only_abstains_is_effective_by_a_comment),
        cmocka_unit_test(a_fifth_of_the_internal_ballots_may_be_missed),
        cmocka_unit_test(a_seat_that_stays_away_from_all_meetings_is_not_effective),
        cmocka_unit_test(one_missed_document_is_red_and_an_open_one_amber),
        cmocka_unit_test(documents_that_put_a_seat_at_risk_are_three),
        cmocka_unit_test(internal_ballots_are_judged_by_number_and_by_share),
        cmocka_unit_test(meetings_missed_in_a_row_are_red),
        cmocka_unit_test(missing_more_is_never_less_of_a_risk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
