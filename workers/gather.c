/* Gathering; see gather.h.
 *
 * The row functions at the top read what the store has into the records; a row that turnout did
 * not write is ERR_CORRUPT and ends the fetch. */
#include "workers/gather.h"

#include "proto/error.h"

#include <stdlib.h>

#define SEATS_FEW   64  /* notices in a batch */
#define BALLOTS_FEW 128 /* of a batch, with votes to fetch */
#define SINGLY_MOST 8   /* votes of a ballot: where more are asked for, all are fetched */

static bool split(struct slice pair, char at, struct slice *ret_left, struct slice *ret_right)
{
    *ret_right = pair;
    return slice_cut(ret_right, at, ret_left);
}

static int row_tally(const char *const *names, unsigned count, int64_t *tally, int64_t *stored,
                     struct slice field, struct slice value)
{
    for (unsigned i = 0; i < count; i++)
        if (names[i] && slice_is(field, names[i])) {
            if (!slice_to_int(value, &tally[i]))
                return ERR_CORRUPT;
            stored[i] = tally[i];
            return 0;
        }
    return 0; /* fields for dashboards */
}

static int row_ballot(void *context, void *record, struct slice field, struct slice value)
{
    struct ledger *l = context;
    struct ballot *b = record;

    if (slice_is(field, "notice"))
        return fact_parse(EVENT_BALLOT, value, &l->keep, &b->notice);
    if (slice_is(field, "verdict")) {
        b->stored_verdict = slice_is(value, "pass") ? VERDICT_PASS : VERDICT_FAIL;
        return 0;
    }
    return row_tally(tally_name, TALLIES, b->tally, b->stored, field, value);
}

static int row_vote(void *context, void *record, struct slice field, struct slice value)
{
    struct ledger *l = context;
    struct vote *v = value.at ? ledger_vote(l, record, ledger_member(l, field)) : NULL;

    /* what the ledger already had is as new as this or newer */
    if (!v || v->fact.version.known)
        return 0;
    return fact_parse(EVENT_VOTE, value, &l->many, &v->fact);
}

static int votes_come(void *context, void *record)
{
    struct ballot *b = record;

    (void)context;
    b->at_hand = true;
    return 0;
}

static int row_meeting(void *context, void *record, struct slice field, struct slice value)
{
    struct ledger *l = context;
    struct meeting *m = record;

    if (slice_is(field, "notice"))
        return fact_parse(EVENT_MEETING, value, &l->keep, &m->notice);
    return row_tally(gathering_name, GATHERINGS, m->tally, m->stored, field, value);
}

static int row_attendance(void *context, void *record, struct slice field, struct slice value)
{
    struct ledger *l = context;
    struct slice member, participant;
    struct participant *p;

    if (!split(field, '|', &member, &participant))
        return ERR_CORRUPT;
    p = ledger_participant(l, record, ledger_member(l, member), field);
    if (fact_parse(EVENT_ATTENDANCE, value, &l->many, &p->fact) < 0)
        return ERR_CORRUPT;
    if (version_holds(&p->fact.version))
        p->delegation->present[p->fact.presence]++;
    return 0;
}

static int row_seat(void *context, void *record, struct slice field, struct slice value)
{
    struct ledger *l = context;
    struct slice member, from;
    date_days day;

    if (!split(field, '|', &member, &from) || !date_parse(from, &day))
        return ERR_CORRUPT;
    return fact_parse(EVENT_SEAT, value, &l->keep,
                      &ledger_seat(l, record, ledger_member(l, member), day)->fact);
}

static int row_committee(void *context, void *record, struct slice field, struct slice value)
{
    struct ledger *l = context;
    struct committee *c = record;

    (void)field;
    if (!value.at)
        return 0;
    c->listed = true;
    return slice_is(value, "-") ? 0 : fact_parse(EVENT_COMMITTEE, value, &l->keep, &c->fact);
}

/* The index of a committee: "ballot|B" and "meeting|M" with their dates, and "committee". */
static int row_date(void *context, void *record, struct slice field, struct slice value)
{
    struct ledger *l = context;
    struct committee *c = record;
    struct slice kind, id;
    date_days day;

    if (slice_is(field, "committee"))
        return 0;
    if (!split(field, '|', &kind, &id) || !date_parse(value, &day))
        return ERR_CORRUPT;
    if (slice_is(kind, "ballot"))
        ledger_ballot(l, c, id)->indexed = day;
    else
        ledger_meeting(l, c, id)->indexed = day;
    return 0;
}

static int row_adoption(void *context, void *record, struct slice field, struct slice value)
{
    struct ledger *l = context;

    if (!value.at)
        return 0;
    return fact_parse(EVENT_ADOPTION, value, &l->many, &ledger_adoption(l, record, field)->fact);
}

