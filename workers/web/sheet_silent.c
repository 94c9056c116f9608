/* Who is silent: developing countries that neither voted nor came to a meeting in the period, those
 * with most duties first. */
#include "workers/web/sheets.h"

#include <stdio.h>

#define SHOWN 12

static const struct column columns[] = {
    {"member", T_MEMBER, CELL_NAME, true}, {"name", T_NAME, CELL_ALIAS, false},
    {"due", T_DUE, CELL_INT, false},       {"excused", T_C_EXCUSED, CELL_INT, false},
    {"missed", T_MISSED, CELL_INT, false}, {"meetings", T_C_MEETINGS_DUE, CELL_INT, false},
};

enum { COUNTERS_OF, PROFILE_OF, HASHES_OF };
enum { COLUMN_DUE = 2 };

/* Of both levels. */
static int64_t both(const struct hash *h, const char *counter)
{
    char technical[64], governance[64];

    snprintf(technical, sizeof technical, "technical.%s", counter);
    snprintf(governance, sizeof governance, "governance.%s", counter);
    return hash_int(h, technical) + hash_int(h, governance);
}

static void row(struct view *v, struct sheet *s, struct slice member, const struct hash *h)
{
    struct person_note note = page_person(member, &h[PROFILE_OF]);
    const struct hash *counters = &h[COUNTERS_OF];
    struct sheet_cell *c;

    if (!note.developing || both(counters, "votes") || both(counters, "meetings.attended"))
        return;
    c = sheet_row(v, s);
    c[0] = page_member_cell(v, member);
    c[1] = cell_name(note.name);
    c[COLUMN_DUE] = cell_int(both(counters, "ballots.due"));
    c[3] = cell_int(both(counters, "ballots.excused"));
    c[4] = cell_int(both(counters, "ballots.missed"));
    c[5] = cell_int(both(counters, "meetings.due"));
}

int sheet_silent(struct page *p, struct view *v)
{
    struct sheet *s = SHEET(v, "silent", T_SILENT, columns);
    struct name_list members = {0};
    int error = data_members(&p->data, &members);
    struct hash *h = arena_need(v->arena, (members.count * HASHES_OF + 1) * sizeof *h);
    struct slice end = view_text(v, slice_of(":"), v->period);

    s->note = T_SILENT_NOTE;
    for (size_t i = 0; i < members.count; i++) {
        h[i * HASHES_OF + COUNTERS_OF].key =
            view_text(v, data_key_of(&p->data, "member:", members.items[i], ""), end);
        h[i * HASHES_OF + PROFILE_OF].key = data_key_of(&p->data, "profile:", members.items[i], "");
    }
    if (error == 0)
        error = data_hashes(&p->data, h, members.count * HASHES_OF, NULL);
    for (size_t i = 0; error == 0 && i < members.count; i++)
        row(v, s, members.items[i], &h[i * HASHES_OF]);
    sheet_sort(v, s, 0, false);
    sheet_sort(v, s, COLUMN_DUE, true);
    s->rows = s->rows < SHOWN ? s->rows : SHOWN;
    name_list_free(&members);
    return error;
}
