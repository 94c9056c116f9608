/* Numbers that explain themselves, at the terminal: turnout why, history and diff against a real
 * stack, when all is well and when it is not. */
#include "tests/redis_dump.h"
#include "tests/stack.h"
#include "tests/world.h"

#include "proto/clock.h"
#include "proto/error.h"
#include "workers/audit/live.h"
#include "workers/audit/target.h"
#include "workers/audit/witness.h"
#include "workers/json_out.h"

#include <jansson.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <cmocka.h>

#define EVENTS  900
#define NUMBERS 30

static const struct slice no_input;

#define RUN(s, ...) stack_run(s, no_input, (const char *const[]){__VA_ARGS__, NULL})

#define VOTE                                                                                       \
    "{\"type\":\"vote\",\"committee\":\"C\",\"ballot\":\"B\",\"member\":\"KE\",\"time\":\"2026-"   \
    "01-"
#define FIRST VOTE "01T00:00:00Z\",\"id\":\"v1\",\"position\":\"approve\",\"comments\":2}\n"
#define VOTE_OF(member)                                                                            \
    "{\"type\":\"vote\",\"committee\":\"C\",\"ballot\":\"B\",\"member\":\"" member                 \
    "\",\"time\":\"2026-01-03T00:00:00Z\",\"id\":\"" member "\",\"position\":\"approve\"}\n"
#define TAKEN VOTE "02T00:00:00Z\",\"id\":\"v2\",\"retracted\":true}\n"

static void meddle(struct stack *s, const char *a, const char *b, const char *c, const char *d)
{
    struct redis *r = redis_open(stack_path(s, "redis.sock"));
    const char *words[] = {a, b, c, d};

    assert_non_null(r);
    assert_int_not_equal(redis_command(r, 4, words)->kind, '-');
    redis_close(r);
}

/* Runs a verb and checks its exit status and that both outputs hold a text (NULL: whatever). */
static void assert_run(struct run r, int status, const char *out, const char *err)
{
    if (r.status != status || (out && !strstr(r.out.at, out)) || (err && !strstr(r.err.at, err)))
        fail_msg("exit status %d\n%s%s", r.status, r.out.at, r.err.at);
    run_free(&r);
}

/* The last line of the output. */
static const char *last_line(const struct run *r)
{
    size_t at = r->out.size;

    while (at > 0 && (at == r->out.size || r->out.at[at - 1] != '\n'))
        at--;
    return r->out.at + at;
}

/* ---- any number ---- */
struct pick {
    struct random *random;
    size_t seen;
    char key[256], field[128];
    int64_t value;
};

/* Each number that can be explained is as likely as any other. */
static void pick_number(void *arg, struct slice key, struct slice field, struct slice value)
{
    struct pick *p = arg;
    struct buffer reason = {0};
    struct target t;
    int64_t n;

    if (slice_to_int(value, &n) && target_parse(key, field, "turnout:", &t, &reason) == 0 &&
        random_below(p->random, ++p->seen) == 0) {
        snprintf(p->key, sizeof p->key, "%.*s", (int)key.size, key.at);
        snprintf(p->field, sizeof p->field, "%.*s", (int)field.size, field.at);
        p->value = n;
    }
    buffer_free(&reason);
}

/* The amounts of all lines but the last, added up. */
static int64_t sum_of_lines(const struct run *r)
{
    int64_t sum = 0;

    for (const char *line = r->out.at; line < last_line(r); line = strchr(line, '\n') + 1) {
        json_t *object = json_loadb(line, strcspn(line, "\n"), 0, NULL);
        assert_non_null(object);
        assert_true(json_is_string(json_object_get(object, "id")));
        assert_true(json_is_string(json_object_get(object, "source")));
        assert_true(json_is_integer(json_object_get(object, "offset")));
        sum += json_integer_value(json_object_get(object, "amount"));
        json_decref(object);
    }
    return sum;
}

