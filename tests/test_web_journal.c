/* Pages that ask the journal, over a real stack: why, history and health; with a broker that has
 * gone, a Redis that fails or stands for another journal, and workers that rest. */
#include "proto/clock.h"
#include "proto/error.h"
#include "proto/turnout.h"
#include "tests/asked.h"
#include "tests/frail.h"
#include "tests/keyed.h"
#include "tests/redis_dump.h"
#include "tests/redis_server.h"
#include "tests/stack.h"
#include "workers/audit/verified.h"
#include "workers/audit/why.h"
#include "workers/recall.h"
#include "workers/web/feeds.h"
#include "workers/web/journal.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_MS 60000

static struct stack *stack; /* keyed */
static struct frail *frail;
static struct hand hand;
static char endpoint[192];

static const char *const lines =
    "{\"type\":\"member\",\"id\":\"m1\",\"time\":\"2025-01-01T00:00:00Z\",\"member\":\"KE\","
    "\"name\":\"Kenya\",\"developing\":true}\n"
    "{\"type\":\"seat\",\"id\":\"s1\",\"time\":\"2025-01-01T00:00:00Z\",\"committee\":\"C\","
    "\"member\":\"KE\",\"from\":\"2020-01-01\",\"role\":\"P\"}\n"
    "{\"type\":\"ballot\",\"id\":\"b1\",\"time\":\"2025-01-01T00:00:00Z\",\"committee\":\"C\","
    "\"ballot\":\"B\",\"kind\":\"DIS\",\"closes\":\"2025-03-01\",\"status\":\"closed\"}\n"
    "{\"type\":\"vote\",\"id\":\"v1\",\"time\":\"2025-02-01T00:00:00Z\",\"committee\":\"C\","
    "\"ballot\":\"B\",\"member\":\"KE\",\"position\":\"approve\"}\n"
    "{\"type\":\"vote\",\"id\":\"v1\",\"time\":\"2025-02-01T00:00:00Z\",\"committee\":\"C\","
    "\"ballot\":\"B\",\"member\":\"KE\",\"position\":\"approve\"}\n"
    "{\"type\":\"vote\",\"id\":\"v2\",\"time\":\"2025-02-02T00:00:00Z\",\"committee\":\"C\","
    "\"ballot\":\"B\",\"member\":\"KE\",\"position\":\"disapprove\"}\n";

/* What is no event: two of one kind and one of another. */
static void publish_refused(unsigned times)
{
    static const char *const bad[] = {"\xc1\x02\xff", "\xc1\x02\xfe", "\x81\xa4type\xa4poll"};
    char to[192];
    struct turnout_options options = {.endpoint = to, .name = "bad"};
    struct turnout_producer *p;

    snprintf(to, sizeof to, "ipc://%s/publish.sock", stack->dir);
    assert_int_equal(turnout_producer_new(&options, &p), 0);
    for (size_t i = 0; i < times * (sizeof bad / sizeof *bad); i++)
        assert_int_equal(turnout_send(p, bad[i % 3], strlen(bad[i % 3]), NULL), 0);
    assert_int_equal(turnout_flush(p, PATIENCE_MS), 0);
    turnout_producer_free(p);
}

static void hand_open(void)
{
    frail = frail_new(store_at(stack_path(stack, "redis.sock"), "turnout:", 2000));
    hand.store = &frail->base;
    hand.journal = journal_new(endpoint, "turnout:");
}

static void hand_close(void)
{
    store_free(hand.store);
    journal_free(hand.journal);
}

static int setup(void **state)
{
    (void)state;
    keyed_setup(NULL);
    stack = keyed;
    KEYS("new", "first");
    KEYS("new", "second");
    snprintf(endpoint, sizeof endpoint, "ipc://%s/read.sock", stack->dir);
    stack_publish_lines(stack, slice_of(lines));
    stack_sync(stack);
    hand_open();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    hand_close();
    asked_free();
    return keyed_teardown(state);
}

static void assert_cell(json_t *row, const char *column, const char *expected)
{
    assert_string_equal(asked_cell(row, column), expected);
}

static json_t *first_row(json_t *page, const char *sheet)
{
    return json_array_get(json_object_get(page, sheet), 0);
}

