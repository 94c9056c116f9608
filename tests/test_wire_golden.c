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

static const struct wire_reject rejects[] = {
    {41, 1772366400123, TEXT("election-feed"), TEXT("committee-denied"), TEXT("committee"),
     TEXT("this key may not publish for ISO/TC 34"), 104, 104},
    {43, 1772366400456, TEXT("local"), TEXT("too-large"), TEXT(""),
     TEXT("an event of 9000 bytes; at most 8192 are allowed"), 9000, 8192},
};
static const uint64_t numbers[] = {41, 43, 70000};
static const struct wire_settlement settlements[] = {
    {41, TEXT(""), TEXT(""), TEXT("")},
    {43, TEXT("too-large"), TEXT(""), TEXT("an event of 9000 bytes; at most 8192 are allowed")},
    {70000, TEXT("missing"), TEXT(""), TEXT("no refused event of this number is kept")},
};

struct golden {
    const char *name;
    size_t payload_size;
    struct wire_message message;
};

static const struct wire_bound bounds[] = {{TEXT("memory_bytes"), 9437184, 536870912},
                                           {TEXT("cut_silent"), 12, 0}};

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
      .report = {TEXT(LOG_ID),
                 TEXT("turnout-broker/0.1.0"),
                 60000,
                 75003,
                 7,
                 1,
                 7,
                 9437184,
                 68719476736,
                 4,
                 ends,
                 received_ms,
                 2,
                 workers,
                 {NULL, 0},
                 0,
                 NULL}}},
    {"REPORT-bounds",
     0,
     {.kind = WIRE_REPORT,
      .report = {TEXT(LOG_ID), TEXT("turnout-broker/0.1.0"), 60000, 75003, 7, 1, 7, 9437184,
                 68719476736, 1, ends, received_ms, 0, workers,
                 TEXT("line 3: may is one of publish, work and watch"), 2, bounds}}},
    {"ERROR",
     0,
     {.kind = WIRE_ERROR,
      .error = {TEXT("hello-first"), TEXT("there is no session: say HELLO"), true}}},
    {"BYE", 0, {.kind = WIRE_BYE}},
    {"REJECTS", 0, {.kind = WIRE_REJECTS, .rejects = {1, 100}}},
    {"REJECTED", 8296, {.kind = WIRE_REJECTED, .rejected = {2, rejects}}},
    {"REJECTED-end", 0, {.kind = WIRE_REJECTED, .rejected = {0, rejects}}},
    {"REDRIVE", 0, {.kind = WIRE_REDRIVE, .numbers = {3, numbers}}},
    {"DROP", 0, {.kind = WIRE_DROP, .numbers = {3, numbers}}},
    {"SETTLED", 0, {.kind = WIRE_SETTLED, .settled = {3, settlements}}},
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
    assert_int_equal(m.report.bound_count, 0);
    arena_free(&arena);
    buffer_free(&bytes);
}

static void what_a_report_has_behind_the_workers_is_read_too(void **state)
{
    struct buffer bytes = {0};
    struct arena arena = {0};
    struct wire_message m;

    (void)state;
    document_read("REPORT-bounds", &bytes);
    assert_int_equal(wire_decode(buffer_slice(&bytes), 0, &arena, &m), 0);
    assert_true(slice_is(m.report.rights, "line 3: may is one of publish, work and watch"));
    assert_int_equal(m.report.bound_count, 2);
    assert_true(slice_is(m.report.bounds[1].name, "cut_silent"));
    assert_int_equal(m.report.bounds[0].value, 9437184);
    assert_int_equal(m.report.bounds[0].limit, 536870912);
    arena_free(&arena);
    buffer_free(&bytes);
}

/* ---- what a hostile peer may make of them ---- */

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_encodes_to_the_bytes_of_the_document),
        cmocka_unit_test(the_bytes_of_the_document_decode_to_the_same_message),
        cmocka_unit_test(the_document_has_no_golden_bytes_that_are_not_tested),
        cmocka_unit_test(the_worked_exchange_is_what_the_checks_of_events_say),
        cmocka_unit_test(every_kind_has_golden_bytes),
        cmocka_unit_test(decoded_fields_are_those_that_were_written),
        cmocka_unit_test(what_a_report_has_behind_the_workers_is_read_too),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(every_change_of_one_byte_is_refused_or_stays_within_bounds),
        cmocka_unit_test(bytes_behind_the_header_are_refused),
        cmocka_unit_test(a_payload_where_none_belongs_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
