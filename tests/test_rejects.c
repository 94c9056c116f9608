/* Refused events at the terminal, with a real stack: listed, shown, redriven, dropped; and counted
 * exactly once, also when the broker is killed in the middle of it.
 *
 * TURNOUT_TEST_LONG=1 kills it more often. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <inttypes.h>
#include <jansson.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "proto/clock.h"
#include "proto/error.h"
#include "proto/event.h"
#include "proto/turnout.h"
#include "tests/random.h"
#include "tests/redis_dump.h"
#include "tests/stack.h"
#include "workers/client.h"

#define LIMIT_MS 60000

#define RUN(s, ...) stack_run(s, slice_of(""), (const char *const[]){"turnout", __VA_ARGS__, NULL})

/* ---- what is published ---- */

/* A vote by the member of that number, which may not be accepted before `due_ms`: its time is a day
 * behind that. */
static void add_vote(struct buffer *out, const char *ballot, unsigned member, int64_t due_ms)
{
    char line[256];

    snprintf(line, sizeof line,
             "{\"type\":\"vote\",\"id\":\"%s-%u\",\"time\":%" PRId64 ",\"committee\":\"ISO/TC 1\","
             "\"ballot\":\"%s\",\"member\":\"M%u\",\"position\":\"approve\"}\n",
             ballot, member, due_ms + EVENT_AHEAD_MS, ballot, member);
    buffer_add_text(out, line);
}

/* Publishes lines of which so many are refused. */
static void publish(struct stack *s, struct slice lines, int64_t accepted, int64_t rejected)
{
    struct run r = stack_run(s, lines, (const char *const[]){"turnout", "publish", NULL});
    char expected[64];

    snprintf(expected, sizeof expected, "{\"accepted\":%" PRId64 ",\"rejected\":%" PRId64 "}\n",
             accepted, rejected);
    assert_string_equal(r.out.at, expected);
    run_free(&r);
}

/* Bytes that are no event at all. */
static void publish_garbage(struct stack *s)
{
    char endpoint[256];
    struct turnout_options options = {.endpoint = endpoint, .name = "garbage"};
    struct turnout_producer *p;

    snprintf(endpoint, sizeof endpoint, "ipc://%s/publish.sock", s->dir);
    assert_int_equal(turnout_producer_new(&options, &p), 0);
    assert_int_equal(turnout_send(p, "\xc1\x02\xff", 3, NULL), 0);
    assert_int_equal(turnout_flush(p, LIMIT_MS), 0);
    assert_int_equal(turnout_counts(p).refused, 1);
    turnout_producer_free(p);
}

/* ---- what is said ---- */

static void expect(struct run r, int status, const char *out, const char *err)
{
    if (r.status != status || (out && strcmp(r.out.at, out) != 0) ||
        (err && !strstr(r.err.at, err)))
        fail_msg("status %d, said:\n%s%s", r.status, r.out.at, r.err.at);
    run_free(&r);
}

/* A number of `turnout status --json`: .journal.NAME */
static int64_t journal_number(struct stack *s, const char *name)
{
    struct run r = RUN(s, "status", "--json");
    json_t *all = json_loads(r.out.at, 0, NULL);
    json_t *number = json_object_get(json_object_get(all, "journal"), name);
    int64_t n = json_integer_value(number);

    assert_true(json_is_integer(number));
    json_decref(all);
    run_free(&r);
    return n;
}

/* A field of a hash in Redis. */
static int64_t counted(struct stack *s, const char *key, const char *field)
{
    struct redis *r = redis_open(stack_path(s, "redis.sock"));
    const struct redis_reply *reply;
    int64_t n = 0;

    assert_non_null(r);
    reply = redis_do(r, "HGET", key, field);
    slice_to_int(reply->text, &n);
    redis_close(r);
    return n;
}

/* Redrives what is refused for its date until all of that is accepted. */
static void redrive_when_due(struct stack *s)
{
    int64_t until = clock_mono_ms() + LIMIT_MS;
    struct run r;

    do {
        assert_true(clock_mono_ms() < until);
        r = RUN(s, "rejects", "redrive", "--code", "out-of-range");
        int status = r.status;
        run_free(&r);
        if (status == 0)
            return;
        assert_int_equal(status, 1);
    } while (true);
}

/* ---- the tests ---- */

