/* Sessions; see session.h.  Happy path: HELLO, WELCOME, then messages that are handed on, PING and
 * PONG in times of silence.  What can fail is always one peer's doing and ends that peer only. */
#include "broker/session.h"

#include "broker/burden.h"
#include "broker/silence.h"
#include "proto/error.h"
#include "proto/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define KEY_GONE   "this key was revoked, or is no longer known"
#define ARENA_KEEP ((size_t)256 * 1024)

static const char *const session_role_name[SESSION_ROLES] = {"producer", "worker", "client"};

void sessions_open(struct sessions *s, struct link *link, struct access *access,
                   const struct wire_welcome *welcome)
{
    *s = (struct sessions){.link = link, .access = access, .welcome = *welcome};
    for (int i = 0; i < SESSION_ROLES; i++)
        s->most[i] = SESSIONS_MOST;
}

static void session_free(struct session *who)
{
    free(who->streams);
    buffer_free(&who->unsent);
    backlog_clear(&who->backlog);
    free(who);
}

void sessions_close(struct sessions *s)
{
    for (unsigned i = 0; i < s->count; i++)
        session_free(s->list[i]);
    free(s->list);
    table_free(&s->by_peer);
    buffer_free(&s->header);
    arena_free(&s->arena);
}

/* ---- sending ---- */

static int message_send(struct sessions *s, struct session *to, const struct wire_message *m,
                        const struct slice *parts, size_t part_count)
{
    int err;

    buffer_clear(&s->header);
    wire_encode(m, &s->header);
    err = link_send(s->link, to->entry.key, buffer_slice(&s->header), parts, part_count);
    if (err == 0) {
        to->sent += s->header.size;
        to->pings += m->kind == WIRE_PING;
    }
    for (size_t i = 0; i < part_count && err == 0; i++)
        to->sent += parts[i].size;
    if (err < 0 && err != ERR_AGAIN)
        session_end(s, to, "connection lost");
    return err < 0 && err != ERR_AGAIN ? ERR_LOST : err;
}

static size_t flight_most(const struct session *to)
{
    return to->role == SESSION_CLIENT ? SESSION_FLIGHT_CLIENT : SESSION_FLIGHT;
}

/* The PONG to this PING will say that all before it has been read. */
static void flight_mark(struct sessions *s, struct session *to)
{
    struct wire_message ping = {.kind = WIRE_PING};

    if (to->mark_ping || to->sent - to->seen < flight_most(to) / 4)
        return;
    if (message_send(s, to, &ping, NULL, 0) < 0)
        return; /* the next message tries again */
    to->mark = to->sent;
    to->mark_ping = to->pings;
}

static void flight_land(struct session *from)
{
    from->pongs += from->pongs < from->pings;
    if (!from->mark_ping || from->pongs < from->mark_ping)
        return;
    from->seen = from->mark;
    from->mark_ping = 0;
}

bool session_keeps_up(struct sessions *s, struct session *to)
{
    flight_mark(s, to); /* if there was no room for it the last time */
    return to->sent - to->seen < flight_most(to);
}

int session_send(struct sessions *s, struct session *to, const struct wire_message *m,
                 const struct slice *parts, size_t part_count)
{
    int err;

    if (to->gone)
        return ERR_LOST;
    if (part_count > 0 && to->sent - to->seen >= flight_most(to) + SESSION_ANSWER)
        return ERR_AGAIN;
    err = message_send(s, to, m, parts, part_count);
    if (err == 0 && to->role != SESSION_PRODUCER)
        flight_mark(s, to);
    return err;
}

void session_post(struct sessions *s, struct session *to, const struct wire_message *m)
{
    uint32_t size;

    if (to->unsent.size == 0 && session_send(s, to, m, NULL, 0) != ERR_AGAIN)
        return;
    buffer_clear(&s->header);
    wire_encode(m, &s->header);
    if (to->unsent.size + s->header.size > SESSION_MAX_UNSENT) {
        session_end(s, to, "does not read its acknowledgements");
        return;
    }
    size = (uint32_t)s->header.size;
    buffer_add(&to->unsent, &size, sizeof size);
    buffer_add_slice(&to->unsent, buffer_slice(&s->header));
    s->unsent = true;
}

