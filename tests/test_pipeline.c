/* From a published event to a counter, by the real programs and a real Redis. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "tests/compose.h"
#include "tests/fixtures.h"
#include "tests/model.h"
#include "tests/stack.h"
#include "tests/world.h"

static const struct slice no_input = {"", 0};

#define RUN(s, ...) stack_run(s, no_input, (const char *const[]){__VA_ARGS__, NULL})

/* ---- what is published ---- */
/* JSON lines, and the model of them. */
struct material {
    struct buffer lines;
    struct model *model;
};

/* Of all fixtures, or of all but the largest (the General Assembly, three quarters of the lines),
 * shuffled and one in twenty repeated. */
static struct material material_shuffled(uint64_t seed, bool with_largest)
{
    struct material m = {.model = model_new()};
    struct buffer lines = {0}, events = {0};

    for (unsigned i = 0; i < FIXTURES; i++)
        if (with_largest || strncmp(fixture_names[i], "unga", 4) != 0)
            fixture_lines(fixture_names[i], &lines);
    lines_encode(buffer_slice(&lines), &events);
    model_add_all(m.model, buffer_slice(&events));
    lines_shuffle(seed, buffer_slice(&lines), 5, &m.lines);
    buffer_free(&events);
    buffer_free(&lines);
    return m;
}

static void material_free(struct material *m)
{
    buffer_free(&m->lines);
    model_free(m->model);
}

/* Compares with the model, ends the stack, and returns what stood there. */
static struct dump *stack_finish(struct stack *s, struct model *m)
{
    struct dump *d;

    stack_sync(s);
    d = stack_dump(s);
    stack_free(s);
    assert_int_equal(model_compare(m, d, stdout), 0);
    assert_int_equal(model_compare_derived(m, d, stdout), 0);
    return d;
}

/* The set of periods may keep one whose counters have gone back to zero, and which ones have been
 * there on the way is chance: a vote stands in the month of its own time until its ballot's notice
 * comes.  And a producer that waited too long for an answer has sent events twice: they are in the
 * journal twice, and offsets count them. */
static enum dump_care order_care(struct slice key, struct slice field)
{
    static const char offsets[] = "turnout:offset:";

    if (key.size > strlen(offsets) && memcmp(key.at, offsets, strlen(offsets)) == 0)
        return DUMP_IGNORE;
    return slice_is(key, "turnout:periods") ? DUMP_IGNORE : stack_care(key, field);
}

static void assert_same(const struct dump *one, const struct dump *two, dump_care_fn care)
{
    size_t compared;

    assert_int_equal(dump_compare(one, two, care, stdout, &compared), 0);
    assert_true(compared > 100);
}

static void write_file(const char *path, struct slice content)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_int_equal(fwrite(content.at, 1, content.size, f), content.size);
    assert_int_equal(fclose(f), 0);
}

/* ---- the same numbers in any order, over any number of workers ---- */
static struct dump *publish_lines_over(unsigned workers, const struct material *m)
{
    struct stack *s = stack_new(workers);

    stack_start(s);
    stack_publish_lines(s, buffer_slice(&m->lines));
    return stack_finish(s, m->model);
}

static void all_fixtures_in_any_order_count_the_same_over_one_and_four_workers(void **state)
{
    struct material m = material_shuffled(random_seed("fixtures"), true);
    struct dump *one, *four;

    (void)state;
    one = publish_lines_over(1, &m);
    four = publish_lines_over(4, &m);
    assert_same(one, four, order_care);
    dump_free(one);
    dump_free(four);
    material_free(&m);
}

static struct dump *publish_events_over(unsigned workers, struct slice events, struct model *m)
{
    struct stack *s = stack_new(workers);

    stack_start(s);
    stack_publish_events(s, events);
    return stack_finish(s, m);
}

static void random_worlds_count_the_same_over_one_and_three_workers(void **state)
{
    uint64_t seed = random_seed("worlds");

    (void)state;
    for (uint64_t world = seed; world < seed + 3; world++) {
        struct buffer events = {0}, shuffled = {0};
        struct model *m = model_new();
        struct dump *one, *three;

        world_events(world, 10000, &events);
        world_shuffle(world, buffer_slice(&events), 5, &shuffled);
        model_add_all(m, buffer_slice(&events));
        one = publish_events_over(1, buffer_slice(&shuffled), m);
        three = publish_events_over(3, buffer_slice(&shuffled), m);
        assert_same(one, three, order_care);
        dump_free(one);
        dump_free(three);
        model_free(m);
        buffer_free(&events);
        buffer_free(&shuffled);
    }
}

