/* Committees: one row each. */
#include "workers/web/page.h"

static const struct column columns[] = {
    {"committee", T_COMMITTEE, CELL_NAME, true}, {"title", T_TITLE, CELL_NAME, false},
    {"votes", T_VOTES, CELL_INT, false},         {"due", T_DUE, CELL_INT, false},
    {"missed", T_MISSED, CELL_INT, false},       {"voting", T_VOTING, CELL_RATE, false},
    {"presence", T_PRESENCE, CELL_RATE, false},  {"red", T_RED, CELL_INT, false},
    {"amber", T_AMBER, CELL_INT, false},
};

enum { COUNTERS_OF, RISK_OF, HASHES_OF };

static int64_t risks(const struct hash *h, const char *score)
{
    int64_t n = 0;

    for (size_t i = 0; i < h->count; i++)
        n += slice_is(h->pairs[i].value, score);
    return n;
}

static struct sheet_cell counted(const struct hash *h, const char *field)
{
    return cell_count(hash_int(h, field), h->key, slice_of(field));
}

static void row(struct view *v, struct sheet *s, struct slice name, struct slice title,
                const struct hash *h)
{
    struct sheet_cell *c = sheet_row(v, s);

    c[0] = page_committee_cell(v, name);
    c[1] = cell_name(title);
    c[2] = counted(&h[COUNTERS_OF], "technical.votes");
    c[3] = counted(&h[COUNTERS_OF], "technical.ballots.due");
    c[4] = counted(&h[COUNTERS_OF], "technical.ballots.missed");
    c[5] = page_figure(v, "voting", &h[COUNTERS_OF]);
    c[6] = page_figure(v, "presence", &h[COUNTERS_OF]);
    c[7] = cell_int(risks(&h[RISK_OF], "2"));
    c[8] = cell_int(risks(&h[RISK_OF], "1"));
    c[7].tone = c[7].n ? TONE_RED : TONE_PLAIN;
    c[8].tone = c[8].n ? TONE_AMBER : TONE_PLAIN;
}

static int rows(struct page *p, struct view *v, struct sheet *s, const struct hash *titles)
{
    struct hash *h = arena_need(v->arena, (titles->count * HASHES_OF + 1) * sizeof *h);
    struct slice end = view_text(v, slice_of(":"), page_year(v->period));
    int error;

    for (size_t i = 0; i < titles->count; i++) {
        struct slice name = titles->pairs[i].field;
        h[i * HASHES_OF + COUNTERS_OF].key =
            view_text(v, data_key_of(&p->data, "committee:", name, ""), end);
        h[i * HASHES_OF + RISK_OF].key = data_key_of(&p->data, "risk:", name, "");
    }
    error = data_hashes(&p->data, h, titles->count * HASHES_OF, &v->as_of_ms);
    for (size_t i = 0; error == 0 && i < titles->count; i++)
        row(v, s, titles->pairs[i].field, titles->pairs[i].value, &h[i * HASHES_OF]);
    v->dated = v->as_of_ms != 0;
    return error;
}

int page_committees(struct page *p, struct view *v)
{
    struct hash titles = {.key = slice_of("committees")};
    struct sheet *s;
    int error;

    view_begin(v, v->arena, "committees", T_NAV_COMMITTEES);
    error = page_period(p, v, false);
    if (error || !v->period.at)
        return error;
    v->period = page_year(v->period);
    view_watch(v, "committees", (struct slice){0});
    s = SHEET(v, "committees", T_NAV_COMMITTEES, columns);
    s->note = T_COMMITTEES_NOTE;
    error = data_hashes(&p->data, &titles, 1, NULL);
    if (error == 0)
        error = rows(p, v, s, &titles);
    if (error == 0)
        page_sort(p, v, s, "committee", false);
    return error;
}
