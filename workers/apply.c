/* Applying; see apply.h.  Any failure drops the ledger: it is right only while our own commits
 * succeed. */
#include "workers/apply.h"

#include "proto/error.h"
#include "proto/log.h"
#include "proto/pack.h"
#include "workers/account.h"
#include "workers/changes.h"
#include "workers/flush.h"
#include "workers/fold.h"
#include "workers/recall.h"

#include <assert.h>
#include <stdlib.h>

#define KEEP_EVENTS  4096 /* so many have room all the time */
#define LIKELY_BYTES 100  /* of an event: if most are smaller, their room grows */

struct apply {
    struct store *store;
    struct ledger *ledger;
    size_t keep_bytes;
    struct event_decoder *decoder;
    struct gather gather;
    struct commit commit;
    bool unconfirmed; /* a commit is under way */
    size_t bound;     /* of fetches for seat notices; 0: none */
    recall_fn recall;
    void *recall_arg;
    char log[LOG_ID + 1];
    unsigned partitions;
    struct event *events;
    struct bearing *bearings; /* of the events */
    size_t event_count, event_room;
    struct applied *left;    /* where our commits left each partition; not known: none has */
    unsigned *places;        /* the partitions that we move, then all others */
    struct applied *applied; /* where they stand */
};

struct apply *apply_new(struct store *store, recall_fn recall, void *arg)
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

void apply_bound(struct apply *a, size_t fetches)
{
    a->bound = fetches;
}

