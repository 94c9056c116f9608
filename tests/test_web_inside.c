/* The dashboard within the test's own process, with a Redis but no broker: what is answered without
 * a page, too many jobs, passwords, and addresses where nobody can listen. */
#include "proto/clock.h"
#include "proto/error.h"
#include "tests/http_client.h"
#include "tests/redis_dump.h"
#include "tests/redis_server.h"
#include "workers/web/http.h"

#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_MS 60000

static struct redis_server *redis;
static struct web web;
static struct http *http;
static unsigned port;
static char nowhere[160];

static int setup(void **state)
{
    struct web_config config = {.host = "127.0.0.1", .connections = 100};

    (void)state;
    redis = redis_server_new(NULL, NULL);
    redis_server_start(redis);
    snprintf(nowhere, sizeof nowhere, "ipc://%s/nobody.sock", redis->dir);
    config.redis = (struct redis_options){.address = redis->socket, .prefix = "turnout:"};
    config.read = nowhere;
    assert_int_equal(web_open(&web, &config), 0);
    assert_int_equal(http_open(&web, &http), 0);
    port = http_port(http);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    web_stop(&web);
    web_stop(&web); /* once more does no harm */
    http_close(http);
    http_close(NULL);
    state_free(NULL);
    web_close(&web);
    redis_server_free(redis);
    return 0;
}

/* The page says these words sooner or later. */
static void await_words(const char *path, int status, const char *words)
{
    int64_t end_ms = clock_mono_ms() + PATIENCE_MS;

    for (;;) {
        struct reply r = http_get(port, path, NULL);
        bool there = r.status == status && strstr(r.body.at, words);
        if (!there && clock_mono_ms() > end_ms)
            fail_msg("%s never said \"%s\", but %d %s", path, words, r.status, r.body.at);
        reply_free(&r);
        if (there)
            return;
        usleep(20000);
    }
}

/* ---- without a page ---- */
static void test_what_stands_in_memory_is_answered_at_once(void **state)
{
    static const struct {
        const char *request, *type, *says;
        int status;
    } cases[] = {
        {"GET /healthz", "text/plain; charset=utf-8", "well\n", 200},
        {"GET /favicon.ico", "image/svg+xml", "<svg", 200},
        {"GET /robots.txt", "text/plain; charset=utf-8", "Disallow: /", 200},
        {"GET /assets/nothing.css", "text/html; charset=utf-8", "There is no such page", 404},
        {"GET /api/v1/openapi.json", "application/json", "\"openapi\"", 200},
        {"HEAD /events", "text/plain; charset=utf-8", "", 200},
        {"GET /assets/", "text/html; charset=utf-8", "There is no such page", 404},
    };
    char request[256];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct reply r;
        snprintf(request, sizeof request, "%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                 cases[i].request);
        r = http_raw(port, slice_of(request));
        assert_int_equal(r.status, cases[i].status);
        assert_string_equal(reply_header(&r, "Content-Type"), cases[i].type);
        assert_non_null(strstr(r.body.at, cases[i].says));
        reply_free(&r);
    }
}

static void test_an_asset_is_sent_once(void **state)
{
    struct reply r = http_get(port, "/assets/turnout.css", NULL);
    char header[128];

    (void)state;
    assert_int_equal(r.status, 200);
    snprintf(header, sizeof header, "If-None-Match: \"other\", %s\r\n", reply_header(&r, "ETag"));
    reply_free(&r);
    r = http_get(port, "/assets/turnout.css", header);
    assert_int_equal(r.status, 304);
    assert_int_equal(r.body.size, 0);
    reply_free(&r);
}

static void test_csv_may_be_asked_for_by_its_type(void **state)
{
    static const struct {
        const char *accept, *type;
    } cases[] = {{"Accept: text/csv\r\n", "text/csv; charset=utf-8"},
                 {"Accept: text/xml\r\n", "application/json"},
                 {"Accept: text/csv, */*\r\n", "application/json"}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct reply r = http_get(port, "/api/v1/risk", cases[i].accept);
        assert_int_equal(r.status, 200);
        assert_string_equal(reply_header(&r, "Content-Type"), cases[i].type);
        reply_free(&r);
    }
}

static void test_a_body_is_refused_however_it_is_sent(void **state)
{
    static const char *const requests[] = {
        "GET /risk HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
        "GET /risk HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        "5\r\nhello\r\n0\r\n\r\n"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct reply r = http_raw(port, slice_of(requests[i]));
        assert_int_equal(r.status, 400);
        reply_free(&r);
    }
}

static void test_without_a_broker_metrics_say_what_is_known(void **state)
{
    struct reply r;

    (void)state;
    await_words("/readyz", 200, "ready\n");
    await_words("/metrics", 200, "turnout_state{state=\"broker-down\"} 1\n");
    r = http_get(port, "/metrics", NULL);
    assert_non_null(strstr(r.body.at, "\nturnout_up 0\n"));
    assert_non_null(strstr(r.body.at, "\nturnout_redis_up 1\n"));
    assert_null(strstr(r.body.at, "turnout_lag_events"));
    assert_null(strstr(r.body.at, "turnout_journal_events"));
    assert_null(strstr(r.body.at, "turnout_applied_timestamp_seconds"));
    assert_null(strstr(r.body.at, "turnout_web_resident_bytes 0\n"));
    reply_free(&r);
}

