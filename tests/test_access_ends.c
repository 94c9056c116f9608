/* Access that ends or has an end, with a real stack on TCP: revocation in mid-stream, sessions of
 * one key, key files that are not as they should be, and what the log says of all that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/clock.h"
#include "proto/error.h"
#include "proto/file.h"
#include "proto/json.h"
#include "proto/link.h"
#include "proto/turnout.h"
#include "tests/keyed.h"
#include "tests/redis_dump.h"

/* ---- in mid-stream ---- */

#define STREAM_MOST 2000000

struct stream {
    uint64_t sent;
    bool accepted[STREAM_MOST + 1];
};

static void note_accepted(void *arg, uint64_t first, uint64_t last)
{
    struct stream *s = arg;

    for (uint64_t i = first; i <= last; i++)
        s->accepted[i] = true;
}

static int stream_send(struct turnout_producer *p, struct stream *s)
{
    char line[256];
    struct buffer event = {0};
    struct refusal why;
    int status;

    snprintf(
        line, sizeof line,
        "{\"type\":\"vote\",\"id\":\"m-%" PRIu64
        "\",\"time\":\"2026-03-01T12:00:00Z\",\"committee\":\"ISO/TC 77\",\"ballot\":\"DIS 7\","
        "\"member\":\"M%" PRIu64 "\",\"position\":\"approve\"}",
        s->sent + 1, s->sent + 1);
    assert_int_equal(json_to_event(slice_of(line), &event, &why), 0);
    status = turnout_send(p, event.at, event.size, NULL);
    s->sent += status == TURNOUT_OK;
    buffer_free(&event);
    return status;
}

/* All that was acknowledged is there; of the rest any part may be, as nobody was told of it. */
static void assert_counted(const struct stream *s)
{
    struct redis *redis = redis_open(stack_path(keyed, "redis.sock"));
    uint64_t accepted = 0;

    stack_sync(keyed);
    for (uint64_t i = 1; i <= s->sent; i++) {
        char member[32];
        if (!s->accepted[i])
            continue;
        accepted++;
        snprintf(member, sizeof member, "M%" PRIu64, i);
        assert_int_equal(
            redis_do(redis, "HEXISTS", "turnout:votes:ISO/TC 77|DIS 7", member)->number, 1);
    }
    print_message("%" PRIu64 " sent, %" PRIu64 " acknowledged\n", s->sent, accepted);
    assert_true(accepted > 0);
    redis_close(redis);
}

static void revocation_in_mid_stream_ends_it_at_once(void **state)
{
    struct stream *s = calloc(1, sizeof *s);
    struct turnout_options o = {.key_file = NULL, .accepted = note_accepted, .arg = s};
    struct turnout_producer *p;
    int64_t end_ms;
    int status = TURNOUT_OK;

    (void)state;
    KEYS("new", "streamer");
    expect(publish_as(key_path("streamer"), VOTE("m-0")), 0, "");
    o.key_file = key_path("streamer");
    assert_int_equal(turnout_producer_new(&o, &p), TURNOUT_OK);
    turnout_set_timeout(p, KEYED_LIMIT_MS);
    while (turnout_counts(p).accepted < 500)
        assert_int_equal(stream_send(p, s), TURNOUT_OK);
    turnout_set_timeout(p, 1000);
    KEYS("revoke", "streamer");
    end_ms = clock_mono_ms() + KEYED_LIMIT_MS;
    while (status != TURNOUT_DENIED && s->sent < STREAM_MOST) {
        assert_true(clock_mono_ms() < end_ms);
        status = s->sent % 16 ? stream_send(p, s) : turnout_poll(p, 1);
        if (status == TURNOUT_OK && s->sent % 16 == 0)
            status = stream_send(p, s);
    }
    assert_int_equal(status, TURNOUT_DENIED);
    assert_string_equal(turnout_error_code(p), "revoked-key");
    assert_int_equal(turnout_flush(p, 100), TURNOUT_DENIED);
    assert_counted(s);
    turnout_producer_free(p);
    free(s);
}

/* ---- bounds and files ---- */

static void a_key_has_so_many_sessions_and_no_more(void **state)
{
    struct turnout_producer *p[17];
    struct turnout_options o = {.key_file = NULL};
    int64_t end_ms = clock_mono_ms() + KEYED_LIMIT_MS;
    unsigned welcomed = 0;

    (void)state;
    KEYS("new", "many");
    expect(publish_as(key_path("many"), VOTE("k-0")), 0, "");
    o.key_file = key_path("many");
    for (int i = 0; i < 17; i++)
        assert_int_equal(turnout_producer_new(&o, &p[i]), TURNOUT_OK);
    while (welcomed < 16) {
        assert_true(clock_mono_ms() < end_ms);
        welcomed = 0;
        for (int i = 0; i < 17; i++) {
            turnout_poll(p[i], 1);
            welcomed += turnout_connected(p[i]);
        }
    }
    for (int i = 0; i < 50; i++)
        for (int k = 0; k < 17; k++)
            turnout_poll(p[k], 1);
    welcomed = 0;
    for (int i = 0; i < 17; i++)
        welcomed += turnout_connected(p[i]);
    assert_int_equal(welcomed, 16);
    for (int i = 0; i < 17; i++)
        turnout_producer_free(p[i]);
}

