/* Power; see power.h.  The real calls are made by syscall(), as the C library's names are ours. */
#include "tests/power.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#define MAX_FD 4096

enum watch { WATCH_NONE, WATCH_FILE, WATCH_DSYNC, WATCH_FOLDER };

struct write {
    uint64_t offset;
    size_t at, size; /* in `bytes` */
};

static struct {
    const char *path_end;
    bool known; /* `disk` is what is on disk */
    bool sparse;
    unsigned char watch[MAX_FD];
    struct buffer disk;  /* as of the last sync, without the zeros behind the last write */
    struct buffer bytes; /* of the writes since */
    struct write *writes;
    size_t count, room;
    power_fault_fn fault;
    void *fault_arg;
    struct random *random;
} power;

static void give_up(const char *what)
{
    fprintf(stderr, "power: %s: %m\n", what);
    abort();
}

static void writes_clear(void)
{
    power.count = 0;
    buffer_clear(&power.bytes);
}

void power_watch(const char *path_end)
{
    power.path_end = path_end;
    power.known = false;
    writes_clear();
    buffer_clear(&power.disk);
    memset(power.watch, WATCH_NONE, sizeof power.watch);
}

void power_faults(power_fault_fn fault, void *arg, struct random *r)
{
    power.fault = fault;
    power.fault_arg = arg;
    power.random = r;
}

void power_sparse(bool sparse)
{
    power.sparse = sparse;
}

size_t power_unsynced(void)
{
    return power.count;
}

struct power_write power_write_at(size_t i)
{
    const struct write *w = &power.writes[i];

    return (struct power_write){w->offset, slice_make(power.bytes.at + w->at, w->size)};
}

size_t power_sectors(const struct power_write *w)
{
    if (w->bytes.size == 0)
        return 0;
    return (size_t)((w->offset + w->bytes.size - 1) / POWER_SECTOR - w->offset / POWER_SECTOR + 1);
}

/* ---- images ---- */
static void image_put(struct buffer *image, uint64_t offset, struct slice bytes)
{
    uint64_t end = offset + bytes.size;

    if (end > image->size) {
        size_t more = (size_t)(end - image->size);
        memset(buffer_room(image, more), 0, more);
        image->size = (size_t)end;
    }
    memcpy(image->at + offset, bytes.at, bytes.size);
}

/* The part of a write that lies in one of its sectors. */
static struct power_write sector_of(const struct power_write *w, size_t sector)
{
    uint64_t first = (w->offset / POWER_SECTOR + sector) * POWER_SECTOR;
    uint64_t from = first > w->offset ? first : w->offset;
    uint64_t end = w->offset + w->bytes.size, to = first + POWER_SECTOR;

    to = to < end ? to : end;
    return (struct power_write){from,
                                slice_make(w->bytes.at + (from - w->offset), (size_t)(to - from))};
}

void power_image(power_keep_fn keep, void *arg, struct buffer *ret)
{
    buffer_clear(ret);
    buffer_add_slice(ret, buffer_slice(&power.disk));
    for (size_t i = 0; i < power.count; i++) {
        struct power_write w = power_write_at(i);
        for (size_t s = 0; s < power_sectors(&w); s++)
            if (keep(arg, i, s)) {
                struct power_write part = sector_of(&w, s);
                image_put(ret, part.offset, part.bytes);
            }
    }
}

struct chance {
    struct random *random;
    size_t write;
    unsigned percent; /* of its sectors */
};

static bool keep_by_chance(void *arg, size_t i, size_t sector)
{
    static const unsigned percents[] = {0, 50, 100};
    struct chance *c = arg;

    (void)sector;
    if (c->write != i) {
        c->write = i;
        c->percent = percents[random_below(c->random, 3)];
    }
    return random_percent(c->random, c->percent);
}

void power_image_random(struct random *r, struct buffer *ret)
{
    struct chance c = {r, SIZE_MAX, 0};

    power_image(keep_by_chance, &c, ret);
}

