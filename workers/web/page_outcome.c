/* Outcome 2: do developing countries take part more than last year?  The figures by group with last
 * year beside them, and month by month. */
#include "workers/view/board.h"
#include "workers/view/watch_list.h"
#include "workers/web/sheets.h"

#include <stdio.h>

#define SHOWN 3 /* groups that are named: developing, other, all */

static const char *const shown[SHOWN] = {"developing", "other", "all"};

static const struct column headline_columns[] = {
    {"effective", T_EFFECTIVE_DEVELOPING, CELL_RATE, false},
    {"effective.before", T_LAST_YEAR, CELL_RATE, false},
    {"effective.other", T_EFFECTIVE_OTHER, CELL_RATE, false},
    {"silent", T_SILENT, CELL_INT, false},
    {"red", T_SEATS_RED, CELL_INT, false},
    {"amber", T_SEATS_AMBER, CELL_INT, false},
};

static const struct column figure_columns[] = {
    {"figure", T_FIGURE, CELL_TEXT, true},
    {"developing", T_DEVELOPING, CELL_RATE, false},
    {"developing.before", T_LAST_YEAR, CELL_RATE, false},
    {"other", T_OTHER, CELL_RATE, false},
    {"other.before", T_LAST_YEAR, CELL_RATE, false},
    {"all", T_ALL, CELL_RATE, false},
    {"all.before", T_LAST_YEAR, CELL_RATE, false},
};

static const struct column group_columns[] = {
    {"group", T_GROUP, CELL_NAME, true},
    {"members", T_MEMBERS, CELL_INT, false},
    {"active", T_ACTIVE, CELL_INT, false},
    {"effective", T_EFFECTIVE, CELL_RATE, false},
    {"effective.before", T_LAST_YEAR, CELL_RATE, false},
    {"voting", T_VOTING, CELL_RATE, false},
    {"voting.median", T_MEDIAN, CELL_RATE, false},
    {"substantive", T_SUBSTANTIVE, CELL_RATE, false},
    {"commented", T_COMMENTED, CELL_RATE, false},
    {"presence", T_PRESENCE, CELL_RATE, false},
    {"share.votes", T_SHARE_VOTES, CELL_RATE, false},
    {"share.delegates", T_SHARE_DELEGATES, CELL_RATE, false},
    {"share.seats", T_SHARE_SEATS, CELL_RATE, false},
    {"without", T_WITHOUT, CELL_NAME, false},
};

static const struct column trend_columns[] = {
    {"month", T_MONTH, CELL_TEXT, true},
    {"developing", T_DEVELOPING, CELL_RATE, false},
    {"other", T_OTHER, CELL_RATE, false},
    {"all", T_ALL, CELL_RATE, false},
    {"developing.before", T_DEVELOPING_BEFORE, CELL_RATE, false},
};

static const enum text figure_label[BOARD_FIGURES] = {
    [BOARD_EFFECTIVE] = T_EFFECTIVE,
    [BOARD_VOTING] = T_VOTING,
    [BOARD_SUBSTANTIVE] = T_SUBSTANTIVE,
    [BOARD_COMMENTED] = T_COMMENTED,
    [BOARD_PRESENCE] = T_PRESENCE,
    [BOARD_GOVERNANCE] = T_GOVERNANCE,
    [BOARD_SHARE_VOTES] = T_SHARE_VOTES,
    [BOARD_SHARE_DELEGATES] = T_SHARE_DELEGATES,
    [BOARD_SHARE_SEATS] = T_SHARE_SEATS,
    [BOARD_VOTING_MEDIAN] = T_VOTING_MEDIAN,
    [BOARD_PRESENCE_MEDIAN] = T_PRESENCE_MEDIAN,
};

struct both {
    struct view *v;
    struct board now, before;
};

static const struct board_group *group_of(const struct board *b, struct slice name)
{
    for (size_t i = 0; i < b->count; i++)
        if (slice_equal(b->groups[i].name, name))
            return &b->groups[i];
    return NULL;
}

/* A figure of a group, which leads to the facts behind its numerator. */
static struct sheet_cell figure_cell(struct view *v, const struct board *b, struct slice group,
                                     enum board_figure f)
{
    const struct board_group *g = group_of(b, group);
    const struct board_value *value = g ? &g->figures[f] : NULL;
    struct sheet_cell c = {.kind = CELL_NONE, .counted = value && value->counted};
    struct slice name = slice_of(board_figure_name[f]);

