/* Every page over a board on which everything is that a board can have, in all forms and languages;
 * and over one on which there is nothing, or a store that fails. */
#include "proto/error.h"
#include "tests/asked.h"
#include "tests/full_board.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct full_board board;
static struct hand hand;

static const char *address(const char *text)
{
    return full_board_text(&board, text);
}

static int setup_empty(void **state)
{
    (void)state;
    board = full_board_new();
    hand.store = board.desk->store;
    return 0;
}

static int setup(void **state)
{
    setup_empty(state);
    full_board_fill(&board);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    full_board_free(&board);
    asked_free();
    return 0;
}

/* ---- what the pages say ---- */
static json_t *json_of(const char *text)
{
    return asks_json(&hand, address(text));
}

static void assert_cell(json_t *row, const char *column, const char *expected)
{
    if (strcmp(asked_cell(row, column), expected) != 0)
        fail_msg("%s is %s, not %s", column, asked_cell(row, column), expected);
}

static void test_a_closed_ballot_has_its_verdict(void **state)
{
    json_t *page = json_of("/api/v1/ballots/54808%7CB1"), *row;

    (void)state;
    row = json_array_get(json_object_get(page, "notice"), 0);
    assert_cell(row, "verdict", "fail");
    assert_cell(row, "status", "closed");
    assert_cell(row, "votes", "4");
    row = asked_row(page, "rules", "rule", "positive");
    assert_cell(row, "share", "0.3333 1/3");
    row = asked_row(page, "tally", "position", "disapprove");
    assert_cell(row, "p", "2");
    row = asked_row(page, "waiting", "member", "KE");
    assert_cell(row, "developing", "developing");
    json_decref(page);
    page = json_of("/api/v1/ballots/54808%7CB3");
    row = json_array_get(json_object_get(page, "notice"), 0);
    assert_cell(row, "verdict", "fail"); /* more than a quarter of all votes are against it */
    assert_cell(asked_row(page, "rules", "rule", "positive"), "share", "0.6667 2/3");
    json_decref(page);
}

static void test_votes_are_listed_but_not_retracted_ones(void **state)
{
    json_t *page = json_of("/api/v1/ballots/54808%7CB2"), *row;

    (void)state;
    assert_int_equal(json_array_size(json_object_get(page, "votes")), 2);
    row = asked_row(page, "votes", "member", "UG");
    assert_cell(row, "position", "excused");
    row = asked_row(page, "votes", "member", "DE");
    assert_cell(row, "position", "approve");
    assert_cell(row, "developing", "other");
    assert_cell(json_array_get(json_object_get(page, "notice"), 0), "verdict", "pass");
    json_decref(page);
}

/* Who has said nothing waits: without a vote, with "none", or with one taken back. */
static void test_an_open_ballot_says_who_waits(void **state)
{
    json_t *page = json_of("/api/v1/ballots/54808%7CSOON"), *row;

    (void)state;
    assert_int_equal(json_array_size(json_object_get(page, "waiting")), 2);
    assert_cell(asked_row(page, "waiting", "member", "TZ"), "developing", "null");
    assert_cell(asked_row(page, "waiting", "member", "KE"), "name", "Kenya");
    json_decref(page);
    page = json_of("/api/v1/ballots?sort=committee");
    row = json_array_get(json_object_get(page, "ballots"), 0);
    assert_cell(row, "committee", "54808");
    assert_cell(row, "ballot", "SOON");
    assert_cell(row, "days", "5");
    assert_cell(row, "answered", "0.2500 1/4"); /* another one is excused */
    assert_cell(row, "waiting.developing", "1");
    assert_cell(row, "who", "KE TZ");
    row = asked_row(page, "ballots", "committee", "MANY");
    assert_cell(row, "waiting", "16");
    assert_non_null(strstr(asked_cell(row, "who"), "M11 …"));
    json_decref(page);
}

/* Votes for a ballot of which no notice has come. */
static void test_a_ballot_without_notice_has_a_page(void **state)
{
    json_t *page = json_of("/api/v1/ballots/GHOST%7CB1"), *row;

    (void)state;
    row = json_array_get(json_object_get(page, "notice"), 0);
    assert_cell(row, "kind", "null");
    assert_cell(row, "closes", "null");
    assert_cell(row, "votes", "1");
    assert_int_equal(json_array_size(json_object_get(page, "waiting")), 0);
    json_decref(page);
}

