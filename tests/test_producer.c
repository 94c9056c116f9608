/* The C producer against a broker that the test plays itself, by turns in the same thread: what
 * the producer says, what it makes of every answer, and what it does when there is none. */
#include "proto/clock.h"
#include "proto/link.h"
#include "proto/turnout.h"
#include "proto/wire.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_MS 20000 /* a condition that does not come within this never will */
#define MOST        8192  /* events of a test */
#define LOG_ID      "0123456789abcdef0123456789abcdef"

/* ---- the broker that the test plays, and what its producer was told ---- */

struct broker {
    struct link *link;
    struct wire_welcome limits;
    struct arena arena;
    char peer[256];
    struct slice from; /* who sent `m` */
    struct wire_message m;
    struct slice payload;
    struct turnout_producer *producer;
};

struct told {
    unsigned accepted[MOST], refused[MOST]; /* how often, by number */
    unsigned runs;
    struct turnout_refusal last;
    char texts[3][WIRE_REASON];
};

static char folder[64], endpoint[96];
static struct broker broker;
static struct told told;

static void on_accepted(void *arg, uint64_t first, uint64_t last)
{
    struct told *t = arg;

    t->runs++;
    for (; first <= last && first < MOST; first++)
        t->accepted[first]++;
}

static void on_refused(void *arg, uint64_t seq, const struct turnout_refusal *why)
{
    struct told *t = arg;

    assert_in_range(seq, 1, MOST - 1);
    t->refused[seq]++;
    snprintf(t->texts[0], sizeof t->texts[0], "%s", why->code);
    snprintf(t->texts[1], sizeof t->texts[1], "%s", why->field);
    snprintf(t->texts[2], sizeof t->texts[2], "%s", why->reason);
    t->last = (struct turnout_refusal){t->texts[0], t->texts[1], t->texts[2], why->retry};
}

static void broker_start(struct broker *b)
{
    int64_t end_ms = clock_mono_ms() + PATIENCE_MS;

    /* A link that was closed takes its file along a little later; a new one must not be hit. */
    while (access(endpoint + 6, F_OK) == 0 && clock_mono_ms() < end_ms)
        link_wait(NULL, 0, -1, 1);
    assert_int_equal(link_bind(endpoint, &b->link), 0);
}

static void broker_stop(struct broker *b)
{
    link_close(b->link, 0);
    b->link = NULL;
}

static int setup(void **state)
{
    const char *base = getenv("TMPDIR");

    (void)state;
    snprintf(folder, sizeof folder, "%s/turnout-producer-XXXXXX",
             base && strlen(base) < 32 ? base : "/tmp");
    assert_non_null(mkdtemp(folder));
    snprintf(endpoint, sizeof endpoint, "ipc://%s/s", folder);
    memset(&broker, 0, sizeof broker);
    memset(&told, 0, sizeof told);
    broker.limits =
        (struct wire_welcome){slice_of(LOG_ID), 8,           TURNOUT_MAX_EVENT, WIRE_MAX_PAYLOAD,
                              WIRE_MAX_EVENTS,  WIRE_WINDOW, WIRE_WINDOW_BYTES, WIRE_HEARTBEAT_MS,
                              slice_of("test")};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    turnout_producer_free(broker.producer);
    broker_stop(&broker);
    arena_free(&broker.arena);
    unlink(endpoint + 6);
    return rmdir(folder);
}

/* Takes the next message if there is one. */
static bool broker_take(struct broker *b)
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

static void broker_say(struct broker *b, const struct wire_message *m)
{
    struct buffer header = {0};

    wire_encode(m, &header);
    assert_int_equal(link_send(b->link, b->from, buffer_slice(&header), NULL, 0), 0);
    buffer_free(&header);
}

/* Gives both sides turns until a message of this kind comes; others are passed over. */
static void broker_expect(struct broker *b, enum wire_kind kind)
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

static void broker_expect_publish(struct broker *b, uint64_t first, uint32_t count)
{
    broker_expect(b, WIRE_PUBLISH);
    assert_int_equal(b->m.publish.first, first);
    assert_int_equal(b->m.publish.count, count);
}

