/* msgpack: the writers, the bounded check, and the reader of small arrays. */
#include "proto/pack.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <setjmp.h>

#include <cmocka.h>

#include "proto/error.h"
#include "tests/world.h"

/* The code with which pack_check refuses the bytes, REFUSAL_NONE if it accepts all of them.  The
 * bytes are copied to a piece of memory of just their size. */
static enum refusal_code judged(const void *bytes, size_t size)
{
    struct refusal why = {0};
    size_t found = 0;
    char *exact = memory_need(size);

    if (size)
        memcpy(exact, bytes, size);
    int r = pack_check(slice_make(exact, size), &found, &why);
    free(exact);
    if (r == 0) {
        assert_int_equal(found, size);
        return REFUSAL_NONE;
    }
    assert_int_equal(r, ERR_REFUSED);
    assert_true(why.code == REFUSAL_MALFORMED || why.code == REFUSAL_BAD_UTF8);
    assert_string_not_equal(why.reason, "");
    return why.code;
}

#define JUDGED(text) judged(text, sizeof(text) - 1)

static void small_values_have_their_known_bytes(void **state)
{
    static const char golden[] = "\x9d" /* an array of 13 */
                                 "\x00\x7f\xcc\x80\xcd\x01\x00\xff\xd0\xdf\xd1\xff\x7f"
                                 "\xc0\xc2\xc3"
                                 "\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00"
                                 "\xa2hi\xc4\x02\x00\xff";
    struct buffer b = {0};

    (void)state;
    pack_array(&b, 13);
    pack_int(&b, 0);
    pack_uint(&b, 127);
    pack_int(&b, 128);
    pack_uint(&b, 256);
    pack_int(&b, -1);
    pack_int(&b, -33);
    pack_int(&b, -129);
    pack_nil(&b);
    pack_bool(&b, false);
    pack_bool(&b, true);
    pack_double(&b, 1.5);
    pack_text(&b, "hi");
    pack_bin(&b, slice_make("\0\xff", 2));
    assert_int_equal(b.size, sizeof golden - 1);
    assert_memory_equal(b.at, golden, b.size);
    buffer_clear(&b);
    pack_map(&b, 1);
    pack_str(&b, slice_make(NULL, 0));
    pack_array(&b, 70000);
    assert_memory_equal(b.at, "\x81\xa0\xdd\x00\x01\x11\x70", 7);
    buffer_free(&b);
}

static void integers_are_read_back_over_their_whole_range(void **state)
{
    struct random r = random_new(random_seed("integers_are_read_back"));
    struct buffer b = {0};
    struct pack_reader reader;

    (void)state;
    for (int i = 0; i < 50000; i++) {
        uint64_t bits = random_next(&r) >> random_below(&r, 64);
        int64_t number = random_below(&r, 2) ? (int64_t)bits : (int64_t)~bits;
        buffer_clear(&b);
        pack_array(&b, 2);
        pack_int(&b, number);
        pack_uint(&b, bits);
        assert_int_equal(pack_read(buffer_slice(&b), &reader), 0);
        assert_int_equal(pack_read_array(&reader), 2);
        assert_true(pack_read_int(&reader) == number);
        assert_true(pack_read_uint(&reader) == bits);
        assert_false(reader.failed);
        assert_int_equal(reader.rest.size, 0);
    }
    buffer_free(&b);
}

static void strings_of_every_size_are_read_back(void **state)
{
    static const size_t sizes[] = {0, 1, 31, 32, 255, 256, 65535, 65536, 100000};
    char *text = malloc(100000);
    struct buffer b = {0};
    struct pack_reader reader;

    (void)state;
    memset(text, 'x', 100000);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        buffer_clear(&b);
        pack_array(&b, 3);
        pack_str(&b, slice_make(text, sizes[i]));
        pack_bin(&b, slice_make(text, sizes[i]));
        pack_bool(&b, true);
        assert_int_equal(pack_read(buffer_slice(&b), &reader), 0);
        assert_int_equal(pack_read_array(&reader), 3);
        assert_true(slice_equal(pack_read_str(&reader), slice_make(text, sizes[i])));
        pack_skip(&reader); /* what it leaves begins right behind the bytes */
        assert_memory_equal(reader.rest.at - sizes[i], text, sizes[i]);
        assert_true(pack_read_bool(&reader));
        assert_false(reader.failed);
    }
    buffer_free(&b);
    free(text);
}

