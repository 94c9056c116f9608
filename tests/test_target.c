/* What is typed at the terminal: moments, subjects of facts, and the numbers that can be asked for.
 */
#include "proto/error.h"
#include "workers/audit/moment.h"
#include "workers/audit/subject.h"
#include "workers/audit/target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define NOW_MS 1793923200123

/* ---- moments ---- */
static void assert_moment(const char *text, int64_t expected_ms)
{
    int64_t ms = -1;

    assert_int_equal(moment_parse(slice_of(text), NOW_MS, &ms), 0);
    assert_true(ms == expected_ms);
}

static void a_moment_is_now_a_time_a_days_end_or_unix_milliseconds(void **state)
{
    (void)state;
    assert_moment("now", NOW_MS);
    assert_moment("2026-03-01T12:00:00Z", 1772366400000);
    assert_moment("2026-03-01T13:00:00.250+01:00", 1772366400250);
    assert_moment("1970-01-01", 86399999);
    assert_moment("2026-03-01", 1772409599999);
    assert_moment("1772366400000", 1772366400000);
}

static void what_is_no_moment_is_refused_and_leaves_the_result_alone(void **state)
{
    static const char *const bad[] = {
        "",   "2026",       "2026-03", "yesterday",           "2026-02-30",
        "-5", "1772366400", "12x",     "2026-03-01T12:00:00", "999999999999999"};
    int64_t ms = 7;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(moment_parse(slice_of(bad[i]), NOW_MS, &ms), ERR_CONFIG);
    assert_int_equal(ms, 7);
}

static void moments_are_written_as_they_can_be_read_again(void **state)
{
    static const int64_t some[] = {0, -1, NOW_MS, 253402300799999, -62135596800000};
    char text[MOMENT_TEXT];
    int64_t ms;

    (void)state;
    for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
        moment_format(some[i], text);
        assert_int_equal(moment_parse(slice_of(text), 0, &ms), 0);
        assert_true(ms == some[i]);
    }
    moment_format(1772366400005, text);
    assert_string_equal(text, "2026-03-01T12:00:00.005Z");
    moment_format(INT64_MAX, text);
    assert_string_equal(text, "9223372036854775807");
}

/* ---- subjects ---- */
static void assert_subject(const char *text)
{
    struct slice word = slice_of(text);
    struct subject s;
    const char *reason;
    struct buffer out = {0};

    assert_int_equal(subject_parse(&word, 1, &s, &reason), 0);
    subject_format(&s, &out);
    buffer_add(&out, "", 1);
    assert_string_equal(out.at, text);
    buffer_free(&out);
}

static void a_subject_of_any_type_is_read_as_it_is_written(void **state)
{
    (void)state;
    assert_subject("vote|ISO/TC 207|DIS 14001|KE");
    assert_subject("attendance|C|M|KE|p-1");
    assert_subject("adoption|KE|ISO 14001|KS 14001");
    assert_subject("member|KE|2026-01-01");
    assert_subject("member|KE");
    assert_subject("committee|ISO/IEC JTC 1");
    assert_subject("seat|C|KE|2020-01-01");
    assert_subject("ballot|C|B");
    assert_subject("meeting|C|M");
}

static void a_subject_may_come_word_by_word(void **state)
{
    struct slice words[] = {slice_of("seat"), slice_of("C"), slice_of("KE"),
                            slice_of("2020-01-01")};
    struct event e = {.type = EVENT_SEAT, .committee = slice_of("C"), .member = slice_of("KE")};
    struct subject s;
    const char *reason;

    (void)state;
    assert_int_equal(subject_parse(words, 4, &s, &reason), 0);
    date_parse(words[3], &e.from);
    assert_true(subject_is(&s, &e));
    assert_int_equal(subject_partition(&s, 8), event_partition(&e, 8));
    e.from++;
    assert_false(subject_is(&s, &e));
}

