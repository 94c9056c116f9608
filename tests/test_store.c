/* The two stores: the same commits give the same contents; a commit happens whole or not at all;
 * whatever goes wrong with Redis is named for what it is. */
#include "tests/desk.h"
#include "tests/redis_dump.h"
#include "tests/redis_server.h"
#include "tests/world.h"
#include "workers/store.h"

#include "proto/error.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define LOG      "00112233445566778899aabbccddeeff"
#define LIMIT_MS 2000

static struct arena arena;
static struct commit commit = {.arena = &arena};

static struct applied at(uint64_t offset)
{
    struct applied a = {.known = true, .log = LOG, .offset = offset, .time_ms = 7};

    return a;
}

/* A commit that moves partition 3 from `from` (known) to `to`. */
static struct commit *moving(const struct applied *from, uint64_t to)
{
    struct commit_move *m;

    commit_clear(&commit);
    m = commit_move(&commit, 3);
    m->from = *from;
    m->to = at(to);
    return &commit;
}

static struct store_look look_at(struct applied *ret)
{
    static const unsigned place = 3;

    return (struct store_look){.places = &place, .watched = 1, .count = 1, .ret_applied = ret};
}

static int look_and_fetch(struct store *s, struct applied *ret, const struct store_fetch *fetches,
                          size_t count)
{
    struct store_look l = look_at(ret);

    l.fetches = fetches;
    l.fetch_count = count;
    return store_begin(s, &l);
}

static int look(struct store *s, struct applied *ret)
{
    return look_and_fetch(s, ret, NULL, 0);
}

static void add_vote(struct commit *c, int64_t amount)
{
    commit_hincrby(c, slice_of("member:KE:2026"), slice_of("technical.votes"), amount);
}

static struct dump *dump_of(const struct redis_server *r)
{
    struct redis *client = redis_open(r->socket);
    struct dump *d = dump_new();

    assert_non_null(client);
    assert_int_equal(redis_dump(client, d), 0);
    redis_close(client);
    return d;
}

static int64_t votes(const struct redis_server *r)
{
    struct dump *d = dump_of(r);
    int64_t n = dump_number(d, "turnout:member:KE:2026", "technical.votes");

    dump_free(d);
    return n;
}

/* One command by another client. */
static void meddle(const struct redis_server *r, const char *a, const char *b, const char *c,
                   const char *d)
{
    struct redis *client = redis_open(r->socket);
    const char *words[] = {a, b, c, d};

    assert_non_null(client);
    assert_int_not_equal(redis_command(client, d ? 4 : c ? 3 : b ? 2 : 1, words)->kind, '-');
    redis_close(client);
}

static struct slice pick(struct random *r, const char *family, unsigned n)
{
    char text[32];
    int size = snprintf(text, sizeof text, "%s%u", family, (unsigned)random_below(r, n));

    return arena_copy(&arena, slice_make(text, (size_t)size));
}

static void random_operation(struct random *r, struct commit *c)
{
    switch (random_below(r, 10)) {
    case 0:
        commit_hset(c, pick(r, "votes:", 3), pick(r, "f", 5), pick(r, "v", 100));
        break;
    case 1:
        commit_hdel(c, pick(r, "votes:", 3), pick(r, "f", 5));
        break;
    case 2:
        commit_hincrby(c, pick(r, "member:", 4), pick(r, "f", 4), (int64_t)random_below(r, 5) - 2);
        break;
    case 3:
        commit_sadd(c, slice_of("members"), pick(r, "m", 20));
        break;
    case 4:
        commit_zadd(c, slice_of("ballots:open"), pick(r, "b", 9), (int64_t)random_below(r, 9) - 4);
        break;
    case 5:
        commit_hincrby_below(c, pick(r, "tenure:", 2), pick(r, "P|", 3),
                             (int64_t)random_below(r, 3) - 1);
        break;
    case 6:
        commit_del(c, pick(r, "votes:", 3));
        break;
    case 7:
        commit_hset(c, pick(r, "member:", 4), pick(r, "f", 4), pick(r, "1", 30));
        break;
    case 8:
        commit_hdel(c, pick(r, "member:", 4), pick(r, "f", 4));
        break;
    default:
        commit_zrem(c, slice_of("ballots:open"), pick(r, "b", 9));
    }
}

static void is_not_zero(void *arg, struct slice key, struct slice field, struct slice value)
{
    (void)arg;
    (void)key;
    (void)field;
    assert_false(slice_is(value, "0"));
}

