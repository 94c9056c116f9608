/* The wire protocol's headers, to bytes and back; PROTOCOL.md is the specification.
 *
 * Each kind has a function that writes its items and one that reads them, side by side, and a
 * line in the table at the end.  Reading goes on after the first fault with zeros, as the
 * cursor's `failed` is sticky, and is judged once.  Whatever a hostile peer writes is bounded
 * before memory is asked for: a list has no more items than bytes are left for them. */
#include "proto/wire.h"

#include "proto/error.h"
#include "proto/pack.h"
#include "proto/wire_inner.h"

#include <assert.h>
#include <stdio.h>

const struct slice wire_preamble = {"TRNT\x01", 5};

/* ---- what several kinds are made of ---- */

static struct slice read_log(struct cursor *r)
{
    struct slice log = read_text(r, WIRE_LOG);

    check(r, log.size == WIRE_LOG);
    for (size_t i = 0; i < log.size; i++)
        check(r, (log.at[i] >= '0' && log.at[i] <= '9') || (log.at[i] >= 'a' && log.at[i] <= 'f'));
    return log;
}

/* One number for each partition at most, none of them above `most`. */
static const uint64_t *read_offsets(struct cursor *r, uint64_t most, uint32_t *ret_count)
{
    uint32_t count = *ret_count = read_list(r, 1, WIRE_MAX_PARTS);
    uint64_t *numbers = need_items(r, count, sizeof *numbers);

    for (uint32_t i = 0; i < count; i++)
        numbers[i] = read_number(r, 0, most);
    return numbers;
}

/* ---- beginning and end of a session ---- */

static void encode_hello(const struct wire_message *m, struct buffer *out)
{
    pack_str(out, m->hello.role);
    pack_str(out, m->hello.name);
    pack_int(out, m->hello.pid);
}

static void decode_hello(struct cursor *r, struct wire_message *m)
{
    m->hello.role = read_text(r, WIRE_NAME);
    m->hello.name = read_text(r, WIRE_NAME);
    m->hello.pid = (int64_t)read_number(r, 0, NUMBER_MAX);
}

static void encode_welcome(const struct wire_message *m, struct buffer *out)
{
    const struct wire_welcome *w = &m->welcome;

    pack_str(out, w->log);
    pack_uint(out, w->partitions);
    pack_uint(out, w->max_event);
    pack_uint(out, w->max_payload);
    pack_uint(out, w->max_events);
    pack_uint(out, w->window_events);
    pack_uint(out, w->window_bytes);
    pack_uint(out, w->heartbeat_ms);
    pack_str(out, w->server);
}

static void decode_welcome(struct cursor *r, struct wire_message *m)
{
    struct wire_welcome *w = &m->welcome;

    w->log = read_log(r);
    w->partitions = read_number(r, 1, WIRE_MAX_PARTS);
    w->max_event = read_number(r, 1, NUMBER_MAX);
    w->max_payload = read_number(r, w->max_event, NUMBER_MAX);
    w->max_events = read_number(r, 1, NUMBER_MAX);
    w->window_events = read_number(r, 1, NUMBER_MAX);
    w->window_bytes = read_number(r, w->max_event, NUMBER_MAX);
    w->heartbeat_ms = read_number(r, 1, WIRE_MAX_HEARTBEAT_MS);
    w->server = read_text(r, WIRE_NAME);
}

static void encode_error(const struct wire_message *m, struct buffer *out)
{
    pack_str(out, m->error.code);
    pack_str(out, m->error.reason);
    pack_bool(out, m->error.fatal);
}

static void decode_error(struct cursor *r, struct wire_message *m)
{
    m->error.code = read_text(r, WIRE_NAME);
    m->error.reason = read_text(r, WIRE_REASON);
    m->error.fatal = pack_read_bool(next(r));
}

/* ---- producer and broker ---- */

static void encode_publish(const struct wire_message *m, struct buffer *out)
{
    pack_uint(out, m->publish.first);
    pack_array(out, m->publish.count);
    for (uint32_t i = 0; i < m->publish.count; i++)
        pack_uint(out, m->publish.sizes[i]);
}

