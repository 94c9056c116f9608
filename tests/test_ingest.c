/* The broker's publish endpoint: what is answered, when, and to whom; and that no peer, however
 * odd, keeps another from being served. */
#include "broker/journal.h"
#include "proto/clock.h"
#include "proto/error.h"
#include "proto/turnout.h"
#include "tests/peer.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#include <cmocka.h>

static const struct wire_report *report(struct peer *client)
{
    peer_say_kind(client, WIRE_STATUS);
    return &peer_expect(client, WIRE_REPORT)->report;
}

static uint64_t sum(const uint64_t *numbers, uint32_t count)
{
    uint64_t n = 0;

    while (count-- > 0)
        n += *numbers++;
    return n;
}

/* Takes PUBACKs until all numbers up to `last` are answered, in order; counts the refused. */
static uint64_t take_acks(struct peer *p, uint64_t first, uint64_t last, const char *code)
{
    uint64_t refused = 0;

    while (first <= last) {
        const struct wire_puback *a = &peer_expect(p, WIRE_PUBACK)->puback;
        assert_int_equal(a->first, first);
        assert_true(a->count > 0 && a->first + a->count <= last + 1);
        for (uint32_t i = 0; i < a->refused_count; i++) {
            assert_true(slice_is(a->refused[i].code, code));
            assert_true(a->refused[i].seq >= first && a->refused[i].seq < first + a->count);
            assert_true(i == 0 || a->refused[i].seq > a->refused[i - 1].seq);
        }
        refused += a->refused_count;
        first += a->count;
    }
    return refused;
}

static void welcome_tells_the_log_and_the_limits(void **state)
{
    (void)state;
    broker_restart(0);
    struct peer *p = peer_hello("producer");
    assert_int_equal(p->m.welcome.log.size, 32);
    assert_int_equal(p->m.welcome.partitions, 8);
    assert_int_equal(p->m.welcome.max_events, WIRE_MAX_EVENTS);
    assert_int_equal(p->m.welcome.window_events, WIRE_WINDOW);
    assert_int_equal(p->m.welcome.heartbeat_ms, WIRE_HEARTBEAT_MS);
    peer_close(p);
}

static void good_and_bad_events_of_one_batch_are_told_apart(void **state)
{
    (void)state;
    broker_restart(0);
    struct peer *p = peer_hello("producer"), *client = peer_hello("client");
    peer_add_vote(p, "TC 1", 1);
    peer_add(p, "\xc1", 1);
    peer_add_vote(p, "TC 2", 2);
    peer_add(p, "\x81\xa4type\xa3row", 10);
    peer_add(p, "\xdd\xff\xff\xff\xff", 5);
    peer_add_vote(p, "TC 3", 3);
    peer_publish(p);
    const struct wire_puback *a = &peer_expect(p, WIRE_PUBACK)->puback;
    assert_true(a->first == 1 && a->count == 6 && a->refused_count == 3);
    assert_true(a->refused[0].seq == 2 && slice_is(a->refused[0].code, "malformed"));
    assert_true(a->refused[1].seq == 4 && a->refused[1].field.size > 0);
    assert_true(a->refused[2].seq == 5 && slice_is(a->refused[2].code, "malformed"));
    for (int i = 0; i < 3; i++)
        assert_true(a->refused[i].reason.size > 0 && !a->refused[i].retry);
    const struct wire_report *r = report(client);
    assert_int_equal(sum(r->ends, r->count), 3);
    assert_true(r->accepted == 3 && r->refused == 3 && r->rejects == 3 && r->producers == 1);
    peer_close(p);
    peer_close(client);
}

static void a_batch_of_bad_events_only_is_kept_too(void **state)
{
    (void)state;
    broker_restart(0);
    struct peer *p = peer_hello("producer");
    peer_add(p, "\xc0", 1);
    peer_publish(p);
    assert_int_equal(take_acks(p, 1, 1, "malformed"), 1);
    peer_close(p);
    broker_restart(0);
    struct peer *client = peer_hello("client");
    assert_int_equal(report(client)->rejects, 1);
    assert_int_equal(report(client)->refused, 0); /* since this start */
    peer_close(client);
}

