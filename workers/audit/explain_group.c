/* Explaining: who is in a group, and what its own fields are made of; see explain_inner.h.
 *
 * First all units are tallied to find out whether the period has any counter at all, who has how
 * many votes, and, where it is asked for, which seats have duties.  Then it is known who is in the
 * group, and the parts are made. */
#include "workers/audit/explain_inner.h"
#include "workers/group.h"
#include "workers/risk.h"

#include <assert.h>
#include <stdlib.h>

#define TOP 3

/* A member. */
struct being {
    struct table_entry entry;
    const struct member *member;
    const struct explain_fact *named;  /* the first fact in force that names it; NULL: none does */
    const struct profile *profile;     /* its notice that counts in the period */
    const struct explain_fact *active; /* the first that makes it active */
    int64_t votes;
    bool in;
};

/* A seat in the period, if that is a year. */
struct tenancy {
    struct table_entry entry; /* by the addresses of committee and member */
    const void *name[2];
    const struct committee *committee;
    const struct member *member;
    struct duties duties;
    struct pointers facts; /* of its duties */
};

struct explain_group {
    struct table beings, tenancies;
    bool any;    /* the period has a counter */
    bool listed; /* the group has its members by notices, not all there are */
    const struct field *votes[LEVELS], *attended[LEVELS];
};

void explain_group_free(struct explain_group *g)
{
    struct tenancy *t;

    if (!g)
        return;
    for (size_t i = 0; (t = table_next(&g->tenancies, &i));)
        free(t->facts.items);
    table_free(&g->beings);
    table_free(&g->tenancies);
    free(g);
}

static struct being *being_of(struct explain *x, const struct member *m)
{
    struct being *b = table_find(&x->group->beings, m->entry.key);

    if (!b) {
        b = arena_need(&x->arena, sizeof *b);
        b->entry.key = m->entry.key;
        b->member = m;
        table_add(&x->group->beings, &b->entry);
    }
    return b;
}

bool explain_group_has(const struct explain *x, const struct member *m)
{
    const struct being *b = table_find(&x->group->beings, m->entry.key);

    return b && b->in;
}

/* Notes the member's notice that puts it into the group, if one is needed for that. */
static void explain_group_note(struct explain *x, const struct member *m)
{
    const struct being *b = table_find(&x->group->beings, m->entry.key);

    if (x->group->listed && !x->target->whole && b && b->profile)
        explain_note(x, &b->profile->fact);
}

/* ---- who there is ---- */
static void name_by(struct explain *x, const struct member *m, const struct version *v)
{
    struct being *b = being_of(x, m);
    const struct explain_fact *f = version_holds(v) ? explain_fact_of(x, v) : NULL;

    if (f && (!b->named || explain_before(f, b->named)))
        b->named = f;
}

static void name_in_committee(struct explain *x, const struct committee *c)
{
    const struct ballot *b;
    const struct vote *v;
    const struct meeting *m;
    const struct participant *p;
    const struct seat_line *line;

    for (size_t i = 0; (b = table_next(&c->ballots, &i));)
        for (size_t j = 0; (v = table_next(&b->votes, &j));)
            name_by(x, v->member, &v->fact.version);
    for (size_t i = 0; (m = table_next(&c->meetings, &i));)
        for (size_t j = 0; (p = table_next(&m->participants, &j));)
            name_by(x, p->delegation->member, &p->fact.version);
    for (size_t i = 0; (line = table_next(&c->seats, &i));)
        for (const struct seat *s = line->first; s; s = s->next)
            name_by(x, line->member, &s->fact.version);
}

/* The notice in force on the period's last day, failing that the earliest. */
static const struct profile *profile_of(const struct member *m, date_days day)
{
    const struct profile *found = NULL;

    for (const struct profile *p = m->profiles; p; p = p->next)
        if (version_holds(&p->fact.version) && (!found || p->from <= day))
            found = p;
    return found;
}

static void name_all(struct explain *x)
{
    const struct committee *c;
    const struct member *m;
    const struct adoption *a;

    for (size_t i = 0; (c = table_next(&x->ledger->committees, &i));)
        name_in_committee(x, c);
    for (size_t i = 0; (m = table_next(&x->ledger->members, &i));) {
        for (size_t j = 0; (a = table_next(&m->adoptions, &j));)
            name_by(x, m, &a->fact.version);
        for (const struct profile *p = m->profiles; p; p = p->next)
            name_by(x, m, &p->fact.version);
        being_of(x, m)->profile = profile_of(m, x->target->last_day);
    }
}