    if (!g)
        return c;
    c.key = view_text(v, view_text(v, slice_of("group:"), group),
                      view_text(v, slice_of(":"), b->period));
    c.field = name;
    if (value->text.at)
        c.kind = CELL_RATE;
    c.text = arena_copy(v->arena, value->text);
    c.n = value->num;
    c.den = value->den;
    if (value->counted)
        c.link = view_why(v, c.key, view_text(v, name, slice_of(".num")));
    return c;
}

static struct sheet_cell count_cell(struct view *v, const struct board *b,
                                    const struct board_group *g, enum board_count n)
{
    struct sheet_cell c = cell_int(g->counts[n]);

    c.key = view_text(v, view_text(v, slice_of("group:"), g->name),
                      view_text(v, slice_of(":"), b->period));
    c.field = slice_of(board_count_name[n]);
    if (!g->without_top)
        c.link = view_why(v, c.key, c.field);
    return c;
}

/* ---- the sheets ---- */
static int headline(struct page *p, struct both *b)
{
    struct sheet *s = SHEET(b->v, "headline", T_HEADLINE, headline_columns);
    const struct board_group *g = group_of(&b->now, slice_of("developing"));
    struct sheet_cell *row = sheet_row(b->v, s);
    size_t red, amber;
    int error = watch_count(p->data.store, &red, &amber);

    s->tiles = true;
    if (error < 0)
        return error;
    row[0] = figure_cell(b->v, &b->now, slice_of("developing"), BOARD_EFFECTIVE);
    row[1] = figure_cell(b->v, &b->before, slice_of("developing"), BOARD_EFFECTIVE);
    row[2] = figure_cell(b->v, &b->now, slice_of("other"), BOARD_EFFECTIVE);
    if (g)
        row[3] = (struct sheet_cell){.kind = CELL_INT,
                                     .counted = true,
                                     .n = g->counts[BOARD_MEMBERS] - g->counts[BOARD_ACTIVE],
                                     .den = g->counts[BOARD_MEMBERS]};
    row[3].link = slice_of("/members?sort=votes&order=asc");
    row[4] = cell_int((int64_t)red);
    row[5] = cell_int((int64_t)amber);
    row[4].tone = red ? TONE_RED : TONE_PLAIN;
    row[5].tone = amber ? TONE_AMBER : TONE_PLAIN;
    row[4].link = row[5].link = slice_of("/risk");
    return 0;
}

static void figures_sheet(struct both *b)
{
    struct sheet *s = SHEET(b->v, "figures", T_FIGURES, figure_columns);

    s->note = T_FIGURES_NOTE;
    s->chart = CHART_BARS;
    s->bar = 1;
    for (int f = 0; f < BOARD_FIGURES; f++) {
        struct sheet_cell *row;
        if (f == BOARD_EFFECTIVE && !b->now.year)
            continue;
        row = sheet_row(b->v, s);
        row[0] = cell_text(slice_of(board_figure_name[f]));
        row[0].label = figure_label[f];
        for (int i = 0; i < SHOWN; i++) {
            row[1 + 2 * i] = figure_cell(b->v, &b->now, slice_of(shown[i]), (enum board_figure)f);
            row[2 + 2 * i] =
                figure_cell(b->v, &b->before, slice_of(shown[i]), (enum board_figure)f);
        }
    }
}

static void group_row(struct both *b, struct sheet *s, const struct board_group *g)
{
    static const enum board_figure order[] = {
        BOARD_VOTING,   BOARD_VOTING_MEDIAN, BOARD_SUBSTANTIVE,     BOARD_COMMENTED,
        BOARD_PRESENCE, BOARD_SHARE_VOTES,   BOARD_SHARE_DELEGATES, BOARD_SHARE_SEATS};
    struct sheet_cell *row = sheet_row(b->v, s);

    row[0] = cell_name(arena_copy(b->v->arena, g->name));
    row[1] = count_cell(b->v, &b->now, g, BOARD_MEMBERS);
    row[2] = count_cell(b->v, &b->now, g, BOARD_ACTIVE);
    row[3] = figure_cell(b->v, &b->now, row[0].text, BOARD_EFFECTIVE);
    row[4] = figure_cell(b->v, &b->before, row[0].text, BOARD_EFFECTIVE);
    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        row[5 + i] = figure_cell(b->v, &b->now, row[0].text, order[i]);
    row[13] = cell_name(arena_copy(b->v->arena, g->without));
}

static void group_rows(struct both *b, struct sheet *s, bool without_top)
{
    for (size_t i = 0; i < b->now.count; i++)
        if (b->now.groups[i].without_top == without_top)
            group_row(b, s, &b->now.groups[i]);
}

