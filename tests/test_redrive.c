/* The broker's read endpoint: refused events are shown with their reasons, judged anew, dropped. */
#include "proto/clock.h"
#include "proto/error.h"
#include "proto/event.h"
#include "proto/pack.h"
#include "tests/peer.h"
#include "tests/shelf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- asking ---- */

static const struct wire_rejected *list(struct peer *client, uint64_t first, uint64_t most)
{
    struct wire_message m = {.kind = WIRE_REJECTS, .rejects = {first, most}};

    peer_say(client, &m);
    return &peer_expect(client, WIRE_REJECTED)->rejected;
}

static uint64_t kept(struct peer *client)
{
    uint64_t n = 0, first = 0;

    for (;;) {
        const struct wire_rejected *l = list(client, first, WIRE_MAX_NUMBERS);
        if (l->count == 0)
            return n;
        n += l->count;
        first = l->rejects[l->count - 1].number + 1;
    }
}

static const struct wire_settled *ask(struct peer *client, enum wire_kind kind,
                                      const uint64_t *numbers, uint32_t count)
{
    struct wire_message m = {.kind = kind, .numbers = {count, numbers}};

    peer_say(client, &m);
    return &peer_expect(client, WIRE_SETTLED)->settled;
}

/* What becomes of one number; "" when it is done. */
static void assert_settled(struct peer *client, enum wire_kind kind, uint64_t number,
                           const char *code, const char *field)
{
    const struct wire_settled *s = ask(client, kind, &number, 1);

    assert_int_equal(s->count, 1);
    assert_int_equal(s->list[0].number, number);
    if (!slice_is(s->list[0].code, code) || !slice_is(s->list[0].field, field))
        fail_msg("settled: %.*s %.*s", (int)s->list[0].code.size, s->list[0].code.at,
                 (int)s->list[0].field.size, s->list[0].field.at);
    assert_int_equal(s->list[0].reason.size > 0, *code != '\0');
}

/* A number that is not refused for its date any more: what it is refused for now, or "". */
static struct slice settled_when_due(struct peer *client, uint64_t number)
{
    int64_t until = clock_mono_ms() + PEER_TIMEOUT_MS;

    for (;;) {
        const struct wire_settled *s = ask(client, WIRE_REDRIVE, &number, 1);
        if (!slice_is(s->list[0].code, "out-of-range"))
            return s->list[0].code;
        assert_true(clock_mono_ms() < until);
        usleep(20000);
    }
}

/* ---- publishing what is refused ---- */

static void publish_refused(struct peer *p, uint64_t refused)
{
    uint64_t left = p->sizes.size / sizeof(uint32_t);

    peer_publish(p);
    while (left > 0) {
        const struct wire_puback *a = &peer_expect(p, WIRE_PUBACK)->puback;
        left -= a->count;
        refused -= a->refused_count;
    }
    assert_int_equal(refused, 0);
}

/* A vote that may not be accepted before `due_ms`, as its time is a day behind that; of 8 KiB, or
 * nearly. */
static void add_early_vote(struct peer *p, const char *committee, int64_t due_ms)
{
    static char padding[8000];
    struct buffer b = {0};

    pack_map(&b, 8);
    pack_text(&b, "padding");
    pack_bin(&b, slice_make(padding, sizeof padding));
    pack_text(&b, "time");
    pack_int(&b, due_ms + EVENT_AHEAD_MS);
    static const char *const pairs[] = {"type",   "vote", "id",       "early",   "ballot",   "B-1",
                                        "member", "KE",   "position", "approve", "committee"};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        pack_text(&b, pairs[i]);
    pack_text(&b, committee);
    peer_add(p, b.at, b.size);
    buffer_free(&b);
}

static void add_large(struct peer *p, size_t size, char fill)
{
    char *bytes = memory_need(size);

    memset(bytes, fill, size);
    peer_add(p, bytes, size);
    free(bytes);
}

/* ---- looking ---- */

