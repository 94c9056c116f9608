/* The broker's read endpoint: who serves which partition, and what a reader gets. */
#include "broker/broker.h"
#include "broker/record.h"
#include "proto/clock.h"
#include "proto/error.h"
#include "tests/peer.h"
#include "tests/shelf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CREDIT (64 * 1024)

/* Publishes `batches` times `count` votes of one committee, each batch a commit of its own, and
 * returns their bytes. */
static struct buffer publish(const char *committee, unsigned batches, unsigned count)
{
    struct peer *p = peer_hello("producer");
    struct buffer all = {0};

    for (unsigned n = 0; n < batches * count; n++) {
        peer_add_vote(p, committee, 100 + n);
        if ((n + 1) % count != 0)
            continue;
        buffer_add_slice(&all, buffer_slice(&p->events));
        peer_publish(p);
        peer_expect(p, WIRE_PUBACK);
    }
    peer_close(p);
    return all;
}

/* ---- assignment ---- */

/* Waits for an ASSIGN that names the partitions number, number + workers and so on. */
static void expect_share(struct peer *worker, unsigned number, unsigned workers)
{
    for (;;) {
        const struct wire_assign *a = &peer_expect(worker, WIRE_ASSIGN)->assign;
        bool same = true;
        uint32_t n = 0;
        for (unsigned p = number; p < 8; p += workers, n++)
            same = same && n < a->count && a->partitions[n] == p;
        if (same && n == a->count)
            return;
    }
}

static void every_partition_has_one_worker_as_they_come_and_go(void **state)
{
    (void)state;
    broker_restart(0);
    struct peer *one = peer_hello("worker");
    expect_share(one, 0, 1);
    struct peer *two = peer_hello("worker");
    expect_share(one, 0, 2);
    expect_share(two, 1, 2);
    struct peer *three = peer_hello("worker");
    expect_share(one, 0, 3);
    expect_share(two, 1, 3);
    expect_share(three, 2, 3);
    peer_say_kind(one, WIRE_BYE);
    expect_share(two, 0, 2);
    expect_share(three, 1, 2);
    peer_close(two); /* as if killed: it says nothing */
    expect_share(three, 0, 1);
    peer_close(one);
    peer_close(three);
}

static void a_client_is_given_no_partitions(void **state)
{
    (void)state;
    broker_restart(0);
    struct peer *worker = peer_hello("worker"), *client = peer_hello("client");
    expect_share(worker, 0, 1);
    assert_true(peer_hears_nothing(client, WIRE_ASSIGN));
    peer_close(worker);
    peer_close(client);
}

/* ---- reading ---- */

static void assert_batch(struct peer *p, uint64_t offset, struct slice events, uint64_t count)
{
    const struct wire_batch *b = &peer_expect(p, WIRE_BATCH)->batch;
    uint64_t in_runs = 0;

    assert_int_equal(b->offset, offset);
    assert_int_equal(b->count, count);
    assert_true(slice_equal(p->payload, events));
    for (uint32_t i = 0; i < b->run_count; i++) {
        in_runs += b->runs[i].count;
        assert_true(slice_is(b->runs[i].source, "local"));
        assert_true(llabs(b->runs[i].received_ms - clock_wall_ms()) < 3600 * 1000);
    }
    assert_int_equal(in_runs, count);
}

static void a_reader_gets_the_very_bytes_from_any_offset(void **state)
{
    unsigned partition = peer_partition("TC 1");

    (void)state;
    broker_restart(0);
    struct buffer all = publish("TC 1", 3, 4);
    size_t one = all.size / 12; /* all are of one size */
    struct peer *p = peer_hello("client");
    for (uint64_t o = 0; o < 12; o++) {
        peer_read(p, partition, o, o, CREDIT);
        assert_batch(p, o, slice_make(all.at + o * one, all.size - o * one), 12 - o);
        assert_int_equal(p->m.batch.stream, o);
        assert_int_equal(p->m.batch.end, 12);
        assert_int_equal(p->m.batch.run_count, 3 - o / 4);
    }
    buffer_free(&all);
    peer_close(p);
}

static void a_reader_at_the_end_gets_what_comes_later(void **state)
{
    unsigned partition = peer_partition("TC 1");

    (void)state;
    broker_restart(0);
    struct peer *p = peer_hello("worker");
    peer_read(p, partition, 1, 0, CREDIT);
    assert_true(peer_hears_nothing(p, WIRE_BATCH));
    struct buffer all = publish("TC 1", 1, 5);
    assert_batch(p, 0, buffer_slice(&all), 5);
    buffer_free(&all);
    peer_close(p);
}

