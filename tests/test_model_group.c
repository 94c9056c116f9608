/* The model's groups and its watch list against examples counted by hand, and the generated year
 * that feeds it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/fixtures.h"
#include "tests/model_lines.h"
#include "tests/season.h"

/* ---- groups: a member of each period, its profile, its seats ---- */
#define PROFILE(member, from, rest) "'type':'member','member':'" member "','from':'" from "'," rest
#define SEATED(member, from, role)                                                                 \
    "'type':'seat','committee':'C','member':'" member "','from':'" from "','role':'" role "'"
#define P_SEAT(member) SEATED(member, "2020-01-01", "P")
#define BALLOTED(name, kind, closes, status)                                                       \
    "'type':'ballot','committee':'C','ballot':'" name "','kind':'" kind "','closes':'" closes      \
    "','status':'" status "'"
#define CLOSED(name, kind) BALLOTED(name, kind, "2024-05-10", "closed")
#define VOTED(name, member, rest)                                                                  \
    "'type':'vote','committee':'C','ballot':'" name "','member':'" member "'," rest
#define YES(name, member) VOTED(name, member, "'position':'approve'")
/* Without a notice: a vote of that day. */
#define YES_ON(day, name, member) "'time':'" day "T12:00:00Z','id':'v'," YES(name, member)
#define HELD(name, starts, rest)                                                                   \
    "'type':'meeting','committee':'C','meeting':'" name "','status':'held','starts':'" starts      \
    "'" rest
#define STATED(name, member, status)                                                               \
    "'type':'attendance','committee':'C','meeting':'" name "','member':'" member                   \
    "','participant':'1','date':'2024-05-10','status':'" status "'"

static void assert_group(struct model *m, const char *group, const char *field,
                         const char *expected)
{
    char key[128];

    snprintf(key, sizeof key, "turnout:group:%s", group);
    assert_counted(m, key, field, expected);
}

static void assert_no_group(struct model *m, const char *group)
{
    char key[128];

    snprintf(key, sizeof key, "turnout:group:%s", group);
    assert_false(dump_has(model_count(m), key));
}

static void the_profile_of_the_last_day_decides_and_failing_that_the_earliest(void **state)
{
    struct model *m = COUNTED(PROFILE("KE", "2024-03-31", "'developing':true,'groups':['ldc']"),
                              PROFILE("KE", "2024-07-01", "'developing':false,'groups':['sids']"),
                              YES_ON("2024-02-01", "1", "KE"), YES_ON("2024-03-01", "2", "KE"),
                              YES_ON("2024-06-30", "3", "KE"), YES_ON("2024-07-01", "4", "KE"));

    (void)state;
    assert_group(m, "ldc:2024-02", "technical.votes", "1");
    assert_group(m, "developing:2024-03", "members.active", "1");
    assert_group(m, "ldc:2024-06", "technical.votes.approve", "1");
    assert_group(m, "sids:2024-07", "members", "1");
    assert_group(m, "other:2024", "technical.votes", "4");
    assert_no_group(m, "ldc:2024");
    assert_no_group(m, "sids:2024-06");
    assert_no_group(m, "all:2024-05");
    model_free(m);
}

static void a_member_counts_once_in_a_group_and_without_a_profile_in_all_only(void **state)
{
    struct model *m =
        COUNTED(PROFILE("FR", "2020-01-01", "'groups':['eu','eu','developing','all']"),
                YES("1", "FR"), YES("1", "DE"));

    (void)state;
    assert_group(m, "all:2024", "members", "2");
    assert_group(m, "other:2024", "members", "1");
    assert_group(m, "developing:2024", "technical.votes", "1");
    assert_group(m, "eu:2024", "technical.votes", "1");
    model_free(m);
}

static void everyone_is_whom_any_fact_in_force_names(void **state)
{
    struct model *m =
        COUNTED(YES("1", "A"), VOTED("1", "B", "'position':'none'"), STATED("M", "D", "no-show"),
                SEATED("E", "2024-01-01", "none"), PROFILE("F", "2030-01-01", "'groups':[]"),
                "'type':'adoption','member':'G','standard':'S','reference':'R','degree':'NEQ',"
                "'date':'2024-01-01'",
                VOTED("1", "H", "'position':'approve'"), VOTED("1", "H", "'retracted':true"),
                SEATED("I", "2024-01-01", "P"), SEATED("I", "2024-01-01", "P") ",'retracted':true");

    (void)state;
    assert_group(m, "all:2024", "members", "6");
    assert_group(m, "all:2024", "members.active", "1");
    assert_group(m, "other:2024-01", "members", "1");
    assert_group(m, "all:2024", "seats.P", "0");
    model_free(m);
}