static void end_part(const char *name)
{
    pid_t pid = stack_pid(stack, name);

    assert_true(pid > 0);
    kill(pid, SIGKILL);
    while (stack_pid(stack, name))
        usleep(10000);
}

/* ---- history and why ---- */
static void test_every_version_of_a_fact_is_told(void **state)
{
    json_t *page = asks_json(&hand, "/api/v1/history?subject=vote%7CC%7CB%7CKE"),
           *rows = json_object_get(page, "versions");

    (void)state;
    assert_int_equal(json_array_size(rows), 3);
    assert_cell(json_array_get(rows, 0), "counts", "older");
    assert_cell(json_array_get(rows, 1), "counts", "repeat");
    assert_cell(json_array_get(rows, 2), "counts", "ok");
    json_decref(page);
    assert_int_equal(asks(&hand, "/history?subject=vote%7CC%7CB%7CZZ"), 404);
}

static void test_questions_that_make_no_sense_are_refused(void **state)
{
    static const struct {
        const char *address, *says;
    } cases[] = {{"/api/v1/history", "subject is wanted"},
                 {"/api/v1/history?subject=", "subject is wanted"},
                 {"/api/v1/history?subject=poll%7CC", ""},
                 {"/api/v1/history?subject=attendance%7CC%7CM%7CKE%7Cp", "who took part"},
                 {"/api/v1/why", "key and field are wanted"},
                 {"/api/v1/why?key=member:KE:2025", "key and field are wanted"},
                 {"/api/v1/why?key=member:KE:2025&field=nothing", ""}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(asks(&hand, cases[i].address), 400);
        assert_says("\"error\":\"bad-request\"");
        assert_says(cases[i].says);
    }
}

static const char *const why_missed =
    "/api/v1/why?key=seat:C%7CKE:2025&field=technical.ballots.due";

static void test_a_number_is_made_up_of_facts(void **state)
{
    json_t *page = asks_json(&hand, why_missed), *row;

    (void)state;
    assert_cell(first_row(page, "sum"), "sum", "1");
    assert_cell(first_row(page, "sum"), "agrees", "ok");
    row = first_row(page, "facts");
    assert_cell(row, "member", "KE");
    json_decref(page);
    page = asks_json(&hand, "/api/v1/why?key=ballot:C%7CB&field=votes");
    assert_cell(first_row(page, "sum"), "sum", "1");
    json_decref(page);
}

/* A vote that is excused counts by the ballot's notice, the seat's and its own. */
static void test_a_part_says_all_that_it_rests_on(void **state)
{
    static const char *const more =
        "{\"type\":\"seat\",\"id\":\"s2\",\"time\":\"2025-01-01T00:00:00Z\",\"committee\":\"C\","
        "\"member\":\"UG\",\"from\":\"2020-01-01\",\"role\":\"P\"}\n"
        "{\"type\":\"vote\",\"id\":\"v9\",\"time\":\"2025-02-01T00:00:00Z\",\"committee\":\"C\","
        "\"ballot\":\"B\",\"member\":\"UG\",\"position\":\"none\",\"excused\":true}\n";
    json_t *page;

    (void)state;
    stack_publish_lines(stack, slice_of(more));
    stack_sync(stack);
    page = asks_json(&hand, "/api/v1/why?key=seat:C%7CUG:2025&field=technical.ballots.excused");
    assert_cell(first_row(page, "sum"), "sum", "1");
    assert_cell(first_row(page, "facts"), "with", "ballot|C|B, seat|C|UG|2020-01-01");
    json_decref(page);
}

/* Redis says something else than the facts. */
static void test_a_number_that_does_not_agree_is_told_of(void **state)
{
    struct commit c = {0};
    json_t *page;

    (void)state;
    commit_hset(&c, slice_of("member:KE:2025"), slice_of("technical.votes"), slice_of("7"));
    assert_int_equal(store_commit(hand.store, &c), 0);
    page = asks_json(&hand, "/api/v1/why?key=member:KE:2025&field=technical.votes");
    assert_cell(first_row(page, "sum"), "agrees", "warn");
    assert_cell(first_row(page, "sum"), "redis", "7");
    json_decref(page);
    commit_clear(&c);
    commit_hset(&c, slice_of("member:KE:2025"), slice_of("technical.votes"), slice_of("1"));
    assert_int_equal(store_commit(hand.store, &c), 0);
    commit_free(&c);
}

