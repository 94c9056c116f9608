/* A reader; see reader.h. */
#include "workers/reader.h"

#include "proto/clock.h"
#include "proto/error.h"
#include "proto/keyfile.h"
#include "proto/link.h"
#include "proto/log.h"
#include "workers/commit.h"

#include <stdlib.h>
#include <unistd.h>

#define HELLO_AGAIN_MS 500
#define LINGER_MS      100 /* for a BYE */
#define PATIENCE_MOST  60000

struct reader {
    const char *endpoint, *role, *name;
    struct link *link;
    struct arena arena;
    struct buffer header;
    uint64_t session, sessions; /* session: 0 while there is none */
    bool away;                  /* there shall be none: link is NULL */
    bool denied;                /* for good */
    bool warned;                /* of the broker's key */
    struct log_rate put_off;
    bool spoilt;                /* the session has missed something of ours, and must end */
    int64_t heard_ms, asked_ms; /* when something came; when we last said HELLO or PING */
    char log[LOG_ID + 1];
    unsigned partitions;
    int64_t heartbeat_ms;
    int64_t patience_ms; /* twice what a word took, or came too late, ... */
    int64_t learned_ms;  /* ... and when that was */
};

static const struct keyfile *own_key;

void reader_use_key(const struct keyfile *key)
{
    own_key = key;
}

bool reader_has_key(void)
{
    return own_key != NULL;
}

static int reader_connect(const char *endpoint, struct link **ret)
{
    return own_key ? link_connect_keyed(endpoint, own_key, ret) : link_connect(endpoint, ret);
}

int reader_new(const char *endpoint, const char *role, const char *name, struct reader **ret)
{
    struct reader *r = memory_need(sizeof *r);
    int error;

    *r = (struct reader){.endpoint = endpoint,
                         .role = role,
                         .name = name,
                         .heartbeat_ms = WIRE_HEARTBEAT_MS,
                         .heard_ms = clock_mono_ms(),
                         .asked_ms = INT64_MIN / 2};
    error = reader_connect(endpoint, &r->link);
    if (error < 0) {
        reader_free(r);
        return error;
    }
    *ret = r;
    return 0;
}

void reader_free(struct reader *r)
{
    if (!r)
        return;
    if (r->session)
        reader_send(r, &(struct wire_message){.kind = WIRE_BYE});
    link_close(r->link, LINGER_MS);
    arena_free(&r->arena);
    buffer_free(&r->header);
    free(r);
}

void reader_reset(struct reader *r)
{
    arena_reset(&r->arena, SIZE_MAX);
}

uint64_t reader_session(const struct reader *r)
{
    return r->session;
}

const char *reader_log(const struct reader *r)
{
    return r->log;
}

unsigned reader_partitions(const struct reader *r)
{
    return r->partitions;
}

static int message_send(struct reader *r, const struct wire_message *m)
{
    buffer_clear(&r->header);
    wire_encode(m, &r->header);
    return r->link ? link_send(r->link, (struct slice){0}, buffer_slice(&r->header), NULL, 0)
                   : ERR_LOST;
}

void reader_send(struct reader *r, const struct wire_message *m)
{
    if (message_send(r, m) < 0)
        log_debug("a message of kind %d was not sent", m->kind);
}

/* Without this one the session would go on, and events would no longer come. */
static void message_need(struct reader *r, const struct wire_message *m)
{
    r->spoilt |= message_send(r, m) < 0;
}

void reader_read(struct reader *r, struct reading *s, uint64_t offset)
{
    struct wire_message m = {.kind = WIRE_READ,
                             .read = {s->partition, s->stream, offset, s->credit}};

    s->owed = 0;
    message_need(r, &m);
}

void reader_credit(struct reader *r, struct reading *s, uint64_t bytes)
{
    struct wire_message m = {.kind = WIRE_CREDIT};

    s->owed += bytes;
    if (s->owed < s->credit / 4)
        return;
    m.credit = (struct wire_credit){s->partition, s->stream, s->owed};
    s->owed = 0;
    message_need(r, &m);
}

