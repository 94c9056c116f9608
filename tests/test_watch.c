/* The watch list for people: for every seat at risk what exactly is missing, and which ballot
 * closes next; from events, through the programs' own way of counting and deriving. */
#include "proto/json.h"
#include "tests/desk.h"
#include "tests/fixtures.h"
#include "tests/season.h"
#include "workers/audit/recount.h"
#include "workers/cli/watch_print.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define NOW_MS ((int64_t)1793275200000) /* 2026-10-29T12:00:00Z */

static struct desk *desk;
static struct watch_list list;
static struct buffer out, events;
static unsigned ids;

static int setup(void **state)
{
    (void)state;
    desk = desk_new(store_memory_new());
    return 0;
}

static void forget(void)
{
    watch_free(&list);
    list = (struct watch_list){0};
    buffer_clear(&out);
}

static int teardown(void **state)
{
    (void)state;
    forget();
    desk_free(desk);
    return 0;
}

static const char *text(void)
{
    buffer_add(&out, "", 1);
    out.size--;
    return out.at;
}

/* Takes the rest of an event as JSON, and makes it a later one than all before. */
static void say(const char *type, const char *rest)
{
    struct refusal why;
    char line[1024];

    snprintf(line, sizeof line,
             "{\"type\":\"%s\",\"id\":\"e%u\",\"time\":\"2026-10-28T00:00:00.%03uZ\",%s}", type,
             ids, ids % 1000, rest);
    ids++;
    assert_int_equal(json_to_event(slice_of(line), &events, &why), 0);
}

static void seat(const char *committee, const char *member)
{
    char rest[256];

    snprintf(rest, sizeof rest,
             "\"committee\":\"%s\",\"member\":\"%s\",\"from\":\"2020-01-01\",\"role\":\"P\"",
             committee, member);
    say("seat", rest);
}

static void ballot(const char *committee, const char *name, const char *kind, const char *closes,
                   const char *status)
{
    char rest[512];

    snprintf(rest, sizeof rest,
             "\"committee\":\"%s\",\"ballot\":\"%s\",\"kind\":\"%s\",\"closes\":\"%s\",\"status\":"
             "\"%s\",\"title\":\"On %s\"",
             committee, name, kind, closes, status, name);
    say("ballot", rest);
}

static void vote(const char *committee, const char *name, const char *member, const char *more)
{
    char rest[256];

    snprintf(rest, sizeof rest, "\"committee\":\"%s\",\"ballot\":\"%s\",\"member\":\"%s\",%s",
             committee, name, member, more);
    say("vote", rest);
}

static void meeting(const char *committee, const char *name, const char *starts)
{
    char rest[256];

    snprintf(rest, sizeof rest,
             "\"committee\":\"%s\",\"meeting\":\"%s\",\"starts\":\"%s\",\"status\":\"held\"",
             committee, name, starts);
    say("meeting", rest);
}

static void attend(const char *committee, const char *name, const char *member, const char *status)
{
    char rest[256];

    snprintf(rest, sizeof rest,
             "\"committee\":\"%s\",\"meeting\":\"%s\",\"member\":\"%s\",\"participant\":\"p\","
             "\"date\":\"2026-01-01\",\"status\":\"%s\"",
             committee, name, member, status);
    say("attendance", rest);
}

/* Counts and derives what was said so far, and loads the list. */
static void look_by(const struct rules *rules, const char *member, const char *committee)
{
    struct watch_ask ask = {.now_ms = NOW_MS};
    struct random r = random_new(7);

    desk_journal(desk, buffer_slice(&events));
    buffer_clear(&events);
    desk_finish(desk, &r);
    assert_int_equal(recount_derive(desk->store, rules, DESK_LOG, NOW_MS), 0);
    if (member)
        name_list_add(&ask.members, slice_of(member));
    if (committee)
        name_list_add(&ask.committees, slice_of(committee));
    forget();
    assert_int_equal(watch_load(desk->store, &ask, &list), 0);
    name_list_free(&ask.members);
    name_list_free(&ask.committees);
}

static void look(void)
{
    look_by(&RULES_DEFAULT, NULL, NULL);
}

