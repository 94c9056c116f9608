/* A Redis that is lost, late, rolled back and replaced: the store in memory behind connections.
 *
 * A copy is one Redis; commits are kept, so that an older copy can be made by doing the first of
 * them again.  After a fail-over somebody may still talk to the old one for a while: what he
 * commits there is gone. */
#include <assert.h>
#include <stdlib.h>

#include "proto/date.h"
#include "proto/error.h"
#include "tests/simulate/simulate.h"
#include "workers/derive.h"
#include "workers/store.h"

#define PLACES     257         /* the partitions, and what is derived */
#define TIMEOUT_US (2000 * MS) /* as workers have it */

struct kept {
    struct kept *next;
    struct commit commit;
};

struct copy {
    struct copy *next;
    struct store *memory;
    struct kept *first, **last; /* its commits */
    unsigned count;
    uint64_t stamps[PLACES]; /* changes when a place is moved on, or all is flushed */
};

struct connection {
    struct store base;
    struct connection *next;
    struct actor *owner;
    struct copy *to; /* NULL: not connected */
    bool broken;     /* and the next call finds out */
    int outcome;     /* of an unawaited commit, nobody has taken it yet; 0: it went well */
    bool again;      /* behind which the places of `last` were looked at: they stood so */
    struct store_look last;
    unsigned places[PLACES];
    struct applied stood[PLACES];
    uint64_t watched[PLACES];
    int64_t until_us; /* after a fail-over: until then it talks to the old one */
};

struct late {
    struct late *next;
    int64_t due_us;
    struct copy *to;
    struct commit commit;
    uint64_t watched[PLACES];
};

static struct copy *copies, *primary;
static struct connection *connections;
static struct late *lates;
static int64_t down_us; /* unreachable until then */
static uint64_t stamp;

static struct copy *copy_new(void)
{
    struct copy *c = arena_need(&sim.arena, sizeof *c);

    c->memory = store_memory_new();
    c->last = &c->first;
    c->next = copies;
    stamp++;
    for (unsigned i = 0; i < PLACES; i++)
        c->stamps[i] = stamp;
    return copies = c;
}

void redis_begin(void)
{
    copies = NULL;
    connections = NULL;
    lates = NULL;
    down_us = 0;
    stamp = 0;
    primary = copy_new();
}

void redis_end(void)
{
    for (struct copy *c = copies; c; c = c->next)
        store_free(c->memory);
}

const struct store *redis_memory(void)
{
    return primary->memory;
}

static uint64_t *stamp_of(uint64_t *stamps, unsigned place)
{
    return &stamps[place == PLACE_DERIVED ? PLACES - 1 : place];
}

/* ---- commits ---- */
static struct commit commit_keep(const struct commit *c)
{
    struct commit kept = *c;

    kept.arena = NULL;
    kept.ops = arena_need(&sim.arena, (c->count + 1) * sizeof *kept.ops);
    kept.moves = arena_need(&sim.arena, (c->move_count + 1) * sizeof *kept.moves);
    for (size_t i = 0; i < c->count; i++) {
        kept.ops[i] = c->ops[i];
        kept.ops[i].key = arena_copy(&sim.arena, c->ops[i].key);
        kept.ops[i].field = arena_copy(&sim.arena, c->ops[i].field);
        kept.ops[i].value = arena_copy(&sim.arena, c->ops[i].value);
    }
    memcpy(kept.moves, c->moves, c->move_count * sizeof *kept.moves);
    return kept;
}

/* What is not watched (0) is no hindrance: Redis knows nothing of where a commit begins. */
static bool watch_holds(struct copy *to, uint64_t *watched, const struct commit *c)
{
    for (size_t i = 0; i < c->move_count; i++) {
        uint64_t seen = *stamp_of(watched, c->moves[i].place);
        if (seen && seen != *stamp_of(to->stamps, c->moves[i].place))
            return false;
    }
    return true;
}

/* What EXEC does. */
static int copy_commit(struct copy *to, uint64_t *watched, const struct commit *c)
{
    struct kept *k;
    int error;

    if (!watch_holds(to, watched, c))
        return ERR_CONFLICT;
    if (to == primary)
        judge_commit(c);
    error = store_commit(to->memory, c);
    if (error < 0)
        sim_fail("a commit does not begin where Redis stands, and watches nothing");
    for (size_t i = 0; i < c->move_count; i++)
        *stamp_of(to->stamps, c->moves[i].place) = ++stamp;
    k = arena_need(&sim.arena, sizeof *k);
    k->commit = commit_keep(c);
    *to->last = k;
    to->last = &k->next;
    to->count++;
    return 0;
}

/* The same commits again: the first `count` of them. */
static struct copy *copy_older(const struct copy *from, unsigned count)
{
    struct copy *c = copy_new();
    const struct kept *k = from->first;

