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

#define NO_SNAPSHOT                                                                                \
    "takes no writes unless stop-writes-on-bgsave-error is off: its last snapshot could not be "   \
    "written"

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
        const char *info, *fault;
    } cases[] = {
        {"", ""},
        {"used_memory:12\r\nmaxmemory:0\r\n", ""},
        {"used_memory:12\r\nmaxmemory:12\r\n", ""},
        {"used_memory:13\r\nmaxmemory:12\r\n",
         "takes no writes: 13 bytes of memory of 12 (maxmemory) are used"},
        {"used_memory:13\r\nmaxmemory:12\r\nmem_not_counted_for_evict:1\r\n", ""},
        {"used_memory:x\r\nmaxmemory:12\r\n", ""},
        {"rdb_last_bgsave_status:ok\r\naof_last_write_status:ok\r\n", ""},
        {"rdb_last_bgsave_status:err\r\naof_last_write_status:ok\r\n", NO_SNAPSHOT},
        {"aof_enabled:0\r\naof_last_write_status:err\r\n", ""},
        {"aof_enabled:1\r\naof_last_write_status:ok\r\n", ""},
        {"rdb_last_bgsave_status:err\r\naof_enabled:1\r\naof_last_write_status:err\r\n",
         "takes no writes: its append-only file could not be written"},
    };
    char fault[STORE_FAULT], little[8];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        redis_info_fault(slice_of(cases[i].info), fault, sizeof fault);
        assert_string_equal(fault, cases[i].fault);
    }
    redis_info_fault(slice_of("rdb_last_bgsave_status:err\r\n"), little, sizeof little);
    assert_string_equal(little, "takes n");
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

static void a_redis_whose_snapshot_failed_says_so(void **state)
{
    struct redis_server *server = redis_server_new("--enable-protected-configs", "yes");
    struct store *s = store_at(server->socket, STORE_PREFIX, LIMIT_MS);
    struct timespec pause = {0, 5000000};
    char fault[STORE_FAULT] = "x";

    (void)state;
    assert_int_equal(store_fault(s, fault), 0);
    assert_string_equal(fault, "");
    let_snapshot_fail(server);
    for (int i = 0; i < PATIENCE && !*fault; i++) {
        assert_int_equal(store_fault(s, fault), 0);
        nanosleep(&pause, NULL);
    }
    assert_string_equal(fault, NO_SNAPSHOT);
    redis_server_kill(server);
    assert_int_equal(store_fault(s, fault), ERR_LOST);
    assert_string_equal(fault, "");
    store_free(s);
    redis_server_free(server);
}

static void a_store_in_memory_has_no_faults(void **state)
{
    struct store *s = store_memory_new();
    char fault[STORE_FAULT] = "x";

    (void)state;
    assert_int_equal(store_fault(s, fault), 0);
    assert_string_equal(fault, "");
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
    assert_status(s, "\"fault\":null", "redis.sock: answers\nworker ");
    redis = redis_open(stack_path(s, "redis.sock"));
    redis_do(redis, "CONFIG", "SET", "maxmemory", "1000");
    assert_status(
        s, "\"fault\":\"takes no writes: ", "redis.sock: answers\n          takes no writes: ");
    redis_do(redis, "CONFIG", "SET", "maxmemory", "0");
    assert_status(s, "\"fault\":null", "redis.sock: answers\nworker ");
    redis_close(redis);
    stack_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_ends_with_its_line),
        cmocka_unit_test(what_keeps_redis_from_writing_is_told),
        cmocka_unit_test(a_redis_whose_snapshot_failed_says_so),
        cmocka_unit_test(a_store_in_memory_has_no_faults),
        cmocka_unit_test(the_status_tells_why_redis_takes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
