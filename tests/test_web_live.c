/* The dashboard while things happen: live viewers, hostile ones, passwords, and parts that die and
 * come back. */
#include "proto/clock.h"
#include "tests/http_client.h"
#include "tests/stack.h"

#include <crypt.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_MS 60000
#define GONE_MS     10000 /* of the two seconds that it should take */

static struct stack *stack;
static unsigned port, votes;

static unsigned port_read(void)
{
    struct run r =
        stack_run(stack, slice_of(""),
                  (const char *const[]){"/bin/cat", stack_path(stack, "web.address"), NULL});
    const char *colon = r.out.size ? strrchr(r.out.at, ':') : NULL;
    unsigned n = colon ? (unsigned)atoi(colon + 1) : 0;

    run_free(&r);
    assert_true(n > 0);
    return n;
}

static void start(const char *options)
{
    setenv("TURNOUT_WEB_OPTIONS", options, 1);
    stack = stack_new(1);
    stack->option = "--web=127.0.0.1:0";
    stack_start(stack);
    port = port_read();
}

static int setup(void **state)
{
    (void)state;
    start("--per-address 0");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    stack_free(stack);
    return 0;
}

/* One more vote, of a member of its own. */
static void vote(void)
{
    char line[512];

    votes++;
    snprintf(line, sizeof line,
             "{\"type\":\"vote\",\"id\":\"v%u\",\"time\":\"2025-02-01T00:00:00Z\",\"committee\":"
             "\"ISO/TC 1\",\"ballot\":\"B\",\"member\":\"M%u\",\"position\":\"approve\"}\n",
             votes, votes);
    stack_publish_lines(stack, slice_of(line));
    stack_sync(stack);
}

static const char *member(unsigned n)
{
    static char name[32];

    snprintf(name, sizeof name, "\"M%u\"", n);
    return name;
}

/* The id of the last event of a stream. */
static void last_id(const struct stream *s, char ret[64])
{
    const char *at = s->got.at, *id = NULL;

    while ((at = strstr(at, "id: ")))
        id = at += 4;
    assert_non_null(id);
    snprintf(ret, 64, "%.*s", (int)strcspn(id, "\n"), id);
}

/* ---- viewers ---- */
static void test_a_change_arrives_at_every_viewer(void **state)
{
    struct stream viewers[20];

    (void)state;
    for (int i = 0; i < 20; i++) {
        viewers[i] = stream_open(port, "/events", NULL);
        assert_true(stream_await(&viewers[i], "event: state", PATIENCE_MS));
    }
    vote();
    for (int i = 0; i < 20; i++) {
        assert_true(stream_await(&viewers[i], member(votes), PATIENCE_MS));
        assert_non_null(strstr(viewers[i].got.at, "text/event-stream"));
        stream_close(&viewers[i]);
    }
}

static void test_a_viewer_resumes_where_it_was(void **state)
{
    struct stream s = stream_open(port, "/events", NULL);
    char id[64], header[128];
    unsigned missed;

    (void)state;
    assert_true(stream_await(&s, "event: state", PATIENCE_MS));
    vote();
    assert_true(stream_await(&s, member(votes), PATIENCE_MS));
    last_id(&s, id);
    stream_close(&s);
    vote();
    missed = votes;
    vote();
    snprintf(header, sizeof header, "Last-Event-ID: %s\r\n", id);
    s = stream_open(port, "/events", header);
    assert_true(stream_await(&s, member(missed), PATIENCE_MS));
    assert_true(stream_await(&s, member(votes), PATIENCE_MS));
    assert_null(strstr(s.got.at, "event: reload"));
    stream_close(&s);
}

/* Also one that was there before this process was. */
static void test_a_viewer_resumes_after_a_restart(void **state)
{
    struct stream s = stream_open(port, "/events", NULL);
    char id[64], header[128];

    (void)state;
    assert_true(stream_await(&s, "event: state", PATIENCE_MS));
    vote();
    assert_true(stream_await(&s, member(votes), PATIENCE_MS));
    last_id(&s, id);
    stream_close(&s);
    kill(stack_pid(stack, "web"), SIGKILL);
    while (stack_pid(stack, "web"))
        usleep(10000);
    vote();
    stack_start(stack);
    port = port_read();
    snprintf(header, sizeof header, "Last-Event-ID: %s\r\n", id);
    for (;;) { /* until it has read what the stream remembers, everybody is told to reload */
        s = stream_open(port, "/events", header);
        assert_true(stream_await(&s, "event: ", PATIENCE_MS));
        if (stream_await(&s, member(votes), 500))
            break;
        stream_close(&s);
    }
    stream_close(&s);
}