/* A copy of the file at the moment of the acknowledgement holds the events: nothing is left to
 * be written. */
static void an_acknowledged_event_is_in_the_file(void **state)
{
    char command[2048];
    struct journal *copy;
    struct journal_config c = {command, (uint64_t)64 * 1024 * 1024, 8, 0};

    (void)state;
    broker_restart(0);
    struct peer *p = peer_hello("producer");
    for (unsigned i = 1; i <= 20; i++) {
        peer_add_vote(p, "TC 1", i);
        peer_publish(p);
        peer_expect(p, WIRE_PUBACK);
        snprintf(command, sizeof command, "mkdir -p %s/copy && cp %s/journal/data.mdb %s/copy/",
                 peer_folder, peer_folder, peer_folder);
        assert_int_equal(system(command), 0);
        snprintf(command, sizeof command, "%s/copy", peer_folder);
        assert_int_equal(journal_open(&c, &copy), 0);
        assert_int_equal(journal_end(copy, peer_partition("TC 1")), i);
        journal_close(copy);
    }
    peer_close(p);
}

static void what_comes_in_a_row_is_acknowledged_in_ranges(void **state)
{
    (void)state;
    broker_restart(0);
    struct peer *p = peer_hello("producer");
    for (unsigned i = 0; i < 12; i++) {
        peer_add_vote(p, "TC 1", 2 * i);
        peer_add_vote(p, "TC 2", 2 * i + 1);
        peer_publish(p);
    }
    assert_int_equal(take_acks(p, 1, 24, ""), 0);
    p->next = 1000; /* a gap begins another range */
    peer_add_vote(p, "TC 1", 1000);
    peer_publish(p);
    assert_int_equal(take_acks(p, 1000, 1000, ""), 0);
    peer_close(p);
}

static void thousands_of_refusals_fit_into_headers(void **state)
{
    char long_key[400] = "\x81\xd9\xfa";

    (void)state;
    broker_restart(0);
    memset(long_key + 3, 'k', 250);
    long_key[253] = 1;
    struct peer *p = peer_hello("producer");
    for (unsigned i = 0; i < WIRE_MAX_EVENTS; i++)
        peer_add(p, long_key, 254);
    peer_publish(p);
    uint64_t refused = 0, next = 1, messages = 0;
    while (next <= WIRE_MAX_EVENTS) {
        const struct wire_puback *a = &peer_expect(p, WIRE_PUBACK)->puback;
        assert_int_equal(a->first, next);
        assert_int_equal(a->count, a->refused_count);
        refused += a->refused_count;
        next += a->count;
        messages++;
    }
    assert_int_equal(refused, WIRE_MAX_EVENTS);
    assert_true(messages > 1);
    peer_close(p);
}

static void without_hello_there_is_no_session(void **state)
{
    (void)state;
    broker_restart(0);
    struct peer *p = peer_connect("publish"), *r = peer_connect("read");
    peer_add_vote(p, "TC 1", 1);
    peer_publish(p);
    peer_expect_error(p, "hello-first", true);
    peer_say_kind(p, WIRE_PING);
    peer_expect_error(p, "hello-first", true);
    peer_read(r, 0, 1, 0, 1000);
    peer_expect_error(r, "hello-first", true);
    peer_close(p);
    peer_close(r);
}

static void a_session_is_over_after_goodbye_or_a_restart(void **state)
{
    (void)state;
    broker_restart(0);
    struct peer *p = peer_hello("producer"), *q = peer_hello("producer");
    peer_say_kind(p, WIRE_BYE);
    peer_say_kind(p, WIRE_PING);
    peer_expect_error(p, "hello-first", true);
    broker_restart(0);
    int64_t end = clock_mono_ms() + PEER_TIMEOUT_MS;
    do { /* what goes into the old connection is lost */
        assert_true(clock_mono_ms() < end);
        peer_say_kind(q, WIRE_PING);
    } while (!peer_hears(q, 50));
    assert_int_equal(q->m.kind, WIRE_ERROR);
    assert_true(slice_is(q->m.error.code, "hello-first"));
    peer_close(p);
    peer_close(q);
}