static void assert_why(struct stack *s, const struct pick *p)
{
    char expected[128];
    struct run r = RUN(s, "turnout", "why", p->key, p->field, "--json");

    snprintf(expected, sizeof expected, "{\"sum\":%lld,\"redis\":%lld}\n", (long long)p->value,
             (long long)p->value);
    if (r.status != 0 || strcmp(last_line(&r), expected) != 0)
        fail_msg("%s %s: exit status %d, %s, not %s%s", p->key, p->field, r.status, last_line(&r),
                 expected, r.err.at);
    assert_true(sum_of_lines(&r) == p->value);
    run_free(&r);
}

static void what_stands_in_redis_is_the_sum_of_its_facts(void **state)
{
    static const char *const families[] = {
        "member:", "committee:", "seat:", "ballot:", "meeting:", "group:"};
    uint64_t seed = random_seed("why of a world");
    struct random random = random_new(seed);
    struct stack *s = stack_new(2);
    struct buffer events = {0};
    struct dump *d;

    (void)state;
    world_events(seed, EVENTS, &events);
    stack_start(s);
    stack_publish_events(s, buffer_slice(&events));
    stack_sync(s);
    assert_run(RUN(s, "turnout", "why", "group:all:2023", "members"), 0, NULL, NULL); /* waits */
    d = stack_dump(s);
    for (int i = 0; i < NUMBERS; i++) {
        struct pick p = {.random = &random};
        char prefix[64];
        snprintf(prefix, sizeof prefix, "turnout:%s", families[i % 6]);
        dump_each(d, prefix, pick_number, &p);
        assert_true(p.seen > 0);
        assert_why(s, &p);
    }
    dump_free(d);
    stack_free(s);
    buffer_free(&events);
}

/* ---- one number that is wrong ---- */
static struct stack *stack_with(const char *lines)
{
    struct stack *s = stack_new(1);

    stack_start(s);
    if (*lines)
        stack_publish_lines(s, slice_of(lines));
    stack_sync(s);
    return s;
}

static void a_number_changed_by_hand_is_told_with_its_difference(void **state)
{
    static const char key[] = "turnout:member:KE:2026", field[] = "technical.votes";
    struct stack *s = stack_with(FIRST);

    (void)state;
    assert_run(RUN(s, "turnout", "why", key, field), 0, "sum 1, Redis has 1\n", NULL);
    meddle(s, "HINCRBY", key, field, "3");
    assert_run(RUN(s, "turnout", "why", key, field), 1, "sum 1, Redis has 4: 3 too many\n", NULL);
    assert_run(RUN(s, "turnout", "why", key, field, "--json"), 1, "{\"sum\":1,\"redis\":4}\n",
               NULL);
    meddle(s, "HINCRBY", key, field, "-5");
    assert_run(RUN(s, "turnout", "why", key, field), 1, "sum 1, Redis has -1: 2 too few\n", NULL);
    meddle(s, "HSET", key, field, "many");
    assert_run(RUN(s, "turnout", "why", key, field), 1, "Redis has many: no number\n", NULL);
    assert_run(RUN(s, "turnout", "why", key, field, "--json"), 1, "\"redis\":\"many\"}\n", NULL);
    stack_free(s);
}

static void a_part_is_told_with_event_source_time_place_and_what_it_replaced(void **state)
{
    struct stack *s =
        stack_with(FIRST VOTE "03T00:00:00Z\",\"id\":\"v3\",\"position\":\"abstain\"}\n");
    struct run r = RUN(s, "turnout", "why", "ballot:C|B", "abstain");
    char place[8];

    (void)state;
    snprintf(place, sizeof place, "%.2s", strstr(r.out.at, " at=") + 4);
    assert_non_null(strstr(r.out.at, "+1  KE  vote|C|B|KE  abstain  id=v3 source=local "
                                     "time=2026-01-03T00:00:00.000Z at="));
    assert_non_null(strstr(r.out.at, ":1 replaced=v1@"));
    assert_non_null(strstr(strstr(r.out.at, "replaced="), place));
    run_free(&r);
    stack_free(s);
}

/* ---- under load ---- */
#define LOAD 100000 /* votes */

static void load_write(const char *path)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    for (int i = 0; i < LOAD; i++)
        fprintf(f,
                "{\"type\":\"vote\",\"id\":\"l%d\",\"time\":\"2026-01-02T03:04:05Z\",\"committee\":"
                "\"C%d\",\"ballot\":\"B%d\",\"member\":\"KE\",\"position\":\"approve\"}\n",
                i, i % 50, i);
    assert_int_equal(fclose(f), 0);
}