static void they_are_listed_and_shown_with_their_reasons(void **state)
{
    struct stack *s = stack_new(1);
    struct buffer lines = {0};
    struct run r;
    json_t *one;

    (void)state;
    stack_start(s);
    expect(RUN(s, "rejects", "list"), 0, "", "no refused event is kept");
    buffer_add_text(&lines, "{\"type\":\"vote\",\"id\":\"v1\",\"time\":\"2026-03-01T12:00:00Z\","
                            "\"committee\":\"ISO/TC 1\",\"ballot\":\"DIS 1\",\"member\":\"KE\","
                            "\"position\":\"yes\"}\n{\"type\":\"row\"}\n");
    publish(s, buffer_slice(&lines), 0, 2);
    publish_garbage(s);
    r = RUN(s, "rejects", "list");
    assert_int_equal(r.status, 0);
    assert_true(strncmp(r.out.at, "number  received", 16) == 0);
    assert_non_null(strstr(r.out.at, "local"));
    assert_non_null(strstr(r.out.at, "bad-value     position"));
    assert_non_null(strstr(r.out.at, "expected approve, disapprove"));
    run_free(&r);
    r = RUN(s, "rejects", "list", "--json", "--code", "unknown-type");
    one = json_loads(r.out.at, 0, NULL);
    assert_int_equal(json_integer_value(json_object_get(one, "number")), 2);
    assert_string_equal(json_string_value(json_object_get(one, "field")), "type");
    assert_null(json_object_get(one, "event"));
    json_decref(one);
    run_free(&r);
    r = RUN(s, "rejects", "list", "--json", "--from", "2", "--limit", "1", "--source", "local");
    assert_true(strncmp(r.out.at, "{\"number\":2,", 12) == 0);
    assert_null(strstr(r.out.at, "\"number\":3"));
    run_free(&r);
    expect(RUN(s, "rejects", "list", "--source", "nobody"), 0, "", "of those asked for");
    r = RUN(s, "rejects", "show", "--json", "1");
    one = json_loads(r.out.at, 0, NULL);
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(one, "event"), "position")), "yes");
    json_decref(one);
    run_free(&r);
    r = RUN(s, "rejects", "show", "1", "3");
    assert_non_null(strstr(r.out.at, "\"position\":\"yes\"}\n"));
    assert_non_null(strstr(r.out.at, "3 of 3 bytes: c102ff\n"));
    run_free(&r);
    r = RUN(s, "rejects", "show", "--json", "3", "4");
    assert_non_null(strstr(r.out.at, "\"hex\":\"c102ff\"}"));
    expect(r, 1, NULL, "no refused event 4 is kept");
    stack_free(s);
    buffer_free(&lines);
}

static void they_are_dropped_by_number_or_all_of_a_kind(void **state)
{
    struct stack *s = stack_new(1);

    (void)state;
    stack_start(s);
    publish(s, slice_of("{\"type\":\"a\"}\n{\"type\":\"b\"}\n{\"id\":1}\n{\"type\":\"c\"}\n"), 0,
            4);
    expect(RUN(s, "rejects", "drop"), 64, "", "which?");
    expect(RUN(s, "rejects", "drop", "--code", "missing"), 64, "", "which?");
    expect(RUN(s, "rejects", "redrive"), 64, "", "which?");
    expect(RUN(s, "rejects", "drop", "0"), 64, "", "a number from 1 on");
    expect(RUN(s, "rejects", "drop", "1", "--all"), 64, "", "--all");
    expect(RUN(s, "rejects", "redrive", "1", "--code", "missing"), 64, "", "--code");
    expect(RUN(s, "rejects", "list", "1"), 64, "", "no numbers");
    expect(RUN(s, "rejects", "show"), 64, "", "which?");
    expect(RUN(s, "rejects", "lust"), 64, "", "expected list");
    expect(RUN(s, "rejects"), 64, "", "");
    expect(RUN(s, "rejects", "redrive", "2", "1", "2", "9"), 1, "{\"accepted\":0,\"rejected\":3}\n",
           "\n9: missing: no refused event of this number");
    expect(RUN(s, "rejects", "drop", "4", "1"), 0, "{\"dropped\":2,\"kept\":0}\n", "");
    expect(RUN(s, "rejects", "drop", "4"), 1, "{\"dropped\":0,\"kept\":1}\n", "4: missing: ");
    expect(RUN(s, "rejects", "drop", "--all", "--code", "unknown-type"), 0,
           "{\"dropped\":1,\"kept\":0}\n", "");
    assert_int_equal(journal_number(s, "rejects"), 1);
    expect(RUN(s, "rejects", "drop", "--all"), 0, "{\"dropped\":1,\"kept\":0}\n", "");
    expect(RUN(s, "rejects", "redrive", "--all"), 0, "{\"accepted\":0,\"rejected\":0}\n", "");
    kill(stack_pid(s, "broker"), SIGKILL);
    expect(RUN(s, "rejects", "list"), 69, "", "does not answer");
    stack_free(s);
}

