/* JSON Lines to events. */
#include "proto/json.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <setjmp.h>

#include <cmocka.h>

#include "proto/error.h"
#include "proto/pack.h"
#include "tests/random.h"
#include "tests/world.h"

static struct buffer out;

/* Compares what the line becomes with what `out` is expected to hold behind "kept". */
static void becomes(const char *line, size_t size, const struct buffer *expected)
{
    struct refusal why = {0};

    buffer_clear(&out);
    buffer_add_text(&out, "kept");
    if (json_to_event(slice_make(line, size), &out, &why) < 0)
        fail_msg("%s: %s [%s] %s", line, refusal_name(why.code), why.field, why.reason);
    assert_int_equal(out.size, 4 + expected->size);
    assert_memory_equal(out.at, "kept", 4);
    assert_memory_equal(out.at + 4, expected->at, expected->size);
}

#define BECOMES(line, bytes)                                                                       \
    becomes(line, sizeof(line) - 1,                                                                \
            &(struct buffer){.at = (char *)(uintptr_t)(bytes), .size = sizeof(bytes) - 1})

static void values_are_encoded_in_their_smallest_form(void **state)
{
    (void)state;
    BECOMES("{}", "\x80");
    BECOMES(" { } \t\r", "\x80");
    BECOMES("{\"a\":1}", "\x81\xa1"
                         "a\x01");
    BECOMES("{\"a\":-1}", "\x81\xa1"
                          "a\xff");
    BECOMES("{\"a\":128}", "\x81\xa1"
                           "a\xcc\x80");
    BECOMES("{\"a\":true,\"b\":false,\"c\":null}", "\x83\xa1"
                                                   "a\xc3\xa1"
                                                   "b\xc2\xa1"
                                                   "c\xc0");
    BECOMES("{\"a\":\"caf\\u00e9\"}", "\x81\xa1"
                                      "a\xa5"
                                      "caf\xc3\xa9");
    BECOMES("{\"a\":[1,[],{}]}", "\x81\xa1"
                                 "a\x93\x01\x90\x80");
    BECOMES("{\"a\":1.5}", "\x81\xa1"
                           "a\xcb\x3f\xf8\0\0\0\0\0\0");
    BECOMES("{\"a\":1e0}", "\x81\xa1"
                           "a\xcb\x3f\xf0\0\0\0\0\0\0");
    BECOMES("{\"a\":\"x\\u0000y\"}", "\x81\xa1"
                                     "a\xa3x\0y");
    BECOMES("{\"\":0}", "\x81\xa0\x00");
}

static void integers_reach_as_far_as_64_bits(void **state)
{
    (void)state;
    BECOMES("{\"a\":9223372036854775807}", "\x81\xa1"
                                           "a\xcf\x7f\xff\xff\xff\xff\xff\xff\xff");
    BECOMES("{\"a\":-9223372036854775808}", "\x81\xa1"
                                            "a\xd3\x80\0\0\0\0\0\0\0");
}

static void keys_keep_their_order(void **state)
{
    struct buffer line = {0}, expected = {0};

    (void)state;
    buffer_add_text(&line, "{");
    pack_map(&expected, 100);
    for (int i = 0; i < 100; i++) {
        char pair[32], key[8];
        snprintf(key, sizeof key, "k%d", i * 37 % 100);
        snprintf(pair, sizeof pair, "%s\"%s\":%d", i ? "," : "", key, i);
        buffer_add_text(&line, pair);
        pack_text(&expected, key);
        pack_int(&expected, i);
    }
    buffer_add_text(&line, "}");
    becomes(line.at, line.size, &expected);
    buffer_free(&line);
    buffer_free(&expected);
}

static struct refusal refused(const char *line, size_t size)
{
    struct refusal why = {0};
    char *exact = memory_need(size); /* so that a read beyond it is seen by the sanitizers */

