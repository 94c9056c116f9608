/* Comparing two stores and mending one: every kind of difference, in stores in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <malloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "proto/arena.h"
#include "proto/error.h"
#include "workers/audit/compare.h"
#include "workers/audit/mend.h"

/* ---- two stores ---- */
struct pair {
    struct store *expected, *found;
    struct compare *compare;
    struct arena arena;
};

static struct pair pair_new(void)
{
    struct pair p = {.expected = store_memory_new(), .found = store_memory_new()};

    p.compare = compare_new(p.expected, p.found);
    return p;
}

static void pair_free(struct pair *p)
{
    compare_free(p->compare);
    store_free(p->expected);
    store_free(p->found);
    arena_free(&p->arena);
}

static void put(struct store *s, const char *key, const char *field, const char *value)
{
    struct commit c = {0};

    commit_hset(&c, slice_of(key), slice_of(field), slice_of(value));
    assert_int_equal(store_commit(s, &c), 0);
    commit_free(&c);
}

static void put_both(struct pair *p, const char *key, const char *field, const char *value)
{
    put(p->expected, key, field, value);
    put(p->found, key, field, value);
}

static void name(struct store *s, const char *set, const char *member)
{
    struct commit c = {0};

    commit_sadd(&c, slice_of(set), slice_of(member));
    assert_int_equal(store_commit(s, &c), 0);
    commit_free(&c);
}

static void score(struct store *s, const char *set, const char *member, int64_t n)
{
    struct commit c = {0};

    commit_zadd(&c, slice_of(set), slice_of(member), n);
    assert_int_equal(store_commit(s, &c), 0);
    commit_free(&c);
}

/* All differences as lines "key field expected found". */
static const char *differences(struct pair *p)
{
    static struct buffer text;
    const struct difference **list;
    size_t count = compare_differences(p->compare, &list);

    buffer_clear(&text);
    for (size_t i = 0; i < count; i++) {
        const struct slice words[] = {list[i]->key, list[i]->field, list[i]->expected,
                                      list[i]->found};
        for (size_t w = 0; w < 4; w++) {
            buffer_add_slice(&text, words[w].at ? words[w] : slice_of("-"));
            buffer_add_text(&text, w < 3 ? " " : "\n");
        }
    }
    buffer_add(&text, "", 1);
    free(list);
    return text.at;
}

static const char *compare_both(struct pair *p)
{
    assert_int_equal(compare_keys(p->compare), 0);
    assert_int_equal(compare_all(p->compare, NULL), 0);
    return differences(p);
}

/* ---- what differs ---- */
static void equal_stores_do_not_differ(void **state)
{
    struct pair p = pair_new();
    uint64_t keys, fields;

    (void)state;
    put_both(&p, "member:KE:2026", "technical.votes", "3");
    put_both(&p, "member:KE:2026", "technical.votes.approve", "3");
    put_both(&p, "votes:C|B", "KE", "approve 1 0 id=v1");
    assert_string_equal(compare_both(&p), "");
    compare_counts(p.compare, &keys, &fields);
    assert_int_equal(keys, 2);
    assert_int_equal(fields, 3);
    pair_free(&p);
}

static void values_fields_and_keys_may_differ(void **state)
{
    struct pair p = pair_new();

    (void)state;
    put(p.expected, "member:KE:2026", "technical.votes", "3");
    put(p.found, "member:KE:2026", "technical.votes", "4");
    put(p.expected, "member:KE:2026", "b", "1");
    put(p.found, "member:KE:2026", "a", "2");
    put(p.expected, "seat:C|KE:2026", "x", "1");
    put(p.found, "group:all:2026", "members", "7");
    score(p.expected, "watch", "C|KE|missed-share", 2);
    score(p.found, "watch", "C|KE|missed-share", 1);
    score(p.found, "ballots:open", "C|B", 86400);
    assert_string_equal(compare_both(&p), "ballots:open C|B - 86400\n"
                                          "group:all:2026 members - 7\n"
                                          "member:KE:2026 a - 2\n"
                                          "member:KE:2026 b 1 -\n"
                                          "member:KE:2026 technical.votes 3 4\n"
                                          "seat:C|KE:2026 x 1 -\n"
                                          "watch C|KE|missed-share 2 1\n");
    pair_free(&p);
}