/* Sends what was kept for one peer, as far as its queue takes it. */
static void session_flush(struct sessions *s, struct session *to)
{
    size_t at = 0;
    uint32_t size;
    int err = 0;

    while (at < to->unsent.size) {
        memcpy(&size, to->unsent.at + at, sizeof size);
        err = link_send(s->link, to->entry.key, slice_make(to->unsent.at + at + sizeof size, size),
                        NULL, 0);
        if (err < 0)
            break;
        at += sizeof size + size;
    }
    if (err < 0 && err != ERR_AGAIN)
        session_end(s, to, "connection lost");
    memmove(to->unsent.at, to->unsent.at + at, to->unsent.size - at);
    to->unsent.size -= at;
    if (to->unsent.size == 0)
        buffer_free(&to->unsent);
    else
        s->unsent = true;
}

static void peer_error(struct sessions *s, struct slice peer, const char *code, bool fatal,
                       const char *reason)
{
    struct wire_message m = {.kind = WIRE_ERROR};

    m.error = (struct wire_error){slice_of(code), slice_of(reason), fatal};
    buffer_clear(&s->header);
    wire_encode(&m, &s->header);
    link_send(s->link, peer, buffer_slice(&s->header), NULL, 0); /* who is gone need not know */
}

void session_error(struct sessions *s, struct session *to, const char *code, bool fatal,
                   const char *format, ...)
{
    struct wire_message m = {.kind = WIRE_ERROR};
    char reason[256];
    va_list args;

    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    if (to->gone)
        return;
    if (fatal) {
        peer_error(s, to->entry.key, code, true, reason);
        session_end(s, to, reason);
    } else {
        m.error = (struct wire_error){slice_of(code), slice_of(reason), false};
        session_post(s, to, &m);
    }
}

/* ---- coming and going ---- */

void session_end(struct sessions *s, struct session *who, const char *why)
{
    if (who->gone)
        return;
    who->gone = true;
    s->live[who->role]--;
    backlog_clear(&who->backlog);
    guard_leave(s->guard, who->fd, who->connection);
    s->changed |= who->role == SESSION_WORKER;
    log_rated(&s->left, who->role == SESSION_WORKER ? LOG_INFO : LOG_DEBUG,
              "%s %s (pid %lld) left: %s", session_role_name[who->role], who->name,
              (long long)who->pid, why);
}

/* A peer's name may be used again by another connection, under another key: that is somebody else.
 */
static struct session *session_find(const struct sessions *s, struct slice peer)
{
    struct session *who = table_find(&s->by_peer, peer);

    return who && !who->gone && slice_is(s->m.user, who->user) ? who : NULL;
}

static bool role_find(const struct sessions *s, struct slice word, enum session_role *ret)
{
    for (int i = 0; i < SESSION_ROLES; i++)
        if (slice_is(word, session_role_name[i])) {
            *ret = (enum session_role)i;
            return s->allowed[i];
        }
    return false;
}

static bool room_make(struct sessions *s, enum session_role role, int64_t now_ms)
{
    struct session *who;

    if (s->live[role] < s->most[role])
        return true;
    who = way_find(s, role, s->m.keyed, now_ms);
    if (who)
        session_error(s, who, "busy", true, "others have come: connect anew, later");
    return who != NULL;
}

static struct session *session_new(struct sessions *s, struct slice peer)
{
    struct session *who = memory_need(sizeof *who);

    s->list = memory_room(s->list, s->count, &s->room, sizeof *s->list);
    *who = (struct session){.gone = true};
    memcpy(who->peer, peer.at, peer.size);
    who->entry.key = slice_make(who->peer, peer.size);
    s->list[s->count++] = who;
    table_add(&s->by_peer, &who->entry);
    return who;
}

