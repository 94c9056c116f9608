/* Puts the calls of tests/power.h in place of the C library's.  Included by exactly one file of a
 * program, outside of functions; an executable's own functions come before those of the shared
 * libraries it is linked with, also for those libraries. */
#ifndef TESTS_POWER_CALLS_H
#define TESTS_POWER_CALLS_H

#include <stdarg.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "tests/power.h"

int open(const char *path, int flags, ...)
{
    mode_t mode = 0;

    if (flags & (O_CREAT | O_TMPFILE)) {
        va_list args;
        va_start(args, flags);
        mode = va_arg(args, mode_t);
        va_end(args);
    }
    return power_do_open(path, flags, mode);
}

int close(int fd)
{
    return power_do_close(fd);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset)
{
    return power_do_pwrite(fd, bytes, size, offset);
}

ssize_t write(int fd, const void *bytes, size_t size)
{
    return power_do_write(fd, bytes, size);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    return power_do_writev(fd, parts, count);
}

int fsync(int fd)
{
    return power_do_fsync(fd);
}

int fdatasync(int fd)
{
    return power_do_fdatasync(fd);
}

int ftruncate(int fd, off_t size)
{
    return power_do_ftruncate(fd, size);
}

int fallocate(int fd, int mode, off_t offset, off_t size)
{
    return power_do_fallocate(fd, mode, offset, size);
}

int fstatvfs(int fd, struct statvfs *ret)
{
    return power_do_fstatvfs(fd, ret);
}

#endif