static void write_all(int fd, struct slice bytes)
{
    for (size_t done = 0; done < bytes.size;) {
        long n = syscall(SYS_pwrite64, fd, bytes.at + done, bytes.size - done, (off_t)done);
        if (n < 0)
            give_up("cannot write an image");
        done += (size_t)n;
    }
}

void power_install(const char *path, struct slice image)
{
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0 || syscall(SYS_ftruncate, fd, (off_t)0) < 0)
        give_up(path);
    write_all(fd, image);
    syscall(SYS_close, fd);
    writes_clear();
    if (image.at != power.disk.at) {
        buffer_clear(&power.disk);
        buffer_add_slice(&power.disk, image);
    }
    power.known = true;
}

/* ---- what is on disk ---- */
static void disk_read(int fd)
{
    off_t size = syscall(SYS_lseek, fd, (off_t)0, SEEK_END);

    power.known = true;
    syscall(SYS_lseek, fd, (off_t)0, SEEK_SET);
    buffer_clear(&power.disk);
    for (off_t at = 0; at < size;) {
        long n = syscall(SYS_pread64, fd, buffer_room(&power.disk, (size_t)(size - at)),
                         (size_t)(size - at), at);
        if (n <= 0)
            give_up("cannot read the file");
        power.disk.size += (size_t)n;
        at += n;
    }
}

/* One that is on disk when it returns; what was written before to the same place goes with it. */
static void disk_write(struct power_write now)
{
    for (size_t i = 0; i < power.count; i++) {
        struct power_write w = power_write_at(i);
        if (w.offset < now.offset + now.bytes.size && now.offset < w.offset + w.bytes.size) {
            image_put(&power.disk, w.offset, w.bytes);
            power.writes[i].size = 0;
        }
    }
    image_put(&power.disk, now.offset, now.bytes);
}

static void disk_sync(void)
{
    for (size_t i = 0; i < power.count; i++) {
        struct power_write w = power_write_at(i);
        if (w.bytes.size)
            image_put(&power.disk, w.offset, w.bytes);
    }
    writes_clear();
}

/* As Linux does it: pages that could not be written count as clean from then on. */
static void disk_sync_fail(void)
{
    struct buffer image = {0};

    if (!power.random)
        return;
    power_image_random(power.random, &image);
    buffer_free(&power.disk);
    power.disk = image;
    writes_clear();
}

static void write_note(int fd, uint64_t offset, struct slice bytes, bool failed)
{
    if (bytes.size == 0)
        return;
    if (power.watch[fd] == WATCH_DSYNC && !failed) {
        disk_write((struct power_write){offset, bytes});
        return;
    }
    if (power.count == power.room) {
        power.room = power.room ? power.room * 2 : 64;
        power.writes = memory_grow(power.writes, power.room * sizeof *power.writes);
    }
    power.writes[power.count++] = (struct write){offset, power.bytes.size, bytes.size};
    buffer_add_slice(&power.bytes, bytes);
}

/* ---- the calls ---- */
static bool ends_with(const char *text, const char *end, size_t size)
{
    size_t n = strlen(text);

    return n >= size && memcmp(text + n - size, end, size) == 0;
}

/* The file, or the folder it is in. */
static enum watch watch_of(const char *path, int flags)
{
    if (!power.path_end)
        return WATCH_NONE;
    if (ends_with(path, power.path_end, strlen(power.path_end)))
        return (flags & O_DSYNC) == O_DSYNC ? WATCH_DSYNC : WATCH_FILE;
    return flags & O_DIRECTORY ? WATCH_FOLDER : WATCH_NONE;
}

static enum watch watched(int fd)
{
    return fd >= 0 && fd < MAX_FD ? power.watch[fd] : WATCH_NONE;
}

static struct power_fault fault_of(enum power_call call, size_t size)
{
    struct power_fault none = {0, size};

    return power.fault ? power.fault(power.fault_arg, call, size) : none;
}

int power_do_open(const char *path, int flags, mode_t mode)
{
    enum watch watch = watch_of(path, flags);
    int fd, error = watch ? fault_of(POWER_OPEN, 0).error : 0;

    if (error) {
        errno = error;
        return -1;
    }
    fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    if (fd >= 0 && fd < MAX_FD)
        power.watch[fd] = watch;
    if (fd >= 0 && watch == WATCH_FILE && !power.known)
        disk_read(fd);
    return fd;
}

