/* The wire protocol's headers: every limit at its value and one beyond, and headers of peers that
 * are hostile or of a later version. */
#include "proto/error.h"
#include "proto/pack.h"
#include "proto/wire.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define LOG_ID "0123456789abcdef0123456789abcdef"
#define TEXT(t)                                                                                    \
    {                                                                                              \
        (t), sizeof(t) - 1                                                                         \
    }

static const struct wire_run runs[] = {
    {2, TEXT("local"), 1772366400123},
    {1, TEXT("isolutions"), 1772366400456},
};

static int decode(struct slice header, size_t payload_size, struct arena *arena)
{
    struct wire_message m;

    return wire_decode(header, payload_size, arena, &m);
}

/* A header of `kind` whose items the test writes itself. */
static struct buffer header_begin(uint32_t items, unsigned kind)
{
    struct buffer b = {0};

    pack_array(&b, items + 1);
    pack_uint(&b, kind);
    return b;
}

static void assert_decodes_to(struct buffer *header, size_t payload_size, int expected)
{
    struct arena arena = {0};

    assert_int_equal(decode(buffer_slice(header), payload_size, &arena), expected);
    arena_free(&arena);
    buffer_free(header);
}

/* ---- hostile bytes ---- */

static void an_empty_header_and_the_five_byte_bomb_are_refused(void **state)
{
    struct arena arena = {0};

    (void)state;
    assert_int_equal(decode(slice_make(NULL, 0), 0, &arena), ERR_PROTOCOL);
    assert_int_equal(decode(slice_make("\xdd\xff\xff\xff\xff", 5), 0, &arena), ERR_PROTOCOL);
    assert_int_equal(decode(slice_make("\x93\x03\x01\xdd\xff\xff\xff\xff", 8), 1, &arena),
                     ERR_PROTOCOL);
    assert_int_equal(decode(slice_of("\x81\x09\x01"), 0, &arena), ERR_PROTOCOL);
    arena_free(&arena);
}

static void a_header_above_its_limit_is_refused(void **state)
{
    for (size_t size = WIRE_MAX_HEADER; size <= WIRE_MAX_HEADER + 1; size++) {
        struct buffer b = header_begin(1, WIRE_PING);
        size_t head = 5; /* of a bin of 32 bits */
        struct buffer filler = {0};
        buffer_room(&filler, size);
        memset(filler.at, 0, size);
        filler.size = size - b.size - head;
        pack_bin(&b, buffer_slice(&filler));
        buffer_free(&filler);
        assert_int_equal(b.size, size);
        assert_decodes_to(&b, 0, size > WIRE_MAX_HEADER ? ERR_PROTOCOL : 0);
    }
    (void)state;
}

static void a_long_list_of_nothing_costs_little_memory(void **state)
{
    struct buffer b = header_begin(3, WIRE_PUBACK);
    struct arena arena = {0};

    (void)state;
    pack_uint(&b, 1);
    pack_uint(&b, 200000);
    pack_array(&b, 200000);
    for (int i = 0; i < 200000; i++)
        pack_nil(&b);
    assert_int_equal(decode(buffer_slice(&b), 0, &arena), ERR_PROTOCOL);
    assert_true(arena.used <= (size_t)16 * WIRE_MAX_HEADER);
    arena_free(&arena);
    buffer_free(&b);
}

/* ---- later versions ---- */

static void items_of_a_later_version_are_passed_over(void **state)
{
    struct buffer b = header_begin(4, WIRE_PUBACK);
    struct arena arena = {0};
    struct wire_message m;

    (void)state;
    pack_uint(&b, 1);
    pack_uint(&b, 2);
    pack_array(&b, 1);
    pack_array(&b, 7);
    pack_uint(&b, 2);
    for (int i = 0; i < 3; i++)
        pack_text(&b, "text");
    pack_bool(&b, true);
    pack_double(&b, 0.5);
    pack_map(&b, 0);
    pack_text(&b, "also new");
    assert_int_equal(wire_decode(buffer_slice(&b), 0, &arena, &m), 0);
    assert_int_equal(m.puback.refused[0].seq, 2);
    assert_true(m.puback.refused[0].retry);
    arena_free(&arena);
    buffer_free(&b);
}

