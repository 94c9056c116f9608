/* A link: ZeroMQ sockets that speak the wire protocol's frames.  The only files that know ZeroMQ
 * are link.c and link_keys.c.
 *
 * A bound link (the broker's) has many peers, each with a name of a few bytes that ZeroMQ gives it;
 * a connected link (everybody else's) has one.  A bound link may listen at several endpoints, some
 * with keys: that is one ZeroMQ socket each, of which a peer's first byte tells the number.  All
 * calls return at once but link_wait, and the link_close of a process's last link. */
#ifndef PROTO_LINK_H
#define PROTO_LINK_H

#include "proto/bytes.h"

#define LINK_SOCKETS 4
#define LINK_PEER    256 /* bytes of a peer's name: ZeroMQ's 255, and the socket's number */

struct link;
struct keyfile;

struct link_message {
    struct slice peer;    /* who sent it (bound links); empty otherwise */
    struct slice user;    /* what the gate said of it; empty at an endpoint without keys */
    bool keyed;           /* it came to an endpoint with keys */
    struct slice header;  /* frame 1 */
    struct slice payload; /* frame 2; absent when there were two frames */
    size_t bytes;         /* of all its frames, whatever they are */
    bool foreign;         /* frame 0 was not our preamble, or the frames were too few or too many:
                             header and payload are then absent */
    bool other_version;   /* frame 0 named our protocol in another version */
};

/* "ipc://PATH" or "tcp://HOST:PORT".  Returns 0, ERR_CONFIG (an endpoint that cannot be) or
 * ERR_IO (it cannot be bound now). */
int link_bind(const char *endpoint, struct link **ret);
int link_connect(const char *endpoint, struct link **ret);

/* With a key, of a key file that has the broker's: tcp:// only. */
int link_connect_keyed(const char *endpoint, const struct keyfile *key, struct link **ret);

/* A bound link listens at one more endpoint; `key` (NULL: without keys) is the broker's own, and a
 * gate must be open.  As link_bind. */
int link_listen(struct link *l, const char *endpoint, const struct keyfile *key);

/* Where the link listens last or connects to, as the operating system calls it. */
void link_endpoint(const struct link *l, char *ret, size_t size);

/* Drops what was not sent yet after `linger_ms`, but never before a tenth of a second is over. NULL
 * is allowed. */
void link_close(struct link *l, int linger_ms);

/* Until link_let_go no link_close waits for what lingers: that does.  False: there is no memory, or
 * no descriptor, for it. */
bool link_hold(void);
void link_let_go(void);

/* Sends preamble, header and, if `part_count` is not 0, one payload frame made of the parts.  The
 * bytes are copied.  0; ERR_AGAIN when the peer's queue is full; ERR_LOST when the peer is gone. */
int link_send(struct link *l, struct slice peer, struct slice header, const struct slice *parts,
              size_t part_count);

/* The next message, borrowed until the next call on this link; ERR_AGAIN when there is none. */
int link_receive(struct link *l, struct link_message *ret);

/* The descriptor of the connection that the message handed out last came by; -1 if that cannot be
 * said.  It is ZeroMQ's, and may be closed at any moment. */
int link_connection(struct link *l);

/* How many peers ZeroMQ named at that peer's socket, one with keys, between the first and this one;
 * false when the name is none that ZeroMQ gives. */
bool link_peer_number(const struct link *l, struct slice peer, uint32_t *ret);

/* Waits until one of the links has a message or `fd` (-1: none) can be read, at most timeout_ms
 * (-1: for ever).  Returns a bit per link, in order, and bit `count` for the fd; 0 on time-out or
 * interruption. */
unsigned link_wait(struct link *const *links, unsigned count, int fd, int timeout_ms);

/* ---- keys ---- */

/* Whether this libzmq has CURVE. */
bool link_has_keys(void);

/* Fills `public` and `secret` with a new pair.  ERR_CONFIG where there is no CURVE. */
int link_keypair(struct keyfile *k);
bool link_keys_match(const struct keyfile *k); /* its public key is that of its secret */

/* What a connected link has come to.  Followed at tcp:// endpoints only. */
enum link_state {
    LINK_TRYING,
    LINK_UP,
    LINK_UNKNOWN_KEY, /* "unknown-key": final, as are the next three */
    LINK_REVOKED_KEY, /* "revoked-key" */
    LINK_KEY_NEEDED,  /* "key-needed": we have no key */
    LINK_NO_KEYS,     /* "no-keys": it has none */
    LINK_BROKER_KEY,  /* "broker-key": our idea of its key is wrong, or it is in trouble */
};
enum link_state link_state(struct link *l);
const char *link_state_code(enum link_state state); /* "" for the first two */
const char *link_state_text(enum link_state state); /* of "the broker": "it ..." */

/* The gate, ZeroMQ's ZAP: asked about each new connection, of all bound links of the process, also
 * those without keys.  It is a link for link_wait, link_close and these calls only, and is closed
 * last.  One to a process: ERR_LOCKED. */
int link_gate(struct link **ret);

struct gate_request {
    struct slice address; /* of the peer, without port; "" for a local socket */
    bool keyed;
    char key[65]; /* public, in hexadecimal, and proven; "" without keys */
};
/* Later: it is put off, and tries again by itself after HANDSHAKE_MS of link.c.  Unknown and
 * revoked: it is told so. */
enum gate_verdict { GATE_OPEN, GATE_LATER, GATE_UNKNOWN, GATE_REVOKED };

/* The next connection that waits, ERR_AGAIN when none does; each must be answered before the next
 * is asked for.  ERR_PROTOCOL: a request that makes no sense, to be passed over. */
int gate_next(struct link *gate, struct gate_request *ret);
void gate_answer(struct link *gate, enum gate_verdict verdict, const char *user);

/* Of a bound link: handshakes at endpoints with keys that came to nothing before the gate was
 * asked: without a key, with another broker's, or no ZeroMQ at all.  Since this was called last. */
uint64_t link_failed(struct link *l);

#endif
