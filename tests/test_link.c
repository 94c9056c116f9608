/* Links: both kinds over real sockets, and what foreign peers may do to a bound one.
 *
 * <zmq.h> is known to proto/link.c alone, so the foreign peers here are raw sockets that speak
 * just enough ZMTP (3.0, NULL security) to get frames through to the other side. */
#include "proto/clock.h"
#include "proto/error.h"
#include "proto/link.h"
#include "proto/wire.h"
#include "tests/port.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_MS 20000 /* a condition that does not come within this never will */

static char folder[64], endpoint[128];

static int setup(void **state)
{
    const char *base = getenv("TMPDIR");

    (void)state;
    snprintf(folder, sizeof folder, "%s/turnout-link-XXXXXX",
             base && strlen(base) < 40 ? base : "/tmp");
    assert_non_null(mkdtemp(folder));
    snprintf(endpoint, sizeof endpoint, "ipc://%s/s", folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(endpoint + strlen("ipc://"));
    return rmdir(folder);
}

/* ---- helpers ---- */

static struct link *bind_at(const char *where)
{
    struct link *l;

    assert_int_equal(link_bind(where, &l), 0);
    return l;
}

static struct link *connect_to(const char *where)
{
    struct link *l;

    assert_int_equal(link_connect(where, &l), 0);
    return l;
}

/* Sends as soon as there is a connection. */
static void send_soon(struct link *l, struct slice peer, const char *header, const char *payload)
{
    int64_t end_ms = clock_mono_ms() + PATIENCE_MS;
    struct slice part = slice_of(payload ? payload : "");
    int r;

    while ((r = link_send(l, peer, slice_of(header), &part, payload ? 1 : 0)) == ERR_AGAIN &&
           clock_mono_ms() < end_ms)
        link_wait(NULL, 0, -1, 5);
    assert_int_equal(r, 0);
}

/* The next message, within the time for anything to come. */
static struct link_message receive(struct link *l)
{
    int64_t end_ms = clock_mono_ms() + PATIENCE_MS;
    struct link_message m;
    int r;

    while ((r = link_receive(l, &m)) == ERR_AGAIN && clock_mono_ms() < end_ms)
        link_wait(&l, 1, -1, 50);
    assert_int_equal(r, 0);
    return m;
}

static void assert_message(const struct link_message *m, const char *header, const char *payload)
{
    assert_false(m->foreign);
    assert_false(m->other_version);
    assert_true(slice_is(m->header, header));
    assert_int_equal(m->payload.at != NULL, payload != NULL);
    if (payload)
        assert_true(slice_is(m->payload, payload));
}

/* The peer's name, kept over further calls on the link. */
struct kept {
    char bytes[256];
    struct slice name;
};

static void keep(struct kept *k, struct slice name)
{
    assert_in_range(name.size, 1, 255);
    memcpy(k->bytes, name.at, name.size);
    k->name = slice_make(k->bytes, name.size);
}

static void exchange_over(const char *where)
{
    struct link *server = bind_at(where), *client = connect_to(where);
    struct slice none = slice_make(NULL, 0);
    struct kept peer;

    send_soon(client, none, "to", NULL);
    struct link_message m = receive(server);
    assert_message(&m, "to", NULL);
    keep(&peer, m.peer);
    send_soon(server, peer.name, "fro", "payload");
    m = receive(client);
    assert_message(&m, "fro", "payload");
    assert_int_equal(m.peer.size, 0);
    link_close(client, 0);
    link_close(server, 0);
}

/* ---- raw peers ---- */

static void write_all(int fd, const void *bytes, size_t size)
{
    assert_int_equal(send(fd, bytes, size, MSG_NOSIGNAL), (ssize_t)size);
}

static void read_all(int fd, size_t size)
{
    char byte;

    while (size-- > 0)
        assert_int_equal(read(fd, &byte, 1), 1);
}

static int raw_connect(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    memcpy(address.sun_path, endpoint + 6, strlen(endpoint + 6));
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd;
}

/* A connection that has greeted and may send frames. */
static int raw_open(void)
{
    static const char ready[] = "\x04\x1c\x05READY\x0bSocket-Type\x00\x00\x00\x06"
                                "DEALER";
    char greeting[64] = "\xff\0\0\0\0\0\0\0\1\x7f\3\0NULL";
    int fd = raw_connect();
    unsigned char head[2];

    write_all(fd, greeting, sizeof greeting);
    read_all(fd, sizeof greeting);
    write_all(fd, ready, 2 + 0x1c);
    assert_int_equal(read(fd, head, 2), 2);
    assert_int_equal(head[0], 4);
    read_all(fd, head[1]);
    return fd;
}

static void raw_frame(int fd, const char *bytes, size_t size, bool more)
{
    char frame[2 + 255] = {(char)more, (char)size};

    assert_true(size <= 255);
    memcpy(frame + 2, bytes, size);
    write_all(fd, frame, 2 + size);
}

static void raw_frames(int fd, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        raw_frame(fd, i ? "x" : wire_preamble.at, i ? 1 : 5, i + 1 < count);
}

/* ---- tests ---- */

static void messages_go_both_ways_over_ipc(void **state)
{
    (void)state;
    exchange_over(endpoint);
}

static void messages_go_both_ways_over_tcp(void **state)
{
    char where[64];

    (void)state;
    snprintf(where, sizeof where, "tcp://127.0.0.1:%u", port_pair());
    exchange_over(where);
}

static void a_payload_of_many_parts_arrives_as_one(void **state)
{
    struct link *server = bind_at(endpoint), *client = connect_to(endpoint);
    struct slice parts[] = {slice_of("one"), slice_of(""), slice_make(NULL, 0), slice_of("two")};

    (void)state;
    send_soon(client, slice_make(NULL, 0), "first", NULL);
    receive(server);
    assert_int_equal(link_send(client, slice_make(NULL, 0), slice_of("h"), parts, 4), 0);
    struct link_message m = receive(server);
    assert_message(&m, "h", "onetwo");
    link_close(client, 0);
    link_close(server, 0);
}

static void what_is_sent_while_nobody_is_there_waits(void **state)
{
    struct link *client = connect_to(endpoint);

    (void)state;
    assert_int_equal(link_send(client, slice_make(NULL, 0), slice_of("early"), NULL, 0), 0);
    struct link *server = bind_at(endpoint);
    struct link_message m = receive(server);
    assert_message(&m, "early", NULL);
    link_close(client, 0);
    link_close(server, 0);
}

static void a_receive_without_a_message_says_again(void **state)
{
    struct link *server = bind_at(endpoint);
    struct link_message m;

    (void)state;
    assert_int_equal(link_receive(server, &m), ERR_AGAIN);
    assert_int_equal(link_wait(&server, 1, -1, 1), 0);
    link_close(server, 0);
}

static void a_peer_that_is_gone_is_told_as_lost(void **state)
{
    struct link *server = bind_at(endpoint), *client = connect_to(endpoint);
    int64_t end_ms = clock_mono_ms() + PATIENCE_MS;
    struct kept peer;
    int r;

    (void)state;
    assert_int_equal(link_send(server, slice_of("nobody"), slice_of("h"), NULL, 0), ERR_LOST);
    send_soon(client, slice_make(NULL, 0), "h", NULL);
    keep(&peer, receive(server).peer);
    link_close(client, 0);
    while ((r = link_send(server, peer.name, slice_of("h"), NULL, 0)) != ERR_LOST &&
           clock_mono_ms() < end_ms)
        link_wait(NULL, 0, -1, 5);
    assert_int_equal(r, ERR_LOST);
    link_close(server, 0);
}

static void a_full_queue_says_again_and_recovers(void **state)
{
    struct link *server = bind_at(endpoint), *client = connect_to(endpoint);
    struct slice part = {memory_need(WIRE_MAX_PAYLOAD), WIRE_MAX_PAYLOAD};
    unsigned sent = 1;
    int r;

    (void)state;
    memset((char *)part.at, 0, part.size);
    send_soon(client, slice_make(NULL, 0), "h", NULL);
    struct kept peer;
    keep(&peer, receive(server).peer);
    for (sent = 0; sent < 1000; sent++)
        if ((r = link_send(server, peer.name, slice_of("h"), &part, 1)) < 0)
            break;
    assert_int_equal(r, ERR_AGAIN);
    for (unsigned i = 0; i < sent; i++)
        assert_int_equal(receive(client).payload.size, WIRE_MAX_PAYLOAD);
    send_soon(server, peer.name, "after", NULL);
    struct link_message m = receive(client);
    assert_message(&m, "after", NULL);
    free((char *)part.at);
    link_close(client, 0);
    link_close(server, 0);
}

static void a_message_above_the_limit_is_dropped_with_its_sender(void **state)
{
    struct link *server = bind_at(endpoint), *client = connect_to(endpoint);
    struct slice part = {memory_need(WIRE_MAX_PAYLOAD + 1), WIRE_MAX_PAYLOAD + 1};

    (void)state;
    memset((char *)part.at, 0, part.size);
    send_soon(client, slice_make(NULL, 0), "before", NULL);
    struct kept peer;
    keep(&peer, receive(server).peer);
    assert_int_equal(link_send(client, slice_make(NULL, 0), slice_of("h"), &part, 1), 0);
    int64_t end_ms = clock_mono_ms() + PATIENCE_MS;
    while (link_send(server, peer.name, slice_of("h"), NULL, 0) != ERR_LOST) {
        assert_true(clock_mono_ms() < end_ms);
        link_wait(NULL, 0, -1, 5);
    }
    struct link *other = connect_to(endpoint); /* the server still serves others */
    send_soon(other, slice_make(NULL, 0), "good", NULL);
    struct link_message m = receive(server);
    assert_message(&m, "good", NULL);
    free((char *)part.at);
    link_close(other, 0);
    link_close(client, 0);
    link_close(server, 0);
}

static void foreign_messages_are_drained_and_marked(void **state)
{
    static const unsigned counts[] = {1, 4, 5, 1000};
    struct link *server = bind_at(endpoint);
    int fd = raw_open();

    (void)state;
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        raw_frames(fd, counts[i]);
    raw_frame(fd, "TRNX\x01", 5, true);
    raw_frame(fd, "h", 1, false);
    raw_frame(fd, "", 0, false);
    for (size_t i = 0; i < sizeof counts / sizeof *counts + 2; i++) {
        struct link_message m = receive(server);
        assert_true(m.foreign);
        assert_false(m.other_version);
        assert_null(m.header.at);
        assert_null(m.payload.at);
        assert_true(m.peer.size > 0);
    }
    raw_frames(fd, 3);
    struct link_message m = receive(server);
    assert_message(&m, "x", "x");
    close(fd);
    link_close(server, 0);
}

static void another_version_is_told_from_what_is_foreign(void **state)
{
    struct link *server = bind_at(endpoint);
    int fd = raw_open();

    (void)state;
    raw_frame(fd, "TRNT\x02", 5, true);
    raw_frame(fd, "h", 1, false);
    raw_frame(fd, "TRNT\x02", 5, false);
    for (int i = 0; i < 2; i++) {
        struct link_message m = receive(server);
        assert_true(m.other_version);
        assert_false(m.foreign);
        assert_null(m.header.at);
    }
    close(fd);
    link_close(server, 0);
}

static void bytes_that_are_not_zeromq_do_no_harm(void **state)
{
    struct link *server = bind_at(endpoint);
    int garbage = raw_connect(), silent = raw_connect();

    (void)state;
    write_all(garbage, "GET / HTTP/1.1\r\n\r\n", 18);
    struct link *client = connect_to(endpoint);
    send_soon(client, slice_make(NULL, 0), "h", NULL);
    struct link_message m = receive(server);
    assert_message(&m, "h", NULL);
    close(garbage);
    close(silent);
    link_close(client, 0);
    link_close(server, 0);
}

static void waiting_tells_which_link_and_which_file_is_ready(void **state)
{
    char second[160];
    struct link *servers[2], *client;
    int64_t end_ms = clock_mono_ms() + PATIENCE_MS;
    unsigned ready = 0;
    int pipes[2];

    (void)state;
    snprintf(second, sizeof second, "%s2", endpoint);
    servers[0] = bind_at(endpoint);
    servers[1] = bind_at(second);
    client = connect_to(second);
    assert_int_equal(pipe(pipes), 0);
    send_soon(client, slice_make(NULL, 0), "h", NULL);
    while (!ready && clock_mono_ms() < end_ms)
        ready = link_wait(servers, 2, pipes[0], 100);
    assert_int_equal(ready, 1 << 1);
    assert_int_equal(write(pipes[1], "x", 1), 1);
    assert_int_equal(link_wait(servers, 2, pipes[0], 100), 1 << 1 | 1 << 2);
    close(pipes[0]);
    close(pipes[1]);
    link_close(client, 0);
    link_close(servers[0], 0);
    link_close(servers[1], 0);
    unlink(second + strlen("ipc://"));
}

static void endpoints_that_cannot_be_are_a_matter_of_configuration(void **state)
{
    static const char *const wrong[] = {"",       "/path",        "ipc://",       "tcp://",
                                        "pgm://", "inproc://one", "tcp://nohost", "tcp://h:port"};
    char longer[200] = "ipc:///";
    struct link *l = NULL;

    (void)state;
    memset(longer + 7, 'a', sizeof longer - 8);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(link_connect(wrong[i], &l), ERR_CONFIG);
    assert_int_equal(link_bind(longer, &l), ERR_CONFIG);
    assert_int_equal(link_bind("ipc:///nowhere/at/all/s", &l), ERR_IO);
    assert_null(l);
    link_close(NULL, 0);
}

static void the_last_message_leaves_before_the_link_is_closed(void **state)
{
    struct link *server = bind_at(endpoint), *client = connect_to(endpoint);

    (void)state;
    send_soon(client, slice_make(NULL, 0), "first", NULL);
    send_soon(client, slice_make(NULL, 0), "last", NULL);
    link_close(client, 5000);
    receive(server);
    struct link_message m = receive(server);
    assert_message(&m, "last", NULL);
    link_close(server, 0);
}

/* Or libzmq would abort the program now and then (proto/link.c), too seldom to be tried here. */
static void even_who_closes_at_once_lingers(void **state)
{
    struct link *client = connect_to(endpoint); /* nobody is there */
    int64_t before_ms;

    (void)state;
    send_soon(client, slice_make(NULL, 0), "h", NULL);
    before_ms = clock_mono_ms();
    link_close(client, 0);
    assert_true(clock_mono_ms() - before_ms >= 99);
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(messages_go_both_ways_over_ipc),
        test(messages_go_both_ways_over_tcp),
        test(a_payload_of_many_parts_arrives_as_one),
        test(what_is_sent_while_nobody_is_there_waits),
        test(a_receive_without_a_message_says_again),
        test(a_peer_that_is_gone_is_told_as_lost),
        test(a_full_queue_says_again_and_recovers),
        test(a_message_above_the_limit_is_dropped_with_its_sender),
        test(foreign_messages_are_drained_and_marked),
        test(another_version_is_told_from_what_is_foreign),
        test(bytes_that_are_not_zeromq_do_no_harm),
        test(waiting_tells_which_link_and_which_file_is_ready),
        test(endpoints_that_cannot_be_are_a_matter_of_configuration),
        test(the_last_message_leaves_before_the_link_is_closed),
        test(even_who_closes_at_once_lingers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
