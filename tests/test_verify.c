/* turnout verify: what was changed by hand is found and mended, and nothing else is told, whatever
 * goes on meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

#include "proto/clock.h"
#include "tests/load.h"
#include "tests/scene.h"
#include "tests/world.h"
#include "workers/audit/families.h"

static void pause_briefly(void)
{
    struct timespec t = {0, 5000000};

    nanosleep(&t, NULL);
}

/* ---- what verify says ---- */
struct said {
    int status;
    uint64_t keys, fields, differences;
    struct buffer out;
};

/* The last line is what it always is. */
static struct said verify(struct stack *s, const char *option)
{
    struct run r = RUN(s, "turnout", "verify", "--max", "1000000", option);
    struct said said = {.status = r.status, .out = r.out};
    char again[128];

    if (r.status > 1)
        fail_msg("verify ended with %d: %s", r.status, r.err.at);
    const char *last = r.out.at;
    for (const char *at = last; (at = strchr(at, '\n')) && at[1];)
        last = ++at;
    assert_int_equal(sscanf(last, "%" SCNu64 " keys, %" SCNu64 " fields compared, %" SCNu64,
                            &said.keys, &said.fields, &said.differences),
                     3);
    snprintf(again, sizeof again,
             "%" PRIu64 " keys, %" PRIu64 " fields compared, %" PRIu64 " differences\n", said.keys,
             said.fields, said.differences);
    assert_string_equal(last, again);
    buffer_free(&r.err);
    return said;
}

/* Redis says so too, for boards. */
static void assert_noted(struct stack *s, const char *differences)
{
    struct redis *r = redis_open(stack_path(s, "redis.sock"));

    assert_true(
        slice_is(redis_do(r, "HGET", "turnout:verified", "differences")->text, differences));
    redis_close(r);
}

static void assert_clean(struct stack *s)
{
    struct said said = verify(s, NULL);

    if (said.differences)
        print_message("%s", said.out.at);
    assert_int_equal(said.differences, 0);
    assert_int_equal(said.status, 0);
    assert_true(said.keys > 50 && said.fields > 500);
    assert_noted(s, "0");
    buffer_free(&said.out);
}

/* Exactly this one line, and the counts. */
static void assert_finds(struct stack *s, const char *line)
{
    struct said said = verify(s, NULL);

    assert_int_equal(said.status, 1);
    assert_int_equal(said.differences, 1);
    if (strncmp(said.out.at, line, strlen(line)) != 0)
        fail_msg("expected %s, found %s", line, said.out.at);
    assert_noted(s, "1");
    buffer_free(&said.out);
}

static void assert_mends(struct stack *s, uint64_t differences)
{
    struct said said = verify(s, "--repair");

    assert_int_equal(said.differences, differences);
    assert_int_equal(said.status, 0);
    assert_non_null(strstr(said.out.at, differences ? "differences mended\n" : "keys"));
    assert_noted(s, "0");
    buffer_free(&said.out);
    assert_clean(s);
}

/* A counter of the scene, to be changed: whichever comes first in the order of keys. */
struct choice {
    char key[256], field[128], value[512];
};

static void choose(void *arg, struct slice key, struct slice field, struct slice value)
{
    struct choice *c = arg;
    int64_t n;

    if (c->key[0] || !slice_to_int(value, &n) || n < 2)
        return;
    snprintf(c->key, sizeof c->key, "%.*s", (int)key.size, key.at);
    snprintf(c->field, sizeof c->field, "%.*s", (int)field.size, field.at);
    snprintf(c->value, sizeof c->value, "%.*s", (int)value.size, value.at);
}

static struct choice counter_of(struct stack *s, const char *family)
{
    struct dump *d = stack_dump(s);
    struct choice c = {0};

    dump_each(d, family, choose, &c);
    assert_true(c.key[0]);
    dump_free(d);
    return c;
}

static void key_is_known(void *arg, struct slice key, struct slice field, struct slice value)
{
    size_t prefix = strlen(STORE_PREFIX);

    (void)arg;
    (void)field;
    (void)value;
    if (!family_of(slice_make(key.at + prefix, key.size - prefix)))
        fail_msg("%.*s is of no family", (int)key.size, key.at);
}

/* ---- nothing differs ---- */
static void every_key_that_is_written_is_of_a_known_family(void **state)
{
    struct scene s = scene_new("families", 5000);
    struct dump *d = stack_dump(s.stack);

    (void)state;
    dump_each(d, "", key_is_known, NULL);
    dump_free(d);
    scene_free(&s);
}