/* The entry in words: "red missed-ballot C KE: missed: ...; next ...". */
static void assert_entry(size_t i, const char *expected)
{
    struct watch_entry *e;
    char head[256], day[DATE_TEXT];

    assert_true(i < list.count);
    e = list.entries[i];
    snprintf(head, sizeof head, "%s %s %.*s %.*s: ", e->score == RISK_RED ? "red" : "amber",
             risk_name[e->reason], (int)e->committee.size, e->committee.at, (int)e->member.size,
             e->member.at);
    buffer_clear(&out);
    buffer_add_text(&out, head);
    watch_missing_text(e, SIZE_MAX, &out);
    if (e->next) {
        date_format(e->next->day, day);
        buffer_add_text(&out, "; next ");
        buffer_add_slice(&out, e->next->id);
        buffer_add_text(&out, " ");
        buffer_add(&out, day, sizeof day);
    }
    assert_string_equal(text(), expected);
}

static void missed_ballots_of_the_year_are_named_with_their_closing_days(void **state)
{
    (void)state;
    seat("C", "KE");
    ballot("C", "B3", "SR", "2026-09-01", "closed");
    ballot("C", "B1", "DIS", "2026-03-01", "closed");
    ballot("C", "B2", "FDIS", "2026-04-01", "closed");
    vote("C", "B2", "KE", "\"position\":\"approve\"");
    ballot("C", "OLD", "DIS", "2025-12-31", "closed");
    ballot("C", "CD", "CD", "2026-02-01", "closed");
    ballot("C", "NEXT", "NP", "2026-12-24", "open");
    look();
    assert_int_equal(list.count, 1);
    assert_entry(0, "red missed-ballot C KE: missed: B1 (closed 2026-03-01), B3 (closed "
                    "2026-09-01); next NEXT 2026-12-24");
}

static void a_ballot_that_closes_soon_is_named_until_it_is_answered_or_excused(void **state)
{
    (void)state;
    seat("C", "KE");
    seat("C", "UG");
    seat("C", "RW");
    ballot("C", "SOON", "DIS", "2026-11-12", "open");
    ballot("C", "LATER", "FDIS", "2026-11-13", "open");
    ballot("C", "FIRST", "CIB", "2026-10-30", "open");
    vote("C", "SOON", "RW", "\"position\":\"none\"");
    look();
    assert_int_equal(list.count, 3);
    assert_entry(0, "amber missed-ballot C KE: unanswered: SOON (closes 2026-11-12); next FIRST "
                    "2026-10-30");
    vote("C", "FIRST", "KE", "\"position\":\"approve\"");
    look();
    assert_entry(0, "amber missed-ballot C KE: unanswered: SOON (closes 2026-11-12); next SOON "
                    "2026-11-12");
    vote("C", "SOON", "KE", "\"position\":\"abstain\"");
    vote("C", "SOON", "UG", "\"position\":\"none\",\"excused\":true");
    look();
    assert_int_equal(list.count, 1);
    assert_true(slice_is(list.entries[0]->member, "RW"));
}

static void the_share_of_internal_ballots_is_told(void **state)
{
    char name[16], day[16];

    (void)state;
    seat("C", "KE");
    seat("C", "UG");
    for (int i = 0; i < 12; i++) {
        snprintf(name, sizeof name, "I%d", i);
        snprintf(day, sizeof day, "2026-%02d-01", i % 9 + 1);
        ballot("C", name, "CIB", day, "closed");
        if (i >= 3)
            vote("C", name, "KE", "\"position\":\"approve\"");
        if (i >= 2)
            vote("C", name, "UG", "\"position\":\"approve\"");
    }
    look();
    assert_int_equal(list.count, 2);
    assert_entry(0, "red missed-share C KE: 3 of 12 CIB missed (25 %)");
    assert_entry(1, "amber missed-share C UG: 2 of 12 CIB missed (17 %), one more is too many");
}

static void missed_meetings_are_named_with_their_days(void **state)
{
    (void)state;
    seat("C", "KE");
    seat("C", "UG");
    meeting("C", "M1", "2024-05-01");
    meeting("C", "M2", "2025-05-01");
    meeting("C", "M3", "2026-05-01");
    attend("C", "M2", "UG", "excused");
    attend("C", "M3", "UG", "no-show");
    look();
    assert_int_equal(list.count, 2);
    assert_entry(0, "red missed-meetings C KE: missed: M2 (2025-05-01), M3 (2026-05-01)");
    assert_entry(1, "amber missed-meetings C UG: missed: M3 (2026-05-01)");
    attend("C", "M3", "KE", "correspondence");
    attend("C", "M3", "UG", "attended");
    look();
    assert_int_equal(list.count, 0);
}

