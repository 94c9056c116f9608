/* Checking and copying a journal; see check.h.  Happy path of the check: the meta pages are looked
 * at, the newest state is held, and all of it is read.  Of the copy: the same for the pages only,
 * then LMDB writes a compact copy beside the file that is wanted, that is read as a whole, synced,
 * and named. */
#include "broker/check.h"

#include "broker/scrub.h"
#include "broker/snapshot.h"
#include "broker/walk.h"
#include "proto/clock.h"
#include "proto/error.h"
#include "proto/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#define PATH_BYTES    4096
#define HOLD_MS       30000 /* to see the state that is held, while a broker commits, */
#define AHEAD_TRIES   20    /* and what was written ahead of it */
#define HOLD_PAUSE_US 500   /* between two tries */

/* A journal's file, and its state held still unless it is damaged or nobody writes to it. */
struct held {
    int fd;
    struct snapshot *snapshot;
    struct scrub *scrub;
};

static int complain(const char *path, const char *why, int status)
{
    fprintf(stderr, "turnout-broker: %s: %s\n", path, why);
    return status;
}

static int status_of(const char *path, int err)
{
    if (err == ERR_VERSION)
        return complain(path, "written by another version of turnout", EX_CONFIG);
    if (err == ERR_AGAIN)
        return complain(path, "there is no journal in it", EXIT_FAILURE);
    return complain(path, error_text(err), EX_IOERR);
}

static void held_close(struct held *h)
{
    scrub_close(h->scrub);
    snapshot_close(h->snapshot);
    if (h->fd >= 0)
        close(h->fd);
}

static int cannot_open(const char *path)
{
    return complain(path, strerror(errno), errno == ENOENT ? EX_UNAVAILABLE : EX_IOERR);
}

static int held_file(const char *path, struct held *h)
{
    *h = (struct held){.fd = open(path, O_RDONLY | O_CLOEXEC)};
    if (h->fd < 0)
        return cannot_open(path);
    int err = scrub_open(h->fd, &h->scrub);
    return err < 0 ? status_of(path, err) : EX_OK;
}

/* Holds the newest state and looks at it; other commits may come in between, or one be under way
 * that its page names already, so once more.  A state that is newer than the first one has in its
 * trees all that was there at the beginning, so that what is written ahead of it may be left out if
 * there is no coming by it. */
static int held_still(struct held *h)
{
    int64_t end_ms = clock_mono_ms() + HOLD_MS;
    uint64_t commit, first = UINT64_MAX;
    int err = ERR_AGAIN;

    scrub_close(h->scrub);
    h->scrub = NULL;
    for (int tries = 0; err == ERR_AGAIN && clock_mono_ms() < end_ms; tries++) {
        if (tries > 0)
            usleep(HOLD_PAUSE_US);
        snapshot_release(h->snapshot);
        err = snapshot_hold(h->snapshot, &commit);
        first = commit < first ? commit : first;
        if (err == 0)
            err = scrub_open_held(h->fd, commit, tries < AHEAD_TRIES || commit == first, &h->scrub);
    }
    return err == ERR_AGAIN ? ERR_TIMEOUT : err;
}

static int held_open(const char *dir, struct held *h)
{
    char folder[PATH_BYTES], path[PATH_BYTES + 16];
    int err;

    snprintf(folder, sizeof folder, "%s/journal", dir);
    snprintf(path, sizeof path, "%s/data.mdb", folder);
    *h = (struct held){.fd = open(path, O_RDONLY | O_CLOEXEC)};
    if (h->fd < 0)
        return cannot_open(path);
    err = scrub_open(h->fd, &h->scrub);
    if (err == 0 && scrub_found(h->scrub)->faults > 0)
        return EX_OK; /* to be told; no broker can run on it */
    if (err == 0 || err == ERR_CONFLICT)
        err = snapshot_open(folder, &h->snapshot);
    if (err == 0)
        err = held_still(h);
    return err < 0 ? status_of(path, err) : EX_OK;
}

