/* A worker; see worker.h.
 *
 * For each assigned partition it has a stream.  A stream is first `lost`: its offset is read from
 * Redis, and the broker asked for the events from there on; then it is followed.  Whatever goes
 * wrong makes all streams lost again, and nothing else needs to be remembered.
 *
 * Happy path: worker_new, worker_run until told to stop.  What can fail: Redis (begin again, and
 * leave the partitions to others when it takes long), the broker (the reader begins anew), and for
 * good only a setting that cannot work. */
#include "workers/worker.h"

#include "proto/clock.h"
#include "proto/error.h"
#include "proto/log.h"
#include "workers/apply.h"
#include "workers/derive.h"
#include "workers/hold.h"
#include "workers/inbox.h"
#include "workers/reader.h"
#include "workers/recall.h"

#include <poll.h>
#include <stdlib.h>

/* Two windows of each of 8 partitions are in memory at most (one in the inbox, one on its way):
 * 2 * 8 * 512 KiB = 8 MiB; a window holds some 4,000 votes. */
#define STREAM_CREDIT ((uint64_t)512 << 10)
/* A ballot of 165 votes is two fetches and some 25 KiB: 100 MiB. */
#define SEAT_FETCHES 8192
#define LOOK_MS      500 /* how often Redis is asked whether it still stands where we left it */
#define AGAIN_MS     200 /* pause after Redis could not be used */
#define IDLE_MS      100 /* to see whether a round of deriving is due */
#define HELD_MS      20  /* pause while somebody holds the partitions */
#define PARK_MS      10000
#define BUSY_MS      20 /* events keep coming when there were some not longer ago */
#define DERIVE_SHARE 3  /* while they do, at most a quarter of the time goes into deriving */

struct stream {
    bool assigned, followed;
    int64_t parked_ms;      /* left alone until then: Redis holds what does not fit */
    struct reading reading; /* batches of an earlier one are ignored */
    struct applied applied; /* where Redis stands */
    uint64_t next;          /* the offset that must come next */
};

struct worker {
    const struct worker_config *config;
    struct reader *reader;
    struct store *store;
    struct apply *apply;
    struct derive *derive;
    struct inbox inbox;
    uint64_t session, numbers;
    struct stream streams[WIRE_MAX_PARTS];
    unsigned partitions;
    int64_t look_ms, again_ms, complained_ms;
    bool unusable;               /* Redis, at the last attempt */
    int64_t unusable_ms;         /* since when */
    int64_t held, held_seen_ms;  /* the hold seen last, and when first */
    int64_t derived_ms, rest_ms; /* when the last round began; until when events come first */
    int64_t applied_ms;          /* when there were events last */
};

static void stream_lose(struct worker *w, unsigned p)
{
    w->streams[p].followed = false;
    inbox_drop(&w->inbox, p);
}

/* Forgets all it knows of Redis: the one answer to everything unexpected. */
static void worker_forget(struct worker *w)
{
    for (unsigned p = 0; p < WIRE_MAX_PARTS; p++)
        stream_lose(w, p);
    apply_forget(w->apply);
}

/* What Redis answers shows that it can be used. */
static void worker_answered(struct worker *w)
{
    w->unusable = false;
}

/* As long as it has a session the broker leaves it its partitions, which nobody then serves. */
static void worker_unanswered(struct worker *w, int64_t now_ms)
{
    if (!w->unusable)
        w->unusable_ms = now_ms;
    w->unusable = true;
    if (reader_away(w->reader) || now_ms - w->unusable_ms < WORKER_PATIENCE_MS)
        return;
    log_warn("redis at %s cannot be used: leaving the partitions to others", w->config->redis);
    reader_leave(w->reader);
}

/* What is done about an error (0: nothing): all begins again.  Returns 0, or ERR_CONFIG, against
 * which that does not help. */
