/* The refused events in the journal: kept with their reasons, within their bound, each source's
 * share safe from the others', and never two under one number. */
#include "broker/record.h"
#include "proto/clock.h"
#include "proto/error.h"
#include "proto/event.h"
#include "tests/shelf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#define MOST (JOURNAL_MIN_BYTES / REJECTS_PART / REJECT_MAX_BYTES) /* of the smallest journal */

static struct journal *open_small(void)
{
    struct journal *j;

    assert_int_equal(shelf_try(JOURNAL_MIN_BYTES, 8, &j), 0);
    return j;
}

static struct journal *reopen_small(struct journal *j)
{
    journal_close(j);
    return open_small();
}

static void refuse(struct journal *j, const char *source, const char *event)
{
    struct reject r = {1,
                       slice_of(source),
                       slice_of("missing"),
                       slice_of("type"),
                       slice_of("why"),
                       slice_of(event),
                       0};

    assert_int_equal(journal_reject(j, &r), 0);
}

/* The numbers that are kept, of one source (NULL: of all), one after the other. */
static void assert_kept(struct journal *j, const char *source, const char *expected)
{
    struct buffer found = {0};
    struct reject r;
    uint64_t number = 0;

    assert_int_equal(journal_rejects_begin(j), 0);
    while (journal_next_reject(j, number + 1, &number, &r) == 0)
        if (!source || slice_is(r.source, source)) {
            buffer_add_int(&found, (int64_t)number);
            buffer_add(&found, " ", 1);
        }
    journal_read_end(j);
    if (!slice_is(buffer_slice(&found), expected))
        fail_msg("kept are %.*s", (int)found.size, found.at);
    buffer_free(&found);
}

static void refused_events_are_kept_with_their_reasons(void **state)
{
    static char large[EVENT_MAX_BYTES + 1000];
    struct journal *j = shelf_open();
    struct reject r = {1700000000000,
                       slice_of("local"),
                       slice_of("bad-value"),
                       slice_of("closes"),
                       slice_of("because"),
                       slice_make(large, sizeof large),
                       0};
    uint64_t number;

    (void)state;
    memset(large, 'x', sizeof large);
    assert_int_equal(journal_reject(j, &r), 0);
    r.event = slice_of("small");
    assert_int_equal(journal_reject(j, &r), 0);
    assert_int_equal(journal_rejects(j), 0); /* not before the commit */
    assert_int_equal(journal_commit(j), 0);
    journal_close(j);
    j = shelf_open();
    assert_int_equal(journal_rejects(j), 2);
    assert_int_equal(journal_rejects_begin(j), 0);
    assert_int_equal(journal_next_reject(j, 0, &number, &r), 0);
    assert_int_equal(number, 1);
    assert_int_equal(r.size, sizeof large);
    assert_int_equal(r.event.size, EVENT_MAX_BYTES);
    assert_memory_equal(r.event.at, large, EVENT_MAX_BYTES);
    assert_int_equal(r.received_ms, 1700000000000);
    assert_true(slice_is(r.source, "local") && slice_is(r.code, "bad-value"));
    assert_true(slice_is(r.field, "closes") && slice_is(r.reason, "because"));
    assert_int_equal(journal_next_reject(j, 2, &number, &r), 0);
    assert_true(number == 2 && slice_is(r.event, "small") && r.size == 5);
    assert_int_equal(journal_next_reject(j, 3, &number, &r), ERR_AGAIN);
    journal_read_end(j);
    journal_close(j);
}

static void of_too_many_refused_events_the_newest_are_kept(void **state)
{
    struct journal *j = open_small();
    struct reject r;
    uint64_t number;

    (void)state;
    for (unsigned i = 0; i < MOST * 3; i++) {
        refuse(j, "local", "event");
        if (i % 100 == 99)
            assert_int_equal(journal_commit(j), 0);
        if (i == MOST * 2) {
            assert_int_equal(journal_commit(j), 0);
            j = reopen_small(j);
        }
    }
    assert_int_equal(journal_commit(j), 0);
    assert_int_equal(journal_rejects(j), MOST);
    assert_int_equal(journal_rejects_begin(j), 0);
    assert_int_equal(journal_next_reject(j, 0, &number, &r), 0);
    assert_int_equal(number, MOST * 2 + 1);
    journal_read_end(j);
    journal_close(j);
}

