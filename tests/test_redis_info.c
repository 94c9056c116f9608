/* What Redis tells of itself, and what of it is told to an operator. */
#include "proto/error.h"
#include "tests/redis_dump.h"
#include "tests/redis_server.h"
#include "tests/stack.h"
#include "workers/redis_info.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define LIMIT_MS 2000
#define PATIENCE 1000 /* looks, 5 ms apart */
#define MIB      ((size_t)1 << 20)

#define NO_SNAPSHOT                                                                                \
    "may take no writes (with save points and stop-writes-on-bgsave-error): its last snapshot "    \
    "could not be written"
#define NO_LOG                                                                                     \
    "takes no writes: its append-only file could not be written; if its disk has room and this "   \
    "stays, start it again"

static const struct slice no_input;

#define RUN(s, ...) stack_run(s, no_input, (const char *const[]){__VA_ARGS__, NULL})

static void a_value_ends_with_its_line(void **state)
{
    struct slice info =
        slice_of("# Memory\r\nused_memory:12\r\nmaxmemory:\r\nmaxmemory_policy:no\nx:1");

    (void)state;
    assert_true(slice_is(redis_info_value(info, "used_memory"), "12"));
    assert_true(slice_is(redis_info_value(info, "maxmemory_policy"), "no"));
    assert_non_null(redis_info_value(info, "maxmemory").at);
    assert_int_equal(redis_info_value(info, "maxmemory").size, 0);
    assert_null(redis_info_value(info, "memory").at);
    assert_null(redis_info_value(info, "# Memory").at);
    assert_null(redis_info_value(info, "x").at); /* cut off */
    assert_null(redis_info_value(slice_of(""), "used_memory").at);
}

static void what_keeps_redis_from_writing_is_told(void **state)
{
    static const struct {
        const char *info;
        struct hindrance h;
    } cases[] = {
        {"", {0}},
        {"used_memory:12\r\nmaxmemory:0\r\n", {0}},
        {"used_memory:12\r\nmaxmemory:16\r\n", {0}},
        {"used_memory:16\r\nmaxmemory:16\r\n",
         {false, "may take no writes: 16 bytes of memory of 16 (maxmemory) are used"}},
        {"used_memory:17\r\nmaxmemory:16\r\n",
         {true, "takes no writes: 17 bytes of memory of 16 (maxmemory) are used"}},
        {"used_memory:17\r\nmaxmemory:16\r\nmem_not_counted_for_evict:5\r\n", {0}},
        {"used_memory:x\r\nmaxmemory:16\r\n", {0}},
        {"rdb_last_bgsave_status:ok\r\naof_last_write_status:ok\r\n", {0}},
        {"rdb_last_bgsave_status:err\r\naof_last_write_status:ok\r\n", {false, NO_SNAPSHOT}},
        {"aof_enabled:0\r\naof_last_write_status:err\r\n", {0}},
        {"aof_enabled:1\r\naof_last_write_status:ok\r\n", {0}},
        {"rdb_last_bgsave_status:err\r\naof_enabled:1\r\naof_last_write_status:err\r\n",
         {true, NO_LOG}},
        {"used_memory:16\r\nmaxmemory:16\r\naof_enabled:1\r\naof_last_write_status:err\r\n",
         {true, NO_LOG}},
    };
    struct hindrance h;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        redis_info_hindrance(slice_of(cases[i].info), &h);
        assert_string_equal(h.says, cases[i].h.says);
        assert_int_equal(h.sure, cases[i].h.sure);
    }
}

/* ---- Redis ---- */
static void config_set(struct redis_server *server, const char *name, const char *value)
{
    struct redis *redis = redis_open(server->socket);

    assert_int_equal(redis_do(redis, "CONFIG", "SET", name, value)->kind, '+');
    redis_close(redis);
}

/* In a folder that is there no more. */
static void let_snapshot_fail(struct redis_server *server)
{
    struct redis *redis = redis_open(server->socket);
    char gone[128];

    snprintf(gone, sizeof gone, "%s/gone", server->dir);
    assert_int_equal(mkdir(gone, 0700), 0);
    assert_int_equal(redis_do(redis, "CONFIG", "SET", "dir", gone)->kind, '+');
    assert_int_equal(rmdir(gone), 0);
    assert_int_equal(redis_do(redis, "BGSAVE")->kind, '+');
    redis_close(redis);
}

/* A commit of one field of so many bytes: not the same as the last one. */
static int commit_bytes(struct store *s, size_t size)
{
    unsigned place = 0;
    struct applied applied;
    struct store_look look = {.places = &place, .watched = 1, .count = 1, .ret_applied = &applied};
    struct commit c = {0};
    char *value = memory_need(size), field[16];
    static unsigned fields;
    int error = store_begin(s, &look);

    memset(value, 'x', size);
    snprintf(field, sizeof field, "%u", ++fields);
    commit_hset(&c, slice_of("profile:KE"), slice_of(field), slice_make(value, size));
    if (error == 0)
        error = store_commit(s, &c);
    commit_free(&c);
    free(value);
    return error;
}

