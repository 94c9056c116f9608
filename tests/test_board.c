/* The board: what is loaded from a store, and how it is printed. */
#include "proto/error.h"
#include "workers/cli/board_print.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define NOW_MS ((int64_t)1795385096125) /* 2026-11-22T22:04:56.125Z */
#define LOG    "00112233445566778899aabbccddeeff"

static struct store *store;
static struct arena arena;
static struct commit commit = {.arena = &arena};
static struct applied derived;
static struct board board;
static struct buffer out;

static const char *text(void)
{
    buffer_add(&out, "", 1);
    out.size--;
    return out.at;
}

static int setup(void **state)
{
    (void)state;
    store = store_memory_new();
    derived = (struct applied){0};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    board_free(&board);
    board = (struct board){0};
    buffer_clear(&out);
    commit_clear(&commit);
    arena_reset(&arena, 0);
    store_free(store);
    return 0;
}

/* ---- filling the store ---- */
static void set(const char *group, const char *period, const char *field, const char *value)
{
    char key[128];

    snprintf(key, sizeof key, "group:%s:%s", group, period);
    commit_hset(&commit, arena_copy(&arena, slice_of(key)), slice_of(field), slice_of(value));
}

/* A rate as it is derived: without a quotient when the denominator is 0. */
static void rate(const char *group, const char *period, const char *name, int num, int den)
{
    char field[64], value[32];

    snprintf(field, sizeof field, "%s.num", name);
    snprintf(value, sizeof value, "%d", num);
    set(group, period, arena_copy(&arena, slice_make(field, strlen(field) + 1)).at,
        arena_copy(&arena, slice_make(value, strlen(value) + 1)).at);
    snprintf(field, sizeof field, "%s.den", name);
    snprintf(value, sizeof value, "%d", den);
    set(group, period, arena_copy(&arena, slice_make(field, strlen(field) + 1)).at,
        arena_copy(&arena, slice_make(value, strlen(value) + 1)).at);
    snprintf(value, sizeof value, "%.4f", den ? (double)num / den : 0);
    if (den)
        set(group, period, name, arena_copy(&arena, slice_make(value, strlen(value) + 1)).at);
}

/* Commits what was set, as derived at that moment. */
static void derive(int64_t time_ms)
{
    struct commit_move *m = commit_move(&commit, PLACE_DERIVED);
    struct applied to = {.known = true, .log = LOG, .time_ms = time_ms};

    to.offset = derived.offset + 1;
    m->from = derived;
    m->to = to;
    assert_int_equal(store_commit(store, &commit), 0);
    derived = to;
    commit_clear(&commit);
}

static void name(const char *group)
{
    commit_sadd(&commit, slice_of("groups"), slice_of(group));
}

/* One group with little in it. */
static void plain_group(const char *group, const char *period)
{
    name(group);
    commit_sadd(&commit, slice_of("periods"), slice_of(period));
    set(group, period, "members", "3");
    set(group, period, "list", "2026-04-01-1f3c9a2b");
    rate(group, period, "voting", 2, 3);
}

static int load(const char *period, const char *const *groups, bool all)
{
    struct board_ask ask = {.all = all, .now_ms = NOW_MS};
    int error;

    if (period)
        ask.period = slice_of(period);
    for (; groups && *groups; groups++)
        name_list_add(&ask.groups, slice_of(*groups));
    error = board_load(store, &ask, &board);
    name_list_free(&ask.groups);
    return error;
}

static void assert_groups(const char *expected)
{
    struct buffer names = {0};

    for (size_t i = 0; i < board.count; i++) {
        buffer_add_text(&names, i ? " " : "");
        buffer_add_slice(&names, board.groups[i].name);
    }
    buffer_add(&names, "", 1);
    assert_string_equal(names.at, expected);
    buffer_free(&names);
}

/* ---- loading ---- */
static void the_three_groups_come_first_and_the_others_by_name(void **state)
{
    (void)state;
    plain_group("sids", "2026");
    plain_group("other", "2026");
    plain_group("africa", "2026");
    plain_group("all", "2026");
    plain_group("developing", "2026");
    name("gone");
    derive(NOW_MS);
    assert_int_equal(load("2026", NULL, false), 0);
    assert_groups("all developing other africa sids");
    assert_null(board.missing.at);
}

