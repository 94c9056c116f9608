/* Ingest; see ingest.h.  Happy path of an event: out of a PUBLISH, through event_decode, into the
 * buffer of its partition, as part of a record into the journal, and its number into a PUBACK.  One
 * that is above its session's share of the round waits in the session's backlog.
 *
 * Nothing is allocated and no system call is made for one event: the buffers and the arena are
 * used again in every round.  What can fail: an event (refused, kept with its reason), the
 * journal for want of room (the round is refused), the disk (fatal). */
#include "broker/ingest.h"

#include "broker/burden.h"
#include "broker/drafts.h"
#include "proto/clock.h"
#include "proto/error.h"
#include "proto/event.h"
#include "proto/log.h"

#include <stdlib.h>

#define ARENA_KEEP ((size_t)4 * 1024 * 1024)
/* For refusals: sixteen PUBACKs may wait in a producer's queue, which nobody counts. */
#define PUBACK_BYTES ((size_t)32 * 1024 - 1024)
#define REFUSED_MORE 32 /* bytes of a refusal besides its texts: number, lengths, retry */

struct refused {
    struct refused *next;
    struct wire_refused wire;
};

/* One contiguous range of one session's numbers; in the round's arena. */
struct ack {
    struct ack *next;
    struct session *to;
    uint64_t session_number; /* the session may have begun anew since */
    uint64_t first, count;
    size_t bytes;
    uint32_t refused_count;
    struct refused *refused, **refused_end;
};

struct ingest {
    struct journal *journal;
    struct sessions *producers;
    struct event_decoder *decoder;
    struct arena arena;
    struct drafts *drafts;
    struct ack *acks, **acks_end;
    uint64_t round;
    size_t bytes, events;             /* of this round: looked at */
    size_t share_bytes, share_events; /* of each session */
    size_t backlog;                   /* bytes of all sessions' */
    int64_t received_ms;
    struct ingest_counts counts;
};

struct ingest *ingest_new(struct journal *journal, struct sessions *producers)
{
    struct ingest *in = memory_need(sizeof *in);

    *in = (struct ingest){.journal = journal,
                          .producers = producers,
                          .share_bytes = ROUND_BYTES,
                          .share_events = ROUND_EVENTS};
    in->decoder = event_decoder_new();
    in->drafts = drafts_new(journal);
    in->acks_end = &in->acks;
    return in;
}

void ingest_free(struct ingest *in)
{
    if (!in)
        return;
    drafts_free(in->drafts);
    event_decoder_free(in->decoder);
    arena_free(&in->arena);
    free(in);
}

/* ---- drain ---- */

static struct ack *ack_for(struct ingest *in, struct session *to, uint64_t first)
{
    struct ack *ack = to->ack;

    if (ack && ack->first + ack->count == first)
        return ack;
    ack = arena_need(&in->arena, sizeof *ack);
    ack->to = to;
    ack->session_number = to->number;
    ack->first = first;
    ack->refused_end = &ack->refused;
    *in->acks_end = ack;
    in->acks_end = &ack->next;
    return to->ack = ack;
}

static void ack_refuse(struct ingest *in, struct ack *ack, uint64_t seq, const struct refusal *why)
{
    struct refused *r = arena_need(&in->arena, sizeof *r);

    r->wire.seq = seq;
    r->wire.code = slice_of(refusal_name(why->code));
    r->wire.field = arena_copy(&in->arena, slice_of(why->field));
    r->wire.reason = arena_copy(&in->arena, slice_of(why->reason));
    r->wire.retry = refusal_can_retry(why->code);
    *ack->refused_end = r;
    ack->refused_end = &r->next;
    ack->refused_count++;
}

static void event_refuse(struct ingest *in, struct ack *ack, uint64_t seq, struct slice event,
                         const struct refusal *why)
{
    struct reject reject = {.received_ms = in->received_ms,
                            .source = slice_of(ack->to->right->source),
                            .code = slice_of(refusal_name(why->code)),
                            .field = slice_of(why->field),
                            .reason = slice_of(why->reason),
                            .event = event};

    if (why->code != REFUSAL_RATE_LIMIT)      /* it will come again by itself */
        journal_reject(in->journal, &reject); /* an error sticks until the commit */
    ack_refuse(in, ack, seq, why);
}

/* 0, or ERR_REFUSED with *why.  The rate comes first, as it also bounds what bad events cost. */
static int event_judge(struct ingest *in, struct session *from, struct slice raw, int64_t now_ms,
                       struct event *ret, struct refusal *why)
{
    int err;

    if (from->rate && !rate_take(from->rate, now_ms))
        return refusal_set(why, REFUSAL_RATE_LIMIT, slice_of(""),
                           "above the %lld events a second of this key: try again later",
                           (long long)from->rate->per_s);
    err = event_decode(in->decoder, raw, in->received_ms, ret, why);
    return err < 0 ? err : right_check(from->right, ret, why);
}

/* ---- drain: whose turn it is ---- */