static void assert_hindered(struct store *s, bool sure, const char *says)
{
    struct hindrance h;

    assert_int_equal(store_hindrance(s, &h), 0);
    assert_int_equal(h.sure, sure);
    if (*says)
        assert_non_null(strstr(h.says, says));
    else
        assert_string_equal(h.says, "");
}

static void a_redis_whose_snapshot_failed_says_so(void **state)
{
    struct redis_server *server = redis_server_new("--enable-protected-configs", "yes");
    struct store *s = store_at(server->socket, STORE_PREFIX, LIMIT_MS);
    struct timespec pause = {0, 5000000};
    struct hindrance h = {0};

    (void)state;
    assert_hindered(s, false, "");
    let_snapshot_fail(server);
    for (int i = 0; i < PATIENCE && !*h.says; i++) {
        assert_int_equal(store_hindrance(s, &h), 0);
        nanosleep(&pause, NULL);
    }
    assert_hindered(s, false, NO_SNAPSHOT);
    assert_int_equal(commit_bytes(s, 1), 0); /* it has no save points */
    config_set(server, "save", "3600 1");
    assert_hindered(s, false, NO_SNAPSHOT);
    assert_int_equal(commit_bytes(s, 1), ERR_AGAIN);
    redis_server_kill(server);
    assert_int_equal(store_hindrance(s, &h), ERR_LOST);
    assert_string_equal(h.says, "");
    store_free(s);
    redis_server_free(server);
}

/* Redis refuses a commit that does not fit; what it would have taken is free again. */
static void a_redis_with_little_memory_left_says_so(void **state)
{
    struct redis_server *server = redis_server_new(NULL, NULL);
    struct store *s = store_at(server->socket, STORE_PREFIX, LIMIT_MS);
    struct hindrance h = {0};

    (void)state;
    config_set(server, "maxmemory", "32mb");
    assert_hindered(s, false, "");
    for (int i = 0; i < 32 && !*h.says; i++) {
        assert_int_equal(commit_bytes(s, MIB), 0);
        store_drop(s); /* and with it what Redis keeps for the connection */
        assert_int_equal(store_hindrance(s, &h), 0);
    }
    assert_hindered(s, false, "may take no writes: ");
    assert_int_equal(commit_bytes(s, 16 * MIB), ERR_AGAIN);
    assert_hindered(s, false, "may take no writes: ");
    config_set(server, "maxmemory", "16mb");
    assert_hindered(s, true, "takes no writes: ");
    config_set(server, "maxmemory", "0");
    assert_hindered(s, false, "");
    assert_int_equal(commit_bytes(s, 16 * MIB), 0);
    store_free(s);
    redis_server_free(server);
}

static void nothing_is_in_the_way_of_a_store_in_memory(void **state)
{
    struct store *s = store_memory_new();

    (void)state;
    assert_hindered(s, false, "");
    store_free(s);
}

static void assert_status(struct stack *s, const char *json, const char *table)
{
    struct run r = RUN(s, "turnout", "status", "--json");

    assert_int_equal(r.status, 0);
    assert_non_null(strstr(r.out.at, json));
    run_free(&r);
    r = RUN(s, "turnout", "status");
    assert_int_equal(r.status, 0);
    assert_non_null(strstr(r.out.at, table));
    run_free(&r);
}

static void the_status_tells_why_redis_takes_nothing(void **state)
{
    struct stack *s = stack_new(1);
    struct redis *redis;

    (void)state;
    stack_start(s);
    assert_status(s, "\"hindrance\":null", "redis.sock: answers\nworker ");
    redis = redis_open(stack_path(s, "redis.sock"));
    redis_do(redis, "CONFIG", "SET", "maxmemory", "1000");
    assert_status(
        s, "\"hindrance\":\"takes no writes: ", "redis.sock: answers\n          takes no writes: ");
    redis_do(redis, "CONFIG", "SET", "maxmemory", "0");
    assert_status(s, "\"hindrance\":null", "redis.sock: answers\nworker ");
    redis_close(redis);
    stack_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_ends_with_its_line),
        cmocka_unit_test(what_keeps_redis_from_writing_is_told),
        cmocka_unit_test(a_redis_whose_snapshot_failed_says_so),
        cmocka_unit_test(a_redis_with_little_memory_left_says_so),
        cmocka_unit_test(nothing_is_in_the_way_of_a_store_in_memory),
        cmocka_unit_test(the_status_tells_why_redis_takes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
