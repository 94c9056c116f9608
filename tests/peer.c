/* Peers of a broker under test; see peer.h. */
#include "tests/peer.h"

#include "proto/clock.h"
#include "proto/error.h"
#include "proto/event.h"
#include "proto/pack.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

char peer_folder[512];
struct broker *peer_broker;

int peer_setup(void **state)
{
    const char *tmp = getenv("TMPDIR");

    (void)state;
    snprintf(peer_folder, sizeof peer_folder, "%s/broker.XXXXXX", tmp ? tmp : "/tmp");
    return mkdtemp(peer_folder) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *s, int type, struct FTW *where)
{
    (void)s, (void)type, (void)where;
    return remove(path);
}

int peer_teardown(void **state)
{
    (void)state;
    broker_close(peer_broker);
    peer_broker = NULL;
    return nftw(peer_folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

void broker_restart(uint64_t journal_bytes)
{
    struct broker_config c = {.dir = peer_folder, .journal_bytes = journal_bytes};

    if (journal_bytes == 0)
        c.journal_bytes = (uint64_t)64 * 1024 * 1024;
    broker_close(peer_broker);
    peer_broker = NULL;
    assert_int_equal(broker_open(&c, &peer_broker), 0);
}

struct peer *peer_connect(const char *endpoint)
{
    struct peer *p = memory_need(sizeof *p);
    char path[600];

    memset(p, 0, sizeof *p);
    p->next = 1;
    snprintf(path, sizeof path, "ipc://%s/%s.sock", peer_folder, endpoint);
    assert_int_equal(link_connect(path, &p->link), 0);
    return p;
}

void peer_close(struct peer *p)
{
    link_close(p->link, 0);
    arena_free(&p->arena);
    buffer_free(&p->sizes);
    buffer_free(&p->events);
    free(p);
}

struct peer *peer_hello(const char *role)
{
    struct peer *p = peer_connect(strcmp(role, "producer") == 0 ? "publish" : "read");
    struct wire_message m = {.kind = WIRE_HELLO};

    m.hello = (struct wire_hello){slice_of(role), slice_of("a test"), getpid()};
    peer_say(p, &m);
    peer_expect(p, WIRE_WELCOME);
    return p;
}

/* The connection may not stand yet: sending is tried until it does. */
static void peer_send(struct peer *p, const struct wire_message *m, const struct slice *payload)
{
    struct buffer header = {0};
    int64_t end = clock_mono_ms() + PEER_TIMEOUT_MS;
    int err;

    wire_encode(m, &header);
    while ((err = link_send(p->link, slice_make(NULL, 0), buffer_slice(&header), payload,
                            payload != NULL)) == ERR_AGAIN &&
           clock_mono_ms() < end)
        assert_int_equal(broker_round(peer_broker, -1, 5), 0);
    assert_int_equal(err, 0);
    buffer_free(&header);
}

void peer_say(struct peer *p, const struct wire_message *m)
{
    peer_send(p, m, NULL);
}

void peer_say_kind(struct peer *p, enum wire_kind kind)
{
    struct wire_message m = {.kind = kind};

    peer_say(p, &m);
}

/* The next message that is no PING, within the time. */
static bool peer_hear(struct peer *p, int64_t until_ms)
{
    struct link_message in;

    while (clock_mono_ms() < until_ms) {
        if (link_receive(p->link, &in) < 0) {
            assert_int_equal(broker_round(peer_broker, -1, 5), 0);
            continue;
        }
        assert_false(in.foreign || in.other_version);
        assert_true(in.header.size <= WIRE_MAX_HEADER);
        arena_reset(&p->arena, 1 << 20);
        assert_int_equal(wire_decode(in.header, in.payload.size, &p->arena, &p->m), 0);
        p->payload = in.payload;
        if (p->m.kind != WIRE_PING)
            return true;
        peer_say_kind(p, WIRE_PONG);
    }
    return false;
}

const struct wire_message *peer_expect(struct peer *p, enum wire_kind kind)
{
    int64_t end = clock_mono_ms() + PEER_TIMEOUT_MS;

    do
        assert_true(peer_hear(p, end));
    while (p->m.kind != kind && p->m.kind == WIRE_ASSIGN);
    if (p->m.kind == WIRE_ERROR && kind != WIRE_ERROR)
        print_error("ERROR %.*s: %.*s\n", (int)p->m.error.code.size, p->m.error.code.at,
                    (int)p->m.error.reason.size, p->m.error.reason.at);
    assert_int_equal(p->m.kind, kind);
    return &p->m;
}

void peer_expect_error(struct peer *p, const char *code, bool fatal)
{
    const struct wire_message *m = peer_expect(p, WIRE_ERROR);

    assert_true(slice_is(m->error.code, code));
    assert_true(m->error.reason.size > 0);
    assert_int_equal(m->error.fatal, fatal);
}

bool peer_hears(struct peer *p, int wait_ms)
{
    return peer_hear(p, clock_mono_ms() + wait_ms);
}

/* Messages of one peer keep their order, so what the broker had to say before is here before the
 * PONG; the round after it shows what it says without being asked. */
bool peer_hears_nothing(struct peer *p, enum wire_kind kind)
{
    for (int i = 0; i < 2; i++) {
        peer_say_kind(p, WIRE_PING);
        do {
            assert_true(peer_hear(p, clock_mono_ms() + PEER_TIMEOUT_MS));
            if (p->m.kind == kind)
                return false;
        } while (p->m.kind != WIRE_PONG);
    }
    return true;
}

/* ---- publishing ---- */

void peer_add(struct peer *p, const void *bytes, size_t size)
{
    uint32_t n = (uint32_t)size;

    buffer_add(&p->sizes, &n, sizeof n);
    buffer_add(&p->events, bytes, size);
}

void peer_add_vote(struct peer *p, const char *committee, unsigned number)
{
    const char *const pairs[] = {"type",      "vote",    "time",     "2025-03-01T12:00:00Z",
                                 "committee", committee, "ballot",   "B-1",
                                 "member",    "CH",      "position", "approve"};
    struct buffer b = {0};
    char id[32];

    snprintf(id, sizeof id, "vote-%u", number);
    pack_map(&b, 7);
    pack_text(&b, "id");
    pack_text(&b, id);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        pack_text(&b, pairs[i]);
    peer_add(p, b.at, b.size);
    buffer_free(&b);
}

void peer_publish(struct peer *p)
{
    struct wire_message m = {.kind = WIRE_PUBLISH};
    struct slice payload = buffer_slice(&p->events);

    m.publish.first = p->next;
    m.publish.count = (uint32_t)(p->sizes.size / sizeof(uint32_t));
    m.publish.sizes = (const uint32_t *)(const void *)p->sizes.at;
    peer_send(p, &m, &payload);
    p->next += m.publish.count;
    buffer_clear(&p->sizes);
    buffer_clear(&p->events);
}

/* ---- reading ---- */

void peer_read(struct peer *p, uint64_t partition, uint64_t stream, uint64_t offset,
               uint64_t credit)
{
    struct wire_message m = {.kind = WIRE_READ};

    m.read = (struct wire_read){partition, stream, offset, credit};
    peer_say(p, &m);
}

unsigned peer_partition(const char *committee)
{
    struct event e = {.type = EVENT_VOTE, .committee = slice_of(committee)};

    return event_partition(&e, 8);
}
