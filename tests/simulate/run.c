/* One seed: a storm in which things fail, then a calm in which everything must come right. */
#include <stdarg.h>
#include <stdlib.h>

#include "proto/event.h"
#include "proto/pack.h"
#include "tests/simulate/simulate.h"
#include "tests/world.h"

#define STORM_STEPS   1875 /* of the longest seeds */
#define STORM_EVENTS  200
#define CURTAIN_STEPS 100000
#define CALM_US       (300000 * MS) /* so long it may take until all is right */

struct simulation sim;
uint64_t fault_counts[FAULTS];

const char *const fault_name[FAULTS] = {
    [FAULT_LOST] = "message lost",
    [FAULT_REPEATED] = "message repeated",
    [FAULT_DELAYED] = "message delayed",
    [FAULT_REORDERED] = "message reordered",
    [FAULT_CUT] = "connection cut",
    [FAULT_FULL_QUEUE] = "queue full",
    [FAULT_FROZEN] = "program frozen",
    [FAULT_BROKER_KILLED] = "broker killed",
    [FAULT_BROKER_KILLED_IN_START] = "broker killed while starting",
    [FAULT_POWER_CUT] = "power cut",
    [FAULT_WRITE_TORN] = "write torn",
    [FAULT_WRITE_LOST] = "write lost",
    [FAULT_EIO] = "EIO",
    [FAULT_ENOSPC] = "ENOSPC",
    [FAULT_EINTR] = "EINTR",
    [FAULT_SHORT_WRITE] = "short write",
    [FAULT_SYNC_FAILED] = "sync failed",
    [FAULT_WORKER_KILLED] = "worker killed",
    [FAULT_PRODUCER_KILLED] = "producer killed",
    [FAULT_REPLY_LOST] = "redis: reply lost",
    [FAULT_COMMIT_LOST] = "redis: commit done, reply lost",
    [FAULT_COMMIT_LATE] = "redis: commit done late",
    [FAULT_COMMIT_NEVER] = "redis: commit never done",
    [FAULT_REDIS_BUSY] = "redis: busy",
    [FAULT_REDIS_DOWN] = "redis: down",
    [FAULT_REDIS_FLUSHED] = "redis: flushed",
    [FAULT_REDIS_ROLLED_BACK] = "redis: rolled back",
    [FAULT_REDIS_FAILED_OVER] = "redis: failed over to an older copy",
    [FAULT_TWO_OWNERS] = "two workers moved one partition",
    [FAULT_WALL_BACK] = "wall clock back",
    [FAULT_WALL_FORWARD] = "wall clock forward",
    [FAULT_MONO_FORWARD] = "monotonic clock forward",
};

void sim_digest(const void *bytes, size_t size)
{
    const unsigned char *at = bytes;

    for (size_t i = 0; i < size; i++)
        sim.digest = (sim.digest ^ at[i]) * 0x100000001b3u;
}

void fault_note(enum fault f)
{
    fault_counts[f]++;
}

bool fault_now(enum fault f)
{
    if (sim.calm || sim.judging || !sim.rate[f] || chance_below(1000) >= sim.rate[f])
        return false;
    fault_note(f);
    return true;
}

/* Most seeds are short and a few are long: most faults need little to show, and a short seed that
 * fails is read sooner. */
static void length_draw(void)
{
    sim.length = 100;
    for (int i = 0; i < 7; i++) {
        unsigned other = 1 + (unsigned)chance_below(100);
        if (other < sim.length)
            sim.length = other;
    }
}

/* This seed's part of the most there may be; a twentieth at least. */
static uint64_t length_of(uint64_t most)
{
    return most * (5 + sim.length) / 105;
}

/* ---- events ---- */
/* An event that no broker may accept: each kind in its turn. */
static void bad_event(unsigned i, struct buffer *ret)
{
    static const char *const types[] = {"vote", "wave", "seat", "vote"};
    static const char *const times[] = {"2022-07-01T00:00:00Z", "2022-07-01T00:00:00Z",
                                        "1822-07-01T00:00:00Z", "2042-07-01T00:00:00Z"};
    char id[32];

    snprintf(id, sizeof id, "bad-%u", i);
    pack_map(ret, 6);
    pack_text(ret, "type");
    pack_text(ret, types[i % 4]);
    pack_text(ret, "id");
    pack_text(ret, id);
    pack_text(ret, "time");
    pack_text(ret, times[i % 4]);
    pack_text(ret, "committee");
    pack_text(ret, i % 4 ? "ISO/TC 207" : "ISO|TC 207");
    pack_text(ret, "member");
    pack_text(ret, "KE");
    pack_text(ret, "ballot");
    pack_text(ret, "B1");
}

static void events_make(struct buffer *ret)
{
    static struct buffer good;
    size_t count = length_of(STORM_EVENTS);
    struct slice *each;

    buffer_clear(&good);
    buffer_clear(ret);
    world_crowded(random_next(&sim.random), count, &good);
    for (unsigned i = 0; i < 8; i++) {
        size_t from = ret->size;
        bad_event(i, ret);
        judge_event(arena_copy(&sim.arena, slice_make(ret->at + from, ret->size - from)), false);
    }
    count = world_split(buffer_slice(&good), &each);
    for (size_t i = 0; i < count; i++)
        judge_event(arena_copy(&sim.arena, each[i]), true);
    free(each);
    buffer_add_slice(ret, buffer_slice(&good));
}

