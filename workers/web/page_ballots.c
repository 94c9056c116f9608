/* Open ballots, by closing date: how many have answered, and who has not: developing P-members
 * first. */
#include "workers/fact.h"
#include "workers/web/page.h"
#include "workers/web/seats.h"

#include <stdlib.h>

#define SHOWN 300 /* ballots: those that close first */

static const struct column columns[] = {
    {"ballot", T_BALLOT, CELL_NAME, true},
    {"committee", T_COMMITTEE, CELL_NAME, false},
    {"kind", T_KIND, CELL_NAME, false},
    {"title", T_TITLE, CELL_NAME, false},
    {"closes", T_CLOSES, CELL_DATE, false},
    {"days", T_DAYS_LEFT, CELL_INT, false},
    {"votes", T_VOTES, CELL_INT, false},
    {"answered", T_ANSWERED_P, CELL_RATE, false},
    {"waiting", T_WAITING, CELL_INT, false},
    {"waiting.developing", T_WAITING_DEVELOPING, CELL_INT, false},
    {"who", T_WHO, CELL_NAME, false},
};

#define NAMED 12 /* members named in one cell */

enum { BALLOT_OF, VOTES_OF, SEATS_OF, HASHES_OF };

struct profiles {
    struct slice *members;
    struct hash *hashes;
    size_t count;
};

