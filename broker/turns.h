/* The two pages in which LMDB says which commit is the last, and which it writes in turn. */
#ifndef BROKER_TURNS_H
#define BROKER_TURNS_H

#include <stdbool.h>

#define TURN_BYTES 512 /* a sector: all that LMDB writes of one, and more */

struct turns {
    char bytes[2][TURN_BYTES];
};

bool turns_read(int fd, unsigned page_bytes, struct turns *ret);

/* When the last write of a commit fails, LMDB puts the old number into that page, but leaves what
 * belongs to the new one: at the next start that could not be told from damage.  It gets back what
 * stood there; should that fail too, and go on failing, there is nothing more to be done. */
void turns_restore(int fd, unsigned page_bytes, const struct turns *before);

/* What a process sees of them may be ahead of the disk, or behind it, if the one before ended in
 * the middle of a commit or at a failing disk.  LMDB syncs before it relies on them; what is
 * written in place because of what they say needs them on disk as they are seen.  ERR_IO, which is
 * logged. */
int turns_settle(int fd, unsigned page_bytes);

#endif