int power_do_close(int fd)
{
    if (fd >= 0 && fd < MAX_FD)
        power.watch[fd] = WATCH_NONE;
    return (int)syscall(SYS_close, fd);
}

ssize_t power_do_pwrite(int fd, const void *bytes, size_t size, off_t offset)
{
    struct power_fault f;
    long n;

    if (watched(fd) != WATCH_FILE && watched(fd) != WATCH_DSYNC)
        return syscall(SYS_pwrite64, fd, bytes, size, offset);
    f = fault_of(POWER_WRITE, size);
    if (f.error == 0 || f.most > 0) {
        n = syscall(SYS_pwrite64, fd, bytes, f.most < size ? f.most : size, offset);
        if (n < 0)
            give_up("cannot write");
        write_note(fd, (uint64_t)offset, slice_make(bytes, (size_t)n), f.error != 0);
    } else {
        n = 0;
    }
    errno = f.error;
    return f.error ? -1 : n;
}

ssize_t power_do_write(int fd, const void *bytes, size_t size)
{
    struct iovec one = {(void *)(uintptr_t)bytes, size};

    return watched(fd) ? power_do_writev(fd, &one, 1) : syscall(SYS_write, fd, bytes, size);
}

ssize_t power_do_writev(int fd, const struct iovec *parts, int count)
{
    static struct buffer all;
    off_t offset;
    ssize_t n;

    if (!watched(fd))
        return syscall(SYS_writev, fd, parts, count);
    offset = syscall(SYS_lseek, fd, (off_t)0, SEEK_CUR);
    buffer_clear(&all);
    for (int i = 0; i < count; i++)
        buffer_add(&all, parts[i].iov_base, parts[i].iov_len);
    n = power_do_pwrite(fd, all.at, all.size, offset);
    if (n > 0)
        syscall(SYS_lseek, fd, offset + n, SEEK_SET);
    return n;
}

/* The real one is left out: the file lives no longer than the test. */
static int sync_watched(int fd)
{
    struct power_fault f = fault_of(POWER_SYNC, 0);

    if (f.error) {
        if (watched(fd) != WATCH_FOLDER)
            disk_sync_fail();
        errno = f.error;
        return -1;
    }
    if (watched(fd) != WATCH_FOLDER)
        disk_sync();
    return 0;
}

int power_do_fsync(int fd)
{
    return watched(fd) ? sync_watched(fd) : (int)syscall(SYS_fsync, fd);
}

int power_do_fdatasync(int fd)
{
    return watched(fd) ? sync_watched(fd) : (int)syscall(SYS_fdatasync, fd);
}

int power_do_ftruncate(int fd, off_t size)
{
    int error = watched(fd) ? fault_of(POWER_GROW, 0).error : 0;

    errno = error;
    return error ? -1 : (int)syscall(SYS_ftruncate, fd, size);
}

int power_do_fallocate(int fd, int mode, off_t offset, off_t size)
{
    int error = watched(fd) ? fault_of(POWER_GROW, 0).error : 0;

    errno = error;
    if (error)
        return -1;
    return (int)(watched(fd) && power.sparse ? syscall(SYS_ftruncate, fd, offset + size)
                                             : syscall(SYS_fallocate, fd, mode, offset, size));
}

int power_do_fstatvfs(int fd, struct statvfs *ret)
{
    bool full = watched(fd) && fault_of(POWER_SPACE, 0).error;
    struct statfs s = {.f_bsize = 4096, .f_bavail = full ? 0 : 1 << 30};

    if (!watched(fd) && syscall(SYS_fstatfs, fd, &s) < 0)
        return -1;
    *ret = (struct statvfs){.f_bsize = (unsigned long)s.f_bsize,
                            .f_frsize = (unsigned long)s.f_bsize,
                            .f_blocks = s.f_blocks,
                            .f_bavail = s.f_bavail,
                            .f_bfree = s.f_bfree};
    return 0;
}
