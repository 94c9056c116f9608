/* The window; see window.h.  Nothing here can fail: foreign numbers that make no sense are passed
 * over, and the caller keeps to the window's size. */
#include "proto/window.h"

#include <assert.h>
#include <stdlib.h>

/* Chunks kept for use again hold at most this many bytes of events; live ones hold at most the
 * window's bytes, twice that as buffers grow by doubling.  Together 3 x 16 MiB at the worst. */
#define SPARE_BYTES WIRE_WINDOW_BYTES

struct window_chunk {
    struct window_chunk *next;
    struct buffer bytes;
    uint64_t first;  /* number of the first event */
    uint32_t count;  /* events in it */
    uint32_t passed; /* of these, done and with none before them that is not */
    bool *done;
    uint32_t sizes[];
};

void window_init(struct window *w, uint32_t chunk_events)
{
    *w = (struct window){.chunk_events = chunk_events, .next = 1, .oldest = 1};
}

/* ---- chunks ---- */

static struct window_chunk *chunk_take(struct window *w)
{
    struct window_chunk *c = w->spare;

    if (c) {
        w->spare = c->next;
        w->spare_bytes -= c->bytes.room;
    } else {
        c = memory_need(sizeof *c + w->chunk_events * (sizeof *c->sizes + sizeof *c->done));
        c->bytes = (struct buffer){0};
        c->done = (bool *)(c->sizes + w->chunk_events);
    }
    c->next = NULL;
    c->first = w->next;
    c->count = c->passed = 0;
    return c;
}

static void chunk_free(struct window_chunk *c)
{
    buffer_free(&c->bytes);
    free(c);
}

static void chunk_give(struct window *w, struct window_chunk *c)
{
    if (w->spare_bytes + c->bytes.room > SPARE_BYTES) {
        chunk_free(c);
        return;
    }
    buffer_clear(&c->bytes);
    w->spare_bytes += c->bytes.room;
    c->next = w->spare;
    w->spare = c;
}

static void chunks_free(struct window_chunk *c)
{
    while (c) {
        struct window_chunk *next = c->next;
        chunk_free(c);
        c = next;
    }
}

void window_free(struct window *w)
{
    chunks_free(w->first);
    chunks_free(w->spare);
}

/* ---- adding and sending ---- */

static bool chunk_has_room(const struct window *w, size_t size)
{
    const struct window_chunk *c = w->last;

    return c && c->count < w->chunk_events && c->bytes.size + size <= WIRE_MAX_PAYLOAD;
}

uint64_t window_add(struct window *w, struct slice event)
{
    assert(event.size <= WIRE_MAX_PAYLOAD);
    if (!chunk_has_room(w, event.size)) {
        struct window_chunk *fresh = chunk_take(w);
        *(w->last ? &w->last->next : &w->first) = fresh;
        w->last = fresh;
    }
    struct window_chunk *c = w->last;
    c->sizes[c->count] = (uint32_t)event.size;
    c->done[c->count] = false;
    c->count++;
    buffer_add_slice(&c->bytes, event);
    w->events++;
    w->bytes += event.size;
    return w->next++;
}

static void mark_move(struct window *w, uint32_t events)
{
    for (uint32_t i = 0; i < events; i++)
        w->mark_byte += w->mark->sizes[w->mark_event++];
}

/* Puts the mark on an event that is not done; false when there is none behind it. */
static bool mark_settle(struct window *w)
{
    if (!w->mark)
        w->mark = w->first;
    while (w->mark) {
        struct window_chunk *c = w->mark;
        while (w->mark_event < c->count && c->done[w->mark_event])
            mark_move(w, 1);
        if (w->mark_event < c->count)
            return true;
        if (!c->next)
            return false;
        w->mark = c->next;
        w->mark_event = 0;
        w->mark_byte = 0;
    }
    return false;
}

bool window_next(struct window *w, uint64_t most_events, uint64_t most_bytes,
                 struct window_piece *ret)
{
    if (!mark_settle(w))
        return false;
    struct window_chunk *c = w->mark;
    uint32_t from = w->mark_event, to = from;
    size_t size = 0;
    while (to < c->count && !c->done[to] && to - from < most_events &&
           size + c->sizes[to] <= most_bytes)
        size += c->sizes[to++];
    *ret = (struct window_piece){.first = c->first + from,
                                 .count = to - from,
                                 .sizes = c->sizes + from,
                                 .bytes = slice_make(c->bytes.at + w->mark_byte, size)};
    return ret->count > 0;
}

bool window_has_batch(struct window *w)
{
    return mark_settle(w) && (w->mark->next || w->mark->count == w->chunk_events);
}

