/* turnout verify, of keys that tell of the way: whatever stands there instead of what turnout
 * writes stops workers for good, so it is told and mended like any counter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <unistd.h>

#include "proto/clock.h"
#include "proto/date.h"
#include "proto/error.h"
#include "tests/scene.h"
#include "workers/audit/verified.h"

/* ---- what verify says ---- */
static void assert_says(struct stack *s, const char *option, int status, const char *sentence)
{
    struct run r = RUN(s, "turnout", "verify", option);

    if (r.status != status || !strstr(r.out.at, sentence))
        fail_msg("expected %d and %s, found %d: %s%s", status, sentence, r.status, r.out.at,
                 r.err.at);
    run_free(&r);
}

/* Once it was told, and mended, workers apply and derive what comes next. */
static void assert_mends(struct scene *s, const char *line)
{
    assert_says(s->stack, NULL, 1, line);
    assert_says(s->stack, "--repair", 0, line);
    assert_says(s->stack, NULL, 0, " 0 differences\n");
    scene_publish(s, 500);
    assert_right(s);
}

/* ---- types ---- */
static void a_key_of_the_way_of_another_type_is_told_and_mended(void **state)
{
    static const struct {
        const char *key, *line;
    } keys[] = {
        {"turnout:dirty", "turnout:dirty (type): expected set, found another type\n"},
        {"turnout:deriving", "turnout:deriving (type): expected set, found another type\n"},
        {"turnout:changes", "turnout:changes (type): expected stream, found another type\n"},
        {"turnout:derived", "turnout:derived (type): expected hash, found another type\n"},
    };
    struct scene s = scene_new("the way", 2000);

    (void)state;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        MEDDLE(&s, "SET", keys[i].key, "x");
        assert_mends(&s, keys[i].line);
    }
    scene_free(&s);
}

/* The partition is applied once more from its beginning, and the numbers are the same. */
static void a_place_of_another_type_is_told_and_applied_anew(void **state)
{
    struct scene s = scene_new("a place", 2000);

    (void)state;
    MEDDLE(&s, "SET", "turnout:offset:3", "x");
    MEDDLE(&s, "SET", "turnout:derived", "x");
    assert_mends(&s, "turnout:offset:3 (type): expected hash, found another type\n");
    scene_free(&s);
}

static void events_of_the_time_before_the_repair_are_derived_after_it(void **state)
{
    struct scene s = scene_new("meanwhile", 2000);

    (void)state;
    MEDDLE(&s, "SET", "turnout:deriving", "x");
    scene_publish(&s, 500);
    struct run r = RUN(s.stack, "turnout", "sync", "--counters");
    assert_int_equal(r.status, 0);
    run_free(&r);
    assert_says(s.stack, "--repair", 0,
                "turnout:deriving (type): expected set, found another type\n");
    assert_right(&s);
    scene_free(&s);
}

/* ---- marks ---- */
static void marks_that_turnout_did_not_write_are_removed(void **state)
{
    struct scene s = scene_new("marks", 2000);

    (void)state;
    MEDDLE(&s, "SADD", "turnout:dirty", "rubbish");
    assert_mends(&s, " rubbish: expected -, found \n");
    MEDDLE(&s, "SADD", "turnout:deriving", "period|soon", "seats|C");
    assert_mends(&s, "turnout:deriving period|soon: expected -, found \n");
    scene_free(&s);
}

/* ---- events that come to nothing ---- */
#define VOTE                                                                                       \
    "{\"type\":\"vote\",\"committee\":\"C\",\"ballot\":\"B\",\"member\":\"KE\",\"time\":\"2026-"   \
    "01-02T03:04:05Z\",\"position\":\"approve\",\"id\":\"v\",\"rev\":"

static struct stack *nothing_left(void)
{
    struct stack *s = stack_new(1);

    stack_start(s);
    stack_publish_lines(s, slice_of(VOTE "0}\n"));
    stack_sync(s);
    stack_publish_lines(s, slice_of(VOTE "1,\"retracted\":true}\n"));
    stack_sync(s);
    return s;
}

static void what_was_retracted_leaves_no_difference(void **state)
{
    struct stack *s = nothing_left();

    (void)state;
    assert_says(s, NULL, 0, " 0 differences\n");
    stack_free(s);
}

static void a_set_of_another_type_that_needs_no_names_is_removed(void **state)
{
    struct stack *s = nothing_left();
    struct redis *redis = redis_open(stack_path(s, "redis.sock"));

    (void)state;
    assert_int_equal(redis_do(redis, "SET", "turnout:periods", "x")->kind, '+');
    assert_says(s, "--repair", 0, "turnout:periods (type): expected -, found another type\n");
    assert_says(s, NULL, 0, " 0 differences\n");
    stack_publish_lines(s, slice_of(VOTE "2}\n"));
    stack_sync(s);
    assert_says(s, NULL, 0, " 0 differences\n");
    redis_close(redis);
    stack_free(s);
}

/* ---- mending ---- */
static void the_change_feed_says_that_everything_may_have_changed(void **state)
{
    static const char *const fields[] = {"repaired", "members",  "committees", "periods",
                                         "ballots",  "meetings", "groups",     "watch"};
    struct scene s = scene_new("told", 1000);

    (void)state;
    MEDDLE(&s, "HSET", "turnout:member:QQ:1931", "technical.votes", "7");
    assert_says(s.stack, "--repair", 0, "1 differences mended\n");
    const struct redis_reply *r = redis_do(s.redis, "XREVRANGE", "turnout:changes", "+", "-");
    const struct redis_reply *entry = &r->items[0].items[1];
    assert_int_equal(entry->number, 2 * sizeof fields / sizeof *fields);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        assert_true(slice_is(entry->items[2 * i].text, fields[i]));
        assert_true(slice_is(entry->items[2 * i + 1].text, i == 0 ? "1" : "*"));
    }
    scene_free(&s);
}

