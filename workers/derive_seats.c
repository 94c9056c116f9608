/* Deriving, the seats: which seats with duties in a year are effective, and how many of them each
 * member has.
 *
 *     seat:C|M:YEAR   counters of duties   ─▶  standing:C:YEAR  M -> "1 0": effective, still held
 *                                          ─▶  effective:M:YEAR  num den held: their sums
 *
 * The sums move by the difference of a seat's standing before and after, as counters do. */
#include "proto/error.h"
#include "workers/derive_round.h"
#include "workers/risk.h"

#include <stdlib.h>

#define SEATS_AT_ONCE 100 /* some 1 ms of Redis: no commit waits longer for a step */

/* What a seat with duties counts for. */
struct standing {
    bool duty, effective, held;
};

struct seat_state {
    struct table_entry entry; /* by the member */
    bool marked;
    struct standing old;
    struct duties duties;
};

struct seat_step {
    struct derive *derive;
    struct seat_work *work;
    struct committee *committee;
    struct table states; /* struct seat_state */
    date_days last_day;
};

static struct seat_state *state_of(struct seat_step *s, struct slice member)
{
    struct seat_state *state = table_find(&s->states, member);

    if (!state) {
        state = arena_need(&s->derive->batch, sizeof *state);
        state->entry.key = arena_copy(&s->derive->batch, member);
        table_add(&s->states, &state->entry);
    }
    return state;
}

static int row_standing(void *context, void *record, struct slice field, struct slice value)
{
    struct standing *old = &state_of(record, field)->old;

    (void)context;
    if (value.size != 3)
        return ERR_CORRUPT;
    *old = (struct standing){true, value.at[0] == '1', value.at[2] == '1'};
    return 0;
}

static struct seat_step *step_fetch(struct derive *d, struct seat_work *w)
{
    struct seat_step *s = arena_need(&d->batch, sizeof *s);
    const struct table_entry *m;

    *s = (struct seat_step){.derive = d, .work = w, .states = {.arena = &d->batch}};
    s->committee = ledger_committee(d->ledger, w->committee);
    gather_committee(&d->gather, s->committee);
    derive_fetch(d, derive_key(d, "standing:", w->committee, ":", w->year), FETCH_HASH,
                 row_standing, s);
    for (size_t i = 0; (m = table_next(&w->members, &i));) {
        struct slice pair = derive_key(d, "", w->committee, "|", m->key);
        struct seat_state *state = state_of(s, m->key);
        state->marked = true;
        derive_fetch(d, derive_key(d, "seat:", pair, ":", w->year), FETCH_HASH, duties_row,
                     &state->duties);
    }
    return s;
}

static struct standing standing_now(const struct seat_step *s, const struct seat_state *state)
{
    struct standing now = state->old;

    if (state->marked) {
        now.duty = duties_any(&state->duties);
        now.effective = now.duty && duties_effective(&state->duties);
    }
    now.held = now.duty && ledger_role(s->committee, state->entry.key, s->last_day) == ROLE_P;
    return now;
}

static void sum_move(struct commit *c, struct slice key, const char *field, int before, int after)
{
    if (before != after)
        commit_hincrby(c, key, slice_of(field), after - before);
}

static void write_standing(struct seat_step *s, const struct seat_state *state)
{
    struct derive *d = s->derive;
    struct standing old = state->old, now = standing_now(s, state);
    struct slice key = derive_key(d, "standing:", s->work->committee, ":", s->work->year);
    struct slice sums = derive_key(d, "effective:", state->entry.key, ":", s->work->year);
    char text[] = {now.effective ? '1' : '0', ' ', now.held ? '1' : '0'};

    if (now.duty == old.duty && now.effective == old.effective && now.held == old.held)
        return;
    if (now.duty)
        commit_hset(&d->commit, key, state->entry.key,
                    arena_copy(&d->batch, slice_make(text, sizeof text)));
    else
        commit_hdel(&d->commit, key, state->entry.key);
    sum_move(&d->commit, sums, "num", old.effective, now.effective);
    sum_move(&d->commit, sums, "den", old.duty, now.duty);
    sum_move(&d->commit, sums, "held", old.held, now.held);
}

int derive_seats(struct derive *d)
{
    struct work *w = &d->seats;
    struct pointers steps = {0};
    const struct seat_state *state;
    size_t seats = 0;
    int error;

    while (w->at < w->list.count && seats < SEATS_AT_ONCE) {
        struct seat_work *next = w->list.items[w->at++];
        pointers_add(&steps, step_fetch(d, next));
        seats += 10 + next->members.count; /* the roles cost something, too */
    }
    error = derive_look(d);
    for (size_t i = 0; i < steps.count && error == 0; i++) {
        struct seat_step *s = steps.items[i];
        if (!period_last_day(s->work->year, &s->last_day))
            error = ERR_CORRUPT;
        for (size_t j = 0; error == 0 && (state = table_next(&s->states, &j));)
            write_standing(s, state);
    }
    free(steps.items);
    return error;
}