static enum dump_care all_but_the_result(struct slice key, struct slice field)
{
    (void)field;
    return slice_is(key, "turnout:verified") ? DUMP_IGNORE : DUMP_EXACT;
}

static void of_a_quiet_redis_nothing_differs_and_nothing_is_changed(void **state)
{
    struct scene s = scene_new("quiet", 5000);
    struct dump *before = stack_dump(s.stack);

    (void)state;
    assert_clean(s.stack);
    struct dump *now = stack_dump(s.stack);
    assert_int_equal(dump_compare(before, now, all_but_the_result, stdout, NULL),
                     0); /* not even a hold */
    dump_free(now);
    assert_mends(s.stack, 0);
    dump_free(before);
    scene_free(&s);
}

static void of_an_empty_journal_nothing_differs(void **state)
{
    struct stack *s = stack_new(1);
    struct run r;

    (void)state;
    stack_start(s);
    r = RUN(s, "turnout", "verify");
    assert_int_equal(r.status, 0);
    assert_string_equal(r.out.at, "0 keys, 0 fields compared, 0 differences\n");
    run_free(&r);
    stack_free(s);
}

/* Everything moves while it is looked at; and yet only what was changed by hand is told. */
static void under_load_only_what_was_changed_by_hand_is_told(void **state)
{
    struct scene s = scene_new("loaded", 4000);
    struct buffer more = {0};
    struct load load;

    (void)state;
    world_events(random_next(&s.random), 40000, &more);
    load = load_start(s.stack, buffer_slice(&more), 8000);
    load_await(&load, 1000);
    assert_clean(s.stack);
    MEDDLE(&s, "HINCRBY", "turnout:member:QQ:1931", "technical.votes", "7");
    assert_finds(s.stack, "turnout:member:QQ:1931 technical.votes: expected -, found 7\n");
    assert_mends(s.stack, 1);
    load_stop(&load);
    stack_sync(s.stack);
    assert_clean(s.stack);
    buffer_free(&more);
    scene_free(&s);
}

/* ---- what was changed by hand ---- */
static void a_changed_counter_is_found_and_mended(void **state)
{
    static const char *const families[] = {
        "turnout:member:", "turnout:committee:", "turnout:seat:",
        "turnout:group:",  "turnout:ballot:",    "turnout:meeting:"};
    struct scene s = scene_new("a counter", 4000);
    struct dump *before = stack_dump(s.stack);
    char line[1024];

    (void)state;
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        struct choice c = counter_of(s.stack, families[i]);
        MEDDLE(&s, "HINCRBY", c.key, c.field, "3");
        snprintf(line, sizeof line, "%s %s: expected %s, found %lld\n", c.key, c.field, c.value,
                 atoll(c.value) + 3);
        assert_finds(s.stack, line);
        assert_mends(s.stack, 1);
        assert_same_board(before, s.stack);
    }
    dump_free(before);
    scene_free(&s);
}

static void a_missing_field_and_one_too_many_are_found_and_mended(void **state)
{
    struct scene s = scene_new("fields", 3000);
    struct dump *before = stack_dump(s.stack);
    struct choice c = counter_of(s.stack, "turnout:member:");
    char line[1024];

    (void)state;
    MEDDLE(&s, "HDEL", c.key, c.field);
    snprintf(line, sizeof line, "%s %s: expected %s, found -\n", c.key, c.field, c.value);
    assert_finds(s.stack, line);
    assert_mends(s.stack, 1);
    MEDDLE(&s, "HSET", c.key, "technical.wishes", "\033[31m1");
    snprintf(line, sizeof line, "%s technical.wishes: expected -, found \\x1b[31m1\n", c.key);
    assert_finds(s.stack, line);
    assert_mends(s.stack, 1);
    assert_same_board(before, s.stack);
    dump_free(before);
    scene_free(&s);
}

static void missing_and_extra_keys_are_found_and_mended(void **state)
{
    struct scene s = scene_new("keys", 3000);
    struct dump *before = stack_dump(s.stack);
    struct choice c = counter_of(s.stack, "turnout:committee:");

    (void)state;
    int64_t fields = redis_do(s.redis, "HLEN", c.key)->number;
    MEDDLE(&s, "DEL", c.key);
    MEDDLE(&s, "HSET", "turnout:group:ghosts:1999", "members", "13", "list", "none");
    MEDDLE(&s, "ZADD", "turnout:watch", "2", "C|QQ|missed-share");
    MEDDLE(&s, "SET", "turnout:note-of-the-operator", "left alone");
    assert_mends(s.stack, (uint64_t)fields + 3);
    assert_int_equal(redis_do(s.redis, "EXISTS", "turnout:group:ghosts:1999")->number, 0);
    assert_int_equal(redis_do(s.redis, "DEL", "turnout:note-of-the-operator")->number, 1);
    assert_same_board(before, s.stack);
    dump_free(before);
    scene_free(&s);
}

