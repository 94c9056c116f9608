/* Seats; see seats.h. */
#include "workers/web/seats.h"

#include "workers/fact.h"

#include <stdlib.h>

static int by_member(const void *a, const void *b)
{
    const struct seat_held *x = a, *y = b;
    int order = slice_compare(x->member, y->member);

    return order ? order : (x->from > y->from) - (x->from < y->from);
}

/* "M|from" and its fact; false when it does not hold, or not yet. */
static bool notice(struct arena *arena, const struct pair *p, date_days day, struct seat_held *ret)
{
    struct seat_fact fact = {.role = 0};
    struct slice from = p->field;

    if (!slice_cut(&from, '|', &ret->member) || !date_parse(from, &ret->from) || ret->from > day ||
        fact_parse(EVENT_SEAT, p->value, arena, &fact) < 0)
        return false;
    ret->role = fact.role;
    return version_holds(&fact.version);
}

struct seats seats_on(struct arena *arena, const struct hash *notices, date_days day)
{
    struct seats s = {arena_need(arena, (notices->count + 1) * sizeof *s.items), 0};
    size_t kept = 0;

    for (size_t i = 0; i < notices->count; i++)
        if (notice(arena, &notices->pairs[i], day, &s.items[s.count]))
            s.count++;
    if (s.count)
        qsort(s.items, s.count, sizeof *s.items, by_member);
    for (size_t i = 0; i < s.count; i++) { /* the latest of each member */
        bool last = i + 1 == s.count || !slice_equal(s.items[i].member, s.items[i + 1].member);
        if (last && (s.items[i].role == ROLE_P || s.items[i].role == ROLE_O))
            s.items[kept++] = s.items[i];
    }
    s.count = kept;
    return s;
}
