/* Links; see link.h: ROUTER where we bind, DEALER where we connect.
 *
 * Happy path: link_send queues a message without waiting, ZeroMQ's own thread carries it over,
 * link_wait tells the other side, link_receive hands it out.  What can fail: the peer's queue is
 * full (ERR_AGAIN), the peer is gone (ERR_LOST), or what arrives is not ours (`foreign`).
 *
 * A message that was sent need not arrive: a peer may freeze or die with it in its queue.  Only
 * the protocol's own acknowledgements count. */
#include "proto/link.h"

#include "proto/error.h"
#include "proto/link_inner.h"
#include "proto/log.h"
#include "proto/wire.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>

/* Messages that may wait to be sent, for each peer.  What waits to be received has no limit here: a
 * full queue would make libzmq 4.3.4 stop reading, and when that connection then breaks, a ZMTP
 * PING behind the messages aborts the program (stream_engine_base.cpp, "!_io_error"): any peer
 * could do that.  The connecting side's window and credit bound what comes; the broker reads all
 * there is in every round, and bounds its memory as a whole (broker/guard.h).
 *
 * Of a round of the broker a worker gets a BATCH for each of its partitions, at once: libzmq does
 * not look before the next round whether there is room again.  Who says PONG without having read
 * has them all: 16 of a third of a MiB (broker/record.h).  A worker alone says READ or CREDIT for
 * 256 partitions at once. */
#define BIND_QUEUE    16
#define CONNECT_QUEUE 1024

#define HANDSHAKE_MS      5000 /* a connection that says nothing is closed after this */
#define BEAT_MS           1000 /* ZeroMQ's own heartbeat finds dead hosts; */
#define BEAT_TIMEOUT_MS   3000 /* dead or frozen programs are found by PING */
#define RECONNECT_MS      50
#define RECONNECT_MOST_MS 1000
#define BACKLOG           1024
#define DEFAULT_LINGER_MS 1000
#define LEAST_LINGER_MS   100
#define MAX_ITEMS         32 /* sockets, monitors and probes that one link_wait can watch */

/* One context serves all links of the process; it goes with the last of them, which is also what
 * makes the last messages leave before a program ends. */
static pthread_mutex_t context_lock = PTHREAD_MUTEX_INITIALIZER;
static void *context;
static unsigned context_users;

void *context_take(void)
{
    pthread_mutex_lock(&context_lock);
    if (context_users == 0)
        context = zmq_ctx_new();
    if (context)
        context_users++;
    pthread_mutex_unlock(&context_lock);
    return context;
}

void context_release(void)
{
    pthread_mutex_lock(&context_lock);
    if (--context_users == 0) {
        while (zmq_ctx_term(context) < 0 && errno == EINTR)
            continue;
        context = NULL;
    }
    pthread_mutex_unlock(&context_lock);
}

/* The one place where ZeroMQ's errors become ours. */
static int link_error(int zmq_error)
{
    switch (zmq_error) {
    case EAGAIN:
    case EINTR:
        return ERR_AGAIN;
    case EHOSTUNREACH:
        return ERR_LOST;
    case EADDRINUSE:
    case EADDRNOTAVAIL:
    case EINVAL:
    case EPROTONOSUPPORT:
    case ENOCOMPATPROTO:
    case ENAMETOOLONG:
        return ERR_CONFIG;
    default:
        return ERR_IO;
    }
}

void option_set(void *socket, int option, int value)
{
    int r = zmq_setsockopt(socket, option, &value, sizeof value);

    assert(r == 0);
}

static void set_options(void *socket, bool bound)
{
    int64_t largest = WIRE_MAX_PAYLOAD;
    int r = zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &largest, sizeof largest);

    assert(r == 0);
    option_set(socket, ZMQ_LINGER, DEFAULT_LINGER_MS);
    option_set(socket, ZMQ_SNDHWM, bound ? BIND_QUEUE : CONNECT_QUEUE);
    option_set(socket, ZMQ_RCVHWM, 0);
    option_set(socket, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS);
    option_set(socket, ZMQ_HEARTBEAT_IVL, BEAT_MS);
    option_set(socket, ZMQ_HEARTBEAT_TIMEOUT, BEAT_TIMEOUT_MS);
    option_set(socket, ZMQ_HEARTBEAT_TTL, BEAT_TIMEOUT_MS);
    option_set(socket, ZMQ_IPV6, 1);
    if (bound) {
        option_set(socket, ZMQ_ROUTER_MANDATORY, 1);
        option_set(socket, ZMQ_BACKLOG, BACKLOG);
        /* With a domain, peers of ZeroMQ 2 and 3 (and noise that looks like them) are turned away.
         * Their greeting makes libzmq 4.3.4 abort when it comes while the socket is closing. */
        zmq_setsockopt(socket, ZMQ_ZAP_DOMAIN, "turnout", strlen("turnout"));
    } else {
        /* Not ZMQ_IMMEDIATE: with it libzmq 4.3.4 drops a pipe on reconnecting while a message is
         * half read, and aborts (fq.cpp, "!_more").  So what is sent to a broker that is not there
         * waits in the queue; nobody counts on it, as only acknowledgements count. */
        option_set(socket, ZMQ_RECONNECT_IVL, RECONNECT_MS);
        option_set(socket, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MOST_MS);
    }
}

