/* Calls that fail on demand; see calls.h.  Pointers of the libraries are passed on as they are, so
 * that their headers are not needed here. */
#include "tests/calls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>

static const char *wanted;
static atomic_uint made, fails_at;
static int failure;

void calls_fail(const char *only, unsigned at, int code)
{
    fails_at = 0;
    wanted = only;
    failure = code;
    made = 0;
    fails_at = at;
}

bool calls_end(void)
{
    unsigned at = atomic_exchange(&fails_at, 0);

    return at > 0 && made >= at;
}

int calls_due(const char *name)
{
    unsigned at = fails_at;

    if (at == 0 || (wanted && strncmp(name, wanted, strlen(wanted)) != 0) || ++made != at)
        return 0;
    return failure;
}

static bool due(const char *name)
{
    int code = calls_due(name);

    if (code)
        errno = code;
    return code != 0;
}

#define SEAM(result, name, failed, parameters, arguments)                                          \
    result __real_##name parameters;                                                               \
    result __wrap_##name parameters;                                                               \
    result __wrap_##name parameters                                                                \
    {                                                                                              \
        if (due(#name))                                                                            \
            return failed;                                                                         \
        return __real_##name arguments;                                                            \
    }

/* ---- the C library ---- */

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);

int __wrap_open(const char *path, int flags, ...)
{
    va_list args;
    mode_t mode;

    va_start(args, flags);
    mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
    va_end(args);
    return due("open") ? -1 : __real_open(path, flags, mode);
}

/* What read becomes where the compiler knows the room. */
ssize_t __real___read_chk(int fd, void *to, size_t size, size_t room);
ssize_t __wrap___read_chk(int fd, void *to, size_t size, size_t room);

ssize_t __wrap___read_chk(int fd, void *to, size_t size, size_t room)
{
    return due("read") ? -1 : __real___read_chk(fd, to, size, room);
}

SEAM(ssize_t, read, -1, (int fd, void *to, size_t size), (fd, to, size))
SEAM(ssize_t, write, -1, (int fd, const void *from, size_t size), (fd, from, size))
SEAM(ssize_t, pwrite, -1, (int fd, const void *from, size_t size, off_t at), (fd, from, size, at))
SEAM(ssize_t, send, -1, (int fd, const void *from, size_t size, int flags), (fd, from, size, flags))
SEAM(int, fsync, -1, (int fd), (fd))
SEAM(int, fdatasync, -1, (int fd), (fd))
SEAM(int, fallocate, -1, (int fd, int mode, off_t at, off_t size), (fd, mode, at, size))
SEAM(int, fstat, -1, (int fd, struct stat *to), (fd, to))
SEAM(int, stat, -1, (const char *path, struct stat *to), (path, to))
SEAM(int, fstatvfs, -1, (int fd, struct statvfs *to), (fd, to))
SEAM(int, fchmod, -1, (int fd, mode_t mode), (fd, mode))
SEAM(int, fchown, -1, (int fd, uid_t user, gid_t group), (fd, user, group))
SEAM(int, flock, -1, (int fd, int how), (fd, how))
SEAM(int, mkostemp, -1, (char *path, int flags), (path, flags))
SEAM(int, mkdir, -1, (const char *path, mode_t mode), (path, mode))
SEAM(int, rename, -1, (const char *from, const char *to), (from, to))
SEAM(int, link, -1, (const char *from, const char *to), (from, to))
SEAM(int, unlink, -1, (const char *path), (path))
SEAM(void *, opendir, NULL, (const char *path), (path))
SEAM(int, pthread_create, EAGAIN, (void *thread, const void *how, void *(*run)(void *), void *arg),
     (thread, how, run, arg))

#define BLOCK 4096
#define PIECE 65536

static off_t lost_from, lost_to;

void calls_lose(off_t from, off_t size)
{
    lost_from = from;
    lost_to = from + size;
}

ssize_t __real_pread(int fd, void *to, size_t size, off_t at);
ssize_t __wrap_pread(int fd, void *to, size_t size, off_t at);

/* What stands before the lost bytes is given back, as the kernel does; of a large request not what
 * it has in memory in one piece with them. */
ssize_t __wrap_pread(int fd, void *to, size_t size, off_t at)
{
    off_t from = size > BLOCK ? lost_from - lost_from % PIECE : lost_from;

    if (due("pread"))
        return -1;
    if (at >= from && at < lost_to) {
        errno = EIO;
        return -1;
    }
    if (lost_to > 0 && at < from && at + (off_t)size > from)
        size = (size_t)(from - at);
    return __real_pread(fd, to, size, at);
}

/* ---- ZeroMQ ---- */

SEAM(void *, zmq_ctx_new, NULL, (void), ())
SEAM(int, zmq_ctx_term, -1, (void *context), (context))
SEAM(void *, zmq_socket, NULL, (void *context, int type), (context, type))
SEAM(int, zmq_bind, -1, (void *socket, const char *to), (socket, to))
SEAM(int, zmq_connect, -1, (void *socket, const char *to), (socket, to))
SEAM(int, zmq_socket_monitor, -1, (void *socket, const char *at, int events), (socket, at, events))
SEAM(int, zmq_getsockopt, -1, (void *socket, int option, void *to, size_t *size),
     (socket, option, to, size))
SEAM(int, zmq_msg_send, -1, (void *message, void *socket, int flags), (message, socket, flags))
SEAM(int, zmq_msg_recv, -1, (void *message, void *socket, int flags), (message, socket, flags))
SEAM(int, zmq_poll, -1, (void *items, int count, long timeout), (items, count, timeout))
SEAM(int, zmq_has, 0, (const char *what), (what))
SEAM(int, zmq_curve_keypair, -1, (char *public, char *secret), (public, secret))
SEAM(int, zmq_curve_public, -1, (char *public, const char *secret), (public, secret))

/* ---- LMDB ---- */

SEAM(int, mdb_env_create, failure, (void *env), (env))
SEAM(int, mdb_env_set_maxdbs, failure, (void *env, unsigned count), (env, count))
SEAM(int, mdb_env_set_mapsize, failure, (void *env, size_t size), (env, size))
SEAM(int, mdb_env_set_assert, failure, (void *env, void *told), (env, told))
SEAM(int, mdb_env_open, failure, (void *env, const char *path, unsigned flags, mode_t mode),
     (env, path, flags, mode))
SEAM(int, mdb_env_get_fd, failure, (void *env, int *fd), (env, fd))
SEAM(int, mdb_env_stat, failure, (void *env, void *to), (env, to))
SEAM(int, mdb_env_copyfd2, failure, (void *env, int fd, unsigned flags), (env, fd, flags))
SEAM(int, mdb_reader_check, failure, (void *env, int *dead), (env, dead))
SEAM(int, mdb_txn_begin, failure, (void *env, void *parent, unsigned flags, void *to),
     (env, parent, flags, to))
SEAM(int, mdb_dbi_open, failure, (void *txn, const char *name, unsigned flags, unsigned *to),
     (txn, name, flags, to))
SEAM(int, mdb_put, failure, (void *txn, unsigned table, void *key, void *value, unsigned flags),
     (txn, table, key, value, flags))
SEAM(int, mdb_get, failure, (void *txn, unsigned table, void *key, void *value),
     (txn, table, key, value))
SEAM(int, mdb_del, failure, (void *txn, unsigned table, void *key, void *value),
     (txn, table, key, value))
SEAM(int, mdb_drop, failure, (void *txn, unsigned table, int delete), (txn, table, delete))
SEAM(int, mdb_stat, failure, (void *txn, unsigned table, void *to), (txn, table, to))
SEAM(int, mdb_cursor_open, failure, (void *txn, unsigned table, void *to), (txn, table, to))
SEAM(int, mdb_cursor_get, failure, (void *cursor, void *key, void *value, int how),
     (cursor, key, value, how))

/* ---- ours: the session with a broker ---- */

SEAM(int, reader_receive, failure, (void *r, int fd, int timeout_ms, void *to, void *payload),
     (r, fd, timeout_ms, to, payload))
