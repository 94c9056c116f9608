/* soak: a real stack under everything at once, for as long as one likes.
 *
 *     soak --minutes M [--seed S] [--rate R] [--dir DIR]
 *
 * Three publishers keep exact account of what was acknowledged, while Redis, the broker, three
 * workers and the publishers themselves are killed, stopped and made to fail (soak_havoc.h).  At
 * the end everything is healed and compared: each acknowledged event is in the journal, byte for
 * byte as a client reads it, the journal holds nothing that was never sent, and Redis holds what
 * the model counts of it.
 *
 * Prints its progress on standard error, and as its last line `N acknowledged, K kills, 0 lost, 0
 * twice`.  Exit status: 0; 1 when something differs (the folder is then kept); 64 usage. */
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/clock.h"
#include "proto/turnout.h"
#include "tests/journal_wire.h"
#include "tests/model.h"
#include "tests/soak_account.h"
#include "tests/soak_havoc.h"
#include "tests/soak_publisher.h"
#include "tests/world.h"

#define RATE           250 /* events a second of each publisher */
#define FINISH_MS      300000
#define TICK_MS        5
#define MOST_SURPRISES 10 /* then it is given up */

struct soak {
    double minutes;
    uint64_t seed;
    unsigned rate, publisher;
    const char *dir;
    struct crew *crew;
    struct havoc havoc;
};

static int usage(void)
{
    fputs("usage: soak --minutes M [--seed S] [--rate R] [--dir DIR]\n", stderr);
    return 64;
}

static bool options_take(struct soak *s, int argc, char **argv)
{
    static const struct option options[] = {
        {"minutes", required_argument, NULL, 'm'},   {"seed", required_argument, NULL, 's'},
        {"rate", required_argument, NULL, 'r'},      {"dir", required_argument, NULL, 'd'},
        {"publisher", required_argument, NULL, 'p'}, {0}};
    int c;

    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == 'm')
            s->minutes = atof(optarg);
        else if (c == 's')
            s->seed = strtoull(optarg, NULL, 10);
        else if (c == 'r')
            s->rate = (unsigned)atoi(optarg);
        else if (c == 'd')
            s->dir = optarg;
        else if (c == 'p')
            s->publisher = (unsigned)atoi(optarg);
        else
            return false;
    }
    return optind == argc && s->rate > 0 && (s->publisher || s->minutes > 0);
}

/* ---- while it runs ---- */
static uint64_t file_size(const struct soak *s, const char *name, unsigned number)
{
    char path[256];
    FILE *f;
    long size = 0;

    snprintf(path, sizeof path, "%s/%s-%u", s->crew->dir, name, number);
    f = fopen(path, "r");
    if (f && fseek(f, 0, SEEK_END) == 0)
        size = ftell(f);
    if (f)
        fclose(f);
    return size > 0 ? (uint64_t)size : 0;
}

static void tell_progress(const struct soak *s, int64_t start_ms)
{
    const struct havoc_counts *c = &s->havoc.counts;
    uint64_t answers = 0;

    for (unsigned i = 1; i <= SOAK_PUBLISHERS; i++)
        answers += file_size(s, "acked", i) / sizeof(uint64_t);
    fprintf(stderr,
            "soak: %.1f min: %" PRIu64 " acknowledgements, %" PRIu64 " kills, %" PRIu64
            " stops, %" PRIu64 " faults, %" PRIu64 " times full, Redis flushed %" PRIu64
            " and rolled back %" PRIu64 " times\n",
            (double)(clock_mono_ms() - start_ms) / 60000, answers, c->kills, c->stops, c->faults,
            c->full, c->flushes, c->rollbacks);
}

static void run_havoc(struct soak *s)
{
    int64_t start_ms = clock_mono_ms(), end_ms = start_ms + (int64_t)(s->minutes * 60000);
    int64_t told_ms = start_ms;

    while (clock_mono_ms() < end_ms && s->havoc.counts.surprises < MOST_SURPRISES) {
        havoc_tick(&s->havoc);
        if (clock_mono_ms() - told_ms >= 60000) {
            tell_progress(s, start_ms);
            told_ms += 60000;
        }
        pause_ms(TICK_MS);
    }
    tell_progress(s, start_ms);
}

