/* Ingest: takes what producers publish, checks every event, stages the good and the bad in the
 * journal, and answers after the commit.
 *
 * One round is: ingest_drain, ingest_commit, ingest_acknowledge. */
#ifndef BROKER_INGEST_H
#define BROKER_INGEST_H

#include "broker/journal.h"
#include "broker/session.h"

/* A round takes no further message after this much, so that acknowledgements and workers do not
 * wait: some 10 ms of checking.  It may be passed by one message (1 MiB, 4096 events). */
#define ROUND_BYTES    (4 * 1024 * 1024)
#define ROUND_EVENTS   16384
#define ROUND_MESSAGES 1024 /* also those that bring no events */

struct ingest;

struct ingest_counts {
    uint64_t accepted, refused; /* events answered, since the start */
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
