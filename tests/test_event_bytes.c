/* Events as bytes: their size, one behind the other, the partition they belong to; and damaged
 * bytes, which never do more than be refused. */
#include "proto/event.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <setjmp.h>

#include <cmocka.h>

#include "proto/error.h"
#include "tests/decoded.h"
#include "tests/world.h"

/* A vote with an unknown key whose value fills it up to `size` bytes. */
static void compose_sized(size_t size)
{
    size_t filler = size - 300;

    for (;;) {
        char value[16];
        snprintf(value, sizeof value, "*%zu", filler);
        buffer_clear(&bytes);
        compose_event(EVENT_VOTE, (struct change[CHANGES]){{"filler", value}}, &bytes);
        if (bytes.size == size)
            return;
        filler += size - bytes.size;
    }
}

static void an_event_may_have_8192_bytes_and_no_more(void **state)
{
    struct slice rest;
    struct event e;
    struct refusal why;

    (void)state;
    compose_sized(EVENT_MAX_BYTES);
    assert_int_equal(decoded().type, EVENT_VOTE);
    compose_sized(EVENT_MAX_BYTES + 1);
    rest = buffer_slice(&bytes);
    assert_int_equal(event_decode(decoder, rest, COMPOSE_NOW_MS, &e, &why), ERR_REFUSED);
    assert_int_equal(why.code, REFUSAL_TOO_LARGE);
    why.code = REFUSAL_NONE;
    assert_int_equal(event_next(decoder, &rest, COMPOSE_NOW_MS, &e, &why), ERR_REFUSED);
    assert_int_equal(why.code, REFUSAL_TOO_LARGE);
    assert_int_equal(rest.size, bytes.size);
}

/* ---- sequences and partitions ---- */

static void consecutive_events_are_taken_one_by_one(void **state)
{
    struct slice rest;
    struct event e[EVENT_TYPES];
    struct refusal why;

    (void)state;
    buffer_clear(&bytes);
    for (unsigned type = 0; type < EVENT_TYPES; type++)
        compose_event((enum event_type)type, NULL, &bytes);
    rest = buffer_slice(&bytes);
    for (unsigned type = 0; type < EVENT_TYPES; type++) {
        assert_int_equal(event_next(decoder, &rest, COMPOSE_NOW_MS, &e[type], &why), 0);
        assert_ptr_equal(e[type].raw.at + e[type].raw.size, rest.at);
    }
    assert_int_equal(rest.size, 0);
    for (unsigned type = 0; type < EVENT_TYPES; type++) /* also the lists of the first ones live */
        has_common_keys(&e[type], (enum event_type)type);
    assert_true(slice_is(e[EVENT_ADOPTION].tokens[1], "climate"));
    assert_true(slice_is(e[EVENT_MEMBER].tokens[1], "ldc-2"));
    event_decoder_reset(decoder);
    assert_int_equal(event_next(decoder, &rest, COMPOSE_NOW_MS, &e[0], &why), ERR_REFUSED);
}

static void a_refused_event_does_not_move_the_rest(void **state)
{
    struct slice rest;
    struct event e;
    struct refusal why;

    (void)state;
    buffer_clear(&bytes);
    compose_event(EVENT_SEAT, (struct change[CHANGES]){{"role", "'Q'"}}, &bytes);
    compose_event(EVENT_SEAT, NULL, &bytes);
    rest = buffer_slice(&bytes);
    assert_int_equal(event_next(decoder, &rest, COMPOSE_NOW_MS, &e, &why), ERR_REFUSED);
    assert_ptr_equal(rest.at, bytes.at);
    assert_int_equal(rest.size, bytes.size);
}

static void the_partition_follows_the_committee_or_the_member(void **state)
{
    (void)state;
    for (unsigned type = 0; type < EVENT_TYPES; type++) {
        struct event e = full((enum event_type)type);
        bool by_member = type == EVENT_ADOPTION || type == EVENT_MEMBER;
        assert_true(slice_equal(event_partition_key(&e), by_member ? e.member : e.committee));
        assert_int_equal(event_partition(&e, 1), 0);
    }
}

static void partitions_are_what_journals_already_hold(void **state)
{
    static const struct {
        const char *committee;
        unsigned of8, of64;
    } golden[] = {
        {"'ISO/TC 207'", 0, 8},
        {"'54808'", 6, 46},
        {"'ISO/IEC JTC 1'", 3, 35},
        {"'\\u041f'", 4, 36},
    };

    (void)state;
    for (size_t i = 0; i < sizeof golden / sizeof *golden; i++) {
        struct event e = full_with(EVENT_VOTE, "committee", golden[i].committee);
        assert_int_equal(event_partition(&e, 8), golden[i].of8);
        assert_int_equal(event_partition(&e, 64), golden[i].of64);
    }
    struct event adoption = full(EVENT_ADOPTION); /* by its member, KE */
    assert_int_equal(event_partition(&adoption, 64), 4);
}

/* ---- damage ---- */

/* Decodes a copy of just the size, so that a step beyond it is seen by the sanitizers. */
static int decode_exact(struct slice raw)
{
    char *exact = memory_need(raw.size);
    struct refusal why = {0};
    struct event e;

    if (raw.size)
        memcpy(exact, raw.at, raw.size);
    int r = event_decode(decoder, slice_make(exact, raw.size), COMPOSE_NOW_MS, &e, &why);
    if (r < 0) {
        assert_int_equal(r, ERR_REFUSED);
        assert_in_range(why.code, REFUSAL_NONE + 1, REFUSAL_CODES - 1);
        assert_string_not_equal(why.reason, "");
    }
    free(exact);
    event_decoder_reset(decoder);
    return r;
}

