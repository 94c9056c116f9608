/* Holds: who takes all partitions for himself for a while, and what becomes of others meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <time.h>

#include "proto/clock.h"
#include "proto/error.h"
#include "tests/desk.h"
#include "tests/redis_server.h"
#include "tests/stack.h"
#include "workers/client.h"
#include "workers/hold.h"

#define PARTS    8
#define LIMIT_MS 10000

static void pause_briefly(void)
{
    struct timespec t = {0, 5000000};

    nanosleep(&t, NULL);
}

static struct store *redis_of(struct stack *s)
{
    return store_at(stack_path(s, "redis.sock"), STORE_PREFIX, LIMIT_MS);
}

/* Moves one partition on, as a worker would, if it still stands at `from`. */
static int move_on(struct store *store, unsigned p, const struct applied *from, bool look)
{
    struct applied now;
    struct store_look l = {.places = &p, .count = 1, .watched = 1, .ret_applied = &now};
    struct commit c = {0};
    struct commit_move *m = commit_move(&c, p);
    int error = look ? store_begin(store, &l) : 0;

    *m = (struct commit_move){.place = p, .from = from ? *from : now, .to = from ? *from : now};
    m->to.known = true;
    memcpy(m->to.log, DESK_LOG, LOG_ID);
    m->to.offset++;
    m->to.held_ms = 0;
    if (error == 0)
        error = store_commit(store, &c);
    commit_free(&c);
    return error;
}

static void what_began_before_a_hold_fails(void **state)
{
    struct stack *s = stack_new(0);
    struct hold h = {0};

    (void)state;
    stack_start(s);
    struct store *worker = redis_of(s), *holder = redis_of(s);
    struct applied now;
    unsigned p = 3;
    struct store_look l = {.places = &p, .count = 1, .watched = 1, .ret_applied = &now};
    assert_int_equal(store_begin(worker, &l), 0);
    assert_int_equal(hold_take(&h, holder, PARTS, DESK_LOG, clock_wall_ms()), 0);
    assert_int_equal(move_on(worker, p, &now, false), ERR_CONFLICT);
    assert_int_equal(hold_watch(&h), 0);
    store_free(worker);
    store_free(holder);
    stack_free(s);
}

static void only_one_holds_until_its_time_is_over(void **state)
{
    struct store *store = store_memory_new();
    struct hold one = {0}, two = {0};

    (void)state;
    assert_int_equal(hold_take(&one, store, PARTS, DESK_LOG, 1000000), 0);
    assert_int_equal(hold_take(&two, store, PARTS, DESK_LOG, 1000000 + HOLD_MS - 1), ERR_AGAIN);
    assert_int_equal(hold_take(&one, store, PARTS, DESK_LOG, 1000000 + HOLD_MS - 1), 0); /* anew */
    assert_int_equal(hold_take(&two, store, PARTS, DESK_LOG, 1000000 + HOLD_MS), ERR_AGAIN);
    assert_int_equal(hold_take(&two, store, PARTS, DESK_LOG, 1000000 + 2 * HOLD_MS), 0);
    assert_int_equal(hold_watch(&one), ERR_CONFLICT);
    assert_int_equal(hold_release(&one, 1), ERR_CONFLICT);
    assert_int_equal(hold_release(&two, 1), 0);
    assert_int_equal(hold_take(&one, store, PARTS, DESK_LOG, 1), 0);
    store_free(store);
}

static void a_hold_goes_on_without_a_gap_unless_something_moved(void **state)
{
    struct store *store = store_memory_new();
    struct hold one = {0}, two = {0};

    (void)state;
    assert_int_equal(hold_take(&one, store, PARTS, DESK_LOG, 1000000), 0);
    assert_int_equal(hold_renew(&one, 1000000 + HOLD_MS - 1), 0);
    assert_int_equal(hold_take(&two, store, PARTS, DESK_LOG, 1000000 + HOLD_MS), ERR_AGAIN);
    assert_int_equal(hold_watch(&one), 0);
    assert_int_equal(hold_renew(&one, 1000000 + 3 * HOLD_MS), 0); /* late, but nothing has moved */
    assert_int_equal(move_on(store, 5, NULL, true), 0);
    assert_int_equal(hold_renew(&one, 1000000 + 3 * HOLD_MS + 1), ERR_CONFLICT);
    assert_int_equal(hold_take(&two, store, PARTS, DESK_LOG, 1000000 + 5 * HOLD_MS), 0);
    assert_int_equal(hold_renew(&one, 1000000 + 5 * HOLD_MS), ERR_CONFLICT);
    store_free(store);
}

static void a_hold_of_a_clock_far_ahead_is_none(void **state)
{
    struct store *store = store_memory_new();
    struct hold one = {0}, two = {0};
    int64_t most_ms = HOLD_MOST_MS - HOLD_MS;

    (void)state;
    assert_int_equal(hold_take(&one, store, PARTS, DESK_LOG, 1000000 + most_ms), 0);
    assert_int_equal(hold_take(&two, store, PARTS, DESK_LOG, 1000000), ERR_AGAIN);
    assert_int_equal(hold_take(&one, store, PARTS, DESK_LOG, 1000000 + most_ms + 1), 0);
    assert_int_equal(hold_take(&two, store, PARTS, DESK_LOG, 1000000), 0);
    store_free(store);
}