    memcpy(exact, line, size);
    buffer_clear(&out);
    buffer_add_text(&out, "kept");
    int r = json_to_event(slice_make(exact, size), &out, &why);
    free(exact);
    assert_int_equal(r, ERR_REFUSED);
    assert_string_not_equal(why.reason, "");
    assert_int_equal(out.size, 4); /* nothing of it is left behind */
    assert_memory_equal(out.at, "kept", 4);
    return why;
}

static void a_refused_line_has_a_code_and_the_key_if_there_is_one(void **state)
{
    static const struct {
        const char *line;
        enum refusal_code code;
        const char *field;
    } rows[] = {
        {"", REFUSAL_BAD_JSON, ""},
        {"  ", REFUSAL_BAD_JSON, ""},
        {"null", REFUSAL_BAD_JSON, ""},
        {"1", REFUSAL_BAD_JSON, ""},
        {"[]", REFUSAL_BAD_JSON, ""},
        {"[{}]", REFUSAL_BAD_JSON, ""},
        {"{", REFUSAL_BAD_JSON, ""},
        {"{\"a\":}", REFUSAL_BAD_JSON, ""},
        {"{\"a\":1,}", REFUSAL_BAD_JSON, ""},
        {"{a:1}", REFUSAL_BAD_JSON, ""},
        {"{\"a\":01}", REFUSAL_BAD_JSON, ""},
        {"{\"a\":NaN}", REFUSAL_BAD_JSON, ""},
        {"{\"a\":1} {\"b\":2}", REFUSAL_BAD_JSON, ""},
        {"{\"a\":1}x", REFUSAL_BAD_JSON, ""},
        {"{\"a\":\"\\ud800\"}", REFUSAL_BAD_JSON, ""},
        {"{\"a\":\"\t\"}", REFUSAL_BAD_JSON, ""},
        {"{\"a\\u0000\":1}", REFUSAL_BAD_JSON, ""},
        {"{\"a\":\"\xff\"}", REFUSAL_BAD_UTF8, ""},
        {"{\"\xc3\":1}", REFUSAL_BAD_UTF8, ""},
        {"{\"a\":1,\"a\":1}", REFUSAL_DUPLICATE_KEY, "a"},
        {"{\"closes\":1,\"b\":2,\"closes\" :3}", REFUSAL_DUPLICATE_KEY, "closes"},
        {"{\"the name of a key can be long\":1,\"the name of a key can be long\":2}",
         REFUSAL_DUPLICATE_KEY, "the name of a key can be long"},
        {"{\"a\\\"b\":1,\"a\\\"b\":1}", REFUSAL_DUPLICATE_KEY, "a\\\"b"},
        {"{\"x\":{\"y\":1,\"y\":1}}", REFUSAL_DUPLICATE_KEY, "y"},
        {"{\"rev\":9223372036854775808}", REFUSAL_OUT_OF_RANGE, "rev"},
        {"{\"rev\" : -9223372036854775809 , \"b\":1}", REFUSAL_OUT_OF_RANGE, "rev"},
        {"{\"a\":1,\"comments\":1e400}", REFUSAL_OUT_OF_RANGE, "comments"},
        {"{\"sdgs\":[1,99999999999999999999]}", REFUSAL_OUT_OF_RANGE, "sdgs"},
        {"{\"sdgs\" : [ 99999999999999999999 ]}", REFUSAL_OUT_OF_RANGE, "sdgs"},
        {"{\"sdgs\":[\"a\",99999999999999999999]}", REFUSAL_OUT_OF_RANGE, ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct refusal why = refused(rows[i].line, strlen(rows[i].line));
        if (why.code != rows[i].code || strcmp(why.field, rows[i].field) != 0)
            fail_msg("%s: %s [%s] %s", rows[i].line, refusal_name(why.code), why.field, why.reason);
    }
}

static void a_line_with_a_nul_byte_is_refused(void **state)
{
    (void)state;
    assert_int_equal(refused("{\"a\":1}\0", 8).code, REFUSAL_BAD_JSON);
    assert_int_equal(refused("\0{\"a\":1}", 8).code, REFUSAL_BAD_JSON);
    assert_int_equal(refused("{\"a\":\"\0\"}", 9).code, REFUSAL_BAD_JSON);
}

static void bad_json_is_told_with_its_column(void **state)
{
    struct refusal why = refused("{\"type\":vote}", 13);

    (void)state;
    assert_non_null(strstr(why.reason, "column 12"));
}

static void values_nest_as_deep_as_msgpack_is_allowed_to(void **state)
{
    struct refusal why;
    size_t size;

    (void)state;
    BECOMES("{\"a\":[[[1]]]}", "\x81\xa1"
                               "a\x91\x91\x91\x01");
    assert_int_equal(pack_check(slice_make(out.at + 4, out.size - 4), &size, &why), 0);
    why = refused("{\"a\":[[[[]]]]}", 14);
    assert_int_equal(why.code, REFUSAL_BAD_JSON);
    assert_non_null(strstr(why.reason, "4 deep"));
}

static void a_line_of_brackets_alone_ends_with_a_refusal(void **state)
{
    char line[60000];

    (void)state;
    memset(line, '[', sizeof line);
    assert_int_equal(refused(line, sizeof line).code, REFUSAL_BAD_JSON);
}

static void a_line_may_be_64_kib_and_no_longer(void **state)
{
    char *line = malloc(JSON_MAX_LINE + 1);
    struct refusal why;

    (void)state;
    memset(line, ' ', JSON_MAX_LINE + 1);
    memcpy(line, "{}", 2);
    buffer_clear(&out);
    assert_int_equal(json_to_event(slice_make(line, JSON_MAX_LINE), &out, &why), 0);
    assert_int_equal(refused(line, JSON_MAX_LINE + 1).code, REFUSAL_TOO_LARGE);
    free(line);
}

static void a_line_cut_anywhere_is_refused(void **state)
{
    static const char whole[] =
        "{\"type\":\"vote\",\"rev\":12,\"x\":[1,{\"y\":null}],\"z\":-1.5e3}";

    (void)state;
    for (size_t size = 0; size < sizeof whole - 1; size++)
        refused(whole, size);
    buffer_clear(&out);
}

static void damaged_lines_never_do_more_than_be_refused(void **state)
{
    static const char whole[] =
        "{\"type\":\"vote\",\"rev\":12,\"x\":[1,{\"\\u00e9\":null}],\"z\":-1e3}";
    struct random r = random_new(random_seed("damaged_lines"));

    (void)state;
    for (int i = 0; i < 50000; i++) {
        char *line = memory_need(sizeof whole - 1);
        struct refusal why;
        size_t size;
        memcpy(line, whole, sizeof whole - 1);
        for (uint64_t flips = 1 + random_below(&r, 3); flips > 0; flips--)
            line[random_below(&r, sizeof whole - 1)] = (char)random_next(&r);
        buffer_clear(&out);
        if (json_to_event(slice_make(line, sizeof whole - 1), &out, &why) == 0) {
            assert_int_equal(pack_check(buffer_slice(&out), &size, &why), 0);
            assert_int_equal(size, out.size);
        }
        free(line);
    }
}

static int out_free(void **state)
{
    (void)state;
    buffer_free(&out);
    return 0;
}

/* ---- and back ---- */

static void reads(const char *bytes, size_t size, const char *expected)
{
    buffer_clear(&out);
    buffer_add_text(&out, "kept");
    if (expected) {
        assert_int_equal(json_from_event(slice_make(bytes, size), &out), 0);
        buffer_add(&out, "", 1);
        assert_string_equal(out.at + 4, expected);
    } else {
        assert_int_equal(json_from_event(slice_make(bytes, size), &out), ERR_REFUSED);
        assert_int_equal(out.size, 4);
    }
}

#define READS(bytes, expected) reads(bytes, sizeof(bytes) - 1, expected)

static void an_event_is_written_as_json_with_all_it_has(void **state)
{
    (void)state;
    READS("\x80", "{}");
    READS("\x82\xa1"
          "a\x01\xa1"
          "a\xff",
          "{\"a\":1,\"a\":-1}"); /* a key given twice is what is to be seen */
    READS("\x94\xc0\xc2\xc3\xa0", "[null,false,true,\"\"]");
    READS("\x92\xcf\xff\xff\xff\xff\xff\xff\xff\xff\xd3\x80\0\0\0\0\0\0\0",
          "[18446744073709551615,-9223372036854775808]");
    READS("\x94\xca\x3f\xc0\0\0\xcb\x3f\xf0\0\0\0\0\0\0\xcb\0\0\0\0\0\0\0\1\xca\0\0\0\0",
          "[1.5,1.0,4.9406564584124654e-324,0.0]");
    READS("\xac\"\\\n\0\x7f\xc2\x80\xe2\x80\xa8\xc3\xa9",
          "\"\\\"\\\\\\u000a\\u0000\\u007f\\u0080\\u2028\xc3\xa9\"");
}

static void what_json_cannot_say_is_refused(void **state)
{
    (void)state;
    READS("", NULL);
    READS("\xc1", NULL);
    READS("\x80\x80", NULL);
    READS("\xa1\xff", NULL);
    READS("\x81\x01\x01", NULL);
    READS("\x81\xa1"
          "a\xc4\x01x",
          NULL);
    READS("\x91\xd4\x01x", NULL);
    READS("\x91\xcb\x7f\xf8\0\0\0\0\0\0", NULL);
    READS("\xca\x7f\x80\0\0", NULL);
    READS("\x91\x91\x91\x91\x91\x90", NULL);
}

/* What a random world's events say in JSON is, read again, the same events. */
static void there_and_back_again_nothing_is_lost(void **state)
{
    struct buffer events = {0}, text = {0}, again = {0};
    struct refusal why;
    struct slice *each;
    size_t count;

    (void)state;
    world_events(random_seed("test_json"), 2000, &events);
    count = world_split(buffer_slice(&events), &each);
    for (size_t i = 0; i < count; i++) {
        buffer_clear(&text);
        buffer_clear(&again);
        assert_int_equal(json_from_event(each[i], &text), 0);
        assert_int_equal(json_to_event(buffer_slice(&text), &again, &why), 0);
        assert_true(slice_equal(buffer_slice(&again), each[i]));
    }
    free(each);
    buffer_free(&events);
    buffer_free(&text);
    buffer_free(&again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_encoded_in_their_smallest_form),
        cmocka_unit_test(integers_reach_as_far_as_64_bits),
        cmocka_unit_test(keys_keep_their_order),
        cmocka_unit_test(a_refused_line_has_a_code_and_the_key_if_there_is_one),
        cmocka_unit_test(a_line_with_a_nul_byte_is_refused),
        cmocka_unit_test(bad_json_is_told_with_its_column),
        cmocka_unit_test(values_nest_as_deep_as_msgpack_is_allowed_to),
        cmocka_unit_test(a_line_of_brackets_alone_ends_with_a_refusal),
        cmocka_unit_test(a_line_may_be_64_kib_and_no_longer),
        cmocka_unit_test(a_line_cut_anywhere_is_refused),
        cmocka_unit_test(damaged_lines_never_do_more_than_be_refused),
        cmocka_unit_test(an_event_is_written_as_json_with_all_it_has),
        cmocka_unit_test(what_json_cannot_say_is_refused),
        cmocka_unit_test(there_and_back_again_nothing_is_lost),
    };

    return cmocka_run_group_tests(tests, NULL, out_free);
}