/* A meeting at which somebody did not have a seat yet is not missed. */
static void a_meeting_before_the_seat_is_passed_over(void **state)
{
    (void)state;
    say("seat", "\"committee\":\"C\",\"member\":\"KE\",\"from\":\"2025-06-01\",\"role\":\"P\"");
    meeting("C", "M2", "2025-05-01");
    meeting("C", "M3", "2026-05-01");
    look();
    assert_int_equal(list.count, 1);
    assert_entry(0, "amber missed-meetings C KE: missed: M3 (2026-05-01)");
}

/* The thresholds that the list was made by, not those that this program knows. */
static void details_follow_the_thresholds_of_the_list(void **state)
{
    struct rules rules = RULES_DEFAULT;

    (void)state;
    rules.warn_days = 60;
    rules.meetings_run = 3;
    seat("C", "KE");
    ballot("C", "FAR", "DIS", "2026-12-20", "open");
    meeting("C", "M1", "2024-05-01");
    meeting("C", "M2", "2025-05-01");
    meeting("C", "M3", "2026-05-01");
    look_by(&rules, NULL, NULL);
    assert_int_equal(list.count, 2);
    assert_entry(0, "red missed-meetings C KE: missed: M1 (2024-05-01), M2 (2025-05-01), M3 "
                    "(2026-05-01); next FAR 2026-12-20");
    assert_entry(1, "amber missed-ballot C KE: unanswered: FAR (closes 2026-12-20); next FAR "
                    "2026-12-20");
}

/* Only the meetings missed since the last one that was not. */
static void a_meeting_missed_long_before_is_not_named(void **state)
{
    struct rules rules = RULES_DEFAULT;

    (void)state;
    rules.meetings_run = 3;
    seat("C", "KE");
    meeting("C", "M1", "2024-05-01");
    meeting("C", "M2", "2025-05-01");
    meeting("C", "M3", "2026-05-01");
    attend("C", "M2", "KE", "attended");
    look_by(&rules, NULL, NULL);
    assert_int_equal(list.count, 1);
    assert_entry(0, "amber missed-meetings C KE: missed: M3 (2026-05-01)");
}

static void red_comes_first_then_committees_and_members(void **state)
{
    (void)state;
    seat("B", "UG");
    seat("B", "KE");
    seat("A", "UG");
    seat("A", "KE");
    ballot("A", "OPEN", "DIS", "2026-11-01", "open");
    ballot("B", "SHUT", "DIS", "2026-05-01", "closed");
    vote("B", "SHUT", "UG", "\"position\":\"approve\"");
    look();
    assert_int_equal(list.count, 3);
    assert_int_equal(list.red, 1);
    assert_entry(0, "red missed-ballot B KE: missed: SHUT (closed 2026-05-01)");
    assert_entry(1, "amber missed-ballot A KE: unanswered: OPEN (closes 2026-11-01); next OPEN "
                    "2026-11-01");
    look_by(&RULES_DEFAULT, "UG", NULL);
    assert_int_equal(list.count, 1);
    look_by(&RULES_DEFAULT, NULL, "B");
    assert_int_equal(list.count, 1);
    look_by(&RULES_DEFAULT, "UG", "B");
    assert_int_equal(list.count, 0);
}

/* More committees than are looked at in one step. */
static void many_committees_all_have_their_details(void **state)
{
    char committee[16];

    (void)state;
    for (int i = 0; i < 50; i++) {
        snprintf(committee, sizeof committee, "C%02d", i);
        seat(committee, "KE");
        seat(committee, "UG");
        ballot(committee, committee, "DIS", "2026-05-01", "closed");
    }
    look();
    assert_int_equal(list.count, 100);
    for (size_t i = 0; i < list.count; i++) {
        assert_non_null(list.entries[i]->items);
        assert_true(slice_equal(list.entries[i]->items->id, list.entries[i]->committee));
    }
}

