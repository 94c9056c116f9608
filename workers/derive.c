/* Deriving; see derive.h.  The rounds; marks are read in derive_marks.c, the stages are in
 * derive_seats.c, derive_watch.c and derive_periods.c.
 *
 * What is read is read after the marks were taken, so it is at least as new as what they speak of;
 * what changes later is marked again for the next round. */
#include "workers/derive_round.h"

#include "proto/error.h"
#include "proto/log.h"

#include <stdlib.h>

#define KEEP_BYTES ((size_t)2 << 20) /* of each arena, from one use to the next */

struct derive *derive_new(struct store *store, const struct rules *rules)
{
    struct derive *d = memory_zeroed(sizeof *d);

    d->store = store;
    d->rules = *rules;
    d->ledger = ledger_new();
    d->group = groups_new();
    gather_open(&d->gather, d->ledger);
    d->commit.arena = &d->batch;
    return d;
}

void derive_free(struct derive *d)
{
    if (!d)
        return;
    gather_close(&d->gather);
    ledger_free(d->ledger);
    groups_free(d->group);
    people_free(&d->people);
    commit_free(&d->commit);
    work_free(&d->seats);
    work_free(&d->committees);
    work_free(&d->periods);
    table_free(&d->since);
    free(d->known.items);
    free(d->groups.items);
    buffer_free(&d->scratch);
    arena_free(&d->batch);
    arena_free(&d->round);
    free(d);
}

void derive_journal(struct derive *d, const char *log)
{
    memcpy(d->log, log, LOG_ID);
}

bool derive_busy(const struct derive *d)
{
    return d->stage != DERIVE_IDLE;
}

static void step_end(struct derive *d)
{
    commit_clear(&d->commit);
    ledger_drop(d->ledger);
    arena_reset(&d->batch, KEEP_BYTES);
}

static void round_clear(struct derive *d)
{
    work_clear(&d->seats);
    work_clear(&d->committees);
    work_clear(&d->periods);
    table_clear(&d->since);
    d->known.count = d->groups.count = 0;
    people_clear(&d->people);
    arena_reset(&d->round, KEEP_BYTES);
    d->stage = DERIVE_IDLE;
}

/* ---- the beginning of a round ---- */
static int row_true(void *context, void *record, struct slice field, struct slice value)
{
    (void)context;
    (void)field;
    (void)value;
    *(bool *)record = true;
    return 0;
}

static int row_there(void *context, void *record, struct slice field, struct slice value)
{
    (void)context;
    (void)field;
    *(bool *)record = value.at != NULL;
    return 0;
}

static int row_state(void *context, void *record, struct slice field, struct slice value)
{
    struct derive *d = record;
    struct slice *to = slice_is(field, "day")     ? &d->day
                       : slice_is(field, "rules") ? &d->rules_text
                                                  : &d->basis;

    (void)context;
    *to = arena_copy(&d->round, value);
    return 0;
}

static struct slice day_text(struct derive *d)
{
    char *text = arena_need(&d->batch, DATE_TEXT);

    date_format(d->today, text);
    return slice_make(text, DATE_TEXT);
}

static struct slice rules_text(struct derive *d)
{
    buffer_clear(&d->scratch);
    rules_format(&d->rules, &d->scratch);
    return arena_copy(&d->batch, buffer_slice(&d->scratch));
}

/* A new day, or other thresholds: every seat may be at risk, or not any more. */
static bool watch_is_old(struct derive *d)
{
    return !slice_equal(d->day, day_text(d)) || !slice_equal(d->rules_text, rules_text(d));
}

static int round_look(struct derive *d)
{
    static const struct slice fields[] = {{"day", 3}, {"rules", 5}, {"basis", 5}};
    struct store_fetch *f;

    d->dirty = d->left = false;
    f = gather_key(&d->gather, slice_of("derived"), FETCH_HASH, row_state, d);
    f->fields = fields;
    f->field_count = 3;
    gather_key(&d->gather, slice_of("dirty"), FETCH_SET, row_true, &d->dirty)->field_count = 1;
    gather_key(&d->gather, slice_of("deriving"), FETCH_SET, row_true, &d->left)->field_count = 1;
    return derive_look_at(d, &d->applied, false);
}

/* Since when the last commit of deriving stands: by our own clock, as the one who made it may have
 * another; only of what was there at our first look he is asked. */
static int64_t stands_since(struct derive *d, int64_t now_ms)
{
    bool first = !d->seen_ms;

    if (first || !applied_same(&d->applied, &d->seen))
        d->seen_ms = first && d->applied.known ? d->applied.time_ms : now_ms;
    d->seen = d->applied;
    return d->seen_ms;
}

/* Rounds begin a second apart; of somebody else's only the last commit is known. */
static bool round_due(struct derive *d, int64_t now_ms, bool hurry)
{
    bool ours = applied_same(&d->applied, &d->ended);
    int64_t stands_ms = stands_since(d, now_ms);
    int64_t since_ms = now_ms - (ours ? d->began_ms : stands_ms);
    int64_t pause_ms = d->left ? DERIVE_LEASE_MS : DERIVE_EVERY_MS;

    if (!d->dirty && !d->left && (!d->applied.known || !watch_is_old(d)))
        return false;
    return hurry || !d->applied.known || since_ms >= pause_ms || since_ms < 0;
}

