/* The guard bounds what peers can make the broker hold: connections, and memory as a whole.  It is
 * a thread of its own, as ZeroMQ goes on receiving while the broker's loop waits for the disk.
 *
 * Every GUARD_MS it looks at the sockets that the process has accepted, and at its memory.
 *
 *   - Above the greatest number of connections the oldest of those without a session are cut, so
 *     that who says HELLO at once gets in, however many say nothing.  There are always some: the
 *     sessions are fewer (guard_sessions).
 *   - When more than an eighth of that number have no session, those are cut that are so since
 *     GREET_MS.  Fewer may stay at local sockets: a producer with nothing to say has no session
 *     either.  Those from elsewhere are cut in any case: who does not speak cannot be asked how he
 *     came by his name (names.h).
 *   - Above the limit of memory, the heap being trimmed, first all connections without a session
 *     are cut; then, if there are none or at the next look, those that have sent most since the
 *     loop took their last whole message, which is what bounds messages of endless frames; and if
 *     there are none of those either and the last cut has not helped within a second, or nothing
 *     has within two, all, which bounds everything that nobody has thought of.  It is harmless by
 *     design: peers connect again, producers send again what was not acknowledged, readers go on
 *     at their offsets.
 *
 * To cut is to shut the socket down; ZeroMQ then cleans up as after any lost connection.
 * Who links this has its accept4 and recv for the C library's, in the whole program: only there can
 * be seen what libzmq accepts and what it has received of a message.
 *
 * Memory is what /proc/self/statm calls resident without shared: the pages that are the process's
 * own.  The pages of the journal's map are not among them, as the kernel can drop those at any
 * time; when there are more than GUARD_MAPPED guard_settle lets them go, so that the process does
 * not look as large as its journal.  What is bounded piece by piece, as by default and in MiB: 32
 * workers at 6.25 and 32 clients at 3.25 (session.h) make 304, backlogs 48 (ingest.h),
 * acknowledgements 16 (session.h), 4096 connections at some 30 KiB 120, the rest of the broker 24;
 * 512 together. */
#ifndef BROKER_GUARD_H
#define BROKER_GUARD_H

#include "proto/bytes.h"

#define GUARD_MS                50
#define GREET_MS                3000
#define GUARD_MEMORY            ((uint64_t)512 * 1024 * 1024)
#define GUARD_MEMORY_LEAST      ((uint64_t)64 * 1024 * 1024)
#define GUARD_MAPPED            ((uint64_t)8 * 1024 * 1024)
#define GUARD_CONNECTIONS       4096
#define GUARD_FILES             512 /* beside the connections: for what comes within GUARD_MS, */
#define GUARD_OWN_FILES         64  /* and of these for the broker itself */
#define GUARD_DESCRIPTORS       (GUARD_CONNECTIONS + GUARD_FILES)
#define GUARD_CONNECTIONS_LEAST 64

struct guard_config {
    uint64_t memory_bytes;
    unsigned connections;
    struct slice map; /* the journal's; stays until guard_stop.  Empty: none is let go */
};

struct guard;

/* How many of so many connections may be producers' sessions, beside the readers': three quarters.
 */
static inline unsigned guard_sessions(unsigned connections)
{
    return connections / 4 * 3;
}

/* ERR_IO: no thread, or no /proc. */
int guard_start(const struct guard_config *config, struct guard **ret);
void guard_stop(struct guard *g); /* NULL is allowed */

/* Between two rounds of the loop: lets go the pages of the map, if the last look found too many.
 * By the thread that reads there, as another one would hinder it.  With NULL nothing. */
void guard_settle(struct guard *g);

/* Told by the loop: the connection with this file descriptor (-1: unknown) has a session.  The
 * number returned says so again when the session ends, as descriptors are used again.  With NULL
 * both do nothing. */
uint64_t guard_greet(struct guard *g, int fd);
void guard_leave(struct guard *g, int fd, uint64_t connection);

/* Likewise: a whole message has come over this connection. */
void guard_heard(const struct guard *g, int fd);

/* Whether it has, or had. */
bool guard_knows(const struct guard *g, int fd);

struct guard_counts {
    unsigned connections, greeted; /* at the last look */
    uint64_t memory_bytes;         /* likewise */
    uint64_t silent;               /* cut for want of a session */
    uint64_t emergencies;          /* times that memory was above its limit */
    uint64_t relieved;             /* cut because of it */
    uint64_t all;                  /* times that all were */
    struct guard_config limits;
};
struct guard_counts guard_counts(struct guard *g);

#endif