/* ---- at the end: everything works, and all of it comes through ---- */
static bool publishers_wished(const struct havoc *h)
{
    for (int i = 0; i < SOAK_PUBLISHERS; i++)
        if (h->wished[CREW_PUBLISHER + i])
            return true;
    return false;
}

static bool finish(struct soak *s)
{
    int64_t end_ms = clock_mono_ms() + FINISH_MS;
    char path[256];
    FILE *f;
    int status = -1;

    snprintf(path, sizeof path, "%s/finish", s->crew->dir);
    f = fopen(path, "w");
    if (f)
        fclose(f);
    havoc_end(&s->havoc);
    while (publishers_wished(&s->havoc) && clock_mono_ms() < end_ms &&
           s->havoc.counts.surprises < MOST_SURPRISES) {
        havoc_tick(&s->havoc);
        pause_ms(TICK_MS);
    }
    while (status != 0 && clock_mono_ms() < end_ms && s->havoc.counts.surprises < MOST_SURPRISES) {
        crew_sync_begin(s->crew);
        while (!crew_has_ended(s->crew, CREW_OTHER, &status)) {
            havoc_tick(&s->havoc);
            pause_ms(TICK_MS);
        }
    }
    if (status != 0)
        fprintf(stderr, "soak: it does not come to an end; sync says %d\n", status);
    return status == 0;
}

/* What all publishers sent, and what of it was acknowledged. */
static size_t accounts_read(struct soak *s, struct buffer *sent, struct buffer *acked)
{
    struct account a;
    size_t count = 0;

    for (unsigned number = 1; number <= SOAK_PUBLISHERS; number++) {
        account_open(s->crew->dir, number, &a);
        for (size_t i = 0; i < a.count; i++) {
            buffer_add_slice(sent, account_event(&a, i));
            if (account_is_acked(&a, i))
                buffer_add_slice(acked, account_event(&a, i));
        }
        count += a.acked_count;
        account_close(&a);
    }
    return count;
}

static size_t differences(struct soak *s, struct slice journal)
{
    struct model *model = model_new();
    struct dump *found = crew_dump(s->crew);
    size_t differ;

    model_add_all(model, journal);
    differ = model_compare(model, found, stderr);
    differ += model_compare_derived(model, found, stderr);
    dump_free(found);
    model_free(model);
    return differ;
}

static int judge(struct soak *s)
{
    struct buffer sent = {0}, acked = {0}, journal = {0};
    size_t count = accounts_read(s, &sent, &acked), lost, strange, differ;

    journal_wire_read(s->crew->endpoint_read, &journal);
    lost = events_missing(buffer_slice(&acked), buffer_slice(&journal));
    strange = events_missing(buffer_slice(&journal), buffer_slice(&sent));
    differ = differences(s, buffer_slice(&journal));
    if (strange)
        fprintf(stderr, "soak: %zu events are in the journal that nobody sent\n", strange);
    if (differ)
        fprintf(stderr, "soak: %zu values in Redis are not what the journal gives\n", differ);
    if (s->havoc.counts.surprises)
        fprintf(stderr, "soak: %" PRIu64 " processes ended although nothing was done to them\n",
                s->havoc.counts.surprises);
    printf("%zu acknowledged, %" PRIu64 " kills, %zu lost, %zu twice\n", count,
           s->havoc.counts.kills, lost, strange + differ);
    buffer_free(&sent);
    buffer_free(&acked);
    buffer_free(&journal);
    return lost || strange || differ || s->havoc.counts.surprises;
}

int main(int argc, char **argv)
{
    struct soak s = {.seed = (uint64_t)clock_wall_ms(), .rate = RATE};
    int bad;

    if (!options_take(&s, argc, argv))
        return usage();
    if (s.publisher)
        return soak_publish(s.dir, s.publisher, s.seed, s.rate);
    fprintf(stderr, "soak: %g minutes, seed %" PRIu64 "\n", s.minutes, s.seed);
    if (s.dir)
        setenv("TMPDIR", s.dir, 1);
    s.crew = crew_new();
    havoc_begin(&s.havoc, s.crew, s.seed, s.rate);
    run_havoc(&s);
    bad = !finish(&s) || judge(&s) != 0;
    crew_free(s.crew, bad);
    return bad;
}