static int worker_meet(struct worker *w, int error)
{
    int64_t now_ms = clock_mono_ms();

    if (error == 0 || error == ERR_CONFIG)
        return error;
    if (error == ERR_LOST || error == ERR_AGAIN)
        worker_unanswered(w, now_ms);
    else
        worker_answered(w);
    if (error == ERR_CONFLICT) {
        log_info("another commit came first, or Redis is not what it was; looking again");
    } else {
        if (log_again(&w->complained_ms))
            log_warn("cannot apply to redis at %s: %s; trying again", w->config->redis,
                     error_text(error));
        w->again_ms = now_ms + AGAIN_MS;
    }
    worker_forget(w);
    return 0;
}

/* A new session with the broker: nothing of the old one's streams will come any more. */
static void worker_greet(struct worker *w)
{
    if (reader_session(w->reader) == w->session)
        return;
    w->session = reader_session(w->reader);
    for (unsigned p = 0; p < WIRE_MAX_PARTS; p++) {
        w->streams[p].assigned = false;
        stream_lose(w, p);
    }
    if (!w->session)
        return;
    w->partitions = reader_partitions(w->reader);
    apply_journal(w->apply, reader_log(w->reader), w->partitions);
    derive_journal(w->derive, reader_log(w->reader));
    log_info("following log %s in %u partitions", reader_log(w->reader), w->partitions);
}

/* What another worker may change is not known any more. */
static void take_assign(struct worker *w, const struct wire_assign *a)
{
    bool mine[WIRE_MAX_PARTS] = {false}, changed = false;

    for (uint32_t i = 0; i < a->count; i++)
        mine[a->partitions[i]] = true;
    for (unsigned p = 0; p < WIRE_MAX_PARTS; p++) {
        changed |= w->streams[p].assigned != mine[p];
        if (w->streams[p].assigned && !mine[p])
            stream_lose(w, p);
        w->streams[p].assigned = mine[p];
    }
    if (!changed)
        return;
    apply_forget(w->apply);
    log_info("serving %u of %u partitions", a->count, w->partitions);
}

static void take_batch(struct worker *w, const struct wire_batch *b, struct slice payload)
{
    struct stream *s = &w->streams[b->partition];

    if (!s->followed || b->stream != s->reading.stream)
        return; /* of a READ that we have given up */
    if (b->offset != s->next) {
        worker_forget(w); /* a batch is missing: begin again from what Redis says */
        return;
    }
    s->next += b->count;
    inbox_add(&w->inbox, (unsigned)b->partition, b->count, payload);
}

/* The session goes on.  A stream that begins where there is nothing, or at what cannot be read, has
 * ended. */
static void take_error(const struct wire_error *e)
{
    bool ahead = slice_is(e->code, "ahead");

    log_error("the broker says %.*s: %.*s%s", (int)e->code.size, e->code.at, (int)e->reason.size,
              e->reason.at,
              ahead ? "; Redis stands for more than the journal: run turnout rebuild --force" : "");
}

static void take_message(struct worker *w, const struct wire_message *m, struct slice payload)
{
    switch (m->kind) {
    case WIRE_ASSIGN:
        take_assign(w, &m->assign);
        break;
    case WIRE_BATCH:
        take_batch(w, &m->batch, payload);
        break;
    case WIRE_ERROR:
        take_error(&m->error);
        break;
    default:
        break;
    }
}

/* A partition that should be followed and is not. */
static bool stream_lacks(const struct stream *s, int64_t now_ms)
{
    return s->assigned && !s->followed && now_ms >= s->parked_ms;
}

static bool worker_lacks(const struct worker *w)
{
    int64_t now_ms = clock_mono_ms();

    for (unsigned p = 0; p < w->partitions; p++)
        if (stream_lacks(&w->streams[p], now_ms))
            return true;
    return false;
}

/* Deriving has had its share, as long as events keep coming: for how long still. */
static int64_t derive_rest_ms(const struct worker *w, int64_t now_ms)
{
    int64_t busy_ms = w->applied_ms + BUSY_MS;
    int64_t until_ms = busy_ms < w->rest_ms ? busy_ms : w->rest_ms;

    return until_ms > now_ms ? until_ms - now_ms : 0;
}

