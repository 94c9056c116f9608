/* A state of the journal's file held still, while a broker goes on writing: its pages are not used
 * again as long as it is held, so the file grows by what is written meanwhile.  For programs that
 * look at a journal from beside its broker.  snapshot.c and disk.c know LMDB, and nobody else. */
#ifndef BROKER_SNAPSHOT_H
#define BROKER_SNAPSHOT_H

#include <stdint.h>

struct snapshot;

/* The folder's file must have sound meta pages: scrub_open found nothing.  ERR_IO, logged. */
int snapshot_open(const char *folder, struct snapshot **ret);
void snapshot_close(struct snapshot *s); /* NULL is allowed */

/* Holds the newest state, and gives LMDB's number of the commit that made it. */
int snapshot_hold(struct snapshot *s, uint64_t *ret_commit);
void snapshot_release(struct snapshot *s);

/* Writes a compacted copy of the newest state.  ERR_FULL, ERR_CORRUPT (pages are missing), ERR_IO:
 * logged. */
int snapshot_copy(struct snapshot *s, int fd);

#endif
