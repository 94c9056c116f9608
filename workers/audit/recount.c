/* Counting again; see recount.h.  Happy path: what begins at the beginning is counted whole; then
 * the walk's runs are collected by partition, and applied in one commit whenever enough have come
 * together.
 *
 * What can fail: the walk, or the store.  After an error the store is looked at again. */
#include "workers/audit/recount.h"

#include "proto/clock.h"
#include "proto/error.h"
#include "workers/audit/whole.h"
#include "workers/derive.h"
#include "workers/inbox.h"
#include "workers/recall.h"

#include <stdlib.h>

/* One commit: as many events as the windows of a worker's partitions together, and in memory never
 * more than these bytes and one batch. */
#define RECOUNT_EVENTS 32768
#define RECOUNT_BYTES  ((size_t)8 << 20)

#define UNTIL_EVER INT64_MAX

struct recount {
    struct store *store;
    struct reader *reader;
    const char *endpoint;
    struct apply *apply;
    struct inbox inbox;
    size_t inbox_bytes;
    bool placed; /* we know where the store stands, and in `next` for what part of the journal */
    unsigned partitions, threads;
    int64_t until_ms;
    struct applied applied[WIRE_MAX_PARTS];
    uint64_t next[WIRE_MAX_PARTS];   /* the journal's events before are in the store or the inbox */
    uint64_t passed[WIRE_MAX_PARTS]; /* the first that came too late; NOTHING_PASSED: none */
};

#define NOTHING_PASSED UINT64_MAX

/* The store's offsets say nothing of the journal's when events were passed over; the walk's do. */
static int recount_recall(void *arg, struct ledger *l, unsigned partition, uint64_t upto,
                          struct version *const *wanted, size_t count)
{
    struct recount *c = arg;

    (void)upto;
    return recall_from_broker((void *)(uintptr_t)c->endpoint, l, partition, c->next[partition],
                              wanted, count);
}

struct recount *recount_new(struct store *store, struct reader *r, const char *endpoint)
{
    struct recount *c = memory_zeroed(sizeof *c);

    c->store = store;
    c->reader = r;
    c->endpoint = endpoint;
    c->until_ms = UNTIL_EVER;
    c->apply = apply_new(store, recount_recall, c);
    return c;
}

void recount_free(struct recount *c)
{
    if (!c)
        return;
    apply_free(c->apply);
    inbox_free(&c->inbox);
    free(c);
}

void recount_threads(struct recount *c, unsigned threads)
{
    c->threads = threads;
}

static void inbox_forget(struct recount *c)
{
    for (unsigned p = 0; p < WIRE_MAX_PARTS; p++)
        inbox_drop(&c->inbox, p);
    c->inbox_bytes = 0;
}

void recount_from(struct recount *c, const struct applied *applied)
{
    c->partitions = reader_partitions(c->reader);
    for (unsigned p = 0; p < c->partitions; p++) {
        c->applied[p] = applied[p];
        c->next[p] = applied[p].offset;
        c->passed[p] = NOTHING_PASSED;
    }
    apply_journal(c->apply, reader_log(c->reader), c->partitions);
    inbox_forget(c);
    c->placed = true;
}

/* What came too late for an earlier moment is read again for a later one, and with it what came
 * behind it and was taken: a repeat changes nothing. */
void recount_until(struct recount *c, int64_t as_of_ms)
{
    for (unsigned p = 0; p < c->partitions && as_of_ms > c->until_ms; p++) {
        if (c->passed[p] < c->next[p])
            c->next[p] = c->passed[p];
        c->passed[p] = NOTHING_PASSED;
    }
    c->until_ms = as_of_ms;
}

/* All that was collected, in one commit. */
static int recount_apply(struct recount *c)
{
    struct apply_batch batches[WIRE_MAX_PARTS];
    size_t count = 0;
    int error;

    for (unsigned p = 0; p < c->partitions; p++)
        if (c->inbox.parts[p].count)
            batches[count++] = (struct apply_batch){p, c->applied[p], c->inbox.parts[p].count,
                                                    buffer_slice(&c->inbox.parts[p].events)};
    error = count ? apply_batches(c->apply, batches, count, clock_wall_ms()) : 0;
    for (size_t i = 0; i < count && error == 0; i++) {
        struct applied *a = &c->applied[batches[i].partition];
        a->known = true;
        a->held_ms = 0;
        memcpy(a->log, reader_log(c->reader), LOG_ID);
        a->offset += batches[i].count;
    }
    inbox_forget(c);
    return error;
}

static int take_run(void *arg, const struct walk_run *run)
{
    struct recount *c = arg;
    unsigned p = run->partition;

    c->next[p] = run->offset + run->count;
    if (run->received_ms > c->until_ms) {
        if (run->offset < c->passed[p])
            c->passed[p] = run->offset;
        return 0;
    }
    inbox_add(&c->inbox, p, run->count, run->events);
    c->inbox_bytes += run->events.size;
    if (c->inbox.count < RECOUNT_EVENTS && c->inbox_bytes < RECOUNT_BYTES)
        return 0;
    return recount_apply(c);
}

static int recount_place(struct recount *c)
{
    struct applied applied[WIRE_MAX_PARTS];
    int error;

    if (c->placed)
        return 0;
    error = store_applied(c->store, reader_partitions(c->reader), applied);
    for (unsigned p = 0; p < reader_partitions(c->reader) && error == 0; p++)
        if (applied[p].known && applied[p].offset == WHOLE_HALF)
            error = ERR_CORRUPT; /* written by half */
    if (error == 0)
        recount_from(c, applied);
    return error;
}

/* Those of which the store has nothing. */
static int count_whole(struct recount *c, const uint64_t *end, struct progress *progress)
{
    bool wanted[WIRE_MAX_PARTS], any = false;
    struct whole w = {.store = c->store,
                      .reader = c->reader,
                      .endpoint = c->endpoint,
                      .until_ms = c->until_ms,
                      .threads = c->threads,
                      .partitions = c->partitions,
                      .wanted = wanted,
                      .end = end,
                      .applied = c->applied,
                      .passed = c->passed,
                      .progress = progress};
    int error;

    for (unsigned p = 0; p < c->partitions; p++)
        any |= wanted[p] = c->applied[p].offset == 0 && c->next[p] == 0 && end[p] > 0;
    error = any ? whole_count(&w) : 0;
    for (unsigned p = 0; p < c->partitions && error == 0; p++)
        if (wanted[p])
            c->next[p] = end[p];
    return error;
}

/* The others, and what is left to do of all. */
static int count_on(struct recount *c, const uint64_t *end, struct progress *progress)
{
    uint64_t from[WIRE_MAX_PARTS];
    int error;

    memcpy(from, c->next, sizeof from);
    error = walk_journal(c->reader, from, end, c->partitions, take_run, c, progress);
    return error ? error : recount_apply(c);
}

int recount_run(struct recount *c, const uint64_t *end, struct progress *progress)
{
    int error = recount_place(c);

    if (error < 0)
        return error;
    error = count_whole(c, end, progress);
    if (error == 0)
        error = count_on(c, end, progress);
    if (error < 0) {
        apply_forget(c->apply);
        c->placed = false;
    }
    return error;
}

const struct applied *recount_applied(const struct recount *c)
{
    return c->applied;
}

int recount_derive(struct store *store, const struct rules *rules, const char *log, int64_t now_ms)
{
    struct derive *d = derive_new(store, rules);
    int done;

    derive_journal(d, log);
    do
        done = derive_step(d, now_ms, true);
    while (done > 0);
    derive_free(d);
    return done;
}
