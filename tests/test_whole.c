/* Counting partitions whole, by any number of threads: it comes to what counting batch by batch
 * comes to, whatever fails in between. */
#include "proto/clock.h"
#include "proto/error.h"
#include "tests/desk.h"
#include "tests/fixtures.h"
#include "tests/frail.h"
#include "tests/season.h"
#include "tests/stack.h"
#include "workers/audit/recount.h"
#include "workers/audit/whole.h"
#include "workers/client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define PARTS  8
#define NOW_MS 1793923200000 /* 2026-11-06, within the worlds' years */

/* ---- a stack without workers, and the same events on a desk ---- */
struct scene {
    struct stack *stack;
    struct desk *desk;
    struct reader *reader;
    char *endpoint; /* the reader borrows it */
    struct random random;
};

static void scene_publish(struct scene *s, struct slice events)
{
    desk_journal(s->desk, events);
    stack_publish_events(s->stack, events);
}

static struct scene scene_new(const char *name)
{
    struct scene s = {.stack = stack_new(0),
                      .desk = desk_new(store_memory_new()),
                      .random = random_new(random_seed(name))};

    stack_start(s.stack);
    assert_true(asprintf(&s.endpoint, "ipc://%s/read.sock", s.stack->dir) > 0);
    return s;
}

/* Batch by batch. */
static void scene_count(struct scene *s)
{
    desk_finish(s->desk, &s->random);
    desk_derive(s->desk, NOW_MS);
    assert_int_equal(client_connect(s->endpoint, 60000, &s->reader), 0);
    assert_int_equal(reader_partitions(s->reader), PARTS);
}

/* Published in several goes, so that what ties does so within a batch and across batches. */
static struct scene scene_of(const char *name, void (*make)(uint64_t, size_t, struct buffer *),
                             size_t count)
{
    struct scene s = scene_new(name);

    for (int i = 0; i < 3; i++) {
        struct buffer events = {0}, shuffled = {0};
        make(random_next(&s.random), count / 3, &events);
        world_shuffle(random_next(&s.random), buffer_slice(&events), 10, &shuffled);
        scene_publish(&s, buffer_slice(&shuffled));
        buffer_free(&events);
        buffer_free(&shuffled);
    }
    scene_count(&s);
    return s;
}

/* Nothing ties in it, so nothing is read again. */
static struct scene scene_of_season(const char *name)
{
    struct scene s = scene_new(name);
    struct buffer registry = {0}, season = {0};

    fixture_events("registry.jsonl.gz", &registry);
    season_events(random_next(&s.random), 2026, 1, buffer_slice(&registry), &season);
    scene_publish(&s, buffer_slice(&season));
    scene_count(&s);
    buffer_free(&registry);
    buffer_free(&season);
    return s;
}

static void scene_free(struct scene *s)
{
    reader_free(s->reader);
    desk_free(s->desk);
    stack_free(s->stack);
    free(s->endpoint);
}

/* Names stay in these when their counters are gone, and how often was derived is chance. */
static enum dump_care care(struct slice key, struct slice field)
{
    (void)field;
    if (slice_is(key, "turnout:derived"))
        return DUMP_IGNORE;
    return slice_is(key, "turnout:periods") || slice_is(key, "turnout:groups") ? DUMP_LENIENT
                                                                               : DUMP_EXACT;
}

static void assert_as_on_the_desk(const struct scene *s, struct store *store,
                                  const struct store *memory)
{
    struct dump *expected, *found;
    size_t compared;

    assert_int_equal(recount_derive(store, &RULES_DEFAULT, reader_log(s->reader), NOW_MS), 0);
    expected = memory_dump(memory);
    found = desk_dump(s->desk);
    assert_int_equal(dump_compare(expected, found, care, stderr, &compared), 0);
    assert_true(compared > 500);
    dump_free(expected);
    dump_free(found);
}

static void count_by(const struct scene *s, unsigned threads)
{
    struct store *store = store_memory_new();
    struct recount *c = recount_new(store, s->reader, s->endpoint);

    recount_threads(c, threads);
    assert_int_equal(recount_run(c, s->desk->ends, NULL), 0);
    for (unsigned p = 0; p < PARTS; p++)
        assert_int_equal(recount_applied(c)[p].offset, s->desk->ends[p]);
    assert_as_on_the_desk(s, store, store);
    recount_free(c);
    store_free(store);
}

static const unsigned threads[] = {1, 2, 4};
#define THREADS (sizeof threads / sizeof *threads)

static void any_number_of_threads_comes_to_what_batches_come_to(void **state)
{
    struct scene s = scene_of("whole worlds", world_events, 9000);

    (void)state;
    for (size_t i = 0; i < THREADS; i++)
        count_by(&s, threads[i]);
    scene_free(&s);
}

static void ties_are_settled_by_their_bytes_whatever_batch_they_are_in(void **state)
{
    struct scene s = scene_of("crowded worlds", world_crowded, 3000);

    (void)state;
    for (size_t i = 0; i < THREADS; i++)
        count_by(&s, threads[i]);
    scene_free(&s);
}

/* ---- in parts ---- */
struct counting {
    struct applied applied[PARTS];
    uint64_t passed[PARTS];
    bool wanted[PARTS];
    struct whole whole;
};

static void counting_of(struct counting *c, const struct scene *s, struct store *store)
{
    *c = (struct counting){.whole = {.store = store,
                                     .reader = s->reader,
                                     .endpoint = s->endpoint,
                                     .until_ms = INT64_MAX,
                                     .threads = 2,
                                     .partitions = PARTS,
                                     .end = s->desk->ends}};
    c->whole.wanted = c->wanted;
    c->whole.applied = c->applied;
    c->whole.passed = c->passed;
    for (unsigned p = 0; p < PARTS; p++)
        c->wanted[p] = s->desk->ends[p] > 0;
}