static bool developing(const struct profiles *f, struct slice member)
{
    size_t low = 0, high = f->count;

    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = slice_compare(f->members[middle], member);
        if (order == 0) {
            struct slice word = hash_text(&f->hashes[middle], "developing");
            return word.at && slice_is(word, "1");
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

enum answer { ANSWER_NONE, ANSWER_GIVEN, ANSWER_EXCUSED };

static enum answer answer_of(struct arena *arena, const struct hash *votes, struct slice member)
{
    struct slice line = hash_value(votes, member);
    struct vote_fact fact = {.position = 0};

    if (!line.at || fact_parse(EVENT_VOTE, line, arena, &fact) < 0 || !version_holds(&fact.version))
        return ANSWER_NONE;
    return fact.position != POSITION_NONE ? ANSWER_GIVEN
           : fact.excused                 ? ANSWER_EXCUSED
                                          : ANSWER_NONE;
}

struct waiting {
    int64_t p, answered, waiting, developing;
    struct slice who;
};

static void name(struct view *v, struct waiting *w, struct slice member, int64_t number)
{
    if (number < NAMED)
        w->who = w->who.at ? view_text(v, view_text(v, w->who, slice_of(" ")), member) : member;
    else if (number == NAMED)
        w->who = view_text(v, w->who, slice_of(" …"));
}

/* The P-members who have neither answered nor are excused; developing ones are named first. */
static struct waiting waiting_of(struct view *v, const struct hash *h, date_days day,
                                 const struct profiles *profiles)
{
    struct seats seats = seats_on(v->arena, &h[SEATS_OF], day);
    struct waiting w = {0};
    int64_t named = 0;

    for (int turn = 0; turn < 2; turn++)
        for (size_t i = 0; i < seats.count; i++) {
            struct slice m = seats.items[i].member;
            bool first = developing(profiles, m);
            enum answer answer;
            if (seats.items[i].role != ROLE_P || first != (turn == 0))
                continue;
            w.p++;
            answer = answer_of(v->arena, &h[VOTES_OF], m);
            w.answered += answer == ANSWER_GIVEN;
            if (answer != ANSWER_NONE)
                continue;
            w.waiting++;
            w.developing += first;
            name(v, &w, m, named++);
        }
    return w;
}

static void row(struct page *p, struct view *v, struct sheet *s, struct slice ballot,
                const struct hash *h, const struct profiles *profiles)
{
    date_days today = date_of_ms(p->data.now_ms), closes = today;
    struct slice rest = ballot, committee = {0}, text = hash_text(&h[BALLOT_OF], "closes");
    struct sheet_cell *c = sheet_row(v, s);
    struct waiting w = waiting_of(v, h, today, profiles);

    (void)slice_cut(&rest, '|', &committee);
    (void)(text.at && date_parse(text, &closes));
    c[0] = cell_name(rest);
    c[0].link = view_path(v, "/ballots/", ballot);
    c[1] = page_committee_cell(v, committee);
    c[2] = cell_name(hash_text(&h[BALLOT_OF], "kind"));
    c[3] = cell_name(hash_text(&h[BALLOT_OF], "title"));
    c[4] = cell_date(closes);
    c[5] = cell_int(closes - today);
    c[5].tone = closes - today <= 14 ? TONE_AMBER : TONE_PLAIN;
    c[6] = cell_count(hash_int(&h[BALLOT_OF], "votes"), h[BALLOT_OF].key, slice_of("votes"));
    c[7] = cell_rate(v, w.answered, w.p);
    c[8] = cell_int(w.waiting);
    c[9] = cell_int(w.developing);
    c[10] = cell_name(w.who);
}

static int by_name(const void *a, const void *b)
{
    return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

static int profiles_load(struct page *p, struct profiles *ret)
{
    struct name_list names = {0};
    int error = data_members(&p->data, &names);

    ret->count = names.count;
    ret->members = arena_need(p->data.arena, (names.count + 1) * sizeof *ret->members);
    ret->hashes = arena_need(p->data.arena, (names.count + 1) * sizeof *ret->hashes);
    if (names.count) {
        memcpy(ret->members, names.items, names.count * sizeof *ret->members);
        qsort(ret->members, names.count, sizeof *ret->members, by_name);
    }
    for (size_t i = 0; i < names.count; i++)
        ret->hashes[i].key = data_key_of(&p->data, "profile:", ret->members[i], "");
    if (error == 0)
        error = data_hashes(&p->data, ret->hashes, ret->count, NULL);
    name_list_free(&names);
    return error;
}

static int rows(struct page *p, struct view *v, struct sheet *s, const struct name_list *open)
{
    size_t count = open->count < SHOWN ? open->count : SHOWN;
    struct hash *h = arena_need(v->arena, (count * HASHES_OF + 1) * sizeof *h);
    struct profiles profiles;
    int error = profiles_load(p, &profiles);

    for (size_t i = 0; i < count; i++) {
        struct slice rest = open->items[i], committee = {"", 0};
        (void)slice_cut(&rest, '|', &committee);
        h[i * HASHES_OF + BALLOT_OF].key = data_key_of(&p->data, "ballot:", open->items[i], "");
        h[i * HASHES_OF + VOTES_OF].key = data_key_of(&p->data, "votes:", open->items[i], "");
        h[i * HASHES_OF + SEATS_OF].key = data_key_of(&p->data, "seats:", committee, "");
    }
    if (error == 0)
        error = data_hashes(&p->data, h, count * HASHES_OF, &v->as_of_ms);
    for (size_t i = 0; error == 0 && i < count; i++)
        row(p, v, s, open->items[i], &h[i * HASHES_OF], &profiles);
    v->dated = v->as_of_ms != 0;
    return error;
}

int page_ballots(struct page *p, struct view *v)
{
    struct name_list open = {0};
    struct sheet *s;
    int error;

    view_begin(v, v->arena, "ballots", T_NAV_BALLOTS);
    view_watch(v, "ballots", (struct slice){0});
    view_watch(v, "watch", (struct slice){0});
    s = SHEET(v, "ballots", T_NAV_BALLOTS, columns);
    s->note = T_BALLOTS_NOTE;
    error = data_names(&p->data, "ballots:open", FETCH_ZSET, &open);
    if (error == 0)
        error = rows(p, v, s, &open);
    if (error == 0)
        page_sort(p, v, s, "closes", false);
    name_list_free(&open);
    return error;
}