static void refused_events_are_shown_with_their_reasons(void **state)
{
    (void)state;
    broker_restart(0);
    struct peer *p = peer_hello("producer"), *client = peer_hello("client");
    peer_add_vote(p, "TC 1", 1);
    peer_add(p, "\xc1", 1);
    add_large(p, 9000, 'x');
    peer_add(p, "\x81\xa4type\xa3row", 10);
    publish_refused(p, 3);
    const struct wire_rejected *l = list(client, 0, 100);
    assert_int_equal(l->count, 3);
    const struct wire_reject *r = l->rejects;
    assert_true(r[0].number == 1 && slice_is(r[0].code, "malformed") && r[0].size == 1);
    assert_true(r[1].number == 2 && slice_is(r[1].code, "too-large") && r[1].size == 9000);
    assert_true(r[1].bytes == EVENT_MAX_BYTES && r[2].number == 3 && r[2].bytes == 10);
    assert_int_equal(client->payload.size, 1 + EVENT_MAX_BYTES + 10);
    assert_memory_equal(client->payload.at, "\xc1xxxxxxxx", 9);
    assert_memory_equal(client->payload.at + 1 + EVENT_MAX_BYTES, "\x81\xa4type\xa3row", 10);
    for (int i = 0; i < 3; i++)
        assert_true(slice_is(r[i].source, "local") && r[i].reason.size > 0 &&
                    r[i].received_ms > clock_wall_ms() - 3600000);
    l = list(client, 2, 1);
    assert_true(l->count == 1 && l->rejects[0].number == 2);
    l = list(client, 4, 1);
    assert_true(l->count == 0 && client->payload.size == 0);
    peer_close(p);
    peer_close(client);
}

static void long_lists_come_in_pages_within_the_limits(void **state)
{
    uint64_t number = 0, pages = 0;

    (void)state;
    broker_restart((uint64_t)512 << 20);
    struct peer *p = peer_hello("producer"), *client = peer_hello("client");
    for (int i = 0; i < 2; i++) {
        for (int n = 0; n < 100; n++)
            add_large(p, 8192, 'x');
        publish_refused(p, 100);
    }
    for (int n = 0; n < 1500; n++)
        peer_add(p, "\xc1", 1);
    publish_refused(p, 1500);
    for (;; pages++) {
        const struct wire_rejected *l = list(client, number + 1, UINT64_MAX >> 1);
        assert_true(l->count <= WIRE_MAX_NUMBERS && client->payload.size <= WIRE_MAX_PAYLOAD);
        if (l->count == 0)
            break;
        for (uint32_t i = 0; i < l->count; i++)
            assert_int_equal(l->rejects[i].number, ++number);
    }
    assert_int_equal(number, 1700);
    assert_true(pages >= 3 && pages <= 12);
    peer_close(p);
    peer_close(client);
}

/* ---- judging anew ---- */

static void an_event_that_is_still_bad_stays_refused(void **state)
{
    (void)state;
    broker_restart(0);
    struct peer *p = peer_hello("producer"), *client = peer_hello("client");
    peer_add(p, "\x80", 1);
    add_large(p, 9000, 'x');
    publish_refused(p, 2);
    assert_settled(client, WIRE_REDRIVE, 1, "missing", "type"); /* not the event, a key of it */
    assert_settled(client, WIRE_REDRIVE, 2, "too-large", "");
    assert_settled(client, WIRE_REDRIVE, 3, "missing", "");
    assert_int_equal(kept(client), 2);
    peer_close(p);
    peer_close(client);
}

/* Nothing is appended that was there before, and nothing twice. */
static void assert_partition(struct peer *client, const char *committee, struct slice expected,
                             uint64_t count)
{
    peer_read(client, peer_partition(committee), 1, 0, 1 << 20);
    if (count > 0) {
        const struct wire_batch *b = &peer_expect(client, WIRE_BATCH)->batch;
        assert_int_equal(b->end, count);
        assert_int_equal(b->count, count);
        assert_true(slice_is(b->runs[0].source, "local"));
        assert_true(slice_equal(client->payload, expected));
    }
    assert_true(peer_hears_nothing(client, WIRE_BATCH));
}

