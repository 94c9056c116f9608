/* Answers of another shape than was asked for, as from something at Redis' address that is not
 * Redis, or not the one we know: each is told by its code, and never taken for a value. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "proto/error.h"
#include "proto/file.h"
#include "tests/redis_dump.h"
#include "tests/redis_server.h"
#include "tests/tap.h"
#include "workers/change_feed.h"

#define LIMIT_MS 5000

static struct redis_server *server;
static struct tap *tap;
static char address[160];
static unsigned told; /* fields of the feed, or rows */

static int setup(void **state)
{
    struct redis *r;

    (void)state;
    server = redis_server_new(NULL, NULL);
    snprintf(address, sizeof address, "%s/tap", server->dir);
    tap = tap_new(address, server->socket);
    r = redis_open(server->socket);
    assert_int_equal(redis_do(r, "XADD", "turnout:changes", "5-1", "members", "KE")->kind, '$');
    assert_int_equal(redis_do(r, "XADD", "turnout:changes", "6-1", "members", "FR")->kind, '$');
    redis_close(r);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tap_free(tap);
    redis_server_free(server);
    return 0;
}

/* ---- the change feed ---- */

/* The entry of the place, as Redis shows it first. */
#define PLACE "*2\r\n$3\r\n6-1\r\n*2\r\n$7\r\nmembers\r\n$2\r\nFR\r\n"

static void note_change(void *arg, struct change_id id, struct slice field, struct slice value)
{
    (void)arg;
    (void)id;
    (void)field;
    (void)value;
    told++;
}

static struct change_feed *feed_new(const char *password_file)
{
    struct redis_options o = {.address = address,
                              .prefix = STORE_PREFIX,
                              .password_file = password_file,
                              .timeout_ms = LIMIT_MS};

    return change_feed_new(&o);
}

static int begin(struct change_feed *f)
{
    return change_feed_begin(f, 10, note_change, NULL);
}

static int next(struct change_feed *f)
{
    return change_feed_next(f, 0, 10, note_change, NULL);
}

/* From now on this is all that is answered; at NULL, nothing is. */
static void answer(const char *says)
{
    tap_fail(tap, 1, says);
}

static void the_feed_goes_on_where_it_was(struct change_feed *f)
{
    tap_fail(tap, 0, NULL);
    told = 0;
    assert_int_equal(next(f), 0);
    assert_int_equal(change_feed_place(f).ms, 6);
    assert_int_equal(told, 0);
}

static void what_is_no_entry_of_the_feed_is_corrupt(void **state)
{
    static const char *const entries[] = {
        "$1\r\na\r\n",
        ":1\r\n",
        "*2\r\n" PLACE ":1\r\n",
        "*2\r\n" PLACE "*1\r\n$3\r\n7-1\r\n",
        "*2\r\n" PLACE "*2\r\n$3\r\nnow\r\n*0\r\n",
        "*2\r\n" PLACE "*2\r\n$3\r\n7-1\r\n:1\r\n",
        "*2\r\n" PLACE "*2\r\n$3\r\n7-1\r\n*1\r\n$1\r\na\r\n",
        "*2\r\n" PLACE "*2\r\n$3\r\n7-1\r\n*2\r\n$1\r\na\r\n:1\r\n",
    };
    struct change_feed *f = feed_new(NULL);

    (void)state;
    assert_int_equal(begin(f), 0);
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
        the_feed_goes_on_where_it_was(f);
        answer(entries[i]);
        assert_int_equal(next(f), ERR_CORRUPT);
    }
    the_feed_goes_on_where_it_was(f);
    change_feed_free(f);
    change_feed_free(NULL);
}

