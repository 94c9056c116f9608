/* Lines from files, pipes that wait, and lines that are too long. */
#include "workers/cli/lines.h"

#include "proto/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define MOST 10

static struct lines lines;
static int ends[2];

static int begin(void **state)
{
    (void)state;
    assert_int_equal(pipe(ends), 0);
    lines_open(&lines, ends[0], MOST);
    return 0;
}

static int end(void **state)
{
    (void)state;
    lines_close(&lines);
    close(ends[0]);
    if (ends[1] >= 0)
        close(ends[1]);
    return 0;
}

static void say(const char *text)
{
    assert_int_equal(write(ends[1], text, strlen(text)), strlen(text));
}

static void finish(void)
{
    close(ends[1]);
    ends[1] = -1;
}

static void assert_line(const char *expected)
{
    struct slice line;

    assert_int_equal(lines_next(&lines, 1000, &line), 1);
    assert_int_equal(line.size, strlen(expected));
    assert_memory_equal(line.at, expected, line.size);
}

static void assert_nothing(int expected)
{
    struct slice line;

    assert_int_equal(lines_next(&lines, 0, &line), expected);
}

static void lines_come_one_by_one_and_the_last_needs_no_end(void **state)
{
    (void)state;
    say("one\n\ntwo\r\nthree");
    assert_line("one");
    assert_line("");
    assert_line("two\r");
    assert_nothing(ERR_AGAIN);
    finish();
    assert_line("three");
    assert_nothing(0);
    assert_nothing(0);
}

static void a_line_that_comes_in_pieces_is_one_line(void **state)
{
    (void)state;
    say("on");
    assert_nothing(ERR_AGAIN);
    say("e\nt");
    assert_line("one");
    assert_nothing(ERR_AGAIN);
    say("wo\n");
    assert_line("two");
}

static void a_line_too_long_is_cut_once_and_its_rest_passed_over(void **state)
{
    (void)state;
    say("0123456789\n0123456789X\nafter\n");
    assert_line("0123456789");
    assert_line("0123456789X");
    assert_line("after");
    say("0123456789ABC");
    assert_line("0123456789A");
    say("DEF");
    assert_nothing(ERR_AGAIN);
    say("GHI\nnext\n");
    assert_line("next");
    say("0123456789ABC");
    finish();
    assert_line("0123456789A");
    assert_nothing(0);
}

static void an_empty_file_has_no_line(void **state)
{
    (void)state;
    finish();
    assert_nothing(0);
}

static void what_cannot_be_read_is_an_error(void **state)
{
    struct slice line;

    (void)state;
    lines.fd = -1;
    int error = lines_next(&lines, 0, &line);
    assert_true(error == ERR_IO || error == ERR_AGAIN);
    lines.fd = ends[1]; /* the writing end */
    assert_true(lines_next(&lines, 0, &line) < 0);
    lines.fd = ends[0];
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        test(lines_come_one_by_one_and_the_last_needs_no_end),
        test(a_line_that_comes_in_pieces_is_one_line),
        test(a_line_too_long_is_cut_once_and_its_rest_passed_over),
        test(an_empty_file_has_no_line),
        test(what_cannot_be_read_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