static int row_profile(void *context, void *record, struct slice field, struct slice value)
{
    struct ledger *l = context;
    date_days from;

    if (!date_parse(field, &from))
        return ERR_CORRUPT;
    return fact_parse(EVENT_MEMBER, value, &l->keep, &ledger_profile(l, record, from)->fact);
}

void gather_open(struct gather *g, struct ledger *l)
{
    *g = (struct gather){.ledger = l};
}

void gather_close(struct gather *g)
{
    free(g->fetches);
    free(g->ballots.items);
    free(g->members.items);
}

struct store_fetch *gather_key(struct gather *g, struct slice key, enum fetch_kind kind,
                               store_row_fn row, void *record)
{
    g->fetches = memory_room(g->fetches, g->count, &g->room, sizeof *g->fetches);
    g->fetches[g->count] = (struct store_fetch){
        .key = arena_copy(&g->ledger->batch, key), .kind = kind, .row = row, .record = record};
    return &g->fetches[g->count++];
}

static struct store_fetch *gather_add(struct gather *g, const char *family, struct slice a,
                                      struct slice b, store_row_fn row, void *record)
{
    struct buffer *key = &g->ledger->scratch;

    buffer_clear(key);
    buffer_add_text(key, family);
    buffer_add_slice(key, a);
    if (b.at) {
        buffer_add(key, "|", 1);
        buffer_add_slice(key, b);
    }
    return gather_key(g, buffer_slice(key), FETCH_HASH, row, record);
}

void gather_committee(struct gather *g, struct committee *c)
{
    static const struct slice fact = {"committee", 9};
    struct store_fetch *f;

    if (c->loaded)
        return;
    c->loaded = true;
    f = gather_add(g, "index:", c->entry.key, (struct slice){0}, row_committee, c);
    f->fields = &fact;
    f->field_count = 1;
    gather_add(g, "seats:", c->entry.key, (struct slice){0}, row_seat, c);
}

void gather_dates(struct gather *g, struct committee *c)
{
    if (c->dates_loaded)
        return;
    c->dates_loaded = true;
    gather_add(g, "index:", c->entry.key, (struct slice){0}, row_date, c);
}

static void load_ballot(struct gather *g, struct ballot *b)
{
    if (b->loaded)
        return;
    b->loaded = true;
    gather_add(g, "ballot:", b->committee->entry.key, b->entry.key, row_ballot, b);
}

void gather_ballot(struct gather *g, struct ballot *b)
{
    load_ballot(g, b);
    if (b->complete)
        return;
    b->complete = true;
    gather_add(g, "votes:", b->committee->entry.key, b->entry.key, row_vote, b)->done = votes_come;
}

static void widen_wanted(struct arena *batch, struct ballot *b)
{
    uint32_t room = b->wanted_room ? b->wanted_room * 2 : 8;
    struct slice *wanted = arena_need(batch, room * sizeof *wanted);

    if (b->wanted_count)
        memcpy(wanted, b->wanted, b->wanted_count * sizeof *wanted);
    b->wanted = wanted;
    b->wanted_room = room;
}

static void load_vote(struct gather *g, struct ballot *b, struct vote *v)
{
    load_ballot(g, b);
    if (b->complete || v->loaded)
        return;
    v->loaded = true;
    if (!b->wanted_count)
        pointers_add(&g->ballots, b);
    if (b->wanted_count == b->wanted_room)
        widen_wanted(&g->ledger->batch, b);
    b->wanted[b->wanted_count++] = v->entry.key;
}

void gather_meeting_notice(struct gather *g, struct meeting *m)
{
    if (m->loaded)
        return;
    m->loaded = true;
    gather_add(g, "meeting:", m->committee->entry.key, m->entry.key, row_meeting, m);
}

void gather_meeting(struct gather *g, struct meeting *m)
{
    gather_meeting_notice(g, m);
    if (m->complete)
        return;
    m->complete = true;
    gather_add(g, "attendance:", m->committee->entry.key, m->entry.key, row_attendance, m);
}

static void load_adoption(struct gather *g, struct member *m, struct adoption *a)
{
    if (a->loaded)
        return;
    a->loaded = true;
    if (!m->wanted_adoptions)
        pointers_add(&g->members, m);
    a->next_wanted = m->wanted_adoptions;
    m->wanted_adoptions = a;
}

static void load_profiles(struct gather *g, struct member *m)
{
    if (m->profiles_loaded)
        return;
    m->profiles_loaded = true;
    gather_add(g, "profiles:", m->entry.key, (struct slice){0}, row_profile, m);
}