void apply_halve(const struct apply_batch *b, struct apply_batch *first, struct apply_batch *rest)
{
    *first = *rest = *b;
    first->count = b->count / 2;
    rest->count = b->count - first->count;
    if (!pack_pass_over(&rest->events, first->count))
        rest->events.size = 0; /* no events at all: that is found out when they are decoded */
    first->events.size -= rest->events.size;
    rest->from.offset += first->count;
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

/* Folded events are not needed any more: what comes next has their room, if that is large. */
static void events_done(struct apply *a)
{
    a->event_count = 0;
    if (a->event_room <= KEEP_EVENTS)
        return;
    free(a->events);
    free(a->bearings);
    a->events = NULL;
    a->bearings = NULL;
    a->event_room = 0;
}

static void events_grow(struct apply *a, size_t room)
{
    a->event_room = room;
    a->events = memory_grow(a->events, room * sizeof *a->events);
    a->bearings = memory_grow(a->bearings, room * sizeof *a->bearings);
}

static int decode_batch(struct apply *a, const struct apply_batch *b)
{
    struct slice rest = b->events;
    struct refusal why;

    for (uint64_t i = 0; i < b->count; i++) {
        if (a->event_count == a->event_room)
            events_grow(a, a->event_room * 2);
        if (event_next(a->decoder, &rest, EVENT_ANY_TIME, &a->events[a->event_count], &why) < 0) {
            log_error("partition %u, offset %llu: the journal holds what is no event: %s",
                      b->partition, (unsigned long long)(b->from.offset + i), why.reason);
            return ERR_CORRUPT;
        }
        a->event_count++;
    }
    return rest.size ? ERR_CORRUPT : 0;
}

static bool is_ours(const struct apply *a, const struct apply_batch *batches, size_t count,
                    unsigned p)
{
    bool there = a->left[p].known;

    for (size_t i = 0; i < count; i++)
        there |= batches[i].partition == p;
    return there;
}

/* Those of the batches and of our earlier commits first: they are watched, and soon the same each
 * time, so that the store can look at them ahead.  Returns how many those are. */
static unsigned order_places(struct apply *a, const struct apply_batch *batches, size_t count)
{
    unsigned n = 0, ours;

    for (unsigned p = 0; p < a->partitions; p++)
        if (is_ours(a, batches, count, p))
            a->places[n++] = p;
    ours = n;
    for (unsigned p = 0; p < a->partitions; p++)
        if (!is_ours(a, batches, count, p))
            a->places[n++] = p;
    return ours;
}

static const struct applied *applied_of(const struct apply *a, unsigned partition)
{
    unsigned i = 0;

    while (a->places[i] != partition)
        i++;
    return &a->applied[i];
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
        if (!applied_same(applied_of(a, batches[i].partition), &batches[i].from))
            return ERR_CONFLICT;
    return 0;
}

/* Finds what the events bear on, and what of it the store has to be asked for. */
static void gather_events(struct apply *a)
{
    a->gather.seats = 0;
    for (size_t i = 0; i < a->event_count; i++)
        bearing_near(a->ledger, &a->events[i], &a->bearings[i]);
    for (size_t i = 0; i < a->event_count; i++) {
        if (i + BEARING_AHEAD < a->event_count)
            bearing_expect(&a->events[i + BEARING_AHEAD], &a->bearings[i + BEARING_AHEAD]);
        bearing_find(a->ledger, &a->events[i], &a->bearings[i]);
        gather_event(&a->gather, &a->events[i], &a->bearings[i]);
    }
}

/* In a second round trip, what seat notices bear on.  The store may have moved on since the first:
 * a ballot that comes now can have a later day than its committee's dates said then, so that other
 * notices bear on it, too, and that is asked for until there is nothing more.  The commit is then
 * refused. */
static int gather_more(struct apply *a)
{
    const struct store_fetch *fetches;
    size_t count;
    int error;

    do {
        gather_seats(&a->gather, a->events, a->bearings, a->event_count);
        fetches = gather_take(&a->gather, &count);
        if (a->bound && count > a->bound && a->gather.several)
            return ERR_LARGE;
        error = store_fetch(a->store, fetches, count, a->ledger);
    } while (error == 0 && count > 0);
    return error;
}

/* The bytes of all versions that events from `first` on tie with, in one recall.  When
 * somebody has moved the store on meanwhile, which is found out later, they may be the batch's own.
 */
static int recall_bytes(struct apply *a, const struct apply_batch *b, size_t first, size_t end)
{
    struct version **wanted = arena_need(&a->ledger->batch, (end - first) * sizeof *wanted);
    size_t n = 0;

    for (size_t i = first; i < end; i++)
        if (fold_needs_bytes(&a->events[i], &a->bearings[i]))
            wanted[n++] = a->bearings[i].version;
    return recall_all(a->recall, a->recall_arg, a->ledger, b->partition, b->from.offset + b->count,
                      wanted, n);
}

/* Nothing that the event bears on waits for the store; it is the same for all events of a fact. */
static bool is_at_hand(const struct event *e, const struct bearing *b)
{
    return e->type == EVENT_VOTE && b->ballot->at_hand;
}

/* Folds those events that are not folded yet, or only those at hand. */
static int fold_batches(struct apply *a, const struct apply_batch *batches, size_t count,
                        bool at_hand)
{
    size_t at = 0;
    int error = 0;

    for (size_t i = 0; i < count; i++) {
        size_t end = at + batches[i].count;
        while (at < end && error == 0) {
            struct bearing *b = &a->bearings[at];
            if (at + BEARING_AHEAD < a->event_count)
                bearing_expect_fold(b + BEARING_AHEAD);
            if (b->folded || (at_hand && !is_at_hand(&a->events[at], b))) {
                at++;
            } else if (fold_event(a->ledger, &a->events[at], b) == 0) {
                b->folded = true;
                at++;
            } else {
                error = recall_bytes(a, &batches[i], at, end);
            }
        }
    }
    return error;
}

/* Folds the batches: what is at hand while the store answers.  That it stands where they begin is
 * known only then; if not, the ledger is dropped with what was folded. */
static int fold_all(struct apply *a, const struct apply_batch *batches, size_t count)
{
    struct store_look look = {.places = a->places,
                              .watched = order_places(a, batches, count),
                              .count = a->partitions,
                              .ret_applied = a->applied,
                              .context = a->ledger};
    int error;

    look.fetches = gather_take(&a->gather, &look.fetch_count);
    error = store_send(a->store, &look);
    if (error == 0)
        error = fold_batches(a, batches, count, true);
    if (error < 0) {
        store_drop(a->store); /* its answer is not waited for */
        return error;
    }
    error = store_begin(a->store, &look);
    if (error == 0)
        error = check_places(a, batches, count);
    if (error == 0)
        error = gather_more(a);
    return error < 0 ? error : fold_batches(a, batches, count, false);
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

/* Room for so many events as there likely are. */
static void events_expect(struct apply *a, const struct apply_batch *batches, size_t count)
{
    size_t likely = 0;

    for (size_t i = 0; i < count; i++)
        likely += batches[i].events.size / LIKELY_BYTES;
    likely = likely > KEEP_EVENTS ? likely : KEEP_EVENTS;
    if (likely > a->event_room)
        events_grow(a, likely);
}

static int decode_all(struct apply *a, const struct apply_batch *batches, size_t count)
{
    int error = 0;

    events_expect(a, batches, count);
    for (size_t i = 0; i < count && error == 0; i++)
        error = decode_batch(a, &batches[i]);
    return error;
}

static int apply_steps(struct apply *a, const struct apply_batch *batches, size_t count,
                       int64_t now_ms)
{
    int error;

    gather_events(a);
    error = fold_all(a, batches, count);
    if (error == 0)
        error = account_load(&a->gather, &a->commit, a->store);
    if (error < 0)
        return error;
    events_done(a);
    note_moves(a, batches, count, now_ms);
    flush_meta(a->ledger, &a->commit, a->partitions);
    changes_tell(a->ledger, &a->commit);
    changes_mark(a->ledger, &a->commit);
    flush_ledger(a->ledger, &a->commit);
    return store_commit(a->store, &a->commit);
}

int apply_batches(struct apply *a, const struct apply_batch *batches, size_t count, int64_t now_ms)
{
    int error = decode_all(a, batches, count);

    if (error == 0) { /* else the store was not asked, and the commit before may be unconfirmed */
        error = apply_steps(a, batches, count, now_ms);
        a->unconfirmed = error == 0;
    }
    for (size_t i = 0; i < a->commit.move_count && error == 0; i++)
        a->left[a->commit.moves[i].place] = a->commit.moves[i].to;
    commit_clear(&a->commit);
    events_done(a);
    event_decoder_reset(a->decoder);
    if (error < 0)
        ledger_forget(a);
    else
        ledger_settle(a->ledger, a->keep_bytes);
    return error;
}