static void credit_is_respected(void **state)
{
    unsigned partition = peer_partition("TC 1");
    struct wire_message credit = {.kind = WIRE_CREDIT};

    (void)state;
    broker_restart(0);
    struct buffer all = publish("TC 1", 10, 2);
    size_t two = all.size / 10;
    struct peer *p = peer_hello("worker");
    peer_read(p, partition, 7, 0, 1);
    assert_batch(p, 0, slice_make(all.at, two), 2); /* below zero once, by less than a record */
    assert_true(peer_hears_nothing(p, WIRE_BATCH));
    credit.credit = (struct wire_credit){partition, 7, two - 1};
    peer_say(p, &credit); /* 1 - two + two - 1: still nothing left */
    assert_true(peer_hears_nothing(p, WIRE_BATCH));
    credit.credit = (struct wire_credit){partition, 6, CREDIT};
    peer_say(p, &credit); /* of another stream */
    assert_true(peer_hears_nothing(p, WIRE_BATCH));
    credit.credit = (struct wire_credit){partition, 7, two + 1};
    peer_say(p, &credit);
    assert_batch(p, 2, slice_make(all.at + two, 2 * two), 4);
    credit.credit = (struct wire_credit){partition, 7, UINT64_MAX >> 1};
    peer_say(p, &credit);
    assert_batch(p, 6, slice_make(all.at + 3 * two, 7 * two), 14);
    buffer_free(&all);
    peer_close(p);
}

static void a_long_partition_comes_in_batches_within_the_limits(void **state)
{
    unsigned partition = peer_partition("TC 1");
    uint64_t offset = 0, batches = 0, events = 9 * WIRE_MAX_EVENTS;
    size_t bytes = 0;

    (void)state;
    broker_restart(0);
    struct buffer all = publish("TC 1", 9, WIRE_MAX_EVENTS);
    struct peer *p = peer_hello("client");
    assert_true(all.size > 2 * WIRE_MAX_PAYLOAD);
    peer_read(p, partition, 1, 0, 64 * WIRE_MAX_PAYLOAD);
    for (; offset < events; batches++) {
        const struct wire_batch *b = &peer_expect(p, WIRE_BATCH)->batch;
        assert_int_equal(b->offset, offset);
        assert_true(p->payload.size <= RECORD_BYTES && b->count <= 16384);
        assert_true(bytes + p->payload.size <= all.size);
        assert_memory_equal(p->payload.at, all.at + bytes, p->payload.size);
        bytes += p->payload.size;
        offset += b->count;
    }
    assert_int_equal(bytes, all.size);
    assert_true(batches >= all.size / RECORD_BYTES);
    buffer_free(&all);
    peer_close(p);
}

static void what_is_not_there_cannot_be_read(void **state)
{
    unsigned partition = peer_partition("TC 1");

    (void)state;
    broker_restart(0);
    struct buffer all = publish("TC 1", 1, 3);
    struct peer *p = peer_hello("worker");
    peer_read(p, partition, 1, 4, CREDIT);
    peer_expect_error(p, "ahead", false);
    peer_read(p, partition, 2, 2, CREDIT); /* the session goes on */
    assert_batch(p, 2, slice_make(all.at + all.size / 3 * 2, all.size / 3), 1);
    peer_read(p, 8, 1, 0, CREDIT);
    peer_expect_error(p, "bad-message", true);
    buffer_free(&all);
    peer_close(p);
}

/* Changes the byte behind each place where `mark` stands, below the broker, as a failing disk
 * would. */
static void damage(const char *mark)
{
    char path[600];

    snprintf(path, sizeof path, "%s/journal/data.mdb", peer_folder);
    shelf_damage(path, mark, strlen(mark), 'X');
}

/* The first committee from number `n` on that is in none of the two partitions. */
static void committee_elsewhere(unsigned n, unsigned one, unsigned two, char name[16])
{
    do
        snprintf(name, 16, "TC %u", n++);
    while (peer_partition(name) == one || peer_partition(name) == two);
}

static void a_damaged_record_stops_its_stream_only(void **state)
{
    unsigned partition = peer_partition("TC 1");
    char committee[16], third[16];

    (void)state;
    broker_restart(0);
    committee_elsewhere(2, partition, partition, committee);
    committee_elsewhere(2, partition, peer_partition(committee), third);
    struct buffer all = publish("TC 1", 3, 1), sound = publish(committee, 1, 3);
    struct buffer many = publish(third, 1, 1000); /* all into the trees: read from there */
    struct peer *p = peer_hello("worker");
    damage("vote-101\xa4type\xa4vote\xa4time\xb4"
           "2025-03-01T12:00:00Z\xa9"
           "committee\xa4TC 1");
    peer_read(p, partition, 1, 0, CREDIT);
    assert_batch(p, 0, slice_make(all.at, all.size / 3), 1);
    peer_expect_error(p, "corrupt", false);
    peer_read(p, partition, 2, 2, CREDIT); /* behind it, if somebody asks */
    assert_batch(p, 2, slice_make(all.at + all.size / 3 * 2, all.size / 3), 1);
    peer_read(p, peer_partition(committee), 3, 0, CREDIT);
    assert_batch(p, 0, buffer_slice(&sound), 3);
    buffer_free(&all);
    buffer_free(&sound);
    buffer_free(&many);
    peer_close(p);
}

