/* The journal's folder: one process at a time has it, its file is looked through before LMDB sees
 * it, and its names are on disk. */
#ifndef BROKER_FOLDER_H
#define BROKER_FOLDER_H

#include <stdbool.h>

struct folder {
    int lock;    /* held for as long as it is open; -1 */
    bool marked; /* a journal has been made here */
};

/* ERR_LOCKED when another process has it, ERR_CORRUPT (logged) when its file is damaged, missing or
 * empty though a journal was made, ERR_VERSION, ERR_IO. */
int folder_take(struct folder *f, const char *folder);
void folder_release(struct folder *f);

/* Remembers on disk that a journal has been made here. */
int folder_mark(struct folder *f);

/* Makes sure that the folder's own name, and those of its files, are on disk. */
int folder_sync(const char *folder);

/* Room for LMDB's table of readers, which is written through a mapping: where the disk has none,
 * that would be the end of the process.  0 or an errno_is_full.  Before LMDB opens the folder's
 * file, as closing another descriptor would end its lock. */
int folder_reserve(const char *folder);

#endif
