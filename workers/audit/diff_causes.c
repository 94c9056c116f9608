/* Which events made a change; see diff.h.
 *
 * A group's sum is made of its members' parts.  Of a member that was in the group at both moments
 * the part moved by events of its own; one that came or went brings or takes its whole part, and
 * the cause is the notice that moved it, or, in a group without its three largest, that others are
 * left out. */
#include "workers/audit/diff_inner.h"
#include "workers/audit/target.h"
#include "workers/group.h"

#include <stdlib.h>

#define NOTHING  slice_make("", 0)
#define LEFT_OUT "others are left out as the three largest"
#define NEW      "the group had no figures in this period before"
#define GONE     "the group has no figures in this period any more"
#define OTHERS   "other members are in the group"

static void causes_clear(struct diff *d)
{
    if (!d->order) {
        size_t n = d->event_count + 1;
        d->order = memory_need(n * sizeof *d->order);
        d->causes = memory_need((n + 2) * sizeof *d->causes);
        d->touched = memset(memory_need(n), 0, n);
        for (int i = 0; i < 2; i++)
            d->amounts[i] =
                memset(memory_need(n * sizeof **d->amounts), 0, n * sizeof **d->amounts);
    }
    for (uint32_t i = 0; i < d->order_count; i++) {
        d->touched[d->order[i]] = false;
        d->amounts[0][d->order[i]] = d->amounts[1][d->order[i]] = 0;
    }
    d->order_count = 0;
    d->left_out[0] = d->left_out[1] = 0;
}

/* ---- who was in the group, and who is ---- */
struct crowd {
    const struct diff_moment *moment;
    struct slice group;   /* whose members are looked at */
    struct slice without; /* those of them that are left out, as the key tells them */
    date_days day;
};

static bool belongs(const struct crowd *c, const struct person *who)
{
    return who && who->named && profile_in_group(person_profile(who, c->day), c->group);
}

/* "KE" in "BR,KE,ZA" */
static bool is_left_out(const struct crowd *c, struct slice member)
{
    struct slice rest = c->without, one;

    while (slice_cut(&rest, ',', &one))
        if (slice_equal(one, member))
            return true;
    return rest.size && slice_equal(rest, member);
}

static const struct person *person_of(const struct crowd *c, struct slice member)
{
    return table_find(&c->moment->people.all, member);
}

static bool any_belongs(const struct crowd *c)
{
    const struct person *who;

    for (size_t i = 0; (who = table_next(&c->moment->people.all, &i));)
        if (belongs(c, who))
            return true;
    return false;
}

static int row_text(void *context, void *record, struct slice field, struct slice value)
{
    struct diff *d = context;

    (void)field;
    *(struct slice *)record = arena_copy(&d->arena, value);
    return 0;
}

/* A real group of that name hides the one that leaves out. */
static struct crowd crowd_of(struct diff *d, const struct target *t, bool after)
{
    struct crowd c = {after ? &d->after : &d->before, t->group, {0}, t->last_day};
    struct slice whole, field = slice_of("without");
    const struct diff_value *v;

    if (t->whole) {
        c.group = slice_of("all");
        return c;
    }
    if (!group_without(t->group, &whole) || any_belongs(&c))
        return c;
    c.group = whole;
    if (after) {
        struct store_fetch f = {.key = t->key,
                                .kind = FETCH_HASH,
                                .fields = &field,
                                .field_count = 1,
                                .row = row_text,
                                .record = &c.without};
        store_fetch(d->memory, &f, 1, d);
    } else if ((v = diff_value_before(d, t->key, field))) {
        c.without = v->text;
    }
    return c;
}

/* ---- one member's part ---- */
/* The newest event that changed the member's notices, else that by which facts name it or do not.
 */
static bool event_of_move(struct diff *d, struct slice member, uint32_t *ret)
{
    const struct diff_move *m = diff_key_moves(d, "profiles:", member, "", NOTHING), *last = m;

    for (; m; m = m->next)
        last = m;
    for (m = last ? NULL : diff_field_moves(d, slice_of("facts"), member); m; m = m->same)
        last = m;
    if (last)
        *ret = last->event;
    return last != NULL;
}

static void member_causes(struct diff *d, const struct target *t, const struct crowd crowds[2],
                          struct slice member, int slot)
{
    bool of[2], in[2];
    uint32_t event;
    int64_t part;