static void a_kind_of_a_later_version_is_told_as_unknown(void **state)
{
    struct buffer b = header_begin(1, WIRE_KINDS);
    struct arena arena = {0};
    struct wire_message m;

    (void)state;
    pack_text(&b, "whatever it means");
    assert_int_equal(wire_decode(buffer_slice(&b), 17, &arena, &m), 0);
    assert_int_equal(m.kind, WIRE_UNKNOWN);
    arena_free(&arena);
    buffer_free(&b);
}

/* ---- limits, one by one ---- */

static void publish_of(uint64_t first, uint32_t count, uint64_t size, size_t payload_size,
                       int expected)
{
    struct buffer b = header_begin(2, WIRE_PUBLISH);

    pack_uint(&b, first);
    pack_array(&b, count);
    for (uint32_t i = 0; i < count; i++)
        pack_uint(&b, size);
    assert_decodes_to(&b, payload_size, expected);
}

static void the_sizes_of_a_publish_must_add_up_to_its_payload(void **state)
{
    (void)state;
    publish_of(1, 3, 100, 300, 0);
    publish_of(1, 3, 100, 299, ERR_PROTOCOL);
    publish_of(1, 3, 100, 301, ERR_PROTOCOL);
    publish_of(1, 3, 100, 0, ERR_PROTOCOL);
    publish_of(1, 0, 0, 0, ERR_PROTOCOL);
    publish_of(1, 1, 0, 0, ERR_PROTOCOL);
    publish_of(1, 2, 0x80000000, 0, ERR_PROTOCOL);
    publish_of(1, 1, (uint64_t)1 << 32 | 5, 5, ERR_PROTOCOL);
}

static void a_publish_has_limits_in_events_bytes_and_numbers(void **state)
{
    (void)state;
    publish_of(1, WIRE_MAX_EVENTS, 2, (size_t)2 * WIRE_MAX_EVENTS, 0);
    publish_of(1, WIRE_MAX_EVENTS + 1, 2, (size_t)2 * (WIRE_MAX_EVENTS + 1), ERR_PROTOCOL);
    publish_of(1, 1, WIRE_MAX_PAYLOAD, WIRE_MAX_PAYLOAD, 0);
    publish_of(1, 1, WIRE_MAX_PAYLOAD + 1, WIRE_MAX_PAYLOAD + 1, ERR_PROTOCOL);
    publish_of(0, 1, 5, 5, ERR_PROTOCOL);
    publish_of(INT64_MAX - WIRE_MAX_EVENTS, 1, 5, 5, 0);
    publish_of(INT64_MAX, 1, 5, 5, ERR_PROTOCOL);
}

static void puback_of(uint64_t first, uint64_t count, const uint64_t *seqs, uint32_t seq_count,
                      int expected)
{
    struct wire_refused refused[4] = {0};
    struct wire_message m = {.kind = WIRE_PUBACK, .puback = {first, count, seq_count, refused}};
    struct buffer b = {0};

    for (uint32_t i = 0; i < seq_count; i++)
        refused[i].seq = seqs[i];
    wire_encode(&m, &b);
    assert_decodes_to(&b, 0, expected);
}

static void the_refused_of_a_puback_rise_within_its_range(void **state)
{
    (void)state;
    puback_of(5, 3, (uint64_t[]){5, 6, 7}, 3, 0);
    puback_of(5, 3, (uint64_t[]){4}, 1, ERR_PROTOCOL);
    puback_of(5, 3, (uint64_t[]){8}, 1, ERR_PROTOCOL);
    puback_of(5, 3, (uint64_t[]){6, 6}, 2, ERR_PROTOCOL);
    puback_of(5, 3, (uint64_t[]){7, 5}, 2, ERR_PROTOCOL);
}

static void a_puback_covers_at_least_one_number_and_none_too_great(void **state)
{
    (void)state;
    puback_of(0, 1, NULL, 0, ERR_PROTOCOL);
    puback_of(1, 0, NULL, 0, ERR_PROTOCOL);
    puback_of(1, INT64_MAX, NULL, 0, 0);
    puback_of(2, INT64_MAX, NULL, 0, ERR_PROTOCOL);
    puback_of(UINT64_MAX, 1, NULL, 0, ERR_PROTOCOL);
}