/* ---- bad lines ---- */
#define HEAD  "{\"id\":\"x\",\"time\":\"2024-01-01T00:00:00Z\","
#define VOTE  HEAD "\"type\":\"vote\",\"committee\":\"C\",\"ballot\":\"B\",\"member\":\"KE\","
#define ADOPT HEAD "\"type\":\"adoption\",\"member\":\"KE\",\"standard\":\"S\",\"reference\":\"R\","
#define TEN   "xxxxxxxxxx"
#define SIXTY TEN TEN TEN TEN TEN TEN

static const struct bad_line {
    const char *code, *field, *line;
} bad_lines[] = {
    {"bad-json", "", "not JSON at all"},
    {"bad-json", "", "[1,2]"},
    {"bad-json", "", "{\"type\":\"vote\""},
    {"bad-json", "", "{} {}"},
    {"duplicate-key", "id", "{\"id\":\"a\",\"id\":\"b\"}"},
    {"bad-utf8", "", "{\"id\":\"\xc3\x28\"}"},
    {"missing", "type", "{\"id\":\"x\",\"time\":0}"},
    {"unknown-type", "type", HEAD "\"type\":\"opinion\"}"},
    {"missing", "id", "{\"type\":\"vote\",\"time\":0}"},
    {"missing", "time",
     "{\"type\":\"vote\",\"id\":\"x\",\"committee\":\"C\",\"ballot\":\"B\","
     "\"member\":\"KE\",\"position\":\"approve\"}"},
    {"missing", "member",
     HEAD "\"type\":\"vote\",\"committee\":\"C\",\"ballot\":\"B\","
          "\"member\":null,\"position\":\"approve\"}"},
    {"missing", "position", VOTE "\"comments\":1}"},
    {"missing", "withdrawn",
     ADOPT "\"degree\":\"IDT\",\"date\":\"2024-01-01\","
           "\"status\":\"withdrawn\"}"},
    {"bad-type", "comments", VOTE "\"position\":\"approve\",\"comments\":1.5}"},
    {"bad-type", "excused", VOTE "\"position\":\"none\",\"excused\":1}"},
    {"bad-value", "position", VOTE "\"position\":\"maybe\"}"},
    {"bad-value", "seat", VOTE "\"position\":\"approve\",\"seat\":\"X\"}"},
    {"bad-value", "date", ADOPT "\"degree\":\"IDT\",\"date\":\"2023-02-29\"}"},
    {"bad-value", "themes",
     ADOPT "\"degree\":\"IDT\",\"date\":\"2023-02-28\","
           "\"themes\":[\"Trade\"]}"},
    {"bad-value", "committee", HEAD "\"type\":\"committee\",\"committee\":\"a|b\"}"},
    {"bad-value", "committee", HEAD "\"type\":\"committee\",\"committee\":\" a\"}"},
    {"bad-value", "committee", HEAD "\"type\":\"committee\",\"committee\":\"a\\u0007\"}"},
    {"bad-value", "time",
     "{\"id\":\"x\",\"time\":\"noon\",\"type\":\"committee\","
     "\"committee\":\"C\"}"},
    {"out-of-range", "time",
     "{\"id\":\"x\",\"time\":\"2999-01-01T00:00:00Z\","
     "\"type\":\"committee\",\"committee\":\"C\"}"},
    {"out-of-range", "time",
     "{\"id\":\"x\",\"time\":\"1899-12-31T23:59:59Z\","
     "\"type\":\"committee\",\"committee\":\"C\"}"},
    {"out-of-range", "rev", VOTE "\"position\":\"approve\",\"rev\":-1}"},
    {"out-of-range", "sdgs", ADOPT "\"degree\":\"IDT\",\"date\":\"2023-01-01\",\"sdgs\":[18]}"},
    {"out-of-range", "committee", HEAD "\"type\":\"committee\",\"committee\":\"" SIXTY "12345\"}"},
    {"not-allowed", "excused", VOTE "\"position\":\"approve\",\"excused\":true}"},
};
#define BAD_LINES (sizeof bad_lines / sizeof *bad_lines)

