/* Fair service: who floods, and who does not read, slows only himself; and nothing is lost by it.
 */
#include "broker/backlog.h"
#include "broker/burden.h"
#include "broker/record.h"
#include "broker/session.h"
#include "proto/clock.h"
#include "proto/error.h"
#include "proto/pack.h"
#include "tests/peer.h"
#include "tests/random.h"
#include "tests/raw.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define FLOODERS     64
#define FLOOD_EVENTS WIRE_MAX_EVENTS
#define HOG_EVENTS   1536 /* of 8 KiB: 12 MiB */
#define HOGS         8

static void round_once(void)
{
    assert_int_equal(broker_round(peer_broker, -1, 1), 0);
}

static const struct wire_report *report(struct peer *client)
{
    peer_say_kind(client, WIRE_STATUS);
    return &peer_expect(client, WIRE_REPORT)->report;
}

/* The next message that is here already, without a turn for the broker; PINGs are answered. */
static bool take_ready(struct peer *p)
{
    struct link_message in;

    while (link_receive(p->link, &in) == 0) {
        arena_reset(&p->arena, 1 << 20);
        assert_int_equal(wire_decode(in.header, in.payload.size, &p->arena, &p->m), 0);
        if (p->m.kind != WIRE_PING)
            return true;
        peer_say_kind(p, WIRE_PONG);
    }
    return false;
}

static void publish_votes(struct peer *p, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        peer_add_vote(p, "TC 1", (unsigned)p->next + i);
    peer_publish(p);
}

/* Takes PUBACKs up to this number, none of which may refuse anything. */
static void expect_all(struct peer *p, uint64_t first, uint64_t last)
{
    for (uint64_t done = first; done <= last;) {
        const struct wire_puback *a = &peer_expect(p, WIRE_PUBACK)->puback;
        assert_int_equal(a->first, done);
        assert_int_equal(a->refused_count, 0);
        done += a->count;
    }
}

/* ---- backlogs ---- */

static void a_backlog_gives_back_what_it_was_given_in_pieces_of_any_size(void **state)
{
    struct random r = random_new(random_seed("test_fair"));
    struct backlog b = {0};
    struct buffer in = {0}, out = {0};
    uint64_t added = 0, taken = 0;

    (void)state;
    while (taken < 20000) {
        uint32_t sizes[50], count = 1 + (uint32_t)random_below(&r, 50);
        struct wire_publish m = {1 + added, count, sizes};
        size_t before = in.size;
        struct slice payload;
        for (uint32_t i = 0; i < count; i++) {
            sizes[i] = (uint32_t)random_below(&r, 30);
            for (uint32_t n = 0; n < sizes[i]; n++)
                buffer_add(&in, &(char){(char)random_next(&r)}, 1);
        }
        added += count;
        backlog_add(&b, &m, slice_make(in.at + before, in.size - before));
        while (random_percent(&r, 60) && backlog_first(&b, &m, &payload)) {
            uint32_t some = 1 + (uint32_t)random_below(&r, m.count);
            size_t bytes = 0;
            assert_int_equal(m.first, 1 + taken);
            for (uint32_t i = 0; i < some; i++)
                bytes += m.sizes[i];
            buffer_add(&out, payload.at, bytes);
            backlog_done(&b, some, bytes);
            taken += some;
        }
    }
    assert_memory_equal(in.at, out.at, out.size);
    backlog_clear(&b);
    assert_int_equal(b.bytes, 0);
    buffer_free(&in);
    buffer_free(&out);
}

/* ---- producers ---- */

static size_t backlog_of(const struct session *who)
{
    return who->backlog.bytes;
}

/* Until all of them have all, whoever comes first. */
static void flood_await(struct peer *flood[FLOODERS])
{
    int64_t end_ms = clock_mono_ms() + PEER_TIMEOUT_MS;
    uint64_t done[FLOODERS] = {0}, all = 0;

    while (all < (uint64_t)FLOODERS * FLOOD_EVENTS) {
        assert_true(clock_mono_ms() < end_ms);
        round_once();
        for (int i = 0; i < FLOODERS; i++)
            while (take_ready(flood[i])) {
                assert_int_equal(flood[i]->m.kind, WIRE_PUBACK);
                assert_int_equal(flood[i]->m.puback.first, done[i] + 1);
                assert_int_equal(flood[i]->m.puback.refused_count, 0);
                done[i] += flood[i]->m.puback.count;
                all += flood[i]->m.puback.count;
            }
    }
}

/* How much of the flood is on disk when the one good event is: a few rounds' worth, whatever there
 * is in all. */
