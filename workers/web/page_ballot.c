/* One ballot: its tally against the two thresholds of approval, every vote, and who is missing. */
#include "workers/fact.h"
#include "workers/web/html.h"
#include "workers/web/page.h"
#include "workers/web/seats.h"

#include <stdio.h>

static const struct column notice_columns[] = {
    {"kind", T_KIND, CELL_NAME, true},        {"status", T_STATUS, CELL_TEXT, false},
    {"opens", T_OPENS, CELL_DATE, false},     {"closes", T_CLOSES, CELL_DATE, false},
    {"votes", T_VOTES, CELL_INT, false},      {"due", T_DUE, CELL_INT, false},
    {"missed", T_MISSED, CELL_INT, false},    {"excused", T_C_EXCUSED, CELL_INT, false},
    {"verdict", T_VERDICT, CELL_MARK, false},
};

static const struct column rule_columns[] = {
    {"rule", T_RULE, CELL_TEXT, true},
    {"share", T_SHARE, CELL_RATE, false},
    {"needed", T_NEEDED, CELL_TEXT, false},
};

static const struct column tally_columns[] = {
    {"position", T_POSITION, CELL_TEXT, true},
    {"p", T_P_MEMBERS, CELL_INT, false},
    {"all", T_ALL_MEMBERS, CELL_INT, false},
};

static const struct column vote_columns[] = {
    {"member", T_MEMBER, CELL_NAME, true},      {"developing", T_DEVELOPING_MARK, CELL_MARK, false},
    {"position", T_POSITION, CELL_TEXT, false}, {"seat", T_SEAT, CELL_TEXT, false},
    {"comments", T_COMMENTS, CELL_INT, false},  {"recorded", T_RECORDED, CELL_MOMENT, false},
};

static const struct column waiting_columns[] = {
    {"member", T_MEMBER, CELL_NAME, true},
    {"name", T_NAME, CELL_ALIAS, false},
    {"developing", T_DEVELOPING_MARK, CELL_MARK, false},
};

enum { H_BALLOT, H_VOTES, H_SEATS, H_ALL };

static const enum text position_label[POSITIONS] = {
    [POSITION_APPROVE] = T_APPROVE, [POSITION_DISAPPROVE] = T_DISAPPROVE,
    [POSITION_ABSTAIN] = T_ABSTAIN, [POSITION_CONFIRM] = T_CONFIRM,
    [POSITION_REVISE] = T_REVISE,   [POSITION_WITHDRAW] = T_WITHDRAW,
    [POSITION_NONE] = T_NO_VOTE,
};

static struct sheet_cell day_cell(const struct hash *h, const char *field)
{
    date_days day;
    struct slice text = hash_text(h, field);

    return cell_date(text.at && date_parse(text, &day) ? day : DATE_NONE);
}

static void notice_sheet(struct view *v, const struct hash *h)
{
    struct sheet *s = SHEET(v, "notice", T_NOTICE, notice_columns);
    struct sheet_cell *c = sheet_row(v, s);
    struct slice verdict = hash_text(h, "verdict");

    c[0] = cell_name(hash_text(h, "kind"));
    c[1] = cell_text(hash_text(h, "status"));
    c[2] = day_cell(h, "opens");
    c[3] = day_cell(h, "closes");
    c[4] = page_count(v, h, "votes");
    c[5] = page_count(v, h, "due");
    c[6] = page_count(v, h, "missed");
    c[7] = page_count(v, h, "excused");
    if (verdict.at)
        c[8] = slice_is(verdict, "pass") ? cell_mark("pass", T_PASS, TONE_GOOD)
                                         : cell_mark("fail", T_FAIL, TONE_RED);
}

/* At least two thirds of the P-members' votes positive, at most a quarter of all votes negative. */
static void rule_sheet(struct view *v, const struct hash *h)
{
    static const struct threshold lines[] = {
        {250, T_LIMIT_NEGATIVE}, {667, T_LIMIT_POSITIVE}, {0, T_NONE}};
    int64_t yes = hash_int(h, "p.approve"), no = hash_int(h, "p.disapprove"),
            all_yes = hash_int(h, "approve"), all_no = hash_int(h, "disapprove");
    struct sheet *s;
    struct sheet_cell *c;

    if (!hash_has(h, "verdict"))
        return;
    s = SHEET(v, "rules", T_RULES, rule_columns);
    s->note = T_RULES_NOTE;
    s->chart = CHART_BARS;
    s->bar = 1;
    s->threshold = lines;
    c = sheet_row(v, s);
    c[0] = cell_text(slice_of("positive"));
    c[0].label = T_RULE_POSITIVE;
    c[1] = cell_rate(v, yes, yes + no);
    c[1].tone = 3 * yes >= 2 * (yes + no) ? TONE_GOOD : TONE_RED;
    c[2] = cell_text(slice_of("at-least-2/3"));
    c[2].label = T_AT_LEAST;
    c = sheet_row(v, s);
    c[0] = cell_text(slice_of("negative"));
    c[0].label = T_RULE_NEGATIVE;
    c[1] = cell_rate(v, all_no, all_yes + all_no);
    c[1].tone = 4 * all_no <= all_yes + all_no ? TONE_GOOD : TONE_RED;
    c[2] = cell_text(slice_of("at-most-1/4"));
    c[2].label = T_AT_MOST;
}

