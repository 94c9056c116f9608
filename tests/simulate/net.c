/* The network, in place of proto/link.c: two ports that the broker binds, and connections to them.
 *
 * A connection keeps the order of its messages.  Whoever loses, repeats or reorders one within a
 * connection is no network that we claim to work on: nothing may go wrong by it, but only a new
 * connection makes all go on.  So such a connection is cut a little later. */
#include "proto/error.h"
#include "proto/link.h"
#include "tests/simulate/simulate.h"

#include <assert.h>
#include <stdlib.h>

#define PORTS         2
#define BIND_QUEUE    16 /* as in proto/link.c */
#define CONNECT_QUEUE 64 /* less than there, so that it fills */
#define LATENCY_US    400
#define DELAY_US      (3000 * MS)
#define DOOM_US       (3000 * MS)

struct message {
    struct message *next;
    int64_t due_us;
    uint32_t peer; /* the connection it came by */
    struct slice header, payload;
    bool has_payload;
    char bytes[];
};

struct link {
    struct link *next;
    struct actor *owner;
    bool bound, gone;
    int port;
    uint32_t peer;           /* the connection's name; 0: the broker is not there */
    struct message *inbox;   /* in order of time */
    struct message *waiting; /* connected: until the broker is there */
    struct message *held;    /* handed out last */
    unsigned inbox_count, waiting_count;
    unsigned unread;   /* connected: of what it sent, in the broker's inbox */
    int64_t in_us;     /* when the last message to it comes */
    int64_t out_us;    /* connected: when the last one from it comes */
    int64_t doomed_us; /* connected: to be cut then */
};

static struct link *links;
static struct link *ports[PORTS];
static uint32_t peers;

void net_begin(void)
{
    links = NULL;
    peers = 0;
    memset(ports, 0, sizeof ports);
}

static int port_of(const char *endpoint)
{
    return strstr(endpoint, "publish") ? 0 : 1;
}

/* ---- messages ---- */
static struct message *message_new(struct slice header, const struct slice *parts, size_t count)
{
    size_t size = header.size;
    struct message *m;
    char *at;

    for (size_t i = 0; i < count; i++)
        size += parts[i].size;
    m = memory_need(sizeof *m + size);
    *m = (struct message){.has_payload = count > 0};
    at = m->bytes;
    memcpy(at, header.at, header.size);
    m->header = slice_make(at, header.size);
    at += header.size;
    m->payload = slice_make(at, size - header.size);
    for (size_t i = 0; i < count; i++) {
        if (parts[i].size)
            memcpy(at, parts[i].at, parts[i].size);
        at += parts[i].size;
    }
    return m;
}

static struct message *message_copy(const struct message *m)
{
    struct message *copy = message_new(m->header, &m->payload, m->has_payload);

    copy->peer = m->peer;
    return copy;
}

static void messages_free(struct message *m)
{
    while (m) {
        struct message *next = m->next;
        free(m);
        m = next;
    }
}

static struct link *link_of_peer(uint32_t peer)
{
    struct link *l = links;

    while (l && (l->bound || l->peer != peer))
        l = l->next;
    return l;
}

static void inbox_put(struct link *to, struct message *m)
{
    struct message **at = &to->inbox;

    while (*at && (*at)->due_us <= m->due_us)
        at = &(*at)->next;
    m->next = *at;
    *at = m;
    to->inbox_count++;
}

/* Takes messages out of the inbox: those of `peer` (0: all) that have not come yet. */
static void inbox_lose(struct link *l, uint32_t peer)
{
    for (struct message **at = &l->inbox; *at;) {
        struct message *m = *at;
        struct link *from = l->bound ? link_of_peer(m->peer) : NULL;
        if ((peer && m->peer != peer) || m->due_us <= sim.now_us) {
            at = &m->next;
            continue;
        }
        *at = m->next;
        l->inbox_count--;
        if (from)
            from->unread--;
        free(m);
    }
}

static struct link *link_make(bool bound, const char *endpoint)
{
    struct link *l = memory_need(sizeof *l);

    *l = (struct link){.owner = sim.now, .bound = bound, .port = port_of(endpoint), .next = links};
    links = l;
    return l;
}

static void link_unlink(struct link *l)
{
    struct link **at = &links;

    while (*at != l)
        at = &(*at)->next;
    *at = l->next;
    messages_free(l->inbox);
    messages_free(l->waiting);
    free(l->held);
    free(l);
}

