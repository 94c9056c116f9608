/* Applying; see apply.h.  Any failure drops the ledger: it is right only while our own commits
 * succeed. */
#include "workers/apply.h"

#include "proto/error.h"
#include "proto/log.h"
#include "workers/account.h"
#include "workers/changes.h"
#include "workers/flush.h"
#include "workers/fold.h"
#include "workers/recall.h"

#include <assert.h>
#include <stdlib.h>

struct apply {
    struct store *store;
    struct ledger *ledger;
    size_t keep_bytes;
    struct event_decoder *decoder;
    struct gather gather;
    struct commit commit;
    bool unconfirmed; /* a commit is under way */
    apply_recall_fn recall;
    void *recall_arg;
    char log[LOG_ID + 1];
    unsigned partitions;
    struct event *events;
    struct bearing *bearings; /* of the events */
    size_t event_count, event_room;
    struct applied *left; /* where our commits left each partition; not known: none has */
    unsigned *places;     /* the partitions of the batches, then all others, and where they stand */
    struct applied *applied;
};

struct apply *apply_new(struct store *store, apply_recall_fn recall, void *arg)
{
    struct apply *a = memory_need(sizeof *a);

    *a = (struct apply){
        .store = store, .recall = recall, .recall_arg = arg, .keep_bytes = APPLY_KEEP_BYTES};
    a->ledger = ledger_new();
    a->decoder = event_decoder_new();
    gather_open(&a->gather, a->ledger);
    a->commit.arena = &a->ledger->batch;
    a->commit.unawaited = true;
    return a;
}

void apply_free(struct apply *a)
{
    if (!a)
        return;
    gather_close(&a->gather);
    commit_free(&a->commit);
    event_decoder_free(a->decoder);
    ledger_free(a->ledger);
    free(a->events);
    free(a->bearings);
    free(a->left);
    free(a->places);
    free(a->applied);
    free(a);
}

void apply_limit(struct apply *a, size_t keep_bytes)
{
    a->keep_bytes = keep_bytes;
}

void apply_journal(struct apply *a, const char *log, unsigned partitions)
{
    memcpy(a->log, log, LOG_ID);
    a->partitions = partitions;
    a->left = memory_grow(a->left, partitions * sizeof *a->left);
    memset(a->left, 0, partitions * sizeof *a->left);
    a->places = memory_grow(a->places, partitions * sizeof *a->places);
    a->applied = memory_grow(a->applied, partitions * sizeof *a->applied);
}

static void ledger_forget(struct apply *a)
{
    ledger_drop(a->ledger);
    if (a->left)
        memset(a->left, 0, a->partitions * sizeof *a->left);
}

void apply_forget(struct apply *a)
{
    ledger_forget(a);
    commit_clear(&a->commit);
}

bool apply_unconfirmed(const struct apply *a)
{
    return a->unconfirmed;
}

int apply_confirm(struct apply *a)
{
    int error = a->unconfirmed ? store_confirm(a->store) : 0;

    a->unconfirmed = false;
    if (error < 0)
        ledger_forget(a);
    return error;
}

static int decode_batch(struct apply *a, const struct apply_batch *b)
{
    struct slice rest = b->events;
    struct refusal why;

    for (uint64_t i = 0; i < b->count; i++) {
        if (a->event_count == a->event_room) {
            a->event_room = a->event_room ? a->event_room * 2 : 1024;
            a->events = memory_grow(a->events, a->event_room * sizeof *a->events);
            a->bearings = memory_grow(a->bearings, a->event_room * sizeof *a->bearings);
        }
        if (event_next(a->decoder, &rest, EVENT_ANY_TIME, &a->events[a->event_count], &why) < 0) {
            log_error("partition %u, offset %llu: the journal holds what is no event: %s",
                      b->partition, (unsigned long long)(b->from.offset + i), why.reason);
            return ERR_CORRUPT;
        }
        a->event_count++;
    }
    return rest.size ? ERR_CORRUPT : 0;
}

/* Those of the batches first: they are watched. */
static void order_places(struct apply *a, const struct apply_batch *batches, size_t count)
{
    size_t n = 0;

    for (size_t i = 0; i < count; i++)
        a->places[n++] = batches[i].partition;
    for (unsigned p = 0; p < a->partitions; p++) {
        bool there = false;
        for (size_t i = 0; i < count; i++)
            there |= batches[i].partition == p;
        if (!there)
            a->places[n++] = p;
    }
}

/* Of all partitions whose commits the ledger remembers: names in sets are shared by all, so a store
 * that lost those of one of them must not be taken for the one that is remembered, though the
 * batch's own partition stands where it did. */
static bool is_as_left(const struct apply *a, unsigned i)
{
    const struct applied *left = &a->left[a->places[i]];

    return !left->known || applied_same(&a->applied[i], left);
}

/* The batches begin where the store stands, and no partition of it stands for another journal:
 * the counters of members, which are sums over all, would be of both. */
