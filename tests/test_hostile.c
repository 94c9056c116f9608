/* Hostile clients against a running broker: it stays alive and small, and a good producer beside
 * them is served.
 *
 * An attack runs in a process of its own, round after round, while this one publishes good events
 * and has them all accepted.  The bytes of ZeroMQ's own protocol are written by hand here, because
 * a library would not send what a hostile client sends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/clock.h"
#include "proto/wire.h"
#include "tests/attack.h"
#include "tests/raw.h"
#include "tests/stack.h"
#include "tests/world.h"

#define GOOD_EVENTS 3000
#define SILENT      1000
#define ROUNDS      20  /* of an attack, before and while the good producer works */
#define MOST_ROUNDS 100 /* so that what waits behind a slow disk has a bound */
#define LIMIT_MS    60000

/* What the broker may grow by: 1,000 connections at some 30 KiB each in libzmq, a few messages of
 * 1 MiB under way, and the journal's pages of the good events.  AddressSanitizer keeps freed
 * memory for a while and puts zones around the rest. */
#ifdef __SANITIZE_ADDRESS__
#define GROWTH_KIB (768 * 1024)
#else
#define GROWTH_KIB (48 * 1024) /* beside what it has for its load from its start on */
#endif

struct siege {
    struct stack *stack;
    pid_t broker;
    uint64_t bytes; /* before */
    uint64_t seed;
    char publish[256], read[256];
    _Atomic unsigned *rounds; /* shared with the attacker */
};

static int siege_new(void **state)
{
    struct siege *s = memory_need(sizeof *s);

    *s = (struct siege){.stack = stack_new(1), .seed = random_seed("test_hostile")};
    s->rounds =
        mmap(NULL, sizeof *s->rounds, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(s->rounds, MAP_FAILED);
    snprintf(s->publish, sizeof s->publish, "ipc://%s/publish.sock", s->stack->dir);
    snprintf(s->read, sizeof s->read, "ipc://%s/read.sock", s->stack->dir);
    stack_start(s->stack);
    s->broker = stack_pid(s->stack, "broker");
    s->bytes = process_bytes(s->broker);
    *state = s;
    return 0;
}

static int siege_free(void **state)
{
    struct siege *s = *state;

    stack_free(s->stack);
    munmap(s->rounds, sizeof *s->rounds);
    free(s);
    return 0;
}

static void siege_serve_good_producer(struct siege *s)
{
    struct buffer events = {0};

    world_events(s->seed, GOOD_EVENTS, &events);
    stack_publish_events(s->stack,
                         buffer_slice(&events)); /* ends the test unless all are accepted */
    buffer_free(&events);
}

static void siege_assert_unharmed(struct siege *s)
{
    int64_t grown = (int64_t)(process_bytes(s->broker) - s->bytes) / 1024;

    print_message("the broker grew by %lld KiB\n", (long long)grown);
    assert_int_equal(stack_pid(s->stack, "broker"), s->broker);
    assert_true(grown < GROWTH_KIB);
}

static void siege_await_rounds(struct siege *s, unsigned rounds)
{
    int64_t until = clock_mono_ms() + LIMIT_MS;

    while (*s->rounds < rounds) {
        assert_true(clock_mono_ms() < until);
        usleep(1000);
    }
}

static void siege_run(struct siege *s, attack_fn attack)
{
    struct attack a = {s->publish, s->read, random_new(s->seed)};
    pid_t attacker;
    int status;

    *s->rounds = 0;
    attacker = fork();
    if (attacker == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* also when the test fails */
        for (; *s->rounds < MOST_ROUNDS; ++*s->rounds)
            attack(&a);
        for (;;)
            pause();
    }
    siege_await_rounds(s, ROUNDS);
    siege_serve_good_producer(s);
    siege_await_rounds(s, 2 * ROUNDS);
    kill(attacker, SIGKILL);
    assert_int_equal(waitpid(attacker, &status, 0), attacker);
    siege_assert_unharmed(s);
}

/* ---- the tests ---- */
/* If the handshake by hand were wrong, no attack would get past it. */
static void the_broker_answers_a_hello_that_is_written_by_hand(void **state)
{
    static const char hello[] = "\x94\x01\xa6"
                                "client\xa1x\0";
    struct siege *s = *state;
    int fd = zmtp_connect(s->read);

    assert_true(zmtp_head(fd, ZMTP_MORE, wire_preamble.size));
    assert_true(raw_send(fd, wire_preamble.at, wire_preamble.size));
    assert_true(zmtp_head(fd, 0, sizeof hello - 1));
    assert_true(raw_send(fd, hello, sizeof hello - 1));
    assert_true(raw_await(fd, "turnout-broker/"));
    close(fd);
}

static void random_bytes_do_no_harm(void **state)
{
    siege_run(*state, attack_noise);
}

static void frames_that_break_off_do_no_harm(void **state)
{
    siege_run(*state, attack_truncated);
}

static void frames_of_100_megabytes_do_no_harm(void **state)
{
    siege_run(*state, attack_huge_frame);
}

static void messages_of_5000_frames_do_no_harm(void **state)
{
    siege_run(*state, attack_many_parts);
}

static void made_up_headers_do_no_harm(void **state)
{
    siege_run(*state, attack_headers);
}

static void connections_that_break_behind_many_messages_do_no_harm(void **state)
{
    siege_run(*state, attack_breaks);
}

static void hello_after_hello_does_no_harm(void **state)
{
    siege_run(*state, attack_hellos);
}

static void events_that_wait_for_no_answer_do_no_harm(void **state)
{
    siege_run(*state, attack_window);
}

static void readers_that_do_not_read_do_no_harm(void **state)
{
    siege_run(*state, attack_deaf);
}

static void events_that_ask_for_gigabytes_are_refused(void **state)
{
    struct siege *s = *state;
    struct run r;

    siege_run(s, attack_bombs);
    r = stack_run(s->stack, slice_of(""),
                  (const char *const[]){"turnout", "status", "--json", NULL});
    assert_null(strstr(r.out.at, "\"rejects\":0,"));
    run_free(&r);
}

static void a_thousand_connections_that_say_nothing_do_no_harm(void **state)
{
    struct siege *s = *state;
    struct rlimit files;
    int fds[SILENT];

    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    for (int i = 0; i < SILENT; i++) {
        fds[i] = raw_connect(i % 2 ? s->publish : s->read);
        assert_true(fds[i] >= 0);
    }
    siege_serve_good_producer(s);
    siege_assert_unharmed(s);
    for (int i = 0; i < SILENT; i++)
        close(fds[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_broker_answers_a_hello_that_is_written_by_hand),
        cmocka_unit_test(random_bytes_do_no_harm),
        cmocka_unit_test(frames_that_break_off_do_no_harm),
        cmocka_unit_test(frames_of_100_megabytes_do_no_harm),
        cmocka_unit_test(messages_of_5000_frames_do_no_harm),
        cmocka_unit_test(made_up_headers_do_no_harm),
        cmocka_unit_test(connections_that_break_behind_many_messages_do_no_harm),
        cmocka_unit_test(hello_after_hello_does_no_harm),
        cmocka_unit_test(events_that_wait_for_no_answer_do_no_harm),
        cmocka_unit_test(readers_that_do_not_read_do_no_harm),
        cmocka_unit_test(events_that_ask_for_gigabytes_are_refused),
        cmocka_unit_test(a_thousand_connections_that_say_nothing_do_no_harm),
    };

    return cmocka_run_group_tests(tests, siege_new, siege_free);
}
