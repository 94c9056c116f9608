/* Publishes a load as fast as the stack in $TURNOUT_DIR takes it, and waits until all of it is
 * counted in Redis ($BENCH_REDIS: in another one).  The same seed gives the same bytes.
 *
 *     bench_publish notices EVENTS SEED FIRST   ballots and seats for so many votes
 *     bench_publish past EVENTS SEED FIRST      the same, the ballots closed
 *     bench_publish votes EVENTS SEED FIRST     votes on them, 64 ballots open at a time
 *     bench_publish once EVENTS SEED FIRST      a vote of each member on one ballot after the other
 *     bench_publish random EVENTS SEED FIRST    votes on any of the FIRST ballots there are
 *     bench_publish season SEED                 a year of ballots, votes and meetings
 *     bench_publish registry                    members, committees, and at last their seats
 *     bench_publish attendance                  of ICANN and IETF
 *     bench_publish adoptions COPIES            of EASC, so many times as other standards
 *
 * Votes are made while they are sent, as by a producer of many; all else before.  Prints one JSON
 * object: how many events of how many bytes, the seconds from the first publish to the last
 * acknowledgement and to the last counter, the CPU seconds of the former, and how many ballots
 * there are now. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "proto/program.h"
#include "proto/turnout.h"
#include "tests/fixtures.h"
#include "tests/gauge.h"
#include "tests/season.h"
#include "tests/votes.h"
#include "tests/world.h"

#define TIMEOUT_MS  60000
#define SEASON_YEAR 2026 /* in which the registry has its seats */

struct load {
    struct votes *votes; /* made while they are sent; NULL: the events below are sent */
    struct buffer bytes;
    struct slice *events;
    size_t count, size; /* events, and their bytes */
    uint64_t ballots;   /* that there are afterwards */
};

/* ---- votes ---- */
static uint64_t number(const char *text)
{
    return strtoull(text, NULL, 10);
}

static void make_votes(struct load *l, enum votes_order order, char **words)
{
    uint64_t first = number(words[2]);

    l->count = number(words[0]);
    l->votes = votes_new(order, first, number(words[1]));
    l->ballots = order == VOTES_RANDOM ? first : votes_ballots(first, l->count);
}

static void make_window(struct load *l, char **words)
{
    make_votes(l, VOTES_WINDOW, words);
}

static void make_once(struct load *l, char **words)
{
    make_votes(l, VOTES_ONCE, words);
}

static void make_random(struct load *l, char **words)
{
    make_votes(l, VOTES_RANDOM, words);
}

static void make_ballots(struct load *l, bool closed, char **words)
{
    uint64_t first = number(words[2]);

    l->ballots = votes_ballots(first, number(words[0]));
    votes_notices(first, l->ballots, closed, number(words[1]), &l->bytes);
}

static void make_notices(struct load *l, char **words)
{
    make_ballots(l, false, words);
}

static void make_past(struct load *l, char **words)
{
    make_ballots(l, true, words);
}

/* ---- real files ---- */
static void make_season(struct load *l, char **words)
{
    struct buffer registry = {0};

    fixture_events("registry.jsonl.gz", &registry);
    season_events(number(words[0]), SEASON_YEAR, 100, buffer_slice(&registry), &l->bytes);
    buffer_free(&registry);
}

/* The file ends with the seats. */
static void make_registry(struct load *l, char **words)
{
    (void)words;
    fixture_events("registry.jsonl.gz", &l->bytes);
}

static void make_attendance(struct load *l, char **words)
{
    (void)words;
    fixture_events("icann-attendance.jsonl.gz", &l->bytes);
    fixture_events("ietf-registrations.jsonl.gz", &l->bytes);
}

static void copy_line(struct slice line, uint64_t copy, struct buffer *ret)
{
    static const char key[] = "\"standard\":\"";
    const char *at = memmem(line.at, line.size, key, sizeof key - 1);

    if (!at)
        abort();
    at += sizeof key - 1;
    buffer_add(ret, line.at, (size_t)(at - line.at));
    buffer_add_int(ret, (int64_t)copy);
    buffer_add_text(ret, "/");
    buffer_add(ret, at, (size_t)(line.at + line.size - at));
    buffer_add_text(ret, "\n");
}

