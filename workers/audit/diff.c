/* What moved between two moments; see diff.h.
 *
 * What can fail: bytes that are no event, and the recall of a tie.  The store in memory is ours
 * alone and refuses nothing. */
#include "workers/audit/diff.h"

#include "proto/error.h"
#include "workers/audit/diff_inner.h"
#include "workers/audit/recount.h"
#include "workers/audit/subject.h"
#include "workers/audit/target.h"

#include <stdlib.h>

#define PROFILES "profiles:"

/* The store's offsets count what was taken; those of the journal are what a recall needs. */
static int diff_recall(void *arg, struct ledger *l, unsigned partition, uint64_t upto,
                       struct version *const *wanted, size_t count)
{
    struct diff *d = arg;

    (void)upto;
    return d->options.recall(d->options.recall_arg, l, partition, d->reading, wanted, count);
}

struct diff *diff_new(const struct diff_options *o)
{
    struct diff *d = memory_need(sizeof *d);

    *d = (struct diff){.options = *o, .memory = store_memory_new()};
    d->watched = diff_watch_new(d);
    d->apply = apply_new(d->watched, diff_recall, d);
    apply_journal(d->apply, o->log, o->partitions);
    d->decoder = event_decoder_new();
    d->applied = arena_need(&d->arena, o->partitions * sizeof *d->applied);
    d->from = arena_need(&d->arena, o->partitions * sizeof *d->from);
    for (unsigned p = 0; p < o->partitions; p++)
        d->from[p] = UINT64_MAX;
    return d;
}

static void moment_free(struct diff_moment *m)
{
    people_free(&m->people);
    table_free(&m->numbers);
}

void diff_free(struct diff *d)
{
    if (!d)
        return;
    apply_free(d->apply);
    store_free(d->watched);
    store_free(d->memory);
    event_decoder_free(d->decoder);
    moment_free(&d->before);
    moment_free(&d->after);
    table_free(&d->keys);
    table_free(&d->fields);
    table_free(&d->pairs);
    table_free(&d->pair_members);
    table_free(&d->shares);
    arena_free(&d->arena);
    buffer_free(&d->scratch);
    free(d->events);
    free(d->changes);
    free(d->amounts[0]);
    free(d->amounts[1]);
    free(d->touched);
    free(d->order);
    free(d->causes);
    free(d);
}

/* ---- counting ---- */
static int apply_events(struct diff *d, unsigned partition, uint64_t offset, uint64_t count,
                        struct slice events)
{
    struct applied *a = &d->applied[partition];
    struct apply_batch batch = {partition, *a, count, events};
    int error;

    d->reading = offset;
    error = apply_batches(d->apply, &batch, 1, d->options.to_ms);
    if (error < 0)
        return error;
    a->known = true;
    memcpy(a->log, d->options.log, LOG_ID);
    a->offset += count;
    return 0;
}

int diff_run_before(void *diff, const struct walk_run *run)
{
    struct diff *d = diff;

    if (run->received_ms <= d->options.from_ms)
        return apply_events(d, run->partition, run->offset, run->count, run->events);
    if (run->offset < d->from[run->partition])
        d->from[run->partition] = run->offset;
    return 0;
}

/* Remembers the event if it moved anything. */
static void keep_event(struct diff *d, const struct walk_run *run, const struct event *e,
                       uint64_t offset)
{
    union any_fact *fact = arena_need(&d->arena, sizeof *fact);
    struct subject subject = subject_of(e);
    struct diff_event *kept = &d->events[d->event_count++];

    fact_from_event(e, version_digest(e->raw), &d->arena, fact);
    fact->version.raw = (struct slice){0};
    buffer_clear(&d->scratch);
    subject_format(&subject, &d->scratch);
    *kept = (struct diff_event){.committee = arena_copy(&d->arena, e->committee),
                                .member = arena_copy(&d->arena, e->member)};
    kept->witness = (struct witness){.type = e->type,
                                     .fact = fact,
                                     .subject = arena_copy(&d->arena, buffer_slice(&d->scratch)),
                                     .source = arena_copy(&d->arena, run->source),
                                     .received_ms = run->received_ms,
                                     .partition = run->partition,
                                     .offset = offset};
}

static int take_event(struct diff *d, const struct walk_run *run, const struct event *e,
                      uint64_t offset)
{
    int error;

    d->events = memory_room(d->events, d->event_count, &d->event_room, sizeof *d->events);
    d->watching = true;
    d->moved = false;
    error = apply_events(d, run->partition, offset, 1, e->raw);
    d->watching = false;
    if (error == 0 && d->moved)
        keep_event(d, run, e, offset);
    return error;
}

int diff_run_between(void *diff, const struct walk_run *run)
{
    struct diff *d = diff;
    struct slice rest = run->events;
    struct refusal why;
    struct event e;
    int error = 0;

    if (run->received_ms <= d->options.from_ms || run->received_ms > d->options.to_ms)
        return 0;
    for (uint64_t i = 0; i < run->count && error == 0; i++) {
        if (event_next(d->decoder, &rest, EVENT_ANY_TIME, &e, &why) < 0)
            return ERR_CORRUPT;
        error = take_event(d, run, &e, run->offset + i);
        event_decoder_reset(d->decoder);
    }
    return error;
}