static void batch_of(uint64_t count, uint64_t end, size_t payload_size, int expected)
{
    struct wire_message m = {.kind = WIRE_BATCH, .batch = {2, 7, 1000, count, end, 2, runs}};
    struct buffer b = {0};

    wire_encode(&m, &b);
    assert_decodes_to(&b, payload_size, expected);
}

static void a_batch_agrees_with_its_runs_its_end_and_its_payload(void **state)
{
    (void)state;
    batch_of(3, 1003, 300, 0);
    batch_of(2, 1003, 300, ERR_PROTOCOL);
    batch_of(4, 1004, 300, ERR_PROTOCOL);
    batch_of(3, 1002, 300, ERR_PROTOCOL);
    batch_of(3, 1003, 2, ERR_PROTOCOL);
    batch_of(3, 1003, WIRE_MAX_PAYLOAD + 1, ERR_PROTOCOL);
}

static void read_of(uint64_t partition, uint64_t offset, int expected)
{
    struct wire_message m = {.kind = WIRE_READ, .read = {partition, 0, offset, 0}};
    struct buffer b = {0};

    wire_encode(&m, &b);
    assert_decodes_to(&b, 0, expected);
}

static void partitions_and_numbers_have_limits(void **state)
{
    (void)state;
    read_of(WIRE_MAX_PARTS - 1, INT64_MAX, 0);
    read_of(WIRE_MAX_PARTS, 0, ERR_PROTOCOL);
    read_of(0, (uint64_t)INT64_MAX + 1, ERR_PROTOCOL);
}

static void assign_of(uint32_t count, int expected)
{
    uint64_t list[WIRE_MAX_PARTS + 1] = {0};
    struct wire_message m = {.kind = WIRE_ASSIGN, .assign = {count, list}};
    struct buffer b = {0};

    wire_encode(&m, &b);
    assert_decodes_to(&b, 0, expected);
}

static void lists_of_partitions_have_a_limit(void **state)
{
    (void)state;
    assign_of(0, 0);
    assign_of(WIRE_MAX_PARTS, 0);
    assign_of(WIRE_MAX_PARTS + 1, ERR_PROTOCOL);
}

static void hello_of(size_t name_size, int expected)
{
    char name[WIRE_NAME + 1];
    struct wire_message m = {.kind = WIRE_HELLO, .hello = {TEXT("worker"), {name, name_size}, 1}};
    struct buffer b = {0};

    memset(name, 'n', sizeof name);
    wire_encode(&m, &b);
    assert_decodes_to(&b, 0, expected);
}

static void names_have_a_limit(void **state)
{
    (void)state;
    hello_of(0, 0);
    hello_of(WIRE_NAME, 0);
    hello_of(WIRE_NAME + 1, ERR_PROTOCOL);
}

static void welcome_with(struct wire_welcome w, int expected)
{
    struct wire_message m = {.kind = WIRE_WELCOME, .welcome = w};
    struct buffer b = {0};

    wire_encode(&m, &b);
    assert_decodes_to(&b, 0, expected);
}

static void a_welcome_that_leaves_no_room_for_an_event_is_refused(void **state)
{
    const struct wire_welcome sound = {TEXT(LOG_ID), 8, 8192, 8192, 1, 1, 8192, 1, TEXT("")};
    struct wire_welcome w;

    (void)state;
    welcome_with(sound, 0);
    w = sound, w.log.size--, welcome_with(w, ERR_PROTOCOL);
    w = sound, w.log = slice_of("0123456789ABCDEF0123456789ABCDEF"), welcome_with(w, ERR_PROTOCOL);
    w = sound, w.partitions = 0, welcome_with(w, ERR_PROTOCOL);
    w = sound, w.partitions = WIRE_MAX_PARTS + 1, welcome_with(w, ERR_PROTOCOL);
    w = sound, w.max_event = 0, welcome_with(w, ERR_PROTOCOL);
    w = sound, w.max_payload = 8191, welcome_with(w, ERR_PROTOCOL);
    w = sound, w.max_events = 0, welcome_with(w, ERR_PROTOCOL);
    w = sound, w.window_events = 0, welcome_with(w, ERR_PROTOCOL);
    w = sound, w.window_bytes = 8191, welcome_with(w, ERR_PROTOCOL);
    w = sound, w.heartbeat_ms = 0, welcome_with(w, ERR_PROTOCOL);
    w = sound, w.heartbeat_ms = WIRE_MAX_HEARTBEAT_MS + 1, welcome_with(w, ERR_PROTOCOL);
}

