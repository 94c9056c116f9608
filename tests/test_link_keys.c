/* Links with keys: who comes in, who does not, and what each side gets to know of it.  All in one
 * thread: whoever waits also answers at the gate. */
#include "proto/clock.h"
#include "proto/error.h"
#include "proto/keyfile.h"
#include "proto/link_inner.h"
#include "proto/wire.h"
#include "tests/port.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_MS 20000

static struct keyfile broker, friend, stranger;
static struct link *gate, *server;
static enum gate_verdict for_friends; /* the gate's answer */
static unsigned asked;                /* how often the gate was */
static char keyed_endpoint[64], plain_endpoint[64];

/* A server with a plain endpoint and one with keys, and two pairs of keys, of which it knows one.
 */
static int setup(void **state)
{
    unsigned port = port_pair();

    (void)state;
    memset(&broker, 0, sizeof broker);
    memset(&friend, 0, sizeof friend);
    memset(&stranger, 0, sizeof stranger);
    assert_int_equal(link_keypair(&broker), 0);
    assert_int_equal(link_keypair(&friend), 0);
    assert_int_equal(link_keypair(&stranger), 0);
    strcpy(friend.broker, broker.public);
    strcpy(stranger.broker, broker.public);
    for_friends = GATE_OPEN;
    asked = 0;
    snprintf(plain_endpoint, sizeof plain_endpoint, "tcp://127.0.0.1:%u", port);
    snprintf(keyed_endpoint, sizeof keyed_endpoint, "tcp://127.0.0.1:%u", port + 1);
    assert_int_equal(link_gate(&gate), 0);
    assert_int_equal(link_bind(plain_endpoint, &server), 0);
    assert_int_equal(link_listen(server, keyed_endpoint, &broker), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    link_close(server, 0);
    link_close(gate, 0);
    return 0;
}

/* One moment of the broker's loop. */
static void turn(struct link *client)
{
    struct link *links[] = {gate, server, client};
    struct gate_request request;

    link_wait(links, client ? 3 : 2, -1, 20);
    while (gate_next(gate, &request) == 0) {
        bool known = !request.keyed || strcmp(request.key, friend.public) == 0;
        asked++;
        assert_true(slice_is(request.address, "127.0.0.1"));
        gate_answer(gate, known ? for_friends : GATE_UNKNOWN, request.key);
    }
}

static struct link *connect_as(const struct keyfile *key)
{
    struct link *l;

    assert_int_equal(link_connect_keyed(keyed_endpoint, key, &l), 0);
    return l;
}

static struct link_message server_hears(struct link *client)
{
    int64_t end_ms = clock_mono_ms() + PATIENCE_MS;
    struct link_message m;

    while (link_receive(server, &m) < 0) {
        assert_true(clock_mono_ms() < end_ms);
        turn(client);
    }
    return m;
}

static void say(struct link *l, const char *header)
{
    assert_int_equal(link_send(l, slice_make(NULL, 0), slice_of(header), NULL, 0), 0);
}

static void becomes(struct link *client, enum link_state state)
{
    int64_t end_ms = clock_mono_ms() + PATIENCE_MS;

    while (link_state(client) != state) {
        assert_true(clock_mono_ms() < end_ms);
        turn(client);
    }
}

static void a_known_key_comes_in_and_its_messages_carry_it(void **state)
{
    struct link *client = connect_as(&friend);
    struct link_message m;
    int64_t end_ms = clock_mono_ms() + PATIENCE_MS;

    (void)state;
    say(client, "hello");
    m = server_hears(client);
    assert_true(slice_is(m.header, "hello"));
    assert_true(m.keyed);
    assert_true(slice_is(m.user, friend.public));
    assert_int_equal(link_state(client), LINK_UP);
    assert_int_equal(link_send(server, m.peer, slice_of("welcome"), NULL, 0), 0);
    while (link_receive(client, &m) < 0) {
        assert_true(clock_mono_ms() < end_ms);
        turn(client);
    }
    assert_true(slice_is(m.header, "welcome"));
    assert_int_equal(m.user.size, 0);
    link_close(client, 0);
}

static void an_unknown_key_is_turned_away_and_knows_it(void **state)
{
    struct link *client = connect_as(&stranger);
    struct link_message m;

    (void)state;
    say(client, "hello");
    becomes(client, LINK_UNKNOWN_KEY);
    assert_true(asked > 0);
    assert_int_equal(link_receive(server, &m), ERR_AGAIN);
    assert_string_equal(link_state_code(link_state(client)), "unknown-key");
    assert_int_equal(link_failed(server), 0); /* the gate knows of it */
    link_close(client, 0);
}

static void a_revoked_key_is_told_from_an_unknown_one(void **state)
{
    struct link *client = connect_as(&friend);

    (void)state;
    for_friends = GATE_REVOKED;
    say(client, "hello");
    becomes(client, LINK_REVOKED_KEY);
    assert_string_equal(link_state_code(link_state(client)), "revoked-key");
    link_close(client, 0);
}

static void a_peer_without_a_key_is_turned_away_and_knows_it(void **state)
{
    struct link_message m;
    struct link *client;

    (void)state;
    assert_int_equal(link_connect(keyed_endpoint, &client), 0);
    say(client, "hello");
    becomes(client, LINK_KEY_NEEDED);
    assert_int_equal(asked, 0);
    assert_int_equal(link_receive(server, &m), ERR_AGAIN);
    assert_string_equal(link_state_code(link_state(client)), "key-needed");
    while (link_failed(server) == 0)
        turn(NULL);
    link_close(client, 0);
}

static void a_wrong_broker_key_is_suspected_after_some_tries(void **state)
{
    struct keyfile misled = friend;
    struct link_message m;
    struct link *client;

    (void)state;
    strcpy(misled.broker, stranger.public);
    client = connect_as(&misled);
    say(client, "hello");
    becomes(client, LINK_BROKER_KEY);
    assert_int_equal(asked, 0);
    assert_int_equal(link_receive(server, &m), ERR_AGAIN);
    while (link_failed(server) == 0)
        turn(client);
    link_close(client, 0);
}

static void a_key_where_none_is_taken_is_told(void **state)
{
    struct link *client;

    (void)state;
    assert_int_equal(link_connect_keyed(plain_endpoint, &friend, &client), 0);
    becomes(client, LINK_NO_KEYS);
    link_close(client, 0);
}

/* ---- one that hangs up with its greeting half sent, as libzmq does when it is in luck ---- */

#define GREETING 64

static const char begun[] = {(char)0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3};

struct hasty {
    int listener, fd;
    unsigned accepted; /* connections */
    bool begun;
    char greeting[GREETING];
    char endpoint[64];
};

static void hasty_open(struct hasty *h, const char *mechanism)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof a;

    *h = (struct hasty){.fd = -1};
    memcpy(h->greeting, begun, sizeof begun);
    memcpy(h->greeting + 12, mechanism, strlen(mechanism));
    h->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(h->listener, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(h->listener, 16), 0);
    assert_int_equal(getsockname(h->listener, (struct sockaddr *)&a, &size), 0);
    snprintf(h->endpoint, sizeof h->endpoint, "tcp://127.0.0.1:%d", ntohs(a.sin_port));
}

