/* Explaining: what contributes to a number; see explain_inner.h.
 *
 * Each unit (one member's part in a ballot, a participant, one member's part in a meeting, an
 * adoption) is tallied alone, so that what then stands in the ledger's counters is its share. */
#include "workers/audit/explain_inner.h"
#include "workers/tally.h"

#include <assert.h>

/* Hands over a unit that has been tallied, and makes the counters empty for the next. */
static void unit_end(struct explain *x, explain_unit_fn each, const struct explain_unit *u)
{
    each(x, u);
    ledger_settle(x->ledger, SIZE_MAX);
}

/* Only one member's part is asked for, and this is not it. */
static bool passed_over(const struct explain *x, const struct member *m)
{
    return x->target->member.at && !slice_equal(x->target->member, m->entry.key);
}

static void ballot_unit(struct explain *x, explain_unit_fn each, struct ballot *b,
                        const struct member *m, struct vote *v)
{
    struct explain_unit u = {.member = m, .ballot = b, .vote = v};

    if (passed_over(x, m))
        return;
    memset(b->tally, 0, sizeof b->tally);
    tally_vote(x->ledger, b, m, v, +1);
    unit_end(x, each, &u);
}

static void ballot_units(struct explain *x, explain_unit_fn each, struct ballot *b)
{
    struct vote *v;
    const struct seat_line *line;

    for (size_t i = 0; (v = table_next(&b->votes, &i));)
        ballot_unit(x, each, b, v->member, v);
    for (size_t i = 0; (line = table_next(&b->committee->seats, &i));)
        if (!table_find(&b->votes, line->entry.key))
            ballot_unit(x, each, b, line->member, NULL);
}

static void participant_unit(struct explain *x, explain_unit_fn each, struct meeting *m,
                             const struct participant *p)
{
    struct explain_unit u = {.member = p->delegation->member, .meeting = m, .participant = p};

    memset(m->tally, 0, sizeof m->tally);
    tally_participant(x->ledger, m, p, +1);
    unit_end(x, each, &u);
}

static void delegation_unit(struct explain *x, explain_unit_fn each, struct meeting *m,
                            const struct member *member)
{
    struct explain_unit u = {.member = member, .meeting = m};

    if (passed_over(x, member))
        return;
    memset(m->tally, 0, sizeof m->tally);
    tally_delegation(x->ledger, m, member, +1);
    unit_end(x, each, &u);
}

static void meeting_units(struct explain *x, explain_unit_fn each, struct meeting *m)
{
    const struct delegation *d;
    const struct seat_line *line;

    for (size_t i = 0; (d = table_next(&m->delegations, &i));) {
        for (const struct participant *p = d->first; p; p = p->next)
            if (!passed_over(x, d->member))
                participant_unit(x, each, m, p);
        delegation_unit(x, each, m, d->member);
    }
    for (size_t i = 0; (line = table_next(&m->committee->seats, &i));)
        if (!table_find(&m->delegations, line->entry.key))
            delegation_unit(x, each, m, line->member);
}

static void member_units(struct explain *x, explain_unit_fn each, struct member *m)
{
    const struct adoption *a;

    for (size_t i = 0; (a = table_next(&m->adoptions, &i));) {
        struct explain_unit u = {.member = m, .adoption = a};
        tally_adoption(x->ledger, m, &a->fact, +1);
        unit_end(x, each, &u);
    }
}

void explain_units(struct explain *x, explain_unit_fn each)
{
    struct ledger *l = x->ledger;
    struct committee *c;
    struct ballot *b;
    struct meeting *meeting;
    struct member *m;

    for (size_t i = 0; (c = table_next(&l->committees, &i));) {
        for (size_t j = 0; (b = table_next(&c->ballots, &j));)
            ballot_units(x, each, b);
        for (size_t j = 0; (meeting = table_next(&c->meetings, &j));)
            meeting_units(x, each, meeting);
    }
    for (size_t i = 0; (m = table_next(&l->members, &i));)
        if (!passed_over(x, m))
            member_units(x, each, m);
}

/* ---- amounts ---- */
static bool row_is(const struct explain *x, const struct row *r)
{
    const struct target *t = x->target;

    if (r->key.period != t->period)
        return false;
    switch (t->family) {
    case TARGET_MEMBER:
        return r->key.kind == ROW_MEMBER;
    case TARGET_COMMITTEE:
        return r->key.kind == ROW_COMMITTEE;
    case TARGET_SEAT:
        return r->key.kind == ROW_SEAT;
    case TARGET_GROUP:
        return r->key.kind == ROW_MEMBER && (t->whole || explain_group_has(x, r->key.member));
    default:
        return false;
    }
}

