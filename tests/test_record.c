/* Values of the journal whose checksum is right and whose content is not: each is refused for what
 * it is; one byte at a time, and by their limits. */
#include "broker/meta.h"
#include "broker/number.h"
#include "broker/record.h"
#include "broker/reject.h"
#include "proto/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define PARTITION 3
#define OFFSET    70000
#define SUM       16 /* where the checksum of a record stands, and of a refused event */

enum { AT_VERSION = 0, AT_SOURCE = 1, AT_ZERO = 2, AT_COUNT = 4 };

/* A record of so many bytes of events from a source of so many, and then one change. */
struct bytes {
    char *at;
    size_t size;
};

static void record_sign(struct bytes *b)
{
    number_put64(b->at + SUM,
                 record_checksum(PARTITION, OFFSET, slice_make(b->at, SUM),
                                 slice_make(b->at + RECORD_HEAD, b->size - RECORD_HEAD)));
}

static struct bytes record_bytes(size_t source, size_t events, uint32_t count)
{
    struct bytes b = {NULL, RECORD_HEAD + source + events};

    b.at = memory_need(b.size);
    memset(b.at, 'e', b.size);
    b.at[AT_VERSION] = RECORD_VERSION;
    b.at[AT_SOURCE] = (char)source;
    number_put16(b.at + AT_ZERO, 0);
    number_put32(b.at + AT_COUNT, count);
    number_put64(b.at + 8, 1772366400123);
    record_sign(&b);
    return b;
}

static void assert_record(struct bytes b, int expected)
{
    struct record r = {0};

    assert_int_equal(record_decode(slice_make(b.at, b.size), PARTITION, OFFSET, &r), expected);
    if (expected == 0) {
        char *again = memory_need(record_size(&r));
        assert_int_equal(record_size(&r), b.size);
        record_encode(&r, PARTITION, OFFSET, again);
        assert_memory_equal(again, b.at, b.size);
        free(again);
    }
    free(b.at);
}

static void a_record_within_its_limits_is_read_and_written_the_same(void **state)
{
    (void)state;
    assert_record(record_bytes(5, 100, 7), 0);
    assert_record(record_bytes(0, 1, 1), 0);
    assert_record(record_bytes(WIRE_NAME, RECORD_BYTES, RECORD_MAX_EVENTS), 0);
}

static void a_record_beyond_its_limits_is_corrupt(void **state)
{
    (void)state;
    assert_record(record_bytes(5, 100, 0), ERR_CORRUPT);
    assert_record(record_bytes(5, 100, 101), ERR_CORRUPT);
    assert_record(record_bytes(5, RECORD_BYTES, RECORD_MAX_EVENTS + 1), ERR_CORRUPT);
    assert_record(record_bytes(WIRE_NAME + 1, 100, 7), ERR_CORRUPT);
    assert_record(record_bytes(0, RECORD_BYTES + 1, 7), ERR_CORRUPT);
    assert_record(record_bytes(WIRE_NAME, RECORD_BYTES + 1, 7), ERR_CORRUPT);
}

static void a_source_longer_than_the_record_is_corrupt(void **state)
{
    struct bytes b = record_bytes(0, 5, 1);

    (void)state;
    b.at[AT_SOURCE] = 6;
    record_sign(&b);
    assert_record(b, ERR_CORRUPT);
}

static void a_head_cut_short_and_another_version_are_told_apart(void **state)
{
    struct bytes b = record_bytes(5, 100, 7), zero = record_bytes(5, 100, 7);

    (void)state;
    b.at[AT_VERSION]++;
    record_sign(&b);
    assert_record(b, ERR_VERSION);
    number_put16(zero.at + AT_ZERO, 1);
    record_sign(&zero);
    assert_record(zero, ERR_CORRUPT);
    b = record_bytes(5, 100, 7);
    b.size = RECORD_HEAD - 1;
    assert_record(b, ERR_CORRUPT);
    b = record_bytes(5, 100, 7);
    b.size--;
    assert_record(b, ERR_CORRUPT);
}

static void a_record_in_another_place_is_corrupt(void **state)
{
    struct bytes b = record_bytes(5, 100, 7);
    struct slice bytes = slice_make(b.at, b.size);
    struct record r;

    (void)state;
    assert_int_equal(record_decode(bytes, PARTITION + 1, OFFSET, &r), ERR_CORRUPT);
    assert_int_equal(record_decode(bytes, PARTITION, OFFSET + 1, &r), ERR_CORRUPT);
    free(b.at);
}

/* ---- refused events ---- */