/* Whether one more event of the session may be looked at in this round. */
static bool has_turn(const struct ingest *in, const struct session *from)
{
    if (in->bytes >= ROUND_BYTES || in->events >= ROUND_EVENTS)
        return from->round_events < LEAST_EVENTS && from->round_bytes < LEAST_BYTES;
    return from->round_events < in->share_events && from->round_bytes < in->share_bytes;
}

static void round_join(const struct ingest *in, struct session *from)
{
    if (from->round == in->round)
        return;
    from->round = in->round;
    from->round_events = from->round_bytes = 0;
}

/* Looks at the first events of a PUBLISH, as many as there is a turn for; returns how many. */
static uint32_t publish_take(struct ingest *in, struct session *from, const struct wire_publish *m,
                             struct slice payload, int64_t now_ms)
{
    struct slice source = slice_of(from->right->source);
    struct ack *ack = ack_for(in, from, m->first);
    unsigned partitions = journal_partitions(in->journal);
    struct refusal why;
    struct event event;
    uint32_t i = 0;

    for (; i < m->count && has_turn(in, from); i++) {
        struct slice raw = slice_make(payload.at, m->sizes[i]);
        payload = slice_make(payload.at + raw.size, payload.size - raw.size);
        bool good = event_judge(in, from, raw, now_ms, &event, &why) == 0;
        if (good)
            drafts_add(in->drafts, event_partition(&event, partitions), source, raw);
        else
            event_refuse(in, ack, m->first + i, raw, &why);
        ack->bytes += raw.size;
        in->bytes += raw.size;
        in->events += good ? 1 : REFUSED_COST;
        from->round_bytes += raw.size;
        from->round_events += good ? 1 : REFUSED_COST;
    }
    event_decoder_reset(in->decoder);
    ack->count += i;
    return i;
}

static size_t sizes_sum(const uint32_t *sizes, uint32_t count)
{
    size_t sum = 0;

    while (count-- > 0)
        sum += *sizes++;
    return sum;
}

/* What is left of a PUBLISH after the first `taken` events. */
static void publish_keep(struct ingest *in, struct session *from, const struct wire_publish *m,
                         struct slice payload, uint32_t taken)
{
    size_t bytes = sizes_sum(m->sizes, taken), before = from->backlog.bytes;
    struct wire_publish left = {m->first + taken, m->count - taken, m->sizes + taken};

    backlog_add(&from->backlog, &left, slice_make(payload.at + bytes, payload.size - bytes));
    in->backlog += from->backlog.bytes - before;
}

static void window_refuse(struct ingest *in, struct session *from, const char *why)
{
    in->backlog -= from->backlog.bytes;
    session_error(in->producers, from, "window", true, "%s", why);
}

static size_t backlog_of(const struct session *who)
{
    return who->backlog.bytes;
}

/* Somebody has to go: of the key that has most the session that has most. */
static void backlogs_relieve(struct ingest *in)
{
    /* Anew, as sessions that ended in this round took theirs along. */
    struct session *most = burden_find(in->producers, backlog_of, &in->backlog);

    if (most && in->backlog > INGEST_BACKLOG)
        window_refuse(in, most, "there is no room for so much at once: send it again");
}

static void publish_receive(struct ingest *in, struct session *from, const struct wire_publish *m,
                            struct slice payload, int64_t now_ms)
{
    uint32_t taken = 0;

    from->away_events += m->count;
    from->away_bytes += payload.size;
    if (from->away_events > WIRE_WINDOW || from->away_bytes > WIRE_WINDOW_BYTES) {
        window_refuse(in, from, "more is unacknowledged than the window allows");
        return;
    }
    round_join(in, from);
    if (!from->backlog.first && has_turn(in, from))
        taken = publish_take(in, from, m, payload, now_ms);
    if (taken < m->count)
        publish_keep(in, from, m, payload, taken);
    if (in->backlog > INGEST_BACKLOG)
        backlogs_relieve(in);
}

/* Takes one message; false when there is none. */
static bool message_take(struct ingest *in, int64_t now_ms)
{
    struct session *from;
    struct wire_message m;
    struct slice payload;

    if (sessions_receive(in->producers, now_ms, &from, &m) < 0)
        return false;
    if (!from)
        return true;
    payload = sessions_payload(in->producers);
    if (m.kind == WIRE_PUBLISH)
        publish_receive(in, from, &m.publish, payload, now_ms);
    else
        session_error(in->producers, from, "bad-message", true,
                      "a producer sends PUBLISH, PING and BYE only");
    return true;
}

static void backlog_serve(struct ingest *in, struct session *from, int64_t now_ms)
{
    struct wire_publish m;
    struct slice payload;

    round_join(in, from);
    while (has_turn(in, from) && backlog_first(&from->backlog, &m, &payload)) {
        uint32_t taken = publish_take(in, from, &m, payload, now_ms);
        backlog_done(&from->backlog, taken, sizes_sum(m.sizes, taken));
    }
}