static void a_modest_producer_does_not_wait_for_those_who_flood(void **state)
{
    struct peer *flood[FLOODERS];

    (void)state;
    broker_restart((uint64_t)256 << 20);
    struct peer *good = peer_hello("producer"), *client = peer_hello("client");
    for (int i = 0; i < FLOODERS; i++)
        flood[i] = peer_hello("producer");
    for (int i = 0; i < FLOODERS; i++) /* the loop stands still meanwhile */
        publish_votes(flood[i], FLOOD_EVENTS);
    publish_votes(good, 1);
    uint64_t before = report(client)->accepted;
    expect_all(good, 1, 1);
    uint64_t flooded = report(client)->accepted;
    print_message("%llu of %u events of the flood before the STATUS, %llu before the answer\n",
                  (unsigned long long)before, FLOODERS * FLOOD_EVENTS, (unsigned long long)flooded);
    assert_true(flooded < FLOODERS * FLOOD_EVENTS / 2);
    flood_await(flood);
    for (int i = 0; i < FLOODERS; i++)
        peer_close(flood[i]);
    assert_int_equal(report(client)->accepted, FLOODERS * FLOOD_EVENTS + 1);
    peer_close(good);
    peer_close(client);
}

/* 256 KiB of numbers, of a kind that nobody knows and of one that somebody does. */
static struct slice header_large(char kind)
{
    static char header[WIRE_MAX_HEADER - 16];
    uint32_t count = sizeof header - 5;

    memset(header, 1, sizeof header);
    header[0] = '\xdd';
    for (int i = 0; i < 4; i++)
        header[1 + i] = (char)(count >> (24 - 8 * i));
    header[5] = kind;
    return slice_make(header, sizeof header);
}

/* Taken a few in each round, so that many rounds go by until all are. */
static void large_headers_keep_nobody_waiting(void **state)
{
    struct peer *loud[16], *good;
    struct slice header = header_large(100);

    (void)state;
    broker_restart(0);
    good = peer_hello("producer");
    for (int i = 0; i < 16; i++)
        loud[i] = peer_hello("producer");
    for (int i = 0; i < 16; i++)
        for (int n = 0; n < 32; n++)
            while (link_send(loud[i]->link, slice_make(NULL, 0), header, NULL, 0) == ERR_AGAIN)
                round_once();
    publish_votes(good, 1);
    expect_all(good, 1, 1);
    for (int i = 0; i < 16; i++) { /* passed over, as PROTOCOL.md says */
        publish_votes(loud[i], 1);
        expect_all(loud[i], 1, 1);
        peer_close(loud[i]);
    }
    peer_close(good);
}

static void a_round_takes_few_large_headers(void **state)
{
    struct sessions s;
    struct wire_welcome welcome = {.partitions = 8};
    struct slice header = header_large(100);
    struct link *server, *client;
    struct wire_message m;
    struct session *from;
    int64_t end = clock_mono_ms() + PEER_TIMEOUT_MS;
    char endpoint[600];
    unsigned taken = 0;

    (void)state;
    snprintf(endpoint, sizeof endpoint, "ipc://%s/alone.sock", peer_folder);
    assert_int_equal(link_bind(endpoint, &server), 0);
    assert_int_equal(link_connect(endpoint, &client), 0);
    sessions_open(&s, server, NULL, &welcome);
    for (int i = 0; i < 20; i++)
        assert_int_equal(link_send(client, slice_make(NULL, 0), header, NULL, 0), 0);
    while (!sessions_enough(&s)) {
        assert_true(clock_mono_ms() < end);
        taken += sessions_receive(&s, clock_mono_ms(), &from, &m) == 0;
    }
    assert_true(taken <= SESSIONS_HEADERS / header.size + 1);
    sessions_begin(&s);
    assert_false(sessions_enough(&s));
    sessions_close(&s);
    link_close(client, 0);
    link_close(server, 0);
}

static void a_large_header_of_a_known_kind_is_an_error(void **state)
{
    (void)state;
    broker_restart(0);
    struct peer *p = peer_hello("producer");
    struct slice header = header_large(WIRE_PING);
    assert_int_equal(link_send(p->link, slice_make(NULL, 0), header, NULL, 0), 0);
    peer_expect_error(p, "bad-message", true);
    peer_close(p);
}