static void a_key_file_that_others_can_read_is_warned_of(void **state)
{
    struct turnout_options o = {.key_file = NULL};
    struct turnout_producer *p;

    (void)state;
    KEYS("new", "careless");
    assert_int_equal(chmod(key_path("careless"), 0644), 0);
    expect(publish_as(key_path("careless"), VOTE("l-1")), 0, "chmod 600");
    o.key_file = key_path("careless");
    assert_int_equal(turnout_producer_new(&o, &p), TURNOUT_OK);
    assert_true(turnout_key_is_open(p));
    turnout_producer_free(p);
    assert_int_equal(chmod(key_path("careless"), 0600), 0);
    assert_int_equal(turnout_producer_new(&o, &p), TURNOUT_OK);
    assert_false(turnout_key_is_open(p));
    turnout_producer_free(p);
}

/* By a rights file that the broker does not have, or without the key's file to look with. */
static void a_revocation_that_the_broker_does_not_follow_is_no_success(void **state)
{
    struct buffer text;
    char option[256];

    (void)state;
    KEYS("new", "lasting");
    text = rights_text();
    snprintf(option, sizeof option, "--rights=%s", stack_path(keyed, "other.conf"));
    assert_int_equal(file_write(stack_path(keyed, "other.conf"), buffer_slice(&text), 0644, false),
                     0);
    expect(RUN("turnout", "keys", "revoke", "lasting", option), 75, "the broker does not follow");
    expect(publish_as(key_path("lasting"), VOTE("y-1")), 0, "");
    expect(RUN("turnout", "keys", "revoke", "lasting"), 0, "");
    expect(publish_as(key_path("lasting"), VOTE("y-2")), 78, "revoked-key");
    KEYS("new", "given");
    assert_int_equal(unlink(key_path("given")), 0);
    expect(RUN("turnout", "keys", "revoke", "given"), 75, "not seen whether the broker follows");
    buffer_free(&text);
}

/* What an interrupted `new` leaves: a file without rights, which another `new` would not touch. */
static void a_key_file_without_rights_is_told_and_taken_away(void **state)
{
    struct buffer text = {0};
    char option[256];

    (void)state;
    KEYS("new", "whole");
    key_write("half", &(struct keyfile){.name = "half",
                                        .public = "00112233445566778899aabbccddeeff"
                                                  "00112233445566778899aabbccddeeff",
                                        .secret = "10112233445566778899aabbccddeeff"
                                                  "00112233445566778899aabbccddeeff"});
    expect(RUN("turnout", "keys", "list"), 0, "half: a key file without rights");
    expect(RUN("turnout", "keys", "new", "half"), 1, "keys revoke half");
    expect(RUN("turnout", "keys", "revoke", "half"), 0, "its file is removed");
    assert_int_equal(access(key_path("half"), F_OK), -1);
    KEYS("new", "half");
    snprintf(option, sizeof option, "--rights=%s", stack_path(keyed, "empty.conf"));
    assert_int_equal(file_write(stack_path(keyed, "empty.conf"), buffer_slice(&text), 0644, false),
                     0);
    expect(RUN("turnout", "keys", "revoke", "whole", option), 1, "from another rights file");
    pid_t broker = stack_pid(keyed, "broker");
    kill(broker, SIGSTOP); /* no answer is not a no */
    expect(RUN("turnout", "keys", "revoke", "whole", option), 75, "does not say whether");
    kill(broker, SIGCONT);
    assert_int_equal(access(key_path("whole"), F_OK), 0);
}

/* A link stays one, and what it leads to keeps its modes. */
static void a_rights_file_behind_a_link_stays_behind_it(void **state)
{
    struct stat s;

    (void)state;
    assert_int_equal(rename(stack_path(keyed, "rights.conf"), stack_path(keyed, "true.conf")), 0);
    assert_int_equal(symlink("true.conf", stack_path(keyed, "rights.conf")), 0);
    assert_int_equal(chmod(stack_path(keyed, "true.conf"), 0600), 0);
    KEYS("new", "linked");
    expect(publish_as(key_path("linked"), VOTE("z-1")), 0, "");
    assert_int_equal(lstat(stack_path(keyed, "rights.conf"), &s), 0);
    assert_true(S_ISLNK(s.st_mode));
    assert_int_equal(stat(stack_path(keyed, "rights.conf"), &s), 0);
    assert_int_equal(s.st_mode & 07777, 0600);
    assert_int_equal(unlink(stack_path(keyed, "rights.conf")), 0);
    assert_int_equal(rename(stack_path(keyed, "true.conf"), stack_path(keyed, "rights.conf")), 0);
}

