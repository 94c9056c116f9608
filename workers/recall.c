/* Recalling; see recall.h. */
#include "workers/recall.h"

#include "proto/clock.h"
#include "proto/error.h"
#include "proto/log.h"
#include "proto/pack.h"
#include "workers/reader.h"

#include <stdlib.h>

#define RECALL_SILENCE_MS 10000 /* then the broker counts as lost */
#define RECALL_CREDIT     ((uint64_t)4 << 20)

static int by_digest(const void *a, const void *b)
{
    const struct version *const *x = a, *const *y = b;

    return ((*x)->digest > (*y)->digest) - ((*x)->digest < (*y)->digest);
}

void recall_order(struct version **wanted, size_t count)
{
    qsort(wanted, count, sizeof *wanted, by_digest);
}

/* The first of the wanted versions with this digest or a greater one. */
static size_t wanted_find(struct version *const *wanted, size_t count, uint64_t digest)
{
    size_t low = 0, high = count;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (wanted[middle]->digest < digest)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void recall_match(struct ledger *l, struct slice events, struct version *const *wanted,
                  size_t count)
{
    struct refusal why;
    size_t size;

    while (events.size && pack_check(events, &size, &why) == 0) {
        struct slice raw = slice_make(events.at, size);
        uint64_t digest = version_digest(raw);
        size_t i = wanted_find(wanted, count, digest);
        for (; i < count && wanted[i]->digest == digest; i++)
            if (!wanted[i]->raw.at)
                fold_recall(l, wanted[i], raw);
        events = slice_make(events.at + size, events.size - size);
    }
}

static void ask(struct reader *r, unsigned partition, uint64_t offset, uint64_t stream)
{
    struct wire_message m = {.kind = WIRE_READ, .read = {partition, stream, offset, RECALL_CREDIT}};

    reader_send(r, &m);
}

static void give_credit(struct reader *r, const struct wire_batch *b, size_t bytes)
{
    struct wire_message m = {.kind = WIRE_CREDIT, .credit = {b->partition, b->stream, bytes}};

    reader_send(r, &m);
}

int recall_from_broker(void *arg, struct ledger *l, unsigned partition, uint64_t upto,
                       struct version *const *wanted, size_t count)
{
    struct reader *r;
    struct wire_message m;
    struct slice payload;
    uint64_t next = 0, session = 0;
    int64_t heard_ms = clock_mono_ms();
    int error = reader_new(arg, "client", "recall", &r);

    if (error < 0)
        return error;
    log_info("partition %u: reading %llu events again to settle a tie", partition,
             (unsigned long long)upto);
    while (error == 0 && next < upto) {
        error = reader_receive(r, -1, 100, &m, &payload);
        if (reader_session(r) != session) {
            session = reader_session(r);
            if (session)
                ask(r, partition, next, session);
        }
        if (error == 0 && m.kind == WIRE_BATCH && m.batch.offset == next) {
            recall_match(l, payload, wanted, count);
            next += m.batch.count;
            heard_ms = clock_mono_ms();
            give_credit(r, &m.batch, payload.size);
        }
        reader_reset(r);
        if (error == ERR_AGAIN)
            error = clock_mono_ms() - heard_ms > RECALL_SILENCE_MS ? ERR_LOST : 0;
    }
    reader_free(r);
    return error;
}
