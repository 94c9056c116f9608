/* A walk; see walk.h.  Happy path: one READ a partition, then BATCHes, whose credit is given back,
 * until every partition has come to its end.
 *
 * What can fail: a session that breaks (asked again, from the next event on), a broker that sends
 * nothing for too long, another journal behind the same endpoint, a record that cannot be read. */
#include "workers/walk.h"

#include "proto/clock.h"
#include "proto/error.h"
#include "proto/log.h"
#include "proto/pack.h"
#include "workers/commit.h"

#define WALK_SILENCE_MS 10000 /* then the broker counts as lost */
#define WALK_AWAY_MS    1000  /* from one look to the next: we were stopped, not the broker */
/* On their way at any moment, over all partitions; each may take its last batch beyond. */
#define WALK_CREDIT      ((uint64_t)4 << 20)
#define WALK_CREDIT_PART ((uint64_t)64 << 10) /* of one partition, at least */

struct walk {
    struct reader *reader;
    walk_fn each;
    void *arg;
    struct progress *progress;
    const uint64_t *end;
    unsigned count, left; /* partitions; those not at their end */
    uint64_t next[WIRE_MAX_PARTS];
    struct reading readings[WIRE_MAX_PARTS];
    uint64_t stream; /* of all READs in this session */
    uint64_t session, credit;
    int64_t heard_ms, looked_ms;
    char log[LOG_ID + 1]; /* empty before the first session */
};

/* Never the same twice in a process: or what comes late of an earlier walk over the same session
 * would be taken for ours. */
static uint64_t stream_new(void)
{
    static uint64_t streams;

    return __atomic_add_fetch(&streams, 1, __ATOMIC_RELAXED);
}

static void ask(struct walk *w, unsigned partition, uint64_t offset, uint64_t credit)
{
    w->readings[partition] = (struct reading){partition, w->stream, credit, 0};
    reader_read(w->reader, &w->readings[partition], offset);
}

/* In a new session nothing of the old one's streams comes any more. */
static int walk_greet(struct walk *w)
{
    if (reader_session(w->reader) == w->session)
        return 0;
    w->session = reader_session(w->reader);
    if (!w->session)
        return 0;
    if (!w->log[0])
        memcpy(w->log, reader_log(w->reader), LOG_ID);
    if (strcmp(w->log, reader_log(w->reader)) != 0)
        return ERR_FOREIGN;
    w->stream = stream_new();
    for (unsigned p = 0; p < w->count; p++)
        if (w->next[p] < w->end[p])
            ask(w, p, w->next[p], w->credit);
    return 0;
}

/* One run; `events` begins with it and is cut behind it.  `last`: nothing follows it. */
static int take_run(struct walk *w, struct walk_run *run, bool last, struct slice *events)
{
    struct slice rest = {0};
    int error;

    if (!last) {
        rest = *events;
        if (!pack_pass_over(&rest, run->count))
            return ERR_CORRUPT;
    }
    run->events = slice_make(events->at, events->size - rest.size);
    *events = rest;
    error = w->each(w->arg, run);
    if (error == 0 && w->progress)
        progress_add(w->progress, run->count);
    return error;
}

/* The events before the partition's end, run by run. */
static int take_runs(struct walk *w, const struct wire_batch *b, struct slice events)
{
    unsigned p = (unsigned)b->partition;
    int error = 0;

    for (uint32_t i = 0; i < b->run_count && w->next[p] < w->end[p] && error == 0; i++) {
        uint64_t wanted = w->end[p] - w->next[p];
        bool whole = b->runs[i].count <= wanted;
        struct walk_run run = {.partition = p,
                               .offset = w->next[p],
                               .count = whole ? b->runs[i].count : wanted,
                               .source = b->runs[i].source,
                               .received_ms = b->runs[i].received_ms};
        error = take_run(w, &run, whole && i + 1 == b->run_count, &events);
        w->next[p] += run.count;
    }
    return error;
}

