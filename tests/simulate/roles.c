/* What broker, workers and producers do: the loops of their programs, and beginning anew when they
 * were killed. */
#include <stdlib.h>

#include "broker/broker.h"
#include "proto/error.h"
#include "proto/turnout.h"
#include "tests/simulate/simulate.h"
#include "tests/world.h"
#include "workers/worker.h"

#define JOURNAL_BYTES ((uint64_t)16 << 20)
#define PAUSE_US      (50 * MS)

/* ---- the broker ---- */
static const char *folder;

static void broker_live(struct actor *a)
{
    struct broker_config config = {.dir = folder,
                                   .journal_bytes = JOURNAL_BYTES,
                                   .recent_bytes = sim.recent_bytes,
                                   .partitions = sim.partitions};
    struct broker *b = NULL;
    int error;

    disk_broker_restart();
    error = broker_open(&config, &b);
    if (a->dead)
        fault_note(FAULT_BROKER_KILLED_IN_START);
    while (error == 0 && !a->dead && !a->retired)
        error = broker_round(b, -1, 250);
    if (error < 0 && !a->dead)
        sim_say("the broker ends: %s", error_text(error));
    if (error == ERR_CORRUPT || error == ERR_VERSION || error == ERR_CONFIG)
        if (!a->dead)
            sim_fail("the broker cannot open its journal: %s", error_text(error));
    broker_close(b);
}

static void broker_main(struct actor *a)
{
    while (!a->retired) {
        broker_live(a);
        if (a->dead) {
            disk_broker_restart();
            judge_journal(folder);
        }
        if (!a->retired)
            actor_revive();
    }
}

/* ---- workers ---- */
static void worker_live(struct actor *a)
{
    static const char *const names[WORKERS] = {"worker-0", "worker-1", "worker-2"};
    struct worker_config config = {.endpoint = "ipc://read.sock",
                                   .redis = "redis",
                                   .name = names[a->number],
                                   .rules = RULES_DEFAULT};
    struct store *store = redis_connect();
    struct worker *w = NULL;
    int error = worker_new(&config, store, &w);

    while (error == 0 && !a->dead && !a->retired)
        error = worker_round(w, -1);
    if (error < 0 && !a->dead)
        sim_fail("%s gives up: %s", actor_name(a), error_text(error));
    worker_free(w);
    store_free(store);
}

static void worker_main(struct actor *a)
{
    while (!a->retired) {
        worker_live(a);
        if (!a->retired)
            actor_revive();
    }
}

/* ---- producers ---- */
enum state { STATE_NEW, STATE_ACCEPTED, STATE_REFUSED };

struct publisher {
    struct actor *actor;
    struct slice *events;
    enum state *states;
    size_t count, room;
    size_t *sent; /* which event has each number of this connection of ours */
    size_t sent_count, sent_room;
    bool slow;      /* pauses between events */
    bool resending; /* sends everything twice */
    bool forgetful; /* after its death it begins at the beginning */
};
static struct publisher publishers[PRODUCERS];

static void took(void *arg, uint64_t first, uint64_t last)
{
    struct publisher *p = arg;

    if (p->actor->dead)
        return;
    if (first < 1 || last > p->sent_count || first > last)
        sim_fail("a producer is told of numbers that it never sent");
    for (uint64_t seq = first; seq <= last; seq++) {
        size_t i = p->sent[seq - 1];
        p->states[i] = STATE_ACCEPTED;
        judge_accepted(p->events[i]);
    }
}

static void refused(void *arg, uint64_t seq, const struct turnout_refusal *why)
{
    struct publisher *p = arg;

    if (p->actor->dead)
        return;
    if (seq < 1 || seq > p->sent_count)
        sim_fail("a producer is told of a number that it never sent");
    size_t i = p->sent[seq - 1];
    judge_refused(p->events[i], why->code, why->reason, why->retry);
    if (p->states[i] == STATE_NEW && !why->retry)
        p->states[i] = STATE_REFUSED;
}

static bool publisher_done(const struct publisher *p)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->states[i] == STATE_NEW)
            return false;
    return true;
}

/* Once more after its death: also what was accepted, by one that does not remember. */
static void publisher_forget(struct publisher *p)
{
    for (size_t i = 0; i < p->count; i++)
        p->states[i] = STATE_NEW;
}