static void test_what_is_not_there_is_not_found(void **state)
{
    static const char *const missing[] = {"/ballots/54808%7CNONE",
                                          "/ballots/54808",
                                          "/committees/NONE",
                                          "/members/ZZ",
                                          "/api/v1/members/ZZ",
                                          "/api/v1/members?format=csv&sheet=x",
                                          "/members/XX"};

    (void)state;
    for (size_t i = 0; i < sizeof missing / sizeof *missing; i++) {
        assert_int_equal(asks(&hand, missing[i]), 404);
        assert_says(strstr(missing[i], "/api/") ? "\"error\":\"not-found\""
                                                : "There is no such page");
    }
    assert_int_equal(asks(&hand, "/api/v1/members"), 200);
    assert_never_says("XX");
}

static void test_seats_at_risk_say_why(void **state)
{
    json_t *page = json_of("/api/v1/risk"), *rows = json_object_get(page, "risk"), *row;

    (void)state;
    row = json_array_get(rows, 0); /* red, and of a developing country, first */
    assert_cell(row, "level", "red");
    assert_cell(row, "developing", "developing");
    row = asked_row(page, "risk", "reason", "missed-share");
    assert_cell(row, "member", "UG");
    assert_cell(row, "missing", "3 / 12 CIB");
    row = asked_row(page, "risk", "missing", "B1, B2");
    assert_cell(row, "member", "KE");
    assert_cell(row, "reason", "missed-ballot");
    assert_cell(row, "next", "SOON");
    row = asked_row(page, "risk", "missing", "T1, T2");
    assert_cell(row, "member", "KE");
    assert_cell(row, "reason", "missed-meetings");
    assert_cell(row, "next", "null");
    row = asked_row(page, "risk", "missing", "T2");
    assert_cell(row, "level", "amber");
    row = asked_row(page, "risk", "committee", "BARE");
    assert_cell(row, "missing", "SOON");
    json_decref(page);
    page = json_of("/api/v1/committees?period={year}");
    row = asked_row(page, "committees", "committee", "54808");
    assert_int_not_equal(json_integer_value(json_object_get(row, "red")), 0);
    assert_cell(asked_row(page, "committees", "committee", "MANY"), "amber", "16");
    json_decref(page);
    page = json_of("/api/v1/members?period={year}");
    assert_cell(asked_row(page, "members", "member", "KE"), "red", "2");
    json_decref(page);
}

/* Eight at most, the nearest closing day first; of one member in two committees both. */
static void test_whom_to_call_first(void **state)
{
    json_t *page = json_of("/api/v1/outcome?period={year}"), *rows = json_object_get(page, "calls"),
           *row;

    (void)state;
    assert_int_equal(json_array_size(rows), 8);
    row = json_array_get(rows, 0);
    assert_cell(row, "member", "M00");
    assert_cell(row, "committee", "MANY");
    assert_cell(row, "ballot", "NEXT");
    assert_cell(row, "days", "3");
    assert_cell(json_array_get(rows, 1), "member", "M01");
    row = json_array_get(json_object_get(page, "headline"), 0);
    assert_cell(row, "silent", "16");
    assert_int_equal(json_array_size(json_object_get(page, "silent")), 12);
    json_decref(page);
    page = json_of("/api/v1/outcome?period={before}");
    assert_null(json_object_get(page, "calls")); /* that year is over */
    json_decref(page);
}

static void test_a_period_may_be_a_month(void **state)
{
    json_t *page = json_of("/api/v1/outcome?period={before}-03&figure=presence"), *row;

    (void)state;
    row = asked_row(page, "figures", "figure", "voting");
    assert_string_equal(json_string_value(json_object_get(
                            json_array_get(json_object_get(page, "figures"), 0), "figure")),
                        "voting");
    assert_cell(row, "all", "0.7500 3/4");
    json_decref(page);
    assert_int_equal(asks(&hand, address("/?period={before}-03&figure=commented")), 200);
    assert_says("data-sheet=\"trend\"");
    assert_int_equal(asks(&hand, address("/members?period={before}-03")), 200);
    page = json_of("/api/v1/outcome?period=&figure=nothing");
    assert_string_equal(json_string_value(json_object_get(page, "period")), address("{year}"));
    json_decref(page);
    assert_int_equal(asks(&hand, "/api/v1/members?period=2025-13"), 400);
    assert_says("no period: YYYY or YYYY-MM");
    assert_int_equal(asks(&hand, "/?period=0000"), 400);
    assert_int_equal(asks(&hand, "/committees?period=banana"), 400);
    assert_int_equal(asks(&hand, "/api/v1/outcome?period=0001"), 200);
}

