/* The C producer when the broker goes: sessions it no longer knows, acknowledgements that are lost,
 * silence, a restart, and a broker in a process of its own that is killed again and again. */
#include "tests/played_broker.h"

#include "proto/clock.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void hello_first_brings_a_new_session_and_all_that_is_open(void **state)
{
    (void)state;
    session_start(0, 2);
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
    session_start(0, 512);
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
    broker.limits.heartbeat_ms = 300;
    session_start(0, 0);
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
    broker.limits.heartbeat_ms = 300;
    session_start(0, 0);
    send_event(1);
    broker_expect_publish(&broker, 1, 1);
    broker_expect(&broker, WIRE_PING);
    broker_welcome(&broker);
    broker_expect_publish(&broker, 1, 1);
    broker_ack(&broker, 1, 1);
    producer_hears(&broker, 1, 0);
    assert_true(turnout_counts(broker.producer).reconnects >= 1);
}

#define SLOW_MS 700 /* of one commit: longer than the producer's three heartbeats of 100 ms */

/* Nobody listens meanwhile. */
static void broker_commits(struct broker *b)
{
    struct wire_publish published = b->m.publish;

    for (int64_t end_ms = clock_mono_ms() + SLOW_MS; clock_mono_ms() < end_ms;)
        turnout_poll(b->producer, 1);
    broker_ack(b, published.first, published.count);
}

/* Until so many events are acknowledged; returns how many PUBLISHes it took. */
static unsigned broker_serves(struct broker *b, uint64_t accepted)
{
    int64_t end_ms = clock_mono_ms() + PATIENCE_MS;
    unsigned published = 0;

    for (; turnout_counts(b->producer).accepted < accepted; turnout_poll(b->producer, 1)) {
        assert_true(clock_mono_ms() < end_ms);
        if (!broker_take(b))
            continue;
        published += b->m.kind == WIRE_PUBLISH;
        if (b->m.kind == WIRE_PUBLISH)
            broker_commits(b);
        else if (b->m.kind == WIRE_HELLO)
            broker_say(b, &(struct wire_message){.kind = WIRE_WELCOME, .welcome = b->limits});
    }
    return published;
}

/* What is slow once is waited for the next time, for twice as long: a round that took about that,
 * as this machine was busy, proves nothing. */
static void a_broker_whose_disk_is_slow_is_heard(void **state)
{
    unsigned n = 1;

    (void)state;
    broker.limits.heartbeat_ms = 100;
    session_start(0, 0);
    send_event(n);
    assert_in_range(broker_serves(&broker, n), 2, 5);
    for (unsigned in_time = 0; in_time < 3;) {
        int64_t began_ms = clock_mono_ms();
        unsigned published;
        send_event(++n);
        published = broker_serves(&broker, n);
        if (clock_mono_ms() - began_ms > 2 * SLOW_MS - 200)
            continue;
        assert_int_equal(published, 1);
        in_time++;
    }
    assert_each_once(told.accepted, 1, n);
}

/* As a broker that has just been started. */
static void broker_refuse_until_hello(struct broker *b)
{
    int64_t end_ms = clock_mono_ms() + PATIENCE_MS;

    while (clock_mono_ms() < end_ms) {
        if (!broker_take(b))
            turnout_poll(b->producer, 1);
        else if (b->m.kind == WIRE_HELLO)
            return;
        else
            broker_error(b, "hello-first", true);
    }
    fail_msg("no HELLO");
}

static void a_broker_started_anew_gets_all_that_is_open_in_order(void **state)
{
    (void)state;
    session_start(0, 2);
    send_events(1, 5);
    turnout_poll(broker.producer, 0);
    broker_expect_publish(&broker, 1, 1);
    broker_stop(&broker);
    send_events(6, 9);
    broker_start(&broker);
    broker_refuse_until_hello(&broker);
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

/* ---- a broker that is killed ---- */

#define KILLED_EVENTS 6000
#define KILLS         4

static const char *program; /* this one, to be started as the broker */

/* A broker in a process of its own: notes each number in the shared memory, then acknowledges. */
static int broker_process(const char *where, const char *journal)
{
    FILE *file = fopen(journal, "r+");
    char *kept = mmap(NULL, MOST, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(file), 0);
    struct broker b = {.limits = {slice_of(LOG_ID), 8, TURNOUT_MAX_EVENT, WIRE_MAX_PAYLOAD,
                                  WIRE_MAX_EVENTS, 500, WIRE_WINDOW_BYTES, WIRE_HEARTBEAT_MS,
                                  slice_of("test")}};
    char greeted[sizeof b.peer] = "";

    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that failed leaves nothing behind */
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
        execl(program, program, broker_endpoint, journal, (char *)NULL);
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
    snprintf(journal, sizeof journal, "%s/journal", broker_folder);
    file = fopen(journal, "w+");
    assert_non_null(file);
    assert_int_equal(ftruncate(fileno(file), MOST), 0);
    char *kept = mmap(NULL, MOST, PROT_READ, MAP_SHARED, fileno(file), 0);
    pid_t pid = broker_spawn(journal);
    producer_start(&broker, 500, 16); /* so each broker acknowledges before it is killed */
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

#define test(name) cmocka_unit_test_setup_teardown(name, broker_setup, broker_teardown)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        test(hello_first_brings_a_new_session_and_all_that_is_open),
        test(events_that_are_done_are_not_sent_again),
        test(a_lost_acknowledgement_leads_to_sending_again),
        test(silence_is_asked_and_then_taken_for_death),
        test(a_broker_whose_disk_is_slow_is_heard),
        test(a_broker_started_anew_gets_all_that_is_open_in_order),
        test(nothing_is_lost_when_the_broker_is_killed),
    };

    program = argv[0];
    if (argc == 3)
        return broker_process(argv[1], argv[2]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
