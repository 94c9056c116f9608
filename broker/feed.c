/* Feed; see feed.h.  Happy path: READ opens a stream, every round sends a BATCH of whole records
 * out of the journal's memory map into the message, CREDIT keeps it going.
 *
 * What can fail: a reader asks for what is not there ("ahead"), its queue is full (tried again),
 * it is gone (its session ends), or a record is not what was written ("corrupt": the stream
 * stops, as nothing behind a gap may be folded). */
#include "broker/feed.h"

#include "broker/bounds.h"
#include "proto/clock.h"
#include "proto/error.h"
#include "proto/log.h"
#include "proto/pack.h"

#include <stdlib.h>

#define DRAIN_MESSAGES 1024
#define DRAIN_ANSWER   31 /* what has an answer to be made counts as so many more, */
#define DRAIN_RECORDS  8  /* and as often more as it asks for so many records */
#define ASSIGN_MS      100
#define CREDIT_MOST    ((int64_t)1 << 40) /* beyond all sense, far below overflow */

struct feed {
    struct journal *journal;
    struct sessions *readers;
    const struct sessions *producers;
    const struct ingest *ingest;
    struct redrive *redrive;
    int64_t started_ms;
    unsigned turn;  /* who is fed first in the next round */
    size_t sent;    /* bytes of this round */
    int64_t now_ms; /* of this round */
    int64_t assigned_ms;
    uint64_t corrupt[WIRE_MAX_PARTS]; /* 1 + the offset last complained of */
    struct wire_run runs[FEED_RUNS];  /* of the BATCH being made */
    struct slice parts[FEED_RUNS];
};

struct feed *feed_new(struct journal *journal, struct sessions *readers,
                      const struct sessions *producers, const struct ingest *ingest,
                      struct redrive *redrive, int64_t now_ms)
{
    struct feed *f = memory_zeroed(sizeof *f);

    f->journal = journal;
    f->readers = readers;
    f->producers = producers;
    f->ingest = ingest;
    f->redrive = redrive;
    f->started_ms = now_ms;
    f->assigned_ms = now_ms - ASSIGN_MS;
    return f;
}

void feed_free(struct feed *f)
{
    free(f);
}

/* ---- who serves what ---- */

static unsigned workers_find(const struct sessions *s, struct session **out)
{
    unsigned n = 0;

    for (unsigned i = 0; i < s->count; i++)
        if (!s->list[i]->gone && s->list[i]->role == SESSION_WORKER)
            out[n++] = s->list[i];
    return n;
}

static uint32_t partitions_of(const struct feed *f, unsigned worker, unsigned workers,
                              uint64_t *out)
{
    uint32_t n = 0;

    for (unsigned p = worker; p < journal_partitions(f->journal); p += workers)
        out[n++] = p;
    return n;
}

static void assign_send(struct feed *f, struct session *worker, unsigned number, unsigned workers)
{
    uint64_t partitions[WIRE_MAX_PARTS];
    struct wire_message m = {.kind = WIRE_ASSIGN};

    m.assign.count = partitions_of(f, number, workers, partitions);
    m.assign.partitions = partitions;
    worker->assign_due = session_send(f->readers, worker, &m, NULL, 0) == ERR_AGAIN;
}

void feed_assign(struct feed *f)
{
    struct session *workers[SESSIONS_MOST];
    unsigned n = workers_find(f->readers, workers);
    bool due = f->readers->changed && f->now_ms - f->assigned_ms >= ASSIGN_MS;

    for (unsigned i = 0; i < n && due; i++)
        workers[i]->assign_due = true;
    if (due) {
        f->readers->changed = false; /* set again if one turns out to be gone: the next round */
        f->assigned_ms = f->now_ms;
    }
    for (unsigned i = 0; i < n; i++)
        if (workers[i]->assign_due)
            assign_send(f, workers[i], i, n);
}

/* ---- what readers say ---- */

static void read_take(struct feed *f, struct session *from, const struct wire_read *m)
{
    unsigned partitions = journal_partitions(f->journal), p = (unsigned)m->partition;
    uint64_t end;

    if (!right_reads(from->right)) {
        session_error(f->readers, from, "denied", false,
                      "this key may not read the journal, which holds participants' keys");
        return;
    }
    if (m->partition >= partitions) {
        session_error(f->readers, from, "bad-message", true, "there are %u partitions only",
                      partitions);
        return;
    }
    if (!from->streams) {
        from->streams = memory_need(partitions * sizeof *from->streams);
        memset(from->streams, 0, partitions * sizeof *from->streams);
    }
    end = journal_end(f->journal, p);
    from->streams[p] = (struct stream){.open = m->offset <= end, .id = m->stream};
    from->streams[p].offset = m->offset;
    from->streams[p].credit = m->credit < (uint64_t)CREDIT_MOST ? (int64_t)m->credit : CREDIT_MOST;
    if (m->offset > end)
        session_error(f->readers, from, "ahead", false,
                      "partition %u ends at %llu, before offset %llu", p, (unsigned long long)end,
                      (unsigned long long)m->offset);
}

