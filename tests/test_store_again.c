/* The places of a begin are looked at once more behind an unawaited commit: the next begin of the
 * same places asks for nothing, and whatever moves one of them after that look is a conflict. */
#include "tests/desk.h"
#include "tests/redis_dump.h"
#include "tests/redis_server.h"
#include "tests/tap.h"
#include "workers/store.h"

#include "proto/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define LOG      "00112233445566778899aabbccddeeff"
#define LIMIT_MS 2000
#define PLACES   3 /* 0 and 1 are watched, 2 is only looked at */

/* A store behind a tap, which counts what it asks. */
struct scene {
    struct redis_server *server;
    struct tap *tap;
    char path[256];
    struct store *s;
    struct applied now[PLACES]; /* as the last begin told */
    struct arena arena;
    struct commit commit;
    char row[32];
    struct store_fetch fetch;
    struct store_look look;
};

static int note_row(void *context, void *record, struct slice field, struct slice value)
{
    struct scene *s = record;

    (void)context;
    snprintf(s->row, sizeof s->row, "%.*s=%.*s", (int)field.size, field.at, (int)value.size,
             value.at);
    return 0;
}

static void scene_set(struct scene *s)
{
    static const unsigned places[PLACES] = {0, 1, 2};

    *s = (struct scene){.server = redis_server_new(NULL, NULL)};
    snprintf(s->path, sizeof s->path, "%s.tap", s->server->socket);
    s->tap = tap_new(s->path, s->server->socket);
    s->s = store_at(s->path, STORE_PREFIX, LIMIT_MS);
    s->commit.arena = &s->arena;
    s->fetch = (struct store_fetch){
        .key = slice_of("votes:C|B"), .kind = FETCH_HASH, .row = note_row, .record = s};
    s->look = (struct store_look){.places = places,
                                  .count = PLACES,
                                  .watched = 2,
                                  .ret_applied = s->now,
                                  .fetches = &s->fetch};
}

static void scene_end(struct scene *s)
{
    store_free(s->s);
    tap_free(s->tap);
    redis_server_free(s->server);
    commit_free(&s->commit);
    arena_free(&s->arena);
}

/* Begins, with a fetch or without; how often Redis was asked. */
static int begin(struct scene *s, size_t fetches, unsigned *ret_asked)
{
    s->look.fetch_count = fetches;
    tap_fail(s->tap, 0, NULL);
    int error = store_begin(s->s, &s->look);
    *ret_asked = tap_questions(s->tap);
    return error;
}

/* Moves place 0 on by one, with a vote; does not wait for the outcome. */
static int commit(struct scene *s)
{
    commit_clear(&s->commit);
    struct commit_move *m = commit_move(&s->commit, 0);
    m->from = s->now[0];
    m->to = (struct applied){.known = true, .log = LOG, .offset = m->from.offset + 1};
    commit_hincrby(&s->commit, slice_of("member:KE:2026"), slice_of("technical.votes"), 1);
    s->commit.unawaited = true;
    return store_commit(s->s, &s->commit);
}

static const char *by_another(const struct scene *s, const char *a, const char *b, const char *c,
                              const char *d)
{
    static char text[64];
    struct redis *client = redis_open(s->server->socket);
    const char *words[] = {a, b, c, d};
    const struct redis_reply *r = redis_command(client, d ? 4 : c ? 3 : b ? 2 : 1, words);

    snprintf(text, sizeof text, "%.*s", (int)r->text.size, r->text.at ? r->text.at : "");
    redis_close(client);
    return text;
}

static void assert_votes(const struct scene *s, const char *expected)
{
    assert_string_equal(by_another(s, "HGET", "turnout:member:KE:2026", "technical.votes", NULL),
                        expected);
}

/* Nobody has waited for the commit: it comes by and by. */
static void await_votes(const struct scene *s, const char *expected)
{
    const char *key = "turnout:member:KE:2026", *field = "technical.votes";

    for (int i = 0; strcmp(by_another(s, "HGET", key, field, NULL), expected) != 0; i++) {
        assert_true(i < 5000);
        usleep(1000);
    }
}

/* How often Redis was told to do that. */
static long times(const struct scene *s, const char *command)
{
    struct redis *client = redis_open(s->server->socket);
    struct slice all = redis_do(client, "INFO", "commandstats")->text;
    char what[64];
    const char *at;

    snprintf(what, sizeof what, "cmdstat_%s:calls=", command);
    at = memmem(all.at, all.size, what, strlen(what));
    long n = at ? strtol(at + strlen(what), NULL, 10) : 0;
    redis_close(client);
    return n;
}