static void broker_ack(struct broker *b, uint64_t first, uint64_t count)
{
    broker_say(b, &(struct wire_message){.kind = WIRE_PUBACK, .puback = {first, count, 0, NULL}});
}

static void broker_error(struct broker *b, const char *code, bool fatal)
{
    broker_say(b, &(struct wire_message){.kind = WIRE_ERROR,
                                         .error = {slice_of(code), slice_of("why"), fatal}});
}

/* Gives the producer turns until it has heard of so many events. */
static void producer_hears(struct broker *b, uint64_t accepted, uint64_t refused)
{
    int64_t end_ms = clock_mono_ms() + PATIENCE_MS;

    while (clock_mono_ms() < end_ms && (turnout_counts(b->producer).accepted < accepted ||
                                        turnout_counts(b->producer).refused < refused))
        turnout_poll(b->producer, 10);
    assert_int_equal(turnout_counts(b->producer).accepted, accepted);
    assert_int_equal(turnout_counts(b->producer).refused, refused);
}

static void broker_welcome(struct broker *b)
{
    int64_t end_ms = clock_mono_ms() + PATIENCE_MS;

    broker_expect(b, WIRE_HELLO);
    broker_say(b, &(struct wire_message){.kind = WIRE_WELCOME, .welcome = b->limits});
    while (!turnout_connected(b->producer) && clock_mono_ms() < end_ms)
        turnout_poll(b->producer, 10);
    assert_true(turnout_connected(b->producer));
}

static void producer_start(struct broker *b, uint32_t window_events, uint32_t batch_events)
{
    struct turnout_options o = {.endpoint = endpoint,
                                .name = "tester",
                                .window_events = window_events,
                                .batch_events = batch_events,
                                .accepted = on_accepted,
                                .refused = on_refused,
                                .arg = &told};

    assert_int_equal(turnout_producer_new(&o, &b->producer), TURNOUT_OK);
}

static void start(uint32_t window_events, uint32_t batch_events)
{
    broker_start(&broker);
    producer_start(&broker, window_events, batch_events);
    broker_welcome(&broker);
}

static void send_event(unsigned number)
{
    char event[32];
    uint64_t seq;

    snprintf(event, sizeof event, "<event %u>", number);
    assert_int_equal(turnout_send(broker.producer, event, strlen(event), &seq), TURNOUT_OK);
    assert_int_equal(seq, number);
}

static void send_events(unsigned first, unsigned last)
{
    for (; first <= last; first++)
        send_event(first);
}

/* The payload of the PUBLISH taken last is what send_event made. */
static void assert_payload(const struct broker *b)
{
    size_t at = 0;

    for (uint32_t i = 0; i < b->m.publish.count; i++) {
        char event[32];
        snprintf(event, sizeof event, "<event %u>", (unsigned)b->m.publish.first + i);
        assert_true(slice_is(slice_make(b->payload.at + at, b->m.publish.sizes[i]), event));
        at += b->m.publish.sizes[i];
    }
}

static void assert_each_once(const unsigned *times, unsigned first, unsigned last)
{
    for (unsigned i = 1; i < MOST; i++)
        assert_int_equal(times[i], i >= first && i <= last);
}

/* ---- session and batches ---- */

static void it_says_who_it_is_and_waits_for_welcome(void **state)
{
    (void)state;
    broker_start(&broker);
    producer_start(&broker, 0, 0);
    broker_expect(&broker, WIRE_HELLO);
    assert_true(slice_is(broker.m.hello.role, "producer"));
    assert_true(slice_is(broker.m.hello.name, "tester"));
    assert_int_equal(broker.m.hello.pid, getpid());
    assert_false(turnout_connected(broker.producer));
    broker_welcome(&broker);
}

static void a_hello_without_an_answer_is_repeated(void **state)
{
    (void)state;
    broker_start(&broker);
    producer_start(&broker, 0, 0);
    broker_expect(&broker, WIRE_HELLO);
    broker_welcome(&broker);
}