static void a_role_belongs_to_its_endpoint(void **state)
{
    struct wire_message hello = {.kind = WIRE_HELLO};

    (void)state;
    broker_restart(0);
    struct peer *p = peer_connect("publish"), *q = peer_hello("producer");
    hello.hello = (struct wire_hello){slice_of("worker"), slice_of("lost"), 0};
    peer_say(p, &hello);
    peer_expect_error(p, "bad-message", true);
    peer_read(q, 0, 1, 0, 1000);
    peer_expect_error(q, "bad-message", true);
    peer_say_kind(q, WIRE_PING);
    peer_expect_error(q, "hello-first", true);
    peer_close(p);
    peer_close(q);
}

static void a_malformed_header_ends_the_session(void **state)
{
    (void)state;
    broker_restart(0);
    struct peer *p = peer_hello("producer");
    assert_int_equal(link_send(p->link, slice_make(NULL, 0), slice_of("\x92\x03"), NULL, 0), 0);
    peer_expect_error(p, "bad-message", true);
    peer_say_kind(p, WIRE_PING);
    peer_expect_error(p, "hello-first", true);
    peer_close(p);
}

static void a_silent_session_is_asked_and_then_ended(void **state)
{
    struct link_message in;
    int64_t end = clock_mono_ms() + PEER_TIMEOUT_MS;
    int asked = 0;

    (void)state;
    broker_restart(0);
    struct peer *p = peer_hello("producer"), *client = peer_hello("client");
    while (report(client)->producers == 1) {
        assert_true(clock_mono_ms() < end);
        assert_int_equal(broker_round(peer_broker, -1, 50), 0);
        while (link_receive(p->link, &in) == 0)
            asked++;
    }
    assert_true(asked >= 1);
    peer_say_kind(p, WIRE_PONG);
    peer_expect_error(p, "hello-first", true);
    peer_close(p);
    peer_close(client);
}

/* ---- room ---- */

/* Batches of 1 MB until one is refused for want of room; returns how many events went in. */
static uint64_t publish_until_full(struct peer *p)
{
    static char pad[4000];
    uint64_t first;

    for (;;) {
        first = p->next;
        for (unsigned i = 0; i < 200; i++) {
            struct buffer *b = &p->events;
            size_t before = b->size;
            peer_add_vote(p, "TC 1", i);
            b->at[before] = (char)0x88; /* one more key, which turnout does not know */
            buffer_add(b, "\xa3pad\xc5\x0f\xa0", 7);
            buffer_add(b, pad, sizeof pad);
            uint32_t size = (uint32_t)(b->size - before);
            memcpy(p->sizes.at + p->sizes.size - sizeof size, &size, sizeof size);
        }
        peer_publish(p);
        uint64_t refused = take_acks(p, first, p->next - 1, "journal-full");
        assert_true(refused == 0 || refused == 200);
        if (refused)
            return first - 1;
    }
}

static void a_full_journal_refuses_all_and_takes_all_again_when_enlarged(void **state)
{
    (void)state;
    broker_restart(JOURNAL_MIN_BYTES);
    struct peer *p = peer_hello("producer"), *client;
    uint64_t events = publish_until_full(p);
    client = peer_hello("client"); /* only now: who is not turned to answers no PING */
    assert_true(events > 1000);
    assert_int_equal(report(client)->accepted, events);
    assert_int_equal(client->m.report.refused, 200);
    assert_int_equal(client->m.report.rejects, 0); /* they are to be sent again */
    peer_close(p);
    peer_close(client);
    broker_restart(2 * JOURNAL_MIN_BYTES);
    p = peer_hello("producer");
    assert_true(publish_until_full(p) > 1000);
    client = peer_hello("client");
    assert_true(sum(report(client)->ends, 8) > events + 1000);
    peer_close(p);
    peer_close(client);
}

/* ---- odd peers ---- */

static void assert_served(struct peer *p)
{
    uint64_t first = p->next;

    peer_add_vote(p, "TC 1", (unsigned)first);
    peer_publish(p);
    assert_int_equal(take_acks(p, first, first, ""), 0);
}