static void credit_take(struct feed *f, struct session *from, const struct wire_credit *m)
{
    struct stream *s;

    if (!from->streams || m->partition >= journal_partitions(f->journal))
        return;
    s = &from->streams[m->partition];
    if (s->id != m->stream)
        return; /* meant for a stream that has been started anew since */
    s->credit += m->bytes < (uint64_t)CREDIT_MOST ? (int64_t)m->bytes : CREDIT_MOST;
    if (s->credit > CREDIT_MOST)
        s->credit = CREDIT_MOST;
}

static unsigned live_count(const struct sessions *s)
{
    unsigned n = 0;

    for (unsigned i = 0; i < s->count; i++)
        n += !s->list[i]->gone;
    return n;
}

static uint32_t report_workers(const struct feed *f, struct arena *arena, int64_t now_ms,
                               const struct wire_peer **ret)
{
    struct session *workers[SESSIONS_MOST];
    unsigned n = workers_find(f->readers, workers), listed = n < FEED_PEERS ? n : FEED_PEERS;
    struct wire_peer *peers = arena_need(arena, (listed + 1) * sizeof *peers);

    for (unsigned i = 0; i < listed; i++) {
        uint64_t *partitions = arena_need(arena, WIRE_MAX_PARTS * sizeof *partitions);
        peers[i].name = slice_of(workers[i]->name);
        peers[i].pid = workers[i]->pid;
        peers[i].silent_ms = (uint64_t)(now_ms - workers[i]->heard_ms);
        peers[i].count = partitions_of(f, i, n, partitions);
        peers[i].partitions = partitions;
    }
    *ret = peers;
    return listed;
}

static void report_partitions(struct feed *f, struct arena *arena, const struct wire_status *asked,
                              struct wire_report *out)
{
    unsigned n = journal_partitions(f->journal);
    uint64_t *ends = arena_need(arena, n * sizeof *ends);
    int64_t *received = arena_need(arena, n * sizeof *received);

    for (unsigned p = 0; p < n; p++) {
        ends[p] = journal_end(f->journal, p);
        if (p < asked->count)
            received[p] = journal_received_ms(f->journal, p, asked->offsets[p]);
    }
    out->count = n;
    out->ends = ends;
    out->received_ms = received;
}

static void status_take(struct feed *f, struct session *from, const struct wire_status *asked,
                        int64_t now_ms)
{
    struct wire_message m = {.kind = WIRE_REPORT};
    struct ingest_counts counts = ingest_counts(f->ingest);
    struct arena *arena = &f->readers->arena; /* until the next message, as `asked` is */
    struct wire_report *r = &m.report;

    r->log = journal_log_id(f->journal);
    r->server = f->readers->welcome.server;
    r->uptime_ms = (uint64_t)(now_ms - f->started_ms);
    r->accepted = counts.accepted;
    r->refused = counts.refused;
    r->producers = live_count(f->producers);
    r->rejects = journal_rejects(f->journal);
    r->journal_bytes = journal_used_bytes(f->journal);
    r->journal_limit = journal_limit_bytes(f->journal);
    report_partitions(f, arena, asked, r);
    r->worker_count = report_workers(f, arena, now_ms, &r->workers);
    bounds_report(f->producers, f->readers, &counts, from, arena, r);
    session_send(f->readers, from, &m, NULL, 0); /* who has no room for it asks again */
}

static void message_take(struct feed *f, struct session *from, const struct wire_message *m,
                         int64_t now_ms)
{
    if (m->kind == WIRE_READ)
        read_take(f, from, &m->read);
    else if (m->kind == WIRE_CREDIT)
        credit_take(f, from, &m->credit);
    else if (m->kind == WIRE_STATUS)
        status_take(f, from, &m->status, now_ms);
    else
        session_error(f->readers, from, "bad-message", true,
                      "a reader sends READ, CREDIT, STATUS, REJECTS, REDRIVE, DROP, PING and BYE "
                      "only");
}

int feed_drain(struct feed *f, int64_t now_ms, bool *ret_more)
{
    struct session *from;
    struct wire_message m;

    f->now_ms = now_ms;
    sessions_begin(f->readers);
    for (int cost = 0; cost < DRAIN_MESSAGES && !sessions_enough(f->readers); cost++) {
        if (sessions_receive(f->readers, now_ms, &from, &m) < 0)
            return 0;
        if (!from)
            continue;
        if (m.kind != WIRE_READ && m.kind != WIRE_CREDIT)
            cost += DRAIN_ANSWER;
        if (m.kind == WIRE_STATUS)
            cost += DRAIN_ANSWER * (int)(m.status.count / DRAIN_RECORDS);
        if (redrive_is_for(m.kind)) {
            *ret_more = true;
            return redrive_take(f->redrive, from, &m);
        }
        message_take(f, from, &m, now_ms);
    }
    *ret_more = true;
    return 0;
}

