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

static void welcome_say(struct pair *p, struct slice peer)
{
    struct wire_message m = {.kind = WIRE_WELCOME};
    struct buffer header = {0};

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
    assert_int_equal(link_send(p->broker, peer, buffer_slice(&header), NULL, 0), 0);
    buffer_free(&header);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            a_connection_that_stays_silent_is_given_up_before_the_first_session_too, pair_new,
            pair_free),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
