/* The verbs before there is anything to do: options that make no sense, pages of help, a
 * configuration that is wrong, and nobody there.  No stack runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "tests/stack.h"

#define WORDS 8

static struct stack *place; /* a folder where nothing runs */

static int setup(void **state)
{
    (void)state;
    place = stack_new(1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    stack_free(place);
    return 0;
}

static struct run turnout(const char *const words[WORDS], const char *input)
{
    const char *all[WORDS + 2] = {"turnout"};

    for (size_t i = 0; i < WORDS && words[i]; i++)
        all[1 + i] = words[i];
    return stack_run(place, slice_of(input), all);
}

static void assert_ends(const char *const words[WORDS], int low, int high)
{
    struct run r = turnout(words, "");

    if (r.status < low || r.status > high)
        fail_msg("turnout %s %s %s: status %d, not %d: %.*s", words[0] ? words[0] : "",
                 words[1] ? words[1] : "", words[1] && words[2] ? words[2] : "", r.status, low,
                 (int)r.err.size, r.err.at);
    assert_true(r.out.size + r.err.size > 0);
    run_free(&r);
}

static void what_makes_no_sense_is_a_usage_error(void **state)
{
    static const char *const wrong[][WORDS] = {
        {NULL},
        {"nothing"},
        {"publish", "-t", "0"},
        {"publish", "-t", "soon"},
        {"publish", "--no-such"},
        {"sync", "-t", "0"},
        {"sync", "-t", "x"},
        {"sync", "word"},
        {"status", "word"},
        {"board", "word"},
        {"board", "--json", "--csv"},
        {"board", "--redis-user", "writer"},
        {"board", "--as-of", "tomorrow"},
        {"top", "-i", "0"},
        {"top", "-i", "5x"},
        {"top", "-i", ""},
        {"top", "-n", "0"},
        {"top", "-n", "many"},
        {"top", "word"},
        {"watch", "word"},
        {"why"},
        {"why", "member:KE:2026"},
        {"why", "no:such:key", "field"},
        {"why", "member:KE:2026", "technical.votes", "more"},
        {"history"},
        {"history", "nothing|at|all"},
        {"diff", "word"},
        {"diff", "--from", "x"},
        {"diff", "--max", "x"},
        {"diff", "--max", "-1"},
        {"export", "--kind", "nothing"},
        {"export", "word"},
        {"verify", "word"},
        {"verify", "--max", "x"},
        {"verify", "--max", "-1"},
        {"rebuild", "word"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_ends(wrong[i], EX_USAGE, EX_USAGE);
}

static const char *const verbs[] = {"publish", "sync", "status", "board",   "watch",  "top",
                                    "why",     "diff", "export", "history", "verify", "rebuild"};
#define VERBS (sizeof verbs / sizeof *verbs)

static void every_verb_tells_its_usage_and_version(void **state)
{
    (void)state;
    for (size_t i = 0; i < VERBS; i++) {
        assert_ends((const char *const[WORDS]){verbs[i], "--help"}, 0, 0);
        assert_ends((const char *const[WORDS]){verbs[i], "--usage"}, 0, 0);
        assert_ends((const char *const[WORDS]){verbs[i], "--version"}, 0, 0);
    }
    assert_ends((const char *const[WORDS]){"--help"}, 0, 0);
    assert_ends((const char *const[WORDS]){"--version"}, 0, 0);
}

/* Explicit endpoints at which nobody listens, each said in every way there is. */
static void nobody_there_is_unavailable(void **state)
{
    static const char *const asked[][WORDS] = {
        {"status"},
        {"status", "--json"},
        {"board"},
        {"board", "--redis=127.0.0.1:1"},
        {"board", "--redis=/nonexistent/redis.sock", "--prefix=other:"},
        {"export"},
        {"watch"},
        {"top", "-n", "1", "-i", "0.1"},
        {"sync", "-t", "1"},
        {"history", "committee|ISO/TC 1"},
        {"diff", "--from", "2026-01-01", "--read=ipc:///nonexistent/read.sock"},
        {"why", "member:KE:2026", "technical.votes"},
        {"verify"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++)
        assert_ends(asked[i], EX_UNAVAILABLE, EX_TEMPFAIL);
}

static void a_publish_that_nobody_takes_says_how_much_is_not_acknowledged(void **state)
{
    static const char *const words[WORDS] = {"publish", "-t", "1"};
    struct run r =
        turnout(words, "{\"type\":\"committee\",\"id\":\"c\",\"time\":\"2026-01-01T00:00:"
                       "00Z\",\"committee\":\"ISO/TC 1\"}\n");

    (void)state;
    assert_true(r.status == EX_UNAVAILABLE || r.status == EX_TEMPFAIL);
    assert_non_null(strstr(r.err.at, "1 events are not acknowledged"));
    assert_non_null(strstr(r.out.at, "{\"accepted\":0,\"rejected\":0}"));
    run_free(&r);
}

static void a_file_that_cannot_be_read_is_told(void **state)
{
    (void)state;
    assert_ends((const char *const[WORDS]){"publish", "-t", "1", "/nonexistent.jsonl"}, 1,
                EX_TEMPFAIL);
    assert_ends((const char *const[WORDS]){"publish", "-t", "1", "/"}, 1, EX_TEMPFAIL);
}

static void a_wrong_configuration_is_told(void **state)
{
    static const char *const with[][WORDS] = {{"verify", "--config"}, {"rebuild", "--config"}};
    char path[256];
    FILE *f;

    (void)state;
    snprintf(path, sizeof path, "%s", stack_path(place, "wrong.conf"));
    f = fopen(path, "w");
    assert_non_null(f);
    fputs("risk.cib_percent = lots\n", f);
    fclose(f);
    for (size_t i = 0; i < sizeof with / sizeof *with; i++) {
        const char *words[WORDS] = {with[i][0], with[i][1], path};
        assert_ends(words, EX_CONFIG, EX_CONFIG);
        words[2] = "/nonexistent.conf";
        assert_ends(words, EX_CONFIG, EX_CONFIG);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_makes_no_sense_is_a_usage_error),
        cmocka_unit_test(every_verb_tells_its_usage_and_version),
        cmocka_unit_test(nobody_there_is_unavailable),
        cmocka_unit_test(a_publish_that_nobody_takes_says_how_much_is_not_acknowledged),
        cmocka_unit_test(a_file_that_cannot_be_read_is_told),
        cmocka_unit_test(a_wrong_configuration_is_told),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