static void decode_publish(struct cursor *r, struct wire_message *m)
{
    struct wire_publish *p = &m->publish;
    uint64_t sum = 0;

    p->first = read_number(r, 1, NUMBER_MAX - WIRE_MAX_EVENTS);
    p->count = read_list(r, 1, WIRE_MAX_EVENTS);
    uint32_t *sizes = need_items(r, p->count, sizeof *sizes);
    for (uint32_t i = 0; i < p->count; i++)
        sum += sizes[i] = (uint32_t)read_number(r, 1, WIRE_MAX_PAYLOAD);
    p->sizes = sizes;
    check(r, p->count > 0);
    check_payload(r, sum == r->payload_size);
}

static void encode_puback(const struct wire_message *m, struct buffer *out)
{
    const struct wire_puback *p = &m->puback;

    pack_uint(out, p->first);
    pack_uint(out, p->count);
    pack_array(out, p->refused_count);
    for (uint32_t i = 0; i < p->refused_count; i++) {
        pack_array(out, 5);
        pack_uint(out, p->refused[i].seq);
        pack_str(out, p->refused[i].code);
        pack_str(out, p->refused[i].field);
        pack_str(out, p->refused[i].reason);
        pack_bool(out, p->refused[i].retry);
    }
}

static void read_refused(struct cursor *r, uint64_t least, uint64_t most, struct wire_refused *ret)
{
    uint32_t more = read_record(r, 5);

    ret->seq = read_number(r, least, most);
    ret->code = read_text(r, WIRE_NAME);
    ret->field = read_text(r, WIRE_NAME);
    ret->reason = read_text(r, WIRE_REASON);
    ret->retry = pack_read_bool(next(r));
    skip_items(r, more);
}

/* The refused numbers rise and lie within the range, so that a reader can walk both at once. */
static void decode_puback(struct cursor *r, struct wire_message *m)
{
    struct wire_puback *p = &m->puback;

    p->first = read_number(r, 1, NUMBER_MAX);
    p->count = read_number(r, 1, NUMBER_MAX - p->first + 1);
    p->refused_count = read_list(r, 6, UINT32_MAX);
    struct wire_refused *refused = need_items(r, p->refused_count, sizeof *refused);
    uint64_t least = p->first, most = p->first + p->count - 1;
    for (uint32_t i = 0; i < p->refused_count; i++) {
        read_refused(r, least, most, &refused[i]);
        least = refused[i].seq + 1;
    }
    p->refused = refused;
}

/* ---- reader and broker ---- */

static void encode_read(const struct wire_message *m, struct buffer *out)
{
    pack_uint(out, m->read.partition);
    pack_uint(out, m->read.stream);
    pack_uint(out, m->read.offset);
    pack_uint(out, m->read.credit);
}

static void decode_read(struct cursor *r, struct wire_message *m)
{
    m->read.partition = read_number(r, 0, WIRE_MAX_PARTS - 1);
    m->read.stream = read_number(r, 0, NUMBER_MAX);
    m->read.offset = read_number(r, 0, NUMBER_MAX);
    m->read.credit = read_number(r, 0, NUMBER_MAX);
}

static void encode_batch(const struct wire_message *m, struct buffer *out)
{
    const struct wire_batch *b = &m->batch;

    pack_uint(out, b->partition);
    pack_uint(out, b->stream);
    pack_uint(out, b->offset);
    pack_uint(out, b->count);
    pack_uint(out, b->end);
    pack_array(out, b->run_count);
    for (uint32_t i = 0; i < b->run_count; i++) {
        pack_array(out, 3);
        pack_uint(out, b->runs[i].count);
        pack_str(out, b->runs[i].source);
        pack_int(out, b->runs[i].received_ms);
    }
}

/* Returns how many events the runs cover together. */
static uint64_t read_runs(struct cursor *r, struct wire_batch *b)
{
    uint64_t sum = 0;

    b->run_count = read_list(r, 4, UINT32_MAX);
    struct wire_run *runs = need_items(r, b->run_count, sizeof *runs);
    for (uint32_t i = 0; i < b->run_count; i++) {
        uint32_t more = read_record(r, 3);
        sum += runs[i].count = read_number(r, 1, WIRE_MAX_PAYLOAD);
        runs[i].source = read_text(r, WIRE_NAME);
        runs[i].received_ms = pack_read_int(next(r));
        skip_items(r, more);
    }
    b->runs = runs;
    return sum;
}

