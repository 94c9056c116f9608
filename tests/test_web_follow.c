/* What live viewers are told, of a change feed that the test writes itself, read by small pieces as
 * a connection might. */
#include "proto/clock.h"
#include "tests/redis_dump.h"
#include "tests/redis_server.h"
#include "workers/web/live.h"
#include "workers/web/ring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_MS 60000

static struct redis_server *server;
static struct redis_options options;
static struct redis *redis;
static struct live *live;

struct watcher {
    struct viewer *viewer;
    struct buffer got; /* all that came, with a NUL that does not count */
};

static void no_wake(void *owner)
{
    (void)owner;
}

static void waited(void *owner)
{
    *(unsigned *)owner += 1;
}

static int setup(void **state)
{
    (void)state;
    server = redis_server_new(NULL, NULL);
    redis_server_start(server);
    redis = redis_open(server->socket);
    assert_non_null(redis);
    options =
        (struct redis_options){.address = server->socket, .prefix = "turnout:", .timeout_ms = 1000};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    live_free(live);
    live_free(NULL);
    live = NULL;
    redis_close(redis);
    redis_server_free(server);
    return 0;
}

static void entry(const char *field, const char *value)
{
    const struct redis_reply *r = redis_do(redis, "XADD", "turnout:changes", "*", field, value);

    assert_int_equal(r->kind, '$');
}

static unsigned waits; /* how often a viewer had nothing to read */

static struct watcher watcher_new(const char *last)
{
    return (struct watcher){
        .viewer = viewer_new(live, last ? slice_of(last) : (struct slice){0}, -1, no_wake, &waits)};
}

static void watcher_free(struct watcher *w)
{
    viewer_free(w->viewer);
    buffer_free(&w->got);
}

/* Reads what there is, seven bytes at a time. */
static void watcher_read(struct watcher *w)
{
    ssize_t n;

    while ((n = viewer_read(w->viewer, buffer_room(&w->got, 8), 7, waited)) > 0)
        w->got.size += (size_t)n;
    assert_int_equal(n, 0);
    *buffer_room(&w->got, 1) = '\0';
}

static void await(struct watcher *w, const char *words)
{
    int64_t end_ms = clock_mono_ms() + PATIENCE_MS;

    for (watcher_read(w); !strstr(w->got.at, words); watcher_read(w)) {
        if (clock_mono_ms() > end_ms)
            fail_msg("\"%s\" never came, but %.2000s", words, w->got.at);
        usleep(5000);
    }
}

static void begin(void)
{
    live = live_new(&options);
    while (!live_well(live))
        usleep(5000);
}

static void test_changes_come_in_pieces(void **state)
{
    struct watcher w;

    (void)state;
    begin();
    w = watcher_new(NULL);
    await(&w, "event: state\ndata: {\"state\":\"ok\"}\n\n");
    assert_true(waits > 0);
    entry("members", "KE");
    await(&w, "event: change\ndata: {\"commits\":1,\"members\":[\"KE\"]}\n\n");
    assert_null(strstr(w.got.at, "reload"));
    watcher_free(&w);
}

static void test_a_rebuild_makes_everybody_read_again(void **state)
{
    struct watcher w, late;
    char place[64];
    const char *at = "";

    (void)state;
    begin();
    w = watcher_new(NULL);
    entry("members", "KE");
    await(&w, "[\"KE\"]");
    for (const char *next = w.got.at; (next = strstr(next, "id: ")); next += 4)
        at = next + 4;
    snprintf(place, sizeof place, "%.*s", (int)strcspn(at, "\n"), at);
    entry("rebuilt", "1");
    await(&w, "event: reload\ndata: {\"reason\":\"rebuilt\"}\n\n");
    late = watcher_new(place); /* that was gone meanwhile */
    await(&late, "event: reload\n");
    watcher_free(&late);
    watcher_free(&w);
}

/* Redis has lost what it remembered. */
static void test_a_feed_that_has_begun_anew_is_told_of(void **state)
{
    struct watcher w;

    (void)state;
    begin();
    w = watcher_new(NULL);
    entry("members", "KE");
    await(&w, "[\"KE\"]");
    redis_server_kill(server);
    while (live_well(live))
        usleep(5000);
    redis_server_start(server);
    await(&w, "event: reload\ndata: {\"reason\":\"reset\"}\n\n");
    assert_int_equal(live_counts(live).reloads, 1);
    watcher_free(&w);
}

