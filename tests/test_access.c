/* Access, with a real stack on TCP: who is let in, what each key may do, and what those who may not
 * are told, each by its own code. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/clock.h"
#include "proto/file.h"
#include "proto/link.h"
#include "tests/http_client.h"
#include "tests/keyed.h"

/* ---- coming in ---- */

static void a_known_key_publishes_and_watches(void **state)
{
    struct run r;

    (void)state;
    KEYS("new", "feed");
    KEYS("new", "watcher", "--may", "watch");
    r = publish_as(key_path("feed"), VOTE("a-1"));
    assert_string_equal(r.out.at, "{\"accepted\":1,\"rejected\":0}\n");
    expect(r, 0, "");
    expect(RUN("turnout", "status", "--key", key_path("watcher")), 0, "");
}

static void an_unknown_key_is_refused(void **state)
{
    struct keyfile k;
    const char *path;

    (void)state;
    KEYS("new", "known");
    k = key_read("known");
    assert_int_equal(link_keypair(&k), 0);
    path = key_write("stranger", &k);
    expect(publish_as(path, VOTE("u-1")), 78, "unknown-key");
    expect(RUN("turnout", "status", "--key", path), 78, "unknown-key");
    expect(RUN("turnout-worker", "--key", path), 78, "unknown-key");
}

static void a_revoked_key_is_refused(void **state)
{
    (void)state;
    KEYS("new", "leaver");
    expect(publish_as(key_path("leaver"), VOTE("r-1")), 0, "");
    KEYS("revoke", "leaver");
    expect(publish_as(key_path("leaver"), VOTE("r-2")), 78, "revoked-key");
    expect(RUN("turnout", "status", "--key", key_path("leaver")), 78, "revoked-key");
}

static void without_a_key_nobody_comes_in(void **state)
{
    (void)state;
    expect(RUN("turnout", "status", "--read", keyed_read), 78, "key-needed");
    expect(stack_run(keyed, slice_of(VOTE("n-1")),
                     (const char *const[]){"turnout", "publish", "--publish", keyed_publish, NULL}),
           78, "key-needed");
}

static void another_brokers_key_is_refused(void **state)
{
    struct keyfile k, other = {.name = "other"};
    const char *path;

    (void)state;
    KEYS("new", "misled");
    k = key_read("misled");
    assert_int_equal(link_keypair(&other), 0);
    strcpy(k.broker, other.public);
    path = key_write("misled-too", &k);
    expect(publish_as(path, VOTE("b-1")), 78, "broker-key");
    expect(RUN("turnout", "status", "--key", path), 78, "broker-key");
}

/* ---- what each may do ---- */

static void a_type_that_is_not_the_keys_is_refused(void **state)
{
    uint64_t before = rejects_kept();

    (void)state;
    KEYS("new", "ballots", "--types", "ballot meeting");
    expect(publish_as(key_path("ballots"), VOTE("t-1")), 1, "type-denied: type");
    assert_true(rejects_kept() > before);
}

static void a_committee_that_is_not_the_keys_is_refused(void **state)
{
    struct run r;

    (void)state;
    KEYS("new", "tc34", "--committees", "ISO/TC 207 | ISO/TC 34*");
    expect(publish_as(key_path("tc34"), VOTE_OF("c-1", "ISO/TC 8")), 1,
           "committee-denied: committee");
    r = publish_as(key_path("tc34"),
                   VOTE("c-2") VOTE_OF("c-3", "ISO/TC 34/SC 2") VOTE_OF("c-4", "ISO/TC 2071"));
    assert_string_equal(r.out.at, "{\"accepted\":2,\"rejected\":1}\n");
    expect(r, 1, "committee-denied");
}

static void above_its_rate_a_key_is_refused_and_nothing_of_it_kept(void **state)
{
    struct buffer lines = {0};
    uint64_t before;
    char line[256];
    struct run r;

    (void)state;
    KEYS("new", "slow", "--rate", "1");
    expect(publish_as(key_path("slow"), VOTE("s-0")), 0, "");
    for (int i = 1; i <= 2000; i++) {
        snprintf(line, sizeof line, VOTE("s-%d"), i);
        buffer_add_text(&lines, line);
    }
    before = rejects_kept();
    r = stack_run(keyed, buffer_slice(&lines),
                  (const char *const[]){"turnout", "publish", "--patience", "0", "--key",
                                        key_path("slow"), NULL});
    assert_non_null(strstr(r.err.at, "rate-limit"));
    assert_null(strstr(r.err.at, "denied"));
    assert_int_equal(r.status, 1);
    assert_int_equal(rejects_kept(), before);
    run_free(&r);
    buffer_free(&lines);
}

