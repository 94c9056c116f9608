/* The load of scripts/bench: ballot votes over a moving window of 64 open ballots and 165 members,
 * one in ten a change of an earlier vote, one in twenty an exact repeat.  The same seed gives the
 * same bytes.
 *
 *     bench_publish notices EVENTS SEED   the ballots and seats that those votes need
 *     bench_publish votes EVENTS SEED     the votes, all made before the first is sent
 *
 * A fourth word is the most events sent in a second.
 *
 * $TURNOUT_DIR says where the stack is.  Prints one JSON object: events, when the first was sent
 * and when the last was acknowledged (Unix ms), and the CPU seconds in between. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "proto/clock.h"
#include "proto/pack.h"
#include "proto/turnout.h"

#define WINDOW     64  /* ballots open at a time */
#define MEMBERS    165 /* that vote on each */
#define COMMITTEES 340
#define MEMORY     4096          /* votes that a later one can change or repeat */
#define START_MS   1704067200000 /* 2024-01-01 */
#define STEP_MS    37
#define TIMEOUT_MS 60000

struct vote {
    uint64_t id, ballot, member, position, commented;
    int64_t time_ms;
};

struct load {
    uint64_t random, count;
    uint64_t rate; /* events a second; 0: as fast as it goes */
    struct vote memory[MEMORY];
    struct buffer events; /* one after the other */
    struct buffer sizes;  /* uint32_t each */
};

