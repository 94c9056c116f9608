/* What several pages do; see page.h. */
#include "workers/web/page.h"

#include "workers/group.h"
#include "workers/view/board.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/* The newest first; years before their months. */
static int newest_first(const void *x, const void *y)
{
    const struct slice *a = x, *b = y;
    int order = slice_compare(slice_make(b->at, 4), slice_make(a->at, 4));

    if (order || a->size != b->size)
        return order ? order : (int)a->size - (int)b->size;
    return slice_compare(*b, *a);
}

static int choices(struct page *p, struct view *v, bool months)
{
    struct name_list names = {0};
    date_days last;
    int error = data_names(&p->data, "periods", FETCH_SET, &names);

    v->periods = arena_need(v->arena, (names.count + 1) * sizeof *v->periods);
    for (size_t i = 0; error == 0 && i < names.count; i++)
        if ((months || names.items[i].size == 4) && period_last_day(names.items[i], &last))
            v->periods[v->period_count++] = names.items[i];
    if (v->period_count)
        qsort(v->periods, v->period_count, sizeof *v->periods, newest_first);
    name_list_free(&names);
    return error;
}

int page_period(struct page *p, struct view *v, bool months)
{
    struct board_ask ask = {.period = request_param(p->request, "period"),
                            .now_ms = p->data.now_ms};
    struct board board = {.count = 0};
    date_days last;
    int error = choices(p, v, months);

    if (ask.period.size == 0)
        ask.period = (struct slice){0};
    if (ask.period.at && !period_last_day(ask.period, &last)) {
        buffer_add_text(p->reason, "no period: YYYY or YYYY-MM");
        return PAGE_REFUSED;
    }
    name_list_add(&ask.groups, slice_of("all"));
    if (error == 0)
        error = board_load(p->data.store, &ask, &board);
    if (error == 0) {
        v->period = arena_copy(v->arena, board.period);
        v->provisional = board.provisional;
        v->list = arena_copy(v->arena, board.list);
        v->dated = board.dated;
        v->as_of_ms = board.as_of_ms;
    }
    board_free(&board);
    name_list_free(&ask.groups);
    return error;
}

void page_sort(struct page *p, struct view *v, struct sheet *s, const char *otherwise, bool falling)
{
    struct slice by = request_param(p->request, "sort");
    size_t column;

    s->sortable = true;
    if (by.at && sheet_column(s, by, &column))
        sheet_sort(v, s, column, slice_is(request_param(p->request, "order"), "desc"));
    else if (otherwise && sheet_column(s, slice_of(otherwise), &column))
        sheet_sort(v, s, column, falling);
}

static int64_t terms(const struct figure_term *t, const struct hash *counters)
{
    int64_t sum = 0;

    for (; t->counter; t++)
        sum += t->sign * hash_int(counters, t->counter);
    return sum;
}

struct sheet_cell page_count(struct view *v, const struct hash *h, const char *field)
{
    struct sheet_cell c = cell_count(hash_int(h, field), h->key, slice_of(field));

    if (c.n)
        c.link = view_why(v, c.key, c.field);
    return c;
}

struct sheet_cell page_figure(struct view *v, const char *name, const struct hash *counters)
{
    for (size_t i = 0; i < FIGURES; i++)
        if (strcmp(figures[i].name, name) == 0)
            return cell_rate(v, terms(figures[i].num, counters), terms(figures[i].den, counters));
    return (struct sheet_cell){.kind = CELL_NONE};
}

struct person_note page_person(struct slice member, const struct hash *profile)
{
    struct slice name = hash_text(profile, "name"), developing = hash_text(profile, "developing");

    return (struct person_note){.name = name.size ? name : member,
                                .developing = developing.at && slice_is(developing, "1"),
                                .known = developing.at != NULL};
}

struct sheet_cell page_developing(const struct person_note *n)
{
    if (!n->known)
        return (struct sheet_cell){.kind = CELL_NONE};
    return n->developing ? cell_mark("developing", T_DEVELOPING, TONE_PLAIN)
                         : cell_mark("other", T_OTHER, TONE_QUIET);
}

struct sheet_cell page_member_cell(struct view *v, struct slice member)
{
    struct sheet_cell c = cell_name(member);

    c.link = view_path(v, "/members/", member);
    return c;
}

struct sheet_cell page_committee_cell(struct view *v, struct slice committee)
{
    struct sheet_cell c = cell_name(committee);

    c.link = view_path(v, "/committees/", committee);
    return c;
}

/* Every period that is one begins with four digits. */
struct slice page_year(struct slice period)
{
    assert(period.size >= 4);
    return slice_make(period.at, 4);
}

struct slice page_year_before(struct view *v, struct slice period)
{
    char text[16] = "0000";
    int year;

    assert(period.size >= 4);
    memcpy(text, period.at, 4);
    year = atoi(text) - 1;
    snprintf(text, sizeof text, "%04d", year < 1 ? 1 : year);
    return view_text(v, arena_copy(v->arena, slice_of(text)),
                     slice_make(period.at + 4, period.size - 4));
}