static void it_may_be_started_before_the_broker(void **state)
{
    (void)state;
    producer_start(&broker, 0, 0);
    send_events(1, 3);
    assert_int_equal(turnout_flush(broker.producer, 1), TURNOUT_TIMEOUT);
    broker_start(&broker);
    broker_welcome(&broker);
    broker_expect_publish(&broker, 1, 3);
    assert_payload(&broker);
    broker_ack(&broker, 1, 3);
    producer_hears(&broker, 3, 0);
}

static void events_collect_only_while_something_is_under_way(void **state)
{
    (void)state;
    start(0, 4);
    send_event(1);     /* at once */
    send_events(2, 4); /* when they fill a batch */
    broker_expect_publish(&broker, 1, 1);
    assert_payload(&broker);
    broker_expect_publish(&broker, 2, 3);
    assert_payload(&broker);
}

static void polling_sends_what_is_collected(void **state)
{
    (void)state;
    start(0, 4);
    send_events(1, 3);
    turnout_poll(broker.producer, 0);
    broker_expect_publish(&broker, 1, 1);
    broker_expect_publish(&broker, 2, 2);
}

static void a_batch_keeps_to_the_limits_of_the_welcome(void **state)
{
    (void)state;
    broker.limits.max_events = 3;
    start(0, 512);
    send_events(1, 8);
    turnout_poll(broker.producer, 0);
    broker_expect_publish(&broker, 1, 1);
    broker_expect_publish(&broker, 2, 3);
    broker_expect_publish(&broker, 5, 3);
    broker_expect_publish(&broker, 8, 1);
    assert_payload(&broker);
}

static void large_events_make_payloads_below_the_limit(void **state)
{
    char event[TURNOUT_MAX_EVENT] = "";
    unsigned taken = 0;

    (void)state;
    start(0, 512);
    for (int i = 0; i < 300; i++)
        assert_int_equal(turnout_send(broker.producer, event, sizeof event, NULL), TURNOUT_OK);
    while (taken < 300) {
        broker_expect(&broker, WIRE_PUBLISH); /* decoding it checks the payload's size */
        assert_int_equal(broker.m.publish.first, taken + 1);
        taken += broker.m.publish.count;
    }
    broker_ack(&broker, 1, 300);
    producer_hears(&broker, 300, 0);
}

static void a_ping_is_answered(void **state)
{
    (void)state;
    start(0, 0);
    broker_say(&broker, &(struct wire_message){.kind = WIRE_PING});
    broker_expect(&broker, WIRE_PONG);
}

static void it_says_goodbye(void **state)
{
    (void)state;
    start(0, 0);
    turnout_producer_free(broker.producer);
    broker.producer = NULL;
    int64_t end_ms = clock_mono_ms() + PATIENCE_MS;
    while (!(broker_take(&broker) && broker.m.kind == WIRE_BYE))
        assert_true(clock_mono_ms() < end_ms);
}

/* ---- windows ---- */

static void a_full_window_holds_the_sender_back(void **state)
{
    (void)state;
    start(3, 0);
    send_events(1, 3);
    turnout_set_timeout(broker.producer, 5);
    assert_int_equal(turnout_send(broker.producer, "x", 1, NULL), TURNOUT_TIMEOUT);
    assert_int_equal(turnout_counts(broker.producer).sent, 3);
    broker_expect_publish(&broker, 1, 1);
    broker_ack(&broker, 1, 1);
    producer_hears(&broker, 1, 0);
    send_event(4);
    assert_int_equal(turnout_send(broker.producer, "x", 1, NULL), TURNOUT_TIMEOUT);
}

static void the_window_of_the_broker_counts_also_for_what_was_collected_before(void **state)
{
    (void)state;
    broker.limits.window_events = 2;
    producer_start(&broker, 0, 0);
    send_events(1, 5);
    broker_start(&broker);
    broker_welcome(&broker);
    broker_expect_publish(&broker, 1, 2);
    broker_ack(&broker, 1, 1);
    broker_expect_publish(&broker, 3, 1);
    broker_ack(&broker, 2, 2);
    broker_expect_publish(&broker, 4, 2);
}

