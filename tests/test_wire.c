/* The wire protocol's headers: the golden bytes of PROTOCOL.md both ways, and what a hostile peer
 * may make of them.
 *
 * The bytes are read out of the document itself, so that it and the code cannot drift apart. */
#include "proto/error.h"
#include "proto/event.h"
#include "proto/pack.h"
#include "proto/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define DOCUMENT "proto/PROTOCOL.md"
#define LOG_ID   "0123456789abcdef0123456789abcdef"
#define TEXT(t)                                                                                    \
    {                                                                                              \
        (t), sizeof(t) - 1                                                                         \
    }

/* ---- the messages whose bytes the document shows ---- */

static const uint32_t sizes[] = {108, 104};
static const struct wire_refused refusals[] = {
    {2, TEXT("bad-value"), TEXT("position"),
     TEXT("expected approve, disapprove, abstain, confirm, revise, withdraw or none"), false},
};
static const struct wire_run runs[] = {
    {2, TEXT("local"), 1772366400123},
    {1, TEXT("isolutions"), 1772366400456},
};
static const uint64_t partitions[] = {0, 2, 4, 6};
static const uint64_t offsets[] = {1000, 0, 70000, 12};
static const uint64_t ends[] = {1003, 0, 70000, 5000000000};
static const int64_t received_ms[] = {1772366400123, 0, 0, 1772366400456};
static const struct wire_peer workers[] = {
    {TEXT("worker-1"), 4711, 12, 4, partitions},
    {TEXT("worker-2"), 0, 0, 0, partitions},
};

struct golden {
    const char *name;
    size_t payload_size;
    struct wire_message message;
};

static const struct golden goldens[] = {
    {"HELLO", 0, {.kind = WIRE_HELLO, .hello = {TEXT("producer"), TEXT("election-feed"), 4711}}},
    {"WELCOME",
     0,
     {.kind = WIRE_WELCOME,
      .welcome = {TEXT(LOG_ID), 8, 8192, 1048576, 4096, 65536, 16777216, 1000,
                  TEXT("turnout-broker/0.1.0")}}},
    {"PUBLISH", 212, {.kind = WIRE_PUBLISH, .publish = {1, 2, sizes}}},
    {"PUBACK", 0, {.kind = WIRE_PUBACK, .puback = {3, 300, 0, refusals}}},
    {"PUBACK-refused", 0, {.kind = WIRE_PUBACK, .puback = {1, 2, 1, refusals}}},
    {"READ", 0, {.kind = WIRE_READ, .read = {2, 7, 70000, 4194304}}},
    {"BATCH", 381, {.kind = WIRE_BATCH, .batch = {2, 7, 70000, 3, 70003, 2, runs}}},
    {"CREDIT", 0, {.kind = WIRE_CREDIT, .credit = {2, 7, 381}}},
    {"ASSIGN", 0, {.kind = WIRE_ASSIGN, .assign = {4, partitions}}},
    {"PING", 0, {.kind = WIRE_PING}},
    {"PONG", 0, {.kind = WIRE_PONG}},
    {"STATUS", 0, {.kind = WIRE_STATUS, .status = {4, offsets}}},
    {"REPORT",
     0,
     {.kind = WIRE_REPORT,
      .report = {TEXT(LOG_ID), TEXT("turnout-broker/0.1.0"), 60000, 75003, 7, 1, 7, 9437184,
                 68719476736, 4, ends, received_ms, 2, workers}}},
    {"ERROR",
     0,
     {.kind = WIRE_ERROR,
      .error = {TEXT("hello-first"), TEXT("there is no session: say HELLO"), true}}},
    {"BYE", 0, {.kind = WIRE_BYE}},
};
#define GOLDENS (sizeof goldens / sizeof *goldens)

/* ---- the document ---- */

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void add_hex(struct buffer *out, const char *line)
{
    while (hex_digit(line[0]) >= 0) {
        char byte = (char)(hex_digit(line[0]) << 4 | hex_digit(line[1]));
        assert_true(hex_digit(line[1]) >= 0);
        buffer_add(out, &byte, 1);
        line += line[2] == ' ' ? 3 : 2;
    }
    assert_int_equal(*line, '\n');
}

