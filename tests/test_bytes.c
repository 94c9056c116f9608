/* Slices, integers, UTF-8, buffers and refusals. */
#include "proto/bytes.h"

#include <inttypes.h>
#include <malloc.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <setjmp.h>

#include <cmocka.h>

#include "proto/error.h"
#include "proto/refusal.h"
#include "tests/raw.h"
#include "tests/world.h"

static void slices_are_ordered_by_bytes_and_then_by_length(void **state)
{
    static const char *const rising[] = {"", "A", "AA", "B", "Ba", "a", "\x7f", "\xc3\xa9", "\xff"};
    const int count = sizeof rising / sizeof *rising;

    (void)state;
    for (int i = 0; i < count; i++)
        for (int j = 0; j < count; j++) {
            int order = slice_compare(slice_of(rising[i]), slice_of(rising[j]));
            assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
            assert_int_equal(slice_equal(slice_of(rising[i]), slice_of(rising[j])), i == j);
        }
    assert_int_equal(slice_compare(slice_make(NULL, 0), slice_of("")), 0);
    assert_true(slice_is(slice_make("closesX", 6), "closes"));
}

static void an_integer_is_read_back_as_it_was_written(void **state)
{
    static const int64_t edge[] = {0,  1,  -1,        9,         -10,           99,
                                   42, -7, INT64_MAX, INT64_MIN, INT64_MAX - 1, INT64_MIN + 1};
    struct random r = random_new(random_seed("an_integer_is_read_back"));
    struct buffer b = {0};

    (void)state;
    for (int i = 0; i < 20000; i++) {
        int64_t n = i < (int)(sizeof edge / sizeof *edge)
                        ? edge[i]
                        : (int64_t)random_next(&r) >> random_below(&r, 64);
        int64_t back;
        char text[32];
        snprintf(text, sizeof text, "%" PRId64, n);
        buffer_clear(&b);
        buffer_add_int(&b, n);
        assert_true(slice_is(buffer_slice(&b), text));
        assert_true(slice_to_int(buffer_slice(&b), &back));
        assert_int_equal(back, n);
    }
    buffer_free(&b);
}

static void what_is_not_exactly_an_integer_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "-",
        "+1",
        " 1",
        "1 ",
        "01",
        "-0",
        "-01",
        "00",
        "1.0",
        "1e3",
        "0x1",
        "--1",
        "9223372036854775808",
        "-9223372036854775809",
        "99999999999999999999",
        "a",
    };
    int64_t n = 77;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(slice_to_int(slice_of(bad[i]), &n));
        assert_int_equal(n, 77);
    }
    assert_false(slice_to_int(slice_make("1\0"
                                         "2",
                                         3),
                              &n));
    assert_false(slice_to_int(slice_make(NULL, 0), &n));
}

static void a_slice_is_cut_at_the_first_end(void **state)
{
    struct slice rest = slice_of("a||bc"), piece;

    (void)state;
    assert_true(slice_cut(&rest, '|', &piece));
    assert_true(slice_is(piece, "a"));
    assert_true(slice_cut(&rest, '|', &piece));
    assert_true(slice_is(piece, ""));
    assert_true(slice_is(rest, "bc"));
    assert_false(slice_cut(&rest, '|', &piece));
    assert_true(slice_is(rest, "bc"));
    rest = slice_make(NULL, 0);
    assert_false(slice_cut(&rest, '|', &piece));
}

static void a_slice_begins_and_ends_with_what_it_is_made_of(void **state)
{
    static const char *const no[] = {"x", "xab", "abx", "aa", "bb", "aba"};

    (void)state;
    for (size_t front = 0; front <= 2; front++) {
        char text[3] = "ab";
        text[front] = '\0';
        assert_true(slice_begins(slice_of("ab"), text));
        assert_true(slice_ends(slice_of("ab"), &"ab"[front]));
    }
    for (size_t i = 0; i < sizeof no / sizeof *no; i++) {
        assert_false(slice_begins(slice_of("ab"), no[i]));
        assert_false(slice_ends(slice_of("ab"), no[i]));
    }
    assert_false(slice_begins(slice_of("ab"), "b") || slice_ends(slice_of("ab"), "a"));
    assert_true(slice_begins(slice_make(NULL, 0), "") && slice_ends(slice_make(NULL, 0), ""));
    assert_false(slice_begins(slice_make(NULL, 0), "a") || slice_ends(slice_make(NULL, 0), "a"));
}