static void a_source_that_floods_pushes_out_its_own(void **state)
{
    struct journal *j = open_small();

    (void)state;
    refuse(j, "quiet", "one");
    refuse(j, "flood", "first");
    refuse(j, "quiet", "two");
    assert_int_equal(journal_commit(j), 0);
    for (unsigned i = 0; i < MOST * 4; i++) {
        refuse(j, "flood", "more");
        if (i % 64 == 0)
            assert_int_equal(journal_commit(j), 0);
        if (i % 200 == 0)
            j = reopen_small(j); /* what was not committed never was */
    }
    assert_int_equal(journal_commit(j), 0);
    assert_int_equal(journal_rejects(j), MOST);
    assert_kept(j, "quiet", "1 3 ");
    j = reopen_small(j);
    assert_int_equal(journal_rejects(j), MOST);
    assert_kept(j, "quiet", "1 3 ");
    journal_close(j);
}

static void a_smaller_limit_is_reached_by_and_by(void **state)
{
    struct journal *j = shelf_open();
    const uint64_t more = SHELF_BYTES / REJECTS_PART / REJECT_MAX_BYTES;

    (void)state;
    for (unsigned i = 0; i < more; i++)
        refuse(j, "local", "event");
    assert_int_equal(journal_commit(j), 0);
    j = reopen_small(j);
    assert_int_equal(journal_rejects(j), more);
    refuse(j, "local", "event");
    assert_int_equal(journal_commit(j), 0);
    assert_int_equal(journal_rejects(j), more - 1);
    for (unsigned i = 0; i < more; i++)
        refuse(j, "local", "event");
    assert_int_equal(journal_commit(j), 0);
    assert_int_equal(journal_rejects(j), MOST);
    journal_close(j);
}

static void what_is_dropped_is_gone_after_the_commit(void **state)
{
    struct journal *j = shelf_open();

    (void)state;
    for (int i = 0; i < 5; i++)
        refuse(j, "local", "event");
    assert_int_equal(journal_commit(j), 0);
    assert_int_equal(journal_drop_reject(j, 2), 0);
    assert_int_equal(journal_drop_reject(j, 2), ERR_AGAIN);
    assert_int_equal(journal_drop_reject(j, 4), 0);
    assert_int_equal(journal_drop_reject(j, 6), ERR_AGAIN);
    assert_int_equal(journal_drop_reject(j, 0), ERR_AGAIN);
    journal_abort(j);
    assert_int_equal(journal_rejects(j), 5);
    assert_kept(j, NULL, "1 2 3 4 5 ");
    assert_int_equal(journal_drop_reject(j, 2), 0);
    assert_int_equal(journal_drop_reject(j, 4), 0);
    assert_int_equal(journal_drop_reject(j, 99), ERR_AGAIN); /* and the others go all the same */
    assert_int_equal(journal_commit(j), 0);
    assert_int_equal(journal_rejects(j), 3);
    assert_kept(j, NULL, "1 3 5 ");
    journal_close(j);
}

static void no_number_is_given_twice(void **state)
{
    struct journal *j = shelf_open();

    (void)state;
    for (int i = 0; i < 3; i++)
        refuse(j, "local", "event");
    assert_int_equal(journal_commit(j), 0);
    assert_int_equal(journal_drop_reject(j, 3), 0);
    assert_int_equal(journal_drop_reject(j, 2), 0);
    assert_int_equal(journal_commit(j), 0);
    journal_close(j);
    j = shelf_open();
    assert_kept(j, NULL, "1 ");
    refuse(j, "local", "event");
    assert_int_equal(journal_commit(j), 0);
    assert_kept(j, NULL, "1 4 ");
    assert_int_equal(journal_drop_reject(j, 1), 0);
    assert_int_equal(journal_drop_reject(j, 4), 0);
    assert_int_equal(journal_commit(j), 0);
    assert_int_equal(journal_rejects(j), 0);
    journal_close(j);
    j = shelf_open();
    refuse(j, "local", "event");
    journal_abort(j);
    refuse(j, "local", "event");
    assert_int_equal(journal_commit(j), 0);
    assert_kept(j, NULL, "5 ");
    journal_close(j);
}

/* Until there is no room for a single byte. */
static void fill(struct journal *j)
{
    static char events[RECORD_BYTES];

    for (size_t size = sizeof events; size > 0;) {
        struct record r = {slice_of("local"), 1, 1, slice_make(events, size)};
        journal_append(j, 0, &r);
        int err = journal_commit(j);
        assert_true(err == 0 || err == ERR_FULL);
        if (err == ERR_FULL)
            size /= 8;
    }
}

static void a_full_journal_can_drop(void **state)
{
    struct journal *j = open_small();

    (void)state;
    refuse(j, "local", "one");
    refuse(j, "local", "two");
    refuse(j, "local", "three");
    assert_int_equal(journal_commit(j), 0);
    fill(j);
    assert_int_equal(journal_drop_reject(j, 2), 0);
    assert_int_equal(journal_commit(j), 0);
    assert_int_equal(journal_drop_reject(j, 3), 0);
    assert_int_equal(journal_commit(j), 0);
    assert_kept(j, NULL, "1 ");
    j = reopen_small(j);
    assert_kept(j, NULL, "1 ");
    journal_close(j);
}

