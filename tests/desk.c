/* A desk; see desk.h. */
#include "tests/desk.h"

#include "proto/error.h"
#include "workers/recall.h"

#include <assert.h>
#include <stdlib.h>

static int desk_recall(void *arg, struct ledger *l, unsigned partition, uint64_t upto,
                       struct version *const *wanted, size_t count)
{
    struct desk *d = arg;

    d->recalls++;
    recall_match(l, slice_make(d->journal[partition].at, d->starts[partition][upto]), wanted,
                 count);
    return 0;
}

struct desk *desk_new(struct store *store)
{
    /* one forgets nothing, one the records of which there are many, one everything */
    static const size_t keep_bytes[] = {APPLY_KEEP_BYTES, 160 * 1024, 1};
    struct desk *d = memory_need(sizeof *d);

    memset(d, 0, sizeof *d);
    d->store = store;
    for (unsigned p = 0; p < DESK_PARTITIONS; p++) {
        d->starts[p] = memory_need(sizeof *d->starts[p]);
        d->starts[p][0] = 0;
    }
    for (unsigned w = 0; w < DESK_WORKERS; w++) {
        d->workers[w].apply = apply_new(store, desk_recall, d);
        apply_limit(d->workers[w].apply, keep_bytes[w % 3]);
        apply_journal(d->workers[w].apply, DESK_LOG, DESK_PARTITIONS);
    }
    for (unsigned i = 0; i < DESK_DERIVERS; i++)
        desk_derive_kill(d, i);
    return d;
}

void desk_free(struct desk *d)
{
    for (unsigned w = 0; w < DESK_WORKERS; w++)
        apply_free(d->workers[w].apply);
    for (unsigned i = 0; i < DESK_DERIVERS; i++)
        derive_free(d->derivers[i]);
    for (unsigned p = 0; p < DESK_PARTITIONS; p++) {
        buffer_free(&d->journal[p]);
        free(d->starts[p]);
    }
    store_free(d->store);
    free(d);
}

void desk_journal(struct desk *d, struct slice events)
{
    struct event_decoder *decoder = event_decoder_new();
    struct refusal why;
    struct event e;

    while (events.size) {
        int error = event_next(decoder, &events, EVENT_ANY_TIME, &e, &why);
        assert(error == 0);
        unsigned p = event_partition(&e, DESK_PARTITIONS);
        buffer_add_slice(&d->journal[p], e.raw);
        uint64_t n = ++d->ends[p];
        if ((n & (n - 1)) == 0) /* room for twice as many */
            d->starts[p] = memory_grow(d->starts[p], (2 * n + 1) * sizeof *d->starts[p]);
        d->starts[p][n] = d->journal[p].size;
        event_decoder_reset(decoder);
    }
    event_decoder_free(decoder);
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

int desk_apply(struct desk *d, unsigned worker, unsigned partitions, uint64_t most)
{
    struct desk_worker *w = &d->workers[worker];
    struct apply_batch batches[DESK_PARTITIONS];
    size_t count = 0;

    for (unsigned p = 0; p < DESK_PARTITIONS; p++) {
        uint64_t at = w->applied[p].offset, n = least(most, d->ends[p] - at);
        size_t start = d->starts[p][at];
        if (n && partitions >> p & 1)
            batches[count++] = (struct apply_batch){
                p, w->applied[p], n,
                slice_make(d->journal[p].at + start, d->starts[p][at + n] - start)};
    }
    int error = count ? apply_batches(w->apply, batches, count, 1700000000000) : 0;
    if (error == 0)
        error = apply_confirm(w->apply);
    for (size_t i = 0; i < count && error == 0; i++) {
        struct applied *a = &w->applied[batches[i].partition];
        a->known = true;
        a->offset += batches[i].count;
        memcpy(a->log, DESK_LOG, sizeof a->log);
    }
    return error;
}

void desk_look(struct desk *d, unsigned worker)
{
    apply_forget(d->workers[worker].apply);
    int error = store_applied(d->store, DESK_PARTITIONS, d->workers[worker].applied);
    assert(error == 0);
}

bool desk_done(struct desk *d)
{
    desk_look(d, 0);
    for (unsigned p = 0; p < DESK_PARTITIONS; p++)
        if (d->workers[0].applied[p].offset < d->ends[p])
            return false;
    return true;
}

void desk_finish(struct desk *d, struct random *r)
{
    for (unsigned w = 0; w < DESK_WORKERS; w++)
        desk_look(d, w);
    while (!desk_done(d)) {
        unsigned worker = (unsigned)random_below(r, DESK_WORKERS);
        unsigned partitions = (unsigned)random_below(r, 1u << DESK_PARTITIONS);
        uint64_t most = random_percent(r, 30) ? 1 + random_below(r, 4) : 1 + random_below(r, 400);
        int error = desk_apply(d, worker, partitions, most);
        assert(error == 0 || error == ERR_CONFLICT);
        if (error < 0)
            desk_look(d, worker);
    }
}

int desk_derive_step(struct desk *d, unsigned deriver, int64_t now_ms)
{
    return derive_step(d->derivers[deriver], now_ms, true);
}

void desk_derive_kill(struct desk *d, unsigned deriver)
{
    derive_free(d->derivers[deriver]);
    d->derivers[deriver] = derive_new(d->store, &RULES_DEFAULT);
    derive_journal(d->derivers[deriver], DESK_LOG);
}

void desk_derive(struct desk *d, int64_t now_ms)
{
    int r;

    while ((r = desk_derive_step(d, 0, now_ms)) != 0)
        assert(r == 1 || r == ERR_CONFLICT);
}

static void into_dump(void *arg, enum fetch_kind kind, struct slice key, struct slice field,
                      struct slice value)
{
    struct buffer full = {0};

    (void)kind;
    buffer_add_text(&full, STORE_PREFIX);
    buffer_add_slice(&full, key);
    dump_put(arg, buffer_slice(&full), field, value);
    buffer_free(&full);
}

struct dump *memory_dump(const struct store *memory)
{
    struct dump *out = dump_new();

    store_memory_visit(memory, into_dump, out);
    return out;
}

struct dump *desk_dump(const struct desk *d)
{
    return memory_dump(d->store);
}
