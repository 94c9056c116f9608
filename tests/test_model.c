/* The model against examples counted by hand: if the judge is wrong, so is every verdict. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>

#include "tests/model_lines.h"
#include "tests/world.h"

#define BALLOT "\"type\":\"ballot\",\"committee\":\"C\",\"ballot\":\"B\",\"kind\":\"DIS\","
#define VOTE   "\"type\":\"vote\",\"committee\":\"C\",\"ballot\":\"B\","
#define SEAT   "\"type\":\"seat\",\"committee\":\"C\","
#define PEOPLE "\"type\":\"attendance\",\"committee\":\"C\",\"meeting\":\"M\",\"member\":\"KE\","

static void a_vote_counts_at_its_ballots_closing(void **state)
{
    struct model *m = COUNTED(BALLOT "\"closes\":\"2023-12-31\",\"level\":\"governance\"",
                              VOTE "\"member\":\"KE\",\"position\":\"approve\",\"comments\":2");

    (void)state;
    assert_counted(m, "turnout:member:KE:2023", "governance.votes", "1");
    assert_counted(m, "turnout:member:KE:2023-12", "governance.votes.approve", "1");
    assert_counted(m, "turnout:member:KE:2023", "governance.votes.commented", "1");
    assert_counted(m, "turnout:committee:C:2023", "governance.votes.late", "1");
    assert_counted(m, "turnout:member:KE:2024", "technical.votes", "");
    assert_counted(m, "turnout:ballots:open", "C|B", "1703980800");
    model_free(m);
}

static void a_vote_without_a_notice_counts_at_its_own_time_and_level(void **state)
{
    struct model *m = COUNTED(VOTE "\"member\":\"KE\",\"position\":\"abstain\",\"seat\":\"P\"");

    (void)state;
    assert_counted(m, "turnout:member:KE:2024-05", "technical.votes.abstain", "1");
    assert_counted(m, "turnout:ballot:C|B", "p.abstain", "1");
    assert_counted(m, "turnout:ballot:C|B", "due", "");
    assert_counted(m, "turnout:member:KE:2024-05", "technical.votes.late", "");
    model_free(m);
}

static void the_greatest_revision_time_id_and_bytes_win_in_that_order(void **state)
{
    struct model *m =
        COUNTED(VOTE "\"member\":\"A\",\"position\":\"approve\",\"time\":1,\"id\":\"z\",\"rev\":1",
                VOTE "\"member\":\"A\",\"position\":\"abstain\",\"time\":2,\"id\":\"a\",\"rev\":1",
                VOTE "\"member\":\"A\",\"position\":\"confirm\",\"time\":9,\"id\":\"z\"",
                VOTE "\"member\":\"B\",\"position\":\"approve\",\"time\":1,\"id\":\"a\"",
                VOTE "\"member\":\"B\",\"position\":\"abstain\",\"time\":1,\"id\":\"b\"",
                VOTE "\"member\":\"D\",\"position\":\"approve\",\"time\":1,\"id\":\"a\"",
                VOTE "\"member\":\"D\",\"position\":\"revise\",\"time\":1,\"id\":\"a\"");

    (void)state;
    assert_counted(m, "turnout:member:A:1970", "technical.votes.abstain", "1");
    assert_counted(m, "turnout:member:B:1970", "technical.votes.abstain", "1");
    /* A longer text has the greater length byte: "approve" before "revise". */
    assert_counted(m, "turnout:member:D:1970", "technical.votes.approve", "1");
    assert_counted(m, "turnout:ballot:C|B", "votes", "3");
    model_free(m);
}

static void a_retracted_winner_takes_the_fact_away(void **state)
{
    struct model *m = COUNTED(VOTE "\"member\":\"KE\",\"position\":\"approve\"",
                              VOTE "\"member\":\"KE\",\"retracted\":true");

    (void)state;
    assert_false(dump_has(model_count(m), "turnout:ballot:C|B"));
    assert_false(dump_has(model_count(m), "turnout:members"));
    model_free(m);
}

static void duties_follow_the_seat_on_the_closing_day(void **state)
{
    struct model *m = COUNTED(BALLOT "\"closes\":\"2024-03-01\",\"status\":\"closed\"",
                              SEAT "\"member\":\"KE\",\"from\":\"2020-01-01\",\"role\":\"P\"",
                              SEAT "\"member\":\"FR\",\"from\":\"2020-01-01\",\"role\":\"P\"",
                              SEAT "\"member\":\"FR\",\"from\":\"2024-03-01\",\"role\":\"O\"",
                              SEAT "\"member\":\"DE\",\"from\":\"2024-03-02\",\"role\":\"P\"",
                              SEAT "\"member\":\"BR\",\"from\":\"2024-03-01\",\"role\":\"P\"",
                              VOTE "\"member\":\"FR\",\"position\":\"approve\"",
                              VOTE "\"member\":\"US\",\"position\":\"none\",\"seat\":\"P\"",
                              VOTE "\"member\":\"BR\",\"position\":\"none\",\"excused\":true");

    (void)state;
    assert_counted(m, "turnout:ballot:C|B", "due", "3");
    assert_counted(m, "turnout:ballot:C|B", "missed", "2");
    assert_counted(m, "turnout:ballot:C|B", "excused", "1");
    assert_counted(m, "turnout:seat:C|KE:2024", "technical.ballots.missed.DIS", "1");
    assert_counted(m, "turnout:member:FR:2024", "technical.ballots.voluntary", "1");
    assert_counted(m, "turnout:committee:C:2024", "technical.ballots.due", "3");
    assert_counted(m, "turnout:member:DE:2024", "technical.ballots.due", "");
    model_free(m);
}

