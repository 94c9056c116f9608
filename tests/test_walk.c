/* Reading the journal again: walks over a real broker's journal, counting again beside the live
 * numbers, and holds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "proto/clock.h"
#include "proto/error.h"
#include "proto/file.h"
#include "tests/desk.h"
#include "tests/model.h"
#include "tests/redis_dump.h"
#include "tests/redis_server.h"
#include "tests/stack.h"
#include "tests/world.h"
#include "workers/audit/recount.h"
#include "workers/hold.h"

#define PARTS    8
#define PATIENCE 4000 /* looks, 5 ms apart */

static void pause_briefly(void)
{
    struct timespec t = {0, 5000000};

    nanosleep(&t, NULL);
}

/* ---- a stack without workers, whose journal is known ---- */
struct scene {
    struct stack *stack;
    struct reader *reader;
    struct desk *desk; /* the same events, by partition, as the journal must have them */
    struct buffer events;
    struct random random;
    char *endpoint; /* the reader borrows it */
};

static struct reader *reader_open(const char *endpoint)
{
    struct wire_message m;
    struct slice payload;
    struct reader *r;

    assert_int_equal(reader_new(endpoint, "client", "test", &r), 0);
    for (int i = 0; i < PATIENCE && !reader_session(r); i++)
        reader_receive(r, -1, 5, &m, &payload);
    assert_int_equal(reader_partitions(r), PARTS);
    return r;
}

static void scene_publish(struct scene *s, struct slice events)
{
    desk_journal(s->desk, events);
    buffer_add_slice(&s->events, events);
    stack_publish_events(s->stack, events);
}

static struct scene scene_new(const char *name, size_t count)
{
    uint64_t seed = random_seed(name);
    struct scene s = {
        .stack = stack_new(0), .desk = desk_new(store_memory_new()), .random = random_new(seed)};
    struct buffer world = {0};

    stack_start(s.stack);
    assert_true(asprintf(&s.endpoint, "ipc://%s/read.sock", s.stack->dir) > 0);
    s.reader = reader_open(s.endpoint);
    world_events(seed, count, &world);
    scene_publish(&s, buffer_slice(&world));
    buffer_free(&world);
    return s;
}

static void scene_free(struct scene *s)
{
    reader_free(s->reader);
    stack_free(s->stack);
    desk_free(s->desk);
    buffer_free(&s->events);
    free(s->endpoint);
}

/* ---- walks ---- */
struct heard {
    struct scene *scene;
    struct buffer bytes[PARTS];
    uint64_t next[PARTS];
    uint64_t runs, events;
    int fails_at; /* the run at which it gives up; 0: never */
    void (*at_first)(struct scene *);
};

static int hear(void *arg, const struct walk_run *run)
{
    struct heard *h = arg;

    h->runs++;
    if (h->runs == 1 && h->at_first)
        h->at_first(h->scene);
    assert_true(run->partition < PARTS);
    assert_int_equal(run->offset, h->next[run->partition]);
    assert_true(run->count > 0);
    assert_true(slice_is(run->source, "local"));
    assert_in_range(run->received_ms, 1, clock_wall_ms());
    h->next[run->partition] += run->count;
    h->events += run->count;
    buffer_add_slice(&h->bytes[run->partition], run->events);
    return h->fails_at && h->runs == (uint64_t)h->fails_at ? ERR_FULL : 0;
}

/* What was heard is the journal from `from` to `end`. */
static void assert_heard(const struct heard *h, const uint64_t *from, const uint64_t *end)
{
    for (unsigned p = 0; p < PARTS; p++) {
        const struct desk *d = h->scene->desk;
        size_t start = d->starts[p][from[p]], stop = d->starts[p][end[p]];
        assert_int_equal(h->next[p], end[p]);
        assert_true(slice_equal(buffer_slice(&h->bytes[p]),
                                slice_make(d->journal[p].at + start, stop - start)));
    }
}

static void heard_free(struct heard *h)
{
    for (unsigned p = 0; p < PARTS; p++)
        buffer_free(&h->bytes[p]);
}

static int walk(struct heard *h, const uint64_t *from, const uint64_t *end)
{
    memcpy(h->next, from, sizeof h->next);
    return walk_journal(h->scene->reader, from, end, PARTS, hear, h, NULL);
}

static void walk_whole(struct scene *s, void (*at_first)(struct scene *))
{
    static const uint64_t start[PARTS];
    struct heard h = {.scene = s, .at_first = at_first};

    assert_int_equal(walk(&h, start, s->desk->ends), 0);
    assert_heard(&h, start, s->desk->ends);
    heard_free(&h);
}

static void a_walk_gives_every_event_once_and_in_order(void **state)
{
    struct scene s = scene_new("whole walks", 20000);

    (void)state;
    walk_whole(&s, NULL);
    walk_whole(&s, NULL); /* and once more over the same session */
    scene_free(&s);
}

