/* What Redis stands for, from outside; see gauge.h. */
#include "tests/gauge.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

#include "workers/redis_link.h"
#include "workers/reply.h"

#define TIMEOUT_MS 60000
#define PAUSE_NS   1000000
#define SECOND_NS  1000000000

struct gauge {
    struct redis_link link;
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
/* The same commands every time. */
static void write_commands(struct resp *out)
{
    char key[32];

    resp_clear(out);
    for (unsigned p = 0; p < GAUGE_PARTITIONS; p++) {
        snprintf(key, sizeof key, "offset:%u", p);
        resp_command(out, 3);
        resp_text(out, "HGET");
        resp_key(out, slice_of(key));
        resp_text(out, "offset");
    }
}

struct gauge *gauge_new(const char *redis_socket)
{
    struct redis_options options = {
        .address = redis_socket, .prefix = STORE_PREFIX, .timeout_ms = TIMEOUT_MS};
    struct gauge *g = memory_need(sizeof *g);

    prctl(PR_SET_TIMERSLACK, 1000); /* ns: sleeps would else end 50,000 late */
    redis_link_open(&g->link, &options);
    if (redis_link_ready(&g->link) < 0)
        give_up("Redis does not answer");
    write_commands(&g->link.out);
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
    if (g)
        redis_link_close(&g->link);
    free(g);
}

void gauge_read(struct gauge *g, uint64_t ret_offsets[GAUGE_PARTITIONS])
{
    redisReply *r;
    int64_t offset;

    if (redis_link_send(&g->link) < 0)
        give_up("Redis is gone");
    for (unsigned p = 0; p < GAUGE_PARTITIONS; p++) {
        if (redis_link_take(&g->link, &r) < 0)
            give_up("Redis is gone");
        ret_offsets[p] = slice_to_int(reply_slice(r), &offset) ? (uint64_t)offset : 0;
        freeReplyObject(r);
    }
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

    while ((now = gauge_total(g)) != total) {
        if (now != last)
            moved_ns = gauge_now_ns();
        if (gauge_now_ns() - moved_ns > (int64_t)TIMEOUT_MS * 1000000)
            give_up("nothing was counted for a minute");
        last = now;
        gauge_sleep_until(gauge_now_ns() + PAUSE_NS);
    }
}
