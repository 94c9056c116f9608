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
        {"publish", "-t", "2147484"}, /* of milliseconds that is too many */
        {"publish", "-p", "-1"},
        {"publish", "-p", "never"},
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
        {"top", "-i", "3601"},
        {"top", "-n", "0"},
        {"top", "-n", "many"},
        {"top", "-n", "1000000001"},
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
        {"journal"},
        {"journal", "check", "one", "two"},
        {"backup"},
        {"backup", "one", "two"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_ends(wrong[i], EX_USAGE, EX_USAGE);
}

/* Which of the words it is, and what would have been right. */
static void what_makes_no_sense_is_named(void **state)
{
    static const struct {
        const char *words[WORDS], *says;
    } wrong[] = {
        {{"journal", "repair"}, "it can be checked, and not: repair"},
        {{"rejects", "again"}, "again: expected list, show, redrive or drop"},
        {{"rejects", "list", "5"}, "list takes no numbers"},
        {{"rejects", "list", "--all"}, "--all is for redrive and drop without numbers"},
        {{"rejects", "show"}, "which? their numbers"},
        {{"rejects", "show", "0"}, "0: a number from 1 on is wanted"},
        {{"rejects", "show", "x"}, "x: a number from 1 on is wanted"},
        {{"rejects", "show", "9223372036854775807"}, "a number from 1 on is wanted"},
        {{"rejects", "show", "1", "--source", "s"}, "--source and --code are for list"},
        {{"rejects", "show", "1", "--from", "2"}, "--from and --limit are for list"},
        {{"rejects", "drop", "--all", "--limit", "2"}, "--from and --limit are for list"},
        {{"rejects", "drop"}, "which? numbers, or --all"},
        {{"rejects", "drop", "--code", "c"}, "which? numbers, or --all"},
        {{"rejects", "drop", "--all", "1"}, "--all is for redrive and drop without numbers"},
        {{"rejects", "redrive", "--code", "c", "1"}, "redrive and drop without numbers"},
        {{"rejects", "redrive", "--all", "--json"}, "--json is for list and show"},
        {{"keys"}, "keys new NAME, keys list, or keys revoke NAME"},
        {{"keys", "dance"}, "keys new NAME, keys list, or keys revoke NAME"},
        {{"keys", "list", "feed"}, "keys list takes no name"},
        {{"keys", "new"}, "keys new needs a name"},
        {{"keys", "revoke"}, "keys revoke needs a name"},
        {{"keys", "new", "one", "two"}, "Usage:"},
        {{"keys", "new", "no/name"}, "a name is 1 to"},
        {{"keys", "new", "broker"}, "and not broker"},
        {{"keys", "new", "feed", "--source", "#"}, "neither a line's end nor a #"},
        {{"keys", "new", "feed", "--source", "a #b"}, "neither a line's end nor a #"},
        {{"keys", "new", "feed", "--source", "a\t#b"}, "neither a line's end nor a #"},
        {{"keys", "new", "feed", "--source", "a\nb"}, "neither a line's end nor a #"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct run r = turnout(wrong[i].words, "");
        if (r.status != EX_USAGE || !strstr(r.err.at, wrong[i].says))
            fail_msg("%s: status %d: %.*s", wrong[i].says, r.status, (int)r.err.size, r.err.at);
        run_free(&r);
    }
}

static void a_worker_is_told_what_it_cannot_take(void **state)
{
    static const struct {
        const char *words[4];
        int status;
        const char *says;
    } wrong[] = {
        {{"turnout-worker", "word"}, EX_USAGE, "Too many arguments"},
        {{"turnout-worker", "--log-level", "loud"}, EX_USAGE, "no log level: loud"},
        {{"turnout-worker", "--log-level=debug", "--config=/nonexistent.conf"},
         EX_CONFIG,
         "/nonexistent.conf"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct run r = stack_run(place, slice_of(""), wrong[i].words);
        if (r.status != wrong[i].status || !strstr(r.err.at, wrong[i].says))
            fail_msg("%s: status %d: %.*s", wrong[i].says, r.status, (int)r.err.size, r.err.at);
        run_free(&r);
    }
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
        {"board", "--csv", "--csv"},
        {"board", "--as-of", "now", "--progress"},
        {"board", "--redis=127.0.0.1:1"},
        {"board", "--redis=nowhere"}, /* a file's name, without a port */
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
    assert_non_null(strstr(r.err.at, "not acknowledged: 1 events"));
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

static void an_endpoint_that_is_none_is_told(void **state)
{
    struct run r = turnout((const char *const[WORDS]){"publish", "--publish=nonsense"}, "");

    (void)state;
    assert_int_equal(r.status, EX_CONFIG);
    assert_non_null(strstr(r.err.at, "cannot use the endpoint nonsense"));
    run_free(&r);
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
        cmocka_unit_test(what_makes_no_sense_is_named),
        cmocka_unit_test(a_worker_is_told_what_it_cannot_take),
        cmocka_unit_test(every_verb_tells_its_usage_and_version),
        cmocka_unit_test(nobody_there_is_unavailable),
        cmocka_unit_test(a_publish_that_nobody_takes_says_how_much_is_not_acknowledged),
        cmocka_unit_test(a_file_that_cannot_be_read_is_told),
        cmocka_unit_test(an_endpoint_that_is_none_is_told),
        cmocka_unit_test(a_wrong_configuration_is_told),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
