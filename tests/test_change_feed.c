/* The change feed's place, over a real Redis that goes and comes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "proto/error.h"
#include "tests/redis_server.h"
#include "workers/change_feed.h"
#include "workers/redis_link.h"

#define TIMEOUT_MS 5000

static void ignore(void *arg, struct change_id id, struct slice field, struct slice value)
{
    (void)arg;
    (void)id;
    (void)field;
    (void)value;
}

static void redis_say(const struct redis_server *r, const char *command)
{
    redisContext *c = redisConnectUnix(r->socket);
    redisReply *reply = redisCommand(c, command);

    assert_non_null(reply);
    assert_int_not_equal(reply->type, REDIS_REPLY_ERROR);
    freeReplyObject(reply);
    redisFree(c);
}

static void entry_add(const struct redis_server *r)
{
    redis_say(r, "XADD turnout:changes * moves w:2026");
}

static struct redis_options of(const struct redis_server *r)
{
    return (struct redis_options){
        .address = r->socket, .prefix = "turnout:", .timeout_ms = TIMEOUT_MS};
}

static void count(void *arg, struct change_id id, struct slice field, struct slice value)
{
    (void)id;
    (void)field;
    (void)value;
    ++*(int *)arg;
}

static void each_entry_is_told_once(void **state)
{
    struct redis_server *r = redis_server_new(NULL, NULL);
    struct redis_options options = of(r);
    struct change_feed *f = change_feed_new(&options);
    int told = 0;

    (void)state;
    assert_int_equal(change_feed_begin(f, 1, count, &told), 0);
    assert_int_equal(change_feed_next(f, 0, 10, count, &told), 0);
    for (int i = 0; i < 3; i++)
        entry_add(r);
    assert_int_equal(change_feed_next(f, 0, 2, count, &told), 2); /* from the beginning on */
    assert_int_equal(change_feed_next(f, TIMEOUT_MS / 2, 2, count, &told), 1);
    assert_int_equal(change_feed_next(f, 10, 2, count, &told), 0);
    entry_add(r);
    assert_int_equal(change_feed_next(f, TIMEOUT_MS / 2, 2, count, &told), 1);
    assert_int_equal(told, 4);
    change_feed_free(f);
    redis_server_free(r);
}

/* Trimmed while nobody looked, on a connection that never went: a machine that slept. */
static void what_was_trimmed_unread_is_noticed(void **state)
{
    struct redis_server *r = redis_server_new(NULL, NULL);
    struct redis_options options = of(r);
    struct change_feed *f = change_feed_new(&options);

    (void)state;
    entry_add(r);
    assert_int_equal(change_feed_begin(f, 1, ignore, NULL), 0);
    entry_add(r);
    redis_say(r, "XTRIM turnout:changes MAXLEN 0");
    for (int i = 0; i < 2; i++) { /* and is not forgotten */
        assert_int_equal(change_feed_next(f, 10, 10, ignore, NULL), ERR_CONFLICT);
        entry_add(r);
        assert_int_equal(change_feed_next(f, TIMEOUT_MS / 2, 10, ignore, NULL), ERR_CONFLICT);
    }
    assert_int_equal(change_feed_begin(f, 1, ignore, NULL), 0);
    assert_int_equal(change_feed_next(f, 10, 10, ignore, NULL), 0);
    change_feed_free(f);
    redis_server_free(r);
}

/* Redis comes back empty, and goes once more before the new place is known. */
static void who_could_not_begin_still_knows_that_something_was_missed(void **state)
{
    struct redis_server *r = redis_server_new(NULL, NULL);
    struct redis_options options = of(r);
    struct change_feed *f = change_feed_new(&options);

    (void)state;
    entry_add(r);
    assert_int_equal(change_feed_begin(f, 1, ignore, NULL), 0);
    assert_true(change_feed_place(f).ms > 0);
    assert_int_equal(change_feed_next(f, 0, 10, ignore, NULL), 0);
    redis_server_kill(r);
    assert_true(change_feed_begin(f, 1, ignore, NULL) < 0);
    assert_true(change_feed_place(f).ms > 0);
    redis_server_start(r);
    assert_int_equal(change_feed_next(f, 10, 10, ignore, NULL), ERR_CONFLICT);
    assert_int_equal(change_feed_begin(f, 1, ignore, NULL), 0);
    assert_int_equal(change_feed_place(f).ms, 0);
    change_feed_free(f);
    redis_server_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_entry_is_told_once),
        cmocka_unit_test(what_was_trimmed_unread_is_noticed),
        cmocka_unit_test(who_could_not_begin_still_knows_that_something_was_missed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
