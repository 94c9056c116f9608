/* Links and keys; see link.h: CURVE, the gate (ZAP, ZeroMQ's RFC 27), monitors and probes.
 *
 * Happy path: a peer proves in the handshake that it holds the secret of its public key, ZeroMQ
 * asks the gate whether that key may come in, and stamps the answer, the user id, on each of the
 * peer's messages.  What can fail: no such key (the peer is told, 400), a wrong broker's key or
 * none at all (ZeroMQ cuts the connection; the peer sees no more than that). */
#include "proto/error.h"
#include "proto/keyfile.h"
#include "proto/link_inner.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define GATE           "inproc://zeromq.zap.01" /* where libzmq looks for it */
#define Z85_KEY        40
#define CLOSED_MOST    3 /* once may be a restart, twice a coincidence */
#define CLOSED_UNSURE  6 /* while it is not known whether the other side has keys at all */
#define ENDPOINT_BYTES 512
#define ENFORCE        93 /* ZMQ_ZAP_ENFORCE_DOMAIN, in zmq.h only with the draft interface */
#define MONITOR_BYTES  64
#define FIRST_MS       1000 /* within the process: at once */

#define ZAP_REVOKED 500 /* the code that a client gets to see; that of unknown keys is 400 */

enum zap_frame {
    ZAP_PEER,
    ZAP_DELIMITER,
    ZAP_VERSION,
    ZAP_REQUEST,
    ZAP_DOMAIN,
    ZAP_ADDRESS,
    ZAP_ROUTING_ID,
    ZAP_MECHANISM,
    ZAP_KEY,
    ZAP_FRAMES
};

_Static_assert((int)ZAP_FRAMES <= LINK_FRAMES, "a request fits");

static bool gate_open; /* of this process; changed by the thread that owns its broker only */

bool link_has_keys(void)
{
    return zmq_has("curve");
}

int link_keypair(struct keyfile *k)
{
    char public[Z85_KEY + 1], secret[Z85_KEY + 1];
    uint8_t raw[KEY_BYTES];

    if (zmq_curve_keypair(public, secret) < 0)
        return ERR_CONFIG;
    key_to_hex(zmq_z85_decode(raw, public), k->public);
    key_to_hex(zmq_z85_decode(raw, secret), k->secret);
    explicit_bzero(secret, sizeof secret);
    explicit_bzero(raw, sizeof raw);
    return 0;
}

bool link_keys_match(const struct keyfile *k)
{
    char public[Z85_KEY + 1], secret[Z85_KEY + 1], hex[KEY_HEX + 1];
    uint8_t raw[KEY_BYTES];
    bool made;

    key_from_hex(k->secret, raw);
    made = zmq_z85_encode(secret, raw, KEY_BYTES) && zmq_curve_public(public, secret) == 0;
    if (made)
        key_to_hex(zmq_z85_decode(raw, public), hex);
    explicit_bzero(secret, sizeof secret);
    explicit_bzero(raw, sizeof raw);
    return made && strcmp(hex, k->public) == 0;
}

static void option_set_key(void *socket, int option, const char *hex)
{
    uint8_t raw[KEY_BYTES];
    int r;

    key_from_hex(hex, raw);
    r = zmq_setsockopt(socket, option, raw, sizeof raw);
    explicit_bzero(raw, sizeof raw);
    assert(r == 0);
}

int socket_lock(void *socket, const struct keyfile *key, bool bound)
{
    int enforce = 1;

    if (!link_has_keys() || (bound && !gate_open) || (!bound && !key->broker[0]))
        return ERR_CONFIG;
    option_set_key(socket, ZMQ_CURVE_SECRETKEY, key->secret);
    if (bound) {
        option_set(socket, ZMQ_CURVE_SERVER, 1);
        /* Without a gate libzmq lets every key in.  It cannot be missing while the socket is open;
         * where libzmq knows this option it refuses all the same. */
        zmq_setsockopt(socket, ENFORCE, &enforce, sizeof enforce);
    } else {
        option_set_key(socket, ZMQ_CURVE_PUBLICKEY, key->public);
        option_set_key(socket, ZMQ_CURVE_SERVERKEY, key->broker);
    }
    return 0;
}

/* ---- names ---- */

/* A zero and the number, in network order. */
#define NAME_BYTES 5

