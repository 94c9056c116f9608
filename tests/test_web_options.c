/* turnout-web before there is anything to show: options that make no sense, addresses that cannot
 * be, and its start and end where no stack runs. */
#include "proto/clock.h"
#include "tests/http_client.h"
#include "tests/stack.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_MS 60000
#define HOST64      "hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh"

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

struct ending {
    const char *option, *value; /* the value may be absent */
    int status;
    const char *says;
};

static void assert_endings(const struct ending *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct run r = stack_run(place, slice_of(""),
                                 (const char *const[]){"turnout-web", "--listen=127.0.0.1:0",
                                                       cases[i].option, cases[i].value, NULL});
        if (r.status != cases[i].status || !strstr(r.err.at, cases[i].says))
            fail_msg("%s %s: %d %s", cases[i].option, cases[i].value, r.status, r.err.at);
        run_free(&r);
    }
}

static void test_options_that_make_no_sense_are_usage_errors(void **state)
{
    static const struct ending cases[] = {
        {"--listen", "nowhere", EX_USAGE, "no HOST:PORT: nowhere"},
        {"--listen", ":8080", EX_USAGE, "no HOST:PORT"},
        {"--listen", "[]:8080", EX_USAGE, "no HOST:PORT"},
        {"--listen", "localhost:", EX_USAGE, "no HOST:PORT"},
        {"--listen", "localhost:http", EX_USAGE, "no HOST:PORT"},
        {"--listen", "localhost:-1", EX_USAGE, "no HOST:PORT"},
        {"--listen", "localhost:65536", EX_USAGE, "no HOST:PORT"},
        {"--listen", HOST64 HOST64 HOST64 HOST64 ":80", EX_USAGE, "no HOST:PORT"},
        {"--connections", "0", EX_USAGE, "no number from 1 to 65535: 0"},
        {"--connections", "many", EX_USAGE, "no number from 1 to 65535: many"},
        {"--connections", "65536", EX_USAGE, "no number from 1 to 65535: 65536"},
        {"--per-address", "-1", EX_USAGE, "no number from 0 to 65535: -1"},
        {"--log-level", "loud", EX_USAGE, "no log level: loud"},
        {"--nothing", NULL, EX_USAGE, "unrecognized option"},
        {"word", NULL, EX_USAGE, "Too many arguments"}};

    (void)state;
    assert_endings(cases, sizeof cases / sizeof *cases);
}

static void test_what_cannot_be_used_is_a_configuration_error(void **state)
{
    static const struct ending cases[] = {
        {"--listen", "192.0.2.1:0", EX_CONFIG, "cannot listen at 192.0.2.1:0"}, /* RFC 5737 */
        {"--listen", "[no such host:0", EX_CONFIG, "[no such host: "},
        {"--auth-file", "/nonexistent/users", EX_CONFIG, "/nonexistent/users: "},
        {"--address-file", "/nonexistent/address", EX_CONFIG, "/nonexistent/address: "},
        {"--address-file", "/dev/full", EX_CONFIG, "/dev/full: No space left"}};

    (void)state;
    assert_endings(cases, sizeof cases / sizeof *cases);
}

/* What a file of the folder says, once it says these words. */
static const char *await_file(const char *name, const char *words)
{
    static char text[16384];
    int64_t end_ms = clock_mono_ms() + PATIENCE_MS;

    for (;;) {
        FILE *f = fopen(stack_path(place, name), "re");
        size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
        if (f)
            fclose(f);
        text[n] = '\0';
        if (strstr(text, words))
            return text;
        if (clock_mono_ms() > end_ms)
            fail_msg("%s never said \"%s\", but %s", name, words, text);
        usleep(10000);
    }
}

static void stop(pid_t pid)
{
    int status;

    kill(pid, SIGTERM);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void test_it_says_where_it_listens(void **state)
{
    pid_t pid = stack_spawn(place, (const char *const[]){"turnout-web", "--listen=127.0.0.1:0",
                                                         "--connections=50", "-l", "debug", NULL});
    const char *log = await_file("spawned.log", "listening at http://127.0.0.1:");
    unsigned port = (unsigned)atoi(strstr(log, "http://127.0.0.1:") + 17);
    struct reply r = http_get(port, "/healthz", NULL);

    (void)state;
    assert_int_equal(r.status, 200);
    reply_free(&r);
    stop(pid);
}

static void test_it_listens_at_an_address_of_ipv6(void **state)
{
    char option[300];
    pid_t pid;

    (void)state;
    if (access("/proc/net/if_inet6", R_OK) != 0)
        skip();
    snprintf(option, sizeof option, "--address-file=%s", stack_path(place, "address"));
    pid = stack_spawn(place,
                      (const char *const[]){"turnout-web", "--listen", "[::1]:0", option, NULL});
    await_file("address", "[::1]:");
    await_file("spawned.log", "listening at http://[::1]:");
    stop(pid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options_that_make_no_sense_are_usage_errors),
        cmocka_unit_test(test_what_cannot_be_used_is_a_configuration_error),
        cmocka_unit_test(test_it_says_where_it_listens),
        cmocka_unit_test(test_it_listens_at_an_address_of_ipv6),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