static void a_beginning_or_an_end_is_cut_off_only_where_it_stands(void **state)
{
    struct slice rest = slice_of("new:seat:2026");

    (void)state;
    assert_false(slice_cut_begin(&rest, slice_of("seat:")));
    assert_false(slice_cut_end(&rest, slice_of("seat:")));
    assert_false(slice_cut_begin(&rest, slice_of("new:seat:2026.")));
    assert_false(slice_cut_end(&rest, slice_of(".new:seat:2026")));
    assert_true(slice_is(rest, "new:seat:2026"));
    assert_true(slice_cut_begin(&rest, slice_of("new:")));
    assert_true(slice_is(rest, "seat:2026"));
    assert_true(slice_cut_end(&rest, slice_of(":2026")));
    assert_true(slice_is(rest, "seat"));
    assert_true(slice_cut_begin(&rest, slice_make(NULL, 0)));
    assert_true(slice_cut_end(&rest, slice_make(NULL, 0)));
    assert_true(slice_is(rest, "seat"));
    assert_true(slice_cut_begin(&rest, slice_of("seat")));
    assert_true(rest.at && rest.size == 0);
    assert_false(slice_cut_begin(&rest, slice_of("a")) || slice_cut_end(&rest, slice_of("a")));
    rest = slice_make("a\0b", 3);
    assert_true(slice_cut_end(&rest, slice_make("\0b", 2)));
    assert_true(slice_is(rest, "a"));
    assert_true(slice_cut_end(&rest, slice_of("a")));
    assert_true(rest.at && rest.size == 0);
    rest = slice_make(NULL, 0);
    assert_false(slice_cut_begin(&rest, slice_of("a")) || slice_cut_end(&rest, slice_of("a")));
    assert_true(slice_cut_begin(&rest, slice_of("")) && slice_cut_end(&rest, slice_of("")));
    assert_int_equal(rest.size, 0);
}

/* UTF-8 by its definition alone: the shortest form of a code point that is no surrogate. */
static size_t utf8_write(uint32_t c, char out[4])
{
    if (c < 0x80)
        return out[0] = (char)c, 1;
    if (c < 0x800)
        return out[0] = (char)(0xc0 | c >> 6), out[1] = (char)(0x80 | (c & 0x3f)), 2;
    size_t n = c < 0x10000 ? 3 : 4;
    for (size_t i = n; i-- > 1; c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)((n == 3 ? 0xe0 : 0xf0) | c);
    return n;
}

static void every_code_point_is_valid_but_surrogates(void **state)
{
    (void)state;
    for (uint32_t c = 0; c < 0x120000; c++) {
        char text[4];
        const char *at = text;
        size_t n = utf8_write(c, text);
        bool sound = c <= 0x10ffff && (c < 0xd800 || c > 0xdfff);
        assert_int_equal(utf8_valid(slice_make(text, n)), sound);
        if (!sound)
            continue;
        assert_int_equal(utf8_next(&at), c);
        assert_ptr_equal(at, text + n);
        for (size_t cut = 1; cut < n; cut++)
            assert_false(utf8_valid(slice_make(text, cut)));
    }
}

/* Whether the three bytes are UTF-8, told by writing what they would decode to. */
static bool three_bytes_sound(const unsigned char u[3])
{
    size_t i = 0;

    while (i < 3) {
        size_t n = u[i] < 0x80 ? 1 : u[i] < 0xe0 ? 2 : 3;
        uint32_t c = n == 1 ? u[i] : u[i] & (n == 2 ? 0x1f : 0x0f);
        char back[4];
        if (i + n > 3 || (u[i] >= 0x80 && u[i] < 0xc0) || u[i] >= 0xf0)
            return false;
        for (size_t k = 1; k < n; k++) {
            if ((u[i + k] & 0xc0) != 0x80)
                return false;
            c = c << 6 | (u[i + k] & 0x3f);
        }
        if ((c >= 0xd800 && c <= 0xdfff) || utf8_write(c, back) != n)
            return false;
        i += n;
    }
    return true;
}

