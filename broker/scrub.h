/* Scrub: reads the journal's file without LMDB and says everything that is wrong with it.
 *
 * LMDB believes what it reads: a changed number in one of its pages can send it out of the file,
 * make it write over pages that are in use, or show an older state.  So the broker lets LMDB at
 * the file only when SCRUB_PAGES has found nothing: every page of every tree is where it should
 * be, belongs to one owner, its nodes and keys are in order, no free page is in use, and the state
 * that LMDB will show is that of the last commit.  SCRUB_ALL also verifies the checksum of every
 * value, and that there is no gap and nothing missing.
 *
 * The file may be written while it is read, as long as the state that scrub_open found is kept
 * from being overwritten (snapshot.h). */
#ifndef BROKER_SCRUB_H
#define BROKER_SCRUB_H

#include "broker/meta.h"
#include "broker/page.h"
#include "broker/wal_image.h"

enum scrub_depth { SCRUB_PAGES, SCRUB_ALL };

struct scrub_found {
    uint64_t faults, pages, records, events, rejects;
    struct buffer lines; /* the faults, one a line; to be freed */
};

struct scrub;

/* Looks at the meta pages and the journal's meta; borrows `fd`.  0, also when faults were found;
 * ERR_AGAIN when nothing has ever been committed to the file; ERR_CONFLICT when a broker committed
 * so often that the meta pages were never seen at rest; ERR_VERSION, also of the journal's
 * format; ERR_IO, which is logged. */
int scrub_open(int fd, struct scrub **ret);

/* The same for the state that commit `commit` left, which somebody holds: whatever is written in
 * the meantime.  With what was written ahead of it, ERR_AGAIN when there has been another commit
 * already, which may have begun to write over that; without, when there have been two. */
int scrub_open_held(int fd, uint64_t commit, bool ahead, struct scrub **ret);
void scrub_close(struct scrub *s); /* NULL is allowed */

/* What has been written ahead, as it stood when it was found, borrowed; NULL: there is none, or it
 * is left out. */
const struct wal_image *scrub_wal(struct scrub *s);

/* All the rest.  0, also when faults were found; ERR_IO. */
int scrub_run(struct scrub *s, enum scrub_depth depth);

/* What has been found so far. */
const struct scrub_found *scrub_found(const struct scrub *s);

#endif
