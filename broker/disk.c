/* Tables on disk by LMDB; see disk.h.  Happy path: disk_open, then disk_append ... disk_commit
 * for every round, and disk_read_begin ... disk_read_end in between.
 *
 * LMDB writes changed pages elsewhere in the file, syncs them, and only then writes and syncs the
 * page that makes them count.  A commit that fails before that last step has therefore changed
 * nothing; one that fails in it makes LMDB refuse all further writing (MDB_PANIC). */
#include "broker/disk.h"

#include "broker/folder.h"
#include "broker/mapped.h"
#include "broker/number.h"
#include "broker/page.h"
#include "broker/turns.h"
#include "proto/clock.h"
#include "proto/error.h"
#include "proto/file.h"
#include "proto/log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define KEY_BYTES 8

/* No value that is read as an item is longer than a record.  The file is kept longer than its pages
 * in use by more than that, so that reading a value whose size has been damaged since the file was
 * looked through (its page was dropped from memory, and read again from a failing disk) does not
 * leave the file, which would be the process's end: the checksum finds it.  (A journal at its limit
 * that lives on pages which became free has less; and for a strip, which is longer, the file is
 * measured.) */
#define VALUE_MOST (DISK_RESERVE / 2)

#define FREE_LOOK_MS 1000 /* how often a journal at its limit counts its free pages */

/* Where a lack of memory may be one of address space, because of the limit that was asked for. */
#define DISK_OPENING "opening"

struct disk {
    MDB_env *env;
    MDB_txn *write, *read;
    MDB_cursor *cursor; /* of `read` */
    struct folder folder;
    int error;    /* the first of this write transaction */
    bool changed; /* something is staged in it */
    bool empty;   /* nothing was ever committed */
    unsigned page_bytes;
    uint64_t limit, staged, allocated; /* bytes */
    uint64_t free;                     /* bytes in pages that nothing uses any more, when it was */
    int64_t free_ms;                   /* looked; 0: never */
};

/* Maps LMDB's codes and errno.  What stands behind ERR_IO and ERR_CORRUPT would be lost by that,
 * so it is logged here; the caller says what follows from it. */
static int disk_error(const char *what, int code)
{
    if (errno_is_full(code))
        return ERR_FULL;
    switch (code) {
    case MDB_SUCCESS:
        return 0;
    case MDB_NOTFOUND:
        return ERR_AGAIN;
    case MDB_MAP_FULL:
    case MDB_TXN_FULL:
        return ERR_FULL;
    case MDB_VERSION_MISMATCH:
        return ERR_VERSION;
    }
    log_error("journal: %s: %s", what, mdb_strerror(code));
    if (code == ENOMEM && strcmp(what, DISK_OPENING) != 0)
        abort(); /* as everywhere: taken for damage it would end a reader's stream */
    switch (code) {
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_CURSOR_FULL:
    case MDB_PAGE_FULL:
        return ERR_CORRUPT;
    default:
        return ERR_IO;
    }
}

/* Called before LMDB ends the process, for what it found in a page. */
static void disk_assert(MDB_env *env, const char *what)
{
    (void)env;
    log_error("journal: the file was damaged while in use (LMDB: %s): turnout journal check", what);
}

/* Of a limit that was lowered below what the file has, that is still used for what was promised. */
static size_t map_bytes(const char *folder, uint64_t limit)
{
    char path[4096];
    struct stat file;

    snprintf(path, sizeof path, "%s/data.mdb", folder);
    if (stat(path, &file) < 0 || (uint64_t)file.st_size < limit)
        return limit;
    return (size_t)file.st_size;
}

static int disk_open_env(struct disk *d, const char *folder, unsigned tables)
{
    int code = mdb_env_create(&d->env), dead;

    if (code == 0)
        code = mdb_env_set_maxdbs(d->env, tables);
    if (code == 0)
        code = mdb_env_set_mapsize(d->env, map_bytes(folder, d->limit));
    if (code == 0)
        code = mdb_env_set_assert(d->env, disk_assert);
    if (code == 0)
        code = folder_reserve(folder);
    if (code == 0)
        code = mdb_env_open(d->env, folder, 0, 0600);
    if (code == 0)
        code = mdb_reader_check(d->env, &dead); /* a killed mdb_copy would hold old pages */
    return disk_error(DISK_OPENING, code);
}

