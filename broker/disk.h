/* The disk below the journal: a few tables of numbered values in one folder, kept by LMDB,
 * which disk.c knows, and snapshot.c for looking beside a broker at work.
 *
 * One process owns the folder.  Writing is one transaction at a time: the first change begins it,
 * an error in it sticks, and disk_commit either makes all of it durable or keeps none of it.
 *
 * Errors: ERR_FULL (no room in the limit or on the file system: nothing is broken, try again once
 * there is room) and ERR_IO or ERR_CORRUPT (a write or a sync failed: stop, and start again). */
#ifndef BROKER_DISK_H
#define BROKER_DISK_H

#include "proto/bytes.h"

struct disk;

/* Room kept free for what a commit writes besides the values themselves: the changed pages of
 * each table's tree (256 tables x 3 levels x 4 KiB = 3 MiB) and the list of free pages (1 MiB). */
#define DISK_RESERVE ((uint64_t)4 * 1024 * 1024)

/* The file grows by this much, allocated before it is needed: a file system that runs out of room
 * says so then, cleanly, and not in the middle of a commit. */
#define DISK_STEP ((uint64_t)16 * 1024 * 1024)

/* LMDB's page of 4 KiB, as far as those who append to a table should know.  A value up to
 * DISK_INSIDE stands among others in a page and takes DISK_NODE more of it; a longer one has pages
 * of its own, of which half of one is empty on average, and its number stands in the table's page.
 * Where pages are larger, all this is a guess that does no harm. */
#define DISK_PAGE   4080 /* without its head */
#define DISK_NODE   18
#define DISK_INSIDE 2022

/* What is left of a table's last page behind one more value, if `left` bytes were before. */
static inline size_t disk_left(size_t left, size_t size)
{
    size_t node = DISK_NODE + (size <= DISK_INSIDE ? size + (size & 1) : sizeof(uint64_t));

    return (node <= left ? left : DISK_PAGE) - node;
}

/* What stays free on the file system, for everybody else's last words. */
#define DISK_SPARE ((uint64_t)16 * 1024 * 1024)
#define DISK_LAST  ((uint64_t)64 * 1024) /* with less, a write that fails has found no room */

struct disk_item {
    uint64_t key;
    struct slice value; /* borrowed until the end of the transaction */
};

/* Opens or creates the folder's files.  ERR_LOCKED when another process has them, or (logged) those
 * that were there before; ERR_VERSION when another version of LMDB wrote them, ERR_IO,
 * ERR_CORRUPT. */
int disk_open(const char *folder, uint64_t limit_bytes, unsigned tables, struct disk **ret);
bool disk_is_empty(const struct disk *d); /* nothing was ever committed */
void disk_close(struct disk *d);          /* NULL is allowed; what is not committed is dropped */

/* ---- within the write transaction; errors are returned and stick ---- */
/* A table that is not there is created, or is ERR_AGAIN (and nothing is wrong with the
 * transaction). */
int disk_table(struct disk *d, const char *name, bool create, unsigned *ret_table);

/* Room for a value of `size` bytes, to be filled before the next call; `key` must be greater than
 * every key in the table. */
int disk_append(struct disk *d, unsigned table, uint64_t key, size_t size, char **ret_room);

/* The same for a value that disk_has_room was asked for before: it does not ask again. */
int disk_append_kept(struct disk *d, unsigned table, uint64_t key, size_t size, char **ret_room);

/* The same for any key and a few bytes; a value that is there already is replaced.  It asks for no
 * room but what is kept free for the trees, so that a commit that only drops needs none. */
int disk_put(struct disk *d, unsigned table, uint64_t key, size_t size, char **ret_room);
int disk_drop(struct disk *d, unsigned table, uint64_t key); /* ERR_AGAIN: none; does not stick */

/* Something is staged, or could not be. */
bool disk_changed(const struct disk *d);

/* Without changes there is nothing to do.  After an error nothing of the transaction is kept. */
int disk_commit(struct disk *d);
void disk_abort(struct disk *d);

/* ---- reading: a snapshot, to be held only for a moment, as it stops the reuse of pages ---- */
int disk_read_begin(struct disk *d);
void disk_read_end(struct disk *d);

/* The last item whose key is at most `key`, or the first whose key is at least it; disk_next is
 * the one behind that.  ERR_AGAIN when there is none. */
int disk_at_or_before(struct disk *d, unsigned table, uint64_t key, struct disk_item *ret);
int disk_at_or_after(struct disk *d, unsigned table, uint64_t key, struct disk_item *ret);
int disk_next(struct disk *d, struct disk_item *ret);

/* ---- a strip: a long value that is written in place, beside the transactions ---- */
struct disk_strip {
    int fd;         /* of the file, borrowed */
    uint64_t place; /* in it, of the first byte */
    size_t size;
};

/* Within a reading.  LMDB never moves a value that no transaction stores or drops.  ERR_AGAIN when
 * there is none, ERR_CORRUPT when it has no pages of its own or is not in the file. */
int disk_strip_find(struct disk *d, unsigned table, uint64_t key, struct disk_strip *ret);

/* Writes at a place in the file, and syncs.  After an error nobody knows what stands there;
 * ERR_FULL, of a file system that writes elsewhere what is overwritten, leaves all else sound. */
int disk_strip_write(struct disk *d, uint64_t place, struct slice bytes);

/* Whether there will be room for values that cost so much, beside what is staged: within the limit,
 * and not only on pages that became free, of which there may be no long runs. */
bool disk_has_room(struct disk *d, uint64_t cost);
uint64_t disk_cost(const struct disk *d, size_t size); /* of one that is appended */

/* Pages that have ever been in use, and the limit, both in bytes. */
uint64_t disk_used_bytes(const struct disk *d);
uint64_t disk_limit_bytes(const struct disk *d);

/* Where its file is mapped; see mapped.h. */
struct slice disk_map(const struct disk *d);

#endif
