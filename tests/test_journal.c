/* The journal: what is committed is there, what is not is not, and what has changed on disk is
 * found. */
#include "broker/disk.h"
#include "broker/meta.h"
#include "broker/recent.h"
#include "broker/wal.h"
#include "proto/error.h"
#include "tests/shelf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void damage(const char *mark, size_t at, char byte)
{
    char path[600];

    snprintf(path, sizeof path, "%s/data.mdb", shelf_folder);
    shelf_damage(path, mark, at, byte);
}

/* ---- keeping ---- */

static void a_new_journal_has_a_log_id_and_empty_partitions(void **state)
{
    struct journal *j = shelf_open();
    struct slice log = journal_log_id(j);

    (void)state;
    assert_int_equal(log.size, 32);
    assert_int_equal(strspn(log.at, "0123456789abcdef") >= 32, 1);
    assert_int_equal(journal_partitions(j), 8);
    for (unsigned p = 0; p < 8; p++)
        shelf_expect(j, p, "");
    assert_int_equal(journal_received_ms(j, 0, 0), 0);
    assert_int_equal(journal_rejects(j), 0);
    assert_true(journal_used_bytes(j) > 0 && journal_used_bytes(j) < journal_limit_bytes(j));
    journal_close(j);
}

static void what_was_committed_is_there_after_reopening(void **state)
{
    struct journal *j = shelf_open();
    char log[WIRE_LOG];

    (void)state;
    memcpy(log, journal_log_id(j).at, sizeof log);
    shelf_append(j, 0, "abc");
    shelf_append(j, 7, "xy");
    shelf_append(j, 0, "de");
    assert_int_equal(journal_end(j, 0), 0); /* not before the commit */
    assert_int_equal(journal_commit(j), 0);
    shelf_append(j, 0, "f");
    assert_int_equal(journal_commit(j), 0);
    shelf_expect(j, 0, "abcdef");
    journal_close(j);
    j = shelf_open();
    assert_memory_equal(journal_log_id(j).at, log, sizeof log);
    shelf_expect(j, 0, "abcdef");
    shelf_expect(j, 7, "xy");
    shelf_expect(j, 3, "");
    shelf_append(j, 0, "g");
    assert_int_equal(journal_commit(j), 0);
    shelf_expect(j, 0, "abcdefg");
    journal_close(j);
}

static void an_old_journal_keeps_its_number_of_partitions(void **state)
{
    struct journal *j;

    (void)state;
    assert_int_equal(shelf_try(SHELF_BYTES, 3, &j), 0);
    shelf_append(j, 2, "z");
    assert_int_equal(journal_commit(j), 0);
    journal_close(j);
    assert_int_equal(shelf_try(SHELF_BYTES, 256, &j), 0);
    assert_int_equal(journal_partitions(j), 3);
    shelf_expect(j, 2, "z");
    journal_close(j);
}

static void the_most_partitions_there_can_be_all_work(void **state)
{
    struct journal *j;

    (void)state;
    assert_int_equal(shelf_try(SHELF_BYTES, WIRE_MAX_PARTS, &j), 0);
    for (unsigned p = 0; p < WIRE_MAX_PARTS; p++)
        shelf_append(j, p, "q");
    assert_int_equal(journal_commit(j), 0);
    journal_close(j);
    assert_int_equal(shelf_try(SHELF_BYTES, 1, &j), 0);
    for (unsigned p = 0; p < WIRE_MAX_PARTS; p++)
        shelf_expect(j, p, "q");
    journal_close(j);
}

static void reading_from_any_offset_begins_with_the_record_that_holds_it(void **state)
{
    static const char *const records[] = {"a", "bcd", "ef", "g", "hijkl"};
    struct journal *j = shelf_open();
    struct record r;
    uint64_t at, first = 0;

    (void)state;
    for (int i = 0; i < 5; i++)
        shelf_append(j, 4, records[i]);
    assert_int_equal(journal_commit(j), 0);
    for (int i = 0; i < 5; i++) {
        for (uint64_t o = first; o < first + strlen(records[i]); o++) {
            assert_int_equal(journal_read_begin(j, 4, o), 0);
            assert_int_equal(journal_next(j, &at, &r), 0);
            assert_int_equal(at, first);
            assert_true(slice_is(r.events, records[i]));
            assert_true(slice_is(r.source, "local"));
            journal_read_end(j);
            assert_int_equal(journal_received_ms(j, 4, o), 1700000000000 + (int64_t)r.count);
        }
        first += strlen(records[i]);
    }
    assert_int_equal(journal_read_begin(j, 4, first), 0);
    assert_int_equal(journal_next(j, &at, &r), ERR_AGAIN);
    journal_read_end(j);
    journal_close(j);
}

