/* The C producer against a broker that the test plays itself: what it says, how it batches, how it
 * keeps to its window, and what it makes of acknowledgements and errors. */
#include "tests/played_broker.h"

#include "proto/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

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
    session_start(0, 4);
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
    session_start(0, 4);
    send_events(1, 3);
    turnout_poll(broker.producer, 1);
    broker_expect_publish(&broker, 1, 1);
    broker_expect_publish(&broker, 2, 2);
}

static void expect_looking(uint64_t first, uint32_t count)
{
    int64_t end_ms = clock_mono_ms() + PATIENCE_MS;

    while (!broker_take(&broker) && clock_mono_ms() < end_ms)
        turnout_poll(broker.producer, 0);
    assert_int_equal(broker.m.kind, WIRE_PUBLISH);
    assert_int_equal(broker.m.publish.first, first);
    assert_int_equal(broker.m.publish.count, count);
}

static void looking_leaves_what_is_collected_for_the_acknowledgement(void **state)
{
    (void)state;
    session_start(0, 4);
    send_events(1, 3);
    expect_looking(1, 1);
    for (unsigned i = 0; i < 1000; i++) {
        turnout_poll(broker.producer, 0);
        assert_false(broker_take(&broker));
    }
    broker_ack(&broker, 1, 1);
    expect_looking(2, 2);
}

static void a_batch_is_of_2048_events(void **state)
{
    (void)state;
    session_start(0, 0);
    send_events(1, 5000);
    broker_expect_publish(&broker, 1, 1);
    broker_expect_publish(&broker, 2, 2047); /* the first one was its beginning */
    broker_expect_publish(&broker, 2049, 2048);
    assert_payload(&broker);
    turnout_poll(broker.producer, 1);
    broker_expect_publish(&broker, 4097, 904);
}

static void a_batch_is_a_quarter_of_a_small_window(void **state)
{
    (void)state;
    session_start(10, 0);
    send_events(1, 10);
    broker_expect_publish(&broker, 1, 1);
    broker_expect_publish(&broker, 2, 2);
    broker_expect_publish(&broker, 4, 3);
    broker_expect_publish(&broker, 7, 3);
    turnout_poll(broker.producer, 1);
    broker_expect_publish(&broker, 10, 1);
}

static void a_batch_keeps_to_the_limits_of_the_welcome(void **state)
{
    (void)state;
    broker.limits.max_events = 3;
    session_start(0, 512);
    send_events(1, 8);
    turnout_poll(broker.producer, 1);
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
    session_start(0, 512);
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
    session_start(0, 0);
    broker_say(&broker, &(struct wire_message){.kind = WIRE_PING});
    broker_expect(&broker, WIRE_PONG);
}

static void it_says_goodbye(void **state)
{
    (void)state;
    session_start(0, 0);
    turnout_producer_free(broker.producer);
    broker.producer = NULL;
    int64_t end_ms = clock_mono_ms() + PATIENCE_MS;
    while (!(broker_take(&broker) && broker.m.kind == WIRE_BYE)) {
        assert_true(clock_mono_ms() < end_ms);
        link_wait(&broker.link, 1, -1, 5);
    }
}

/* ---- windows ---- */

static void a_full_window_holds_the_sender_back(void **state)
{
    (void)state;
    session_start(3, 0);
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
    session_start(0, 0);
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
    session_start(0, 2);
    send_events(1, 9);
    turnout_poll(broker.producer, 1);
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
    session_start(0, 0);
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
    session_start(0, 0);
    send_events(1, 4);
    turnout_poll(broker.producer, 1);
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

/* ---- errors ---- */

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
    assert_int_equal(turnout_poll(broker.producer, 1), status);
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
    session_start(0, 0);
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
        {.endpoint = broker_endpoint, .batch_events = WIRE_MAX_EVENTS + 1},
        {.endpoint = broker_endpoint, .name = longer},
        {.endpoint = broker_endpoint, .name = "\xff"},
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
    session_start(0, 0);
    assert_int_equal(turnout_send(broker.producer, event, sizeof event, NULL), TURNOUT_TOO_LARGE);
    assert_int_equal(turnout_send(broker.producer, event, 0, NULL), TURNOUT_TOO_LARGE);
    assert_int_equal(turnout_counts(broker.producer).sent, 0);
}

#define test(name) cmocka_unit_test_setup_teardown(name, broker_setup, broker_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(it_says_who_it_is_and_waits_for_welcome),
        test(a_hello_without_an_answer_is_repeated),
        test(it_may_be_started_before_the_broker),
        test(events_collect_only_while_something_is_under_way),
        test(polling_sends_what_is_collected),
        test(looking_leaves_what_is_collected_for_the_acknowledgement),
        test(a_batch_is_of_2048_events),
        test(a_batch_is_a_quarter_of_a_small_window),
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
        test(a_busy_broker_is_asked_again),
        test(another_version_is_final),
        test(being_denied_is_final),
        test(limits_without_room_for_an_event_are_not_accepted),
        test(bytes_that_are_no_message_are_passed_over),
        test(options_that_cannot_work_are_refused),
        test(an_event_too_large_or_empty_is_not_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