/* The first begin, and two commits after which nothing needs to be found out any more. */
static void set_going(struct scene *s)
{
    unsigned asked;

    for (int i = 0; i < 2; i++) {
        assert_int_equal(begin(s, 0, &asked), 0);
        assert_int_equal(commit(s), 0);
    }
}

static void the_next_begin_of_the_same_places_asks_for_nothing(void **state)
{
    struct scene s;
    unsigned asked;

    (void)state;
    scene_set(&s);
    set_going(&s);
    for (uint64_t i = 2; i < 50; i++) {
        bool known = i % 2; /* whether or not the outcome is known by then */
        if (known)
            assert_int_equal(store_confirm(s.s), 0);
        assert_int_equal(begin(&s, 0, &asked), 0);
        if (known)
            assert_int_equal(asked, 0);
        assert_int_equal(s.now[0].offset, i);
        assert_false(s.now[1].known);
        assert_int_equal(commit(&s), 0);
    }
    assert_int_equal(store_confirm(s.s), 0);
    assert_votes(&s, "50");
    assert_int_equal(times(&s, "watch"), 51); /* by the first begin, and behind each commit */
    scene_end(&s);
}

static void what_it_fetches_is_asked_for(void **state)
{
    struct scene s;
    unsigned asked;

    (void)state;
    scene_set(&s);
    set_going(&s);
    by_another(&s, "HSET", "turnout:votes:C|B", "KE", "approve");
    assert_int_equal(begin(&s, 1, &asked), 0);
    assert_int_equal(asked, 1);
    assert_string_equal(s.row, "KE=approve");
    assert_int_equal(s.now[0].offset, 2);
    scene_end(&s);
}

static void what_was_sent_is_not_asked_for_again(void **state)
{
    struct scene s;
    unsigned asked;

    (void)state;
    scene_set(&s);
    by_another(&s, "HSET", "turnout:votes:C|B", "KE", "approve");
    for (uint64_t i = 0; i < 4; i++) {
        s.row[0] = '\0';
        s.look.fetch_count = 1;
        assert_int_equal(store_send(s.s, &s.look), 0);
        assert_int_equal(begin(&s, 1, &asked), 0);
        assert_string_equal(s.row, "KE=approve");
        assert_int_equal(s.now[0].offset, i);
        assert_int_equal(commit(&s), 0);
    }
    assert_int_equal(times(&s, "hgetall"), 4);
    s.look.fetch_count = 1;
    assert_int_equal(store_send(s.s, &s.look), 0);
    store_drop(s.s);
    assert_int_equal(begin(&s, 0, &asked), 0); /* out of step it would tell something else */
    assert_int_not_equal(asked, 0);
    assert_true(s.now[0].offset == 4 || s.now[0].offset == 3); /* nobody knows of the last one */
    scene_end(&s);
}

static void other_places_are_looked_at_anew(void **state)
{
    static const unsigned others[PLACES] = {0, 2, 1};
    struct scene s;
    unsigned asked;

    (void)state;
    scene_set(&s);
    const unsigned *places = s.look.places;
    set_going(&s);
    s.look.watched = 1;
    assert_int_equal(begin(&s, 0, &asked), 0);
    assert_int_not_equal(asked, 0);
    assert_int_equal(commit(&s), 0);
    s.look.places = others;
    assert_int_equal(begin(&s, 0, &asked), 0);
    assert_int_not_equal(asked, 0);
    assert_int_equal(commit(&s), 0);
    s.look.places = places;
    s.look.count = 1;
    assert_int_equal(begin(&s, 0, &asked), 0);
    assert_int_not_equal(asked, 0);
    assert_int_equal(s.now[0].offset, 4);
    assert_int_equal(begin(&s, 0, &asked), 0); /* without a commit in between */
    assert_int_not_equal(asked, 0);
    scene_end(&s);
}

/* Each of those that are watched, though the commit moves only one of them; whether it has been
 * taken by the begin or not. */
static void who_moves_a_watched_place_after_the_look_makes_a_conflict(void **state)
{
    static const char *const keys[PLACES] = {"turnout:offset:0", "turnout:offset:1",
                                             "turnout:offset:2"};
    struct scene s;
    unsigned asked;

    (void)state;
    for (int late = 0; late < 2; late++)
        for (int place = 0; place < PLACES; place++) {
            scene_set(&s);
            set_going(&s);
            assert_int_equal(store_confirm(s.s), 0);
            if (late)
                assert_int_equal(begin(&s, 0, &asked), 0);
            by_another(&s, "HSET", keys[place], "epoch", "9");
            if (!late)
                assert_int_equal(begin(&s, 0, &asked), 0);
            assert_int_equal(s.now[place].epoch, 0); /* it tells what was */
            assert_int_equal(commit(&s), 0);
            assert_int_equal(store_confirm(s.s), place < 2 ? ERR_CONFLICT : 0);
            assert_votes(&s, place < 2 ? "2" : "3");
            assert_int_equal(begin(&s, 0, &asked), 0);
            assert_int_equal(s.now[0].epoch, place == 0 ? 9 : 0);
            scene_end(&s);
        }
}