static void a_walk_of_a_part_begins_and_ends_where_it_is_told(void **state)
{
    struct scene s = scene_new("walks of parts", 6000);

    (void)state;
    for (int i = 0; i < 20; i++) {
        struct heard h = {.scene = &s};
        uint64_t from[PARTS], end[PARTS];
        for (unsigned p = 0; p < PARTS; p++) {
            from[p] = random_below(&s.random, s.desk->ends[p] + 1);
            end[p] = from[p] + random_below(&s.random, s.desk->ends[p] - from[p] + 1);
        }
        assert_int_equal(walk(&h, from, end), 0);
        assert_heard(&h, from, end);
        heard_free(&h);
    }
    scene_free(&s);
}

static void a_walk_over_nothing_ends_at_once(void **state)
{
    struct scene s = scene_new("no walk", 10);
    struct heard h = {.scene = &s};

    (void)state;
    assert_int_equal(walk(&h, s.desk->ends, s.desk->ends), 0);
    assert_int_equal(h.runs, 0);
    scene_free(&s);
}

/* What comes late of the first must not be taken for the second's. */
static void a_walk_that_was_given_up_does_not_disturb_the_next(void **state)
{
    static const uint64_t start[PARTS];
    struct scene s = scene_new("walks given up", 30000);

    (void)state;
    for (int i = 1; i < 6; i++) {
        struct heard h = {.scene = &s, .fails_at = i};
        assert_int_equal(walk(&h, start, s.desk->ends), ERR_FULL);
        assert_int_equal(h.runs, i);
        heard_free(&h);
        walk_whole(&s, NULL);
    }
    scene_free(&s);
}

static void kill_broker(struct scene *s)
{
    pid_t pid = stack_pid(s->stack, "broker");

    assert_true(pid > 0);
    kill(pid, SIGKILL);
    stack_start(s->stack);
}

static void a_walk_goes_on_after_the_broker_was_killed(void **state)
{
    struct scene s = scene_new("broken walks", 60000);

    (void)state;
    walk_whole(&s, kill_broker);
    scene_free(&s);
}

static void replace_journal(struct scene *s)
{
    struct run r;

    kill(stack_pid(s->stack, "broker"), SIGKILL);
    r = stack_run(s->stack, slice_of(""),
                  (const char *const[]){"/bin/rm", "-rf", stack_path(s->stack, "journal"), NULL});
    assert_int_equal(r.status, 0);
    run_free(&r);
    stack_start(s->stack);
}

static void a_walk_does_not_go_on_in_another_journal(void **state)
{
    static const uint64_t start[PARTS];
    struct scene s = scene_new("another journal", 60000);
    struct heard h = {.scene = &s, .at_first = replace_journal};

    (void)state;
    assert_int_equal(walk(&h, start, s.desk->ends), ERR_FOREIGN);
    heard_free(&h);
    scene_free(&s);
}

static void a_walk_beyond_the_journals_end_is_of_another_journal(void **state)
{
    struct scene s = scene_new("walks too far", 500);
    struct heard h = {.scene = &s};
    uint64_t from[PARTS], end[PARTS];

    (void)state;
    for (unsigned p = 0; p < PARTS; p++) {
        from[p] = s.desk->ends[p] + 1;
        end[p] = from[p] + 1;
    }
    assert_int_equal(walk(&h, from, end), ERR_FOREIGN);
    assert_int_equal(h.events, 0);
    scene_free(&s);
}

