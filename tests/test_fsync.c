/* A disk that fails: whatever of a commit does not reach it, the broker acknowledges nothing more
 * and ends with 74; an ordinary start has all that was acknowledged before, and goes on.  Redis
 * takes no writes until it is started again, and gets them then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/file.h"
#include "proto/turnout.h"
#include "tests/crew.h"
#include "tests/random.h"
#include "tests/redis_server.h"
#include "tests/world.h"

#define EVENTS 400 /* half of them before the disk fails */
#define FAILED 74
#define POLLS  20000

static struct turnout_producer *producer_new(struct crew *c)
{
    struct turnout_options options = {.endpoint = c->endpoint_publish, .name = "test"};
    struct turnout_producer *p;

    assert_int_equal(turnout_producer_new(&options, &p), 0);
    return p;
}

static void send_all(struct turnout_producer *p, const struct slice *events, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_int_equal(turnout_send(p, events[i].at, events[i].size, NULL), 0);
}

/* Until the broker has ended, and some time longer, nothing is acknowledged or refused. */
static int await_end_without_answer(struct crew *c, struct turnout_producer *p)
{
    struct turnout_counts before = turnout_counts(p);
    int status = -1, left = POLLS;

    while (!crew_has_ended(c, CREW_BROKER, &status)) {
        turnout_poll(p, 5);
        assert_true(left-- > 0);
    }
    for (int i = 0; i < 10; i++)
        turnout_poll(p, 5);
    assert_int_equal(turnout_counts(p).accepted, before.accepted);
    assert_int_equal(turnout_counts(p).refused, 0);
    return status;
}

/* All of the events are counted, once. */
static void finish(struct crew *c, struct buffer *events, struct slice *each)
{
    crew_sync(c);
    assert_true(crew_agrees(c, buffer_slice(events)));
    crew_free(c, false);
    buffer_free(events);
    free(each);
}

/* `fault` is the field of the broker's plan that is to be EIO.  With an event that is refused, and
 * kept, the commit goes into the trees; without, it is written ahead. */
static void disk_fails(const char *name, size_t fault, bool with_refused)
{
    uint64_t seed = random_seed(name);
    struct crew *c = crew_new();
    struct turnout_producer *p;
    struct buffer events = {0};
    struct slice *each;
    size_t count;

    world_events(seed, EVENTS, &events);
    count = world_split(buffer_slice(&events), &each);
    crew_start_all(c, 1);
    p = producer_new(c);
    send_all(p, each, count / 2);
    assert_int_equal(turnout_flush(p, 60000), 0);
    *(_Atomic int64_t *)((char *)c->plans[CREW_BROKER] + fault) = EIO;
    if (with_refused)
        assert_int_equal(turnout_send(p, "\xc1", 1, NULL), 0);
    send_all(p, each + count / 2, count - count / 2);
    assert_int_equal(await_end_without_answer(c, p), FAILED);
    assert_true(c->plans[CREW_BROKER]->hits > 0);
    crew_heal(c, CREW_BROKER);
    crew_start(c, CREW_BROKER);
    assert_int_equal(turnout_flush(p, 60000), 0);
    assert_int_equal(turnout_counts(p).accepted, count);
    assert_int_equal(turnout_counts(p).refused, with_refused);
    turnout_producer_free(p);
    finish(c, &events, each);
}

#define FAULT(field) offsetof(struct fault_plan, field)

static void a_sync_that_fails_ends_the_broker_and_loses_nothing(void **state)
{
    (void)state;
    disk_fails("sync", FAULT(sync_errno), false);
    disk_fails("sync of trees", FAULT(sync_errno), true);
}

/* The one that makes a commit count. */
static void a_last_write_that_fails_ends_the_broker_and_loses_nothing(void **state)
{
    (void)state;
    disk_fails("last write", FAULT(dsync_errno), true);
}

static void a_write_that_fails_ends_the_broker_and_loses_nothing(void **state)
{
    (void)state;
    disk_fails("write", FAULT(write_errno), false);
    disk_fails("write of trees", FAULT(write_errno), true);
}

