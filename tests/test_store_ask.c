/* Fetches that are asked for beforehand: the same is fetched, whatever comes in between. */
#include "tests/desk.h"
#include "tests/redis_dump.h"
#include "tests/redis_server.h"
#include "workers/store.h"

#include "proto/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define LIMIT_MS 2000

/* Rows as text: field=value; */
struct rows {
    char text[64];
};

static int note_row(void *context, void *record, struct slice field, struct slice value)
{
    struct rows *rows = record;
    size_t n = strlen(rows->text);

    (void)context;
    snprintf(rows->text + n, sizeof rows->text - n, "%.*s=%.*s;", (int)field.size, field.at,
             (int)value.size, value.at);
    return 0;
}

static struct store_fetch note(const char *key, struct rows *rows)
{
    return (struct store_fetch){
        .key = slice_of(key), .kind = FETCH_HASH, .row = note_row, .record = rows};
}

/* By another client. */
static void put(const struct redis_server *r, const char *a, const char *b, const char *c,
                const char *d)
{
    struct redis *client = redis_open(r->socket);
    const char *words[] = {a, b, c, d};

    assert_non_null(client);
    assert_int_not_equal(redis_command(client, d ? 4 : 3, words)->kind, '-');
    redis_close(client);
}

struct asked {
    struct redis_server *server;
    struct store *s;
    struct rows a, b;
    struct store_fetch one, two;
};

static struct asked asked_new(void)
{
    struct asked k = {.server = redis_server_new(NULL, NULL)};

    k.s = store_at(k.server->socket, STORE_PREFIX, LIMIT_MS);
    put(k.server, "HSET", "turnout:a", "x", "1");
    put(k.server, "HSET", "turnout:b", "y", "2");
    return k;
}

static void asked_free(struct asked *k)
{
    store_free(k->s);
    redis_server_free(k->server);
}

static void ask_both(struct asked *k)
{
    k->one = note("a", &k->a);
    k->two = note("b", &k->b);
    assert_int_equal(store_ask(k->s, &k->one, 1), 0);
    assert_int_equal(store_ask(k->s, &k->two, 1), 0);
}

static void fetch_both(struct asked *k)
{
    k->a = k->b = (struct rows){""};
    assert_int_equal(store_fetch(k->s, &k->one, 1, NULL), 0);
    assert_int_equal(store_fetch(k->s, &k->two, 1, NULL), 0);
    assert_string_equal(k->a.text, "x=1;");
    assert_string_equal(k->b.text, "y=2;");
}

static void what_was_asked_for_is_fetched_in_that_order(void **state)
{
    struct asked k = asked_new();

    (void)state;
    for (int i = 0; i < 3; i++) {
        ask_both(&k);
        fetch_both(&k);
    }
    ask_both(&k);
    assert_int_equal(store_fetch(k.s, &k.one, 1, NULL), 0);
    assert_int_equal(store_ask(k.s, &k.one, 1), 0); /* behind the second */
    assert_int_equal(store_fetch(k.s, &k.two, 1, NULL), 0);
    fetch_both(&k);
    asked_free(&k);
}

/* Redis has looked before the other client comes. */
static void what_was_asked_for_is_as_it_was_then(void **state)
{
    struct asked k = asked_new();

    (void)state;
    ask_both(&k);
    put(k.server, "HSET", "turnout:a", "x", "3");
    put(k.server, "HSET", "turnout:b", "y", "4");
    fetch_both(&k);
    k.a = (struct rows){""};
    assert_int_equal(store_fetch(k.s, &k.one, 1, NULL), 0);
    assert_string_equal(k.a.text, "x=3;");
    asked_free(&k);
}

/* Its replies would be taken for those that are outstanding, and its watch may be gone. */
static void a_commit_after_asking_is_never_tried(void **state)
{
    struct asked k = asked_new();
    struct arena arena = {0};
    struct commit c = {.arena = &arena};
    struct store_look look = {0};

    (void)state;
    commit_hset(&c, slice_of("a"), slice_of("x"), slice_of("7"));
    assert_int_equal(store_begin(k.s, &look), 0);
    ask_both(&k);
    assert_int_equal(store_commit(k.s, &c), ERR_LOST);
    assert_int_equal(store_begin(k.s, &look), 0);
    ask_both(&k);
    assert_int_equal(store_fetch(k.s, &k.two, 1, NULL), 0); /* over another connection */
    assert_int_equal(store_commit(k.s, &c), ERR_LOST);
    fetch_both(&k);
    commit_free(&c);
    arena_free(&arena);
    asked_free(&k);
}

static void what_was_asked_for_and_lost_is_fetched_all_the_same(void **state)
{
    struct asked k = asked_new();
    struct applied a;

    (void)state;
    ask_both(&k);
    assert_int_equal(store_applied(k.s, 1, &a), 0); /* another call */
    fetch_both(&k);
    ask_both(&k);
    assert_int_equal(store_fetch(k.s, &k.two, 1, NULL), 0); /* another order */
    fetch_both(&k);
    ask_both(&k);
    store_drop(k.s);
    assert_int_equal(store_ask(k.s, &k.two, 1), 0); /* what is fetched first is lost */
    fetch_both(&k);
    asked_free(&k);
}

/* The second's replies are on their way when the first one fails. */
static void of_two_asked_for_one_that_is_corrupt_spoils_only_itself(void **state)
{
    struct asked k = asked_new();

    (void)state;
    put(k.server, "SET", "turnout:wrong", "1", NULL);
    ask_both(&k);
    assert_int_equal(store_fetch(k.s, &k.one, 1, NULL), 0);
    k.one = note("wrong", &k.a);
    assert_int_equal(store_ask(k.s, &k.one, 1), 0);
    assert_int_equal(store_fetch(k.s, &k.two, 1, NULL), 0);
    assert_int_equal(store_ask(k.s, &k.two, 1), 0);
    assert_int_equal(store_fetch(k.s, &k.one, 1, NULL), ERR_CORRUPT);
    k.one = note("a", &k.a);
    assert_int_equal(store_ask(k.s, &k.one, 1), 0);
    k.b = (struct rows){""};
    assert_int_equal(store_fetch(k.s, &k.two, 1, NULL), 0);
    assert_string_equal(k.b.text, "y=2;");
    asked_free(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_asked_for_is_fetched_in_that_order),
        cmocka_unit_test(what_was_asked_for_is_as_it_was_then),
        cmocka_unit_test(a_commit_after_asking_is_never_tried),
        cmocka_unit_test(what_was_asked_for_and_lost_is_fetched_all_the_same),
        cmocka_unit_test(of_two_asked_for_one_that_is_corrupt_spoils_only_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