/* 299 of the 300 are one batch. */
static void what_is_above_its_rate_is_sent_again_until_it_is_accepted(void **state)
{
    struct buffer lines = {0};
    char line[256];
    struct run r;

    (void)state;
    KEYS("new", "paced", "--rate", "100");
    for (int i = 1; i <= 300; i++) {
        snprintf(line, sizeof line, VOTE("st-%d"), i);
        buffer_add_text(&lines, line);
    }
    buffer_add(&lines, "", 1);
    r = publish_as(key_path("paced"), lines.at);
    assert_string_equal(r.out.at, "{\"accepted\":300,\"rejected\":0}\n");
    expect(r, 0, "turnout publish: rate-limit: ");
    buffer_free(&lines);
}

static void lines_add(struct buffer *lines, int from, int to)
{
    char line[256];

    for (int i = from; i <= to; i++) {
        snprintf(line, sizeof line, VOTE("rest-%d"), i);
        buffer_add_text(lines, line);
    }
}

/* What its reader does not take any more is not written. */
static void lines_write(int fd, const struct buffer *lines)
{
    ssize_t n = 1;

    for (size_t done = 0; done < lines->size && n > 0; done += (size_t)n)
        n = write(fd, lines->at + done, lines->size - done);
}

/* Events that had to wait for their rate come first, so that the program has once counted how long
 * the broker says nothing. */
static void the_rest_of_an_input_is_not_the_brokers_silence(void **state)
{
    char input[160];
    struct buffer few = {0}, many = {0};
    int64_t began_ms, end_ms;
    uint64_t accepted = status_number("accepted");
    pid_t program, broker = stack_pid(keyed, "broker");
    int fd, status;

    (void)state;
    snprintf(input, sizeof input, "%s", stack_path(keyed, "input"));
    KEYS("new", "resting", "--rate", "20");
    assert_int_equal(mkfifo(input, 0600), 0);
    program = stack_spawn(keyed, (const char *const[]){"turnout", "publish", "--timeout", "2",
                                                       "--key", key_path("resting"), input, NULL});
    end_ms = clock_mono_ms() + KEYED_LIMIT_MS;
    while ((fd = open(input, O_WRONLY | O_NONBLOCK | O_CLOEXEC)) < 0 && clock_mono_ms() < end_ms)
        usleep(10000);
    assert_true(fd >= 0 && fcntl(fd, F_SETFL, O_WRONLY) == 0);
    lines_add(&few, 1, 40);
    lines_write(fd, &few);
    while (status_number("accepted") < accepted + 40 && clock_mono_ms() < end_ms)
        usleep(10000);
    assert_int_equal(status_number("accepted"), accepted + 40);
    end_ms = clock_mono_ms() + 2500;
    while (clock_mono_ms() < end_ms)
        usleep(10000);
    signal(SIGPIPE, SIG_IGN);
    kill(broker, SIGSTOP);
    began_ms = clock_mono_ms();
    lines_add(&many, 41, 80000); /* more than a window */
    lines_write(fd, &many);
    assert_int_equal(waitpid(program, &status, 0), program);
    kill(broker, SIGCONT);
    assert_true(clock_mono_ms() - began_ms >= 2000);
    assert_int_equal(WEXITSTATUS(status), 75);
    close(fd);
    signal(SIGPIPE, SIG_DFL);
    buffer_free(&few);
    buffer_free(&many);
}