/* How long to wait for events; 0 when there is something else to do at once. */
static int idle_ms(const struct worker *w)
{
    int64_t now_ms = clock_mono_ms(), rest_ms;

    if (w->inbox.count || apply_unconfirmed(w->apply))
        return 0;
    if (now_ms < w->again_ms)
        return IDLE_MS;
    if (worker_lacks(w))
        return 0;
    rest_ms = derive_busy(w->derive) ? derive_rest_ms(w, now_ms) : IDLE_MS;
    return rest_ms < IDLE_MS ? (int)rest_ms : IDLE_MS;
}

/* Takes all that has come; waits when there is nothing else to do. */
static int worker_receive(struct worker *w, int stop_fd)
{
    struct wire_message m;
    struct slice payload;
    int timeout_ms = idle_ms(w);
    int error;

    while ((error = reader_receive(w->reader, stop_fd, timeout_ms, &m, &payload)) == 0) {
        worker_greet(w);
        take_message(w, &m, payload);
        timeout_ms = 0;
    }
    reader_reset(w->reader);
    worker_greet(w);
    return error == ERR_AGAIN ? 0 : error;
}

/* Nothing is applied for now; whether it is time to say why once more. */
static bool worker_refuses(struct worker *w)
{
    w->again_ms = clock_mono_ms() + LOOK_MS;
    worker_forget(w);
    return log_again(&w->complained_ms);
}

/* Redis stands for this journal, or for none yet.  One partition of another journal is enough to
 * say no: the counters of members are sums over all partitions, and would be of both. */
static bool worker_fits(struct worker *w, const struct applied *applied, int64_t schema)
{
    unsigned p = 0;

    while (p < w->partitions &&
           (!applied[p].known || strcmp(applied[p].log, reader_log(w->reader)) == 0))
        p++;
    if (p == w->partitions && schema == STORE_SCHEMA)
        return true;
    if (!worker_refuses(w))
        return false;
    if (p < w->partitions)
        log_error("partition %u in Redis stands for log %s, the broker's journal is log %s: "
                  "nothing is applied; use an empty Redis, or the journal it belongs to",
                  p, applied[p].log, reader_log(w->reader));
    else
        log_error("the keys in Redis are of schema %lld, these workers write schema %d: nothing is "
                  "applied; run turnout rebuild",
                  (long long)schema, STORE_SCHEMA);
    return false;
}

static void stream_follow(struct worker *w, unsigned p, const struct applied *a)
{
    struct stream *s = &w->streams[p];

    s->applied = *a;
    s->next = a->offset;
    s->reading = (struct reading){p, ++w->numbers, STREAM_CREDIT, 0};
    s->followed = true;
    inbox_drop(&w->inbox, p);
    reader_read(w->reader, &s->reading, a->offset);
}

/* Redis does not stand any more where we left it. */
static bool stream_moved(const struct stream *s, const struct applied *now)
{
    return s->followed && !applied_same(&s->applied, now);
}

/* Somebody compares, mends or switches over: he ends it himself, or it ends by its time, which is
 * measured here from when the hold was first seen, as his clock may not be ours.  What was left by
 * one who was killed stays until its partition moves on: only what may be of now counts, by clocks
 * that differ by HOLD_MOST_MS at most. */
static bool worker_held(struct worker *w, const struct applied *applied)
{
    int64_t now_ms = clock_mono_ms(), oldest = clock_wall_ms() - HOLD_MOST_MS, held = 0;

    for (unsigned p = 0; p < w->partitions; p++)
        if (applied[p].held_ms > held && applied[p].held_ms > oldest)
            held = applied[p].held_ms;
    if (held != w->held) {
        w->held = held;
        w->held_seen_ms = now_ms;
    }
    return held && now_ms - w->held_seen_ms < HOLD_MS;
}

/* Where Redis stands for each partition: asks the broker for those that are lost, and
 * finds out when Redis was flushed or rolled back while nothing was going on. */