static void the_window_has_a_limit_in_bytes(void **state)
{
    char event[5000] = "";

    (void)state;
    broker.limits.window_bytes = 2 * sizeof event;
    start(0, 0);
    turnout_set_timeout(broker.producer, 5);
    for (int i = 0; i < 2; i++)
        assert_int_equal(turnout_send(broker.producer, event, sizeof event, NULL), TURNOUT_OK);
    assert_int_equal(turnout_send(broker.producer, event, 1, NULL), TURNOUT_TIMEOUT);
    broker_expect_publish(&broker, 1, 1);
    broker_ack(&broker, 1, 1);
    producer_hears(&broker, 1, 0);
    assert_int_equal(turnout_send(broker.producer, event, sizeof event, NULL), TURNOUT_OK);
}

/* ---- acknowledgements ---- */

static void an_acknowledgement_may_cover_any_range(void **state)
{
    (void)state;
    start(0, 2);
    send_events(1, 9);
    turnout_poll(broker.producer, 0);
    broker_expect_publish(&broker, 1, 1);
    broker_ack(&broker, 4, 2);
    producer_hears(&broker, 2, 0);
    assert_int_equal(told.runs, 1);
    broker_ack(&broker, 3, 4); /* 3 and 6 are new */
    producer_hears(&broker, 4, 0);
    assert_int_equal(told.runs, 3);
    broker_ack(&broker, 1, 1000000);
    producer_hears(&broker, 9, 0);
    assert_int_equal(told.runs, 5);
    assert_each_once(told.accepted, 1, 9);
    assert_int_equal(turnout_flush(broker.producer, 0), TURNOUT_OK);
}

static void numbers_never_sent_are_passed_over(void **state)
{
    (void)state;
    start(0, 0);
    send_event(1);
    broker_expect_publish(&broker, 1, 1);
    broker_ack(&broker, 2, 500);
    broker_say(&broker, &(struct wire_message){.kind = WIRE_PING});
    broker_expect(&broker, WIRE_PONG); /* so it has read the acknowledgement */
    assert_int_equal(turnout_counts(broker.producer).accepted, 0);
    send_event(2);
    assert_int_equal(turnout_flush(broker.producer, 5), TURNOUT_TIMEOUT);
    broker_ack(&broker, 1, 1);
    producer_hears(&broker, 1, 0);
}

static void a_refusal_is_told_once_with_its_reason(void **state)
{
    struct wire_refused why[] = {
        {2, slice_of("bad-value"), slice_of("position"), slice_of("expected approve"), false},
        {3, slice_of("journal-full"), slice_of(""), slice_of("no room"), true},
    };
    struct wire_message ack = {.kind = WIRE_PUBACK, .puback = {1, 4, 2, why}};

    (void)state;
    start(0, 0);
    send_events(1, 4);
    turnout_poll(broker.producer, 0);
    broker_expect_publish(&broker, 1, 1);
    broker_expect_publish(&broker, 2, 3);
    broker_say(&broker, &ack);
    broker_say(&broker, &ack);
    producer_hears(&broker, 2, 2);
    broker_say(&broker, &(struct wire_message){.kind = WIRE_PING});
    broker_expect(&broker, WIRE_PONG);
    assert_each_once(told.refused, 2, 3);
    assert_int_equal(told.accepted[1] + told.accepted[4], 2);
    assert_int_equal(told.runs, 2);
    assert_string_equal(told.last.code, "journal-full");
    assert_string_equal(told.last.field, "");
    assert_string_equal(told.last.reason, "no room");
    assert_true(told.last.retry);
}

/* ---- lost connections ---- */

static void hello_first_brings_a_new_session_and_all_that_is_open(void **state)
{
    (void)state;
    start(0, 2);
    send_events(1, 5);
    turnout_poll(broker.producer, 0);
    broker_expect_publish(&broker, 1, 1);
    broker_ack(&broker, 1, 1);
    producer_hears(&broker, 1, 0);
    broker_error(&broker, "hello-first", true);
    broker_welcome(&broker);
    broker_expect_publish(&broker, 2, 1);
    broker_expect_publish(&broker, 3, 2);
    assert_payload(&broker);
    broker_expect_publish(&broker, 5, 1);
    broker_ack(&broker, 1, 5);
    producer_hears(&broker, 5, 0);
    assert_each_once(told.accepted, 1, 5);
    assert_int_equal(turnout_counts(broker.producer).reconnects, 1);
}