static void make_adoptions(struct load *l, char **words)
{
    struct buffer lines = {0}, copies = {0};

    fixture_lines("easc-adoptions.jsonl", &lines);
    for (uint64_t copy = 0; copy < number(words[0]); copy++) {
        struct slice rest = buffer_slice(&lines), line;

        while (slice_cut(&rest, '\n', &line))
            copy_line(line, copy, &copies);
    }
    lines_encode(buffer_slice(&copies), &l->bytes);
    buffer_free(&lines);
    buffer_free(&copies);
}

/* ---- sending ---- */
static double cpu_seconds(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void give_up(const char *what)
{
    fprintf(stderr, "bench_publish: %s\n", what);
    exit(69);
}

static struct turnout_producer *producer_new(void)
{
    const char *dir = getenv("TURNOUT_DIR");
    char endpoint[256];
    struct turnout_options options = {.endpoint = endpoint, .name = "bench"};
    struct turnout_producer *p;

    snprintf(endpoint, sizeof endpoint, "ipc://%s/publish.sock", dir ? dir : "run");
    if (turnout_producer_new(&options, &p) < 0)
        give_up("the producer cannot be made");
    turnout_set_timeout(p, TIMEOUT_MS);
    while (!turnout_connected(p)) /* shaking hands is not what is measured */
        turnout_poll(p, 100);
    return p;
}

static struct slice event_of(struct load *l, size_t i)
{
    if (!l->votes)
        return l->events[i];
    buffer_clear(&l->bytes);
    votes_next(l->votes, &l->bytes);
    return buffer_slice(&l->bytes);
}

static void send_all(struct load *l, struct turnout_producer *p)
{
    for (size_t i = 0; i < l->count; i++) {
        struct slice event = event_of(l, i);

        if (turnout_send(p, event.at, event.size, NULL) < 0)
            give_up(turnout_error(p));
        l->size += event.size;
    }
    if (turnout_flush(p, TIMEOUT_MS) < 0)
        give_up(turnout_error(p));
    if (turnout_counts(p).refused > 0)
        give_up("events were refused");
    if (turnout_counts(p).reconnects > 0) /* then the end is seen a little too early */
        fprintf(stderr, "bench_publish: %s; some events were sent twice\n", turnout_error(p));
}

static void publish(struct load *l)
{
    struct turnout_producer *p = producer_new();
    struct gauge *g = gauge_of_stack();
    uint64_t before = gauge_total(g);
    int64_t start_ns = gauge_now_ns(), acked_ns, counted_ns;
    double cpu_s = cpu_seconds();

    send_all(l, p);
    cpu_s = cpu_seconds() - cpu_s;
    acked_ns = gauge_now_ns();
    gauge_await(g, before + l->count);
    counted_ns = gauge_now_ns();
    printf("{\"events\":%zu,\"bytes\":%zu,\"acked_s\":%.4f,\"counted_s\":%.4f,\"cpu_s\":%.3f,"
           "\"ballots\":%" PRIu64 "}\n",
           l->count, l->size, (double)(acked_ns - start_ns) / 1e9,
           (double)(counted_ns - start_ns) / 1e9, cpu_s, l->ballots);
    gauge_free(g);
    turnout_producer_free(p);
}

static const struct verb {
    const char *name;
    int words; /* behind it */
    void (*make)(struct load *l, char **words);
} verbs[] = {
    {"notices", 3, make_notices},     {"past", 3, make_past},
    {"votes", 3, make_window},        {"once", 3, make_once},
    {"random", 3, make_random},       {"season", 1, make_season},
    {"registry", 0, make_registry},   {"attendance", 0, make_attendance},
    {"adoptions", 1, make_adoptions},
};

static const struct verb *verb_find(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(argv[1], verbs[i].name) == 0 && argc == 2 + verbs[i].words)
            return &verbs[i];
    return NULL;
}

int main(int argc, char **argv)
{
    const struct verb *verb = verb_find(argc, argv);
    struct load l = {0};

    program_begin();
    if (!verb) {
        fprintf(stderr,
                "usage: bench_publish notices|past|votes|once|random EVENTS SEED FIRST\n"
                "       bench_publish season SEED | registry | attendance | adoptions COPIES\n");
        return 64;
    }
    verb->make(&l, argv + 2);
    if (!l.votes)
        l.count = world_split(buffer_slice(&l.bytes), &l.events);
    publish(&l);
    votes_free(l.votes);
    free(l.events);
    buffer_free(&l.bytes);
    return 0;
}
