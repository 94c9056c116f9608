/* The write-ahead log as bytes: what was written last is found, whichever copy of it is left; what
 * was never finished is not, and what is missing between two is told. */
#include "broker/frame.h"
#include "broker/number.h"
#include "broker/recent.h"
#include "proto/error.h"
#include "tests/random.h"
#include "tests/shelf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define SALT   0x1234567890abcdefU
#define BLOCKS 64
#define BYTES  (BLOCKS * FRAME_BLOCK)

static char value[FRAME_FIRST + BYTES];
static size_t end; /* behind the frame written last */

static int setup(void **state)
{
    struct frame_log log = {SALT, BYTES};

    (void)state;
    memset(value, 0, sizeof value);
    frame_head_encode(&log, value);
    end = 0;
    return 0;
}

static char *block(size_t n)
{
    return value + FRAME_FIRST + n * FRAME_BLOCK;
}

static void put(uint64_t commit, struct slice entries)
{
    struct buffer frame = {0};

    frame_encode(SALT, commit, entries, &frame);
    assert_int_equal(frame.size, frame_bytes(entries.size));
    assert_true(end + frame.size <= BYTES);
    memcpy(block(0) + end, frame.at, frame.size);
    end += frame.size;
    buffer_free(&frame);
}

/* Commits `from` to `to`, each of a text with its number. */
static void put_all(uint64_t from, uint64_t to)
{
    char text[32];

    for (uint64_t c = from; c <= to; c++) {
        snprintf(text, sizeof text, "commit %llu", (unsigned long long)c);
        put(c, slice_of(text));
    }
}

/* What is found behind a commit is commits up to `last`, and that is how it ends. */
static void assert_found(uint64_t behind, uint64_t last, int how)
{
    struct slice whole = slice_make(value, sizeof value), entries;
    struct frame_log log;
    struct frame_scan s;
    char text[32];
    int err;

    assert_int_equal(frame_head_decode(whole, &log), 0);
    assert_true(log.salt == SALT && log.bytes == BYTES);
    s = frame_scan_begin(whole, &log, behind);
    for (uint64_t c = behind + 1; (err = frame_next(&s, &entries)) == 0; c++) {
        snprintf(text, sizeof text, "commit %llu", (unsigned long long)c);
        assert_int_equal(s.commit, c);
        assert_true(slice_is(entries, text));
        assert_true(s.at % FRAME_BLOCK == 0 && memcmp(block(0) + s.at, "TRNTFRAM", 8) == 0);
    }
    assert_int_equal(err, how);
    assert_int_equal(s.commit, last);
}

static void what_was_written_is_found_in_order(void **state)
{
    (void)state;
    assert_found(0, 0, ERR_AGAIN);
    put_all(8, 20);
    assert_found(7, 20, ERR_AGAIN);
    assert_found(15, 20, ERR_AGAIN);
    assert_found(20, 20, ERR_AGAIN);
    assert_found(1000, 1000, ERR_AGAIN);
}

static void it_begins_anew_over_what_the_trees_have(void **state)
{
    (void)state;
    put_all(1, 30);
    end = 0;
    assert_found(30, 30, ERR_AGAIN);
    put_all(31, 33);
    assert_found(30, 33, ERR_AGAIN);
}

static void either_copy_will_do(void **state)
{
    (void)state;
    put_all(1, 5);
    for (size_t n = 0; n < 10; n++) {
        block(n)[40] ^= 1;
        assert_found(0, 5, ERR_AGAIN);
        block(n)[40] ^= 1;
    }
    for (size_t n = 0; n < 10; n += 2) /* one of each, by turns */
        block(n + n / 2 % 2)[10] ^= 1;
    assert_found(0, 5, ERR_AGAIN);
}

static void without_both_the_last_was_never_finished_and_another_is_damaged(void **state)
{
    (void)state;
    put_all(1, 5);
    for (uint64_t c = 1; c <= 5; c++) {
        block(2 * c - 2)[33] ^= 4;
        block(2 * c - 1)[35] ^= 4;
        assert_found(0, c - 1, c == 5 ? ERR_AGAIN : ERR_CORRUPT);
        block(2 * c - 2)[33] ^= 4;
        block(2 * c - 1)[35] ^= 4;
    }
}

static void every_bit_of_a_frame_counts(void **state)
{
    (void)state;
    put_all(1, 1);
    memset(block(1), 0, FRAME_BLOCK);
    for (size_t bit = 0; bit < 8 * (32 + strlen("commit 1")); bit++) {
        block(0)[bit / 8] ^= (char)(1 << bit % 8);
        assert_found(0, 0, ERR_AGAIN);
        block(0)[bit / 8] ^= (char)(1 << bit % 8);
    }
    assert_found(0, 1, ERR_AGAIN);
}