static uint32_t name_number(const char *name)
{
    const unsigned char *at = (const unsigned char *)name + 1;

    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* A peer of our own, inside the process, is the first. */
int socket_first_number(void *socket, uint32_t *ret)
{
    static unsigned number;
    char at[MONITOR_BYTES], name[NAME_BYTES + 1];
    void *peer = zmq_socket(context_take(), ZMQ_DEALER);
    int n = -1;

    context_release(); /* the socket's link holds it */
    if (!peer)
        return ERR_IO;
    snprintf(at, sizeof at, "inproc://first.%u", __atomic_add_fetch(&number, 1, __ATOMIC_RELAXED));
    option_set(peer, ZMQ_LINGER, 0);
    option_set(socket, ZMQ_RCVTIMEO, FIRST_MS);
    if (zmq_bind(socket, at) == 0 && zmq_connect(peer, at) == 0 && zmq_send(peer, "", 0, 0) == 0)
        n = zmq_recv(socket, name, sizeof name, 0);
    if (n == NAME_BYTES && zmq_recv(socket, at, 0, 0) < 0)
        n = -1;
    option_set(socket, ZMQ_RCVTIMEO, -1);
    zmq_close(peer);
    zmq_unbind(socket, at);
    *ret = n == NAME_BYTES ? name_number(name) : 0;
    return n == NAME_BYTES ? 0 : ERR_IO;
}

bool link_peer_number(const struct link *l, struct slice peer, uint32_t *ret)
{
    unsigned socket = peer.size ? (unsigned char)peer.at[0] : LINK_SOCKETS;

    if (socket >= LINK_SOCKETS || socket >= l->count || !l->keyed[socket] ||
        peer.size != 1 + NAME_BYTES || peer.at[1])
        return false;
    *ret = name_number(peer.at + 1) - l->first[socket];
    return true;
}

/* ---- the gate ---- */

int link_gate(struct link **ret)
{
    struct link *l = memory_need(sizeof *l);
    void *shared = context_take();

    *l = (struct link){.bound = true, .gate = true, .count = 1};
    l->sockets[0] = shared ? zmq_socket(shared, ZMQ_ROUTER) : NULL;
    for (int i = 0; i < LINK_FRAMES; i++)
        zmq_msg_init(&l->frames[i]);
    if (l->sockets[0] && zmq_bind(l->sockets[0], GATE) == 0) {
        option_set(l->sockets[0], ZMQ_LINGER, 0);
        gate_open = true;
        *ret = l;
        return 0;
    }
    if (l->sockets[0])
        zmq_close(l->sockets[0]);
    if (shared)
        context_release();
    free(l);
    return ERR_LOCKED;
}

/* Closing alone frees the name some time later. */
void gate_close(struct link *gate)
{
    zmq_unbind(gate->sockets[0], GATE);
    gate_open = false;
}

static struct slice frame_slice(struct link *l, enum zap_frame which)
{
    return slice_make(zmq_msg_data(&l->frames[which]), zmq_msg_size(&l->frames[which]));
}

/* Reads a request's frames; returns how many there were, 0 if nothing came. */
static int request_receive(struct link *l)
{
    zmq_msg_t rest;
    int n = 0;
    bool more = true;

    zmq_msg_init(&rest);
    while (more) {
        zmq_msg_t *frame = n < ZAP_FRAMES ? &l->frames[n] : &rest;
        int r = zmq_msg_recv(frame, l->sockets[0], ZMQ_DONTWAIT);
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return 0;
        more = zmq_msg_more(frame);
        n++;
    }
    zmq_msg_close(&rest);
    return n;
}

/* Sockets are of both families, so that IPv4 comes in as IPv6. */
static struct slice address_plain(struct slice address)
{
    static const char mapped[] = "::ffff:";
    size_t n = strlen(mapped);

    if (address.size > n && memcmp(address.at, mapped, n) == 0)
        return slice_make(address.at + n, address.size - n);
    return address;
}

int gate_next(struct link *l, struct gate_request *ret)
{
    int n = request_receive(l);
    struct gate_request request = {.keyed = false};

    if (n == 0)
        return ERR_AGAIN;
    if (n <= ZAP_MECHANISM)
        return ERR_PROTOCOL; /* libzmq asks; it never does this */
    request.address = address_plain(frame_slice(l, ZAP_ADDRESS));
    request.keyed = slice_is(frame_slice(l, ZAP_MECHANISM), "CURVE");
    if (request.keyed && (n != ZAP_FRAMES || frame_slice(l, ZAP_KEY).size != KEY_BYTES))
        return ERR_PROTOCOL;
    if (request.keyed)
        key_to_hex(zmq_msg_data(&l->frames[ZAP_KEY]), request.key);
    *ret = request;
    return 0;
}

static void gate_send(struct link *l, struct slice frame, bool more)
{
    zmq_send(l->sockets[0], frame.at, frame.size, ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0));
}

