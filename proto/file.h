/* Small files, read and written whole. */
#ifndef PROTO_FILE_H
#define PROTO_FILE_H

#include "proto/bytes.h"

#include <sys/stat.h>

/* Adds what the file holds to `out`, up to most + 1 bytes: more than `most` is thus seen by its
 * size. `ret_stat` may be NULL.  0, or ERR_IO and errno says why. */
int file_read(const char *path, size_t most, struct buffer *out, struct stat *ret_stat);

/* All of the bytes.  ERR_IO and errno; some of them may have been written. */
int file_write_at(int fd, uint64_t place, struct slice bytes);

/* The folder that the path's file is in: "." when it names none. */
void file_folder(const char *path, char *out, size_t size);

/* What is in the folder is there under its name after a power cut, too: a file whose name is not on
 * disk is not on disk, whatever was synced into it.  ERR_IO and errno. */
int file_sync_folder(const char *folder);

/* As root: gives a file or folder made just now to whom that folder belongs, so that a daemon
 * without root's rights can read what its administrator wrote.  ERR_IO and errno; EPERM when it is
 * not root's, or has other names. */
int file_give(int fd, const char *folder);

/* Puts a file with these modes in place: it is there with all its bytes or as it was before, also
 * after a power cut.  If not `replace`, one that is there stays: ERR_CONFLICT.  ERR_IO and errno.
 */
int file_write(const char *path, struct slice text, mode_t mode, bool replace);

/* Replaces one that is there in the same way, and leaves its modes and, as far as we may, its
 * owner as they are.  ERR_IO and errno. */
int file_change(const char *path, struct slice text, const struct stat *as);

#endif
