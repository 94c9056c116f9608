/* What turnout never wrote, where it reads: somebody's hand in the store.  Whoever comes across it
 * says that it is corrupt, and counts nothing by it. */
#include "proto/error.h"
#include "tests/desk.h"
#include "tests/world.h"
#include "workers/audit/live.h"
#include "workers/view/watch_list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define NOW_MS 1772366400000
#define EVENTS 400

static struct buffer events;

/* Counted and derived. */
static struct desk *desk_filled(void)
{
    struct desk *d = desk_new(store_memory_new());

    desk_journal(d, buffer_slice(&events));
    desk_look(d, 0);
    while (!desk_done(d)) {
        int error = desk_apply(d, 0, (1u << DESK_PARTITIONS) - 1, 50);
        assert_int_equal(error, 0);
    }
    desk_derive(d, NOW_MS);
    return d;
}

struct hand {
    enum commit_verb verb;
    const char *key, *field, *value; /* of a sorted set the value is the score */
};

static void put(struct desk *d, const struct hand *h)
{
    struct commit c = {0};
    struct slice key = slice_of(h->key), field = slice_of(h->field);

    if (h->verb == COMMIT_HSET)
        commit_hset(&c, key, field, slice_of(h->value));
    else if (h->verb == COMMIT_ZADD)
        commit_zadd(&c, key, field, atoi(h->value));
    else
        commit_sadd(&c, key, field);
    assert_int_equal(store_commit(d->store, &c), 0);
    commit_free(&c);
}

static int derive_all(struct desk *d)
{
    int r = 1;

    for (int i = 0; i < 100 && r == 1; i++)
        r = desk_derive_step(d, 0, NOW_MS);
    return r;
}

static int read_watch(struct desk *d)
{
    struct watch_ask ask = {.now_ms = NOW_MS};
    struct watch_list list = {0};
    int error = watch_load(d->store, &ask, &list);

    watch_free(&list);
    return error;
}

static int count_watch(struct desk *d)
{
    size_t red, amber;

    return watch_count(d->store, &red, &amber);
}

static int read_live(struct desk *d)
{
    static struct live live;

    return live_read(d->store, DESK_PARTITIONS, slice_of("group:all:2026"), slice_of("members"),
                     &live);
}

static int read_schema(struct desk *d)
{
    int64_t schema;

    return store_schema(d->store, &schema);
}

typedef int (*act_fn)(struct desk *d);

static void assert_corrupt(act_fn act, const struct hand *hands, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct desk *d = desk_filled();
        int result = act(d);
        if (result != 0)
            fail_msg("%s %s: it said %d before", hands[i].key, hands[i].field, result);
        put(d, &hands[i]);
        result = act(d);
        if (result != ERR_CORRUPT)
            fail_msg("%s %s %s: it said %d", hands[i].key, hands[i].field,
                     hands[i].value ? hands[i].value : "", result);
        desk_free(d);
    }
}

#define CORRUPT(act, ...)                                                                          \
    assert_corrupt(act, (const struct hand[]){__VA_ARGS__},                                        \
                   sizeof((const struct hand[]){__VA_ARGS__}) / sizeof(struct hand))

static void marks_that_are_none_stop_deriving(void **state)
{
    (void)state;
    CORRUPT(derive_all, {COMMIT_SADD, "dirty", "nonsense", NULL},
            {COMMIT_SADD, "dirty", "what|ISO/TC 1", NULL},
            {COMMIT_SADD, "dirty", "seats|ISO/TC 1", NULL},
            {COMMIT_SADD, "dirty", "seats|ISO/TC 1|someday", NULL},
            {COMMIT_SADD, "dirty", "seat|ISO/TC 1", NULL},
            {COMMIT_SADD, "dirty", "seat|ISO/TC 1|KE", NULL});
}