static void tally_sheet(struct view *v, const struct hash *h)
{
    struct sheet *s = SHEET(v, "tally", T_TALLY, tally_columns);
    char field[32];

    for (int i = 1; i < POSITION_NONE; i++) {
        struct sheet_cell *c;
        if (!hash_has(h, position_name[i])) /* what P-members said is part of that */
            continue;
        snprintf(field, sizeof field, "p.%s", position_name[i]);
        c = sheet_row(v, s);
        c[0] = cell_text(slice_of(position_name[i]));
        c[0].label = position_label[i];
        c[1] = page_count(v, h, arena_copy(v->arena, slice_make(field, strlen(field) + 1)).at);
        c[2] = page_count(v, h, position_name[i]);
    }
}

static struct slice vote_subject(struct view *v, struct slice ballot, struct slice member)
{
    struct buffer b = {0};
    struct slice link;

    buffer_add_text(&b, "/history?subject=");
    url_add(&b, slice_of("vote|"), true);
    url_add(&b, ballot, true);
    url_add(&b, slice_of("|"), true);
    url_add(&b, member, true);
    link = arena_copy(v->arena, buffer_slice(&b));
    buffer_free(&b);
    return link;
}

static void vote_row(struct page *p, struct view *v, struct sheet *s, const struct pair *vote,
                     const struct hash *profile)
{
    struct vote_fact fact = {.position = 0};
    struct person_note note = page_person(vote->field, profile);
    struct sheet_cell *c;

    if (fact_parse(EVENT_VOTE, vote->value, v->arena, &fact) < 0 || !version_holds(&fact.version))
        return;
    c = sheet_row(v, s);
    c[0] = page_member_cell(v, vote->field);
    c[1] = page_developing(&note);
    c[2] = cell_text(slice_of(fact.excused ? "excused" : position_name[fact.position]));
    c[2].label = fact.excused ? T_C_EXCUSED : position_label[fact.position];
    c[2].link = vote_subject(v, p->subject, vote->field);
    c[3] = cell_text(slice_of(role_name[fact.seat]));
    c[4] = cell_int(fact.comments);
    c[5] = cell_moment(fact.version.time_ms);
}

static int vote_sheet(struct page *p, struct view *v, const struct hash *votes)
{
    struct sheet *s = SHEET(v, "votes", T_VOTES, vote_columns);
    struct hash *profiles = arena_need(v->arena, (votes->count + 1) * sizeof *profiles);
    int error;

    for (size_t i = 0; i < votes->count; i++)
        profiles[i].key = data_key_of(&p->data, "profile:", votes->pairs[i].field, "");
    error = data_hashes(&p->data, profiles, votes->count, NULL);
    for (size_t i = 0; error == 0 && i < votes->count; i++)
        vote_row(p, v, s, &votes->pairs[i], &profiles[i]);
    if (error == 0)
        page_sort(p, v, s, "member", false);
    return error;
}

static bool waits(struct view *v, const struct hash *votes, const struct seat_held *seat)
{
    struct slice line = hash_value(votes, seat->member);
    struct vote_fact fact = {.position = 0};

    if (seat->role != ROLE_P)
        return false;
    return !line.at || fact_parse(EVENT_VOTE, line, v->arena, &fact) < 0 ||
           !version_holds(&fact.version) || (fact.position == POSITION_NONE && !fact.excused);
}

static int waiting_sheet(struct page *p, struct view *v, const struct hash h[H_ALL])
{
    struct sheet *s = SHEET(v, "waiting", T_WAITING_TITLE, waiting_columns);
    date_days today = date_of_ms(p->data.now_ms), closes = today;
    struct slice text = hash_text(&h[H_BALLOT], "closes");
    struct hash *profiles;
    struct seats seats;
    int error;

    (void)(text.at && date_parse(text, &closes));
    seats = seats_on(v->arena, &h[H_SEATS], closes < today ? closes : today);
    profiles = arena_need(v->arena, (seats.count + 1) * sizeof *profiles);
    for (size_t i = 0; i < seats.count; i++)
        profiles[i].key = data_key_of(&p->data, "profile:", seats.items[i].member, "");
    error = data_hashes(&p->data, profiles, seats.count, NULL);
    for (int turn = 0; error == 0 && turn < 2; turn++) /* developing ones first */
        for (size_t i = 0; i < seats.count; i++) {
            struct person_note note = page_person(seats.items[i].member, &profiles[i]);
            struct sheet_cell *c;
            if (note.developing != (turn == 0) || !waits(v, &h[H_VOTES], &seats.items[i]))
                continue;
            c = sheet_row(v, s);
            c[0] = page_member_cell(v, seats.items[i].member);
            c[1] = cell_name(note.name);
            c[2] = page_developing(&note);
        }
    return error;
}

int page_ballot(struct page *p, struct view *v)
{
    struct hash h[H_ALL] = {{.count = 0}};
    struct slice rest = p->subject, committee;
    int error;

    view_begin(v, v->arena, "ballot", T_BALLOT);
    if (!slice_cut(&rest, '|', &committee))
        return PAGE_MISSING;
    h[H_BALLOT].key = data_key_of(&p->data, "ballot:", p->subject, "");
    h[H_VOTES].key = data_key_of(&p->data, "votes:", p->subject, "");
    h[H_SEATS].key = data_key_of(&p->data, "seats:", committee, "");
    error = data_hashes(&p->data, h, H_ALL, &v->as_of_ms);
    if (error || h[H_BALLOT].count == 0)
        return error ? error : PAGE_MISSING;
    v->dated = v->as_of_ms != 0;
    v->subject = p->subject;
    v->subtitle = hash_text(&h[H_BALLOT], "title");
    view_watch(v, "ballot:", p->subject);
    notice_sheet(v, &h[H_BALLOT]);
    rule_sheet(v, &h[H_BALLOT]);
    tally_sheet(v, &h[H_BALLOT]);
    error = waiting_sheet(p, v, h);
    return error < 0 ? error : vote_sheet(p, v, &h[H_VOTES]);
}
