/* Reading the journal again: walks over a real broker's journal, and counting again beside the live
 * numbers. */
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
#include "tests/frail.h"
#include "tests/model.h"
#include "tests/redis_dump.h"
#include "tests/redis_server.h"
#include "tests/stack.h"
#include "tests/world.h"
#include "workers/audit/recount.h"
#include "workers/recall.h"

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
    int fails_at, error; /* the run at which it gives up (0: never), and with what */
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
    return h->fails_at && h->runs == (uint64_t)h->fails_at ? h->error : 0;
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
        struct heard h = {.scene = &s, .fails_at = i, .error = i % 2 ? ERR_FULL : ERR_AGAIN};
        assert_int_equal(walk(&h, start, s.desk->ends), h.error);
        assert_int_equal(h.runs, i);
        heard_free(&h);
        walk_whole(&s, NULL);
    }
    scene_free(&s);
}

/* One that is still dying would be taken for one that runs. */
static void end_broker(struct scene *s)
{
    pid_t pid = stack_pid(s->stack, "broker");

    assert_true(pid > 0);
    kill(pid, SIGKILL);
    while (stack_pid(s->stack, "broker") == pid)
        ;
}

static void kill_broker(struct scene *s)
{
    end_broker(s);
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

    end_broker(s);
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
    struct scene s = scene_new("walks over damage", 20000); /* in the trees, not only in memory */
    struct heard h = {.scene = &s};

    (void)state;
    damage_journal(&s);
    assert_int_equal(walk(&h, start, s.desk->ends), ERR_CORRUPT);
    heard_free(&h);
    scene_free(&s);
}

/* ---- recalling ---- */
static struct slice event_at(const struct scene *s, unsigned p, uint64_t offset)
{
    const size_t *start = &s->desk->starts[p][offset];

    return slice_make(s->desk->journal[p].at + start[0], start[1] - start[0]);
}

/* The event with these bytes among the first `upto` of a partition; absent: it is not there. */
static int recall(struct scene *s, struct ledger *l, unsigned p, uint64_t upto, struct slice event,
                  struct slice *ret)
{
    struct version v = {.known = true, .digest = version_digest(event)}, *wanted = &v;
    int error = recall_from_broker(s->endpoint, l, p, upto, &wanted, 1);

    *ret = v.raw;
    return error;
}

static void an_event_is_recalled_from_wherever_it_lies(void **state)
{
    struct scene s = scene_new("recalls", 60000);
    struct ledger *l = ledger_new();
    struct slice found;

    (void)state;
    for (unsigned i = 0; i < 5 * PARTS; i++) {
        unsigned p = i % PARTS;
        uint64_t end = s.desk->ends[p], at = i < PARTS ? 0 : random_below(&s.random, end + !end);
        if (!end)
            continue;
        struct slice event = event_at(&s, p, at);
        assert_int_equal(recall(&s, l, p, end, event, &found), 0);
        assert_true(slice_equal(found, event));
        assert_int_equal(recall(&s, l, p, at + 1, event, &found), 0);
        assert_true(slice_equal(found, event));
    }
    assert_int_equal(recall(&s, l, 0, s.desk->ends[0], slice_of("no event"), &found), 0);
    assert_null(found.at);
    ledger_free(l);
    scene_free(&s);
}

/* Below the broker, as damage_journal: the first event of the partition that comes only once. */
static void damage_first(struct scene *s, unsigned p)
{
    const char *path = stack_path(s->stack, "journal/data.mdb");
    int fd = open(path, O_RDWR | O_CLOEXEC);
    struct slice journal = buffer_slice(&s->desk->journal[p]), event;
    struct buffer file = {0};
    const char *at;
    uint64_t i = 0;

    do
        event = event_at(s, p, i++);
    while (memmem(event.at + 1, (size_t)(journal.at + journal.size - event.at) - 1, event.at,
                  event.size));
    assert_true(fd >= 0);
    assert_int_equal(file_read(path, (size_t)1 << 30, &file, NULL), 0);
    for (struct slice left = buffer_slice(&file);
         (at = memmem(left.at, left.size, event.at, event.size));
         left = slice_make(at + 1, (size_t)(left.at + left.size - at) - 1))
        assert_int_equal(pwrite(fd, "X", 1, at + 1 - file.at), 1);
    close(fd);
    buffer_free(&file);
}