/* The peer's entry, used again if it said HELLO before, and ended for now; NULL when there are too
 * many. */
static struct session *session_place(struct sessions *s, struct slice peer, enum session_role role,
                                     int64_t now_ms)
{
    struct session *who = table_find(&s->by_peer, peer);

    if (who && !slice_is(s->m.user, who->user))
        session_end(s, who, "its name is another's now");
    if (who && !who->gone && who->role == role)
        return who;
    if (!room_make(s, role, now_ms))
        return NULL;
    return who ? who : session_new(s, peer);
}

/* A name goes into log lines and reports: nothing in it may look like a line of its own. */
static void name_copy(char out[WIRE_NAME + 1], struct slice name)
{
    size_t n = name.size < WIRE_NAME ? name.size : WIRE_NAME;

    for (size_t i = 0; i < n; i++)
        out[i] = (unsigned char)name.at[i] < 0x20 || name.at[i] == 0x7f ? '?' : name.at[i];
    out[n] = '\0';
}

static void right_set(struct sessions *s, struct session *who, const struct right *right)
{
    who->right = right;
    who->rate = right->rate ? access_rate(s->access, right) : NULL;
}

static void session_greet(struct sessions *s, struct session *who, const struct wire_hello *hello,
                          enum session_role role, const struct right *right, int64_t now_ms)
{
    struct wire_message welcome = {.kind = WIRE_WELCOME, .welcome = s->welcome};

    if (!who->gone)
        session_end(s, who, "began anew");
    free(who->streams);
    buffer_free(&who->unsent);
    who->away_events = who->away_bytes = 0;
    who->sent = who->seen = who->mark_ping = who->pings = who->pongs = 0;
    who->streams = NULL;
    who->ack = NULL;
    who->gone = who->assign_due = false;
    who->role = role;
    s->live[role]++;
    who->fd = link_connection(s->link);
    who->connection = guard_greet(s->guard, who->fd);
    right_set(s, who, right);
    strcpy(who->user, right->key);
    who->pid = hello->pid;
    who->number = ++s->hellos;
    who->heard_ms = who->pinged_ms = who->active_ms = now_ms;
    name_copy(who->name, hello->name);
    s->changed |= role == SESSION_WORKER;
    log_rated(&s->joined, role == SESSION_WORKER ? LOG_INFO : LOG_DEBUG, "%s %s (pid %lld) joined",
              session_role_name[role], who->name, (long long)who->pid);
    session_send(s, who, &welcome, NULL, 0);
}

static bool role_allowed(const struct right *right, enum session_role role)
{
    static const unsigned needed[SESSION_ROLES] = {MAY_PUBLISH, MAY_WORK, MAY_WORK | MAY_WATCH};

    return right->may & needed[role];
}

/* Whether the peer chose its name (names.h).  A connection that had a session keeps its name. */
static bool is_own_name(struct sessions *s, struct slice peer, const struct right *right)
{
    if (session_find(s, peer) || guard_knows(s->guard, link_connection(s->link)) ||
        names_take(&s->names, s->link, peer, access_admitted(s->access)))
        return false;
    access_distrust(s->access, right);
    log_rated(&s->chosen, LOG_WARN, "a peer with the key of %s chose the name of its connection",
              right->name);
    return true;
}

/* Why a peer with a key may not have this role; NULL if it may. */
static const char *role_fault(struct sessions *s, const struct right *right, enum session_role role,
                              struct slice peer)
{
    if (right != RIGHT_LOCAL && is_own_name(s, peer, right))
        return "at this endpoint the routing id is left to ZeroMQ";
    if (!role_allowed(right, role))
        return "this key has not the right for this role";
    return NULL;
}

static const struct right *right_of_sender(const struct sessions *s)
{
    if (!s->m.keyed)
        return RIGHT_LOCAL;
    return s->access ? access_right(s->access, s->m.user) : NULL;
}