void window_sent(struct window *w, const struct window_piece *piece)
{
    uint64_t last = piece->first + piece->count - 1;

    mark_move(w, piece->count);
    w->away += piece->count;
    w->away_bytes += piece->bytes.size;
    if (last > w->sent)
        w->sent = last;
}

void window_rewind(struct window *w)
{
    w->mark = NULL;
    w->mark_event = 0;
    w->mark_byte = 0;
    w->away = 0;
    w->away_bytes = 0;
}

/* ---- acknowledgements ---- */

/* One acknowledgement on its way through the window. */
struct walk {
    struct window *w;
    const struct wire_puback *ack;
    const struct window_listener *listener;
    uint32_t refusal;   /* index of the next that was not passed yet */
    uint64_t run_first; /* accepted numbers not told yet: a run of run_count */
    uint64_t run_count;
    struct window_done done;
};

static void run_end(struct walk *k)
{
    if (k->run_count && k->listener->accepted)
        k->listener->accepted(k->listener->arg, k->run_first, k->run_first + k->run_count - 1);
    k->done.accepted += k->run_count;
    k->run_count = 0;
}

static void copy_text(char *out, size_t room, struct slice text)
{
    size_t size = text.size < room ? text.size : room - 1;

    if (size)
        memcpy(out, text.at, size);
    out[size] = '\0';
}

static struct slice event_slice(const struct window_chunk *c, uint32_t i)
{
    size_t start = 0;

    for (uint32_t before = 0; before < i; before++)
        start += c->sizes[before];
    return slice_make(c->bytes.at + start, c->sizes[i]);
}

static void tell_refused(struct walk *k, const struct wire_refused *refused, struct slice event)
{
    char code[WIRE_NAME + 1], field[WIRE_NAME + 1], reason[WIRE_REASON + 1];

    run_end(k);
    k->done.refused++;
    copy_text(code, sizeof code, refused->code);
    copy_text(field, sizeof field, refused->field);
    copy_text(reason, sizeof reason, refused->reason);
    if (k->listener->refused)
        k->listener->refused(
            k->listener->arg, refused->seq,
            &(struct turnout_refusal){code, field, reason, refused->retry, event.at, event.size});
}

/* The refusal of this number, NULL if it was accepted; the numbers asked for only rise. */
static const struct wire_refused *refusal_of(struct walk *k, uint64_t seq)
{
    const struct wire_puback *a = k->ack;

    while (k->refusal < a->refused_count && a->refused[k->refusal].seq < seq)
        k->refusal++;
    if (k->refusal < a->refused_count && a->refused[k->refusal].seq == seq)
        return &a->refused[k->refusal];
    return NULL;
}

/* True when the event lies before the mark, `c` being a chunk of the window. */
static bool is_away(const struct window *w, const struct window_chunk *c, uint32_t i)
{
    return w->mark && c->first + i < w->mark->first + w->mark_event;
}

static void event_done(struct walk *k, struct window_chunk *c, uint32_t i)
{
    struct window *w = k->w;
    uint64_t seq = c->first + i;
    const struct wire_refused *refused = refusal_of(k, seq);

    c->done[i] = true;
    w->events--;
    if (is_away(w, c, i)) {
        w->away--;
        w->away_bytes -= c->sizes[i];
    }
    if (refused)
        tell_refused(k, refused, event_slice(c, i));
    else if (k->run_count++ == 0)
        k->run_first = seq;
}

static void release_first(struct window *w)
{
    struct window_chunk *c = w->first;

    if (w->mark == c) {
        w->mark = NULL;
        w->mark_event = 0;
        w->mark_byte = 0;
    }
    w->first = c->next;
    if (w->last == c)
        w->last = NULL;
    chunk_give(w, c);
}

/* Moves `oldest` on and gives back the chunks that it leaves behind. */
static void release(struct window *w)
{
    while (w->first) {
        struct window_chunk *c = w->first;
        while (c->passed < c->count && c->done[c->passed]) {
            w->bytes -= c->sizes[c->passed++];
            w->oldest++;
        }
        if (c->passed < c->count)
            return;
        release_first(w);
    }
}

struct window_done window_ack(struct window *w, const struct wire_puback *ack,
                              const struct window_listener *listener)
{
    struct walk k = {.w = w, .ack = ack, .listener = listener};
    uint64_t last = ack->first + ack->count - 1;

    if (last > w->sent)
        last = w->sent;
    for (struct window_chunk *c = w->first; c && c->first <= last; c = c->next) {
        uint64_t from = ack->first > c->first ? ack->first - c->first : 0;
        for (uint64_t i = from; i < c->count && c->first + i <= last; i++) {
            if (!c->done[i])
                event_done(&k, c, (uint32_t)i);
            else
                run_end(&k);
        }
    }
    run_end(&k);
    release(w);
    return k.done;
}