static void a_key_of_another_type_is_found_and_mended(void **state)
{
    static const char *const families[] = {
        "turnout:member:", "turnout:profiles:", "turnout:votes:", "turnout:group:"};
    struct scene s = scene_new("types", 3000);
    struct dump *before = stack_dump(s.stack);

    (void)state;
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        struct choice c = {0};
        dump_each(before, families[i], choose, &c);
        if (!c.key[0]) { /* facts are no numbers */
            const struct redis_reply *r = redis_do(s.redis, "KEYS", "turnout:votes:*");
            assert_true(r->number > 0);
            snprintf(c.key, sizeof c.key, "%.*s", (int)r->items[0].text.size, r->items[0].text.at);
        }
        int64_t fields = redis_do(s.redis, "HLEN", c.key)->number;
        MEDDLE(&s, "SET", c.key, "mine");
        struct said said = verify(s.stack, NULL);
        assert_int_equal(said.status, 1);
        assert_int_equal(said.differences, fields + 1);
        assert_non_null(strstr(said.out.at, " (type): expected hash, found another type\n"));
        buffer_free(&said.out);
        assert_mends(s.stack, (uint64_t)fields + 1);
        assert_same_board(before, s.stack);
    }
    MEDDLE(&s, "SET", "turnout:group:ghosts:1999", "mine");
    assert_finds(s.stack, "turnout:group:ghosts:1999 (type): expected -, found another type\n");
    assert_mends(s.stack, 1);
    dump_free(before);
    scene_free(&s);
}

static void a_set_may_hold_more_but_not_less(void **state)
{
    struct scene s = scene_new("sets", 3000);
    const struct redis_reply *r;
    char member[64], line[256];

    (void)state;
    MEDDLE(&s, "SADD", "turnout:groups", "long-forgotten");
    MEDDLE(&s, "SADD", "turnout:periods", "1901");
    assert_clean(s.stack);
    r = redis_do(s.redis, "SRANDMEMBER", "turnout:members");
    snprintf(member, sizeof member, "%.*s", (int)r->text.size, r->text.at);
    MEDDLE(&s, "SREM", "turnout:members", member);
    snprintf(line, sizeof line, "turnout:members %s: expected , found -\n", member);
    assert_finds(s.stack, line);
    assert_mends(s.stack, 1);
    assert_int_equal(redis_do(s.redis, "SISMEMBER", "turnout:members", member)->number, 1);
    scene_free(&s);
}

static void sorted_sets_are_compared_by_score(void **state)
{
    struct scene s = scene_new("scores", 3000);
    struct dump *before = stack_dump(s.stack);
    const struct redis_reply *r = redis_do(s.redis, "ZRANGE", "turnout:ballots:open", "0", "0");
    char name[256];

    (void)state;
    assert_int_equal(r->number, 1);
    snprintf(name, sizeof name, "%.*s", (int)r->items[0].text.size, r->items[0].text.at);
    MEDDLE(&s, "ZINCRBY", "turnout:ballots:open", "86400", name);
    MEDDLE(&s, "ZADD", "turnout:ballots:open", "5", "C|never");
    assert_mends(s.stack, 2);
    assert_same_board(before, s.stack);
    dump_free(before);
    scene_free(&s);
}

/* ---- many at once ---- */
struct picks {
    struct random *random;
    struct redis *redis;
    unsigned percent;
    uint64_t count;
};

static void change_some(void *arg, struct slice key, struct slice field, struct slice value)
{
    struct picks *p = arg;
    char k[512], f[512];

    (void)value;
    if (!random_percent(p->random, p->percent) || stack_care(key, field) != DUMP_EXACT ||
        memmem(key.at, key.size, ":offset:", 8) || slice_is(key, "turnout:meta") ||
        slice_is(key, "turnout:derived"))
        return;
    snprintf(k, sizeof k, "%.*s", (int)key.size, key.at);
    snprintf(f, sizeof f, "%.*s", (int)field.size, field.at);
    if (redis_do(p->redis, "HEXISTS", k, f)->kind != ':')
        return; /* a set */
    bool gone = random_percent(p->random, 50);
    const struct redis_reply *r =
        gone ? redis_do(p->redis, "HDEL", k, f) : redis_do(p->redis, "HSET", k, f, "99999999");
    assert_int_equal(r->kind, ':');
    p->count++;
}

