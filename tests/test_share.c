/* The rules of ballots and meetings, one by one, on the pure functions that hold them. */
#include "workers/share.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define CLOSES 20500 /* days */

static const struct version held = {.known = true, .time_ms = CLOSES * DAY_MS};

static struct ballot_fact ballot(enum stage stage, bool mandatory)
{
    return (struct ballot_fact){.version = held,
                                .stage = (uint8_t)stage,
                                .level = LEVEL_GOVERNANCE,
                                .mandatory = mandatory,
                                .closes = CLOSES,
                                .kind = slice_of("DIS")};
}

static struct vote_fact vote(enum position position, enum role seat)
{
    return (struct vote_fact){.version = held,
                              .position = (uint8_t)position,
                              .seat = (uint8_t)seat,
                              .level = LEVEL_TECHNICAL};
}

static const struct ballot_fact no_notice;
static const struct vote_fact no_vote;

static void a_vote_without_a_notice_counts_at_its_own_day_and_level(void **state)
{
    struct vote_fact v = vote(POSITION_APPROVE, ROLE_ABSENT);
    struct ballot_share s;

    (void)state;
    v.version.time_ms = 3 * DAY_MS + 5;
    s = ballot_share(&no_notice, &v, ROLE_P);
    assert_int_equal(s.day, 3);
    assert_int_equal(s.level, LEVEL_TECHNICAL);
    assert_int_equal(s.position, POSITION_APPROVE);
    assert_false(s.by_p); /* without a notice no seat notice bears on it */
    assert_false(s.late || s.due || s.voluntary);
    v.seat = ROLE_P;
    assert_true(ballot_share(&no_notice, &v, ROLE_NONE).by_p);
}

static void the_notice_decides_day_and_level(void **state)
{
    struct ballot_fact b = ballot(STAGE_OPEN, true);
    struct vote_fact v = vote(POSITION_ABSTAIN, ROLE_ABSENT);
    struct ballot_share s = ballot_share(&b, &v, ROLE_P);

    (void)state;
    assert_int_equal(s.day, CLOSES);
    assert_int_equal(s.level, LEVEL_GOVERNANCE);
    assert_true(s.by_p);
    assert_false(s.due || s.abstained); /* an open ballot has no duties yet */
}

static void a_retracted_or_unknown_notice_is_no_notice(void **state)
{
    struct ballot_fact b = ballot(STAGE_CLOSED, true);
    struct vote_fact v = vote(POSITION_APPROVE, ROLE_ABSENT);

    (void)state;
    b.version.retracted = true;
    assert_int_equal(ballot_share(&b, &v, ROLE_P).level, LEVEL_TECHNICAL);
    assert_false(ballot_share(&b, &v, ROLE_P).due);
}

static void nothing_of_a_cancelled_ballot_counts(void **state)
{
    struct ballot_fact b = ballot(STAGE_CANCELLED, true);
    struct vote_fact v = vote(POSITION_APPROVE, ROLE_P);
    struct ballot_share s = ballot_share(&b, &v, ROLE_P);

    (void)state;
    assert_int_equal(s.position, POSITION_ABSENT);
    assert_false(s.by_p || s.due || s.missed || s.voluntary);
    assert_false(ballot_has_verdict(&b));
}

static void a_vote_is_late_on_a_later_day_than_closing_only(void **state)
{
    struct ballot_fact b = ballot(STAGE_CLOSED, true);
    struct vote_fact v = vote(POSITION_APPROVE, ROLE_P);

    (void)state;
    v.version.time_ms = (CLOSES + 1) * DAY_MS - 1;
    assert_false(ballot_share(&b, &v, ROLE_P).late);
    v.version.time_ms++;
    assert_true(ballot_share(&b, &v, ROLE_P).late);
}

struct duty_case {
    enum position position; /* POSITION_ABSENT: no vote at all */
    enum role seat, role;
    bool mandatory, excused, retracted;
    const char *expected; /* d due, a abstained, e excused, m missed, v voluntary */
};