/* More facts than are shown; the sum is of all.  Some rest on notices, some are of no member. */
static void test_many_facts_are_cut_but_not_their_sum(void **state)
{
    struct buffer many = {0};
    char line[256];
    json_t *page;

    (void)state;
    for (int i = 0; i < 1001; i++) {
        snprintf(line, sizeof line,
                 "{\"type\":\"vote\",\"id\":\"z%d\",\"time\":\"2025-02-01T00:00:00Z\","
                 "\"committee\":\"D\",\"ballot\":\"MANY\",\"member\":\"Z%d\",\"position\":"
                 "\"approve\"}\n",
                 i, i);
        buffer_add_text(&many, line);
    }
    stack_publish_lines(stack, buffer_slice(&many));
    stack_sync(stack);
    buffer_free(&many);
    page = asks_json(&hand, "/api/v1/why?key=ballot:D%7CMANY&field=votes");
    assert_cell(first_row(page, "sum"), "sum", "1001");
    assert_cell(first_row(page, "sum"), "parts", "1001");
    assert_int_equal(json_array_size(json_object_get(page, "facts")), 1000);
    json_decref(page);
}

/* ---- health ---- */
static void count_feed(void *arg, const struct feed *f)
{
    *(uint64_t *)arg += f->events;
}

/* What is not read in time is read the next time. */
static void test_feeds_are_read_on_from_where_they_were_left(void **state)
{
    struct reader *r;
    uint64_t events = 0;

    (void)state;
    assert_int_equal(journal_ready(hand.journal, &r), 0);
    reader_reset(r);
    assert_int_equal(feeds_read(r, clock_mono_ms() - 1, count_feed, &events), ERR_AGAIN);
    assert_true(events > 0 && events < 6);
    reader_reset(r);
    events = 0;
    assert_int_equal(feeds_read(r, clock_mono_ms() + PATIENCE_MS, count_feed, &events), 0);
    assert_int_equal(events, 6);
    reader_reset(r);
}

static void test_each_source_is_heard(void **state)
{
    json_t *page;

    (void)state;
    expect(publish_as(key_path("first"), VOTE("f1")), 0, "");
    page = asks_json(&hand, "/api/v1/health");
    assert_cell(asked_row(page, "feeds", "source", "local"), "events", "6");
    assert_cell(asked_row(page, "feeds", "source", "first"), "events", "1");
    json_decref(page);
    stack_sync(stack);
}

static void test_health_tells_of_every_part(void **state)
{
    json_t *page = asks_json(&hand, "/api/v1/health");

    (void)state;
    assert_cell(asked_row(page, "parts", "part", "broker"), "state", "ok");
    assert_cell(asked_row(page, "parts", "part", "redis"), "state", "ok");
    assert_cell(asked_row(page, "parts", "part", "workers"), "state", "ok");
    assert_cell(first_row(page, "numbers"), "events", "6");
    assert_cell(first_row(page, "numbers"), "lag.events", "0");
    assert_cell(first_row(page, "numbers"), "rejects", "0");
    assert_int_equal(json_array_size(json_object_get(page, "refused")), 0);
    assert_int_equal(json_array_size(json_object_get(page, "verified")), 0);
    assert_cell(first_row(page, "feeds"), "events", "6");
    assert_cell(first_row(page, "feeds"), "state", "ok");
    json_decref(page);
}

static void test_what_was_refused_is_counted_by_code(void **state)
{
    json_t *page, *rows;

    (void)state;
    publish_refused(2);
    expect(publish_as(key_path("second"), "{\"type\":\"poll\"}\n"), 1, "unknown-type");
    page = asks_json(&hand, "/api/v1/health");
    rows = json_object_get(page, "refused");
    assert_int_equal(json_array_size(rows), 3);
    assert_cell(asked_row(page, "refused", "code", "malformed"), "number", "4");
    assert_cell(asked_row(page, "refused", "code", "malformed"), "source", "local");
    assert_cell(asked_row(page, "refused", "source", "second"), "number", "1");
    assert_cell(asked_row(page, "refused", "source", "second"), "code", "unknown-type");
    assert_cell(first_row(page, "numbers"), "rejects", "7");
    json_decref(page);
    assert_int_equal(asks(&hand, "/health"), 200);
    assert_says("unknown-type");
}