static void an_abort_leaves_nothing(void **state)
{
    struct journal *j = shelf_open();
    struct reject reject = {.code = slice_of("missing"), .event = slice_of("?")};

    (void)state;
    shelf_append(j, 0, "a");
    assert_int_equal(journal_commit(j), 0);
    shelf_append(j, 0, "b");
    assert_int_equal(journal_reject(j, &reject), 0);
    journal_abort(j);
    shelf_expect(j, 0, "a");
    assert_int_equal(journal_rejects(j), 0);
    shelf_append(j, 0, "c");
    assert_int_equal(journal_commit(j), 0);
    shelf_expect(j, 0, "ac");
    journal_close(j);
}

static void a_second_process_is_locked_out(void **state)
{
    struct journal *j = shelf_open(), *other;

    (void)state;
    assert_int_equal(shelf_try(SHELF_BYTES, 8, &other), ERR_LOCKED);
    shelf_append(j, 0, "a");
    assert_int_equal(journal_commit(j), 0);
    journal_close(j);
    journal_close(shelf_open());
}

static void what_is_not_there_is_no_error_that_sticks(void **state)
{
    struct disk *d;
    unsigned table, none;
    char *room;

    (void)state;
    assert_int_equal(disk_open(shelf_folder, SHELF_BYTES, 8, &d), 0);
    assert_int_equal(disk_table(d, "some", true, &table), 0);
    assert_int_equal(disk_table(d, "none", false, &none), ERR_AGAIN);
    assert_int_equal(disk_put(d, table, 1, 3, &room), 0);
    memcpy(room, "one", 3);
    assert_int_equal(disk_drop(d, table, 2), ERR_AGAIN);
    assert_int_equal(disk_commit(d), 0);
    assert_int_equal(disk_drop(d, table, 1), 0); /* it was committed */
    assert_int_equal(disk_commit(d), 0);
    assert_int_equal(disk_drop(d, table, 1), ERR_AGAIN);
    disk_close(d);
}

/* ---- the ends ---- */

static void a_journal_that_ends_elsewhere_than_was_written_is_refused(void **state)
{
    struct ends ends = {.commit = 1, .next_reject = 1, .partitions = 2, .ends = {3, 0}};
    struct journal *j;
    const struct {
        unsigned partitions;
        uint64_t ends[2];
        int expected;
    } cases[] = {{2, {3, 0}, 0},
                 {2, {2, 0}, ERR_CORRUPT},
                 {2, {4, 0}, ERR_CORRUPT},
                 {2, {3, 1}, ERR_CORRUPT},
                 {3, {3, 0}, ERR_CORRUPT}};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ends.partitions = cases[i].partitions;
        memcpy(ends.ends, cases[i].ends, sizeof cases[i].ends);
        shelf_forge(&ends);
        assert_int_equal(shelf_try(SHELF_BYTES, 8, &j), cases[i].expected);
        if (cases[i].expected == 0)
            journal_close(j);
        assert_int_equal(shelf_teardown(state), 0);
        assert_int_equal(shelf_setup(state), 0);
    }
    shelf_forge(NULL);
    assert_int_equal(shelf_try(SHELF_BYTES, 8, &j), ERR_CORRUPT);
}

/* ---- bytes ---- */

static void the_record_in_JOURNAL_md_is_what_is_written(void **state)
{
    struct record r = {slice_of("local"), 1700000000000, 2, slice_of("\x80\x80")}, back;
    unsigned char golden[64], made[64];
    size_t n = shelf_golden("record", golden, sizeof golden);

    (void)state;
    assert_int_equal(n, record_size(&r));
    record_encode(&r, 3, 1000, (char *)made);
    assert_memory_equal(made, golden, n);
    assert_int_equal(record_decode(slice_make(golden, n), 3, 1000, &back), 0);
    assert_true(slice_equal(back.events, r.events) && slice_equal(back.source, r.source));
    assert_true(back.count == r.count && back.received_ms == r.received_ms);
}