static void a_key_without_a_place_to_use_it_is_an_error(void **state)
{
    struct keyfile k;
    const char *path;

    (void)state;
    KEYS("new", "homeless", "--may", "watch");
    k = key_read("homeless");
    assert_string_equal(k.publish, keyed_publish);
    assert_string_equal(k.read, keyed_read);
    k.publish[0] = k.read[0] = '\0';
    path = key_write("homeless-too", &k);
    expect(RUN("turnout", "status", "--key", path), 78, "names no endpoints");
    expect(RUN("turnout", "status", "--key", path, "--read", keyed_read), 0, "");
    expect(RUN("turnout", "status", "--key", stack_path(keyed, "nothing")), 78, "No such file");
    expect(RUN("turnout", "status", "--key", key_path(KEYRING_BROKER)), 78, "there is no broker");
}

/* It would hold keys and passwords. */
static void no_program_writes_a_core(void **state)
{
    static const char *const names[] = {"broker", "worker-1"};

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct rlimit limit = {1, 1};
        assert_int_equal(prlimit(stack_pid(keyed, names[i]), RLIMIT_CORE, NULL, &limit), 0);
        assert_int_equal(limit.rlim_cur, 0);
        assert_int_equal(limit.rlim_max, 0);
    }
}

/* Who cannot be let in is logged by address, and no key ever. */
static void the_log_has_addresses_and_no_keys(void **state)
{
    struct buffer log = {0};
    struct keyfile k, stranger;
    struct run r;

    (void)state;
    KEYS("new", "logged");
    k = stranger = key_read("logged");
    assert_int_equal(link_keypair(&stranger), 0);
    expect(publish_as(key_write("not-logged", &stranger), VOTE("g-1")), 78, "unknown-key");
    expect(RUN("turnout", "status", "--read", keyed_read), 78, "key-needed");
    expect(publish_as(key_path("logged"), VOTE("g-2")), 0, "");
    await_log("connections with an unknown or revoked key were turned away");
    await_log("the last from 127.0.0.1");
    await_log("connections to an endpoint with keys came to nothing");
    assert_int_equal(file_read(stack_path(keyed, "log/broker.log"), 1 << 24, &log, NULL), 0);
    buffer_add(&log, "", 1);
    assert_null(strstr(log.at, k.secret));
    assert_null(strstr(log.at, k.public));
    assert_null(strstr(log.at, stranger.secret));
    assert_null(strstr(log.at, stranger.public));
    r = RUN("turnout", "keys", "list", "--json");
    assert_non_null(strstr(r.out.at, k.public));
    assert_null(strstr(r.out.at, k.secret));
    run_free(&r);
    buffer_free(&log);
}

static void an_option_that_cannot_be_is_named(void **state)
{
    (void)state;
    expect(stack_run(keyed, slice_of(""),
                     (const char *const[]){"turnout", "keys", "new", "comma", "--types",
                                           "vote,ballot", NULL}),
           78, "--types: there is no such type: vote,ballot; types are separated by blanks");
    expect(stack_run(keyed, slice_of(""),
                     (const char *const[]){"turnout", "keys", "list", "--dir", "/nowhere", NULL}),
           78, "/nowhere: No such file");
}

static void a_stack_that_listens_elsewhere_is_not_started_again_so(void **state)
{
    struct run r = stack_run(keyed, slice_of(""),
                             (const char *const[]){"scripts/stack", "start", "--dir", keyed->dir,
                                                   "--workers", "1", "--tcp", "127.0.0.1:1", NULL});

    (void)state;
    expect(r, 69, "not with --tcp 127.0.0.1:1: stop the stack");
    kill(stack_pid(keyed, "broker"), SIGKILL);
    r = stack_run(keyed, slice_of(""),
                  (const char *const[]){"scripts/stack", "start", "--dir", keyed->dir, NULL});
    assert_int_equal(r.status, 0);
    run_free(&r);
    stack_start(keyed); /* where it listens */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(revocation_in_mid_stream_ends_it_at_once),
        cmocka_unit_test(a_key_has_so_many_sessions_and_no_more),
        cmocka_unit_test(a_key_file_that_others_can_read_is_warned_of),
        cmocka_unit_test(a_revocation_that_the_broker_does_not_follow_is_no_success),
        cmocka_unit_test(a_key_file_without_rights_is_told_and_taken_away),
        cmocka_unit_test(a_rights_file_behind_a_link_stays_behind_it),
        cmocka_unit_test(a_key_without_a_place_to_use_it_is_an_error),
        cmocka_unit_test(no_program_writes_a_core),
        cmocka_unit_test(an_option_that_cannot_be_is_named),
        cmocka_unit_test(a_stack_that_listens_elsewhere_is_not_started_again_so),
        cmocka_unit_test(the_log_has_addresses_and_no_keys),
    };

    return cmocka_run_group_tests(tests, keyed_setup, keyed_teardown);
}
