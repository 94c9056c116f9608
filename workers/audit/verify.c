/* Verifying; see verify.h.
 *
 * What can fail: the walk, the stores, and a hold that is lost because something took longer than
 * it lasts or because somebody else derives: then what differed is looked at again. */
#include "workers/audit/verify.h"

#include "proto/clock.h"
#include "proto/error.h"
#include "workers/audit/mend.h"
#include "workers/audit/recount.h"
#include "workers/changes.h"
#include "workers/client.h"
#include "workers/derive.h"
#include "workers/hold.h"

#include <stdlib.h>

#define REPORT_MS  10000
#define PAUSE_MS   20
#define SETTLE_MS  120000 /* then it is given up: Redis does not stand still */
#define STILL_MS   5000   /* nothing moved: what waits to be derived by then, nobody derives */
#define FEW_EVENTS 20000  /* counted in a fraction of a second */
#define ROUNDS     10     /* of counting on before the hold, at most */

struct verify {
    const struct verify_options *options;
    struct store *memory;
    struct compare *compare;
    struct recount *recount;
    unsigned partitions;
    char log[LOG_ID + 1];
    uint64_t counted[WIRE_MAX_PARTS]; /* where the memory stands */
    struct hold hold;
    struct arena arena; /* of the commit that mends */
    bool mended;        /* its commit went through */
    struct rules rules; /* by which the workers last derived */
    bool went_back;     /* Redis stands for less than it did */
    bool only_reads;    /* our user of Redis may hold nothing */
    bool still;         /* and nothing has moved for STILL_MS */
    date_days day;      /* of which the watch list in Redis is */
};

/* ---- counting ---- */
static uint64_t still_to_come(const struct verify *v, const struct applied *live)
{
    uint64_t left = 0;

    for (unsigned p = 0; p < v->partitions; p++)
        if (live[p].offset > v->counted[p])
            left += live[p].offset - v->counted[p];
    return left;
}

/* On to where Redis stands, or stood. */
static int count_to(struct verify *v, const struct applied *live, const char *what)
{
    struct progress progress = {0};
    int error;

    if (what)
        progress_begin(&progress, what, still_to_come(v, live), v->options->progress);
    for (unsigned p = 0; p < v->partitions; p++)
        if (live[p].offset > v->counted[p])
            v->counted[p] = live[p].offset;
    error = recount_run(v->recount, v->counted, &progress);
    progress_end(&progress);
    return error;
}

static int derive_memory(struct verify *v, int64_t now_ms)
{
    return recount_derive(compare_store(v->compare), &v->rules, v->log, now_ms);
}

static int row_derived(void *context, void *record, struct slice field, struct slice value)
{
    struct verify *v = record;

    (void)context;
    if (value.at && slice_is(field, "day"))
        date_parse(value, &v->day);
    else if (value.at)
        rules_parse(value, &v->rules); /* others than ours, or unreadable: then ours count */
    return 0;
}

/* The workers' configuration need not be ours, and what they derived is right by theirs. */
static int look_at_rules(struct verify *v)
{
    static const struct slice fields[] = {{"rules", 5}, {"day", 3}};
    struct store_fetch f = {.key = slice_of("derived"),
                            .kind = FETCH_HASH,
                            .fields = fields,
                            .field_count = 2,
                            .row = row_derived,
                            .record = v};

    v->rules = v->options->rules;
    v->day = DATE_NONE;
    return store_fetch(v->options->live, &f, 1, NULL);
}

/* Where Redis stands, which must be in this journal: it is asked first. */
static int look_at_live(struct verify *v, struct applied *ret)
{
    struct wire_report report;
    int error = store_applied(v->options->live, v->partitions, ret);

    if (error == 0)
        error = client_report(v->options->reader, NULL, 0, REPORT_MS, &report);
    if (error == 0 && (report.count != v->partitions ||
                       applied_any_foreign(ret, report.count, report.log, report.ends)))
        error = ERR_FOREIGN;
    reader_reset(v->options->reader);
    return error;
}

/* ---- the hold ---- */
/* Who may not hold looks until it all stands still by itself. */
static int take_hold(struct verify *v)
{
    int error;

    if (v->only_reads)
        return hold_look(&v->hold, v->options->live, v->partitions);
    error = hold_take(&v->hold, v->options->live, v->partitions, v->log, clock_wall_ms());
    v->only_reads = error == ERR_CONFIG && !v->options->repair;
    return v->only_reads ? ERR_AGAIN : error;
}

