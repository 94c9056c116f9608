/* Rebuilding; see rebuild.h.
 *
 * What can fail: the walk, the stores, another rebuild, and a hold that is lost because something
 * took longer than it lasts: then it is tried again. */
#include "workers/audit/rebuild.h"

#include "proto/clock.h"
#include "proto/error.h"
#include "workers/audit/recount.h"
#include "workers/audit/switch.h"
#include "workers/client.h"
#include "workers/derive.h"
#include "workers/hold.h"

#define REPORT_MS  10000
#define PAUSE_MS   20
#define SWITCH_MS  120000 /* then it is given up: Redis does not stand still */
#define OPEN_MS    15000  /* longer than any hold lasts */
#define RENEW_MS   (HOLD_MS / 5)
#define FEW_EVENTS 20000 /* counted in a fraction of a second */
#define ROUNDS     10    /* of counting on before the hold, at most */

struct rebuild {
    const struct rebuild_options *options;
    struct recount *recount;
    unsigned partitions;
    char log[LOG_ID + 1];
    uint64_t ends[WIRE_MAX_PARTS]; /* of the journal, when last asked */
    struct hold live, staged;
    bool older; /* the journal is another one than the live keys', or an older copy */
    bool again; /* the hold was lost: worth another attempt */
};

/* ---- where things stand ---- */
/* The broker's answer, which must be of the journal that we began with. */
static int ask_report(struct rebuild *r, const uint64_t *offsets, struct wire_report *ret)
{
    int error =
        client_report(r->options->reader, offsets, offsets ? r->partitions : 0, REPORT_MS, ret);

    if (error == 0 && (ret->count != r->partitions || !slice_is(ret->log, r->log)))
        error = ERR_FOREIGN;
    return error;
}

static int ask_journal(struct rebuild *r)
{
    struct wire_report report;
    int error = ask_report(r, NULL, &report);

    if (error == 0)
        memcpy(r->ends, report.ends, r->partitions * sizeof *r->ends);
    reader_reset(r->options->reader);
    return error;
}

static bool foreign(const struct rebuild *r, const struct applied *applied)
{
    return applied_any_foreign(applied, r->partitions, slice_of(r->log), r->ends);
}

/* Redis is asked first: what it stands for must then be in the journal. */
static int look_at_live(struct rebuild *r)
{
    struct applied live[WIRE_MAX_PARTS];
    int error = store_applied(r->options->live, r->partitions, live);

    if (error == 0)
        error = ask_journal(r);
    if (error == 0)
        r->older = foreign(r, live);
    return error == 0 && r->older && !r->options->force ? ERR_FOREIGN : error;
}

/* ---- opening ---- */
/* Another one may hold for as long as a hold lasts. */
static int hold_patiently(struct rebuild *r, struct hold *h, struct store *store)
{
    int64_t end_ms = clock_mono_ms() + OPEN_MS;
    int error;

    while ((error = hold_take(h, store, r->partitions, r->log, clock_wall_ms())) == ERR_AGAIN &&
           clock_mono_ms() < end_ms)
        walk_pause(r->options->reader, PAUSE_MS);
    return error;
}

/* Whoever is switching over now finds that he may not: their epochs are others from now on.  He may
 * hold the live partitions for a while; meanwhile what is being built stays ours. */
static int announce(struct rebuild *r)
{
    int64_t end_ms = clock_mono_ms() + OPEN_MS;
    int error, staged = 0;

    while ((error = hold_take(&r->live, r->options->live, r->partitions, r->log,
                              clock_wall_ms())) == ERR_AGAIN &&
           clock_mono_ms() < end_ms && staged == 0) {
        walk_pause(r->options->reader, PAUSE_MS);
        staged = hold_renew(&r->staged, clock_wall_ms());
    }
    if (error == 0)
        error = hold_release(&r->live, clock_wall_ms());
    if (staged < 0)
        return staged;
    return error == ERR_CONFLICT ? 0 : error; /* it was over by its time */
}