/* A good line before each bad one; the rest of the good ones, then a line that is too long. */
static void lines_mix(struct slice good, struct buffer *ret)
{
    struct slice line;

    for (size_t i = 0; i < BAD_LINES; i++) {
        assert_true(slice_cut(&good, '\n', &line));
        buffer_add_slice(ret, line);
        buffer_add_text(ret, "\n");
        buffer_add_text(ret, bad_lines[i].line);
        buffer_add_text(ret, "\n");
    }
    buffer_add_slice(ret, good);
    buffer_add_text(ret, HEAD "\"type\":\"committee\",\"committee\":\"C\",\"note\":\"");
    for (int i = 0; i < 150; i++)
        buffer_add_text(ret, SIXTY);
    buffer_add_text(ret, "\"}\n");
}

static void assert_refusal(const char *said, size_t line, const char *code, const char *field)
{
    char start[128];

    snprintf(start, sizeof start, "line %zu: %s: %s%s", line, code, field, *field ? ": " : "");
    if (!strstr(said, start))
        fail_msg("nothing begins with '%s' in\n%s", start, said);
}

static void every_good_line_counts_and_every_bad_one_is_refused_with_its_reason(void **state)
{
    struct stack *s = stack_new(2);
    struct model *m = model_new();
    struct buffer good = {0}, mixed = {0}, events = {0};
    struct run r;

    (void)state;
    fixture_lines("dis29500-2007.jsonl", &good);
    lines_encode(buffer_slice(&good), &events);
    model_add_all(m, buffer_slice(&events));
    lines_mix(buffer_slice(&good), &mixed);
    stack_start(s);
    r = stack_run(s, buffer_slice(&mixed), (const char *const[]){"turnout", "publish", NULL});
    assert_int_equal(r.status, 1);
    assert_string_equal(r.out.at, "{\"accepted\":89,\"rejected\":30}\n");
    for (size_t i = 0; i < BAD_LINES; i++)
        assert_refusal(r.err.at, 2 * i + 2, bad_lines[i].code, bad_lines[i].field);
    assert_refusal(r.err.at, 89 + BAD_LINES + 1, "too-large", "");
    run_free(&r);
    dump_free(stack_finish(s, m));
    model_free(m);
    buffer_free(&good);
    buffer_free(&mixed);
    buffer_free(&events);
}

/* ---- a producer of somebody else's, who has the library and nothing more ---- */
static void a_program_with_names_of_its_own_publishes_by_the_library(void **state)
{
    struct stack *s = stack_new(1);
    struct buffer event = {0};
    char endpoint[256];
    struct run r;

    (void)state;
    stack_start(s);
    compose_text("{'type':'vote','id':'v1','time':'2026-03-01T12:00:00Z','committee':'ISO/TC 207',"
                 "'ballot':'DIS 14001','member':'KE','position':'approve'}",
                 &event);
    snprintf(endpoint, sizeof endpoint, "ipc://%s", stack_path(s, "publish.sock"));
    r = stack_run(s, buffer_slice(&event), (const char *const[]){"feed", endpoint, NULL});
    assert_int_equal(r.status, 0);
    assert_string_equal(r.out.at, "accepted 1, refused 0\n");
    run_free(&r);
    stack_sync(s);
    r = RUN(s, "turnout", "why", "turnout:member:KE:2026", "technical.votes", "--json");
    assert_int_equal(r.status, 0);
    assert_non_null(strstr(r.out.at, "{\"sum\":1,\"redis\":1}"));
    run_free(&r);
    stack_free(s);
    buffer_free(&event);
}

/* ---- workers and producers that come and go ---- */
static void another_worker_serves(struct stack *s, const char *name, int ending)
{
    pid_t pid = stack_spawn(
        s, (const char *const[]){"turnout-worker", "--dir", s->dir, "--name", name, NULL});
    struct run r;
    int known = 0, status;

    for (int look = 0; look < 1000 && !known; look++) {
        r = RUN(s, "turnout", "status", "--json");
        known = strstr(r.out.at, name) != NULL;
        run_free(&r);
    }
    assert_true(known);
    kill(pid, ending);
    assert_int_equal(waitpid(pid, &status, 0), pid);
}