static void drop_hold(struct verify *v)
{
    if (v->hold.partitions && !v->only_reads)
        hold_release(&v->hold, clock_wall_ms()); /* or it ends by its time */
    v->hold.partitions = 0;
}

/* All that waits to be derived, by ourselves: a worker would take a second for it.  ERR_CONFLICT
 * when one is at it. */
static int derive_live(struct verify *v, int64_t now_ms)
{
    struct derive *d = derive_new(v->options->live, &v->rules);
    int64_t held_ms = clock_mono_ms();
    int done;

    derive_journal(d, v->log);
    while ((done = derive_step(d, now_ms, true)) > 0) {
        if (clock_mono_ms() - held_ms < HOLD_MS / 2)
            continue;
        done = take_hold(v);
        held_ms = clock_mono_ms();
        if (done < 0)
            break;
    }
    derive_free(d);
    return done;
}

/* Most of what is missing is counted before the hold, while workers go on. */
static int approach(struct verify *v)
{
    struct applied live[WIRE_MAX_PARTS];
    int error = 0;

    for (int i = 0; i < ROUNDS && error == 0; i++) {
        error = look_at_live(v, live);
        if (error < 0 || still_to_come(v, live) < FEW_EVENTS)
            break;
        error = count_to(v, live, "counting what came meanwhile");
    }
    return error;
}

/* Redis as it is held, and the memory, stand for the same. */
static int meet(struct verify *v)
{
    int64_t now_ms = clock_wall_ms();
    int error = take_hold(v);

    if (error == 0)
        error = look_at_rules(v);
    if (error == 0 && !v->only_reads)
        error = derive_live(v, now_ms);
    if (error == ERR_CORRUPT)
        error = 0; /* by what somebody has written there: it is what we are looking for */
    if (error == 0)
        error = take_hold(v); /* as it stands now, and once more as long */
    if (error == 0)
        error = look_at_rules(v); /* somebody else may have derived in between */
    for (unsigned p = 0; p < v->partitions && error == 0; p++)
        if (v->hold.applied[p].offset < v->counted[p]) {
            v->went_back = true; /* and the memory cannot */
            error = ERR_CONFLICT;
        }
    if (error == 0)
        error = count_to(v, v->hold.applied, NULL);
    if (error == 0)
        error = derive_memory(v, now_ms);
    return error;
}

/* ---- differences ---- */
/* A feed of another type is replaced: nothing can be added to it, not even once it is deleted in
 * the same commit, for the store looks at types before. */
static void tell_change(struct commit *c, bool anew)
{
    struct slice feed = slice_of("changes"), key = anew ? slice_of("mend:changes") : feed;

    changes_tell_all(c, key, "repaired");
    if (anew)
        commit_rename(c, key, feed);
}

static bool feed_is_foreign(const struct verify_result *r)
{
    for (size_t i = 0; i < r->count; i++)
        if (slice_is(r->differences[i]->key, "changes"))
            return true;
    return false;
}

/* In one step; the hold goes on, so that the result can be looked at.  After an error it is the one
 * from before that is to be released, unless the commit went through all the same. */
static int mend(struct verify *v, const struct verify_result *r)
{
    struct commit c = {.arena = &v->arena};
    struct hold before = v->hold;
    int error;

    mend_differences(r->differences, r->count, &c);
    tell_change(&c, feed_is_foreign(r));
    hold_moves_on(&v->hold, &c, v->log, clock_wall_ms());
    error = store_commit(v->options->live, &c);
    if (error < 0 && hold_watch(&v->hold) < 0)
        v->hold = before;
    commit_free(&c);
    arena_reset(&v->arena, 0);
    return error;
}

/* ERR_AGAIN while the workers have something to derive, which is left to them. */
static int await_derived(const struct verify *v)
{
    bool waiting = false;
    int error = derive_waiting(v->options->live, &waiting);

    if (v->hold.derived.known && v->day != date_of_ms(clock_wall_ms()))
        waiting = true;
    return error == 0 && waiting && !v->still ? ERR_AGAIN : error;
}