static void what_tells_of_the_way_is_not_compared(void **state)
{
    struct pair p = pair_new();

    (void)state;
    put(p.found, "derived", "day", "2026-01-01");
    put(p.found, "meta", "version", "0.0.1");
    put(p.found, "new:member:KE:2026", "technical.votes", "1");
    put(p.found, "note", "of", "the operator");
    name(p.found, "dirty", "members");
    put(p.expected, "meta", "groups", "none");
    put(p.found, "meta", "groups", "2026-01-01-00000000");
    assert_string_equal(compare_both(&p), "meta groups none 2026-01-01-00000000\n");
    pair_free(&p);
}

/* Whether anything was ever derived from events that came to nothing is chance. */
static void no_version_of_the_group_list_means_none(void **state)
{
    struct pair p = pair_new();

    (void)state;
    put(p.found, "meta", "groups", "none");
    assert_string_equal(compare_both(&p), "");
    put(p.expected, "meta", "groups", "2026-01-01-00000000");
    assert_string_equal(compare_both(&p), "meta groups 2026-01-01-00000000 none\n");
    pair_free(&p);
    p = pair_new();
    put(p.expected, "meta", "groups", "none");
    put(p.found, "meta", "schema", "3");
    assert_string_equal(compare_both(&p), "meta schema - 3\n");
    pair_free(&p);
}

/* Only those of which commits never leave any: who derives would stop at them for good. */
static void marks_that_no_commit_leaves_are_told_and_go_with_all_others(void **state)
{
    static const char *const good[] = {"members",        "period|2026",        "period|2026-03",
                                       "watch|ISO/TC 1", "seats|C|2026-01-31", "seat|C|KE|2026"};
    static const char *const bad[] = {
        "",          "Period|2026", "period|",      "period|2026-13",   "rubbish",
        "seat|C|KE", "seats|C",     "seats|C|soon", "seat|C|KE|2026-01"};
    struct pair p = pair_new();
    const struct difference **list;
    struct commit c = {.arena = &p.arena};

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        name(p.found, "dirty", good[i]);
    assert_string_equal(compare_both(&p), "");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        name(p.found, "deriving", bad[i]);
    assert_int_equal(compare_again(p.compare), 0);
    size_t count = compare_differences(p.compare, &list);
    assert_int_equal(count, sizeof bad / sizeof *bad);
    mend_differences(list, count, &c);
    assert_int_equal(store_commit(p.found, &c), 0);
    assert_string_equal(compare_both(&p), "");
    commit_free(&c);
    free(list);
    pair_free(&p);
}

/* Names stay behind on one side or the other; those that keys stand for must be there. */
static void sets_may_keep_names_that_nothing_stands_for(void **state)
{
    struct pair p = pair_new();

    (void)state;
    put_both(&p, "member:KE:2026-03", "technical.votes", "3");
    put_both(&p, "group:ldc:2026-03", "members", "1");
    name(p.expected, "periods", "2026-03");
    name(p.expected, "periods", "2026");
    name(p.expected, "periods", "03");
    name(p.found, "periods", "1999");
    name(p.expected, "groups", "ldc");
    name(p.expected, "groups", "ld");
    name(p.expected, "members", "KE");
    name(p.found, "members", "ZA");
    put(p.found, "committees", "C", "of old");
    assert_string_equal(compare_both(&p), "groups ldc  -\nmembers KE  -\nperiods 2026-03  -\n");
    pair_free(&p);
}