static void a_flush_after_the_look_is_a_conflict(void **state)
{
    struct scene s;
    unsigned asked;

    (void)state;
    scene_set(&s);
    set_going(&s);
    assert_int_equal(store_confirm(s.s), 0);
    by_another(&s, "FLUSHALL", NULL, NULL, NULL);
    assert_int_equal(begin(&s, 0, &asked), 0);
    assert_int_equal(s.now[0].offset, 2);
    assert_int_equal(commit(&s), 0);
    assert_int_equal(begin(&s, 0, &asked), ERR_CONFLICT);
    assert_int_equal(begin(&s, 0, &asked), 0);
    assert_false(s.now[0].known);
    scene_end(&s);
}

/* The watch goes with the connection, and so does what was seen. */
static void after_a_lost_connection_nothing_of_it_is_left(void **state)
{
    struct scene s;
    unsigned asked;

    (void)state;
    scene_set(&s);
    set_going(&s);
    assert_int_equal(store_confirm(s.s), 0);
    assert_int_equal(begin(&s, 0, &asked), 0);
    by_another(&s, "CLIENT", "KILL", "TYPE", "normal");
    int error = commit(&s);
    if (error == 0)
        error = store_confirm(s.s);
    assert_int_equal(error, ERR_LOST);
    assert_votes(&s, "2");
    assert_int_equal(begin(&s, 0, &asked), 0);
    assert_int_not_equal(asked, 0);
    assert_int_equal(s.now[0].offset, 2);
    store_drop(s.s);
    assert_int_equal(commit(&s), ERR_LOST);
    scene_end(&s);
}

static void a_commit_that_is_waited_for_leaves_no_look_behind(void **state)
{
    struct scene s;
    unsigned asked;

    (void)state;
    scene_set(&s);
    set_going(&s);
    assert_int_equal(begin(&s, 0, &asked), 0);
    commit_clear(&s.commit);
    struct commit_move *m = commit_move(&s.commit, 0);
    m->from = s.now[0];
    m->to = (struct applied){.known = true, .log = LOG, .offset = 7};
    s.commit.unawaited = false;
    assert_int_equal(store_commit(s.s, &s.commit), 0);
    assert_int_equal(begin(&s, 0, &asked), 0);
    assert_int_not_equal(asked, 0);
    assert_int_equal(s.now[0].offset, 7);
    scene_end(&s);
}

/* As deriving does between commits of events. */
static void a_snapshot_behind_it_has_nothing_to_do_with_its_watch(void **state)
{
    static const unsigned derived = PLACE_DERIVED;
    struct scene s;
    struct applied now;

    (void)state;
    scene_set(&s);
    for (int known = 0; known < 2; known++) {
        struct store_look look = {.places = &derived,
                                  .count = 1,
                                  .watched = 1,
                                  .ret_applied = &now,
                                  .fetches = &s.fetch,
                                  .fetch_count = 1,
                                  .snapshot = true};
        set_going(&s);
        if (known)
            assert_int_equal(store_confirm(s.s), 0);
        else
            await_votes(&s, "2"); /* the commit and the look behind it are done */
        by_another(&s, "HSET", "turnout:offset:0", "epoch", "9");
        by_another(&s, "HSET", "turnout:votes:C|B", "KE", known ? "abstain" : "approve");
        assert_int_equal(store_begin(s.s, &look), 0);
        assert_string_equal(s.row, known ? "KE=abstain" : "KE=approve");
        store_drop(s.s);
    }
    scene_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_next_begin_of_the_same_places_asks_for_nothing),
        cmocka_unit_test(what_it_fetches_is_asked_for),
        cmocka_unit_test(what_was_sent_is_not_asked_for_again),
        cmocka_unit_test(other_places_are_looked_at_anew),
        cmocka_unit_test(who_moves_a_watched_place_after_the_look_makes_a_conflict),
        cmocka_unit_test(a_flush_after_the_look_is_a_conflict),
        cmocka_unit_test(after_a_lost_connection_nothing_of_it_is_left),
        cmocka_unit_test(a_commit_that_is_waited_for_leaves_no_look_behind),
        cmocka_unit_test(a_snapshot_behind_it_has_nothing_to_do_with_its_watch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
