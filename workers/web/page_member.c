/* One member: its duties, its year month by month, its committees, its seats at risk, adoptions. */
#include "workers/web/sheets.h"

#include <stdio.h>

static const struct column headline_columns[] = {
    {"effective", T_EFFECTIVE, CELL_RATE, false},     {"voting", T_VOTING, CELL_RATE, false},
    {"substantive", T_SUBSTANTIVE, CELL_RATE, false}, {"presence", T_PRESENCE, CELL_RATE, false},
    {"commented", T_COMMENTED, CELL_RATE, false},
};

static const struct column duty_columns[] = {
    {"duty", T_COUNTER, CELL_TEXT, true},
    {"year", T_YEAR, CELL_INT, false},
    {"before", T_LAST_YEAR, CELL_INT, false},
};

static const struct column month_columns[] = {
    {"month", T_MONTH, CELL_TEXT, true},        {"voting", T_VOTING, CELL_RATE, false},
    {"presence", T_PRESENCE, CELL_RATE, false}, {"votes", T_VOTES, CELL_INT, false},
    {"attended", T_ATTENDED, CELL_INT, false},
};

static const struct column committee_columns[] = {
    {"committee", T_COMMITTEE, CELL_NAME, true}, {"title", T_TITLE, CELL_NAME, false},
    {"voting", T_VOTING, CELL_RATE, false},      {"due", T_DUE, CELL_INT, false},
    {"missed", T_MISSED, CELL_INT, false},       {"internal", T_CIB_MISSED, CELL_RATE, false},
    {"presence", T_PRESENCE, CELL_RATE, false},
};

static const struct column adoption_columns[] = {
    {"kind", T_ADOPTIONS, CELL_TEXT, true},
    {"number", T_NUMBER, CELL_INT, false},
};

/* What people ask for first; all of it is in the JSON of the key itself. */
static const struct {
    const char *field;
    enum text label;
} duties[] = {{"technical.votes", T_C_VOTES},
              {"technical.votes.approve", T_C_APPROVE},
              {"technical.votes.disapprove", T_C_DISAPPROVE},
              {"technical.votes.abstain", T_C_ABSTAIN},
              {"technical.votes.commented", T_C_COMMENTED},
              {"technical.votes.late", T_C_LATE},
              {"technical.ballots.due", T_C_DUE},
              {"technical.ballots.missed", T_C_MISSED},
              {"technical.ballots.excused", T_C_EXCUSED},
              {"technical.ballots.voluntary", T_C_VOLUNTARY},
              {"technical.meetings.due", T_C_MEETINGS_DUE},
              {"technical.meetings.attended", T_C_ATTENDED},
              {"technical.meetings.missed", T_C_MEETINGS_MISSED},
              {"technical.delegates", T_C_DELEGATES},
              {"governance.votes", T_C_GOVERNANCE_VOTES},
              {"governance.ballots.due", T_C_GOVERNANCE_DUE},
              {"governance.ballots.missed", T_C_GOVERNANCE_MISSED},
              {"governance.meetings.attended", T_C_GOVERNANCE_ATTENDED}};

enum { H_YEAR, H_BEFORE, H_PROFILE, H_EFFECTIVE, H_MONTHS, H_ALL = H_MONTHS + 12 };

static void headline(struct view *v, const struct hash *h)
{
    struct sheet *s = SHEET(v, "headline", T_HEADLINE, headline_columns);
    struct sheet_cell *row = sheet_row(v, s);

    s->tiles = true;
    row[0] = cell_rate(v, hash_int(&h[H_EFFECTIVE], "num"), hash_int(&h[H_EFFECTIVE], "den"));
    for (size_t i = 1; i < s->column_count; i++)
        row[i] = page_figure(v, headline_columns[i].name, &h[H_YEAR]);
}

static void duty_sheet(struct view *v, const struct hash *h)
{
    struct sheet *s = SHEET(v, "duties", T_DUTIES, duty_columns);

    s->note = T_DUTIES_NOTE;
    for (size_t i = 0; i < sizeof duties / sizeof *duties; i++) {
        struct sheet_cell *row = sheet_row(v, s);
        row[0] = cell_text(slice_of(duties[i].field));
        row[0].label = duties[i].label;
        row[1] = page_count(v, &h[H_YEAR], duties[i].field);
        row[2] = page_count(v, &h[H_BEFORE], duties[i].field);
    }
}

static void month_sheet(struct view *v, const struct hash *h)
{
    struct sheet *s = SHEET(v, "months", T_MONTHS, month_columns);

    s->chart = CHART_SERIES;
    for (int m = 0; m < 12; m++) {
        const struct hash *of = &h[H_MONTHS + m];
        struct sheet_cell *row = sheet_row(v, s);
        row[0] = cell_text(slice_make(of->key.at + of->key.size - 7, 7));
        row[1] = page_figure(v, "voting", of);
        row[2] = page_figure(v, "presence", of);
        row[3] = page_count(v, of, "technical.votes");
        row[4] = page_count(v, of, "technical.meetings.attended");
    }
}

