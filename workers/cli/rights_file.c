/* The rights file, changed; see rights_file.h.  The lock lies beside the file, so that whoever
 * changes it by another folder's --dir waits, too.
 *
 * What can fail: the file says what makes no sense, a link leads nowhere, the disk. */
#include "workers/cli/rights_file.h"

#include "proto/error.h"
#include "proto/file.h"
#include "workers/cli/owner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

static int fail(const char *what, char *ret_error, size_t error_size)
{
    snprintf(ret_error, error_size, "%s: %s", what, strerror(errno));
    return ERR_CONFIG;
}

/* Free it. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    int size = !slash || slash == path ? 1 : (int)(slash - path);
    char *folder = NULL;

    if (asprintf(&folder, "%.*s", size, slash ? path : ".") < 0)
        abort();
    return folder;
}

/* The rights of the owner of the folder that was named; if that is root, of the one where the file
 * really is.  Never the other way: a link of the owner's must not lead back to root's rights. */
static int owner_take(const struct rights_file *f)
{
    char *folder = folder_of(f->path);
    int err = owner_return() < 0 || owner_become(f->folder) < 0 || owner_become(folder) < 0;

    free(folder);
    return err ? ERR_IO : 0;
}

/* A change must not put a file where a link is. */
static int path_find(struct rights_file *f, const char *path)
{
    struct stat s;

    f->path = realpath(path, NULL);
    if (f->path)
        return 0;
    if (errno != ENOENT || (lstat(path, &s) == 0 && (errno = ENOENT)))
        return ERR_IO;
    f->path = strdup(path);
    if (!f->path)
        abort();
    return 0;
}

static int lock_take(struct rights_file *f, char *ret_error, size_t error_size)
{
    char *folder = folder_of(f->path), *path = NULL;
    int err = 0;

    if (asprintf(&path, "%s/.rights.lock", folder) < 0)
        abort();
    f->lock = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (f->lock < 0 || flock(f->lock, LOCK_EX) < 0)
        err = fail(path, ret_error, error_size);
    free(path);
    free(folder);
    return err;
}

static int text_take(struct rights_file *f, char *ret_error, size_t error_size)
{
    f->found = file_read(f->path, RIGHTS_MAX_BYTES, &f->text, &f->is) == 0;
    if (!f->found && errno != ENOENT)
        return fail(f->path, ret_error, error_size);
    rights_parse(buffer_slice(&f->text), &f->rights, f->fault, sizeof f->fault);
    return 0;
}

int rights_file_open(struct rights_file *f, const char *path, bool change, char *ret_error,
                     size_t error_size)
{
    int err = 0;

    *f = (struct rights_file){.folder = folder_of(path), .lock = -1};
    if (owner_become(f->folder) < 0)
        return fail(f->folder, ret_error, error_size);
    if (path_find(f, path) < 0 || owner_take(f) < 0)
        return fail(path, ret_error, error_size);
    if (change)
        err = lock_take(f, ret_error, error_size);
    return err < 0 ? err : text_take(f, ret_error, error_size);
}

int rights_file_write(struct rights_file *f, struct slice text, mode_t mode, char *ret_error,
                      size_t error_size)
{
    struct rights *check = NULL;
    int err = f->rights ? rights_parse(text, &check, ret_error, error_size) : 0;

    if (err < 0)
        return err;
    rights_free(check);
    err = owner_take(f);
    if (err == 0)
        err = f->found ? file_change(f->path, text, &f->is) : file_write(f->path, text, mode, true);
    return err < 0 ? fail(f->path, ret_error, error_size) : 0;
}

void rights_file_close(struct rights_file *f)
{
    if (f->lock >= 0)
        close(f->lock);
    rights_free(f->rights);
    buffer_free(&f->text);
    free(f->path);
    free(f->folder);
}