static void hasty_hang_up(struct hasty *h)
{
    if (h->fd >= 0)
        close(h->fd);
    h->fd = -1;
    h->begun = false;
}

static bool hasty_accept(struct hasty *h)
{
    if (h->fd >= 0)
        return false;
    h->fd = accept4(h->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    h->accepted += h->fd >= 0;
    return h->fd >= 0;
}

/* A peer that waits with its version has read ours before it sends the rest, and then it is cut
 * off; one that sends signature and version and no more gets the whole greeting. */
static void hasty_turn(struct hasty *h)
{
    char bytes[2 * GREETING];
    ssize_t n;

    hasty_accept(h);
    n = h->fd < 0 ? -1 : recv(h->fd, bytes, sizeof bytes, 0);
    if (n == 0 || (n > 0 && h->begun)) {
        hasty_hang_up(h);
    } else if (n == (ssize_t)sizeof begun) {
        send(h->fd, h->greeting, GREETING, MSG_NOSIGNAL);
    } else if (n > 0) {
        send(h->fd, begun, sizeof begun, MSG_NOSIGNAL);
        h->begun = true;
    }
}

static void hasty_makes(const char *mechanism, const struct keyfile *key, enum link_state state)
{
    int64_t end_ms = clock_mono_ms() + PATIENCE_MS;
    struct link *client;
    struct hasty h;

    hasty_open(&h, mechanism);
    assert_int_equal(
        key ? link_connect_keyed(h.endpoint, key, &client) : link_connect(h.endpoint, &client), 0);
    while (link_state(client) != state) {
        assert_int_not_equal(link_state(client), LINK_UP);
        assert_true(clock_mono_ms() < end_ms);
        hasty_turn(&h);
        link_wait(&client, 1, -1, 1);
    }
    for (unsigned more = h.accepted + 3; h.accepted < more;) { /* what it knows it keeps */
        assert_int_equal(link_state(client), state);
        assert_true(clock_mono_ms() < end_ms);
        hasty_turn(&h);
        link_wait(&client, 1, -1, 1);
    }
    link_close(client, 0);
    hasty_hang_up(&h);
    close(h.listener);
}

static void who_is_cut_off_asks_again_what_is_wanted(void **state)
{
    (void)state;
    hasty_makes("CURVE", NULL, LINK_KEY_NEEDED);
    hasty_makes("NULL", &friend, LINK_NO_KEYS);
    hasty_makes("CURVE", &friend, LINK_BROKER_KEY);
}

/* One that answers the greeting with a command that there is none of. */
static void babbler_turn(struct hasty *h)
{
    static const char command[] = "\x04\x07\x06"
                                  "BABBLE";
    char bytes[2 * GREETING];

    if (hasty_accept(h)) {
        send(h->fd, h->greeting, GREETING, MSG_NOSIGNAL);
        send(h->fd, command, sizeof command - 1, MSG_NOSIGNAL);
    } else if (h->fd >= 0 && recv(h->fd, bytes, sizeof bytes, 0) == 0) {
        hasty_hang_up(h);
    }
}

/* Its greeting is looked at once more, as of one that hangs up: it wants no key. */
static void who_talks_nonsense_is_not_taken_for_one_that_wants_a_key(void **state)
{
    int64_t end_ms = clock_mono_ms() + PATIENCE_MS;
    struct link *client;
    struct hasty h;

    (void)state;
    hasty_open(&h, "NULL");
    assert_int_equal(link_connect(h.endpoint, &client), 0);
    while (h.accepted < 2 || h.fd >= 0) {
        assert_int_equal(link_state(client), LINK_TRYING);
        assert_true(clock_mono_ms() < end_ms);
        babbler_turn(&h);
        link_wait(&client, 1, -1, 1);
    }
    link_close(client, 0);
    hasty_hang_up(&h);
    close(h.listener);
}

/* ---- the gate's requests, which only libzmq makes, and always well ---- */

#define ID32 "0123456789abcdef0123456789abcdef"

struct asking {
    const char *frames[10]; /* behind the peer's name, which the socket adds */
    int result;
    const char *address; /* as it is told */
    bool keyed;
};

static void gate_ask(void *peer, const struct asking *a)
{
    for (int i = 0; a->frames[i]; i++)
        assert_true(zmq_send(peer, a->frames[i], strlen(a->frames[i]),
                             a->frames[i + 1] ? ZMQ_SNDMORE : 0) >= 0);
}

static void a_request_that_is_not_whole_is_not_taken(void **state)
{
    static const struct asking requests[] = {
        {{"", "1.0", "1", "d", "1.2.3.4", ""}, ERR_PROTOCOL, "", false},
        {{"", "1.0", "1", "d", "1.2.3.4", "", "NULL"}, 0, "1.2.3.4", false},
        {{"", "1.0", "1", "d", "::ffff:1.2.3.4", "", "NULL"}, 0, "1.2.3.4", false},
        {{"", "1.0", "1", "d", "::ffff:", "", "NULL"}, 0, "::ffff:", false},
        {{"", "1.0", "1", "d", "2001:db8::1", "", "PLAIN", "name", "word"},
         0,
         "2001:db8::1",
         false},
        {{"", "1.0", "1", "d", "", "", "CURVE"}, ERR_PROTOCOL, "", false},
        {{"", "1.0", "1", "d", "", "", "CURVE", "short"}, ERR_PROTOCOL, "", false},
        {{"", "1.0", "1", "d", "", "", "CURVE", ID32, "more"}, ERR_PROTOCOL, "", false},
        {{"", "1.0", "1", "d", "", "", "CURVE", ID32}, 0, "", true},
    };
    void *peer = zmq_socket(context_take(), ZMQ_DEALER);
    int64_t end_ms = clock_mono_ms() + PATIENCE_MS;
    struct gate_request request;
    int result;

    (void)state;
    assert_int_equal(zmq_connect(peer, "inproc://zeromq.zap.01"), 0);
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        gate_ask(peer, &requests[i]);
        while ((result = gate_next(gate, &request)) == ERR_AGAIN)
            assert_true(clock_mono_ms() < end_ms);
        assert_int_equal(result, requests[i].result);
        if (result < 0)
            continue;
        assert_true(slice_is(request.address, requests[i].address));
        assert_int_equal(request.keyed, requests[i].keyed);
    }
    assert_int_equal(gate_next(gate, &request), ERR_AGAIN); /* nothing is left of any */
    option_set(peer, ZMQ_LINGER, 0);
    zmq_close(peer);
    context_release();
}