/* ---- check ---- */

static void found_print(const struct scrub_found *f)
{
    printf("%.*s", (int)f->lines.size, f->lines.at ? f->lines.at : "");
    if (f->faults > WALK_LINES)
        printf("... and %" PRIu64 " more\n", f->faults - WALK_LINES);
    printf("%" PRIu64 " records, %" PRIu64 " events, %" PRIu64 " faults\n", f->records, f->events,
           f->faults);
}

/* The lines are our own words and numbers: nothing in them needs escaping. */
static void found_print_json(const struct scrub_found *f)
{
    struct slice lines = buffer_slice(&f->lines), line;
    const char *comma = "";

    printf("{\"records\":%" PRIu64 ",\"events\":%" PRIu64 ",\"rejects\":%" PRIu64
           ",\"faults\":%" PRIu64 ",\"found\":[",
           f->records, f->events, f->rejects, f->faults);
    for (; slice_cut(&lines, '\n', &line); comma = ",")
        printf("%s\"%.*s\"", comma, (int)line.size, line.at);
    printf("]}\n");
}

int check_journal(const char *dir, const char *file, bool json)
{
    struct held h = {.fd = -1};
    int status = file ? held_file(file, &h) : held_open(dir, &h);
    int err = status == EX_OK ? scrub_run(h.scrub, SCRUB_ALL) : 0;

    if (err < 0)
        status = status_of(file ? file : dir, err);
    if (status == EX_OK) {
        (json ? found_print_json : found_print)(scrub_found(h.scrub));
        if (scrub_found(h.scrub)->faults > 0)
            status = EXIT_FAILURE;
        if (fflush(stdout) != 0)
            status = complain("standard output", strerror(errno), EX_IOERR);
    }
    held_close(&h);
    return status;
}

/* ---- backup ---- */

static int damaged(const char *path, const struct scrub_found *f)
{
    fprintf(stderr, "%.*s", (int)f->lines.size, f->lines.at ? f->lines.at : "");
    return complain(path, "damaged: no copy was made", EXIT_FAILURE);
}

/* What had been written ahead is given to the copy as it was; unless the copy is of a later state,
 * whose trees have all of it, and then nothing is.  What LMDB copied of it may be of any moment. */
static int wal_carry(const struct wal_image *was, int fd)
{
    const struct wal_image *now;
    struct buffer none = {0};
    struct slice blocks;
    struct scrub *copy;
    int err = scrub_open(fd, &copy);

    if (err < 0)
        return err == ERR_AGAIN ? ERR_CORRUPT : err;
    now = scrub_wal(copy);
    if (now) {
        size_t size = wal_image_blocks(now).size;
        blocks = slice_make(memset(buffer_room(&none, size), 0, size), size);
        if (was && was->commit == now->commit)
            blocks = wal_image_blocks(was);
        if (file_write_at(fd, now->place + FRAME_FIRST, blocks) < 0)
            err = errno_is_full(errno) ? ERR_FULL : ERR_IO;
    }
    scrub_close(copy);
    buffer_free(&none);
    return err;
}

/* LMDB copies what the pages say: only when these are sound may it try. */
static int copy_write(const char *dir, const char *file, int fd)
{
    struct held h = {.fd = -1};
    int status = held_open(dir, &h), err;

    if (status == EX_OK) {
        err = scrub_run(h.scrub, SCRUB_PAGES);
        if (err == 0 && scrub_found(h.scrub)->faults > 0)
            status = damaged(dir, scrub_found(h.scrub));
        else if (err == 0)
            err = snapshot_copy(h.snapshot, fd);
        if (err == 0 && status == EX_OK)
            err = wal_carry(scrub_wal(h.scrub), fd);
        if (err == 0 && status == EX_OK && fsync(fd) < 0)
            err = errno_is_full(errno) ? ERR_FULL : ERR_IO;
        if (err < 0)
            status = status_of(err == ERR_FULL ? file : dir, err); /* only the copy grows */
    }
    held_close(&h);
    return status;
}