static void test_people_see_names_and_machines_identifiers(void **state)
{
    json_t *page;

    (void)state;
    assert_int_equal(asks(&hand, "/committees/54808"), 200);
    assert_says("ISO/TC 34");
    assert_says("Kenya</bdi> <span class=\"code\">KE</span>");
    assert_int_equal(asks(&hand, "/ballots/54808%7CB1"), 200);
    assert_says("ISO/TC 34 · B1");
    assert_int_equal(asks(&hand, "/committees"), 200);
    assert_says("ISO/TC 34");
    page = json_of("/api/v1/committees/54808");
    assert_cell(asked_row(page, "members", "member", "FR"), "seat", "O");
    assert_cell(asked_row(page, "members", "member", "TZ"), "developing", "null");
    assert_int_equal(json_array_size(json_object_get(page, "members")), 5); /* not RW, BI, SS */
    assert_cell(asked_row(page, "ballots", "ballot", "B1"), "verdict", "fail");
    assert_cell(asked_row(page, "ballots", "ballot", "B2"), "verdict", "pass");
    assert_cell(asked_row(page, "ballots", "ballot", "LATER"), "verdict", "null");
    json_decref(page);
    page = json_of("/api/v1/committees/MEET");
    assert_cell(asked_row(page, "meetings", "meeting", "T1"), "status", "held");
    assert_cell(asked_row(page, "meetings", "meeting", "T1"), "not.missed", "0.5000 1/2");
    json_decref(page);
    assert_int_equal(asks(&hand, "/committees/GHOST"), 200);
}

static void test_last_year_is_told_in_points(void **state)
{
    (void)state;
    assert_int_equal(asks(&hand, address("/?period={year}")), 200);
    assert_says("mark mark-");
    assert_says("class=\"provisional\"");
    assert_int_equal(asks(&hand, address("/?period={year}&lang=fr")), 200);
    assert_says("<html lang=\"fr\">");
    assert_says("<input type=\"hidden\" name=\"lang\" value=\"fr\">");
    assert_never_says("class=\"provisional\">provisional");
}

/* ---- every form of every page ---- */
static const char *const pages[] = {"outcome",
                                    "members",
                                    "members/KE",
                                    "members/DE",
                                    "committees",
                                    "committees/54808",
                                    "committees/MEET",
                                    "ballots",
                                    "ballots/54808%7CB1",
                                    "ballots/54808%7CSOON",
                                    "ballots/GHOST%7CB1",
                                    "risk",
                                    "adoptions"};
#define PAGES (sizeof pages / sizeof *pages)

static const char *page_address(size_t i, bool api, const char *query)
{
    static char out[256];
    bool start = !api && strcmp(pages[i], "outcome") == 0;

    snprintf(out, sizeof out, "%s/%s%s", api ? "/api/v1" : "", start ? "" : pages[i], query);
    return out;
}

static size_t lines_of(const char *text)
{
    size_t n = 0;

    for (; *text; text++)
        n += *text == '\n';
    return n;
}

/* A sheet of the JSON answer has as many rows as the same one as CSV has lines after its head. */
static void test_every_sheet_is_there_as_csv(void **state)
{
    char query[128];
    const char *name;
    json_t *rows;

    (void)state;
    for (size_t i = 0; i < PAGES; i++) {
        json_t *page = asks_json(&hand, page_address(i, true, ""));
        json_object_foreach(page, name, rows)
        {
            if (!json_is_array(rows) || strcmp(name, "periods") == 0)
                continue;
            snprintf(query, sizeof query, "?format=csv&sheet=%s", name);
            assert_int_equal(asks(&hand, page_address(i, true, query)), 200);
            assert_string_equal(asked.answer.type, "text/csv; charset=utf-8");
            if (lines_of(asked.text) != json_array_size(rows) + 1)
                fail_msg("%s %s: %s", pages[i], name, asked.text);
        }
        json_decref(page);
        assert_int_equal(asks(&hand, page_address(i, true, "?format=csv&sheet=none")), 404);
        assert_says("\"error\":\"not-found\"");
        assert_int_equal(asks(&hand, page_address(i, true, "?format=xml")), 200);
        assert_string_equal(asked.answer.type, "application/json");
    }
}