static void reading_goes_on_over_a_restart(void **state)
{
    unsigned partition = peer_partition("TC 1");
    char log[32];

    (void)state;
    broker_restart(0);
    struct buffer all = publish("TC 1", 2, 2);
    struct peer *p = peer_hello("worker");
    memcpy(log, p->m.welcome.log.at, sizeof log);
    peer_close(p);
    broker_restart(0);
    p = peer_hello("worker");
    assert_memory_equal(p->m.welcome.log.at, log, sizeof log);
    peer_read(p, partition, 1, 3, CREDIT);
    assert_batch(p, 3, slice_make(all.at + all.size / 4 * 3, all.size / 4), 1);
    buffer_free(&all);
    peer_close(p);
}

/* A reader that does not read holds up neither producers nor other readers. */
static void a_reader_that_does_not_read_is_no_hindrance(void **state)
{
    unsigned partition = peer_partition("TC 1");

    (void)state;
    broker_restart(0);
    struct peer *stuck = peer_hello("client"), *p;
    peer_read(stuck, partition, 1, 0, UINT64_MAX >> 1);
    for (int i = 0; i < 20; i++) {
        struct buffer all = publish("TC 1", 1, WIRE_MAX_EVENTS);
        buffer_free(&all);
    }
    p = peer_hello("client"); /* only now: who is not turned to answers no PING */
    peer_read(p, partition, 1, 20 * WIRE_MAX_EVENTS - 1, CREDIT);
    assert_int_equal(peer_expect(p, WIRE_BATCH)->batch.count, 1);
    peer_close(stuck);
    peer_close(p);
}

/* ---- status ---- */

static void assert_bound(const struct wire_report *r, const char *name, uint64_t value,
                         uint64_t limit)
{
    for (uint32_t i = 0; i < r->bound_count; i++)
        if (slice_is(r->bounds[i].name, name)) {
            assert_int_equal(r->bounds[i].value, value);
            assert_int_equal(r->bounds[i].limit, limit);
            return;
        }
    fail_msg("no %s", name);
}

static void status_reports_what_there_is(void **state)
{
    unsigned partition = peer_partition("TC 1");
    struct wire_message status = {.kind = WIRE_STATUS};
    uint64_t offsets[8] = {0};

    (void)state;
    broker_restart(0);
    struct buffer all = publish("TC 1", 2, 2);
    struct peer *worker = peer_hello("worker"), *client = peer_hello("client");
    offsets[partition] = 3;
    status.status = (struct wire_status){8, offsets};
    peer_say(client, &status);
    const struct wire_report *r = &peer_expect(client, WIRE_REPORT)->report;
    assert_int_equal(r->count, 8);
    assert_int_equal(r->log.size, 32);
    assert_true(r->server.size > 0 && r->journal_bytes > 0 && r->journal_bytes < r->journal_limit);
    for (unsigned p = 0; p < 8; p++) {
        assert_int_equal(r->ends[p], p == partition ? 4 : 0);
        assert_true(p == partition ? r->received_ms[p] > 0 : r->received_ms[p] == 0);
    }
    assert_int_equal(r->accepted, 4);
    assert_int_equal(r->worker_count, 1);
    assert_true(slice_is(r->workers[0].name, "a test") && r->workers[0].pid > 0);
    assert_int_equal(r->workers[0].count, 8);
    assert_int_equal(r->rights.size, 0);
    assert_bound(r, "workers", 1, 32);
    assert_bound(r, "clients", 1, 32);
    assert_bound(r, "backlog_bytes", 0, (uint64_t)48 << 20);
    assert_bound(r, "keys_refused", 0, 0);
    offsets[partition] = 4; /* nothing is unapplied */
    peer_say(client, &status);
    r = &peer_expect(client, WIRE_REPORT)->report;
    assert_int_equal(r->received_ms[partition], 0);
    buffer_free(&all);
    peer_close(worker);
    peer_close(client);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, peer_setup, peer_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_partition_has_one_worker_as_they_come_and_go),
        TEST(a_client_is_given_no_partitions),
        TEST(a_reader_gets_the_very_bytes_from_any_offset),
        TEST(a_reader_at_the_end_gets_what_comes_later),
        TEST(credit_is_respected),
        TEST(a_long_partition_comes_in_batches_within_the_limits),
        TEST(what_is_not_there_cannot_be_read),
        TEST(a_damaged_record_stops_its_stream_only),
        TEST(reading_goes_on_over_a_restart),
        TEST(a_reader_that_does_not_read_is_no_hindrance),
        TEST(status_reports_what_there_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