/* ---- the numbers of a moment ---- */
/* Published numbers; of a group also who was left out, but not the list's version: that is another
 * one in all groups at once. */
static bool is_compared(const struct diff *d, struct slice key, struct slice field)
{
    struct buffer reason = {0};
    struct target t;
    bool number;

    if (slice_begins(key, "group:"))
        return !slice_is(field, "list");
    if (!d->options.all)
        return false;
    number = target_parse(key, field, "", &t, &reason) == 0;
    buffer_free(&reason);
    return number;
}

static struct slice value_name(struct diff *d, struct slice key, struct slice field)
{
    return diff_name(d, "", key, "\n", field);
}

const struct diff_value *diff_value_before(struct diff *d, struct slice key, struct slice field)
{
    return table_find(&d->before.numbers, value_name(d, key, field));
}

/* Notices, and how many facts name a member: who there is and in which groups. */
static void visit_people(struct people *people, struct slice key, struct slice field,
                         struct slice value)
{
    int64_t facts;

    if (slice_is(key, "facts"))
        people_person(people, field)->named = slice_to_int(value, &facts) && facts > 0;
    if (slice_cut_begin(&key, slice_of(PROFILES)))
        people_add_notice(people, people_person(people, key), field, value);
}

static void visit_before(void *arg, enum fetch_kind kind, struct slice key, struct slice field,
                         struct slice value)
{
    struct diff *d = arg;
    struct diff_value *v;

    (void)kind;
    visit_people(&d->before.people, key, field, value);
    if (!is_compared(d, key, field))
        return;
    v = arena_need(&d->arena, sizeof *v);
    v->entry.key = arena_copy(&d->arena, value_name(d, key, field));
    v->key = slice_make(v->entry.key.at, key.size);
    v->field = slice_make(v->entry.key.at + key.size + 1, field.size);
    v->text = arena_copy(&d->arena, value);
    table_add(&d->before.numbers, &v->entry);
}

int diff_turn(struct diff *d, uint64_t *ret_from)
{
    int error = recount_derive(d->memory, &d->options.rules, d->options.log, d->options.from_ms);

    if (error < 0)
        return error;
    store_memory_visit(d->memory, visit_before, d);
    memcpy(ret_from, d->from, d->options.partitions * sizeof *ret_from);
    return 0;
}

/* ---- comparing ---- */
static void add_change(struct diff *d, struct diff_change c)
{
    d->changes = memory_room(d->changes, d->change_count, &d->change_room, sizeof *d->changes);
    d->changes[d->change_count++] = c;
}

/* A field of a group that has a decimal point, as its quotients have. */
static bool is_quotient(const struct diff_change *c)
{
    struct slice any = c->to.at ? c->to : c->from;

    return slice_begins(c->key, "group:") && !slice_is(c->field, "without") &&
           memchr(any.at, '.', any.size);
}

static void visit_after(void *arg, enum fetch_kind kind, struct slice key, struct slice field,
                        struct slice value)
{
    struct diff *d = arg;
    struct diff_value *v;
    struct diff_change c;

    (void)kind;
    visit_people(&d->after.people, key, field, value);
    if (!is_compared(d, key, field))
        return;
    v = table_find(&d->before.numbers, value_name(d, key, field));
    if (v)
        v->there_still = true;
    if (v && slice_equal(v->text, value))
        return;
    c = (struct diff_change){.key = arena_copy(&d->arena, key),
                             .field = arena_copy(&d->arena, field),
                             .from = v ? v->text : (struct slice){0},
                             .to = arena_copy(&d->arena, value)};
    c.quotient = is_quotient(&c);
    add_change(d, c);
}

/* A zero that is not written is a zero. */
static bool is_change(const struct diff_change *c)
{
    struct slice zero = slice_of("0");

    return !(!c->from.at && slice_equal(c->to, zero)) && !(!c->to.at && slice_equal(c->from, zero));
}

static int change_compare(const void *a, const void *b)
{
    const struct diff_change *x = a, *y = b;
    int order = slice_compare(x->key, y->key);

    return order ? order : slice_compare(x->field, y->field);
}

static void list_changes(struct diff *d)
{
    struct diff_value *v;
    size_t left = 0;

    store_memory_visit(d->memory, visit_after, d);
    for (size_t i = 0; (v = table_next(&d->before.numbers, &i));)
        if (!v->there_still) {
            struct diff_change c = {v->key, v->field, v->text, {0}, false};
            c.quotient = is_quotient(&c);
            add_change(d, c);
        }
    for (size_t i = 0; i < d->change_count; i++)
        if (is_change(&d->changes[i]))
            d->changes[left++] = d->changes[i];
    d->change_count = left;
    if (left)
        qsort(d->changes, left, sizeof *d->changes, change_compare);
}

int diff_finish(struct diff *d, const struct diff_change **ret, size_t *ret_count)
{
    int error = recount_derive(d->memory, &d->options.rules, d->options.log, d->options.to_ms);

    if (error < 0)
        return error;
    list_changes(d);
    *ret = d->changes;
    *ret_count = d->change_count;
    return 0;
}