/* The bytes of the block that begins with ```golden NAME; empty if there is none. */
static void document_read(const char *name, struct buffer *out)
{
    char line[256], mark[64];
    bool inside = false;
    FILE *file = fopen(DOCUMENT, "r");

    assert_non_null(file);
    snprintf(mark, sizeof mark, "```golden %s\n", name);
    while (fgets(line, sizeof line, file)) {
        if (inside && strcmp(line, "```\n") == 0)
            break;
        if (inside)
            add_hex(out, line);
        inside |= strcmp(line, mark) == 0;
    }
    fclose(file);
}

static unsigned document_count(void)
{
    char line[256];
    unsigned count = 0;
    FILE *file = fopen(DOCUMENT, "r");

    assert_non_null(file);
    while (fgets(line, sizeof line, file))
        count += strncmp(line, "```golden ", 10) == 0;
    fclose(file);
    return count;
}

/* ---- helpers ---- */

static int decode(struct slice header, size_t payload_size, struct arena *arena)
{
    struct wire_message m;

    return wire_decode(header, payload_size, arena, &m);
}

/* Decoded and encoded again, the bytes must be the same: nothing was lost or made up. */
static void assert_round_trip(struct slice header, size_t payload_size)
{
    struct arena arena = {0};
    struct buffer again = {0};
    struct wire_message m;

    assert_int_equal(wire_decode(header, payload_size, &arena, &m), 0);
    wire_encode(&m, &again);
    assert_int_equal(again.size, header.size);
    assert_memory_equal(again.at, header.at, header.size);
    buffer_free(&again);
    arena_free(&arena);
}

/* Where it was accepted, it is within the limits: encoding it does not read astray (which the
 * sanitizers would tell), and what comes out is accepted as the same message. */
static void assert_bounded(struct slice header, size_t payload_size)
{
    struct arena arena = {0};
    struct buffer once = {0};
    struct wire_message m;

    if (wire_decode(header, payload_size, &arena, &m) == 0 && m.kind != WIRE_UNKNOWN) {
        wire_encode(&m, &once);
        assert_round_trip(buffer_slice(&once), payload_size);
    }
    buffer_free(&once);
    arena_free(&arena);
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

/* ---- golden bytes ---- */

static void every_message_encodes_to_the_bytes_of_the_document(void **state)
{
    (void)state;
    for (size_t i = 0; i < GOLDENS; i++) {
        struct buffer expected = {0}, found = {0};
        document_read(goldens[i].name, &expected);
        wire_encode(&goldens[i].message, &found);
        if (!slice_equal(buffer_slice(&expected), buffer_slice(&found))) {
            print_message("%s is\n", goldens[i].name);
            for (size_t at = 0; at < found.size; at++)
                print_message("%02x%s", (unsigned char)found.at[at],
                              at % 16 == 15 || at + 1 == found.size ? "\n" : " ");
            fail_msg("%s differs from %s", goldens[i].name, DOCUMENT);
        }
        buffer_free(&expected);
        buffer_free(&found);
    }
}

static void the_bytes_of_the_document_decode_to_the_same_message(void **state)
{
    (void)state;
    for (size_t i = 0; i < GOLDENS; i++) {
        struct buffer bytes = {0};
        document_read(goldens[i].name, &bytes);
        assert_round_trip(buffer_slice(&bytes), goldens[i].payload_size);
        buffer_free(&bytes);
    }
}

static void the_document_has_no_golden_bytes_that_are_not_tested(void **state)
{
    (void)state;
    assert_int_equal(document_count(), GOLDENS + 1); /* and the payload */
}

static void the_worked_exchange_is_what_the_checks_of_events_say(void **state)
{
    struct event_decoder *decoder = event_decoder_new();
    struct buffer bytes = {0};
    struct event event;
    struct refusal why;

    (void)state;
    document_read("payload", &bytes);
    assert_int_equal(bytes.size, sizes[0] + sizes[1]);
    assert_int_equal(
        event_decode(decoder, slice_make(bytes.at, sizes[0]), EVENT_ANY_TIME, &event, &why), 0);
    assert_int_equal(event.position, POSITION_APPROVE);
    assert_true(slice_is(event.member, "KE"));
    assert_int_equal(event_decode(decoder, slice_make(bytes.at + sizes[0], sizes[1]),
                                  EVENT_ANY_TIME, &event, &why),
                     ERR_REFUSED);
    assert_true(slice_is(refusals[0].code, refusal_name(why.code)));
    assert_true(slice_is(refusals[0].field, why.field));
    buffer_free(&bytes);
    event_decoder_free(decoder);
}

static void every_kind_has_golden_bytes(void **state)
{
    (void)state;
    for (int kind = 1; kind < WIRE_KINDS; kind++) {
        bool found = false;
        for (size_t i = 0; i < GOLDENS; i++)
            found |= (int)goldens[i].message.kind == kind;
        assert_true(found);
    }
}

static void decoded_fields_are_those_that_were_written(void **state)
{
    struct buffer bytes = {0};
    struct arena arena = {0};
    struct wire_message m;

    (void)state;
    document_read("REPORT", &bytes);
    assert_int_equal(wire_decode(buffer_slice(&bytes), 0, &arena, &m), 0);
    assert_int_equal(m.kind, WIRE_REPORT);
    assert_true(slice_is(m.report.log, LOG_ID));
    assert_int_equal(m.report.journal_limit, 68719476736);
    assert_int_equal(m.report.count, 4);
    assert_int_equal(m.report.ends[3], 5000000000);
    assert_int_equal(m.report.received_ms[0], 1772366400123);
    assert_int_equal(m.report.worker_count, 2);
    assert_true(slice_is(m.report.workers[0].name, "worker-1"));
    assert_int_equal(m.report.workers[0].pid, 4711);
    assert_int_equal(m.report.workers[0].partitions[3], 6);
    arena_free(&arena);
    buffer_free(&bytes);
}

/* ---- hostile bytes ---- */

static void every_truncation_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < GOLDENS; i++) {
        struct buffer bytes = {0};
        struct arena arena = {0};
        wire_encode(&goldens[i].message, &bytes);
        for (size_t size = 0; size < bytes.size; size++) {
            char *exact = memory_need(size + 1); /* so that reading beyond the end is seen */
            memcpy(exact + 1, bytes.at, size);
            assert_int_equal(decode(slice_make(exact + 1, size), goldens[i].payload_size, &arena),
                             ERR_PROTOCOL);
            free(exact);
        }
        buffer_free(&bytes);
        arena_free(&arena);
    }
}