static void without_a_key_nobody_has_a_name(void **state)
{
    struct link_message m;
    struct link *client;

    (void)state;
    assert_int_equal(link_connect(plain_endpoint, &client), 0);
    say(client, "hello");
    m = server_hears(client);
    assert_false(m.keyed);
    assert_int_equal(m.user.size, 0);
    link_close(client, 0);
}

static void who_is_put_off_comes_again_by_itself(void **state)
{
    struct link *client = connect_as(&friend);

    (void)state;
    for_friends = GATE_LATER;
    say(client, "hello");
    while (asked < 2)
        turn(client);
    assert_int_not_equal(link_state(client), LINK_UNKNOWN_KEY);
    for_friends = GATE_OPEN;
    assert_true(slice_is(server_hears(client).header, "hello"));
    assert_int_equal(link_state(client), LINK_UP);
    link_close(client, 0);
}

static void both_endpoints_are_heard_in_turn(void **state)
{
    struct link *keyed = connect_as(&friend), *plain;
    unsigned from_keyed = 0;

    (void)state;
    assert_int_equal(link_connect(plain_endpoint, &plain), 0);
    for (int i = 0; i < 8; i++) {
        say(keyed, "k");
        say(plain, "p");
    }
    becomes(keyed, LINK_UP);
    becomes(plain, LINK_UP);
    for (int i = 0; i < 16; i++) {
        struct link_message m = server_hears(keyed);
        assert_int_equal(m.keyed, slice_is(m.header, "k"));
        assert_int_equal(m.peer.at[0], m.keyed);
        from_keyed += m.keyed;
    }
    assert_int_equal(from_keyed, 8);
    link_close(keyed, 0);
    link_close(plain, 0);
}

