/* The write-ahead log: the commits that are not in the trees yet, in a value of the journal's file
 * that is written in place.  A commit there is one write and one sync, and touches no tree.
 *
 * It is one long value of a table, made once, whose pages LMDB leaves where they are; frame.h draws
 * it.  Frames are written one behind the other.  When it is full, or there is more to be done than
 * a frame can say, the records go into the trees in a transaction, and it begins anew: what it
 * holds then is of commits that the trees have.
 *
 * Errors are those of disk.h. */
#ifndef BROKER_WAL_H
#define BROKER_WAL_H

#include "broker/disk.h"
#include "broker/frame.h"

struct wal {
    struct disk *disk;    /* borrowed */
    struct frame_log log; /* of no bytes: there is none */
    uint64_t place;       /* in the file, of its blocks */
    size_t end;          /* behind the last frame; at the very end, if nobody knows what is there */
    struct buffer found; /* the value as it was read, until wal_mend */
    struct frame_scan scan;
    struct slice last;   /* entries that were found last, in it */
    struct buffer frame; /* being written */
};

/* Stages the value that holds it, in an empty table, with room for that many bytes of frames. */
int wal_create(struct disk *d, unsigned table, size_t bytes);

/* Within a reading: reads it, and then gives what is in it behind commit `commit`, as frame_next
 * does.  wal_find: ERR_CORRUPT if it is not what was written. */
int wal_find(struct wal *w, struct disk *d, unsigned table, uint64_t commit);
int wal_next(struct wal *w, struct slice *ret);

/* After the last: the process before may have ended between its write and
 * its sync, so that what was read is not on disk yet.  It is written once more. */
int wal_mend(struct wal *w);

bool wal_has_room(const struct wal *w, size_t entries);

/* Invariant 1 is kept here, and in disk_commit: 0 means that the entries have been synced to
 * disk. */
int wal_write(struct wal *w, uint64_t commit, struct slice entries);

/* The trees have all that it holds. */
void wal_restart(struct wal *w);
void wal_close(struct wal *w);

#endif
