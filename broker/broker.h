/* The broker: one loop around the journal and two endpoints. */
#ifndef BROKER_BROKER_H
#define BROKER_BROKER_H

#include "proto/bytes.h"

struct broker;

#define READERS 32 /* at 6.25 and 3.25 MiB: session.h */

struct broker_config {
    const char *dir;     /* the journal is kept in DIR/journal */
    const char *publish; /* endpoint for producers; NULL: ipc://DIR/publish.sock */
    const char *read;    /* for workers and clients; NULL: ipc://DIR/read.sock */
    const char *tcp; /* HOST:PORT beside them: producers at PORT, readers at the next; NULL: no */
    const char *rights; /* the rights file; NULL: DIR/rights.conf, if it is there */
    uint64_t journal_bytes;
    size_t recent_bytes;    /* as in journal.h */
    unsigned partitions;    /* 0: as it is; of a new journal JOURNAL_PARTITIONS */
    unsigned connections;   /* at all endpoints; 0: GUARD_CONNECTIONS */
    unsigned readers;       /* workers, and as many clients; 0: READERS */
    uint64_t memory_bytes;  /* 0: no guard (broker/guard.h) */
    bool insecure_loopback; /* allow tcp:// on this machine, where nobody is asked for a key */
};

/* Creates the folders, opens the journal, binds the endpoints, and logs what it found.  Logs the
 * reason of a failure too.  ERR_CONFIG, ERR_LOCKED, ERR_VERSION, ERR_CORRUPT, ERR_FULL, ERR_IO. */
int broker_open(const struct broker_config *config, struct broker **ret);
void broker_close(struct broker *b); /* NULL is allowed */

/* One round, waiting at most wait_ms for something to do, less if `stop_fd` (-1: none) becomes
 * readable.  0, or the error after which nothing may be acknowledged any more. */
int broker_round(struct broker *b, int stop_fd, int wait_ms);

/* Rounds until `stop_fd` can be read: 0.  Or until the journal fails. */
int broker_run(struct broker *b, int stop_fd);

#endif
