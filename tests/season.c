/* A year of work over a real registry; see season.h.  Seat notices are sorted by committee and
 * member; each committee then has its own random sequence and draws its ballots and meetings, and
 * for each of these what every member with a seat does.  A registry that does not decode is a bug
 * of the test and ends it. */
#include "tests/season.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/event.h"
#include "proto/pack.h"
#include "proto/table.h"
#include "tests/random.h"

/* ---- the seats ---- */
struct notice {
    struct slice committee, member;
    date_days from;
    enum role role;
};

/* One member's notices in one committee, and how many of 100 duties it does. */
struct seat {
    const struct notice *first;
    size_t count;
    unsigned diligence;
};

static int notice_compare(const void *a, const void *b)
{
    const struct notice *x = a, *y = b;
    int order = slice_compare(x->committee, y->committee);

    if (order == 0)
        order = slice_compare(x->member, y->member);
    return order ? order : (x->from > y->from) - (x->from < y->from);
}

/* All seat notices in order; their names borrow from the registry.  Free the buffer. */
static struct buffer notices_of(struct slice registry)
{
    struct event_decoder *d = event_decoder_new();
    struct buffer list = {0};
    struct refusal why;
    struct event e;

    while (registry.size > 0) {
        if (event_next(d, &registry, EVENT_ANY_TIME, &e, &why) < 0)
            abort();
        if (e.type == EVENT_SEAT && !e.retracted)
            buffer_add(&list, &(struct notice){e.committee, e.member, e.from, e.role},
                       sizeof(struct notice));
    }
    if (list.size > 0)
        qsort(list.at, list.size / sizeof(struct notice), sizeof(struct notice), notice_compare);
    event_decoder_free(d);
    return list;
}

static enum role seat_role(const struct seat *s, date_days day)
{
    enum role role = ROLE_NONE;

    for (size_t i = 0; i < s->count; i++)
        if (s->first[i].from <= day)
            role = s->first[i].role;
    return role;
}

/* ---- one committee's year ---- */
#define MEMBERS_MAX 1024 /* members with a seat in one committee; there are some 200 countries */

struct season {
    struct random random;
    int year;
    date_days first, today, last; /* of the year; today is when it is told */
    struct slice committee;
    const char *level; /* of all its ballots and meetings; NULL: the default */
    struct seat seats[MEMBERS_MAX];
    size_t seat_count;
    unsigned committee_number, event_number;
    struct buffer keys; /* the pairs of the event being written */
    uint32_t key_count;
    struct buffer *ret;
};

static unsigned below(struct season *s, unsigned bound)
{
    return (unsigned)random_below(&s->random, bound);
}

static bool chance(struct season *s, unsigned percent)
{
    return random_percent(&s->random, percent);
}

static date_days day_between(struct season *s, date_days first, date_days last)
{
    return first + (date_days)random_below(&s->random, (uint64_t)(last - first) + 1);
}

static date_days earlier(date_days a, date_days b)
{
    return a < b ? a : b;
}

/* ---- writing one event ---- */
static void text_key(struct season *s, const char *name, const char *value)
{
    pack_text(&s->keys, name);
    pack_text(&s->keys, value);
    s->key_count++;
}

static void slice_key(struct season *s, const char *name, struct slice value)
{
    pack_text(&s->keys, name);
    pack_str(&s->keys, value);
    s->key_count++;
}

static void int_key(struct season *s, const char *name, int64_t value)
{
    pack_text(&s->keys, name);
    pack_int(&s->keys, value);
    s->key_count++;
}

static void bool_key(struct season *s, const char *name, bool value)
{
    pack_text(&s->keys, name);
    pack_bool(&s->keys, value);
    s->key_count++;
}

static void date_key(struct season *s, const char *name, date_days day)
{
    char text[DATE_TEXT];

    date_format(day, text);
    slice_key(s, name, slice_make(text, sizeof text));
}

/* What all events of the season have; the time lies somewhere in the day, never after today. */
static void event_begin(struct season *s, enum event_type type, date_days day)
{
    char id[EVENT_MAX_ID];

    buffer_clear(&s->keys);
    s->key_count = 0;
    snprintf(id, sizeof id, "season-%d-%u-%u", s->year, s->committee_number, s->event_number++);
    text_key(s, "type", event_type_name[type]);
    text_key(s, "id", id);
    int_key(s, "time", earlier(day, s->today) * DAY_MS + (int64_t)below(s, (unsigned)DAY_MS));
    slice_key(s, "committee", s->committee);
}

static void event_end(struct season *s)
{
    pack_map(s->ret, s->key_count);
    buffer_add_slice(s->ret, buffer_slice(&s->keys));
}

static void level_key(struct season *s)
{
    if (s->level)
        text_key(s, "level", s->level);
}

/* ---- ballots ---- */
static const struct kind {
    const char *name;
    unsigned percent; /* of all ballots */
    int weeks;
} kinds[] = {
    {"CIB", 28, 4}, {"DIS", 18, 12}, {"FDIS", 10, 8}, {"SR", 15, 20}, {"NP", 9, 12},
    {"CD", 9, 8},   {"DTS", 4, 12},  {"CDV", 3, 12},  {"WDRL", 4, 8},
};

