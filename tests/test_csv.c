/* CSV and text tables: what is written is what a reader of RFC 4180, or of a terminal, gets. */
#include "tests/random.h"
#include "workers/table_text.h"
#include "workers/view/csv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct buffer out;

static const char *text(void)
{
    buffer_add(&out, "", 1);
    out.size--;
    return out.at;
}

static int clear(void **state)
{
    (void)state;
    buffer_clear(&out);
    return 0;
}

/* ---- CSV ---- */
static void plain_fields_stand_as_they_are(void **state)
{
    struct csv c = {&out, 0};

    (void)state;
    csv_add_text(&c, "ISO/TC 207");
    csv_add(&c, (struct slice){0});
    csv_add_int(&c, -17);
    csv_end(&c);
    csv_add_text(&c, "x");
    csv_end(&c);
    assert_string_equal(text(), "ISO/TC 207,,-17\r\nx\r\n");
}

static void commas_quotes_and_line_breaks_are_quoted(void **state)
{
    struct csv c = {&out, 0};

    (void)state;
    csv_add_text(&c, "a,b");
    csv_add_text(&c, "say \"yes\"");
    csv_add_text(&c, "two\nlines");
    csv_add_text(&c, "two\rlines");
    csv_end(&c);
    assert_string_equal(text(), "\"a,b\",\"say \"\"yes\"\"\",\"two\nlines\",\"two\rlines\"\r\n");
}

/* Reads a field by RFC 4180 and moves behind what ends it. */
static void read_field(const char **at, struct buffer *ret)
{
    bool quoted = **at == '"';

    buffer_clear(ret);
    for (*at += quoted; quoted ? **at != '"' || (*at)[1] == '"' : !strchr(",\r", **at); ++*at) {
        *at += quoted && **at == '"';
        buffer_add(ret, *at, 1);
    }
    *at += quoted;
    *at += **at == ',' ? 1 : 2;
}

static void any_field_can_be_read_back(void **state)
{
    static const char alphabet[] = "ab,\"\r\n \xc3";
    struct random r = random_new(random_seed(__func__));
    struct buffer field = {0};
    char fields[40][12];
    struct csv c = {&out, 0};

    (void)state;
    for (int round = 0; round < 500; round++) {
        size_t count = 1 + random_below(&r, 40);
        buffer_clear(&out);
        for (size_t i = 0; i < count; i++) {
            size_t size = random_below(&r, 12);
            for (size_t k = 0; k < size; k++)
                fields[i][k] = alphabet[random_below(&r, sizeof alphabet - 1)];
            fields[i][size] = '\0';
            csv_add_text(&c, fields[i]);
        }
        csv_end(&c);
        const char *at = text();
        for (size_t i = 0; i < count; i++) {
            read_field(&at, &field);
            assert_int_equal(field.size, strlen(fields[i]));
            assert_memory_equal(field.size ? field.at : "", fields[i], field.size);
        }
        assert_true(at == out.at + out.size);
    }
    buffer_free(&field);
}

/* ---- tables ---- */
static void columns_line_up_by_characters(void **state)
{
    struct text_table *t = text_table_new(3);

    (void)state;
    text_table_add(t, slice_of("C\xc3\xb4te d\xe2\x80\x99Ivoire"), TEXT_PLAIN); /* 13 characters */
    text_table_add(t, slice_of("7"), TEXT_PLAIN);
    text_table_add(t, slice_of("x"), TEXT_PLAIN);
    text_table_add(t, slice_of("Kenya"), TEXT_PLAIN);
    text_table_add(t, slice_of("123"), TEXT_PLAIN);
    text_table_add(t, slice_of(""), TEXT_PLAIN);
    text_table_print(t, false, &out);
    text_table_free(t);
    assert_string_equal(text(), "C\xc3\xb4te d\xe2\x80\x99Ivoire  7    x\nKenya          123\n");
}

static void a_row_that_is_not_full_is_a_line_all_the_same(void **state)
{
    struct text_table *t = text_table_new(2);

    (void)state;
    text_table_add(t, slice_of("one"), TEXT_PLAIN);
    text_table_add(t, slice_of("two"), TEXT_PLAIN);
    text_table_add(t, slice_of("three"), TEXT_PLAIN);
    text_table_print(t, false, &out);
    text_table_free(t);
    assert_string_equal(text(), "one    two\nthree\n");
}

static void a_cell_cannot_command_the_terminal(void **state)
{
    struct text_table *t = text_table_new(1);

    (void)state;
    text_table_add(t,
                   slice_of("a\033[2Jb\x7f\xc2\x9b"
                            "c\n"),
                   TEXT_PLAIN);
    text_table_add(t, slice_of("broken \xff\xfe\x7f utf"), TEXT_PLAIN);
    text_table_add(t, slice_of("\u202eEK \u00e9\u200b"), TEXT_PLAIN); /* turned, and not seen */
    text_table_print(t, false, &out);
    text_table_free(t);
    assert_string_equal(text(), "a?[2Jb??c?\nbroken ??? utf\n?EK \u00e9?\n");
}

static void colour_is_only_where_it_is_wanted_and_takes_no_room(void **state)
{
    (void)state;
    for (int colour = 0; colour < 2; colour++) {
        struct text_table *t = text_table_new(2);
        buffer_clear(&out);
        text_table_add(t, slice_of("red"), TEXT_RED);
        text_table_add(t, slice_of("x"), TEXT_PLAIN);
        text_table_add(t, slice_of("amber"), TEXT_PLAIN);
        text_table_add(t, slice_of("y"), TEXT_BOLD);
        text_table_print(t, colour, &out);
        text_table_free(t);
        assert_string_equal(text(), colour ? "\033[31mred\033[0m    x\namber  \033[1my\033[0m\n"
                                           : "red    x\namber  y\n");
    }
}

static void no_color_and_files_are_without_colour(void **state)
{
    FILE *f = tmpfile();

    (void)state;
    unsetenv("NO_COLOR");
    assert_false(text_colour_wanted(f));
    fclose(f);
}

static void the_width_is_what_the_environment_says_else_a_hundred(void **state)
{
    FILE *f = tmpfile();

    (void)state;
    unsetenv("COLUMNS");
    assert_int_equal(text_columns(f), 100);
    setenv("COLUMNS", "72", 1);
    assert_int_equal(text_columns(f), 72);
    setenv("COLUMNS", "-3", 1);
    assert_int_equal(text_columns(f), 100);
    setenv("COLUMNS", "10001", 1);
    assert_int_equal(text_columns(f), 100);
    setenv("COLUMNS", "wide", 1);
    assert_int_equal(text_columns(f), 100);
    setenv("COLUMNS", "0", 1);
    assert_int_equal(text_columns(f), 100);
    unsetenv("COLUMNS");
    fclose(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(plain_fields_stand_as_they_are, clear),
        cmocka_unit_test_setup(commas_quotes_and_line_breaks_are_quoted, clear),
        cmocka_unit_test_setup(any_field_can_be_read_back, clear),
        cmocka_unit_test_setup(columns_line_up_by_characters, clear),
        cmocka_unit_test_setup(a_row_that_is_not_full_is_a_line_all_the_same, clear),
        cmocka_unit_test_setup(a_cell_cannot_command_the_terminal, clear),
        cmocka_unit_test_setup(colour_is_only_where_it_is_wanted_and_takes_no_room, clear),
        cmocka_unit_test_setup(no_color_and_files_are_without_colour, clear),
        cmocka_unit_test_setup(the_width_is_what_the_environment_says_else_a_hundred, clear),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    buffer_free(&out);
    return failed;
}