static void workers_may_come_and_go_while_events_arrive(void **state)
{
    struct material m = material_shuffled(random_seed("workers"), false);
    struct stack *s = stack_new(1);
    pid_t publisher;
    int status;

    (void)state;
    stack_start(s);
    write_file(stack_path(s, "lines"), buffer_slice(&m.lines));
    publisher =
        stack_spawn(s, (const char *const[]){"turnout", "publish", stack_path(s, "lines"), NULL});
    for (int round = 0; round < 6; round++) {
        char name[24];

        snprintf(name, sizeof name, "guest-%d", round);
        another_worker_serves(s, name, round % 2 ? SIGTERM : SIGKILL);
    }
    assert_int_equal(waitpid(publisher, &status, 0), publisher);
    assert_int_equal(status, 0);
    dump_free(stack_finish(s, m.model));
    material_free(&m);
}

static void two_producers_at_once_lose_nothing(void **state)
{
    struct material m = material_shuffled(random_seed("producers"), false);
    struct stack *s = stack_new(2);
    struct slice all = buffer_slice(&m.lines), first, last;
    size_t middle = all.size / 2;
    pid_t publisher;
    int status;

    (void)state;
    while (all.at[middle - 1] != '\n')
        middle++;
    first = slice_make(all.at, middle);
    last = slice_make(all.at + middle, all.size - middle);
    stack_start(s);
    write_file(stack_path(s, "lines"), first);
    publisher =
        stack_spawn(s, (const char *const[]){"turnout", "publish", stack_path(s, "lines"), NULL});
    stack_publish_lines(s, last);
    assert_int_equal(waitpid(publisher, &status, 0), publisher);
    assert_int_equal(status, 0);
    dump_free(stack_finish(s, m.model));
    material_free(&m);
}

/* ---- the command line ---- */
static void assert_status(struct stack *s, int expected, const char *verb, const char *option)
{
    struct run r = RUN(s, "turnout", verb, option);

    if (r.status != expected)
        fail_msg("turnout %s: status %d, not %d\n%s%s", verb, r.status, expected, r.out.at,
                 r.err.at);
    run_free(&r);
}

static void exit_statuses_tell_what_is_the_matter(void **state)
{
    struct stack *s = stack_new(1);
    struct run r;

    (void)state;
    assert_status(s, 69, "status", NULL);
    stack_start(s);
    assert_status(s, 0, "status", NULL);
    assert_status(s, 0, "sync", NULL);
    assert_status(s, 64, "sync", "--no-such-option");
    assert_status(s, 64, "no-such-verb", NULL);
    r = RUN(s, "turnout", "publish", "/no/such/file");
    assert_int_not_equal(r.status, 0);
    run_free(&r);
    stack_free(s);
}

static void status_counts_what_is_in_the_journal_and_lags(void **state)
{
    struct stack *s = stack_new(1);
    struct buffer lines = {0};
    struct run r;
    pid_t worker;

    (void)state;
    fixture_lines("dis29500-2007.jsonl", &lines);
    stack_start(s);
    worker = stack_pid(s, "worker-1");
    kill(worker, SIGSTOP);
    stack_publish_lines(s, buffer_slice(&lines));
    r = RUN(s, "turnout", "status", "--json");
    assert_non_null(strstr(r.out.at, "\"lag\":{\"events\":89,"));
    run_free(&r);
    r = RUN(s, "turnout", "sync", "--timeout", "1");
    assert_in_range(r.status, 69, 75);
    run_free(&r);
    kill(worker, SIGCONT);
    stack_sync(s);
    r = RUN(s, "turnout", "status", "--json");
    assert_non_null(strstr(r.out.at, "\"lag\":{\"events\":0,"));
    run_free(&r);
    stack_free(s);
    buffer_free(&lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exit_statuses_tell_what_is_the_matter),
        cmocka_unit_test(status_counts_what_is_in_the_journal_and_lags),
        cmocka_unit_test(every_good_line_counts_and_every_bad_one_is_refused_with_its_reason),
        cmocka_unit_test(random_worlds_count_the_same_over_one_and_three_workers),
        cmocka_unit_test(all_fixtures_in_any_order_count_the_same_over_one_and_four_workers),
        cmocka_unit_test(a_program_with_names_of_its_own_publishes_by_the_library),
        cmocka_unit_test(workers_may_come_and_go_while_events_arrive),
        cmocka_unit_test(two_producers_at_once_lose_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
