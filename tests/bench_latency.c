/* Latency of a running stack, in open loop: votes are published at a steady rate whatever becomes
 * of them, and Redis is looked at from outside every tenth of a millisecond.  A vote's latency is
 * the time from the moment its publish call was due to the first look that finds it counted, so
 * that a producer that comes late counts as latency, too.
 *
 *     bench_latency RATE SECONDS SEED FIRST [FILE]
 *
 * Votes go to the ballots from FIRST on, whose notices are there.  The stack's sockets are in
 * $TURNOUT_DIR; $BENCH_REDIS is another Redis.  The first twentieth is left out.  Prints one JSON
 * object; FILE gets a line for each vote: the second at which it was due, its latency in
 * milliseconds, its partition. */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/event.h"
#include "proto/program.h"
#include "proto/turnout.h"
#include "tests/gauge.h"
#include "tests/votes.h"
#include "tests/world.h"

#define SECOND_NS   1000000000
#define LOOK_NS     100000
#define PATIENCE_NS (20LL * SECOND_NS)
#define FLUSH_MS    60000
#define TOUCH_BYTES                                                                                \
    ((size_t)16 << 20) /* of the producer's, so that no vote waits for memory here */

struct lane {
    size_t *events; /* numbers of those that go to this partition, in order */
    size_t count, seen;
    uint64_t base; /* its offset before the first of them */
};

struct trial {
    uint64_t rate;
    struct buffer bytes;
    struct slice *events;
    size_t count;
    struct lane lanes[GAUGE_PARTITIONS];
    unsigned char *partitions; /* of each event */
    int64_t *seen_ns;          /* when each event was first seen counted */
    int64_t start_ns;
    struct gauge *gauge;
};

static void give_up(const char *what)
{
    fprintf(stderr, "bench_latency: %s\n", what);
    exit(69);
}

static int64_t due_ns(const struct trial *t, size_t event)
{
    return t->start_ns + (int64_t)(event * SECOND_NS / t->rate);
}

/* ---- before: the events, and where each goes ---- */
static void events_make(struct trial *t, uint64_t seed, uint64_t first)
{
    struct votes *v = votes_new(VOTES_WINDOW, first, seed);

    for (size_t i = 0; i < t->count; i++)
        votes_next(v, &t->bytes);
    votes_free(v);
    world_split(buffer_slice(&t->bytes), &t->events);
    t->seen_ns = memory_zeroed(t->count * sizeof *t->seen_ns);
}

static void events_deal(struct trial *t)
{
    struct event_decoder *d = event_decoder_new();
    struct refusal why;
    struct event e;

    t->partitions = memory_need(t->count);
    for (unsigned p = 0; p < GAUGE_PARTITIONS; p++)
        t->lanes[p].events = memory_need(t->count * sizeof *t->lanes[p].events);
    for (size_t i = 0; i < t->count; i++) {
        struct slice rest = t->events[i];
        struct lane *lane;

        if (event_next(d, &rest, EVENT_ANY_TIME, &e, &why) < 0)
            abort();
        t->partitions[i] = (unsigned char)event_partition(&e, GAUGE_PARTITIONS);
        lane = &t->lanes[t->partitions[i]];
        lane->events[lane->count++] = i;
    }
    event_decoder_free(d);
}

/* ---- meanwhile: a thread that looks at Redis ---- */
/* Notes what is counted by now; returns how many events that are. */
static size_t look(struct trial *t)
{
    uint64_t offsets[GAUGE_PARTITIONS];
    size_t seen = 0;
    int64_t now_ns;

    gauge_read(t->gauge, offsets);
    now_ns = gauge_now_ns();
    for (unsigned p = 0; p < GAUGE_PARTITIONS; p++) {
        struct lane *lane = &t->lanes[p];

        while (lane->seen < lane->count && lane->base + lane->seen < offsets[p])
            t->seen_ns[lane->events[lane->seen++]] = now_ns;
        seen += lane->seen;
    }
    return seen;
}

static void *watch(void *arg)
{
    struct trial *t = arg;
    size_t seen = 0;

    for (int64_t moved_ns = t->start_ns; seen < t->count;) {
        size_t before = seen;

        seen = look(t);
        if (seen > before)
            moved_ns = gauge_now_ns();
        if (gauge_now_ns() - moved_ns > PATIENCE_NS)
            give_up("nothing was counted for 20 seconds");
        gauge_sleep_until(gauge_now_ns() + LOOK_NS);
    }
    return NULL;
}