static int disk_fd(const struct disk *d)
{
    int fd;

    mdb_env_get_fd(d->env, &fd);
    return fd;
}

static int disk_size(struct disk *d, int *ret_fd)
{
    struct stat file;

    *ret_fd = disk_fd(d);
    if (fstat(*ret_fd, &file) < 0)
        return disk_error("measuring", errno);
    d->allocated = (uint64_t)file.st_size;
    return 0;
}

static int disk_measure(struct disk *d)
{
    MDB_stat stat;
    int fd, code = mdb_env_stat(d->env, &stat);

    if (code != 0)
        return disk_error("measuring", code);
    d->page_bytes = stat.ms_psize;
    d->empty = stat.ms_entries == 0;
    return disk_size(d, &fd);
}

void disk_close(struct disk *d)
{
    int kept = errno;

    if (!d)
        return;
    disk_read_end(d);
    disk_abort(d);
    mdb_env_close(d->env);
    folder_release(&d->folder);
    free(d);
    errno = kept;
}

bool disk_is_empty(const struct disk *d)
{
    return d->empty;
}

uint64_t disk_used_bytes(const struct disk *d)
{
    MDB_envinfo info;

    mdb_env_info(d->env, &info);
    return (info.me_last_pgno + 1) * (uint64_t)d->page_bytes;
}

uint64_t disk_limit_bytes(const struct disk *d)
{
    return d->limit;
}

struct slice disk_map(const struct disk *d)
{
    return mapped_find(disk_fd(d));
}

/* ---- room ---- */

static int disk_check_free(int fd, uint64_t least)
{
    struct statvfs fs;

    if (fstatvfs(fd, &fs) < 0)
        return disk_error("free space", errno);
    return (uint64_t)fs.f_bavail * fs.f_frsize < least ? ERR_FULL : 0;
}

/* Allocates the file up to `want`, and some more.  Where the file system cannot do that, its free
 * space is looked at every time instead. */
static int disk_grow(struct disk *d, uint64_t want)
{
    uint64_t steps = (want + DISK_STEP - 1) / DISK_STEP * DISK_STEP;
    uint64_t size = steps < d->limit ? steps : d->limit;
    int fd, err;

    if (want <= d->allocated || size <= d->allocated)
        return 0;
    mdb_reader_check(d->env, NULL); /* a killed check or copy would hold old pages for good */
    err = disk_size(d, &fd);        /* what could not be allocated may have been written since */
    if (err < 0 || size <= d->allocated)
        return err;
    err = disk_check_free(fd, size - d->allocated + DISK_SPARE);
    if (err < 0)
        return err;
    while ((err = fallocate(fd, 0, (off_t)d->allocated, (off_t)(size - d->allocated))) < 0 &&
           errno == EINTR)
        ;
    if (err < 0)
        return errno == EOPNOTSUPP || errno == ENOSYS ? 0 : disk_error("growing", errno);
    d->allocated = size;
    return 0;
}

/* LMDB puts what is above half a page into whole pages. */
uint64_t disk_cost(const struct disk *d, size_t size)
{
    uint64_t page = d->page_bytes, cost = size + 64;

    return cost > page / 2 ? (cost + page - 1) / page * page : cost;
}

bool disk_has_room(struct disk *d, uint64_t cost)
{
    uint64_t want = disk_used_bytes(d) + d->staged + cost + DISK_RESERVE;

    return want <= d->limit && disk_grow(d, want) == 0;
}