void gate_answer(struct link *l, enum gate_verdict verdict, const char *user)
{
    static const char *const codes[] = {"200", "300", "400", "500"};
    static const char *const texts[] = {"OK", "too many sessions of this key", "unknown key",
                                        "revoked key"};

    gate_send(l, frame_slice(l, ZAP_PEER), true);
    gate_send(l, slice_of(""), true);
    gate_send(l, slice_of("1.0"), true);
    gate_send(l, frame_slice(l, ZAP_REQUEST), true);
    gate_send(l, slice_of(codes[verdict]), true);
    gate_send(l, slice_of(texts[verdict]), true);
    gate_send(l, slice_of(verdict == GATE_OPEN ? user : ""), true);
    gate_send(l, slice_of(""), false);
}

/* ---- monitors ---- */

/* The queue has no limit, as libzmq's own thread would stand still at a full one; what is watched
 * comes once for a connection at most. */
int monitor_open(struct link *l, unsigned i)
{
    static unsigned number;
    char name[MONITOR_BYTES];
    int events = ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL;

    if (!l->bound)
        events |= ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;
    snprintf(name, sizeof name, "inproc://monitor.%u",
             __atomic_add_fetch(&number, 1, __ATOMIC_RELAXED));
    if (zmq_socket_monitor(l->sockets[i], name, events) < 0)
        return ERR_IO;
    l->monitors[i] = zmq_socket(context_take(), ZMQ_PAIR);
    context_release(); /* the link itself holds it */
    if (!l->monitors[i])
        return ERR_IO;
    option_set(l->monitors[i], ZMQ_RCVHWM, 0);
    option_set(l->monitors[i], ZMQ_LINGER, 0);
    return zmq_connect(l->monitors[i], name) < 0 ? ERR_IO : 0;
}

void monitor_close(struct link *l, unsigned i)
{
    if (!l->monitors[i])
        return;
    zmq_socket_monitor(l->sockets[i], NULL, 0);
    zmq_close(l->monitors[i]);
    l->monitors[i] = NULL;
}

/* ---- probes ---- */

/* Who has no key and asks one that wants it, or the other way round, is told only if he is lucky:
 * libzmq 4.3.4 hangs up as soon as it has read the whole of a greeting that does not suit it, be
 * its own sent or not.  So when a handshake was cut short without a word, a second connection says
 * no more than the beginning of a greeting (signature and version, ZeroMQ's RFC 23), and the other
 * side sends the whole of its own, which names the mechanism, and waits. */
static const char greeting_begun[] = {(char)0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3};

#define PROBE           "p" /* the connection's name within its socket */
#define MECHANISM_AT    12
#define MECHANISM_BYTES 20

void probe_close(struct link *l)
{
    if (l->probe)
        zmq_close(l->probe);
    l->probe = NULL;
}

static void probe_open(struct link *l)
{
    char endpoint[ENDPOINT_BYTES];

    probe_close(l);
    l->greeted = 0;
    link_endpoint(l, endpoint, sizeof endpoint);
    l->probe = zmq_socket(context_take(), ZMQ_STREAM);
    context_release(); /* the link itself holds it */
    if (!l->probe)
        return; /* the next one that is cut short asks again */
    option_set(l->probe, ZMQ_LINGER, 0);
    option_set(l->probe, ZMQ_IPV6, 1);
    option_set(l->probe, ZMQ_RECONNECT_IVL, -1);
    option_set(l->probe, ZMQ_STREAM_NOTIFY, 0);
    zmq_setsockopt(l->probe, ZMQ_CONNECT_ROUTING_ID, PROBE, strlen(PROBE));
    if (zmq_connect(l->probe, endpoint) < 0 ||
        zmq_send(l->probe, PROBE, strlen(PROBE), ZMQ_DONTWAIT | ZMQ_SNDMORE) < 0 ||
        zmq_send(l->probe, greeting_begun, sizeof greeting_begun, ZMQ_DONTWAIT) < 0)
        probe_close(l);
}

