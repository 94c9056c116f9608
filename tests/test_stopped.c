/* SIGSTOP for ten seconds, as a machine that swaps or is moved: nothing is lost, nothing counts
 * twice, and it goes on by itself.  The broker, a worker and Redis are stopped side by side, each
 * in a crew of its own, and each scene is a process of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/clock.h"
#include "proto/turnout.h"
#include "tests/crew.h"
#include "tests/random.h"
#include "tests/world.h"

#define EVENTS  6000
#define FOR_MS  14000 /* all events are sent over this time */
#define STOP_MS 1500  /* after the first one */
#define WAKE_MS 11500

static uint64_t seed;

static void need(bool condition, enum crew_member victim, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "%s: %s\n", crew_names[victim], what);
    _exit(1);
}

/* Sends over the time, and stops and wakes the victim meanwhile. */
static void publish(struct crew *c, enum crew_member victim, const struct slice *each, size_t count)
{
    struct turnout_options options = {.endpoint = c->endpoint_publish, .name = "test"};
    struct turnout_producer *p;
    int64_t start_ms = clock_mono_ms(), now_ms;
    int stage = 0;

    need(turnout_producer_new(&options, &p) == 0, victim, "no producer");
    turnout_set_timeout(p, 1000);
    for (size_t sent = 0; sent < count || stage < 2;) {
        now_ms = clock_mono_ms() - start_ms;
        if (stage < 2 && now_ms >= (stage == 0 ? STOP_MS : WAKE_MS))
            crew_signal(c, victim, stage++ == 0 ? SIGSTOP : SIGCONT);
        if (sent < count && now_ms >= (int64_t)sent * FOR_MS / EVENTS)
            sent += turnout_send(p, each[sent].at, each[sent].size, NULL) == 0;
        else
            turnout_poll(p, 5);
    }
    need(turnout_flush(p, 60000) == 0, victim, "not all of it is acknowledged");
    need(turnout_counts(p).refused == 0, victim, "something was refused");
    turnout_producer_free(p);
}

static void stop_one(enum crew_member victim)
{
    struct crew *c = crew_new();
    struct buffer events = {0};
    struct slice *each;
    size_t count;
    int status;

    world_events(seed, EVENTS, &events);
    count = world_split(buffer_slice(&events), &each);
    crew_start_all(c, 2);
    publish(c, victim, each, count);
    crew_sync(c);
    for (int who = 0; who < CREW_WORKER + 2; who++)
        need(!crew_has_ended(c, (enum crew_member)who, &status), victim, "something has ended");
    need(crew_agrees(c, buffer_slice(&events)), victim, "Redis and the journal do not agree");
    crew_free(c, false);
    buffer_free(&events);
    free(each);
}

static void whoever_is_stopped_for_ten_seconds_goes_on(void **state)
{
    static const enum crew_member victims[] = {CREW_BROKER, CREW_WORKER, CREW_REDIS};
    int status, bad = 0;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid > 0)
            continue;
        stop_one(victims[i]);
        _exit(0);
    }
    for (size_t i = 0; i < 3; i++)
        bad += wait(&status) < 0 || status != 0;
    assert_int_equal(bad, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whoever_is_stopped_for_ten_seconds_goes_on),
    };

    seed = random_seed("stopped");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