static void of_the_heaviest_key_the_heaviest_session_goes(void **state)
{
    struct right good = {.key = "a", .number = 0}, bad = {.key = "b", .number = 1};
    struct session who[6] = {0}, *list[6];
    static const size_t bytes[6] = {12, 4, 5, 4, 0, 6};
    struct sessions s = {.list = list, .count = 6};
    size_t sum;

    (void)state;
    for (int i = 0; i < 6; i++) {
        const struct right *right = i == 0 ? &good : &bad;
        who[i].right = i == 5 ? RIGHT_LOCAL : right;
        strcpy(who[i].user, i == 5 ? "" : right->key);
        who[i].backlog.bytes = bytes[i];
        list[i] = &who[i];
    }
    assert_ptr_equal(burden_find(&s, backlog_of, &sum), &who[2]);
    assert_int_equal(sum, 31);
    who[3].gone = true; /* what it had is not counted any more */
    assert_ptr_equal(burden_find(&s, backlog_of, &sum), &who[0]);
    assert_int_equal(sum, 27);
    s.count = 0;
    assert_null(burden_find(&s, backlog_of, &sum));
    assert_int_equal(sum, 0);
}

static void acknowledgements_that_nobody_reads_have_a_bound_in_all(void **state)
{
    struct right good = {.key = "a", .number = 0}, bad = {.key = "b", .number = 1};
    struct session who[4] = {0}, *list[4];
    struct sessions s = {.list = list, .count = 4, .live = {4}};

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        who[i].right = i == 0 ? &good : &bad;
        strcpy(who[i].user, who[i].right->key);
        who[i].unsent.room = i == 0 ? (size_t)7 << 20 : (size_t)4 << 20;
        list[i] = &who[i];
    }
    assert_true(sessions_relieve(&s));
    assert_false(who[0].gone); /* the largest, but not of the key with most */
    assert_int_equal(s.live[SESSION_PRODUCER], 3);
    assert_false(sessions_relieve(&s));
}

static void a_local_newcomer_has_the_place_of_a_key_that_is_busy(void **state)
{
    struct session who[3] = {0}, *list[3];
    struct sessions s = {.list = list, .count = 3};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        who[i].role = i == 2 ? SESSION_WORKER : SESSION_CLIENT;
        who[i].number = i;
        who[i].active_ms = 1000;
        strcpy(who[i].user, i == 0 ? "" : "k");
        list[i] = &who[i];
    }
    assert_null(way_find(&s, SESSION_CLIENT, true, 1000));
    assert_ptr_equal(way_find(&s, SESSION_CLIENT, false, 1000), &who[1]);
    assert_null(way_find(&s, SESSION_WORKER, true, 1000 + SESSION_IDLE_MS));
    assert_ptr_equal(way_find(&s, SESSION_WORKER, false, 1000), &who[2]);
    assert_ptr_equal(way_find(&s, SESSION_CLIENT, true, 1000 + SESSION_IDLE_MS), &who[0]);
    who[1].gone = true; /* and no local one for a local one */
    assert_null(way_find(&s, SESSION_CLIENT, false, 1000));
}

static void the_sessions_of_a_key_are_counted_at_both_endpoints(void **state)
{
    struct session one = {.user = "k"}, two = {.user = "k"}, gone = {.user = "k", .gone = true};
    struct session *here[] = {&one, &gone}, *there[] = {&two};
    struct sessions readers = {.list = there, .count = 1};
    struct sessions producers = {.list = here, .count = 2, .other = &readers};

    (void)state;
    readers.other = &producers;
    assert_int_equal(sessions_of_key(&producers, "k"), 2);
    assert_int_equal(sessions_of_key(&readers, "k"), 2);
    assert_int_equal(sessions_of_key(&readers, "other"), 0);
}

static void a_producer_beyond_its_window_is_sent_away(void **state)
{
    int64_t end = clock_mono_ms() + PEER_TIMEOUT_MS;

    (void)state;
    broker_restart((uint64_t)1 << 30);
    struct peer *p = peer_hello("producer"), *good = peer_hello("producer");
    struct wire_message hello = {.kind = WIRE_HELLO};
    do { /* faster than it is looked at, and never waiting */
        assert_true(clock_mono_ms() < end);
        for (int i = 0; i < 32; i++)
            publish_votes(p, WIRE_MAX_EVENTS);
        round_once();
        while (take_ready(p) && p->m.kind != WIRE_ERROR)
            ;
    } while (p->m.kind != WIRE_ERROR);
    assert_true(slice_is(p->m.error.code, "window") && p->m.error.fatal);
    publish_votes(good, 10);
    expect_all(good, 1, 10);
    hello.hello = (struct wire_hello){slice_of("producer"), slice_of("again"), 1};
    peer_say(p, &hello);
    while (!peer_hears(p, 1) || p->m.kind != WIRE_WELCOME) /* after what was under way */
        assert_true(clock_mono_ms() < end);
    uint64_t first = p->next;
    publish_votes(p, 10);
    expect_all(p, first, first + 9);
    peer_close(p);
    peer_close(good);
}

