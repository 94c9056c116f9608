/* A load; see load.h. */
#include "tests/load.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "proto/clock.h"
#include "proto/turnout.h"
#include "tests/world.h"

#define LIMIT_MS 120000

struct load_shared {
    _Atomic size_t sent;
    _Atomic bool stop;
};

static void pause_briefly(void)
{
    struct timespec t = {0, 1000000};

    nanosleep(&t, NULL);
}

static void publish(const char *endpoint, struct slice events, unsigned per_s,
                    struct load_shared *shared)
{
    struct turnout_options options = {.endpoint = endpoint, .name = "load"};
    struct turnout_producer *p;
    struct slice *list;
    size_t count = world_split(events, &list);
    int64_t start_ms = clock_mono_ms();

    if (turnout_producer_new(&options, &p) < 0)
        _exit(2);
    for (size_t i = 0; !shared->stop; i++) {
        int64_t due_ms = start_ms + (int64_t)i * 1000 / per_s;
        for (int64_t left; !shared->stop && (left = due_ms - clock_mono_ms()) > 0;)
            turnout_poll(p, (int)left);
        if (turnout_send(p, list[i % count].at, list[i % count].size, NULL) < 0)
            _exit(3);
        shared->sent = i + 1;
    }
    _exit(turnout_flush(p, LIMIT_MS) < 0 ? 4 : 0);
}

struct load load_start(const struct stack *s, struct slice events, unsigned per_s)
{
    struct load l = {.events = events};
    char endpoint[256];

    l.shared =
        mmap(NULL, sizeof *l.shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (l.shared == MAP_FAILED)
        abort();
    snprintf(endpoint, sizeof endpoint, "ipc://%s/publish.sock", s->dir);
    l.pid = fork();
    if (l.pid == 0)
        publish(endpoint, events, per_s, l.shared);
    return l;
}

void load_await(const struct load *l, unsigned more)
{
    int64_t end_ms = clock_mono_ms() + LIMIT_MS;
    size_t wanted = l->shared->sent + more;

    while (l->shared->sent < wanted && clock_mono_ms() < end_ms)
        pause_briefly();
    if (l->shared->sent < wanted) {
        fprintf(stderr, "load: only %zu events were sent\n", l->shared->sent);
        abort();
    }
}

struct slice load_stop(struct load *l)
{
    struct slice *list, published = l->events;
    size_t count = world_split(l->events, &list), sent;
    int status;

    l->shared->stop = true;
    if (waitpid(l->pid, &status, 0) != l->pid || status != 0) {
        fprintf(stderr, "load: the publisher ended with %d\n", status);
        abort();
    }
    sent = l->shared->sent;
    if (sent < count)
        published.size = (size_t)(list[sent].at - published.at);
    munmap(l->shared, sizeof *l->shared);
    free(list);
    return published;
}
