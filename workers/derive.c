/* Deriving; see derive.h.  The rounds and their marks; the stages are in derive_seats.c,
 * derive_watch.c and derive_periods.c.
 *
 * What is read is read after the marks were taken, so it is at least as new as what they speak of;
 * what changes later is marked again for the next round. */
#include "proto/clock.h"
#include "proto/error.h"
#include "workers/derive_round.h"

#include <stdio.h>
#include <stdlib.h>

#define KEEP_BYTES ((size_t)2 << 20) /* of each arena, from one use to the next */

struct derive *derive_new(struct store *store, const struct rules *rules)
{
    struct derive *d = memory_need(sizeof *d);

    memset(d, 0, sizeof *d);
    d->store = store;
    d->rules = *rules;
    d->ledger = ledger_new();
    d->group = groups_new();
    gather_open(&d->gather, d->ledger);
    d->commit.arena = &d->batch;
    return d;
}

static void work_free(struct work *w)
{
    table_free(&w->names);
    free(w->list.items);
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

/* ---- looking and committing ---- */
void derive_fetch(struct derive *d, struct slice key, enum fetch_kind kind, store_row_fn row,
                  void *record)
{
    gather_key(&d->gather, key, kind, row, record);
}

static int look_at(struct derive *d, struct applied *ret, bool snapshot)
{
    unsigned place = PLACE_DERIVED;
    struct store_look look = {.places = &place,
                              .watched = 1,
                              .count = 1,
                              .ret_applied = ret,
                              .context = d->ledger,
                              .snapshot = snapshot};

    look.fetches = gather_take(&d->gather, &look.fetch_count);
    return store_begin(d->store, &look);
}

int derive_look(struct derive *d)
{
    struct applied now;
    int error = look_at(d, &now, true);

    if (error == 0 && !applied_same(&now, &d->applied))
        error = ERR_CONFLICT;
    return error;
}

int derive_commit(struct derive *d, int64_t now_ms)
{
    struct commit_move *m = commit_move(&d->commit, PLACE_DERIVED);
    struct applied to = d->applied;
    int error;

    to.known = true;
    to.offset++;
    to.time_ms = now_ms;
    memcpy(to.log, d->log, sizeof to.log);
    m->from = d->applied;
    m->to = to;
    error = store_commit(d->store, &d->commit);
    if (error == 0)
        d->applied = to;
    return error;
}

struct slice derive_key(struct derive *d, const char *family, struct slice a, const char *between,
                        struct slice b)
{
    struct slice parts[] = {slice_of(family), a, slice_of(between), b};

    return commit_join(&d->commit, parts, 4);
}

static void step_end(struct derive *d)
{
    commit_clear(&d->commit);
    ledger_drop(d->ledger);
    arena_reset(&d->batch, KEEP_BYTES);
}

/* ---- work ---- */
static void work_clear(struct work *w)
{
    table_clear(&w->names);
    w->list.count = w->at = 0;
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

/* The entry of that name, `size` bytes and new if it was not there. */
static void *work_add(struct derive *d, struct work *w, struct slice name, size_t size)
{
    struct table_entry *e = table_find(&w->names, name);

    if (!e) {
        e = arena_need(&d->round, size);
        e->key = arena_copy(&d->round, name);
        table_add(&w->names, e);
        pointers_add(&w->list, e);
    }
    return e;
}

static void add_period(struct derive *d, struct slice period)
{
    work_add(d, &d->periods, period, sizeof(struct table_entry));
}

static void add_committee(struct derive *d, struct slice committee)
{
    work_add(d, &d->committees, committee, sizeof(struct table_entry));
}

static struct seat_work *add_seats(struct derive *d, struct slice committee, struct slice year)
{
    struct slice name = derive_key(d, "", committee, "|", year);
    struct seat_work *s = work_add(d, &d->seats, name, sizeof *s);

    if (!s->committee.at) {
        s->committee = arena_copy(&d->round, committee);
        s->year = arena_copy(&d->round, year);
        s->members.arena = &d->round;
    }
    add_period(d, year);
    return s;
}

static void add_name(struct derive *d, struct table *t, struct slice name)
{
    struct table_entry *e;

    if (table_find(t, name))
        return;
    e = arena_need(&d->round, sizeof *e);
    e->key = arena_copy(&d->round, name);
    table_add(t, e);
}

/* ---- marks ---- */
static int take_mark(struct derive *d, struct slice mark)
{
    struct slice kind, rest = mark, a, b;

    if (slice_is(mark, "members"))
        return 0; /* it has woken us: people are looked at in every round */
    if (!slice_cut(&rest, '|', &kind))
        return ERR_CORRUPT;
    if (slice_is(kind, "period")) {
        add_period(d, rest);
    } else if (slice_is(kind, "watch")) {
        add_committee(d, rest);
    } else if (slice_is(kind, "seats")) {
        add_name(d, &d->since, rest);
        return slice_cut(&rest, '|', &a) ? add_committee(d, a), 0 : ERR_CORRUPT;
    } else if (slice_is(kind, "seat") && slice_cut(&rest, '|', &a) && slice_cut(&rest, '|', &b)) {
        add_committee(d, a);
        add_name(d, &add_seats(d, a, rest)->members, b);
    } else {
        return ERR_CORRUPT;
    }
    return 0;
}

static int row_mark(void *context, void *record, struct slice field, struct slice value)
{
    (void)context;
    (void)value;
    return take_mark(record, field);
}

static int row_true(void *context, void *record, struct slice field, struct slice value)
{
    (void)context;
    (void)field;
    (void)value;
    *(bool *)record = true;
    return 0;
}

static void list_name(struct derive *d, struct pointers *list, struct slice name)
{
    struct table_entry *e = arena_need(&d->round, sizeof *e);

    e->key = arena_copy(&d->round, name);
    pointers_add(list, e);
}

static int row_known(void *context, void *record, struct slice field, struct slice value)
{
    (void)context;
    (void)value;
    list_name(record, &((struct derive *)record)->known, field);
    return 0;
}

static int row_group(void *context, void *record, struct slice field, struct slice value)
{
    (void)context;
    (void)value;
    list_name(record, &((struct derive *)record)->groups, field);
    return 0;
}

static int row_committee(void *context, void *record, struct slice field, struct slice value)
{
    (void)context;
    (void)value;
    add_committee(record, field);
    return 0;
}

static int row_fact_count(void *context, void *record, struct slice field, struct slice value)
{
    struct derive *d = record;
    int64_t n;

    (void)context;
    if (!slice_to_int(value, &n))
        return ERR_CORRUPT;
    if (n > 0)
        people_person(&d->people, field)->named = true;
    return 0;
}

struct person_record {
    struct derive *derive;
    struct person *who;
};

static int row_notice(void *context, void *record, struct slice field, struct slice value)
{
    struct person_record *r = record;

    (void)context;
    return people_add_notice(&r->derive->people, r->who, field, value);
}

static int row_tenure(void *context, void *record, struct slice field, struct slice value)
{
    struct person_record *r = record;

    (void)context;
    return people_add_tenure(&r->derive->people, r->who, field, value);
}

/* ---- the beginning of a round ---- */
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
    return look_at(d, &d->applied, false);
}

static bool round_due(struct derive *d, int64_t now_ms, bool hurry)
{
    int64_t since_ms = now_ms - d->applied.time_ms;

    if (!d->dirty && !d->left && (!d->applied.known || !watch_is_old(d)))
        return false;
    return hurry || !d->applied.known || since_ms >= DERIVE_EVERY_MS || since_ms < 0;
}

/* From here on the round is ours: whoever else is at work fails at his next commit. */
static int round_take(struct derive *d, int64_t now_ms)
{
    if (d->dirty && !d->left)
        commit_rename(&d->commit, slice_of("dirty"), slice_of("deriving"));
    return derive_commit(d, now_ms);
}

static int load_marks(struct derive *d)
{
    derive_fetch(d, slice_of("deriving"), FETCH_SET, row_mark, d);
    derive_fetch(d, slice_of("periods"), FETCH_SET, row_known, d);
    derive_fetch(d, slice_of("groups"), FETCH_SET, row_group, d);
    derive_fetch(d, slice_of("facts"), FETCH_HASH, row_fact_count, d);
    if (watch_is_old(d))
        derive_fetch(d, slice_of("committees"), FETCH_HASH, row_committee, d);
    return derive_look(d);
}

static int load_people(struct derive *d)
{
    struct slice none = slice_make("", 0);
    struct person *who;

    for (size_t i = 0; (who = table_next(&d->people.all, &i));) {
        struct person_record *r = arena_need(&d->round, sizeof *r);
        *r = (struct person_record){d, who};
        derive_fetch(d, derive_key(d, "profiles:", who->entry.key, "", none), FETCH_HASH,
                     row_notice, r);
        derive_fetch(d, derive_key(d, "tenure:", who->entry.key, "", none), FETCH_HASH, row_tenure,
                     r);
    }
    return derive_look(d);
}

/* ---- what else the marks bear on ---- */
static bool is_year(struct slice period)
{
    return period.size == 4;
}

/* Seats that changed from a day on: in all periods that end on it or later, and in the committee's
 * years. */
static int expand_since(struct derive *d, struct slice mark)
{
    struct slice committee;
    date_days from, last;

    if (!slice_cut(&mark, '|', &committee) || !date_parse(mark, &from))
        return ERR_CORRUPT;
    for (size_t i = 0; i < d->known.count; i++) {
        struct slice period = ((struct table_entry *)d->known.items[i])->key;
        if (!period_last_day(period, &last))
            return ERR_CORRUPT;
        if (last < from)
            continue;
        add_period(d, period);
        if (is_year(period))
            add_seats(d, committee, period);
    }
    return 0;
}

/* Who there is, and in which groups; a change of it bears on all periods. */
static struct slice basis_text(struct derive *d)
{
    const struct person *who;
    uint64_t digest = 0;
    char text[64];

    for (size_t i = 0; (who = table_next(&d->people.all, &i));)
        digest ^= table_hash(who->entry.key);
    snprintf(text, sizeof text, "%s %016llx", d->list, (unsigned long long)digest);
    return arena_copy(&d->round, slice_of(text));
}

static int newest_first(const void *a, const void *b)
{
    const struct table_entry *const *x = a, *const *y = b;

    return slice_compare((*y)->key, (*x)->key);
}

static int round_expand(struct derive *d)
{
    const struct table_entry *since;
    struct slice basis;
    int error = 0;

    people_version(&d->people, d->list);
    basis = basis_text(d);
    for (size_t i = 0; !slice_equal(basis, d->basis) && i < d->known.count; i++)
        add_period(d, ((struct table_entry *)d->known.items[i])->key);
    d->basis = basis;
    for (size_t i = 0; error == 0 && (since = table_next(&d->since, &i));)
        error = expand_since(d, since->key);
    if (d->periods.list.count)
        qsort(d->periods.list.items, d->periods.list.count, sizeof(void *), newest_first);
    return error;
}

static int round_begin(struct derive *d, int64_t now_ms, bool hurry)
{
    int error;

    round_clear(d);
    d->today = date_of_ms(now_ms);
    error = round_look(d);
    if (error < 0 || !round_due(d, now_ms, hurry))
        return error;
    error = round_take(d, now_ms);
    if (error == 0)
        error = load_marks(d);
    if (error == 0)
        error = load_people(d);
    if (error == 0)
        error = round_expand(d);
    if (error == 0)
        d->stage = DERIVE_SEATS;
    return error < 0 ? error : 1;
}

/* ---- the end of a round ---- */
static void round_end(struct derive *d)
{
    struct slice key = slice_of("derived");

    commit_del(&d->commit, slice_of("deriving"));
    commit_hset(&d->commit, key, slice_of("day"), day_text(d));
    commit_hset(&d->commit, key, slice_of("rules"), rules_text(d));
    commit_hset(&d->commit, key, slice_of("basis"), d->basis);
    commit_hset(&d->commit, slice_of("meta"), slice_of("groups"), slice_of(d->list));
}

static bool work_left(const struct work *w)
{
    return w->at < w->list.count;
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
    if (d->stage == DERIVE_END)
        d->stage = DERIVE_IDLE;
    return error < 0 ? error : 1;
}

int derive_step(struct derive *d, int64_t now_ms, bool hurry)
{
    int r = derive_busy(d) ? round_go_on(d, now_ms) : round_begin(d, now_ms, hurry);

    step_end(d);
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
