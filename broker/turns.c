/* LMDB's two pages that name the last commit; see turns.h. */
#include "broker/turns.h"

#include "proto/error.h"
#include "proto/log.h"

#include <unistd.h>

#define TRIES 20 /* a disk that fails once need not fail always */

bool turns_read(int fd, unsigned page_bytes, struct turns *ret)
{
    for (unsigned i = 0; i < 2; i++)
        if (pread(fd, ret->bytes[i], TURN_BYTES, (off_t)i * page_bytes) != TURN_BYTES)
            return false;
    return true;
}

/* Both, and anew for each try, even if they read as they should: after a sync that failed that says
 * nothing of what is on disk. */
static bool turns_write(int fd, unsigned page_bytes, const struct turns *t)
{
    for (unsigned i = 0; i < 2; i++)
        if (pwrite(fd, t->bytes[i], TURN_BYTES, (off_t)i * page_bytes) != TURN_BYTES)
            return false;
    return fdatasync(fd) == 0;
}

void turns_restore(int fd, unsigned page_bytes, const struct turns *before)
{
    unsigned tries = 0;

    while (tries < TRIES && !turns_write(fd, page_bytes, before))
        tries++;
    if (tries == TRIES)
        log_error("journal: the pages that name the last commit cannot be restored: %m");
}

int turns_settle(int fd, unsigned page_bytes)
{
    struct turns t;

    if (turns_read(fd, page_bytes, &t) && turns_write(fd, page_bytes, &t))
        return 0;
    log_error("journal: the pages that name the last commit cannot be written: %m");
    return ERR_IO;
}