static void decode_batch(struct cursor *r, struct wire_message *m)
{
    struct wire_batch *b = &m->batch;

    b->partition = read_number(r, 0, WIRE_MAX_PARTS - 1);
    b->stream = read_number(r, 0, NUMBER_MAX);
    b->offset = read_number(r, 0, NUMBER_MAX - WIRE_MAX_PAYLOAD);
    b->count = read_number(r, 0, WIRE_MAX_PAYLOAD);
    b->end = read_number(r, b->offset + b->count, NUMBER_MAX);
    check(r, read_runs(r, b) == b->count);
    check_payload(r, b->count <= r->payload_size && (b->count > 0 || r->payload_size == 0));
}

static void encode_credit(const struct wire_message *m, struct buffer *out)
{
    pack_uint(out, m->credit.partition);
    pack_uint(out, m->credit.stream);
    pack_uint(out, m->credit.bytes);
}

static void decode_credit(struct cursor *r, struct wire_message *m)
{
    m->credit.partition = read_number(r, 0, WIRE_MAX_PARTS - 1);
    m->credit.stream = read_number(r, 0, NUMBER_MAX);
    m->credit.bytes = read_number(r, 0, NUMBER_MAX);
}

static void encode_assign(const struct wire_message *m, struct buffer *out)
{
    pack_numbers(out, m->assign.partitions, m->assign.count);
}

static void decode_assign(struct cursor *r, struct wire_message *m)
{
    m->assign.partitions = read_offsets(r, WIRE_MAX_PARTS - 1, &m->assign.count);
}

/* ---- how things stand ---- */

static void encode_status(const struct wire_message *m, struct buffer *out)
{
    pack_numbers(out, m->status.offsets, m->status.count);
}

static void decode_status(struct cursor *r, struct wire_message *m)
{
    m->status.offsets = read_offsets(r, NUMBER_MAX, &m->status.count);
}

static void pack_worker(struct buffer *out, const struct wire_peer *w)
{
    pack_array(out, 4);
    pack_str(out, w->name);
    pack_int(out, w->pid);
    pack_uint(out, w->silent_ms);
    pack_numbers(out, w->partitions, w->count);
}

static void read_worker(struct cursor *r, struct wire_peer *ret)
{
    uint32_t more = read_record(r, 4);

    ret->name = read_text(r, WIRE_NAME);
    ret->pid = (int64_t)read_number(r, 0, NUMBER_MAX);
    ret->silent_ms = read_number(r, 0, NUMBER_MAX);
    ret->partitions = read_offsets(r, WIRE_MAX_PARTS - 1, &ret->count);
    skip_items(r, more);
}

static void pack_bound(struct buffer *out, const struct wire_bound *b)
{
    pack_array(out, 3);
    pack_str(out, b->name);
    pack_uint(out, b->value);
    pack_uint(out, b->limit);
}

static void read_bound(struct cursor *r, struct wire_bound *ret)
{
    uint32_t more = read_record(r, 3);

    ret->name = read_text(r, WIRE_NAME);
    ret->value = read_number(r, 0, NUMBER_MAX);
    ret->limit = read_number(r, 0, NUMBER_MAX);
    skip_items(r, more);
}

static void encode_report(const struct wire_message *m, struct buffer *out)
{
    const struct wire_report *p = &m->report;

    pack_str(out, p->log);
    pack_str(out, p->server);
    pack_uint(out, p->uptime_ms);
    pack_uint(out, p->accepted);
    pack_uint(out, p->refused);
    pack_uint(out, p->producers);
    pack_uint(out, p->rejects);
    pack_uint(out, p->journal_bytes);
    pack_uint(out, p->journal_limit);
    pack_numbers(out, p->ends, p->count);
    pack_array(out, p->count);
    for (uint32_t i = 0; i < p->count; i++)
        pack_int(out, p->received_ms[i]);
    pack_array(out, p->worker_count);
    for (uint32_t i = 0; i < p->worker_count; i++)
        pack_worker(out, &p->workers[i]);
    pack_str(out, p->rights);
    pack_array(out, p->bound_count);
    for (uint32_t i = 0; i < p->bound_count; i++)
        pack_bound(out, &p->bounds[i]);
}