static int endpoint_check(const char *endpoint)
{
    size_t most = sizeof((struct sockaddr_un *)NULL)->sun_path - 1;

    if (strncmp(endpoint, "tcp://", 6) == 0)
        return endpoint[6] ? 0 : ERR_CONFIG;
    if (strncmp(endpoint, "ipc://", 6) != 0 || !endpoint[6])
        return ERR_CONFIG;
    if (strlen(endpoint + 6) <= most)
        return 0;
    /* Said here, because no caller could guess it from the code alone. */
    log_error("the path of a socket may have at most %zu bytes, this one has %zu: %s", most,
              strlen(endpoint + 6), endpoint + 6);
    return ERR_CONFIG;
}

static struct link *link_new(bool bound)
{
    struct link *l = memory_need(sizeof *l);

    if (!context_take()) {
        free(l);
        return NULL;
    }
    *l = (struct link){.bound = bound};
    for (int i = 0; i < LINK_FRAMES; i++)
        zmq_msg_init(&l->frames[i]);
    return l;
}

/* Never at once: libzmq 4.3.4 stops reading a pipe that is closed without lingering, and aborts the
 * program (session_base.cpp, clean_pipes) when the peer goes just then and of a message only the
 * first frame has left. */
static void socket_close(struct link *l, unsigned i, int linger_ms)
{
    monitor_close(l, i);
    option_set(l->sockets[i], ZMQ_LINGER,
               linger_ms > LEAST_LINGER_MS ? linger_ms : LEAST_LINGER_MS);
    zmq_close(l->sockets[i]);
}

/* What the system says is said here, as the code alone is too little to go by. */
static int socket_fail(const struct link *l, const char *endpoint)
{
    int code = errno;

    log_error("cannot %s %s: %s", l->bound ? "bind" : "connect", endpoint, zmq_strerror(code));
    return link_error(code);
}

/* One more socket, and at its endpoint.  Handshakes are followed where they can fail for a key. */
static int socket_add(struct link *l, const char *endpoint, const struct keyfile *key)
{
    bool tcp = strncmp(endpoint, "tcp://", 6) == 0;
    unsigned i = l->count;
    int r = 0;

    assert(i < LINK_SOCKETS);
    l->sockets[i] = zmq_socket(context_take(), l->bound ? ZMQ_ROUTER : ZMQ_DEALER);
    context_release(); /* the link itself holds it */
    if (!l->sockets[i])
        return ERR_IO;
    set_options(l->sockets[i], l->bound);
    l->keyed[i] = key != NULL;
    if (key)
        r = tcp ? socket_lock(l->sockets[i], key, l->bound) : ERR_CONFIG;
    if (r == 0 && key && l->bound)
        r = socket_first_number(l->sockets[i], &l->first[i]);
    if (r == 0 && tcp && (key || !l->bound))
        r = monitor_open(l, i);
    if (r == 0 && (l->bound ? zmq_bind : zmq_connect)(l->sockets[i], endpoint) < 0)
        r = socket_fail(l, endpoint);
    if (r < 0)
        socket_close(l, i, 0);
    else
        l->count++;
    return r;
}

static int link_open(const char *endpoint, const struct keyfile *key, bool bound, struct link **ret)
{
    int r = endpoint_check(endpoint);

    if (r < 0)
        return r;
    struct link *l = link_new(bound);
    if (!l)
        return ERR_IO;
    r = socket_add(l, endpoint, key);
    if (r < 0)
        link_close(l, 0);
    else
        *ret = l;
    return r;
}

int link_bind(const char *endpoint, struct link **ret)
{
    return link_open(endpoint, NULL, true, ret);
}

int link_connect(const char *endpoint, struct link **ret)
{
    return link_open(endpoint, NULL, false, ret);
}

int link_connect_keyed(const char *endpoint, const struct keyfile *key, struct link **ret)
{
    return link_open(endpoint, key, false, ret);
}