static void say_hello(struct reader *r, int64_t now_ms)
{
    struct wire_message m = {
        .kind = WIRE_HELLO,
        .hello = {.role = slice_of(r->role), .name = slice_of(r->name), .pid = getpid()}};

    r->asked_ms = now_ms;
    reader_send(r, &m);
}

/* A broker whose disk takes its time says nothing meanwhile: who always began anew before that is
 * over would never hear it. */
static void patience_learn(struct reader *r, int64_t took_ms, int64_t now_ms)
{
    int64_t need_ms = took_ms * 2 < PATIENCE_MOST ? took_ms * 2 : PATIENCE_MOST;

    if (need_ms < r->patience_ms && now_ms - r->learned_ms < PATIENCE_MOST)
        return; /* one quick word does not make a quick disk */
    r->patience_ms = need_ms;
    r->learned_ms = now_ms;
}

static int64_t death_ms(const struct reader *r)
{
    int64_t usual_ms = 3 * r->heartbeat_ms;

    return r->patience_ms > usual_ms ? r->patience_ms : usual_ms;
}

/* A new connection and session: what is still queued on the old one is of no use any more. */
static void begin_again(struct reader *r, int64_t now_ms)
{
    struct link *old = r->link;

    if (r->session)
        log_warn("the broker at %s does not %s; connecting anew", r->endpoint,
                 r->spoilt ? "take what it is asked" : "answer");
    r->link = NULL;
    reader_connect(r->endpoint, &r->link);
    link_close(old, 0); /* after it: closing the last link of a process waits */
    r->session = 0;
    r->spoilt = false;
    r->heard_ms = now_ms;
    say_hello(r, now_ms);
}

void reader_leave(struct reader *r)
{
    if (r->away)
        return;
    if (r->session)
        reader_send(r, &(struct wire_message){.kind = WIRE_BYE});
    link_close(r->link, LINGER_MS);
    r->link = NULL;
    r->session = 0;
    r->away = true;
}

void reader_join(struct reader *r)
{
    if (!r->away)
        return;
    r->away = false;
    begin_again(r, clock_mono_ms());
}

bool reader_away(const struct reader *r)
{
    return r->away;
}

/* Silence ends a connection whether or not there was a session: libzmq does not try again by itself
 * when a handshake was refused. */
static void keep_alive(struct reader *r)
{
    int64_t now_ms = clock_mono_ms(), silent_ms = now_ms - r->heard_ms;
    bool dead;

    if (r->away)
        return;
    dead = silent_ms >= death_ms(r);
    if (dead && r->link && link_state(r->link) != LINK_BROKER_KEY)
        patience_learn(r, death_ms(r), now_ms);
    if (r->spoilt || dead) {
        begin_again(r, now_ms);
    } else if (!r->session) {
        if (now_ms - r->asked_ms >= HELLO_AGAIN_MS)
            say_hello(r, now_ms);
    } else if (silent_ms >= r->heartbeat_ms && now_ms - r->asked_ms >= r->heartbeat_ms) {
        r->asked_ms = now_ms;
        reader_send(r, &(struct wire_message){.kind = WIRE_PING});
    }
}

static void welcomed(struct reader *r, const struct wire_welcome *w)
{
    if (r->session || w->log.size != LOG_ID || w->partitions == 0)
        return; /* an answer to a HELLO that was said twice */
    memcpy(r->log, w->log.at, LOG_ID);
    r->partitions = (unsigned)w->partitions;
    r->heartbeat_ms = w->heartbeat_ms ? (int64_t)w->heartbeat_ms : WIRE_HEARTBEAT_MS;
    r->session = ++r->sessions;
}

/* Said here, as nobody else knows the code. */
static int deny(struct reader *r, struct slice code, struct slice reason)
{
    log_error("the broker at %s says %.*s: %.*s", r->endpoint, (int)code.size, code.at,
              (int)reason.size, reason.at);
    return ERR_DENIED;
}

static int deny_for_good(struct reader *r, struct slice code, struct slice reason)
{
    r->denied = true;
    r->session = 0;
    return deny(r, code, reason);
}