/* Is there room for one more value?  At the limit, on pages that became free, too. */
static int disk_reserve(struct disk *d, size_t size)
{
    uint64_t want = disk_used_bytes(d) + d->staged + disk_cost(d, size) + DISK_RESERVE;

    if (want > d->limit && want - d->limit > d->free)
        return ERR_FULL;
    d->staged += disk_cost(d, size);
    return disk_grow(d, want);
}

/* ---- opening ---- */
/* LMDB counts commits in the lock's file, and believes it while anybody has that open: of a file
 * that was put in the place of another it would show, and write over, a wrong state. */
static int disk_agree(const struct disk *d)
{
    MDB_envinfo info;
    MDB_txn *txn;
    int err = disk_error(DISK_OPENING, mdb_txn_begin(d->env, NULL, 0, &txn));

    if (err < 0)
        return err;
    mdb_env_info(d->env, &info);
    if (mdb_txn_id(txn) != info.me_last_txnid + 1)
        err = ERR_LOCKED;
    mdb_txn_abort(txn);
    if (err < 0)
        log_error("journal: a check or backup that looks at the former file must end first");
    return err;
}

int disk_open(const char *folder, uint64_t limit_bytes, unsigned tables, struct disk **ret)
{
    struct disk *d = memory_need(sizeof *d);
    int err;

    *d = (struct disk){.folder = {.lock = -1}, .limit = limit_bytes};
    signal(SIGXFSZ, SIG_IGN); /* a file at its limit is an error code here, not death */
    err = folder_take(&d->folder, folder);
    if (err == 0)
        err = disk_open_env(d, folder, tables);
    if (err == 0)
        err = disk_agree(d);
    if (err == 0)
        err = folder_sync(folder);
    if (err == 0)
        err = disk_measure(d);
    if (err == 0 && !d->empty)
        err = folder_mark(&d->folder);
    if (err == 0 && !d->empty)
        err = turns_settle(disk_fd(d), d->page_bytes);
    if (err == 0)
        disk_grow(d, disk_used_bytes(d) + DISK_RESERVE); /* see VALUE_MOST; if there is room */
    if (err < 0) {
        disk_close(d);
        return err;
    }
    *ret = d;
    return 0;
}

/* ---- writing ---- */

static int disk_stick(struct disk *d, int err)
{
    if (err < 0 && d->error == 0)
        d->error = err;
    return err;
}

/* Of the pages in the file, those that nothing uses any more: LMDB keeps lists of them in its table
 * 0, each beginning with how many it has. */
static int free_count(struct disk *d, uint64_t *ret_pages)
{
    MDB_cursor *cursor;
    MDB_val key, list;
    MDB_txn *txn;
    int code = mdb_txn_begin(d->env, NULL, MDB_RDONLY, &txn);

    if (code != 0)
        return code;
    *ret_pages = 0;
    code = mdb_cursor_open(txn, 0, &cursor);
    if (code == 0) {
        while ((code = mdb_cursor_get(cursor, &key, &list, MDB_NEXT)) == 0)
            *ret_pages += *(const size_t *)list.mv_data;
        mdb_cursor_close(cursor);
    }
    mdb_txn_abort(txn);
    return code == MDB_NOTFOUND ? 0 : code;
}

/* A line of LMDB's list of readers: it ends with the number of the state that one holds, or "-". */
static int reader_seen(const char *line, void *held)
{
    size_t size = strlen(line);

    *(bool *)held |= size >= 2 && line[size - 2] >= '0' && line[size - 2] <= '9';
    return 0;
}

/* A journal at its limit lives on what was freed in it; but for as long as somebody looks (a check,
 * a backup) who may need those pages as they were. */
static int disk_look_for_room(struct disk *d)
{
    int64_t now_ms = clock_mono_ms();
    uint64_t pages = 0;
    bool held = false;
    int code;

    if (d->read || disk_used_bytes(d) + 2 * DISK_RESERVE <= d->limit ||
        (d->free_ms && now_ms - d->free_ms < FREE_LOOK_MS))
        return 0;
    mdb_reader_check(d->env, NULL); /* as in disk_grow */
    mdb_reader_list(d->env, reader_seen, &held);
    code = held ? 0 : free_count(d, &pages);
    d->free = pages * d->page_bytes;
    d->free_ms = now_ms;
    return disk_error("looking for free pages", code);
}