static void groups_sheets(struct both *b)
{
    struct sheet *s = SHEET(b->v, "groups", T_GROUPS, group_columns);

    s->note = T_GROUPS_NOTE;
    s->chart = CHART_BARS;
    s->bar = b->now.year ? 3 : 5;
    group_rows(b, s, false);
    group_rows(b, SHEET(b->v, "without", T_WITHOUT_TOP, group_columns), true);
}

/* ---- the trend ---- */
#define MONTHS 12

static struct slice month_of(struct view *v, struct slice year, int month)
{
    char text[8];

    snprintf(text, sizeof text, "-%02d", month);
    return view_text(v, year, arena_copy(v->arena, slice_of(text)));
}

static struct sheet_cell trend_cell(struct view *v, const struct hash *h, const char *figure)
{
    char num[40], den[40];
    struct slice value = hash_text(h, figure);
    struct sheet_cell c = {.kind = value.at ? CELL_RATE : CELL_NONE, .text = value};

    snprintf(num, sizeof num, "%s.num", figure);
    snprintf(den, sizeof den, "%s.den", figure);
    c.counted = true;
    c.n = hash_int(h, num);
    c.den = hash_int(h, den);
    c.key = h->key;
    c.field = slice_of(figure);
    if (value.at)
        c.link = view_why(v, h->key, slice_of(num));
    return c;
}

/* Which figure the trend shows. */
static const char *trend_figure(const struct page *p, enum text *ret_title)
{
    static const struct {
        const char *name;
        enum text title;
    } known[] = {{"voting", T_TREND_VOTING},
                 {"substantive", T_TREND_SUBSTANTIVE},
                 {"commented", T_TREND_COMMENTED},
                 {"presence", T_TREND_PRESENCE}};
    struct slice asked = request_param(p->request, "figure");

    for (size_t i = 0; i < 4; i++)
        if (asked.at && slice_is(asked, known[i].name)) {
            *ret_title = known[i].title;
            return known[i].name;
        }
    *ret_title = known[0].title;
    return known[0].name;
}

static int trend(struct page *p, struct view *v)
{
    struct slice year = page_year(v->period), before = page_year(page_year_before(v, v->period));
    struct hash *h = arena_need(v->arena, MONTHS * (SHOWN + 1) * sizeof *h);
    enum text title;
    const char *figure = trend_figure(p, &title);
    struct sheet *s = SHEET(v, "trend", title, trend_columns);
    int error;

    for (int m = 0; m < MONTHS; m++)
        for (int g = 0; g <= SHOWN; g++) {
            struct slice month = month_of(v, g < SHOWN ? year : before, m + 1);
            h[m * (SHOWN + 1) + g].key =
                view_text(v, view_text(v, slice_of("group:"), slice_of(shown[g % SHOWN])),
                          view_text(v, slice_of(":"), month));
        }
    error = data_hashes(&p->data, h, MONTHS * (SHOWN + 1), NULL);
    s->chart = CHART_SERIES;
    s->note = T_TREND_NOTE;
    for (int m = 0; error == 0 && m < MONTHS; m++) {
        struct sheet_cell *row = sheet_row(v, s);
        row[0] = cell_text(month_of(v, year, m + 1));
        for (int g = 0; g <= SHOWN; g++)
            row[1 + g] = trend_cell(v, &h[m * (SHOWN + 1) + g], figure);
    }
    return error;
}

static int load(struct page *p, struct both *b)
{
    struct board_ask ask = {.period = b->v->period, .now_ms = p->data.now_ms, .all = true};
    int error = board_load(p->data.store, &ask, &b->now);

    ask.period = page_year_before(b->v, b->v->period);
    if (error == 0)
        error = board_load(p->data.store, &ask, &b->before);
    if (error == 0) {
        b->v->list = arena_copy(b->v->arena, b->now.list);
        b->v->as_of_ms = b->now.as_of_ms;
    }
    return error;
}

int page_outcome(struct page *p, struct view *v)
{
    struct both b = {.v = v};
    int error;

    view_begin(v, v->arena, "outcome", T_OUTCOME_TITLE);
    error = page_period(p, v, true);
    if (error || !v->period.at)
        return error;
    view_watch(v, "watch", (struct slice){0});
    view_watch(v, "groups:", page_year(v->period));
    buffer_add_text(&v->watch, "*");
    error = load(p, &b);
    if (error == 0)
        error = headline(p, &b);
    if (error == 0 && v->provisional)
        error = sheet_calls(p, v);
    if (error == 0)
        error = sheet_silent(p, v);
    if (error == 0) {
        figures_sheet(&b);
        error = trend(p, v);
    }
    if (error == 0)
        groups_sheets(&b);
    board_free(&b.now);
    board_free(&b.before);
    return error;
}