static void a_workers_key_cannot_publish_but_works(void **state)
{
    int64_t end_ms = clock_mono_ms() + KEYED_LIMIT_MS;
    bool found = false;
    pid_t worker;

    (void)state;
    KEYS("new", "crew", "--may", "work");
    expect(publish_as(key_path("crew"), VOTE("w-1")), 78, "denied");
    worker = stack_spawn(keyed, (const char *const[]){"turnout-worker", "--name", "remote", "--key",
                                                      key_path("crew"), NULL});
    while (!found && clock_mono_ms() < end_ms) {
        struct run r = RUN("turnout", "status", "--json");
        found = strstr(r.out.at, "\"remote\"") != NULL;
        run_free(&r);
    }
    assert_true(found);
    stack_publish_lines(keyed, slice_of(VOTE_OF("w-2", "ISO/TC 1") VOTE_OF("w-3", "ISO/TC 2")));
    stack_sync(keyed);
    kill(worker, SIGTERM);
    while (waitpid(worker, NULL, 0) < 0)
        assert_int_equal(errno, EINTR);
}

static void a_producers_key_cannot_work(void **state)
{
    (void)state;
    KEYS("new", "producer");
    expect(publish_as(key_path("producer"), VOTE("p-1")), 0, "");
    expect(RUN("turnout-worker", "--key", key_path("producer")), 78, "denied");
}

static void a_watching_key_reads_the_journal_only_with_that_right(void **state)
{
    (void)state;
    KEYS("new", "looker", "--may", "watch");
    KEYS("new", "auditor", "--may", "watch", "--participants");
    stack_publish_lines(keyed, slice_of(VOTE("h-1")));
    stack_sync(keyed);
    expect(publish_as(key_path("looker"), VOTE("h-2")), 78, "denied");
    expect(RUN("turnout", "history", "vote|ISO/TC 207|DIS 1|KE", "--key", key_path("looker")), 78,
           "denied");
    expect(RUN("turnout", "rejects", "list", "--key", key_path("looker")), 78, "denied");
    expect(RUN("turnout", "history", "vote|ISO/TC 207|DIS 1|KE", "--key", key_path("auditor")), 0,
           "");
    expect(RUN("turnout", "rejects", "list", "--key", key_path("auditor")), 0, "");
    expect(RUN("turnout", "rejects", "drop", "--all", "--key", key_path("auditor")), 78, "denied");
}

/* Until the server has written where it listens. */
static unsigned port_await(const char *file)
{
    int64_t end_ms = clock_mono_ms() + KEYED_LIMIT_MS;
    struct buffer text = {0};
    unsigned port = 0;

    while (port == 0 && clock_mono_ms() < end_ms) {
        buffer_clear(&text);
        if (file_read(file, 100, &text, NULL) == 0) {
            buffer_add(&text, "", 1);
            sscanf(text.at, "127.0.0.1:%u\n", &port);
        }
        usleep(10000);
    }
    buffer_free(&text);
    return port;
}

/* Also the second time: what was denied does not spoil the next question. */
static void a_dashboard_with_a_watching_key_says_what_it_may_not_see(void **state)
{
    char file[256];
    struct reply r;
    unsigned port;
    pid_t web;

    (void)state;
    KEYS("new", "window", "--may", "watch");
    snprintf(file, sizeof file, "%s", stack_path(keyed, "web.address"));
    web =
        stack_spawn(keyed, (const char *const[]){"turnout-web", "--listen", "127.0.0.1:0", "--key",
                                                 key_path("window"), "--address-file", file, NULL});
    port = port_await(file);
    assert_int_not_equal(port, 0);
    for (int i = 0; i < 6; i++) {
        r = http_get(port, i % 2 ? "/health" : "/api/v1/health", NULL);
        assert_int_equal(r.status, 200);
        assert_non_null(strstr(r.body.at, i % 2 ? "may not see it" : "\"partitions\":[{"));
        reply_free(&r);
    }
    kill(web, SIGTERM);
    waitpid(web, NULL, 0);
}

static void a_working_key_sees_events_but_not_the_refused(void **state)
{
    (void)state;
    KEYS("new", "hand", "--may", "work");
    expect(RUN("turnout", "rejects", "list", "--key", key_path("hand")), 78, "denied");
    expect(RUN("turnout", "status", "--key", key_path("hand")), 0, "");
}

static void a_publishing_key_is_no_client(void **state)
{
    (void)state;
    KEYS("new", "scribe");
    expect(publish_as(key_path("scribe"), VOTE("q-1")), 0, "");
    expect(RUN("turnout", "status", "--key", key_path("scribe")), 78, "denied");
}