static void read_partitions(struct cursor *r, struct wire_report *p)
{
    p->ends = read_offsets(r, NUMBER_MAX, &p->count);
    int64_t *received_ms = need_items(r, p->count, sizeof *received_ms);
    check(r, read_list(r, 1, WIRE_MAX_PARTS) == p->count);
    for (uint32_t i = 0; i < p->count; i++)
        received_ms[i] = pack_read_int(next(r));
    p->received_ms = received_ms;
}

static void read_workers(struct cursor *r, struct wire_report *p)
{
    p->worker_count = read_list(r, 5, UINT32_MAX);
    struct wire_peer *workers = need_items(r, p->worker_count, sizeof *workers);
    for (uint32_t i = 0; i < p->worker_count && !r->in.failed; i++)
        read_worker(r, &workers[i]);
    p->workers = workers;
}

static void read_bounds(struct cursor *r, struct wire_report *p)
{
    p->rights = read_text(r, WIRE_REASON);
    p->bound_count = read_list(r, 4, UINT32_MAX);
    struct wire_bound *bounds = need_items(r, p->bound_count, sizeof *bounds);
    for (uint32_t i = 0; i < p->bound_count && !r->in.failed; i++)
        read_bound(r, &bounds[i]);
    p->bounds = bounds;
}

static void decode_report(struct cursor *r, struct wire_message *m)
{
    struct wire_report *p = &m->report;

    p->log = read_log(r);
    p->server = read_text(r, WIRE_NAME);
    p->uptime_ms = read_number(r, 0, NUMBER_MAX);
    p->accepted = read_number(r, 0, NUMBER_MAX);
    p->refused = read_number(r, 0, NUMBER_MAX);
    p->producers = read_number(r, 0, NUMBER_MAX);
    p->rejects = read_number(r, 0, NUMBER_MAX);
    p->journal_bytes = read_number(r, 0, NUMBER_MAX);
    p->journal_limit = read_number(r, 0, NUMBER_MAX);
    read_partitions(r, p);
    read_workers(r, p);
    read_bounds(r, p);
}

/* ---- the kinds ---- */

static void encode_nothing(const struct wire_message *m, struct buffer *out)
{
    (void)m;
    (void)out;
}

static void decode_nothing(struct cursor *r, struct wire_message *m)
{
    (void)r;
    (void)m;
}

static const struct codec {
    uint32_t items; /* after the kind */
    bool payload;
    void (*encode)(const struct wire_message *m, struct buffer *out);
    void (*decode)(struct cursor *r, struct wire_message *m);
} codecs[WIRE_KINDS] = {
    [WIRE_HELLO] = {3, false, encode_hello, decode_hello},
    [WIRE_WELCOME] = {9, false, encode_welcome, decode_welcome},
    [WIRE_PUBLISH] = {2, true, encode_publish, decode_publish},
    [WIRE_PUBACK] = {3, false, encode_puback, decode_puback},
    [WIRE_READ] = {4, false, encode_read, decode_read},
    [WIRE_BATCH] = {6, true, encode_batch, decode_batch},
    [WIRE_CREDIT] = {3, false, encode_credit, decode_credit},
    [WIRE_ASSIGN] = {1, false, encode_assign, decode_assign},
    [WIRE_PING] = {0, false, encode_nothing, decode_nothing},
    [WIRE_PONG] = {0, false, encode_nothing, decode_nothing},
    [WIRE_STATUS] = {1, false, encode_status, decode_status},
    [WIRE_REPORT] = {14, false, encode_report, decode_report},
    [WIRE_ERROR] = {3, false, encode_error, decode_error},
    [WIRE_BYE] = {0, false, encode_nothing, decode_nothing},
    [WIRE_REJECTS] = {2, false, wire_encode_rejects, wire_decode_rejects},
    [WIRE_REJECTED] = {1, true, wire_encode_rejected, wire_decode_rejected},
    [WIRE_REDRIVE] = {1, false, wire_encode_numbers, wire_decode_numbers},
    [WIRE_DROP] = {1, false, wire_encode_numbers, wire_decode_numbers},
    [WIRE_SETTLED] = {1, false, wire_encode_settled, wire_decode_settled},
};

