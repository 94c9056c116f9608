/* Viewers of the dashboard for scripts/bench-viewers: so many connections to /events in one
 * process.
 *
 *     bench_viewers PORT VIEWERS
 *
 * Prints "ready" when all of them are greeted, and, once standard input ends and nothing has come
 * for two seconds, one JSON object: how many commits the viewer that saw fewest and the one that
 * saw most were told of, how often one was told to reload, and how many were cut. */
#include "proto/bytes.h"
#include "proto/clock.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define QUIET_MS 2000

struct watcher {
    struct buffer got; /* what is not read yet */
    uint64_t commits, events, bytes;
    bool greeted, cut;
};

struct watchers {
    struct pollfd *fds; /* the last one is standard input */
    struct watcher *all;
    size_t count;
    uint64_t reloads;
    bool ending;
    int64_t heard_ms;
};

static int connected(unsigned port)
{
    static const char request[] = "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n";
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0 ||
        send(fd, request, sizeof request - 1, MSG_NOSIGNAL) < 0) {
        perror("bench_viewers");
        exit(69);
    }
    return fd;
}

/* One line of an event. */
static void take_line(struct watchers *w, struct watcher *v, char *line)
{
    const char *commits = strstr(line, "data: {\"commits\":");

    if (strncmp(line, "event: state", 12) == 0)
        v->greeted = true;
    if (strncmp(line, "event: reload", 13) == 0)
        w->reloads++;
    if (commits == line) {
        v->commits += strtoull(commits + 17, NULL, 10);
        v->events++;
    }
}

static void take_lines(struct watchers *w, struct watcher *v)
{
    size_t begin = 0;

    for (size_t i = 0; i < v->got.size; i++)
        if (v->got.at[i] == '\n') {
            v->got.at[i] = '\0';
            take_line(w, v, v->got.at + begin);
            begin = i + 1;
        }
    if (begin)
        memmove(v->got.at, v->got.at + begin, v->got.size - begin);
    v->got.size -= begin;
}

static void take(struct watchers *w, size_t i)
{
    struct watcher *v = &w->all[i];
    ssize_t n = recv(w->fds[i].fd, buffer_room(&v->got, 16384), 16384, MSG_DONTWAIT);

    if (n <= 0) {
        v->cut = true;
        close(w->fds[i].fd);
        w->fds[i].fd = -1;
        return;
    }
    v->got.size += (size_t)n;
    v->bytes += (uint64_t)n;
    take_lines(w, v);
}

static void take_input(struct watchers *w)
{
    char bytes[256];

    if (read(STDIN_FILENO, bytes, sizeof bytes) > 0)
        return;
    w->ending = true;
    w->heard_ms = clock_mono_ms();
    w->fds[w->count].fd = -1;
}

static bool all_greeted(const struct watchers *w)
{
    for (size_t i = 0; i < w->count; i++)
        if (!w->all[i].greeted && !w->all[i].cut)
            return false;
    return true;
}

static void watch(struct watchers *w)
{
    bool told = false;

    while (!w->ending || clock_mono_ms() - w->heard_ms < QUIET_MS) {
        int n = poll(w->fds, w->count + 1, 100);
        for (size_t i = 0; n > 0 && i < w->count; i++)
            if (w->fds[i].fd >= 0 && w->fds[i].revents) {
                take(w, i);
                w->heard_ms = clock_mono_ms();
            }
        if (n > 0 && w->fds[w->count].revents)
            take_input(w);
        if (!told && all_greeted(w)) {
            told = true;
            puts("ready");
            fflush(stdout);
        }
    }
}

static void print(const struct watchers *w)
{
    uint64_t least = UINT64_MAX, most = 0, bytes = 0, events = 0;
    size_t cut = 0;

    for (size_t i = 0; i < w->count; i++) {
        const struct watcher *v = &w->all[i];
        least = v->commits < least ? v->commits : least;
        most = v->commits > most ? v->commits : most;
        events = v->events > events ? v->events : events;
        bytes += v->bytes;
        cut += v->cut;
    }
    printf("{\"viewers\":%zu,\"least\":%llu,\"most\":%llu,\"events\":%llu,\"bytes\":%llu,"
           "\"reloads\":%llu,\"cut\":%zu}\n",
           w->count, (unsigned long long)least, (unsigned long long)most,
           (unsigned long long)events, (unsigned long long)bytes, (unsigned long long)w->reloads,
           cut);
}

int main(int argc, char **argv)
{
    struct rlimit files;
    struct watchers w = {0};

    if (argc != 3 || atoi(argv[1]) <= 0 || atoi(argv[2]) <= 0) {
        fprintf(stderr, "usage: bench_viewers PORT VIEWERS\n");
        return 64;
    }
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    w.count = (size_t)atoi(argv[2]);
    w.fds = memory_need((w.count + 1) * sizeof *w.fds);
    w.all = memory_need(w.count * sizeof *w.all);
    memset(w.all, 0, w.count * sizeof *w.all);
    for (size_t i = 0; i < w.count; i++)
        w.fds[i] = (struct pollfd){.fd = connected((unsigned)atoi(argv[1])), .events = POLLIN};
    w.fds[w.count] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
    watch(&w);
    print(&w);
    for (size_t i = 0; i < w.count; i++)
        buffer_free(&w.all[i].got);
    free(w.fds);
    free(w.all);
    return 0;
}
