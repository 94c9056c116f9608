/* What the verbs do when Redis goes away, or turns them away, at any of their questions: they say
 * so and end with the status that says so; they never take it for an answer, and leave nothing half
 * done. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "tests/scene.h"
#include "tests/tap.h"

#define WORDS 10
#define SAMPLE                                                                                     \
    14 /* questions at which a verb is failed, at most, and as many at which it is cut off */

static struct scene scene;
static struct tap *tap;
static char redis_option[300];

struct verb {
    const char *words[WORDS];
    int well;        /* status when nothing fails */
    bool carries_on; /* it may still end well; and whoever tries next waits for what it held */
    bool waits;      /* for a Redis that says "not now": for too long for a test */
};

static struct run run_verb(const struct verb *v)
{
    const char *words[WORDS + 3] = {"turnout", v->words[0], redis_option};

    for (size_t i = 1; i < WORDS && v->words[i]; i++)
        words[2 + i] = v->words[i];
    return stack_run(scene.stack, slice_of(""), words);
}

static void assert_says_so(const struct verb *v, unsigned at, unsigned questions, const char *says)
{
    struct run r;

    tap_fail(tap, at, says);
    r = run_verb(v);
    if (tap_questions(tap) < at || (v->carries_on && r.status == v->well)) {
        run_free(&r); /* it asked less this time */
        return;
    }
    if ((r.status != EX_UNAVAILABLE && r.status != EX_TEMPFAIL) || r.out.size + r.err.size == 0)
        fail_msg("turnout %s, failed at question %u of %u by %s: status %d: %.*s%.*s", v->words[0],
                 at, questions, says ? says : "a cut", r.status, (int)r.out.size, r.out.at,
                 (int)r.err.size, r.err.at);
    run_free(&r);
}

static void assert_verb(const struct verb *v)
{
    static const char *const answers[] = {NULL, "-LOADING Redis is loading the dataset\r\n"};
    unsigned questions, step;
    struct run r;

    tap_fail(tap, 0, NULL);
    r = run_verb(v);
    questions = tap_questions(tap);
    if (r.status != v->well || questions == 0)
        fail_msg("turnout %s: status %d after %u questions: %.*s", v->words[0], r.status, questions,
                 (int)r.err.size, r.err.at);
    run_free(&r);
    step = questions / (v->carries_on ? SAMPLE / 3 : SAMPLE) + 1;
    for (size_t i = 0; i < (v->waits ? 1 : 2); i++) {
        for (unsigned at = 1; at < questions; at += step)
            assert_says_so(v, at, questions, answers[i]);
        assert_says_so(v, questions, questions, answers[i]);
    }
}

static int setup(void **state)
{
    char path[256];

    (void)state;
    scene = scene_new("verbs that lose Redis", 400);
    snprintf(path, sizeof path, "%s", stack_path(scene.stack, "tap.sock"));
    snprintf(redis_option, sizeof redis_option, "--redis=%s", path);
    tap = tap_new(path, stack_path(scene.stack, "redis.sock"));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tap_free(tap);
    scene_free(&scene);
    return 0;
}

static void verbs_that_look_say_that_redis_is_gone(void **state)
{
    static const struct verb verbs[] = {
        {{"board"}, 0, false, false},
        {{"board", "--json"}, 0, false, false},
        {{"export"}, 0, false, false},
        {{"watch"}, 0, false, false},
        {{"watch", "--member", "KE"}, 0, false, false},
        {{"status"}, 0, false, false},
        {{"sync", "-t", "1"}, 0, false, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        assert_verb(&verbs[i]);
}

static void verbs_that_count_again_say_that_redis_is_gone(void **state)
{
    static const struct verb verbs[] = {
        {{"verify"}, 0, false, false},
        {{"verify", "--repair"}, 0, false, false},
        {{"why", "group:all:2026", "voting.num"}, 0, false, true},
        {{"why", "member:KE:2026", "technical.votes"}, 0, false, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        assert_verb(&verbs[i]);
    tap_fail(tap, 0, NULL);
    assert_right(&scene);
}

static void a_rebuild_that_loses_redis_leaves_the_board_as_it_was(void **state)
{
    static const struct verb verb = {{"rebuild"}, 0, true, false};

    (void)state;
    assert_verb(&verb);
    tap_fail(tap, 0, NULL);
    struct rebuilt r = rebuild_well(scene.stack, NULL);
    buffer_free(&r.err);
    assert_right(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verbs_that_look_say_that_redis_is_gone),
        cmocka_unit_test(verbs_that_count_again_say_that_redis_is_gone),
        cmocka_unit_test(a_rebuild_that_loses_redis_leaves_the_board_as_it_was),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