/* A key of another type is mended by a command that Redis refuses here. */
static void a_repair_that_fails_leaves_no_hold(void **state)
{
    struct scene s = scene_new("refused", 1000);
    const struct redis_reply *r = redis_do(s.redis, "KEYS", "turnout:committee:*");
    char key[256];

    (void)state;
    assert_true(r->number > 0);
    snprintf(key, sizeof key, "%.*s", (int)r->items[0].text.size, r->items[0].text.at);
    MEDDLE(&s, "SET", key, "x");
    MEDDLE(&s, "ACL", "SETUSER", "default", "-rename");
    struct run run = RUN(s.stack, "turnout", "verify", "--repair");
    assert_true(run.status > 1);
    run_free(&run);
    assert_int_equal(redis_do(s.redis, "HEXISTS", "turnout:offset:0", "held")->number, 0);
    assert_true(redis_do(s.redis, "HEXISTS", "turnout:offset:0", "epoch")->number);
    MEDDLE(&s, "ACL", "SETUSER", "default", "+rename");
    assert_says(s.stack, "--repair", 0, "differences mended\n");
    assert_right(&s);
    scene_free(&s);
}

/* ---- rules ---- */
/* A P-seat that has missed a DIS this year, whatever year it is. */
static void put_at_risk(struct scene *s)
{
    int year = date_to_civil(date_of_ms(clock_wall_ms())).year;
    char lines[512];

    snprintf(lines, sizeof lines,
             "{\"type\":\"seat\",\"id\":\"risk-1\",\"time\":1,\"committee\":\"AT RISK\","
             "\"member\":\"KE\",\"from\":\"2000-01-01\",\"role\":\"P\"}\n"
             "{\"type\":\"ballot\",\"id\":\"risk-2\",\"time\":1,\"committee\":\"AT RISK\","
             "\"ballot\":\"B\",\"kind\":\"DIS\",\"closes\":\"%d-01-01\",\"status\":\"closed\"}\n",
             year);
    stack_publish_lines(s->stack, slice_of(lines));
    stack_sync(s->stack);
}

/* The watch list is right by the rules of those who derive it. */
static void other_rules_than_the_workers_have_are_told_and_not_used(void **state)
{
    struct scene s = scene_new("rules", 3000);
    const char *path = stack_path(s.stack, "other.conf");
    FILE *f = fopen(path, "w");

    (void)state;
    assert_non_null(f);
    fputs("risk.missed_dis = 9\nrisk.cib_min = 50\nrisk.meetings_run = 8\nrisk.warn_days = 0\n", f);
    assert_int_equal(fclose(f), 0);
    put_at_risk(&s);
    assert_true(redis_do(s.redis, "ZCARD", "turnout:watch")->number > 0);
    struct run r = RUN(s.stack, "turnout", "verify", "--repair", "--config", path);
    assert_int_equal(r.status, 0);
    assert_non_null(strstr(r.out.at, " 0 differences\n"));
    assert_non_null(strstr(r.err.at, "have another configuration"));
    assert_non_null(strstr(r.err.at, "missed_dis=1 cib_percent=20"));
    run_free(&r);
    MEDDLE(&s, "ZADD", "turnout:watch", "2", "C|QQ|missed-share");
    r = RUN(s.stack, "turnout", "verify", "--repair", "--config", path);
    assert_non_null(strstr(r.out.at, "1 differences mended\n"));
    run_free(&r);
    r = RUN(s.stack, "turnout", "verify");
    assert_int_equal(r.status, 0);
    assert_null(strstr(r.err.at, "configuration"));
    run_free(&r);
    scene_free(&s);
}

/* For the boards. */
static void the_last_verification_is_read_as_it_was_written(void **state)
{
    struct verified said = {.time_ms = 5, .keys = 7, .fields = 9, .differences = 2}, v;
    struct store *s = store_memory_new();
    struct commit c = {0};

    (void)state;
    assert_int_equal(verified_read(s, &v), 0);
    assert_false(v.known);
    assert_int_equal(verified_write(s, &said), 0);
    assert_int_equal(verified_read(s, &v), 0);
    assert_true(v.known);
    assert_int_equal(v.time_ms, 5);
    assert_int_equal(v.keys, 7);
    assert_int_equal(v.fields, 9);
    assert_int_equal(v.differences, 2);
    commit_hset(&c, slice_of("verified"), slice_of("of"), slice_of("another turnout"));
    assert_int_equal(store_commit(s, &c), 0);
    assert_int_equal(verified_read(s, &v), 0);
    commit_clear(&c);
    commit_hset(&c, slice_of("verified"), slice_of("keys"), slice_of("many"));
    assert_int_equal(store_commit(s, &c), 0);
    assert_int_equal(verified_read(s, &v), ERR_CORRUPT);
    commit_free(&c);
    store_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_of_the_way_of_another_type_is_told_and_mended),
        cmocka_unit_test(a_place_of_another_type_is_told_and_applied_anew),
        cmocka_unit_test(events_of_the_time_before_the_repair_are_derived_after_it),
        cmocka_unit_test(marks_that_turnout_did_not_write_are_removed),
        cmocka_unit_test(what_was_retracted_leaves_no_difference),
        cmocka_unit_test(a_set_of_another_type_that_needs_no_names_is_removed),
        cmocka_unit_test(the_change_feed_says_that_everything_may_have_changed),
        cmocka_unit_test(a_repair_that_fails_leaves_no_hold),
        cmocka_unit_test(other_rules_than_the_workers_have_are_told_and_not_used),
        cmocka_unit_test(the_last_verification_is_read_as_it_was_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