/* ---- the producer ---- */
static struct turnout_producer *producer_new(void)
{
    const char *dir = getenv("TURNOUT_DIR");
    char endpoint[256];
    struct turnout_options options = {.endpoint = endpoint, .name = "bench"};
    struct turnout_producer *p;

    snprintf(endpoint, sizeof endpoint, "ipc://%s/publish.sock", dir ? dir : "run");
    if (turnout_producer_new(&options, &p) < 0)
        give_up("the producer cannot be made");
    while (!turnout_connected(p))
        turnout_poll(p, 100);
    return p;
}

static void publish(struct trial *t, struct turnout_producer *p)
{
    for (size_t sent = 0; sent < t->count;) {
        int64_t now_ns = gauge_now_ns();

        for (; sent < t->count && due_ns(t, sent) <= now_ns; sent++)
            if (turnout_send(p, t->events[sent].at, t->events[sent].size, NULL) < 0)
                give_up(turnout_error(p));
        turnout_poll(p, 0);
        if (sent < t->count)
            gauge_sleep_until(due_ns(t, sent));
    }
    if (turnout_flush(p, FLUSH_MS) < 0 || turnout_counts(p).accepted != t->count)
        give_up("not all votes were accepted");
    if (turnout_counts(p).reconnects > 0)
        give_up("the connection was lost: votes sent again are counted twice here");
}

static void run(struct trial *t)
{
    struct turnout_producer *p = producer_new();
    uint64_t offsets[GAUGE_PARTITIONS];
    pthread_t watcher;

    gauge_read(t->gauge, offsets);
    for (unsigned i = 0; i < GAUGE_PARTITIONS; i++)
        t->lanes[i].base = offsets[i];
    t->start_ns = gauge_now_ns() + SECOND_NS / 10;
    if (pthread_create(&watcher, NULL, watch, t) != 0)
        give_up("no thread");
    publish(t, p);
    pthread_join(watcher, NULL);
    turnout_producer_free(p);
}

/* ---- afterwards ---- */
static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double latency_ms(const struct trial *t, size_t event)
{
    return (double)(t->seen_ns[event] - due_ns(t, event)) / 1e6;
}

static void report(const struct trial *t)
{
    size_t skipped = t->count / 20, n = t->count - skipped;
    double *ms = memory_need(n * sizeof *ms);
    int64_t last_ns = 0;

    for (size_t i = 0; i < t->count; i++)
        last_ns = t->seen_ns[i] > last_ns ? t->seen_ns[i] : last_ns;
    for (size_t i = 0; i < n; i++)
        ms[i] = latency_ms(t, skipped + i);
    qsort(ms, n, sizeof *ms, by_size);
    printf("{\"rate\":%" PRIu64 ",\"samples\":%zu,\"p50_ms\":%.3f,\"p99_ms\":%.3f,"
           "\"p999_ms\":%.3f,\"max_ms\":%.3f,\"done_per_s\":%.0f}\n",
           t->rate, n, ms[n / 2], ms[n * 99 / 100], ms[n * 999 / 1000], ms[n - 1],
           (double)t->count * 1e9 / (double)(last_ns - t->start_ns));
    free(ms);
}

static void list(const struct trial *t, const char *path)
{
    FILE *f = fopen(path, "w");

    if (!f)
        give_up("the file cannot be written");
    for (size_t i = 0; i < t->count; i++)
        fprintf(f, "%.6f %.3f %u\n", (double)(due_ns(t, i) - t->start_ns) / 1e9, latency_ms(t, i),
                t->partitions[i]);
    fclose(f);
}

static void trial_free(struct trial *t)
{
    for (unsigned p = 0; p < GAUGE_PARTITIONS; p++)
        free(t->lanes[p].events);
    free(t->partitions);
    free(t->seen_ns);
    free(t->events);
    buffer_free(&t->bytes);
    gauge_free(t->gauge);
}

int main(int argc, char **argv)
{
    struct trial t = {0};

    program_begin();
    if (argc < 5 || argc > 6) {
        fprintf(stderr, "usage: bench_latency RATE SECONDS SEED FIRST [FILE]\n");
        return 64;
    }
    t.rate = strtoull(argv[1], NULL, 10);
    t.count = t.rate * strtoull(argv[2], NULL, 10);
    events_make(&t, strtoull(argv[3], NULL, 10), strtoull(argv[4], NULL, 10));
    events_deal(&t);
    t.gauge = gauge_of_stack();
    memory_touch(TOUCH_BYTES);
    run(&t);
    report(&t);
    if (argc == 6)
        list(&t, argv[5]);
    trial_free(&t);
    return 0;
}
