/* The change feed's place, over a real Redis that goes and comes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

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

static void entry_add(const struct redis_server *r)
{
    redisContext *c = redisConnectUnix(r->socket);
    redisReply *reply = redisCommand(c, "XADD turnout:changes * moves w:2026");

    assert_non_null(reply);
    assert_int_equal(reply->type, REDIS_REPLY_STRING);
    freeReplyObject(reply);
    redisFree(c);
}

/* Redis comes back empty, and goes once more before the new place is known. */
static void who_could_not_begin_still_knows_that_something_was_missed(void **state)
{
    struct redis_server *r = redis_server_new(NULL, NULL);
    struct redis_options options = {
        .address = r->socket, .prefix = "turnout:", .timeout_ms = TIMEOUT_MS};
    struct change_feed *f = change_feed_new(&options);

    (void)state;
    entry_add(r);
    assert_int_equal(change_feed_begin(f, 1, ignore, NULL), 0);
    assert_true(change_feed_place(f).ms > 0);
    assert_int_equal(change_feed_whole(f), 1);
    redis_server_kill(r);
    assert_true(change_feed_begin(f, 1, ignore, NULL) < 0);
    assert_true(change_feed_place(f).ms > 0);
    redis_server_start(r);
    assert_int_equal(change_feed_whole(f), 0);
    assert_int_equal(change_feed_begin(f, 1, ignore, NULL), 0);
    assert_int_equal(change_feed_place(f).ms, 0);
    change_feed_free(f);
    redis_server_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_could_not_begin_still_knows_that_something_was_missed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