static void every_change_of_one_byte_is_refused_or_stays_within_bounds(void **state)
{
    (void)state;
    for (size_t i = 0; i < GOLDENS; i++) {
        struct buffer bytes = {0};
        wire_encode(&goldens[i].message, &bytes);
        for (size_t at = 0; at < bytes.size; at++)
            for (unsigned change = 1; change < 256; change++) {
                bytes.at[at] = (char)(bytes.at[at] ^ change);
                assert_bounded(buffer_slice(&bytes), goldens[i].payload_size);
                bytes.at[at] = (char)(bytes.at[at] ^ change);
            }
        buffer_free(&bytes);
    }
}

static void bytes_behind_the_header_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < GOLDENS; i++) {
        struct buffer bytes = {0};
        wire_encode(&goldens[i].message, &bytes);
        pack_nil(&bytes);
        assert_decodes_to(&bytes, goldens[i].payload_size, ERR_PROTOCOL);
    }
}

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

static void a_payload_where_none_belongs_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < GOLDENS; i++) {
        struct buffer bytes = {0};
        bool has_payload = goldens[i].payload_size > 0;
        wire_encode(&goldens[i].message, &bytes);
        assert_decodes_to(&bytes, has_payload ? 0 : 1, ERR_PROTOCOL);
    }
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_encodes_to_the_bytes_of_the_document),
        cmocka_unit_test(the_bytes_of_the_document_decode_to_the_same_message),
        cmocka_unit_test(the_document_has_no_golden_bytes_that_are_not_tested),
        cmocka_unit_test(the_worked_exchange_is_what_the_checks_of_events_say),
        cmocka_unit_test(every_kind_has_golden_bytes),
        cmocka_unit_test(decoded_fields_are_those_that_were_written),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(every_change_of_one_byte_is_refused_or_stays_within_bounds),
        cmocka_unit_test(bytes_behind_the_header_are_refused),
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
        cmocka_unit_test(a_payload_where_none_belongs_is_refused),
        cmocka_unit_test(what_is_refused_leaves_the_result_untouched),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