/* Serves the backlogs in turn, beginning with another one in each round, and finds the shares of
 * the next.  True when something is left. */
static bool backlogs_serve(struct ingest *in, int64_t now_ms)
{
    struct sessions *s = in->producers;
    unsigned wanting = 0;

    in->backlog = 0;
    for (unsigned i = 0; i < s->count; i++) {
        struct session *who = s->list[(in->round + i) % s->count];
        if (!who->backlog.first)
            continue;
        backlog_serve(in, who, now_ms);
        in->backlog += who->backlog.bytes;
        wanting += who->backlog.first != NULL;
    }
    in->share_events = ROUND_EVENTS / (wanting + 1);
    in->share_bytes = ROUND_BYTES / (wanting + 1);
    if (in->share_events < LEAST_EVENTS)
        in->share_events = LEAST_EVENTS;
    if (in->share_bytes < LEAST_BYTES)
        in->share_bytes = LEAST_BYTES;
    return wanting > 0;
}

bool ingest_drain(struct ingest *in, int64_t now_ms)
{
    unsigned messages = 0;
    bool more = true;

    in->received_ms = clock_wall_ms();
    drafts_begin(in->drafts, in->received_ms);
    in->round++;
    sessions_begin(in->producers);
    while (more && messages < ROUND_MESSAGES && !sessions_enough(in->producers)) {
        more = message_take(in, now_ms);
        messages++;
    }
    return backlogs_serve(in, now_ms) || more;
}

/* ---- commit ---- */

/* Also those that were refused for themselves: their rejects were not kept either, so they too
 * have to come again. */
static void ack_refuse_all(struct ingest *in, struct ack *ack)
{
    struct refusal why;

    refusal_set(&why, REFUSAL_JOURNAL_FULL, slice_of(""),
                "no room in the journal: try again later");
    ack->refused = NULL;
    ack->refused_end = &ack->refused;
    ack->refused_count = 0;
    for (uint64_t i = 0; i < ack->count; i++)
        ack_refuse(in, ack, ack->first + i, &why);
}

/* It is over when a whole round has room: single events find some before. */
static void full_note(struct ingest *in, bool full)
{
    if (!full && in->counts.full)
        full = !journal_has_room(in->journal, ROUND_BYTES);
    if (full && !in->counts.full)
        log_error("the journal or its disk is full: events are refused until there is room; free "
                  "disk space, or restart with a larger --journal-size");
    if (!full && in->counts.full)
        log_info("there is room in the journal again");
    in->counts.full = full;
}

int ingest_commit(struct ingest *in)
{
    int err;

    if (!in->acks)
        return 0;
    drafts_close(in->drafts);
    err = journal_commit(in->journal);
    if (err < 0 && err != ERR_FULL)
        return err;
    full_note(in, err == ERR_FULL);
    for (struct ack *ack = in->acks; ack; ack = ack->next) {
        if (err == ERR_FULL)
            ack_refuse_all(in, ack);
        in->counts.accepted += ack->count - ack->refused_count;
        in->counts.refused += ack->refused_count;
    }
    return 0;
}

/* ---- acknowledge ---- */

static size_t refused_bytes(const struct wire_refused *r)
{
    return REFUSED_MORE + r->code.size + r->field.size + r->reason.size;
}

/* Sends a range as one PUBACK, or as several if its refusals do not fit into one header. */
static void ack_send(struct ingest *in, const struct ack *ack)
{
    struct wire_refused *part = arena_need(&in->arena, (ack->refused_count + 1) * sizeof *part);
    struct refused *next = ack->refused;
    uint64_t first = ack->first, left = ack->count;

    while (left > 0) {
        struct wire_message m = {.kind = WIRE_PUBACK};
        uint32_t n = 0;
        for (size_t bytes = 0; next; next = next->next) {
            bytes += refused_bytes(&next->wire);
            if (bytes > PUBACK_BYTES)
                break;
            part[n++] = next->wire;
        }
        uint64_t count = next ? part[n - 1].seq + 1 - first : left;
        m.puback = (struct wire_puback){first, count, n, part};
        session_post(in->producers, ack->to, &m);
        first += count;
        left -= count;
    }
}

void ingest_acknowledge(struct ingest *in)
{
    for (struct ack *ack = in->acks; ack; ack = ack->next) {
        bool same = ack->to->number == ack->session_number;
        if (same) {
            ack->to->away_events -= ack->count;
            ack->to->away_bytes -= ack->bytes;
            ack->to->ack = NULL;
        }
        if (same && !ack->to->gone)
            ack_send(in, ack);
    }
    in->acks = NULL;
    in->acks_end = &in->acks;
    in->bytes = in->events = 0;
    arena_reset(&in->arena, ARENA_KEEP);
}

struct ingest_counts ingest_counts(const struct ingest *in)
{
    struct ingest_counts c = in->counts;

    c.full = !journal_has_room(in->journal, c.full ? ROUND_BYTES : EVENT_MAX_BYTES);
    return c;
}