static int worker_look(struct worker *w)
{
    struct applied applied[WIRE_MAX_PARTS];
    int64_t now_ms = clock_mono_ms(), schema = STORE_SCHEMA;
    int error = store_applied(w->store, w->partitions, applied);

    if (error == 0)
        worker_answered(w);
    if (error == 0 && worker_lacks(w)) /* while it is followed, it fits */
        error = store_schema(w->store, &schema);
    if (error < 0 || !worker_fits(w, applied, schema))
        return error;
    if (worker_held(w, applied)) {
        worker_forget(w);
        w->again_ms = now_ms + HELD_MS;
        return 0;
    }
    for (unsigned p = 0; p < w->partitions; p++)
        if (stream_moved(&w->streams[p], &applied[p]))
            return ERR_CONFLICT;
    for (unsigned p = 0; p < w->partitions; p++)
        if (stream_lacks(&w->streams[p], now_ms))
            stream_follow(w, p, &applied[p]);
    return 0;
}

/* Away from the broker: back to it once Redis answers. */
static int worker_return(struct worker *w, int64_t now_ms)
{
    struct applied applied;
    int error;

    if (now_ms < w->again_ms)
        return 0;
    error = store_applied(w->store, 1, &applied);
    if (error < 0)
        return worker_meet(w, error);
    log_info("redis at %s can be used again", w->config->redis);
    worker_answered(w);
    reader_join(w->reader);
    return 0;
}

/* The outcome of the last commit; an error when there is nothing to build on. */
static int worker_confirm(struct worker *w)
{
    bool unconfirmed = apply_unconfirmed(w->apply);
    int error = apply_confirm(w->apply);

    if (error == 0 && unconfirmed)
        worker_answered(w);
    return error;
}

static int worker_locate(struct worker *w)
{
    int64_t now_ms = clock_mono_ms();
    int error;

    if (reader_away(w->reader))
        return worker_return(w, now_ms);
    if (!w->session || now_ms < w->again_ms || (!worker_lacks(w) && now_ms - w->look_ms < LOOK_MS))
        return 0;
    w->look_ms = now_ms;
    error = worker_confirm(w);
    if (error == 0)
        error = worker_look(w);
    return worker_meet(w, error);
}

/* What has come, one batch a partition; the next window may be on its way meanwhile. */
static size_t worker_batches(struct worker *w, struct apply_batch *ret)
{
    size_t count = 0;

    for (unsigned p = 0; p < w->partitions; p++) {
        const struct inbox_part *part = &w->inbox.parts[p];
        if (part->count == 0)
            continue;
        ret[count++] = (struct apply_batch){p, w->streams[p].applied, part->count,
                                            buffer_slice(&part->events)};
        reader_credit(w->reader, &w->streams[p].reading, part->events.size);
    }
    return count;
}

/* One commit for all of them; what becomes of it is known with the next, or when there is no next.
 */
static int batches_apply(struct worker *w, const struct apply_batch *batches, size_t count)
{
    int error = apply_batches(w->apply, batches, count, clock_wall_ms());

    for (size_t i = 0; i < count && error == 0; i++) {
        struct stream *s = &w->streams[batches[i].partition];
        s->applied.known = true;
        memcpy(s->applied.log, reader_log(w->reader), sizeof s->applied.log);
        s->applied.offset += batches[i].count;
    }
    return error;
}

/* What bears on too much for one commit goes into several. */
static int batch_apply(struct worker *w, const struct apply_batch *b)
{
    struct apply_batch first, rest;
    int error = batches_apply(w, b, 1);

    if (error != ERR_LARGE)
        return error;
    log_info("partition %u: what its events bear on is too much at once: in halves", b->partition);
    apply_halve(b, &first, &rest);
    error = batch_apply(w, &first);
    rest.from = w->streams[b->partition].applied;
    return error < 0 ? error : batch_apply(w, &rest);
}

/* Redis or the journal holds what does not fit, or it is too much, and nothing was changed: finds
 * out in which partition, and goes on with the others. */
static int batches_apply_singly(struct worker *w, const struct apply_batch *batches, size_t count)
{
    int error = 0;

    for (size_t i = 0; i < count && error == 0; i++) {
        unsigned p = batches[i].partition;
        error = batch_apply(w, &batches[i]);
        if (error == 0)
            error = worker_confirm(w); /* what is wrong is this one's, not the next one's */
        if (error != ERR_CORRUPT)
            continue;
        log_error("partition %u cannot be applied at offset %llu: left alone for %d s", p,
                  (unsigned long long)batches[i].from.offset, PARK_MS / 1000);
        stream_lose(w, p);
        w->streams[p].parked_ms = clock_mono_ms() + PARK_MS;
        error = 0;
    }
    return error;
}