/* An event of 8 KiB, with a key that turnout does not know. */
static void add_large(struct peer *p, unsigned number)
{
    static char pad[7800];
    size_t before = p->events.size;
    struct buffer *b = &p->events;

    peer_add_vote(p, "TC 1", number);
    b->at[before]++;
    pack_text(b, "pad");
    pack_text(b, "");
    b->size--;
    buffer_add(b, "\xc5\x1e\x78", 3);
    buffer_add(b, pad, sizeof pad);
    uint32_t size = (uint32_t)(b->size - before);
    memcpy(p->sizes.at + p->sizes.size - sizeof size, &size, sizeof size);
}

/* Publishes what is not acknowledged. */
static void hog_publish(struct peer *p, uint64_t done)
{
    for (p->next = done + 1; p->next <= HOG_EVENTS;) {
        for (unsigned i = 0; i < 128 && p->next + i <= HOG_EVENTS; i++)
            add_large(p, (unsigned)p->next + i);
        peer_publish(p);
    }
}

/* Takes what has come; says HELLO and publishes anew if the session was ended. */
static void hog_turn(struct peer *p, uint64_t *done, unsigned *ended)
{
    struct wire_message hello = {.kind = WIRE_HELLO};

    while (*done < HOG_EVENTS && take_ready(p)) {
        if (p->m.kind == WIRE_PUBACK && p->m.puback.first == *done + 1) {
            assert_int_equal(p->m.puback.refused_count, 0);
            *done += p->m.puback.count;
        } else if (p->m.kind == WIRE_ERROR && slice_is(p->m.error.code, "window")) {
            ++*ended;
            hello.hello = (struct wire_hello){slice_of("producer"), slice_of("hog"), 1};
            peer_say(p, &hello);
        } else if (p->m.kind == WIRE_WELCOME) {
            hog_publish(p, *done);
        }
    }
}

static void too_much_at_once_is_sent_again_and_nothing_is_lost(void **state)
{
    uint64_t done[HOGS] = {0}, all = 0, before = 0;
    int64_t end = clock_mono_ms() + PEER_TIMEOUT_MS;
    struct peer *hogs[HOGS];
    unsigned ended = 0;

    (void)state;
    broker_restart((uint64_t)1 << 30);
    for (int i = 0; i < HOGS; i++)
        hogs[i] = peer_hello("producer");
    for (int i = 0; i < HOGS; i++)
        hog_publish(hogs[i], 0);
    while (all < HOGS * HOG_EVENTS) {
        assert_true(clock_mono_ms() < end);
        round_once();
        all = 0;
        for (int i = 0; i < HOGS; i++) {
            hog_turn(hogs[i], &done[i], &ended);
            all += done[i];
        }
        if (all > before) /* as long as it goes on, be the disk as slow as it may */
            end = clock_mono_ms() + PEER_TIMEOUT_MS;
        before = all;
    }
    print_message("%u sessions were ended on the way\n", ended);
    assert_true(ended > 0);
    for (int i = 0; i < HOGS; i++)
        peer_close(hogs[i]);
}

/* ---- readers ---- */

static void fill_journal(unsigned megabytes)
{
    struct peer *p = peer_hello("producer");

    for (unsigned i = 0; i < megabytes; i++) {
        uint64_t first = p->next;
        for (unsigned n = 0; n < 128; n++)
            add_large(p, (unsigned)p->next + n);
        peer_publish(p);
        expect_all(p, first, p->next - 1);
    }
    peer_close(p);
}

/* Everything that lies ready, without giving the broker a turn. */
static size_t drink(struct peer *p)
{
    struct link_message m;
    size_t bytes = 0;

    while (link_wait(&p->link, 1, -1, 500))
        while (link_receive(p->link, &m) == 0)
            bytes += m.header.size + m.payload.size;
    return bytes;
}

static void a_reader_that_does_not_read_is_not_sent_more(void **state)
{
    static const char *const roles[] = {"worker", "client"};
    static const size_t flights[] = {SESSION_FLIGHT, SESSION_FLIGHT_CLIENT};

    (void)state;
    broker_restart((uint64_t)256 << 20);
    fill_journal(24);
    for (int i = 0; i < 2; i++) {
        struct peer *p = peer_hello(roles[i]);
        struct peer *other = peer_hello("client");
        peer_read(p, peer_partition("TC 1"), 1, 0, (uint64_t)1 << 30);
        for (int n = 0; n < 100; n++) /* each answers, so as many rounds at least */
            report(other);
        size_t bytes = drink(p);
        print_message("a %s was sent %zu KiB\n", roles[i], bytes / 1024);
        assert_true(bytes >= flights[i]);
        assert_true(bytes <= flights[i] + WIRE_MAX_PAYLOAD + WIRE_MAX_HEADER);
        peer_close(p);
        peer_close(other);
    }
}

