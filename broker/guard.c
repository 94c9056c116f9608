/* The guard; see guard.h.  Happy path: look, find nothing, sleep.
 *
 * A connection is known by its descriptor and the inode of its socket, which no two have at the
 * same time.  Between looking and cutting another connection may have got the descriptor: then that
 * one is cut, and comes again.  What is no socket cannot be shut down. */
#include "broker/guard.h"

#include "broker/mapped.h"
#include "proto/clock.h"
#include "proto/error.h"
#include "proto/log.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define AGAIN_MS 1000 /* for a cut to help, unless memory grows */
#define LAST_MS  2000 /* above the limit for so long: then all are cut */

/* Less than this is no endless message: with frames of one byte, which cost libzmq the most, it
 * holds 2 MiB. */
#define ENDLESS_LEAST ((uint64_t)64 * 1024)

struct connection {
    uint64_t number; /* 0: no connection has this descriptor */
    int64_t since_ms;
};

/* Resident bytes. */
struct memory {
    uint64_t own, shared; /* nobody else's; of files */
};

struct guard {
    struct guard_config config;
    uint64_t code;       /* of the bytes of files, those that are always there */
    _Atomic bool mapped; /* many more are */
    pthread_t thread;
    pthread_mutex_t lock; /* of all that follows */
    pthread_cond_t wake;
    bool stop;
    struct connection list[GUARD_DESCRIPTORS]; /* by descriptor */
    bool open[GUARD_DESCRIPTORS];              /* at the last look */
    DIR *files; /* both stay open: there may be no descriptor left when they are needed most */
    int statm;
    struct guard_counts counts;
    /* While memory is above its limit: */
    bool high;
    int64_t high_ms;    /* since when, or since all were cut */
    uint64_t cut_bytes; /* at the last cut */
    int64_t cut_ms;
    struct log_rate silent_rate, memory_rate;
};

/* ---- accepting ---- */

/* accept4 is ours in this program, as what libzmq accepts is looked at only GUARD_MS later, and
 * libzmq 4.3.4 ends the process when it accepts on a local socket and there is no descriptor left
 * (ipc_listener.cpp).  Descriptors are given out from the smallest on.  From `accept_room` on the
 * oldest connection without a session makes room for the newcomer; from `accept_most` on the
 * newcomer is closed at once.  Each gets a number, by which a descriptor used again is known. */
static _Atomic int accept_room = INT_MAX, accept_most = INT_MAX;
static _Atomic uint64_t accepted_last, accepted[GUARD_DESCRIPTORS];
static _Atomic bool greeted[GUARD_DESCRIPTORS], cut[GUARD_DESCRIPTORS];
static _Atomic bool known[GUARD_DESCRIPTORS], local[GUARD_DESCRIPTORS]; /* known: once greeted */

/* What each connection has received since its last whole message.  recv is ours too, as nobody else
 * knows: libzmq tells of a message when it is whole. */
static _Atomic uint64_t unfinished[GUARD_DESCRIPTORS];
typedef ssize_t (*recv_fn)(int fd, void *to, size_t size, int flags);
static _Atomic recv_fn recv_next;

ssize_t recv(int fd, void *to, size_t size, int flags)
{
    recv_fn next = recv_next;
    ssize_t n;

    if (!next)
        recv_next = next = (recv_fn)dlsym(RTLD_NEXT, "recv");
    n = next(fd, to, size, flags);
    if (n > 0 && fd >= 0 && fd < GUARD_DESCRIPTORS)
        unfinished[fd] += (uint64_t)n;
    return n;
}

static int oldest_silent(void)
{
    uint64_t least = UINT64_MAX;
    int found = -1;

    for (int fd = 0; fd < GUARD_DESCRIPTORS; fd++)
        if (accepted[fd] && accepted[fd] < least && !greeted[fd] && !cut[fd]) {
            least = accepted[fd];
            found = fd;
        }
    return found;
}

/* The descriptor may be another's by now: of a connection, which comes again, or of a file, which
 * cannot be shut down.  A listening socket could, and libzmq would end the process. */