static void whatever_is_changed_is_found_and_mended(void **state)
{
    struct scene s = scene_new("many changes", 6000);
    struct dump *before = stack_dump(s.stack);

    (void)state;
    for (unsigned percent = 1; percent <= 50; percent = percent * 7 + 1) {
        struct picks p = {.random = &s.random, .redis = s.redis, .percent = percent};
        dump_each(before, "turnout:", change_some, &p);
        assert_true(p.count > 20);
        assert_mends(s.stack, p.count);
        assert_same_board(before, s.stack);
    }
    dump_free(before);
    scene_free(&s);
}

static void a_list_ends_where_it_is_told(void **state)
{
    struct scene s = scene_new("long lists", 3000);
    struct choice c = counter_of(s.stack, "turnout:member:");
    struct run r;

    (void)state;
    for (char name[] = "field-0"; name[6] <= '9'; name[6]++)
        MEDDLE(&s, "HSET", c.key, name, "1");
    r = RUN(s.stack, "turnout", "verify", "--max", "3");
    assert_int_equal(r.status, 1);
    assert_non_null(strstr(r.out.at, "field-2: expected -, found 1\nand 7 more\n"));
    assert_null(strstr(r.out.at, "field-3"));
    run_free(&r);
    scene_free(&s);
}

static void json_says_the_same(void **state)
{
    struct scene s = scene_new("json", 3000);
    struct choice c = counter_of(s.stack, "turnout:member:");
    struct run r;
    json_t *j;

    (void)state;
    MEDDLE(&s, "HINCRBY", c.key, c.field, "1");
    r = RUN(s.stack, "turnout", "verify", "--json", "--repair");
    assert_int_equal(r.status, 0);
    j = json_loads(r.out.at, 0, NULL);
    assert_true(json_integer_value(json_object_get(j, "keys")) > 50);
    assert_true(json_integer_value(json_object_get(j, "fields")) > 500);
    assert_true(json_is_true(json_object_get(j, "repaired")));
    const json_t *list = json_object_get(j, "differences"), *one = json_array_get(list, 0);
    assert_int_equal(json_array_size(list), 1);
    assert_string_equal(json_string_value(json_object_get(one, "key")), c.key);
    assert_string_equal(json_string_value(json_object_get(one, "field")), c.field);
    assert_string_equal(json_string_value(json_object_get(one, "expected")), c.value);
    json_decref(j);
    run_free(&r);
    scene_free(&s);
}

/* ---- workers and verify ---- */
/* Nobody derives; verify does it itself, and tells no difference. */
static void what_waits_to_be_derived_is_no_difference(void **state)
{
    struct scene s = scene_new("waiting", 3000);
    struct choice c = counter_of(s.stack, "turnout:group:all:");
    struct run r;
    char mark[64];

    (void)state;
    snprintf(mark, sizeof mark, "period|%s", strrchr(c.key, ':') + 1);
    kill(stack_pid(s.stack, "worker-1"), SIGSTOP);
    kill(stack_pid(s.stack, "worker-2"), SIGSTOP);
    MEDDLE(&s, "SADD", "turnout:dirty", mark);
    MEDDLE(&s, "DEL", c.key);
    assert_clean(s.stack);
    assert_int_equal(redis_do(s.redis, "EXISTS", c.key)->number, 1);
    assert_int_equal(redis_do(s.redis, "EXISTS", "turnout:dirty")->number, 0);
    kill(stack_pid(s.stack, "worker-1"), SIGCONT);
    kill(stack_pid(s.stack, "worker-2"), SIGCONT);
    r = RUN(s.stack, "turnout", "sync");
    assert_int_equal(r.status, 0);
    run_free(&r);
    scene_free(&s);
}

static void workers_go_on_after_a_repair_with_what_was_mended(void **state)
{
    struct scene s = scene_new("mended under workers", 3000);

    (void)state;
    for (int i = 0; i < 4; i++) {
        struct picks p = {.random = &s.random, .redis = s.redis, .percent = 5};
        struct dump *now = stack_dump(s.stack);
        dump_each(now, "turnout:", change_some, &p);
        dump_free(now);
        assert_mends(s.stack, p.count);
        scene_publish(&s, 2000);
        stack_sync(s.stack);
        assert_clean(s.stack);
    }
    scene_free(&s);
}