static void all_three_bytes_are_judged_as_by_the_definition(void **state)
{
    (void)state;
    for (uint32_t n = 0; n < 1 << 24; n += 1 + (n % 7 == 0)) {
        unsigned char u[3] = {(unsigned char)(n >> 16), (unsigned char)(n >> 8), (unsigned char)n};
        if (utf8_valid(slice_make(u, 3)) != three_bytes_sound(u))
            fail_msg("%02x %02x %02x", u[0], u[1], u[2]);
    }
}

static void a_bad_byte_is_found_wherever_it_stands(void **state)
{
    (void)state;
    for (size_t size = 1; size < 40; size++)
        for (size_t at = 0; at < size; at++) {
            char text[40];
            memset(text, 'x', sizeof text);
            assert_true(utf8_valid(slice_make(text, size)));
            text[at] = (char)0x80;
            assert_false(utf8_valid(slice_make(text, size)));
        }
    assert_true(utf8_valid(slice_make(NULL, 0)));
}

static void a_buffer_keeps_all_that_is_added(void **state)
{
    struct buffer b = {0};

    (void)state;
    assert_non_null(buffer_room(&b, 0));
    buffer_add(&b, NULL, 0);
    buffer_add_slice(&b, slice_make(NULL, 0));
    assert_int_equal(b.size, 0);
    for (int i = 0; i < 5000; i++)
        buffer_add_text(&b, "abc");
    assert_int_equal(b.size, 15000);
    for (size_t i = 0; i < b.size; i++)
        assert_int_equal(b.at[i], "abc"[i % 3]);
    memset(buffer_room(&b, 100000), 'z', 100000);
    assert_int_equal(b.size, 15000);
    assert_true(b.room >= 115000);
    buffer_free(&b);
    assert_null(b.at);
}

static void every_refusal_code_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (int i = 1; i < REFUSAL_CODES; i++) {
        for (int other = 0; other < i; other++)
            assert_string_not_equal(refusal_name((enum refusal_code)i),
                                    refusal_name((enum refusal_code)other));
        assert_int_equal(refusal_can_retry((enum refusal_code)i),
                         i == REFUSAL_JOURNAL_FULL || i == REFUSAL_RATE_LIMIT);
    }
    assert_string_equal(refusal_name(REFUSAL_CODES), "unknown");
}

/* What is kept of a field's name. */
static const char *kept(struct slice field)
{
    static struct refusal r;

    assert_int_equal(refusal_set(&r, REFUSAL_MISSING, field, "%d", 1), ERR_REFUSED);
    return r.field;
}

static void a_refusal_is_printable_whatever_the_field_was(void **state)
{
    (void)state;
    assert_string_equal(kept(slice_of("closes")), "closes");
    assert_string_equal(kept(slice_make(NULL, 0)), "");
    assert_string_equal(kept(slice_make("a\0b\x1b[2J\x7f", 8)), "a?b?[2J?");
    assert_string_equal(kept(slice_of("c\xc3\xa9")), "c\xc3\xa9");
    assert_string_equal(kept(slice_of("c1 \xc2\x9b ls \xe2\x80\xa8.")), "c1 ? ls ?.");
    assert_string_equal(kept(slice_of("bad \xff\xc3\xa9")), "bad ???");
}

