/* What turnout top shows: rates, the screen within its bounds, the line, the change feed in words.
 */
#include "tests/random.h"
#include "workers/cli/top_view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define NOW_MS ((int64_t)1795385096125) /* 2026-11-22T22:04:56.125Z */

static struct buffer out;
static struct top_view view;

static int setup(void **state)
{
    (void)state;
    buffer_clear(&out);
    view = (struct top_view){.now_ms = NOW_MS, .broker = true, .redis = true, .workers = 2};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    top_view_free(&view);
    return 0;
}

static const char *text(void)
{
    buffer_add(&out, "", 1);
    out.size--;
    return out.at;
}

static void change(const char *field, const char *value)
{
    top_view_change(&view, slice_of(field), slice_of(value));
}

/* One group with one figure. */
static void give_board(void)
{
    struct board_group *g = arena_need(&view.board.arena, sizeof *g);

    g->name = slice_of("all");
    g->figures[BOARD_VOTING] =
        (struct board_value){.text = slice_of("0.6190"), .counted = true, .num = 13, .den = 21};
    view.board.groups = g;
    view.board.count = 1;
    view.board.period = slice_of("2026");
    view.board.provisional = view.board.dated = true;
    view.board.as_of_ms = NOW_MS - 1000;
    view.board.list = slice_of("none");
}

static void rates_are_of_the_time_since_the_last_look(void **state)
{
    struct top_view last = {.broker = true, .redis = true, .received = 100, .applied = 90};

    (void)state;
    view.received = 160;
    view.applied = 150;
    top_view_rates(&view, &last, 2000);
    assert_true(view.received_rate == 30);
    assert_true(view.applied_rate == 30);
    top_view_rates(&view, NULL, 2000);
    assert_true(view.received_rate < 0 && view.applied_rate < 0);
    view.applied = 10; /* flushed */
    top_view_rates(&view, &last, 2000);
    assert_true(view.received_rate == 30 && view.applied_rate < 0);
    last.broker = false;
    top_view_rates(&view, &last, 2000);
    assert_true(view.received_rate < 0);
}

static void a_look_is_one_line(void **state)
{
    (void)state;
    give_board();
    change("id", "1795385096000-0");
    change("members", "KE\nFR");
    change("moves", "1");
    view.received_rate = 310;
    view.applied_rate = -1;
    view.lag.events = 12;
    view.lag.ms = 40;
    view.red = 3;
    top_view_line(&view, &out);
    assert_string_equal(text(), "2026-11-22T22:04:56.125Z received/s=310 applied/s=- lag=12 "
                                "lag_s=0.040 workers=2 red=3 amber=0 period=2026 all.effective=- "
                                "all.voting=0.6190 all.presence=- newest=\"members KE, FR\"\n");
    buffer_clear(&out);
    view.redis = false;
    top_view_line(&view, &out);
    assert_non_null(strstr(text(), " lag=- lag_s=- workers=2 red=- amber=- "));
}

static void the_screen_shows_the_board_and_the_newest_changes(void **state)
{
    (void)state;
    give_board();
    change("id", "1795385096000-0");
    change("periods", "2026");
    change("ballots", "*");
    change("id", "1795200000000-3");
    change("members", "KE");
    view.received_rate = view.applied_rate = 0;
    view.amber = 2;
    top_view_screen(&view, 80, 24, false, &out);
    assert_string_equal(text(), "turnout  2026-11-22T22:04:56.125Z\n"
                                "events   0/s received, 0/s applied; 0 events behind, 0.000 s; 2 "
                                "workers\n"
                                "board    2026, provisional, as of 2026-11-22T22:04:55.125Z, list "
                                "none\n"
                                "\n"
                                "           all\n"
                                "effective      \xe2\x80\x93\n"
                                "voting      61.9 % (13/21)\n"
                                "presence       \xe2\x80\x93\n"
                                "\n"
                                "at risk  0 red, 2 amber\n"
                                "\n"
                                "22:04:56  periods 2026; ballots (many)\n"
                                "2026-11-20  members KE\n");
}

static void who_does_not_answer_is_said(void **state)
{
    (void)state;
    view.broker = false;
    view.applied_rate = 5;
    top_view_screen(&view, 80, 24, false, &out);
    assert_non_null(
        strstr(text(), "events   the broker does not answer, 5/s applied; lag not known\n"));
    buffer_clear(&out);
    view.redis = false;
    top_view_screen(&view, 80, 24, false, &out);
    assert_non_null(strstr(text(), "Redis does not answer"));
    assert_non_null(strstr(text(), "at risk  not known"));
    assert_null(strstr(text(), "0 red"));
    buffer_clear(&out);
    view.broker = view.redis = view.lag.foreign = true;
    top_view_screen(&view, 80, 24, false, &out);
    assert_non_null(strstr(text(), "Redis stands for another journal"));
}

/* Characters of the longest line, and how many lines there are. */
static void measure(size_t *ret_widest, size_t *ret_lines)
{
    size_t width = 0;

    *ret_widest = *ret_lines = 0;
    for (size_t i = 0; i < out.size; i++) {
        if (out.at[i] == '\n') {
            ++*ret_lines;
            width = 0;
        } else {
            width += (out.at[i] & 0xc0) != 0x80;
        }
        if (width > *ret_widest)
            *ret_widest = width;
    }
}

static void the_screen_never_exceeds_the_terminal(void **state)
{
    struct random r = random_new(random_seed(__func__));
    size_t widest, lines;

    (void)state;
    give_board();
    for (int i = 0; i < 60; i++) { /* more than are kept */
        change("id", "1795385096000-0");
        change("ballots", "C\xc3\xb4te|B\033[2J\nISO/TC 207|DIS 14001\nISO/TC 207|DIS 14002");
    }
    assert_int_equal(view.change_count, TOP_CHANGES);
    for (int i = 0; i < 300; i++) {
        size_t columns = 1 + random_below(&r, 120), rows = 1 + random_below(&r, 90);
        buffer_clear(&out);
        top_view_screen(&view, columns, rows, false, &out);
        measure(&widest, &lines);
        assert_true(widest <= columns);
        assert_true(lines <= rows);
        assert_null(strchr(text(), '\033'));
        assert_true(utf8_valid(buffer_slice(&out)));
    }
}

static void fields_before_the_first_entry_are_passed_over(void **state)
{
    (void)state;
    change("members", "KE");
    assert_int_equal(view.change_count, 0);
    change("id", "strange");
    top_view_screen(&view, 80, 24, false, &out);
    assert_non_null(strstr(text(), "\nstrange  \n"));
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(rates_are_of_the_time_since_the_last_look),
        TEST(a_look_is_one_line),
        TEST(the_screen_shows_the_board_and_the_newest_changes),
        TEST(who_does_not_answer_is_said),
        TEST(the_screen_never_exceeds_the_terminal),
        TEST(fields_before_the_first_entry_are_passed_over),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    buffer_free(&out);
    return failed;
}