static void seats_are_those_of_the_periods_last_day(void **state)
{
    struct model *m = COUNTED(SEATED("KE", "2024-03-31", "P"), SEATED("KE", "2024-04-01", "O"),
                              YES_ON("2024-02-01", "1", "FR"), YES_ON("2024-03-01", "2", "FR"),
                              YES_ON("2024-04-01", "3", "FR"));

    (void)state;
    assert_group(m, "all:2024-02", "share.seats.den", "0");
    assert_group(m, "all:2024-02", "share.seats", "");
    assert_group(m, "all:2024-03", "seats.P", "1");
    assert_group(m, "all:2024-03", "share.seats", "1.0000");
    assert_group(m, "all:2024-04", "seats.P", "0");
    assert_group(m, "all:2024", "seats.O", "1");
    model_free(m);
}

static void a_rate_has_both_its_numbers_and_none_without_a_denominator(void **state)
{
    struct model *m = COUNTED(
        CLOSED("1", "DIS"), CLOSED("2", "CD"), P_SEAT("KE"), P_SEAT("FR"), P_SEAT("RW"),
        YES("1", "KE"), VOTED("1", "FR", "'position':'abstain','comments':1"),
        VOTED("1", "RW", "'position':'none','excused':true"), YES("2", "FR"),
        HELD("M", "2024-05-10", ""), STATED("M", "KE", "attended"), STATED("M", "FR", "excused"),
        STATED("M", "RW", "correspondence"), PROFILE("KE", "2020-01-01", "'developing':true"));

    (void)state;
    assert_group(m, "all:2024", "voting.num", "3");
    assert_group(m, "all:2024", "voting.den", "6");
    assert_group(m, "all:2024", "substantive", "0.3333");
    assert_group(m, "all:2024-05", "commented", "0.3333");
    assert_group(m, "all:2024", "presence", "0.6667");
    assert_group(m, "all:2024", "governance.den", "0");
    assert_group(m, "all:2024", "governance", "");
    assert_group(m, "developing:2024", "share.votes", "0.3333");
    assert_group(m, "developing:2024", "share.delegates.den", "1");
    assert_group(m, "developing:2024", "share.delegates", "1.0000");
    assert_group(m, "developing:2024", "commented", "0.0000");
    model_free(m);
}

/* KE answers one of two, DE the only one it was due, RW none of two; nobody else is due. */
static void a_median_is_the_middle_one_or_the_mean_of_two(void **state)
{
    const char *lines[] = {CLOSED("1", "CD"),
                           CLOSED("2", "CD"),
                           P_SEAT("KE"),
                           YES("1", "KE"),
                           VOTED("1", "DE", "'position':'approve','seat':'P'"),
                           YES("1", "US"),
                           P_SEAT("RW")};
    struct model *even = model_of_lines(lines, 6), *odd = model_of_lines(lines, 7),
                 *none = model_of_lines(&lines[5], 1);

    (void)state;
    assert_group(even, "all:2024", "voting", "0.6667");
    assert_group(even, "all:2024", "voting.median", "0.7500");
    assert_group(odd, "all:2024-05", "voting", "0.4000");
    assert_group(odd, "all:2024-05", "voting.median", "0.5000");
    assert_group(none, "all:2024", "voting.median", "");
    assert_group(odd, "all:2024", "presence.median", "");
    model_free(even);
    model_free(odd);
    model_free(none);
}

