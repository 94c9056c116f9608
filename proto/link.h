/* A link: one ZeroMQ socket that speaks the wire protocol's frames.  The only file that knows
 * ZeroMQ is link.c.
 *
 * A bound link (the broker's) has many peers, each with a name of a few bytes that ZeroMQ gives
 * it; a connected link (everybody else's) has one.  All calls return at once but link_wait. */
#ifndef PROTO_LINK_H
#define PROTO_LINK_H

#include "proto/bytes.h"

struct link;

struct link_message {
    struct slice peer;    /* who sent it (bound links); empty otherwise */
    struct slice header;  /* frame 1 */
    struct slice payload; /* frame 2; absent when there were two frames */
    bool foreign;         /* frame 0 was not our preamble, or the frames were too few or too many:
                             header and payload are then absent */
    bool other_version;   /* frame 0 named our protocol in another version */
};

/* "ipc://PATH" or "tcp://HOST:PORT".  Returns 0, ERR_CONFIG (an endpoint that cannot be) or
 * ERR_IO (it cannot be bound now). */
int link_bind(const char *endpoint, struct link **ret);
int link_connect(const char *endpoint, struct link **ret);

/* Drops what was not sent yet after `linger_ms`.  NULL is allowed. */
void link_close(struct link *l, int linger_ms);

/* Sends preamble, header and, if `part_count` is not 0, one payload frame made of the parts.  The
 * bytes are copied.  0; ERR_AGAIN when the peer's queue is full; ERR_LOST when the peer is gone. */
int link_send(struct link *l, struct slice peer, struct slice header, const struct slice *parts,
              size_t part_count);

/* The next message, borrowed until the next call on this link; ERR_AGAIN when there is none. */
int link_receive(struct link *l, struct link_message *ret);

/* Waits until one of the links has a message or `fd` (-1: none) can be read, at most timeout_ms
 * (-1: for ever).  Returns a bit per link, in order, and bit `count` for the fd; 0 on time-out or
 * interruption. */
unsigned link_wait(struct link *const *links, unsigned count, int fd, int timeout_ms);

#endif