static void an_event_cut_short_or_with_more_behind_it_is_refused(void **state)
{
    (void)state;
    for (unsigned type = 0; type < EVENT_TYPES; type++) {
        buffer_clear(&bytes);
        compose_event((enum event_type)type, NULL, &bytes);
        for (size_t size = 0; size < bytes.size; size++)
            assert_int_equal(decode_exact(slice_make(bytes.at, size)), ERR_REFUSED);
        assert_int_equal(decode_exact(buffer_slice(&bytes)), 0);
        buffer_add(&bytes, "\xc0", 1);
        assert_int_equal(decode_exact(buffer_slice(&bytes)), ERR_REFUSED);
    }
}

/* Whatever else is wrong with an event, and however early in it. */
static void what_is_wrong_with_the_bytes_is_told_first(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        enum refusal_code decode, next;
    } rows[] = {
#define BYTES(text) text, sizeof text - 1
        /* an early key that cannot be one, or is there twice; then text that is not UTF-8 */
        {BYTES("\x83\x01\x01\xa1k\xa1\xff\xa2id\xa1x"), REFUSAL_BAD_UTF8, REFUSAL_BAD_UTF8},
        {BYTES("\x83\xa2id\xa1x\xa2id\xa1x\xa1\xff\xc0"), REFUSAL_BAD_UTF8, REFUSAL_BAD_UTF8},
        {BYTES("\x83\xa1k\xc0\xa1k\xc0\xa1l\xc1"), REFUSAL_MALFORMED, REFUSAL_MALFORMED},
        {BYTES("\x83\xa2id\xa1x\xa2id\xa1x\xa1l"), REFUSAL_MALFORMED, REFUSAL_MALFORMED},
        /* no map, but sound */
        {BYTES("\xc0"), REFUSAL_MALFORMED, REFUSAL_MALFORMED},
        /* something behind an event that has no type */
        {BYTES("\x81\xa2id\xa1x\xc0"), REFUSAL_MALFORMED, REFUSAL_MISSING},
        {BYTES("\x82\xa2id\xa1x\xa2id\xa1x\xc0"), REFUSAL_MALFORMED, REFUSAL_DUPLICATE_KEY},
        {BYTES("\x82\xa2id\xa1x\xa2id\xa1x"), REFUSAL_DUPLICATE_KEY, REFUSAL_DUPLICATE_KEY},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct slice raw = slice_make(rows[i].bytes, rows[i].size), rest = raw;
        struct refusal why;
        struct event e;
        assert_int_equal(event_decode(decoder, raw, COMPOSE_NOW_MS, &e, &why), ERR_REFUSED);
        assert_int_equal(why.code, rows[i].decode);
        assert_int_equal(event_next(decoder, &rest, COMPOSE_NOW_MS, &e, &why), ERR_REFUSED);
        assert_int_equal(why.code, rows[i].next);
        assert_ptr_equal(rest.at, raw.at);
    }
}

static void flipped_bits_are_refused_or_mean_something_else(void **state)
{
    struct random r = random_new(random_seed("flipped_bits_are_refused"));
    struct slice *event;
    size_t refused = 0;

    (void)state;
    buffer_clear(&bytes);
    world_events(random_next(&r), 2000, &bytes);
    size_t count = world_split(buffer_slice(&bytes), &event);
    for (int i = 0; i < 50000; i++) {
        struct slice chosen = event[random_below(&r, count)];
        char copy[EVENT_MAX_BYTES];
        memcpy(copy, chosen.at, chosen.size);
        for (uint64_t flips = 1 + random_below(&r, 3); flips > 0; flips--)
            copy[random_below(&r, chosen.size)] ^= (char)(1 << random_below(&r, 8));
        refused += decode_exact(slice_make(copy, chosen.size)) < 0;
    }
    assert_in_range(refused, 1000, 49999);
    free(event);
}

static void a_world_of_random_events_is_accepted(void **state)
{
    struct slice *event;

    (void)state;
    buffer_clear(&bytes);
    world_events(random_seed("a_world_of_random_events"), 5000, &bytes);
    size_t count = world_split(buffer_slice(&bytes), &event);
    assert_int_equal(count, 5000);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(decode_exact(event[i]), 0);
    free(event);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_may_have_8192_bytes_and_no_more),
        cmocka_unit_test(consecutive_events_are_taken_one_by_one),
        cmocka_unit_test(a_refused_event_does_not_move_the_rest),
        cmocka_unit_test(the_partition_follows_the_committee_or_the_member),
        cmocka_unit_test(partitions_are_what_journals_already_hold),
        cmocka_unit_test(an_event_cut_short_or_with_more_behind_it_is_refused),
        cmocka_unit_test(what_is_wrong_with_the_bytes_is_told_first),
        cmocka_unit_test(flipped_bits_are_refused_or_mean_something_else),
        cmocka_unit_test(a_world_of_random_events_is_accepted),
    };

    return cmocka_run_group_tests(tests, decoder_open, decoder_close);
}