static void events_that_come_in_meanwhile_make_no_difference(void **state)
{
    struct stack *s = stack_with(FIRST);
    int status, asked = 0;

    (void)state;
    load_write(stack_path(s, "load"));
    pid_t pid =
        stack_spawn(s, (const char *const[]){"turnout", "publish", stack_path(s, "load"), NULL});
    for (; waitpid(pid, &status, WNOHANG) == 0; asked++)
        assert_run(RUN(s, "turnout", "why", "member:KE:2026", "technical.votes"), 0, "sum ", NULL);
    assert_int_equal(status, 0);
    assert_true(asked > 0);
    stack_sync(s);
    assert_run(RUN(s, "turnout", "why", "member:KE:2026", "technical.votes"), 0,
               "sum 100001, Redis has 100001\n", NULL);
    stack_free(s);
}

/* ---- moments ---- */
/* A moment behind all that has been received so far, and before what comes. */
static void moment_between(char out[32])
{
    int64_t now_ms = clock_wall_ms();

    while (clock_wall_ms() <= now_ms + 1)
        ;
    snprintf(out, 32, "%lld", (long long)now_ms);
}

static void a_retraction_moves_numbers_and_is_their_cause(void **state)
{
    struct stack *s = stack_with(FIRST);
    char before[32], after[32];

    (void)state;
    moment_between(before);
    stack_publish_lines(s, slice_of(TAKEN));
    moment_between(after);
    stack_sync(s);
    assert_run(RUN(s, "turnout", "why", "ballot:C|B", "votes", "--as-of", before), 0,
               "sum 1 as of 2", NULL);
    assert_run(RUN(s, "turnout", "why", "ballot:C|B", "votes", "--as-of", after, "--json"), 0,
               "{\"sum\":0,\"redis\":null}\n", NULL);
    struct run r = RUN(s, "turnout", "diff", "--from", before, "--to", after, "--all");
    const char *change =
        strstr(r.out.at, "ballot:C|B votes  1 -> 0\n  -1  vote|C|B|KE  retracted  id=v2 ");
    assert_int_equal(r.status, 0);
    assert_non_null(change);
    assert_non_null(strstr(r.out.at, "group:all:2026 technical.votes  1 -> 0\n"));
    run_free(&r);
    assert_run(RUN(s, "turnout", "diff", "--from", before, "--json"), 0,
               "{\"key\":\"group:all:2026\",\"field\":\"technical.votes\",\"from\":1,\"to\":0,"
               "\"causes\":[{\"amount\":-1,\"fact\":\"vote|C|B|KE\",\"states\":\"retracted\",",
               NULL);
    assert_run(RUN(s, "turnout", "diff", "--from", after), 0, NULL, "nothing moved");
    stack_free(s);
}

/* Two votes more: as many causes as are asked for, and how many more there are.
 */
static void a_diff_tells_so_many_causes_and_no_more(void **state)
{
    static const char more[] = VOTE_OF("BR") VOTE_OF("FR");
    struct stack *s = stack_with(FIRST);
    char before[32];

    (void)state;
    moment_between(before);
    stack_publish_lines(s, slice_of(more));
    stack_sync(s);
    assert_run(RUN(s, "turnout", "diff", "--from", before, "--max", "1"), 0, "  and 1 more\n",
               NULL);
    assert_run(RUN(s, "turnout", "diff", "--from", before, "--max", "1", "--json"), 0,
               "\"more\":1}\n", NULL);
    struct run r = RUN(s, "turnout", "diff", "--from", before, "--max", "0");
    assert_int_equal(r.status, 0);
    assert_null(strstr(r.out.at, " more\n"));
    run_free(&r);
    stack_free(s);
}