static bool descriptor_cut(int fd)
{
    int listens = 0;
    socklen_t size = sizeof listens;

    cut[fd] = true;
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && !listens &&
           shutdown(fd, SHUT_RDWR) == 0;
}

static void room_make(void)
{
    int fd;

    while ((fd = oldest_silent()) >= 0) {
        if (descriptor_cut(fd))
            return;
        accepted[fd] = 0; /* it was closed long ago */
    }
}

static bool is_local(int fd)
{
    int domain = AF_UNSPEC;
    socklen_t size = sizeof domain;

    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX;
}

int accept4(int fd, struct sockaddr *restrict address, socklen_t *restrict size, int flags)
{
    int made = (int)syscall(SYS_accept4, fd, address, size, flags);

    if (made < 0)
        return made;
    if (made >= accept_room)
        room_make();
    if (made >= accept_most) {
        close(made);
        errno = ECONNABORTED;
        return -1;
    }
    if (made < GUARD_DESCRIPTORS && accept_room < INT_MAX) {
        greeted[made] = cut[made] = known[made] = false;
        unfinished[made] = 0;
        local[made] = is_local(made);
        accepted[made] = ++accepted_last;
    }
    return made;
}

static uint64_t number_of(int fd)
{
    return fd >= 0 && fd < GUARD_DESCRIPTORS ? accepted[fd] : 0;
}

/* ---- connections ---- */

static struct connection *place_of(struct guard *g, int fd, uint64_t number)
{
    struct connection *c = &g->list[fd];

    if (c->number != number)
        *c = (struct connection){.number = number, .since_ms = clock_mono_ms()};
    return c;
}

/* One reading of a folder, however many there are: system calls can be dear. */
static void descriptors_look(struct guard *g)
{
    struct dirent *entry;

    memset(g->open, 0, sizeof g->open);
    rewinddir(g->files);
    while ((entry = readdir(g->files))) {
        int fd = entry->d_name[0] == '.' ? -1 : atoi(entry->d_name);
        if (fd >= 0 && fd < GUARD_DESCRIPTORS)
            g->open[fd] = true;
    }
}

static void connections_look(struct guard *g)
{
    descriptors_look(g);
    g->counts.connections = g->counts.greeted = 0;
    for (int fd = 0; fd < GUARD_DESCRIPTORS; fd++) {
        struct connection *c = place_of(g, fd, g->open[fd] ? number_of(fd) : 0);
        g->counts.connections += c->number != 0;
        g->counts.greeted += c->number && greeted[fd];
    }
}

/* ---- cutting ---- */

static void connection_cut(struct guard *g, int fd)
{
    struct connection *c = &g->list[fd];

    if (number_of(fd) == c->number)
        descriptor_cut(fd);
}

static void silent_cut(struct guard *g, int64_t now_ms)
{
    bool few = g->counts.connections - g->counts.greeted <= g->config.connections / 8;
    unsigned late = 0;

    for (int fd = 0; fd < GUARD_DESCRIPTORS; fd++) {
        struct connection *c = &g->list[fd];
        if (!c->number || cut[fd] || greeted[fd] || now_ms - c->since_ms < GREET_MS ||
            (few && local[fd]))
            continue;
        connection_cut(g, fd);
        late++;
    }
    g->counts.silent += late;
}

struct aged {
    int64_t since_ms;
    int fd;
};

static int aged_compare(const void *a, const void *b)
{
    int64_t x = ((const struct aged *)a)->since_ms, y = ((const struct aged *)b)->since_ms;

    return (x > y) - (x < y);
}

static void surplus_cut(struct guard *g)
{
    unsigned surplus = g->counts.connections - g->config.connections, n = 0;
    struct aged *silent = memory_need((size_t)g->counts.connections * sizeof *silent);

    for (int fd = 0; fd < GUARD_DESCRIPTORS; fd++)
        if (g->list[fd].number && !greeted[fd])
            silent[n++] = (struct aged){g->list[fd].since_ms, fd};
    qsort(silent, n, sizeof *silent, aged_compare);
    if (surplus > n)
        surplus = n;
    for (unsigned i = 0; i < surplus; i++)
        connection_cut(g, silent[i].fd);
    g->counts.silent += surplus;
    if (surplus)
        log_rated(&g->silent_rate, LOG_WARN,
                  "more than %u connections: the oldest that have not said HELLO are cut",
                  g->config.connections);
    free(silent);
}