static void test_every_page_speaks_two_languages(void **state)
{
    (void)state;
    for (size_t i = 0; i < PAGES; i++) {
        assert_int_equal(asks(&hand, page_address(i, false, "")), 200);
        assert_says("<html lang=\"en\">");
        assert_says("Seats at risk");
        assert_int_equal(asks(&hand, page_address(i, false, "?lang=fr")), 200);
        assert_says("<html lang=\"fr\">");
        assert_says("Sièges menacés");
        assert_never_says("Seats at risk");
        assert_int_equal(asks(&hand, page_address(i, false, "?part=live&lang=fr")), 200);
        assert_never_says("<html");
        assert_int_equal(asks(&hand, page_address(i, false, "?part=all&lang=de")), 200);
        assert_says("<html lang=\"en\">");
    }
    assert_int_equal(asks(&hand, "/build"), 200);
    assert_says("<html lang=\"en\">");
    assert_int_equal(asks(&hand, "/build?lang=fr"), 200);
    assert_says("<html lang=\"fr\">");
}

/* ---- sorting ---- */
static double rank(json_t *cell, bool *ret_none)
{
    json_t *value = json_is_object(cell) ? json_object_get(cell, "value") : cell;

    *ret_none = json_is_null(value);
    return json_number_value(value);
}

static bool in_order(json_t *a, json_t *b, bool falling)
{
    bool none_a, none_b;
    double x = rank(a, &none_a), y = rank(b, &none_b);

    if (none_a || none_b)
        return !none_a || none_b; /* what has no value comes last either way */
    if (json_is_string(a) && json_is_string(b)) {
        x = strcmp(json_string_value(a), json_string_value(b));
        y = 0;
    }
    return falling ? x >= y : x <= y;
}

static void assert_sorted(size_t page, const char *sheet, const char *column, bool falling)
{
    char query[128];
    json_t *all, *rows;

    snprintf(query, sizeof query, "?sort=%s&order=%s", column, falling ? "desc" : "asc");
    all = asks_json(&hand, page_address(page, true, query));
    rows = json_object_get(all, sheet);
    for (size_t i = 1; i < json_array_size(rows); i++) {
        json_t *before = json_object_get(json_array_get(rows, i - 1), column),
               *here = json_object_get(json_array_get(rows, i), column);
        if (!in_order(before, here, falling))
            fail_msg("%s: row %zu is out of order", page_address(page, true, query), i);
    }
    json_decref(all);
    assert_int_equal(asks(&hand, page_address(page, false, query)), 200);
    assert_says(falling ? "aria-sort=\"descending\"" : "aria-sort=\"ascending\"");
}

static void test_rows_are_sorted_by_any_column(void **state)
{
    static const struct {
        const char *page, *sheet;
    } sorted[] = {{"members", "members"},          {"committees", "committees"},
                  {"committees/54808", "members"}, {"ballots", "ballots"},
                  {"ballots/54808%7CB1", "votes"}, {"risk", "risk"}};
    const char *column;
    json_t *value;

    (void)state;
    for (size_t i = 0; i < PAGES; i++)
        for (size_t j = 0; j < sizeof sorted / sizeof *sorted; j++) {
            json_t *page, *row;
            if (strcmp(sorted[j].page, pages[i]) != 0)
                continue;
            page = asks_json(&hand, page_address(i, true, ""));
            row = json_array_get(json_object_get(page, sorted[j].sheet), 0);
            json_object_foreach(row, column, value)
            {
                if (strcmp(column, "name") == 0) /* not a column of its own in HTML */
                    continue;
                assert_sorted(i, sorted[j].sheet, column, false);
                assert_sorted(i, sorted[j].sheet, column, true);
            }
            json_decref(page);
        }
    assert_int_equal(asks(&hand, "/members?sort=nothing"), 200);
    assert_never_says("aria-sort");
}

/* ---- nothing, and errors ---- */
static void test_an_empty_board_has_pages(void **state)
{
    (void)state;
    for (size_t i = 0; i < PAGES; i++) {
        int status = asks(&hand, page_address(i, false, ""));
        bool one = strchr(pages[i], '/') != NULL; /* of one member, committee or ballot */
        if (status != (one ? 404 : 200))
            fail_msg("%s: %d", pages[i], status);
        assert_never_says("data-value=\"0");
        assert_int_equal(asks(&hand, page_address(i, true, "")), one ? 404 : 200);
    }
    assert_int_equal(asks(&hand, "/members?period=2025"), 200);
    assert_int_equal(asks(&hand, "/?period=2025"), 200);
}

