/* Drafts: all that was added comes out of the journal again, in order and under its source, however
 * it was cut into records; and what is cut fits the journal's pages. */
#include "broker/drafts.h"
#include "broker/recent.h"
#include "proto/error.h"
#include "tests/random.h"
#include "tests/shelf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <malloc.h>

#define PARTITIONS 8
#define SOURCES    3

static const char *const sources[SOURCES] = {"a", "local", "a-source-with-a-rather-long-name"};

static struct journal *journal;
static struct drafts *drafts;

/* What the journal ought to hold: of each partition the events, and per byte of them its source. */
static struct buffer events[PARTITIONS], by[PARTITIONS];
static uint64_t counts[PARTITIONS];

static void add(unsigned partition, unsigned source, size_t size)
{
    static const char filler[8192];
    struct slice event = slice_make(filler, size);

    buffer_add_slice(&events[partition], event);
    events[partition].at[events[partition].size - size] = (char)counts[partition];
    event.at = events[partition].at + events[partition].size - size;
    memset(buffer_room(&by[partition], size), (int)source, size);
    by[partition].size += size;
    counts[partition]++;
    drafts_add(drafts, partition, slice_of(sources[source]), event);
}

static void close_and_commit(void)
{
    drafts_close(drafts);
    assert_int_equal(journal_commit(journal), 0);
}

static void partition_is_as_added(unsigned p)
{
    struct record r;
    size_t at = 0;
    uint64_t offset, next = 0;
    int err = journal_read_begin(journal, p, 0);

    assert_int_equal(err, 0);
    while ((err = journal_next(journal, &offset, &r)) == 0) {
        assert_int_equal(offset, next);
        assert_in_range(at + r.events.size, 1, events[p].size);
        assert_memory_equal(r.events.at, events[p].at + at, r.events.size);
        assert_true(slice_is(r.source, sources[(unsigned)by[p].at[at]]));
        assert_int_equal(r.received_ms, 1700000000000);
        next += r.count;
        at += r.events.size;
    }
    journal_read_end(journal);
    assert_int_equal(err, ERR_AGAIN);
    assert_int_equal(at, events[p].size);
    assert_int_equal(next, counts[p]);
}

/* Commits that bring so many events of a vote's size to each partition; returns their bytes. */
static uint64_t commit_some(unsigned events_each, unsigned commits)
{
    uint64_t sum = 0;

    for (; commits > 0; commits--) {
        for (unsigned p = 0; p < PARTITIONS; p++)
            for (unsigned i = 0; i < events_each; i++) {
                size_t size = 112 + i % 11;
                add(p, 1, size);
                sum += size;
            }
        close_and_commit();
    }
    return sum;
}

/* The bytes of the journal for each byte of the events, in percent.  The pages that LMDB goes
 * through by turns are there when recent records have been moved a few times. */
static uint64_t percent_used(unsigned events_each)
{
    for (int i = 0; i < 5; i++) {
        commit_some(events_each, 200 / events_each + 4);
        shelf_move(journal, 0);
    }
    uint64_t before = journal_used_bytes(journal);
    uint64_t sum = commit_some(events_each, 2000 / events_each + 1);

    shelf_move(journal, 0);
    return (journal_used_bytes(journal) - before) * 100 / (sum + RECENT_STAGE);
}

static int setup(void **state)
{
    shelf_setup(state);
    journal = shelf_open();
    drafts = drafts_new(journal);
    drafts_begin(drafts, 1700000000000);
    return 0;
}

static int teardown(void **state)
{
    drafts_free(drafts);
    drafts_free(NULL);
    journal_close(journal);
    for (unsigned p = 0; p < PARTITIONS; p++) {
        buffer_free(&events[p]);
        buffer_free(&by[p]);
        counts[p] = 0;
    }
    return shelf_teardown(state);
}

static void what_was_added_is_in_the_journal_in_order_and_by_source(void **state)
{
    struct random r = random_new(random_seed("what_was_added"));

    (void)state;
    for (int commits = 0; commits < 60; commits++) {
        size_t most = 1 + random_below(&r, random_percent(&r, 30) ? 5000 : 300);
        unsigned source = (unsigned)random_below(&r, SOURCES);
        for (uint64_t n = random_below(&r, 800); n > 0; n--) {
            if (random_percent(&r, 1))
                source = (unsigned)random_below(&r, SOURCES);
            add((unsigned)random_below(&r, PARTITIONS), source, 1 + random_below(&r, most));
        }
        close_and_commit();
    }
    for (unsigned p = 0; p < PARTITIONS; p++)
        partition_is_as_added(p);
}

static void what_fits_into_one_record_alone_is_cut_as_well(void **state)
{
    (void)state;
    for (uint64_t n = 0; n < RECORD_MAX_EVENTS + 5; n++)
        add(3, 0, 3);
    for (size_t bytes = 0; bytes < WIRE_MAX_PAYLOAD + 10000; bytes += 8192)
        add(4, 2, 8192);
    close_and_commit();
    partition_is_as_added(3);
    partition_is_as_added(4);
}

/* One event a commit costs more than that. */
static void the_journal_is_not_much_larger_than_the_events(void **state)
{
    static const unsigned each[] = {4, 8, 12, 16, 20, 26, 33, 50, 80, 120, 200, 1000};

    for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
        uint64_t percent = percent_used(each[i]);
        print_message("%u events a commit: %llu %%\n", each[i], (unsigned long long)percent);
        assert_in_range(percent, 100, 115);
        teardown(state);
        setup(state);
    }
}

/* As an import does that is sorted by committee: a full draft in one partition after the other. */
static void what_drafts_keep_does_not_grow_with_the_partitions(void **state)
{
    static const char event[1024];
    struct journal *wide;
    struct drafts *many;
    size_t before, after;

    (void)state;
    assert_int_equal(shelf_try(SHELF_BYTES, WIRE_MAX_PARTS, &wide), 0);
    many = drafts_new(wide);
    drafts_begin(many, 1);
    before = mallinfo2().uordblks + mallinfo2().hblkhd;
    for (unsigned p = 0; p < WIRE_MAX_PARTS; p++) {
        for (int i = 0; i < 100; i++)
            drafts_add(many, p, slice_of("a"), slice_make(event, sizeof event));
        drafts_close(many);
        assert_int_equal(journal_commit(wide), 0);
    }
    after = mallinfo2().uordblks + mallinfo2().hblkhd;
    assert_in_range(after, 0, before + 12 * 1024 * 1024);
    drafts_free(many);
    journal_close(wide);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_added_is_in_the_journal_in_order_and_by_source),
        TEST(what_fits_into_one_record_alone_is_cut_as_well),
        TEST(the_journal_is_not_much_larger_than_the_events),
        cmocka_unit_test_setup_teardown(what_drafts_keep_does_not_grow_with_the_partitions,
                                        shelf_setup, shelf_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