/* Whoever begins anew must know that there may be something he has missed. */
static void a_feed_without_its_place_is_not_whole(void **state)
{
    static const char *const places[] = {"*0\r\n", "*1\r\n:1\r\n",
                                         "*1\r\n*2\r\n$3\r\n7-1\r\n*0\r\n"};
    struct change_feed *f = feed_new(NULL);
    struct redis *r = redis_open(server->socket);

    (void)state;
    assert_int_equal(begin(f), 0);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        answer(places[i]);
        assert_int_equal(next(f), ERR_CONFLICT);
        the_feed_goes_on_where_it_was(f);
    }
    assert_int_equal(redis_do(r, "XADD", "turnout:changes", "7-1", "members", "BR")->kind, '$');
    assert_int_equal(redis_do(r, "XTRIM", "turnout:changes", "MAXLEN", "1")->number, 2);
    assert_int_equal(next(f), ERR_CONFLICT);
    assert_int_equal(redis_do(r, "DEL", "turnout:changes")->number, 1);
    assert_int_equal(next(f), ERR_CONFLICT);
    redis_close(r);
    change_feed_free(f);
}

static void a_feed_that_is_cut_off_says_so(void **state)
{
    struct change_feed *f = feed_new(NULL);

    (void)state;
    answer(NULL);
    assert_int_equal(begin(f), ERR_LOST);
    assert_int_equal(next(f), ERR_LOST);
    tap_fail(tap, 2, NULL); /* connected, and then */
    assert_int_equal(begin(f), ERR_LOST);
    tap_fail(tap, 2, NULL);
    assert_int_equal(next(f), ERR_LOST);
    tap_fail(tap, 0, NULL);
    assert_int_equal(begin(f), 0);
    the_feed_goes_on_where_it_was(f);
    change_feed_free(f);
}

/* ---- the connection ---- */
static void what_redis_says_of_its_memory_is_looked_at(void **state)
{
    static const struct {
        const char *info;
        int code;
    } infos[] = {
        {":1\r\n", ERR_CORRUPT},
        /* without a policy, or without a limit: it does not evict; and then the feed is no string
         */
        {"$5\r\nhello\r\n", ERR_CORRUPT},
        {"$43\r\nmaxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\n\r\n", ERR_CORRUPT},
        {"$41\r\nmaxmemory:9\nmaxmemory_policy:allkeys-lru\n\r\n", ERR_CONFIG},
        {"$43\r\nmaxmemory:9\r\nmaxmemory_policy:allkeys-lru\r\n\r\n", ERR_CONFIG},
    };

    (void)state;
    for (size_t i = 0; i < sizeof infos / sizeof *infos; i++) {
        struct change_feed *f = feed_new(NULL);
        answer(infos[i].info);
        assert_int_equal(begin(f), infos[i].code);
        change_feed_free(f);
    }
}

/* A command that the access list forbids is a matter of setting up, however often it is tried. */
static void what_is_forbidden_is_told_each_time(void **state)
{
    struct change_feed *f = feed_new(NULL);

    (void)state;
    assert_int_equal(begin(f), 0);
    for (int i = 0; i < 3; i++) {
        tap_fail(tap, i == 0 ? 1 : 2, "-NOPERM this user has no permissions\r\n");
        assert_int_equal(next(f), ERR_CONFIG);
    }
    tap_fail(tap, 1, "-NOPERM this user has no permissions\r\n");
    assert_int_equal(begin(f), ERR_CONFIG); /* of INFO */
    tap_fail(tap, 0, NULL);
    assert_int_equal(begin(f), 0);
    the_feed_goes_on_where_it_was(f);
    change_feed_free(f);
}

static void a_login_that_comes_to_nothing_is_told(void **state)
{
    static const struct {
        const char *says;
        int code;
    } answers[] = {
        {NULL, ERR_LOST},
        {"-LOADING Redis is loading the dataset in memory\r\n", ERR_AGAIN},
        {"-ERR max number of clients reached\r\n", ERR_AGAIN},
        {"-WRONGPASS invalid username-password pair\r\n", ERR_CONFIG},
        {"+OK\r\n", ERR_CORRUPT}, /* and of INFO, too */
    };
    char path[200];

    (void)state;
    snprintf(path, sizeof path, "%s/password", server->dir);
    assert_int_equal(file_write(path, slice_of("secret\n"), 0600, true), 0);
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct change_feed *f = feed_new(path);
        for (int again = 0; again < 2; again++) {
            answer(answers[i].says);
            assert_int_equal(begin(f), answers[i].code);
        }
        change_feed_free(f);
    }
    unlink(path);
}

