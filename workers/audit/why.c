/* Why; see why.h. */
#include "workers/audit/why.h"

#include "proto/clock.h"
#include "proto/error.h"
#include "workers/client.h"

static int read_live(struct why *w)
{
    struct slice key = w->target->key, field = w->target->field;
    int error =
        w->target->family == TARGET_GROUP
            ? live_read_derived(w->store, w->partitions, key, field, w->patience_ms, &w->live)
            : live_read(w->store, w->partitions, key, field, &w->live);

    w->redis = error < 0;
    return error;
}

/* Where the journal ends; and, unless it is as of then, whether Redis can be of this journal. */
static int read_ends(struct why *w)
{
    struct wire_report report;
    int error = client_report(w->reader, NULL, 0, WHY_ANSWER_MS, &report);

    if (error == 0)
        memcpy(w->ends, report.ends, report.count * sizeof *w->ends);
    if (error == 0 && !w->then &&
        applied_any_foreign(w->live.applied, report.count, report.log, report.ends)) {
        w->redis = true;
        error = ERR_FOREIGN;
    }
    reader_reset(w->reader);
    return error;
}

/* What Redis does not stand for yet is not in its number either. */
static void stop_where_redis_stands(struct why *w)
{
    for (unsigned p = 0; p < w->partitions; p++) {
        w->behind += w->ends[p] - w->live.applied[p].offset;
        w->ends[p] = w->live.applied[p].offset;
    }
}

int why_look(struct why *w)
{
    int error = 0;

    w->partitions = reader_partitions(w->reader);
    if (!w->then)
        error = read_live(w);
    if (error == 0)
        error = read_ends(w);
    if (error == 0 && !w->then)
        stop_where_redis_stands(w);
    return error;
}

struct timed {
    struct explain *explain;
    int64_t deadline_ms;
    size_t most_bytes;
};

static int timed_run(void *arg, const struct walk_run *run)
{
    struct timed *t = arg;

    if (t->deadline_ms && clock_mono_ms() > t->deadline_ms)
        return ERR_TIMEOUT;
    if (t->most_bytes && explain_bytes(t->explain) > t->most_bytes)
        return ERR_FULL;
    return explain_run(t->explain, run);
}

static int pass_walk(struct why *w, struct explain *x, enum explain_pass pass,
                     struct progress *progress)
{
    static const uint64_t from[WIRE_MAX_PARTS];
    struct timed timed = {x, w->deadline_ms, w->most_bytes};

    explain_pass(x, pass);
    return walk_journal(w->reader, from, w->ends, w->partitions, timed_run, &timed, progress);
}

int why_walk(struct why *w, struct explain *x)
{
    bool narrows = explain_narrows(x);
    struct progress progress;
    uint64_t total = 0;
    int error = 0;

    if (w->then)
        explain_until(x, w->as_of_ms);
    for (unsigned p = 0; p < w->partitions; p++) {
        if (!explain_needs(x, p, w->partitions))
            w->ends[p] = 0;
        total += w->ends[p];
    }
    progress_begin(&progress, "reading events", narrows ? 2 * total : total, w->progress);
    if (narrows)
        error = pass_walk(w, x, EXPLAIN_NOTICES, &progress);
    if (error == 0)
        error = pass_walk(w, x, narrows ? EXPLAIN_REST : EXPLAIN_ALL, &progress);
    progress_end(&progress);
    return error;
}

bool why_agrees(const struct why *w, int64_t sum)
{
    return w->then || (w->live.numeric && w->live.number == sum);
}