static void the_history_of_a_fact_has_all_its_versions_and_the_one_that_counts(void **state)
{
    struct stack *s = stack_with(FIRST TAKEN FIRST);
    struct run r = RUN(s, "turnout", "history", "vote", "C", "B", "KE");

    (void)state;
    assert_int_equal(r.status, 0);
    const char *second = strchr(r.out.at, '\n') + 1, *third = strchr(second, '\n') + 1;
    assert_true(strncmp(r.out.at, "  vote|C|B|KE  approve comments=2  id=v1 ", 41) == 0);
    assert_true(strncmp(second, "* vote|C|B|KE  retracted  id=v2 ", 32) == 0);
    assert_true(strncmp(third, "  vote|C|B|KE  approve comments=2  id=v1 ", 41) == 0);
    assert_non_null(strstr(third, " repeat="));
    run_free(&r);
    assert_run(RUN(s, "turnout", "history", "vote|C|B|KE", "--json"), 0,
               "\"retracted\":true,\"winner\":true,\"repeat\":false}", NULL);
    assert_run(RUN(s, "turnout", "history", "vote|C|B|BR"), 1, "", "vote|C|B|BR");
    assert_run(RUN(s, "turnout", "history", "vote", "C"), 64, "", "COMMITTEE BALLOT MEMBER");
    stack_free(s);
}

/* ---- when there is nothing ---- */
static void an_empty_journal_has_an_answer_to_everything(void **state)
{
    struct stack *s = stack_with("");

    (void)state;
    assert_run(RUN(s, "turnout", "why", "member:KE:2026", "technical.votes"), 0,
               "sum 0, Redis has 0\n", NULL);
    assert_run(RUN(s, "turnout", "why", "group:all:2026", "members"), 0, "sum 0, Redis has 0\n",
               NULL);
    assert_run(RUN(s, "turnout", "why", "ballot:C|B", "due", "--as-of", "now"), 0, "sum 0 as of ",
               NULL);
    assert_run(RUN(s, "turnout", "history", "ballot|C|B"), 1, "", "no event about ballot|C|B");
    assert_run(RUN(s, "turnout", "diff", "--all", "--progress"), 0, "", "nothing moved");
    stack_free(s);
}

static void what_cannot_be_asked_is_said_with_what_can(void **state)
{
    struct stack *s = stack_new(1);

    (void)state;
    assert_run(RUN(s, "turnout", "why"), 64, "", NULL);
    assert_run(RUN(s, "turnout", "why", "a:b", "c"), 64, "", "seat:C|M:YEAR");
    assert_run(RUN(s, "turnout", "why", "member:KE:2026", "c"), 64, "", "L.ballots.missed.KIND");
    assert_run(RUN(s, "turnout", "why", "group:all:2026", "voting"), 64, "", "voting.num");
    assert_run(RUN(s, "turnout", "why", "ballot:a|b", "votes", "--as-of", "then"), 64, "",
               "--as-of");
    assert_run(RUN(s, "turnout", "diff", "--from", "2026-02-30"), 64, "", "--from");
    assert_run(RUN(s, "turnout", "diff", "--from", "now", "--to", "2001-01-01"), 64, "", "later");
    assert_run(RUN(s, "turnout", "history"), 64, "", NULL);
    assert_run(RUN(s, "turnout", "why", "--help"), 0, "Exit status", NULL);
    assert_run(RUN(s, "turnout", "history", "--help"), 0, "Exit status", NULL);
    assert_run(RUN(s, "turnout", "diff", "--help"), 0, "Exit status", NULL);
    stack_free(s);
}

static void who_does_not_answer_is_named(void **state)
{
    struct stack *s = stack_with(FIRST);

    (void)state;
    kill(stack_pid(s, "redis"), SIGKILL);
    assert_run(RUN(s, "turnout", "why", "ballot:C|B", "votes"), 69, "", "Redis at ");
    assert_run(RUN(s, "turnout", "why", "ballot:C|B", "votes", "--as-of", "now"), 0, "sum 1", NULL);
    struct run r = RUN(s, "turnout", "why", "ballot:C|B", "votes", "--as-of", "2100-01-01");
    assert_non_null(strstr(r.out.at, "sum 1 as of 20")); /* what is not yet is not told of */
    assert_null(strstr(r.out.at, "2100"));
    run_free(&r);
    kill(stack_pid(s, "broker"), SIGKILL);
    assert_run(RUN(s, "turnout", "why", "ballot:C|B", "votes"), 69, "", "the broker at ");
    assert_run(RUN(s, "turnout", "history", "ballot|C|B"), 69, "", "the broker at ");
    assert_run(RUN(s, "turnout", "diff"), 69, "", "the broker at ");
    stack_free(s);
}