static int take_error(struct reader *r, const struct wire_error *e)
{
    bool denied = slice_is(e->code, "denied") || slice_is(e->code, "revoked-key");

    if (slice_is(e->code, "version"))
        return ERR_VERSION;
    if (denied)
        return (e->fatal ? deny_for_good : deny)(r, e->code, e->reason);
    if (e->fatal)
        begin_again(r, clock_mono_ms());
    else if (!r->session) /* nothing but HELLO was said, which is said again */
        log_rated(&r->put_off, LOG_WARN, "the broker at %s says %.*s: %.*s", r->endpoint,
                  (int)e->code.size, e->code.at, (int)e->reason.size, e->reason.at);
    return r->session != 0;
}

/* The handshake, as long as there is no session: 0, or ERR_DENIED when it cannot succeed. */
static int check_link(struct reader *r)
{
    enum link_state state = r->link && !r->session ? link_state(r->link) : LINK_TRYING;

    switch (state) {
    case LINK_UNKNOWN_KEY:
    case LINK_REVOKED_KEY:
    case LINK_KEY_NEEDED:
    case LINK_NO_KEYS:
        return deny_for_good(r, slice_of(link_state_code(state)), slice_of(link_state_text(state)));
    case LINK_BROKER_KEY:
        if (!r->warned)
            log_warn("the broker at %s: %s: %s", r->endpoint, link_state_code(state),
                     link_state_text(state));
        r->warned = true;
        return 0;
    default:
        return 0;
    }
}

int reader_doubt(struct reader *r)
{
    bool doubtful = r->link && !r->session && link_state(r->link) == LINK_BROKER_KEY;

    return doubtful ? deny_for_good(r, slice_of(link_state_code(LINK_BROKER_KEY)),
                                    slice_of(link_state_text(LINK_BROKER_KEY)))
                    : 0;
}

/* 0: not the caller's business; 1: it is; or an error. */
static int own_business(struct reader *r, const struct wire_message *m)
{
    switch (m->kind) {
    case WIRE_WELCOME:
        welcomed(r, &m->welcome);
        return 0;
    case WIRE_PING:
        reader_send(r, &(struct wire_message){.kind = WIRE_PONG});
        return 0;
    case WIRE_PONG:
        return 0;
    case WIRE_ERROR:
        return take_error(r, &m->error);
    default:
        return r->session != 0;
    }
}

static void heard(struct reader *r)
{
    int64_t now_ms = clock_mono_ms();

    patience_learn(r, now_ms - r->heard_ms, now_ms);
    r->heard_ms = now_ms;
}

static int take(struct reader *r, struct wire_message *ret, struct slice *ret_payload)
{
    struct link_message m;
    int mine;

    while (r->link && link_receive(r->link, &m) == 0) {
        heard(r);
        if (m.foreign || wire_decode(m.header, m.payload.size, &r->arena, ret) < 0) {
            log_warn("the broker sent something that is not our protocol");
            continue;
        }
        mine = own_business(r, ret);
        if (mine < 0)
            return mine;
        *ret_payload = m.payload;
        if (mine)
            return 0;
    }
    return ERR_AGAIN;
}

int reader_receive(struct reader *r, int fd, int timeout_ms, struct wire_message *ret,
                   struct slice *ret_payload)
{
    int64_t end_ms = clock_mono_ms() + timeout_ms;
    uint64_t session = r->session;
    int error;

    if (r->denied) { /* once it has been told, nobody shall ask for it in a busy loop */
        link_wait(NULL, 0, fd, timeout_ms);
        return ERR_DENIED;
    }
    for (;;) {
        /* First what has come: silence while we were busy is not the broker's. */
        error = take(r, ret, ret_payload);
        if (error == ERR_AGAIN)
            error = check_link(r) < 0 ? ERR_DENIED : ERR_AGAIN;
        if (error == ERR_AGAIN)
            keep_alive(r);
        int64_t left = end_ms - clock_mono_ms();
        if (error != ERR_AGAIN || left <= 0 || r->session != session)
            return error;
        left = left < 100 ? left : 100; /* to keep the session alive while waiting long */
        if (link_wait(&r->link, r->link ? 1 : 0, fd, (int)left) & (r->link ? 2 : 1))
            return take(r, ret, ret_payload);
    }
}