static void every_bit_of_the_head_counts(void **state)
{
    struct frame_log log;

    (void)state;
    for (size_t bit = 0; bit < (size_t)8 * 32; bit++) {
        value[bit / 8] ^= (char)(1 << bit % 8);
        assert_int_equal(frame_head_decode(slice_make(value, sizeof value), &log), ERR_CORRUPT);
        value[bit / 8] ^= (char)(1 << bit % 8);
    }
    for (size_t size = 0; size < sizeof value; size += 509)
        assert_int_equal(frame_head_decode(slice_make(value, size), &log), ERR_CORRUPT);
    for (size_t bytes = 0; bytes <= 2 * FRAME_LOG_LEAST; bytes += FRAME_BLOCK / 2) {
        log = (struct frame_log){SALT, bytes};
        frame_head_encode(&log, value);
        assert_int_equal(frame_head_decode(slice_make(value, FRAME_FIRST + bytes), &log),
                         bytes >= FRAME_LOG_LEAST && bytes % FRAME_BLOCK == 0 ? 0 : ERR_CORRUPT);
    }
}

/* A frame with the number that is next, made by somebody who does not know the salt, inside one
 * that was never finished. */
static void what_looks_like_a_frame_is_none_without_the_salt(void **state)
{
    static char entries[3 * FRAME_BLOCK];
    struct buffer forged = {0};

    (void)state;
    put_all(1, 2);
    frame_encode(SALT + 1, 3, slice_of("forged"), &forged);
    memcpy(entries + FRAME_BLOCK - 32, forged.at, FRAME_BLOCK);
    put(3, slice_make(entries, sizeof entries));
    for (size_t n = 0; n < BLOCKS; n++)
        if (number_get32(block(n) + 16) == sizeof entries)
            block(n)[100] ^= 1; /* both copies */
    assert_memory_equal(block(5), forged.at, FRAME_BLOCK);
    assert_found(0, 2, ERR_AGAIN);
    buffer_free(&forged);
}

/* As a power cut may leave it: of the last frame any sectors, of each copy; and before that, of an
 * earlier time, other frames. */
static void a_torn_frame_is_there_whole_or_not_at_all(void **state)
{
    struct random r = random_new(random_seed("torn"));
    static char was[BYTES], large[9000];
    struct slice whole = slice_make(value, sizeof value), entries;
    struct frame_log log;
    struct frame_scan s;
    unsigned there = 0, gone = 0;

    for (int i = 0; i < 400; i++) {
        setup(state);
        put_all(1, 10 + random_below(&r, 15));
        end = 0;
        put_all(50, 50 + random_below(&r, 5));
        memcpy(was, block(0), BYTES);
        uint64_t next = 51 + end / (2 * FRAME_BLOCK) - 1;
        size_t from = end, size = 1 + random_below(&r, sizeof large);
        memset(large, (int)random_below(&r, 256), size);
        put(next, slice_make(large, size));
        unsigned lost = (unsigned)random_below(&r, 30); /* percent */
        for (size_t at = from; at < end; at += 512)
            if (random_percent(&r, lost))
                memcpy(block(0) + at, was + at, 512);
        assert_int_equal(frame_head_decode(whole, &log), 0);
        s = frame_scan_begin(whole, &log, 49);
        while (s.commit + 1 < next)
            assert_int_equal(frame_next(&s, &entries), 0);
        if (frame_next(&s, &entries) == 0) {
            assert_true(slice_equal(entries, slice_make(large, size)));
            there++;
        } else {
            gone++;
        }
        assert_int_equal(frame_next(&s, &entries), ERR_AGAIN);
    }
    assert_true(there > 20 && gone > 20);
}

static void the_frame_in_JOURNAL_md_is_what_is_written(void **state)
{
    struct record r = {slice_of("local"), 1700000000000, 2, slice_of("\x80\x80")};
    struct recent *recent = recent_new();
    struct buffer frame = {0};
    unsigned char golden[256];
    size_t n = shelf_golden("frame", golden, sizeof golden);

    (void)state;
    record_encode(&r, 3, 1000, recent_stage(recent, 3, 1000, record_size(&r)));
    frame_encode(1, 7, recent_staged(recent), &frame);
    assert_int_equal(n, 32 + recent_staged(recent).size);
    assert_memory_equal(frame.at, golden, n);
    recent_free(recent);
    buffer_free(&frame);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_written_is_found_in_order),
        TEST(it_begins_anew_over_what_the_trees_have),
        TEST(either_copy_will_do),
        TEST(without_both_the_last_was_never_finished_and_another_is_damaged),
        TEST(every_bit_of_a_frame_counts),
        TEST(every_bit_of_the_head_counts),
        TEST(what_looks_like_a_frame_is_none_without_the_salt),
        TEST(a_torn_frame_is_there_whole_or_not_at_all),
        TEST(the_frame_in_JOURNAL_md_is_what_is_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
