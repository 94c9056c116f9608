/* A reader and a broker that this test plays, by turns in one thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/clock.h"
#include "proto/error.h"
#include "proto/link.h"
#include "workers/client.h"
#include "workers/reader.h"

#define LIMIT_MS 30000
#define LOG      "0123456789abcdef0123456789abcdef"

struct pair {
    char folder[32], endpoint[64];
    struct link *broker;
    struct reader *reader;
    struct buffer first; /* the name under which the reader came first */
};

static int pair_new(void **state)
{
    struct pair *p = calloc(1, sizeof *p);

    assert_non_null(p);
    strcpy(p->folder, "/tmp/test-reader-XXXXXX");
    assert_non_null(mkdtemp(p->folder));
    snprintf(p->endpoint, sizeof p->endpoint, "ipc://%s/read.sock", p->folder);
    assert_int_equal(link_bind(p->endpoint, &p->broker), 0);
    assert_int_equal(reader_new(p->endpoint, "client", "test", &p->reader), 0);
    *state = p;
    return 0;
}

static int pair_free(void **state)
{
    struct pair *p = *state;

    reader_free(p->reader);
    link_close(p->broker, 0);
    unlink(p->endpoint + strlen("ipc://"));
    rmdir(p->folder);
    buffer_free(&p->first);
    free(p);
    return 0;
}

/* False when the peer has gone meanwhile. */
static bool welcome_try(struct pair *p, struct slice peer)
{
    struct wire_message m = {.kind = WIRE_WELCOME};
    struct buffer header = {0};
    int error;

    m.welcome = (struct wire_welcome){.log = slice_of(LOG),
                                      .partitions = 8,
                                      .max_event = 8192,
                                      .max_payload = WIRE_MAX_PAYLOAD,
                                      .max_events = 1,
                                      .window_events = 1,
                                      .window_bytes = WIRE_WINDOW_BYTES,
                                      .heartbeat_ms = WIRE_HEARTBEAT_MS,
                                      .server = slice_of("played")};
    wire_encode(&m, &header);
    error = link_send(p->broker, peer, buffer_slice(&header), NULL, 0);
    buffer_free(&header);
    return error == 0;
}

static void welcome_say(struct pair *p, struct slice peer)
{
    assert_true(welcome_try(p, peer));
}

/* Answers who comes over another connection than the first; nobody else. */
static void broker_turn(struct pair *p)
{
    struct link_message got;
    struct buffer peer = {0};

    while (link_receive(p->broker, &got) == 0) {
        buffer_clear(&peer);
        buffer_add_slice(&peer, got.peer);
        if (p->first.size == 0)
            buffer_add_slice(&p->first, got.peer);
        if (!slice_equal(buffer_slice(&peer), buffer_slice(&p->first)))
            welcome_say(p, buffer_slice(&peer));
    }
    buffer_free(&peer);
}

static void a_connection_that_stays_silent_is_given_up_before_the_first_session_too(void **state)
{
    struct pair *p = *state;
    int64_t until_ms = clock_mono_ms() + LIMIT_MS;
    struct wire_message m;
    struct slice payload;

    while (reader_session(p->reader) == 0) {
        assert_int_equal(reader_receive(p->reader, -1, 10, &m, &payload), ERR_AGAIN);
        reader_reset(p->reader);
        broker_turn(p);
        assert_true(clock_mono_ms() < until_ms);
    }
    assert_string_equal(reader_log(p->reader), LOG);
}

/* Gives both sides turns until a reader's HELLO is there; returns under which name it came. */
static struct slice hello_expect(struct pair *p)
{
    int64_t until_ms = clock_mono_ms() + LIMIT_MS;
    struct link_message got;
    struct wire_message m;
    struct slice payload;

    while (link_receive(p->broker, &got) < 0) {
        assert_int_equal(reader_receive(p->reader, -1, 10, &m, &payload), ERR_AGAIN);
        reader_reset(p->reader);
        assert_true(clock_mono_ms() < until_ms);
    }
    buffer_clear(&p->first);
    buffer_add_slice(&p->first, got.peer);
    return buffer_slice(&p->first);
}