static void set_offsets(struct stack *s, const char *field, const char *value)
{
    char key[32];

    for (int p = 0; p < 8; p++) {
        snprintf(key, sizeof key, "turnout:offset:%d", p);
        meddle(s, "HSET", key, field, value);
    }
}

static void a_redis_of_another_journal_is_not_explained(void **state)
{
    struct stack *s = stack_with(FIRST);

    (void)state;
    kill(stack_pid(s, "worker-1"), SIGKILL);
    set_offsets(s, "offset", "12");
    assert_run(RUN(s, "turnout", "why", "ballot:C|B", "votes"), 78, "", "Redis at ");
    set_offsets(s, "offset", "0");
    set_offsets(s, "log", "0123456789abcdef0123456789abcdef");
    assert_run(RUN(s, "turnout", "why", "ballot:C|B", "votes"), 78, "", "Redis at ");
    stack_free(s);
}

/* ---- groups that are still on their way ---- */
static void what_waits_to_be_derived_is_waited_for(void **state)
{
    struct store *s = store_memory_new();
    struct arena arena = {0};
    struct commit c = {.arena = &arena};
    struct slice key = slice_of("group:all:2026"), field = slice_of("members");
    struct live live;

    (void)state;
    commit_hset(&c, key, field, slice_of("7"));
    commit_sadd(&c, slice_of("dirty"), slice_of("period|2026"));
    assert_int_equal(store_commit(s, &c), 0);
    assert_int_equal(live_read_derived(s, 8, key, field, 30, &live), ERR_TIMEOUT);
    commit_clear(&c);
    commit_del(&c, slice_of("dirty"));
    assert_int_equal(store_commit(s, &c), 0);
    assert_int_equal(live_read_derived(s, 8, key, field, 30, &live), 0);
    assert_true(live.there && live.numeric && live.number == 7);
    commit_free(&c);
    arena_free(&arena);
    store_free(s);
}

static void strings_of_any_bytes_are_json(void **state)
{
    static const struct {
        const char *bytes, *json;
    } strings[] = {{"", ""}, {"TC\n1", "TC\n1"}, {"TC\xff 1", "TC? 1"}};
    struct vote_fact f = {.version = {.id = slice_of("v1"), .retracted = true}};
    struct witness w = {
        .type = EVENT_VOTE, .fact = &f, .subject = slice_of("vote|C|B|KE"), .offset = 17};
    struct buffer text = {0};

    (void)state;
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) {
        json_t *j = json_text(slice_of(strings[i].bytes));
        assert_string_equal(json_string_value(j), strings[i].json);
        json_decref(j);
    }
    witness_brief(&w, &text);
    assert_true(slice_is(buffer_slice(&text), "vote|C|B|KE retracted id=v1 at=0:17"));
    buffer_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_stands_in_redis_is_the_sum_of_its_facts),
        cmocka_unit_test(a_number_changed_by_hand_is_told_with_its_difference),
        cmocka_unit_test(a_part_is_told_with_event_source_time_place_and_what_it_replaced),
        cmocka_unit_test(events_that_come_in_meanwhile_make_no_difference),
        cmocka_unit_test(a_retraction_moves_numbers_and_is_their_cause),
        cmocka_unit_test(a_diff_tells_so_many_causes_and_no_more),
        cmocka_unit_test(strings_of_any_bytes_are_json),
        cmocka_unit_test(the_history_of_a_fact_has_all_its_versions_and_the_one_that_counts),
        cmocka_unit_test(an_empty_journal_has_an_answer_to_everything),
        cmocka_unit_test(what_cannot_be_asked_is_said_with_what_can),
        cmocka_unit_test(who_does_not_answer_is_named),
        cmocka_unit_test(a_redis_of_another_journal_is_not_explained),
        cmocka_unit_test(what_waits_to_be_derived_is_waited_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
