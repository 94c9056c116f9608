/* Tallying; see tally.h. */
#include "workers/tally.h"

#include "workers/share.h"

#include <assert.h>

static const struct vote_fact no_vote;

static void add(struct ledger *l, struct place *at, uint8_t level, enum counter counter,
                struct slice suffix, bool applies, int sign)
{
    if (applies)
        counters_add(&l->counters, at, counters_field(&l->counters, level, counter, suffix), sign);
}

static void tally_share(struct ballot *b, const struct ballot_share *s, int sign)
{
    if (s->position) {
        b->tally[TALLY_VOTES] += sign;
        b->tally[TALLY_VOTES + s->position] += sign;
    }
    if (s->position && s->by_p) {
        b->tally[TALLY_P_VOTES] += sign;
        b->tally[TALLY_P_VOTES + s->position] += sign;
    }
    b->tally[TALLY_DUE] += s->due * sign;
    b->tally[TALLY_MISSED] += s->missed * sign;
    b->tally[TALLY_EXCUSED] += s->excused * sign;
}

static void count_share(struct ledger *l, struct place *at, const struct ballot_share *s,
                        struct slice kind, int sign)
{
    struct slice whole = {0};

    if (s->position) {
        add(l, at, s->level, COUNTER_VOTES, whole, true, sign);
        add(l, at, s->level, COUNTER_VOTES + s->position, whole, true, sign);
        add(l, at, s->level, COUNTER_COMMENTED, whole, s->commented, sign);
        add(l, at, s->level, COUNTER_PARTICIPATE, whole, s->participate, sign);
        add(l, at, s->level, COUNTER_LATE, whole, s->late, sign);
    }
    at->duty = true;
    add(l, at, s->level, COUNTER_VOLUNTARY, whole, s->voluntary, sign);
    if (!s->due)
        return;
    add(l, at, s->level, COUNTER_DUE, whole, true, sign);
    add(l, at, s->level, COUNTER_DUE, kind, true, sign);
    add(l, at, s->level, COUNTER_ABSTAINED, whole, s->abstained, sign);
    add(l, at, s->level, COUNTER_EXCUSED, whole, s->excused, sign);
    add(l, at, s->level, COUNTER_MISSED, whole, s->missed, sign);
    add(l, at, s->level, COUNTER_MISSED, kind, s->missed, sign);
    if (s->commented)
        counters_add_seat(&l->counters, at,
                          counters_named(&l->counters, slice_of("ballots.commented")), sign);
}

static enum role vote_role(const struct ballot *b, const struct member *m, struct vote *v)
{
    if (!v)
        return seat_role(ledger_line(b->committee, m), b->notice.closes);
    if (!v->line)
        v->line = ledger_line(b->committee, m);
    return seat_role(v->line, b->notice.closes);
}

void tally_vote(struct ledger *l, struct ballot *b, const struct member *m, struct vote *v,
                int sign)
{
    bool noticed = version_holds(&b->notice.version);
    struct ballot_share s;
    struct place at;

    assert(b->loaded && (b->complete || (v && v->loaded))); /* or unknown would pass for absent */
    s = ballot_share(&b->notice, v ? &v->fact : &no_vote, noticed ? vote_role(b, m, v) : ROLE_NONE);
    at = (struct place){.member = m, .committee = b->committee, .day = s.day};
    tally_share(b, &s, sign);
    count_share(l, &at, &s, b->notice.kind, sign);
}

void tally_ballot(struct ledger *l, struct ballot *b, int sign)
{
    struct vote *v;
    const struct seat_line *line;

    assert(b->loaded && b->complete);
    for (size_t i = 0; (v = table_next(&b->votes, &i));)
        tally_vote(l, b, v->member, v, sign);
    for (size_t i = 0; (line = table_next(&b->committee->seats, &i));)
        if (!ledger_voted(b, line->member))
            tally_vote(l, b, line->member, NULL, sign);
}

enum verdict tally_verdict(const struct ballot *b)
{
    const int64_t *all = b->tally + TALLY_VOTES, *p = b->tally + TALLY_P_VOTES;

