/* A flood: thousands of half-open, hostile and idle connections and all attacks at once, on local
 * and TCP sockets, while a good producer publishes one event after the other.  All of them are
 * accepted, the broker keeps within its memory, and it is still the same process.
 *
 * Ten seconds as a rule; with TURNOUT_TEST_LONG=1 a minute, and the good producer's median latency
 * is held to three times its usual one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "broker/guard.h"
#include "proto/clock.h"
#include "proto/turnout.h"
#include "tests/attack.h"
#include "tests/port.h"
#include "tests/raw.h"
#include "tests/stack.h"
#include "tests/world.h"

#define HALF_OPEN 5000
#define LIMIT_MS  60000
#define SAMPLES   100000

/* What comes while the guard sleeps and while ZeroMQ frees, on a busy machine. */
#ifdef __SANITIZE_ADDRESS__
#define MEMORY_MORE ((uint64_t)2048 << 20)
#else
#define MEMORY_MORE ((uint64_t)256 << 20)
#endif

static bool is_long(void)
{
    return getenv("TURNOUT_TEST_LONG") != NULL;
}

/* ---- the broker ---- */

struct place {
    struct stack *stack;
    pid_t broker;
    char publish[256], read[256];       /* local sockets */
    char publish_tcp[64], read_tcp[64]; /* with keys, which no attacker has */
};

static struct place place_new(void)
{
    struct place p = {.stack = stack_new(0)};
    unsigned port = port_pair();
    char tcp[64];
    int64_t end = clock_mono_ms() + LIMIT_MS;
    int fd;

    snprintf(tcp, sizeof tcp, "127.0.0.1:%u", port);
    snprintf(p.publish, sizeof p.publish, "ipc://%s/publish.sock", p.stack->dir);
    snprintf(p.read, sizeof p.read, "ipc://%s/read.sock", p.stack->dir);
    snprintf(p.publish_tcp, sizeof p.publish_tcp, "tcp://127.0.0.1:%u", port);
    snprintf(p.read_tcp, sizeof p.read_tcp, "tcp://127.0.0.1:%u", port + 1);
    p.broker = stack_spawn(p.stack, (const char *const[]){"turnout-broker", "--dir", p.stack->dir,
                                                          "--tcp", tcp, NULL});
    while ((fd = zmtp_connect(p.read)) < 0) {
        assert_true(clock_mono_ms() < end);
        usleep(10000);
    }
    close(fd);
    return p;
}

static void place_end(struct place *p)
{
    int status;

    kill(p->broker, SIGTERM);
    assert_int_equal(waitpid(p->broker, &status, 0), p->broker);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    stack_free(p->stack);
}

/* ---- the flood ---- */

/* Opens them without waiting, says half a greeting on some, noise on others and nothing on the
 * rest, and opens again what the broker closes. */
static void half_open_main(const struct place *p, uint64_t seed)
{
    const char *const at[] = {p->publish, p->read, p->publish_tcp, p->read_tcp};
    struct random r = random_new(seed);
    static int fds[HALF_OPEN];
    char bytes[64];

    for (int i = 0;; i = (i + 1) % HALF_OPEN) {
        if (fds[i] > 0 && recv(fds[i], bytes, sizeof bytes, MSG_DONTWAIT) < 0 && errno == EAGAIN) {
            if (i % 50 == 0)
                usleep(1000);
            continue; /* still open */
        }
        if (fds[i] > 0)
            close(fds[i]);
        fds[i] = raw_connect(at[random_below(&r, 4)]);
        if (fds[i] < 0)
            continue;
        for (size_t b = 0; b < sizeof bytes; b++)
            bytes[b] = (char)random_next(&r);
        if (random_percent(&r, 50))
            memcpy(bytes, "\xff\0\0\0\0\0\0\0\1\x7f\3\0NULL", 16);
        if (random_percent(&r, 66))
            send(fds[i], bytes, 1 + random_below(&r, sizeof bytes), MSG_NOSIGNAL | MSG_DONTWAIT);
    }
}