/* The first thousand of those that are kept. */
static void test_not_all_that_was_refused_is_counted(void **state)
{
    json_t *page, *row;
    size_t i;
    json_int_t sum = 0;

    (void)state;
    publish_refused(400);
    page = asks_json(&hand, "/api/v1/health");
    json_array_foreach(json_object_get(page, "refused"), i, row) sum +=
        json_integer_value(json_object_get(row, "number"));
    assert_int_equal(sum, 1000);
    assert_cell(first_row(page, "numbers"), "rejects", "1207");
    json_decref(page);
}

static void test_health_tells_of_the_last_verification(void **state)
{
    struct verified v = {true, 1772366400000, 12, 34, 0};
    json_t *page;

    (void)state;
    assert_int_equal(verified_write(hand.store, &v), 0);
    page = asks_json(&hand, "/api/v1/health");
    assert_cell(first_row(page, "verified"), "verified", "2026-03-01T12:00:00.000Z");
    assert_cell(first_row(page, "verified"), "fields", "34");
    assert_cell(first_row(page, "verified"), "differences", "0");
    json_decref(page);
    v.differences = 3;
    assert_int_equal(verified_write(hand.store, &v), 0);
    assert_int_equal(asks(&hand, "/health?lang=fr"), 200);
    assert_says("data-col=\"differences\" data-value=\"3\"");
    assert_int_equal(asks(&hand, "/api/v1/health?format=csv&sheet=verified"), 200);
    assert_says("2026-03-01T12:00:00.000Z,12,34,3");
}

/* What health tells of Redis now, and how far it says that Redis is behind. */
static void assert_redis_is(const char *expected_state, const char *says, const char *lag)
{
    json_t *page = asks_json(&hand, "/api/v1/health");
    json_t *row = asked_row(page, "parts", "part", "redis");

    assert_cell(row, "state", expected_state);
    assert_cell(row, "says", says);
    assert_cell(first_row(page, "numbers"), "lag.events", lag);
    json_decref(page);
}

/* The broker answers; what Redis does is told of, and no number is made up. */
static void test_health_tells_of_a_redis_that_fails(void **state)
{
    json_t *page;

    (void)state;
    for (unsigned at = 1; at <= 2; at++) { /* where it stands, and what it tells of itself */
        frail_fail(frail, at, ERR_LOST, FRAIL_BEFORE);
        assert_redis_is("down", error_text(ERR_LOST), "null");
    }
    frail_fail(frail, 3, ERR_LOST, FRAIL_BEFORE); /* the last verification is not known then */
    page = asks_json(&hand, "/api/v1/health");
    assert_int_equal(json_array_size(json_object_get(page, "verified")), 0);
    json_decref(page);
}

static void test_health_tells_of_a_redis_that_takes_nothing(void **state)
{
    struct redis *redis = redis_open(stack_path(stack, "redis.sock"));
    json_t *page, *row;

    (void)state;
    redis_do(redis, "CONFIG", "SET", "maxmemory", "1000");
    page = asks_json(&hand, "/api/v1/health");
    row = asked_row(page, "parts", "part", "redis");
    assert_cell(row, "state", "down");
    assert_non_null(strstr(asked_cell(row, "says"), "takes no writes: "));
    assert_cell(first_row(page, "numbers"), "lag.events", "0");
    json_decref(page);
    redis_do(redis, "CONFIG", "SET", "maxmemory", "1gb"); /* much more than is used */
    redis_close(redis);
    assert_redis_is("ok", "", "0");
}

static void test_a_redis_that_fails_leaves_no_sum(void **state)
{
    (void)state;
    for (unsigned at = 1;; at++) {
        int status;
        frail_fail(frail, at, ERR_LOST, FRAIL_BEFORE);
        status = asks(&hand, why_missed);
        if (frail->calls < at)
            break;
        assert_int_equal(status, 503);
        assert_says("\"error\":\"redis-down\"");
    }
    frail_fail(frail, 0, 0, FRAIL_BEFORE);
}