static void an_event_whose_time_has_come_is_accepted_exactly_once(void **state)
{
    struct buffer early = {0};

    (void)state;
    broker_restart(0);
    struct peer *p = peer_hello("producer"), *client = peer_hello("client");
    peer_add(p, "\xc1", 1);
    add_early_vote(p, "TC 1", clock_wall_ms() + 3000);
    buffer_add(&early, p->events.at + 1, p->events.size - 1);
    publish_refused(p, 2);
    const struct wire_rejected *l = list(client, 2, 1);
    assert_true(slice_is(l->rejects[0].code, "out-of-range"));
    assert_true(slice_is(l->rejects[0].field, "time"));
    assert_true(slice_is(settled_when_due(client, 2), ""));
    assert_settled(client, WIRE_REDRIVE, 2, "missing", "");
    assert_settled(client, WIRE_DROP, 2, "missing", "");
    assert_int_equal(kept(client), 1);
    assert_partition(client, "TC 1", buffer_slice(&early), 1);
    peer_close(p);
    peer_close(client);
    broker_restart(0);
    client = peer_hello("client");
    assert_int_equal(kept(client), 1);
    assert_partition(client, "TC 1", buffer_slice(&early), 1);
    peer_close(client);
    buffer_free(&early);
}

static void many_are_settled_at_once_each_for_itself(void **state)
{
    static uint64_t numbers[WIRE_MAX_NUMBERS];
    uint64_t settled = 0, missing = 0;

    (void)state;
    broker_restart(0);
    struct peer *p = peer_hello("producer"), *client = peer_hello("client");
    char key[70];
    memset(key, 'k', sizeof key); /* the reason names it: texts at their longest */
    for (uint64_t i = 0; i < 600; i++) {
        struct buffer b = {0};
        pack_map(&b, 2);
        pack_str(&b, slice_make(key, 64));
        pack_int(&b, 1);
        pack_str(&b, slice_make(key, 64));
        pack_int(&b, 1);
        peer_add(p, b.at, b.size);
        buffer_free(&b);
    }
    publish_refused(p, 600);
    for (uint64_t i = 0; i < WIRE_MAX_NUMBERS; i++)
        numbers[i] = i + 1;
    const struct wire_settled *s = ask(client, WIRE_REDRIVE, numbers, WIRE_MAX_NUMBERS);
    while (settled < WIRE_MAX_NUMBERS) {
        for (uint32_t i = 0; i < s->count; i++) {
            assert_int_equal(s->list[i].number, ++settled);
            missing += slice_is(s->list[i].code, "missing") && s->list[i].field.size == 0;
        }
        if (settled < WIRE_MAX_NUMBERS)
            s = &peer_expect(client, WIRE_SETTLED)->settled;
    }
    assert_int_equal(missing, WIRE_MAX_NUMBERS - 600);
    assert_int_equal(kept(client), 600);
    peer_close(p);
    peer_close(client);
}

/* ---- dropping ---- */

static void what_is_dropped_is_not_shown_again(void **state)
{
    (void)state;
    broker_restart(0);
    struct peer *p = peer_hello("producer"), *client = peer_hello("client");
    for (int i = 0; i < 4; i++)
        peer_add(p, "\xc1", 1);
    publish_refused(p, 4);
    const struct wire_settled *s = ask(client, WIRE_DROP, (uint64_t[]){2, 4, 9}, 3);
    assert_int_equal(s->count, 3);
    assert_true(s->list[0].code.size == 0 && s->list[1].code.size == 0);
    assert_true(slice_is(s->list[2].code, "missing"));
    peer_close(p);
    peer_close(client);
    broker_restart(0);
    client = peer_hello("client");
    const struct wire_rejected *l = list(client, 0, 10);
    assert_true(l->count == 2 && l->rejects[0].number == 1 && l->rejects[1].number == 3);
    p = peer_hello("producer");
    peer_add(p, "\xc1", 1);
    publish_refused(p, 1);
    l = list(client, 4, 10);
    assert_true(l->count == 1 && l->rejects[0].number == 5); /* 4 was another one */
    peer_close(p);
    peer_close(client);
}

/* ---- when it cannot be ---- */

/* True when all were accepted. */
static bool publish_votes(struct peer *p, unsigned first, unsigned count)
{
    uint64_t left = count, refused = 0;

    for (unsigned i = 0; i < count; i++)
        peer_add_vote(p, "TC 9", first + i);
    peer_publish(p);
    while (left > 0) {
        const struct wire_puback *a = &peer_expect(p, WIRE_PUBACK)->puback;
        left -= a->count;
        refused += a->refused_count;
    }
    return refused == 0;
}

/* Until there is no room for a single vote, and the broker, which looks for pages that have become
 * free once a second, finds none either: not when it is tried 2 s later. */