void wire_encode(const struct wire_message *m, struct buffer *out)
{
    pack_array(out, 1 + codecs[m->kind].items);
    pack_uint(out, m->kind);
    codecs[m->kind].encode(m, out);
}

int wire_peek(struct slice header, enum wire_kind *ret)
{
    struct pack_reader in = {.rest = header};
    uint32_t count = pack_read_array(&in);
    uint64_t kind = pack_read_uint(&in);

    if (in.failed || count == 0)
        return ERR_PROTOCOL;
    *ret = kind < WIRE_KINDS ? (enum wire_kind)kind : WIRE_UNKNOWN;
    return 0;
}

/* Everything of a header behind its kind; what is wrong is said by *r. */
static void read_items(struct cursor *r, struct wire_message *m)
{
    const struct codec *codec = &codecs[m->kind];

    check(r, pack_read_array(next(r)) > codec->items);
    pack_read_uint(&r->in);
    check_payload(r, codec->payload || r->payload_size == 0);
    codec->decode(r, m);
}

int wire_decode(struct slice header, size_t payload_size, struct arena *arena,
                struct wire_message *ret)
{
    struct wire_message m = {.kind = WIRE_UNKNOWN};
    struct cursor r = {.arena = arena, .payload_size = payload_size};

    if (header.size > WIRE_MAX_HEADER || payload_size > WIRE_MAX_PAYLOAD ||
        wire_peek(header, &m.kind) < 0)
        return ERR_PROTOCOL;
    if (m.kind != WIRE_UNKNOWN) {
        if (pack_read(header, &r.in) < 0)
            return ERR_PROTOCOL;
        read_items(&r, &m);
    }
    if (r.in.failed)
        return ERR_PROTOCOL;
    *ret = m;
    return 0;
}

/* Which item of a sound header `at` lies in, from 1, the kind; 0: it is none. */
static unsigned item_at(struct slice header, const char *at)
{
    struct pack_reader in = {.rest = header};
    unsigned item = 0;

    for (pack_read_array(&in); !in.failed && in.rest.size > 0 && in.rest.at <= at; item++)
        pack_skip(&in);
    return item;
}

/* What is wrong with the items of a sound header. */
static void items_explain(struct slice header, enum wire_kind kind, struct cursor *r, char *reason)
{
    struct wire_message m;
    unsigned item;

    assert(kind != WIRE_UNKNOWN); /* which is not refused */
    r->in = (struct pack_reader){.rest = header};
    m.kind = kind;
    read_items(r, &m);
    item = item_at(header, r->at);
    if (r->of_payload)
        snprintf(reason, WIRE_REASON, "kind %u: the size of frame 2, %zu, is not what frame 1 says",
                 kind, r->payload_size);
    else if (item == 0)
        snprintf(reason, WIRE_REASON, "kind %u: frame 1 has fewer than %u items", kind,
                 codecs[kind].items + 1);
    else
        snprintf(reason, WIRE_REASON, "kind %u: item %u of frame 1 is not what PROTOCOL.md allows",
                 kind, item);
}

void wire_explain(struct slice header, size_t payload_size, struct arena *arena,
                  char reason[WIRE_REASON])
{
    struct cursor r = {.arena = arena, .payload_size = payload_size};
    enum wire_kind kind;
    struct refusal why;
    size_t size;

    if (header.size > WIRE_MAX_HEADER)
        snprintf(reason, WIRE_REASON, "frame 1 has %zu bytes; expected at most %d", header.size,
                 WIRE_MAX_HEADER);
    else if (pack_check(header, &size, &why) < 0)
        snprintf(reason, WIRE_REASON, "frame 1: %s", why.reason);
    else if (size != header.size)
        snprintf(reason, WIRE_REASON, "frame 1 has bytes behind its array");
    else if (wire_peek(header, &kind) < 0)
        snprintf(reason, WIRE_REASON, "frame 1 is no array that begins with a kind");
    else if (payload_size > WIRE_MAX_PAYLOAD)
        snprintf(reason, WIRE_REASON, "frame 2 has %zu bytes; expected at most %d", payload_size,
                 WIRE_MAX_PAYLOAD);
    else
        items_explain(header, kind, &r, reason);
}