void net_end(void)
{
    while (links)
        link_unlink(links);
}

/* ---- on its way ---- */
static int64_t message_due(int64_t *last_us)
{
    int64_t due = sim.now_us + 20 + (int64_t)chance_below(LATENCY_US);

    if (fault_now(FAULT_DELAYED))
        due += (int64_t)chance_below(DELAY_US);
    if (due < *last_us)
        due = *last_us;
    return *last_us = due;
}

static void link_doom(struct link *l)
{
    if (!l->doomed_us)
        l->doomed_us = sim.now_us + (int64_t)chance_below(DOOM_US);
}

/* `of`: the connected link that the message belongs to. */
static void message_carry(struct link *to, struct link *of, struct message *m, int64_t *last_us)
{
    m->peer = of->peer;
    if (fault_now(FAULT_LOST)) {
        sim_say("a message of kind %d is lost", m->header.at[1]);
        link_doom(of);
        free(m);
        return;
    }
    if (fault_now(FAULT_REPEATED)) {
        struct message *copy = message_copy(m);
        copy->due_us = message_due(last_us) + (int64_t)chance_below(20 * MS);
        inbox_put(to, copy);
        of->unread += to->bound;
        link_doom(of);
    }
    m->due_us = message_due(last_us);
    if (to->inbox && fault_now(FAULT_REORDERED)) {
        m->due_us = sim.now_us;
        link_doom(of);
    }
    inbox_put(to, m);
    of->unread += to->bound;
}

/* What an old connection still brings comes before anything of the new one. */
static int64_t inbox_last_us(const struct link *l)
{
    int64_t last_us = 0;

    for (const struct message *m = l->inbox; m; m = m->next)
        last_us = m->due_us;
    return last_us;
}

static void link_attach(struct link *l)
{
    struct message *m = l->waiting;

    l->peer = ++peers;
    l->out_us = l->doomed_us = 0;
    l->in_us = inbox_last_us(l);
    l->unread = 0;
    l->waiting = NULL;
    l->waiting_count = 0;
    while (m) {
        struct message *next = m->next;
        message_carry(ports[l->port], l, m, &l->out_us);
        m = next;
    }
}

static void link_cut(struct link *l)
{
    if (!l->peer)
        return;
    if (ports[l->port])
        inbox_lose(ports[l->port], l->peer);
    inbox_lose(l, 0);
    l->peer = 0;
    if (ports[l->port])
        link_attach(l);
}

static struct link *connection_any(void)
{
    unsigned count = 0;
    struct link *chosen = NULL;

    for (struct link *l = links; l; l = l->next)
        if (!l->bound && l->peer && chance_below(++count) == 0)
            chosen = l;
    return chosen;
}

void net_cut_one(void)
{
    struct link *l = connection_any();

    if (!l)
        return;
    fault_note(FAULT_CUT);
    sim_say("a connection of %s is cut", actor_name(l->owner));
    link_cut(l);
}

void net_cut_all(void)
{
    for (struct link *l = links; l; l = l->next)
        if (!l->bound)
            link_cut(l);
}

/* The broker's end is gone. */
static void port_close(struct link *l)
{
    if (ports[l->port] != l)
        return;
    ports[l->port] = NULL;
    messages_free(l->inbox);
    l->inbox = NULL;
    l->inbox_count = 0;
    for (struct link *c = links; c; c = c->next)
        if (!c->bound && c->port == l->port && c->peer) {
            if (chance_below(2))
                inbox_lose(c, 0);
            c->peer = 0;
            c->unread = 0;
        }
}

void net_owner_died(struct actor *a)
{
    for (struct link *l = links; l; l = l->next)
        if (l->owner == a && l->bound) {
            port_close(l);
        } else if (l->owner == a && l->peer) {
            if (ports[l->port] && chance_below(2))
                inbox_lose(ports[l->port], l->peer);
            l->peer = 0;
            l->gone = true;
        }
}

/* ---- the interface of proto/link.h ---- */
int link_bind(const char *endpoint, struct link **ret)
{
    struct link *l = link_make(true, endpoint);

    *ret = l;
    if (actor_seam())
        return 0;
    assert(!ports[l->port]);
    ports[l->port] = l;
    for (struct link *c = links; c; c = c->next)
        if (!c->bound && !c->gone && c->port == l->port)
            link_attach(c);
    return 0;
}

int link_connect(const char *endpoint, struct link **ret)
{
    struct link *l = link_make(false, endpoint);

    *ret = l;
    if (actor_seam())
        l->gone = true;
    else if (ports[l->port])
        link_attach(l);
    return 0;
}