struct ballot {
    const struct kind *kind;
    char name[32];
    date_days opens, closes;
    enum stage stage;
};

static const struct kind *kind_pick(struct season *s)
{
    unsigned ticket = below(s, 100);
    const struct kind *k = kinds;

    while (ticket >= k->percent)
        ticket -= k++->percent;
    return k;
}

/* A few are cancelled, and a few of those that should be closed are still said to be open. */
static enum stage stage_pick(struct season *s, date_days closes)
{
    unsigned ticket = below(s, 100);

    if (ticket < 3)
        return STAGE_CANCELLED;
    return closes >= s->today || ticket < 5 ? STAGE_OPEN : STAGE_CLOSED;
}

static void ballot_notice(struct season *s, const struct ballot *b)
{
    event_begin(s, EVENT_BALLOT, b->stage == STAGE_CLOSED ? b->closes + 1 : b->opens);
    text_key(s, "ballot", b->name);
    text_key(s, "kind", b->kind->name);
    date_key(s, "opens", b->opens);
    date_key(s, "closes", b->closes);
    text_key(s, "status", stage_name[b->stage]);
    if (chance(s, 5))
        bool_key(s, "mandatory", false);
    level_key(s);
    event_end(s);
}

/* Mostly before the closing day, at times on a later one. */
static date_days vote_day(struct season *s, const struct ballot *b)
{
    if (chance(s, 3))
        return b->closes + 1 + (date_days)below(s, 20);
    return day_between(s, b->opens, earlier(b->closes, s->today));
}

static const char *position_pick(struct season *s, const struct ballot *b)
{
    static const char *const review[] = {"confirm", "confirm", "confirm", "revise", "withdraw"};

    if (chance(s, 13))
        return "abstain";
    if (strcmp(b->kind->name, "SR") == 0)
        return review[below(s, 5)];
    return chance(s, 90) ? "approve" : "disapprove";
}

/* Some sources know the seat, and a few of them know it better than the notices. */
static void vote_seat_key(struct season *s, enum role role)
{
    if (chance(s, 15))
        text_key(s, "seat", role_name[chance(s, 5) ? ROLE_P : role]);
}

static void vote_answer(struct season *s, const struct ballot *b, const struct seat *seat,
                        date_days day)
{
    event_begin(s, EVENT_VOTE, day);
    text_key(s, "ballot", b->name);
    slice_key(s, "member", seat->first->member);
    text_key(s, "position", position_pick(s, b));
    if (chance(s, 40))
        int_key(s, "comments", (int64_t)below(s, 12));
    if (strcmp(b->kind->name, "NP") == 0)
        bool_key(s, "participate", chance(s, 40));
    vote_seat_key(s, seat_role(seat, b->closes));
    if (chance(s, 1))
        bool_key(s, "retracted", true);
    event_end(s);
}

static void vote_none(struct season *s, const struct ballot *b, const struct seat *seat)
{
    event_begin(s, EVENT_VOTE, vote_day(s, b));
    text_key(s, "ballot", b->name);
    slice_key(s, "member", seat->first->member);
    text_key(s, "position", "none");
    bool_key(s, "excused", chance(s, 75));
    vote_seat_key(s, seat_role(seat, b->closes));
    event_end(s);
}

/* A P-member votes as diligently as it is, an observer now and then, others hardly ever. */
static void vote_draw(struct season *s, const struct ballot *b, const struct seat *seat)
{
    enum role role = seat_role(seat, b->closes);
    date_days day;

    if (chance(s, role == ROLE_P ? seat->diligence : role == ROLE_O ? 10 : 1)) {
        day = vote_day(s, b);
        vote_answer(s, b, seat, day);
        if (chance(s, 2)) /* changed its mind */
            vote_answer(s, b, seat, day + 1);
    } else if (role == ROLE_P && chance(s, 20)) {
        vote_none(s, b, seat);
    }
}

static void ballot_draw(struct season *s, unsigned number)
{
    struct ballot b = {.kind = kind_pick(s)};

    b.closes = day_between(s, s->first, s->last);
    b.opens = b.closes - 7 * b.kind->weeks;
    b.stage = stage_pick(s, b.closes);
    snprintf(b.name, sizeof b.name, "%s %d-%u", b.kind->name, s->year, number);
    ballot_notice(s, &b);
    if (b.opens > s->today)
        return;
    for (size_t i = 0; i < s->seat_count; i++)
        vote_draw(s, &b, &s->seats[i]);
}

/* ---- meetings ---- */
struct meeting {
    char name[32];
    date_days starts;
    enum planning planning;
};

static enum planning planning_pick(struct season *s, date_days starts)
{
    if (chance(s, 8))
        return PLANNING_CANCELLED;
    return starts < s->today ? PLANNING_HELD : PLANNING_PLANNED;
}