static void events_that_are_done_are_not_sent_again(void **state)
{
    (void)state;
    start(0, 512);
    send_events(1, 9);
    turnout_poll(broker.producer, 0);
    broker_expect_publish(&broker, 1, 1);
    broker_expect_publish(&broker, 2, 8);
    broker_ack(&broker, 1, 2);
    broker_ack(&broker, 5, 2);
    producer_hears(&broker, 4, 0);
    broker_error(&broker, "hello-first", true);
    broker_welcome(&broker);
    broker_expect_publish(&broker, 3, 2);
    assert_payload(&broker);
    broker_expect_publish(&broker, 7, 3);
    assert_payload(&broker);
}

static void a_lost_acknowledgement_leads_to_sending_again(void **state)
{
    (void)state;
    broker.limits.heartbeat_ms = 100;
    start(0, 0);
    send_event(1);
    broker_expect_publish(&broker, 1, 1);
    /* It goes on answering, only the acknowledgement never comes. */
    int64_t end_ms = clock_mono_ms() + PATIENCE_MS;
    while (broker.m.kind != WIRE_HELLO && clock_mono_ms() < end_ms) {
        if (broker_take(&broker) && broker.m.kind == WIRE_PING)
            broker_say(&broker, &(struct wire_message){.kind = WIRE_PONG});
        turnout_poll(broker.producer, 1);
    }
    broker_say(&broker, &(struct wire_message){.kind = WIRE_WELCOME, .welcome = broker.limits});
    broker_expect_publish(&broker, 1, 1);
    broker_ack(&broker, 1, 1);
    producer_hears(&broker, 1, 0);
}

static void silence_is_asked_and_then_taken_for_death(void **state)
{
    (void)state;
    broker.limits.heartbeat_ms = 200;
    start(0, 0);
    send_event(1);
    broker_expect_publish(&broker, 1, 1);
    broker_expect(&broker, WIRE_PING);
    broker_welcome(&broker);
    broker_expect_publish(&broker, 1, 1);
    broker_ack(&broker, 1, 1);
    producer_hears(&broker, 1, 0);
    assert_int_equal(turnout_counts(broker.producer).reconnects, 1);
}

static void a_broker_started_anew_gets_all_that_is_open_in_order(void **state)
{
    (void)state;
    start(0, 2);
    send_events(1, 5);
    turnout_poll(broker.producer, 0);
    broker_expect_publish(&broker, 1, 1);
    broker_stop(&broker);
    send_events(6, 9);
    broker_start(&broker);
    do { /* as a broker that has just been started */
        broker_expect(&broker, WIRE_PING);
        broker_error(&broker, "hello-first", true);
        while (!broker_take(&broker))
            turnout_poll(broker.producer, 1);
    } while (broker.m.kind != WIRE_HELLO);
    broker_say(&broker, &(struct wire_message){.kind = WIRE_WELCOME, .welcome = broker.limits});
    for (uint64_t next = 1; next <= 9; next += broker.m.publish.count) {
        broker_expect(&broker, WIRE_PUBLISH);
        assert_int_equal(broker.m.publish.first, next);
        assert_payload(&broker);
    }
    broker_ack(&broker, 1, 9);
    producer_hears(&broker, 9, 0);
    assert_each_once(told.accepted, 1, 9);
}

static void a_busy_broker_is_asked_again(void **state)
{
    (void)state;
    broker_start(&broker);
    producer_start(&broker, 0, 0);
    broker_expect(&broker, WIRE_HELLO);
    broker_error(&broker, "busy", false);
    broker_welcome(&broker);
    assert_int_equal(turnout_counts(broker.producer).reconnects, 0);
}