/* What the list says and what the details say come by different ways. */
static void every_seat_of_a_season_has_its_details(void **state)
{
    size_t red, amber, reasons[RISKS][RISK_RED + 1] = {{0}};
    struct buffer registry = {0};

    (void)state;
    fixture_events("registry.jsonl.gz", &registry);
    buffer_add_slice(&events, buffer_slice(&registry));
    season_events(random_seed(__func__), 2026, 10, buffer_slice(&registry), &events);
    look();
    for (size_t i = 0; i < list.count; i++) {
        const struct watch_entry *e = list.entries[i];
        reasons[e->reason][e->score]++;
        if (e->reason == RISK_MISSED_SHARE) {
            assert_true(e->missed >= 1 && e->due >= e->missed);
            assert_true(e->score == RISK_AMBER || (e->missed >= 2 && 5 * e->missed > e->due));
        } else {
            assert_non_null(e->items);
        }
        for (const struct watch_item *item = e->items; item && item->next; item = item->next)
            assert_true(item->day <= item->next->day);
    }
    for (int r = 0; r < RISKS; r++)
        assert_true(reasons[r][RISK_RED] && reasons[r][RISK_AMBER]);
    assert_int_equal(watch_count(desk->store, &red, &amber), 0);
    assert_int_equal(red, list.red);
    assert_int_equal(red + amber, list.count);
    buffer_free(&registry);
}

/* ---- printing ---- */
static void fill(void)
{
    say("committee", "\"committee\":\"ISO/TC 207\",\"title\":\"Environmental management\"");
    seat("ISO/TC 207", "KE");
    seat("C", "KE");
    ballot("ISO/TC 207", "DIS 14001", "DIS", "2026-05-24", "closed");
    ballot("C", "I1", "CIB", "2026-05-24", "closed");
    ballot("C", "FDIS 1", "FDIS", "2026-11-05", "open");
    look();
}

static void the_table_says_all_in_a_row(void **state)
{
    (void)state;
    fill();
    buffer_clear(&out);
    watch_print_text(&list, false, &out);
    assert_string_equal(
        text(),
        "day     2026-10-29\n"
        "as of   2026-10-29T12:00:00.000Z\n"
        "at risk 1 red, 2 amber\n"
        "\n"
        "risk   reason         committee                            member  next ballot closes  "
        "missing\n"
        "red    missed-ballot  ISO/TC 207 Environmental management  KE                          "
        "missed: DIS 14001 (closed 2026-05-24)\n"
        "amber  missed-ballot  C                                    KE      2026-11-05 FDIS 1   "
        "unanswered: FDIS 1 (closes 2026-11-05)\n"
        "amber  missed-share   C                                    KE      2026-11-05 FDIS 1   "
        "1 of 1 CIB missed (100 %), one more is too many\n");
}

static void csv_and_json_say_the_same(void **state)
{
    json_t *all, *seats, *first;

    (void)state;
    fill();
    buffer_clear(&out);
    watch_print_csv(&list, &out);
    assert_string_equal(
        text(), "risk,reason,committee,title,member,missing,next_ballot,next_closes\r\n"
                "red,missed-ballot,ISO/TC 207,Environmental management,KE,missed: DIS 14001 "
                "(closed 2026-05-24),,\r\n"
                "amber,missed-ballot,C,C,KE,unanswered: FDIS 1 (closes 2026-11-05),FDIS "
                "1,2026-11-05\r\n"
                "amber,missed-share,C,C,KE,\"1 of 1 CIB missed (100 %), one more is too "
                "many\",FDIS 1,2026-11-05\r\n");
    buffer_clear(&out);
    watch_print_json(&list, &out);
    all = json_loads(text(), 0, NULL);
    assert_non_null(all);
    assert_int_equal(json_integer_value(json_object_get(all, "red")), 1);
    seats = json_object_get(all, "seats");
    assert_int_equal(json_array_size(seats), 3);
    first = json_array_get(json_object_get(json_array_get(seats, 0), "missing"), 0);
    assert_string_equal(json_string_value(json_object_get(first, "ballot")), "DIS 14001");
    assert_string_equal(json_string_value(json_object_get(first, "title")), "On DIS 14001");
    assert_true(json_is_null(json_object_get(json_array_get(seats, 0), "next")));
    json_decref(all);
}

/* ---- odd lists, made by hand ---- */
static void what_is_missing_is_shortened_where_it_is_long(void **state)
{
    struct watch_item third = {.id = slice_of("M3"), .day = date_of_ms(NOW_MS)};
    struct watch_item second = {.id = slice_of("M2"), .day = date_of_ms(NOW_MS), .next = &third};
    struct watch_item first = {.id = slice_of("M1"), .day = date_of_ms(NOW_MS), .next = &second};
    struct watch_entry e = {.reason = RISK_MISSED_MEETINGS, .items = &first};

    (void)state;
    watch_missing_text(&e, 1, &out);
    assert_string_equal(text(), "missed: M1 (2026-10-29) and 2 more");
    buffer_clear(&out);
    watch_missing_text(&e, 3, &out);
    assert_null(strstr(text(), "more"));
}