/* From here on the round is ours: whoever else is at work fails at his next commit.  Of a round for
 * another day that is then given up some seats are left by that day, so until it ends the list is
 * of no day at all: or a worker whose clock is right would see nothing to do. */
static int round_take(struct derive *d, int64_t now_ms)
{
    if (watch_is_old(d))
        commit_hdel(&d->commit, slice_of("derived"), slice_of("day"));
    if (d->dirty && !d->left)
        commit_rename(&d->commit, slice_of("dirty"), slice_of("deriving"));
    return derive_commit(d, now_ms);
}

/* Thresholds are set worker by worker, and must be the same. */
static void rules_compare(struct derive *d)
{
    struct slice ours = rules_text(d);

    if (d->ended.known && d->rules_text.at && !slice_equal(d->rules_text, ours))
        log_warn("the watch list was derived by other thresholds than ours: %.*s, not %.*s; all "
                 "workers must have the same configuration",
                 (int)d->rules_text.size, d->rules_text.at, (int)ours.size, ours.at);
}

static int round_begin(struct derive *d, int64_t now_ms, bool hurry)
{
    int error;

    round_clear(d);
    d->today = date_of_ms(now_ms);
    error = round_look(d);
    if (error < 0 || !round_due(d, now_ms, hurry))
        return error;
    rules_compare(d);
    error = round_take(d, now_ms);
    if (error == 0)
        error = derive_load(d, watch_is_old(d));
    if (error < 0)
        return error;
    d->stage = DERIVE_SEATS;
    d->began_ms = now_ms;
    return 1;
}

/* ---- the end of a round ---- */
static void round_end(struct derive *d)
{
    struct slice key = slice_of("derived");

    commit_del(&d->commit, slice_of("deriving"));
    commit_hdel(&d->commit, key, slice_of("fault"));
    commit_hset(&d->commit, key, slice_of("day"), day_text(d));
    commit_hset(&d->commit, key, slice_of("rules"), rules_text(d));
    commit_hset(&d->commit, key, slice_of("basis"), d->basis);
    commit_hset(&d->commit, slice_of("meta"), slice_of("groups"), slice_of(d->list));
}

static enum derive_stage stage_next(const struct derive *d)
{
    return work_left(&d->seats)        ? DERIVE_SEATS
           : work_left(&d->committees) ? DERIVE_WATCH
           : work_left(&d->periods)    ? DERIVE_PERIODS
                                       : DERIVE_END;
}

static int round_go_on(struct derive *d, int64_t now_ms)
{
    int error = 0;

    d->stage = stage_next(d);
    switch (d->stage) {
    case DERIVE_SEATS:
        error = derive_seats(d);
        break;
    case DERIVE_WATCH:
        error = derive_watch(d);
        break;
    case DERIVE_PERIODS:
        error = derive_periods(d);
        break;
    case DERIVE_END:
    case DERIVE_IDLE:
        error = derive_look(d); /* sets the watch */
        round_end(d);
        break;
    }
    if (error == 0)
        error = derive_commit(d, now_ms);
    if (error < 0)
        return error;
    if (d->stage == DERIVE_END) {
        d->stage = DERIVE_IDLE;
        d->ended = d->applied;
    }
    return 1;
}

/* Until a round ends that does not meet it, for those who wait; should this fail, they only wait
 * for longer. */
static void fault_tell(struct derive *d, int64_t now_ms)
{
    if (derive_look(d) < 0)
        return;
    commit_hset(&d->commit, slice_of("derived"), slice_of("fault"), slice_of("1"));
    derive_commit(d, now_ms);
}

int derive_step(struct derive *d, int64_t now_ms, bool hurry)
{
    int r = derive_busy(d) ? round_go_on(d, now_ms) : round_begin(d, now_ms, hurry);

    step_end(d);
    if (r == ERR_CORRUPT) {
        fault_tell(d, now_ms);
        step_end(d);
    }
    if (r < 0)
        round_clear(d);
    return r;
}

int derive_waiting(struct store *store, bool *ret_waiting)
{
    struct store_fetch f[] = {
        {.key = slice_of("dirty"), .kind = FETCH_SET, .field_count = 1, .row = row_true},
        {.key = slice_of("deriving"), .kind = FETCH_SET, .field_count = 1, .row = row_true}};
    bool waiting = false;
    int error;

    f[0].record = f[1].record = &waiting;
    error = store_fetch(store, f, 2, NULL);
    if (error == 0)
        *ret_waiting = waiting;
    return error;
}

int derive_faulty(struct store *store, bool *ret_faulty)
{
    static const struct slice field = {"fault", 5};
    bool faulty = false;
    struct store_fetch f = {.key = slice_of("derived"),
                            .kind = FETCH_HASH,
                            .fields = &field,
                            .field_count = 1,
                            .row = row_there,
                            .record = &faulty};
    int error = store_fetch(store, &f, 1, NULL);

    if (error == 0)
        *ret_faulty = faulty;
    return error;
}