/* ---- refused events ---- */

static void numbers_of(enum wire_kind kind, const uint64_t *list, uint32_t count, int expected)
{
    struct wire_message m = {.kind = kind, .numbers = {count, list}};
    struct buffer b = {0};

    wire_encode(&m, &b);
    assert_decodes_to(&b, 0, expected);
}

static void numbers_to_redrive_or_drop_rise_and_are_not_too_many(void **state)
{
    uint64_t many[WIRE_MAX_NUMBERS + 1];

    (void)state;
    for (uint64_t i = 0; i <= WIRE_MAX_NUMBERS; i++)
        many[i] = i + 1;
    for (enum wire_kind kind = WIRE_REDRIVE; kind <= WIRE_DROP; kind++) {
        numbers_of(kind, many, WIRE_MAX_NUMBERS, 0);
        numbers_of(kind, many, WIRE_MAX_NUMBERS + 1, ERR_PROTOCOL);
        numbers_of(kind, many, 0, ERR_PROTOCOL);
        numbers_of(kind, (uint64_t[]){0}, 1, ERR_PROTOCOL);
        numbers_of(kind, (uint64_t[]){7, 7}, 2, ERR_PROTOCOL);
        numbers_of(kind, (uint64_t[]){8, 7}, 2, ERR_PROTOCOL);
        numbers_of(kind, (uint64_t[]){7, INT64_MAX - 1}, 2, 0);
        numbers_of(kind, (uint64_t[]){7, INT64_MAX}, 2, ERR_PROTOCOL);
    }
}

static void rejected_of(const struct wire_reject *list, uint32_t count, size_t payload_size,
                        int expected)
{
    struct wire_message m = {.kind = WIRE_REJECTED, .rejected = {count, list}};
    struct buffer b = {0};

    wire_encode(&m, &b);
    assert_decodes_to(&b, payload_size, expected);
}

static void refused_events_rise_and_agree_with_their_payload(void **state)
{
    static const struct wire_reject list[] = {{.number = 3, .size = 9000, .bytes = 8192},
                                              {.number = 5, .size = 10, .bytes = 10},
                                              {.number = 5, .size = 10, .bytes = 11}};

    (void)state;
    rejected_of(list, 0, 0, 0);
    rejected_of(list, 0, 1, ERR_PROTOCOL);
    rejected_of(list, 2, 8202, 0);
    rejected_of(list, 2, 8201, ERR_PROTOCOL);
    rejected_of(list, 2, 8203, ERR_PROTOCOL);
    rejected_of(list + 1, 2, 21, ERR_PROTOCOL);
    rejected_of(list + 2, 1, 11, ERR_PROTOCOL);
}

static void settled_of(uint64_t first, uint64_t second, int expected)
{
    const struct wire_settlement list[] = {{.number = first}, {.number = second}};
    struct wire_message m = {.kind = WIRE_SETTLED, .settled = {2, list}};
    struct buffer b = {0};

    wire_encode(&m, &b);
    assert_decodes_to(&b, 0, expected);
}

static void no_number_is_settled_twice(void **state)
{
    (void)state;
    settled_of(1, 2, 0);
    settled_of(0, 2, ERR_PROTOCOL);
    settled_of(2, 2, ERR_PROTOCOL);
    settled_of(2, 1, ERR_PROTOCOL);
}

static void what_is_refused_leaves_the_result_untouched(void **state)
{
    struct wire_message m = {.kind = WIRE_BYE};
    struct arena arena = {0};

    (void)state;
    assert_int_equal(wire_decode(slice_of("\x92\x01\x01"), 0, &arena, &m), ERR_PROTOCOL);
    assert_int_equal(m.kind, WIRE_BYE);
    arena_free(&arena);
}