static unsigned count_of_key(const struct sessions *s, const char *key, int role)
{
    unsigned n = 0;

    for (unsigned i = 0; s && i < s->count; i++) {
        const struct session *who = s->list[i];
        n += !who->gone && (role == SESSION_ROLES || (int)who->role == role) &&
             strcmp(who->user, key) == 0;
    }
    return n;
}

unsigned sessions_of_key(const struct sessions *s, const char *key)
{
    return count_of_key(s, key, SESSION_ROLES) + count_of_key(s->other, key, SESSION_ROLES);
}

static bool has_enough(const struct sessions *s, const char *key, enum session_role role)
{
    return sessions_of_key(s, key) >= ACCESS_SESSIONS ||
           (role == SESSION_CLIENT && count_of_key(s, key, SESSION_CLIENT) >= ACCESS_CLIENTS);
}

static void hello_take(struct sessions *s, struct slice peer, const struct wire_hello *hello,
                       int64_t now_ms)
{
    const struct right *right = right_of_sender(s);
    const char *fault = NULL;
    enum session_role role;
    struct session *who;

    if (!role_find(s, hello->role, &role)) {
        peer_error(s, peer, "bad-message", true, "this role has no business at this endpoint");
        return;
    }
    if (!right) {
        peer_error(s, peer, "revoked-key", true, KEY_GONE);
        return;
    }
    fault = role_fault(s, right, role, peer);
    if (fault) {
        peer_error(s, peer, "denied", true, fault);
        return;
    }
    if (right != RIGHT_LOCAL && !session_find(s, peer) && has_enough(s, right->key, role)) {
        peer_error(s, peer, "busy", false, "too many sessions of this key; try again later");
        return;
    }
    who = session_place(s, peer, role, now_ms);
    if (who)
        session_greet(s, who, hello, role, right, now_ms);
    else
        peer_error(s, peer, "busy", false, "too many sessions; try again later");
}

/* ---- other rights ---- */

static const struct right right_none; /* of a session that has ended */

static void session_renew(struct sessions *s, struct session *who)
{
    const struct right *right = access_right(s->access, slice_of(who->user));

    if (!right)
        session_error(s, who, "revoked-key", true, KEY_GONE);
    else if (!role_allowed(right, who->role) || (who->streams && !right_reads(right)))
        session_error(s, who, "denied", true, "this key has no longer the right for this");
    right_set(s, who, right ? right : &right_none);
}

void sessions_renew(struct sessions *s)
{
    for (unsigned i = 0; i < s->count; i++)
        if (s->list[i]->user[0])
            session_renew(s, s->list[i]);
}

/* ---- receiving ---- */

/* What every session may say; true if that was all. */
static bool common_take(struct sessions *s, struct session *from, const struct wire_message *m)
{
    struct wire_message pong = {.kind = WIRE_PONG};

    switch (m->kind) {
    case WIRE_PING:
        session_send(s, from, &pong, NULL, 0);
        return true;
    case WIRE_BYE:
        session_end(s, from, "said goodbye");
        return true;
    case WIRE_PONG:
        flight_land(from);
        return true;
    case WIRE_UNKNOWN: /* of a later version of the protocol: to be passed over */
        return true;
    default:
        return false;
    }
}

/* A large one is looked at only if nobody will read it. */
static bool header_is_bad(struct slice header)
{
    enum wire_kind kind;

    return header.size > WIRE_MAX_ASKED && (wire_peek(header, &kind) < 0 || kind != WIRE_UNKNOWN);
}

static void malformed_tell(struct sessions *s, struct slice peer, const struct session *from)
{
    char reason[WIRE_REASON];

    if (s->m.header.size > WIRE_MAX_ASKED)
        snprintf(reason, sizeof reason, "frame 1 has %zu bytes; expected at most %d",
                 s->m.header.size, WIRE_MAX_ASKED);
    else
        wire_explain(s->m.header, s->m.payload.size, &s->arena, reason);
    peer_error(s, peer, "bad-message", true, reason);
    log_rated(&s->malformed, LOG_WARN, "%s sent what is malformed: %s",
              from ? from->name : "a peer without a session", reason);
}

