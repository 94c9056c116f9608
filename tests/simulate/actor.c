/* Actors; see simulate.h.  Each is a coroutine with a stack of its own.  The one whose time comes
 * next runs until it waits, so there is never more than one, and the order is the seed's. */
#include "tests/simulate/simulate.h"

#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#define STACK_BYTES ((size_t)2 << 20)
#define MOST_CALLS  1000000 /* of seams in one step */
#define STEP_US     200     /* the longest that an actor computes between two waits */

struct fiber {
    ucontext_t context;
    void *stack;
    actor_fn run;
};

static struct fiber fibers[ACTORS];
static ucontext_t scheduler;

const char *actor_name(const struct actor *a)
{
    static const char *const names[] = {"broker", "worker", "producer"};
    static char name[32];

    if (!a)
        return "world";
    if (a->role == ACTING_BROKER)
        return names[a->role];
    snprintf(name, sizeof name, "%s-%u", names[a->role], a->number);
    return name;
}

void actors_begin(void)
{
    memset(sim.actors, 0, sizeof sim.actors);
    sim.now = NULL;
}

static void fiber_main(void)
{
    struct actor *a = sim.now;

    a->fiber->run(a);
    a->done = true;
    swapcontext(&a->fiber->context, &scheduler);
}

static void crash_plan(struct actor *a)
{
    static const enum fault killed[] = {FAULT_BROKER_KILLED, FAULT_WORKER_KILLED,
                                        FAULT_PRODUCER_KILLED};
    bool wanted = sim.rate[killed[a->role]] > 0 ||
                  (a->role == ACTING_BROKER && sim.rate[FAULT_POWER_CUT] > 0);

    a->crash_in = 0;
    if (wanted && !sim.calm && chance_below(3) > 0)
        a->crash_in = 1 + chance_below(chance_below(2) ? 60 : 600);
}

struct actor *actor_start(enum acting role, unsigned number, actor_fn run)
{
    static const unsigned first[] = {0, 1, 1 + WORKERS};
    unsigned i = first[role] + number;
    struct actor *a = &sim.actors[i];
    struct fiber *f = &fibers[i];

    *a = (struct actor){.role = role, .number = number, .there = true, .fiber = f};
    a->wake_us = sim.now_us + (int64_t)chance_below(20 * MS);
    a->mono_ms = 1000 + (int64_t)chance_below(1000000);
    if (!f->stack)
        f->stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (f->stack == MAP_FAILED || getcontext(&f->context) < 0)
        abort();
    f->run = run;
    f->context.uc_stack.ss_sp = f->stack;
    f->context.uc_stack.ss_size = STACK_BYTES;
    f->context.uc_link = NULL;
    makecontext(&f->context, fiber_main, 0);
    crash_plan(a);
    return a;
}

/* ---- who is next ---- */
static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t due_us(const struct actor *a)
{
    int64_t due = a->wake_us, message;

    if (net_ready(a, &message) && message < due)
        due = message;
    return later(due, a->frozen_us);
}

static struct actor *actor_next(int64_t *ret_us)
{
    struct actor *next = NULL;

    for (unsigned i = 0; i < ACTORS; i++) {
        struct actor *a = &sim.actors[i];
        if (!a->there || a->done)
            continue;
        int64_t due = due_us(a);
        if (!next || due < *ret_us) {
            next = a;
            *ret_us = due;
        }
    }
    return next;
}

bool actors_step(void)
{
    int64_t due = 0;
    struct actor *a = actor_next(&due);

    if (!a)
        return false;
    sim.now_us = later(sim.now_us, due);
    sim.steps++;
    sim.calls = 0;
    sim.now = a;
    sim_digest(&a->number, sizeof a->number);
    sim_digest(&sim.now_us, sizeof sim.now_us);
    swapcontext(&scheduler, &a->fiber->context);
    sim.now = NULL;
    sim.now_us += (int64_t)chance_below(STEP_US);
    return true;
}

void actor_pause(int64_t us)
{
    struct actor *a = sim.now;

    if (a->dead) { /* its time goes by without the others */
        a->mono_ms += us / MS + 1;
        return;
    }
    a->wake_us = sim.now_us + us;
    swapcontext(&a->fiber->context, &scheduler);
    sim.now = a;
}

/* ---- death ---- */
void actor_kill(struct actor *a)
{
    static const enum fault killed[] = {FAULT_BROKER_KILLED, FAULT_WORKER_KILLED,
                                        FAULT_PRODUCER_KILLED};

    if (a->dead)
        return;
    sim_say("%s is killed", actor_name(a));
    a->dead = true;
    a->wake_us = sim.now_us;
    if (a->role != ACTING_BROKER)
        fault_note(killed[a->role]);
    net_owner_died(a);
    if (a->role == ACTING_BROKER)
        disk_broker_died();
}

bool actor_seam(void)
{
    struct actor *a = sim.now;

    if (!a || sim.judging)
        return false;
    if (++sim.calls > MOST_CALLS)
        sim_fail("%s goes round and round", actor_name(a));
    if (!a->dead && !sim.calm && a->crash_in && --a->crash_in == 0)
        actor_kill(a);
    return a->dead;
}

void actor_revive(void)
{
    struct actor *a = sim.now;

    a->dead = false;
    actor_pause((int64_t)chance_below(chance_below(2) ? 20 * MS : 2000 * MS));
    a->mono_ms = 1000 + (int64_t)chance_below(1000000);
    crash_plan(a);
    sim_say("%s is started anew", actor_name(a));
}
