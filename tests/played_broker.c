/* The played broker; see played_broker.h. */
#include "tests/played_broker.h"

#include "proto/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

char broker_folder[64], broker_endpoint[96];
struct broker broker;
struct told told;

static void on_accepted(void *arg, uint64_t first, uint64_t last)
{
    struct told *t = arg;

    t->runs++;
    for (; first <= last && first < MOST; first++)
        t->accepted[first]++;
}

/* The event comes back with its refusal, as send_event made it. */
static void on_refused(void *arg, uint64_t seq, const struct turnout_refusal *why)
{
    struct told *t = arg;
    char event[32];

    assert_in_range(seq, 1, MOST - 1);
    snprintf(event, sizeof event, "<event %u>", (unsigned)seq);
    assert_true(slice_is(slice_make(why->event, why->size), event));
    t->refused[seq]++;
    snprintf(t->texts[0], sizeof t->texts[0], "%s", why->code);
    snprintf(t->texts[1], sizeof t->texts[1], "%s", why->field);
    snprintf(t->texts[2], sizeof t->texts[2], "%s", why->reason);
    t->last = (struct turnout_refusal){t->texts[0], t->texts[1], t->texts[2], why->retry, NULL, 0};
}

void broker_start(struct broker *b)
{
    assert_int_equal(link_bind(broker_endpoint, &b->link), 0);
}

void broker_stop(struct broker *b)
{
    link_close(b->link, 0);
    b->link = NULL;
}

int broker_setup(void **state)
{
    const char *base = getenv("TMPDIR");

    (void)state;
    snprintf(broker_folder, sizeof broker_folder, "%s/turnout-producer-XXXXXX",
             base && strlen(base) < 32 ? base : "/tmp");
    assert_non_null(mkdtemp(broker_folder));
    snprintf(broker_endpoint, sizeof broker_endpoint, "ipc://%s/s", broker_folder);
    memset(&broker, 0, sizeof broker);
    memset(&told, 0, sizeof told);
    broker.limits =
        (struct wire_welcome){slice_of(LOG_ID), 8,           TURNOUT_MAX_EVENT, WIRE_MAX_PAYLOAD,
                              WIRE_MAX_EVENTS,  WIRE_WINDOW, WIRE_WINDOW_BYTES, WIRE_HEARTBEAT_MS,
                              slice_of("test")};
    return 0;
}

int broker_teardown(void **state)
{
    (void)state;
    turnout_producer_free(broker.producer);
    broker_stop(&broker);
    arena_free(&broker.arena);
    unlink(broker_endpoint + 6);
    return rmdir(broker_folder);
}

bool broker_take(struct broker *b)
{
    struct link_message frames;

    if (link_receive(b->link, &frames) < 0)
        return false;
    assert_false(frames.foreign);
    memcpy(b->peer, frames.peer.at, frames.peer.size);
    b->from = slice_make(b->peer, frames.peer.size);
    b->payload = frames.payload;
    arena_reset(&b->arena, 65536);
    assert_int_equal(wire_decode(frames.header, frames.payload.size, &b->arena, &b->m), 0);
    return true;
}

/* A peer that has gone meanwhile does not hear it. */
void broker_say(struct broker *b, const struct wire_message *m)
{
    struct buffer header = {0};

    wire_encode(m, &header);
    link_send(b->link, b->from, buffer_slice(&header), NULL, 0);
    buffer_free(&header);
}

void broker_expect(struct broker *b, enum wire_kind kind)
{
    int64_t end_ms = clock_mono_ms() + PATIENCE_MS;

    while (clock_mono_ms() < end_ms) {
        if (!broker_take(b))
            turnout_poll(b->producer, 1);
        else if (b->m.kind == kind)
            return;
    }
    fail_msg("no message of kind %d", kind);
}

void broker_expect_publish(struct broker *b, uint64_t first, uint32_t count)
{
    broker_expect(b, WIRE_PUBLISH);
    assert_int_equal(b->m.publish.first, first);
    assert_int_equal(b->m.publish.count, count);
}

void broker_ack(struct broker *b, uint64_t first, uint64_t count)
{
    broker_say(b, &(struct wire_message){.kind = WIRE_PUBACK, .puback = {first, count, 0, NULL}});
}

void broker_error(struct broker *b, const char *code, bool fatal)
{
    broker_say(b, &(struct wire_message){.kind = WIRE_ERROR,
                                         .error = {slice_of(code), slice_of("why"), fatal}});
}

void producer_hears(struct broker *b, uint64_t accepted, uint64_t refused)
{
    int64_t end_ms = clock_mono_ms() + PATIENCE_MS;

    while (clock_mono_ms() < end_ms && (turnout_counts(b->producer).accepted < accepted ||
                                        turnout_counts(b->producer).refused < refused))
        turnout_poll(b->producer, 10);
    assert_int_equal(turnout_counts(b->producer).accepted, accepted);
    assert_int_equal(turnout_counts(b->producer).refused, refused);
}

void broker_welcome(struct broker *b)
{
    int64_t end_ms = clock_mono_ms() + PATIENCE_MS;

    broker_expect(b, WIRE_HELLO);
    broker_say(b, &(struct wire_message){.kind = WIRE_WELCOME, .welcome = b->limits});
    while (!turnout_connected(b->producer) && clock_mono_ms() < end_ms)
        turnout_poll(b->producer, 10);
    assert_true(turnout_connected(b->producer));
}

void producer_start(struct broker *b, uint32_t window_events, uint32_t batch_events)
{
    struct turnout_options o = {.endpoint = broker_endpoint,
                                .name = "tester",
                                .window_events = window_events,
                                .batch_events = batch_events,
                                .accepted = on_accepted,
                                .refused = on_refused,
                                .arg = &told};

    assert_int_equal(turnout_producer_new(&o, &b->producer), TURNOUT_OK);
    turnout_set_timeout(b->producer, PATIENCE_MS);
}

void session_start(uint32_t window_events, uint32_t batch_events)
{
    broker_start(&broker);
    producer_start(&broker, window_events, batch_events);
    broker_welcome(&broker);
}

void send_event(unsigned number)
{
    char event[32];
    uint64_t seq;

    snprintf(event, sizeof event, "<event %u>", number);
    assert_int_equal(turnout_send(broker.producer, event, strlen(event), &seq), TURNOUT_OK);
    assert_int_equal(seq, number);
}

void send_events(unsigned first, unsigned last)
{
    for (; first <= last; first++)
        send_event(first);
}

void assert_payload(const struct broker *b)
{
    size_t at = 0;

    for (uint32_t i = 0; i < b->m.publish.count; i++) {
        char event[32];
        snprintf(event, sizeof event, "<event %u>", (unsigned)b->m.publish.first + i);
        assert_true(slice_is(slice_make(b->payload.at + at, b->m.publish.sizes[i]), event));
        at += b->m.publish.sizes[i];
    }
}

void assert_each_once(const unsigned *times, unsigned first, unsigned last)
{
    for (unsigned i = 1; i < MOST; i++)
        assert_int_equal(times[i], i >= first && i <= last);
}