/* ---- what they did ---- */
static struct tenancy *tenancy_of(struct explain *x, const struct row_key *k)
{
    const void *name[2] = {k->committee, k->member};
    struct tenancy *t = table_find(&x->group->tenancies, slice_make(name, sizeof name));

    if (!t) {
        t = arena_need(&x->arena, sizeof *t);
        memcpy(t->name, name, sizeof name);
        t->entry.key = slice_make(t->name, sizeof t->name);
        t->committee = k->committee;
        t->member = k->member;
        table_add(&x->group->tenancies, &t->entry);
    }
    return t;
}

static bool asks_for_duties(const struct target *t)
{
    return t->measure == MEASURE_EFFECTIVE || t->measure == MEASURE_DUTY ||
           t->measure == MEASURE_DORMANT;
}

/* Only what is a duty tells why the seat counts. */
static void count_seat(struct explain *x, const struct explain_unit *u, const struct row *r)
{
    struct tenancy *t = tenancy_of(x, &r->key);
    struct duties duties = {0};

    for (uint32_t i = 0; i < r->count; i++) {
        duties_add(&duties, r->cells[i].field->entry.key, r->cells[i].amount);
        duties_add(&t->duties, r->cells[i].field->entry.key, r->cells[i].amount);
    }
    if (!duties_any(&duties))
        return;
    explain_note_unit(x, u);
    pointers_add(&t->facts, x->noted.items[0]);
    x->noted.count = 0;
}

static void count_member(struct explain *x, const struct explain_unit *u, const struct row *r)
{
    struct explain_group *g = x->group;
    struct being *b = being_of(x, r->key.member);
    bool active = false;

    g->any |= row_moves(r);
    for (uint32_t i = 0; i < r->count; i++)
        for (int level = LEVEL_TECHNICAL; level < LEVELS; level++) {
            bool vote = r->cells[i].field == g->votes[level];
            b->votes += vote ? r->cells[i].amount : 0;
            active |= vote || r->cells[i].field == g->attended[level];
        }
    if (!active || x->target->measure != MEASURE_ACTIVE)
        return;
    explain_note_unit(x, u);
    if (!b->active || explain_before(x->noted.items[0], b->active))
        b->active = x->noted.items[0];
    x->noted.count = 0;
}

static void count_unit(struct explain *x, const struct explain_unit *u)
{
    bool duties = asks_for_duties(x->target);

    for (const struct row *r = x->ledger->counters.first; r; r = r->next) {
        if (r->key.period != x->target->period)
            continue;
        if (r->key.kind == ROW_MEMBER)
            count_member(x, u, r);
        else if (r->key.kind == ROW_SEAT && duties)
            count_seat(x, u, r);
    }
}

/* ---- who is in the group ---- */
static bool belongs(const struct being *b, struct slice group)
{
    return b->named && profile_in_group(b->profile ? &b->profile->fact : NULL, group);
}

static size_t gather_in(struct explain_group *g, struct slice group)
{
    struct being *b;
    size_t count = 0;

    for (size_t i = 0; (b = table_next(&g->beings, &i));)
        count += b->in = belongs(b, group);
    return count;
}

/* Those with more votes first, among equals the smaller name. */
static bool is_larger(const struct being *a, const struct being *b)
{
    if (a->votes != b->votes)
        return a->votes > b->votes;
    return slice_compare(a->entry.key, b->entry.key) < 0;
}

/* The three largest voters go. */
static size_t leave_out(struct explain_group *g)
{
    struct being *b, *largest;
    size_t out = 0;

    do {
        largest = NULL;
        for (size_t i = 0; (b = table_next(&g->beings, &i));)
            if (b->in && b->votes > 0 && (!largest || is_larger(b, largest)))
                largest = b;
        if (largest)
            largest->in = false, out++;
    } while (largest && out < TOP);
    return out;
}

/* A group without its largest has figures only, and none of governance. */
static bool has_figure(const struct target *t)
{
    return t->measure != MEASURE_COUNTERS || (t->figure && !slice_begins(t->field, "governance."));
}

/* A group that is really named so hides the one without the largest of another.  Returns how many
 * are in it: none in a period without counters. */
static size_t form_group(struct explain *x)
{
    struct explain_group *g = x->group;
    struct slice group = x->target->group, whole;
    size_t count;

    if (!g->any)
        return 0;
    count = gather_in(g, group);
    if (count == 0 && group_without(group, &whole)) {
        if (!has_figure(x->target))
            return 0;
        group = whole;
        count = gather_in(g, group);
        count -= leave_out(g);
    }
    g->listed = !slice_is(group, "all");
    return count;
}

