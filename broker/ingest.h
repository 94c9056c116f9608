/* Ingest: takes what producers publish, checks every event, stages the good and the bad in the
 * journal, and answers after the commit.
 *
 * One round is: ingest_drain, ingest_commit, ingest_acknowledge. */
#ifndef BROKER_INGEST_H
#define BROKER_INGEST_H

#include "broker/journal.h"
#include "broker/session.h"

/* A round looks at this much and then commits, so that acknowledgements and workers do not wait:
 * some 10 ms of checking. */
#define ROUND_BYTES  ((size_t)4 * 1024 * 1024)
#define ROUND_EVENTS 16384
#define REFUSED_COST 16 /* events: one refused costs as much, as it is kept on its own page */

/* Fair service.  A session's share of a round is the round divided by the sessions that want more
 * than they got in the last one, and itself.  What is above its share waits in its backlog, and is
 * looked at when all others have had theirs.  Also in a round that is full every session has the
 * LEAST: so what a modest producer sends is in the next commit, whatever others send, and a round
 * is at most ROUND_MESSAGES times the LEAST longer. */
#define LEAST_BYTES  ((size_t)16 * 1024)
#define LEAST_EVENTS 32

/* A round receives so much.  ZeroMQ gives messages out in turn, one for each peer: of 32 peers
 * that send the largest ones everybody is heard in each round. */
#define ROUND_MESSAGES 1024 /* and at most SESSIONS_RECEIVED */

/* Of all backlogs together: three of the largest windows, six of the usual ones.  Above it, of the
 * key with most of them, the session with the largest is ended with ERROR `window`; its producer
 * sends all of it again, a little later. */
#define INGEST_BACKLOG ((size_t)48 * 1024 * 1024)

struct ingest;

struct ingest_counts {
    uint64_t accepted, refused; /* events, since the start: in the journal, or kept out */
    bool full;                  /* an event may find no room; so since one did until a round has */
};

/* Borrows both. */
struct ingest *ingest_new(struct journal *journal, struct sessions *producers);
void ingest_free(struct ingest *in); /* NULL is allowed */

/* Receives, checks and stages.  True when it stopped at a limit and more may be waiting. */
bool ingest_drain(struct ingest *in, int64_t now_ms);

/* One commit for all of it, none if nothing came.  0, also when the journal is full: all events
 * of the round are then refused, each with the code that a retry can help.  Anything else is
 * fatal: nothing of the round may be acknowledged. */
int ingest_commit(struct ingest *in);

/* Invariant 1: called only after ingest_commit has returned 0. */
void ingest_acknowledge(struct ingest *in);

struct ingest_counts ingest_counts(const struct ingest *in);

#endif
