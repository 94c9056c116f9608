/* fault.so: makes the process it is loaded into suffer as its plan says; see fault.h.
 *
 * Each function here stands before the C library's of the same name, counts the call, and then
 * kills, fails or passes on.  Files are regular files; sockets and eventfds are only counted and
 * killed at.  Without a plan all calls pass.
 *
 * Not seen are the C library's own writes (stdio) and what a program does by bare system calls. */
#include "tests/fault/fault.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static struct fault_plan *plan;

/* The next one of that name: the C library's, or a sanitizer's. */
#define REAL(name) ((__typeof__(&name))real_function(&real_##name, #name))

static void *real_function(void **known, const char *name)
{
    if (!*known)
        *known = dlsym(RTLD_NEXT, name);
    return *known;
}

__attribute__((constructor)) static void plan_open(void)
{
    const char *path = getenv("FAULT_PLAN");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *at;

    if (fd < 0)
        return;
    at = mmap(NULL, sizeof *plan, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (at != MAP_FAILED)
        plan = at;
}

/* ---- killing ---- */

static void die(void)
{
    plan->hits++;
    syscall(SYS_kill, getpid(), SIGKILL);
    for (;;)
        pause(); /* until the signal has come */
}

/* Counts a call, and dies before it if that is the plan.  True: to die once it has returned. */
static bool call_begins(int fd)
{
    int64_t number;

    if (!plan || fd == STDERR_FILENO)
        return false;
    number = ++plan->calls;
    if (number != plan->kill_at)
        return false;
    if (!plan->kill_after)
        die();
    return true;
}

static void call_ended(bool dies)
{
    if (dies)
        die();
}

/* The call between the two, whose value the function returns with the errno it left. */
#define CALL(fd, expression)                                                                       \
    do {                                                                                           \
        bool dies = call_begins(fd);                                                               \
        __typeof__(expression) value = expression;                                                 \
        call_ended(dies);                                                                          \
        return value;                                                                              \
    } while (0)

/* ---- failing ---- */

static bool is_file(int fd)
{
    struct stat s;

    return fd > STDERR_FILENO && fstat(fd, &s) == 0 && S_ISREG(s.st_mode);
}

static bool syncs_itself(int fd)
{
    return fcntl(fd, F_GETFL) & (O_SYNC | O_DSYNC);
}

/* What a write to the file is to fail with; 0: with nothing. */
static int write_error(int fd)
{
    int code;

    if (!plan || !(plan->write_errno || plan->dsync_errno) || !is_file(fd))
        return 0;
    code = (int)plan->write_errno;
    if (!code && syncs_itself(fd))
        code = (int)plan->dsync_errno;
    if (code)
        plan->hits++;
    return code;
}

static int sync_error(int fd)
{
    int code = plan && is_file(fd) ? (int)plan->sync_errno : 0;

    if (code)
        plan->hits++;
    return code;
}

static size_t write_size(int fd, size_t size)
{
    if (!plan || !plan->write_short || size < 2 || !is_file(fd))
        return size;
    plan->hits++;
    return size / 2;
}

static int fail(int code)
{
    errno = code;
    return -1;
}

/* ---- writing ---- */

static void *real_write, *real_pwrite, *real_pwrite64, *real_writev, *real_pwritev, *real_pwritev64;

ssize_t write(int fd, const void *bytes, size_t size)
{
    int code = write_error(fd);

    CALL(fd, code ? fail(code) : REAL(write)(fd, bytes, write_size(fd, size)));
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at)
{
    int code = write_error(fd);

    CALL(fd, code ? fail(code) : REAL(pwrite)(fd, bytes, write_size(fd, size), at));
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t at)
{
    int code = write_error(fd);

    CALL(fd, code ? fail(code) : REAL(pwrite64)(fd, bytes, write_size(fd, size), at));
}

/* A short one is the first half of the parts. */
static int parts(int fd, int count)
{
    return (int)write_size(fd, (size_t)count);
}

ssize_t writev(int fd, const struct iovec *part, int count)
{
    int code = write_error(fd);

    CALL(fd, code ? fail(code) : REAL(writev)(fd, part, parts(fd, count)));
}

ssize_t pwritev(int fd, const struct iovec *part, int count, off_t at)
{
    int code = write_error(fd);

    CALL(fd, code ? fail(code) : REAL(pwritev)(fd, part, parts(fd, count), at));
}

ssize_t pwritev64(int fd, const struct iovec *part, int count, off64_t at)
{
    int code = write_error(fd);

    CALL(fd, code ? fail(code) : REAL(pwritev64)(fd, part, parts(fd, count), at));
}

/* ---- growing and syncing ---- */

static void *real_ftruncate, *real_ftruncate64, *real_fallocate, *real_fallocate64, *real_fsync,
    *real_fdatasync, *real_msync;

int ftruncate(int fd, off_t size)
{
    int code = write_error(fd);

    CALL(fd, code ? fail(code) : REAL(ftruncate)(fd, size));
}

int ftruncate64(int fd, off64_t size)
{
    int code = write_error(fd);

    CALL(fd, code ? fail(code) : REAL(ftruncate64)(fd, size));
}

int fallocate(int fd, int mode, off_t at, off_t size)
{
    int code = write_error(fd);

    CALL(fd, code ? fail(code) : REAL(fallocate)(fd, mode, at, size));
}

int fallocate64(int fd, int mode, off64_t at, off64_t size)
{
    int code = write_error(fd);

    CALL(fd, code ? fail(code) : REAL(fallocate64)(fd, mode, at, size));
}

int fsync(int fd)
{
    int code = sync_error(fd);

    CALL(fd, code ? fail(code) : REAL(fsync)(fd));
}

int fdatasync(int fd)
{
    int code = sync_error(fd);

    CALL(fd, code ? fail(code) : REAL(fdatasync)(fd));
}

int msync(void *at, size_t size, int flags)
{
    CALL(-1, REAL(msync)(at, size, flags));
}

/* ---- sending and receiving ---- */

static void *real_send, *real_sendto, *real_sendmsg, *real_recv, *real_recvfrom, *real_recvmsg,
    *real_read, *real___read_chk, *real___recv_chk;

ssize_t __read_chk(int fd, void *bytes, size_t size, size_t room);
ssize_t __recv_chk(int fd, void *bytes, size_t size, size_t room, int flags);

ssize_t send(int fd, const void *bytes, size_t size, int flags)
{
    CALL(fd, REAL(send)(fd, bytes, size, flags));
}

ssize_t sendto(int fd, const void *bytes, size_t size, int flags, const struct sockaddr *to,
               socklen_t length)
{
    CALL(fd, REAL(sendto)(fd, bytes, size, flags, to, length));
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    CALL(fd, REAL(sendmsg)(fd, message, flags));
}

ssize_t recv(int fd, void *bytes, size_t size, int flags)
{
    CALL(fd, REAL(recv)(fd, bytes, size, flags));
}

ssize_t recvfrom(int fd, void *bytes, size_t size, int flags, struct sockaddr *from,
                 socklen_t *length)
{
    CALL(fd, REAL(recvfrom)(fd, bytes, size, flags, from, length));
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    CALL(fd, REAL(recvmsg)(fd, message, flags));
}

ssize_t read(int fd, void *bytes, size_t size)
{
    CALL(fd, REAL(read)(fd, bytes, size));
}

ssize_t __read_chk(int fd, void *bytes, size_t size, size_t room)
{
    CALL(fd, REAL(__read_chk)(fd, bytes, size, room));
}

ssize_t __recv_chk(int fd, void *bytes, size_t size, size_t room, int flags)
{
    CALL(fd, REAL(__recv_chk)(fd, bytes, size, room, flags));
}

/* ---- memory: what dlsym itself needs while malloc is looked for comes from a small store ---- */

static void *real_malloc, *real_calloc, *real_realloc, *real_free;
static char early[65536] __attribute__((aligned(16)));
static size_t early_used;
static bool looking;

static void *early_take(size_t size)
{
    void *at = early + early_used;

    early_used += (size + 15) / 16 * 16;
    if (early_used > sizeof early)
        abort();
    return at; /* zeros: nothing is ever taken twice */
}

static bool is_early(const void *at)
{
    return (const char *)at >= early && (const char *)at < early + sizeof early;
}

static void memory_find(void)
{
    if (real_free)
        return;
    looking = true;
    REAL(malloc);
    REAL(calloc);
    REAL(realloc);
    REAL(free);
    looking = false;
}

static bool allocation_fails(void)
{
    if (!plan || ++plan->allocations != plan->fail_at)
        return false;
    plan->hits++;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t size)
{
    if (looking)
        return early_take(size);
    memory_find();
    return allocation_fails() ? NULL : REAL(malloc)(size);
}

void *calloc(size_t count, size_t size)
{
    if (looking)
        return early_take(count * size);
    memory_find();
    return allocation_fails() ? NULL : REAL(calloc)(count, size);
}

void *realloc(void *old, size_t size)
{
    void *at;

    memory_find();
    if (allocation_fails())
        return NULL;
    if (!is_early(old))
        return REAL(realloc)(old, size);
    at = REAL(malloc)(size);
    if (at)
        memcpy(at, old, size); /* what lies behind it is ours too */
    return at;
}

void free(void *at)
{
    memory_find();
    if (!is_early(at))
        REAL(free)(at);
}
