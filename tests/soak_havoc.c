/* Havoc; see soak_havoc.h. */
#include "tests/soak_havoc.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/clock.h"
#include "tests/redis_dump.h"
#include "tests/soak_publisher.h"

#define KILLED           (128 + SIGKILL)
#define ABORTED          (128 + SIGABRT)
#define EVERY_MS         1400  /* between two strikes, at most */
#define LONG_MS          10000 /* the longest stop */
#define FAIL_MS          3000  /* the longest time in which writes or syncs fail */
#define RESTART_MS       600   /* before something is started again, at most */
#define MANY_CALLS       4000
#define MANY_ALLOCATIONS 30000

static int64_t below(struct havoc *h, int64_t bound)
{
    return (int64_t)random_below(&h->random, (uint64_t)bound);
}

static bool is_publisher(enum crew_member who)
{
    return who >= CREW_PUBLISHER && who < CREW_PUBLISHER + SOAK_PUBLISHERS;
}

/* Whose files matter to it. */
static bool has_files(enum crew_member who)
{
    return who == CREW_REDIS || who == CREW_BROKER;
}

/* ---- faults of one process ---- */

/* While it runs, or before it is started. */
static void arm(struct havoc *h, enum crew_member who)
{
    struct fault_plan *p = h->crew->plans[who];
    int kind = (int)below(h, has_files(who) ? 6 : 3);

    if (kind == 2 && who == CREW_REDIS)
        kind = 3; /* its memory is not what is tested here */
    h->counts.faults++;
    if (kind < 2) {
        p->kill_after = kind;
        p->kill_at = p->calls + 1 + below(h, MANY_CALLS);
    } else if (kind == 2) {
        p->fail_at = p->allocations + 1 + below(h, MANY_ALLOCATIONS);
    } else {
        if (kind == 3 && random_percent(&h->random, 50))
            p->dsync_errno = EIO;
        else if (kind == 3)
            p->sync_errno = EIO;
        else if (kind == 4)
            p->write_errno = random_percent(&h->random, 70) ? ENOSPC : EIO;
        else
            p->write_short = 1;
        h->heal_ms[who] = clock_mono_ms() + 100 + below(h, FAIL_MS);
    }
}

static void limit_broker(struct havoc *h, bool limited)
{
    struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
    struct stat s;
    char path[256];

    snprintf(path, sizeof path, "%s/journal/data.mdb", h->crew->dir);
    if (limited && stat(path, &s) == 0)
        limit.rlim_cur = (rlim_t)s.st_size;
    h->limited = limited;
    h->was_limited |= limited;
    if (h->crew->pids[CREW_BROKER] &&
        prlimit(h->crew->pids[CREW_BROKER], RLIMIT_FSIZE, &limit, NULL))
        fprintf(stderr, "soak: no limit for the broker's files: %s\n", strerror(errno));
}

/* Once a sync of its append-only file has failed, Redis takes no writes until it is started again,
 * which is what an operator does. */
static bool is_stuck(const struct havoc *h, enum crew_member who)
{
    const struct fault_plan *p = h->crew->plans[who];

    return who == CREW_REDIS && p->sync_errno && p->hits != h->hits[who];
}

static void heal(struct havoc *h, enum crew_member who)
{
    if (is_stuck(h, who))
        crew_signal(h->crew, who, SIGKILL);
    crew_heal(h->crew, who);
    h->heal_ms[who] = 0;
    if (who == CREW_BROKER && h->limited)
        limit_broker(h, false);
}

static void wake(struct havoc *h, enum crew_member who)
{
    crew_signal(h->crew, who, SIGCONT);
    h->wake_ms[who] = 0;
}

/* ---- ends and starts ---- */
static void start(struct havoc *h, enum crew_member who)
{
    char number[8];

    h->wake_ms[who] = 0;
    heal(h, who);
    if (who == CREW_BROKER)
        h->was_limited = false;
    h->hits[who] = h->crew->plans[who]->hits;
    if (!h->calm && random_percent(&h->random, 30))
        arm(h, who);
    if (!is_publisher(who)) {
        crew_start(h->crew, who);
        return;
    }
    snprintf(number, sizeof number, "%d", who - CREW_PUBLISHER + 1);
    crew_start_program(h->crew, who, NULL,
                       (const char *const[]){h->self, "--publisher", number, "--dir", h->crew->dir,
                                             "--seed", h->seed, "--rate", h->rate, NULL});
}

/* What it ended with is what was done to it. */
static bool is_understood(struct havoc *h, enum crew_member who, int status)
{
    bool hit = h->crew->plans[who]->hits != h->hits[who];

    if (status == KILLED)
        return true;
    if (h->calm && is_publisher(who) && status == 0)
        return true;
    if (is_publisher(who) && status == 3)
        return false; /* it says that something came back that must not */
    if (who == CREW_BROKER && h->was_limited && status == 74)
        return true;
    return hit && status != 0 && status != 128 + SIGSEGV;
}

static void bury(struct havoc *h, enum crew_member who)
{
    int status;

    if (!crew_has_ended(h->crew, who, &status))
        return;
    h->counts.kills += status == KILLED;
    if (!is_understood(h, who, status)) {
        h->counts.surprises++;
        fprintf(stderr, "soak: %s ended with %d, and nothing was done to it\n", crew_names[who],
                status);
    }
    if (h->calm && is_publisher(who) && status == 0)
        h->wished[who] = false;
    h->start_ms[who] = clock_mono_ms() + (h->calm ? 0 : below(h, RESTART_MS));
}

