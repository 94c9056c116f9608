/* People; see people.h.  Everything lives in one arena and is dropped at once.
 *
 *     notice  "2026-01-01" -> fact    sorted in among the member's others
 *     tenure  "P|2026-01-01" -> +3    kept as it comes: seats of a day are a sum, in any order
 *
 * Only text from the store can be wrong: ERR_CORRUPT. */
#include "workers/people.h"

#include "proto/error.h"

#include <stdio.h>

#define KEEP_BYTES ((size_t)4 << 20) /* of the arena, from one filling to the next */

void people_clear(struct people *p)
{
    table_clear(&p->all);
    arena_reset(&p->arena, KEEP_BYTES);
}

void people_free(struct people *p)
{
    table_free(&p->all);
    arena_free(&p->arena);
}

struct person *people_person(struct people *p, struct slice id)
{
    struct person *who = table_find(&p->all, id);

    if (!who) {
        who = arena_need(&p->arena, sizeof *who);
        who->entry.key = arena_copy(&p->arena, id);
        table_add(&p->all, &who->entry);
    }
    return who;
}

int people_add_notice(struct people *p, struct person *who, struct slice field, struct slice value)
{
    struct membership **link = &who->memberships, *m;
    struct profile_fact fact;
    date_days from;

    if (!date_parse(field, &from) || fact_parse(EVENT_MEMBER, value, &p->arena, &fact) < 0)
        return ERR_CORRUPT;
    if (fact.version.retracted)
        return 0;
    while (*link && (*link)->from <= from)
        link = &(*link)->next;
    m = arena_need(&p->arena, sizeof *m);
    *m = (struct membership){*link, from, fact};
    *link = m;
    return 0;
}

int people_add_tenure(struct people *p, struct person *who, struct slice field, struct slice value)
{
    struct slice role;
    struct tenure *t;
    date_days day;
    int64_t more;

    if (!slice_cut(&field, '|', &role) || !(slice_is(role, "P") || slice_is(role, "O")) ||
        !date_parse(field, &day) || !slice_to_int(value, &more))
        return ERR_CORRUPT;
    t = arena_need(&p->arena, sizeof *t);
    *t = (struct tenure){.next = who->tenures, .day = day};
    *(role.at[0] == 'P' ? &t->p : &t->o) = more;
    who->tenures = t;
    return 0;
}

const struct profile_fact *person_profile(const struct person *who, date_days day)
{
    const struct membership *found = who->memberships;

    for (const struct membership *m = found; m && m->from <= day; m = m->next)
        found = m;
    return found ? &found->fact : NULL;
}

void person_seats(const struct person *who, date_days day, int64_t *ret_p, int64_t *ret_o)
{
    int64_t p = 0, o = 0;

    for (const struct tenure *t = who->tenures; t; t = t->next)
        if (t->day <= day) {
            p = (int64_t)((uint64_t)p + (uint64_t)t->p);
            o = (int64_t)((uint64_t)o + (uint64_t)t->o);
        }
    *ret_p = p;
    *ret_o = o;
}

/* "KE|2026-01-01|1|africa,ldc": what a notice says of groups. */
static void notice_format(struct slice id, const struct membership *m, struct buffer *out)
{
    char from[DATE_TEXT];

    date_format(m->from, from);
    buffer_clear(out);
    buffer_add_slice(out, id);
    buffer_add_text(out, "|");
    buffer_add(out, from, sizeof from);
    buffer_add_text(out, m->fact.developing ? "|1|" : "|0|");
    for (uint32_t i = 0; i < m->fact.group_count; i++) {
        if (i)
            buffer_add_text(out, ",");
        buffer_add_slice(out, m->fact.groups[i]);
    }
}

void people_version(const struct people *p, char ret[PEOPLE_VERSION])
{
    struct buffer text = {0};
    int64_t newest_ms = INT64_MIN;
    uint64_t digest = 0;
    const struct person *who;
    char day[DATE_TEXT];

    for (size_t at = 0; (who = table_next(&p->all, &at));)
        for (const struct membership *m = who->memberships; m; m = m->next) {
            notice_format(who->entry.key, m, &text);
            digest ^= version_digest(buffer_slice(&text));
            if (m->fact.version.time_ms > newest_ms)
                newest_ms = m->fact.version.time_ms;
        }
    buffer_free(&text);
    if (newest_ms == INT64_MIN) {
        strcpy(ret, "none");
        return;
    }
    date_format(date_of_ms(newest_ms), day);
    snprintf(ret, PEOPLE_VERSION, "%.*s-%08x", DATE_TEXT, day, (unsigned)(digest & UINT32_MAX));
}