static void the_three_with_the_most_votes_are_left_out(void **state)
{
    struct model *m =
        COUNTED(YES("1", "B"), YES("2", "B"), YES("1", "E"), YES("1", "D"), YES("1", "A"),
                P_SEAT("F"), PROFILE("A", "2020-01-01", "'groups':['x','y']"),
                PROFILE("E", "2020-01-01", "'groups':['x','x-without-top3']"),
                PROFILE("F", "2020-01-01", "'groups':['y']"));

    (void)state;
    assert_group(m, "all-without-top3:2024", "without", "B,A,D");
    assert_group(m, "all-without-top3:2024", "members", "2");
    assert_group(m, "all-without-top3:2024", "share.votes.num", "1");
    assert_group(m, "all-without-top3:2024", "share.votes", "0.2000");
    assert_group(m, "all-without-top3:2024", "technical.votes", "");
    assert_group(m, "y-without-top3:2024-05", "without", "A");
    assert_group(m, "y-without-top3:2024-05", "members.active", "0");
    /* A group of that name stands before the derived one, which would have nobody. */
    assert_group(m, "x-without-top3:2024", "technical.votes", "1");
    assert_group(m, "x-without-top3:2024", "without", "");
    assert_no_group(m, "x-without-top3-without-top3:2024");
    model_free(m);
}

/* ---- effective seats ---- */
#define NONE          "'position':'none'"
#define CIBS          CLOSED("a", "CIB"), CLOSED("b", "CIB"), CLOSED("c", "CIB"), CLOSED("d", "CIB")
#define FOUR_ANSWERED YES("a", "KE"), YES("b", "KE"), YES("c", "KE"), YES("d", "KE")

static void assert_effective(const char *why, const char *const *lines, size_t count,
                             const char *num, const char *dormant)
{
    struct model *m = model_of_lines(lines, count);

    print_message("%s\n", why);
    assert_group(m, "all:2024", "effective.num", num);
    assert_group(m, "all:2024", "effective.den", *dormant == '1' ? "0" : "1");
    assert_group(m, "all:2024", "seats.dormant", dormant);
    assert_group(m, "all:2024-05", "effective.den", "");
    model_free(m);
}

/* Beside one P-seat. */
#define EFFECTIVE(why, num, dormant, ...)                                                          \
    assert_effective(why, (const char *const[]){P_SEAT("KE"), YES("z", "KE"), __VA_ARGS__},        \
                     2 + sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *), num,         \
                     dormant)

static void a_seat_is_effective_that_does_what_its_duties_ask_for(void **state)
{
    (void)state;
    EFFECTIVE("answered", "1", "0", CLOSED("1", "DIS"), YES("1", "KE"));
    EFFECTIVE("no duty", "0", "1", BALLOTED("1", "DIS", "2024-05-10", "open"));
    EFFECTIVE("missed DIS", "0", "0", CLOSED("1", "DIS"), CLOSED("2", "CD"), YES("2", "KE"));
    EFFECTIVE("missed FDIS", "0", "0", CLOSED("1", "FDIS"), CLOSED("2", "CD"), YES("2", "KE"));
    EFFECTIVE("missed SR of governance", "0", "0", CLOSED("1", "SR") ",'level':'governance'",
              CLOSED("2", "CD"), YES("2", "KE"));
    EFFECTIVE("missed CD", "1", "0", CLOSED("1", "CD"), CLOSED("2", "CD"), YES("2", "KE"));
    EFFECTIVE("excused DIS, nothing said", "0", "0", CLOSED("1", "DIS"),
              VOTED("1", "KE", NONE ",'excused':true"));
    EFFECTIVE("one of five CIB", "1", "0", CIBS, CLOSED("1", "CIB"), FOUR_ANSWERED);
    EFFECTIVE("one of four CIB", "0", "0", CLOSED("1", "CIB"), CLOSED("a", "CIB"),
              CLOSED("b", "CIB"), CLOSED("c", "CIB"), FOUR_ANSWERED);
    EFFECTIVE("abstained", "0", "0", CLOSED("1", "DIS"), VOTED("1", "KE", "'position':'abstain'"));
    EFFECTIVE("abstained with a comment", "1", "0", CLOSED("1", "DIS"),
              VOTED("1", "KE", "'position':'abstain','comments':1"));
    EFFECTIVE("came, and said nothing", "0", "0", HELD("M", "2024-05-10", ""),
              STATED("M", "KE", "attended"));
    EFFECTIVE("voted, and did not come", "0", "0", HELD("M", "2024-05-10", ""), CLOSED("1", "CD"),
              YES("1", "KE"));
    EFFECTIVE("voted, and was excused", "0", "0", HELD("M", "2024-05-10", ""), CLOSED("1", "CD"),
              YES("1", "KE"), STATED("M", "KE", "excused"));
    EFFECTIVE("voted, and wrote", "1", "0", HELD("M", "2024-05-10", ""), CLOSED("1", "CD"),
              YES("1", "KE"), STATED("M", "KE", "correspondence"));
    EFFECTIVE("came to one of two", "1", "0", HELD("M", "2024-05-10", ""),
              HELD("N", "2024-05-11", ""), CLOSED("1", "CD"), YES("1", "KE"),
              STATED("N", "KE", "attended"));
}