/* The records' checksums are verified in the copy: it is what will be needed one day. */
static int copy_check(const char *path, uint64_t *ret_events)
{
    struct held h = {.fd = -1};
    int status = held_file(path, &h);
    int err = status == EX_OK ? scrub_run(h.scrub, SCRUB_ALL) : 0;

    if (err < 0)
        status = status_of(path, err);
    if (status == EX_OK && scrub_found(h.scrub)->faults > 0)
        status = damaged(path, scrub_found(h.scrub));
    if (status == EX_OK)
        *ret_events = scrub_found(h.scrub)->events;
    held_close(&h);
    return status;
}

/* A name is on disk when its folder is. */
static int name_sync(const char *path)
{
    char folder[PATH_BYTES];

    file_folder(path, folder, sizeof folder);
    return file_sync_folder(folder) < 0 ? complain(folder, strerror(errno), EX_IOERR) : EX_OK;
}

/* There every file is the journal's: a broker would go on in one that has no name any more. */
static bool lies_in_journal(const char *file, const char *dir)
{
    char folder[PATH_BYTES], journal[PATH_BYTES];
    struct stat a, b;

    file_folder(file, folder, sizeof folder);
    snprintf(journal, sizeof journal, "%s/journal", dir);
    return stat(folder, &a) == 0 && stat(journal, &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

/* Of a file that is locked: whether it still has that name, and no other.  EX_OK, or why not. */
static int beside_look(const char *beside, int fd)
{
    struct stat opened, named;
    bool gone = lstat(beside, &named) < 0;

    if ((gone && errno != ENOENT) || fstat(fd, &opened) < 0)
        return complain(beside, strerror(errno), EX_IOERR);
    if (gone || opened.st_dev != named.st_dev || opened.st_ino != named.st_ino)
        return complain(beside, "another backup has just written it", EX_TEMPFAIL);
    if (!S_ISREG(opened.st_mode) || opened.st_nlink != 1)
        return complain(beside, "is no file of its own", EX_IOERR);
    if (opened.st_size > 0 && ftruncate(fd, 0) < 0)
        return complain(beside, strerror(errno), EX_IOERR);
    return EX_OK;
}

/* It is ours alone as long as it is open.  Only what was made here is removed when that fails: what
 * was there may be another backup's. */
static int beside_open(const char *beside, int *ret_fd)
{
    int flags = O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, status;
    int fd = open(beside, flags | O_EXCL, 0600);
    bool made = fd >= 0;

    if (fd < 0 && errno == EEXIST)
        fd = open(beside, flags, 0600);
    if (fd < 0)
        return complain(beside, strerror(errno), EX_IOERR);
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        status = beside_look(beside, fd);
    else if (errno == EWOULDBLOCK)
        status = complain(beside, "another backup is writing it", EX_TEMPFAIL);
    else
        status = complain(beside, strerror(errno), EX_IOERR);
    if (status == EX_IOERR && made)
        unlink(beside);
    if (status == EX_OK)
        *ret_fd = fd;
    else
        close(fd);
    return status;
}

int backup_journal(const char *dir, const char *file)
{
    char beside[PATH_BYTES];
    uint64_t events = 0;
    int fd = -1, status;

    if (lies_in_journal(file, dir))
        return complain(file, "lies in the journal's own folder", EX_USAGE);
    snprintf(beside, sizeof beside, "%s.part", file);
    status = beside_open(beside, &fd);
    if (status != EX_OK)
        return status;
    status = copy_write(dir, beside, fd);
    if (status == EX_OK)
        status = copy_check(beside, &events);
    if (status == EX_OK && rename(beside, file) < 0)
        status = complain(file, strerror(errno), EX_IOERR);
    if (status != EX_OK)
        unlink(beside);
    close(fd);
    if (status != EX_OK)
        return status;
    printf("%s: %" PRIu64 " events\n", file, events);
    return name_sync(file);
}
