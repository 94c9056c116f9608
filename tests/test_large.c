/* Seat notices bear on all ballots of their committees since then: what would be too much for the
 * memory of a worker at once is counted in parts, and comes to the same. */
#include "proto/error.h"
#include "proto/file.h"
#include "tests/compose.h"
#include "tests/desk.h"
#include "tests/stack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define COMMITTEES 9    /* of 8 partitions one has two */
#define BALLOTS    2500 /* of each: of two it is more than a worker fetches for a commit */
#define SEATS      100

static void add_ballots(struct buffer *lines, unsigned committee, unsigned count)
{
    char text[512];

    for (unsigned i = 0; i < count; i++) {
        snprintf(text, sizeof text,
                 "{\"type\":\"ballot\",\"id\":\"b\",\"time\":1,\"committee\":\"C%u\","
                 "\"ballot\":\"B%u\",\"kind\":\"DIS\",\"closes\":\"2026-%02u-01\"}\n"
                 "{\"type\":\"vote\",\"id\":\"v\",\"time\":1,\"committee\":\"C%u\","
                 "\"ballot\":\"B%u\",\"member\":\"AA\",\"position\":\"approve\"}\n",
                 committee, i, 1 + i % 12, committee, i);
        buffer_add_text(lines, text);
    }
}

static void add_seats(struct buffer *lines, unsigned committee)
{
    char text[256];

    for (unsigned i = 0; i < SEATS; i++) {
        snprintf(text, sizeof text,
                 "{\"type\":\"seat\",\"id\":\"s\",\"time\":1,\"committee\":\"C%u\","
                 "\"member\":\"%c%c\",\"from\":\"2026-01-01\",\"role\":\"P\"}\n",
                 committee, 'A' + i / 26, 'A' + i % 26);
        buffer_add_text(lines, text);
    }
}

static void a_worker_counts_it_in_parts(void **state)
{
    struct stack *s = stack_new(1);
    struct buffer lines = {0}, log = {0};
    struct run r;

    (void)state;
    stack_start(s);
    for (unsigned c = 0; c < COMMITTEES; c++)
        add_ballots(&lines, c, BALLOTS);
    stack_publish_lines(s, buffer_slice(&lines));
    stack_sync(s);
    buffer_clear(&lines);
    for (unsigned c = 0; c < COMMITTEES; c++)
        add_seats(&lines, c);
    stack_publish_lines(s, buffer_slice(&lines));
    stack_sync(s);
    r = stack_run(s, slice_of(""), (const char *const[]){"turnout", "verify", NULL});
    assert_int_equal(r.status, 0);
    run_free(&r);
    assert_int_equal(file_read(stack_path(s, "log/worker-1.log"), SIZE_MAX / 2, &log, NULL), 0);
    buffer_add(&log, "", 1);
    assert_non_null(strstr(log.at, "too much at once: in halves"));
    stack_free(s);
    buffer_free(&lines);
    buffer_free(&log);
}

static void journal_text(struct desk *d, const char *format, char committee, unsigned number)
{
    struct buffer event = {0};
    char text[256];

    snprintf(text, sizeof text, format, committee, number);
    compose_text(text, &event);
    desk_journal(d, buffer_slice(&event));
    buffer_free(&event);
}

/* Nothing of it is kept, and a committee by itself is never too much. */
static void what_is_too_much_is_said_before_it_is_fetched(void **state)
{
    struct desk *d = desk_new(store_memory_new());
    struct apply *a = d->workers[0].apply;

    (void)state;
    desk_look(d, 0);
    for (char c = 'C'; c <= 'D'; c++)
        for (unsigned i = 0; i < 20; i++)
            journal_text(d,
                         "{'type':'ballot','id':'b','time':1,'committee':'%c','ballot':'B%u',"
                         "'kind':'DIS','closes':'2026-05-01'}",
                         c, i);
    assert_int_equal(desk_apply(d, 0, ~0u, 100), 0);
    for (char c = 'C'; c <= 'D'; c++)
        journal_text(d,
                     "{'type':'seat','id':'s','time':1,'committee':'%c','member':'KE',"
                     "'from':'2026-01-0%u','role':'P'}",
                     c, 1);
    desk_look(d, 0);
    apply_bound(a, 30);
    assert_int_equal(desk_apply(d, 0, ~0u, 100), ERR_LARGE);
    desk_look(d, 0);
    for (unsigned p = 0; p < DESK_PARTITIONS; p++)
        assert_int_equal(desk_apply(d, 0, 1u << p, 100), 0);
    desk_free(d);
}

static void a_batch_is_halved_between_two_events(void **state)
{
    static const char maps[] = "\x80\x81\x01\x02\x80";
    struct apply_batch b = {.partition = 3, .from = {.offset = 70}, .count = 3}, first, rest;

    (void)state;
    b.events = slice_make(maps, sizeof maps - 1);
    apply_halve(&b, &first, &rest);
    assert_int_equal(first.count, 1);
    assert_int_equal(first.events.size, 1);
    assert_int_equal(first.from.offset, 70);
    assert_int_equal(rest.count, 2);
    assert_ptr_equal(rest.events.at, maps + 1);
    assert_int_equal(rest.from.offset, 71);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_is_halved_between_two_events),
        cmocka_unit_test(what_is_too_much_is_said_before_it_is_fetched),
        cmocka_unit_test(a_worker_counts_it_in_parts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