/* Ends the hold of what is being built, and goes on from there. */
static int release_staged(struct rebuild *r)
{
    struct applied start[WIRE_MAX_PARTS];
    int error = hold_release(&r->staged, clock_wall_ms());

    memcpy(start, r->staged.applied, r->partitions * sizeof *start);
    for (unsigned p = 0; p < r->partitions; p++) {
        start[p].epoch++;
        start[p].held_ms = 0;
    }
    recount_from(r->recount, start);
    return error;
}

/* The journal holds what was counted, if the last event of it in each partition was there when it
 * was counted: what takes the place of a lost history is received later. */
static int vouch(struct rebuild *r, const struct applied *applied, bool *ret_vouched)
{
    uint64_t last[WIRE_MAX_PARTS];
    struct wire_report report;
    int error;

    for (unsigned p = 0; p < r->partitions; p++)
        last[p] = applied[p].offset ? applied[p].offset - 1 : 0;
    error = ask_report(r, last, &report);
    *ret_vouched = error == 0;
    for (unsigned p = 0; p < r->partitions && *ret_vouched; p++)
        if (applied[p].offset > 0 &&
            (report.received_ms[p] <= 0 || report.received_ms[p] > applied[p].time_ms))
            *ret_vouched = false;
    reader_reset(r->options->reader);
    return error;
}

/* Whether what an earlier rebuild has left can be gone on with. */
static int leftovers_fit(struct rebuild *r, bool *ret_fit)
{
    const struct applied *applied = r->staged.applied;
    int error;

    *ret_fit = false;
    if (r->options->fresh || r->options->force || foreign(r, applied)) /* an older one: by force */
        return 0;
    error = vouch(r, applied, ret_fit);
    if (error == 0 && *ret_fit)
        error = switch_fits(r->options->staged, r->partitions, ret_fit);
    return error;
}

/* From the hold on nobody but us changes what is being built; and before we do, it is announced. */
static int open_staged(struct rebuild *r)
{
    bool fit = false;
    int error = hold_patiently(r, &r->staged, r->options->staged);

    if (error == 0)
        error = announce(r);
    if (error == 0)
        error = leftovers_fit(r, &fit);
    if (error == 0 && !fit)
        error = switch_wipe(r->options->staged, &r->staged, r->log);
    return error ? error : release_staged(r);
}

/* ---- building ---- */
static uint64_t counted(const struct rebuild *r)
{
    const struct applied *at = recount_applied(r->recount);
    uint64_t n = 0;

    for (unsigned p = 0; p < r->partitions; p++)
        n += at[p].offset;
    return n;
}

static uint64_t still_to_come(const struct rebuild *r)
{
    const struct applied *at = recount_applied(r->recount);
    uint64_t n = 0;

    for (unsigned p = 0; p < r->partitions; p++)
        n += r->ends[p] > at[p].offset ? r->ends[p] - at[p].offset : 0;
    return n;
}

static int count_to_ends(struct rebuild *r, const char *what)
{
    struct progress progress = {0};
    int error;

    if (what)
        progress_begin(&progress, what, still_to_come(r), r->options->progress);
    error = recount_run(r->recount, r->ends, &progress);
    progress_end(&progress);
    return error;
}

static int derive_staged(struct rebuild *r)
{
    return recount_derive(r->options->staged, &r->options->rules, r->log, clock_wall_ms());
}

/* Everything but what came while it was done. */
static int build(struct rebuild *r)
{
    int error = count_to_ends(r, "counting events");

    if (error == 0)
        error = derive_staged(r);
    for (int i = 0; i < ROUNDS && error == 0; i++) {
        error = ask_journal(r);
        if (error < 0 || still_to_come(r) < FEW_EVENTS)
            break;
        error = count_to_ends(r, "counting what came meanwhile");
    }
    return error;
}

/* ---- switching ---- */
static int hold_live(struct rebuild *r)
{
    int error = hold_take(&r->live, r->options->live, r->partitions, r->log, clock_wall_ms());

    r->again = error == ERR_AGAIN;
    return error;
}