/* Below the broker, as a failing disk would change it. */
static void damage_journal(struct scene *s)
{
    static const char mark[] = "ISO";
    struct buffer text = {0};
    const char *path = stack_path(s->stack, "journal/data.mdb");
    int fd = open(path, O_RDWR | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(file_read(path, (size_t)1 << 30, &text, NULL), 0);
    for (size_t at = 0; at + sizeof mark <= text.size; at++)
        if (memcmp(text.at + at, mark, sizeof mark - 1) == 0)
            assert_int_equal(pwrite(fd, "X", 1, (off_t)at), 1);
    close(fd);
    buffer_free(&text);
}

static void a_walk_over_what_the_disk_has_damaged_is_corrupt(void **state)
{
    static const uint64_t start[PARTS];
    struct scene s = scene_new("walks over damage", 500);
    struct heard h = {.scene = &s};

    (void)state;
    damage_journal(&s);
    assert_int_equal(walk(&h, start, s.desk->ends), ERR_CORRUPT);
    heard_free(&h);
    scene_free(&s);
}

/* ---- counting again ---- */
static void assert_counts_as(struct store *store, struct slice events)
{
    struct model *m = model_new();
    struct dump *d = memory_dump(store);

    model_add_all(m, events);
    assert_int_equal(model_compare(m, d, stdout), 0);
    dump_free(d);
    model_free(m);
}

static void counting_again_gives_what_the_model_counts(void **state)
{
    struct scene s = scene_new("recounts", 20000);
    struct store *store = store_memory_new();
    struct recount *c = recount_new(store, s.reader, s.endpoint);

    (void)state;
    assert_int_equal(recount_run(c, s.desk->ends, NULL), 0);
    assert_counts_as(store, buffer_slice(&s.events));
    for (unsigned p = 0; p < PARTS; p++)
        assert_int_equal(recount_applied(c)[p].offset, s.desk->ends[p]);
    recount_free(c);
    store_free(store);
    scene_free(&s);
}

/* Each time by another one, which finds where the store stands. */
static void counting_again_goes_on_where_it_was(void **state)
{
    struct scene s = scene_new("recounts in steps", 20000);
    struct store *store = store_memory_new();

    (void)state;
    for (int left = 6; left >= 0; left--) {
        struct recount *c = recount_new(store, s.reader, s.endpoint);
        uint64_t end[PARTS];
        for (unsigned p = 0; p < PARTS; p++)
            end[p] = left ? random_below(&s.random, s.desk->ends[p] + 1) : s.desk->ends[p];
        assert_int_equal(recount_run(c, end, NULL), 0);
        assert_int_equal(recount_run(c, end, NULL), 0); /* there is nothing more to do */
        recount_free(c);
    }
    assert_counts_as(store, buffer_slice(&s.events));
    store_free(store);
    scene_free(&s);
}

/* A millisecond later than all that has been received. */
static int64_t moment_after(void)
{
    int64_t now_ms = clock_wall_ms();

    while (clock_wall_ms() <= now_ms)
        pause_briefly();
    return now_ms;
}

static void only_what_was_received_until_then_counts(void **state)
{
    struct scene s = scene_new("until a moment", 8000);
    struct store *store = store_memory_new();
    struct recount *c = recount_new(store, s.reader, s.endpoint);
    size_t first = s.events.size;
    int64_t then_ms = moment_after();
    struct buffer more = {0};

    (void)state;
    world_events(random_next(&s.random), 8000, &more);
    scene_publish(&s, buffer_slice(&more));
    recount_until(c, then_ms);
    assert_int_equal(recount_run(c, s.desk->ends, NULL), 0);
    assert_counts_as(store, slice_make(s.events.at, first));
    recount_until(c, moment_after());
    assert_int_equal(recount_run(c, s.desk->ends, NULL), 0);
    assert_counts_as(store, buffer_slice(&s.events));
    buffer_free(&more);
    recount_free(c);
    store_free(store);
    scene_free(&s);
}

/* Two counters at the same store: one of them finds that it was moved. */
static void of_two_that_count_into_one_store_only_one_goes_on(void **state)
{
    struct scene s = scene_new("two recounts", 4000);
    struct store *store = store_memory_new();
    struct recount *one = recount_new(store, s.reader, s.endpoint);
    struct recount *two = recount_new(store, s.reader, s.endpoint);
    struct applied nothing[PARTS] = {{0}};

    (void)state;
    recount_from(one, nothing);
    recount_from(two, nothing);
    assert_int_equal(recount_run(one, s.desk->ends, NULL), 0);
    assert_int_equal(recount_run(two, s.desk->ends, NULL), ERR_CONFLICT);
    assert_int_equal(recount_run(two, s.desk->ends, NULL), 0); /* it has looked again */
    assert_counts_as(store, buffer_slice(&s.events));
    recount_free(one);
    recount_free(two);
    store_free(store);
    scene_free(&s);
}

/* ---- holds ---- */
static struct store *redis_of(struct stack *s)
{
    return store_at(stack_path(s, "redis.sock"), STORE_PREFIX, 10000);
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
    r = reader_open(endpoint);
    memcpy(log, reader_log(r), LOG_ID);
    reader_free(r);
    publish_vote(s, 1);
    stack_sync(s);
    struct store *store = redis_of(s);
    assert_int_equal(hold_take(&h, store, PARTS, log, clock_wall_ms()), 0);
    publish_vote(s, 2);
    for (int i = 0; i < 100; i++) {
        pause_briefly();
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
        cmocka_unit_test(a_walk_gives_every_event_once_and_in_order),
        cmocka_unit_test(a_walk_of_a_part_begins_and_ends_where_it_is_told),
        cmocka_unit_test(a_walk_over_nothing_ends_at_once),
        cmocka_unit_test(a_walk_that_was_given_up_does_not_disturb_the_next),
        cmocka_unit_test(a_walk_goes_on_after_the_broker_was_killed),
        cmocka_unit_test(a_walk_does_not_go_on_in_another_journal),
        cmocka_unit_test(a_walk_beyond_the_journals_end_is_of_another_journal),
        cmocka_unit_test(a_walk_over_what_the_disk_has_damaged_is_corrupt),
        cmocka_unit_test(counting_again_gives_what_the_model_counts),
        cmocka_unit_test(counting_again_goes_on_where_it_was),
        cmocka_unit_test(only_what_was_received_until_then_counts),
        cmocka_unit_test(of_two_that_count_into_one_store_only_one_goes_on),
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