static void a_cancelled_ballot_keeps_its_notice_and_counts_nothing(void **state)
{
    struct model *m = COUNTED(BALLOT "\"closes\":\"2024-03-01\",\"status\":\"cancelled\"",
                              VOTE "\"member\":\"FR\",\"position\":\"approve\",\"seat\":\"P\"");

    (void)state;
    assert_counted(m, "turnout:ballot:C|B", "status", "cancelled");
    assert_counted(m, "turnout:ballot:C|B", "mandatory", "1");
    assert_counted(m, "turnout:ballot:C|B", "votes", "");
    assert_counted(m, "turnout:ballot:C|B", "verdict", "");
    assert_false(dump_has(model_count(m), "turnout:member:FR:2024"));
    assert_true(dump_has(model_count(m), "turnout:members"));
    model_free(m);
}

static void a_verdict_needs_two_thirds_of_p_and_at_most_a_quarter_against(void **state)
{
    const char *votes[5] = {BALLOT "\"closes\":\"2024-03-01\"",
                            VOTE "\"member\":\"A\",\"position\":\"approve\",\"seat\":\"P\"",
                            VOTE "\"member\":\"B\",\"position\":\"approve\",\"seat\":\"P\"",
                            VOTE "\"member\":\"D\",\"position\":\"disapprove\",\"seat\":\"P\"",
                            VOTE "\"member\":\"E\",\"position\":\"approve\",\"seat\":\"O\""};
    struct model *pass = model_of_lines(votes, 5), *fail = model_of_lines(votes, 4),
                 *none = model_of_lines(votes, 1);

    (void)state;
    assert_counted(pass, "turnout:ballot:C|B", "verdict", "pass"); /* 2 of 3; 1 of 4 */
    assert_counted(fail, "turnout:ballot:C|B", "verdict", "fail"); /* 2 of 3; 1 of 3 */
    assert_counted(none, "turnout:ballot:C|B", "verdict", "");
    model_free(pass);
    model_free(fail);
    model_free(none);
}

static void a_delegation_counts_once_and_each_delegate_too(void **state)
{
    struct model *m =
        COUNTED(PEOPLE "\"participant\":\"1\",\"date\":\"2024-02-01\",\"status\":\"attended\"",
                PEOPLE "\"participant\":\"2\",\"date\":\"2024-01-31\",\"status\":\"attended\","
                       "\"mode\":\"virtual\",\"role\":\"head\"",
                PEOPLE "\"participant\":\"3\",\"date\":\"2023-01-01\",\"status\":\"no-show\"");

    (void)state;
    assert_counted(m, "turnout:meeting:C|M", "delegates", "2");
    assert_counted(m, "turnout:meeting:C|M", "members", "1");
    assert_counted(m, "turnout:member:KE:2024-01", "technical.meetings.attended", "1");
    assert_counted(m, "turnout:member:KE:2024-02", "technical.meetings.attended", "");
    assert_counted(m, "turnout:member:KE:2024", "technical.delegates.virtual", "1");
    assert_counted(m, "turnout:member:KE:2024", "technical.delegates.head", "1");
    assert_false(dump_has(model_count(m), "turnout:member:KE:2023"));
    model_free(m);
}

static void a_held_meeting_is_missed_unless_somebody_came_wrote_or_was_excused(void **state)
{
    struct model *m = COUNTED(
        "\"type\":\"meeting\",\"committee\":\"C\",\"meeting\":\"M\",\"starts\":\"2024-02-01\","
        "\"status\":\"held\"",
        SEAT "\"member\":\"KE\",\"from\":\"2020-01-01\",\"role\":\"P\"",
        SEAT "\"member\":\"FR\",\"from\":\"2020-01-01\",\"role\":\"P\"",
        PEOPLE "\"participant\":\"1\",\"date\":\"2024-02-01\",\"status\":\"excused\"",
        PEOPLE "\"participant\":\"2\",\"date\":\"2024-02-01\",\"status\":\"correspondence\"");

    (void)state;
    assert_counted(m, "turnout:meeting:C|M", "due", "2");
    assert_counted(m, "turnout:meeting:C|M", "missed", "1");
    assert_counted(m, "turnout:seat:C|FR:2024", "technical.meetings.missed", "1");
    assert_counted(m, "turnout:seat:C|KE:2024", "technical.meetings.correspondence", "1");
    assert_counted(m, "turnout:seat:C|KE:2024", "technical.meetings.excused", "");
    model_free(m);
}