static void message_take(struct sessions *s, struct slice peer, int64_t now_ms,
                         struct session **ret_from, struct wire_message *ret)
{
    struct session *from = session_find(s, peer);

    arena_reset(&s->arena, ARENA_KEEP);
    if (header_is_bad(s->m.header) ||
        wire_decode(s->m.header, s->m.payload.size, &s->arena, ret) < 0) {
        malformed_tell(s, peer, from);
        if (from)
            session_end(s, from, "sent a malformed header");
        return;
    }
    if (ret->kind == WIRE_HELLO) {
        hello_take(s, peer, &ret->hello, now_ms);
        return;
    }
    if (!from) {
        if (ret->kind != WIRE_BYE)
            peer_error(s, peer, "hello-first", true, "there is no session: say HELLO");
        return;
    }
    from->heard_ms = now_ms;
    if (common_take(s, from, ret))
        return;
    from->active_ms = now_ms;
    *ret_from = from;
}

int sessions_receive(struct sessions *s, int64_t now_ms, struct session **ret_from,
                     struct wire_message *ret)
{
    struct session *from;
    struct slice peer;
    int err = link_receive(s->link, &s->m);

    *ret_from = NULL;
    if (err < 0)
        return err;
    s->received += s->m.bytes;
    s->headers += s->m.header.size;
    guard_heard(s->guard, link_connection(s->link));
    /* Copied, as an answer is a further call on the link. */
    peer = slice_make(s->peer, s->m.peer.size < SESSION_PEER ? s->m.peer.size : SESSION_PEER);
    memcpy(s->peer, s->m.peer.at, peer.size);
    if (s->m.other_version) {
        peer_error(s, peer, "version", true, "this broker speaks version 1 of the protocol");
        from = session_find(s, peer);
        if (from)
            session_end(s, from, "speaks another version");
    } else if (s->m.foreign) {
        log_rated(&s->foreign, LOG_WARN, "a message without the protocol's frames was dropped");
    } else {
        message_take(s, peer, now_ms, ret_from, ret);
    }
    return 0;
}

void sessions_begin(struct sessions *s)
{
    s->received = s->headers = 0;
}

bool sessions_enough(const struct sessions *s)
{
    return s->received >= SESSIONS_RECEIVED || s->headers >= SESSIONS_HEADERS;
}

struct slice sessions_payload(const struct sessions *s)
{
    return s->m.payload;
}

/* ---- time ---- */

/* Tables do not let entries go one by one, so the table is filled anew. */
static void sessions_sweep(struct sessions *s)
{
    unsigned kept = 0;

    table_clear(&s->by_peer);
    for (unsigned i = 0; i < s->count; i++) {
        struct session *who = s->list[i];
        if (who->gone) {
            session_free(who);
            continue;
        }
        table_add(&s->by_peer, &who->entry);
        s->list[kept++] = who;
    }
    s->count = kept;
}

static size_t unsent_of(const struct session *who)
{
    return who->unsent.room;
}

bool sessions_relieve(struct sessions *s)
{
    struct session *most;
    bool any = false;
    size_t sum;

    while ((most = burden_find(s, unsent_of, &sum)) && sum > SESSIONS_UNSENT) {
        session_end(s, most, "does not read its acknowledgements");
        any = true;
    }
    return any;
}

void sessions_beat(struct sessions *s, int64_t now_ms)
{
    bool gone = false;

    silence_forgive(s, now_ms);
    s->unsent = false;
    for (unsigned i = 0; i < s->count; i++) {
        struct session *who = s->list[i];
        if (!who->gone && who->unsent.size)
            session_flush(s, who);
        if (!who->gone)
            silence_look(s, who, now_ms);
        gone |= who->gone;
    }
    if (s->unsent)
        gone |= sessions_relieve(s);
    if (gone)
        sessions_sweep(s);
}