/* ---- why, in words ---- */

static void assert_explained(struct slice header, size_t payload_size, const char *expected)
{
    char reason[WIRE_REASON];
    struct arena arena = {0};

    assert_int_equal(decode(header, payload_size, &arena), ERR_PROTOCOL);
    wire_explain(header, payload_size, &arena, reason);
    assert_string_equal(reason, expected);
    arena_free(&arena);
}

#define EXPLAINED(header, payload_size, expected)                                                  \
    assert_explained(slice_make((header), sizeof(header) - 1), (payload_size), (expected))

static void what_is_refused_is_told_by_the_item_at_fault(void **state)
{
    (void)state;
    EXPLAINED("\x93\x03\x01", 0,
              "frame 1: an array or map claims more items than there are bytes left");
    EXPLAINED("\x91\x09\x01", 0, "frame 1 has bytes behind its array");
    EXPLAINED("\x81\x09\x01", 0, "frame 1 is no array that begins with a kind");
    EXPLAINED("\x91\xa5HELLO", 0, "frame 1 is no array that begins with a kind");
    EXPLAINED("\x92\x03\x01", 0, "kind 3: frame 1 has fewer than 3 items");
    EXPLAINED("\x93\x03\x00\x91\x05", 5,
              "kind 3: item 2 of frame 1 is not what PROTOCOL.md allows");
    EXPLAINED("\x93\x03\x01\x90", 0, "kind 3: item 3 of frame 1 is not what PROTOCOL.md allows");
    EXPLAINED("\x93\x03\x01\x92\x05\xa1x", 5,
              "kind 3: item 3 of frame 1 is not what PROTOCOL.md allows");
    EXPLAINED("\x93\x03\x01\x92\x05\x05", 9,
              "kind 3: the size of frame 2, 9, is not what frame 1 says");
    EXPLAINED("\x91\x09", 1, "kind 9: the size of frame 2, 1, is not what frame 1 says");
    EXPLAINED("\x94\x01\xa6worker\xa1w\xff", 0,
              "kind 1: item 4 of frame 1 is not what PROTOCOL.md allows");
    EXPLAINED("\x94\x0d\xa1x\xa1y\x01", 0,
              "kind 13: item 4 of frame 1 is not what PROTOCOL.md allows");
    EXPLAINED("\x93\x03\x01\x91\x05", WIRE_MAX_PAYLOAD + 1,
              "frame 2 has 1048577 bytes; expected at most 1048576");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_header_and_the_five_byte_bomb_are_refused),
        cmocka_unit_test(a_header_above_its_limit_is_refused),
        cmocka_unit_test(a_long_list_of_nothing_costs_little_memory),
        cmocka_unit_test(items_of_a_later_version_are_passed_over),
        cmocka_unit_test(a_kind_of_a_later_version_is_told_as_unknown),
        cmocka_unit_test(the_sizes_of_a_publish_must_add_up_to_its_payload),
        cmocka_unit_test(a_publish_has_limits_in_events_bytes_and_numbers),
        cmocka_unit_test(the_refused_of_a_puback_rise_within_its_range),
        cmocka_unit_test(a_puback_covers_at_least_one_number_and_none_too_great),
        cmocka_unit_test(a_batch_agrees_with_its_runs_its_end_and_its_payload),
        cmocka_unit_test(partitions_and_numbers_have_limits),
        cmocka_unit_test(lists_of_partitions_have_a_limit),
        cmocka_unit_test(names_have_a_limit),
        cmocka_unit_test(a_welcome_that_leaves_no_room_for_an_event_is_refused),
        cmocka_unit_test(numbers_to_redrive_or_drop_rise_and_are_not_too_many),
        cmocka_unit_test(refused_events_rise_and_agree_with_their_payload),
        cmocka_unit_test(no_number_is_settled_twice),
        cmocka_unit_test(what_is_refused_leaves_the_result_untouched),
        cmocka_unit_test(what_is_refused_is_told_by_the_item_at_fault),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
