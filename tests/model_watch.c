/* The watch list from scratch: every P-seat of today, its three reasons to be at risk, one after
 * the other.  It reads the seats' counters that the model has written before. */
#include "tests/model_count.h"

#include <stdlib.h>

enum risk { RISK_NONE, RISK_AMBER, RISK_RED };

/* One committee: its ballots, and its held mandatory meetings, the latest first. */
struct committee {
    struct slice name;
    struct fact_range ballots;
    const struct event **meetings;
    size_t meeting_count;
};

static int64_t seat_number(struct model *m, const struct committee *c, struct slice member,
                           const char *name)
{
    return model_seat_number(m, c->name, member, date_to_civil(m->today).year, name);
}

/* ---- a ballot missed, or about to be ---- */
static bool is_draft(struct slice kind)
{
    return slice_is(kind, "DIS") || slice_is(kind, "FDIS") || slice_is(kind, "SR");
}

static bool is_settled(struct model *m, const struct event *ballot, struct slice member)
{
    struct fact_range vote =
        facts_of(m->facts, EVENT_VOTE, ballot->committee, ballot->ballot, member);

    return vote.count > 0 && (vote.first->position != POSITION_NONE || vote.first->excused);
}

static bool closes_soon(struct model *m, const struct event *ballot)
{
    return ballot->closes >= m->today && ballot->closes <= m->today + m->rules.warn_days;
}

static enum risk risk_ballot(struct model *m, const struct committee *c, struct slice member)
{
    int64_t missed = seat_number(m, c, member, "ballots.missed.DIS") +
                     seat_number(m, c, member, "ballots.missed.FDIS") +
                     seat_number(m, c, member, "ballots.missed.SR");

    if (missed >= m->rules.missed_dis)
        return RISK_RED;
    for (size_t i = 0; i < c->ballots.count; i++) {
        const struct event *b = &c->ballots.first[i];

        if (b->stage == STAGE_OPEN && b->mandatory && is_draft(b->kind) && closes_soon(m, b) &&
            !is_settled(m, b, member))
            return RISK_AMBER;
    }
    return RISK_NONE;
}

/* ---- too large a share of the internal ballots missed ---- */
static bool share_exceeds(const struct rules *r, int64_t missed, int64_t due)
{
    return missed >= r->cib_min && 100 * missed > r->cib_percent * due;
}

static enum risk risk_share(struct model *m, const struct committee *c, struct slice member)
{
    int64_t missed = seat_number(m, c, member, "ballots.missed.CIB");
    int64_t due = seat_number(m, c, member, "ballots.due.CIB");

    if (share_exceeds(&m->rules, missed, due))
        return RISK_RED;
    return share_exceeds(&m->rules, missed + 1, due + 1) ? RISK_AMBER : RISK_NONE;
}

/* ---- the last meetings missed ---- */
static bool is_missed(struct model *m, const struct event *meeting, struct slice member)
{
    struct fact_range people =
        facts_of(m->facts, EVENT_ATTENDANCE, meeting->committee, meeting->meeting, member);

    for (size_t i = 0; i < people.count; i++) {
        enum presence p = people.first[i].presence;

        if (p == PRESENCE_ATTENDED || p == PRESENCE_CORRESPONDENCE || p == PRESENCE_EXCUSED)
            return false;
    }
    return true;
}

static enum risk risk_meetings(struct model *m, const struct committee *c, struct slice member)
{
    int64_t run = m->rules.meetings_run, missed = 0;

    for (size_t i = 0; i < c->meeting_count && missed < run; i++) {
        if (model_role(m, c->name, member, c->meetings[i]->starts) != ROLE_P)
            continue;
        if (!is_missed(m, c->meetings[i], member))
            break;
        missed++;
    }
    if (missed >= run)
        return RISK_RED;
    return missed > 0 ? RISK_AMBER : RISK_NONE;
}

/* ---- one seat after the other ---- */
static void put_risk(struct model *m, const struct committee *c, struct slice member,
                     const char *reason, enum risk risk)
{
    char seat[KEY_ROOM], key[KEY_ROOM], name[KEY_ROOM];
    const char *score = risk == RISK_RED ? "2" : "1";

    if (risk == RISK_NONE)
        return;
    snprintf(seat, sizeof seat, "%.*s|%.*s|%s", TEXT(c->name), TEXT(member), reason);
    model_put_text(m, "turnout:watch", seat, slice_of(score));
    snprintf(key, sizeof key, "turnout:risk:%.*s", TEXT(c->name));
    snprintf(name, sizeof name, "%.*s|%s", TEXT(member), reason);
    model_put_text(m, key, name, slice_of(score));
}

static void watch_seat(struct model *m, const struct committee *c, struct slice member)
{
    if (model_role(m, c->name, member, m->today) != ROLE_P)
        return;
    put_risk(m, c, member, "missed-ballot", risk_ballot(m, c, member));
    put_risk(m, c, member, "missed-share", risk_share(m, c, member));
    put_risk(m, c, member, "missed-meetings", risk_meetings(m, c, member));
}

static int later_first(const void *a, const void *b)
{
    const struct event *x = *(const struct event *const *)a, *y = *(const struct event *const *)b;

    if (x->starts != y->starts)
        return x->starts < y->starts ? 1 : -1;
    return slice_compare(y->meeting, x->meeting);
}

static void take_meetings(struct model *m, struct committee *c)
{
    struct fact_range all = facts_of(m->facts, EVENT_MEETING, c->name, model_any, model_any);

    c->meetings = memory_need((all.count + 1) * sizeof *c->meetings);
    for (size_t i = 0; i < all.count; i++)
        if (all.first[i].planning == PLANNING_HELD && all.first[i].mandatory)
            c->meetings[c->meeting_count++] = &all.first[i];
    qsort(c->meetings, c->meeting_count, sizeof *c->meetings, later_first);
}

static void watch_committee(struct model *m, struct slice name)
{
    struct fact_range seats = facts_of(m->facts, EVENT_SEAT, name, model_any, model_any);
    struct committee c = {.name = name};

    c.ballots = facts_of(m->facts, EVENT_BALLOT, name, model_any, model_any);
    take_meetings(m, &c);
    for (size_t i = 0; i < seats.count; i++)
        if (i == 0 || !slice_equal(seats.first[i - 1].member, seats.first[i].member))
            watch_seat(m, &c, seats.first[i].member);
    free(c.meetings);
}

void model_count_watch(struct model *m)
{
    struct fact_range seats = facts_of(m->facts, EVENT_SEAT, model_any, model_any, model_any);

    for (size_t i = 0; i < seats.count; i++)
        if (i == 0 || !slice_equal(seats.first[i - 1].committee, seats.first[i].committee))
            watch_committee(m, seats.first[i].committee);
}