static void groups_without_their_largest_members_are_shown_when_asked_for(void **state)
{
    (void)state;
    plain_group("all", "2026");
    plain_group("africa", "2026");
    set("all-without-top3", "2026", "without", "US,DE,JP");
    set("africa-without-top3", "2026", "members", "1");
    derive(NOW_MS);
    assert_int_equal(load("2026", NULL, true), 0);
    assert_groups("all all-without-top3 africa africa-without-top3");
    assert_true(slice_is(board.groups[1].without, "US,DE,JP"));
    board_free(&board);
    board = (struct board){0};
    assert_int_equal(load("2026", (const char *const[]){"africa-without-top3", "all", NULL}, false),
                     0);
    assert_groups("all africa-without-top3");
}

/* A group that bears such a name is a group. */
static void a_real_group_of_such_a_name_is_shown_once(void **state)
{
    (void)state;
    plain_group("all", "2026");
    plain_group("x", "2026");
    plain_group("x-without-top3", "2026");
    derive(NOW_MS);
    assert_int_equal(load("2026", NULL, true), 0);
    assert_groups("all x x-without-top3");
    board_free(&board);
    board = (struct board){0};
    assert_int_equal(load("2026", NULL, false), 0);
    assert_groups("all x x-without-top3");
}

static void groups_that_are_asked_for_and_not_there_are_named(void **state)
{
    (void)state;
    plain_group("all", "2026");
    derive(NOW_MS);
    assert_int_equal(load("2026", (const char *const[]){"mars", "all", "venus", "mars", NULL}, 0),
                     0);
    assert_groups("all");
    assert_true(slice_is(board.missing, "mars, venus"));
}

static void this_year_is_shown_and_else_the_newest_that_has_groups(void **state)
{
    (void)state;
    assert_int_equal(load(NULL, NULL, false), 0);
    assert_null(board.period.at);
    plain_group("all", "2024");
    plain_group("all", "2025-11");
    plain_group("all", "2025");
    commit_sadd(&commit, slice_of("periods"), slice_of("2026")); /* and nothing in it */
    derive(NOW_MS);
    assert_int_equal(load(NULL, NULL, false), 0);
    assert_true(slice_is(board.period, "2025"));
    board_free(&board);
    board = (struct board){0};
    plain_group("all", "2026");
    plain_group("all", "2027");
    derive(NOW_MS);
    assert_int_equal(load(NULL, NULL, false), 0);
    assert_true(slice_is(board.period, "2026"));
}

static void assert_provisional_at(const char *period, int64_t now_ms, bool expected)
{
    struct board_ask ask = {.period = slice_of(period), .now_ms = now_ms};

    assert_int_equal(board_load(store, &ask, &board), 0);
    assert_int_equal(board.provisional, expected);
    board_free(&board);
    board = (struct board){0};
}

static void a_period_is_provisional_until_it_is_over(void **state)
{
    (void)state;
    assert_provisional_at("2026", NOW_MS, true);
    assert_provisional_at("2026-11", NOW_MS, true);
    assert_provisional_at("2026-10", NOW_MS, false);
    assert_provisional_at("2025", NOW_MS, false);
    assert_provisional_at("2027-01", NOW_MS, true);
    assert_provisional_at("2026", 1798761599999, true); /* 2026-12-31T23:59:59.999Z */
    assert_provisional_at("2026-12", 1798761600000, false);
    assert_int_equal(load("2026-13", NULL, false), ERR_CONFIG);
}

static void what_turnout_never_wrote_is_told(void **state)
{
    (void)state;
    plain_group("all", "2026");
    set("all", "2026", "voting.num", "many");
    derive(NOW_MS);
    assert_int_equal(load("2026", NULL, false), ERR_CORRUPT);
    board_free(&board);
    board = (struct board){0};
    rate("all", "2026", "voting", 1, 2);
    set("all", "2026", "voting", "\033[2J");
    derive(NOW_MS);
    assert_int_equal(load("2026", NULL, false), ERR_CORRUPT);
}

/* A store in which somebody derives right after every look, a few times. */
static struct store moving;
static int moves_left;

static int moving_begin(struct store *s, const struct store_look *look)
{
    int error = store_begin(store, look);

    (void)s;
    if (moves_left > 0) {
        moves_left--;
        set("all", "2026", "members", moves_left % 2 ? "7" : "8");
        derive(derived.time_ms + 1000);
    }
    return error;
}