static void an_event_carries_the_source_of_its_key(void **state)
{
    struct run r;

    (void)state;
    KEYS("new", "office-a", "--source", "iso-cs");
    KEYS("new", "office-b");
    expect(publish_as(key_path("office-a"), VOTE_OF("o-1", "ISO/TC 9")), 0, "");
    expect(publish_as(key_path("office-b"), VOTE_OF("o-2", "ISO/TC 9")), 0, "");
    stack_publish_lines(keyed, slice_of(VOTE_OF("o-3", "ISO/TC 9")));
    stack_sync(keyed);
    r = RUN("turnout", "history", "vote|ISO/TC 9|DIS 1|KE");
    assert_int_equal(r.status, 0);
    assert_non_null(strstr(r.out.at, "iso-cs"));
    assert_non_null(strstr(r.out.at, "office-b"));
    assert_non_null(strstr(r.out.at, "local"));
    run_free(&r);
}

/* ---- the rights file ---- */

static void a_right_that_is_widened_counts_at_once_also_for_what_was_refused(void **state)
{
    struct buffer text;
    struct run r;
    char *at;

    (void)state;
    KEYS("new", "narrow", "--committees", "ISO/TC 10");
    expect(publish_as(key_path("narrow"), VOTE_OF("n-1", "ISO/TC 11")), 1, "committee-denied");
    r = RUN("turnout", "rejects", "redrive", "--all", "--source", "narrow");
    expect(r, 1, "committee-denied");
    text = rights_text();
    at = memmem(text.at, text.size, "ISO/TC 10", 9);
    assert_non_null(at);
    memcpy(at, "ISO/TC 1*", 9);
    rights_overwrite(buffer_slice(&text));
    expect_soon(key_path("narrow"), VOTE_OF("n-2", "ISO/TC 12"), 0, "");
    expect(RUN("turnout", "rejects", "redrive", "--all", "--source", "narrow"), 0, "");
    stack_sync(keyed);
    r = RUN("turnout", "history", "vote|ISO/TC 11|DIS 1|KE");
    assert_non_null(strstr(r.out.at, "narrow"));
    expect(r, 0, "");
    buffer_free(&text);
}

/* While one key replaces another both have the source, and the new one may be allowed more. */
static void what_any_key_of_a_source_may_publish_is_redriven(void **state)
{
    (void)state;
    KEYS("new", "old-key", "--source", "shared", "--committees", "ISO/TC 60");
    expect(publish_as(key_path("old-key"), VOTE_OF("d-1", "ISO/TC 61")), 1, "committee-denied");
    expect(RUN("turnout", "rejects", "redrive", "--all", "--source", "shared"), 1,
           "committee-denied");
    KEYS("new", "new-key", "--source", "shared", "--committees", "ISO/TC 61");
    expect(RUN("turnout", "rejects", "redrive", "--all", "--source", "shared"), 0, "");
    KEYS("revoke", "new-key");
    expect(publish_as(key_path("old-key"), VOTE_OF("d-2", "ISO/TC 61")), 1, "committee-denied");
    expect(RUN("turnout", "rejects", "redrive", "--all", "--source", "shared"), 1,
           "committee-denied");
}

static void expect_status(const char *option, const char *text)
{
    struct run r = RUN("turnout", "status", option);

    if (!strstr(r.out.at, text))
        fail_msg("expected `%s` in: %s", text, r.out.at);
    assert_int_equal(r.status, 0);
    run_free(&r);
}

