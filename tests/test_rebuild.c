/* turnout rebuild: the same numbers from the journal alone, switched over in one step, whatever is
 * killed meanwhile and whoever reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

#include "proto/clock.h"
#include "tests/compose.h"
#include "tests/load.h"
#include "tests/model.h"
#include "tests/random.h"
#include "tests/redis_dump.h"
#include "tests/stack.h"
#include "tests/world.h"

static const struct slice no_input = {"", 0};

#define RUN(s, ...) stack_run(s, no_input, (const char *const[]){__VA_ARGS__, NULL})

#define LIMIT_MS 60000

static void pause_briefly(void)
{
    struct timespec t = {0, 1000000};

    nanosleep(&t, NULL);
}

/* ---- a stack with a random world in it ---- */
struct scene {
    struct stack *stack;
    struct redis *redis;
    struct model *model;
    struct random random;
};

static void publish_world(struct scene *s, size_t count)
{
    struct buffer world = {0};

    world_events(random_next(&s->random), count, &world);
    stack_publish_events(s->stack, buffer_slice(&world));
    model_add_all(s->model, buffer_slice(&world));
    buffer_free(&world);
}

static struct scene scene_new(const char *name, size_t events)
{
    struct scene s = {
        .stack = stack_new(2), .model = model_new(), .random = random_new(random_seed(name))};

    stack_start(s.stack);
    publish_world(&s, events);
    stack_sync(s.stack);
    s.redis = redis_open(stack_path(s.stack, "redis.sock"));
    assert_non_null(s.redis);
    return s;
}

static void scene_free(struct scene *s)
{
    redis_close(s->redis);
    stack_free(s->stack);
    model_free(s->model);
}

#define MEDDLE(s, ...) assert_int_not_equal(redis_do((s)->redis, __VA_ARGS__)->kind, '-')

static bool begins(struct slice text, const char *prefix)
{
    return text.size >= strlen(prefix) && memcmp(text.at, prefix, strlen(prefix)) == 0;
}

/* The board, without what is being built and where it stands. */
static enum dump_care board_care(struct slice key, struct slice field)
{
    if (begins(key, "turnout:new:") || begins(key, "turnout:offset:") ||
        slice_is(key, "turnout:dirty") || slice_is(key, "turnout:deriving"))
        return DUMP_IGNORE;
    if (slice_is(key, "turnout:periods") || slice_is(key, "turnout:groups"))
        return DUMP_IGNORE; /* names that were left behind are gone */
    return stack_care(key, field);
}

static void assert_same_board(const struct dump *expected, struct stack *s)
{
    struct dump *now = stack_dump(s);
    size_t compared;

    assert_int_equal(dump_compare(expected, now, board_care, stdout, &compared), 0);
    assert_true(compared > 100);
    dump_free(now);
}

/* Redis, the model and verify agree, and nothing is left of the building. */
static void assert_right(struct scene *s)
{
    struct dump *d;
    struct run r;

    stack_sync(s->stack);
    d = stack_dump(s->stack);
    assert_int_equal(model_compare(s->model, d, stdout), 0);
    assert_int_equal(model_compare_derived(s->model, d, stdout), 0);
    dump_free(d);
    r = RUN(s->stack, "turnout", "verify");
    if (r.status != 0)
        fail_msg("verify ended with %d: %s%s", r.status, r.out.at, r.err.at);
    run_free(&r);
    assert_int_equal(redis_do(s->redis, "KEYS", "turnout:new:*")->number, 0);
}

/* ---- what rebuild says ---- */
struct said {
    int status;
    int64_t keys, events, found;
    struct buffer err;
};

static struct said rebuild(struct stack *s, const char *option)
{
    struct run r = RUN(s, "turnout", "rebuild", "--json", option);
    struct said said = {.status = r.status, .err = r.err};
    json_t *j = json_loads(r.out.at, 0, NULL);

    said.keys = json_integer_value(json_object_get(j, "keys"));
    said.events = json_integer_value(json_object_get(j, "events"));
    said.found = json_integer_value(json_object_get(j, "found"));
    json_decref(j);
    buffer_free(&r.out);
    return said;
}

static struct said rebuild_well(struct stack *s, const char *option)
{
    struct said said = rebuild(s, option);

    if (said.status != 0)
        fail_msg("rebuild ended with %d: %s", said.status, said.err.at);
    buffer_free(&said.err);
    return said;
}