static int disk_begin(struct disk *d)
{
    int err;

    if (d->error < 0 || d->write)
        return d->error;
    err = disk_look_for_room(d);
    if (err < 0)
        return disk_stick(d, err);
    return disk_stick(d, disk_error("begin", mdb_txn_begin(d->env, NULL, 0, &d->write)));
}

int disk_table(struct disk *d, const char *name, bool create, unsigned *ret_table)
{
    MDB_dbi table;
    int err = disk_begin(d), flags = create ? MDB_CREATE : 0;

    if (err < 0)
        return err;
    err = disk_error(name, mdb_dbi_open(d->write, name, flags, &table));
    if (err == 0)
        *ret_table = table;
    d->changed |= create;
    return err == ERR_AGAIN ? err : disk_stick(d, err);
}

static int disk_store(struct disk *d, unsigned table, uint64_t key, size_t size, int flags,
                      bool reserve, char **ret_room)
{
    char bytes[KEY_BYTES];
    MDB_val k = {KEY_BYTES, bytes}, v = {size, NULL};
    int err = disk_begin(d);

    number_put_key(bytes, key);
    if (err == 0 && reserve)
        err = disk_reserve(d, size);
    d->changed = true;
    if (err == 0)
        err = disk_error("storing", mdb_put(d->write, table, &k, &v, flags | MDB_RESERVE));
    if (err == 0)
        *ret_room = v.mv_data;
    return disk_stick(d, err);
}

int disk_append(struct disk *d, unsigned table, uint64_t key, size_t size, char **ret_room)
{
    return disk_store(d, table, key, size, MDB_APPEND, true, ret_room);
}

int disk_append_kept(struct disk *d, unsigned table, uint64_t key, size_t size, char **ret_room)
{
    d->staged += disk_cost(d, size);
    return disk_store(d, table, key, size, MDB_APPEND, false, ret_room);
}

int disk_put(struct disk *d, unsigned table, uint64_t key, size_t size, char **ret_room)
{
    return disk_store(d, table, key, size, 0, false, ret_room);
}

int disk_drop(struct disk *d, unsigned table, uint64_t key)
{
    char bytes[KEY_BYTES];
    MDB_val k = {KEY_BYTES, bytes};
    int err = disk_begin(d);

    number_put_key(bytes, key);
    if (err == 0)
        err = disk_error("drop", mdb_del(d->write, table, &k, NULL));
    if (err == ERR_AGAIN)
        return err;
    d->changed = true;
    return disk_stick(d, err);
}

bool disk_changed(const struct disk *d)
{
    return d->changed;
}

void disk_abort(struct disk *d)
{
    if (d->write)
        mdb_txn_abort(d->write);
    d->write = NULL;
    d->error = 0;
    d->changed = false;
    d->staged = 0;
}

/* For want of room a commit fails before it writes the page that makes it count.  Should that very
 * write have failed, nobody knows what is on disk, and LMDB refuses all further writing. */
static int disk_probe(struct disk *d)
{
    MDB_txn *txn;
    int code = mdb_txn_begin(d->env, NULL, 0, &txn);

    if (code == 0)
        mdb_txn_abort(txn);
    return code == 0 ? ERR_FULL : disk_error("after a failed commit", code);
}

int disk_commit(struct disk *d)
{
    struct turns before;
    int err = d->error, fd = disk_fd(d);

    if (err == 0 && d->write) {
        bool known = turns_read(fd, d->page_bytes, &before);
        int code = mdb_txn_commit(d->write);
        if (code == EIO && disk_check_free(fd, DISK_LAST) == ERR_FULL)
            code = ENOSPC; /* what LMDB says of a write that came to its end half way */
        if (code != 0 && known)
            turns_restore(fd, d->page_bytes, &before); /* before disk_error may end us */
        err = disk_error("commit", code);
        d->write = NULL; /* freed by LMDB in either case */
        if (err == ERR_FULL)
            err = disk_probe(d);
    }
    if (err == 0)
        d->free -= d->staged < d->free ? d->staged : d->free;
    if (err == 0 && d->changed) {
        d->empty = false;
        err = folder_mark(&d->folder);
    }
    disk_abort(d);
    return err;
}

