/* Pages over boards that are rare: with hardly anything on them, with very much, and with what
 * somebody's hand has put into Redis. */
#include "tests/asked.h"
#include "tests/full_board.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct full_board board;
static struct hand hand;

static int setup(void **state)
{
    (void)state;
    board = full_board_new();
    hand.store = board.desk->store;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    full_board_free(&board);
    asked_free();
    return 0;
}

static void say(const char *type, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(const char *type, const char *format, ...)
{
    char rest[512];
    va_list words;

    va_start(words, format);
    vsnprintf(rest, sizeof rest, format, words);
    va_end(words);
    full_board_say(&board, type, rest);
}

static int asks_of(const char *address)
{
    return asks(&hand, full_board_text(&board, address));
}

static json_t *json_of(const char *address)
{
    return asks_json(&hand, full_board_text(&board, address));
}

static void assert_cell(json_t *row, const char *column, const char *expected)
{
    assert_string_equal(asked_cell(row, column), expected);
}

static size_t rows_of(json_t *page, const char *sheet)
{
    return json_array_size(json_object_get(page, sheet));
}

/* ---- hardly anything ---- */
static void test_a_committee_before_anything_happened(void **state)
{
    (void)state;
    say("committee", "'committee':'C','title':'First'");
    full_board_settle(&board);
    assert_int_equal(asks_of("/committees/C"), 404); /* there is no period yet */
    assert_int_equal(asks_of("/committees"), 200);
    assert_int_equal(asks_of("/risk"), 200);
    assert_says("class=\"empty\"");
}

/* A committee whose reference is its identifier is not named twice. */
static void test_one_name_is_told_once(void **state)
{
    (void)state;
    say("committee", "'committee':'TC','reference':'TC','title':'First'");
    say("adoption", "'member':'KE','standard':'ISO 1','reference':'KS','degree':'IDT','date':"
                    "'{year}-01-01'");
    full_board_settle(&board);
    assert_int_equal(asks_of("/committees"), 200);
    assert_says("TC");
    assert_never_says("class=\"code\"");
}

/* Only members of other countries have not answered: nobody is to be called. */
static void test_calls_are_for_developing_countries(void **state)
{
    json_t *page;

    (void)state;
    for (int i = 0; i < 3; i++) {
        say("member", "'member':'D%d','developing':%s", i, i < 2 ? "false" : "true");
        say("seat", "'committee':'C','member':'D%d','from':'2020-01-01','role':'P'", i);
        say("seat", "'committee':'A','member':'D%d','from':'2020-01-01','role':'P'", i);
    }
    say("ballot", "'committee':'C','ballot':'B','kind':'DIS','closes':'{+3}','status':'open'");
    say("ballot", "'committee':'A','ballot':'B','kind':'DIS','closes':'{+3}','status':'open'");
    say("ballot", "'committee':'A','ballot':'Y','kind':'DIS','closes':'{+1}','status':'open'");
    say("adoption", "'member':'D0','standard':'ISO 1','reference':'KS','degree':'IDT','date':"
                    "'{year}-01-01'");
    full_board_settle(&board);
    page = json_of("/api/v1/outcome?period={year}");
    assert_int_equal(rows_of(page, "calls"), 2);
    assert_cell(json_array_get(json_object_get(page, "calls"), 0), "committee", "A");
    assert_cell(json_array_get(json_object_get(page, "calls"), 0), "ballot", "Y");
    assert_cell(json_array_get(json_object_get(page, "calls"), 0), "name", "D2"); /* has none */
    assert_cell(json_array_get(json_object_get(page, "calls"), 1), "committee", "C");
    json_decref(page);
}

/* ---- very much ---- */
static void say_crowd(void)
{
    for (int i = 0; i < 1100; i++)
        say("member", "'member':'X%d','developing':true", i);
    for (int i = 0; i < 310; i++)
        say("ballot", "'committee':'C','ballot':'B%d','kind':'NP','closes':'{+%d}','status':'open'",
            i, i / 2 + 1);
    for (int i = 0; i < 30; i++)
        say("adoption",
            "'member':'X1','standard':'ISO %d','reference':'KS %d','degree':'IDT','date':"
            "'{year}-01-01','themes':['theme-%d']",
            i, i, i);
    say("committee", "'committee':'C','title':'Busy'");
    full_board_settle(&board);
}

static void test_what_is_too_much_is_cut_the_nearest_first(void **state)
{
    json_t *page, *rows;
    size_t bars = 0;

    (void)state;
    say_crowd();
    page = json_of("/api/v1/ballots");
    rows = json_object_get(page, "ballots");
    assert_int_equal(json_array_size(rows), 300);
    assert_cell(json_array_get(rows, 0), "days", "1");
    json_decref(page);
    page = json_of("/api/v1/committees/C");
    assert_int_equal(rows_of(page, "ballots"), 200);
    json_decref(page);
    page = json_of("/api/v1/members");
    assert_int_equal(rows_of(page, "members"), 1100);
    json_decref(page);
    assert_int_equal(asks_of("/members"), 200);
    assert_says(">X1099<");
    page = json_of("/api/v1/adoptions");
    assert_int_equal(rows_of(page, "themes"), 30);
    json_decref(page);
    assert_int_equal(asks_of("/adoptions?part=live"), 200);
    for (const char *at = asked.text; (at = strstr(at, "bar-value")); at++)
        bars++;
    assert_int_equal(bars, 24);
}

/* ---- a long address ---- */
static void test_a_link_that_would_be_too_long_is_not_made_worse(void **state)
{
    char address[REQUEST_ADDRESS + 1] = "/members?x=";
    size_t begun = strlen(address);

    (void)state;
    say("member", "'member':'KE','developing':true");
    say("adoption", "'member':'KE','standard':'ISO 1','reference':'KS','degree':'IDT','date':"
                    "'{year}-01-01'");
    full_board_settle(&board);
    memset(address + begun, 'a', REQUEST_ADDRESS - begun);
    assert_int_equal(asks(&hand, address), 200);
    assert_says("&amp;sort=member\"");
}

/* ---- somebody's hand ---- */
struct put {
    const char *key, *field, *value;
};

static void put_all(const struct put *puts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct commit c = {0};
        struct slice key = slice_of(full_board_text(&board, puts[i].key));
        if (puts[i].value)
            commit_hset(&c, key, slice_of(puts[i].field), slice_of(puts[i].value));
        else
            commit_sadd(&c, key, slice_of(puts[i].field));
        assert_int_equal(store_commit(board.desk->store, &c), 0);
        commit_free(&c);
    }
}
#define PUT(...)                                                                                   \
    put_all((const struct put[]){__VA_ARGS__},                                                     \
            sizeof((const struct put[]){__VA_ARGS__}) / sizeof(struct put))