static void an_event_whose_cause_is_mended_counts_like_any_other(void **state)
{
    struct stack *s = stack_new(2);
    struct buffer lines = {0};
    struct run r;

    (void)state;
    stack_start(s);
    add_vote(&lines, "DIS 1", 1, clock_wall_ms() - 60000);
    add_vote(&lines, "DIS 1", 2, clock_wall_ms() + 5000);
    add_vote(&lines, "DIS 1", 3, clock_wall_ms() + 5000);
    buffer_add_text(&lines, "{\"type\":\"vote\"}\n");
    publish(s, buffer_slice(&lines), 1, 3);
    r = RUN(s, "rejects", "redrive", "1");
    assert_non_null(strstr(r.err.at, "1: out-of-range: time: "));
    expect(r, 1, "{\"accepted\":0,\"rejected\":1}\n", NULL);
    stack_sync(s);
    assert_int_equal(counted(s, "turnout:ballot:ISO/TC 1|DIS 1", "votes"), 1);
    redrive_when_due(s);
    stack_sync(s);
    assert_int_equal(counted(s, "turnout:ballot:ISO/TC 1|DIS 1", "votes"), 3);
    assert_int_equal(journal_number(s, "rejects"), 1); /* the one that nothing mends */
    assert_int_equal(journal_number(s, "events"), 3);
    r = RUN(s, "why", "ballot:ISO/TC 1|DIS 1", "votes");
    assert_non_null(strstr(r.out.at, "DIS 1-2"));
    assert_non_null(strstr(r.out.at, "DIS 1-3"));
    expect(r, 0, NULL, NULL);
    expect(RUN(s, "verify"), 0, NULL, NULL);
    stack_free(s);
    buffer_free(&lines);
}

/* ---- refused for want of a right ---- */

static bool port_is_free(uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bool is_free = bind(fd, (struct sockaddr *)&a, sizeof a) == 0;
    close(fd);
    return is_free;
}

/* The first of two that are free. */
static unsigned port_find(void)
{
    struct random r = random_new((uint64_t)getpid() << 32 | (uint64_t)clock_mono_ms());

    for (;;) {
        unsigned port = 20000 + (unsigned)random_below(&r, 10000);
        if (port_is_free((uint16_t)port) && port_is_free((uint16_t)(port + 1)))
            return port;
    }
}

/* A stack that listens at TCP too, and as clients say where: --publish and --read. */
struct open_stack {
    struct stack *stack;
    char address[32], publish[64], read[64];
};

static struct open_stack stack_open(void)
{
    unsigned port = port_find();
    struct open_stack o = {.stack = stack_new(1)};

    snprintf(o.address, sizeof o.address, "127.0.0.1:%u", port);
    snprintf(o.publish, sizeof o.publish, "--publish=tcp://127.0.0.1:%u", port);
    snprintf(o.read, sizeof o.read, "--read=tcp://127.0.0.1:%u", port + 1);
    expect(stack_run(o.stack, slice_of(""),
                     (const char *const[]){"scripts/stack", "start", "--dir", o.stack->dir,
                                           "--workers", "1", "--tcp", o.address, NULL}),
           0, NULL, NULL);
    return o;
}

static const char *key_option(struct stack *s, const char *name)
{
    static char option[2][300];
    static unsigned next;
    char *text = option[next++ % 2];

    snprintf(text, sizeof option[0], "--key=%s/keys/%s.key", s->dir, name);
    return text;
}

