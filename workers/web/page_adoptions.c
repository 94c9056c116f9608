/* Adoptions: by degree, theme and goal, developing countries beside the others, and by member. */
#include "workers/web/page.h"

#include <stdio.h>
#include <stdlib.h>

static const struct column by_group[] = {
    {"kind", T_ADOPTIONS, CELL_NAME, true},
    {"developing", T_DEVELOPING, CELL_INT, false},
    {"other", T_OTHER, CELL_INT, false},
    {"all", T_ALL, CELL_INT, false},
    {"share", T_SHARE_DEVELOPING, CELL_RATE, false},
};

static const struct column member_columns[] = {
    {"member", T_MEMBER, CELL_NAME, true},
    {"name", T_NAME, CELL_NAME, false},
    {"developing", T_DEVELOPING_MARK, CELL_MARK, false},
    {"adoptions", T_ADOPTIONS, CELL_INT, false},
    {"identical", T_IDENTICAL, CELL_INT, false},
    {"modified", T_MODIFIED, CELL_INT, false},
    {"not-equivalent", T_NOT_EQUIVALENT, CELL_INT, false},
    {"withdrawn", T_WITHDRAWN, CELL_INT, false},
};

enum { G_DEVELOPING, G_OTHER, G_ALL, GROUPS };

static struct sheet_cell counted(struct view *v, const struct hash *h, struct slice field)
{
    struct slice text = hash_value(h, field);
    int64_t n = 0;
    struct sheet_cell c;

    if (text.at)
        (void)slice_to_int(text, &n);
    c = cell_count(n, h->key, field);
    if (n)
        c.link = view_why(v, h->key, field);
    return c;
}

static struct sheet_cell *kind_row(struct view *v, struct sheet *s, const struct hash g[GROUPS],
                                   struct slice field, struct slice name)
{
    struct sheet_cell *c = sheet_row(v, s);

    c[0] = cell_name(name);
    for (int i = 0; i < GROUPS; i++)
        c[1 + i] = counted(v, &g[i], field);
    c[4] = cell_rate(v, c[1].n, c[3].n);
    return c;
}

static void total_sheet(struct view *v, const struct hash g[GROUPS])
{
    static const struct {
        const char *field;
        enum text label;
    } kinds[] = {{"adoptions", T_ADOPTIONS},
                 {"adoptions.identical", T_IDENTICAL},
                 {"adoptions.modified", T_MODIFIED},
                 {"adoptions.not-equivalent", T_NOT_EQUIVALENT},
                 {"adoptions.withdrawn", T_WITHDRAWN}};
    struct sheet *s = SHEET(v, "totals", T_BY_DEGREE, by_group);

    s->note = T_ADOPTIONS_NOTE;
    for (size_t i = 0; i < 5; i++)
        kind_row(v, s, g, slice_of(kinds[i].field), slice_of(kinds[i].field))[0].label =
            kinds[i].label;
}

/* One row for each field of the group `all` that begins so. */
static void part_sheet(struct view *v, const struct hash g[GROUPS], const char *name,
                       enum text title, const char *prefix)
{
    struct sheet *s = SHEET(v, name, title, by_group);
    size_t size = strlen(prefix);

    s->chart = CHART_BARS;
    s->bar = 4;
    for (size_t i = 0; i < g[G_ALL].count; i++) {
        struct slice field = g[G_ALL].pairs[i].field;
        if (field.size > size && memcmp(field.at, prefix, size) == 0)
            kind_row(v, s, g, field, slice_make(field.at + size, field.size - size));
    }
    sheet_sort(v, s, 3, true);
}

static void member_row(struct view *v, struct sheet *s, struct slice member, const struct hash *h)
{
    static const char *const fields[] = {"adoptions", "adoptions.identical", "adoptions.modified",
                                         "adoptions.not-equivalent", "adoptions.withdrawn"};
    struct person_note note = page_person(member, &h[1]);
    struct sheet_cell *c;
    int64_t sum = 0;

    for (int i = 0; i < 5; i++)
        sum += hash_int(&h[0], fields[i]);
    if (sum == 0)
        return;
    c = sheet_row(v, s);
    c[0] = page_member_cell(v, member);
    c[1] = cell_name(note.name);
    c[2] = page_developing(&note);
    for (int i = 0; i < 5; i++)
        c[3 + i] = counted(v, &h[0], slice_of(fields[i]));
}

static int member_sheet(struct page *p, struct view *v)
{
    struct sheet *s = SHEET(v, "members", T_BY_MEMBER, member_columns);
    struct name_list members = {0};
    struct hash *h;
    int error = data_members(&p->data, &members);

    h = arena_need(v->arena, (members.count * 2 + 1) * sizeof *h);
    for (size_t i = 0; i < members.count; i++) {
        h[i * 2].key =
            view_text(v, data_key_of(&p->data, "member:", members.items[i], ":"), v->period);
        h[i * 2 + 1].key = data_key_of(&p->data, "profile:", members.items[i], "");
    }
    if (error == 0)
        error = data_hashes(&p->data, h, members.count * 2, NULL);
    for (size_t i = 0; error == 0 && i < members.count; i++)
        member_row(v, s, members.items[i], &h[i * 2]);
    if (error == 0)
        page_sort(p, v, s, "adoptions", true);
    name_list_free(&members);
    return error;
}

int page_adoptions(struct page *p, struct view *v)
{
    static const char *const names[] = {"group:developing:", "group:other:", "group:all:"};
    struct hash g[GROUPS] = {{.count = 0}};
    int error;

    view_begin(v, v->arena, "adoptions", T_NAV_ADOPTIONS);
    error = page_period(p, v, true);
    if (error || !v->period.at)
        return error;
    view_watch(v, "groups:", v->period);
    for (int i = 0; i < GROUPS; i++)
        g[i].key = view_text(v, slice_of(names[i]), v->period);
    error = data_hashes(&p->data, g, GROUPS, NULL);
    if (error < 0)
        return error;
    total_sheet(v, g);
    part_sheet(v, g, "themes", T_BY_THEME, "adoptions.theme.");
    part_sheet(v, g, "goals", T_BY_GOAL, "adoptions.sdg.");
    return member_sheet(p, v);
}
