/* What Redis stands for, from outside; see gauge.h.  Eight commands, the same each time, and their
 * replies by hand: no more than a look costs, and nothing of the code that is measured. */
#include "tests/gauge.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "proto/bytes.h"

#define PATIENCE_NS 60000000000
#define PAUSE_NS    1000000
#define SECOND_NS   1000000000

struct gauge {
    int fd;
    struct buffer commands;
    char replies[GAUGE_PARTITIONS * 32]; /* "$LENGTH\r\nNUMBER\r\n" each, or "$-1\r\n" */
};

static void give_up(const char *what)
{
    fprintf(stderr, "gauge: %s\n", what);
    exit(69);
}

/* ---- time ---- */
int64_t gauge_now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * SECOND_NS + t.tv_nsec;
}

void gauge_sleep_until(int64_t ns)
{
    struct timespec t = {ns / SECOND_NS, ns % SECOND_NS};

    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

/* ---- looking ---- */
static void commands_write(struct buffer *b)
{
    char command[96];

    for (unsigned p = 0; p < GAUGE_PARTITIONS; p++) {
        snprintf(command, sizeof command,
                 "*3\r\n$4\r\nHGET\r\n$16\r\nturnout:offset:%u\r\n$6\r\noffset\r\n", p);
        buffer_add_text(b, command);
    }
}

struct gauge *gauge_new(const char *redis_socket)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct gauge *g = memory_need(sizeof *g);

    *g = (struct gauge){.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", redis_socket);
    if (connect(g->fd, (struct sockaddr *)&address, sizeof address) < 0)
        give_up(strerror(errno));
    prctl(PR_SET_TIMERSLACK, 1000); /* ns: sleeps would else end 50,000 late */
    commands_write(&g->commands);
    return g;
}

struct gauge *gauge_of_stack(void)
{
    const char *other = getenv("BENCH_REDIS"), *dir = getenv("TURNOUT_DIR");
    char path[256];

    snprintf(path, sizeof path, "%s/redis.sock", dir ? dir : "run");
    return gauge_new(other ? other : path);
}

void gauge_free(struct gauge *g)
{
    if (!g)
        return;
    close(g->fd);
    buffer_free(&g->commands);
    free(g);
}

/* Takes the next reply off the front of *rest; false when it has not come as a whole. */
static bool reply_take(struct slice *rest, uint64_t *ret_offset)
{
    struct slice head, body;
    int64_t number = 0;

    if (!slice_cut(rest, '\n', &head))
        return false;
    if (!slice_is(head, "$-1\r")) {
        if (head.size == 0 || head.at[0] != '$')
            give_up("Redis does not answer as it should");
        if (!slice_cut(rest, '\n', &body))
            return false;
        if (body.size == 0 || !slice_to_int(slice_make(body.at, body.size - 1), &number))
            give_up("Redis has no number there");
    }
    *ret_offset = (uint64_t)number;
    return true;
}

static bool replies_take(struct slice all, uint64_t ret_offsets[GAUGE_PARTITIONS])
{
    for (unsigned p = 0; p < GAUGE_PARTITIONS; p++)
        if (!reply_take(&all, &ret_offsets[p]))
            return false;
    return true;
}

void gauge_read(struct gauge *g, uint64_t ret_offsets[GAUGE_PARTITIONS])
{
    size_t have = 0;

    if (write(g->fd, g->commands.at, g->commands.size) != (ssize_t)g->commands.size)
        give_up("Redis is gone");
    do {
        ssize_t n = read(g->fd, g->replies + have, sizeof g->replies - have);

        if (n <= 0)
            give_up("Redis is gone, or says more than it was asked for");
        have += (size_t)n;
    } while (!replies_take(slice_make(g->replies, have), ret_offsets));
}

uint64_t gauge_total(struct gauge *g)
{
    uint64_t offsets[GAUGE_PARTITIONS], total = 0;

    gauge_read(g, offsets);
    for (unsigned p = 0; p < GAUGE_PARTITIONS; p++)
        total += offsets[p];
    return total;
}

void gauge_await(struct gauge *g, uint64_t total)
{
    int64_t moved_ns = gauge_now_ns();
    uint64_t last = UINT64_MAX, now;

    while ((now = gauge_total(g)) < total) {
        if (now != last)
            moved_ns = gauge_now_ns();
        if (gauge_now_ns() - moved_ns > PATIENCE_NS)
            give_up("nothing was counted for a minute");
        last = now;
        gauge_sleep_until(gauge_now_ns() + PAUSE_NS);
    }
}
