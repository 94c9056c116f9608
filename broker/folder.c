/* The journal's folder; see folder.h.  What can fail: rights, room, a failing disk, and a file that
 * is not what was written. */
#include "broker/folder.h"

#include "broker/scrub.h"
#include "proto/error.h"
#include "proto/file.h"
#include "proto/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define FAULTS_TOLD   10 /* in the log */
#define READERS_BYTES 8192

static int folder_error(const char *what, int code)
{
    if (code == 0)
        return 0;
    if (errno_is_full(code))
        return ERR_FULL;
    log_error("journal: %s: %s", what, strerror(code));
    return ERR_IO;
}

/* LMDB's own lock lets several processes write in turn; the ends and the staged offsets are kept
 * in memory, so there must be one only. */
static int lock_take(struct folder *f, const char *folder)
{
    char path[4096];

    snprintf(path, sizeof path, "%s/broker.lock", folder);
    f->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (f->lock < 0)
        return folder_error(path, errno);
    if (flock(f->lock, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK ? ERR_LOCKED : folder_error(path, errno);
    return 0;
}

/* The lock's file also remembers that a journal has been made here: a file of events that has
 * vanished, or lost its beginning, must not be taken for one that was never begun. */
int folder_mark(struct folder *f)
{
    static const char made[] = "made\n";
    const size_t size = sizeof made - 1;

    if (f->marked)
        return 0;
    if (pwrite(f->lock, made, size, 0) != (ssize_t)size || fsync(f->lock) < 0)
        return folder_error("marking", errno ? errno : EIO);
    f->marked = true;
    return 0;
}

static int mark_look_for(struct folder *f)
{
    struct stat lock;

    if (fstat(f->lock, &lock) < 0)
        return folder_error("broker.lock", errno);
    f->marked = lock.st_size > 0;
    return 0;
}

static void faults_log(const struct scrub_found *found)
{
    struct slice lines = buffer_slice(&found->lines), line;
    uint64_t told = 0;

    while (told < FAULTS_TOLD && slice_cut(&lines, '\n', &line)) {
        log_error("journal: %.*s", (int)line.size, line.at);
        told++;
    }
    if (found->faults > told)
        log_error("journal: %llu faults in all; turnout-broker --check lists them",
                  (unsigned long long)found->faults);
}

static int scrub_fd(int fd)
{
    struct scrub *s;
    int err = scrub_open(fd, &s);

    if (err < 0)
        return err;
    err = scrub_run(s, SCRUB_PAGES);
    faults_log(scrub_found(s));
    if (err == 0 && scrub_found(s)->faults > 0)
        err = ERR_CORRUPT;
    scrub_close(s);
    return err;
}

/* What an interrupted creation left holds nothing, but nothing is ever deleted here. */
static int file_set_aside(int fd, const char *path)
{
    char aside[4096 + 16];
    struct stat file;

    snprintf(aside, sizeof aside, "%s.unfinished", path);
    if (fstat(fd, &file) < 0 || (file.st_size > 0 && rename(path, aside) < 0))
        return folder_error(path, errno);
    if (file.st_size > 0)
        log_warn("journal: %s was begun and never finished; it is now %s", path, aside);
    return 0;
}

/* LMDB trusts its file to the point of leaving it, or writing over pages in use; so the file is
 * looked through before LMDB sees it.  What an interrupted creation left is set aside. */
static int file_scrub(const struct folder *f, const char *folder)
{
    char path[4096];
    int fd, err;

    snprintf(path, sizeof path, "%s/data.mdb", folder);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno != ENOENT)
        return folder_error(path, errno);
    err = fd < 0 ? ERR_AGAIN : scrub_fd(fd);
    if (err == ERR_AGAIN && f->marked) {
        log_error("journal: there was a journal here, and %s is missing or empty", path);
        err = ERR_CORRUPT;
    } else if (err == ERR_AGAIN) {
        err = fd >= 0 ? file_set_aside(fd, path) : 0;
    }
    if (fd >= 0)
        close(fd);
    return err;
}

/* The folder itself may be new, and the one that it is in; what that is in may be somebody else's,
 * who does not let us look: then it has been there before. */
int folder_sync(const char *folder)
{
    static const char *const names[] = {".", "..", "../.."};
    char path[4096];
    int err = 0;

    for (size_t i = 0; i < sizeof names / sizeof *names && err == 0; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        if (i < 2 || access(path, R_OK) == 0)
            err = file_sync_folder(path) < 0 ? folder_error(path, errno) : 0;
    }
    return err;
}

int folder_take(struct folder *f, const char *folder)
{
    int err = lock_take(f, folder);

    if (err == 0)
        err = mark_look_for(f);
    return err < 0 ? err : file_scrub(f, folder);
}

void folder_release(struct folder *f)
{
    if (f->lock >= 0)
        close(f->lock);
    f->lock = -1;
}

int folder_reserve(const char *folder)
{
    char path[4096];
    int fd, code = 0;

    snprintf(path, sizeof path, "%s/lock.mdb", folder);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return 0; /* LMDB will say the same */
    while (fallocate(fd, 0, 0, READERS_BYTES) < 0 && (code = errno) == EINTR)
        code = 0;
    close(fd);
    return errno_is_full(code) ? code : 0; /* not all file systems can */
}
