/* Small files; see file.h.  Written beside their place, synced, and then put there: by rename, or
 * by link where none may be there yet.  Then the folder is synced, which holds the name. */
#include "proto/file.h"

#include "proto/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PIECE 4096

/* Closes, and keeps what errno said before. */
static int fail_close(int fd)
{
    int saved = errno;

    close(fd);
    errno = saved;
    return ERR_IO;
}

int file_read(const char *path, size_t most, struct buffer *out, struct stat *ret_stat)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t limit = out->size + most;
    struct stat s;
    ssize_t n;

    if (fd < 0)
        return ERR_IO;
    if (fstat(fd, &s) < 0)
        return fail_close(fd);
    do {
        n = read(fd, buffer_room(out, PIECE), PIECE);
        if (n > 0)
            out->size += (size_t)n;
    } while (out->size <= limit && (n > 0 || (n < 0 && errno == EINTR)));
    if (n < 0)
        return fail_close(fd);
    close(fd);
    if (ret_stat)
        *ret_stat = s;
    return 0;
}

int file_write_at(int fd, uint64_t place, struct slice bytes)
{
    while (bytes.size) {
        ssize_t n = pwrite(fd, bytes.at, bytes.size, (off_t)place);
        if (n < 0 && errno != EINTR)
            return ERR_IO;
        if (n > 0) {
            bytes = slice_make(bytes.at + n, bytes.size - (size_t)n);
            place += (uint64_t)n;
        }
    }
    return 0;
}

void file_folder(const char *path, char *out, size_t size)
{
    const char *end = strrchr(path, '/');

    snprintf(out, size, "%.*s", end ? (int)(end == path ? 1 : end - path) : 1, end ? path : ".");
}

int file_sync_folder(const char *folder)
{
    int fd, r;

    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return ERR_IO;
    r = fsync(fd);
    if (r < 0)
        return fail_close(fd);
    close(fd);
    return 0;
}

static int file_place(const char *beside, const char *path, bool replace)
{
    if (replace)
        return rename(beside, path) < 0 ? ERR_IO : 0;
    if (link(beside, path) < 0)
        return errno == EEXIST ? ERR_CONFLICT : ERR_IO;
    unlink(beside);
    return 0;
}

/* What is not root's own alone was not made just now, and is not ours to give. */
static bool is_ours(const struct stat *s)
{
    return s->st_uid == 0 && (S_ISDIR(s->st_mode) || (S_ISREG(s->st_mode) && s->st_nlink == 1));
}

int file_give(int fd, const char *folder)
{
    struct stat s, is;

    if (geteuid() != 0)
        return 0;
    if (fstat(fd, &is) < 0 || stat(folder, &s) < 0)
        return ERR_IO;
    if (!is_ours(&is)) {
        errno = EPERM;
        return ERR_IO;
    }
    return fchown(fd, s.st_uid, s.st_gid) < 0 ? ERR_IO : 0;
}

/* To the folder's owner, or as the one before it was: that as far as we may. */
static int owner_set(int fd, const char *folder, const struct stat *as)
{
    if (!as)
        return file_give(fd, folder);
    return fchown(fd, as->st_uid, as->st_gid) < 0 && errno != EPERM ? ERR_IO : 0;
}

static int file_put(const char *path, struct slice text, mode_t mode, bool replace,
                    const struct stat *as)
{
    char *beside = NULL, folder[4096];
    int fd, r, saved;

    file_folder(path, folder, sizeof folder);
    if (asprintf(&beside, "%s.XXXXXX", path) < 0)
        abort();
    fd = mkostemp(beside, O_CLOEXEC);
    r = fd < 0 ? ERR_IO : file_write_at(fd, 0, text);
    if (r == 0 && (owner_set(fd, folder, as) < 0 || fchmod(fd, mode) < 0 || fsync(fd) < 0))
        r = ERR_IO;
    if (r == 0)
        r = file_place(beside, path, replace);
    saved = errno;
    if (r < 0 && fd >= 0)
        unlink(beside);
    if (fd >= 0)
        close(fd);
    free(beside);
    errno = saved;
    return r < 0 ? r : file_sync_folder(folder);
}

int file_write(const char *path, struct slice text, mode_t mode, bool replace)
{
    return file_put(path, text, mode, replace, NULL);
}

int file_change(const char *path, struct slice text, const struct stat *as)
{
    return file_put(path, text, as->st_mode & 0777, true, as);
}