static int publisher_send(struct publisher *p, struct turnout_producer *t, size_t i)
{
    int r;

    if (p->sent_count == p->sent_room) {
        p->sent_room = p->sent_room ? p->sent_room * 2 : 256;
        p->sent = memory_grow(p->sent, p->sent_room * sizeof *p->sent);
    }
    p->sent[p->sent_count++] = i; /* it may be acknowledged before turnout_send returns */
    do
        r = turnout_send(t, p->events[i].at, p->events[i].size, NULL);
    while (r == TURNOUT_TIMEOUT && !p->actor->dead && !p->actor->retired);
    return r;
}

static int publisher_pass(struct publisher *p, struct turnout_producer *t)
{
    int r = TURNOUT_OK;

    for (size_t i = 0; i < p->count && r == TURNOUT_OK && !p->actor->dead; i++) {
        if (p->states[i] != STATE_NEW)
            continue;
        r = publisher_send(p, t, i);
        if (r == TURNOUT_OK && p->resending && chance_below(2))
            r = publisher_send(p, t, i);
        if (r == TURNOUT_OK && chance_below(p->slow ? 1 : 6) == 0)
            r = turnout_poll(t, (int)chance_below(p->slow ? 300 : 5));
    }
    do
        r = r == TURNOUT_OK || r == TURNOUT_TIMEOUT ? turnout_flush(t, 500) : r;
    while (r == TURNOUT_TIMEOUT && !p->actor->dead && !p->actor->retired);
    return r;
}

static void publisher_live(struct publisher *p)
{
    struct turnout_options options = {.endpoint = "ipc://publish.sock",
                                      .name = actor_name(p->actor),
                                      .window_events = (uint32_t)(1 + chance_below(40)),
                                      .batch_events = (uint32_t)(1 + chance_below(20)),
                                      .accepted = took,
                                      .refused = refused,
                                      .arg = p};
    struct turnout_producer *t;
    int r;

    p->sent_count = 0;
    r = turnout_producer_new(&options, &t);
    if (r != TURNOUT_OK)
        sim_fail("a producer cannot be made: %d", r);
    turnout_set_timeout(t, 500);
    while (!p->actor->dead && !publisher_done(p)) {
        r = publisher_pass(p, t);
        if (r != TURNOUT_OK && !p->actor->dead && !p->actor->retired)
            sim_fail("%s gives up: %d %s", actor_name(p->actor), r, turnout_error(t));
        actor_pause(PAUSE_US);
    }
    turnout_producer_free(t);
}

static void producer_main(struct actor *a)
{
    struct publisher *p = &publishers[a->number];

    while (!publisher_done(p)) {
        publisher_live(p);
        if (!a->dead)
            continue;
        if (p->forgetful)
            publisher_forget(p);
        actor_revive();
    }
}

bool producers_done(void)
{
    for (unsigned i = 0; i < PRODUCERS; i++)
        if (!publisher_done(&publishers[i]))
            return false;
    return true;
}

/* ---- the cast ---- */
static void publisher_give(struct publisher *p, struct slice event)
{
    if (p->count == p->room) {
        p->room = p->room ? p->room * 2 : 64;
        p->events = memory_grow(p->events, p->room * sizeof *p->events);
        p->states = memory_grow(p->states, p->room * sizeof *p->states);
    }
    p->states[p->count] = STATE_NEW;
    p->events[p->count++] = event;
}

void roles_begin(const char *dir, struct slice events)
{
    struct slice *each;
    size_t count = world_split(events, &each);

    folder = dir;
    for (unsigned i = 0; i < PRODUCERS; i++) {
        publishers[i].actor = actor_start(ACTING_PRODUCER, i, producer_main);
        publishers[i].count = 0;
        publishers[i].slow = i == 0;
        publishers[i].resending = i == 1;
        publishers[i].forgetful = i == 2;
    }
    for (size_t i = 0; i < count; i++) {
        publisher_give(&publishers[chance_below(PRODUCERS)], each[i]);
        if (chance_below(10) == 0)
            publisher_give(&publishers[chance_below(PRODUCERS)], each[i]);
    }
    free(each);
    actor_start(ACTING_BROKER, 0, broker_main);
    for (unsigned i = 0; i < WORKERS; i++)
        if (i < 2 || chance_below(2))
            actor_start(ACTING_WORKER, i, worker_main);
}

void roles_end(void)
{
    for (unsigned i = 0; i < PRODUCERS; i++)
        publishers[i].count = 0;
}
