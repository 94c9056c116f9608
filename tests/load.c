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

static void pause_briefly(void)
{
    struct timespec t = {0, 1000000};

    nanosleep(&t, NULL);
}

static void publish(const char *endpoint, struct slice events, int64_t for_ms, _Atomic int *sent)
{
    struct turnout_options options = {.endpoint = endpoint, .name = "load"};
    struct turnout_producer *p;
    struct slice *list;
    size_t count = world_split(events, &list);
    int64_t start_ms = clock_mono_ms();

    if (turnout_producer_new(&options, &p) < 0)
        _exit(2);
    for (size_t i = 0; i < count; i++) {
        int64_t due_ms = start_ms + for_ms * (int64_t)i / (int64_t)count;
        for (int64_t left; (left = due_ms - clock_mono_ms()) > 0;)
            turnout_poll(p, (int)left);
        if (turnout_send(p, list[i].at, list[i].size, NULL) < 0)
            _exit(3);
        *sent = (int)i + 1;
    }
    _exit(turnout_flush(p, LIMIT_MS) < 0 ? 4 : 0);
}

struct load load_start(const struct stack *s, struct slice events, int64_t for_ms)
{
    struct load l;
    char endpoint[256];

    l.sent = mmap(NULL, sizeof *l.sent, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (l.sent == MAP_FAILED)
        abort();
    snprintf(endpoint, sizeof endpoint, "ipc://%s/publish.sock", s->dir);
    l.pid = fork();
    if (l.pid == 0)
        publish(endpoint, events, for_ms, l.sent);
    return l;
}

void load_await(const struct load *l, int sent)
{
    int64_t end_ms = clock_mono_ms() + LIMIT_MS;

    while (*l->sent < sent && clock_mono_ms() < end_ms)
        pause_briefly();
    if (*l->sent < sent) {
        fprintf(stderr, "load: only %d events were sent\n", *l->sent);
        abort();
    }
}

void load_end(struct load *l)
{
    int status;

    if (waitpid(l->pid, &status, 0) != l->pid || status != 0) {
        fprintf(stderr, "load: the publisher ended with %d\n", status);
        abort();
    }
    munmap((void *)(uintptr_t)l->sent, sizeof *l->sent);
}
