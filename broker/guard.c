/* The guard; see guard.h.  Happy path: look, find nothing, sleep.
 *
 * A connection is known by its descriptor and the inode of its socket, which no two have at the
 * same time.  Between looking and cutting another connection may have got the descriptor: then that
 * one is cut, and comes again.  What is no socket cannot be shut down. */
#include "broker/guard.h"

#include "proto/clock.h"
#include "proto/error.h"
#include "proto/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define AGAIN_MS 1000 /* between two times that all are cut, unless memory grows */
#define TRIM_MS  250

struct connection {
    uint64_t inode; /* 0: no connection has this descriptor */
    int64_t since_ms;
    bool greeted, seen, cut;
};

struct guard {
    struct guard_config config;
    pthread_t thread;
    pthread_mutex_t lock; /* of all that follows */
    pthread_cond_t wake;
    bool stop;
    struct connection *list; /* by descriptor */
    int room;
    DIR *files; /* both stay open: there may be no descriptor left when they are needed most */
    int statm;
    struct guard_counts counts;
    /* While memory is above its limit: */
    bool high;
    uint64_t high_bytes; /* at the last cut */
    int64_t cut_ms, trim_ms;
    struct log_rate silent_rate, memory_rate;
};

/* ---- accepting ---- */

/* libzmq 4.3.4 ends the process when it accepts on a local socket and there is no descriptor left
 * (ipc_listener.cpp), and what it has accepted is looked at only GUARD_MS later.  So accept4 is
 * ours in this program: descriptors are given out from the smallest on, and from a number on
 * connections are closed at once. */
static _Atomic int accept_most = INT_MAX;

int accept4(int fd, struct sockaddr *restrict address, socklen_t *restrict size, int flags)
{
    int accepted = (int)syscall(SYS_accept4, fd, address, size, flags);

    if (accepted < accept_most)
        return accepted;
    close(accepted);
    errno = ECONNABORTED;
    return -1;
}

/* ---- connections ---- */

static uint64_t socket_inode(int fd)
{
    struct stat s;

    return fstat(fd, &s) == 0 && S_ISSOCK(s.st_mode) ? s.st_ino : 0;
}

static struct connection *place(struct guard *g, int fd)
{
    if (fd >= g->room) {
        int room = fd + 1024;
        g->list = memory_grow(g->list, (size_t)room * sizeof *g->list);
        memset(g->list + g->room, 0, (size_t)(room - g->room) * sizeof *g->list);
        g->room = room;
    }
    return &g->list[fd];
}

static struct connection *place_of(struct guard *g, int fd, uint64_t inode)
{
    struct connection *c = place(g, fd);

    if (c->inode != inode)
        *c = (struct connection){.inode = inode, .since_ms = clock_mono_ms()};
    return c;
}

static bool is_listener(int fd)
{
    int listens = 0;
    socklen_t size = sizeof listens;

    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) < 0 || listens;
}

static void descriptor_look(struct guard *g, int fd)
{
    uint64_t inode = fd > STDERR_FILENO ? socket_inode(fd) : 0;
    struct connection *c = place(g, fd);

    if (inode == 0 || (c->inode != inode && is_listener(fd)))
        return;
    place_of(g, fd, inode)->seen = true;
}

static void counts_renew(struct guard *g)
{
    g->counts.connections = g->counts.greeted = 0;
    for (int fd = 0; fd < g->room; fd++) {
        struct connection *c = &g->list[fd];
        if (!c->seen)
            c->inode = 0;
        c->seen = false;
        g->counts.connections += c->inode != 0;
        g->counts.greeted += c->inode && c->greeted;
    }
}

static void connections_look(struct guard *g)
{
    struct dirent *entry;

    rewinddir(g->files);
    while ((entry = readdir(g->files)))
        if (entry->d_name[0] != '.')
            descriptor_look(g, atoi(entry->d_name));
    counts_renew(g);
}

/* ---- cutting ---- */

static void connection_cut(struct guard *g, int fd)
{
    struct connection *c = &g->list[fd];

    if (socket_inode(fd) == c->inode)
        shutdown(fd, SHUT_RDWR);
    c->cut = true;
}

