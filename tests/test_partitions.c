/* A journal of as many partitions as there can be, by the real programs: what is said for each of
 * them at once must fit on its way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "proto/clock.h"
#include "proto/event.h"
#include "tests/fixtures.h"
#include "tests/model.h"
#include "tests/stack.h"

#define PARTITIONS 256
#define MANY       10000 /* more than are looked through at once */
#define LIMIT_MS   60000

static void pause_briefly(void)
{
    struct timespec t = {0, 5000000};

    nanosleep(&t, NULL);
}

/* A journal keeps the partitions that it was made with, whoever opens it later. */
static struct stack *stack_divided(unsigned workers)
{
    struct stack *s = stack_new(workers);
    pid_t broker = stack_spawn(
        s, (const char *const[]){"turnout-broker", "--dir", s->dir, "--partitions=256", NULL});
    int64_t end_ms = clock_mono_ms() + LIMIT_MS;
    int status;

    while (access(stack_path(s, "read.sock"), F_OK) < 0) {
        assert_int_equal(waitpid(broker, &status, WNOHANG), 0);
        assert_true(clock_mono_ms() < end_ms);
        pause_briefly();
    }
    kill(broker, SIGTERM);
    assert_int_equal(waitpid(broker, &status, 0), broker);
    assert_int_equal(status, 0);
    stack_start(s);
    return s;
}

/* Publishes, and compares with the model and with what turnout counts again. */
static void check(struct stack *s, struct slice events, struct model *m)
{
    struct dump *d;
    struct run r;

    model_add_all(m, events);
    stack_publish_events(s, events);
    stack_sync(s);
    d = stack_dump(s);
    assert_int_equal(model_compare(m, d, stdout), 0);
    assert_int_equal(model_compare_derived(m, d, stdout), 0);
    dump_free(d);
    r = stack_run(s, slice_of(""), (const char *const[]){"turnout", "verify", NULL});
    assert_int_equal(r.status, 0);
    run_free(&r);
}

static void a_worker_alone_serves_all_of_them(void **state)
{
    struct stack *s = stack_divided(1);
    struct model *m = model_new();
    struct buffer events = {0};

    (void)state;
    fixture_events("registry.jsonl.gz", &events); /* in nearly all partitions */
    check(s, buffer_slice(&events), m);
    buffer_free(&events);
    model_free(m);
    stack_free(s);
}

/* ---- a tie ---- */
static void vote_add(struct buffer *lines, unsigned committee, unsigned ballot,
                     const char *position)
{
    char line[256];

    snprintf(line, sizeof line,
             "{\"type\":\"vote\",\"id\":\"v%u\",\"time\":\"2026-03-01T00:00:00Z\",\"committee\":"
             "\"C%u\",\"ballot\":\"B%u\",\"member\":\"KE\",\"position\":\"%s\"}\n",
             ballot, committee, ballot, position);
    buffer_add_text(lines, line);
}

/* The number of a committee in the last quarter of the partitions. */
static unsigned committee_far_behind(void)
{
    for (unsigned n = 0;; n++) {
        char name[16];
        struct event e = {.type = EVENT_VOTE};

        snprintf(name, sizeof name, "C%u", n);
        e.committee = slice_of(name);
        if (event_partition(&e, PARTITIONS) >= PARTITIONS / 4 * 3)
            return n;
    }
}

static void a_tie_is_settled_though_the_first_event_lies_far_back(void **state)
{
    struct stack *s = stack_divided(1);
    unsigned c = committee_far_behind();
    struct buffer lines = {0}, events = {0};
    struct model *m = model_new();

    (void)state;
    vote_add(&lines, c, 0, "approve");
    for (unsigned ballot = 1; ballot < MANY; ballot++)
        vote_add(&lines, c, ballot, "abstain");
    lines_encode(buffer_slice(&lines), &events);
    check(s, buffer_slice(&events), m);
    buffer_clear(&lines);
    buffer_clear(&events);
    vote_add(&lines, c, 0, "withdraw"); /* a longer word: the greater bytes */
    lines_encode(buffer_slice(&lines), &events);
    check(s, buffer_slice(&events), m);
    buffer_free(&lines);
    buffer_free(&events);
    model_free(m);
    stack_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worker_alone_serves_all_of_them),
        cmocka_unit_test(a_tie_is_settled_though_the_first_event_lies_far_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
