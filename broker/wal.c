/* The write-ahead log on disk; see wal.h.  What can fail: a write, after which nobody knows what
 * stands there, so that nothing more is written until the trees have all that was promised; and a
 * sync, after which the broker must stop. */
#include "broker/wal.h"

#include "broker/blocks.h"
#include "proto/error.h"

#include <sys/random.h>

#define KEY 0

int wal_create(struct disk *d, unsigned table, size_t bytes)
{
    struct frame_log log = {.bytes = bytes};
    char *room;
    int err;

    if (getrandom(&log.salt, sizeof log.salt, 0) != (ssize_t)sizeof log.salt)
        return ERR_IO;
    err = disk_append(d, table, KEY, FRAME_FIRST + bytes, &room);
    if (err < 0)
        return err;
    frame_head_encode(&log, room);
    memset(room + FRAME_FIRST, 0, bytes);
    return 0;
}

int wal_find(struct wal *w, struct disk *d, unsigned table, uint64_t commit)
{
    struct disk_strip strip;
    int err = disk_strip_find(d, table, KEY, &strip);

    buffer_clear(&w->found);
    if (err == 0)
        err = blocks_read(strip.fd, strip.place, strip.size, buffer_room(&w->found, strip.size));
    if (err < 0)
        return err == ERR_AGAIN ? ERR_CORRUPT : err;
    w->found.size = strip.size;
    err = frame_head_decode(buffer_slice(&w->found), &w->log);
    if (err < 0)
        return err;
    w->disk = d;
    w->place = strip.place + FRAME_FIRST;
    w->scan = frame_scan_begin(buffer_slice(&w->found), &w->log, commit);
    w->last = slice_make(NULL, 0);
    wal_restart(w);
    return 0;
}

int wal_next(struct wal *w, struct slice *ret)
{
    int err = frame_next(&w->scan, ret);

    if (err == 0)
        w->last = *ret;
    return err;
}

/* Where both copies do not fit any more, it was the second that was found. */
static int last_mend(struct wal *w)
{
    uint64_t at = w->place + w->scan.at;

    frame_encode(w->log.salt, w->scan.commit, w->last, &w->frame);
    w->end = w->scan.at + w->frame.size;
    if (w->end > w->log.bytes)
        at -= w->frame.size / 2;
    return disk_strip_write(w->disk, at, buffer_slice(&w->frame));
}

int wal_mend(struct wal *w)
{
    int err = w->last.at ? last_mend(w) : 0;

    w->last = slice_make(NULL, 0);
    buffer_free(&w->found);
    return err;
}

bool wal_has_room(const struct wal *w, size_t entries)
{
    return entries <= FRAME_MOST && w->end + frame_bytes(entries) <= w->log.bytes;
}

int wal_write(struct wal *w, uint64_t commit, struct slice entries)
{
    int err;

    frame_encode(w->log.salt, commit, entries, &w->frame);
    err = disk_strip_write(w->disk, w->place + w->end, buffer_slice(&w->frame));
    w->end = err < 0 ? w->log.bytes : w->end + w->frame.size;
    return err;
}

void wal_restart(struct wal *w)
{
    w->end = 0;
}

void wal_close(struct wal *w)
{
    buffer_free(&w->found);
    buffer_free(&w->frame);
}