/* Those that hold messages of which no end has come: the largest, and what is not far behind it, so
 * that many that share the work go together.  Who sends messages that end has little, if that much
 * is held.  A cut that may still help counts, or the largest of the others would be the next. */
static unsigned endless_cut(struct guard *g, bool in_vain)
{
    uint64_t most = 0;
    unsigned n = 0;

    for (int fd = 0; fd < GUARD_DESCRIPTORS; fd++)
        if (g->list[fd].number && !(in_vain && cut[fd]) && unfinished[fd] > most)
            most = unfinished[fd];
    if (most < ENDLESS_LEAST)
        return 0;
    for (int fd = 0; fd < GUARD_DESCRIPTORS; fd++)
        if (g->list[fd].number && !cut[fd] && unfinished[fd] >= most / 4) {
            connection_cut(g, fd);
            n++;
        }
    return n;
}

static unsigned many_cut(struct guard *g, bool all)
{
    unsigned n = 0;

    for (int fd = 0; fd < GUARD_DESCRIPTORS; fd++)
        if (g->list[fd].number && !cut[fd] && (all || !greeted[fd])) {
            connection_cut(g, fd);
            n++;
        }
    return n;
}

/* ---- memory ---- */

static void memory_read(const struct guard *g, struct memory *ret)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    unsigned long long size, resident, shared;
    char line[128];
    ssize_t n = pread(g->statm, line, sizeof line - 1, 0);

    *ret = (struct memory){0};
    if (n <= 0)
        return;
    line[n] = '\0';
    if (sscanf(line, "%llu %llu %llu", &size, &resident, &shared) == 3 && resident >= shared)
        *ret = (struct memory){(resident - shared) * page, shared * page};
}

/* Whether what was cut last has not helped: it had its time, or memory grows all the same. */
static bool cut_in_vain(const struct guard *g, uint64_t bytes, int64_t now_ms)
{
    return bytes > g->cut_bytes + g->config.memory_bytes / 16 || now_ms - g->cut_ms >= AGAIN_MS;
}

/* One step after the other, as long as it does not help. */
static void memory_relieve(struct guard *g, uint64_t bytes, int64_t now_ms)
{
    bool in_vain = cut_in_vain(g, bytes, now_ms), all;
    const char *which = " without a session";
    unsigned n = g->high ? 0 : many_cut(g, false);

    if (n == 0) {
        which = " with endless messages";
        n = endless_cut(g, in_vain);
    }
    if (!g->high)
        g->high_ms = now_ms;
    g->high = true;
    all = (n == 0 && in_vain) || now_ms - g->high_ms >= LAST_MS;
    if (all) {
        which = ", all there are,";
        n += many_cut(g, true);
        g->counts.all++;
        g->high_ms = now_ms;
    }
    if (n == 0 && !all)
        return;
    g->counts.relieved += n;
    g->cut_bytes = bytes;
    g->cut_ms = now_ms;
    log_rated(&g->memory_rate, LOG_WARN,
              "%llu MiB of memory, %llu are allowed: %u connections%s cut",
              (unsigned long long)bytes >> 20, (unsigned long long)g->config.memory_bytes >> 20, n,
              which);
}

static void memory_look(struct guard *g, int64_t now_ms)
{
    struct memory m;

    memory_read(g, &m);
    g->mapped = m.shared > g->code + GUARD_MAPPED;
    if (m.own > g->config.memory_bytes) {
        memory_trim(); /* what was freed counts until then */
        memory_read(g, &m);
    }
    g->counts.memory_bytes = m.own;
    if (m.own <= g->config.memory_bytes) {
        g->high = false;
        return;
    }
    g->counts.emergencies += !g->high;
    memory_relieve(g, m.own, now_ms);
}

/* ---- the thread ---- */