/* Whatever call of the store fails: the page says so, and shows no figure that may be half of one.
 */
static void test_a_store_that_fails_is_told_of(void **state)
{
    static const struct {
        int error, status;
        const char *code;
    } ways[] = {{ERR_CONFIG, 503, "\"error\":\"redis-down\""},
                {ERR_LOST, 503, "\"error\":\"redis-down\""},
                {ERR_AGAIN, 503, "\"error\":\"redis-down\""},
                {ERR_TIMEOUT, 503, "\"error\":\"too-long\""}, /* nothing comes to rest */
                {ERR_FOREIGN, 503, "\"error\":\"foreign\""},
                {ERR_CORRUPT, 500, "\"error\":\"corrupt\""}};

    (void)state;
    for (size_t i = 0; i < PAGES; i++)
        for (size_t w = 0; w < sizeof ways / sizeof *ways; w++)
            for (unsigned at = 1;; at++) {
                int status;
                frail_fail(board.frail, at, ways[w].error, FRAIL_BEFORE);
                status = asks(&hand, page_address(i, true, "?period=2025"));
                if (board.frail->calls < at)
                    break; /* it does not ask so often */
                if (status != ways[w].status || asked.error != ways[w].error)
                    fail_msg("%s, call %u: %d", pages[i], at, status);
                assert_says(ways[w].code);
                assert_int_equal(asked.answer.again, status == 503);
            }
    frail_fail(board.frail, 0, 0, FRAIL_BEFORE);
}

/* The same for people, who are shown names besides. */
static void test_a_store_that_fails_is_told_of_to_people(void **state)
{
    (void)state;
    for (size_t i = 0; i < PAGES; i++)
        for (unsigned at = 1;; at++) {
            int status;
            frail_fail(board.frail, at, ERR_LOST, FRAIL_BEFORE);
            status = asks(&hand, page_address(i, false, at % 2 ? "" : "?part=live"));
            if (board.frail->calls < at)
                break;
            assert_int_equal(status, 503);
            assert_says("Redis does not answer");
            assert_never_says("<table");
        }
    frail_fail(board.frail, 0, 0, FRAIL_BEFORE);
}

static void test_who_comes_when_too_many_wait_is_told_so(void **state)
{
    struct request request = {.path = slice_of("/"), .address = slice_of("/")};
    struct answer_ask ask = {.request = &request, .to.form = ANSWER_JSON};
    struct answer answer = {.status = 0};

    (void)state;
    answer_busy(&ask, &answer);
    assert_int_equal(answer.status, 503);
    assert_true(answer.again);
    assert_non_null(memmem(answer.body.at, answer.body.size, "\"busy\"", 6));
    buffer_free(&answer.body);
}

int main(void)
{
    const struct CMUnitTest full[] = {
        cmocka_unit_test(test_a_closed_ballot_has_its_verdict),
        cmocka_unit_test(test_votes_are_listed_but_not_retracted_ones),
        cmocka_unit_test(test_an_open_ballot_says_who_waits),
        cmocka_unit_test(test_a_ballot_without_notice_has_a_page),
        cmocka_unit_test(test_what_is_not_there_is_not_found),
        cmocka_unit_test(test_seats_at_risk_say_why),
        cmocka_unit_test(test_whom_to_call_first),
        cmocka_unit_test(test_a_period_may_be_a_month),
        cmocka_unit_test(test_people_see_names_and_machines_identifiers),
        cmocka_unit_test(test_last_year_is_told_in_points),
        cmocka_unit_test(test_every_sheet_is_there_as_csv),
        cmocka_unit_test(test_every_page_speaks_two_languages),
        cmocka_unit_test(test_rows_are_sorted_by_any_column),
        cmocka_unit_test(test_a_store_that_fails_is_told_of),
        cmocka_unit_test(test_a_store_that_fails_is_told_of_to_people),
    };
    const struct CMUnitTest empty[] = {
        cmocka_unit_test(test_an_empty_board_has_pages),
        cmocka_unit_test(test_a_store_that_fails_is_told_of),
        cmocka_unit_test(test_who_comes_when_too_many_wait_is_told_so),
    };

    return cmocka_run_group_tests(full, setup, teardown) +
           cmocka_run_group_tests(empty, setup_empty, teardown);
}