static const struct duty_case duty_cases[] = {
    {POSITION_APPROVE, ROLE_ABSENT, ROLE_P, true, false, false, "d"},
    {POSITION_ABSTAIN, ROLE_ABSENT, ROLE_P, true, false, false, "da"},
    {POSITION_NONE, ROLE_ABSENT, ROLE_P, true, false, false, "dm"},
    {POSITION_NONE, ROLE_ABSENT, ROLE_P, true, true, false, "de"},
    {POSITION_NONE, ROLE_P, ROLE_NONE, true, true, false, "de"},
    {POSITION_NONE, ROLE_O, ROLE_P, true, false, false, ""},
    {POSITION_ABSENT, ROLE_ABSENT, ROLE_P, true, false, false, "dm"},
    {POSITION_ABSENT, ROLE_ABSENT, ROLE_O, true, false, false, ""},
    {POSITION_ABSENT, ROLE_ABSENT, ROLE_NONE, true, false, false, ""},
    {POSITION_APPROVE, ROLE_ABSENT, ROLE_O, true, false, false, "v"},
    {POSITION_APPROVE, ROLE_NONE, ROLE_P, true, false, false, "v"},
    {POSITION_APPROVE, ROLE_P, ROLE_O, true, false, false, "d"},
    {POSITION_APPROVE, ROLE_ABSENT, ROLE_P, false, false, false, "v"},
    {POSITION_ABSENT, ROLE_ABSENT, ROLE_P, false, false, false, ""},
    {POSITION_APPROVE, ROLE_ABSENT, ROLE_P, true, false, true, "dm"},
    {POSITION_NONE, ROLE_O, ROLE_P, true, true, true, "dm"},
};

static void duties_of_a_closed_ballot_follow_the_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof duty_cases / sizeof *duty_cases; i++) {
        const struct duty_case *c = &duty_cases[i];
        struct ballot_fact b = ballot(STAGE_CLOSED, c->mandatory);
        struct vote_fact v = vote(c->position, c->seat);
        char got[8] = "";
        v.excused = c->excused;
        v.version.retracted = c->retracted;
        struct ballot_share s = ballot_share(&b, c->position ? &v : &no_vote, c->role);
        snprintf(got, sizeof got, "%s%s%s%s%s", s.due ? "d" : "", s.abstained ? "a" : "",
                 s.excused ? "e" : "", s.missed ? "m" : "", s.voluntary ? "v" : "");
        if (strcmp(got, c->expected) != 0)
            fail_msg("case %zu: expected \"%s\", got \"%s\"", i, c->expected, got);
    }
}

static void comments_and_offers_count_with_a_vote_only(void **state)
{
    struct ballot_fact b = ballot(STAGE_OPEN, true);
    struct vote_fact v = vote(POSITION_APPROVE, ROLE_P);

    (void)state;
    v.comments = 1;
    v.participate = true;
    assert_true(ballot_share(&b, &v, ROLE_P).commented);
    assert_true(ballot_share(&b, &v, ROLE_P).participate);
    v.position = POSITION_NONE;
    assert_false(ballot_share(&b, &v, ROLE_P).commented);
    assert_false(ballot_share(&b, &v, ROLE_P).participate);
}

static void verdicts_are_for_draft_standards_and_by_integers(void **state)
{
    static const char *const kinds[] = {"DIS", "FDIS", "CDV", "NP", "CIB", "SR"};

    (void)state;
    for (int i = 0; i < 6; i++) {
        struct ballot_fact b = ballot(STAGE_OPEN, true);
        b.kind = slice_of(kinds[i]);
        assert_int_equal(ballot_has_verdict(&b), i < 3);
    }
    assert_false(ballot_has_verdict(&no_notice));
    assert_false(ballot_passes(17, 15, 51, 18)); /* DIS 29500, 2 September 2007 */
    assert_true(ballot_passes(13, 1, 16, 1));    /* IEC 89/1491(F)/CDV */
    assert_true(ballot_passes(2, 1, 3, 1));      /* exactly two thirds, exactly a quarter */
    assert_false(ballot_passes(199, 100, 300, 100));
    assert_false(ballot_passes(2, 1, 299, 100));
    assert_false(ballot_passes(0, 1, 0, 1));
}

static struct meeting_fact meeting(enum planning planning, bool mandatory)
{
    return (struct meeting_fact){.version = held,
                                 .planning = (uint8_t)planning,
                                 .level = LEVEL_GOVERNANCE,
                                 .mandatory = mandatory,
                                 .starts = CLOSES};
}

static const struct meeting_fact no_meeting;