static void meeting_notice(struct season *s, const struct meeting *m)
{
    event_begin(s, EVENT_MEETING, m->starts - 60);
    text_key(s, "meeting", m->name);
    date_key(s, "starts", m->starts);
    date_key(s, "ends", m->starts + (date_days)below(s, 5));
    text_key(s, "status", planning_name[m->planning]);
    if (chance(s, 10))
        bool_key(s, "mandatory", false);
    level_key(s);
    event_end(s);
}

static void participant_draw(struct season *s, const struct meeting *m, struct slice member,
                             unsigned number, enum presence presence)
{
    char participant[16];

    snprintf(participant, sizeof participant, "p-%u", number);
    event_begin(s, EVENT_ATTENDANCE, m->starts);
    text_key(s, "meeting", m->name);
    slice_key(s, "member", member);
    text_key(s, "participant", participant);
    date_key(s, "date", m->starts);
    text_key(s, "status", presence_name[presence]);
    text_key(s, "mode", mode_name[chance(s, 30) ? MODE_VIRTUAL : MODE_ONSITE]);
    if (number == 1)
        text_key(s, "role", part_name[chance(s, 60) ? PART_HEAD : PART_DELEGATE]);
    event_end(s);
}

/* Who comes brings one to four; of those who do not some say why, some write, some just did not. */
static void delegation_draw(struct season *s, const struct meeting *m, const struct seat *seat)
{
    static const enum presence absent[] = {PRESENCE_EXCUSED, PRESENCE_CORRESPONDENCE,
                                           PRESENCE_NO_SHOW};
    enum presence present =
        m->planning == PLANNING_PLANNED ? PRESENCE_REGISTERED : PRESENCE_ATTENDED;
    enum role role = seat_role(seat, m->starts);
    unsigned people = 1 + below(s, 4);

    if (chance(s, role == ROLE_P ? seat->diligence : role == ROLE_O ? 8 : 1)) {
        for (unsigned i = 1; i <= people; i++)
            participant_draw(s, m, seat->first->member, i,
                             chance(s, 5) ? PRESENCE_NO_SHOW : present);
    } else if (role == ROLE_P && chance(s, 40)) {
        participant_draw(s, m, seat->first->member, 1, absent[below(s, 3)]);
    }
}

static void meeting_draw(struct season *s, unsigned number)
{
    struct meeting m = {.starts = day_between(s, s->first, s->last)};

    m.planning = planning_pick(s, m.starts);
    snprintf(m.name, sizeof m.name, "%d-%u", s->year, number);
    meeting_notice(s, &m);
    for (size_t i = 0; i < s->seat_count; i++)
        delegation_draw(s, &m, &s->seats[i]);
}

/* ---- the year ---- */
/* Most seats are in good hands, some in forgetful ones, some in none; with some members more than
 * with others. */
static unsigned diligence_pick(struct season *s, struct slice member)
{
    unsigned ticket = below(s, 100) + (unsigned)(table_hash(member) % 30);

    return ticket < 75 ? 97 : ticket < 100 ? 75 : 15;
}

/* Takes the seats of the committee at the start of the list; returns how many notices they were. */
static size_t seats_take(struct season *s, const struct notice *list, size_t count)
{
    size_t i = 0;

    s->seat_count = 0;
    for (; i < count && slice_equal(list[i].committee, list[0].committee); i++) {
        bool same = i > 0 && slice_equal(list[i - 1].member, list[i].member);

        assert(same || s->seat_count < MEMBERS_MAX);
        if (same)
            s->seats[s->seat_count - 1].count++;
        else
            s->seats[s->seat_count++] =
                (struct seat){&list[i], 1, diligence_pick(s, list[i].member)};
    }
    return i;
}

/* A few committees rest all year: their P-seats have no duties. */
static void committee_draw(struct season *s)
{
    unsigned ballots = 6 + below(s, 7), meetings = 1 + below(s, 2);

    if (chance(s, 3))
        return;
    s->level = chance(s, 4) ? level_name[LEVEL_GOVERNANCE] : NULL;
    for (unsigned i = 1; i <= ballots; i++)
        ballot_draw(s, i);
    for (unsigned i = 1; i <= meetings; i++)
        meeting_draw(s, i);
}

date_days season_today(int year)
{
    return date_from_civil((struct date_civil){year, 10, 1});
}

void season_events(uint64_t seed, int year, unsigned percent, struct slice registry,
                   struct buffer *ret)
{
    struct buffer list = notices_of(registry);
    const struct notice *n = (const struct notice *)(const void *)list.at;
    struct season *s = memory_need(sizeof *s);

    *s = (struct season){.year = year,
                         .first = date_from_civil((struct date_civil){year, 1, 1}),
                         .today = season_today(year),
                         .last = date_from_civil((struct date_civil){year, 12, 31}),
                         .ret = ret};
    for (size_t left = list.size / sizeof *n, taken; left > 0; left -= taken, n += taken) {
        s->committee = n->committee;
        s->committee_number++;
        s->event_number = 0;
        s->random = random_new(seed ^ table_hash(n->committee));
        taken = seats_take(s, n, left);
        if (chance(s, percent))
            committee_draw(s);
    }
    buffer_free(&s->keys);
    free(s);
    buffer_free(&list);
}
