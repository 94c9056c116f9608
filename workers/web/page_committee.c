/* One committee: its members by duty and answer, its ballots and meetings, its seats at risk. */
#include "workers/fact.h"
#include "workers/web/seats.h"
#include "workers/web/sheets.h"

#include <stdlib.h>

#define SHOWN 200 /* ballots, meetings: the newest */

static const struct column member_columns[] = {
    {"member", T_MEMBER, CELL_NAME, true},
    {"name", T_NAME, CELL_ALIAS, false},
    {"developing", T_DEVELOPING_MARK, CELL_MARK, false},
    {"seat", T_SEAT, CELL_TEXT, false},
    {"due", T_DUE, CELL_INT, false},
    {"missed", T_MISSED, CELL_INT, false},
    {"abstained", T_C_ABSTAIN, CELL_INT, false},
    {"voting", T_VOTING, CELL_RATE, false},
    {"presence", T_PRESENCE, CELL_RATE, false},
};

static const struct column ballot_columns[] = {
    {"ballot", T_BALLOT, CELL_NAME, true},      {"kind", T_KIND, CELL_NAME, false},
    {"title", T_TITLE, CELL_NAME, false},       {"closes", T_CLOSES, CELL_DATE, false},
    {"status", T_STATUS, CELL_TEXT, false},     {"votes", T_VOTES, CELL_INT, false},
    {"answered", T_ANSWERED, CELL_RATE, false}, {"verdict", T_VERDICT, CELL_MARK, false},
};

static const struct column meeting_columns[] = {
    {"meeting", T_MEETING, CELL_NAME, true},        {"title", T_TITLE, CELL_NAME, false},
    {"starts", T_STARTS, CELL_DATE, false},         {"status", T_STATUS, CELL_TEXT, false},
    {"members", T_MEMBERS, CELL_INT, false},        {"delegates", T_C_DELEGATES, CELL_INT, false},
    {"not.missed", T_NOT_MISSED, CELL_RATE, false},
};

static struct slice base_key(struct page *p, struct view *v, const char *family, const char *middle)
{
    return data_key_of(&p->data, family, view_text(v, p->subject, slice_of(middle)), "");
}

/* ---- members ---- */
static void member_row(struct view *v, struct sheet *s, const struct seat_held *seat,
                       const struct hash *h)
{
    struct sheet_cell *c = sheet_row(v, s);
    struct person_note note = page_person(seat->member, &h[1]);

    c[0] = page_member_cell(v, seat->member);
    c[1] = cell_name(note.name);
    c[2] = page_developing(&note);
    c[3] = cell_text(slice_of(role_name[seat->role]));
    c[4] = page_count(v, &h[0], "technical.ballots.due");
    c[5] = page_count(v, &h[0], "technical.ballots.missed");
    c[6] = page_count(v, &h[0], "technical.ballots.abstained");
    c[7] = page_figure(v, "voting", &h[0]);
    c[8] = page_figure(v, "presence", &h[0]);
}

static int member_sheet(struct page *p, struct view *v)
{
    struct sheet *s = SHEET(v, "members", T_MEMBERS_SEATS, member_columns);
    struct hash notices = {.key = base_key(p, v, "seats:", "")}, *h;
    struct slice base = base_key(p, v, "seat:", "|");
    struct seats seats;
    int error = data_hashes(&p->data, &notices, 1, NULL);

    if (error < 0)
        return error;
    seats = seats_on(v->arena, &notices, date_of_ms(p->data.now_ms));
    h = arena_need(v->arena, (seats.count * 2 + 1) * sizeof *h);
    for (size_t i = 0; i < seats.count; i++) {
        struct slice m = seats.items[i].member;
        h[i * 2].key = view_text(v, view_text(v, base, m), view_text(v, slice_of(":"), v->period));
        h[i * 2 + 1].key = data_key_of(&p->data, "profile:", m, "");
    }
    error = data_hashes(&p->data, h, seats.count * 2, NULL);
    for (size_t i = 0; error == 0 && i < seats.count; i++)
        member_row(v, s, &seats.items[i], &h[i * 2]);
    if (error == 0)
        page_sort(p, v, s, "missed", true);
    return error;
}

/* ---- ballots and meetings ---- */
struct dated {
    struct slice name;
    int64_t day;
};

static int newest_first(const void *a, const void *b)
{
    const struct dated *x = a, *y = b;

    if (x->day != y->day)
        return x->day < y->day ? 1 : -1;
    return slice_compare(x->name, y->name);
}

/* "ballot|B" -> date of the committee's index: the newest of them. */
static struct dated *index_take(struct view *v, const struct hash *index, const char *kind,
                                size_t *ret_count)
{
    struct dated *list = arena_need(v->arena, (index->count + 1) * sizeof *list);
    size_t count = 0;

    for (size_t i = 0; i < index->count; i++) {
        struct slice name = index->pairs[i].field, word;
        date_days day = DATE_NONE;
        if (!slice_cut(&name, '|', &word) || !slice_is(word, kind))
            continue;
        (void)date_parse(index->pairs[i].value, &day);
        list[count++] = (struct dated){name, day};
    }
    if (count)
        qsort(list, count, sizeof *list, newest_first);
    *ret_count = count < SHOWN ? count : SHOWN;
    return list;
}