/* LMDB takes it for a failure. */
static void a_short_write_ends_the_broker_and_loses_nothing(void **state)
{
    (void)state;
    disk_fails("short write of trees", FAULT(write_short), true);
}

static void a_short_write_ahead_is_finished(void **state)
{
    struct crew *c = crew_new();
    struct turnout_producer *p;
    struct buffer events = {0};
    struct slice *each;
    size_t count;

    (void)state;
    world_events(random_seed("short write"), EVENTS, &events);
    count = world_split(buffer_slice(&events), &each);
    crew_start_all(c, 1);
    p = producer_new(c);
    for (size_t i = 0; i < count; i++) {
        send_all(p, each + i, 1);
        if (i % 40 == 0 || i + 1 == count) /* few enough for none to go into the trees */
            assert_int_equal(turnout_flush(p, 60000), 0);
        c->plans[CREW_BROKER]->write_short = 1;
    }
    assert_int_equal(turnout_counts(p).accepted, count);
    turnout_producer_free(p);
    assert_true(c->plans[CREW_BROKER]->hits > 0);
    crew_heal(c, CREW_BROKER);
    crew_kill(c, CREW_BROKER);
    crew_start(c, CREW_BROKER);
    finish(c, &events, each);
}

static bool log_holds(const struct crew *c, enum crew_member who, const char *text)
{
    struct buffer log = {0};
    char path[256];
    bool holds;

    snprintf(path, sizeof path, "%s/%s.log", c->dir, crew_names[who]);
    assert_int_equal(file_read(path, 1 << 24, &log, NULL), 0);
    buffer_add(&log, "", 1);
    holds = strstr(log.at, text) != NULL;
    buffer_free(&log);
    return holds;
}

static void assert_redis_says(struct crew *c, const char *expected)
{
    struct store *s = store_at(c->redis, STORE_PREFIX, 2000);
    struct hindrance h;

    assert_int_equal(store_hindrance(s, &h), 0);
    assert_true(h.sure);
    assert_non_null(strstr(h.says, expected));
    store_free(s);
}

/* It would not look again by itself, however well its disk is. */
static void a_redis_whose_sync_failed_gets_all_once_it_is_started_again(void **state)
{
    struct crew *c = crew_new();
    struct fault_plan *plan = c->plans[CREW_REDIS];
    struct turnout_producer *p;
    struct buffer events = {0};
    struct slice *each;
    size_t count;
    int left = POLLS;

    (void)state;
    world_events(random_seed("redis's sync"), EVENTS, &events);
    count = world_split(buffer_slice(&events), &each);
    crew_start_all(c, 1);
    p = producer_new(c);
    crew_redis(c); /* else it could meet the fault while it starts */
    plan->sync_errno = EIO;
    send_all(p, each, count / 2);
    assert_int_equal(turnout_flush(p, 60000), 0);
    for (; !plan->hits; pause_ms(5))
        assert_true(left-- > 0);
    send_all(p, each + count / 2, count - count / 2);
    assert_int_equal(turnout_flush(p, 60000), 0);
    for (; !log_holds(c, CREW_WORKER, "no writes until it is started again"); pause_ms(5))
        assert_true(left-- > 0);
    assert_redis_says(c, "takes no writes: its append-only file could not be written");
    crew_heal(c, CREW_REDIS);
    crew_kill(c, CREW_REDIS);
    crew_start(c, CREW_REDIS);
    turnout_producer_free(p);
    finish(c, &events, each);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sync_that_fails_ends_the_broker_and_loses_nothing),
        cmocka_unit_test(a_last_write_that_fails_ends_the_broker_and_loses_nothing),
        cmocka_unit_test(a_write_that_fails_ends_the_broker_and_loses_nothing),
        cmocka_unit_test(a_short_write_ends_the_broker_and_loses_nothing),
        cmocka_unit_test(a_short_write_ahead_is_finished),
        cmocka_unit_test(a_redis_whose_sync_failed_gets_all_once_it_is_started_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
