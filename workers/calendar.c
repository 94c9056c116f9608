/* Calendars; see calendar.h. */
#include "workers/calendar.h"

#include "workers/share.h"

#include <stdlib.h>

static bool answered(const struct ballot *b, struct slice member)
{
    const struct vote *v = table_find(&b->votes, member);

    return v && version_holds(&v->fact.version) &&
           (v->fact.position != POSITION_NONE || v->fact.excused);
}

bool calendar_awaits(const struct ballot *b, struct slice member)
{
    return b->loaded && version_holds(&b->notice.version) && b->notice.stage == STAGE_OPEN &&
           b->notice.mandatory && !answered(b, member);
}

static bool counts(const struct meeting *m)
{
    return m->loaded && version_holds(&m->notice.version) && m->notice.planning == PLANNING_HELD &&
           m->notice.mandatory;
}

static int latest_first(const void *a, const void *b)
{
    const struct meeting *x = *(struct meeting *const *)a, *y = *(struct meeting *const *)b;

    if (x->notice.starts != y->notice.starts)
        return x->notice.starts < y->notice.starts ? 1 : -1;
    return slice_compare(y->entry.key, x->entry.key);
}

struct meeting **calendar_meetings(struct arena *a, const struct committee *c, size_t *ret_count)
{
    struct meeting **list = arena_need(a, (c->meetings.count + 1) * sizeof *list), *m;
    size_t n = 0;

    for (size_t i = 0; (m = table_next(&c->meetings, &i));)
        if (counts(m))
            list[n++] = m;
    qsort(list, n, sizeof *list, latest_first);
    *ret_count = n;
    return list;
}

bool calendar_missed(const struct meeting *m, struct slice member)
{
    static const struct delegation nobody;
    const struct delegation *d = table_find(&m->delegations, member);

    return presence_share(&m->notice, d ? d->present : nobody.present, m->notice.starts,
                          m->notice.level, ROLE_P)
        .missed;
}
