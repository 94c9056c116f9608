/* A hold; see hold.h.  Happy path: a look at all partitions, and a commit that moves each of them
 * to where it stands, in a new epoch, held until some seconds from now. */
#include "workers/hold.h"

#include "proto/error.h"

#include <assert.h>

/* Workers commit some tens of times a second: two of them in the same millisecond are rare. */
#define HOLD_TRIES 50

/* All partitions and, behind them, what is derived; all watched. */
static int look(struct store *store, unsigned partitions, struct applied *ret,
                struct applied *ret_derived)
{
    unsigned places[WIRE_MAX_PARTS + 1];
    struct applied applied[WIRE_MAX_PARTS + 1];
    struct store_look l = {.places = places,
                           .count = partitions + 1,
                           .watched = partitions + 1,
                           .ret_applied = applied};
    int error;

    for (unsigned p = 0; p < partitions; p++)
        places[p] = p;
    places[partitions] = PLACE_DERIVED;
    error = store_begin(store, &l);
    if (error < 0)
        return error;
    memcpy(ret, applied, partitions * sizeof *ret);
    *ret_derived = applied[partitions];
    return 0;
}

int hold_look(struct hold *h, struct store *store, unsigned partitions)
{
    *h = (struct hold){.store = store, .partitions = partitions};
    return look(store, partitions, h->applied, &h->derived);
}

static bool same_partitions(const struct hold *h, const struct applied *now)
{
    for (unsigned p = 0; p < h->partitions; p++)
        if (!applied_same(&h->applied[p], &now[p]))
            return false;
    return true;
}

/* Whoever was killed while his clock was ahead must not hold until that time comes. */
static bool lasts(int64_t held_ms, int64_t now_ms)
{
    return held_ms > now_ms && held_ms - now_ms <= HOLD_MOST_MS;
}

/* Held by somebody else: our own hold may be taken anew before its time is over. */
static bool is_held(const struct hold *h, const struct applied *now, unsigned partitions,
                    int64_t now_ms)
{
    if (h->partitions == partitions && same_partitions(h, now))
        return false;
    for (unsigned p = 0; p < partitions; p++)
        if (lasts(now[p].held_ms, now_ms))
            return true;
    return false;
}

static struct applied held(const struct applied *now, const char *log, int64_t now_ms)
{
    struct applied to = *now;

    if (!to.known) {
        assert(*log); /* who renews has taken, so that all places are known */
        to.known = true;
        memcpy(to.log, log, sizeof to.log);
        to.time_ms = now_ms;
    }
    to.epoch++;
    to.held_ms = now_ms + HOLD_MS;
    return to;
}

/* Holds all partitions, which stand at `now`, in a commit of its own. */
static int commit_held(struct store *store, unsigned partitions, struct applied *now,
                       const char *log, int64_t now_ms)
{
    struct commit c = {0};
    int error;

    for (unsigned p = 0; p < partitions; p++) {
        struct commit_move *m = commit_move(&c, p);
        m->from = now[p];
        m->to = held(&now[p], log, now_ms);
        now[p] = m->to;
    }
    error = store_commit(store, &c);
    commit_free(&c);
    return error;
}

static int take_once(struct hold *h, struct store *store, unsigned partitions, const char *log,
                     int64_t now_ms)
{
    struct applied now[WIRE_MAX_PARTS], derived;
    int error = look(store, partitions, now, &derived);

    if (error == 0 && is_held(h, now, partitions, now_ms))
        error = ERR_AGAIN;
    if (error == 0)
        error = commit_held(store, partitions, now, log, now_ms);
    if (error < 0)
        return error;
    *h = (struct hold){.store = store, .partitions = partitions, .derived = derived};
    memcpy(h->applied, now, partitions * sizeof *now);
    return 0;
}

int hold_take(struct hold *h, struct store *store, unsigned partitions, const char *log,
              int64_t now_ms)
{
    int error = ERR_CONFLICT;

    assert(partitions <= WIRE_MAX_PARTS);
    for (int i = 0; i < HOLD_TRIES && error == ERR_CONFLICT; i++)
        error = take_once(h, store, partitions, log, now_ms);
    return error == ERR_CONFLICT ? ERR_AGAIN : error;
}