/* Compares what is in doubt.  ERR_CONFLICT when anything moved under it. */
static int compare_held(struct verify *v, const struct difference ***ret, size_t *ret_count)
{
    int error = compare_again(v->compare);

    if (error == 0 && v->only_reads)
        error = await_derived(v);
    if (error == 0)
        error = hold_watch(&v->hold);
    if (error == 0)
        *ret_count = compare_differences(v->compare, ret);
    return error;
}

/* What was found before it was mended is what there is to tell. */
static int mend_and_look(struct verify *v, struct verify_result *r)
{
    const struct difference **left = NULL;
    size_t count = 0;
    int error = mend(v, r);

    if (error < 0)
        return error;
    v->mended = true;
    compare_keep(v->compare);
    error = compare_held(v, &left, &count);
    free(left);
    if (error == 0)
        r->repaired = count == 0;
    return error;
}

/* What differs now: the list of an earlier attempt that mended stays. */
static void take_differences(struct verify *v, struct verify_result *r,
                             const struct difference **list, size_t count)
{
    if (v->mended) {
        free(list);
        r->repaired = count == 0;
        return;
    }
    r->differences = list;
    r->count = count;
}

/* The list of an earlier attempt, of which nothing will be left by the next look. */
static void drop_differences(const struct verify *v, struct verify_result *r)
{
    if (v->mended)
        return;
    free(r->differences);
    r->differences = NULL;
    r->count = 0;
}

static int settle_once(struct verify *v, struct verify_result *r)
{
    const struct difference **now = NULL;
    size_t count = 0;
    int error = approach(v);

    drop_differences(v, r);
    if (error == 0)
        error = meet(v);
    if (error == 0)
        error = compare_held(v, &now, &count);
    if (error < 0)
        return error;
    take_differences(v, r, now, count);
    return count && v->options->repair && !v->mended ? mend_and_look(v, r) : 0;
}

static bool worth_another(const struct verify *v, int error)
{
    return !v->went_back && (error == ERR_CONFLICT || error == ERR_AGAIN);
}

static bool moved(const struct applied *before, const struct applied *after, unsigned count)
{
    for (unsigned p = 0; p < count; p++)
        if (!applied_same(&before[p], &after[p]))
            return true;
    return false;
}

/* Until nothing moves while it is looked at. */
static int settle(struct verify *v, struct verify_result *r)
{
    int64_t still_ms = clock_mono_ms(), end_ms = still_ms + SETTLE_MS;
    struct hold last = {0};
    int error;

    do {
        v->still = clock_mono_ms() - still_ms > STILL_MS;
        error = settle_once(v, r);
        if (moved(last.applied, v->hold.applied, v->partitions) ||
            !applied_same(&last.derived, &v->hold.derived))
            still_ms = clock_mono_ms();
        last = v->hold;
        drop_hold(v);
        if (worth_another(v, error))
            walk_pause(v->options->reader, PAUSE_MS);
    } while (worth_another(v, error) && clock_mono_ms() < end_ms);
    return worth_another(v, error) ? ERR_AGAIN : error;
}

/* ---- places ---- */
static int places_look(struct verify *v, struct compare *c, const struct difference ***ret,
                       size_t *ret_count)
{
    char room[PLACE_KEY];
    int error;

    for (unsigned p = 0; p < v->partitions; p++)
        compare_add(c, place_key(p, room));
    compare_add(c, slice_of("derived"));
    error = compare_again(c);
    if (error == 0)
        *ret_count = compare_differences(c, ret);
    return error;
}

/* Who derives must find that place known, or he would wait for the next mark. */
static int places_remove(struct verify *v, const struct difference *const *list, size_t count)
{
    static const struct store_look connect = {0};
    struct commit c = {.arena = &v->arena};
    struct hold nothing = {.store = v->options->live};
    int error = store_begin(v->options->live, &connect);

    mend_differences(list, count, &c);
    for (size_t i = 0; i < count; i++)
        if (slice_is(list[i]->key, "derived"))
            hold_moves_derived(&nothing, &c, v->log, clock_wall_ms());
    if (error == 0)
        error = store_commit(v->options->live, &c);
    commit_free(&c);
    arena_reset(&v->arena, 0);
    return error;
}

/* Those partitions are applied from their beginning once more, which changes nothing; comparing has
 * sense when it has come to where the journal ends now. */