static enum dump_care not_the_offsets(struct slice key, struct slice field)
{
    (void)field;
    return slice_is(key, "turnout:offset:3") ? DUMP_IGNORE : DUMP_EXACT;
}

static void the_same_commits_give_the_same_contents_in_both_stores(void **state)
{
    struct random r = random_new(random_seed("stores alike"));
    struct redis_server *server = redis_server_new(NULL, NULL);
    struct store *redis = store_at(server->socket, STORE_PREFIX, LIMIT_MS);
    struct store *memory = store_memory_new();
    struct applied a = {0}, b = {0};

    (void)state;
    for (uint64_t i = 1; i <= 200; i++) {
        assert_int_equal(look(redis, &a), 0);
        assert_int_equal(look(memory, &b), 0);
        assert_int_equal(a.offset, b.offset);
        struct commit *c = moving(&a, i);
        for (uint64_t n = random_below(&r, 30); n; n--)
            random_operation(&r, c);
        assert_int_equal(store_commit(redis, c), 0);
        assert_int_equal(store_commit(memory, c), 0);
        arena_reset(&arena, SIZE_MAX);
    }
    struct dump *found = dump_of(server), *expected = memory_dump(memory);
    assert_int_equal(dump_compare(expected, found, not_the_offsets, stdout, NULL), 0);
    dump_each(found, "turnout:tenure:", is_not_zero, NULL);
    dump_free(found);
    dump_free(expected);
    store_free(redis);
    store_free(memory);
    redis_server_free(server);
}

struct rows {
    char text[256];
};

static int note_row(void *context, void *record, struct slice field, struct slice value)
{
    struct rows *rows = record;
    size_t n = strlen(rows->text);

    (void)context;
    snprintf(rows->text + n, sizeof rows->text - n, "%.*s=%.*s;", (int)field.size, field.at,
             value.at ? (int)value.size : 1, value.at ? value.at : "?");
    return 0;
}

static struct store_fetch note(const char *key, struct rows *rows)
{
    return (struct store_fetch){
        .key = slice_of(key), .kind = FETCH_HASH, .row = note_row, .record = rows};
}

static void fetches_give_the_fields_asked_for_or_all(struct store *s)
{
    struct slice fields[] = {slice_of("KE"), slice_of("BR"), slice_of("RW")};
    struct rows some = {""}, all = {""}, none = {""};
    struct store_fetch f[] = {note("votes:a", &some), note("votes:a", &all),
                              note("votes:b", &none)};
    struct applied a;

    f[0].fields = fields;
    f[0].field_count = 3;
    assert_int_equal(look(s, &a), 0);
    assert_false(a.known);
    struct commit *c = moving(&a, 1);
    commit_hset(c, slice_of("votes:a"), slice_of("KE"), slice_of("approve"));
    commit_hset(c, slice_of("votes:a"), slice_of("RW"), slice_of("abstain"));
    assert_int_equal(store_commit(s, c), 0);
    assert_int_equal(look_and_fetch(s, &a, f, 3), 0);
    assert_true(a.known && a.offset == 1 && strcmp(a.log, LOG) == 0);
    assert_string_equal(some.text, "KE=approve;BR=?;RW=abstain;");
    assert_int_equal(strlen(all.text), strlen("KE=approve;RW=abstain;"));
    assert_string_equal(none.text, "");
}

static void both_stores_fetch_alike(void **state)
{
    struct redis_server *server = redis_server_new(NULL, NULL);
    struct store *redis = store_at(server->socket, STORE_PREFIX, LIMIT_MS);
    struct store *memory = store_memory_new();

    (void)state;
    fetches_give_the_fields_asked_for_or_all(redis);
    fetches_give_the_fields_asked_for_or_all(memory);
    store_free(redis);
    store_free(memory);
    redis_server_free(server);
}

static void of_two_that_move_the_same_offset_one_succeeds(void **state)
{
    struct redis_server *server = redis_server_new(NULL, NULL);
    struct store *one = store_at(server->socket, STORE_PREFIX, LIMIT_MS);
    struct store *two = store_at(server->socket, STORE_PREFIX, LIMIT_MS);
    struct applied a, b;

    (void)state;
    for (int round = 0; round < 20; round++) {
        assert_int_equal(look(one, &a), 0);
        assert_int_equal(look(two, &b), 0);
        struct commit *c = moving(&a, a.offset + 5);
        add_vote(c, 5);
        assert_int_equal(store_commit(round % 2 ? one : two, c), 0);
        assert_int_equal(store_commit(round % 2 ? two : one, c), ERR_CONFLICT);
    }
    assert_int_equal(votes(server), 100);
    store_free(one);
    store_free(two);
    redis_server_free(server);
}