/* ---- reading ---- */

int disk_read_begin(struct disk *d)
{
    assert(!d->read);
    return disk_error("read", mdb_txn_begin(d->env, NULL, MDB_RDONLY, &d->read));
}

void disk_read_end(struct disk *d)
{
    if (d->cursor)
        mdb_cursor_close(d->cursor);
    if (d->read)
        mdb_txn_abort(d->read);
    d->cursor = NULL;
    d->read = NULL;
}

static int disk_get(struct disk *d, MDB_cursor_op op, MDB_val *k, struct disk_item *ret)
{
    MDB_val v;
    int err = disk_error("read", mdb_cursor_get(d->cursor, k, &v, op));

    if (err < 0)
        return err;
    if (k->mv_size != KEY_BYTES || v.mv_size > VALUE_MOST)
        return ERR_CORRUPT;
    ret->key = number_get_key(k->mv_data);
    ret->value = slice_make(v.mv_data, v.mv_size);
    return 0;
}

int disk_at_or_after(struct disk *d, unsigned table, uint64_t key, struct disk_item *ret)
{
    char bytes[KEY_BYTES];
    MDB_val k = {KEY_BYTES, bytes};
    int err;

    if (d->cursor)
        mdb_cursor_close(d->cursor);
    d->cursor = NULL;
    err = disk_error("read", mdb_cursor_open(d->read, table, &d->cursor));
    number_put_key(bytes, key);
    return err < 0 ? err : disk_get(d, MDB_SET_RANGE, &k, ret);
}

int disk_at_or_before(struct disk *d, unsigned table, uint64_t key, struct disk_item *ret)
{
    MDB_val k;
    int err = disk_at_or_after(d, table, key, ret);

    if (err == 0 && ret->key > key)
        return disk_get(d, MDB_PREV, &k, ret);
    return err == ERR_AGAIN ? disk_get(d, MDB_LAST, &k, ret) : err;
}

int disk_next(struct disk *d, struct disk_item *ret)
{
    MDB_val k;

    return disk_get(d, MDB_NEXT, &k, ret);
}

/* ---- strips ---- */

/* In front of a long value its first page has its own number (page.h). */
int disk_strip_find(struct disk *d, unsigned table, uint64_t key, struct disk_strip *ret)
{
    char bytes[KEY_BYTES];
    MDB_val k = {KEY_BYTES, bytes}, v;
    struct stat file;
    uint64_t page;
    int err;

    number_put_key(bytes, key);
    err = disk_error("read", mdb_get(d->read, table, &k, &v));
    if (err < 0)
        return err;
    if (v.mv_size <= DISK_INSIDE)
        return ERR_CORRUPT;
    ret->fd = disk_fd(d);
    if (fstat(ret->fd, &file) < 0)
        return disk_error("measuring", errno);
    memcpy(&page, (const char *)v.mv_data - PAGE_HEAD, sizeof page);
    ret->place = page * d->page_bytes + PAGE_HEAD;
    ret->size = v.mv_size;
    return ret->place + v.mv_size > (uint64_t)file.st_size ? ERR_CORRUPT : 0;
}

int disk_strip_write(struct disk *d, uint64_t place, struct slice bytes)
{
    int fd = disk_fd(d);

    if (file_write_at(fd, place, bytes) < 0)
        return disk_error("writing ahead", errno);
    if (fdatasync(fd) == 0)
        return 0;
    log_error("journal: syncing: %m"); /* fatal whatever it is, want of room too */
    return ERR_IO;
}
