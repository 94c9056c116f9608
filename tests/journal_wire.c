/* The journal over the wire; see journal_wire.h. */
#include "tests/journal_wire.h"

#include <stdio.h>
#include <stdlib.h>

#include "proto/clock.h"
#include "proto/error.h"
#include "proto/link.h"
#include "proto/table.h"
#include "proto/wire.h"
#include "tests/world.h"

#define STREAM_CREDIT (8 * 1024 * 1024)
#define ANSWER_MS     10000 /* more than a broker is silent; then the connection has been cut */
#define READ_MS       60000 /* all attempts */

struct client {
    struct link *link;
    struct arena arena;
    struct buffer header;
    struct link_message frames;
};

static void need(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "reading the journal over the wire: %s\n", what);
    abort();
}

static bool client_send(struct client *c, const struct wire_message *m)
{
    buffer_clear(&c->header);
    wire_encode(m, &c->header);
    return link_send(c->link, slice_of(""), buffer_slice(&c->header), NULL, 0) == 0;
}

/* The next message of that kind; others are passed over, but pings are answered.  False: none came,
 * or an ERROR. */
static bool client_await(struct client *c, enum wire_kind kind, struct wire_message *ret)
{
    int64_t until = clock_mono_ms() + ANSWER_MS;

    while (clock_mono_ms() < until) {
        if (link_receive(c->link, &c->frames) == ERR_AGAIN) {
            link_wait(&c->link, 1, -1, 100);
            continue;
        }
        arena_reset(&c->arena, 65536);
        need(wire_decode(c->frames.header, c->frames.payload.size, &c->arena, ret) == 0,
             "a message that is none");
        if (ret->kind == kind)
            return true;
        if (ret->kind == WIRE_ERROR)
            return false;
        if (ret->kind == WIRE_PING)
            client_send(c, &(struct wire_message){.kind = WIRE_PONG});
    }
    return false;
}

static bool client_read(struct client *c, uint64_t partition, struct buffer *ret)
{
    struct wire_message m = {.kind = WIRE_READ};
    uint64_t next = 0, end = 1;

    m.read = (struct wire_read){partition, partition + 1, 0, STREAM_CREDIT};
    if (!client_send(c, &m))
        return false;
    while (next < end) {
        if (!client_await(c, WIRE_BATCH, &m))
            return false;
        if (m.batch.partition != partition)
            continue;
        need(m.batch.offset == next, "a gap");
        buffer_add_slice(ret, c->frames.payload);
        next += m.batch.count;
        end = m.batch.end;
        m = (struct wire_message){.kind = WIRE_CREDIT,
                                  .credit = {partition, partition + 1, c->frames.payload.size}};
        client_send(c, &m);
    }
    return true;
}

/* A HELLO before the connection stands goes nowhere. */
static bool client_greet(struct client *c)
{
    struct wire_message m = {.kind = WIRE_HELLO};
    int64_t until = clock_mono_ms() + ANSWER_MS;

    m.hello = (struct wire_hello){slice_of("client"), slice_of("test"), 0};
    while (!client_send(c, &m)) {
        if (clock_mono_ms() >= until)
            return false;
        link_wait(&c->link, 1, -1, 10);
    }
    return client_await(c, WIRE_WELCOME, &m);
}

/* False when the broker's guard has cut it, as it may at any time. */
static bool client_read_all(struct client *c, struct buffer *ret)
{
    struct wire_message m = {.kind = WIRE_STATUS};
    uint64_t ends[WIRE_MAX_PARTS];

    if (!client_greet(c) || !client_send(c, &m) || !client_await(c, WIRE_REPORT, &m))
        return false;
    uint32_t partitions = m.report.count;
    memcpy(ends, m.report.ends, partitions * sizeof *ends);
    for (uint32_t p = 0; p < partitions; p++)
        if (ends[p] > 0 && !client_read(c, p, ret))
            return false;
    return true;
}

void journal_wire_read(const char *read_endpoint, struct buffer *ret)
{
    int64_t until = clock_mono_ms() + READ_MS;
    size_t before = ret->size;
    bool whole = false;

    while (!whole) {
        struct client c = {0};
        need(clock_mono_ms() < until, "no attempt was answered to its end");
        need(link_connect(read_endpoint, &c.link) == 0, "cannot connect");
        ret->size = before;
        whole = client_read_all(&c, ret);
        link_close(c.link, 0);
        arena_free(&c.arena);
        buffer_free(&c.header);
    }
}

size_t events_missing(struct slice sent, struct slice kept)
{
    struct table table = {0};
    struct slice *there, *wanted;
    size_t kept_count = world_split(kept, &there), wanted_count = world_split(sent, &wanted);
    struct table_entry *entries = memory_need((kept_count + 1) * sizeof *entries);
    size_t missing = 0;

    for (size_t i = 0; i < kept_count; i++) {
        entries[i].key = there[i];
        if (!table_find(&table, there[i]))
            table_add(&table, &entries[i]);
    }
    for (size_t i = 0; i < wanted_count; i++) {
        if (table_find(&table, wanted[i]))
            continue;
        if (missing++ == 0)
            fprintf(stderr, "event %zu of %zu is missing\n", i, wanted_count);
    }
    table_free(&table);
    free(entries);
    free(there);
    free(wanted);
    return missing;
}
