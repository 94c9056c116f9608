/* The marks of a round, and all that they bear on, as lists of work.
 *
 *     period|PERIOD    the period
 *     seat|C|M|YEAR    the seat in the year; the committee; the year
 *     seats|C|DATE     the committee, in all years from then on; all periods from then on
 *     watch|C          the committee
 *     answer|C|DATE    the committee, if a ballot that closes then is one to warn of today
 *     members          nothing: people are looked at in every round
 *
 * On another day than that of the last round all committees are looked at; when the people or their
 * groups are not those of the last round, all periods. */
#include "proto/error.h"
#include "workers/derive_round.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- work ---- */
static void add_period(struct derive *d, struct slice period)
{
    work_add(&d->periods, &d->round, period, sizeof(struct table_entry));
}

static void add_committee(struct derive *d, struct slice committee)
{
    work_add(&d->committees, &d->round, committee, sizeof(struct table_entry));
}

static struct seat_work *add_seats(struct derive *d, struct slice committee, struct slice year)
{
    struct slice name = derive_key(d, "", committee, "|", year);
    struct seat_work *s = work_add(&d->seats, &d->round, name, sizeof *s);

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
    date_days closes;

    if (slice_is(mark, "members"))
        return 0; /* it has woken us: people are looked at in every round */
    if (!slice_cut(&rest, '|', &kind))
        return ERR_CORRUPT;
    if (slice_is(kind, "period")) {
        add_period(d, rest);
    } else if (slice_is(kind, "watch")) {
        add_committee(d, rest);
    } else if (slice_is(kind, "answer") && slice_cut(&rest, '|', &a) && date_parse(rest, &closes)) {
        if (derive_warns(d, closes))
            add_committee(d, a);
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

static int load_names(struct derive *d, bool all_committees)
{
    derive_fetch(d, slice_of("deriving"), FETCH_SET, row_mark, d);
    derive_fetch(d, slice_of("periods"), FETCH_SET, row_known, d);
    derive_fetch(d, slice_of("groups"), FETCH_SET, row_group, d);
    derive_fetch(d, slice_of("facts"), FETCH_HASH, row_fact_count, d);
    if (all_committees)
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

static int work_expand(struct derive *d)
{
    const struct table_entry *since;
    struct slice basis;
    int error = 0;

    people_version(&d->people, d->list);
    basis = basis_text(d);
    d->regrouped = !slice_equal(basis, d->basis);
    for (size_t i = 0; d->regrouped && i < d->known.count; i++)
        add_period(d, ((struct table_entry *)d->known.items[i])->key);
    d->basis = basis;
    for (size_t i = 0; error == 0 && (since = table_next(&d->since, &i));)
        error = expand_since(d, since->key);
    if (d->periods.list.count)
        qsort(d->periods.list.items, d->periods.list.count, sizeof(void *), newest_first);
    return error;
}

int derive_load(struct derive *d, bool all_committees)
{
    int error = load_names(d, all_committees);

    if (error == 0)
        error = load_people(d);
    if (error == 0)
        error = work_expand(d);
    return error;
}