static void who_waits_long_is_told_at_once_that_a_session_has_begun(void **state)
{
    struct pair *p = *state;
    int64_t until_ms = clock_mono_ms() + LIMIT_MS;
    struct wire_message m;
    struct slice payload;

    welcome_say(p, hello_expect(p));
    while (reader_session(p->reader) == 0)
        assert_int_equal(reader_receive(p->reader, -1, 2 * LIMIT_MS, &m, &payload), ERR_AGAIN);
    assert_true(clock_mono_ms() < until_ms);
}

/* As while its disk syncs, each time for longer than a reader usually waits. */
static void a_broker_that_answers_late_is_heard(void **state)
{
    struct pair *p = *state;
    char peers[64][LINK_PEER];
    size_t sizes[64], count = 0;
    struct link_message got;
    struct wire_message m;
    struct slice payload;
    unsigned late = 0;
    uint64_t session;

    while (reader_session(p->reader) == 0) {
        assert_in_range(++late, 1, 4);
        got.peer = hello_expect(p);
        count = 0;
        do {
            assert_true(count < 64);
            memcpy(peers[count], got.peer.at, got.peer.size);
            sizes[count++] = got.peer.size;
        } while (link_receive(p->broker, &got) == 0);
        for (int64_t end_ms = clock_mono_ms() + 3500; clock_mono_ms() < end_ms;) {
            assert_int_equal(reader_receive(p->reader, -1, 10, &m, &payload), ERR_AGAIN);
            reader_reset(p->reader);
        }
        for (size_t i = 0; i < count; i++)
            welcome_try(p, slice_make(peers[i], sizes[i]));
        reader_receive(p->reader, -1, 500, &m, &payload);
    }
    /* Two words at once, as a round of the broker has them, are no sign of a quick disk. */
    session = reader_session(p->reader);
    for (size_t i = 0; i < 2 * count; i++)
        welcome_try(p, slice_make(peers[i % count], sizes[i % count]));
    for (int64_t end_ms = clock_mono_ms() + 3500; clock_mono_ms() < end_ms;) {
        assert_int_equal(reader_receive(p->reader, -1, 10, &m, &payload), ERR_AGAIN);
        reader_reset(p->reader);
    }
    assert_int_equal(reader_session(p->reader), session);
}

static void error_say(struct pair *p, struct slice peer, const char *code, bool fatal)
{
    struct wire_message m = {.kind = WIRE_ERROR};
    struct buffer header = {0};

    m.error =
        (struct wire_error){.code = slice_of(code), .reason = slice_of("played"), .fatal = fatal};
    wire_encode(&m, &header);
    assert_int_equal(link_send(p->broker, peer, buffer_slice(&header), NULL, 0), 0);
    buffer_free(&header);
}

/* What the reader makes of it: the first that is not "nothing yet". */
static int received(struct pair *p)
{
    int64_t until_ms = clock_mono_ms() + LIMIT_MS;
    struct wire_message m;
    struct slice payload;
    int error = ERR_AGAIN;

    while (error == ERR_AGAIN && reader_session(p->reader) == 0 && clock_mono_ms() < until_ms) {
        error = reader_receive(p->reader, -1, 10, &m, &payload);
        reader_reset(p->reader);
    }
    return error;
}

/* The next message that the broker gets but for HELLO, which may have been said twice. */
static struct wire_message broker_expect(struct pair *p, struct arena *arena)
{
    int64_t until_ms = clock_mono_ms() + LIMIT_MS;
    struct link_message got;
    struct wire_message m;

    do {
        while (link_receive(p->broker, &got) < 0)
            assert_true(clock_mono_ms() < until_ms);
        assert_int_equal(wire_decode(got.header, 0, arena, &m), 0);
    } while (m.kind == WIRE_HELLO);
    return m;
}

static void credit_is_given_back_by_the_quarter(void **state)
{
    static const uint64_t taken[] = {60, 39, 1, 250, 99, 200}, given[] = {0, 0, 100, 250, 0, 299};
    struct reading s = {.partition = 3, .stream = 7, .credit = 400, .owed = 5};
    struct arena arena = {0};
    struct pair *p = *state;
    struct wire_message m;

    welcome_say(p, hello_expect(p));
    received(p);
    reader_read(p->reader, &s, 12);
    m = broker_expect(p, &arena);
    assert_int_equal(m.kind, WIRE_READ);
    assert_int_equal(m.read.offset, 12);
    assert_int_equal(m.read.credit, 400);
    for (unsigned i = 0; i < sizeof taken / sizeof *taken; i++) {
        reader_credit(p->reader, &s, taken[i]);
        if (!given[i])
            continue;
        m = broker_expect(p, &arena);
        assert_int_equal(m.kind, WIRE_CREDIT);
        assert_int_equal(m.credit.partition, 3);
        assert_int_equal(m.credit.stream, 7);
        assert_int_equal(m.credit.bytes, given[i]);
    }
    arena_free(&arena);
}