    for (int i = 0; i < 2; i++) {
        of[i] = belongs(&crowds[i], person_of(&crowds[i], member));
        in[i] = of[i] && !is_left_out(&crowds[i], member);
    }
    if (in[0] && in[1])
        diff_moved(d, t, member, slot);
    if (in[0] == in[1])
        return;
    part = diff_worth(d, t, member);
    if (in[0])
        part = diff_moved(d, t, member, -1) - part;
    if (part && of[0] != of[1] && event_of_move(d, member, &event))
        diff_amount(d, slot, event, part);
    else
        d->left_out[slot] += part;
}

static void group_causes(struct diff *d, struct slice key, struct slice field, int slot)
{
    struct buffer reason = {0};
    struct target t;
    const struct person *who;

    if (target_parse(key, field, "", &t, &reason) == 0) {
        struct crowd crowds[2] = {crowd_of(d, &t, false), crowd_of(d, &t, true)};
        for (size_t i = 0; (who = table_next(&d->before.people.all, &i));)
            member_causes(d, &t, crowds, who->entry.key, slot);
        for (size_t i = 0; (who = table_next(&d->after.people.all, &i));)
            if (!table_find(&d->before.people.all, who->entry.key))
                member_causes(d, &t, crowds, who->entry.key, slot);
    }
    buffer_free(&reason);
}

/* ---- all of them ---- */
/* "voting" of "voting" and of "voting.median" */
static struct slice figure_of(struct slice field)
{
    slice_cut_end(&field, slice_of(".median"));
    return field;
}

static void quotient_causes(struct diff *d, const struct diff_change *c)
{
    static const char *const parts[] = {".num", ".den"};
    struct buffer field = {0};

    for (int i = 0; i < 2; i++) {
        buffer_clear(&field);
        buffer_add_slice(&field, figure_of(c->field));
        buffer_add_text(&field, parts[i]);
        group_causes(d, c->key, buffer_slice(&field), i);
    }
    buffer_free(&field);
}

static void key_causes(struct diff *d, const struct diff_change *c)
{
    for (const struct diff_move *m = diff_field_moves(d, c->key, c->field); m; m = m->same)
        diff_amount(d, 0, m->event, m->amount);
}

static int by_receipt(const void *a, const void *b, void *diff)
{
    const struct diff *d = diff;
    const struct witness *x = &d->events[*(const uint32_t *)a].witness;
    const struct witness *y = &d->events[*(const uint32_t *)b].witness;

    if (x->received_ms != y->received_ms)
        return x->received_ms < y->received_ms ? -1 : 1;
    if (x->partition != y->partition)
        return x->partition < y->partition ? -1 : 1;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

static size_t list_events(struct diff *d)
{
    size_t count = 0;

    qsort_r(d->order, d->order_count, sizeof *d->order, by_receipt, d);
    for (uint32_t i = 0; i < d->order_count; i++) {
        uint32_t e = d->order[i];
        if (d->amounts[0][e] || d->amounts[1][e])
            d->causes[count++] = (struct diff_cause){&d->events[e].witness, NULL, d->amounts[0][e],
                                                     d->amounts[1][e]};
    }
    return count;
}

/* What is left of a sum's change when all causes are taken off. */
static int64_t rest_of(const struct diff *d, const struct diff_change *c, size_t count)
{
    int64_t from = 0, to = 0;

    if ((c->from.at && !slice_to_int(c->from, &from)) || (c->to.at && !slice_to_int(c->to, &to)))
        return 0;
    to -= from;
    for (size_t i = 0; i < count; i++)
        to -= d->causes[i].amount;
    return to;
}

static void add_reasons(struct diff *d, const struct diff_change *c, size_t *count)
{
    int64_t rest;

    if (d->left_out[0] || d->left_out[1])
        d->causes[(*count)++] = (struct diff_cause){NULL, LEFT_OUT, d->left_out[0], d->left_out[1]};
    rest = c->quotient ? 0 : rest_of(d, c, *count);
    if (rest)
        d->causes[(*count)++] = (struct diff_cause){NULL,
                                                    !c->from.at ? NEW
                                                    : !c->to.at ? GONE
                                                                : OTHERS,
                                                    rest, 0};
}

const struct diff_cause *diff_causes(struct diff *d, const struct diff_change *c, size_t *ret_count)
{
    size_t count;

    causes_clear(d);
    if (!slice_begins(c->key, "group:"))
        key_causes(d, c);
    else if (c->quotient)
        quotient_causes(d, c);
    else
        group_causes(d, c->key, c->field, 0);
    count = list_events(d);
    add_reasons(d, c, &count);
    *ret_count = count;
    return d->causes;
}