/* What is no seat, no vote and no day is passed over; everything else is shown as it was. */
static void test_what_is_no_fact_is_passed_over(void **state)
{
    json_t *page, *row;

    (void)state;
    full_board_fill(&board);
    say("committee", "'committee':'ODD','title':'Odd'");
    say("seat", "'committee':'ODD','member':'DE','from':'2020-01-01','role':'P'");
    say("seat", "'committee':'ODD','member':'FR','from':'2020-01-01','role':'P'");
    say("ballot", "'committee':'ODD','ballot':'B','kind':'NP','closes':'{+60}','status':'open'");
    say("vote", "'committee':'ODD','ballot':'B','member':'DE','position':'approve'");
    say("vote", "'committee':'ODD','ballot':'B','member':'FR','position':'approve'");
    full_board_settle(&board);
    PUT({"seats:ODD", "nonsense", "P"}, {"seats:ODD", "AA|someday", "P"},
        {"seats:ODD", "AB|2020-01-01", "chief"}, {"votes:ODD|B", "DE", "yes, please"},
        {"ballot:ODD|B", "closes", "someday"}, {"ballot:ODD|B", "opens", "2026-99-99"},
        {"index:ODD", "ballot|B", "someday"}, {"index:ODD", "nonsense", "2026-01-01"},
        {"index:ODD", "meeting|T", "someday"}, {"meeting:ODD|T", "starts", "someday"},
        {"index:ODD", "committee", "a title"});
    page = json_of("/api/v1/committees/ODD");
    assert_int_equal(rows_of(page, "members"), 2);
    assert_cell(asked_row(page, "ballots", "ballot", "B"), "closes", "null");
    assert_cell(asked_row(page, "meetings", "meeting", "T"), "starts", "null");
    assert_cell(asked_row(page, "meetings", "meeting", "T"), "status", "null");
    json_decref(page);
    page = json_of("/api/v1/ballots/ODD%7CB");
    row = json_array_get(json_object_get(page, "notice"), 0);
    assert_cell(row, "opens", "null");
    assert_cell(row, "closes", "null");
    assert_int_equal(rows_of(page, "votes"), 1);
    asked_row(page, "waiting", "member", "DE"); /* that was no vote */
    assert_int_equal(rows_of(page, "waiting"), 1);
    json_decref(page);
    page = json_of("/api/v1/ballots");
    assert_cell(asked_row(page, "ballots", "committee", "ODD"), "answered", "0.5000 1/2");
    json_decref(page);
    assert_int_equal(asks_of("/committees/ODD"), 200);
    assert_says("ODD");
}