static int row_none(void *context, void *record, struct slice field, struct slice value)
{
    (void)context;
    (void)record;
    (void)field;
    (void)value;
    return 0;
}

/* A second look, before any commit: by then the watch of the first one has been touched. */
static void a_snapshot_of_what_has_moved_since_the_last_look_is_a_conflict(void **state)
{
    struct redis_server *server = redis_server_new(NULL, NULL);
    struct store *s = store_at(server->socket, STORE_PREFIX, LIMIT_MS);
    struct store_fetch f = {.key = slice_of("meta"), .kind = FETCH_HASH, .row = row_none};
    struct applied a;
    struct store_look snapshot = look_at(&a);

    (void)state;
    snapshot.fetches = &f;
    snapshot.fetch_count = 1;
    snapshot.snapshot = true;
    assert_int_equal(look(s, &a), 0);
    assert_int_equal(store_begin(s, &snapshot), 0);
    meddle(server, "HSET", "turnout:offset:3", "offset", "9");
    meddle(server, "DEL", "turnout:offset:3", NULL, NULL);
    assert_int_equal(store_begin(s, &snapshot), ERR_CONFLICT);
    assert_int_equal(store_begin(s, &snapshot), 0); /* and it can be used again */
    store_free(s);
    redis_server_free(server);
}

static void a_flush_between_begin_and_commit_is_a_conflict(void **state)
{
    struct redis_server *server = redis_server_new(NULL, NULL);
    struct store *s = store_at(server->socket, STORE_PREFIX, LIMIT_MS);
    struct applied a;

    (void)state;
    assert_int_equal(look(s, &a), 0);
    struct commit *c = moving(&a, 1);
    add_vote(c, 1);
    assert_int_equal(store_commit(s, c), 0);
    assert_int_equal(look(s, &a), 0);
    meddle(server, "FLUSHALL", NULL, NULL, NULL);
    c = moving(&a, 2);
    add_vote(c, 1);
    assert_int_equal(store_commit(s, c), ERR_CONFLICT);
    assert_int_equal(votes(server), 0);
    assert_int_equal(look(s, &a), 0);
    assert_false(a.known);
    store_free(s);
    redis_server_free(server);
}

static void a_commit_after_the_connection_went_is_never_tried(void **state)
{
    struct redis_server *server = redis_server_new(NULL, NULL);
    struct store *s = store_at(server->socket, STORE_PREFIX, LIMIT_MS);
    struct applied a;

    (void)state;
    assert_int_equal(look(s, &a), 0);
    redis_server_kill(server);
    redis_server_start(server);
    struct commit *c = moving(&a, 1);
    add_vote(c, 1);
    assert_int_equal(store_commit(s, c), ERR_LOST);
    assert_int_equal(store_commit(s, c), ERR_LOST); /* no watch, no commit */
    assert_int_equal(votes(server), 0);
    assert_int_equal(look(s, &a), 0);
    c = moving(&a, 1);
    add_vote(c, 1);
    assert_int_equal(store_commit(s, c), 0);
    assert_int_equal(store_commit(s, c), ERR_LOST); /* the watch ended with the one before */
    assert_int_equal(votes(server), 1);
    store_free(s);
    redis_server_free(server);
}

/* Sends a commit and does not wait for its outcome. */
static int send_ahead(struct store *s, struct applied *a)
{
    struct commit *c = moving(a, a->offset + 1);
    int error;

    add_vote(c, 1);
    c->unawaited = true;
    error = store_commit(s, c);
    c->unawaited = false;
    a->known = true;
    strcpy(a->log, LOG);
    a->offset++;
    return error;
}

static void an_unawaited_commit_is_answered_before_what_follows_it(void **state)
{
    struct redis_server *server = redis_server_new(NULL, NULL);
    struct store *s = store_at(server->socket, STORE_PREFIX, LIMIT_MS);
    struct applied a, seen;

    (void)state;
    assert_int_equal(look(s, &a), 0);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(send_ahead(s, &a), 0);
        assert_int_equal(look(s, &seen), 0);
        assert_true(applied_same(&a, &seen));
    }
    assert_int_equal(send_ahead(s, &a), 0);
    assert_int_equal(store_confirm(s), 0);
    assert_int_equal(store_confirm(s), 0); /* there is no other */
    assert_int_equal(votes(server), 51);
    store_free(s);
    redis_server_free(server);
}