static int moving_fetch(struct store *s, const struct store_fetch *fetches, size_t count, void *c)
{
    (void)s;
    return store_fetch(store, fetches, count, c);
}

static void the_moment_and_the_figures_belong_together(void **state)
{
    static const struct store_ops ops = {.begin = moving_begin, .fetch = moving_fetch};
    struct board_ask ask = {.period = slice_of("2026"), .now_ms = NOW_MS};

    (void)state;
    plain_group("all", "2026");
    derive(NOW_MS);
    moving.ops = &ops;
    moves_left = 5;
    assert_int_equal(board_load(&moving, &ask, &board), 0);
    assert_int_equal(moves_left, 0);
    assert_int_equal(board.as_of_ms, NOW_MS + 5000);
    assert_int_equal(board.groups[0].counts[BOARD_MEMBERS], 8);
}

/* ---- printing ---- */
static void fill(void)
{
    plain_group("all", "2026");
    plain_group("developing", "2026");
    rate("all", "2026", "effective", 21, 24);
    rate("developing", "2026", "effective", 0, 0);
    rate("all", "2026", "voting", 13, 21);
    rate("developing", "2026", "voting", 0, 4);
    set("all", "2026", "voting.median", "0.6250");
    set("all", "2026", "seats.dormant", "2");
    set("all", "2026", "technical.votes", "99");
    set("all-without-top3", "2026", "without", "US,DE,JP");
    set("all-without-top3", "2026", "members", "0");
    derive(NOW_MS);
}

static void the_table_has_figures_as_rows_and_groups_as_columns(void **state)
{
    (void)state;
    fill();
    assert_int_equal(load("2026", NULL, false), 0);
    board_print_text(&board, 80, false, &out);
    assert_string_equal(text(), "period  2026, provisional\n"
                                "as of   2026-11-22T22:04:56.125Z\n"
                                "groups  list 2026-04-01-1f3c9a2b\n"
                                "\n"
                                "                 all              developing\n"
                                "effective         87.5 % (21/24)      \xe2\x80\x93\n"
                                "voting            61.9 % (13/21)    0.0 % (0/4)\n"
                                "substantive          \xe2\x80\x93                \xe2\x80\x93\n"
                                "commented            \xe2\x80\x93                \xe2\x80\x93\n"
                                "presence             \xe2\x80\x93                \xe2\x80\x93\n"
                                "governance           \xe2\x80\x93                \xe2\x80\x93\n"
                                "share.votes          \xe2\x80\x93                \xe2\x80\x93\n"
                                "share.delegates      \xe2\x80\x93                \xe2\x80\x93\n"
                                "share.seats          \xe2\x80\x93                \xe2\x80\x93\n"
                                "voting.median     62.5 %              \xe2\x80\x93\n"
                                "presence.median      \xe2\x80\x93                \xe2\x80\x93\n"
                                "members              3                3\n"
                                "members.active       0                0\n"
                                "seats.P              0                0\n"
                                "seats.O              0                0\n"
                                "seats.dormant        2                0\n");
}

/* Every line but one for each row, label and all, fits. */
static void assert_blocks(size_t columns, unsigned expected)
{
    struct slice rest, line;
    unsigned blocks = 0;

    buffer_clear(&out);
    board_print_text(&board, columns, false, &out);
    for (rest = buffer_slice(&out); slice_cut(&rest, '\n', &line);) {
        blocks += line.size == 0;
        assert_true(line.size == 0 || line.at[line.size - 1] != ' ');
    }
    assert_int_equal(blocks, expected);
}

static void groups_that_do_not_fit_come_in_blocks(void **state)
{
    (void)state;
    fill();
    assert_int_equal(load("2026", NULL, true), 0);
    assert_blocks(100, 1);
    assert_blocks(60, 2);
    assert_blocks(10, 3);
    assert_non_null(strstr(text(), "without          US,DE,JP\n"));
}

static void no_data_is_never_nothing_percent(void **state)
{
    struct board_value v = {.counted = true};

    (void)state;
    board_value_text(&v, &out);
    assert_null(strchr(text(), '%'));
    v = (struct board_value){.counted = true, .den = 4, .text = slice_of("0.0000")};
    buffer_clear(&out);
    board_value_text(&v, &out);
    assert_string_equal(text(), "  0.0 % (0/4)");
    v = (struct board_value){.counted = true, .num = 4, .den = 4, .text = slice_of("1.0000")};
    buffer_clear(&out);
    board_value_text(&v, &out);
    assert_string_equal(text(), "100.0 % (4/4)");
}