static void comments_count_for_a_seat_where_it_was_due(void **state)
{
    struct model *m =
        COUNTED(CLOSED("1", "CD"), CLOSED("2", "DIS") ",'level':'governance'", CLOSED("3", "WDRL"),
                P_SEAT("KE"), VOTED("1", "KE", "'position':'abstain','comments':2"),
                VOTED("2", "KE", "'position':'approve','comments':1"),
                VOTED("3", "KE", "'position':'approve','comments':1"),
                VOTED("1", "FR", "'position':'approve','comments':1"),
                VOTED("2", "RW", "'position':'none','comments':1,'seat':'P'"));

    (void)state;
    assert_counted(m, "turnout:seat:C|KE:2024", "ballots.commented", "2");
    assert_counted(m, "turnout:seat:C|FR:2024", "ballots.commented", "");
    assert_counted(m, "turnout:seat:C|RW:2024", "ballots.commented", "");
    model_free(m);
}

static void a_seat_lost_in_the_year_counts_by_its_duties_and_is_not_dormant(void **state)
{
    struct model *m = COUNTED(CLOSED("1", "DIS"), P_SEAT("KE"), SEATED("KE", "2024-06-01", "O"),
                              YES("1", "KE"), SEATED("FR", "2024-05-11", "P"));

    (void)state;
    assert_group(m, "all:2024", "seats.P", "1");
    assert_group(m, "all:2024", "effective", "1.0000");
    assert_group(m, "all:2024", "seats.dormant", "1");
    model_free(m);
}

static void the_group_list_has_a_version(void **state)
{
    struct model *none = COUNTED(YES("1", "KE"));
    struct model *m = COUNTED(
        YES("1", "KE"), PROFILE("KE", "2024-01-01", "'developing':true,'groups':['africa','ldc']"),
        "'time':'2024-05-06T23:30:00-02:00','id':'x'," PROFILE("FR", "0001-01-01", "'groups':[]"),
        PROFILE("DE", "2024-01-01", "'groups':['eu']"),
        "'time':'2024-06-01T00:00:00Z','id':'y'," PROFILE("DE", "2024-01-01", "'retracted':true"));

    (void)state;
    assert_group(none, "all:2024", "list", "none");
    assert_counted(none, "turnout:meta", "groups", "none");
    assert_counted(m, "turnout:meta", "groups", "2024-05-07-94a548b4");
    assert_group(m, "developing-without-top3:2024-05", "list", "");
    assert_group(m, "all:2024-05", "list", "2024-05-07-94a548b4");
    model_free(none);
    model_free(m);
}

/* ---- the watch list; today is 2024-06-15 ---- */
static void assert_watch(const char *reason, const char *expected, const struct rules *rules,
                         const char *const *lines, size_t count)
{
    struct model *m = model_of_lines(lines, count);
    char seat[64], risk[64];
    date_days today;

    assert_true(date_parse(slice_of("2024-06-15"), &today));
    model_today(m, today, rules);
    snprintf(seat, sizeof seat, "C|KE|%s", reason);
    snprintf(risk, sizeof risk, "KE|%s", reason);
    assert_counted(m, "turnout:watch", seat, expected);
    assert_counted(m, "turnout:risk:C", risk, expected);
    model_free(m);
}

/* Beside a P-seat of KE. */
#define WATCH_BY(rules, reason, expected, ...)                                                     \
    assert_watch(reason, expected, &rules, (const char *const[]){P_SEAT("KE"), __VA_ARGS__},       \
                 1 + sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))
#define WATCH(...)        WATCH_BY(RULES_DEFAULT, __VA_ARGS__)
#define OPEN(closes)      BALLOTED("1", "DIS", closes, "open")
#define BALLOT_RISK(...)  WATCH("missed-ballot", __VA_ARGS__)
#define MEETING_RISK(...) WATCH("missed-meetings", __VA_ARGS__)

