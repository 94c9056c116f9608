/* Deriving, the periods: the groups of one period, from the counters of all members at one moment.
 * With some 170 members, as many hashes, it takes about 1 ms of Redis. */
#include "proto/error.h"
#include "workers/changes.h"
#include "workers/derive_round.h"

struct cell_value {
    struct cell_value *next;
    struct slice field;
    int64_t value;
};

/* One member's hash. */
struct member_row {
    struct derive *derive;
    struct cell_value *cells;
};

struct member_part {
    const struct person *who;
    struct member_row counters, effect;
};

struct period_step {
    struct slice period;
    struct member_part *parts;
    size_t count;
};

static int row_cell(void *context, void *record, struct slice field, struct slice value)
{
    struct member_row *r = record;
    struct cell_value *cell = arena_need(&r->derive->batch, sizeof *cell);

    (void)context;
    cell->field = arena_copy(&r->derive->batch, field);
    cell->next = r->cells;
    r->cells = cell;
    return slice_to_int(value, &cell->value) ? 0 : ERR_CORRUPT;
}

static void fetch_row(struct derive *d, struct member_row *row, const char *family,
                      struct slice member, struct slice period)
{
    row->derive = d;
    derive_fetch(d, derive_key(d, family, member, ":", period), FETCH_HASH, row_cell, row);
}

static struct period_step *fetch_period(struct derive *d, struct slice period)
{
    struct period_step *s = arena_need(&d->batch, sizeof *s);
    const struct person *who;

    s->period = period;
    s->parts = arena_need(&d->batch, (d->people.all.count + 1) * sizeof *s->parts);
    for (size_t i = 0; (who = table_next(&d->people.all, &i));) {
        struct member_part *part = &s->parts[s->count++];
        part->who = who;
        fetch_row(d, &part->counters, "member:", who->entry.key, period);
        if (period.size == 4)
            fetch_row(d, &part->effect, "effective:", who->entry.key, period);
    }
    return s;
}

static int64_t value_of(const struct member_row *row, const char *field)
{
    for (const struct cell_value *c = row->cells; c; c = c->next)
        if (slice_is(c->field, field))
            return c->value;
    return 0;
}

static int write_period(struct derive *d, const struct period_step *s)
{
    struct slice *known = arena_need(&d->batch, (d->groups.count + 1) * sizeof *known);
    int error = groups_begin(d->group, s->period, d->list);

    if (error < 0)
        return error;
    for (size_t i = 0; i < s->count; i++) {
        const struct member_part *part = &s->parts[i];
        groups_person(d->group, part->who);
        for (const struct cell_value *c = part->counters.cells; c; c = c->next)
            groups_counter(d->group, c->field, c->value);
        if (part->effect.cells)
            groups_effect(d->group, value_of(&part->effect, "num"), value_of(&part->effect, "den"),
                          value_of(&part->effect, "held"));
    }
    for (size_t i = 0; i < d->groups.count; i++)
        known[i] = ((struct table_entry *)d->groups.items[i])->key;
    groups_write(d->group, known, d->groups.count, &d->commit);
    return 0;
}

int derive_periods(struct derive *d)
{
    struct work *w = &d->periods;
    struct period_step *step = fetch_period(d, ((struct table_entry *)w->list.items[w->at++])->key);
    int error = derive_look(d);

    if (error == 0)
        error = write_period(d, step);
    /* Should the round be given up, some periods are of this basis and some of another: until it
     * ends they are of none, or a basis that came back would leave them so. */
    if (error == 0 && d->regrouped)
        commit_hdel(&d->commit, slice_of("derived"), slice_of("basis"));
    if (error == 0)
        commit_xadd(&d->commit, slice_of("changes"), slice_of(change_list_name[CHANGE_GROUPS]),
                    step->period);
    return error;
}