static void a_board_without_groups_prints_nothing_as_text_and_a_head_as_csv(void **state)
{
    (void)state;
    assert_int_equal(load(NULL, NULL, false), 0);
    board_print_text(&board, 80, false, &out);
    assert_string_equal(text(), "");
    board_print_csv(&board, &out);
    assert_string_equal(text(), "period,group,figure,value,num,den,list\r\n");
    buffer_clear(&out);
    board_print_json(&board, &out);
    assert_string_equal(
        text(),
        "{\"period\":null,\"as_of\":null,\"list\":null,\"provisional\":false,\"groups\":[]}\n");
}

static void csv_has_one_record_a_group_and_figure(void **state)
{
    (void)state;
    fill();
    assert_int_equal(load("2026", NULL, false), 0);
    board_print_csv(&board, &out);
    assert_non_null(strstr(text(), "2026,all,voting,0.6190,13,21,2026-04-01-1f3c9a2b\r\n"));
    assert_non_null(strstr(text(), "2026,developing,effective,,0,0,2026-04-01-1f3c9a2b\r\n"));
    assert_non_null(strstr(text(), "2026,all,voting.median,0.6250,,,2026-04-01-1f3c9a2b\r\n"));
    assert_non_null(strstr(text(), "2026,all,members,3,,,2026-04-01-1f3c9a2b\r\n"));
}

static void a_month_has_no_effective_figure(void **state)
{
    (void)state;
    plain_group("all", "2026-03");
    derive(NOW_MS);
    assert_int_equal(load("2026-03", NULL, false), 0);
    board_print_text(&board, 80, false, &out);
    board_print_csv(&board, &out);
    board_print_json(&board, &out);
    assert_null(strstr(text(), "effective"));
    assert_null(strstr(text(), "dormant"));
    assert_non_null(strstr(text(), "voting"));
}

static void json_tells_no_data_by_null(void **state)
{
    json_t *all, *group, *figures;

    (void)state;
    fill();
    assert_int_equal(load("2026", NULL, true), 0);
    board_print_json(&board, &out);
    all = json_loads(text(), 0, NULL);
    assert_non_null(all);
    assert_string_equal(json_string_value(json_object_get(all, "as_of")),
                        "2026-11-22T22:04:56.125Z");
    assert_true(json_is_true(json_object_get(all, "provisional")));
    group = json_array_get(json_object_get(all, "groups"), 1);
    assert_string_equal(json_string_value(json_object_get(group, "without")), "US,DE,JP");
    group = json_array_get(json_object_get(all, "groups"), 2);
    assert_string_equal(json_string_value(json_object_get(group, "group")), "developing");
    figures = json_object_get(group, "figures");
    assert_true(json_is_null(json_object_get(json_object_get(figures, "effective"), "value")));
    assert_int_equal(json_integer_value(json_object_get(json_object_get(figures, "voting"), "den")),
                     4);
    assert_true(json_number_value(json_object_get(json_object_get(figures, "voting"), "value")) ==
                0);
    json_decref(all);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_three_groups_come_first_and_the_others_by_name),
        TEST(groups_without_their_largest_members_are_shown_when_asked_for),
        TEST(a_real_group_of_such_a_name_is_shown_once),
        TEST(groups_that_are_asked_for_and_not_there_are_named),
        TEST(this_year_is_shown_and_else_the_newest_that_has_groups),
        TEST(a_period_is_provisional_until_it_is_over),
        TEST(what_turnout_never_wrote_is_told),
        TEST(the_moment_and_the_figures_belong_together),
        TEST(the_table_has_figures_as_rows_and_groups_as_columns),
        TEST(groups_that_do_not_fit_come_in_blocks),
        TEST(no_data_is_never_nothing_percent),
        TEST(a_board_without_groups_prints_nothing_as_text_and_a_head_as_csv),
        TEST(csv_has_one_record_a_group_and_figure),
        TEST(a_month_has_no_effective_figure),
        TEST(json_tells_no_data_by_null),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    buffer_free(&out);
    commit_free(&commit);
    arena_free(&arena);
    return failed;
}