/* Writes the rights file anew with one text in place of another. */
static void rights_change(struct stack *s, const char *from, const char *to)
{
    struct buffer text = {0};
    FILE *f = fopen(stack_path(s, "rights.conf"), "r");
    size_t n;
    char *at;

    assert_non_null(f);
    while ((n = fread(buffer_room(&text, 4096), 1, 4096, f)) > 0)
        text.size += n;
    fclose(f);
    buffer_add(&text, "", 1);
    at = strstr(text.at, from);
    assert_non_null(at);
    f = fopen(stack_path(s, "rights.new"), "w");
    assert_non_null(f);
    fprintf(f, "%.*s%s%s", (int)(at - text.at), text.at, to, at + strlen(from));
    assert_int_equal(fclose(f), 0);
    assert_int_equal(rename(stack_path(s, "rights.new"), stack_path(s, "rights.conf")), 0);
    buffer_free(&text);
}

/* Publishes the lines with a key. */
static struct run publish_with(const struct open_stack *o, const char *key, struct slice lines)
{
    return stack_run(
        o->stack, lines,
        (const char *const[]){"turnout", "publish", o->publish, key_option(o->stack, key), NULL});
}

static void await_redrive(struct stack *s, const char *code, const char *expected)
{
    int64_t until = clock_mono_ms() + LIMIT_MS;
    bool same = false;

    while (!same) {
        assert_true(clock_mono_ms() < until);
        struct run r = RUN(s, "rejects", "redrive", "--code", code);
        same = strcmp(r.out.at, expected) == 0;
        run_free(&r);
    }
}

static void an_event_refused_by_rights_counts_once_the_right_is_given(void **state)
{
    struct open_stack o = stack_open();
    struct stack *s = o.stack;
    struct buffer lines = {0};

    (void)state;
    expect(RUN(s, "keys", "new", "feed", "--committees", "ISO/TC 9", "--types", "vote"), 0, NULL,
           NULL);
    for (unsigned i = 1; i <= 3; i++)
        add_vote(&lines, "DIS 3", i, clock_wall_ms() - 60000);
    expect(publish_with(&o, "feed", buffer_slice(&lines)), 1, "{\"accepted\":0,\"rejected\":3}\n",
           "committee-denied: committee: ");
    buffer_clear(&lines);
    buffer_add_text(
        &lines, "{\"type\":\"committee\",\"id\":\"c\",\"time\":1,\"committee\":\"ISO/TC 9\"}\n");
    expect(publish_with(&o, "feed", buffer_slice(&lines)), 1, NULL, "type-denied: type: ");
    expect(RUN(s, "rejects", "redrive", "--all"), 1, "{\"accepted\":0,\"rejected\":4}\n",
           "committee-denied");
    rights_change(s, "ISO/TC 9", "ISO/TC 9 | ISO/TC 1");
    await_redrive(s, "committee-denied", "{\"accepted\":3,\"rejected\":0}\n");
    stack_sync(s);
    assert_int_equal(counted(s, "turnout:ballot:ISO/TC 1|DIS 3", "votes"), 3);
    struct run r = RUN(s, "why", "ballot:ISO/TC 1|DIS 3", "votes");
    assert_non_null(strstr(r.out.at, "feed")); /* still under the source they came from */
    expect(r, 0, NULL, NULL);
    expect(RUN(s, "verify"), 0, NULL, NULL);
    assert_int_equal(journal_number(s, "rejects"), 1);
    expect(RUN(s, "keys", "revoke", "feed"), 0, NULL, NULL);
    r = RUN(s, "rejects", "redrive", "4");
    assert_non_null(strstr(r.err.at, "4: type-denied: "));
    expect(r, 1, "{\"accepted\":0,\"rejected\":1}\n", NULL);
    stack_free(s);
    buffer_free(&lines);
}

static void who_may_see_participants_may_look_and_no_more(void **state)
{
    struct open_stack o = stack_open();
    struct stack *s = o.stack;

    (void)state;
    publish(s, slice_of("{\"type\":\"row\"}\n"), 0, 1);
    expect(RUN(s, "keys", "new", "eye", "--may", "watch"), 0, NULL, NULL);
    expect(RUN(s, "keys", "new", "auditor", "--may", "watch", "--participants"), 0, NULL, NULL);
    expect(RUN(s, "rejects", "list", o.read, key_option(s, "eye")), 78, "", "denied");
    expect(RUN(s, "rejects", "list", "--json", o.read, key_option(s, "auditor")), 0, NULL, "");
    expect(RUN(s, "rejects", "show", "1", o.read, key_option(s, "auditor")), 0, NULL, "");
    expect(RUN(s, "rejects", "redrive", "1", o.read, key_option(s, "auditor")), 78, NULL, "denied");
    expect(RUN(s, "rejects", "drop", "1", o.read, key_option(s, "auditor")), 78, NULL, "denied");
    assert_int_equal(journal_number(s, "rejects"), 1);
    stack_free(s);
}