static void the_conflict_of_an_unawaited_commit_is_told_by_what_follows_it(void **state)
{
    struct redis_server *server = redis_server_new(NULL, NULL);
    struct store *one = store_at(server->socket, STORE_PREFIX, LIMIT_MS);
    struct store *two = store_at(server->socket, STORE_PREFIX, LIMIT_MS);
    struct applied a, b, seen;

    (void)state;
    for (int round = 0; round < 20; round++) {
        assert_int_equal(look(one, &a), 0);
        assert_int_equal(look(two, &b), 0);
        assert_int_equal(send_ahead(one, &a), 0);
        assert_int_equal(store_confirm(one), 0);
        assert_int_equal(send_ahead(two, &b), 0); /* nobody knows yet */
        assert_int_equal(round % 2 ? look(two, &seen) : store_confirm(two), ERR_CONFLICT);
        assert_int_equal(look(two, &seen), 0);
        assert_true(applied_same(&a, &seen));
    }
    assert_int_equal(votes(server), 20);
    store_free(one);
    store_free(two);
    redis_server_free(server);
}

static void of_an_unawaited_commit_to_a_server_that_dies_the_offset_tells(void **state)
{
    struct redis_server *server = redis_server_new(NULL, NULL);
    struct store *s = store_at(server->socket, STORE_PREFIX, LIMIT_MS);
    struct applied a, seen;

    (void)state;
    assert_int_equal(look(s, &a), 0);
    assert_int_equal(send_ahead(s, &a), 0); /* the types of its keys are known from here on */
    assert_int_equal(look(s, &seen), 0);
    kill(server->pid, SIGSTOP);
    assert_int_equal(send_ahead(s, &a), 0);
    redis_server_kill(server);
    redis_server_start(server);
    assert_int_equal(look(s, &seen), ERR_LOST);
    assert_int_equal(store_confirm(s), 0); /* that was told */
    assert_int_equal(look(s, &seen), 0);
    assert_int_equal(votes(server), (int64_t)seen.offset);
    store_free(s);
    redis_server_free(server);
}

static void a_server_that_hangs_is_lost_and_its_late_answer_is_never_read(void **state)
{
    struct redis_server *server = redis_server_new(NULL, NULL);
    struct store *s = store_at(server->socket, STORE_PREFIX, 1000);
    struct applied a;

    (void)state;
    assert_int_equal(look(s, &a), 0);
    kill(server->pid, SIGSTOP);
    struct commit *c = moving(&a, 1);
    add_vote(c, 1);
    assert_int_equal(store_commit(s, c), ERR_LOST);
    kill(server->pid, SIGCONT);
    /* whether it happened or not, the offset tells, and going on from it counts once */
    while (look(s, &a) != 0)
        ;
    if (!a.known) {
        c = moving(&a, 1);
        add_vote(c, 1);
        int error = store_commit(s, c);
        assert_true(error == 0 || error == ERR_CONFLICT);
    }
    assert_int_equal(votes(server), 1);
    store_free(s);
    redis_server_free(server);
}

static void a_foreign_key_of_another_type_stops_the_commit_whole(void **state)
{
    static const char *const foreign[] = {"turnout:member:KE:2026", "turnout:members",
                                          "turnout:ballots:open", "turnout:changes",
                                          "turnout:committees"};
    struct redis_server *server = redis_server_new(NULL, NULL);
    struct applied a;

    (void)state;
    for (int i = 0; i < 5; i++) {
        struct store *s = store_at(server->socket, STORE_PREFIX, LIMIT_MS);
        meddle(server, "FLUSHALL", NULL, NULL, NULL);
        meddle(server, "SET", foreign[i], "mine", NULL);
        assert_int_equal(look(s, &a), 0);
        struct commit *c = moving(&a, 1);
        commit_hset(c, slice_of("committees"), slice_of("C"), slice_of("C"));
        add_vote(c, 1);
        commit_sadd(c, slice_of("members"), slice_of("KE"));
        commit_zadd(c, slice_of("ballots:open"), slice_of("C|B"), 1);
        commit_xadd(c, slice_of("changes"), slice_of("moves"), slice_of("1"));
        assert_int_equal(store_commit(s, c), ERR_CORRUPT);
        struct dump *d = dump_of(server);
        assert_int_equal(dump_keys(d), 1);
        dump_free(d);
        store_free(s);
    }
    redis_server_free(server);
}