/* ---- fetches ---- */
static int note_row(void *context, void *record, struct slice field, struct slice value)
{
    (void)context;
    (void)record;
    (void)field;
    (void)value;
    told++;
    return 0;
}

static void a_fetch_takes_nothing_of_another_shape(void **state)
{
    static const struct slice fields[] = {{"a", 1}, {"b", 1}};
    static const struct {
        enum fetch_kind kind;
        bool named; /* two fields of a hash */
        const char *says;
    } answers[] = {
        {FETCH_HASH, false, ":1\r\n"},
        {FETCH_HASH, false, "*1\r\n$1\r\na\r\n"},
        {FETCH_HASH, false, "*2\r\n$1\r\na\r\n:1\r\n"},
        {FETCH_HASH, true, ":1\r\n"},
        {FETCH_HASH, true, "*1\r\n$1\r\na\r\n"},
        {FETCH_HASH, true, "*2\r\n$1\r\na\r\n:1\r\n"},
        {FETCH_SET, false, "*1\r\n:1\r\n"},
        {FETCH_ZSET, false, "*1\r\n$1\r\na\r\n"},
        {FETCH_STREAM, false, ":1\r\n"},
        {FETCH_STREAM, false, "*1\r\n:1\r\n"},
        {FETCH_STREAM, false, "*1\r\n*1\r\n$3\r\n7-1\r\n"},
        {FETCH_STREAM, false, "*1\r\n*2\r\n:7\r\n*0\r\n"},
        {FETCH_STREAM, false, "*1\r\n*2\r\n$3\r\n7-1\r\n:1\r\n"},
        {FETCH_STREAM, false, "*1\r\n*2\r\n$3\r\n7-1\r\n*1\r\n$1\r\na\r\n"},
        {FETCH_STREAM, false, "*1\r\n*2\r\n$3\r\n7-1\r\n*2\r\n$1\r\na\r\n:1\r\n"},
    };
    static const struct store_look connect = {0};
    struct store *s = store_at(address, STORE_PREFIX, LIMIT_MS);

    (void)state;
    told = 0;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct store_fetch f = {.key = slice_of("k"),
                                .kind = answers[i].kind,
                                .fields = answers[i].named ? fields : NULL,
                                .field_count = answers[i].named ? 2 : 0,
                                .row = note_row};
        tap_fail(tap, 0, NULL);
        assert_int_equal(store_begin(s, &connect), 0);
        answer(answers[i].says);
        if (store_fetch(s, &f, 1, NULL) != ERR_CORRUPT)
            fail_msg("taken for an answer: %s", answers[i].says);
    }
    assert_int_equal(told, 0);
    store_free(s);
}

static void a_place_of_another_shape_is_corrupt(void **state)
{
    static const char *const places[] = {
        "+OK\r\n:1\r\n",
        "+OK\r\n*5\r\n$1\r\na\r\n$-1\r\n$-1\r\n$-1\r\n:5\r\n",  /* a number as such */
        "+OK\r\n*5\r\n$1\r\na\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n", /* no journal's name */
        "+OK\r\n*5\r\n$-1\r\n$1\r\n5\r\n$-1\r\n$-1\r\n$-1\r\n", /* none, but a place */
    };
    static const struct store_look connect = {0};
    struct store *s = store_at(address, STORE_PREFIX, LIMIT_MS);
    struct applied at;

    (void)state;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        tap_fail(tap, 0, NULL);
        assert_int_equal(store_begin(s, &connect), 0);
        answer(places[i]);
        assert_int_equal(store_applied(s, 1, &at), ERR_CORRUPT);
        assert_false(at.known);
    }
    store_free(s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_no_entry_of_the_feed_is_corrupt),
        TEST(a_feed_without_its_place_is_not_whole),
        TEST(a_feed_that_is_cut_off_says_so),
        TEST(what_redis_says_of_its_memory_is_looked_at),
        TEST(what_is_forbidden_is_told_each_time),
        TEST(a_login_that_comes_to_nothing_is_told),
        TEST(a_fetch_takes_nothing_of_another_shape),
        TEST(a_place_of_another_shape_is_corrupt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