/* ---- killed in the middle ---- */

#define AT_ONCE 8

static unsigned kills_wanted(void)
{
    return getenv("TURNOUT_TEST_LONG") ? 200 : 16;
}

static void spin(int64_t us)
{
    int64_t end = clock_mono_ms() * 1000 + us;
    struct timespec t;

    do
        clock_gettime(CLOCK_MONOTONIC, &t);
    while ((int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000 < end);
}

/* Asks for some, kills the broker at some moment, and then takes what answer there is: how many are
 * said to be done. */
static unsigned redrive_and_kill(struct stack *s, uint64_t first, struct random *random)
{
    char endpoint[256];
    uint64_t numbers[AT_ONCE];
    struct wire_message m = {.kind = WIRE_REDRIVE, .numbers = {AT_ONCE, numbers}};
    pid_t broker = stack_pid(s, "broker");
    struct reader *r;
    struct slice payload;
    unsigned done = 0;

    snprintf(endpoint, sizeof endpoint, "ipc://%s/read.sock", s->dir);
    for (unsigned i = 0; i < AT_ONCE; i++)
        numbers[i] = first + i;
    assert_int_equal(client_connect(endpoint, LIMIT_MS, &r), 0);
    reader_send(r, &m);
    spin((int64_t)random_below(random, (uint64_t)500 << random_below(random, 6)));
    kill(broker, SIGKILL);
    if (client_await(r, reader_session(r), WIRE_SETTLED, 200, &m, &payload) == 0)
        for (uint32_t i = 0; i < m.settled.count; i++)
            done += m.settled.list[i].code.size == 0;
    reader_free(r);
    return done;
}

static void killed_around_the_commit_each_is_counted_once_and_none_is_lost(void **state)
{
    struct random random = random_new(random_seed("rejects_kill"));
    struct stack *s = stack_new(1);
    struct buffer lines = {0};
    const unsigned kills = kills_wanted(), votes = kills * AT_ONCE;
    int64_t due_ms, events;
    unsigned rounds = 0, before = 0, said = 0;

    (void)state;
    stack_start(s);
    due_ms = clock_wall_ms() + 8000;
    for (unsigned i = 1; i <= votes; i++)
        add_vote(&lines, "DIS 2", i, due_ms);
    publish(s, buffer_slice(&lines), 0, votes);
    while (clock_wall_ms() <= due_ms)
        usleep(20000);
    for (uint64_t first = 1; first <= votes; first += AT_ONCE, rounds++) {
        events = journal_number(s, "events");
        unsigned done = redrive_and_kill(s, first, &random);
        stack_start(s);
        int64_t more = journal_number(s, "events") - events;
        assert_true(more == 0 || more == AT_ONCE); /* all of the commit or nothing */
        assert_true(done == 0 || more == done);    /* what was said is so */
        assert_int_equal(journal_number(s, "events") + journal_number(s, "rejects"), votes);
        before += more == 0;
        said += done > 0;
    }
    print_message("%u kills: %u before the commit, %u behind it, %u of these behind the answer\n",
                  rounds, before, rounds - before, said);
    expect(RUN(s, "rejects", "redrive", "--all"), 0, NULL, NULL);
    stack_sync(s);
    assert_int_equal(journal_number(s, "rejects"), 0);
    assert_int_equal(journal_number(s, "events"), votes);
    assert_int_equal(counted(s, "turnout:ballot:ISO/TC 1|DIS 2", "votes"), votes);
    expect(RUN(s, "verify"), 0, NULL, NULL);
    stack_free(s);
    buffer_free(&lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_are_listed_and_shown_with_their_reasons),
        cmocka_unit_test(they_are_dropped_by_number_or_all_of_a_kind),
        cmocka_unit_test(an_event_whose_cause_is_mended_counts_like_any_other),
        cmocka_unit_test(an_event_refused_by_rights_counts_once_the_right_is_given),
        cmocka_unit_test(who_may_see_participants_may_look_and_no_more),
        cmocka_unit_test(killed_around_the_commit_each_is_counted_once_and_none_is_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