/* All attacks in turn. */
static void attacks_main(const struct place *p, uint64_t seed)
{
    static const attack_fn attacks[] = {
        attack_noise,   attack_truncated, attack_huge_frame, attack_many_parts,
        attack_endless, attack_headers,   attack_bombs,      attack_breaks,
        attack_hellos,  attack_window,    attack_deaf,
    };
    struct attack local = {p->publish, p->read, random_new(seed)};
    struct attack tcp = {p->publish_tcp, p->read_tcp, random_new(seed + 1)};

    for (uint64_t i = seed;; i++)
        attacks[i % (sizeof attacks / sizeof *attacks)](i % 3 ? &local : &tcp);
}

static pid_t flood_start(const struct place *p, void (*what)(const struct place *, uint64_t),
                         uint64_t seed)
{
    pid_t pid = fork();

    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* also when the test fails */
        /* Attackers have machines of their own: what is measured is the broker, not who gets this
         * one's processors. */
        setpriority(PRIO_PROCESS, 0, 19);
        what(p, seed);
    }
    return pid;
}

/* ---- the good producer ---- */

struct good {
    struct turnout_producer *producer;
    struct slice *list; /* events to publish, again and again */
    size_t count, next;
    double ms[SAMPLES]; /* from sending one to its acknowledgement */
    unsigned samples, refused;
};

static void good_refused(void *arg, uint64_t seq, const struct turnout_refusal *why)
{
    struct good *g = arg;

    print_message("event %llu refused: %s %s\n", (unsigned long long)seq, why->code, why->reason);
    g->refused++;
}

static double now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int double_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* One event at a time, a hundred a second at most; returns the median latency. */
static double good_publish(struct good *g, int for_ms, const struct place *p, uint64_t *most_bytes)
{
    int64_t end = clock_mono_ms() + for_ms;

    g->samples = 0;
    while (clock_mono_ms() < end && g->samples < SAMPLES) {
        double start = now_ms();
        struct slice e = g->list[g->next++ % g->count];
        assert_int_equal(turnout_send(g->producer, e.at, e.size, NULL), 0);
        assert_int_equal(turnout_flush(g->producer, LIMIT_MS), 0);
        g->ms[g->samples++] = now_ms() - start;
        usleep(10000);
        uint64_t bytes = process_bytes(p->broker);
        *most_bytes = bytes > *most_bytes ? bytes : *most_bytes;
    }
    qsort(g->ms, g->samples, sizeof *g->ms, double_compare);
    return g->ms[g->samples / 2];
}

static void a_good_producer_is_served_throughout_a_flood(void **state)
{
    uint64_t seed = random_seed("test_flood"), most = 0;
    struct good *g = memory_need(sizeof *g);
    struct place p = place_new();
    struct turnout_options options = {
        .endpoint = p.publish, .name = "good", .refused = good_refused, .arg = g};
    struct buffer events = {0};
    struct rlimit files;
    pid_t flood[4];

    (void)state;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    memset(g, 0, sizeof *g);
    world_events(seed, 2000, &events);
    g->count = world_split(buffer_slice(&events), &g->list);
    assert_int_equal(turnout_producer_new(&options, &g->producer), 0);
    double usual_ms = good_publish(g, 2000, &p, &most);
    flood[0] = flood_start(&p, half_open_main, seed);
    for (unsigned i = 1; i < 4; i++)
        flood[i] = flood_start(&p, attacks_main, seed + i);
    double flooded_ms = good_publish(g, is_long() ? 60000 : 10000, &p, &most);
    unsigned samples = g->samples;
    double worst_ms = g->ms[samples - 1];
    for (unsigned i = 0; i < 4; i++) {
        int status;
        assert_int_equal(waitpid(flood[i], &status, WNOHANG), 0);
        kill(flood[i], SIGKILL);
        waitpid(flood[i], &status, 0);
    }
    struct turnout_counts counts = turnout_counts(g->producer);
    print_message("median %.2f ms, usually %.2f ms; the worst of %u took %.0f ms; %llu reconnects; "
                  "at most %llu MiB of memory\n",
                  flooded_ms, usual_ms, samples, worst_ms, (unsigned long long)counts.reconnects,
                  (unsigned long long)most >> 20);
    assert_int_equal(counts.accepted, counts.sent);
    assert_int_equal(g->refused, 0);
    assert_true(most < GUARD_MEMORY + MEMORY_MORE);
    if (is_long())
        assert_true(flooded_ms <= 3 * usual_ms);
    turnout_producer_free(g->producer);
    place_end(&p);
    buffer_free(&events);
    free(g->list);
    free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_producer_is_served_throughout_a_flood),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