static void assert_final(int status)
{
    int64_t end_ms = clock_mono_ms() + PATIENCE_MS;

    while (turnout_poll(broker.producer, 10) == TURNOUT_OK && clock_mono_ms() < end_ms)
        continue;
    assert_int_equal(turnout_poll(broker.producer, 0), status);
    assert_int_equal(turnout_send(broker.producer, "x", 1, NULL), status);
    assert_int_equal(turnout_flush(broker.producer, 0), status);
    assert_string_not_equal(turnout_error(broker.producer), "");
}

static void another_version_is_final(void **state)
{
    (void)state;
    broker_start(&broker);
    producer_start(&broker, 0, 0);
    broker_expect(&broker, WIRE_HELLO);
    broker_error(&broker, "version", true);
    assert_final(TURNOUT_WRONG_VERSION);
}

static void being_denied_is_final(void **state)
{
    (void)state;
    broker_start(&broker);
    producer_start(&broker, 0, 0);
    broker_expect(&broker, WIRE_HELLO);
    broker_error(&broker, "denied", true);
    assert_final(TURNOUT_DENIED);
}

static void limits_without_room_for_an_event_are_not_accepted(void **state)
{
    (void)state;
    broker.limits.max_event = broker.limits.max_payload = 100;
    broker_start(&broker);
    producer_start(&broker, 0, 0);
    broker_expect(&broker, WIRE_HELLO);
    broker_say(&broker, &(struct wire_message){.kind = WIRE_WELCOME, .welcome = broker.limits});
    broker_expect(&broker, WIRE_HELLO);
    assert_false(turnout_connected(broker.producer));
    assert_non_null(strstr(turnout_error(broker.producer), "limits"));
}

static void bytes_that_are_no_message_are_passed_over(void **state)
{
    (void)state;
    start(0, 0);
    assert_int_equal(link_send(broker.link, broker.from, slice_of("\xdd\xff\xff\xff\xff"), NULL, 0),
                     0);
    broker_say(&broker, &(struct wire_message){.kind = WIRE_STATUS}); /* not for a producer */
    send_event(1);
    broker_expect_publish(&broker, 1, 1);
    broker_ack(&broker, 1, 1);
    producer_hears(&broker, 1, 0);
    assert_non_null(strstr(turnout_error(broker.producer), "no turnout broker"));
}

static void options_that_cannot_work_are_refused(void **state)
{
    char longer[WIRE_NAME + 2] = "";
    struct turnout_producer *p = NULL;
    struct turnout_options o[] = {
        {.endpoint = NULL},
        {.endpoint = "here"},
        {.endpoint = endpoint, .batch_events = WIRE_MAX_EVENTS + 1},
        {.endpoint = endpoint, .name = longer},
        {.endpoint = endpoint, .name = "\xff"},
    };

    (void)state;
    memset(longer, 'n', sizeof longer - 1);
    for (size_t i = 0; i < sizeof o / sizeof *o; i++)
        assert_int_equal(turnout_producer_new(&o[i], &p), TURNOUT_CONFIG);
    assert_null(p);
    turnout_producer_free(NULL);
}

static void an_event_too_large_or_empty_is_not_taken(void **state)
{
    char event[TURNOUT_MAX_EVENT + 1] = "";

    (void)state;
    start(0, 0);
    assert_int_equal(turnout_send(broker.producer, event, sizeof event, NULL), TURNOUT_TOO_LARGE);
    assert_int_equal(turnout_send(broker.producer, event, 0, NULL), TURNOUT_TOO_LARGE);
    assert_int_equal(turnout_counts(broker.producer).sent, 0);
}

/* ---- a broker that is killed ---- */

#define KILLED_EVENTS 6000
#define KILLS         4