static int64_t row_amount(const struct explain *x, const struct row *r)
{
    int64_t amount = 0;

    for (uint32_t i = 0; i < r->count; i++)
        for (size_t t = 0; t < x->target->term_count; t++)
            if (r->cells[i].field == x->fields[t])
                amount += x->target->terms[t].sign * r->cells[i].amount;
    return amount;
}

int64_t explain_amount(const struct explain *x, const struct explain_unit *u)
{
    int64_t amount = 0;

    if (x->target->family == TARGET_BALLOT)
        return u->ballot ? u->ballot->tally[x->target->tally] : 0;
    if (x->target->family == TARGET_MEETING)
        return u->meeting ? u->meeting->tally[x->target->tally] : 0;
    for (const struct row *r = x->ledger->counters.first; r; r = r->next)
        if (row_is(x, r))
            amount += row_amount(x, r);
    return amount;
}

/* ---- facts ---- */
const struct seat *explain_seat(const struct committee *c, struct slice member, date_days day)
{
    const struct seat_line *line = table_find(&c->seats, member);
    const struct seat *found = NULL;

    for (const struct seat *s = line ? line->first : NULL; s && s->from <= day; s = s->next)
        if (version_holds(&s->fact.version))
            found = s;
    return found;
}

static void note_seat(struct explain *x, const struct committee *c, const struct member *m,
                      date_days day)
{
    const struct seat *s = explain_seat(c, m->entry.key, day);

    if (s)
        explain_note(x, &s->fact);
}

/* The vote, the ballot's notice, and the seat's notice unless the vote names the seat.  A vote that
 * was retracted is told too, last: it is why there is none. */
static void note_ballot(struct explain *x, const struct explain_unit *u)
{
    const struct vote_fact *vote = u->vote ? &u->vote->fact : NULL;
    const struct ballot_fact *notice = &u->ballot->notice;
    bool holds = vote && version_holds(&vote->version), noticed = version_holds(&notice->version);
    bool names_seat = holds && vote->seat;

    if (holds && (x->target->by_answer || names_seat))
        explain_note(x, vote);
    if (noticed)
        explain_note(x, notice);
    if (noticed && x->target->by_seat && !names_seat)
        note_seat(x, u->ballot->committee, u->member, notice->closes);
    if (vote && !holds && x->target->by_answer)
        explain_note(x, vote);
}

/* What decides a member's part in a meeting: the best that any of its participants did. */
static enum presence best_presence(const struct delegation *d)
{
    return !d                                    ? PRESENCE_ABSENT
           : d->present[PRESENCE_ATTENDED]       ? PRESENCE_ATTENDED
           : d->present[PRESENCE_CORRESPONDENCE] ? PRESENCE_CORRESPONDENCE
           : d->present[PRESENCE_EXCUSED]        ? PRESENCE_EXCUSED
                                                 : PRESENCE_ABSENT;
}

static void note_delegation(struct explain *x, const struct explain_unit *u)
{
    const struct delegation *d = table_find(&u->meeting->delegations, u->member->entry.key);
    enum presence best = best_presence(d);
    const struct meeting_fact *notice = &u->meeting->notice;
    bool noticed = version_holds(&notice->version);

    for (const struct participant *p = best && x->target->by_answer ? d->first : NULL; p;
         p = p->next)
        if (version_holds(&p->fact.version) && p->fact.presence == best)
            explain_note(x, &p->fact);
    if (noticed)
        explain_note(x, notice);
    if (noticed && x->target->by_seat)
        note_seat(x, u->meeting->committee, u->member, notice->starts);
}

static void note_participant(struct explain *x, const struct explain_unit *u)
{
    explain_note(x, &u->participant->fact);
    if (version_holds(&u->meeting->notice.version))
        explain_note(x, &u->meeting->notice);
}

void explain_note_unit(struct explain *x, const struct explain_unit *u)
{
    if (u->ballot)
        note_ballot(x, u);
    else if (u->participant)
        note_participant(x, u);
    else if (u->meeting)
        note_delegation(x, u);
    else
        explain_note(x, &u->adoption->fact);
    assert(x->noted.count);
}