/* ---- faults from outside ---- */
static void rates_draw(void)
{
    static const unsigned rates[] = {2, 10, 30, 100};
    unsigned all = (unsigned)chance_below(100);

    for (unsigned f = 0; f < FAULTS; f++)
        sim.rate[f] = chance_below(100) < all / 2 ? rates[chance_below(4)] : 0;
    sim.rate[FAULT_LOST] /= 2;
    sim.rate[FAULT_EIO] /= 4;
    sim.rate[FAULT_SYNC_FAILED] /= 2;
}

static struct actor *actor_any(void)
{
    struct actor *a;

    do
        a = &sim.actors[chance_below(ACTORS)];
    while (!a->there);
    return a;
}

static void clock_jump(enum fault f)
{
    struct actor *a = actor_any();

    if (f == FAULT_WALL_BACK)
        a->wall_ms -= (int64_t)chance_below(4 * 86400000);
    else if (f == FAULT_WALL_FORWARD)
        a->wall_ms += (int64_t)chance_below(40 * (uint64_t)86400000);
    else
        a->mono_ms += (int64_t)chance_below(20000);
    if (a->wall_ms < -5 * 86400000)
        a->wall_ms = 0;
}

static void actor_freeze(void)
{
    actor_any()->frozen_us = sim.now_us + (int64_t)chance_below(10000 * MS);
}

/* What nobody's own call leads to; once in a hundred steps by its rate. */
static void befall(enum fault f)
{
    if (!sim.rate[f] || chance_below(20000) >= sim.rate[f])
        return;
    switch (f) {
    case FAULT_CUT:
        net_cut_one();
        return;
    case FAULT_REDIS_FLUSHED:
        redis_flush();
        return;
    case FAULT_REDIS_ROLLED_BACK:
        redis_roll_back();
        return;
    case FAULT_REDIS_FAILED_OVER:
        redis_fail_over();
        return;
    case FAULT_FROZEN:
        actor_freeze();
        break;
    default:
        clock_jump(f);
        break;
    }
    sim_say("%s", fault_name[f]);
    fault_note(f);
}

static void befall_any(void)
{
    static const enum fault outside[] = {
        FAULT_CUT,       FAULT_REDIS_FLUSHED, FAULT_REDIS_ROLLED_BACK, FAULT_REDIS_FAILED_OVER,
        FAULT_WALL_BACK, FAULT_WALL_FORWARD,  FAULT_MONO_FORWARD,      FAULT_FROZEN};

    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++)
        befall(outside[i]);
}

/* ---- storm and calm ---- */
static void storm(void)
{
    uint64_t steps = length_of(STORM_STEPS);
    uint64_t look = chance_below(2 * steps);

    for (uint64_t i = 0; i < steps; i++) {
        actors_step();
        redis_step();
        befall_any();
        if (i == look)
            judge_store(false);
    }
}

static void calm_begin(void)
{
    sim_say("it is calm from now on");
    sim.calm = true;
    redis_drop_late();
    net_cut_all();
    for (unsigned i = 0; i < ACTORS; i++) {
        sim.actors[i].wall_ms = sim.actors[i].frozen_us = 0;
        sim.actors[i].crash_in = 0;
    }
}

static bool all_settled(void)
{
    return producers_done() && judge_all_shown() && redis_settled();
}

/* Everything comes right by itself, and soon. */
static void calm(void)
{
    int64_t until_us;

    calm_begin();
    until_us = sim.now_us + CALM_US;
    while (!all_settled()) {
        for (int i = 0; i < 10; i++)
            actors_step();
        if (sim.now_us > until_us)
            sim_fail("after %d s of calm %s", (int)(CALM_US / MS / 1000),
                     producers_done() ? "Redis has not caught up" : "a producer is not done");
    }
}

static void curtain(void)
{
    for (unsigned i = 0; i < ACTORS; i++)
        sim.actors[i].retired = true;
    for (uint64_t until = sim.steps + CURTAIN_STEPS; actors_step();)
        if (sim.steps > until)
            sim_fail("somebody does not end when he is told to");
}

void run_seed(uint64_t seed, const char *folder, bool verbose)
{
    static struct buffer events;
    struct arena kept = sim.arena;

    sim = (struct simulation){.seed = seed, .verbose = verbose, .digest = 0xcbf29ce484222325u};
    sim.random = random_new(seed * 0x9e3779b97f4a7c15u + 1);
    sim.arena = kept;
    arena_reset(&sim.arena, (size_t)8 << 20);
    sim.partitions = 1 + (unsigned)chance_below(4);
    sim.recent_bytes = (size_t)1500 << 2 * chance_below(4); /* at most: more than there will be */
    length_draw();
    rates_draw();
    actors_begin();
    net_begin();
    disk_begin(folder);
    redis_begin();
    judge_begin();
    events_make(&events);
    roles_begin(folder, buffer_slice(&events));
    storm();
    calm();
    curtain();
    judge_journal(folder);
    judge_store(true);
    judge_end();
    roles_end();
    redis_end();
    net_end();
    disk_end();
}
