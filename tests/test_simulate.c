/* The simulation itself: some seeds of it, and that a seed is the same run every time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Runs it with these options; returns what it prints in `out`, and its exit status. */
static int simulate(const char *options, char *out, size_t room)
{
    const char *build = getenv("TURNOUT_BUILD");
    char command[256];
    size_t size = 0, n;
    FILE *f;

    snprintf(command, sizeof command, "%s/bin/simulate %s", build ? build : "build", options);
    f = popen(command, "r");
    assert_non_null(f);
    while (size + 1 < room && (n = fread(out + size, 1, room - 1 - size, f)) > 0)
        size += n;
    out[size] = '\0';
    return pclose(f);
}

static char first[16384], second[16384];

static const char *digest_of(const char *out)
{
    const char *at = strstr(out, "digest ");

    assert_non_null(at);
    return at;
}

static void a_hundred_seeds_hold(void **state)
{
    (void)state;
    if (simulate("--seeds 100 --seed 20261122", first, sizeof first) != 0)
        fail_msg("%s", first);
    assert_non_null(strstr(first, "100 seeds, 0 failures"));
}

static void the_same_seeds_are_the_same_run(void **state)
{
    (void)state;
    assert_int_equal(simulate("--seeds 40 --seed 7 --jobs 1", first, sizeof first), 0);
    assert_int_equal(simulate("--seeds 40 --seed 7 --jobs 3", second, sizeof second), 0);
    assert_memory_equal(digest_of(first), digest_of(second), strlen("digest ") + 16);
    assert_int_equal(simulate("--seeds 40 --seed 8", second, sizeof second), 0);
    assert_memory_not_equal(digest_of(first), digest_of(second), strlen("digest ") + 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hundred_seeds_hold),
        cmocka_unit_test(the_same_seeds_are_the_same_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