static void a_fetch_of_a_foreign_key_is_corrupt(void **state)
{
    struct redis_server *server = redis_server_new(NULL, NULL);
    struct store *s = store_at(server->socket, STORE_PREFIX, LIMIT_MS);
    struct rows rows = {""};
    struct store_fetch f = note("votes:a", &rows);
    struct applied a;

    (void)state;
    meddle(server, "SET", "turnout:votes:a", "mine", NULL);
    assert_int_equal(look_and_fetch(s, &a, &f, 1), ERR_CORRUPT);
    store_free(s);
    redis_server_free(server);
}

static void an_offset_that_is_no_number_is_corrupt(void **state)
{
    static const char *const bad[] = {"-1", "12x", "", "99999999999999999999"};
    struct redis_server *server = redis_server_new(NULL, NULL);
    struct store *s = store_at(server->socket, STORE_PREFIX, LIMIT_MS);
    struct applied a;

    (void)state;
    meddle(server, "HSET", "turnout:offset:3", "log", LOG);
    meddle(server, "HSET", "turnout:offset:3", "time", "5");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        meddle(server, "HSET", "turnout:offset:3", "offset", bad[i]);
        assert_int_equal(look(s, &a), ERR_CORRUPT);
    }
    meddle(server, "HSET", "turnout:offset:3", "offset", "12");
    assert_int_equal(look(s, &a), 0);
    assert_int_equal(a.offset, 12);
    store_free(s);
    redis_server_free(server);
}

static void a_full_redis_takes_nothing_and_can_be_used_again(void **state)
{
    struct redis_server *server = redis_server_new("--maxmemory-policy", "noeviction");
    struct store *s = store_at(server->socket, STORE_PREFIX, LIMIT_MS);
    struct applied a;

    (void)state;
    meddle(server, "CONFIG", "SET", "maxmemory", "1");
    assert_int_equal(look(s, &a), 0);
    struct commit *c = moving(&a, 1);
    add_vote(c, 1);
    assert_int_equal(store_commit(s, c), ERR_AGAIN);
    assert_int_equal(votes(server), 0);
    meddle(server, "CONFIG", "SET", "maxmemory", "0");
    assert_int_equal(look(s, &a), 0);
    assert_int_equal(store_commit(s, c), 0);
    assert_int_equal(votes(server), 1);
    store_free(s);
    redis_server_free(server);
}

static void a_redis_that_evicts_is_refused(void **state)
{
    struct redis_server *server = redis_server_new("--maxmemory-policy", "allkeys-lru");
    struct store *s = store_at(server->socket, STORE_PREFIX, LIMIT_MS);
    struct applied a;

    (void)state;
    assert_int_equal(look(s, &a), 0); /* without a limit there is nothing to evict */
    store_drop(s);
    meddle(server, "CONFIG", "SET", "maxmemory", "100000000");
    assert_int_equal(look(s, &a), ERR_CONFIG);
    store_free(s);
    redis_server_free(server);
}

static void nobody_there_is_lost(void **state)
{
    struct store *s = store_at("/nonexistent/redis.sock", STORE_PREFIX, LIMIT_MS);
    struct applied a;

    (void)state;
    assert_int_equal(look(s, &a), ERR_LOST);
    store_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_commits_give_the_same_contents_in_both_stores),
        cmocka_unit_test(both_stores_fetch_alike),
        cmocka_unit_test(of_two_that_move_the_same_offset_one_succeeds),
        cmocka_unit_test(a_snapshot_of_what_has_moved_since_the_last_look_is_a_conflict),
        cmocka_unit_test(a_flush_between_begin_and_commit_is_a_conflict),
        cmocka_unit_test(a_commit_after_the_connection_went_is_never_tried),
        cmocka_unit_test(an_unawaited_commit_is_answered_before_what_follows_it),
        cmocka_unit_test(the_conflict_of_an_unawaited_commit_is_told_by_what_follows_it),
        cmocka_unit_test(of_an_unawaited_commit_to_a_server_that_dies_the_offset_tells),
        cmocka_unit_test(a_server_that_hangs_is_lost_and_its_late_answer_is_never_read),
        cmocka_unit_test(a_foreign_key_of_another_type_stops_the_commit_whole),
        cmocka_unit_test(a_fetch_of_a_foreign_key_is_corrupt),
        cmocka_unit_test(an_offset_that_is_no_number_is_corrupt),
        cmocka_unit_test(a_full_redis_takes_nothing_and_can_be_used_again),
        cmocka_unit_test(a_redis_that_evicts_is_refused),
        cmocka_unit_test(nobody_there_is_lost),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    commit_free(&commit);
    arena_free(&arena);
    return failed;
}