/* ---- the same numbers ---- */
static void a_rebuilt_board_is_the_same_board(void **state)
{
    struct scene s = scene_new("rebuilt", 8000);
    struct dump *before = stack_dump(s.stack);

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct said said = rebuild_well(s.stack, NULL);
        assert_int_equal(said.events, 8000);
        assert_int_equal(said.found, 0);
        assert_true(said.keys > 50);
        assert_same_board(before, s.stack);
        assert_right(&s);
    }
    publish_world(&s, 3000); /* and workers go on from there */
    assert_right(&s);
    dump_free(before);
    scene_free(&s);
}

static void what_should_not_be_there_goes_and_what_is_not_ours_stays(void **state)
{
    struct scene s = scene_new("leftovers", 3000);
    struct dump *before = stack_dump(s.stack);

    (void)state;
    MEDDLE(&s, "HSET", "turnout:member:QQ:1950", "technical.votes", "3");
    MEDDLE(&s, "SET", "turnout:seats:nobody", "of another type");
    MEDDLE(&s, "HINCRBY", "turnout:group:all:2026", "members", "1");
    MEDDLE(&s, "SADD", "turnout:groups", "long-forgotten");
    MEDDLE(&s, "SET", "turnout:note", "of the operator");
    int64_t changes = redis_do(s.redis, "XLEN", "turnout:changes")->number;
    rebuild_well(s.stack, NULL);
    assert_int_equal(redis_do(s.redis, "DEL", "turnout:note")->number, 1);
    assert_true(redis_do(s.redis, "XLEN", "turnout:changes")->number > changes);
    assert_same_board(before, s.stack);
    assert_right(&s);
    dump_free(before);
    scene_free(&s);
}

/* Who follows the changes is told that all of it is new. */
static void the_change_feed_tells_of_it(void **state)
{
    struct scene s = scene_new("feed", 2000);
    const struct redis_reply *r;

    (void)state;
    kill(stack_pid(s.stack, "worker-1"), SIGSTOP);
    kill(stack_pid(s.stack, "worker-2"), SIGSTOP);
    rebuild_well(s.stack, NULL);
    r = redis_do(s.redis, "XREVRANGE", "turnout:changes", "+", "-", "COUNT", "1");
    assert_int_equal(r->number, 1);
    const struct redis_reply *fields = &r->items[0].items[1];
    assert_int_equal(fields->number, 12);
    assert_true(slice_is(fields->items[0].text, "rebuilt"));
    assert_true(slice_is(fields->items[2].text, "members"));
    assert_true(slice_is(fields->items[3].text, "*"));
    scene_free(&s);
}

static void an_empty_journal_gives_an_empty_board(void **state)
{
    struct stack *s = stack_new(1);
    struct redis *redis;
    struct said said;

    (void)state;
    stack_start(s);
    redis = redis_open(stack_path(s, "redis.sock"));
    redis_do(redis, "HSET", "turnout:member:KE:2026", "technical.votes", "1");
    said = rebuild_well(s, NULL);
    assert_int_equal(said.keys, 0);
    assert_int_equal(said.events, 0);
    assert_int_equal(redis_do(redis, "EXISTS", "turnout:member:KE:2026")->number, 0);
    stack_publish_lines(s, slice_of("{\"type\":\"vote\",\"id\":\"v1\",\"time\":"
                                    "\"2026-01-02T03:04:05Z\",\"committee\":\"C\",\"ballot\":"
                                    "\"B\",\"member\":\"KE\",\"position\":\"approve\"}\n"));
    stack_sync(s);
    assert_true(
        slice_is(redis_do(redis, "HGET", "turnout:member:KE:2026", "technical.votes")->text, "1"));
    redis_close(redis);
    stack_free(s);
}

/* ---- killed in the middle ---- */
static int64_t staged_events(struct scene *s)
{
    int64_t sum = 0;

    for (int p = 0; p < 8; p++) {
        char key[64];
        snprintf(key, sizeof key, "turnout:new:offset:%d", p);
        const struct redis_reply *r = redis_do(s->redis, "HGET", key, "offset");
        int64_t n = 0;
        if (r->number >= 0)
            slice_to_int(r->text, &n);
        sum += n;
    }
    return sum;
}

#define MANY  150000 /* events: some commits of a rebuild */
#define TRIES 10