static int take_batch(struct walk *w, const struct wire_batch *b, struct slice payload)
{
    unsigned p = (unsigned)b->partition;
    int error;

    if (b->stream != w->stream || p >= w->count || w->next[p] >= w->end[p])
        return 0; /* of a READ that we have given up, or beyond what is wanted */
    if (b->offset != w->next[p]) {
        w->session = 0; /* a batch is missing: everything is asked for anew */
        return 0;
    }
    error = take_runs(w, b, payload);
    w->heard_ms = clock_mono_ms(); /* what we do ourselves is no silence of the broker's */
    if (error < 0)
        return error;
    if (w->next[p] < w->end[p])
        reader_credit(w->reader, &w->readings[p], payload.size);
    else
        w->left--;
    return 0;
}

/* Our partitions end where the caller was told, so the broker must have them. */
static int take_error(const struct wire_error *e)
{
    if (slice_is(e->code, "ahead"))
        return ERR_FOREIGN;
    log_error("the broker says %.*s: %.*s", (int)e->code.size, e->code.at, (int)e->reason.size,
              e->reason.at);
    return slice_is(e->code, "corrupt") ? ERR_CORRUPT : ERR_PROTOCOL;
}

/* True when the broker has said nothing for too long, while we were there to hear it. */
static bool walk_silent(struct walk *w)
{
    int64_t now_ms = clock_mono_ms();

    if (now_ms - w->looked_ms > WALK_AWAY_MS)
        w->heard_ms = now_ms;
    w->looked_ms = now_ms;
    return now_ms - w->heard_ms > WALK_SILENCE_MS;
}

static int take_message(struct walk *w, const struct wire_message *m, struct slice payload)
{
    switch (m->kind) {
    case WIRE_BATCH:
        return take_batch(w, &m->batch, payload);
    case WIRE_ERROR:
        return take_error(&m->error);
    default:
        return 0;
    }
}

/* What the caller's function says is never taken for what the reader says: its ERR_AGAIN ends the
 * walk, too. */
static int walk_step(struct walk *w)
{
    struct wire_message m;
    struct slice payload;
    int received = reader_receive(w->reader, -1, 100, &m, &payload), error = walk_greet(w);
    bool silent = walk_silent(w);

    if (error == 0 && received == 0)
        error = take_message(w, &m, payload);
    else if (error == 0 && received == ERR_AGAIN)
        error = silent ? ERR_LOST : 0;
    else if (error == 0)
        error = received;
    reader_reset(w->reader);
    return error;
}

/* Streams without credit stand still: what the reader is used for next must not be buried under
 * events that nobody wants. */
static void walk_stop(struct walk *w)
{
    w->stream = stream_new();
    for (unsigned p = 0; p < w->count && reader_session(w->reader); p++)
        if (w->readings[p].credit)
            ask(w, p, 0, 0);
}

int walk_journal(struct reader *r, const uint64_t *from, const uint64_t *end, unsigned count,
                 walk_fn each, void *arg, struct progress *progress)
{
    struct walk w = {.reader = r,
                     .each = each,
                     .arg = arg,
                     .progress = progress,
                     .end = end,
                     .count = count,
                     .heard_ms = clock_mono_ms(),
                     .looked_ms = clock_mono_ms()};
    int error;

    for (unsigned p = 0; p < count; p++) {
        w.next[p] = from[p];
        w.left += from[p] < end[p];
    }
    if (!w.left)
        return 0;
    w.credit = WALK_CREDIT / w.left > WALK_CREDIT_PART ? WALK_CREDIT / w.left : WALK_CREDIT_PART;
    error = walk_greet(&w);
    while (error == 0 && w.left)
        error = walk_step(&w);
    walk_stop(&w);
    return error;
}

void walk_pause(struct reader *r, int pause_ms)
{
    int64_t end_ms = clock_mono_ms() + pause_ms, left;
    struct wire_message m;
    struct slice payload;

    while ((left = end_ms - clock_mono_ms()) > 0)
        if (reader_receive(r, -1, (int)left, &m, &payload) < 0)
            reader_reset(r);
}
