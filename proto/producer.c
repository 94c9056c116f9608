/* The C producer, libturnout; turnout.h is its contract, PROTOCOL.md what it says to the broker.
 *
 * Happy path: connect, HELLO, WELCOME; turnout_send copies the event into the window, full batches
 * go out as PUBLISH, PUBACK takes them off the window.  While nothing is under way an event is
 * sent at once; while something is, events collect until a batch is full, so that a slow producer
 * has no delay and a fast one large batches, without a timer.
 *
 * What can fail: the broker dies, is replaced, freezes, or an acknowledgement is lost.  All of it
 * is met in one way: close the connection, open another, HELLO, and send again all that is not
 * acknowledged.  Only another protocol version and a refusal of the producer itself are final. */
#include "proto/turnout.h"

#include "proto/clock.h"
#include "proto/error.h"
#include "proto/keyfile.h"
#include "proto/link.h"
#include "proto/window.h"
#include "proto/wire.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DEFAULT_BATCH   2048  /* a message wakes threads on both sides: fewer are cheaper */
#define WINDOW_BATCHES  4     /* so many batches fit into a window at least */
#define HELLO_MS        500   /* between two HELLOs without an answer */
#define PING_MS         250   /* waiting this long without a word: ask */
#define DEATHS          3     /* heartbeats of silence that mean the connection is dead, */
#define PATIENCE_MOST   60000 /* or longer, up to this, with a broker whose disk takes its time */
#define BACKOFF_MS      50    /* before the first new connection, doubled for each that comes to */
#define BACKOFF_MOST_MS 1000  /* nothing, up to this */
#define TICK_MS         100   /* the longest sleep; the clock is looked at after it */
#define SHORT_TICK_MS   10    /* while waiting for room or a connection, which nothing announces */
#define BYE_MS          100   /* how long a BYE may hold up turnout_producer_free */
#define ARENA_KEEP      (64 * 1024)

struct turnout_producer {
    char *endpoint;
    struct keyfile key; /* broker "": none */
    bool key_is_open;   /* to others */
    char name[WIRE_NAME + 1];
    uint32_t batch_events;
    uint32_t own_window; /* the caller's; 0: none */
    struct window_listener listener;
    int send_timeout_ms;

    bool held;         /* the links' context */
    struct link *link; /* NULL between two connections */
    bool welcomed;     /* on this connection */
    bool blocked;      /* the link had no room when last tried */
    int status;        /* TURNOUT_WRONG_VERSION or _DENIED once that is known; final */
    struct wire_welcome limits;
    struct window window;
    struct buffer header;
    struct arena arena;

    /* monotonic times; 0: not on this connection */
    int64_t connect_ms;  /* not before this */
    int64_t backoff_ms;  /* what connect_ms was put off by */
    int64_t greeted_ms;  /* the first HELLO without an answer */
    int64_t hello_ms;    /* the last HELLO */
    int64_t heard_ms;    /* the last message from the broker */
    int64_t pinged_ms;   /* the last PING */
    int64_t progress_ms; /* when the window last moved, or something came into an empty one */
    int64_t stepped_ms;  /* when the link was last read */

    int64_t patience_ms; /* twice what an answer took the last time, or came too late */

    uint64_t connections;
    struct turnout_counts counts;
    char error[256];
    char code[WIRE_NAME + 1]; /* of the error; "" if it has none */
};