static void only_attended_participants_are_delegates(void **state)
{
    struct attendance_fact a = {.version = held, .level = LEVEL_TECHNICAL, .date = 7};
    struct meeting_fact m = meeting(PLANNING_PLANNED, true);

    (void)state;
    for (int p = PRESENCE_REGISTERED; p < PRESENCES; p++) {
        a.presence = (uint8_t)p;
        assert_int_equal(delegate_share(&m, &a).counts, p == PRESENCE_ATTENDED);
    }
    a.presence = PRESENCE_ATTENDED;
    a.mode = MODE_VIRTUAL;
    a.part = PART_HEAD;
    assert_true(delegate_share(&m, &a).is_virtual && delegate_share(&m, &a).head);
    assert_int_equal(delegate_share(&m, &a).day, CLOSES);
    assert_int_equal(delegate_share(&no_meeting, &a).day, 7);
    assert_int_equal(delegate_share(&no_meeting, &a).level, LEVEL_TECHNICAL);
    m.planning = PLANNING_CANCELLED;
    assert_false(delegate_share(&m, &a).counts);
    a.version.retracted = true;
    assert_false(delegate_share(&no_meeting, &a).counts);
}

static void duties_at_meetings_follow_the_order_attended_corresponded_excused_missed(void **state)
{
    struct meeting_fact m = meeting(PLANNING_HELD, true);
    uint32_t present[PRESENCES] = {0};
    struct presence_share s;

    (void)state;
    s = presence_share(&m, present, DATE_NONE, 0, ROLE_P);
    assert_true(s.due && s.missed && !s.attended);
    present[PRESENCE_NO_SHOW] = present[PRESENCE_REGISTERED] = 1;
    assert_true(presence_share(&m, present, DATE_NONE, 0, ROLE_P).missed);
    present[PRESENCE_EXCUSED] = 1;
    s = presence_share(&m, present, DATE_NONE, 0, ROLE_P);
    assert_true(s.excused && !s.missed && !s.correspondence);
    present[PRESENCE_CORRESPONDENCE] = 1;
    s = presence_share(&m, present, DATE_NONE, 0, ROLE_P);
    assert_true(s.correspondence && !s.excused && !s.missed);
    present[PRESENCE_ATTENDED] = 2;
    s = presence_share(&m, present, DATE_NONE, 0, ROLE_P);
    assert_true(s.due && s.attended && !s.correspondence && !s.excused && !s.missed);
    assert_false(presence_share(&m, present, DATE_NONE, 0, ROLE_O).due);
}

static void nobody_is_due_at_a_meeting_planned_voluntary_or_cancelled(void **state)
{
    struct meeting_fact planned = meeting(PLANNING_PLANNED, true);
    struct meeting_fact voluntary = meeting(PLANNING_HELD, false);
    struct meeting_fact cancelled = meeting(PLANNING_CANCELLED, true);
    uint32_t present[PRESENCES] = {[PRESENCE_ATTENDED] = 1};

    (void)state;
    assert_false(presence_share(&planned, present, DATE_NONE, 0, ROLE_P).due);
    assert_true(presence_share(&planned, present, DATE_NONE, 0, ROLE_P).attended);
    assert_false(presence_share(&voluntary, present, DATE_NONE, 0, ROLE_P).due);
    assert_false(presence_share(&cancelled, present, DATE_NONE, 0, ROLE_P).attended);
    assert_int_equal(presence_share(&no_meeting, present, 9, LEVEL_TECHNICAL, ROLE_P).day, 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_vote_without_a_notice_counts_at_its_own_day_and_level),
        cmocka_unit_test(the_notice_decides_day_and_level),
        cmocka_unit_test(a_retracted_or_unknown_notice_is_no_notice),
        cmocka_unit_test(nothing_of_a_cancelled_ballot_counts),
        cmocka_unit_test(a_vote_is_late_on_a_later_day_than_closing_only),
        cmocka_unit_test(duties_of_a_closed_ballot_follow_the_table),
        cmocka_unit_test(comments_and_offers_count_with_a_vote_only),
        cmocka_unit_test(verdicts_are_for_draft_standards_and_by_integers),
        cmocka_unit_test(only_attended_participants_are_delegates),
        cmocka_unit_test(duties_at_meetings_follow_the_order_attended_corresponded_excused_missed),
        cmocka_unit_test(nobody_is_due_at_a_meeting_planned_voluntary_or_cancelled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
