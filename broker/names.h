/* Names of connections.  ZeroMQ numbers the peers of a socket one after the other; a peer may also
 * choose its name, and so take one that ZeroMQ has given or is about to give.  The first would let
 * it have what is meant for another; the second ends the process (libzmq 4.3.4, router.cpp:
 * add_out_pipe).  So the numbers must begin where nobody can guess, and whoever has a name that is
 * not one of the last given is turned away.  Who links this has its rand for the C library's, in
 * the whole program, as libzmq takes the first number from there. */
#ifndef BROKER_NAMES_H
#define BROKER_NAMES_H

#include "proto/link.h"

/* Connections that may have been named and not yet heard, or the other way round. */
#define NAMES_OPEN 4608

struct names { /* of one link */
    struct {
        uint32_t top;      /* the highest number heard */
        uint64_t admitted; /* connections let in by then */
    } of[LINK_SOCKETS];
};

/* Whether this peer, whose HELLO is the first of its connection, has a name that ZeroMQ gave it.
 * `admitted`: connections that were let in up to now. */
bool names_take(struct names *n, const struct link *link, struct slice peer, uint64_t admitted);

#endif