static void error_note(struct turnout_producer *p, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void error_note(struct turnout_producer *p, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(p->error, sizeof p->error, format, args);
    va_end(args);
    p->code[0] = '\0';
}

static void error_code(struct turnout_producer *p, struct slice code)
{
    snprintf(p->code, sizeof p->code, "%.*s", (int)code.size, code.at);
}

/* ---- the connection ---- */

static void connection_open(struct turnout_producer *p)
{
    int r = p->key.broker[0] ? link_connect_keyed(p->endpoint, &p->key, &p->link)
                             : link_connect(p->endpoint, &p->link);

    if (r < 0) {
        error_note(p, "cannot connect to %s: %s", p->endpoint, error_text(r));
        return;
    }
    p->greeted_ms = p->hello_ms = p->heard_ms = p->pinged_ms = 0;
    if (p->connections++ > 0)
        p->counts.reconnects++;
}

static void connection_drop(struct turnout_producer *p, int64_t now_ms)
{
    link_close(p->link, 0);
    p->link = NULL;
    p->welcomed = false;
    p->blocked = false;
    p->connect_ms = now_ms + p->backoff_ms;
    p->backoff_ms = p->backoff_ms * 2 < BACKOFF_MOST_MS ? p->backoff_ms * 2 : BACKOFF_MOST_MS;
    window_rewind(&p->window);
}

static int message_send(struct turnout_producer *p, const struct wire_message *m,
                        const struct slice *payload)
{
    buffer_clear(&p->header);
    wire_encode(m, &p->header);
    return link_send(p->link, slice_make(NULL, 0), buffer_slice(&p->header), payload,
                     payload ? 1 : 0);
}

static void say_hello(struct turnout_producer *p, int64_t now_ms)
{
    struct wire_message m = {.kind = WIRE_HELLO};

    m.hello.role = slice_of("producer");
    m.hello.name = slice_of(p->name);
    m.hello.pid = getpid();
    if (message_send(p, &m, NULL) < 0)
        return; /* not connected yet */
    p->hello_ms = now_ms;
    if (!p->greeted_ms)
        p->greeted_ms = now_ms;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t death_ms(const struct turnout_producer *p)
{
    return later(DEATHS * (int64_t)p->limits.heartbeat_ms, p->patience_ms);
}

/* An answer took so long, or did not come in it: the next may take twice as long.  Or who always
 * begins anew before a slow commit is over would send the same for ever and never hear of it. */
static void patience_learn(struct turnout_producer *p, int64_t took_ms)
{
    p->patience_ms = took_ms * 2 < PATIENCE_MOST ? took_ms * 2 : PATIENCE_MOST;
}

/* What the handshake came to: true when it has failed for good. */
static bool connection_refused(struct turnout_producer *p, int64_t now_ms)
{
    enum link_state state = link_state(p->link);
    const char *code = link_state_code(state);

    if (!*code)
        return false;
    error_note(p, "the broker at %s: %s: %s", p->endpoint, code, link_state_text(state));
    error_code(p, slice_of(code));
    if (state == LINK_BROKER_KEY)
        return false; /* perhaps it is only in trouble */
    p->status = TURNOUT_DENIED;
    connection_drop(p, now_ms);
    return true;
}

/* Before WELCOME: HELLO until it is answered. */
static void connection_greet(struct turnout_producer *p, int64_t now_ms)
{
    if (connection_refused(p, now_ms))
        return;
    if (p->greeted_ms && now_ms - p->greeted_ms >= death_ms(p)) {
        if (link_state(p->link) != LINK_BROKER_KEY) {
            error_note(p, "the broker at %s does not answer", p->endpoint);
            patience_learn(p, death_ms(p));
        }
        connection_drop(p, now_ms);
    } else if (!p->hello_ms || now_ms - p->hello_ms >= HELLO_MS) {
        say_hello(p, now_ms);
    }
}

/* After WELCOME: as long as something is unacknowledged the broker must show that it lives, and
 * the window must move.  A broker that was started anew answers the PING with `hello-first`. */
static void connection_watch(struct turnout_producer *p, int64_t now_ms)
{
    int64_t sign_ms = later(later(p->heard_ms, p->pinged_ms), p->progress_ms);

    if (p->window.events == 0)
        return;
    if (now_ms - p->progress_ms >= death_ms(p)) {
        error_note(p, "the broker at %s no longer acknowledges", p->endpoint);
        patience_learn(p, death_ms(p));
        connection_drop(p, now_ms);
    } else if (now_ms - sign_ms >= PING_MS) {
        if (message_send(p, &(struct wire_message){.kind = WIRE_PING}, NULL) == 0)
            p->pinged_ms = now_ms;
    }
}

static void connection_keep(struct turnout_producer *p, int64_t now_ms)
{
    if (!p->link && !p->status && now_ms >= p->connect_ms)
        connection_open(p);
    if (!p->link)
        return;
    if (p->welcomed)
        connection_watch(p, now_ms);
    else
        connection_greet(p, now_ms);
}

/* ---- what the broker says ---- */

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void take_welcome(struct turnout_producer *p, const struct wire_welcome *w, int64_t now_ms)
{
    if (w->max_payload < TURNOUT_MAX_EVENT || w->window_bytes < TURNOUT_MAX_EVENT) {
        error_note(p, "the broker's limits leave no room for an event of %d bytes",
                   TURNOUT_MAX_EVENT);
        connection_drop(p, now_ms);
        return;
    }
    p->limits.max_payload = least(w->max_payload, WIRE_MAX_PAYLOAD);
    p->limits.max_events = least(w->max_events, WIRE_MAX_EVENTS);
    p->limits.window_events = least(w->window_events, WIRE_WINDOW);
    p->limits.window_bytes = least(w->window_bytes, WIRE_WINDOW_BYTES);
    p->limits.heartbeat_ms = w->heartbeat_ms;
    if (!p->welcomed)
        p->progress_ms = now_ms;
    p->welcomed = true;
}

static void take_puback(struct turnout_producer *p, const struct wire_puback *ack, int64_t now_ms)
{
    struct window_done done = window_ack(&p->window, ack, &p->listener);

    p->counts.accepted += done.accepted;
    p->counts.refused += done.refused;
    if (done.accepted + done.refused > 0) {
        patience_learn(p, now_ms - p->progress_ms);
        p->progress_ms = now_ms;
        p->backoff_ms = BACKOFF_MS;
    }
}

static void take_error(struct turnout_producer *p, const struct wire_error *e, int64_t now_ms)
{
    error_note(p, "the broker says %.*s: %.*s", (int)e->code.size, e->code.at, (int)e->reason.size,
               e->reason.at);
    error_code(p, e->code);
    if (slice_is(e->code, "version"))
        p->status = TURNOUT_WRONG_VERSION;
    else if (e->fatal && (slice_is(e->code, "denied") || slice_is(e->code, "revoked-key")))
        p->status = TURNOUT_DENIED;
    if (e->fatal || p->status)
        connection_drop(p, now_ms);
    else if (!p->welcomed)
        p->greeted_ms = 0; /* busy: it answers, so go on asking */
}

static void take_message(struct turnout_producer *p, const struct wire_message *m, int64_t now_ms)
{
    p->heard_ms = now_ms;
    switch (m->kind) {
    case WIRE_WELCOME:
        take_welcome(p, &m->welcome, now_ms);
        break;
    case WIRE_PUBACK:
        take_puback(p, &m->puback, now_ms);
        break;
    case WIRE_PING:
        message_send(p, &(struct wire_message){.kind = WIRE_PONG}, NULL);
        break;
    case WIRE_ERROR:
        take_error(p, &m->error, now_ms);
        break;
    default: /* PONG, and whatever a later version says to those who understand it */
        break;
    }
}

static void take_frames(struct turnout_producer *p, const struct link_message *frames,
                        int64_t now_ms)
{
    struct wire_message m;

    arena_reset(&p->arena, ARENA_KEEP);
    if (frames->other_version) {
        error_note(p, "the broker at %s speaks another protocol version", p->endpoint);
        p->status = TURNOUT_WRONG_VERSION;
        connection_drop(p, now_ms);
    } else if (frames->foreign ||
               wire_decode(frames->header, frames->payload.size, &p->arena, &m) < 0) {
        error_note(p, "what answers at %s is no turnout broker", p->endpoint);
    } else {
        take_message(p, &m, now_ms);
    }
}

/* ---- the window's way out ---- */

/* Sends one piece of the window; false when there is none, or no room for it. */
static bool piece_send(struct turnout_producer *p)
{
    const struct wire_welcome *limits = &p->limits;
    struct window *w = &p->window;
    uint64_t most_events = least(limits->max_events, p->batch_events);
    struct window_piece piece;
    struct wire_message m = {.kind = WIRE_PUBLISH};

    if (w->away >= limits->window_events || w->away_bytes >= limits->window_bytes ||
        !window_next(w, least(most_events, limits->window_events - w->away),
                     least(limits->max_payload, limits->window_bytes - w->away_bytes), &piece))
        return false;
    m.publish.first = piece.first;
    m.publish.count = piece.count;
    m.publish.sizes = piece.sizes;
    p->blocked = message_send(p, &m, &piece.bytes) < 0;
    if (!p->blocked)
        window_sent(w, &piece);
    return !p->blocked;
}

/* Sends what is due: everything if `all`, else full batches, and whatever there is when nothing
 * is under way. */
static void pieces_send(struct turnout_producer *p, bool all)
{
    while (p->welcomed && !p->blocked &&
           (all || p->window.away == 0 || window_has_batch(&p->window)))
        if (!piece_send(p))
            return;
}

/* One round: read everything, keep the connection, send what is due.  Returns how many messages
 * there were. */
static unsigned step(struct turnout_producer *p, bool all)
{
    struct link_message frames;
    unsigned count = 0;

    p->stepped_ms = clock_mono_ms();
    p->blocked = false;
    while (p->link && link_receive(p->link, &frames) == 0) {
        take_frames(p, &frames, p->stepped_ms);
        count++;
    }
    connection_keep(p, p->stepped_ms);
    pieces_send(p, all);
    return count;
}

/* ---- waiting ---- */

static bool has_room(const struct turnout_producer *p, size_t size)
{
    const struct window *w = &p->window;
    uint64_t most = p->limits.window_events;

    if (p->own_window)
        most = least(most, p->own_window);
    return window_held(w) < most && w->bytes + size <= p->limits.window_bytes;
}

static bool is_reached(const struct turnout_producer *p, size_t size)
{
    return size ? has_room(p, size) : p->window.events == 0;
}

static void sleep_until_word(const struct turnout_producer *p, int64_t most_ms)
{
    int tick_ms = p->welcomed && !p->blocked ? TICK_MS : SHORT_TICK_MS;

    if (most_ms >= 0 && most_ms < tick_ms)
        tick_ms = (int)most_ms;
    link_wait(&p->link, p->link ? 1 : 0, -1, tick_ms);
}

/* What is left of timeout_ms since start_ms: 0 when it is over, -1 for ever. */
static int64_t time_left(int64_t start_ms, int timeout_ms)
{
    if (timeout_ms < 0)
        return -1;
    return later(0, start_ms + timeout_ms - clock_mono_ms());
}

/* Makes rounds until there is room for `size` bytes more, or (0) nothing is left in the window, or
 * the time is over. */
static int wait_until(struct turnout_producer *p, size_t size, int timeout_ms)
{
    int64_t start_ms = clock_mono_ms();

    for (;;) {
        step(p, true);
        if (p->status)
            return p->status;
        if (is_reached(p, size))
            return TURNOUT_OK;
        int64_t left_ms = time_left(start_ms, timeout_ms);
        if (left_ms == 0)
            return TURNOUT_TIMEOUT;
        sleep_until_word(p, left_ms);
    }
}

/* ---- the public functions ---- */

static bool options_hold(const struct turnout_options *o)
{
    struct slice name = slice_of(o->name ? o->name : "");

    return (o->endpoint || o->key_file) && o->batch_events <= WIRE_MAX_EVENTS &&
           name.size <= WIRE_NAME && utf8_valid(name);
}

static uint32_t batch_of(const struct turnout_options *o)
{
    if (o->batch_events)
        return o->batch_events;
    if (o->window_events == 0 || o->window_events >= DEFAULT_BATCH * WINDOW_BATCHES)
        return DEFAULT_BATCH;
    return (o->window_events - 1) / WINDOW_BATCHES + 1;
}

/* The endpoint and the key; TURNOUT_CONFIG when there is none of either that could do. */
static int take_address(struct turnout_producer *p, const struct turnout_options *o)
{
    const char *endpoint = o->endpoint;
    char why[256];

    if (o->key_file && keyfile_read(o->key_file, &p->key, &p->key_is_open, why, sizeof why) < 0)
        return TURNOUT_CONFIG;
    if (o->key_file && (!p->key.broker[0] || !(endpoint || p->key.publish[0])))
        return TURNOUT_CONFIG;
    endpoint = endpoint ? endpoint : p->key.publish;
    p->endpoint = strcpy(memory_need(strlen(endpoint) + 1), endpoint);
    return TURNOUT_OK;
}

int turnout_producer_new(const struct turnout_options *options, struct turnout_producer **ret)
{
    if (!options_hold(options))
        return TURNOUT_CONFIG;
    struct turnout_producer *p = memory_need(sizeof *p);
    *p = (struct turnout_producer){
        .batch_events = batch_of(options),
        .own_window = options->window_events,
        .listener = {options->accepted, options->refused, options->arg},
        .send_timeout_ms = -1,
        .backoff_ms = BACKOFF_MS,
        .limits = {.max_payload = WIRE_MAX_PAYLOAD,
                   .max_events = WIRE_MAX_EVENTS,
                   .window_events = WIRE_WINDOW,
                   .window_bytes = WIRE_WINDOW_BYTES,
                   .heartbeat_ms = WIRE_HEARTBEAT_MS},
    };
    strcpy(p->name, options->name ? options->name : "libturnout");
    window_init(&p->window, p->batch_events);
    p->held = link_hold();
    if (take_address(p, options) == TURNOUT_OK)
        connection_open(p);
    if (!p->link) {
        turnout_producer_free(p);
        return TURNOUT_CONFIG;
    }
    *ret = p;
    return TURNOUT_OK;
}

void turnout_producer_free(struct turnout_producer *p)
{
    if (!p)
        return;
    if (p->welcomed)
        message_send(p, &(struct wire_message){.kind = WIRE_BYE}, NULL);
    link_close(p->link, p->welcomed ? BYE_MS : 0);
    if (p->held)
        link_let_go();
    window_free(&p->window);
    buffer_free(&p->header);
    arena_free(&p->arena);
    free(p->endpoint);
    keyfile_forget(&p->key);
    free(p);
}

/* Whether taking an event calls for a round: something can go out now, or the last round was over a
 * millisecond ago.  Not for every event, as a round costs more than taking one. */
static bool is_round_due(struct turnout_producer *p, int64_t now_ms)
{
    if (now_ms != p->stepped_ms)
        return true;
    return p->welcomed && !p->blocked && (p->window.away == 0 || window_has_batch(&p->window));
}

int turnout_send(struct turnout_producer *p, const void *event, size_t size, uint64_t *ret_seq)
{
    if (size == 0 || size > TURNOUT_MAX_EVENT)
        return TURNOUT_TOO_LARGE;
    if (p->status)
        return p->status;
    if (!has_room(p, size)) {
        int r = wait_until(p, size, p->send_timeout_ms);
        if (r != TURNOUT_OK)
            return r;
    }
    int64_t now_ms = clock_mono_ms();
    if (p->window.events == 0)
        p->progress_ms = now_ms;
    uint64_t seq = window_add(&p->window, slice_make(event, size));
    p->counts.sent++;
    if (is_round_due(p, now_ms))
        step(p, false);
    if (ret_seq)
        *ret_seq = seq;
    return TURNOUT_OK;
}

int turnout_flush(struct turnout_producer *p, int timeout_ms)
{
    return wait_until(p, 0, timeout_ms);
}

int turnout_poll(struct turnout_producer *p, int timeout_ms)
{
    int64_t start_ms = clock_mono_ms();

    while (step(p, timeout_ms != 0) == 0 && !p->status) {
        int64_t left_ms = time_left(start_ms, timeout_ms);
        if (left_ms == 0)
            break;
        sleep_until_word(p, left_ms);
    }
    return p->status;
}

void turnout_set_timeout(struct turnout_producer *p, int timeout_ms)
{
    p->send_timeout_ms = timeout_ms;
}

struct turnout_counts turnout_counts(const struct turnout_producer *p)
{
    return p->counts;
}

bool turnout_connected(const struct turnout_producer *p)
{
    return p->welcomed;
}

const char *turnout_error(const struct turnout_producer *p)
{
    return p->error;
}

const char *turnout_error_code(const struct turnout_producer *p)
{
    return p->code;
}

bool turnout_key_is_open(const struct turnout_producer *p)
{
    return p->key_is_open;
}
