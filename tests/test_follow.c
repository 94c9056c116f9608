/* Whether a broker follows a change of the rights: what its folder and its sockets tell when there
 * is none, or one that does not answer.  What a real one answers is in test_access. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/keyring.h"
#include "tests/shelf.h"
#include "workers/cli/follow.h"

static struct keyfile key; /* with the broker's public key, and no endpoints */

static int setup(void **state)
{
    char why[256];

    return shelf_setup(state) < 0 ? -1 : keyring_new(shelf_folder, "feed", &key, why, sizeof why);
}

static struct sockaddr_un socket_at(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};

    snprintf(at.sun_path, sizeof at.sun_path, "%.90s/read.sock", shelf_folder);
    return at;
}

/* The broker's local socket: somebody listens there, but says nothing. */
static int listen_there(void)
{
    struct sockaddr_un at = socket_at();
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(fd, 0), 0);
    return fd;
}

static void endpoints_are(const char *read)
{
    assert_int_equal(keyring_endpoints_write(shelf_folder, "tcp://127.0.0.1:1", read), 0);
}

static void without_an_endpoint_for_keys_nobody_need_follow(void **state)
{
    (void)state;
    assert_int_equal(broker_follow(shelf_folder, &key, LINK_UP), FOLLOW_NOBODY);
    assert_int_equal(broker_follow(shelf_folder, NULL, LINK_REVOKED_KEY), FOLLOW_NOBODY);
    assert_int_equal(broker_admits(shelf_folder, &key), FOLLOW_NOBODY);
}

/* A socket that was left behind is nobody either. */
static void where_no_broker_runs_nobody_follows(void **state)
{
    (void)state;
    endpoints_are("tcp://127.0.0.1:1");
    assert_int_equal(broker_follow(shelf_folder, NULL, LINK_REVOKED_KEY), FOLLOW_NOBODY);
    close(listen_there());
    assert_int_equal(broker_follow(shelf_folder, NULL, LINK_REVOKED_KEY), FOLLOW_NOBODY);
    assert_int_equal(broker_follow(shelf_folder, &key, LINK_REVOKED_KEY), FOLLOW_NOBODY);
    assert_int_equal(broker_admits(shelf_folder, &key), FOLLOW_NOBODY);
}

static void a_folder_with_too_long_a_name_for_a_socket_has_no_broker(void **state)
{
    struct keyfile k = key;
    char dir[200];

    (void)state;
    memset(dir, 'x', sizeof dir - 1);
    dir[sizeof dir - 1] = '\0';
    strcpy(k.read, "nonsense");
    assert_int_equal(broker_follow(dir, &k, LINK_UP), FOLLOW_NOBODY);
}

static void a_broker_that_nobody_can_ask_is_not_seen(void **state)
{
    struct sockaddr_un at = socket_at();
    int fd = listen_there(), waiting[8], count = 0;

    (void)state;
    endpoints_are("tcp://127.0.0.1:1");
    assert_int_equal(broker_follow(shelf_folder, NULL, LINK_REVOKED_KEY), FOLLOW_UNSEEN);
    assert_int_equal(broker_admits(shelf_folder, &key), FOLLOW_UNSEEN);
    do /* until it has no room for another one that waits: it is there all the same */
        waiting[count] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    while (connect(waiting[count++], (struct sockaddr *)&at, sizeof at) == 0 && count < 8);
    assert_in_range(count, 1, 7);
    assert_int_equal(broker_follow(shelf_folder, NULL, LINK_REVOKED_KEY), FOLLOW_UNSEEN);
    while (count > 0)
        close(waiting[--count]);
    close(fd);
}

/* A broker that ends as soon as somebody has looked whether it is there. */
static void *end_when_asked(void *arg)
{
    struct sockaddr_un at = socket_at();
    int fd = *(int *)arg, one = accept(fd, NULL, NULL);

    unlink(at.sun_path);
    close(fd);
    close(one);
    return NULL;
}

static void a_broker_that_ends_meanwhile_is_not_waited_for(void **state)
{
    int fd = listen_there();
    pthread_t thread;

    (void)state;
    endpoints_are("tcp://127.0.0.1:1");
    assert_int_equal(pthread_create(&thread, NULL, end_when_asked, &fd), 0);
    assert_int_equal(broker_follow(shelf_folder, &key, LINK_UP), FOLLOW_NOBODY);
    pthread_join(thread, NULL);
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, shelf_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(without_an_endpoint_for_keys_nobody_need_follow),
        test(where_no_broker_runs_nobody_follows),
        test(a_folder_with_too_long_a_name_for_a_socket_has_no_broker),
        test(a_broker_that_nobody_can_ask_is_not_seen),
        test(a_broker_that_ends_meanwhile_is_not_waited_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
