/* Replaying; see replay.h.  A run is decoded, what does not matter is passed over, and the rest is
 * folded; then the run's bytes are let go.  What can fail: bytes that are no event, and the recall
 * of a tie. */
#include "workers/audit/replay.h"

#include "proto/error.h"
#include "proto/log.h"
#include "workers/fold.h"

#include <stdlib.h>

/* An event on its way into the ledger. */
struct passing {
    struct event event;
    struct bearing bearing;
    uint64_t offset;
};

struct replay {
    struct ledger *ledger;
    struct replay_watch watch;
    recall_fn recall;
    void *arg;
    struct event_decoder *decoder;
    struct passing *events; /* of the run that is being taken */
    size_t count, room;
};

struct replay *replay_new(struct ledger *l, const struct replay_watch *watch, recall_fn recall,
                          void *arg)
{
    struct replay *r = memory_need(sizeof *r);

    *r = (struct replay){.ledger = l, .watch = *watch, .recall = recall, .arg = arg};
    r->decoder = event_decoder_new();
    return r;
}

void replay_free(struct replay *r)
{
    if (!r)
        return;
    event_decoder_free(r->decoder);
    free(r->events);
    free(r);
}

/* There is nothing to load. */
static void event_load(const struct event *e, const struct bearing *b)
{
    if (b->committee)
        b->committee->loaded = true;
    switch (e->type) {
    case EVENT_VOTE:
    case EVENT_BALLOT:
        b->ballot->loaded = b->ballot->complete = true;
        break;
    case EVENT_ATTENDANCE:
    case EVENT_MEETING:
        b->meeting->loaded = b->meeting->complete = true;
        break;
    case EVENT_MEMBER:
        b->member->profiles_loaded = true;
        break;
    default:
        break;
    }
}

static struct passing *passing_next(struct replay *r)
{
    r->events = memory_room(r->events, r->count, &r->room, sizeof *r->events);
    return &r->events[r->count];
}

static int run_decode(struct replay *r, const struct walk_run *run)
{
    struct slice rest = run->events;
    struct refusal why;

    r->count = 0;
    for (uint64_t i = 0; i < run->count; i++) {
        struct passing *p = passing_next(r);
        if (event_next(r->decoder, &rest, EVENT_ANY_TIME, &p->event, &why) < 0) {
            log_error("partition %u, offset %llu: the journal holds what is no event: %s",
                      run->partition, (unsigned long long)(run->offset + i), why.reason);
            return ERR_CORRUPT;
        }
        if (r->watch.matters && !r->watch.matters(r->watch.arg, &p->event))
            continue;
        p->offset = run->offset + i;
        bearing_near(r->ledger, &p->event, &p->bearing);
        r->count++;
    }
    return rest.size ? ERR_CORRUPT : 0;
}

static void run_find(struct replay *r)
{
    for (size_t i = 0; i < r->count; i++) {
        struct passing *p = &r->events[i];
        if (i + BEARING_AHEAD < r->count)
            bearing_expect(&p[BEARING_AHEAD].event, &p[BEARING_AHEAD].bearing);
        bearing_find(r->ledger, &p->event, &p->bearing);
        event_load(&p->event, &p->bearing);
    }
}

static int passing_fold(struct replay *r, const struct passing *p, const struct walk_run *run)
{
    const struct version *fact = p->bearing.version;
    bool known = fact->known;
    uint64_t digest = fact->digest;
    struct replayed won = {&p->event, fact, fact->id, p->offset, run};
    int error = fold_fact(r->ledger, &p->event, &p->bearing);

    if (error == 0 && r->watch.won && (!known || digest != fact->digest))
        r->watch.won(r->watch.arg, &won);
    return error;
}

/* The bytes that events from `first` on tie with, in one recall. */
static int run_recall(struct replay *r, size_t first, const struct walk_run *run)
{
    struct ledger *l = r->ledger;
    struct version **wanted = arena_need(&l->batch, (r->count - first) * sizeof *wanted);
    size_t n = 0;

    for (size_t i = first; i < r->count; i++)
        if (fold_needs_bytes(&r->events[i].event, &r->events[i].bearing))
            wanted[n++] = r->events[i].bearing.version;
    return recall_all(r->recall, r->arg, l, run->partition, run->offset, wanted, n);
}

static int run_fold(struct replay *r, const struct walk_run *run)
{
    size_t at = 0;
    int error = 0;

    while (at < r->count && error == 0) {
        if (passing_fold(r, &r->events[at], run) == 0)
            at++;
        else
            error = run_recall(r, at, run);
    }
    return error;
}

/* The run's bytes are about to go. */
static void run_forget(struct replay *r)
{
    for (size_t i = 0; i < r->count; i++) {
        struct version *v = r->events[i].bearing.version;
        if (!v->contested)
            v->raw = (struct slice){0};
    }
    ledger_settle(r->ledger, SIZE_MAX);
    event_decoder_reset(r->decoder);
}

int replay_run(struct replay *r, const struct walk_run *run)
{
    int error = run_decode(r, run);

    if (error < 0)
        return error;
    run_find(r);
    error = run_fold(r, run);
    if (error == 0)
        run_forget(r);
    return error;
}