static void without_a_gate_no_endpoint_with_keys_opens(void **state)
{
    char other[64];

    (void)state;
    snprintf(other, sizeof other, "tcp://127.0.0.1:%u", port_pair());
    link_close(server, 0);
    link_close(gate, 0);
    gate = NULL;
    assert_int_equal(link_bind(plain_endpoint, &server), 0);
    assert_int_equal(link_listen(server, other, &broker), ERR_CONFIG);
    assert_int_equal(link_gate(&gate), 0);
    assert_int_equal(link_listen(server, other, &broker), 0);
}

static void there_is_one_gate(void **state)
{
    struct link *second = NULL;

    (void)state;
    assert_int_equal(link_gate(&second), ERR_LOCKED);
    assert_null(second);
}

static void keys_are_for_tcp_and_need_the_brokers(void **state)
{
    struct keyfile half = friend;
    struct link *l = NULL;

    (void)state;
    half.broker[0] = '\0';
    assert_int_equal(link_connect_keyed(keyed_endpoint, &half, &l), ERR_CONFIG);
    assert_int_equal(link_connect_keyed("ipc:///tmp/nowhere", &friend, &l), ERR_CONFIG);
    assert_null(l);
}

static void a_pair_is_a_pair(void **state)
{
    struct keyfile mixed = friend;

    (void)state;
    assert_true(link_has_keys());
    assert_true(link_keys_match(&friend));
    assert_true(key_is_hex(slice_of(friend.public)) && key_is_hex(slice_of(friend.secret)));
    assert_string_not_equal(friend.public, stranger.public);
    strcpy(mixed.public, stranger.public);
    assert_false(link_keys_match(&mixed));
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(a_known_key_comes_in_and_its_messages_carry_it),
        test(an_unknown_key_is_turned_away_and_knows_it),
        test(a_revoked_key_is_told_from_an_unknown_one),
        test(a_peer_without_a_key_is_turned_away_and_knows_it),
        test(a_wrong_broker_key_is_suspected_after_some_tries),
        test(a_key_where_none_is_taken_is_told),
        test(who_is_cut_off_asks_again_what_is_wanted),
        test(who_talks_nonsense_is_not_taken_for_one_that_wants_a_key),
        test(a_request_that_is_not_whole_is_not_taken),
        test(without_a_key_nobody_has_a_name),
        test(who_is_put_off_comes_again_by_itself),
        test(both_endpoints_are_heard_in_turn),
        test(without_a_gate_no_endpoint_with_keys_opens),
        test(there_is_one_gate),
        test(keys_are_for_tcp_and_need_the_brokers),
        test(a_pair_is_a_pair),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