/* Appends any value at all, containers at most `depth` deep. */
static void pack_anything(struct buffer *b, struct random *r, unsigned depth)
{
    static const char *const text[] = {"", "a", "caf\xc3\xa9",
                                       "0123456789012345678901234567890123"};
    uint32_t items = (uint32_t)random_below(r, random_percent(r, 3) ? 40 : 4);

    switch (random_below(r, depth ? 9 : 7)) {
    case 0:
        pack_int(b, (int64_t)random_next(r) >> random_below(r, 64));
        break;
    case 1:
        pack_uint(b, random_next(r) >> random_below(r, 64));
        break;
    case 2:
        pack_bool(b, random_below(r, 2));
        break;
    case 3:
        pack_nil(b);
        break;
    case 4:
        pack_double(b, (double)random_next(r) / 3);
        break;
    case 5:
        pack_text(b, text[random_below(r, 4)]);
        break;
    case 6:
        pack_bin(b, slice_make("\xff\xfe\x00", random_below(r, 4)));
        break;
    case 7:
        pack_array(b, items);
        while (items-- > 0)
            pack_anything(b, r, depth - 1);
        break;
    case 8:
        pack_map(b, items);
        for (items *= 2; items > 0; items--)
            pack_anything(b, r, depth - 1);
        break;
    }
}

static void whatever_the_writers_make_passes_the_check(void **state)
{
    struct random r = random_new(random_seed("whatever_the_writers_make"));
    struct buffer b = {0};
    struct pack_reader reader;

    (void)state;
    for (int i = 0; i < 20000; i++) {
        buffer_clear(&b);
        pack_anything(&b, &r, PACK_DEPTH);
        assert_int_equal(judged(b.at, b.size), REFUSAL_NONE);
        assert_int_equal(pack_read(buffer_slice(&b), &reader), 0);
        pack_skip(&reader);
        assert_false(reader.failed);
        assert_int_equal(reader.rest.size, 0);
        for (size_t size = 0; size < b.size && size < 60; size++)
            assert_int_not_equal(judged(b.at, size), REFUSAL_NONE);
    }
    buffer_free(&b);
}

static void foreign_forms_pass_the_check_too(void **state)
{
    (void)state;
    assert_int_equal(JUDGED("\xca\x3f\x80\x00\x00"), REFUSAL_NONE); /* float 32 */
    assert_int_equal(JUDGED("\xd4\x01x"), REFUSAL_NONE);            /* fixext 1 */
    assert_int_equal(JUDGED("\xd8\x01"
                            "0123456789abcdef"),
                     REFUSAL_NONE);                                      /* fixext 16 */
    assert_int_equal(JUDGED("\xc7\x00\x01"), REFUSAL_NONE);              /* ext 8, empty */
    assert_int_equal(JUDGED("\xc8\x00\x02\x01xy"), REFUSAL_NONE);        /* ext 16 */
    assert_int_equal(JUDGED("\xc9\x00\x00\x00\x01\x01x"), REFUSAL_NONE); /* ext 32 */
    assert_int_equal(JUDGED("\xdb\x00\x00\x00\x01x"), REFUSAL_NONE);     /* str 32, not smallest */
    assert_int_equal(JUDGED("\xdf\x00\x00\x00\x01\x01\x02"), REFUSAL_NONE); /* map 32 */
    assert_int_equal(JUDGED("\xde\x00\x00"), REFUSAL_NONE);                 /* map 16, empty */
}

static void claims_beyond_the_bytes_are_refused_at_once(void **state)
{
    (void)state;
    assert_int_equal(JUDGED(""), REFUSAL_MALFORMED);
    assert_int_equal(JUDGED("\xc1"), REFUSAL_MALFORMED);
    assert_int_equal(JUDGED("\xdd\xff\xff\xff\xff"), REFUSAL_MALFORMED);
    assert_int_equal(JUDGED("\xdf\xff\xff\xff\xff"), REFUSAL_MALFORMED);
    assert_int_equal(JUDGED("\xdc\xff\xff\x01\x02"), REFUSAL_MALFORMED);
    assert_int_equal(JUDGED("\xdb\xff\xff\xff\xff"), REFUSAL_MALFORMED);
    assert_int_equal(JUDGED("\xc6\xff\xff\xff\xffxx"), REFUSAL_MALFORMED);
    assert_int_equal(JUDGED("\xc9\xff\xff\xff\xff\x01"), REFUSAL_MALFORMED);
    assert_int_equal(JUDGED("\x82\x01\x02\x03"), REFUSAL_MALFORMED); /* half a pair is missing */
    assert_int_equal(JUDGED("\xc7\x00"), REFUSAL_MALFORMED);         /* an ext without its type */
    assert_int_equal(JUDGED("\x91\xa2"
                            "a"),
                     REFUSAL_MALFORMED);
}