/* Flushed, or run past, on a connection that never went. */
static void test_a_feed_that_lost_its_place_is_told_of(void **state)
{
    struct watcher w;

    (void)state;
    begin();
    w = watcher_new(NULL);
    entry("members", "KE");
    await(&w, "[\"KE\"]");
    redis_do(redis, "DEL", "turnout:changes");
    await(&w, "event: reload\ndata: {\"reason\":\"reset\"}\n\n");
    assert_true(live_well(live));
    entry("members", "SN");
    await(&w, "[\"SN\"]");
    assert_int_equal(live_counts(live).reloads, 1);
    watcher_free(&w);
}

/* Begun before there was anything, and then more at once than the stream keeps. */
static void test_a_feed_that_filled_at_once_is_read_again(void **state)
{
    static const char fill[] =
        "for i = 1, 10001 do redis.call('XADD', KEYS[1], '*', 'members', 'KE') end";
    struct watcher w;

    (void)state;
    begin();
    w = watcher_new(NULL);
    redis_do(redis, "EVAL", fill, "1", "turnout:changes");
    await(&w, "event: reload\ndata: {\"reason\":\"reset\"}\n\n");
    watcher_free(&w);
}

static void test_a_redis_that_comes_late_is_waited_for(void **state)
{
    struct watcher w;

    (void)state;
    redis_server_kill(server);
    live = live_new(&options);
    w = watcher_new(NULL);
    await(&w, "event: state");
    assert_false(live_well(live));
    redis_server_start(server);
    redis_close(redis);
    redis = redis_open(server->socket);
    while (!live_well(live))
        usleep(5000);
    entry("members", "KE");
    await(&w, "[\"KE\"]");
    watcher_free(&w);
}

/* More entries than are read at the start: who has seen less than the first of them is told. */
static void test_who_was_there_before_this_process_goes_on(void **state)
{
    char number[16], first[64], last[64];
    struct watcher w;

    (void)state;
    for (int i = 0; i < 250; i++) {
        const struct redis_reply *r;
        snprintf(number, sizeof number, "M%d", i);
        r = redis_do(redis, "XADD", "turnout:changes", "*", "members", number);
        snprintf(i ? last : first, sizeof last, "%.*s", (int)r->text.size, r->text.at);
    }
    begin();
    w = watcher_new(first);
    await(&w, "event: reload\ndata: {\"reason\":\"missed\"}\n\n");
    watcher_free(&w);
    w = watcher_new(last);
    entry("members", "KE");
    await(&w, "[\"KE\"]");
    assert_null(strstr(w.got.at, "reload"));
    watcher_free(&w);
}

/* One that reads nothing while the ring goes round has missed something. */
static void test_a_viewer_that_is_run_past_reads_again(void **state)
{
    struct watcher slow, quick;
    char byte[8];

    (void)state;
    begin();
    slow = watcher_new(NULL);
    quick = watcher_new(NULL);
    assert_int_equal(viewer_read(slow.viewer, byte, sizeof byte, waited), sizeof byte);
    for (int i = 0; i < RING_EVENTS + 5; i++) {
        live_state(live, i % 2 ? "behind" : "ok");
        watcher_read(&quick);
    }
    await(&slow, "event: reload\ndata: {\"reason\":\"missed\"}\n\n");
    assert_null(strstr(quick.got.at, "reload"));
    assert_int_equal(live_counts(live).viewers, 2);
    watcher_free(&quick);
    live_stop(live);
    assert_int_equal(viewer_read(slow.viewer, byte, sizeof byte, waited), -1);
    watcher_free(&slow);
    assert_int_equal(live_counts(live).viewers, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_changes_come_in_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_rebuild_makes_everybody_read_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_feed_that_has_begun_anew_is_told_of, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_feed_that_lost_its_place_is_told_of, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_feed_that_filled_at_once_is_read_again, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_redis_that_comes_late_is_waited_for, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_who_was_there_before_this_process_goes_on, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_viewer_that_is_run_past_reads_again, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