static void a_missed_draft_is_red_until_it_is_answered_or_excused(void **state)
{
    (void)state;
    BALLOT_RISK("2", CLOSED("1", "DIS"));
    BALLOT_RISK("2", CLOSED("1", "FDIS") ",'level':'governance'");
    BALLOT_RISK("2", CLOSED("2", "SR"), OPEN("2024-06-20"));
    BALLOT_RISK("", CLOSED("1", "CD"));
    BALLOT_RISK("", BALLOTED("1", "DIS", "2023-12-31", "closed"));
    BALLOT_RISK("", CLOSED("1", "DIS"), VOTED("1", "KE", "'position':'abstain'"));
    BALLOT_RISK("", CLOSED("1", "DIS"), VOTED("1", "KE", NONE ",'excused':true"));
    BALLOT_RISK("2", CLOSED("1", "DIS"), VOTED("1", "KE", NONE));
    BALLOT_RISK("", CLOSED("1", "DIS"), SEATED("KE", "2024-06-15", "O"));
    BALLOT_RISK("2", CLOSED("1", "DIS"), SEATED("KE", "2024-06-16", "O"));
    WATCH_BY(((struct rules){2, 20, 2, 2, 14}), "missed-ballot", "", CLOSED("1", "DIS"));
}

static void an_open_draft_is_amber_from_fourteen_days_before_it_closes(void **state)
{
    (void)state;
    BALLOT_RISK("", OPEN("2024-06-14"));
    BALLOT_RISK("1", OPEN("2024-06-15"));
    BALLOT_RISK("1", OPEN("2024-06-29"));
    BALLOT_RISK("", OPEN("2024-06-30"));
    BALLOT_RISK("", OPEN("2024-06-20") ",'mandatory':false");
    BALLOT_RISK("", BALLOTED("1", "CIB", "2024-06-20", "open"));
    BALLOT_RISK("", BALLOTED("1", "SR", "2024-06-20", "cancelled"));
    BALLOT_RISK("", OPEN("2024-06-20"), VOTED("1", "KE", "'position':'abstain'"));
    BALLOT_RISK("", OPEN("2024-06-20"), VOTED("1", "KE", NONE ",'excused':true"));
    BALLOT_RISK("1", OPEN("2024-06-20"), VOTED("1", "KE", NONE), YES("1", "FR"));
    WATCH_BY(((struct rules){1, 20, 2, 2, 5}), "missed-ballot", "1", OPEN("2024-06-20"));
    WATCH_BY(((struct rules){1, 20, 2, 2, 4}), "missed-ballot", "", OPEN("2024-06-20"));
}

/* So many internal ballots due, so many of them missed. */
static void assert_share(unsigned due, unsigned missed, const char *expected)
{
    static char room[32][128];
    const char *lines[33] = {P_SEAT("KE")};
    size_t count = 1;

    for (unsigned i = 0; i < due; i++, count++) {
        snprintf(room[count], sizeof *room, CLOSED("%u", "CIB"), i);
        lines[count] = room[count];
    }
    for (unsigned i = missed; i < due; i++, count++) {
        snprintf(room[count], sizeof *room, YES("%u", "KE"), i);
        lines[count] = room[count];
    }
    assert_watch("missed-share", expected, &RULES_DEFAULT, lines, count);
}

static void a_share_above_twenty_percent_is_red_and_one_before_it_amber(void **state)
{
    (void)state;
    assert_share(1, 0, "");
    assert_share(1, 1, "1");
    assert_share(2, 2, "2");
    assert_share(8, 1, "1");
    assert_share(9, 1, "");
    assert_share(9, 2, "2");
    assert_share(10, 2, "1"); /* 20 % are allowed; three of eleven would not be */
    assert_share(14, 2, "");
}

static void the_last_meetings_missed_are_red_and_the_last_one_amber(void **state)
{
    struct rules one = {1, 20, 2, 1, 14};

    (void)state;
    MEETING_RISK("1", HELD("A", "2023-05-10", ""));
    MEETING_RISK("2", HELD("A", "2022-05-10", ""), HELD("B", "2023-05-10", ""),
                 STATED("B", "KE", "no-show"), STATED("B", "FR", "attended"));
    MEETING_RISK("1", HELD("A", "2024-05-10", ""), HELD("B", "2024-05-10", ""),
                 STATED("A", "KE", "attended"));
    MEETING_RISK("", HELD("A", "2024-05-10", ""), HELD("B", "2024-05-10", ""),
                 STATED("B", "KE", "attended"));
    MEETING_RISK("", HELD("A", "2024-05-10", ""), HELD("B", "2024-05-11", ""),
                 STATED("B", "KE", "excused"));
    MEETING_RISK("", HELD("B", "2024-05-11", ""), STATED("B", "KE", "correspondence"));
    MEETING_RISK("1", HELD("A", "2024-05-10", ""), HELD("B", "2024-05-11", ",'mandatory':false"));
    WATCH_BY(one, "missed-meetings", "2", HELD("A", "2024-05-10", ""));
    WATCH_BY(one, "missed-meetings", "", HELD("A", "2024-05-10", ""), HELD("B", "2024-05-11", ""),
             STATED("B", "KE", "attended"));
}