/* splitmix64 */
static uint64_t load_random(struct load *l)
{
    uint64_t z = l->random += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* ---- writing events ---- */
static void event_text(struct buffer *b, const char *key, const char *value)
{
    pack_text(b, key);
    pack_text(b, value);
}

static void event_number(struct buffer *b, const char *key, const char *prefix, uint64_t number)
{
    char text[32];

    snprintf(text, sizeof text, "%s%" PRIu64, prefix, number);
    event_text(b, key, text);
}

static void event_begin(struct load *l, uint32_t keys, const char *type, uint64_t id,
                        int64_t time_ms)
{
    char text[32];

    pack_map(&l->events, keys);
    event_text(&l->events, "type", type);
    snprintf(text, sizeof text, "%016" PRIx64, id);
    event_text(&l->events, "id", text);
    pack_text(&l->events, "time");
    pack_int(&l->events, time_ms);
}

static void event_member(struct buffer *b, uint64_t member)
{
    char text[4] = {(char)('A' + member / 26), (char)('A' + member % 26), 'X', 0};

    event_text(b, "member", text);
}

static void event_end(struct load *l, size_t start)
{
    uint32_t size = (uint32_t)(l->events.size - start);

    buffer_add(&l->sizes, &size, sizeof size);
}

/* ---- votes ---- */
static struct vote vote_new(struct load *l, uint64_t random)
{
    uint64_t window = l->count / (WINDOW * MEMBERS);
    struct vote v = {.ballot = window * WINDOW + (random >> 8) % WINDOW,
                     .member = (random >> 20) % MEMBERS,
                     .commented = random >> 50 & 1};
    uint64_t tenth = (random >> 40) % 10;

    v.position = tenth < 8 ? 0 : tenth - 7;
    return v;
}

static struct vote vote_next(struct load *l)
{
    uint64_t random = load_random(l), percent = random % 100;
    bool early = l->count < MEMORY;
    struct vote v;

    if (!early && percent < 5)
        return l->memory[(random >> 8) % MEMORY];
    if (!early && percent < 15) {
        v = l->memory[(random >> 8) % MEMORY];
        v.position = (v.position + 1) % 3;
    } else {
        v = vote_new(l, random);
    }
    v.id = load_random(l);
    v.time_ms = START_MS + (int64_t)l->count * STEP_MS;
    return v;
}

static void vote_add(struct load *l)
{
    static const char *const positions[] = {"approve", "disapprove", "abstain"};
    struct vote v = vote_next(l);
    size_t start = l->events.size;

    event_begin(l, 8, "vote", v.id, v.time_ms);
    event_number(&l->events, "ballot", "B", v.ballot);
    event_number(&l->events, "committee", "ISO/TC ", v.ballot % COMMITTEES);
    event_member(&l->events, v.member);
    event_text(&l->events, "position", positions[v.position]);
    pack_text(&l->events, "comments");
    pack_uint(&l->events, v.commented);
    event_end(l, start);
    l->memory[l->count++ % MEMORY] = v;
}

/* ---- notices ---- */
static void ballot_add(struct load *l, uint64_t ballot)
{
    size_t start = l->events.size;

    event_begin(l, 7, "ballot", load_random(l), START_MS);
    event_number(&l->events, "ballot", "B", ballot);
    event_number(&l->events, "committee", "ISO/TC ", ballot % COMMITTEES);
    event_text(&l->events, "kind", "DIS");
    event_text(&l->events, "closes", ballot % 2 ? "2024-03-01" : "2024-04-01");
    event_end(l, start);
}

static void seat_add(struct load *l, uint64_t committee, uint64_t member)
{
    size_t start = l->events.size;

    event_begin(l, 7, "seat", load_random(l), START_MS);
    event_number(&l->events, "committee", "ISO/TC ", committee);
    event_member(&l->events, member);
    event_text(&l->events, "from", "2020-01-01");
    event_text(&l->events, "role", load_random(l) % 3 ? "O" : "P");
    event_end(l, start);
}

static void notices_add(struct load *l, uint64_t votes)
{
    uint64_t ballots = (votes / (WINDOW * MEMBERS) + 1) * WINDOW;

    for (uint64_t b = 0; b < ballots; b++)
        ballot_add(l, b);
    for (uint64_t c = 0; c < COMMITTEES && c < ballots; c++)
        for (uint64_t m = 0; m < MEMBERS; m++)
            seat_add(l, c, m);
}

/* ---- sending ---- */
static double cpu_seconds(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* Waits until the event of that number is due; fifty times a second is looked at the clock. */
static void load_pace(const struct load *l, struct turnout_producer *p, uint64_t number,
                      int64_t start_ms)
{
    int64_t rest_ms;

    if (l->rate == 0 || number % (l->rate / 50 + 1))
        return;
    while ((rest_ms = start_ms + (int64_t)(number * 1000 / l->rate) - clock_mono_ms()) > 0)
        turnout_poll(p, (int)rest_ms);
}

static int load_send(const struct load *l, struct turnout_producer *p)
{
    const uint32_t *sizes = (const uint32_t *)(const void *)l->sizes.at;
    const char *at = l->events.at;
    int64_t start_ms = clock_mono_ms();

    for (size_t i = 0; i < l->sizes.size / sizeof *sizes; at += sizes[i++]) {
        load_pace(l, p, i, start_ms);
        if (turnout_send(p, at, sizes[i], NULL) < 0)
            return -1;
    }
    return turnout_flush(p, TIMEOUT_MS);
}

static int load_publish(const struct load *l)
{
    const char *dir = getenv("TURNOUT_DIR");
    char endpoint[256];
    struct turnout_options options = {.endpoint = endpoint, .name = "bench"};
    struct turnout_producer *p;
    int64_t start_ms, end_ms;
    double cpu;
    int error;

    snprintf(endpoint, sizeof endpoint, "ipc://%s/publish.sock", dir ? dir : "run");
    if (turnout_producer_new(&options, &p) < 0)
        return 78;
    turnout_set_timeout(p, TIMEOUT_MS);
    turnout_poll(p, 100); /* shaking hands is not what is measured */
    start_ms = clock_wall_ms();
    cpu = cpu_seconds();
    error = load_send(l, p);
    cpu = cpu_seconds() - cpu;
    end_ms = clock_wall_ms();
    if (error < 0)
        fprintf(stderr, "bench_publish: %s\n", turnout_error(p));
    printf("{\"events\":%" PRIu64 ",\"refused\":%" PRIu64 ",\"start_ms\":%" PRId64
           ",\"end_ms\":%" PRId64 ",\"cpu_s\":%.3f}\n",
           turnout_counts(p).accepted, turnout_counts(p).refused, start_ms, end_ms, cpu);
    turnout_producer_free(p);
    return error < 0 ? 69 : 0;
}

int main(int argc, char **argv)
{
    struct load l = {0};
    uint64_t votes;
    int status;

    if (argc < 4 || argc > 5 ||
        (strcmp(argv[1], "votes") != 0 && strcmp(argv[1], "notices") != 0)) {
        fprintf(stderr, "usage: bench_publish notices|votes EVENTS SEED [RATE]\n");
        return 64;
    }
    votes = strtoull(argv[2], NULL, 10);
    l.random = strtoull(argv[3], NULL, 10);
    l.rate = argc > 4 ? strtoull(argv[4], NULL, 10) : 0;
    if (strcmp(argv[1], "notices") == 0)
        notices_add(&l, votes);
    else
        while (l.count < votes)
            vote_add(&l);
    status = load_publish(&l);
    buffer_free(&l.events);
    buffer_free(&l.sizes);
    return status;
}
