/* Seats at risk: whom to call today, what exactly is missing, and what closes next. */
#include "workers/view/watch_list.h"
#include "workers/web/sheets.h"

#include <stdio.h>
#include <stdlib.h>

static const struct column columns[] = {
    {"level", T_LEVEL, CELL_MARK, false},
    {"member", T_MEMBER, CELL_NAME, true},
    {"name", T_NAME, CELL_ALIAS, false},
    {"developing", T_DEVELOPING_MARK, CELL_MARK, false},
    {"committee", T_COMMITTEE, CELL_NAME, false},
    {"title", T_TITLE, CELL_NAME, false},
    {"reason", T_REASON, CELL_MARK, false},
    {"missing", T_MISSING, CELL_NAME, false},
    {"next", T_NEXT, CELL_NAME, false},
    {"closes", T_CLOSES, CELL_DATE, false},
};

enum { COLUMN_LEVEL = 0, COLUMN_DEVELOPING = 3, COLUMN_CLOSES = 9 };

static const enum text reason_label[RISKS] = {T_MISSED_BALLOT, T_MISSED_SHARE, T_MISSED_MEETINGS};

/* "DIS 14001, FDIS 9001", or how many of how many. */
static struct slice missing(struct view *v, const struct watch_entry *e)
{
    char text[64];
    struct slice list = {0};

    if (e->reason == RISK_MISSED_SHARE) {
        snprintf(text, sizeof text, "%lld / %lld CIB", (long long)e->missed, (long long)e->due);
        return arena_copy(v->arena, slice_of(text));
    }
    for (const struct watch_item *i = e->items; i; i = i->next)
        list = list.at ? view_text(v, view_text(v, list, slice_of(", ")), i->id)
                       : arena_copy(v->arena, i->id);
    return list;
}

static void row(struct view *v, struct sheet *s, const struct watch_entry *e,
                const struct hash *profile)
{
    struct sheet_cell *c = sheet_row(v, s);
    struct slice committee = arena_copy(v->arena, e->committee),
                 member = arena_copy(v->arena, e->member);
    struct person_note note = page_person(member, profile);

    c[0] = e->score == RISK_RED ? cell_mark("red", T_RED, TONE_RED)
                                : cell_mark("amber", T_AMBER, TONE_AMBER);
    c[1] = page_member_cell(v, member);
    c[2] = cell_name(note.name);
    c[3] = page_developing(&note);
    c[4] = page_committee_cell(v, committee);
    c[5] = cell_name(arena_copy(v->arena, e->label));
    c[6] = cell_mark(risk_name[e->reason], reason_label[e->reason], TONE_PLAIN);
    c[7] = cell_name(missing(v, e));
    if (e->next) {
        c[8] = cell_name(arena_copy(v->arena, e->next->id));
        c[8].link = view_path(v, "/ballots/",
                              view_text(v, view_text(v, committee, slice_of("|")), c[8].text));
        c[9] = cell_date(e->next->day);
    }
}

static int rows(struct page *p, struct view *v, struct sheet *s, const struct watch_list *w)
{
    struct hash *profiles = arena_need(v->arena, (w->count + 1) * sizeof *profiles);
    int error;

    for (size_t i = 0; i < w->count; i++)
        profiles[i].key = data_key_of(&p->data, "profile:", w->entries[i]->member, "");
    error = data_hashes(&p->data, profiles, w->count, NULL);
    for (size_t i = 0; error == 0 && i < w->count; i++)
        row(v, s, w->entries[i], &profiles[i]);
    if (!v->dated || w->as_of_ms > v->as_of_ms)
        v->as_of_ms = w->as_of_ms;
    v->dated |= w->known;
    return error;
}

int sheet_risk(struct page *p, struct view *v, struct slice member, struct slice committee)
{
    struct watch_ask ask = {.now_ms = p->data.now_ms};
    struct watch_list list = {.known = false};
    struct sheet *s = SHEET(v, "risk", T_NAV_RISK, columns);
    int error;

    s->note = T_RISK_NOTE;
    if (member.at)
        name_list_add(&ask.members, member);
    if (committee.at)
        name_list_add(&ask.committees, committee);
    error = watch_load(p->data.store, &ask, &list);
    if (error == 0)
        error = rows(p, v, s, &list);
    watch_free(&list);
    name_list_free(&ask.members);
    name_list_free(&ask.committees);
    return error;
}

