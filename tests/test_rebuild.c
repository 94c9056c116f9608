/* turnout rebuild: the same numbers from the journal alone, switched over in one step under the
 * eyes of whoever reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <signal.h>
#include <sys/wait.h>

#include "tests/compose.h"
#include "tests/load.h"
#include "tests/scene.h"
#include "tests/world.h"

/* ---- the same numbers ---- */
static void a_rebuilt_board_is_the_same_board(void **state)
{
    struct scene s = scene_new("rebuilt", 8000);
    struct dump *before = stack_dump(s.stack);

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct rebuilt said = rebuild_well(s.stack, NULL);
        assert_int_equal(said.events, 8000);
        assert_int_equal(said.found, 0);
        assert_true(said.keys > 50);
        assert_same_board(before, s.stack);
        assert_right(&s);
    }
    scene_publish(&s, 3000); /* and workers go on from there */
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

/* As after an update of turnout: workers leave them alone until they are rebuilt. */
static void keys_of_an_older_schema_are_made_new(void **state)
{
    struct scene s = scene_new("schemas", 3000);

    (void)state;
    MEDDLE(&s, "HSET", "turnout:meta", "schema", "1");
    MEDDLE(&s, "DEL", "turnout:facts", "turnout:derived", "turnout:group:all:2026");
    rebuild_well(s.stack, NULL);
    assert_right(&s);
    scene_publish(&s, 2000);
    assert_right(&s);
    scene_free(&s);
}

static bool log_says(struct scene *s, const char *words)
{
    char log[65536] = "";
    FILE *f = fopen(stack_path(s->stack, "log/worker-1.log"), "r");

    assert_non_null(f);
    assert_true(fread(log, 1, sizeof log - 1, f) > 0);
    fclose(f);
    return strstr(log, words) != NULL;
}

static void workers_leave_keys_of_an_older_schema_alone(void **state)
{
    struct scene s = scene_new("older schema", 1000);

    (void)state;
    for (int i = 1; i <= 2; i++)
        kill(stack_pid(s.stack, i == 1 ? "worker-1" : "worker-2"), SIGKILL);
    MEDDLE(&s, "HSET", "turnout:meta", "schema", "1");
    struct dump *before = stack_dump(s.stack);
    scene_publish(&s, 1000);
    stack_start(s.stack);
    while (!log_says(&s, "run turnout rebuild"))
        usleep(20000);
    struct dump *after = stack_dump(s.stack);
    assert_int_equal(dump_compare(before, after, board_care, stdout, NULL), 0);
    rebuild_well(s.stack, NULL);
    assert_right(&s);
    dump_free(before);
    dump_free(after);
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
    assert_int_equal(fields->number, 16);
    assert_true(slice_is(fields->items[0].text, "rebuilt"));
    assert_true(slice_is(fields->items[2].text, "members"));
    assert_true(slice_is(fields->items[3].text, "*"));
    scene_free(&s);
}

static void an_empty_journal_gives_an_empty_board(void **state)
{
    struct stack *s = stack_new(1);
    struct redis *redis;
    struct rebuilt said;

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
    load = load_start(s.stack, buffer_slice(&more), 5000);
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
    assert_int_equal(look_at_watched(&s, &w), 0);
    assert_true(old > 20);
    model_add_all(s.model, load_stop(&load));
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
    load = load_start(s.stack, buffer_slice(&more), 10000);
    for (int i = 0; i < 3; i++) {
        load_await(&load, 5000);
        rebuild_well(s.stack, NULL);
    }
    model_add_all(s.model, load_stop(&load));
    assert_right(&s);
    buffer_free(&more);
    scene_free(&s);
}

/* ---- another journal ---- */
static void a_redis_of_another_journal_is_refused_unless_told(void **state)
{
    struct scene s = scene_new("foreign", 3000);
    struct dump *before = stack_dump(s.stack);
    struct rebuilt said;

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
    scene_publish(&s, 2000);
    assert_right(&s);
    dump_free(before);
    scene_free(&s);
}

static void a_journal_older_than_redis_is_refused_unless_told(void **state)
{
    struct scene s = scene_new("older", 3000);
    struct rebuilt said;

    (void)state;
    MEDDLE(&s, "HINCRBY", "turnout:offset:5", "offset", "1000");
    said = rebuild(s.stack, NULL);
    assert_int_equal(said.status, 78);
    buffer_free(&said.err);
    rebuild_well(s.stack, "--force");
    assert_right(&s);
    scene_publish(&s, 2000);
    assert_right(&s);
    scene_free(&s);
}

static void who_does_not_answer_is_told(void **state)
{
    struct scene s = scene_new("not there", 500);
    struct rebuilt said;

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
        cmocka_unit_test(keys_of_an_older_schema_are_made_new),
        cmocka_unit_test(workers_leave_keys_of_an_older_schema_alone),
        cmocka_unit_test(the_change_feed_tells_of_it),
        cmocka_unit_test(an_empty_journal_gives_an_empty_board),
        cmocka_unit_test(readers_see_the_old_board_or_the_new_one),
        cmocka_unit_test(under_a_load_of_everything_it_counts_right),
        cmocka_unit_test(a_redis_of_another_journal_is_refused_unless_told),
        cmocka_unit_test(a_journal_older_than_redis_is_refused_unless_told),
        cmocka_unit_test(who_does_not_answer_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
