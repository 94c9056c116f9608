/* Explaining: the events, from the journal into the ledger; see explain.h.
 *
 * They are replayed, and of each fact it is noted where its newest version came from
 * (explain_facts.c).  What can fail: the replay. */
#include "workers/audit/explain_inner.h"
#include "workers/group.h"

#include <stdlib.h>

static bool event_matters(void *explain, const struct event *e);

struct explain *explain_new(const struct target *t, recall_fn recall, void *arg)
{
    struct explain *x = memory_need(sizeof *x);

    *x = (struct explain){.target = t, .as_of_ms = INT64_MAX};
    x->ledger = ledger_new();
    x->replay = replay_new(x->ledger, &(struct replay_watch){event_matters, explain_fact_came, x},
                           recall, arg);
    for (size_t i = 0; i < t->term_count; i++)
        x->fields[i] = counters_named(&x->ledger->counters, t->terms[i].counter);
    return x;
}

size_t explain_bytes(const struct explain *x)
{
    return x->ledger->keep.used + x->ledger->many.used + x->arena.used;
}

void explain_free(struct explain *x)
{
    if (!x)
        return;
    explain_group_free(x->group);
    replay_free(x->replay);
    ledger_free(x->ledger);
    table_free(&x->facts);
    table_free(&x->names);
    arena_free(&x->arena);
    free(x->parts);
    free(x->noted.items);
    free(x);
}

void explain_until(struct explain *x, int64_t as_of_ms)
{
    x->as_of_ms = as_of_ms;
}

bool explain_needs(const struct explain *x, unsigned partition, unsigned partitions)
{
    struct event e = {.type = EVENT_COMMITTEE, .committee = x->target->committee};

    return !e.committee.at || event_partition(&e, partitions) == partition;
}

void explain_pass(struct explain *x, enum explain_pass pass)
{
    x->pass = pass;
}

bool explain_narrows(const struct explain *x)
{
    const struct target *t = x->target;
    struct slice group = t->group;

    if (t->family == TARGET_COMMITTEE)
        return true;
    group_without(group, &group);
    return t->family == TARGET_GROUP &&
           !((t->measure == MEASURE_MEMBERS || (t->whole && group.size < t->group.size)) &&
             slice_is(group, "all"));
}

/* ---- which events matter ---- */
static bool in_period(const struct target *t, date_days day)
{
    struct date_civil c = date_to_civil(day);

    return t->period == (uint32_t)(c.year * 100 + (t->year ? 0 : c.month));
}

/* What an answer counts for is decided by its notice; where that is not known, by itself. */
static bool of_period(const struct explain *x, const struct event *e)
{
    const struct committee *c = table_find(&x->ledger->committees, e->committee);
    const struct ballot *b = c && e->type == EVENT_VOTE ? table_find(&c->ballots, e->ballot) : NULL;
    const struct meeting *m =
        c && e->type == EVENT_ATTENDANCE ? table_find(&c->meetings, e->meeting) : NULL;

    if (b && version_holds(&b->notice.version))
        return in_period(x->target, b->notice.closes);
    if (m && version_holds(&m->notice.version))
        return in_period(x->target, m->notice.starts);
    return true;
}

static bool of_pass(const struct explain *x, const struct event *e)
{
    bool notice = e->type == EVENT_BALLOT || e->type == EVENT_MEETING;

    return x->pass == EXPLAIN_ALL || (x->pass == EXPLAIN_NOTICES ? notice : !notice);
}

static bool of_matter(const struct target *t, const struct event *e, enum event_type notice,
                      enum event_type answer)
{
    if (e->type == EVENT_SEAT)
        return true;
    return (e->type == notice || e->type == answer) && slice_equal(e->ballot, t->matter);
}

/* Notices of ballots and meetings are everybody's. */
static bool of_member(const struct target *t, const struct event *e)
{
    return e->type == EVENT_BALLOT || e->type == EVENT_MEETING || slice_equal(e->member, t->member);
}

static bool event_matters(void *explain, const struct event *e)
{
    const struct explain *x = explain;
    const struct target *t = x->target;

    if (e->type == EVENT_COMMITTEE || !of_pass(x, e) ||
        (t->committee.at && !(e->committee.at && slice_equal(e->committee, t->committee))))
        return false;
    switch (t->family) {
    case TARGET_MEMBER:
    case TARGET_SEAT:
        return of_member(t, e);
    case TARGET_BALLOT:
        return of_matter(t, e, EVENT_BALLOT, EVENT_VOTE);
    case TARGET_MEETING:
        return of_matter(t, e, EVENT_MEETING, EVENT_ATTENDANCE);
    default:
        return x->pass != EXPLAIN_REST || of_period(x, e);
    }
}

int explain_run(void *explain, const struct walk_run *run)
{
    struct explain *x = explain;

    return run->received_ms > x->as_of_ms ? 0 : replay_run(x->replay, run);
}

/* ---- parts ---- */
static void unit_part(struct explain *x, const struct explain_unit *u)
{
    int64_t amount = explain_amount(x, u);

    if (amount == 0)
        return;
    explain_note_unit(x, u);
    explain_add(x, amount, u->member->entry.key);
}

static int part_compare(const void *a, const void *b)
{
    const struct explain_part *x = a, *y = b;

    if (x->facts[0] != y->facts[0])
        return explain_before(x->facts[0], y->facts[0]) ? -1 : 1;
    return slice_compare(x->member, y->member);
}

const struct explain_part *explain_finish(struct explain *x, size_t *ret_count, int64_t *ret_sum)
{
    int64_t sum = 0;

    if (x->target->family == TARGET_GROUP)
        explain_group_parts(x);
    else
        explain_units(x, unit_part);
    for (size_t i = 0; i < x->part_count; i++)
        sum += x->parts[i].amount;
    if (x->part_count)
        qsort(x->parts, x->part_count, sizeof *x->parts, part_compare);
    *ret_count = x->part_count;
    *ret_sum = sum;
    return x->parts;
}