static void a_meeting_at_which_the_seat_was_not_p_is_passed_over(void **state)
{
    (void)state;
    MEETING_RISK("2", SEATED("KE", "2023-01-01", "O"), SEATED("KE", "2024-01-01", "P"),
                 HELD("A", "2022-12-31", ""), HELD("B", "2023-01-01", ""),
                 HELD("C", "2024-01-01", ""));
    MEETING_RISK("1", SEATED("KE", "2023-01-01", "O"), SEATED("KE", "2024-01-01", "P"),
                 HELD("B", "2023-12-31", ""), HELD("C", "2024-01-01", ""));
}

/* ---- a year over the real registry ---- */
static void count_risk(void *arg, struct slice key, struct slice field, struct slice value)
{
    unsigned *seats = arg; /* by score */

    (void)key;
    (void)field;
    seats[*value.at - '0']++;
}

static void a_season_repeats_by_its_seed_and_puts_seats_at_risk(void **state)
{
    struct buffer registry = {0}, one = {0}, two = {0}, other = {0};
    struct model *m = model_new();
    unsigned seats[3] = {0};

    (void)state;
    fixture_events("registry.jsonl.gz", &registry);
    season_events(1, 2026, 3, buffer_slice(&registry), &one);
    season_events(1, 2026, 3, buffer_slice(&registry), &two);
    season_events(2, 2026, 3, buffer_slice(&registry), &other);
    assert_true(slice_equal(buffer_slice(&one), buffer_slice(&two)));
    assert_false(slice_equal(buffer_slice(&one), buffer_slice(&other)));
    model_add_all(m, buffer_slice(&registry));
    model_add_all(m, buffer_slice(&one));
    model_today(m, season_today(2026), &RULES_DEFAULT);
    dump_each(model_count(m), "turnout:watch", count_risk, seats);
    assert_true(seats[1] > 0 && seats[2] > 0);
    assert_group(m, "all:2026", "members", "173");
    assert_group(m, "dac:2026", "seats.P", "5481");
    model_free(m);
    buffer_free(&registry);
    buffer_free(&one);
    buffer_free(&two);
    buffer_free(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_profile_of_the_last_day_decides_and_failing_that_the_earliest),
        cmocka_unit_test(a_member_counts_once_in_a_group_and_without_a_profile_in_all_only),
        cmocka_unit_test(everyone_is_whom_any_fact_in_force_names),
        cmocka_unit_test(seats_are_those_of_the_periods_last_day),
        cmocka_unit_test(a_rate_has_both_its_numbers_and_none_without_a_denominator),
        cmocka_unit_test(a_median_is_the_middle_one_or_the_mean_of_two),
        cmocka_unit_test(the_three_with_the_most_votes_are_left_out),
        cmocka_unit_test(a_seat_is_effective_that_does_what_its_duties_ask_for),
        cmocka_unit_test(comments_count_for_a_seat_where_it_was_due),
        cmocka_unit_test(a_seat_lost_in_the_year_counts_by_its_duties_and_is_not_dormant),
        cmocka_unit_test(the_group_list_has_a_version),
        cmocka_unit_test(a_missed_draft_is_red_until_it_is_answered_or_excused),
        cmocka_unit_test(an_open_draft_is_amber_from_fourteen_days_before_it_closes),
        cmocka_unit_test(a_share_above_twenty_percent_is_red_and_one_before_it_amber),
        cmocka_unit_test(the_last_meetings_missed_are_red_and_the_last_one_amber),
        cmocka_unit_test(a_meeting_at_which_the_seat_was_not_p_is_passed_over),
        cmocka_unit_test(a_season_repeats_by_its_seed_and_puts_seats_at_risk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
