/* Power: what a disk may hold when the power is cut.
 *
 * One file of this process is watched.  Its writes go into the real file, where the process sees
 * them at once, as in the page cache; what a power cut would leave is kept beside it: the bytes as
 * of the last sync, and the writes since, of which any may have reached the disk, in any order, as
 * a whole or in part (sectors are whole).  A write through a descriptor opened with O_DSYNC is on
 * disk when it returns without an error.
 *
 * Calls come here when exactly one file of the program includes tests/power_calls.h, which puts
 * them in place of the C library's, for shared libraries too.
 *
 * What goes wrong with the real file ends the process: it is the test's own. */
#ifndef TESTS_POWER_H
#define TESTS_POWER_H

#include <fcntl.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "tests/random.h"

#include "proto/bytes.h"

#define POWER_SECTOR 512

/* From now on the file whose path ends with that is watched (borrowed), as it stands on disk when
 * it is opened first.  All that is known of another one is forgotten.  NULL: none. */
void power_watch(const char *path_end);

/* Writes since the last sync. */
size_t power_unsynced(void);

/* Of such a write: where it begins in the file, and its bytes. */
struct power_write {
    uint64_t offset;
    struct slice bytes;
};
struct power_write power_write_at(size_t i);

/* Sectors that a write touches, perhaps the first and the last of them in part. */
size_t power_sectors(const struct power_write *w);

/* Whether sector `sector` of write `i` has reached the disk. */
typedef bool (*power_keep_fn)(void *arg, size_t i, size_t sector);

/* The file as a power cut now leaves it. */
void power_image(power_keep_fn keep, void *arg, struct buffer *ret);

/* One such image by chance: each write kept, lost or torn. */
void power_image_random(struct random *r, struct buffer *ret);

/* Puts an image in place of the file, which nobody has open, and takes it for what is on disk. */
void power_install(const char *path, struct slice image);

/* ---- faults ---- */
enum power_call {
    POWER_OPEN,
    POWER_WRITE, /* pwrite, write, writev */
    POWER_SYNC,  /* fsync, fdatasync, msync; and of a folder */
    POWER_GROW,  /* ftruncate, fallocate */
    POWER_SPACE, /* fstatvfs: with an error the file system is full */
    POWER_CALLS
};

/* What becomes of a call: `error` (an errno) if it is not 0; of a write, only the first `most`
 * bytes are written, and with an error none are reported.  After a sync that fails each unsynced
 * write has reached the disk or never will, though the process still sees it. */
struct power_fault {
    int error;
    size_t most;
};
typedef struct power_fault (*power_fault_fn)(void *arg, enum power_call call, size_t size);

/* Asked before each call on the watched file; NULL: nothing fails.  `r` decides what a failed sync
 * leaves. */
void power_faults(power_fault_fn fault, void *arg, struct random *r);

/* Room is not really allocated: a file that grows is sparse. */
void power_sparse(bool sparse);

/* ---- for power_calls.h ---- */
int power_do_open(const char *path, int flags, mode_t mode);
int power_do_close(int fd);
ssize_t power_do_pwrite(int fd, const void *bytes, size_t size, off_t offset);
ssize_t power_do_write(int fd, const void *bytes, size_t size);
ssize_t power_do_writev(int fd, const struct iovec *parts, int count);
int power_do_fsync(int fd);
int power_do_fdatasync(int fd);
int power_do_ftruncate(int fd, off_t size);
int power_do_fallocate(int fd, int mode, off_t offset, off_t size);
struct statvfs;
int power_do_fstatvfs(int fd, struct statvfs *ret);

#endif