static void foreign_messages_are_passed_over_and_other_versions_told(void **state)
{
    char endpoint[600], answer[5];
    void *context = zmq_ctx_new(), *socket = zmq_socket(context, ZMQ_DEALER);
    int linger = 0;

    (void)state;
    broker_restart(0);
    struct peer *p = peer_hello("producer");
    snprintf(endpoint, sizeof endpoint, "ipc://%s/publish.sock", peer_folder);
    zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
    assert_int_equal(zmq_connect(socket, endpoint), 0);
    assert_int_equal(zmq_send(socket, "GET / HTTP/1.1", 14, 0), 14);
    for (int i = 0; i < 1000; i++)
        zmq_send(socket, "x", 1, ZMQ_SNDMORE);
    zmq_send(socket, "", 0, 0);
    zmq_send(socket, "TRNT\x01", 5, 0);
    zmq_send(socket, "TRNT\x09", 5, ZMQ_SNDMORE);
    zmq_send(socket, "\x91\x09", 2, 0);
    while (zmq_recv(socket, answer, sizeof answer, ZMQ_DONTWAIT) < 0)
        assert_served(p);
    assert_memory_equal(answer, "TRNT\x01", 5); /* the ERROR; nothing came before it */
    char header[256];
    int n = zmq_recv(socket, header, sizeof header, 0);
    assert_true(n > 0 && memmem(header, (size_t)n, "version", 7));
    assert_served(p);
    peer_close(p);
    zmq_close(socket);
    zmq_ctx_term(context);
}

static int raw_connect(const char *name)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

    snprintf(to.sun_path, sizeof to.sun_path, "%.80s/%s.sock", peer_folder, name);
    assert_true(fd >= 0);
    while (connect(fd, (struct sockaddr *)&to, sizeof to) < 0) {
        assert_int_equal(errno, EAGAIN); /* the queue of those who wait to be let in is full */
        assert_int_equal(broker_round(peer_broker, -1, 1), 0);
    }
    return fd;
}

static void a_thousand_silent_connections_and_noise_do_not_stop_it(void **state)
{
    static int fds[1000];
    unsigned seed = (unsigned)time(NULL);
    struct rlimit l;
    char noise[512];
    size_t count = sizeof fds / sizeof *fds;

    (void)state;
    print_message("seed %u\n", seed);
    srand(seed);
    getrlimit(RLIMIT_NOFILE, &l);
    l.rlim_cur = l.rlim_max;
    setrlimit(RLIMIT_NOFILE, &l);
    broker_restart(0);
    struct peer *p = peer_hello("producer");
    for (size_t i = 0; i < count; i++) {
        fds[i] = raw_connect(i % 2 ? "publish" : "read");
        for (size_t b = 0; b < sizeof noise; b++)
            noise[b] = (char)rand();
        if (i % 3 == 0)
            memcpy(noise, "\xff\0\0\0\0\0\0\0\1\x7f", 10); /* how ZeroMQ's greeting begins */
        if (i % 4 == 0)
            assert_true(send(fds[i], noise, sizeof noise, MSG_NOSIGNAL) != 0);
        if (i % 100 == 0)
            assert_served(p);
    }
    assert_served(p);
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
    assert_served(p);
    peer_close(p);
}

static void random_headers_and_payloads_do_not_stop_it(void **state)
{
    unsigned seed = (unsigned)time(NULL);
    char noise[256];

    (void)state;
    print_message("seed %u\n", seed);
    srand(seed);
    broker_restart(0);
    struct peer *p = peer_hello("producer");
    for (int i = 0; i < 2000; i++) {
        static struct link *bad;
        char endpoint[600];
        struct link_message in;
        struct slice payload = slice_make(noise, (size_t)rand() % sizeof noise);
        snprintf(endpoint, sizeof endpoint, "ipc://%s/%s.sock", peer_folder,
                 i < 1000 ? "publish" : "read");
        if (i % 1000 == 0)
            assert_int_equal(link_connect(endpoint, &bad), 0);
        for (size_t b = 0; b < sizeof noise; b++)
            noise[b] = (char)rand();
        noise[0] = (char)(0x90 | rand() % 10);
        noise[1] = (char)(rand() % 16);
        while (link_send(bad, slice_make(NULL, 0), slice_make(noise, 2 + (size_t)rand() % 20),
                         &payload, (size_t)rand() % 2) == ERR_AGAIN)
            assert_int_equal(broker_round(peer_broker, -1, 1), 0);
        while (link_receive(bad, &in) == 0)
            ;
        if (i % 1000 == 999)
            link_close(bad, 0);
    }
    assert_served(p);
    peer_close(p);
}