/* ---- whom to call first ---- */
#define CALLS 8

static const struct column call_columns[] = {
    {"closes", T_CLOSES, CELL_DATE, false}, {"days", T_DAYS_LEFT, CELL_INT, false},
    {"member", T_MEMBER, CELL_NAME, true},  {"name", T_NAME, CELL_ALIAS, false},
    {"ballot", T_BALLOT, CELL_NAME, false}, {"committee", T_COMMITTEE, CELL_NAME, false},
    {"title", T_TITLE, CELL_NAME, false},
};

static int by_day(const void *a, const void *b)
{
    const struct watch_entry *x = *(struct watch_entry *const *)a,
                             *y = *(struct watch_entry *const *)b;
    int order;

    if (x->items->day != y->items->day)
        return x->items->day < y->items->day ? -1 : 1;
    order = slice_compare(x->member, y->member);
    return order ? order : slice_compare(x->committee, y->committee);
}

/* Brings to the front those whom a vote would save; returns how many. */
static size_t savable(struct watch_list *w)
{
    size_t count = 0;

    for (size_t i = 0; i < w->count; i++) {
        struct watch_entry *e = w->entries[i];
        if (e->score == RISK_RED || e->reason != RISK_MISSED_BALLOT || !e->items)
            continue;
        w->entries[i] = w->entries[count];
        w->entries[count++] = e;
    }
    if (count)
        qsort(w->entries, count, sizeof *w->entries, by_day);
    return count;
}

static void call_row(struct view *v, struct sheet *s, const struct watch_entry *e,
                     struct slice member, struct slice name, date_days today)
{
    struct sheet_cell *c = sheet_row(v, s);
    struct slice committee = arena_copy(v->arena, e->committee),
                 ballot = arena_copy(v->arena, e->items->id);

    c[0] = cell_date(e->items->day);
    c[1] = cell_int(e->items->day - today);
    c[2] = page_member_cell(v, member);
    c[3] = cell_name(name);
    c[4] = cell_name(ballot);
    c[4].link =
        view_path(v, "/ballots/", view_text(v, view_text(v, committee, slice_of("|")), ballot));
    c[5] = page_committee_cell(v, committee);
    c[6] = cell_name(arena_copy(v->arena, e->label));
}

static int call_rows(struct page *p, struct view *v, struct sheet *s, struct watch_list *w)
{
    size_t count = savable(w);
    struct hash *profiles = arena_need(v->arena, (count + 1) * sizeof *profiles);
    int error;

    for (size_t i = 0; i < count; i++)
        profiles[i].key = data_key_of(&p->data, "profile:", w->entries[i]->member, "");
    error = data_hashes(&p->data, profiles, count, NULL);
    for (size_t i = 0; error == 0 && i < count && s->rows < CALLS; i++) {
        struct slice member = arena_copy(v->arena, w->entries[i]->member);
        struct person_note note = page_person(member, &profiles[i]);
        if (note.developing)
            call_row(v, s, w->entries[i], member, note.name, w->today);
    }
    return error;
}

int sheet_calls(struct page *p, struct view *v)
{
    struct watch_ask ask = {.now_ms = p->data.now_ms};
    struct watch_list list = {.known = false};
    struct sheet *s = SHEET(v, "calls", T_CALLS, call_columns);
    int error = watch_load(p->data.store, &ask, &list);

    s->note = T_CALLS_NOTE;
    s->note_with = slice_of("8");
    if (error == 0)
        error = call_rows(p, v, s, &list);
    watch_free(&list);
    return error;
}

int page_risk(struct page *p, struct view *v)
{
    int error;

    view_begin(v, v->arena, "risk", T_NAV_RISK);
    view_watch(v, "watch", (struct slice){0});
    error = sheet_risk(p, v, (struct slice){0}, (struct slice){0});
    if (error ==
        0) { /* red first, of these developing countries first, of these by the next closing day */
        sheet_sort(v, v->first, COLUMN_CLOSES, false);
        sheet_sort(v, v->first, COLUMN_DEVELOPING, false);
        sheet_sort(v, v->first, COLUMN_LEVEL, true);
        page_sort(p, v, v->first, NULL, false);
    }
    return error;
}