    if (!ballot_has_verdict(&b->notice) || p[POSITION_APPROVE] + p[POSITION_DISAPPROVE] == 0)
        return VERDICT_ABSENT;
    return ballot_passes(p[POSITION_APPROVE], p[POSITION_DISAPPROVE], all[POSITION_APPROVE],
                         all[POSITION_DISAPPROVE])
               ? VERDICT_PASS
               : VERDICT_FAIL;
}

void tally_participant(struct ledger *l, struct meeting *m, const struct participant *p, int sign)
{
    struct delegate_share s = delegate_share(&m->notice, &p->fact);
    struct place at = {.member = p->delegation->member, .committee = m->committee, .day = s.day};
    struct slice whole = {0};

    if (!s.counts)
        return;
    m->tally[GATHERING_DELEGATES] += sign;
    add(l, &at, s.level, COUNTER_DELEGATES, whole, true, sign);
    add(l, &at, s.level, COUNTER_DELEGATES_VIRTUAL, whole, s.is_virtual, sign);
    add(l, &at, s.level, COUNTER_DELEGATES_HEAD, whole, s.head, sign);
}

/* The first (day, level) at which one of them attended: where a meeting without a notice counts. */
static void first_attended(const struct delegation *d, date_days *ret_day, uint8_t *ret_level)
{
    *ret_day = DATE_NONE;
    *ret_level = LEVEL_ABSENT;
    for (const struct participant *p = d->first; p; p = p->next) {
        const struct attendance_fact *a = &p->fact;
        if (!version_holds(&a->version) || a->presence != PRESENCE_ATTENDED)
            continue;
        /* levels in the order of their names: governance before technical */
        if (*ret_day == DATE_NONE || a->date < *ret_day ||
            (a->date == *ret_day && a->level > *ret_level)) {
            *ret_day = a->date;
            *ret_level = a->level;
        }
    }
}

void tally_delegation(struct ledger *l, struct meeting *m, const struct member *member, int sign)
{
    static const struct delegation nobody;
    const struct delegation *d =
        table_find_hashed(&m->delegations, member->entry.key, member->entry.hash);
    bool noticed = version_holds(&m->notice.version);
    enum role role =
        noticed ? seat_role(ledger_line(m->committee, member), m->notice.starts) : ROLE_NONE;
    struct slice whole = {0};
    date_days day = DATE_NONE;
    uint8_t level = LEVEL_ABSENT;

    d = d ? d : &nobody;
    if (!noticed)
        first_attended(d, &day, &level);
    struct presence_share s = presence_share(&m->notice, d->present, day, level, role);
    struct place at = {.member = member, .committee = m->committee, .day = s.day};
    m->tally[GATHERING_MEMBERS] += s.attended * sign;
    m->tally[GATHERING_DUE] += s.due * sign;
    m->tally[GATHERING_MISSED] += s.missed * sign;
    add(l, &at, s.level, COUNTER_ATTENDED, whole, s.attended, sign);
    at.duty = true;
    add(l, &at, s.level, COUNTER_MEETINGS_DUE, whole, s.due, sign);
    add(l, &at, s.level, COUNTER_MEETINGS_MISSED, whole, s.missed, sign);
    add(l, &at, s.level, COUNTER_MEETINGS_EXCUSED, whole, s.excused, sign);
    add(l, &at, s.level, COUNTER_MEETINGS_CORRESPONDENCE, whole, s.correspondence, sign);
}

void tally_meeting(struct ledger *l, struct meeting *m, int sign)
{
    const struct delegation *d;
    const struct seat_line *line;

    assert(m->complete);
    for (size_t i = 0; (d = table_next(&m->delegations, &i));) {
        for (const struct participant *p = d->first; p; p = p->next)
            tally_participant(l, m, p, sign);
        tally_delegation(l, m, d->member, sign);
    }
    for (size_t i = 0; (line = table_next(&m->committee->seats, &i));)
        if (!table_find_hashed(&m->delegations, line->entry.key, line->entry.hash))
            tally_delegation(l, m, line->member, sign);
}