static void a_verify_that_is_killed_does_no_harm(void **state)
{
    struct scene s = scene_new("killed", 6000);

    (void)state;
    for (int i = 0; i < 12; i++) {
        struct picks p = {.random = &s.random, .redis = s.redis, .percent = 1};
        struct dump *now = stack_dump(s.stack);
        int status;
        dump_each(now, "turnout:", change_some, &p);
        dump_free(now);
        pid_t pid = stack_spawn(
            s.stack, (const char *const[]){"turnout", "verify", "--repair", "--max", "0", NULL});
        for (uint64_t pause = random_below(&s.random, 40); pause; pause--)
            pause_briefly();
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
    }
    struct said said = verify(s.stack, "--repair");
    assert_int_equal(said.status, 0);
    buffer_free(&said.out);
    scene_publish(&s, 2000);
    stack_sync(s.stack);
    assert_clean(s.stack);
    scene_free(&s);
}

/* Stopped while it holds the partitions, for longer than a hold lasts. */
static void a_repair_that_is_overtaken_tries_again(void **state)
{
    struct scene s = scene_new("overtaken", 6000);
    int status;

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct choice c = counter_of(s.stack, "turnout:member:");
        int64_t end_ms = clock_mono_ms() + 60000;
        MEDDLE(&s, "HINCRBY", c.key, c.field, "1000");
        pid_t pid =
            stack_spawn(s.stack, (const char *const[]){"turnout", "verify", "--repair", NULL});
        while (redis_do(s.redis, "HEXISTS", "turnout:offset:0", "held")->number == 0 &&
               clock_mono_ms() < end_ms)
            ;
        kill(pid, SIGSTOP);
        scene_publish(&s, 2000);
        stack_sync(s.stack); /* workers go on */
        kill(pid, SIGCONT);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        assert_clean(s.stack);
    }
    scene_free(&s);
}

/* ---- what it cannot do ---- */
static void assert_ends(struct stack *s, int status, const char *sentence)
{
    struct run r = RUN(s, "turnout", "verify");

    assert_int_equal(r.status, status);
    if (!strstr(r.err.at, sentence))
        fail_msg("expected %s, found %s", sentence, r.err.at);
    run_free(&r);
}

static void a_redis_of_another_journal_or_ahead_of_it_is_told(void **state)
{
    struct scene s = scene_new("foreign", 1000);

    (void)state;
    MEDDLE(&s, "HINCRBY", "turnout:offset:5", "offset", "100000");
    assert_ends(s.stack, 78, "stands for another journal");
    MEDDLE(&s, "HINCRBY", "turnout:offset:5", "offset", "-100000");
    assert_clean(s.stack);
    MEDDLE(&s, "HSET", "turnout:offset:5", "log", "00000000000000000000000000000000");
    assert_ends(s.stack, 78, "stands for another journal");
    scene_free(&s);
}

static void who_does_not_answer_is_told(void **state)
{
    struct scene s = scene_new("not there", 500);

    (void)state;
    kill(stack_pid(s.stack, "broker"), SIGKILL);
    assert_ends(s.stack, 69, "the broker at ipc://");
    kill(stack_pid(s.stack, "redis"), SIGKILL);
    assert_ends(s.stack, 69, "Redis at ");
    scene_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_that_is_written_is_of_a_known_family),
        cmocka_unit_test(of_a_quiet_redis_nothing_differs_and_nothing_is_changed),
        cmocka_unit_test(of_an_empty_journal_nothing_differs),
        cmocka_unit_test(under_load_only_what_was_changed_by_hand_is_told),
        cmocka_unit_test(a_changed_counter_is_found_and_mended),
        cmocka_unit_test(a_missing_field_and_one_too_many_are_found_and_mended),
        cmocka_unit_test(missing_and_extra_keys_are_found_and_mended),
        cmocka_unit_test(a_key_of_another_type_is_found_and_mended),
        cmocka_unit_test(a_set_may_hold_more_but_not_less),
        cmocka_unit_test(sorted_sets_are_compared_by_score),
        cmocka_unit_test(whatever_is_changed_is_found_and_mended),
        cmocka_unit_test(a_list_ends_where_it_is_told),
        cmocka_unit_test(json_says_the_same),
        cmocka_unit_test(what_waits_to_be_derived_is_no_difference),
        cmocka_unit_test(workers_go_on_after_a_repair_with_what_was_mended),
        cmocka_unit_test(a_verify_that_is_killed_does_no_harm),
        cmocka_unit_test(a_repair_that_is_overtaken_tries_again),
        cmocka_unit_test(a_redis_of_another_journal_or_ahead_of_it_is_told),
        cmocka_unit_test(who_does_not_answer_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