static int reject_with(size_t at, char byte, size_t size)
{
    char bytes[REJECT_HEAD + 40];
    struct reject r;

    memset(bytes, 0, sizeof bytes);
    bytes[0] = REJECT_VERSION;
    bytes[1] = 10; /* source, code, field: 10 bytes each, and 5 of a reason */
    bytes[2] = 10;
    bytes[3] = 10;
    bytes[4] = 5;
    bytes[at] = byte;
    if (size >= REJECT_HEAD)
        number_put64(bytes + SUM, record_checksum(UINT64_MAX, 9, slice_make(bytes, SUM),
                                                  slice_make(bytes + SUM + 8, size - SUM - 8)));
    return reject_decode(slice_make(bytes, size), 9, &r);
}

static void a_refused_event_whose_parts_do_not_fit_is_corrupt(void **state)
{
    const size_t whole = REJECT_HEAD + 40;

    (void)state;
    assert_int_equal(reject_with(1, 10, whole), 0);
    assert_int_equal(reject_with(1, 16, whole), ERR_CORRUPT);
    assert_int_equal(reject_with(5, 1, whole), ERR_CORRUPT); /* 256 bytes of a reason */
    assert_int_equal(reject_with(6, 1, whole), ERR_CORRUPT);
    assert_int_equal(reject_with(0, 2, whole), ERR_VERSION);
    assert_int_equal(reject_with(1, 10, REJECT_HEAD - 1), ERR_CORRUPT);
    assert_int_equal(reject_with(1, 10, REJECT_HEAD + 34), ERR_CORRUPT);
    assert_int_equal(reject_with(1, 10, REJECT_HEAD + 35), 0);
}

/* ---- what the journal says of itself ---- */

static int meta_with(unsigned format, unsigned partitions, size_t size)
{
    struct meta m = {.format = format, .partitions = partitions, .created_ms = 1}, back;
    char bytes[META_BYTES];

    memset(m.log, 'a', sizeof m.log);
    meta_encode(&m, bytes);
    return meta_decode(slice_make(bytes, size), &back);
}

static void a_description_within_its_limits_is_read(void **state)
{
    (void)state;
    assert_int_equal(meta_with(META_FORMAT, 8, META_BYTES), 0);
    assert_int_equal(meta_with(META_FORMAT - 1, WIRE_MAX_PARTS, META_BYTES), ERR_VERSION);
    assert_int_equal(meta_with(META_FORMAT + 1, 8, META_BYTES), ERR_VERSION);
    assert_int_equal(meta_with(META_FORMAT, 0, META_BYTES), ERR_CORRUPT);
    assert_int_equal(meta_with(META_FORMAT, WIRE_MAX_PARTS + 1, META_BYTES), ERR_CORRUPT);
    assert_int_equal(meta_with(META_FORMAT, 8, META_BYTES - 1), ERR_CORRUPT);
    assert_int_equal(meta_with(META_FORMAT, 8, 8), ERR_CORRUPT);
}

/* Every byte counts, also without a checksum that was put right. */
static void one_changed_byte_of_it_is_found(void **state)
{
    struct meta m = {.format = META_FORMAT, .partitions = 8}, back;
    static struct ends e = {.commit = 7, .next_reject = 3, .partitions = 4, .ends = {1, 2, 3, 4}};
    static struct ends e_back;
    char bytes[ENDS_MAX_BYTES];

    (void)state;
    memset(m.log, 'a', sizeof m.log);
    meta_encode(&m, bytes);
    for (size_t i = 0; i < META_BYTES; i++) {
        bytes[i] ^= 0x10;
        assert_int_not_equal(meta_decode(slice_make(bytes, META_BYTES), &back), 0);
        bytes[i] ^= 0x10;
    }
    ends_encode(&e, bytes);
    assert_int_equal(ends_decode(slice_make(bytes, ends_size(&e)), 4, &e_back), 0);
    assert_int_equal(ends_decode(slice_make(bytes, ends_size(&e)), 5, &e_back), ERR_CORRUPT);
    for (size_t i = 0; i < ends_size(&e); i++) {
        bytes[i] ^= 0x10;
        assert_int_equal(ends_decode(slice_make(bytes, ends_size(&e)), 4, &e_back), ERR_CORRUPT);
        bytes[i] ^= 0x10;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_within_its_limits_is_read_and_written_the_same),
        cmocka_unit_test(a_record_beyond_its_limits_is_corrupt),
        cmocka_unit_test(a_source_longer_than_the_record_is_corrupt),
        cmocka_unit_test(a_head_cut_short_and_another_version_are_told_apart),
        cmocka_unit_test(a_record_in_another_place_is_corrupt),
        cmocka_unit_test(a_refused_event_whose_parts_do_not_fit_is_corrupt),
        cmocka_unit_test(a_description_within_its_limits_is_read),
        cmocka_unit_test(one_changed_byte_of_it_is_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