static void an_adoption_counts_by_degree_theme_and_goal_and_its_end_by_its_own_date(void **state)
{
    struct model *m =
        COUNTED("\"type\":\"adoption\",\"member\":\"KE\",\"standard\":\"S\",\"reference\":\"R\","
                "\"degree\":\"MOD\",\"date\":\"2020-05-01\",\"status\":\"withdrawn\","
                "\"withdrawn\":\"2023-06-01\",\"themes\":[\"trade\",\"trade\"],\"sdgs\":[13,13]",
                "\"type\":\"adoption\",\"member\":\"KE\",\"standard\":\"T\",\"reference\":\"R\","
                "\"degree\":\"NEQ\",\"date\":\"2020-05-01\",\"themes\":[\"trade\"]");

    (void)state;
    assert_counted(m, "turnout:member:KE:2020", "adoptions", "1");
    assert_counted(m, "turnout:member:KE:2020", "adoptions.modified", "1");
    assert_counted(m, "turnout:member:KE:2020-05", "adoptions.not-equivalent", "1");
    assert_counted(m, "turnout:member:KE:2020-05", "adoptions.theme.trade", "1");
    assert_counted(m, "turnout:member:KE:2020", "adoptions.sdg.13", "1");
    assert_counted(m, "turnout:member:KE:2023-06", "adoptions.withdrawn", "1");
    model_free(m);
}

static void a_shuffled_and_repeated_world_counts_the_same(void **state)
{
    uint64_t seed = random_seed("test_model");
    struct model *one = model_new(), *two = model_new();
    struct buffer events = {0}, shuffled = {0};
    size_t compared;

    (void)state;
    world_events(seed, 3000, &events);
    world_shuffle(seed, buffer_slice(&events), 5, &shuffled);
    assert_true(shuffled.size > events.size);
    model_add_all(one, buffer_slice(&events));
    model_add_all(two, buffer_slice(&shuffled));
    assert_int_equal(dump_compare(model_count(one), model_count(two), NULL, stdout, &compared), 0);
    assert_true(compared > 1000);
    assert_int_equal(model_compare(one, model_count(two), stdout), 0);
    model_free(one);
    model_free(two);
    buffer_free(&events);
    buffer_free(&shuffled);
}

static void a_comparison_finds_what_is_wrong_missing_and_too_much(void **state)
{
    struct model *m = COUNTED(VOTE "\"member\":\"KE\",\"position\":\"approve\"");
    struct dump *found = dump_new();

    (void)state;
    dump_put(found, slice_of("turnout:ballot:C|B"), slice_of("votes"), slice_of("2"));
    dump_put(found, slice_of("turnout:ballot:C|B"), slice_of("due"), slice_of("1"));
    dump_put(found, slice_of("turnout:ballot:C|B"), slice_of("abstain"), slice_of("0"));
    dump_put(found, slice_of("turnout:ballot:C|B"), slice_of("x"), slice_of("the store's own"));
    dump_put(found, slice_of("turnout:seat:C|KE:2024"), slice_of("n"), slice_of("1"));
    dump_put(found, slice_of("turnout:periods"), slice_of("1999"), slice_of(""));
    dump_put(found, slice_of("turnout:watch"), slice_of("C|KE|missed-ballot"), slice_of("2"));
    /* In the two member hashes and the committee's two values each, approve, two periods, a member,
     * a group: 11 missing; votes wrong; due and the seat's value too much. */
    assert_int_equal(model_compare(m, found, NULL), 14);
    /* In the group "all" of two periods ten values each, and the list's version are missing; one
     * seat at risk is too much. */
    assert_int_equal(model_compare_derived(m, found, NULL), 22);
    dump_free(found);
    model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_vote_counts_at_its_ballots_closing),
        cmocka_unit_test(a_vote_without_a_notice_counts_at_its_own_time_and_level),
        cmocka_unit_test(the_greatest_revision_time_id_and_bytes_win_in_that_order),
        cmocka_unit_test(a_retracted_winner_takes_the_fact_away),
        cmocka_unit_test(duties_follow_the_seat_on_the_closing_day),
        cmocka_unit_test(a_cancelled_ballot_keeps_its_notice_and_counts_nothing),
        cmocka_unit_test(a_verdict_needs_two_thirds_of_p_and_at_most_a_quarter_against),
        cmocka_unit_test(a_delegation_counts_once_and_each_delegate_too),
        cmocka_unit_test(a_held_meeting_is_missed_unless_somebody_came_wrote_or_was_excused),
        cmocka_unit_test(an_adoption_counts_by_degree_theme_and_goal_and_its_end_by_its_own_date),
        cmocka_unit_test(a_shuffled_and_repeated_world_counts_the_same),
        cmocka_unit_test(a_comparison_finds_what_is_wrong_missing_and_too_much),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
