/* Root as a folder's owner; see owner.h.  Only the effective user changes: the real one stays root,
 * so that the owner can neither trace nor signal the process meanwhile.
 *
 * What can fail: the folder is not there, or we may not change who we are. */
#include "workers/cli/owner.h"

#include "proto/bytes.h"
#include "proto/error.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Without slashes at the end, behind which a link would be followed; free it. */
static char *name_of(const char *folder)
{
    size_t size = strlen(folder);
    char *name;

    while (size > 1 && folder[size - 1] == '/')
        size--;
    name = memory_need(size + 1);
    memcpy(name, folder, size);
    name[size] = '\0';
    return name;
}

/* A link belongs to whoever says where it leads; root's own is followed. */
static int owner_find(const char *folder, struct stat *ret)
{
    char *name = name_of(folder);
    int fd = open(name, O_PATH | O_NOFOLLOW | O_CLOEXEC), saved;
    int err = fd < 0 || fstat(fd, ret) < 0 ? ERR_IO : 0;

    if (err == 0 && S_ISLNK(ret->st_mode) && ret->st_uid == 0)
        err = stat(name, ret) < 0 ? ERR_IO : 0;
    saved = errno;
    if (fd >= 0)
        close(fd);
    free(name);
    errno = saved;
    return err;
}

int owner_become(const char *folder)
{
    struct stat s;

    if (geteuid() != 0)
        return 0;
    if (owner_find(folder, &s) < 0)
        return ERR_IO;
    if (s.st_uid == 0)
        return 0;
    if (setgroups(0, NULL) < 0 || setegid(s.st_gid) < 0 || seteuid(s.st_uid) < 0)
        return ERR_IO;
    return 0;
}

int owner_return(void)
{
    if (getuid() != 0)
        return 0;
    return seteuid(0) < 0 || setegid(0) < 0 ? ERR_IO : 0;
}