static void many_small_commits_come_to_the_same_as_one(void **state)
{
    static const size_t ops[] = {7, 100, 1000};
    struct scene s = scene_of("in parts", world_events, 3000);

    (void)state;
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        struct store *store = store_memory_new();
        struct counting c;
        counting_of(&c, &s, store);
        c.whole.ops = ops[i];
        assert_int_equal(whole_count(&c.whole), 0);
        for (unsigned p = 0; p < PARTS; p++)
            assert_int_equal(c.applied[p].offset, s.desk->ends[p]);
        assert_as_on_the_desk(&s, store, store);
        store_free(store);
    }
    scene_free(&s);
}

/* What stands there of a partition is of no use to anybody. */
static void a_partition_written_by_half_is_not_gone_on_with(void **state)
{
    struct scene s = scene_of("by half", world_events, 3000);
    struct frail *frail = frail_new(store_memory_new());
    struct counting c;
    struct applied now[PARTS];
    unsigned halves = 0;

    (void)state;
    counting_of(&c, &s, &frail->base);
    c.whole.ops = 100;
    frail_fail(frail, 30, ERR_LOST, FRAIL_BEFORE); /* a look and a commit a part */
    assert_int_equal(whole_count(&c.whole), ERR_LOST);
    frail_fail(frail, 0, 0, FRAIL_BEFORE);
    assert_int_equal(store_applied(&frail->base, PARTS, now), 0);
    for (unsigned p = 0; p < PARTS; p++)
        halves += now[p].known && now[p].offset == WHOLE_HALF;
    assert_true(halves > 0);
    for (unsigned p = 0; p < PARTS; p++)
        assert_int_equal(applied_foreign(&now[p], slice_of(reader_log(s.reader)), s.desk->ends[p]),
                         now[p].known && now[p].offset == WHOLE_HALF);
    struct recount *r = recount_new(&frail->base, s.reader, s.endpoint);
    assert_int_equal(recount_run(r, s.desk->ends, NULL), ERR_CORRUPT);
    recount_free(r);
    store_free(&frail->base);
    scene_free(&s);
}

/* ---- what fails ---- */
static void fail_at(const struct scene *s, unsigned by, unsigned at, int error, enum frail_way way)
{
    struct frail *frail = frail_new(store_memory_new());
    struct recount *c = recount_new(&frail->base, s->reader, s->endpoint);

    recount_threads(c, by);
    frail_fail(frail, at, error, way);
    assert_int_equal(recount_run(c, s->desk->ends, NULL), error);
    frail_fail(frail, 0, 0, FRAIL_BEFORE);
    assert_int_equal(recount_run(c, s->desk->ends, NULL), 0); /* it has looked again */
    assert_as_on_the_desk(s, &frail->base, frail->inner);
    recount_free(c);
    store_free(&frail->base);
}

/* The first look, then a look and a commit for each partition that has events. */
static unsigned calls_made(const struct scene *s)
{
    unsigned calls = 1;

    for (unsigned p = 0; p < PARTS; p++)
        calls += s->desk->ends[p] ? 2 : 0;
    return calls;
}

static void whatever_call_of_the_store_fails_the_next_run_comes_to_the_same(void **state)
{
    struct scene s = scene_of_season("frail");

    (void)state;
    for (size_t i = 0; i < THREADS; i++)
        for (unsigned at = 1; at <= calls_made(&s); at++) {
            fail_at(&s, threads[i], at, ERR_LOST, FRAIL_BEFORE);
            fail_at(&s, threads[i], at, ERR_AGAIN, FRAIL_BEFORE);
            fail_at(&s, threads[i], at, ERR_LOST, FRAIL_AFTER);
        }
    scene_free(&s);
}

static void somebody_elses_move_is_a_conflict_in_any_thread(void **state)
{
    struct scene s = scene_of_season("conflicts");

    (void)state;
    for (size_t i = 0; i < THREADS; i++)
        for (unsigned p = 0; p < PARTS; p++) {
            struct store *store = store_memory_new();
            struct counting c;
            counting_of(&c, &s, store);
            c.whole.threads = threads[i];
            c.applied[p].offset = 1; /* where it does not stand */
            assert_int_equal(whole_count(&c.whole), c.wanted[p] ? ERR_CONFLICT : 0);
            store_free(store);
        }
    scene_free(&s);
}

/* Readers that have no session: their share is left to the one that has. */
static void threads_without_a_session_leave_their_share(void **state)
{
    struct scene s = scene_of_season("one session");
    struct store *store = store_memory_new();
    struct counting c;

    (void)state;
    counting_of(&c, &s, store);
    c.whole.endpoint = "nowhere:";
    assert_int_equal(whole_count(&c.whole), 0);
    assert_as_on_the_desk(&s, store, store);
    store_free(store);
    scene_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_number_of_threads_comes_to_what_batches_come_to),
        cmocka_unit_test(ties_are_settled_by_their_bytes_whatever_batch_they_are_in),
        cmocka_unit_test(many_small_commits_come_to_the_same_as_one),
        cmocka_unit_test(a_partition_written_by_half_is_not_gone_on_with),
        cmocka_unit_test(whatever_call_of_the_store_fails_the_next_run_comes_to_the_same),
        cmocka_unit_test(somebody_elses_move_is_a_conflict_in_any_thread),
        cmocka_unit_test(threads_without_a_session_leave_their_share),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