    for (unsigned i = 0; i < count; i++, k = k->next) {
        struct kept *again = arena_need(&sim.arena, sizeof *again);
        again->commit = k->commit;
        *c->last = again;
        c->last = &again->next;
        c->count++;
        if (store_commit(c->memory, &k->commit) < 0)
            abort();
    }
    return c;
}

/* ---- what befalls it ---- */
void redis_flush(void)
{
    fault_note(FAULT_REDIS_FLUSHED);
    sim_say("redis is flushed");
    primary = copy_new(); /* with new stamps: whoever watches is told */
    for (struct connection *c = connections; c; c = c->next)
        if (c->to)
            c->to = primary;
}

static unsigned older_count(void)
{
    unsigned back = 1 + (unsigned)chance_below(chance_below(2) ? 3 : primary->count + 1);

    return back > primary->count ? 0 : primary->count - back;
}

void redis_roll_back(void)
{
    fault_note(FAULT_REDIS_ROLLED_BACK);
    primary = copy_older(primary, older_count());
    sim_say("redis is back with its first %u commits", primary->count);
    for (struct connection *c = connections; c; c = c->next)
        c->broken = true;
}

void redis_fail_over(void)
{
    fault_note(FAULT_REDIS_FAILED_OVER);
    primary = copy_older(primary, older_count());
    sim_say("another redis takes over with the first %u commits", primary->count);
    for (struct connection *c = connections; c; c = c->next)
        c->until_us = sim.now_us + (int64_t)chance_below(1000 * MS);
}

static void late_do(struct late *l)
{
    int error = l->to == primary ? copy_commit(l->to, l->watched, &l->commit) : ERR_LOST;

    sim_say("a commit comes late: %s", error ? "too late" : "in time");
    if (error == 0)
        fault_note(FAULT_COMMIT_LATE);
}

void redis_step(void)
{
    for (struct late **at = &lates; *at;) {
        struct late *l = *at;
        if (l->due_us > sim.now_us) {
            at = &l->next;
            continue;
        }
        *at = l->next;
        late_do(l);
    }
}

void redis_drop_late(void)
{
    lates = NULL;
    down_us = 0;
    for (struct connection *c = connections; c; c = c->next)
        c->broken |= c->to != primary;
}

/* ---- a connection ---- */
static int lose(struct connection *c, int64_t pause_us)
{
    actor_pause(pause_us);
    c->to = NULL;
    c->broken = c->again = false;
    c->outcome = 0;
    memset(c->watched, 0, sizeof c->watched);
    return ERR_LOST;
}

/* A call on its way; 0 when it has come to a Redis. */
static int reach(struct connection *c)
{
    if (actor_seam())
        return ERR_LOST;
    actor_pause(20 + (int64_t)chance_below(300));
    if (actor_seam())
        return ERR_LOST;
    if (fault_now(FAULT_REDIS_DOWN))
        down_us = sim.now_us + (int64_t)chance_below(8000 * MS);
    if (sim.now_us < down_us)
        return lose(c, chance_below(2) ? MS : TIMEOUT_US);
    if (c->broken || (c->to && c->to != primary && sim.now_us >= c->until_us))
        return lose(c, MS);
    if (fault_now(FAULT_REDIS_BUSY))
        return ERR_AGAIN;
    if (fault_now(FAULT_REPLY_LOST))
        return lose(c, TIMEOUT_US);
    if (!c->to)
        c->to = primary;
    return 0;
}

static int sim_confirm(struct store *base)
{
    struct connection *c = (struct connection *)base;
    int outcome = c->outcome;

    c->outcome = 0;
    if (outcome < 0)
        store_drop(base);
    return outcome;
}

static int watch(struct connection *c, const struct store_look *look)
{
    memset(c->watched, 0, sizeof c->watched);
    for (size_t i = 0; i < look->watched; i++)
        *stamp_of(c->watched, look->places[i]) = *stamp_of(c->to->stamps, look->places[i]);
    return store_begin(c->to->memory, look);
}

/* Its places were looked at behind the last commit, and are watched since. */
static bool is_again(const struct connection *c, const struct store_look *look)
{
    return c->again && look->count == c->last.count && look->watched == c->last.watched &&
           memcmp(look->places, c->places, look->count * sizeof *c->places) == 0;
}

static void look_keep(struct connection *c, const struct store_look *look)
{
    if (look->count)
        memcpy(c->places, look->places, look->count * sizeof *c->places);
    c->last = (struct store_look){.places = c->places,
                                  .count = look->count,
                                  .watched = look->watched,
                                  .ret_applied = c->stood};
}

static int sim_begin(struct store *base, const struct store_look *look)
{
    struct connection *c = (struct connection *)base;
    int error = sim_confirm(base);
    bool again = is_again(c, look);

    if (error == 0 && (!again || look->fetch_count)) /* else nothing is asked */
        error = reach(c);
    again &= c->again; /* the connection is the same */
    c->again = false;
    if (error < 0)
        return error;
    look_keep(c, look);
    if (!again)
        return watch(c, look);
    memcpy(look->ret_applied, c->stood, look->count * sizeof *c->stood);
    return store_fetch(c->to->memory, look->fetches, look->fetch_count, look->context);
}

