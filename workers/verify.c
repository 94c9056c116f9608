/* Verifying; see verify.h.
 *
 * What can fail: the walk, the stores, and a hold that is lost because something took longer than
 * it lasts or because somebody else derives: then what differed is looked at again. */
#include "workers/verify.h"

#include "proto/clock.h"
#include "proto/error.h"
#include "workers/cli.h"
#include "workers/derive.h"
#include "workers/hold.h"
#include "workers/mend.h"
#include "workers/recount.h"

#include <stdlib.h>

#define REPORT_MS  10000
#define PAUSE_MS   20
#define SETTLE_MS  120000 /* then it is given up: Redis does not stand still */
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
    bool went_back;     /* Redis stands for less than it did */
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
    return recount_derive(compare_store(v->compare), &v->options->rules, v->log, now_ms);
}

/* Where Redis stands, which must be in this journal: it is asked first. */
static int look_at_live(struct verify *v, struct applied *ret)
{
    struct wire_report report;
    int error = store_applied(v->options->live, v->partitions, ret);

    if (error == 0)
        error = cli_report(v->options->reader, NULL, 0, REPORT_MS, &report);
    if (error == 0 && report.count != v->partitions)
        error = ERR_FOREIGN;
    for (unsigned p = 0; error == 0 && p < v->partitions; p++)
        if (cli_foreign(&ret[p], report.log, report.ends[p]))
            error = ERR_FOREIGN;
    reader_reset(v->options->reader);
    return error;
}

/* ---- the hold ---- */
static int take_hold(struct verify *v)
{
    return hold_take(&v->hold, v->options->live, v->partitions, v->log, clock_wall_ms());
}

/* All that waits to be derived, by ourselves: a worker would take a second for it.  ERR_CONFLICT
 * when one is at it. */
static int derive_live(struct verify *v, int64_t now_ms)
{
    struct derive *d = derive_new(v->options->live, &v->options->rules);
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
        error = derive_live(v, now_ms);
    if (error == ERR_CORRUPT)
        error = 0; /* by what somebody has written there: it is what we are looking for */
    if (error == 0)
        error = take_hold(v); /* as it stands now, and once more as long */
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
static void tell_change(struct commit *c)
{
    static const char *const fields[] = {"members", "committees", "periods", "ballots", "meetings"};

    commit_xadd(c, slice_of("changes"), slice_of("repaired"), slice_of("1"));
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        commit_xadd(c, slice_of("changes"), slice_of(fields[i]), slice_of("*"));
}

/* In one step; the hold goes on, so that the result can be looked at. */
static int mend(struct verify *v, const struct verify_result *r)
{
    struct commit c = {.arena = &v->arena};
    int error;

    mend_differences(r->differences, r->count, &c);
    tell_change(&c);
    hold_moves_on(&v->hold, &c, v->log, clock_wall_ms());
    error = store_commit(v->options->live, &c);
    commit_free(&c);
    arena_reset(&v->arena, 0);
    return error;
}

/* Compares what is in doubt.  ERR_CONFLICT when anything moved under it. */
static int compare_held(struct verify *v, const struct difference ***ret, size_t *ret_count)
{
    int error = compare_again(v->compare);

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
    free(r->differences);
    r->differences = list;
    r->count = count;
}

static int settle_once(struct verify *v, struct verify_result *r)
{
    const struct difference **now = NULL;
    size_t count = 0;
    int error = approach(v);

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

/* Until nothing moves while it is looked at. */
static int settle(struct verify *v, struct verify_result *r)
{
    int64_t end_ms = clock_mono_ms() + SETTLE_MS;
    int error;

    do {
        error = settle_once(v, r);
        if (v->hold.partitions)
            hold_release(&v->hold, clock_wall_ms()); /* or it ends by its time */
        if (worth_another(v, error))
            walk_pause(v->options->reader, PAUSE_MS);
    } while (worth_another(v, error) && clock_mono_ms() < end_ms);
    return worth_another(v, error) ? ERR_AGAIN : error;
}

/* ---- all of it ---- */
static bool moved(const struct applied *before, const struct applied *after, unsigned count)
{
    for (unsigned p = 0; p < count; p++)
        if (!applied_same(&before[p], &after[p]))
            return true;
    return false;
}

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
    free(r->differences); /* only suspects */
    r->differences = NULL;
    r->count = 0;
    return settle(v, r);
}

int verify_run(const struct verify_options *o, struct verify_result *ret)
{
    struct verify v = {.options = o, .partitions = reader_partitions(o->reader)};
    int error;

    *ret = (struct verify_result){0};
    memcpy(v.log, reader_log(o->reader), LOG_ID);
    v.memory = store_memory_new();
    v.compare = ret->compare = compare_new(v.memory, o->live);
    v.recount = recount_new(compare_store(v.compare), o->reader, o->endpoint);
    error = verify_steps(&v, ret);
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
    *r = (struct verify_result){0};
}