static void every_changed_bit_of_a_record_is_found(void **state)
{
    struct record r = {slice_of("local"), 1700000000000, 8, slice_of("abcdefgh")}, back;
    char bytes[64];
    size_t size = record_size(&r);

    (void)state;
    record_encode(&r, 3, 1000, bytes);
    for (size_t bit = 0; bit < size * 8; bit++) {
        bytes[bit / 8] ^= (char)(1 << bit % 8);
        assert_true(record_decode(slice_make(bytes, size), 3, 1000, &back) < 0);
        bytes[bit / 8] ^= (char)(1 << bit % 8);
    }
    for (size_t cut = 0; cut < size; cut++)
        assert_true(record_decode(slice_make(bytes, cut), 3, 1000, &back) < 0);
    assert_int_equal(record_decode(slice_make(bytes, size), 3, 1000, &back), 0);
}

static void a_sound_record_in_the_wrong_place_is_found(void **state)
{
    struct record r = {slice_of("local"), 1700000000000, 3, slice_of("abc")}, back;
    char bytes[64];

    (void)state;
    record_encode(&r, 3, 1000, bytes);
    assert_int_equal(record_decode(slice_make(bytes, record_size(&r)), 2, 1000, &back),
                     ERR_CORRUPT);
    assert_int_equal(record_decode(slice_make(bytes, record_size(&r)), 3, 1001, &back),
                     ERR_CORRUPT);
}

/* ---- damage ---- */

static void a_format_it_does_not_know_is_refused(void **state)
{
    struct journal *j;

    (void)state;
    journal_close(shelf_open());
    damage("TRNTJRNL", 8, META_FORMAT + 1);
    assert_int_equal(shelf_try(SHELF_BYTES, 8, &j), ERR_VERSION);
    damage("TRNTJRNL", 8, META_FORMAT);
    journal_close(shelf_open());
    damage("TRNTJRNL", 30, '!');
    assert_int_equal(shelf_try(SHELF_BYTES, 8, &j), ERR_CORRUPT);
}

static void a_damaged_record_is_told_apart_from_its_neighbours(void **state)
{
    struct journal *j = shelf_open();
    struct buffer b = {0};

    (void)state;
    shelf_append(j, 0, "first-record");
    shelf_append(j, 0, "second-record");
    shelf_append(j, 0, "third-record");
    shelf_append(j, 1, "elsewhere");
    assert_int_equal(journal_commit(j), 0);
    shelf_move(j, 7);
    journal_close(j);
    damage("second-record", 3, 'O');
    j = shelf_open();
    assert_int_equal(shelf_read(j, 0, 0, &b), ERR_CORRUPT);
    assert_true(slice_is(buffer_slice(&b), "first-record"));
    assert_int_equal(shelf_read(j, 0, 13, &b), ERR_CORRUPT);
    assert_int_equal(shelf_read(j, 0, 25, &b), 0);
    assert_true(slice_is(buffer_slice(&b), "third-record"));
    shelf_expect(j, 1, "elsewhere");
    assert_int_equal(journal_received_ms(j, 0, 13), 0);
    journal_close(j);
    buffer_free(&b);
}

static void a_damaged_end_is_found_when_opening(void **state)
{
    struct journal *j = shelf_open();

    (void)state;
    shelf_append(j, 0, "last-record");
    assert_int_equal(journal_commit(j), 0);
    shelf_move(j, 1);
    journal_close(j);
    damage("last-record", 0, 'L');
    assert_int_equal(shelf_try(SHELF_BYTES, 8, &j), ERR_CORRUPT);
}

static void frame_forge(struct slice entries)
{
    struct ends ends = {.commit = 1, .next_reject = 1, .partitions = 2, .ends = {3, 0}};
    struct wal wal = {0};
    unsigned recent;
    struct disk *d;

    shelf_forge(&ends);
    assert_int_equal(disk_open(shelf_folder, SHELF_BYTES, 8, &d), 0);
    assert_int_equal(disk_table(d, "recent", false, &recent), 0);
    assert_int_equal(disk_commit(d), 0);
    assert_int_equal(disk_read_begin(d), 0);
    assert_int_equal(wal_find(&wal, d, recent, ends.commit), 0);
    disk_read_end(d);
    assert_int_equal(wal_write(&wal, 2, entries), 0);
    wal_close(&wal);
    disk_close(d);
}