static void text_that_is_not_utf8_is_refused_but_other_bytes_are_not(void **state)
{
    (void)state;
    assert_int_equal(JUDGED("\xa1\xff"), REFUSAL_BAD_UTF8);
    assert_int_equal(JUDGED("\x81\xa1\xc3\xc0"), REFUSAL_BAD_UTF8);
    assert_int_equal(JUDGED("\xa2\xc0\x80"), REFUSAL_BAD_UTF8);
    assert_int_equal(JUDGED("\xa3\xed\xa0\x80"), REFUSAL_BAD_UTF8);
    assert_int_equal(JUDGED("\xc4\x01\xff"), REFUSAL_NONE);
    assert_int_equal(JUDGED("\xd4\x01\xff"), REFUSAL_NONE);
}

static void containers_may_nest_four_deep_and_no_deeper(void **state)
{
    (void)state;
    assert_int_equal(PACK_DEPTH, 4);
    assert_int_equal(JUDGED("\x91\x91\x91\x91\x01"), REFUSAL_NONE);
    assert_int_equal(JUDGED("\x91\x91\x91\x90"), REFUSAL_NONE);
    assert_int_equal(JUDGED("\x91\x91\x91\x91\x90"), REFUSAL_MALFORMED);
    assert_int_equal(JUDGED("\x91\x91\x91\x91\x91\x01"), REFUSAL_MALFORMED);
    assert_int_equal(JUDGED("\x92\x91\x91\x91\x01\x91\x91\x91\x01"), REFUSAL_NONE);
}

static void the_check_tells_where_the_first_value_ends(void **state)
{
    struct refusal why;
    size_t size = 0;

    (void)state;
    assert_int_equal(pack_check(slice_of("\x91\x01\xc1garbage"), &size, &why), 0);
    assert_int_equal(size, 2);
    assert_int_equal(pack_check(slice_of("\x90\x90"), &size, &why), 0);
    assert_int_equal(size, 1);
}

static void a_reader_takes_exactly_one_value(void **state)
{
    struct pack_reader reader;

    (void)state;
    assert_int_equal(pack_read(slice_of("\x91\x01\x02"), &reader), ERR_PROTOCOL);
    assert_int_equal(pack_read(slice_of("\x92\x01"), &reader), ERR_PROTOCOL);
    assert_int_equal(pack_read(slice_of(""), &reader), ERR_PROTOCOL);
    assert_int_equal(pack_read(slice_of("\x91\xa1\xff"), &reader), ERR_PROTOCOL);
}

static void a_reader_that_failed_gives_nothing_more(void **state)
{
    struct pack_reader reader;

    (void)state;
    assert_int_equal(pack_read(slice_of("\x93\xa1x\x05\xc3"), &reader), 0);
    assert_int_equal(pack_read_array(&reader), 3);
    assert_int_equal(pack_read_int(&reader), 0); /* it is a string */
    assert_true(reader.failed);
    assert_int_equal(pack_read_str(&reader).size, 0);
    assert_int_equal(pack_read_uint(&reader), 0);
    assert_false(pack_read_bool(&reader));
    assert_int_equal(pack_read_array(&reader), 0);
    pack_skip(&reader);
    assert_true(reader.failed);
}

/* Reads the one value of `bytes` by `kind`; true if the reader took it. */
static bool reads_as(const char *bytes, size_t size, char kind)
{
    struct pack_reader r;

    assert_int_equal(pack_read(slice_make(bytes, size), &r), 0);
    switch (kind) {
    case 'a':
        pack_read_array(&r);
        break;
    case 'i':
        pack_read_int(&r);
        break;
    case 'u':
        pack_read_uint(&r);
        break;
    case 't':
        pack_read_bool(&r);
        break;
    case 's':
        pack_read_str(&r);
        break;
    }
    return !r.failed;
}