static bool mechanism_is(const struct link *l, const char *name)
{
    char padded[MECHANISM_BYTES] = "";

    memcpy(padded, name, strlen(name));
    return memcmp(l->greeting + MECHANISM_AT, padded, sizeof padded) == 0;
}

static void probe_judge(struct link *l)
{
    bool keys = mechanism_is(l, "CURVE"), none = mechanism_is(l, "NULL");

    if (l->keyed[0] ? none : keys)
        l->state = l->keyed[0] ? LINK_NO_KEYS : LINK_KEY_NEEDED;
    l->alike = l->keyed[0] ? keys : none;
}

/* A message is a frame with the connection's name and one with what came. */
static void probe_drain(struct link *l)
{
    char name[MONITOR_BYTES];
    int n;

    while (l->probe && zmq_recv(l->probe, name, sizeof name, ZMQ_DONTWAIT) >= 0) {
        size_t room = sizeof l->greeting - l->greeted;
        n = zmq_recv(l->probe, l->greeting + l->greeted, room, ZMQ_DONTWAIT);
        if (n > 0)
            l->greeted += (size_t)n < room ? (size_t)n : room;
        if (l->greeted < sizeof l->greeting)
            continue;
        probe_close(l);
        probe_judge(l);
    }
}

/* ---- what handshakes come to ---- */

static void closed_take(struct link *l)
{
    unsigned most = l->alike ? CLOSED_MOST : CLOSED_UNSURE;

    l->closed++;
    if (l->keyed[0] && l->closed >= most)
        l->state = LINK_BROKER_KEY;
    if (!l->alike)
        probe_open(l);
}

static bool state_is_final(enum link_state state)
{
    return state >= LINK_UNKNOWN_KEY && state <= LINK_NO_KEYS;
}

static void state_take(struct link *l, uint16_t event, uint32_t value)
{
    if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) {
        probe_close(l);
        l->state = LINK_UP;
        l->closed = 0;
        l->alike = false; /* another may be there the next time */
    } else if (event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH) {
        l->state = value == ZAP_REVOKED ? LINK_REVOKED_KEY : LINK_UNKNOWN_KEY;
    } else if (event == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL &&
               value == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH) {
        l->state = l->keyed[0] ? LINK_NO_KEYS : LINK_KEY_NEEDED;
    } else if (!state_is_final(l->state)) {
        closed_take(l);
    }
}

/* An event is a frame of number (u16) and value (u32), and one of the endpoint.  Those are libzmq's
 * own words, of the version of events that zmq_socket_monitor has always had. */
static void monitor_drain(struct link *l, unsigned i)
{
    char bytes[MONITOR_BYTES];
    uint16_t event;
    uint32_t value;
    int n;

    while ((n = zmq_recv(l->monitors[i], bytes, sizeof bytes, ZMQ_DONTWAIT)) >= 0) {
        assert(n == sizeof event + sizeof value);
        memcpy(&event, bytes, sizeof event);
        memcpy(&value, bytes + sizeof event, sizeof value);
        zmq_recv(l->monitors[i], bytes, sizeof bytes, ZMQ_DONTWAIT);
        if (l->bound)
            l->failed++;
        else
            state_take(l, event, value);
    }
}

enum link_state link_state(struct link *l)
{
    for (unsigned i = 0; i < l->count; i++)
        if (l->monitors[i])
            monitor_drain(l, i);
    probe_drain(l);
    return l->state;
}

uint64_t link_failed(struct link *l)
{
    uint64_t failed;

    link_state(l);
    failed = l->failed;
    l->failed = 0;
    return failed;
}

const char *link_state_code(enum link_state state)
{
    static const char *const codes[] = {"",           "",        "unknown-key", "revoked-key",
                                        "key-needed", "no-keys", "broker-key"};

    return codes[state];
}

const char *link_state_text(enum link_state state)
{
    static const char *const texts[] = {
        "not connected",
        "connected",
        "it does not know this key",
        "this key was revoked",
        "it lets nobody in without a key",
        "it takes no keys",
        "it ends the handshake: it may have another key than the key file says",
    };

    return texts[state];
}