static int sim_fetch(struct store *base, const struct store_fetch *fetches, size_t count,
                     void *context)
{
    struct connection *c = (struct connection *)base;
    int error = sim_confirm(base);

    if (error == 0)
        error = reach(c);
    if (error < 0)
        return error;
    return store_fetch(c->to->memory, fetches, count, context);
}

static void commit_late(struct connection *c, const struct commit *commit)
{
    struct late *l = arena_need(&sim.arena, sizeof *l);

    l->due_us = sim.now_us + (int64_t)chance_below(3000 * MS);
    l->to = c->to;
    l->commit = commit_keep(commit);
    memcpy(l->watched, c->watched, sizeof l->watched);
    l->next = lates;
    lates = l;
}

static int commit_try(struct store *base, const struct commit *commit)
{
    struct connection *c = (struct connection *)base;
    struct copy *was = c->to;
    int error = was ? reach(c) : ERR_LOST; /* begin's watch went with the connection */

    if (error < 0)
        return error;
    if (fault_now(FAULT_COMMIT_NEVER))
        return lose(c, TIMEOUT_US);
    if (!sim.calm && sim.rate[FAULT_COMMIT_LATE] &&
        chance_below(1000) < sim.rate[FAULT_COMMIT_LATE]) {
        commit_late(c, commit);
        return lose(c, chance_below(2) ? MS : TIMEOUT_US);
    }
    error = copy_commit(c->to, c->watched, commit);
    memset(c->watched, 0, sizeof c->watched);
    if (error == ERR_CONFLICT)
        fault_note(FAULT_TWO_OWNERS);
    actor_pause(20 + (int64_t)chance_below(300));
    if (actor_seam())
        return ERR_LOST;
    if (fault_now(FAULT_COMMIT_LOST))
        return lose(c, chance_below(2) ? MS : TIMEOUT_US);
    return error;
}

/* What becomes of a commit happens now; an unawaited one's outcome is known later. */
static int sim_commit(struct store *base, const struct commit *commit)
{
    struct connection *c = (struct connection *)base;
    int error = commit_try(base, commit);

    if (!commit->unawaited)
        return error;
    c->outcome = error;
    if (error == 0 && watch(c, &c->last) < 0)
        abort();
    c->again = error == 0;
    return 0;
}

static int sim_keys(struct store *base, store_key_fn each, void *arg)
{
    struct connection *c = (struct connection *)base;
    int error = reach(c);

    return error < 0 ? error : store_keys(c->to->memory, each, arg);
}

static void sim_drop(struct store *base)
{
    struct connection *c = (struct connection *)base;

    c->to = NULL;
    c->broken = c->again = false;
    memset(c->watched, 0, sizeof c->watched);
}

static void sim_free(struct store *base)
{
    struct connection **at = &connections;

    while (*at != (struct connection *)base)
        at = &(*at)->next;
    *at = (*at)->next; /* the memory is the seed's */
}

struct store *redis_connect(void)
{
    static const struct store_ops ops = {.begin = sim_begin,
                                         .fetch = sim_fetch,
                                         .commit = sim_commit,
                                         .confirm = sim_confirm,
                                         .keys = sim_keys,
                                         .drop = sim_drop,
                                         .free = sim_free};
    struct connection *c = arena_need(&sim.arena, sizeof *c);

    c->base.ops = &ops;
    c->owner = sim.now;
    c->next = connections;
    connections = c;
    return &c->base;
}

static int row_day(void *context, void *record, struct slice field, struct slice value)
{
    char today[DATE_TEXT + 1];

    (void)context;
    (void)field;
    date_format(date_of_ms(WALL_BASE_MS + sim.now_us / MS), today);
    *(bool *)record = slice_equal(value, slice_make(today, DATE_TEXT));
    return 0;
}

/* Groups and watch list are of today, and no mark waits. */
static bool derived_settled(void)
{
    static const struct slice day = {"day", 3};
    bool waiting = true, today = false;
    struct store_fetch f = {.key = slice_of("derived"),
                            .kind = FETCH_HASH,
                            .fields = &day,
                            .field_count = 1,
                            .row = row_day,
                            .record = &today};

    return derive_waiting(primary->memory, &waiting) == 0 && !waiting &&
           store_fetch(primary->memory, &f, 1, NULL) == 0 && today;
}

bool redis_settled(void)
{
    struct applied applied[PLACES];

    if (!derived_settled() || store_applied(primary->memory, sim.partitions, applied) < 0)
        return false;
    for (unsigned p = 0; p < sim.partitions; p++)
        if (applied[p].offset != judge_end_of(p))
            return false;
    return true;
}
