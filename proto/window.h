/* A window: the events a producer has taken and the broker has not yet acknowledged.
 *
 *     | under way | done | under way ... | not sent yet |
 *       ^ oldest                           ^ the mark     ^ next
 *
 * They lie in chunks, each with the events of consecutive numbers one behind the other, as they
 * go over the wire; a chunk is used again when all of its events are done.  What is sent is a
 * piece of a chunk, so how events are stored and how they are batched need not agree. */
#ifndef PROTO_WINDOW_H
#define PROTO_WINDOW_H

#include "proto/turnout.h"
#include "proto/wire.h"

struct window_chunk;

struct window {
    struct window_chunk *first, *last; /* with events, in order of their numbers */
    struct window_chunk *spare;        /* empty ones, for use again */
    size_t spare_bytes;
    uint32_t chunk_events; /* most events of a chunk */

    uint64_t next;   /* the number of the next event; they count from 1 */
    uint64_t oldest; /* the smallest number that is not done */
    uint64_t events; /* not done */
    uint64_t bytes;  /* held: of all events from the oldest on */
    uint64_t sent;   /* the greatest number ever sent */
    uint64_t away;   /* events under way: before the mark and not done */
    uint64_t away_bytes;
    struct window_chunk *mark; /* where sending goes on; NULL: with the first chunk */
    uint32_t mark_event;       /* index in the chunk, and its place in the chunk's bytes */
    size_t mark_byte;
};

/* A piece to send; borrowed until the window is changed. */
struct window_piece {
    uint64_t first;
    uint32_t count;
    const uint32_t *sizes;
    struct slice bytes;
};

/* Who is told what has become of the events; both may be NULL. */
struct window_listener {
    turnout_accepted_fn accepted;
    turnout_refused_fn refused;
    void *arg;
};

struct window_done {
    uint64_t accepted, refused;
};

void window_init(struct window *w, uint32_t chunk_events);
void window_free(struct window *w);

/* Takes a copy of the event, at most WIRE_MAX_PAYLOAD bytes; returns its number. */
uint64_t window_add(struct window *w, struct slice event);

/* The next piece that is not under way: at most `most_events` and `most_bytes`; false when there
 * is none.  window_sent moves the mark past it. */
bool window_next(struct window *w, uint64_t most_events, uint64_t most_bytes,
                 struct window_piece *ret);
void window_sent(struct window *w, const struct window_piece *piece);

/* True when the events behind the mark fill their chunk: they go out without waiting for more. */
bool window_has_batch(struct window *w);

/* Nothing is under way any more: all that is not done is to be sent again, in order. */
void window_rewind(struct window *w);

/* From the oldest to the newest, those done between them included: what memory is bounded by. */
static inline uint64_t window_held(const struct window *w)
{
    return w->next - w->oldest;
}

/* Takes an acknowledgement of any range; numbers never sent and numbers already done are passed
 * over.  Each event is told to the listener once: refused one by one, accepted in runs. */
struct window_done window_ack(struct window *w, const struct wire_puback *ack,
                              const struct window_listener *listener);

#endif