/* Nothing but the queue bounds what is kept for a peer that reads nothing and says it has. */
static void a_narrow_queue_holds_few_messages(void **state)
{
    static char payload[RECORD_BYTES];
    struct slice part = slice_make(payload, sizeof payload);
    int64_t end = clock_mono_ms() + PEER_TIMEOUT_MS;
    struct link_message m;
    struct link *server;
    char endpoint[600], name[LINK_PEER];
    unsigned taken = 0;
    int fd;

    (void)state;
    snprintf(endpoint, sizeof endpoint, "ipc://%s/narrow.sock", peer_folder);
    assert_int_equal(link_bind(endpoint, &server), 0);
    fd = zmtp_connect(endpoint);
    assert_true(zmtp_say(fd, "\x91\x09", 2));
    while (link_receive(server, &m) < 0)
        assert_true(clock_mono_ms() < end);
    memcpy(name, m.peer.at, m.peer.size);
    struct slice peer = slice_make(name, m.peer.size);
    while (taken < 64 && link_send(server, peer, slice_of("\x91\x0a"), &part, 1) == 0)
        taken++;
    assert_true(taken >= 16);
    assert_true(taken <= 32); /* some may be on their way */
    close(fd);
    link_close(server, 0);
}

static void a_reader_that_reads_slowly_gets_all_of_it(void **state)
{
    uint64_t offset = 0;

    (void)state;
    broker_restart((uint64_t)256 << 20);
    fill_journal(12);
    struct peer *p = peer_hello("client"), *other = peer_hello("client");
    peer_read(p, peer_partition("TC 1"), 1, 0, (uint64_t)1 << 30);
    while (offset < (uint64_t)12 * 128) {
        for (int n = 0; n < 10; n++)
            report(other);
        assert_int_equal(peer_expect(p, WIRE_BATCH)->batch.offset, offset);
        offset += p->m.batch.count;
    }
    peer_close(p);
    peer_close(other);
}

/* A HELLO begins the session anew each time; the others are told ten times a second at most. */
static void workers_that_come_and_go_do_not_keep_the_others_busy(void **state)
{
    struct wire_message hello = {.kind = WIRE_HELLO};
    unsigned assigned = 0;

    (void)state;
    broker_restart(0);
    struct peer *restless = peer_hello("worker"), *calm = peer_hello("worker");
    hello.hello = (struct wire_hello){slice_of("worker"), slice_of("restless"), 1};
    int64_t start_ms = clock_mono_ms();
    for (int i = 0; i < 500; i++) {
        peer_say(restless, &hello);
        while (!take_ready(restless) || restless->m.kind != WIRE_WELCOME)
            round_once();
        while (take_ready(calm))
            assigned += calm->m.kind == WIRE_ASSIGN;
    }
    int64_t most = 2 + (clock_mono_ms() - start_ms) / 100;
    print_message("500 times in %lld ms, %u assignments\n", (long long)(clock_mono_ms() - start_ms),
                  assigned);
    assert_true(assigned <= most + 1);
    peer_close(restless);
    peer_close(calm);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, peer_setup, peer_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_backlog_gives_back_what_it_was_given_in_pieces_of_any_size),
        TEST(a_modest_producer_does_not_wait_for_those_who_flood),
        TEST(large_headers_keep_nobody_waiting),
        TEST(a_round_takes_few_large_headers),
        TEST(a_large_header_of_a_known_kind_is_an_error),
        cmocka_unit_test(acknowledgements_that_nobody_reads_have_a_bound_in_all),
        cmocka_unit_test(a_local_newcomer_has_the_place_of_a_key_that_is_busy),
        cmocka_unit_test(the_sessions_of_a_key_are_counted_at_both_endpoints),
        cmocka_unit_test(of_the_heaviest_key_the_heaviest_session_goes),
        TEST(a_producer_beyond_its_window_is_sent_away),
        TEST(too_much_at_once_is_sent_again_and_nothing_is_lost),
        TEST(a_reader_that_does_not_read_is_not_sent_more),
        TEST(a_narrow_queue_holds_few_messages),
        TEST(a_reader_that_reads_slowly_gets_all_of_it),
        TEST(workers_that_come_and_go_do_not_keep_the_others_busy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