/* What it had sent to Redis when it was stopped is done there a moment later. */
static int64_t stop_halfway(struct scene *s, pid_t pid)
{
    int64_t end_ms = clock_mono_ms() + LIMIT_MS;

    while (staged_events(s) == 0 && clock_mono_ms() < end_ms)
        pause_briefly();
    kill(pid, SIGSTOP);
    for (int i = 0; i < 20; i++) {
        pause_briefly();
        staged_events(s);
    }
    return staged_events(s);
}

static void end_by_force(pid_t pid)
{
    int status;

    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
}

/* A rebuild from the beginning that has counted something, but not all, and stands still. */
static pid_t rebuild_halfway(struct scene *s)
{
    for (int i = 0; i < TRIES; i++) {
        for (char key[] = "turnout:new:offset:0"; key[19] < '8'; key[19]++)
            MEDDLE(s, "DEL", key); /* or what an earlier one has counted were taken for ours */
        pid_t pid =
            stack_spawn(s->stack, (const char *const[]){"turnout", "rebuild", "--fresh", NULL});
        int64_t staged = stop_halfway(s, pid);
        if (staged > 0 && staged < MANY)
            return pid;
        end_by_force(pid); /* we came too late */
    }
    fail_msg("a rebuild was never caught halfway");
    return 0;
}

static void a_rebuild_that_was_killed_is_gone_on_with(void **state)
{
    struct scene s = scene_new("killed", MANY);
    struct dump *before = stack_dump(s.stack);

    (void)state;
    end_by_force(rebuild_halfway(&s));
    int64_t staged = staged_events(&s);
    assert_in_range(staged, 1, MANY);
    assert_same_board(before, s.stack);
    struct said said = rebuild_well(s.stack, NULL);
    assert_int_equal(said.found, staged);
    assert_int_equal(said.events, MANY);
    assert_same_board(before, s.stack);
    assert_right(&s);
    dump_free(before);
    scene_free(&s);
}

static void what_another_version_has_built_is_not_gone_on_with(void **state)
{
    struct scene s = scene_new("versions", MANY);
    struct dump *before = stack_dump(s.stack);

    (void)state;
    end_by_force(rebuild_halfway(&s));
    MEDDLE(&s, "HSET", "turnout:new:meta", "version", "0.0.1");
    MEDDLE(&s, "HINCRBY", "turnout:new:member:KE:2026", "technical.votes", "100");
    assert_int_equal(rebuild_well(s.stack, NULL).found, 0);
    assert_same_board(before, s.stack);
    end_by_force(rebuild_halfway(&s));
    MEDDLE(&s, "HINCRBY", "turnout:new:member:KE:2026", "technical.votes", "100");
    assert_int_equal(rebuild_well(s.stack, "--fresh").found, 0);
    assert_same_board(before, s.stack);
    assert_right(&s);
    dump_free(before);
    scene_free(&s);
}

/* At any moment; the board is always the one it was. */
static void killed_at_any_moment_it_leaves_a_whole_board(void **state)
{
    struct scene s = scene_new("killed anywhere", 20000);
    struct dump *before = stack_dump(s.stack);

    (void)state;
    for (int i = 0; i < 25; i++) {
        int status;
        pid_t pid = stack_spawn(s.stack, (const char *const[]){"turnout", "rebuild", NULL});
        for (uint64_t pause = random_below(&s.random, 250); pause; pause--)
            pause_briefly();
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_same_board(before, s.stack);
    }
    rebuild_well(s.stack, NULL);
    assert_same_board(before, s.stack);
    assert_right(&s);
    dump_free(before);
    scene_free(&s);
}

/* ---- two at once ---- */
static void of_two_rebuilds_the_later_one_goes_on(void **state)
{
    struct scene s = scene_new("two", MANY);
    struct dump *before = stack_dump(s.stack);
    int status;

    (void)state;
    for (int i = 0; i < 2; i++) {
        pid_t first = rebuild_halfway(&s);
        struct said said = rebuild_well(s.stack, i ? "--fresh" : NULL);
        assert_int_equal(said.events, MANY);
        assert_same_board(before, s.stack);
        kill(first, SIGCONT);
        assert_int_equal(waitpid(first, &status, 0), first);
        assert_int_equal(WEXITSTATUS(status), 75);
        assert_same_board(before, s.stack);
        assert_right(&s);
    }
    dump_free(before);
    scene_free(&s);
}