/* A broker in a process of its own: notes each number in the shared memory, then acknowledges. */
static int broker_process(const char *where, const char *journal)
{
    FILE *file = fopen(journal, "r+");
    char *kept = mmap(NULL, MOST, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(file), 0);
    struct broker b = {.limits = {slice_of(LOG_ID), 8, TURNOUT_MAX_EVENT, WIRE_MAX_PAYLOAD,
                                  WIRE_MAX_EVENTS, 500, WIRE_WINDOW_BYTES, WIRE_HEARTBEAT_MS,
                                  slice_of("test")}};
    char greeted[sizeof b.peer] = "";

    if (link_bind(where, &b.link) < 0)
        return 1;
    for (;;) {
        if (!broker_take(&b)) {
            link_wait(&b.link, 1, -1, 1000);
        } else if (b.m.kind == WIRE_HELLO) {
            memcpy(greeted, b.peer, sizeof greeted);
            broker_say(&b, &(struct wire_message){.kind = WIRE_WELCOME, .welcome = b.limits});
        } else if (memcmp(greeted, b.from.at, b.from.size) != 0) {
            broker_error(&b, "hello-first", true);
        } else if (b.m.kind == WIRE_PUBLISH) {
            memset(kept + b.m.publish.first, 1, b.m.publish.count);
            broker_ack(&b, b.m.publish.first, b.m.publish.count);
        }
    }
}

static pid_t broker_spawn(const char *journal)
{
    pid_t pid = fork();

    if (pid == 0) { /* a new program, as ZeroMQ does not outlive a fork */
        execl("/proc/self/exe", "broker", endpoint, journal, (char *)NULL);
        _exit(127);
    }
    assert_true(pid > 0);
    return pid;
}

static void broker_kill(pid_t pid)
{
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void nothing_is_lost_when_the_broker_is_killed(void **state)
{
    char journal[96];
    FILE *file;
    unsigned number = 0;

    (void)state;
    snprintf(journal, sizeof journal, "%s/journal", folder);
    file = fopen(journal, "w+");
    assert_non_null(file);
    assert_int_equal(ftruncate(fileno(file), MOST), 0);
    char *kept = mmap(NULL, MOST, PROT_READ, MAP_SHARED, fileno(file), 0);
    pid_t pid = broker_spawn(journal);
    producer_start(&broker, 0, 16);
    for (unsigned kills = 0; kills <= KILLS; kills++) {
        while (number < (kills + 1) * KILLED_EVENTS / (KILLS + 1))
            send_event(++number);
        if (kills < KILLS) {
            broker_kill(pid);
            pid = broker_spawn(journal);
        }
    }
    assert_int_equal(turnout_flush(broker.producer, PATIENCE_MS), TURNOUT_OK);
    broker_kill(pid);
    assert_each_once(told.accepted, 1, KILLED_EVENTS);
    for (unsigned i = 1; i <= KILLED_EVENTS; i++)
        assert_int_equal(kept[i], 1);
    assert_in_range(turnout_counts(broker.producer).reconnects, KILLS, 100);
    munmap(kept, MOST);
    fclose(file);
    unlink(journal);
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        test(it_says_who_it_is_and_waits_for_welcome),
        test(a_hello_without_an_answer_is_repeated),
        test(it_may_be_started_before_the_broker),
        test(events_collect_only_while_something_is_under_way),
        test(polling_sends_what_is_collected),
        test(a_batch_keeps_to_the_limits_of_the_welcome),
        test(large_events_make_payloads_below_the_limit),
        test(a_ping_is_answered),
        test(it_says_goodbye),
        test(a_full_window_holds_the_sender_back),
        test(the_window_of_the_broker_counts_also_for_what_was_collected_before),
        test(the_window_has_a_limit_in_bytes),
        test(an_acknowledgement_may_cover_any_range),
        test(numbers_never_sent_are_passed_over),
        test(a_refusal_is_told_once_with_its_reason),
        test(hello_first_brings_a_new_session_and_all_that_is_open),
        test(events_that_are_done_are_not_sent_again),
        test(a_lost_acknowledgement_leads_to_sending_again),
        test(silence_is_asked_and_then_taken_for_death),
        test(a_broker_started_anew_gets_all_that_is_open_in_order),
        test(a_busy_broker_is_asked_again),
        test(another_version_is_final),
        test(being_denied_is_final),
        test(limits_without_room_for_an_event_are_not_accepted),
        test(bytes_that_are_no_message_are_passed_over),
        test(options_that_cannot_work_are_refused),
        test(an_event_too_large_or_empty_is_not_taken),
        test(nothing_is_lost_when_the_broker_is_killed),
    };

    if (argc == 3)
        return broker_process(argv[1], argv[2]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