static int worker_apply(struct worker *w)
{
    struct apply_batch batches[WIRE_MAX_PARTS];
    size_t count = worker_batches(w, batches);
    int error;

    if (count == 0)
        return worker_meet(w, worker_confirm(w));
    w->applied_ms = clock_mono_ms();
    error = batches_apply(w, batches, count);
    if (error == ERR_CORRUPT || error == ERR_LARGE)
        error = batches_apply_singly(w, batches, count);
    for (size_t i = 0; i < count && error == 0; i++)
        inbox_drop(&w->inbox, batches[i].partition);
    return worker_meet(w, error);
}

/* Whether a round may begin, or the one under way go on. */
static bool derive_due(const struct worker *w, int64_t now_ms)
{
    if (w->partitions == 0 || reader_away(w->reader) || now_ms < w->again_ms || worker_lacks(w))
        return false;
    if (derive_rest_ms(w, now_ms) > 0)
        return false;
    return derive_busy(w->derive) || now_ms - w->derived_ms >= DERIVE_EVERY_MS;
}

/* As worker_meet, of a step of deriving; but counters go on: what is wrong with Redis itself they
 * find out by themselves. */
static int derive_meet(struct worker *w, int error)
{
    if (error == ERR_CONFIG)
        return error;
    if (error >= 0 || error == ERR_CONFLICT)
        return 0;
    if (log_again(&w->complained_ms))
        log_warn("cannot derive groups and watch list in redis at %s: %s; trying again",
                 w->config->redis, error_text(error));
    if (error == ERR_CORRUPT)
        w->derived_ms = clock_mono_ms() + PARK_MS;
    return 0;
}

/* Groups and the watch list, one step at a time between commits of events. */
static int worker_derive(struct worker *w)
{
    int64_t now_ms = clock_mono_ms();
    bool busy = derive_busy(w->derive);
    int r;

    if (!derive_due(w, now_ms))
        return 0;
    r = worker_confirm(w);
    if (r < 0)
        return worker_meet(w, r);
    r = derive_step(w->derive, clock_wall_ms(), false);
    if (!busy)
        w->derived_ms = now_ms;
    w->rest_ms = clock_mono_ms();
    w->rest_ms += DERIVE_SHARE * (w->rest_ms - now_ms);
    return derive_meet(w, r);
}

static bool stop_asked(int stop_fd)
{
    struct pollfd p = {.fd = stop_fd, .events = POLLIN};

    return stop_fd >= 0 && poll(&p, 1, 0) > 0;
}

int worker_new(const struct worker_config *config, struct store *store, struct worker **ret)
{
    struct worker *w = memory_zeroed(sizeof *w);
    int error;

    w->config = config;
    w->store = store;
    w->apply = apply_new(w->store, recall_from_broker, (void *)(uintptr_t)config->endpoint);
    apply_bound(w->apply, SEAT_FETCHES);
    w->derive = derive_new(w->store, &config->rules);
    error = reader_new(config->endpoint, "worker", config->name, &w->reader);
    if (error < 0) {
        worker_free(w);
        return error;
    }
    *ret = w;
    return 0;
}

void worker_free(struct worker *w)
{
    if (!w)
        return;
    reader_free(w->reader);
    apply_free(w->apply);
    derive_free(w->derive);
    inbox_free(&w->inbox);
    free(w);
}

int worker_round(struct worker *w, int stop_fd)
{
    int error = worker_receive(w, stop_fd);

    if (error == 0)
        error = worker_locate(w);
    if (error == 0)
        error = worker_apply(w);
    if (error == 0)
        error = worker_derive(w);
    return error;
}

int worker_run(struct worker *w, int stop_fd)
{
    int error = 0;

    while (error == 0 && !stop_asked(stop_fd))
        error = worker_round(w, stop_fd);
    return error;
}