/* One entry; and of that so many bytes. */
static void assert_recent_of(void **state, struct slice bytes, int expected)
{
    struct journal *j;

    frame_forge(bytes);
    assert_int_equal(shelf_try(SHELF_BYTES, 8, &j), expected);
    if (expected == 0) {
        shelf_expect(j, 0, "abcd");
        shelf_append(j, 0, "e");
        assert_int_equal(journal_commit(j), 0);
        shelf_expect(j, 0, "abcde");
        journal_close(j);
        j = shelf_open();
        shelf_expect(j, 0, "abcde");
        journal_close(j);
    }
    assert_int_equal(shelf_teardown(state), 0);
    assert_int_equal(shelf_setup(state), 0);
}

static void assert_recent(void **state, unsigned partition, uint64_t offset, char version,
                          size_t size, int expected)
{
    struct record r = {slice_of("local"), 1, 1, slice_of("d")};
    struct recent *recent = recent_new();
    char *room = recent_stage(recent, partition, offset, record_size(&r));
    struct slice bytes = recent_staged(recent);

    record_encode(&r, partition, offset, room);
    room[0] = version;
    if (size < bytes.size)
        bytes.size = size;
    assert_recent_of(state, bytes, expected);
    recent_free(recent);
}

static void recent_records_that_do_not_go_on_are_refused(void **state)
{
    assert_recent(state, 0, 3, RECORD_VERSION, SIZE_MAX, 0);
    assert_recent(state, 1, 3, RECORD_VERSION, SIZE_MAX, ERR_CORRUPT);
    assert_recent(state, 0, 4, RECORD_VERSION, SIZE_MAX, ERR_CORRUPT);
    assert_recent(state, 2, 0, RECORD_VERSION, SIZE_MAX, ERR_CORRUPT);
    assert_recent(state, 0, 3, RECORD_VERSION + 1, SIZE_MAX, ERR_VERSION);
    assert_recent(state, 0, 3, RECORD_VERSION, RECENT_HEAD, ERR_CORRUPT);
    assert_recent(state, 0, 3, RECORD_VERSION, 0, ERR_CORRUPT);
}

static void a_damaged_recent_record_is_found_when_opening(void **state)
{
    struct journal *j = shelf_open();

    (void)state;
    shelf_append(j, 0, "one-record");
    assert_int_equal(journal_commit(j), 0);
    shelf_append(j, 0, "another-record");
    assert_int_equal(journal_commit(j), 0);
    journal_close(j);
    damage("one-record", 0, 'O');
    assert_int_equal(shelf_try(SHELF_BYTES, 8, &j), ERR_CORRUPT);
    damage("One-record", 0, 'o');
    j = shelf_open();
    shelf_expect(j, 0, "one-recordanother-record");
    journal_close(j);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, shelf_setup, shelf_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_journal_has_a_log_id_and_empty_partitions),
        TEST(what_was_committed_is_there_after_reopening),
        TEST(an_old_journal_keeps_its_number_of_partitions),
        TEST(the_most_partitions_there_can_be_all_work),
        TEST(reading_from_any_offset_begins_with_the_record_that_holds_it),
        TEST(an_abort_leaves_nothing),
        TEST(a_second_process_is_locked_out),
        TEST(what_is_not_there_is_no_error_that_sticks),
        TEST(a_journal_that_ends_elsewhere_than_was_written_is_refused),
        TEST(the_record_in_JOURNAL_md_is_what_is_written),
        TEST(every_changed_bit_of_a_record_is_found),
        TEST(a_sound_record_in_the_wrong_place_is_found),
        TEST(a_format_it_does_not_know_is_refused),
        TEST(a_damaged_record_is_told_apart_from_its_neighbours),
        TEST(a_damaged_end_is_found_when_opening),
        TEST(recent_records_that_do_not_go_on_are_refused),
        TEST(a_damaged_recent_record_is_found_when_opening),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