int link_listen(struct link *l, const char *endpoint, const struct keyfile *key)
{
    int r = endpoint_check(endpoint);

    return r < 0 ? r : socket_add(l, endpoint, key);
}

void link_endpoint(const struct link *l, char *ret, size_t size)
{
    if (zmq_getsockopt(l->sockets[l->count - 1], ZMQ_LAST_ENDPOINT, ret, &size) < 0)
        *ret = '\0';
}

void link_close(struct link *l, int linger_ms)
{
    int saved = errno;

    if (!l)
        return;
    for (int i = 0; i < LINK_FRAMES; i++)
        zmq_msg_close(&l->frames[i]);
    if (l->gate)
        gate_close(l);
    probe_close(l);
    for (unsigned i = 0; i < l->count; i++)
        socket_close(l, i, linger_ms);
    context_release();
    free(l);
    errno = saved;
}

bool link_hold(void)
{
    return context_take() != NULL;
}

void link_let_go(void)
{
    context_release();
}

/* ---- sending ---- */

static void frame_make(zmq_msg_t *frame, const struct slice *parts, size_t count)
{
    size_t size = 0;

    for (size_t i = 0; i < count; i++)
        size += parts[i].size;
    if (zmq_msg_init_size(frame, size) < 0) {
        fprintf(stderr, "turnout: out of memory (%zu bytes wanted)\n", size);
        abort();
    }
    char *at = zmq_msg_data(frame);
    for (size_t i = 0; i < count; i++) {
        if (parts[i].size)
            memcpy(at, parts[i].at, parts[i].size);
        at += parts[i].size;
    }
}

static int frame_send(void *socket, const struct slice *parts, size_t count, bool more)
{
    zmq_msg_t frame;
    int r;

    frame_make(&frame, parts, count);
    do
        r = zmq_msg_send(&frame, socket, ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0));
    while (r < 0 && errno == EINTR);
    if (r >= 0)
        return 0;
    r = link_error(errno);
    zmq_msg_close(&frame);
    return r;
}

/* Room is checked at the first frame.  If the peer goes in the middle of a message the others are
 * sent all the same: ZeroMQ drops them, and only so does it know where the next message begins. */
static int message_send(void *socket, const struct slice *peer, struct slice header,
                        const struct slice *parts, size_t part_count)
{
    int r = frame_send(socket, peer ? peer : &wire_preamble, 1, true);

    if (r < 0)
        return r;
    if (peer && frame_send(socket, &wire_preamble, 1, true) < 0)
        r = ERR_LOST;
    if (frame_send(socket, &header, 1, part_count > 0) < 0)
        r = ERR_LOST;
    if (part_count > 0 && frame_send(socket, parts, part_count, false) < 0)
        r = ERR_LOST;
    return r;
}

int link_send(struct link *l, struct slice peer, struct slice header, const struct slice *parts,
              size_t part_count)
{
    unsigned i = l->bound && peer.size ? (unsigned char)peer.at[0] : 0;

    if (i >= l->count || (l->bound && peer.size < 2))
        return ERR_LOST;
    if (!l->bound)
        return message_send(l->sockets[i], NULL, header, parts, part_count);
    peer = slice_make(peer.at + 1, peer.size - 1);
    return message_send(l->sockets[i], &peer, header, parts, part_count);
}

/* ---- receiving ---- */

static int frame_receive(void *socket, zmq_msg_t *frame)
{
    int r;

    do
        r = zmq_msg_recv(frame, socket, ZMQ_DONTWAIT);
    while (r < 0 && errno == EINTR);
    return r < 0 ? link_error(errno) : 0;
}

/* A hostile peer may send one frame or a thousand: those too many are read one by one and dropped.
 */
static size_t drop_rest(void *socket)
{
    zmq_msg_t frame;
    bool more = true;
    size_t bytes = 0;

    zmq_msg_init(&frame);
    while (more && frame_receive(socket, &frame) == 0) {
        more = zmq_msg_more(&frame);
        bytes += zmq_msg_size(&frame);
    }
    zmq_msg_close(&frame);
    return bytes;
}

/* Reads one message into l->frames and returns through *ret_end the frame after its last one;
 * FRAMES + 1 if there were more than a message can have. */
static int frames_receive(struct link *l, void *socket, int *ret_end, size_t *ret_bytes)
{
    int at = l->bound ? FRAME_PEER : FRAME_PREAMBLE;
    bool more = true;
    size_t bytes = 0;

    while (more && at < FRAMES) {
        int r = frame_receive(socket, &l->frames[at]);
        if (r < 0)
            return r;
        bytes += zmq_msg_size(&l->frames[at]);
        more = zmq_msg_more(&l->frames[at++]);
    }
    if (more)
        bytes += drop_rest(socket);
    *ret_end = more ? FRAMES + 1 : at;
    *ret_bytes = bytes;
    return 0;
}