static void a_watch_list_that_is_none_is_not_shown(void **state)
{
    (void)state;
    CORRUPT(read_watch, {COMMIT_ZADD, "watch", "nonsense", "2"},
            {COMMIT_ZADD, "watch", "ISO/TC 1|KE", "2"},
            {COMMIT_ZADD, "watch", "ISO/TC 1|KE|no-reason", "2"},
            {COMMIT_ZADD, "watch", "ISO/TC 1|KE|missed-ballot", "3"},
            {COMMIT_HSET, "derived", "rules", "few"}, {COMMIT_HSET, "derived", "day", "someday"});
    CORRUPT(count_watch, {COMMIT_ZADD, "watch", "ISO/TC 1|KE|missed-ballot", "0"});
}

static void a_place_or_a_schema_that_is_none_is_not_believed(void **state)
{
    (void)state;
    CORRUPT(read_live, {COMMIT_HSET, "offset:3", "offset", "-5"},
            {COMMIT_HSET, "offset:3", "offset", "many"}, {COMMIT_HSET, "offset:3", "log", "short"});
    CORRUPT(read_schema, {COMMIT_HSET, "meta", "schema", "newest"});
}

static void counts_and_facts_that_are_none_stop_whoever_needs_them(void **state)
{
    static const struct hand dirty = {COMMIT_SADD, "dirty", "members", NULL};
    static const struct hand hands[] = {{COMMIT_HSET, "facts", "KE", "several"},
                                        {COMMIT_HSET, "profiles:KE", "2020-01-01", "nonsense"},
                                        {COMMIT_HSET, "profiles:KE", "someday", "-"}};

    (void)state;
    for (size_t i = 0; i < sizeof hands / sizeof *hands; i++) {
        struct desk *d = desk_filled();
        put(d, &(struct hand){COMMIT_SADD, "members", "KE", NULL});
        put(d, &hands[i]);
        put(d, &dirty);
        if (derive_all(d) != ERR_CORRUPT)
            fail_msg("%s %s: deriving went on", hands[i].key, hands[i].field);
        desk_free(d);
    }
}

/* The first key of a family. */
struct find {
    const char *family;
    char key[256], field[128];
};

static void find_first(void *arg, enum fetch_kind kind, struct slice key, struct slice field,
                       struct slice value)
{
    struct find *f = arg;

    (void)kind;
    (void)value;
    if (f->key[0] || key.size < strlen(f->family) ||
        memcmp(key.at, f->family, strlen(f->family)) != 0)
        return;
    snprintf(f->key, sizeof f->key, "%.*s", (int)key.size, key.at);
    snprintf(f->field, sizeof f->field, "%.*s", (int)field.size, field.at);
}

/* All events once more, by a worker that remembers nothing: it reads every fact that there is. */
static void a_fact_that_is_none_stops_counting(void **state)
{
    static const char *const families[] = {
        "votes:", "attendance:", "seats:", "adoptions:", "profiles:", "index:"};

    (void)state;
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        struct desk *d = desk_filled();
        struct find f = {.family = families[i]};
        int error = 0;

        store_memory_visit(d->store, find_first, &f);
        assert_true(f.key[0]);
        put(d, &(struct hand){COMMIT_HSET, f.key, f.field, "nonsense"});
        desk_journal(d, buffer_slice(&events));
        desk_look(d, 1);
        for (int n = 0; n < 100 && error == 0 && !desk_done(d); n++)
            error = desk_apply(d, 1, (1u << DESK_PARTITIONS) - 1, 50);
        if (error != ERR_CORRUPT)
            fail_msg("%s %s: counting went on: %d", f.key, f.field, error);
        desk_free(d);
    }
}

static int setup(void **state)
{
    (void)state;
    world_events(11, EVENTS, &events);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buffer_free(&events);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(marks_that_are_none_stop_deriving),
        cmocka_unit_test(a_watch_list_that_is_none_is_not_shown),
        cmocka_unit_test(a_place_or_a_schema_that_is_none_is_not_believed),
        cmocka_unit_test(counts_and_facts_that_are_none_stop_whoever_needs_them),
        cmocka_unit_test(a_fact_that_is_none_stops_counting),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