static void append_long(struct journal *j, unsigned partition, size_t size)
{
    static char events[60000];
    struct record r = {slice_of("local"), 1, 1, slice_make(events, size)};

    assert_true(size <= sizeof events);
    journal_append(j, partition, &r);
}

/* What became free lies in short runs: long values that come then find no place, and must not keep
 * others from moving. */
static void a_full_journal_of_short_free_runs_can_drop(void **state)
{
    static char event[8000];
    struct reject refused = {.received_ms = 1,
                             .source = slice_of("local"),
                             .code = slice_of("missing"),
                             .event = slice_make(event, sizeof event)};
    struct journal *j;
    int64_t end_ms;

    (void)state;
    assert_int_equal(shelf_try(SHELF_BYTES, 8, &j), 0);
    for (unsigned i = 0; i < 670; i++) {
        assert_int_equal(journal_reject(j, &refused), 0);
        append_long(j, i % 8, 60000);
        assert_int_equal(journal_commit(j), 0);
    }
    fill(j);
    for (uint64_t number = 1; number <= 600; number++)
        assert_int_equal(journal_drop_reject(j, number), 0);
    assert_int_equal(journal_commit(j), 0);
    end_ms = clock_mono_ms() + 2500; /* it looks for free pages once a second */
    for (unsigned n = 0; clock_mono_ms() < end_ms; n++) {
        append_long(j, n % 8, 20000);
        if (journal_commit(j) == 0)
            end_ms = clock_mono_ms() + 2500;
        else
            usleep(20000);
    }
    for (uint64_t number = 601; number <= 670; number++) {
        assert_int_equal(journal_drop_reject(j, number), 0);
        assert_int_equal(journal_commit(j), 0);
    }
    assert_int_equal(journal_rejects(j), 0);
    journal_close(j);
}

/* Even of a limit that was lowered below what is there. */
static void what_was_written_ahead_moves_whatever_the_limit_is_now(void **state)
{
    struct journal *j = open_small();
    uint64_t used;

    (void)state;
    refuse(j, "local", "one");
    refuse(j, "local", "two");
    assert_int_equal(journal_commit(j), 0);
    for (int i = 0; i < 100; i++) {
        shelf_append(j, (unsigned)i % 8, "ahead");
        assert_int_equal(journal_commit(j), 0);
    }
    used = journal_used_bytes(j);
    journal_close(j);
    assert_int_equal(shelf_try(used, 8, &j), 0);
    assert_int_equal(journal_drop_reject(j, 1), 0);
    assert_int_equal(journal_commit(j), 0);
    assert_kept(j, NULL, "2 ");
    journal_close(j);
    assert_int_equal(shelf_try(used, 8, &j), 0);
    assert_kept(j, NULL, "2 ");
    shelf_expect(j, 4, "aheadaheadaheadaheadaheadaheadaheadaheadaheadaheadaheadahead");
    journal_close(j);
}

static void a_damaged_one_is_told_and_can_be_dropped(void **state)
{
    struct journal *j = shelf_open();
    struct reject r;
    char file[600];
    uint64_t number = 0;

    (void)state;
    refuse(j, "local", "a sound one");
    refuse(j, "local", "AN UNSOUND ONE");
    refuse(j, "local", "another sound one");
    assert_int_equal(journal_commit(j), 0);
    journal_close(j);
    snprintf(file, sizeof file, "%s/data.mdb", shelf_folder);
    shelf_damage(file, "AN UNSOUND", 3, 'X');
    j = shelf_open();
    assert_int_equal(journal_rejects(j), 3);
    assert_int_equal(journal_rejects_begin(j), 0);
    assert_int_equal(journal_next_reject(j, 2, &number, &r), ERR_CORRUPT);
    assert_int_equal(number, 2);
    assert_int_equal(journal_next_reject(j, 3, &number, &r), 0);
    journal_read_end(j);
    assert_int_equal(journal_drop_reject(j, 2), 0);
    assert_int_equal(journal_commit(j), 0);
    assert_kept(j, NULL, "1 3 ");
    journal_close(j);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, shelf_setup, shelf_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(refused_events_are_kept_with_their_reasons),
        TEST(of_too_many_refused_events_the_newest_are_kept),
        TEST(a_source_that_floods_pushes_out_its_own),
        TEST(a_smaller_limit_is_reached_by_and_by),
        TEST(what_is_dropped_is_gone_after_the_commit),
        TEST(no_number_is_given_twice),
        TEST(a_full_journal_can_drop),
        TEST(a_full_journal_of_short_free_runs_can_drop),
        TEST(what_was_written_ahead_moves_whatever_the_limit_is_now),
        TEST(a_damaged_one_is_told_and_can_be_dropped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