/* ---- strikes ---- */
static enum crew_member pick(struct havoc *h)
{
    return (enum crew_member)below(h, CREW_OTHER);
}

static void strike_kill(struct havoc *h)
{
    crew_signal(h->crew, pick(h), SIGKILL);
}

static void strike_all(struct havoc *h)
{
    for (int who = 0; who < CREW_OTHER; who++)
        crew_signal(h->crew, (enum crew_member)who, SIGKILL);
}

static void strike_stop(struct havoc *h)
{
    enum crew_member who = pick(h);
    int64_t for_ms = random_percent(&h->random, 85) ? 50 + below(h, 1500) : below(h, LONG_MS);

    if (!h->crew->pids[who] || h->wake_ms[who])
        return;
    crew_signal(h->crew, who, SIGSTOP);
    h->wake_ms[who] = clock_mono_ms() + for_ms;
    h->counts.stops++;
}

static void strike_fault(struct havoc *h)
{
    enum crew_member who = pick(h);

    if (h->crew->pids[who] && !h->heal_ms[who])
        arm(h, who);
}

static void strike_full(struct havoc *h)
{
    if (h->heal_ms[CREW_BROKER])
        return;
    limit_broker(h, true);
    h->heal_ms[CREW_BROKER] = clock_mono_ms() + 300 + below(h, FAIL_MS);
    h->counts.full++;
}

static void strike_flush(struct havoc *h)
{
    h->flush_wished = true;
}

/* As soon as Redis takes it: it may be starting, or refuse because its disk fails. */
static void flush(struct havoc *h)
{
    struct redis *r = h->wake_ms[CREW_REDIS] ? NULL : redis_open(h->crew->redis);

    if (r && redis_do(r, "FLUSHALL")->kind == '+') {
        h->counts.flushes++;
        h->flush_wished = false;
    }
    redis_close(r);
}

static bool run_shell(struct havoc *h, const char *commands)
{
    char line[1024];

    snprintf(line, sizeof line, "cd '%s' && %s", h->crew->dir, commands);
    return system(line) == 0;
}

/* A copy as of one moment, as a crash would leave it. */
static void strike_copy(struct havoc *h)
{
    if (!h->crew->pids[CREW_REDIS] || h->wake_ms[CREW_REDIS])
        return;
    crew_signal(h->crew, CREW_REDIS, SIGSTOP);
    run_shell(h, "rm -rf redis-copy && cp -r redis redis-copy");
    crew_signal(h->crew, CREW_REDIS, SIGCONT);
}

static void strike_rollback(struct havoc *h)
{
    if (!run_shell(h, "test -d redis-copy"))
        return;
    if (h->crew->pids[CREW_REDIS])
        h->counts.kills++;
    crew_kill(h->crew, CREW_REDIS);
    h->start_ms[CREW_REDIS] = clock_mono_ms() + below(h, RESTART_MS);
    if (run_shell(h, "rm -rf redis && mv redis-copy redis"))
        h->counts.rollbacks++;
}

/* How often each, of 100. */
static const struct strike {
    int percent;
    void (*run)(struct havoc *h);
} strikes[] = {{34, strike_kill}, {3, strike_all},   {20, strike_stop}, {25, strike_fault},
               {6, strike_full},  {3, strike_flush}, {5, strike_copy},  {4, strike_rollback}};

static void strike(struct havoc *h)
{
    int64_t chance = below(h, 100);

    for (size_t i = 0; i < sizeof strikes / sizeof *strikes; i++) {
        chance -= strikes[i].percent;
        if (chance < 0) {
            strikes[i].run(h);
            return;
        }
    }
}

/* ---- from outside ---- */
void havoc_begin(struct havoc *h, struct crew *crew, uint64_t seed, unsigned rate)
{
    ssize_t n;

    *h = (struct havoc){.crew = crew, .random = random_new(seed)};
    snprintf(h->seed, sizeof h->seed, "%" PRIu64, seed);
    snprintf(h->rate, sizeof h->rate, "%u", rate);
    n = readlink("/proc/self/exe", h->self, sizeof h->self - 1);
    h->self[n > 0 ? n : 0] = 0;
    for (int who = 0; who < CREW_OTHER; who++)
        h->wished[who] = true;
}

void havoc_tick(struct havoc *h)
{
    int64_t now_ms = clock_mono_ms();

    for (int i = 0; i < CREW_OTHER; i++) {
        enum crew_member who = (enum crew_member)i;
        bury(h, who);
        if (!h->crew->pids[who] && h->wished[who] && now_ms >= h->start_ms[who])
            start(h, who);
        if (h->wake_ms[who] && now_ms >= h->wake_ms[who])
            wake(h, who);
        if (h->heal_ms[who] && now_ms >= h->heal_ms[who])
            heal(h, who);
    }
    if (h->flush_wished)
        flush(h);
    if (h->calm || now_ms < h->next_ms)
        return;
    strike(h);
    h->next_ms = clock_mono_ms() + below(h, EVERY_MS);
}

void havoc_end(struct havoc *h)
{
    h->calm = true;
    h->flush_wished = false;
    for (int i = 0; i < CREW_OTHER; i++) {
        heal(h, (enum crew_member)i);
        wake(h, (enum crew_member)i);
    }
}