static void a_member_without_a_day_is_all_its_notices(void **state)
{
    struct slice word = slice_of("member|KE");
    struct event e = {.type = EVENT_MEMBER, .member = slice_of("KE"), .from = 5};
    struct subject s;
    const char *reason;

    (void)state;
    assert_int_equal(subject_parse(&word, 1, &s, &reason), 0);
    assert_true(subject_is(&s, &e));
    e.member = slice_of("BR");
    assert_false(subject_is(&s, &e));
}

static void words_that_are_no_subject_are_refused_with_a_reason(void **state)
{
    static const char *const bad[] = {
        "",         "KE",          "vote|C|B",        "vote|C|B|KE|x", "seat|C|KE",
        "ballot|C", "votes|C|B|K", "seat|C|KE|today", "member|K|x",    "vote|a|b|c|d|e|f|g"};
    const char *reason = NULL;
    struct subject s;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct slice word = slice_of(bad[i]);
        assert_int_equal(subject_parse(&word, 1, &s, &reason), ERR_CONFIG);
        assert_non_null(reason);
    }
    assert_int_equal(subject_parse(NULL, 0, &s, &reason), ERR_CONFIG);
}

static void assert_statement(enum event_type type, const void *fact, const char *expected)
{
    struct buffer out = {0};

    statement_format(type, fact, &out);
    buffer_add(&out, "", 1);
    assert_string_equal(out.at, expected);
    buffer_free(&out);
}

static void a_fact_states_what_it_says_in_words(void **state)
{
    struct vote_fact vote = {.position = POSITION_APPROVE, .seat = ROLE_P, .comments = 2};
    struct vote_fact none = {.position = POSITION_NONE, .excused = true, .level = LEVEL_GOVERNANCE};
    struct attendance_fact came = {
        .presence = PRESENCE_ATTENDED, .mode = MODE_VIRTUAL, .part = PART_HEAD, .date = 0};
    struct adoption_fact adopted = {
        .degree = DEGREE_MOD, .force = FORCE_WITHDRAWN, .withdrawn = 31, .sdgs = 1 << 9 | 1 << 13};
    struct ballot_fact ballot = {.stage = STAGE_CLOSED,
                                 .kind = slice_of("DIS"),
                                 .opens = DATE_NONE,
                                 .mandatory = true,
                                 .title = slice_of("Soil")};

    (void)state;
    assert_statement(EVENT_VOTE, &vote, "approve P comments=2");
    assert_statement(EVENT_VOTE, &none, "none excused governance");
    assert_statement(EVENT_ATTENDANCE, &came, "attended 1970-01-01 virtual head");
    assert_statement(EVENT_ADOPTION, &adopted, "MOD 1970-01-01 withdrawn=1970-02-01 sdgs=9,13");
    assert_statement(EVENT_BALLOT, &ballot, "DIS closed closes=1970-01-01 title=\"Soil\"");
    vote.version.retracted = true;
    assert_statement(EVENT_VOTE, &vote, "retracted");
}

/* ---- targets ---- */
static struct target target_of(const char *key, const char *field)
{
    struct buffer reason = {0};
    struct target t = {.family = TARGET_FAMILIES};

    assert_int_equal(target_parse(slice_of(key), slice_of(field), "turnout:", &t, &reason), 0);
    assert_int_equal(reason.size, 0);
    buffer_free(&reason);
    return t;
}

static void a_key_is_read_with_the_prefix_and_without(void **state)
{
    struct target t = target_of("turnout:seat:ISO/TC 1: a|KE:2026", "governance.ballots.missed.SR");

    (void)state;
    assert_int_equal(t.family, TARGET_SEAT);
    assert_true(slice_is(t.committee, "ISO/TC 1: a"));
    assert_true(slice_is(t.member, "KE"));
    assert_int_equal(t.period, 202600);
    assert_true(slice_is(t.key, "seat:ISO/TC 1: a|KE:2026"));
    t = target_of("member:KE:0001-02", "adoptions.sdg.17");
    assert_int_equal(t.period, 102);
    assert_false(t.year);
    assert_true(t.by_answer && !t.by_seat);
}

