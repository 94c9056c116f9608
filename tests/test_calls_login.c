/* Logging in to Redis, and finding a command in what was sent: odd password files, calls that fail,
 * and bytes that are no command. */
#include "proto/error.h"
#include "proto/file.h"
#include "tests/calls.h"
#include "tests/shelf.h"
#include "workers/login.h"
#include "workers/redis_link.h"
#include "workers/resp.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char path[600];
static int ends[2];

static int setup(void **state)
{
    if (shelf_setup(state) < 0)
        return -1;
    snprintf(path, sizeof path, "%s/password", shelf_folder);
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends);
}

static int teardown(void **state)
{
    close(ends[0]);
    close(ends[1]);
    return shelf_teardown(state);
}

static int log_in_with(const char *password, char *ret_why, size_t size)
{
    assert_int_equal(file_write(path, slice_of(password), 0600, true), 0);
    return login_send(ends[0], "writer", path, ret_why, size);
}

static void assert_said(const char *password)
{
    char expected[1200], said[1200];
    int n =
        snprintf(expected, sizeof expected, "*3\r\n$4\r\nAUTH\r\n$6\r\nwriter\r\n$%zu\r\n%s\r\n",
                 strlen(password), password);

    assert_int_equal(recv(ends[1], said, (size_t)n, MSG_WAITALL), n);
    assert_memory_equal(said, expected, (size_t)n);
}

static void the_password_is_the_files_first_line(void **state)
{
    static const char *const texts[] = {"secret", "secret\n", "secret\r\n", "secret\nmore\n"};
    char why[300];

    (void)state;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(log_in_with(texts[i], why, sizeof why), 0);
        assert_said("secret");
    }
}

static void no_password_and_one_too_long_are_told_without_it(void **state)
{
    char long_one[LOGIN_PASSWORD_MAX + 3], user[LOGIN_USER_MAX + 2], why[300] = "";

    (void)state;
    assert_int_equal(log_in_with("", why, sizeof why), ERR_CONFIG);
    assert_non_null(strstr(why, "holds no password"));
    assert_int_equal(log_in_with("\r\n", why, sizeof why), ERR_CONFIG);
    memset(long_one, 'x', sizeof long_one);
    long_one[sizeof long_one - 1] = '\0';
    assert_int_equal(log_in_with(long_one, why, sizeof why), ERR_CONFIG);
    assert_non_null(strstr(why, "too long"));
    assert_null(strstr(why, "xxx"));
    long_one[LOGIN_PASSWORD_MAX] = '\0';
    assert_int_equal(log_in_with(long_one, why, sizeof why), 0);
    assert_said(long_one);
    memset(user, 'u', sizeof user);
    user[sizeof user - 1] = '\0';
    assert_int_equal(login_send(ends[0], user, path, why, sizeof why), ERR_CONFIG);
    assert_non_null(strstr(why, "name is too long"));
    unlink(path);
    assert_int_equal(login_send(ends[0], "writer", path, why, sizeof why), ERR_CONFIG);
    assert_non_null(strstr(why, "No such file"));
}

static void calls_that_fail_are_made_again_or_told(void **state)
{
    char why[300];

    (void)state;
    calls_fail("send", 1, EINTR);
    assert_int_equal(log_in_with("secret", why, sizeof why), 0);
    assert_true(calls_end());
    assert_said("secret");
    calls_fail("send", 1, EPIPE);
    assert_int_equal(login_send(ends[0], "writer", path, why, sizeof why), ERR_LOST);
    assert_true(calls_end());
    calls_fail("read", 1, EINTR);
    assert_int_equal(login_send(ends[0], "writer", path, why, sizeof why), 0);
    assert_true(calls_end());
    assert_said("secret");
    calls_fail("read", 1, EIO);
    assert_int_equal(login_send(ends[0], "writer", path, why, sizeof why), ERR_CONFIG);
    assert_true(calls_end());
    assert_non_null(strstr(why, "Input/output error"));
}

static void a_file_that_others_may_open_is_known(void **state)
{
    char why[300];

    (void)state;
    assert_int_equal(log_in_with("secret", why, sizeof why), 0);
    assert_false(login_is_open(path));
    assert_int_equal(chmod(path, 0604), 0);
    assert_true(login_is_open(path));
    assert_int_equal(chmod(path, 0640), 0);
    assert_true(login_is_open(path)); /* it is ours: the group is others */
    if (geteuid() == 0) {
        assert_int_equal(chown(path, 4711, 0), 0);
        assert_false(login_is_open(path)); /* it is given to us by our group */
        assert_int_equal(chmod(path, 0660), 0);
        assert_true(login_is_open(path));
    }
    assert_false(login_is_open(shelf_folder));
    assert_false(login_is_open("/nonexistent"));
}

/* ---- what Redis says ---- */

static void nothing_that_redis_repeats_is_logged(void **state)
{
    char text[] = "ERR unknown command 'HSETX', with args beginning with: 'turnout:x' 'P-1'";
    char plain[] = "ERR max number of clients reached";
    redisReply r = {.type = REDIS_REPLY_ERROR, .str = text};

    (void)state;
    assert_int_equal(redis_link_words(&r), strlen("ERR unknown command "));
    r.str = plain;
    assert_int_equal(redis_link_words(&r), strlen(plain));
}

/* ---- commands ---- */

static void assert_words(const struct resp *r, size_t n, const char *first, const char *second)
{
    struct slice words[2];

    assert_true(resp_find(r, n, words));
    assert_true(slice_is(words[0], first) && slice_is(words[1], second));
}

static void a_command_that_was_sent_is_found_again(void **state)
{
    struct resp r = {.prefix = slice_of("p:")};
    struct slice words[2];

    (void)state;
    resp_command(&r, 1);
    resp_text(&r, "MULTI");
    resp_command(&r, 3);
    resp_text(&r, "ZADD");
    resp_key(&r, slice_of("k"));
    resp_int(&r, -5);
    assert_words(&r, 0, "MULTI", "");
    assert_words(&r, 1, "ZADD", "p:k");
    assert_false(resp_find(&r, 2, words));
    resp_free(&r);
}

static void what_is_no_command_is_not_found(void **state)
{
    static const char *const bad[] = {"",
                                      "*",
                                      "*\r\n",
                                      "*x\r\n",
                                      "*-1\r\n",
                                      "$1\r\nA\r\n",
                                      "*1\r\n",
                                      "*1\r\n$5\r\nAB\r\n",
                                      "*1\r\n$-1\r\n",
                                      "*1\r\n*1\r\n",
                                      "*2\r\n$1\r\nA\r\n"};
    struct slice words[2];

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct resp r = {.commands = 1};
        buffer_add_text(&r.out, bad[i]);
        assert_false(resp_find(&r, 0, words));
        resp_free(&r);
    }
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(the_password_is_the_files_first_line),
        test(no_password_and_one_too_long_are_told_without_it),
        test(calls_that_fail_are_made_again_or_told),
        test(a_file_that_others_may_open_is_known),
        cmocka_unit_test(nothing_that_redis_repeats_is_logged),
        cmocka_unit_test(a_command_that_was_sent_is_found_again),
        cmocka_unit_test(what_is_no_command_is_not_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
