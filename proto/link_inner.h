/* The inside of links, for link.c and link_keys.c, the only files that know ZeroMQ. */
#ifndef PROTO_LINK_INNER_H
#define PROTO_LINK_INNER_H

#include "proto/link.h"

#include <zmq.h>

enum frame { FRAME_PEER, FRAME_PREAMBLE, FRAME_HEADER, FRAME_PAYLOAD, FRAMES };

#define LINK_FRAMES 9 /* room for a ZAP request too */

#define GREETING_BYTES 32 /* of ZMTP's greeting: as far as the mechanism */

struct link {
    void *sockets[LINK_SOCKETS], *monitors[LINK_SOCKETS]; /* monitors: NULL where there is none */
    bool keyed[LINK_SOCKETS];
    uint32_t first[LINK_SOCKETS]; /* bound, with keys: the number that ZeroMQ gave first */
    unsigned count, next;         /* next: whose turn it is to be read */
    bool bound;
    bool gate;                     /* ZAP's, not ours */
    zmq_msg_t frames[LINK_FRAMES]; /* of the message handed out last */
    char peer[LINK_PEER];          /* likewise */
    enum link_state state;         /* connected links */
    unsigned closed;               /* handshakes in a row that the other side cut short */
    void *probe;                   /* connected links: asks for the greeting; mostly NULL */
    char greeting[GREETING_BYTES]; /* what came of it */
    size_t greeted;                /* bytes */
    bool alike;                    /* the other side has keys if we have, and none if not */
    uint64_t failed;               /* bound links: handshakes that came to nothing */
};

/* One context serves all links of the process. */
void *context_take(void);
void context_release(void);

/* The options are ours and known to every libzmq that has them, so a refusal is our bug. */
void option_set(void *socket, int option, int value);

/* Before the socket is bound or connected.  ERR_CONFIG: this libzmq has no CURVE, or no gate is
 * open. */
int socket_lock(void *socket, const struct keyfile *key, bool bound);

/* Of a ROUTER that is not bound yet: the number it gives first, which is used up by it.  ERR_IO. */
int socket_first_number(void *socket, uint32_t *ret);

/* Before its socket is closed: another gate can be opened at once. */
void gate_close(struct link *gate);

/* Watches what handshakes of this socket come to.  ERR_IO: there is no room for one more socket. */
int monitor_open(struct link *l, unsigned i);
void monitor_close(struct link *l, unsigned i);

/* What a connected link asks when a handshake was cut short without a word. */
void probe_close(struct link *l);

#endif
