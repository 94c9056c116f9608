/* Members: one row each, for sorting, for the map, and to find the silent ones. */
#include "workers/view/watch_list.h"
#include "workers/web/page.h"

#include <stdlib.h>

static const struct column columns[] = {
    {"member", T_MEMBER, CELL_NAME, true},
    {"name", T_NAME, CELL_ALIAS, false},
    {"developing", T_DEVELOPING_MARK, CELL_MARK, false},
    {"effective", T_EFFECTIVE, CELL_RATE, false},
    {"voting", T_VOTING, CELL_RATE, false},
    {"substantive", T_SUBSTANTIVE, CELL_RATE, false},
    {"commented", T_COMMENTED, CELL_RATE, false},
    {"presence", T_PRESENCE, CELL_RATE, false},
    {"votes", T_VOTES, CELL_INT, false},
    {"attended", T_ATTENDED, CELL_INT, false},
    {"missed", T_MISSED, CELL_INT, false},
    {"adoptions", T_ADOPTIONS, CELL_INT, false},
    {"red", T_RED, CELL_INT, false},
    {"amber", T_AMBER, CELL_INT, false},
};

enum { COUNTERS_OF, PROFILE_OF, EFFECTIVE_OF, HASHES_OF };

/* "C|M|REASON" by member. */
struct risk_count {
    struct slice member;
    int64_t red, amber;
};

struct risks {
    struct page *page;
    struct risk_count *counts;
    size_t count;
};

static int by_member(const void *a, const void *b)
{
    return slice_compare(((const struct risk_count *)a)->member,
                         ((const struct risk_count *)b)->member);
}

static int row_risk(void *context, void *record, struct slice name, struct slice score)
{
    struct risks *r = context;
    struct risk_count key, *c;
    struct slice committee;

    (void)record;
    if (!slice_cut(&name, '|', &committee) || !slice_cut(&name, '|', &key.member))
        return 0;
    c = bsearch(&key, r->counts, r->count, sizeof *r->counts, by_member);
    if (c)
        *(slice_is(score, "2") ? &c->red : &c->amber) += 1;
    return 0;
}

static int risks_load(struct page *p, const struct name_list *members, struct risks *ret)
{
    struct store_fetch f = {.key = slice_of("watch"), .kind = FETCH_ZSET, .row = row_risk};

    ret->page = p;
    ret->count = members->count;
    ret->counts = arena_need(p->data.arena, (members->count + 1) * sizeof *ret->counts);
    for (size_t i = 0; i < members->count; i++)
        ret->counts[i].member = members->items[i];
    if (ret->count)
        qsort(ret->counts, ret->count, sizeof *ret->counts, by_member);
    return store_fetch(p->data.store, &f, 1, ret);
}

static struct sheet_cell counted(const struct hash *h, const char *field)
{
    return cell_count(hash_int(h, field), h->key, slice_of(field));
}

static void row(struct view *v, struct sheet *s, struct slice member, const struct hash *h,
                const struct risks *risks)
{
    struct sheet_cell *c = sheet_row(v, s);
    struct person_note note = page_person(member, &h[PROFILE_OF]);
    struct risk_count key = {.member = member};
    const struct risk_count *risk =
        bsearch(&key, risks->counts, risks->count, sizeof key, by_member);
    static const char *const rates[] = {"voting", "substantive", "commented", "presence"};

    c[0] = page_member_cell(v, member);
    c[1] = cell_name(note.name);
    c[1].link = c[0].link;
    c[2] = page_developing(&note);
    c[3] = cell_rate(v, hash_int(&h[EFFECTIVE_OF], "num"), hash_int(&h[EFFECTIVE_OF], "den"));
    for (int i = 0; i < 4; i++)
        c[4 + i] = page_figure(v, rates[i], &h[COUNTERS_OF]);
    c[8] = cell_int(hash_int(&h[COUNTERS_OF], "technical.votes") +
                    hash_int(&h[COUNTERS_OF], "governance.votes"));
    c[9] = cell_int(hash_int(&h[COUNTERS_OF], "technical.meetings.attended") +
                    hash_int(&h[COUNTERS_OF], "governance.meetings.attended"));
    c[10] = counted(&h[COUNTERS_OF], "technical.ballots.missed");
    c[11] = counted(&h[COUNTERS_OF], "adoptions");
    c[12] = cell_int(risk->red);
    c[13] = cell_int(risk->amber);
    c[12].tone = risk->red ? TONE_RED : TONE_PLAIN;
    c[13].tone = risk->amber ? TONE_AMBER : TONE_PLAIN;
}

static int rows(struct page *p, struct view *v, struct sheet *s, const struct name_list *members)
{
    struct data *d = &p->data;
    struct hash *h = arena_need(d->arena, (members->count * HASHES_OF + 1) * sizeof *h);
    struct risks risks;
    int error = risks_load(p, members, &risks);

    for (size_t i = 0; i < members->count; i++) {
        struct slice m = view_text(v, slice_of("member:"), members->items[i]);
        h[i * HASHES_OF + COUNTERS_OF].key =
            view_text(v, m, view_text(v, slice_of(":"), v->period));
        h[i * HASHES_OF + PROFILE_OF].key = data_key_of(d, "profile:", members->items[i], "");
        h[i * HASHES_OF + EFFECTIVE_OF].key =
            view_text(v, data_key_of(d, "effective:", members->items[i], ":"), v->period);
    }
    if (error == 0)
        error = data_hashes(d, h, members->count * HASHES_OF, &v->as_of_ms);
    for (size_t i = 0; error == 0 && i < members->count; i++)
        row(v, s, members->items[i], &h[i * HASHES_OF], &risks);
    v->dated = v->as_of_ms != 0;
    return error;
}

int page_members(struct page *p, struct view *v)
{
    struct name_list members = {0};
    struct sheet *s;
    int error;

    view_begin(v, v->arena, "members", T_NAV_MEMBERS);
    error = page_period(p, v, true);
    if (error || !v->period.at)
        return error;
    view_watch(v, "members", (struct slice){0});
    view_watch(v, "watch", (struct slice){0});
    view_watch(v, "periods:", v->period);
    s = SHEET(v, "members", T_MEMBERS_OF, columns);
    s->note = T_MEMBERS_NOTE;
    s->chart = CHART_MAP;
    error = data_members(&p->data, &members);
    if (error == 0)
        error = rows(p, v, s, &members);
    if (error == 0)
        page_sort(p, v, s, "member", false);
    name_list_free(&members);
    return error;
}