static int places_await(struct verify *v)
{
    struct applied live[WIRE_MAX_PARTS];
    uint64_t ends[WIRE_MAX_PARTS];
    struct wire_report report;
    int64_t end_ms = clock_mono_ms() + SETTLE_MS;
    int error = client_report(v->options->reader, NULL, 0, REPORT_MS, &report);

    if (error == 0)
        memcpy(ends, report.ends, report.count * sizeof *ends);
    reader_reset(v->options->reader);
    for (bool behind = true; error == 0 && behind;) {
        error = store_applied(v->options->live, v->partitions, live);
        behind = false;
        for (unsigned p = 0; p < v->partitions && error == 0; p++)
            behind |= live[p].offset < ends[p];
        if (error == 0 && behind && clock_mono_ms() >= end_ms)
            error = ERR_AGAIN;
        else if (error == 0 && behind)
            walk_pause(v->options->reader, PAUSE_MS);
    }
    return error;
}

static int places_mend(struct verify *v, const struct difference *const *list, size_t count)
{
    int error = places_remove(v, list, count);

    for (size_t i = 0; i < count && error == 0; i++)
        if (!slice_is(list[i]->key, "derived"))
            return places_await(v);
    return error;
}

/* They are told before what else differs. */
static void places_tell(const struct verify *v, const struct difference **list, size_t count,
                        struct verify_result *r)
{
    size_t all = count + r->count;

    if (count == 0)
        return;
    list = memory_grow(list, all * sizeof *list);
    if (r->count)
        memcpy(list + count, r->differences, r->count * sizeof *list);
    free(r->differences);
    r->repaired = v->options->repair && (r->count == 0 || r->repaired);
    r->differences = list;
    r->count = all;
}

/* ---- all of it ---- */
static int compare_everything(struct verify *v)
{
    struct progress progress;
    int error = compare_keys(v->compare);

    progress_begin(&progress, "comparing keys", compare_listed(v->compare), v->options->progress);
    if (error == 0)
        error = compare_all(v->compare, &progress);
    progress_end(&progress);
    return error;
}

static int verify_steps(struct verify *v, struct verify_result *r)
{
    struct applied before[WIRE_MAX_PARTS], after[WIRE_MAX_PARTS];
    int error = look_at_live(v, before);

    if (error == 0)
        error = count_to(v, before, "counting events");
    if (error == 0)
        error = approach(v);
    if (error == 0)
        error = look_at_live(v, before);
    if (error == 0)
        error = look_at_rules(v);
    if (error == 0)
        error = derive_memory(v, clock_wall_ms());
    if (error == 0)
        error = compare_everything(v);
    if (error == 0)
        error = look_at_live(v, after);
    if (error < 0)
        return error;
    r->count = compare_differences(v->compare, &r->differences);
    if (r->count == 0 && still_to_come(v, before) == 0 && !moved(before, after, v->partitions))
        return 0;
    drop_differences(v, r); /* only suspects */
    return settle(v, r);
}

static int verify_all(struct verify *v, struct verify_result *r)
{
    const struct difference **places = NULL;
    size_t count = 0;
    int error = places_look(v, r->places, &places, &count);

    if (error == 0 && count && v->options->repair)
        error = places_mend(v, places, count);
    if (error == 0 && (count == 0 || v->options->repair))
        error = verify_steps(v, r);
    if (error < 0 || count == 0)
        free(places);
    else
        places_tell(v, places, count, r);
    return error;
}

int verify_run(const struct verify_options *o, struct verify_result *ret)
{
    struct verify v = {.options = o, .partitions = reader_partitions(o->reader)};
    int error;

    *ret = (struct verify_result){0};
    memcpy(v.log, reader_log(o->reader), LOG_ID);
    v.memory = store_memory_new();
    v.compare = ret->compare = compare_new(v.memory, o->live);
    compare_aside(v.compare, o->aside);
    ret->places = compare_new(v.memory, o->live);
    v.recount = recount_new(compare_store(v.compare), o->reader, o->endpoint);
    v.rules = o->rules;
    error = verify_all(&v, ret);
    ret->rules = v.rules;
    ret->unheld = v.only_reads;
    if (error == 0)
        compare_counts(v.compare, &ret->keys, &ret->fields);
    recount_free(v.recount);
    store_free(v.memory);
    arena_free(&v.arena);
    return error;
}

void verify_free(struct verify_result *r)
{
    free(r->differences);
    compare_free(r->compare);
    compare_free(r->places);
    *r = (struct verify_result){0};
}