static void a_figures_numerator_is_made_of_its_counters(void **state)
{
    struct target t = target_of("group:ldc:2026", "voting.num");

    (void)state;
    assert_int_equal(t.term_count, 3);
    assert_int_equal(t.terms[0].sign + t.terms[1].sign + t.terms[2].sign, -1);
    assert_true(t.by_answer && t.by_seat && !t.whole);
    t = target_of("group:ldc:2026", "voting.den");
    assert_int_equal(t.term_count, 1);
    assert_true(t.by_seat && !t.by_answer);
    assert_true(target_of("group:ldc:2026", "share.votes.den").whole);
    assert_false(target_of("group:ldc:2026", "share.votes.num").whole);
    assert_int_equal(target_of("group:ldc:2026", "share.seats.den").measure, MEASURE_SEATS_P);
    assert_int_equal(target_of("group:ldc:2026", "seats.dormant").measure, MEASURE_DORMANT);
}

static void assert_refused(const char *key, const char *field, const char *says)
{
    struct buffer reason = {0};
    struct target t = {.family = TARGET_FAMILIES};

    assert_int_equal(target_parse(slice_of(key), slice_of(field), "turnout:", &t, &reason),
                     ERR_CONFIG);
    assert_int_equal(t.family, TARGET_FAMILIES);
    buffer_add(&reason, "", 1);
    assert_non_null(strstr(reason.at, says));
    buffer_free(&reason);
}

static void what_is_no_sum_is_refused_and_what_there_is_is_told(void **state)
{
    (void)state;
    assert_refused("votes:C|B", "KE", "member:M:PERIOD");
    assert_refused("member:KE", "adoptions", "member:M:PERIOD");
    assert_refused("member::2026", "adoptions", "member:M:PERIOD");
    assert_refused("committee:C:2026-03", "technical.votes", "committee:C:YEAR");
    assert_refused("seat:C:2026", "technical.ballots.due", "seat:C|M:YEAR");
    assert_refused("ballot:C", "votes", "ballot:C|B");
    assert_refused("", "", "PERIOD");
    assert_refused("member:KE:2026", "votes", "L.votes.approve");
    assert_refused("member:KE:2026", "technical.votes.DIS", "L.ballots.due.KIND");
    assert_refused("member:KE:2026", "adoptions.sdg.18", "adoptions.sdg.N");
    assert_refused("committee:C:2026", "adoptions", "L.votes");
    assert_refused("seat:C|KE:2026", "technical.votes", "ballots.commented");
    assert_refused("ballot:C|B", "nothing", "p.approve");
    assert_refused("ballot:C|B", "verdict", "no number");
    assert_refused("meeting:C|M", "title", "no number");
    assert_refused("group:ldc:2026", "list", "no number");
    assert_refused("group:ldc:2026", "voting", "voting.num and voting.den");
    assert_refused("group:ldc:2026", "presence.median", "median of members' own rates");
    assert_refused("group:ldc:2026", "effective", "effective.num");
    assert_refused("group:ldc:2026", "nothing", "seats.dormant");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_moment_is_now_a_time_a_days_end_or_unix_milliseconds),
        cmocka_unit_test(what_is_no_moment_is_refused_and_leaves_the_result_alone),
        cmocka_unit_test(moments_are_written_as_they_can_be_read_again),
        cmocka_unit_test(a_subject_of_any_type_is_read_as_it_is_written),
        cmocka_unit_test(a_subject_may_come_word_by_word),
        cmocka_unit_test(a_member_without_a_day_is_all_its_notices),
        cmocka_unit_test(words_that_are_no_subject_are_refused_with_a_reason),
        cmocka_unit_test(a_fact_states_what_it_says_in_words),
        cmocka_unit_test(a_key_is_read_with_the_prefix_and_without),
        cmocka_unit_test(a_figures_numerator_is_made_of_its_counters),
        cmocka_unit_test(what_is_no_sum_is_refused_and_what_there_is_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