/* From whichever socket has one; they take turns, so that none is kept waiting by another. */
static int any_receive(struct link *l, unsigned *ret_socket, int *ret_end, size_t *ret_bytes)
{
    int r = ERR_AGAIN;

    for (unsigned n = 0; n < l->count && r < 0; n++) {
        *ret_socket = l->next;
        l->next = (l->next + 1) % l->count;
        r = frames_receive(l, l->sockets[*ret_socket], ret_end, ret_bytes);
    }
    return r;
}

static struct slice frame_slice(struct link *l, enum frame which)
{
    return slice_make(zmq_msg_data(&l->frames[which]), zmq_msg_size(&l->frames[which]));
}

static bool is_other_version(struct slice preamble)
{
    return preamble.size == wire_preamble.size &&
           memcmp(preamble.at, wire_preamble.at, wire_preamble.size - 1) == 0 &&
           preamble.at[preamble.size - 1] != wire_preamble.at[wire_preamble.size - 1];
}

/* Who sent it: the socket's number and ZeroMQ's name for the peer.  What a peer without a key says
 * of its user is its own invention. */
static void take_peer(struct link *l, unsigned socket, struct link_message *m)
{
    struct slice name = frame_slice(l, FRAME_PEER);
    const char *user =
        l->keyed[socket] ? zmq_msg_gets(&l->frames[FRAME_PREAMBLE], "User-Id") : NULL;

    l->peer[0] = (char)socket;
    memcpy(l->peer + 1, name.at, name.size < LINK_PEER ? name.size : LINK_PEER - 1);
    m->peer = slice_make(l->peer, 1 + name.size);
    m->user = slice_of(user ? user : "");
    m->keyed = l->keyed[socket];
}

int link_receive(struct link *l, struct link_message *ret)
{
    struct link_message m = {0};
    unsigned socket = 0;
    int end = 0;
    int r = any_receive(l, &socket, &end, &m.bytes);

    if (r < 0)
        return r;
    if (l->bound)
        take_peer(l, socket, &m);
    m.other_version = end > FRAME_PREAMBLE && is_other_version(frame_slice(l, FRAME_PREAMBLE));
    m.foreign = !m.other_version && (end <= FRAME_HEADER || end > FRAMES ||
                                     !slice_equal(frame_slice(l, FRAME_PREAMBLE), wire_preamble));
    if (!m.foreign && !m.other_version) {
        m.header = frame_slice(l, FRAME_HEADER);
        if (end > FRAME_PAYLOAD)
            m.payload = frame_slice(l, FRAME_PAYLOAD);
    }
    *ret = m;
    return 0;
}

int link_connection(struct link *l)
{
    return zmq_msg_get(&l->frames[FRAME_PREAMBLE], ZMQ_SRCFD);
}

/* ---- waiting ---- */

struct items {
    zmq_pollitem_t item[MAX_ITEMS];
    unsigned link[MAX_ITEMS]; /* whose it is */
    unsigned count;
};

static void item_add(struct items *all, unsigned link, void *socket, int fd)
{
    assert(all->count < MAX_ITEMS);
    all->link[all->count] = link;
    all->item[all->count++] = (zmq_pollitem_t){.socket = socket, .fd = fd, .events = ZMQ_POLLIN};
}

unsigned link_wait(struct link *const *links, unsigned count, int fd, int timeout_ms)
{
    struct items all = {.count = 0};
    unsigned ready = 0;

    for (unsigned i = 0; i < count; i++)
        for (unsigned k = 0; k < links[i]->count; k++) {
            item_add(&all, i, links[i]->sockets[k], -1);
            if (links[i]->monitors[k])
                item_add(&all, i, links[i]->monitors[k], -1);
            if (k == 0 && links[i]->probe)
                item_add(&all, i, links[i]->probe, -1);
        }
    if (fd >= 0)
        item_add(&all, count, NULL, fd);
    if (zmq_poll(all.item, (int)all.count, timeout_ms) <= 0)
        return 0;
    for (unsigned i = 0; i < all.count; i++)
        if (all.item[i].revents)
            ready |= 1U << all.link[i];
    for (unsigned i = 0; i < count; i++)
        if (ready & 1U << i)
            link_state(links[i]); /* takes off what its monitors and probe have, or they would stay
                                     ready */
    return ready;
}