void gather_event(struct gather *g, const struct event *e, const struct bearing *b)
{
    if (b->committee)
        gather_committee(g, b->committee);
    switch (e->type) {
    case EVENT_VOTE:
        load_vote(g, b->ballot, b->vote);
        break;
    case EVENT_BALLOT: /* moves everybody's part */
        gather_ballot(g, b->ballot);
        break;
    case EVENT_ATTENDANCE:
    case EVENT_MEETING:
        gather_meeting(g, b->meeting);
        break;
    case EVENT_ADOPTION:
        load_adoption(g, b->member, b->adoption);
        break;
    case EVENT_MEMBER:
        load_profiles(g, b->member);
        break;
    case EVENT_SEAT: /* bears on ballots and meetings by their dates */
        gather_dates(g, b->committee);
        g->seats++;
        break;
    case EVENT_COMMITTEE:
    case EVENT_TYPES:
        break;
    }
}

/* On a day that the notice in the store or the one in the ledger gives, whichever is later: what
 * a batch changes in between was loaded whole because of that change. */
static bool bears_on(date_days from, date_days indexed, bool holds, date_days day)
{
    return (indexed != DATE_NONE && indexed >= from) || (holds && day >= from);
}

/* One notice asks for one vote of each ballot, many for all: then those that are not there need no
 * records of their own, of which there would be as many as notices times ballots. */
static void gather_share(struct gather *g, struct ballot *b, struct member *m)
{
    if (g->seats > SEATS_FEW)
        gather_ballot(g, b);
    else
        load_vote(g, b, ledger_vote(g->ledger, b, m));
}

/* The ballots and meetings that the notice bears on. */
static void gather_seat(struct gather *g, const struct event *e, const struct bearing *bearing)
{
    struct committee *c = bearing->committee;
    struct ballot *b;
    struct meeting *m;

    for (size_t i = 0; (b = table_next(&c->ballots, &i));)
        if (bears_on(e->from, b->indexed, version_holds(&b->notice.version), b->notice.closes))
            gather_share(g, b, bearing->member);
    for (size_t i = 0; (m = table_next(&c->meetings, &i));)
        if (bears_on(e->from, m->indexed, version_holds(&m->notice.version), m->notice.starts))
            gather_meeting(g, m);
}

/* A registry that is sent again as it was changes nothing, and so asks for nothing. */
static bool seat_moves(const struct event *e, const struct bearing *b)
{
    return e->type == EVENT_SEAT &&
           version_compare(b->version, e, version_digest(e->raw)) != VERSION_OLDER;
}

void gather_seats(struct gather *g, const struct event *events, const struct bearing *bearings,
                  size_t count)
{
    const struct committee *first = NULL;
    size_t moves = 0;

    g->several = false;
    for (size_t i = 0; i < count && g->seats; i++) {
        if (!seat_moves(&events[i], &bearings[i]))
            continue;
        if (moves++ == 0)
            first = bearings[i].committee;
        g->several |= bearings[i].committee != first;
    }
    g->seats = moves;
    for (size_t i = 0; i < count && moves; i++)
        if (seat_moves(&events[i], &bearings[i]))
            gather_seat(g, &events[i], &bearings[i]);
}

/* More of its votes will be asked for soon.  With votes on very many ballots, each of them seldom
 * met, all votes of those would only drive each other out of the ledger. */
static bool is_sought(const struct gather *g, const struct ballot *b)
{
    return b->singly > SINGLY_MOST && g->ballots.count <= BALLOTS_FEW;
}

static void take_votes(struct gather *g, struct ballot *b)
{
    struct store_fetch *f;

    b->singly += b->wanted_count;
    if (is_sought(g, b)) {
        gather_ballot(g, b);
    } else if (!b->complete) {
        f = gather_add(g, "votes:", b->committee->entry.key, b->entry.key, row_vote, b);
        f->fields = b->wanted;
        f->field_count = b->wanted_count;
    }
    b->wanted_count = b->wanted_room = 0;
}

static void take_adoptions(struct gather *g, struct member *m)
{
    struct slice *fields;
    struct store_fetch *f;
    size_t n = 0;

    for (struct adoption *a = m->wanted_adoptions; a; a = a->next_wanted)
        n++;
    fields = arena_need(&g->ledger->batch, n * sizeof *fields);
    n = 0;
    for (struct adoption *a = m->wanted_adoptions; a; a = a->next_wanted)
        fields[n++] = a->entry.key;
    m->wanted_adoptions = NULL;
    f = gather_add(g, "adoptions:", m->entry.key, (struct slice){0}, row_adoption, m);
    f->fields = fields;
    f->field_count = n;
}

const struct store_fetch *gather_take(struct gather *g, size_t *ret_count)
{
    for (size_t i = 0; i < g->ballots.count; i++)
        take_votes(g, g->ballots.items[i]);
    for (size_t i = 0; i < g->members.count; i++)
        take_adoptions(g, g->members.items[i]);
    g->ballots.count = g->members.count = 0;
    *ret_count = g->count;
    g->count = 0;
    return g->fetches;
}