/* As derive_staged, but the hold goes on. */
static int derive_held(struct rebuild *r)
{
    struct derive *d = derive_new(r->options->staged, &r->options->rules);
    int64_t now_ms = clock_wall_ms(), renewed_ms = clock_mono_ms();
    int done = 0, error = 0;

    derive_journal(d, r->log);
    while (error == 0 && (done = derive_step(d, now_ms, true)) > 0) {
        if (clock_mono_ms() - renewed_ms < RENEW_MS)
            continue;
        renewed_ms = clock_mono_ms();
        error = hold_renew(&r->live, clock_wall_ms());
        r->again = error == ERR_CONFLICT;
    }
    derive_free(d);
    return done < 0 ? done : error;
}

/* On to the journal's end, and so at least to where the live keys stand, which are held. */
static int catch_up(struct rebuild *r)
{
    int error = ask_journal(r);

    if (error == 0)
        error = count_to_ends(r, NULL);
    return error ? error : derive_held(r);
}

/* What was built stands where we left it, and from now on only we could change it.  From another
 * rebuild that has opened it nothing is taken away: that one goes on. */
static int close_staged(struct rebuild *r)
{
    int error;

    r->staged = (struct hold){.store = r->options->staged, .partitions = r->partitions};
    memcpy(r->staged.applied, recount_applied(r->recount),
           r->partitions * sizeof *r->staged.applied);
    error = hold_renew(&r->staged, clock_wall_ms());
    if (error == 0)
        recount_from(r->recount, r->staged.applied);
    return error;
}

/* The hold was over too early, and the live keys have gone on: they must not go back. */
static bool overtaken(const struct rebuild *r)
{
    for (unsigned p = 0; p < r->partitions && !r->older; p++)
        if (r->live.applied[p].offset > r->staged.applied[p].offset)
            return true;
    return false;
}

static int switch_held(struct rebuild *r, uint64_t *ret_keys)
{
    int error = hold_live(r); /* once more as long; and what is derived stands still */

    if (error < 0)
        return error;
    error = overtaken(r) ? ERR_CONFLICT
                         : switch_over(&r->live, &r->staged, r->options->names, r->log, ret_keys);
    r->again = error == ERR_CONFLICT;
    if (r->again && release_staged(r) < 0)
        r->again = false; /* then another rebuild has come in between */
    return error;
}

static int switch_once(struct rebuild *r, uint64_t *ret_keys)
{
    int error = look_at_live(r);

    r->again = false;
    if (error == 0 && still_to_come(r) >= FEW_EVENTS)
        error = count_to_ends(r, "counting what came meanwhile");
    if (error == 0)
        error = derive_staged(r); /* while workers go on */
    if (error == 0)
        error = hold_live(r);
    if (error == 0)
        error = catch_up(r);
    if (error == 0)
        error = close_staged(r);
    return error ? error : switch_held(r, ret_keys);
}

static int switch_patiently(struct rebuild *r, uint64_t *ret_keys)
{
    int64_t end_ms = clock_mono_ms() + SWITCH_MS;
    int error;

    while ((error = switch_once(r, ret_keys)) < 0 && r->again && clock_mono_ms() < end_ms)
        walk_pause(r->options->reader, PAUSE_MS);
    if (error < 0 && r->live.partitions)
        hold_release(&r->live, clock_wall_ms()); /* or it ends by its time */
    if (error < 0 && r->staged.partitions)
        hold_release(&r->staged, clock_wall_ms());
    return error < 0 && r->again ? ERR_AGAIN : error;
}

static int rebuild_steps(struct rebuild *r, struct rebuild_result *ret)
{
    int error = look_at_live(r);

    if (error == 0)
        error = open_staged(r);
    if (error < 0)
        return error;
    ret->found = counted(r);
    error = build(r);
    if (error == 0)
        error = switch_patiently(r, &ret->keys);
    ret->events = counted(r);
    return error;
}

int rebuild_run(const struct rebuild_options *o, struct rebuild_result *ret)
{
    struct rebuild r = {.options = o, .partitions = reader_partitions(o->reader)};
    int64_t begun_ms = clock_mono_ms();
    int error;

    *ret = (struct rebuild_result){0};
    memcpy(r.log, reader_log(o->reader), LOG_ID);
    r.recount = recount_new(o->staged, o->reader, o->endpoint);
    error = rebuild_steps(&r, ret);
    recount_free(r.recount);
    ret->taken_ms = clock_mono_ms() - begun_ms;
    return error;
}