static void a_refusal_is_cut_at_a_whole_character(void **state)
{
    char field[80], reason[400];
    struct refusal r;

    (void)state;
    memset(field, 'x', sizeof field);
    assert_int_equal(strlen(kept(slice_make(field, 80))), REFUSAL_FIELD);
    memcpy(field + 62, "\xe2\x82\xac", 3); /* three bytes, of which two would fit */
    assert_int_equal(strlen(kept(slice_make(field, 80))), 62);
    memset(reason, 'y', sizeof reason - 1);
    reason[sizeof reason - 1] = '\0';
    refusal_set(&r, REFUSAL_MISSING, slice_of("f"), "%s", reason);
    assert_int_equal(strlen(r.reason), REFUSAL_REASON);
}

/* ---- memory ---- */
#define PIECE_BYTES 65536
#define PIECES      400

static void *round_of_memory(void *arg)
{
    static char *pieces[PIECES];

    for (int i = 0; i < PIECES; i++) {
        pieces[i] = memory_need(PIECE_BYTES);
        memset(pieces[i], i, PIECE_BYTES);
    }
    for (int i = PIECES - 1; i >= 0; i--)
        free(pieces[i]);
    return arg;
}

static long page_faults(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return u.ru_minflt;
}

static void assert_kept(void)
{
    long before = page_faults();
    pthread_t thread;

    round_of_memory(NULL);
    assert_int_equal(pthread_create(&thread, NULL, round_of_memory, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(page_faults() - before < PIECES); /* of 16 pages each */
}

static void what_a_round_frees_is_kept_for_the_next_whichever_thread_asks(void **state)
{
    (void)state;
    memory_keep();
    round_of_memory(NULL);
    if (mallinfo2().arena == 0)
        skip(); /* malloc is another one: a sanitizer's, valgrind's */
    assert_kept();
}

#define TOUCHED_BYTES ((size_t)40 << 20) /* what a worker asks for */

static void what_was_touched_is_there_when_it_is_used(void **state)
{
    char *piece;
    long before;

    (void)state;
    memory_keep();
    if (mallinfo2().arena == 0 || madvise(NULL, 0, MADV_POPULATE_WRITE) < 0)
        skip();
    memory_trim();
    memory_touch(TOUCHED_BYTES);
    piece = memory_need(TOUCHED_BYTES); /* the same place */
    assert_true(piece < (char *)sbrk(0));
    before = page_faults();
    memset(piece, 1, TOUCHED_BYTES);
    assert_in_range(page_faults() - before, 0, 4);
    free(piece);
}

static void what_is_trimmed_goes_back_and_the_heap_begins_anew(void **state)
{
    uint64_t before;

    (void)state;
    round_of_memory(NULL);
    if (mallinfo2().arena == 0)
        skip();
    before = process_bytes(getpid());
    memory_trim();
    assert_true(process_bytes(getpid()) + PIECES * PIECE_BYTES / 2 < before);
    round_of_memory(NULL);
    assert_kept();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices_are_ordered_by_bytes_and_then_by_length),
        cmocka_unit_test(an_integer_is_read_back_as_it_was_written),
        cmocka_unit_test(what_is_not_exactly_an_integer_is_refused),
        cmocka_unit_test(a_slice_is_cut_at_the_first_end),
        cmocka_unit_test(a_slice_begins_and_ends_with_what_it_is_made_of),
        cmocka_unit_test(a_beginning_or_an_end_is_cut_off_only_where_it_stands),
        cmocka_unit_test(every_code_point_is_valid_but_surrogates),
        cmocka_unit_test(all_three_bytes_are_judged_as_by_the_definition),
        cmocka_unit_test(a_bad_byte_is_found_wherever_it_stands),
        cmocka_unit_test(a_buffer_keeps_all_that_is_added),
        cmocka_unit_test(every_refusal_code_has_a_name_of_its_own),
        cmocka_unit_test(a_refusal_is_printable_whatever_the_field_was),
        cmocka_unit_test(a_refusal_is_cut_at_a_whole_character),
        cmocka_unit_test(what_a_round_frees_is_kept_for_the_next_whichever_thread_asks),
        cmocka_unit_test(what_was_touched_is_there_when_it_is_used),
        cmocka_unit_test(what_is_trimmed_goes_back_and_the_heap_begins_anew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