/* Shutting somebody out does not wait until somebody has found the typo. */
static void a_key_is_revoked_whatever_else_is_wrong_with_the_file(void **state)
{
    struct buffer good, bad = {0};

    (void)state;
    KEYS("new", "leaked");
    KEYS("new", "honest");
    expect_status("--json", "\"rights_fault\":null");
    good = rights_text();
    buffer_add_text(&bad, "[honets]\nmay = fly\n\n");
    buffer_add_slice(&bad, buffer_slice(&good));
    rights_overwrite(buffer_slice(&bad));
    await_log("line 2: may is one of publish, work and watch");
    expect_status("--json", "\"rights_fault\":\"line 2: may is one of publish, work and watch\"");
    expect_status(NULL, "rights    NOT as in the file, which is not taken: line 2");
    expect(RUN("turnout", "keys", "new", "another"), 78, "line 2");
    expect(RUN("turnout", "keys", "revoke", "nobody"), 78, "line 2");
    expect(RUN("turnout", "keys", "revoke", "leaked"), 0, "until it is mended");
    expect(publish_as(key_path("leaked"), VOTE("u-1")), 78, "revoked-key");
    expect(publish_as(key_path("honest"), VOTE("u-2")), 0, "");
    expect(RUN("turnout", "keys", "revoke", "leaked"), 0, "was revoked before");
    rights_overwrite(buffer_slice(&good)); /* as it was before: that is what then counts */
    expect_soon(key_path("leaked"), VOTE("u-3"), 0, "");
    expect_status("--json", "\"rights_fault\":null");
    KEYS("revoke", "leaked");
    buffer_free(&good);
    buffer_free(&bad);
}

static void a_faulty_file_leaves_the_rights_as_they_were(void **state)
{
    struct buffer good, bad = {0};
    char watcher[600]; /* from elsewhere: it is not told the file's words */

    (void)state;
    KEYS("new", "steady");
    KEYS("new", "far-watcher", "--may", "watch");
    expect(publish_as(key_path("steady"), VOTE("f-1")), 0, "");
    good = rights_text();
    buffer_add_slice(&bad, buffer_slice(&good));
    buffer_add_text(&bad, "[half]\nkey = 12\n");
    rights_overwrite(buffer_slice(&bad));
    await_log("a key is 64 hexadecimal digits in small letters; the rights stay as they were");
    expect(publish_as(key_path("steady"), VOTE("f-2")), 0, "");
    expect(RUN("turnout", "keys", "list"), 78, "a key is 64 hexadecimal digits");
    snprintf(watcher, sizeof watcher, "--key=%s", key_path("far-watcher"));
    expect_status(watcher, "which is not taken: it is faulty: the broker's log says where");
    assert_int_equal(unlink(stack_path(keyed, "rights.conf")), 0);
    await_log("is no longer there; the rights stay as they were");
    expect(publish_as(key_path("steady"), VOTE("f-3")), 0, "");
    rights_overwrite(buffer_slice(&good));
    KEYS("revoke", "steady");
    expect(publish_as(key_path("steady"), VOTE("f-4")), 78, "revoked-key");
    buffer_free(&good);
    buffer_free(&bad);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_known_key_publishes_and_watches),
        cmocka_unit_test(an_unknown_key_is_refused),
        cmocka_unit_test(a_revoked_key_is_refused),
        cmocka_unit_test(without_a_key_nobody_comes_in),
        cmocka_unit_test(another_brokers_key_is_refused),
        cmocka_unit_test(a_type_that_is_not_the_keys_is_refused),
        cmocka_unit_test(a_committee_that_is_not_the_keys_is_refused),
        cmocka_unit_test(above_its_rate_a_key_is_refused_and_nothing_of_it_kept),
        cmocka_unit_test(what_is_above_its_rate_is_sent_again_until_it_is_accepted),
        cmocka_unit_test(the_rest_of_an_input_is_not_the_brokers_silence),
        cmocka_unit_test(a_workers_key_cannot_publish_but_works),
        cmocka_unit_test(a_producers_key_cannot_work),
        cmocka_unit_test(a_watching_key_reads_the_journal_only_with_that_right),
        cmocka_unit_test(a_dashboard_with_a_watching_key_says_what_it_may_not_see),
        cmocka_unit_test(a_working_key_sees_events_but_not_the_refused),
        cmocka_unit_test(a_publishing_key_is_no_client),
        cmocka_unit_test(an_event_carries_the_source_of_its_key),
        cmocka_unit_test(a_right_that_is_widened_counts_at_once_also_for_what_was_refused),
        cmocka_unit_test(what_any_key_of_a_source_may_publish_is_redriven),
        cmocka_unit_test(a_key_is_revoked_whatever_else_is_wrong_with_the_file),
        cmocka_unit_test(a_faulty_file_leaves_the_rights_as_they_were),
    };

    return cmocka_run_group_tests(tests, keyed_setup, keyed_teardown);
}