bool link_hold(void)
{
    return true;
}

void link_let_go(void)
{
}

void link_close(struct link *l, int linger_ms)
{
    (void)linger_ms;
    if (!l)
        return;
    if (l->bound)
        port_close(l);
    link_unlink(l);
}

static int send_to_broker(struct link *l, struct message *m)
{
    struct message **at = &l->waiting;

    if ((l->peer ? l->unread : l->waiting_count) >= CONNECT_QUEUE) {
        fault_note(FAULT_FULL_QUEUE);
        free(m);
        return ERR_AGAIN;
    }
    if (l->peer) {
        message_carry(ports[l->port], l, m, &l->out_us);
        return 0;
    }
    while (*at)
        at = &(*at)->next;
    *at = m;
    l->waiting_count++;
    return 0;
}

static int send_to_peer(struct link *l, struct slice peer, struct message *m)
{
    uint32_t name;
    struct link *to;

    memcpy(&name, peer.at, sizeof name);
    to = link_of_peer(name);
    if (!to || to->port != l->port) {
        free(m);
        return ERR_LOST;
    }
    if (to->inbox_count >= BIND_QUEUE) {
        fault_note(FAULT_FULL_QUEUE);
        free(m);
        return ERR_AGAIN;
    }
    message_carry(to, to, m, &to->in_us);
    return 0;
}

int link_send(struct link *l, struct slice peer, struct slice header, const struct slice *parts,
              size_t part_count)
{
    struct message *m;

    if (actor_seam())
        return 0;
    sim_digest(header.at, header.size < 2 ? header.size : 2); /* its kind: others have a pid */
    for (size_t i = 0; i < part_count; i++)
        sim_digest(parts[i].at, parts[i].size);
    if (l->bound)
        judge_sent(l->port, header, parts, part_count);
    m = message_new(header, parts, part_count);
    return l->bound ? send_to_peer(l, peer, m) : send_to_broker(l, m);
}

static void link_check_doom(struct link *l)
{
    if (l->bound || !l->peer || !l->doomed_us || l->doomed_us > sim.now_us)
        return;
    sim_say("a doomed connection of %s is cut", actor_name(l->owner));
    link_cut(l);
}

int link_receive(struct link *l, struct link_message *ret)
{
    struct message *m = l->inbox;
    struct link *from;

    free(l->held);
    l->held = NULL;
    if (actor_seam())
        return ERR_AGAIN;
    link_check_doom(l);
    m = l->inbox;
    if (!m || m->due_us > sim.now_us)
        return ERR_AGAIN;
    l->inbox = m->next;
    l->inbox_count--;
    l->held = m;
    from = l->bound ? link_of_peer(m->peer) : NULL;
    if (from && from->unread)
        from->unread--;
    *ret = (struct link_message){.header = m->header};
    if (l->bound)
        ret->peer = slice_make(&m->peer, sizeof m->peer);
    if (m->has_payload)
        ret->payload = m->payload;
    ret->bytes = ret->header.size + ret->payload.size;
    return 0;
}

static unsigned ready_bits(struct link *const *watched, unsigned count)
{
    unsigned bits = 0;

    for (unsigned i = 0; i < count; i++)
        if (watched[i]->inbox && watched[i]->inbox->due_us <= sim.now_us)
            bits |= 1U << i;
    return bits;
}

bool net_ready(const struct actor *a, int64_t *ret_us)
{
    bool any = false;

    for (unsigned i = 0; i < a->wait_count; i++) {
        const struct message *m = a->waits[i]->inbox;
        if (m && (!any || m->due_us < *ret_us)) {
            *ret_us = m->due_us;
            any = true;
        }
    }
    return any;
}

unsigned link_wait(struct link *const *watched, unsigned count, int fd, int timeout_ms)
{
    struct actor *a = sim.now;
    unsigned bits;

    (void)fd;
    if (actor_seam()) {
        a->mono_ms += timeout_ms > 0 ? timeout_ms : 100;
        return 0;
    }
    for (unsigned i = 0; i < count; i++)
        link_check_doom(watched[i]);
    a->waits = watched;
    a->wait_count = count;
    actor_pause(timeout_ms < 0 ? 3600000 * MS : timeout_ms * MS);
    a->wait_count = 0;
    bits = a->dead ? 0 : ready_bits(watched, count);
    return bits;
}