static void guard_look(struct guard *g)
{
    int64_t now_ms = clock_mono_ms();

    connections_look(g);
    silent_cut(g, now_ms);
    if (g->counts.connections > g->config.connections)
        surplus_cut(g);
    memory_look(g, now_ms);
}

static void *guard_run(void *arg)
{
    struct guard *g = arg;
    struct timespec next;

    pthread_mutex_lock(&g->lock);
    while (!g->stop) {
        guard_look(g);
        clock_gettime(CLOCK_MONOTONIC, &next);
        next.tv_nsec += GUARD_MS * 1000000L;
        next.tv_sec += next.tv_nsec / 1000000000;
        next.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&g->wake, &g->lock, &next);
    }
    pthread_mutex_unlock(&g->lock);
    return NULL;
}

/* Signals are the loop's. */
static int thread_start(struct guard *g)
{
    sigset_t all, before;
    int r;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    r = pthread_create(&g->thread, NULL, guard_run, g);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return r == 0 ? 0 : ERR_IO;
}

static void guard_free(struct guard *g)
{
    accept_room = accept_most = INT_MAX;
    if (g->statm >= 0)
        close(g->statm);
    if (g->files)
        closedir(g->files);
    pthread_cond_destroy(&g->wake);
    pthread_mutex_destroy(&g->lock);
    free(g);
}

int guard_start(const struct guard_config *config, struct guard **ret)
{
    struct guard *g = memory_need(sizeof *g);
    pthread_condattr_t monotonic;
    struct memory before;

    *g = (struct guard){.config = *config, .counts.limits = *config};
    pthread_mutex_init(&g->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&g->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    g->statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    mapped_let_go(config->map);
    memory_read(g, &before);
    g->code = before.shared;
    g->files = opendir("/proc/self/fd");
    for (int fd = 0; fd < GUARD_DESCRIPTORS; fd++)
        accepted[fd] = 0; /* of an earlier guard of this process */
    accept_most = (int)config->connections + GUARD_FILES - GUARD_OWN_FILES;
    accept_room = (int)config->connections + GUARD_OWN_FILES;
    if (g->statm < 0 || !g->files || thread_start(g) < 0) {
        guard_free(g);
        return ERR_IO;
    }
    *ret = g;
    return 0;
}

void guard_stop(struct guard *g)
{
    if (!g)
        return;
    pthread_mutex_lock(&g->lock);
    g->stop = true;
    pthread_cond_signal(&g->wake);
    pthread_mutex_unlock(&g->lock);
    pthread_join(g->thread, NULL);
    guard_free(g);
}

/* ---- told by the loop ---- */

void guard_settle(struct guard *g)
{
    if (!g || !g->mapped)
        return;
    mapped_let_go(g->config.map);
    g->mapped = false;
}

uint64_t guard_greet(struct guard *g, int fd)
{
    uint64_t number = g ? number_of(fd) : 0;

    if (number == 0)
        return 0;
    pthread_mutex_lock(&g->lock);
    place_of(g, fd, number);
    greeted[fd] = known[fd] = true;
    pthread_mutex_unlock(&g->lock);
    return number;
}

void guard_heard(const struct guard *g, int fd)
{
    if (g && fd >= 0 && fd < GUARD_DESCRIPTORS)
        unfinished[fd] = 0;
}

bool guard_knows(const struct guard *g, int fd)
{
    return g && number_of(fd) && known[fd];
}

void guard_leave(struct guard *g, int fd, uint64_t connection)
{
    struct connection *c;

    if (!g || connection == 0)
        return;
    pthread_mutex_lock(&g->lock);
    c = &g->list[fd];
    if (c->number == connection && greeted[fd]) {
        greeted[fd] = false;
        c->since_ms = clock_mono_ms(); /* it may say HELLO again, or close */
    }
    pthread_mutex_unlock(&g->lock);
}

struct guard_counts guard_counts(struct guard *g)
{
    struct guard_counts counts = {0};

    if (!g)
        return counts;
    pthread_mutex_lock(&g->lock);
    counts = g->counts;
    pthread_mutex_unlock(&g->lock);
    return counts;
}
