/* Recent records: what is stored, what is only staged, and what is not an entry. */
#include "broker/number.h"
#include "broker/recent.h"
#include "proto/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct recent *recent;

static int setup(void **state)
{
    (void)state;
    recent = recent_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    recent_free(recent);
    recent_free(NULL);
    return 0;
}

static void stage(unsigned partition, uint64_t offset, const char *record)
{
    size_t size = strlen(record);

    memcpy(recent_stage(recent, partition, offset, size), record, size);
}

/* "offset:record offset:record ..." of a partition, from an index on. */
static void assert_has(unsigned partition, size_t index, const char *expected)
{
    struct recent_entry e;
    char got[200] = "";
    size_t end = 0;

    for (; recent_get(recent, partition, index, &e); index++) {
        assert_int_equal(e.partition, partition);
        end += (size_t)snprintf(got + end, sizeof got - end, "%s%llu:%.*s", end ? " " : "",
                                (unsigned long long)e.offset, (int)e.record.size, e.record.at);
    }
    assert_string_equal(got, expected);
}

static void what_is_staged_can_be_read_once_it_is_stored(void **state)
{
    (void)state;
    stage(0, 0, "ab");
    stage(255, 7, "x");
    stage(0, 2, "c");
    assert_has(0, 0, "");
    recent_settle(recent, true);
    stage(0, 3, "d");
    assert_has(0, 0, "0:ab 2:c");
    assert_has(255, 0, "7:x");
    assert_has(1, 0, "");
    recent_settle(recent, true);
    assert_has(0, 1, "2:c 3:d");
}

static void what_was_not_stored_is_forgotten(void **state)
{
    struct slice before;

    (void)state;
    stage(4, 0, "kept");
    recent_settle(recent, true);
    before = recent_all(recent);
    stage(4, 4, "lost");
    stage(5, 0, "lost");
    recent_settle(recent, false);
    assert_int_equal(recent_all(recent).size, before.size);
    assert_has(4, 0, "0:kept");
    assert_has(5, 0, "");
    stage(4, 4, "next");
    recent_settle(recent, true);
    assert_has(4, 0, "0:kept 4:next");
}

static void a_record_is_found_by_any_offset_in_it(void **state)
{
    (void)state;
    stage(0, 10, "abc");
    stage(1, 0, "-");
    stage(0, 13, "d");
    recent_settle(recent, true);
    stage(0, 14, "e");
    assert_true(recent_find(recent, 0, 9) == RECENT_NONE);
    assert_int_equal(recent_find(recent, 0, 10), 0);
    assert_int_equal(recent_find(recent, 0, 12), 0);
    assert_int_equal(recent_find(recent, 0, 13), 1);
    assert_int_equal(recent_find(recent, 0, UINT64_MAX), 1);
    assert_true(recent_find(recent, 2, 0) == RECENT_NONE);
}

static void nothing_is_left_when_they_have_been_moved(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 1000; n++)
        stage(n % 3, n / 3, "r");
    recent_settle(recent, true);
    stage(0, 400, "staged");
    recent_clear(recent);
    assert_int_equal(recent_all(recent).size, 0);
    assert_int_equal(recent_staged(recent).size, 0);
    assert_has(0, 0, "");
    stage(0, 400, "anew");
    recent_settle(recent, true);
    assert_has(0, 0, "400:anew");
}

/* What is to be stored is what comes out of it again. */
static void a_value_has_its_entries_in_order(void **state)
{
    static const char *const records[] = {"first", "", "third record"};
    struct recent_entry e;
    struct slice value;

    (void)state;
    stage(9, 1, "stored before");
    recent_settle(recent, true);
    for (unsigned i = 0; i < 3; i++)
        stage(i, 100 + i, records[i]);
    value = recent_staged(recent);
    assert_true(value.at > recent_all(recent).at);
    assert_true(value.at + value.size == recent_all(recent).at + recent_all(recent).size);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(recent_take(&value, &e), 0);
        assert_int_equal(e.partition, i);
        assert_int_equal(e.offset, 100 + i);
        assert_true(slice_is(e.record, records[i]));
    }
    assert_int_equal(recent_take(&value, &e), ERR_AGAIN);
}

static void what_is_no_entry_is_told(void **state)
{
    struct recent_entry e;
    char bytes[RECENT_HEAD + 4];
    struct slice value;

    (void)state;
    stage(1, 2, "abcd");
    for (size_t size = 1; size < sizeof bytes; size++) { /* cut off */
        memcpy(bytes, recent_staged(recent).at, sizeof bytes);
        value = slice_make(bytes, size);
        assert_int_equal(recent_take(&value, &e), ERR_CORRUPT);
    }
    number_put32(bytes + 8, 5); /* longer than there is */
    value = slice_make(bytes, sizeof bytes);
    assert_int_equal(recent_take(&value, &e), ERR_CORRUPT);
    number_put32(bytes + 8, UINT32_MAX);
    value = slice_make(bytes, sizeof bytes);
    assert_int_equal(recent_take(&value, &e), ERR_CORRUPT);
    number_put32(bytes + 8, 4);
    number_put16(bytes + 14, 1); /* what must be zero */
    value = slice_make(bytes, sizeof bytes);
    assert_int_equal(recent_take(&value, &e), ERR_CORRUPT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_staged_can_be_read_once_it_is_stored),
        TEST(what_was_not_stored_is_forgotten),
        TEST(a_record_is_found_by_any_offset_in_it),
        TEST(nothing_is_left_when_they_have_been_moved),
        TEST(a_value_has_its_entries_in_order),
        TEST(what_is_no_entry_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
