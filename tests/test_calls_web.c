/* The dashboard's pages that ask the journal while calls of them fail, one at a time: each says so
 * in plain words, or gets over it and shows what it always shows, but never half of it. */
#include "proto/error.h"
#include "tests/asked.h"
#include "tests/calls.h"
#include "tests/redis_server.h"
#include "tests/stack.h"
#include "workers/web/auth.h"
#include "workers/web/journal.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define CALLS_MOST 60

static struct stack *stack;
static struct hand hand;
static char endpoint[192];

static const char *const lines =
    "{\"type\":\"ballot\",\"id\":\"b1\",\"time\":\"2025-01-01T00:00:00Z\",\"committee\":\"C\","
    "\"ballot\":\"B\",\"kind\":\"DIS\",\"closes\":\"2025-03-01\",\"status\":\"closed\"}\n"
    "{\"type\":\"vote\",\"id\":\"v1\",\"time\":\"2025-02-01T00:00:00Z\",\"committee\":\"C\","
    "\"ballot\":\"B\",\"member\":\"KE\",\"position\":\"approve\"}\n"
    "{\"type\":\"vote\",\"id\":\"v2\",\"time\":\"2025-02-01T00:00:00Z\",\"committee\":\"C\","
    "\"ballot\":\"B\",\"member\":\"UG\",\"position\":\"approve\"}\n";

static int setup(void **state)
{
    (void)state;
    stack = stack_new(1);
    stack_start(stack);
    snprintf(endpoint, sizeof endpoint, "ipc://%s/read.sock", stack->dir);
    stack_publish_lines(stack, slice_of(lines));
    stack_sync(stack);
    hand.store = store_at(stack_path(stack, "redis.sock"), "turnout:", 2000);
    hand.journal = journal_new(endpoint, "turnout:");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    store_free(hand.store);
    journal_free(hand.journal);
    asked_free();
    stack_free(stack);
    return 0;
}

/* Asks again and again, with another call failing each time; returns how often it was told so. */
static unsigned fails_well(const char *address, const char *whole, int code, int status,
                           const char *says)
{
    unsigned told = 0;
    bool failed = true;

    for (unsigned at = 1; failed && at < CALLS_MOST; at++) {
        int got;
        calls_fail("reader_receive", at, code);
        got = asks(&hand, address);
        failed = calls_end();
        if (got == 200) {
            assert_says(whole);
            continue;
        }
        if (got != status)
            fail_msg("%s, call %u: %d %s", address, at, got, asked.text);
        assert_says(says);
        told++;
        assert_int_equal(asks(&hand, address), 200); /* it heals */
    }
    assert_false(failed);
    return told;
}

static void test_a_broker_that_fails_is_told_of(void **state)
{
    static const struct {
        const char *address, *whole;
    } pages[] = {{"/api/v1/why?key=ballot:C%7CB&field=votes", "\"sum\":2,\"redis\":2"},
                 {"/api/v1/history?subject=vote%7CC%7CB%7CKE", "\"versions\":[{"},
                 {"/api/v1/health", "\"refused\":["}};
    static const struct {
        int code, status;
        const char *says;
    } ways[] = {{ERR_TIMEOUT, 503, "\"error\":\"broker-down\""},
                {ERR_DENIED, 503, "\"error\":\"broker-down\""},
                {ERR_FOREIGN, 503, "\"error\":\"foreign\""},
                {ERR_CORRUPT, 500, "\"error\":\"corrupt\""}};

    (void)state;
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
        assert_int_equal(asks(&hand, pages[i].address), 200);
        for (size_t w = 0; w < sizeof ways / sizeof *ways; w++)
            assert_true(fails_well(pages[i].address, pages[i].whole, ways[w].code, ways[w].status,
                                   ways[w].says) > 0);
    }
}

/* ---- passwords ---- */
static void test_a_file_of_users_that_cannot_be_looked_at_is_refused(void **state)
{
    const char *path = stack_path(stack, "users");
    FILE *f = fopen(path, "we");
    struct auth *a = NULL;

    (void)state;
    fputs("anna:$5$x$123456789\n", f);
    fclose(f);
    calls_fail("fstat", 1, EIO);
    assert_int_equal(auth_open(path, &a), ERR_CONFIG);
    assert_true(calls_end());
    assert_int_equal(auth_open(path, &a), 0);
    auth_close(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_broker_that_fails_is_told_of),
        cmocka_unit_test(test_a_file_of_users_that_cannot_be_looked_at_is_refused),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