/* An open ballot without a notice, and a member of whom the set of members knows nothing. */
static void test_names_that_lead_nowhere_are_shown_as_they_are(void **state)
{
    struct commit c = {0};
    json_t *page, *row;

    (void)state;
    full_board_fill(&board);
    commit_zadd(&c, slice_of("ballots:open"), slice_of("54808|NOWHERE"), 1);
    commit_zadd(&c, slice_of("ballots:open"), slice_of("no-committee"), 2);
    commit_zadd(&c, slice_of("watch"), slice_of("nonsense"), 2);
    commit_zadd(&c, slice_of("watch"), slice_of("54808|KE"), 2);
    commit_zadd(&c, slice_of("watch"), slice_of("54808|NOBODY|missed-ballot"), 2);
    commit_hset(&c, slice_of("seats:54808"), slice_of("ZZ|2020-01-01"),
                slice_of("P 1767225600000 9f86d081884c7d65 id=r1"));
    assert_int_equal(store_commit(board.desk->store, &c), 0);
    commit_free(&c);
    page = json_of("/api/v1/ballots");
    row = asked_row(page, "ballots", "ballot", "NOWHERE");
    assert_cell(row, "title", "null");
    assert_non_null(strstr(asked_cell(row, "who"), "ZZ"));
    assert_cell(asked_row(page, "ballots", "ballot", "no-committee"), "committee", "null");
    json_decref(page);
    page = json_of("/api/v1/members?period={year}");
    assert_cell(asked_row(page, "members", "member", "KE"), "red", "2");
    json_decref(page);
    assert_int_equal(asks_of("/risk"), 500); /* that list is not turnout's */
    assert_says("turnout verify");
}

/* Figures that are none become neither a page that breaks nor a bar that leaves its frame. */
static void test_figures_stay_in_their_frames(void **state)
{
    json_t *page;

    (void)state;
    full_board_fill(&board);
    PUT({"group:developing:{year}", "voting", "1.5000"}, {"ballot:54808|B1", "p.approve", "-1"},
        {"ballot:54808|B1", "p.disapprove", "3"},
        {"group:developing:{year}-01", "voting", "0.3333333333333333333333333333333333333333"},
        {"group:developing:{year}", "effective", "0.9000"},
        {"member:KE:{year}", "technical.votes", "many"}, {"periods", "soon", NULL});
    assert_int_equal(asks_of("/?period={year}"), 200);
    assert_says("width=\"330\"");
    assert_never_says("width=\"495\"");
    assert_never_says("width=\"-");
    assert_says("mark mark-more");
    assert_int_equal(asks_of("/?period={year}&lang=fr"), 200);
    assert_says("points de plus");
    assert_int_equal(asks_of("/ballots/54808%7CB1"), 200);
    assert_says("width=\"0\"");
    assert_never_says("width=\"-");
    page = json_of("/api/v1/outcome?period={year}");
    assert_cell(asked_row(page, "trend", "month", full_board_text(&board, "{year}-01")),
                "developing", "0.3333 22/28");
    json_decref(page);
    page = json_of("/api/v1/members?period={year}");
    assert_cell(asked_row(page, "members", "member", "KE"), "votes", "0");
    json_decref(page);
    PUT({"meta", "partitions", "-1"});
    assert_int_equal(asks_of("/api/v1/members"), 200);
    PUT({"meta", "partitions", "1000000"});
    assert_int_equal(asks_of("/api/v1/members"), 200);
    PUT({"meta", "partitions", "all"});
    assert_int_equal(asks_of("/api/v1/members"), 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_committee_before_anything_happened, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_name_is_told_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_calls_are_for_developing_countries, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_too_much_is_cut_the_nearest_first, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_link_that_would_be_too_long_is_not_made_worse, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_what_is_no_fact_is_passed_over, setup, teardown),
        cmocka_unit_test_setup_teardown(test_names_that_lead_nowhere_are_shown_as_they_are, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_figures_stay_in_their_frames, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