static int seat_rows(struct page *p, struct view *v, struct sheet *s,
                     const struct name_list *committees, struct slice member, struct slice year)
{
    struct data *d = &p->data;
    struct hash *h = arena_need(v->arena, (committees->count + 2) * sizeof *h);
    struct slice end = view_text(v, member, view_text(v, slice_of(":"), year));
    int error;

    for (size_t i = 0; i < committees->count; i++)
        h[i].key = view_text(v, data_key_of(d, "seat:", committees->items[i], "|"), end);
    h[committees->count].key = slice_of("committees");
    error = data_hashes(d, h, committees->count + 1, NULL);
    for (size_t i = 0; error == 0 && i < committees->count; i++) {
        struct sheet_cell *row;
        struct slice name = committees->items[i];
        if (h[i].count == 0)
            continue;
        row = sheet_row(v, s);
        row[0] = page_committee_cell(v, name);
        row[1] = cell_name(hash_value(&h[committees->count], name));
        row[2] = page_figure(v, "voting", &h[i]);
        row[3] = page_count(v, &h[i], "technical.ballots.due");
        row[4] = page_count(v, &h[i], "technical.ballots.missed");
        row[5] = cell_rate(v, hash_int(&h[i], "technical.ballots.missed.CIB"),
                           hash_int(&h[i], "technical.ballots.due.CIB"));
        row[6] = page_figure(v, "presence", &h[i]);
    }
    return error;
}

static int committee_sheet(struct page *p, struct view *v, struct slice member, struct slice year)
{
    static const struct threshold cib[] = {{200, T_LIMIT_CIB}, {0, T_NONE}};
    struct sheet *s = SHEET(v, "committees", T_COMMITTEES_DUTY, committee_columns);
    struct name_list committees = {0};
    int error = data_names(&p->data, "committees", FETCH_HASH, &committees);

    s->note = T_CIB_NOTE;
    s->chart = CHART_BARS;
    s->bar = 5;
    s->threshold = cib;
    if (error == 0)
        error = seat_rows(p, v, s, &committees, member, year);
    if (error == 0)
        page_sort(p, v, s, "missed", true);
    name_list_free(&committees);
    return error;
}

static void adoption_sheet(struct view *v, const struct hash *year)
{
    static const struct {
        const char *field;
        enum text label;
    } kinds[] = {{"adoptions", T_ADOPTIONS},
                 {"adoptions.identical", T_IDENTICAL},
                 {"adoptions.modified", T_MODIFIED},
                 {"adoptions.not-equivalent", T_NOT_EQUIVALENT},
                 {"adoptions.withdrawn", T_WITHDRAWN}};
    struct sheet *s = SHEET(v, "adoptions", T_NAV_ADOPTIONS, adoption_columns);

    for (size_t i = 0; i < 5; i++) {
        struct sheet_cell *row = sheet_row(v, s);
        row[0] = cell_text(slice_of(kinds[i].field));
        row[0].label = kinds[i].label;
        row[1] = page_count(v, year, kinds[i].field);
    }
}

static void keys(struct page *p, struct view *v, struct slice year, struct hash h[H_ALL])
{
    struct data *d = &p->data;
    struct slice base = data_key_of(d, "member:", p->subject, ":");
    char text[16];

    h[H_YEAR].key = view_text(v, base, year);
    h[H_BEFORE].key = view_text(v, base, page_year_before(v, year));
    h[H_PROFILE].key = data_key_of(d, "profile:", p->subject, "");
    h[H_EFFECTIVE].key = view_text(v, data_key_of(d, "effective:", p->subject, ":"), year);
    for (int m = 0; m < 12; m++) {
        snprintf(text, sizeof text, "-%02d", m + 1);
        h[H_MONTHS + m].key = view_text(v, h[H_YEAR].key, arena_copy(v->arena, slice_of(text)));
    }
}

int page_member(struct page *p, struct view *v)
{
    struct hash h[H_ALL] = {{.count = 0}};
    struct name_list members = {0};
    struct slice year;
    bool there;
    int error;

    view_begin(v, v->arena, "member", T_MEMBER);
    error = page_period(p, v, false);
    if (error || !v->period.at)
        return error ? error : PAGE_MISSING;
    error = data_members(&p->data, &members);
    there = name_list_has(&members, p->subject);
    name_list_free(&members);
    if (error || !there)
        return error ? error : PAGE_MISSING;
    v->period = year = page_year(v->period);
    keys(p, v, year, h);
    error = data_hashes(&p->data, h, H_ALL, &v->as_of_ms);
    if (error < 0)
        return error;
    v->dated = v->as_of_ms != 0;
    v->subject = page_person(p->subject, &h[H_PROFILE]).name;
    v->subtitle = hash_text(&h[H_PROFILE], "nsb");
    view_watch(v, "member:", p->subject);
    view_watch(v, "watch", (struct slice){0});
    headline(v, h);
    error = sheet_risk(p, v, p->subject, (struct slice){0});
    if (error == 0) {
        duty_sheet(v, h);
        month_sheet(v, h);
        error = committee_sheet(p, v, p->subject, year);
    }
    if (error == 0)
        adoption_sheet(v, &h[H_YEAR]);
    return error;
}
