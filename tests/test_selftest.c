/* The self-test at start, and the broker's endpoints: what lets strangers in does not open. */
#include "broker/endpoints.h"
#include "broker/selftest.h"
#include "proto/error.h"
#include "proto/file.h"
#include "proto/keyfile.h"
#include "proto/keyring.h"
#include "proto/link_inner.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/peer.h"
#include "tests/port.h"

static void an_endpoint_with_keys_passes(void **state)
{
    struct link *gate, *server;
    struct keyfile key = {.name = "broker"};
    char plain[64], endpoint[64];
    unsigned port = port_pair();

    (void)state;
    snprintf(plain, sizeof plain, "tcp://127.0.0.1:%u", port);
    snprintf(endpoint, sizeof endpoint, "tcp://127.0.0.1:%u", port + 1);
    assert_int_equal(link_keypair(&key), 0);
    assert_int_equal(link_gate(&gate), 0);
    assert_int_equal(link_bind(plain, &server), 0);
    assert_int_equal(link_listen(server, endpoint, &key), 0);
    assert_int_equal(selftest_run(gate, server, endpoint, &key), 0);
    assert_int_equal(link_failed(server), 0); /* it leaves nothing to be told */
    link_close(server, 0);
    link_close(gate, 0);
}

static void an_endpoint_without_keys_fails(void **state)
{
    struct link *gate, *server;
    struct keyfile key = {.name = "broker"};
    char endpoint[64];

    (void)state;
    snprintf(endpoint, sizeof endpoint, "tcp://127.0.0.1:%u", port_pair());
    assert_int_equal(link_keypair(&key), 0);
    assert_int_equal(link_gate(&gate), 0);
    assert_int_equal(link_bind(endpoint, &server), 0);
    assert_int_equal(selftest_run(gate, server, endpoint, &key), ERR_CONFIG);
    link_close(server, 0);
    link_close(gate, 0);
}

/* It is told to come again later: by then there is a broker that can judge it. */
static void who_connects_meanwhile_is_put_off(void **state)
{
    struct link *gate, *server, *client;
    struct keyfile key = {.name = "broker"}, friend = {.name = "friend"};
    char endpoint[64], local[600];

    (void)state;
    snprintf(endpoint, sizeof endpoint, "tcp://127.0.0.1:%u", port_pair());
    snprintf(local, sizeof local, "ipc://%s/s", peer_folder);
    assert_int_equal(link_keypair(&key), 0);
    assert_int_equal(link_keypair(&friend), 0);
    strcpy(friend.broker, key.public);
    assert_int_equal(link_gate(&gate), 0);
    assert_int_equal(link_bind(local, &server), 0);
    assert_int_equal(link_listen(server, endpoint, &key), 0);
    assert_int_equal(link_connect_keyed(endpoint, &friend, &client), 0);
    assert_true(link_wait(&gate, 1, -1, PEER_TIMEOUT_MS)); /* it asks at the gate */
    assert_int_equal(selftest_run(gate, server, endpoint, &key), 0);
    assert_int_equal(link_state(client), LINK_TRYING);
    link_close(client, 0);
    link_close(server, 0);
    link_close(gate, 0);
}

/* A server of the broker's own key that asks at no gate: every key comes in. */
static void *open_door(void *context, const char *endpoint, const struct keyfile *key)
{
    void *door = zmq_socket(context, ZMQ_ROUTER);
    uint8_t secret[KEY_BYTES];
    int on = 1;

    key_from_hex(key->secret, secret);
    assert_int_equal(zmq_setsockopt(door, ZMQ_CURVE_SERVER, &on, sizeof on), 0);
    assert_int_equal(zmq_setsockopt(door, ZMQ_CURVE_SECRETKEY, secret, sizeof secret), 0);
    assert_int_equal(zmq_bind(door, endpoint), 0);
    return door;
}

/* What the self-test writes to the log. */
static struct buffer selftest_log(struct link *gate, struct link *server, const char *endpoint,
                                  const struct keyfile *key, int expected)
{
    struct buffer log = {0};
    char path[600];
    int before = dup(STDERR_FILENO), fd, result;

    snprintf(path, sizeof path, "%s/log", peer_folder);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    dup2(fd, STDERR_FILENO);
    result = selftest_run(gate, server, endpoint, key);
    dup2(before, STDERR_FILENO);
    close(before);
    close(fd);
    assert_int_equal(result, expected);
    assert_int_equal(file_read(path, 65536, &log, NULL), 0);
    buffer_add(&log, "", 1);
    return log;
}