/* Or it would go on without the events that were asked for. */
static void a_session_that_cannot_be_asked_any_more_ends(void **state)
{
    struct reading s = {.partition = 3, .credit = 400};
    struct pair *p = *state;
    int64_t end_ms = clock_mono_ms() + 2000; /* before silence ends it */
    struct wire_message m;
    struct slice payload;

    welcome_say(p, hello_expect(p));
    while (reader_session(p->reader) == 0)
        received(p);
    link_close(p->broker, 0);
    p->broker = NULL;
    do { /* until the socket is gone what is asked may still go there */
        assert_true(clock_mono_ms() < end_ms);
        for (int i = 0; i < 2000; i++, s.stream++)
            reader_read(p->reader, &s, 0);
        assert_int_equal(reader_receive(p->reader, -1, 10, &m, &payload), ERR_AGAIN);
    } while (reader_session(p->reader) != 0);
}

static void another_version_is_told(void **state)
{
    struct pair *p = *state;

    error_say(p, hello_expect(p), "version", true);
    assert_int_equal(received(p), ERR_VERSION);
}

static void who_is_denied_for_good_is_told_each_time_and_never_at_once(void **state)
{
    struct pair *p = *state;
    struct wire_message m;
    struct slice payload;

    error_say(p, hello_expect(p), "revoked-key", true);
    assert_int_equal(received(p), ERR_DENIED);
    int64_t before_ms = clock_mono_ms();
    assert_int_equal(reader_receive(p->reader, -1, 30, &m, &payload), ERR_DENIED);
    assert_true(clock_mono_ms() - before_ms >= 29); /* no busy loop */
    assert_int_equal(reader_session(p->reader), 0);
}

static void who_is_put_off_comes_again(void **state)
{
    struct pair *p = *state;

    error_say(p, hello_expect(p), "busy", true);
    error_say(p, hello_expect(p), "busy", false);
    welcome_say(p, hello_expect(p)); /* who is put off has no session, and nothing to be told */
    received(p);
    assert_int_equal(reader_session(p->reader), 1);
    assert_string_equal(reader_log(p->reader), LOG);
}

/* As REJECTS where the disk cannot be read. */
static void what_the_broker_cannot_read_is_not_waited_for(void **state)
{
    struct pair *p = *state;
    struct slice peer = hello_expect(p), payload;
    struct wire_message m;
    uint64_t session;

    welcome_say(p, peer);
    received(p);
    session = reader_session(p->reader);
    error_say(p, peer, "corrupt", false);
    assert_int_equal(client_await(p->reader, session, WIRE_REJECTED, LIMIT_MS, &m, &payload),
                     ERR_CORRUPT);
}

static void what_is_no_message_is_passed_over(void **state)
{
    struct pair *p = *state;
    struct slice peer = hello_expect(p);

    assert_int_equal(link_send(p->broker, peer, slice_of("not msgpack"), NULL, 0), 0);
    welcome_say(p, peer);
    received(p);
    assert_int_equal(reader_session(p->reader), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, pair_new, pair_free)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_connection_that_stays_silent_is_given_up_before_the_first_session_too),
        TEST(who_waits_long_is_told_at_once_that_a_session_has_begun),
        TEST(a_broker_that_answers_late_is_heard),
        TEST(credit_is_given_back_by_the_quarter),
        TEST(a_session_that_cannot_be_asked_any_more_ends),
        TEST(another_version_is_told),
        TEST(who_is_denied_for_good_is_told_each_time_and_never_at_once),
        TEST(who_is_put_off_comes_again),
        TEST(what_the_broker_cannot_read_is_not_waited_for),
        TEST(what_is_no_message_is_passed_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