static void what_was_made_up_for_meanwhile_is_nothing_any_more(void **state)
{
    struct watch_entry ballots = {.reason = RISK_MISSED_BALLOT};
    struct watch_entry share = {.reason = RISK_MISSED_SHARE, .score = RISK_RED};

    (void)state;
    watch_missing_text(&ballots, 5, &out);
    assert_string_equal(text(), "nothing any more");
    buffer_clear(&out);
    watch_missing_text(&share, 5, &out);
    assert_string_equal(text(), "0 of 0 CIB missed"); /* no per cent of nothing */
}

/* A title that is long is cut, between characters, and one that is not UTF-8 is left out. */
static void a_title_has_so_much_room_and_no_more(void **state)
{
    char title[200];
    struct watch_entry e = {
        .committee = slice_of("C"), .member = slice_of("KE"), .score = RISK_RED};
    struct watch_entry *one = &e;
    struct watch_list w = {.entries = &one, .count = 1, .red = 1};
    char *cut;

    (void)state;
    for (size_t i = 0; i + 1 < sizeof title; i += 2)
        memcpy(title + i, "\xc3\xa9", 2);
    e.label = slice_make(title, sizeof title);
    watch_print_text(&w, false, &out);
    cut = strstr(text(), "\xc3\xa9\xe2\x80\xa6");
    assert_non_null(cut);
    assert_true(utf8_valid(buffer_slice(&out)));
    assert_non_null(strstr(text(), "as of   not known\n"));
    buffer_clear(&out);
    e.label = slice_of("\xff title");
    watch_print_text(&w, false, &out);
    assert_null(strstr(text(), "title"));
}

static void json_has_null_for_what_is_not_known_or_no_text(void **state)
{
    struct watch_item item = {.id = slice_of("\xff")};
    struct watch_entry e = {.committee = slice_of("C"),
                            .label = slice_of("C"),
                            .reason = RISK_MISSED_MEETINGS,
                            .score = RISK_RED,
                            .items = &item};
    struct watch_entry *one = &e;
    struct watch_list w = {.entries = &one, .count = 1, .red = 1};
    json_t *all, *seat, *meeting;

    (void)state;
    watch_print_json(&w, &out);
    all = json_loads(text(), 0, NULL);
    assert_non_null(all);
    assert_true(json_is_null(json_object_get(all, "as_of")));
    seat = json_array_get(json_object_get(all, "seats"), 0);
    assert_true(json_is_null(json_object_get(seat, "member")));
    meeting = json_array_get(json_object_get(seat, "missing"), 0);
    assert_true(json_is_null(json_object_get(meeting, "meeting")));
    assert_string_equal(json_string_value(json_object_get(meeting, "starts")), "1970-01-01");
    assert_null(json_object_get(meeting, "title"));
    assert_null(json_object_get(meeting, "kind"));
    json_decref(all);
}

static void a_store_without_anything_has_no_list(void **state)
{
    struct watch_ask ask = {.now_ms = NOW_MS};

    (void)state;
    assert_int_equal(watch_load(desk->store, &ask, &list), 0);
    assert_false(list.known);
    watch_print_text(&list, false, &out);
    assert_string_equal(text(), "");
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(missed_ballots_of_the_year_are_named_with_their_closing_days),
        TEST(a_ballot_that_closes_soon_is_named_until_it_is_answered_or_excused),
        TEST(the_share_of_internal_ballots_is_told),
        TEST(missed_meetings_are_named_with_their_days),
        TEST(a_meeting_before_the_seat_is_passed_over),
        TEST(details_follow_the_thresholds_of_the_list),
        TEST(a_meeting_missed_long_before_is_not_named),
        TEST(red_comes_first_then_committees_and_members),
        TEST(many_committees_all_have_their_details),
        TEST(every_seat_of_a_season_has_its_details),
        TEST(the_table_says_all_in_a_row),
        TEST(csv_and_json_say_the_same),
        TEST(what_is_missing_is_shortened_where_it_is_long),
        TEST(what_was_made_up_for_meanwhile_is_nothing_any_more),
        TEST(a_title_has_so_much_room_and_no_more),
        TEST(json_has_null_for_what_is_not_known_or_no_text),
        TEST(a_store_without_anything_has_no_list),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    buffer_free(&out);
    buffer_free(&events);
    return failed;
}