static void add_named(struct ledger *l, struct place *at, struct slice name, int sign)
{
    counters_add(&l->counters, at, counters_named(&l->counters, name), sign);
}

/* "adoptions.theme.trade" and "adoptions.sdg.13" */
static void add_parts(struct ledger *l, struct place *at, const struct adoption_fact *a, int sign)
{
    for (uint32_t i = 0; i < a->theme_count; i++) {
        bool again = false; /* a theme given twice is one theme */
        for (uint32_t j = 0; j < i && !again; j++)
            again = slice_equal(a->themes[i], a->themes[j]);
        buffer_clear(&l->scratch);
        buffer_add_text(&l->scratch, "adoptions.theme.");
        buffer_add_slice(&l->scratch, a->themes[i]);
        if (!again)
            add_named(l, at, buffer_slice(&l->scratch), sign);
    }
    for (int goal = 1; goal <= 17; goal++) {
        buffer_clear(&l->scratch);
        buffer_add_text(&l->scratch, "adoptions.sdg.");
        buffer_add_int(&l->scratch, goal);
        if (a->sdgs >> goal & 1)
            add_named(l, at, buffer_slice(&l->scratch), sign);
    }
}

void tally_adoption(struct ledger *l, const struct member *m, const struct adoption_fact *a,
                    int sign)
{
    static const char *const by_degree[DEGREES] = {
        [DEGREE_IDT] = "adoptions.identical",
        [DEGREE_MOD] = "adoptions.modified",
        [DEGREE_NEQ] = "adoptions.not-equivalent",
    };
    struct place at = {.member = m, .day = a->date};

    if (!version_holds(&a->version))
        return;
    add_named(l, &at, slice_of(by_degree[a->degree]), sign);
    if (a->degree == DEGREE_NEQ)
        return;
    add_named(l, &at, slice_of("adoptions"), sign);
    add_parts(l, &at, a, sign);
    at = (struct place){.member = m, .day = a->withdrawn};
    if (a->force == FORCE_WITHDRAWN)
        add_named(l, &at, slice_of("adoptions.withdrawn"), sign);
}

/* One step of the member's tenures: "P|2026-04-01". */
static void add_tenure(struct ledger *l, const struct member *m, const char *role, date_days day,
                       int amount)
{
    struct row_key key = {.member = m, .kind = ROW_TENURE};
    char date[DATE_TEXT];

    if (amount == 0)
        return;
    date_format(day, date);
    buffer_clear(&l->scratch);
    buffer_add_text(&l->scratch, role);
    buffer_add(&l->scratch, "|", 1);
    buffer_add(&l->scratch, date, sizeof date);
    row_add(&l->counters, counters_row(&l->counters, &key),
            counters_named(&l->counters, buffer_slice(&l->scratch)), amount);
}

void tally_tenure(struct ledger *l, const struct committee *c, const struct member *m, int sign)
{
    const struct seat_line *line = ledger_line(c, m);
    uint8_t before = ROLE_NONE;

    for (const struct seat *s = line ? line->first : NULL; s; s = s->next) {
        if (!version_holds(&s->fact.version))
            continue;
        uint8_t now = s->fact.role;
        add_tenure(l, m, "P", s->from, sign * ((now == ROLE_P) - (before == ROLE_P)));
        add_tenure(l, m, "O", s->from, sign * ((now == ROLE_O) - (before == ROLE_O)));
        before = now;
    }
}

void tally_seat(struct ledger *l, struct committee *c, const struct member *m, date_days from,
                int sign)
{
    struct ballot *b;
    struct meeting *meeting;

    for (size_t i = 0; (b = table_next(&c->ballots, &i));)
        if (b->loaded && version_holds(&b->notice.version) && b->notice.closes >= from) {
            tally_vote(l, b, m, ledger_voted(b, m), sign);
            ledger_touch_ballot(l, b);
        }
    for (size_t i = 0; (meeting = table_next(&c->meetings, &i));)
        if (meeting->loaded && version_holds(&meeting->notice.version) &&
            meeting->notice.starts >= from) {
            tally_delegation(l, meeting, m, sign);
            ledger_touch_meeting(l, meeting);
        }
}