/* ---- parts ---- */
static void add_part(struct explain *x, const struct member *m)
{
    explain_group_note(x, m);
    explain_add(x, 1, m->entry.key);
}

static void part_of_unit(struct explain *x, const struct explain_unit *u)
{
    int64_t amount = explain_amount(x, u);

    if (amount == 0)
        return;
    explain_note_unit(x, u);
    explain_group_note(x, u->member);
    explain_add(x, amount, u->member->entry.key);
}

/* By the notice that puts it into the group, else by the first fact that names it. */
static void parts_of_members(struct explain *x, bool active)
{
    struct being *b;

    for (size_t i = 0; (b = table_next(&x->group->beings, &i));) {
        if (!b->in || (active && !b->active))
            continue;
        if (active)
            explain_note(x, b->active->witness.fact);
        else if (!x->group->listed)
            explain_note(x, b->named->witness.fact);
        add_part(x, b->member);
    }
}

static bool has_duty(const struct explain *x, const struct committee *c, const struct member *m)
{
    const void *name[2] = {c, m};
    const struct tenancy *t = table_find(&x->group->tenancies, slice_make(name, sizeof name));

    return t && duties_any(&t->duties);
}

/* Seats held on the period's last day, all or only those without a duty. */
static void parts_of_seats(struct explain *x, enum role role, bool dormant)
{
    const struct target *t = x->target;
    const struct committee *c;
    const struct seat_line *line;

    for (size_t i = 0; (c = table_next(&x->ledger->committees, &i));)
        for (size_t j = 0; (line = table_next(&c->seats, &j));) {
            const struct seat *s = explain_seat(c, line->entry.key, t->last_day);
            if (!s || s->fact.role != role || (dormant && has_duty(x, c, line->member)) ||
                !(t->whole || explain_group_has(x, line->member)))
                continue;
            explain_note(x, &s->fact);
            add_part(x, line->member);
        }
}

static int by_journal(const void *a, const void *b)
{
    const struct explain_fact *const *x = a, *const *y = b;

    return *x == *y ? 0 : explain_before(*x, *y) ? -1 : 1;
}

/* The seat's notice at the end of the year, if it still has one, then what its duties are. */
static void note_tenancy(struct explain *x, const struct tenancy *t)
{
    const struct seat *s = explain_seat(t->committee, t->member->entry.key, x->target->last_day);
    const void *last = NULL;

    if (s)
        explain_note(x, &s->fact);
    qsort(t->facts.items, t->facts.count, sizeof *t->facts.items, by_journal);
    for (size_t i = 0; i < t->facts.count; i++) {
        if (t->facts.items[i] != last)
            pointers_add(&x->noted, t->facts.items[i]);
        last = t->facts.items[i];
    }
}

static void parts_of_tenancies(struct explain *x, bool effective)
{
    const struct tenancy *t;

    for (size_t i = 0; (t = table_next(&x->group->tenancies, &i));) {
        if (!duties_any(&t->duties) || (effective && !duties_effective(&t->duties)) ||
            !explain_group_has(x, t->member))
            continue;
        note_tenancy(x, t);
        add_part(x, t->member);
    }
}

static void make_parts(struct explain *x)
{
    switch (x->target->measure) {
    case MEASURE_COUNTERS:
        explain_units(x, part_of_unit);
        break;
    case MEASURE_MEMBERS:
    case MEASURE_ACTIVE:
        parts_of_members(x, x->target->measure == MEASURE_ACTIVE);
        break;
    case MEASURE_SEATS_P:
    case MEASURE_SEATS_O:
        parts_of_seats(x, x->target->measure == MEASURE_SEATS_P ? ROLE_P : ROLE_O, false);
        break;
    case MEASURE_EFFECTIVE:
    case MEASURE_DUTY:
        parts_of_tenancies(x, x->target->measure == MEASURE_EFFECTIVE);
        break;
    case MEASURE_DORMANT:
        if (x->target->year)
            parts_of_seats(x, ROLE_P, true);
        break;
    case MEASURE_TALLY:
        break;
    }
}

void explain_group_parts(struct explain *x)
{
    struct explain_group *g = memory_zeroed(sizeof *g);

    x->group = g;
    for (uint8_t level = LEVEL_TECHNICAL; level < LEVELS; level++) {
        struct counters *c = &x->ledger->counters;
        g->votes[level] = counters_field(c, level, COUNTER_VOTES, (struct slice){0});
        g->attended[level] = counters_field(c, level, COUNTER_ATTENDED, (struct slice){0});
    }
    name_all(x);
    explain_units(x, count_unit);
    if (form_group(x))
        make_parts(x);
}