static int renew_once(struct hold *h, int64_t now_ms, bool *ret_moved)
{
    struct applied now[WIRE_MAX_PARTS], derived;
    int error = look(h->store, h->partitions, now, &derived);

    *ret_moved = error == 0 && !same_partitions(h, now);
    if (error == 0 && !*ret_moved)
        error = commit_held(h->store, h->partitions, now, "", now_ms);
    if (error < 0 || *ret_moved)
        return error;
    memcpy(h->applied, now, h->partitions * sizeof *now);
    h->derived = derived;
    return 0;
}

int hold_renew(struct hold *h, int64_t now_ms)
{
    bool moved = false;
    int error = ERR_CONFLICT;

    for (int i = 0; i < HOLD_TRIES && error == ERR_CONFLICT && !moved; i++)
        error = renew_once(h, now_ms, &moved); /* somebody may derive in between */
    return moved ? ERR_CONFLICT : error;
}

int hold_watch(const struct hold *h)
{
    struct applied now[WIRE_MAX_PARTS], derived;
    int error = look(h->store, h->partitions, now, &derived);

    if (error < 0)
        return error;
    return same_partitions(h, now) && applied_same(&h->derived, &derived) ? 0 : ERR_CONFLICT;
}

void hold_moves(const struct hold *h, struct commit *c, const struct applied *to, int64_t now_ms)
{
    for (unsigned p = 0; p < h->partitions; p++) {
        struct commit_move *m = commit_move(c, p);
        m->from = h->applied[p];
        m->to = to ? to[p] : h->applied[p];
        if (to)
            m->to.time_ms = now_ms;
        m->to.epoch = m->from.epoch + 1;
        m->to.held_ms = 0;
    }
}

static struct applied derived_next(const struct hold *h, const char *log, int64_t now_ms)
{
    struct applied to = h->derived;

    to.known = true;
    to.offset++;
    to.time_ms = now_ms;
    memcpy(to.log, log, LOG_ID);
    return to;
}

void hold_moves_derived(const struct hold *h, struct commit *c, const char *log, int64_t now_ms)
{
    struct commit_move *m = commit_move(c, PLACE_DERIVED);

    m->from = h->derived;
    m->to = derived_next(h, log, now_ms);
}

void hold_moves_on(struct hold *h, struct commit *c, const char *log, int64_t now_ms)
{
    hold_moves_derived(h, c, log, now_ms);
    h->derived = derived_next(h, log, now_ms);
    for (unsigned p = 0; p < h->partitions; p++) {
        struct commit_move *m = commit_move(c, p);
        m->from = h->applied[p];
        m->to = held(&h->applied[p], log, now_ms);
        h->applied[p] = m->to;
    }
}

void hold_moves_anew(struct hold *h, struct commit *c, const char *log, int64_t now_ms)
{
    for (unsigned p = 0; p < h->partitions; p++) {
        struct commit_move *m = commit_move(c, p);
        struct applied start = {.known = true, .time_ms = now_ms, .epoch = h->applied[p].epoch};
        if (start.epoch < (uint64_t)now_ms)
            start.epoch = (uint64_t)now_ms;
        memcpy(start.log, log, LOG_ID);
        m->from = h->applied[p];
        m->to = held(&start, log, now_ms);
        h->applied[p] = m->to;
    }
}

static int release_once(const struct hold *h, int64_t now_ms, bool *ret_moved)
{
    struct applied now[WIRE_MAX_PARTS], derived;
    struct commit c = {0};
    int error = look(h->store, h->partitions, now, &derived);

    *ret_moved = error == 0 && !same_partitions(h, now);
    if (error == 0 && !*ret_moved) {
        hold_moves(h, &c, NULL, now_ms);
        error = store_commit(h->store, &c);
    }
    commit_free(&c);
    return error;
}

int hold_release(struct hold *h, int64_t now_ms)
{
    bool moved = false;
    int error = ERR_CONFLICT;

    for (int i = 0; i < HOLD_TRIES && error == ERR_CONFLICT && !moved; i++)
        error = release_once(h, now_ms, &moved); /* somebody may derive in between */
    if (moved)
        return ERR_CONFLICT;
    if (error == 0)
        h->partitions = 0;
    return error;
}