static void many_rebuilds_at_once_spoil_nothing(void **state)
{
    struct scene s = scene_new("many at once", 20000);
    struct dump *before = stack_dump(s.stack);
    pid_t pids[4];
    int good = 0;

    (void)state;
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 4; i++) {
            pids[i] = stack_spawn(s.stack, (const char *const[]){"turnout", "rebuild", NULL});
            for (uint64_t pause = random_below(&s.random, 60); pause; pause--)
                pause_briefly();
        }
        for (int i = 0; i < 4; i++) {
            int status;
            assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
            assert_true(WIFEXITED(status));
            assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 75);
            good += WEXITSTATUS(status) == 0;
        }
        assert_same_board(before, s.stack);
    }
    assert_true(good > 0);
    rebuild_well(s.stack, NULL);
    assert_same_board(before, s.stack);
    assert_right(&s);
    dump_free(before);
    scene_free(&s);
}

/* ---- under load, and read all the while ---- */
/* Old members' counters, all made wrong by hand in the same way: a reader sees either what they
 * were or what they are to be, all of them at once. */
#define WATCHED 40
#define WRONG   1000000

struct watched {
    char keys[WATCHED][64];
    int64_t right[WATCHED];
    size_t count;
};

static void watch_key(void *arg, struct slice key, struct slice field, struct slice value)
{
    struct watched *w = arg;
    int64_t n;

    if (w->count == WATCHED || !slice_is(field, "adoptions") || !slice_to_int(value, &n))
        return;
    snprintf(w->keys[w->count], sizeof w->keys[0], "%.*s", (int)key.size, key.at);
    w->right[w->count++] = n;
}

/* One look at all of them, at one moment.  Returns how many of them are wrong. */
static size_t look_at_watched(struct scene *s, const struct watched *w)
{
    size_t wrong = 0;

    MEDDLE(s, "MULTI");
    for (size_t i = 0; i < w->count; i++)
        MEDDLE(s, "HGET", w->keys[i], "adoptions");
    const struct redis_reply *all = redis_do(s->redis, "EXEC");
    assert_int_equal(all->number, w->count);
    for (size_t i = 0; i < w->count; i++) {
        int64_t n = 0;
        assert_true(slice_to_int(all->items[i].text, &n));
        assert_true(n == w->right[i] || n == w->right[i] + WRONG);
        wrong += n != w->right[i];
    }
    return wrong;
}

/* Votes of one member that nobody else is, so that nothing else of the world moves. */
static void busy_votes(struct buffer *ret, int count)
{
    char line[512];

    for (int i = 0; i < count; i++) {
        snprintf(line, sizeof line,
                 "{'type':'vote','id':'busy-%d','time':'2026-01-02T03:04:05Z','committee':'busy "
                 "%d','ballot':'B%d','member':'BUSY','position':'approve'}",
                 i, i % 16, i / 16);
        compose_text(line, ret);
    }
}

static void readers_see_the_old_board_or_the_new_one(void **state)
{
    struct scene s = scene_new("read", 60000);
    struct buffer more = {0};
    struct watched w = {.count = 0};
    struct dump *now = stack_dump(s.stack);
    struct load load;
    int status = -1;
    size_t old = 0, fresh = 0;
    int64_t busy = 0;

    (void)state;
    dump_each(now, "turnout:member:", watch_key, &w);
    assert_true(w.count > 20);
    for (size_t i = 0; i < w.count; i++) {
        char wrong[32];
        snprintf(wrong, sizeof wrong, "%d", WRONG);
        MEDDLE(&s, "HINCRBY", w.keys[i], "adoptions", wrong);
    }
    busy_votes(&more, 60000);
    load = load_start(s.stack, buffer_slice(&more), 6000);
    load_await(&load, 1000);
    pid_t pid = stack_spawn(s.stack, (const char *const[]){"turnout", "rebuild", NULL});
    while (waitpid(pid, &status, WNOHANG) == 0) {
        size_t wrong = look_at_watched(&s, &w);
        assert_true(wrong == 0 || wrong == w.count);
        assert_true(wrong == 0 || fresh == 0); /* there is no way back */
        old += wrong != 0;
        fresh += wrong == 0;
        const struct redis_reply *r =
            redis_do(s.redis, "HGET", "turnout:member:BUSY:2026", "technical.votes");
        int64_t n = 0;
        assert_true(r->number < 0 || slice_to_int(r->text, &n));
        assert_true(n >= busy); /* nor a step back for what moves */
        busy = n;
    }
    assert_int_equal(status, 0);
    assert_true(*load.sent < 60000); /* or it was no load */
    assert_int_equal(look_at_watched(&s, &w), 0);
    assert_true(old > 20);
    load_end(&load);
    model_add_all(s.model, buffer_slice(&more));
    assert_right(&s);
    buffer_free(&more);
    dump_free(now);
    scene_free(&s);
}