static void an_endpoint_that_lets_every_key_in_fails(void **state)
{
    void *context = zmq_ctx_new(), *door;
    struct link *gate, *server;
    struct keyfile key = {.name = "broker"};
    char endpoint[64], local[600];
    struct buffer log;

    (void)state;
    snprintf(endpoint, sizeof endpoint, "tcp://127.0.0.1:%u", port_pair());
    snprintf(local, sizeof local, "ipc://%s/s", peer_folder);
    assert_int_equal(link_keypair(&key), 0);
    door = open_door(context, endpoint, &key);
    assert_int_equal(link_gate(&gate), 0);
    assert_int_equal(link_bind(local, &server), 0);
    log = selftest_log(gate, server, endpoint, &key, ERR_CONFIG);
    assert_non_null(strstr(log.at, "self-test: an unknown key was let in at tcp://127.0.0.1:"));
    assert_non_null(strstr(log.at, ": not started\n"));
    buffer_free(&log);
    link_close(server, 0);
    link_close(gate, 0);
    zmq_close(door);
    zmq_ctx_term(context);
}

/* The endpoints' own self-test fails when something else listens there with another key. */
static void another_brokers_endpoint_fails(void **state)
{
    struct link *gate, *server;
    struct keyfile key = {.name = "broker"}, other = {.name = "other"};
    char endpoint[64], local[600];
    unsigned port = port_pair();

    (void)state;
    snprintf(endpoint, sizeof endpoint, "tcp://127.0.0.1:%u", port);
    assert_int_equal(link_keypair(&key), 0);
    assert_int_equal(link_keypair(&other), 0);
    assert_int_equal(link_gate(&gate), 0);
    snprintf(local, sizeof local, "ipc://%s/s", peer_folder);
    assert_int_equal(link_bind(local, &server), 0);
    assert_int_equal(link_listen(server, endpoint, &other), 0);
    assert_int_equal(selftest_run(gate, server, endpoint, &key), ERR_CONFIG);
    link_close(server, 0);
    link_close(gate, 0);
}

static void assert_opens(struct broker_config c, int expected)
{
    struct broker *b = NULL;

    c.dir = peer_folder;
    c.journal_bytes = (uint64_t)64 * 1024 * 1024;
    assert_int_equal(broker_open(&c, &b), expected);
    broker_close(b);
}

static void no_tcp_opens_without_keys_unless_loopback_and_told_so(void **state)
{
    char endpoint[64];

    (void)state;
    snprintf(endpoint, sizeof endpoint, "tcp://127.0.0.1:%u", port_pair());
    assert_opens((struct broker_config){.publish = endpoint}, ERR_CONFIG);
    assert_opens((struct broker_config){.publish = "tcp://0.0.0.0:7777", .insecure_loopback = true},
                 ERR_CONFIG);
    assert_opens((struct broker_config){.publish = endpoint, .insecure_loopback = true}, 0);
}

static void addresses_that_cannot_be_do_not_open(void **state)
{
    static const char *const bad[] = {
        "",        "host",          "127.0.0.1:",    ":7770",
        "h:65535", "127.0.0.1:0",   "h:1x",          "nowhere.invalid:7770",
        "h:-1",    "127.0.0.1:77:", "256.1.1.1:7770"};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct broker_config c = {.tcp = bad[i], .dir = peer_folder};
        struct broker *b = NULL;
        c.journal_bytes = (uint64_t)64 * 1024 * 1024;
        assert_true(broker_open(&c, &b) < 0);
        assert_null(b);
    }
}

static void an_unknown_rights_file_is_an_error_if_it_was_asked_for(void **state)
{
    (void)state;
    assert_opens((struct broker_config){.rights = "/nowhere/rights.conf"}, ERR_CONFIG);
    assert_opens((struct broker_config){.rights = NULL}, 0);
}

static void where_it_listens_is_left_for_key_files(void **state)
{
    char address[64], expected[64], why[300];
    struct keyfile k;
    unsigned port = port_pair();

    (void)state;
    snprintf(address, sizeof address, "127.0.0.1:%u", port);
    snprintf(expected, sizeof expected, "tcp://127.0.0.1:%u", port + 1);
    assert_opens((struct broker_config){.tcp = address}, 0);
    assert_int_equal(keyring_new(peer_folder, "a", &k, why, sizeof why), 0);
    assert_string_equal(k.read, expected);
    assert_opens((struct broker_config){.tcp = NULL}, 0);
    assert_int_equal(keyring_new(peer_folder, "b", &k, why, sizeof why), 0);
    assert_string_equal(k.read, "");
    snprintf(address, sizeof address, "*:%u", port);
    assert_opens((struct broker_config){.tcp = address}, 0);
    assert_int_equal(keyring_new(peer_folder, "c", &k, why, sizeof why), 0);
    assert_null(strchr(k.read, '*'));
    assert_true(strlen(k.read) > strlen("tcp://:1"));
}

#define test(name) cmocka_unit_test_setup_teardown(name, peer_setup, peer_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(an_endpoint_with_keys_passes),
        test(an_endpoint_without_keys_fails),
        test(who_connects_meanwhile_is_put_off),
        test(an_endpoint_that_lets_every_key_in_fails),
        test(another_brokers_endpoint_fails),
        test(no_tcp_opens_without_keys_unless_loopback_and_told_so),
        test(addresses_that_cannot_be_do_not_open),
        test(an_unknown_rights_file_is_an_error_if_it_was_asked_for),
        test(where_it_listens_is_left_for_key_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