static void test_metrics_tell_of_a_redis_that_takes_nothing(void **state)
{
    struct redis *client = redis_open(redis->socket);

    (void)state;
    await_words("/metrics", 200, "\nturnout_redis_hindered 0\n");
    redis_do(client, "CONFIG", "SET", "maxmemory", "1000");
    await_words("/metrics", 200, "\nturnout_redis_hindered 1\n");
    redis_do(client, "CONFIG", "SET", "maxmemory", "0");
    await_words("/metrics", 200, "\nturnout_redis_hindered 0\n");
    redis_close(client);
}

static void test_without_redis_it_is_not_ready(void **state)
{
    (void)state;
    redis_server_kill(redis);
    await_words("/metrics", 200, "turnout_redis_up 0\n");
    await_words("/readyz", 503, "Redis does not answer\n");
    for (int i = 0; i < 3; i++) /* each makes it look again, once it has looked */
        await_words("/risk", 503, "Redis does not answer");
    redis_server_start(redis);
    await_words("/readyz", 200, "ready\n");
}

/* ---- listening; there are no other threads then ---- */
static struct rlimit whole;

/* From now on so many more files may be opened. */
static void files_left(unsigned count)
{
    struct rlimit few;
    int next = dup(0);

    close(next);
    getrlimit(RLIMIT_NOFILE, &whole);
    few = whole;
    few.rlim_cur = (rlim_t)next + count;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
}

static void files_free(void)
{
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &whole), 0);
}

static void test_where_nobody_can_listen_is_a_fault_of_the_options(void **state)
{
    static const struct {
        const char *host;
        unsigned port; /* 1: one that is taken */
        int files;     /* that may be opened; -1: any number */
    } cases[] = {{"no such host", 0, -1},
                 {"192.0.2.1", 0, -1}, /* nobody's, by RFC 5737 */
                 {"127.0.0.1", 1, -1},
                 {"127.0.0.1", 0, 0},
                 {"127.0.0.1", 0, 1}};
    struct http *none = NULL, *first;
    struct web other = {.config = {.host = "127.0.0.1", .connections = 100}};

    (void)state;
    assert_int_equal(http_open(&other, &first), 0);
    port = http_port(first);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int error;
        other.config.host = cases[i].host;
        other.config.port = cases[i].port ? port : 0;
        if (cases[i].files >= 0)
            files_left((unsigned)cases[i].files);
        error = http_open(&other, &none);
        if (cases[i].files >= 0)
            files_free();
        if (error != ERR_CONFIG)
            fail_msg("case %zu: %d", i, error);
        assert_null(none);
    }
    http_close(first);
}

/* ---- too many jobs ---- */
#define HELD 10 /* two are under way, eight wait */

struct held_job {
    struct job job; /* first */
    sem_t begun, go, over;
};

static void run_held(struct job *j, struct hand *h)
{
    struct held_job *held = (struct held_job *)j;

    assert_non_null(h->store);
    sem_post(&held->begun);
    sem_wait(&held->go);
    sem_post(&held->over);
}

static void hold(struct held_job *j)
{
    *j = (struct held_job){.job.run = run_held};
    sem_init(&j->begun, 0, 0);
    sem_init(&j->go, 0, 0);
    sem_init(&j->over, 0, 0);
    assert_true(crew_take(web.slow, &j->job));
}

static void test_who_comes_when_the_line_is_full_is_told_so(void **state)
{
    static struct held_job jobs[HELD], late;
    struct reply r;

    (void)state;
    while (crew_busy(web.slow))
        usleep(1000);
    for (int i = 0; i < HELD; i++) {
        hold(&jobs[i]);
        if (i < 2)
            sem_wait(&jobs[i].begun); /* its thread is busy from now on */
    }
    assert_false(crew_take(web.slow, &late.job));
    assert_int_equal(crew_busy(web.slow), HELD);
    r = http_get(port, "/health", NULL);
    assert_int_equal(r.status, 503);
    assert_string_equal(reply_header(&r, "Retry-After"), "2");
    reply_free(&r);
    r = http_get(port, "/api/v1/health", NULL);
    assert_int_equal(r.status, 503);
    assert_non_null(strstr(r.body.at, "\"error\":\"busy\""));
    reply_free(&r);
    await_words("/metrics", 200, "turnout_web_busy_total 2\n");
    await_words("/risk", 200, "Seats at risk"); /* the quick ones do not wait for them */
    for (int i = 0; i < HELD; i++)
        sem_post(&jobs[i].go);
    for (int i = 0; i < HELD; i++)
        sem_wait(&jobs[i].over);
}