static void a_hold_proves_that_nothing_moved(void **state)
{
    struct store *store = store_memory_new();
    struct hold h = {0};
    struct commit c = {0};

    (void)state;
    assert_int_equal(move_on(store, 2, NULL, true), 0);
    assert_int_equal(hold_take(&h, store, PARTS, DESK_LOG, 1000), 0);
    assert_int_equal(h.applied[2].offset, 1);
    assert_int_equal(hold_watch(&h), 0);
    assert_int_equal(move_on(store, 5, NULL, true), 0); /* by one that does not care for holds */
    assert_int_equal(hold_watch(&h), ERR_CONFLICT);
    hold_moves(&h, &c, NULL, 1000);
    assert_int_equal(store_commit(store, &c), ERR_CONFLICT);
    assert_int_equal(hold_release(&h, 1000), ERR_CONFLICT);
    commit_free(&c);
    store_free(store);
}

static void the_end_of_a_hold_leaves_or_sets_where_all_stand(void **state)
{
    struct store *store = store_memory_new();
    struct applied to[PARTS], now[PARTS];
    struct hold h = {0};
    struct commit c = {0};

    (void)state;
    assert_int_equal(hold_take(&h, store, PARTS, DESK_LOG, 1000), 0);
    assert_int_equal(store_applied(store, PARTS, now), 0);
    assert_int_equal(now[0].held_ms, 1000 + HOLD_MS);
    uint64_t epoch = now[0].epoch;
    for (unsigned p = 0; p < PARTS; p++)
        to[p] = (struct applied){.known = true, .log = DESK_LOG, .offset = 100 + p};
    hold_moves(&h, &c, to, 2000);
    assert_int_equal(store_commit(store, &c), 0);
    assert_int_equal(store_applied(store, PARTS, now), 0);
    for (unsigned p = 0; p < PARTS; p++) {
        assert_int_equal(now[p].offset, 100 + p);
        assert_int_equal(now[p].held_ms, 0);
        assert_true(now[p].epoch > epoch);
    }
    commit_free(&c);
    store_free(store);
}

/* A stream of votes of different members, one a commit, in one committee. */
static void publish_vote(struct stack *s, int number)
{
    char line[256];

    snprintf(line, sizeof line,
             "{\"type\":\"vote\",\"id\":\"v%d\",\"time\":\"2026-01-02T03:04:05Z\",\"committee\":"
             "\"C\",\"ballot\":\"B%d\",\"member\":\"KE\",\"position\":\"approve\"}\n",
             number, number);
    stack_publish_lines(s, slice_of(line));
}

static int64_t votes(struct stack *s)
{
    struct dump *d = stack_dump(s);
    int64_t n = dump_number(d, "turnout:member:KE:2026", "technical.votes");

    dump_free(d);
    return n;
}

static void workers_wait_while_they_are_held_and_then_go_on(void **state)
{
    struct stack *s = stack_new(2);
    struct hold h = {0};
    struct reader *r;
    char endpoint[256], log[LOG_ID + 1] = "";

    (void)state;
    stack_start(s);
    snprintf(endpoint, sizeof endpoint, "ipc://%s/read.sock", s->dir);
    assert_int_equal(client_connect(endpoint, LIMIT_MS, &r), 0);
    memcpy(log, reader_log(r), LOG_ID);
    reader_free(r);
    publish_vote(s, 1);
    stack_sync(s);
    struct store *store = redis_of(s);
    assert_int_equal(hold_take(&h, store, PARTS, log, clock_wall_ms()), 0);
    publish_vote(s, 2);
    for (int i = 0; i < 100; i++) {
        pause_briefly();
        assert_int_equal(hold_renew(&h, clock_wall_ms()), 0);
        assert_int_equal(hold_watch(&h), 0);
    }
    assert_int_equal(votes(s), 1);
    assert_int_equal(hold_release(&h, clock_wall_ms()), 0);
    stack_sync(s);
    assert_int_equal(votes(s), 2);
    assert_int_equal(hold_take(&h, store, PARTS, log, clock_wall_ms()), 0);
    publish_vote(s, 3);
    store_free(store); /* as if the holder were killed: it ends by its time */
    stack_sync(s);
    assert_int_equal(votes(s), 3);
    stack_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_began_before_a_hold_fails),
        cmocka_unit_test(only_one_holds_until_its_time_is_over),
        cmocka_unit_test(a_hold_goes_on_without_a_gap_unless_something_moved),
        cmocka_unit_test(a_hold_of_a_clock_far_ahead_is_none),
        cmocka_unit_test(a_hold_proves_that_nothing_moved),
        cmocka_unit_test(the_end_of_a_hold_leaves_or_sets_where_all_stand),
        cmocka_unit_test(workers_wait_while_they_are_held_and_then_go_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