/* ---- settings ---- */

static int try_open(struct broker_config c)
{
    struct broker *b = NULL;
    int err;

    c.dir = peer_folder;
    c.journal_bytes = (uint64_t)64 * 1024 * 1024;
    err = broker_open(&c, &b);
    broker_close(b);
    return err;
}

static void settings_that_cannot_work_are_refused(void **state)
{
    struct broker_config c = {.publish = "tcp://127.0.0.1:*"};

    (void)state;
    assert_int_equal(try_open(c), ERR_CONFIG);
    c.insecure_loopback = true;
    assert_int_equal(try_open(c), 0);
    c.publish = "tcp://0.0.0.0:*";
    assert_int_equal(try_open(c), ERR_CONFIG);
    c.publish = "tcp://*:5555";
    assert_int_equal(try_open(c), ERR_CONFIG);
    assert_int_equal(try_open((struct broker_config){.partitions = 4}), ERR_CONFIG);
    assert_int_equal(try_open((struct broker_config){.partitions = 8}), 0);
    broker_restart(0);
    assert_int_equal(try_open((struct broker_config){0}), ERR_LOCKED);
}

static void libturnout_and_the_broker_understand_each_other(void **state)
{
    struct turnout_producer *producer;
    char endpoint[600];
    struct turnout_options o = {.endpoint = endpoint, .batch_events = 100};
    int64_t end = clock_mono_ms() + PEER_TIMEOUT_MS;
    uint64_t events = 0;

    (void)state;
    broker_restart(0);
    snprintf(endpoint, sizeof endpoint, "ipc://%s/publish.sock", peer_folder);
    assert_int_equal(turnout_producer_new(&o, &producer), 0);
    struct peer *maker = peer_connect("publish");
    for (; events < 5000; events++) {
        buffer_clear(&maker->events);
        peer_add_vote(maker, "TC 1", (unsigned)events);
        if (events % 10 == 0)
            maker->events.at[1] ^= 0x20; /* not the key `id` any more */
        assert_int_equal(turnout_send(producer, maker->events.at, maker->events.size, NULL), 0);
    }
    while (turnout_counts(producer).accepted + turnout_counts(producer).refused < events) {
        assert_true(clock_mono_ms() < end);
        turnout_poll(producer, 0);
        assert_int_equal(broker_round(peer_broker, -1, 1), 0);
    }
    assert_int_equal(turnout_counts(producer).refused, 500);
    struct peer *client = peer_hello("client");
    assert_int_equal(sum(report(client)->ends, 8), 4500);
    turnout_producer_free(producer);
    peer_close(maker);
    peer_close(client);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, peer_setup, peer_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(welcome_tells_the_log_and_the_limits),
        TEST(good_and_bad_events_of_one_batch_are_told_apart),
        TEST(a_batch_of_bad_events_only_is_kept_too),
        TEST(an_acknowledged_event_is_in_the_file),
        TEST(what_comes_in_a_row_is_acknowledged_in_ranges),
        TEST(thousands_of_refusals_fit_into_headers),
        TEST(without_hello_there_is_no_session),
        TEST(a_session_is_over_after_goodbye_or_a_restart),
        TEST(a_role_belongs_to_its_endpoint),
        TEST(a_malformed_header_ends_the_session),
        TEST(a_silent_session_is_asked_and_then_ended),
        TEST(a_full_journal_refuses_all_and_takes_all_again_when_enlarged),
        TEST(foreign_messages_are_passed_over_and_other_versions_told),
        TEST(a_thousand_silent_connections_and_noise_do_not_stop_it),
        TEST(random_headers_and_payloads_do_not_stop_it),
        TEST(settings_that_cannot_work_are_refused),
        TEST(libturnout_and_the_broker_understand_each_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