static int check_places(const struct apply *a, const struct apply_batch *batches, size_t count)
{
    for (unsigned i = 0; i < a->partitions; i++)
        if (a->applied[i].known && strcmp(a->applied[i].log, a->log) != 0)
            return ERR_FOREIGN;
    for (unsigned i = 0; i < a->partitions; i++)
        if (!is_as_left(a, i))
            return ERR_CONFLICT;
    for (size_t i = 0; i < count; i++)
        if (!applied_same(&a->applied[i], &batches[i].from))
            return ERR_CONFLICT;
    return 0;
}

/* Looks at the offsets and gets the records, in one round trip, and in a second one what seat
 * notices bear on. */
static int gather_batches(struct apply *a, const struct apply_batch *batches, size_t count)
{
    struct store_look look = {.places = a->places,
                              .watched = count,
                              .count = a->partitions,
                              .ret_applied = a->applied,
                              .context = a->ledger};
    const struct store_fetch *fetches;
    size_t fetch_count;
    int error;

    a->gather.seats = 0;
    for (size_t i = 0; i < a->event_count; i++)
        bearing_near(a->ledger, &a->events[i], &a->bearings[i]);
    for (size_t i = 0; i < a->event_count; i++) {
        if (i + BEARING_AHEAD < a->event_count)
            bearing_expect(&a->events[i + BEARING_AHEAD], &a->bearings[i + BEARING_AHEAD]);
        bearing_find(a->ledger, &a->events[i], &a->bearings[i]);
        gather_event(&a->gather, &a->events[i], &a->bearings[i]);
    }
    look.fetches = gather_take(&a->gather, &look.fetch_count);
    order_places(a, batches, count);
    error = store_begin(a->store, &look);
    if (error == 0)
        error = check_places(a, batches, count);
    if (error < 0)
        return error;
    for (size_t i = 0; i < a->event_count && a->gather.seats; i++)
        gather_seats(&a->gather, &a->events[i], &a->bearings[i]);
    fetches = gather_take(&a->gather, &fetch_count);
    return store_fetch(a->store, fetches, fetch_count, a->ledger);
}

/* The bytes of all versions that events from `first` on tie with, in one walk a partition. */
static int recall_bytes(struct apply *a, const struct apply_batch *b, size_t first, size_t end)
{
    struct version **wanted = arena_need(&a->ledger->batch, (end - first) * sizeof *wanted);
    size_t n = 0;
    int error;

    for (size_t i = first; i < end; i++)
        if (fold_needs_bytes(&a->events[i], &a->bearings[i]))
            wanted[n++] = a->bearings[i].version;
    recall_order(wanted, n);
    error = a->recall(a->recall_arg, a->ledger, b->partition, b->from.offset, wanted, n);
    for (size_t i = 0; i < n && error == 0; i++)
        if (!wanted[i]->raw.at) {
            log_error("partition %u: an event that Redis stands for is not in the journal",
                      b->partition);
            error = ERR_CORRUPT;
        }
    return error;
}

static int fold_batches(struct apply *a, const struct apply_batch *batches, size_t count)
{
    size_t at = 0;
    int error = 0;

    for (size_t i = 0; i < count; i++) {
        size_t end = at + batches[i].count;
        while (at < end && error == 0) {
            if (fold_event(a->ledger, &a->events[at], &a->bearings[at]) == 0)
                at++;
            else
                error = recall_bytes(a, &batches[i], at, end);
        }
    }
    return error;
}

static void note_moves(struct apply *a, const struct apply_batch *batches, size_t count,
                       int64_t now_ms)
{
    for (size_t i = 0; i < count; i++) {
        struct commit_move *m = commit_move(&a->commit, batches[i].partition);
        m->from = batches[i].from;
        m->to = (struct applied){.known = true,
                                 .offset = m->from.offset + batches[i].count,
                                 .time_ms = now_ms,
                                 .epoch = m->from.epoch};
        memcpy(m->to.log, a->log, sizeof m->to.log);
    }
}

static int apply_steps(struct apply *a, const struct apply_batch *batches, size_t count,
                       int64_t now_ms)
{
    int error = 0;

    for (size_t i = 0; i < count && error == 0; i++)
        error = decode_batch(a, &batches[i]);
    if (error == 0)
        error = gather_batches(a, batches, count);
    if (error == 0)
        error = fold_batches(a, batches, count);
    if (error == 0)
        error = account_load(&a->gather, &a->commit, a->store);
    if (error < 0)
        return error;
    note_moves(a, batches, count, now_ms);
    flush_meta(a->ledger, &a->commit, a->partitions);
    changes_tell(a->ledger, &a->commit);
    changes_mark(a->ledger, &a->commit);
    flush_ledger(a->ledger, &a->commit);
    return store_commit(a->store, &a->commit);
}

int apply_batches(struct apply *a, const struct apply_batch *batches, size_t count, int64_t now_ms)
{
    int error = apply_steps(a, batches, count, now_ms);

    a->unconfirmed = error == 0;
    for (size_t i = 0; i < a->commit.move_count && error == 0; i++)
        a->left[a->commit.moves[i].place] = a->commit.moves[i].to;
    commit_clear(&a->commit);
    a->event_count = 0;
    event_decoder_reset(a->decoder);
    if (error < 0)
        ledger_forget(a);
    else
        ledger_settle(a->ledger, a->keep_bytes);
    return error;
}