/* ---- what readers get ---- */

static int part_add(struct feed *f, struct wire_batch *batch, size_t *bytes, uint64_t at,
                    const struct record *r)
{
    uint64_t skip = batch->run_count == 0 ? batch->offset - at : 0, count = r->count - skip;
    struct slice events = r->events;

    /* The record's checksum is right, so a failure here means that its count is wrong. */
    if (!pack_pass_over(&events, skip))
        return ERR_CORRUPT;
    if (batch->count + count > RECORD_MAX_EVENTS || *bytes + events.size > RECORD_BYTES)
        return ERR_FULL;
    f->runs[batch->run_count] = (struct wire_run){count, r->source, r->received_ms};
    f->parts[batch->run_count++] = events;
    batch->count += count;
    *bytes += events.size;
    return 0;
}

/* As many records as one BATCH holds and the credit covers, of the first perhaps only what is
 * behind the offset; within a reading of the journal.  An error only if not even the first could be
 * read: one further on comes first the next time. */
static int batch_fill(struct feed *f, struct wire_batch *batch, int64_t credit, size_t *ret_bytes)
{
    struct record record;
    uint64_t at = batch->offset;
    int err = 0;

    *ret_bytes = 0;
    while (batch->run_count < FEED_RUNS && (int64_t)*ret_bytes < credit && err == 0) {
        err = journal_next(f->journal, &at, &record);
        if (err == 0)
            err = part_add(f, batch, ret_bytes, at, &record);
    }
    return batch->run_count > 0 ? 0 : err;
}

static void stream_corrupt(struct feed *f, struct session *to, unsigned p, struct stream *s)
{
    if (f->corrupt[p] != s->offset + 1)
        log_error("the journal is damaged: the record with offset %llu of partition %u cannot be "
                  "read; restore a backup",
                  (unsigned long long)s->offset, p);
    f->corrupt[p] = s->offset + 1;
    s->open = false;
    session_error(f->readers, to, "corrupt", false, "partition %u cannot be read at offset %llu", p,
                  (unsigned long long)s->offset);
}

static enum feed_state stream_send(struct feed *f, struct session *to, unsigned p, struct stream *s)
{
    struct wire_message m = {.kind = WIRE_BATCH};
    size_t bytes = 0;
    int err = journal_read_begin(f->journal, p, s->offset);

    m.batch = (struct wire_batch){.partition = p, .stream = s->id, .offset = s->offset};
    m.batch.end = journal_end(f->journal, p);
    m.batch.runs = f->runs;
    if (err == 0)
        err = batch_fill(f, &m.batch, s->credit, &bytes);
    if (err < 0) {
        journal_read_end(f->journal);
        stream_corrupt(f, to, p, s);
        return FEED_IDLE;
    }
    err = session_send(f->readers, to, &m, f->parts, m.batch.run_count);
    journal_read_end(f->journal);
    if (err < 0)
        return err == ERR_AGAIN ? FEED_BLOCKED : FEED_IDLE;
    f->sent += bytes;
    s->offset += m.batch.count;
    s->credit -= (int64_t)bytes;
    return s->credit > 0 && s->offset < m.batch.end ? FEED_MORE : FEED_IDLE;
}

/* All streams of one reader, beginning with another one in each round, so that none waits for the
 * others to come to their ends. */
static enum feed_state session_feed(struct feed *f, struct session *to)
{
    unsigned partitions = journal_partitions(f->journal);
    enum feed_state state = FEED_IDLE;

    for (unsigned i = 0; i < partitions && !to->gone; i++) {
        unsigned p = (f->turn + i) % partitions;
        struct stream *s = &to->streams[p];
        if (!s->open || s->credit <= 0 || s->offset >= journal_end(f->journal, p))
            continue;
        if (f->sent >= FEED_ROUND)
            return FEED_MORE;
        if (!session_keeps_up(f->readers, to))
            return FEED_BLOCKED;
        enum feed_state one = stream_send(f, to, p, s);
        if (one == FEED_BLOCKED)
            return one; /* all its streams share that queue */
        if (one > state)
            state = one;
    }
    return state;
}

enum feed_state feed_send(struct feed *f)
{
    enum feed_state state = FEED_IDLE;
    unsigned count = f->readers->count;

    f->sent = 0;
    f->turn++;
    for (unsigned i = 0; i < count; i++) {
        struct session *to = f->readers->list[(f->turn + i) % count];
        if (to->gone || !to->streams)
            continue;
        enum feed_state one = session_feed(f, to);
        if (one > state)
            state = one;
    }
    return state;
}