static void test_who_missed_too_much_is_told_to_reload(void **state)
{
    static const char *const places[] = {"99999999999999-0", "nonsense", "1-1-1"};
    char header[128];

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        snprintf(header, sizeof header, "Last-Event-ID: %s\r\n", places[i]);
        struct stream s = stream_open(port, "/events", header);
        assert_true(stream_await(&s, "event: reload\ndata: {\"reason\":\"missed\"}", PATIENCE_MS));
        stream_close(&s);
    }
}

/* One that takes nothing must not keep the others from anything, nor grow anything. */
static void test_a_slow_viewer_harms_nobody(void **state)
{
    struct stream slow = stream_open(port, "/events", NULL), good;

    (void)state;
    good = stream_open(port, "/events", NULL);
    assert_true(stream_await(&good, "event: state", PATIENCE_MS));
    for (int i = 0; i < 10; i++) {
        vote();
        assert_true(stream_await(&good, member(votes), PATIENCE_MS));
    }
    assert_true(stream_await(&slow, member(votes), PATIENCE_MS));
    stream_close(&slow);
    stream_close(&good);
}

/* ---- strangers ---- */
static void test_only_reading_is_possible(void **state)
{
    static const char *const verbs[] = {"POST", "PUT", "DELETE", "PATCH", "OPTIONS"};
    char request[256];

    (void)state;
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        snprintf(
            request, sizeof request,
            "%s /members HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            verbs[i]);
        struct reply r = http_raw(port, slice_of(request));
        assert_int_equal(r.status, 405);
        assert_string_equal(reply_header(&r, "Allow"), "GET, HEAD");
        reply_free(&r);
    }
    struct reply r =
        http_raw(port, slice_of("HEAD /members HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
    assert_int_equal(r.status, 200);
    assert_int_equal(r.body.size, 0);
    reply_free(&r);
}

static void test_nonsense_is_refused_and_does_no_harm(void **state)
{
    static const char *const nonsense[] = {
        "GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "GET /assets/../../Makefile HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "GET /%00 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "GET /%zz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "GET /members?period=banana HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "GET /why HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "GET /why?key=a&field=b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "GET /members HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
        "GET /members HTTP/9.9\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n",
        "GET http://elsewhere/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"};

    (void)state;
    for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++) {
        struct reply r = http_raw(port, slice_of(nonsense[i]));
        if (r.status && (r.status < 400 || r.status >= 500) && r.status != 505)
            fail_msg("%s: status %d", nonsense[i], r.status);
        reply_free(&r);
    }
    struct reply r = http_get(port, "/healthz", NULL);
    assert_int_equal(r.status, 200);
    reply_free(&r);
}

static void test_requests_are_bounded(void **state)
{
    struct buffer b = {0};
    struct reply r;

    (void)state;
    buffer_add_text(&b, "GET /members?x=");
    for (int i = 0; i < 4000; i++)
        buffer_add_text(&b, "a");
    buffer_add_text(&b, " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    r = http_raw(port, buffer_slice(&b));
    assert_int_equal(r.status, 400);
    reply_free(&r);
    buffer_clear(&b);
    buffer_add_text(&b, "GET / HTTP/1.1\r\nHost: x\r\nX: ");
    for (int i = 0; i < 100000; i++)
        buffer_add_text(&b, "a");
    buffer_add_text(&b, "\r\n\r\n");
    r = http_raw(port, buffer_slice(&b));
    assert_true(r.status == 0 || r.status == 431 || r.status == 413 || r.status == 400);
    reply_free(&r);
    buffer_free(&b);
}

/* ---- parts that die ---- */
static void end_part(const char *name)
{
    pid_t pid = stack_pid(stack, name);

    assert_true(pid > 0);
    kill(pid, SIGKILL);
    while (stack_pid(stack, name))
        usleep(10000);
}

/* The page says these words within some seconds. */
static struct reply await_words(const char *path, const char *words)
{
    int64_t end_ms = clock_mono_ms() + PATIENCE_MS;

    for (;;) {
        struct reply r = http_get(port, path, NULL);
        if (strstr(r.body.at, words))
            return r;
        if (clock_mono_ms() > end_ms)
            fail_msg("%s never said \"%s\", but %d %.2000s", path, words, r.status, r.body.at);
        reply_free(&r);
        usleep(50000);
    }
}

static void await_well(const char *path)
{
    int64_t end_ms = clock_mono_ms() + PATIENCE_MS;
    bool well = false;

    while (!well) {
        struct reply r = http_get(port, path, NULL);
        well = r.status == 200 && !strstr(r.body.at, "id=\"state\"");
        if (!well && clock_mono_ms() > end_ms)
            fail_msg("%s did not heal: %d", path, r.status);
        reply_free(&r);
        if (!well)
            usleep(50000);
    }
}

static void test_redis_dies_and_comes_back(void **state)
{
    struct stream s = stream_open(port, "/events", NULL);
    struct reply r;

    (void)state;
    assert_true(stream_await(&s, "event: state", PATIENCE_MS));
    end_part("redis");
    r = await_words("/members", "Redis does not answer");
    assert_int_equal(r.status, 503);
    assert_string_equal(reply_header(&r, "Retry-After"), "2");
    assert_non_null(strstr(r.body.at, "data-state=\"redis-down\""));
    reply_free(&r);
    r = await_words("/readyz", "Redis does not answer");
    assert_int_equal(r.status, 503);
    reply_free(&r);
    assert_true(stream_await(&s, "{\"state\":\"redis-down\"}", PATIENCE_MS));
    stack_start(stack);
    await_well("/members");
    vote();
    assert_true(stream_await(&s, member(votes), PATIENCE_MS));
    assert_true(stream_await(&s, "{\"state\":\"ok\"}", PATIENCE_MS));
    stream_close(&s);
}

static void test_the_broker_dies_and_comes_back(void **state)
{
    struct reply r;

    (void)state;
    vote();
    end_part("broker");
    r = await_words("/members", "data-state=\"broker-down\"");
    assert_int_equal(r.status, 200); /* the figures are still there */
    reply_free(&r);
    r = await_words("/why?key=member:M1:2025&field=technical.votes", "broker does not answer");
    assert_int_equal(r.status, 503);
    reply_free(&r);
    stack_start(stack);
    await_well("/members");
    await_well("/why?key=member:M1:2025&field=technical.votes");
}

static void test_the_worker_dies_and_comes_back(void **state)
{
    struct reply r;

    (void)state;
    end_part("worker-1");
    r = await_words("/", "data-state=\"worker-down\"");
    assert_non_null(strstr(r.body.at, "No worker is running"));
    reply_free(&r);
    for (int i = 0; i < 8; i++) { /* in several partitions */
        char line[256];
        snprintf(
            line, sizeof line,
            "{\"type\":\"vote\",\"id\":\"w%d\",\"time\":\"2025-02-01T00:00:00Z\",\"committee\":"
            "\"ISO/TC %d\",\"ballot\":\"B\",\"member\":\"M1\",\"position\":\"approve\"}\n",
            i, 100 + i);
        stack_publish_lines(stack, slice_of(line));
    }
    r = await_words("/metrics", "\nturnout_lag_events 8\n");
    assert_non_null(strstr(r.body.at, "\nturnout_lag_seconds "));
    assert_non_null(strstr(r.body.at, "\nturnout_workers 0\n"));
    reply_free(&r);
    stack_start(stack);
    await_well("/members");
}

/* Nothing that its pages show is of the journal that is there now. */
static void test_a_redis_of_another_journal_is_told_of(void **state)
{
    struct reply r;

    (void)state;
    end_part("worker-1"); /* it would end, as it cannot go on from there */
    for (int p = 0; p < 16; p++) {
        char key[32];
        snprintf(key, sizeof key, "turnout:offset:%d", p);
        struct run hset = stack_run(
            stack, slice_of(""),
            (const char *const[]){"/usr/bin/redis-cli", "-s", stack_path(stack, "redis.sock"),
                                  "hset", key, "log", "00000000000000000000000000000000", NULL});
        assert_int_equal(hset.status, 0);
        run_free(&hset);
    }
    r = await_words("/members", "data-state=\"foreign\"");
    reply_free(&r);
    r = await_words("/metrics", "turnout_state{state=\"foreign\"} 1\n");
    assert_null(strstr(r.body.at, "turnout_lag_events"));
    assert_non_null(strstr(r.body.at, "\nturnout_up 1\n"));
    reply_free(&r);
}

/* Everything again from the beginning: live viewers are told so, and what comes then. */
static void test_a_flushed_redis_is_noticed(void **state)
{
    struct stream s;
    struct run r;

    (void)state;
    vote();
    s = stream_open(port, "/events", NULL);
    assert_true(stream_await(&s, "event: state", PATIENCE_MS));
    r = stack_run(stack, slice_of(""),
                  (const char *const[]){"/usr/bin/redis-cli", "-s", stack_path(stack, "redis.sock"),
                                        "flushall", NULL});
    assert_int_equal(r.status, 0);
    run_free(&r);
    stack_sync(stack);
    assert_true(stream_await(&s, "event: reload\ndata: {\"reason\":\"reset\"}", PATIENCE_MS));
    vote();
    assert_true(stream_await(&s, member(votes), PATIENCE_MS));
    stream_close(&s);
}

/* ---- passwords; a stack of its own ---- */
static int setup_auth(void **state)
{
    char path[256], options[512], salt[192];
    struct crypt_data *data = memory_need(sizeof *data);
    int fd;

    (void)state;
    memset(data, 0, sizeof *data);
    snprintf(path, sizeof path, "%s/test_web_users.XXXXXX",
             getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_non_null(crypt_gensalt_rn("$y$", 1, NULL, 0, salt, sizeof salt));
    dprintf(fd, "# users\nanna:%s\n", crypt_r("right horse", salt, data));
    close(fd);
    free(data);
    snprintf(options, sizeof options, "--auth-file %s", path);
    start(options);
    unlink(path); /* it has been read */
    return 0;
}

static int status_with(const char *path, const char *headers)
{
    struct reply r = http_get(port, path, headers);
    int status = r.status;

    if (status == 401)
        assert_non_null(strstr(reply_header(&r, "WWW-Authenticate"), "Basic realm"));
    reply_free(&r);
    return status;
}

static void test_only_users_may_look(void **state)
{
    static const char *const paths[] = {"/",        "/api/v1/members",     "/events",
                                        "/metrics", "/assets/turnout.css", "/nothing"};
    static const char *const wrong[] = {
        NULL,
        "Authorization: Basic YW5uYTp3cm9uZw==\r\n",     /* anna:wrong */
        "Authorization: Basic Ym9iOnJpZ2h0IGhvcnNl\r\n", /* bob:right horse */
        "Authorization: Basic ====\r\n",
        "Authorization: Basic \xff\r\n",
        "Authorization: Bearer x\r\n"};
    const char *right = "Authorization: Basic YW5uYTpyaWdodCBob3JzZQ==\r\n";

    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        for (size_t j = 0; j < sizeof wrong / sizeof *wrong; j++)
            assert_int_equal(status_with(paths[i], wrong[j]), 401);
    assert_int_equal(status_with("/members", right), 200);
    assert_int_equal(status_with("/assets/turnout.css", right), 200);
    assert_int_equal(status_with("/healthz", NULL), 200);
    assert_int_equal(status_with("/members", wrong[1]), 401);
}

/* ---- many of one address ---- */
#define FEW 8

static int setup_few(void **state)
{
    (void)state;
    start("--per-address 8");
    return 0;
}

static int status_of_members(void)
{
    struct reply r = http_get(port, "/members", NULL);
    int status = r.status;

    reply_free(&r);
    return status;
}

/* Whoever goes from page to page leaves a viewer behind at each. */
static void test_viewers_that_are_gone_make_room_soon(void **state)
{
    struct stream viewers[FEW];
    int64_t end_ms;

    (void)state;
    for (int i = 0; i < FEW; i++) {
        viewers[i] = stream_open(port, "/events", NULL);
        assert_true(stream_await(&viewers[i], "event: state", PATIENCE_MS));
    }
    assert_int_equal(status_of_members(), 0);
    for (int i = 0; i < FEW; i++)
        stream_close(&viewers[i]);
    end_ms = clock_mono_ms() + GONE_MS;
    while (status_of_members() != 200) {
        assert_true(clock_mono_ms() < end_ms);
        usleep(100000);
    }
}

int main(void)
{
    const struct CMUnitTest live[] = {
        cmocka_unit_test(test_a_change_arrives_at_every_viewer),
        cmocka_unit_test(test_a_viewer_resumes_where_it_was),
        cmocka_unit_test(test_a_viewer_resumes_after_a_restart),
        cmocka_unit_test(test_who_missed_too_much_is_told_to_reload),
        cmocka_unit_test(test_a_slow_viewer_harms_nobody),
        cmocka_unit_test(test_only_reading_is_possible),
        cmocka_unit_test(test_nonsense_is_refused_and_does_no_harm),
        cmocka_unit_test(test_requests_are_bounded),
        cmocka_unit_test(test_redis_dies_and_comes_back),
        cmocka_unit_test(test_the_broker_dies_and_comes_back),
        cmocka_unit_test(test_the_worker_dies_and_comes_back),
        cmocka_unit_test(test_a_flushed_redis_is_noticed),
        cmocka_unit_test(test_a_redis_of_another_journal_is_told_of),
    };
    const struct CMUnitTest auth[] = {cmocka_unit_test(test_only_users_may_look)};
    const struct CMUnitTest few[] = {cmocka_unit_test(test_viewers_that_are_gone_make_room_soon)};
    int failed = cmocka_run_group_tests(live, setup, teardown);

    failed += cmocka_run_group_tests(auth, setup_auth, teardown);
    return failed + cmocka_run_group_tests(few, setup_few, teardown);
}