/* Its facts must go into memory, and of that the server has little. */
static void test_a_sum_of_too_many_facts_is_given_up(void **state)
{
    struct buffer reason = {0};
    struct target target;
    struct why w = {.target = &target, .store = hand.store, .patience_ms = 5000, .most_bytes = 1};
    struct explain *x;

    (void)state;
    assert_int_equal(target_parse(slice_of("turnout:group:all:2026"), slice_of("technical.votes"),
                                  "turnout:", &target, &reason),
                     0);
    assert_int_equal(journal_ready(hand.journal, &w.reader), 0);
    assert_int_equal(why_look(&w), 0);
    for (int i = 0; i < 2; i++) {
        x = explain_new(&target, recall_from_broker, NULL);
        assert_int_equal(why_walk(&w, x), i ? 0 : ERR_FULL);
        explain_free(x);
        w.most_bytes = 1 << 20;
    }
    buffer_free(&reason);
}

static void test_health_tells_how_far_redis_is_behind(void **state)
{
    json_t *page;

    (void)state;
    end_part("worker-1");
    stack_publish_lines(stack, slice_of(lines));
    page = asks_json(&hand, "/api/v1/health");
    assert_cell(first_row(page, "numbers"), "lag.events", "6");
    assert_true(json_integer_value(json_object_get(first_row(page, "numbers"), "lag.ms")) >= 0);
    json_decref(page);
    stack_start(stack);
    stack_sync(stack);
}

static void test_a_redis_of_another_journal_is_told_of(void **state)
{
    struct commit c = {0};
    char key[32];

    (void)state;
    end_part("worker-1"); /* it would stop and say so, again and again */
    for (int p = 0; p < 16; p++) {
        snprintf(key, sizeof key, "offset:%d", p);
        commit_hset(&c, slice_of(key), slice_of("log"),
                    slice_of("00000000000000000000000000000000"));
        commit_hset(&c, slice_of(key), slice_of("offset"), slice_of("1"));
    }
    assert_int_equal(store_commit(hand.store, &c), 0);
    commit_free(&c);
    assert_redis_is("down", error_text(ERR_FOREIGN), "null");
    assert_int_equal(asks(&hand, why_missed), 503);
    assert_says("\"error\":\"foreign\"");
}

static void test_without_a_broker_there_is_no_journal(void **state)
{
    struct journal *other = journal_new(endpoint, "turnout:");
    uint64_t events = 0;
    struct reader *r;

    (void)state;
    journal_drop(hand.journal);
    assert_int_equal(journal_ready(hand.journal, &r), 0);
    assert_int_equal(journal_ready(other, &r), 0);
    end_part("broker");
    assert_true(feeds_read(r, clock_mono_ms() + 1000, count_feed, &events) < ERR_AGAIN);
    assert_int_equal(events, 0);
    journal_free(other);
    for (int turn = 0; turn < 2; turn++) { /* within a session, and without one */
        assert_int_equal(asks(&hand, "/api/v1/health"), 503);
        assert_says("\"error\":\"broker-down\"");
        assert_true(asked.answer.again);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_feeds_are_read_on_from_where_they_were_left),
        cmocka_unit_test(test_health_tells_of_every_part),
        cmocka_unit_test(test_each_source_is_heard),
        cmocka_unit_test(test_every_version_of_a_fact_is_told),
        cmocka_unit_test(test_questions_that_make_no_sense_are_refused),
        cmocka_unit_test(test_a_number_is_made_up_of_facts),
        cmocka_unit_test(test_a_part_says_all_that_it_rests_on),
        cmocka_unit_test(test_a_number_that_does_not_agree_is_told_of),
        cmocka_unit_test(test_many_facts_are_cut_but_not_their_sum),
        cmocka_unit_test(test_what_was_refused_is_counted_by_code),
        cmocka_unit_test(test_not_all_that_was_refused_is_counted),
        cmocka_unit_test(test_health_tells_of_the_last_verification),
        cmocka_unit_test(test_health_tells_of_a_redis_that_fails),
        cmocka_unit_test(test_health_tells_of_a_redis_that_takes_nothing),
        cmocka_unit_test(test_a_redis_that_fails_leaves_no_sum),
        cmocka_unit_test(test_a_sum_of_too_many_facts_is_given_up),
        cmocka_unit_test(test_health_tells_how_far_redis_is_behind),
        cmocka_unit_test(test_a_redis_of_another_journal_is_told_of),
        cmocka_unit_test(test_without_a_broker_there_is_no_journal),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