/* Who ties was mostly there a moment ago: what is long past is neither waited for nor needed. */
static void the_newest_events_are_looked_through_first(void **state)
{
    struct scene s = scene_new("recalls over damage", 60000);
    struct ledger *l = ledger_new();
    struct slice found;
    unsigned p = 0;

    (void)state;
    while (s.desk->ends[p] < 6000)
        p++;
    damage_first(&s, p);
    struct slice newest = event_at(&s, p, s.desk->ends[p] - 1);
    assert_int_equal(recall(&s, l, p, s.desk->ends[p], newest, &found), 0);
    assert_true(slice_equal(found, newest));
    assert_int_equal(recall(&s, l, p, s.desk->ends[p], slice_of("no event"), &found), ERR_CORRUPT);
    ledger_free(l);
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

/* A Redis that is out of memory or busy for a moment, while a rebuild catches up. */
static void what_the_store_refuses_once_is_counted_by_the_next_run(void **state)
{
    struct scene s = scene_new("refused for a moment", 40000);
    uint64_t first[PARTS];

    (void)state;
    for (unsigned p = 0; p < PARTS; p++)
        first[p] = s.desk->ends[p] > 0;
    for (unsigned at = 1; at <= 2; at++) { /* the look and the commit within the walk */
        struct frail *frail = frail_new(store_memory_new());
        struct recount *c = recount_new(&frail->base, s.reader, s.endpoint);
        assert_int_equal(recount_run(c, first, NULL), 0);
        frail_fail(frail, at, ERR_AGAIN, FRAIL_BEFORE);
        assert_int_equal(recount_run(c, s.desk->ends, NULL), ERR_AGAIN);
        assert_int_equal(recount_run(c, s.desk->ends, NULL), 0);
        for (unsigned p = 0; p < PARTS; p++)
            assert_int_equal(recount_applied(c)[p].offset, s.desk->ends[p]);
        assert_counts_as(frail->inner, buffer_slice(&s.events));
        recount_free(c);
        store_free(&frail->base);
    }
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
/* What came too late stands behind what was counted, and is read again when its time has come. */
static void a_later_moment_goes_on_behind_an_earlier_one(void **state)
{
    struct scene s = scene_new("moments in turn", 2000);
    struct store *store = store_memory_new();
    struct recount *c = recount_new(store, s.reader, s.endpoint);
    size_t size[3];
    int64_t then_ms[3];

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct buffer more = {0};
        size[i] = s.events.size;
        then_ms[i] = moment_after();
        world_events(random_next(&s.random), 2000, &more);
        scene_publish(&s, buffer_slice(&more));
        buffer_free(&more);
    }
    for (int i = 0; i < 3; i++) {
        recount_until(c, then_ms[i]);
        assert_int_equal(recount_run(c, s.desk->ends, NULL), 0);
        assert_counts_as(store, slice_make(s.events.at, size[i]));
    }
    recount_until(c, moment_after());
    assert_int_equal(recount_run(c, s.desk->ends, NULL), 0);
    assert_counts_as(store, buffer_slice(&s.events));
    recount_free(c);
    recount_free(NULL);
    store_free(store);
    scene_free(&s);
}

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
        cmocka_unit_test(an_event_is_recalled_from_wherever_it_lies),
        cmocka_unit_test(the_newest_events_are_looked_through_first),
        cmocka_unit_test(counting_again_gives_what_the_model_counts),
        cmocka_unit_test(counting_again_goes_on_where_it_was),
        cmocka_unit_test(what_the_store_refuses_once_is_counted_by_the_next_run),
        cmocka_unit_test(only_what_was_received_until_then_counts),
        cmocka_unit_test(a_later_moment_goes_on_behind_an_earlier_one),
        cmocka_unit_test(of_two_that_count_into_one_store_only_one_goes_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