static struct hash *hashes_of(struct page *p, struct view *v, const char *family,
                              const struct dated *list, size_t count, int *ret_error)
{
    struct hash *h = arena_need(v->arena, (count + 1) * sizeof *h);
    struct slice base = base_key(p, v, family, "|");

    for (size_t i = 0; i < count; i++)
        h[i].key = view_text(v, base, list[i].name);
    *ret_error = data_hashes(&p->data, h, count, NULL);
    return h;
}

static date_days day_of(const struct hash *h, const char *field)
{
    date_days day = DATE_NONE;
    struct slice text = hash_text(h, field);

    return text.at && date_parse(text, &day) ? day : DATE_NONE;
}

static struct sheet_cell verdict_cell(const struct hash *h)
{
    struct slice verdict = hash_text(h, "verdict");

    if (!verdict.at)
        return (struct sheet_cell){.kind = CELL_NONE};
    return slice_is(verdict, "pass") ? cell_mark("pass", T_PASS, TONE_GOOD)
                                     : cell_mark("fail", T_FAIL, TONE_PLAIN);
}

static void ballot_row(struct page *p, struct view *v, struct sheet *s, struct slice name,
                       const struct hash *h)
{
    struct sheet_cell *c = sheet_row(v, s);
    int64_t due = hash_int(h, "due");

    c[0] = cell_name(name);
    c[0].link =
        view_path(v, "/ballots/", view_text(v, view_text(v, p->subject, slice_of("|")), name));
    c[1] = cell_name(hash_text(h, "kind"));
    c[2] = cell_name(hash_text(h, "title"));
    c[3] = cell_date(day_of(h, "closes"));
    c[4] = cell_text(hash_text(h, "status"));
    c[5] = page_count(v, h, "votes");
    c[6] = cell_rate(v, due - hash_int(h, "missed") - hash_int(h, "excused"), due);
    c[7] = verdict_cell(h);
}

static int ballot_sheet(struct page *p, struct view *v, const struct hash *index)
{
    struct sheet *s = SHEET(v, "ballots", T_BALLOTS, ballot_columns);
    size_t count;
    struct dated *list = index_take(v, index, "ballot", &count);
    int error;
    struct hash *h = hashes_of(p, v, "ballot:", list, count, &error);

    for (size_t i = 0; error == 0 && i < count; i++)
        ballot_row(p, v, s, list[i].name, &h[i]);
    return error;
}

static int meeting_sheet(struct page *p, struct view *v, const struct hash *index)
{
    struct sheet *s = SHEET(v, "meetings", T_MEETINGS, meeting_columns);
    size_t count;
    struct dated *list = index_take(v, index, "meeting", &count);
    int error;
    struct hash *h = hashes_of(p, v, "meeting:", list, count, &error);

    for (size_t i = 0; error == 0 && i < count; i++) {
        struct sheet_cell *c = sheet_row(v, s);
        int64_t due = hash_int(&h[i], "due");
        c[0] = cell_name(list[i].name);
        c[1] = cell_name(hash_text(&h[i], "title"));
        c[2] = cell_date(day_of(&h[i], "starts"));
        c[3] = cell_text(hash_text(&h[i], "status"));
        c[4] = page_count(v, &h[i], "members");
        c[5] = page_count(v, &h[i], "delegates");
        c[6] = cell_rate(v, due - hash_int(&h[i], "missed"), due);
    }
    return error;
}

static int sheets(struct page *p, struct view *v)
{
    struct hash index = {.key = base_key(p, v, "index:", "")};
    int error = sheet_risk(p, v, (struct slice){0}, p->subject);

    if (error == 0)
        error = member_sheet(p, v);
    if (error == 0)
        error = data_hashes(&p->data, &index, 1, NULL);
    if (error == 0)
        error = ballot_sheet(p, v, &index);
    return error < 0 ? error : meeting_sheet(p, v, &index);
}

int page_committee(struct page *p, struct view *v)
{
    struct hash titles = {.key = slice_of("committees")};
    int error;

    view_begin(v, v->arena, "committee", T_COMMITTEE);
    error = page_period(p, v, false);
    if (error == 0)
        error = data_hashes(&p->data, &titles, 1, &v->as_of_ms);
    if (error)
        return error;
    v->subject = p->subject;
    v->subtitle = hash_value(&titles, p->subject);
    if (!v->subtitle.at || !v->period.at)
        return PAGE_MISSING;
    if (slice_equal(v->subtitle, v->subject))
        v->subtitle = (struct slice){0};
    v->dated = v->as_of_ms != 0;
    v->period = page_year(v->period);
    view_watch(v, "committee:", p->subject);
    view_watch(v, "watch", (struct slice){0});
    return sheets(p, v);
}
