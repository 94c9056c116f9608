/* Explaining: the events, from the journal into the ledger; see explain.h.
 *
 * A run is decoded, what cannot matter is passed over, and the rest is folded.  There is no store:
 * every record counts as loaded and complete from the first event on, because all events that bear
 * on it come by.  What can fail: bytes that are no event, and the recall of a tie. */
#include "proto/error.h"
#include "workers/audit/explain_inner.h"
#include "workers/audit/subject.h"
#include "workers/fold.h"
#include "workers/recall.h"

#include <stdlib.h>

struct explain *explain_new(const struct target *t, apply_recall_fn recall, void *arg)
{
    struct explain *x = memory_need(sizeof *x);

    *x = (struct explain){.target = t, .recall = recall, .arg = arg, .as_of_ms = INT64_MAX};
    x->ledger = ledger_new();
    x->decoder = event_decoder_new();
    for (size_t i = 0; i < t->term_count; i++)
        x->fields[i] = counters_named(&x->ledger->counters, t->terms[i].counter);
    return x;
}

void explain_free(struct explain *x)
{
    if (!x)
        return;
    explain_group_free(x->group);
    ledger_free(x->ledger);
    event_decoder_free(x->decoder);
    table_free(&x->facts);
    table_free(&x->names);
    arena_free(&x->arena);
    free(x->events);
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

/* ---- which events matter ---- */
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

static bool event_matters(const struct target *t, const struct event *e)
{
    if (e->type == EVENT_COMMITTEE ||
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
        return true;
    }
}

/* ---- facts and where they came from ---- */
static struct slice fact_key(const void *const *fact)
{
    return slice_make(fact, sizeof *fact);
}

const struct explain_fact *explain_fact_of(const struct explain *x, const void *fact)
{
    return table_find(&x->facts, fact_key(&fact));
}

bool explain_before(const struct explain_fact *a, const struct explain_fact *b)
{
    const struct witness *x = &a->witness, *y = &b->witness;

    return x->partition != y->partition ? x->partition < y->partition : x->offset < y->offset;
}

/* A source's name, kept once. */
static struct slice name_keep(struct explain *x, struct slice name)
{
    struct table_entry *e = table_find(&x->names, name);

    if (!e) {
        e = arena_need(&x->arena, sizeof *e);
        e->key = arena_copy(&x->arena, name);
        table_add(&x->names, e);
    }
    return e->key;
}

static struct explain_fact *fact_new(struct explain *x, const struct event *e, const void *fact)
{
    struct explain_fact *f = arena_need(&x->arena, sizeof *f);
    struct subject subject = subject_of(e);
    struct buffer *text = &x->ledger->scratch;

    buffer_clear(text);
    subject_format(&subject, text);
    f->witness.subject = arena_copy(&x->arena, buffer_slice(text));
    f->witness.type = e->type;
    f->witness.fact = fact;
    f->entry.key = fact_key(&f->witness.fact);
    table_add(&x->facts, &f->entry);
    return f;
}

/* The event has won. */
static void fact_came(struct explain *x, const struct explain_event *taken, const void *fact,
                      struct slice id_before, const struct walk_run *run)
{
    struct explain_fact *f = table_find(&x->facts, fact_key(&fact));

    if (f) {
        f->replaced = id_before;
        f->replaced_offset = f->witness.offset;
    } else {
        f = fact_new(x, &taken->event, fact);
    }
    f->witness.partition = run->partition;
    f->witness.offset = taken->offset;
    f->witness.received_ms = run->received_ms;
    f->witness.source = name_keep(x, run->source);
}

/* ---- folding ---- */
/* There is nothing to load. */
static void event_load(const struct event *e, const struct bearing *b)
{
    if (b->committee)
        b->committee->loaded = true;
    switch (e->type) {
    case EVENT_VOTE:
    case EVENT_BALLOT:
        b->ballot->loaded = b->ballot->complete = true;
        break;
    case EVENT_ATTENDANCE:
    case EVENT_MEETING:
        b->meeting->loaded = b->meeting->complete = true;
        break;
    case EVENT_MEMBER:
        b->member->profiles_loaded = true;
        break;
    default:
        break;
    }
}

static int run_decode(struct explain *x, const struct walk_run *run)
{
    struct slice rest = run->events;
    struct refusal why;

    x->event_count = 0;
    for (uint64_t i = 0; i < run->count; i++) {
        if (x->event_count == x->event_room) {
            x->event_room = x->event_room ? x->event_room * 2 : 1024;
            x->events = memory_grow(x->events, x->event_room * sizeof *x->events);
        }
        struct explain_event *e = &x->events[x->event_count];
        if (event_next(x->decoder, &rest, EVENT_ANY_TIME, &e->event, &why) < 0)
            return ERR_CORRUPT;
        e->offset = run->offset + i;
        if (!event_matters(x->target, &e->event))
            continue;
        e->bearing = bearing_find(x->ledger, &e->event);
        event_load(&e->event, &e->bearing);
        x->event_count++;
    }
    return rest.size ? ERR_CORRUPT : 0;
}

static int event_fold(struct explain *x, const struct explain_event *taken,
                      const struct walk_run *run)
{
    struct version *v = taken->bearing.version, before = *v;
    int error = fold_event(x->ledger, &taken->event, &taken->bearing);

    if (error == 0 && (!before.known || before.digest != v->digest))
        fact_came(x, taken, v, before.id, run);
    return error;
}

/* The bytes that events from `first` on tie with, in one walk. */
static int run_recall(struct explain *x, size_t first, const struct walk_run *run)
{
    struct ledger *l = x->ledger;
    struct version **wanted = arena_need(&l->batch, (x->event_count - first) * sizeof *wanted);
    size_t n = 0;
    int error;

    for (size_t i = first; i < x->event_count; i++)
        if (fold_needs_bytes(&x->events[i].event, &x->events[i].bearing))
            wanted[n++] = x->events[i].bearing.version;
    recall_order(wanted, n);
    error = x->recall(x->arg, l, run->partition, run->offset, wanted, n);
    for (size_t i = 0; i < n && error == 0; i++)
        if (!wanted[i]->raw.at)
            error = ERR_CORRUPT;
    return error;
}

static int run_fold(struct explain *x, const struct walk_run *run)
{
    size_t at = 0;
    int error = 0;

    while (at < x->event_count && error == 0) {
        if (event_fold(x, &x->events[at], run) == 0)
            at++;
        else
            error = run_recall(x, at, run);
    }
    return error;
}

/* The run's bytes are about to go. */
static void run_forget(struct explain *x)
{
    for (size_t i = 0; i < x->event_count; i++) {
        struct version *v = x->events[i].bearing.version;
        if (!v->contested)
            v->raw = (struct slice){0};
    }
    ledger_settle(x->ledger, SIZE_MAX);
    event_decoder_reset(x->decoder);
}

int explain_run(void *explain, const struct walk_run *run)
{
    struct explain *x = explain;
    int error;

    if (run->received_ms > x->as_of_ms)
        return 0;
    error = run_decode(x, run);
    if (error == 0)
        error = run_fold(x, run);
    if (error == 0)
        run_forget(x);
    return error;
}

/* ---- parts ---- */
void explain_note(struct explain *x, const void *fact)
{
    const struct explain_fact *f = explain_fact_of(x, fact);

    if (f)
        pointers_add(&x->noted, (void *)(uintptr_t)f);
}

void explain_add(struct explain *x, int64_t amount, struct slice member)
{
    size_t count = x->noted.count;
    const struct explain_fact **facts = arena_need(&x->arena, (count + 1) * sizeof *facts);

    for (size_t i = 0; i < count; i++)
        facts[i] = x->noted.items[i];
    x->noted.count = 0;
    if (x->part_count == x->part_room) {
        x->part_room = x->part_room ? x->part_room * 2 : 256;
        x->parts = memory_grow(x->parts, x->part_room * sizeof *x->parts);
    }
    x->parts[x->part_count++] = (struct explain_part){amount, member, facts, count};
}

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