static void under_a_load_of_everything_it_counts_right(void **state)
{
    struct scene s = scene_new("busy", 20000);
    struct buffer more = {0};
    struct load load;

    (void)state;
    world_events(random_next(&s.random), 60000, &more);
    load = load_start(s.stack, buffer_slice(&more), 6000);
    for (int i = 1; i <= 3; i++) {
        load_await(&load, i * 10000);
        rebuild_well(s.stack, NULL);
    }
    load_end(&load);
    model_add_all(s.model, buffer_slice(&more));
    assert_right(&s);
    buffer_free(&more);
    scene_free(&s);
}

/* ---- another journal ---- */
static void a_redis_of_another_journal_is_refused_unless_told(void **state)
{
    struct scene s = scene_new("foreign", 3000);
    struct dump *before = stack_dump(s.stack);
    struct said said;

    (void)state;
    MEDDLE(&s, "HSET", "turnout:offset:5", "log", "00000000000000000000000000000000");
    MEDDLE(&s, "HSET", "turnout:offset:12", "log", "00000000000000000000000000000000", "offset",
           "7", "time", "1");
    MEDDLE(&s, "HSET", "turnout:member:QQ:1950", "technical.votes", "3");
    said = rebuild(s.stack, NULL);
    assert_int_equal(said.status, 78);
    assert_non_null(strstr(said.err.at, "--force"));
    buffer_free(&said.err);
    assert_int_equal(redis_do(s.redis, "EXISTS", "turnout:new:offset:0")->number, 0);
    rebuild_well(s.stack, "--force");
    assert_same_board(before, s.stack);
    assert_int_equal(redis_do(s.redis, "EXISTS", "turnout:offset:12")->number, 0);
    publish_world(&s, 2000);
    assert_right(&s);
    dump_free(before);
    scene_free(&s);
}

static void a_journal_older_than_redis_is_refused_unless_told(void **state)
{
    struct scene s = scene_new("older", 3000);
    struct said said;

    (void)state;
    MEDDLE(&s, "HINCRBY", "turnout:offset:5", "offset", "1000");
    said = rebuild(s.stack, NULL);
    assert_int_equal(said.status, 78);
    buffer_free(&said.err);
    rebuild_well(s.stack, "--force");
    assert_right(&s);
    publish_world(&s, 2000);
    assert_right(&s);
    scene_free(&s);
}

static void who_does_not_answer_is_told(void **state)
{
    struct scene s = scene_new("not there", 500);
    struct said said;

    (void)state;
    kill(stack_pid(s.stack, "broker"), SIGKILL);
    said = rebuild(s.stack, NULL);
    assert_int_equal(said.status, 69);
    assert_non_null(strstr(said.err.at, "the broker at ipc://"));
    buffer_free(&said.err);
    kill(stack_pid(s.stack, "redis"), SIGKILL);
    said = rebuild(s.stack, NULL);
    assert_int_equal(said.status, 69);
    assert_non_null(strstr(said.err.at, "Redis at "));
    buffer_free(&said.err);
    scene_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rebuilt_board_is_the_same_board),
        cmocka_unit_test(what_should_not_be_there_goes_and_what_is_not_ours_stays),
        cmocka_unit_test(the_change_feed_tells_of_it),
        cmocka_unit_test(an_empty_journal_gives_an_empty_board),
        cmocka_unit_test(a_rebuild_that_was_killed_is_gone_on_with),
        cmocka_unit_test(what_another_version_has_built_is_not_gone_on_with),
        cmocka_unit_test(killed_at_any_moment_it_leaves_a_whole_board),
        cmocka_unit_test(of_two_rebuilds_the_later_one_goes_on),
        cmocka_unit_test(many_rebuilds_at_once_spoil_nothing),
        cmocka_unit_test(readers_see_the_old_board_or_the_new_one),
        cmocka_unit_test(under_a_load_of_everything_it_counts_right),
        cmocka_unit_test(a_redis_of_another_journal_is_refused_unless_told),
        cmocka_unit_test(a_journal_older_than_redis_is_refused_unless_told),
        cmocka_unit_test(who_does_not_answer_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