static void silent_cut(struct guard *g, int64_t now_ms)
{
    unsigned late = 0;

    if (g->counts.connections - g->counts.greeted <= g->config.connections / 8)
        return;
    for (int fd = 0; fd < g->room; fd++) {
        struct connection *c = &g->list[fd];
        if (!c->inode || c->cut || c->greeted || now_ms - c->since_ms < GREET_MS)
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

    for (int fd = 0; fd < g->room; fd++)
        if (g->list[fd].inode && !g->list[fd].greeted)
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

static unsigned many_cut(struct guard *g, bool all)
{
    unsigned n = 0;

    for (int fd = 0; fd < g->room; fd++)
        if (g->list[fd].inode && (all || !g->list[fd].greeted)) {
            connection_cut(g, fd);
            n++;
        }
    return n;
}

/* ---- memory ---- */

static uint64_t memory_own(const struct guard *g)
{
    unsigned long long size, resident, shared;
    char line[128];
    ssize_t n = pread(g->statm, line, sizeof line - 1, 0);

    if (n <= 0)
        return 0;
    line[n] = '\0';
    if (sscanf(line, "%llu %llu %llu", &size, &resident, &shared) != 3 || resident < shared)
        return 0;
    return (resident - shared) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void memory_relieve(struct guard *g, uint64_t bytes, bool all, int64_t now_ms)
{
    unsigned n = many_cut(g, all);

    g->high = true;
    g->high_bytes = bytes;
    g->cut_ms = now_ms;
    log_rated(&g->memory_rate, LOG_WARN,
              "%llu MiB of memory, %llu are allowed: %u connections%s cut",
              (unsigned long long)bytes >> 20, (unsigned long long)g->config.memory_bytes >> 20, n,
              all ? "" : " without a session");
}

static void memory_look(struct guard *g, int64_t now_ms)
{
    uint64_t bytes = memory_own(g);
    uint64_t step = g->config.memory_bytes / 16;

    if (bytes <= g->config.memory_bytes) {
        g->high = false;
        return;
    }
    if (!g->high) {
        g->counts.emergencies++;
        memory_relieve(g, bytes, g->counts.greeted == g->counts.connections, now_ms);
    } else if (bytes > g->high_bytes + step || now_ms - g->cut_ms >= AGAIN_MS) {
        memory_relieve(g, bytes, true, now_ms);
    }
    if (now_ms - g->trim_ms >= TRIM_MS) { /* or what was freed would still be counted */
        malloc_trim(0);
        g->trim_ms = now_ms;
    }
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
    if (g->statm >= 0)
        close(g->statm);
    if (g->files)
        closedir(g->files);
    pthread_cond_destroy(&g->wake);
    pthread_mutex_destroy(&g->lock);
    free(g->list);
    free(g);
}

int guard_start(const struct guard_config *config, struct guard **ret)
{
    struct guard *g = memory_need(sizeof *g);
    pthread_condattr_t monotonic;

    *g = (struct guard){.config = *config};
    pthread_mutex_init(&g->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&g->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    g->statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    g->files = opendir("/proc/self/fd");
    if (g->statm < 0 || !g->files || thread_start(g) < 0) {
        guard_free(g);
        return ERR_IO;
    }
    accept_most = (int)config->connections + GUARD_FILES - GUARD_OWN_FILES;
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
    accept_most = INT_MAX;
    guard_free(g);
}

/* ---- told by the loop ---- */

uint64_t guard_greet(struct guard *g, int fd)
{
    uint64_t inode = g && fd >= 0 ? socket_inode(fd) : 0;

    if (inode == 0)
        return 0;
    pthread_mutex_lock(&g->lock);
    place_of(g, fd, inode)->greeted = true;
    pthread_mutex_unlock(&g->lock);
    return inode;
}

void guard_leave(struct guard *g, int fd, uint64_t connection)
{
    struct connection *c;

    if (!g || fd < 0 || connection == 0)
        return;
    pthread_mutex_lock(&g->lock);
    c = place(g, fd);
    if (c->inode == connection && c->greeted) {
        c->greeted = false;
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