static void fill_journal(struct peer *p)
{
    int64_t full_ms = clock_mono_ms(), tried_ms;
    unsigned number = 1;

    do {
        tried_ms = clock_mono_ms();
        for (unsigned count = 1000; count >= 1; number += count)
            if (publish_votes(p, number, count))
                full_ms = clock_mono_ms();
            else
                count /= 10;
        usleep(20000);
    } while (tried_ms < full_ms + 2000);
}

static void a_full_journal_redrives_nothing_and_drops(void **state)
{
    (void)state;
    broker_restart((uint64_t)16 << 20);
    struct peer *p = peer_hello("producer"), *client;
    add_early_vote(p, "TC 1", clock_wall_ms() + 3000);
    peer_add(p, "\xc1", 1);
    publish_refused(p, 2);
    fill_journal(p);
    client = peer_hello("client"); /* not before: filling may take longer than its silence */
    assert_true(slice_is(settled_when_due(client, 1), "journal-full"));
    const struct wire_settled *s = ask(client, WIRE_REDRIVE, (uint64_t[]){1, 2, 99}, 3);
    assert_int_equal(s->count, 3); /* each its own: the others are not for want of room */
    assert_true(slice_is(s->list[0].code, "journal-full"));
    assert_true(slice_is(s->list[1].code, "malformed"));
    assert_true(slice_is(s->list[2].code, "missing"));
    assert_int_equal(kept(client), 2);
    assert_settled(client, WIRE_DROP, 2, "", "");
    assert_int_equal(kept(client), 1);
    peer_close(p);
    peer_close(client);
    broker_restart((uint64_t)64 << 20);
    client = peer_hello("client");
    assert_settled(client, WIRE_REDRIVE, 1, "", "");
    assert_int_equal(kept(client), 0);
    peer_close(client);
}

static void a_damaged_one_is_shown_as_corrupt_and_can_be_dropped(void **state)
{
    char file[600];

    (void)state;
    broker_restart(0);
    struct peer *p = peer_hello("producer");
    peer_add(p, "\xa5SOUND", 6);
    peer_add(p, "\xa8UNHEALTHY", 10);
    publish_refused(p, 2);
    peer_close(p);
    broker_close(peer_broker);
    peer_broker = NULL;
    snprintf(file, sizeof file, "%s/journal/data.mdb", peer_folder);
    shelf_damage(file, "UNHEALTHY", 3, 'X');
    broker_restart(0);
    struct peer *client = peer_hello("client");
    const struct wire_rejected *l = list(client, 0, 10);
    assert_int_equal(l->count, 2);
    assert_true(slice_is(l->rejects[0].code, "malformed"));
    assert_true(slice_is(l->rejects[1].code, "corrupt") && l->rejects[1].bytes == 0);
    assert_settled(client, WIRE_REDRIVE, 2, "corrupt", "");
    assert_settled(client, WIRE_DROP, 2, "", "");
    assert_int_equal(kept(client), 1);
    peer_close(client);
}

static void a_worker_has_no_business_with_refused_events(void **state)
{
    struct wire_message m = {.kind = WIRE_REJECTS, .rejects = {0, 1}};

    (void)state;
    broker_restart(0);
    struct peer *worker = peer_hello("worker");
    peer_say(worker, &m);
    do
        peer_hears(worker, PEER_TIMEOUT_MS);
    while (worker->m.kind == WIRE_ASSIGN);
    assert_int_equal(worker->m.kind, WIRE_ERROR);
    assert_true(slice_is(worker->m.error.code, "denied"));
    assert_false(worker->m.error.fatal);
    peer_say_kind(worker, WIRE_PING); /* and goes on */
    peer_expect(worker, WIRE_PONG);
    peer_close(worker);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, peer_setup, peer_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(refused_events_are_shown_with_their_reasons),
        TEST(long_lists_come_in_pages_within_the_limits),
        TEST(an_event_that_is_still_bad_stays_refused),
        TEST(an_event_whose_time_has_come_is_accepted_exactly_once),
        TEST(many_are_settled_at_once_each_for_itself),
        TEST(what_is_dropped_is_not_shown_again),
        TEST(a_full_journal_redrives_nothing_and_drops),
        TEST(a_damaged_one_is_shown_as_corrupt_and_can_be_dropped),
        TEST(a_worker_has_no_business_with_refused_events),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