static void more_keys_than_one_fetch_takes_are_all_compared(void **state)
{
    struct pair p = pair_new();
    uint64_t keys, fields;
    char key[64];

    (void)state;
    for (int i = 0; i < 1500; i++) {
        snprintf(key, sizeof key, "member:M%d:2026", i);
        put_both(&p, key, "technical.votes", "1");
    }
    put(p.found, "member:M0:2026", "technical.votes", "2");
    put(p.found, "member:M1499:2026", "technical.votes", "2");
    assert_string_equal(compare_both(&p), "member:M0:2026 technical.votes 1 2\n"
                                          "member:M1499:2026 technical.votes 1 2\n");
    compare_counts(p.compare, &keys, &fields);
    assert_int_equal(keys, 1500);
    assert_int_equal(fields, 1500);
    pair_free(&p);
}

/* ---- two connections ---- */
/* One of two connections to what is found: it counts its fetches, of which one fails, and the
 * first waits until the other one has made so many that both have been at work. */
struct line {
    struct store base;
    struct store *inner;
    atomic_uint calls, drops;
    unsigned fail_at; /* 0: none */
    int error;
    const struct line *awaited;
    unsigned awaited_calls;
};

static int line_fetch(struct store *s, const struct store_fetch *fetches, size_t count,
                      void *context)
{
    struct line *l = (struct line *)s;
    unsigned call = atomic_fetch_add(&l->calls, 1) + 1;

    for (int i = 0; atomic_load(&l->awaited->calls) < l->awaited_calls && i < 10000; i++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    return call == l->fail_at ? l->error : store_fetch(l->inner, fetches, count, context);
}

static int line_keys(struct store *s, store_key_fn each, void *arg)
{
    return store_keys(((struct line *)s)->inner, each, arg);
}

static void line_drop(struct store *s)
{
    atomic_fetch_add(&((struct line *)s)->drops, 1);
}

#define LINE_KEYS 1500
#define LINE_DIFFERENCES                                                                           \
    "member:M1250:2026 technical.votes 1 2\n"                                                      \
    "member:M250:2026 technical.votes 1 2\n"                                                       \
    "member:M750:2026 technical.votes 1 2\n"

struct lines {
    struct pair p;
    struct store *same;
    struct line first, second;
};

static void lines_make(struct lines *l)
{
    static const struct store_ops ops = {.fetch = line_fetch, .keys = line_keys, .drop = line_drop};
    char key[64];

    *l = (struct lines){.p = {.expected = store_memory_new(), .found = store_memory_new()},
                        .same = store_memory_new()};
    l->first = (struct line){
        .base.ops = &ops, .inner = l->p.found, .awaited = &l->second, .awaited_calls = 1};
    l->second = (struct line){.base.ops = &ops, .inner = l->same, .awaited = &l->first};
    l->p.compare = compare_new(l->p.expected, &l->first.base);
    compare_aside(l->p.compare, &l->second.base);
    for (int i = 0; i < LINE_KEYS; i++) {
        const char *found = i % 500 == 250 ? "2" : "1";
        snprintf(key, sizeof key, "member:M%d:2026", i);
        put(l->p.expected, key, "technical.votes", "1");
        put(l->p.found, key, "technical.votes", found);
        put(l->same, key, "technical.votes", found);
    }
}

static void lines_free(struct lines *l)
{
    pair_free(&l->p);
    store_free(l->same);
}

static void assert_all_compared(struct lines *l)
{
    uint64_t keys, fields;

    assert_string_equal(compare_both(&l->p), LINE_DIFFERENCES);
    compare_counts(l->p.compare, &keys, &fields);
    assert_int_equal(keys, LINE_KEYS);
    assert_int_equal(fields, LINE_KEYS);
}

static void two_connections_share_the_work(void **state)
{
    struct lines l;

    (void)state;
    lines_make(&l);
    l.first.awaited_calls = 3;
    assert_all_compared(&l);
    assert_true(l.second.calls >= 3);
    assert_int_equal(l.first.drops + l.second.drops, 0);
    lines_free(&l);
}

/* It is not asked again, in later looks either. */
static void what_fails_on_the_other_connection_is_done_by_the_first(void **state)
{
    (void)state;
    for (unsigned fail_at = 1; fail_at <= 5; fail_at++) {
        struct lines l;
        lines_make(&l);
        l.second.fail_at = l.first.awaited_calls = fail_at;
        l.second.error = ERR_LOST;
        assert_all_compared(&l);
        assert_all_compared(&l);
        assert_int_equal(l.second.calls, fail_at);
        assert_int_equal(l.second.drops, 1);
        lines_free(&l);
    }
}

static void what_fails_on_the_first_connection_ends_the_look(void **state)
{
    (void)state;
    for (unsigned fail_at = 1; fail_at <= 5; fail_at++) {
        struct lines l;
        lines_make(&l);
        l.first.fail_at = l.second.awaited_calls = fail_at;
        l.first.error = ERR_LOST;
        assert_int_equal(compare_keys(l.p.compare), 0);
        assert_int_equal(compare_all(l.p.compare, NULL), ERR_LOST);
        assert_int_equal(l.first.drops, 1);
        assert_all_compared(&l);
        lines_free(&l);
    }
}

/* As when one of the keys is of another type: all that came with it are looked at once more. */
static void what_is_of_another_type_on_either_connection_is_looked_at_again(void **state)
{
    (void)state;
    for (unsigned at = 1; at <= 6; at++) {
        struct lines l;
        struct line *failing;
        lines_make(&l);
        failing = at % 2 ? &l.first : &l.second;
        failing->fail_at = at / 2 + 1;
        failing->error = ERR_CORRUPT;
        l.first.awaited_calls = 5;
        assert_all_compared(&l);
        assert_true(failing->calls > failing->fail_at);
        assert_int_equal(l.first.drops + l.second.drops, 0);
        lines_free(&l);
    }
}

/* ---- looking again ---- */
static void only_what_differed_or_was_written_is_looked_at_again(void **state)
{
    struct pair p = pair_new();

    (void)state;
    put_both(&p, "member:AA:2026", "technical.votes", "1");
    put_both(&p, "member:BB:2026", "technical.votes", "1");
    put(p.expected, "member:CC:2026", "technical.votes", "1");
    assert_string_equal(compare_both(&p), "member:CC:2026 technical.votes 1 -\n");
    put(p.found, "member:CC:2026", "technical.votes", "1"); /* it had only come later */
    put(p.found, "member:AA:2026", "technical.votes", "9"); /* by hand, after we had looked */
    put(compare_store(p.compare), "member:BB:2026", "technical.votes", "2");
    put(compare_store(p.compare), "member:DD:2026", "technical.votes", "5");
    assert_int_equal(compare_again(p.compare), 0);
    assert_string_equal(differences(&p), "member:BB:2026 technical.votes 2 1\n"
                                         "member:DD:2026 technical.votes 5 -\n");
    pair_free(&p);
}

/* However often it is looked, and whatever differs meanwhile. */
static void many_looks_take_no_more_memory_than_a_few(void **state)
{
    struct pair p = pair_new();
    char value[32];
    size_t before = 0;

    (void)state;
    for (int i = 0; i < 400; i++) {
        for (int k = 0; k < 100; k++) {
            char key[32];
            snprintf(key, sizeof key, "member:M%d:2026", k);
            snprintf(value, sizeof value, "%d", 100000 + i);
            put(p.found, key, "technical.votes", value);
        }
        if (i == 0)
            compare_both(&p);
        assert_int_equal(compare_again(p.compare), 0);
        if (i == 20)
            before = mallinfo2().uordblks;
    }
    assert_true(mallinfo2().uordblks < before + ((size_t)1 << 20));
    assert_non_null(strstr(differences(&p), "member:M99:2026 technical.votes - 100399\n"));
    pair_free(&p);
}

static void what_is_kept_stays_whatever_is_looked_at_later(void **state)
{
    struct pair p = pair_new();
    const struct difference **list;

    (void)state;
    put(p.found, "member:KE:2026", "technical.votes", "4");
    compare_both(&p);
    assert_int_equal(compare_differences(p.compare, &list), 1);
    compare_keep(p.compare);
    for (int i = 0; i < 3; i++) {
        put(p.found, "member:KE:2026", "technical.votes", "777777777");
        assert_int_equal(compare_again(p.compare), 0);
    }
    assert_true(slice_is(list[0]->found, "4"));
    assert_string_equal(differences(&p), "member:KE:2026 technical.votes - 777777777\n");
    free(list);
    pair_free(&p);
}

/* ---- mending ---- */
/* Nothing is written beside it, so there is nothing whose name could be changed. */
static void a_key_of_another_type_that_needs_no_names_is_only_deleted(void **state)
{
    struct pair p = pair_new();
    struct commit c = {.arena = &p.arena};
    const struct difference type = {.family = family_of(slice_of("periods")),
                                    .key = slice_of("periods"),
                                    .field = slice_of(COMPARE_TYPE),
                                    .expected = slice_of("set"),
                                    .found = slice_of("another type"),
                                    .is_type = true};
    const struct difference *list[] = {&type};

    (void)state;
    mend_differences(list, 1, &c);
    assert_int_equal(c.count, 1);
    assert_int_equal(c.ops[0].verb, COMMIT_DEL);
    assert_true(slice_is(c.ops[0].key, "periods"));
    commit_free(&c);
    pair_free(&p);
}

static void what_is_mended_does_not_differ_any_more(void **state)
{
    struct pair p = pair_new();
    const struct difference **list;
    struct commit c = {.arena = &p.arena};

    (void)state;
    put(p.expected, "member:KE:2026", "technical.votes", "3");
    put(p.found, "member:KE:2026", "technical.votes", "4");
    put(p.found, "member:KE:2026", "technical.wishes", "4");
    put(p.expected, "seat:C|KE:2026", "x", "1");
    put(p.found, "group:all:1999", "members", "7");
    score(p.expected, "watch", "C|KE|missed-share", 2);
    score(p.found, "watch", "C|ZA|missed-share", 1);
    name(p.expected, "members", "KE");
    name(p.found, "members", "ZA");
    compare_both(&p);
    size_t count = compare_differences(p.compare, &list);
    assert_int_equal(count, 7);
    mend_differences(list, count, &c);
    assert_int_equal(store_commit(p.found, &c), 0);
    assert_int_equal(compare_again(p.compare), 0);
    assert_string_equal(differences(&p), "");
    assert_string_equal(compare_both(&p), "");
    commit_free(&c);
    free(list);
    pair_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_stores_do_not_differ),
        cmocka_unit_test(values_fields_and_keys_may_differ),
        cmocka_unit_test(what_tells_of_the_way_is_not_compared),
        cmocka_unit_test(no_version_of_the_group_list_means_none),
        cmocka_unit_test(marks_that_no_commit_leaves_are_told_and_go_with_all_others),
        cmocka_unit_test(sets_may_keep_names_that_nothing_stands_for),
        cmocka_unit_test(more_keys_than_one_fetch_takes_are_all_compared),
        cmocka_unit_test(two_connections_share_the_work),
        cmocka_unit_test(what_fails_on_the_other_connection_is_done_by_the_first),
        cmocka_unit_test(what_fails_on_the_first_connection_ends_the_look),
        cmocka_unit_test(what_is_of_another_type_on_either_connection_is_looked_at_again),
        cmocka_unit_test(only_what_differed_or_was_written_is_looked_at_again),
        cmocka_unit_test(many_looks_take_no_more_memory_than_a_few),
        cmocka_unit_test(what_is_kept_stays_whatever_is_looked_at_later),
        cmocka_unit_test(a_key_of_another_type_that_needs_no_names_is_only_deleted),
        cmocka_unit_test(what_is_mended_does_not_differ_any_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