/* ---- passwords ---- */
#define ANNA  "anna:$5$turnout$eYJJ/uqW6ExJvSFQJV7Ef8OH3SHsDWe4hsOiz0wH2d/\n"
#define RIGHT "YW5uYTpyaWdodCBob3JzZQ" /* anna:right horse */

static char users[160];

/* auth_open of a file with that text; NULL: of one that is not there. */
static int opened(const char *text, mode_t mode, struct auth **ret)
{
    FILE *f;

    snprintf(users, sizeof users, "%s/users", redis->dir);
    unlink(users);
    if (text) {
        f = fopen(users, "we");
        assert_non_null(f);
        fputs(text, f);
        fclose(f);
        chmod(users, mode);
    }
    return auth_open(users, ret);
}

static void test_files_of_users_that_are_none_are_refused(void **state)
{
    static char lengthy[70000], many[300 * 16], name[200], hash[400];
    const struct {
        const char *text;
        mode_t mode;
    } bad[] = {{NULL, 0},
               {"", 0600},
               {"# nobody\n\n", 0600},
               {"anna", 0600},
               {"anna\n", 0600},
               {":$5$x$123456789\n", 0600},
               {"anna:$5$\n", 0600},
               {"anna:plain-password\n", 0600},
               {ANNA "bob", 0600},
               {ANNA, 0620},
               {ANNA, 0602},
               {lengthy, 0600},
               {many, 0600},
               {name, 0600},
               {hash, 0600}};
    struct auth *a = NULL;
    struct web_config config = {.auth_file = users};
    struct web other;

    (void)state;
    memset(lengthy, '#', sizeof lengthy - 1);
    for (int i = 0; i < 257; i++)
        sprintf(many + strlen(many), "u%d:$5$x$1234\n", i);
    snprintf(name, sizeof name, "%0150d:$5$x$123456789", 0);
    snprintf(hash, sizeof hash, "anna:$%0300d", 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (opened(bad[i].text, bad[i].mode, &a) != ERR_CONFIG)
            fail_msg("file %zu was taken", i);
    assert_int_equal(web_open(&other, &config), ERR_CONFIG);
    auth_close(NULL);
}

static bool lets_in(struct auth *a, const char *header)
{
    return auth_check(a, slice_of(header));
}

static void test_a_right_password_is_remembered(void **state)
{
    static char header[400] = "basic " RIGHT;
    struct auth *a;

    (void)state;
    assert_int_equal(opened("# users\n\n" ANNA "bob:$5$other$1234", 0640, &a), 0);
    assert_false(auth_known(a, slice_of("Basic " RIGHT)));
    assert_true(lets_in(a, "Basic " RIGHT));
    assert_true(auth_known(a, slice_of("Basic " RIGHT)));
    assert_false(auth_known(a, slice_of("")));
    for (int i = 1; i <= 300; i++) { /* the same login, written in so many ways */
        strcat(header, "=");
        assert_true(lets_in(a, header));
    }
    assert_true(auth_known(a, slice_of(header)));
    assert_false(auth_known(a, slice_of("Basic " RIGHT))); /* long ago */
    auth_close(a);
}

static void test_what_is_no_login_is_refused(void **state)
{
    static const char *const wrong[] = {"",
                                        "Basic",
                                        "Basic ",
                                        ("Digest " RIGHT),
                                        "Basic *",
                                        "Basic YW5uYQ==",         /* anna */
                                        "Basic YW5uYTp3cm9uZw==", /* anna:wrong */
                                        "Basic YW5uYQA6eA=="};    /* with a NUL in it */
    static char lengthy[2000];
    struct auth *a;

    (void)state;
    assert_int_equal(opened(ANNA, 0600, &a), 0);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (lets_in(a, wrong[i]))
            fail_msg("%s was let in", wrong[i]);
    memset(lengthy, 'A', sizeof lengthy - 1);
    memcpy(lengthy, "Basic ", 6);
    assert_false(lets_in(a, lengthy));
    assert_false(auth_known(a, slice_of(lengthy)));
    auth_close(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_stands_in_memory_is_answered_at_once),
        cmocka_unit_test(test_an_asset_is_sent_once),
        cmocka_unit_test(test_csv_may_be_asked_for_by_its_type),
        cmocka_unit_test(test_a_body_is_refused_however_it_is_sent),
        cmocka_unit_test(test_without_a_broker_metrics_say_what_is_known),
        cmocka_unit_test(test_who_comes_when_the_line_is_full_is_told_so),
        cmocka_unit_test(test_files_of_users_that_are_none_are_refused),
        cmocka_unit_test(test_a_right_password_is_remembered),
        cmocka_unit_test(test_what_is_no_login_is_refused),
        cmocka_unit_test(test_metrics_tell_of_a_redis_that_takes_nothing),
        cmocka_unit_test(test_without_redis_it_is_not_ready),
    };

    const struct CMUnitTest alone[] = {
        cmocka_unit_test(test_where_nobody_can_listen_is_a_fault_of_the_options),
    };

    return cmocka_run_group_tests(alone, NULL, NULL) +
           cmocka_run_group_tests(tests, setup, teardown);
}