static void a_reader_takes_a_value_only_as_what_it_is(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *as;
    } value[] = {
        {"\x90", 1, "a"},
        {"\x05", 1, "iu"},
        {"\xd0\x05", 2, "iu"}, /* a positive number in a signed form */
        {"\xff", 1, "i"},
        {"\xcf\xff\xff\xff\xff\xff\xff\xff\xff", 9, "u"}, /* 2^64-1 */
        {"\xd3\x80\0\0\0\0\0\0\0", 9, "i"},               /* -2^63 */
        {"\xc3", 1, "t"},
        {"\xa1x", 2, "s"},
        {"\xc4\x01x", 3, ""},
        {"\xc0", 1, ""},
        {"\x80", 1, ""},
        {"\xcb\0\0\0\0\0\0\0\0", 9, ""},
        {"\xd4\x01x", 3, ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof value / sizeof *value; i++)
        for (const char *kind = "aiuts"; *kind; kind++)
            if (reads_as(value[i].bytes, value[i].size, *kind) !=
                (strchr(value[i].as, *kind) != NULL))
                fail_msg("value %zu as '%c'", i, *kind);
}

static void reading_past_the_end_fails(void **state)
{
    struct pack_reader reader;

    (void)state;
    assert_int_equal(pack_read(slice_of("\x91\x01"), &reader), 0);
    pack_read_array(&reader);
    assert_int_equal(pack_read_int(&reader), 1);
    assert_false(reader.failed);
    pack_skip(&reader);
    assert_true(reader.failed);
}

static void checked_objects_are_passed_over_by_their_lengths(void **state)
{
    struct buffer b = {0};
    struct slice rest;
    size_t ends[4];

    (void)state;
    pack_map(&b, 2);
    pack_text(&b, "type");
    pack_text(&b, "vote");
    pack_text(&b, "list");
    pack_array(&b, 3);
    pack_int(&b, -1);
    pack_bin(&b, slice_make("\0\1\2", 3));
    pack_nil(&b);
    ends[0] = b.size;
    pack_double(&b, 2.5);
    ends[1] = b.size;
    buffer_add(&b,
               "\xd6\x05"
               "four",
               6); /* an extension */
    ends[2] = b.size;
    for (unsigned i = 0; i < 70000; i++)
        buffer_add(&b, i ? "x" : "\xdb\0\1\x11\x6f", i ? 1 : 5); /* a long text */
    ends[3] = b.size;
    for (unsigned count = 0; count <= 4; count++) {
        rest = buffer_slice(&b);
        assert_true(pack_pass_over(&rest, count));
        assert_int_equal(rest.size, b.size - (count ? ends[count - 1] : 0));
    }
    rest = buffer_slice(&b);
    assert_false(pack_pass_over(&rest, 5));
    assert_int_equal(rest.size, b.size); /* as it was */
    for (size_t cut = 0; cut < ends[2]; cut++) {
        rest = slice_make(b.at, cut);
        assert_false(pack_pass_over(&rest, 3));
    }
    rest = slice_make(b.at, b.size - 1);
    assert_false(pack_pass_over(&rest, 4));
    buffer_free(&b);
}

static void random_bytes_never_lead_beyond_themselves(void **state)
{
    struct random r = random_new(random_seed("random_bytes_never_lead"));
    char bytes[64];

    (void)state;
    for (int i = 0; i < 200000; i++) {
        size_t size = random_below(&r, sizeof bytes), found;
        struct refusal why;
        for (size_t k = 0; k < size; k++)
            bytes[k] = (char)random_next(&r);
        char *exact = memory_need(size);
        memcpy(exact, bytes, size);
        if (pack_check(slice_make(exact, size), &found, &why) == 0)
            assert_in_range(found, 1, size);
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_values_have_their_known_bytes),
        cmocka_unit_test(integers_are_read_back_over_their_whole_range),
        cmocka_unit_test(strings_of_every_size_are_read_back),
        cmocka_unit_test(whatever_the_writers_make_passes_the_check),
        cmocka_unit_test(foreign_forms_pass_the_check_too),
        cmocka_unit_test(claims_beyond_the_bytes_are_refused_at_once),
        cmocka_unit_test(text_that_is_not_utf8_is_refused_but_other_bytes_are_not),
        cmocka_unit_test(containers_may_nest_four_deep_and_no_deeper),
        cmocka_unit_test(the_check_tells_where_the_first_value_ends),
        cmocka_unit_test(a_reader_takes_exactly_one_value),
        cmocka_unit_test(a_reader_that_failed_gives_nothing_more),
        cmocka_unit_test(a_reader_takes_a_value_only_as_what_it_is),
        cmocka_unit_test(reading_past_the_end_fails),
        cmocka_unit_test(checked_objects_are_passed_over_by_their_lengths),
        cmocka_unit_test(random_bytes_never_lead_beyond_themselves),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
