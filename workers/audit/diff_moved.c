/* What events moved of one member's part in a group's sum; see diff_inner.h.
 *
 * A counter moves by what was added to it.  Whether a member is active, and whether a seat is
 * effective or dormant, is worked out anew after each event: what it was at the first moment is
 * what it is at the second less all that moved. */
#include "workers/audit/diff_inner.h"
#include "workers/audit/target.h"
#include "workers/risk.h"

#define NOTHING slice_make("", 0)

void diff_amount(struct diff *d, int slot, uint32_t event, int64_t amount)
{
    if (!d->touched[event])
        d->order[d->order_count++] = event;
    d->touched[event] = true;
    d->amounts[slot][event] += amount;
}

static int64_t emit(struct diff *d, int slot, uint32_t event, int64_t amount)
{
    if (slot >= 0 && amount)
        diff_amount(d, slot, event, amount);
    return amount;
}

/* ---- counters ---- */
static int64_t counters_moved(struct diff *d, const struct target *t, struct slice member, int slot)
{
    int64_t sum = 0;

    for (size_t i = 0; i < t->term_count; i++) {
        char room[64];
        struct buffer key = {room, 0, sizeof room}; /* a member's name has 16 bytes, a period 7 */
        buffer_add_text(&key, "member:");
        buffer_add_slice(&key, member);
        buffer_add_text(&key, ":");
        buffer_add_slice(&key, t->period_text);
        const struct diff_move *m = diff_field_moves(d, buffer_slice(&key), t->terms[i].counter);
        for (; m; m = m->same)
            sum += emit(d, slot, m->event, t->terms[i].sign * m->amount);
    }
    return sum;
}

static int64_t counters_worth(struct diff *d, const struct target *t, struct slice member)
{
    int64_t sum = 0;

    for (size_t i = 0; i < t->term_count; i++)
        sum +=
            t->terms[i].sign * diff_number(d, diff_name(d, "member:", member, ":", t->period_text),
                                           t->terms[i].counter);
    return sum;
}

/* ---- active members ---- */
static const char *const deeds[] = {"technical.votes", "governance.votes",
                                    "technical.meetings.attended", "governance.meetings.attended"};
#define DEEDS (sizeof deeds / sizeof *deeds)

static int64_t deeds_number(struct diff *d, const struct target *t, struct slice member)
{
    int64_t sum = 0;

    for (size_t i = 0; i < DEEDS; i++)
        sum += diff_number(d, diff_name(d, "member:", member, ":", t->period_text),
                           slice_of(deeds[i]));
    return sum;
}

static int64_t deed_amount(const struct diff_move *m)
{
    for (size_t i = 0; i < DEEDS; i++)
        if (slice_is(m->field, deeds[i]))
            return m->amount;
    return 0;
}

static int64_t active_moved(struct diff *d, const struct target *t, struct slice member, int slot)
{
    const struct diff_move *first = diff_key_moves(d, "member:", member, ":", t->period_text), *m;
    int64_t now = first ? deeds_number(d, t, member) : 0, sum = 0;

    for (m = first; m; m = m->next)
        now -= deed_amount(m);
    for (m = first; m; m = m->next) {
        int was = now > 0;
        now += deed_amount(m);
        sum += emit(d, slot, m->event, (now > 0) - was);
    }
    return sum;
}

/* ---- seats ---- */
/* True for a step of this role, "P|2026-04-01", that counts on the day. */
static bool step_counts(struct slice step, char role, date_days day)
{
    date_days from;

    return step.size > 2 && step.at[0] == role &&
           date_parse(slice_make(step.at + 2, step.size - 2), &from) && from <= day;
}

static int64_t seats_moved(struct diff *d, const struct target *t, char role, struct slice member,
                           int slot)
{
    const struct diff_move *m = diff_key_moves(d, "tenure:", member, "", NOTHING);
    int64_t sum = 0;

    for (; m; m = m->next)
        if (step_counts(m->field, role, t->last_day))
            sum += emit(d, slot, m->event, m->amount);
    return sum;
}

struct step_sum {
    char role;
    date_days day;
    int64_t sum;
};

static int row_step(void *context, void *record, struct slice field, struct slice value)
{
    struct step_sum *s = record;
    int64_t more;

    (void)context;
    if (step_counts(field, s->role, s->day) && slice_to_int(value, &more))
        s->sum += more;
    return 0;
}

static int64_t seats_worth(struct diff *d, const struct target *t, char role, struct slice member)
{
    struct step_sum s = {role, t->last_day, 0};
    struct store_fetch f = {.key = diff_name(d, "tenure:", member, "", NOTHING),
                            .kind = FETCH_HASH,
                            .row = row_step,
                            .record = &s};

    store_fetch(d->memory, &f, 1, NULL);
    return s.sum;
}

/* ---- seats with duties ---- */
static void pair_add(struct diff *d, struct slice committee, struct slice member)
{
    struct diff_pair *p;
    struct diff_pairs *of;

    if (table_find(&d->pairs, diff_name(d, "", committee, "|", member)))
        return;
    p = arena_need(&d->arena, sizeof *p);
    p->entry.key = arena_copy(&d->arena, buffer_slice(&d->scratch));
    p->committee = slice_make(p->entry.key.at, committee.size);
    p->member = slice_make(p->entry.key.at + committee.size + 1, member.size);
    table_add(&d->pairs, &p->entry);
    of = table_find(&d->pair_members, p->member);
    if (!of) {
        of = arena_need(&d->arena, sizeof *of);
        of->entry.key = p->member;
        table_add(&d->pair_members, &of->entry);
    }
    p->next = of->first;
    of->first = p;
}

/* "seat:C|M:YEAR" and, by the events that moved it, "tenure:M". */
static void pairs_of_key(struct diff *d, const struct diff_moves *k)
{
    struct slice key = k->entry.key, family, committee;

    slice_cut(&key, ':', &family);
    if (slice_is(family, "seat") && key.size > 5 && slice_cut(&key, '|', &committee))
        pair_add(d, committee, slice_make(key.at, key.size - 5)); /* without ":YEAR" */
    for (const struct diff_move *m = k->first; slice_is(family, "tenure") && m; m = m->next)
        pair_add(d, d->events[m->event].committee, key);
}

static const struct diff_pair *pairs_of(struct diff *d, struct slice member)
{
    const struct diff_moves *k;
    const struct diff_pairs *of;

    for (size_t i = 0; !d->paired && (k = table_next(&d->keys, &i));)
        pairs_of_key(d, k);
    d->paired = true;
    of = table_find(&d->pair_members, member);
    return of ? of->first : NULL;
}

/* A seat on the way from the first moment to the second. */
struct tenancy {
    struct duties duties;
    int64_t held;
};

struct role_search {
    struct slice member;
    struct arena arena;
    date_days day, from; /* of the notice found */
    uint8_t role;
};

static int row_seat(void *context, void *record, struct slice field, struct slice value)
{
    struct role_search *s = record;
    struct seat_fact fact;
    struct slice member;
    date_days from;

    (void)context;
    if (!slice_cut(&field, '|', &member) || !slice_equal(member, s->member) ||
        !date_parse(field, &from) || fact_parse(EVENT_SEAT, value, &s->arena, &fact) < 0)
        return 0;
    if (version_holds(&fact.version) && from <= s->day && (!s->role || from > s->from)) {
        s->from = from;
        s->role = fact.role;
    }
    return 0;
}

static bool is_held(struct diff *d, const struct diff_pair *p, date_days day)
{
    struct role_search s = {.member = p->member, .day = day};
    struct store_fetch f = {.key = diff_name(d, "seats:", p->committee, "", NOTHING),
                            .kind = FETCH_HASH,
                            .row = row_seat,
                            .record = &s};

    store_fetch(d->memory, &f, 1, NULL);
    arena_free(&s.arena);
    return s.role == ROLE_P;
}

static struct tenancy tenancy_after(struct diff *d, const struct target *t,
                                    const struct diff_pair *p)
{
    struct tenancy now = {.held = t->measure == MEASURE_DORMANT && is_held(d, p, t->last_day)};
    struct store_fetch f = {.key = diff_name(d, "seat:", p->entry.key, ":", t->period_text),
                            .kind = FETCH_HASH,
                            .row = duties_row,
                            .record = &now.duties};

    store_fetch(d->memory, &f, 1, NULL);
    return now;
}

static int64_t tenancy_counts(const struct target *t, const struct tenancy *now)
{
    bool duty = duties_any(&now->duties);

    return t->measure == MEASURE_DUTY        ? duty
           : t->measure == MEASURE_EFFECTIVE ? duty && duties_effective(&now->duties)
                                             : now->held > 0 && !duty;
}

/* Two lists of moves, gone through together event by event. */
struct steps {
    const struct diff_move *duty, *seat;
};

static void tenancy_step(struct diff *d, const struct target *t, const struct diff_pair *p,
                         struct tenancy *now, const struct diff_move *m, bool seat, int sign)
{
    if (!seat)
        duties_add(&now->duties, m->field, sign * m->amount);
    else if (slice_equal(d->events[m->event].committee, p->committee) &&
             step_counts(m->field, 'P', t->last_day))
        now->held += sign * m->amount;
}

/* The next event of both lists, with all its moves. */
static uint32_t tenancy_event(struct diff *d, const struct target *t, const struct diff_pair *p,
                              struct tenancy *now, struct steps *s)
{
    uint32_t event =
        !s->seat || (s->duty && s->duty->event < s->seat->event) ? s->duty->event : s->seat->event;

    for (; s->duty && s->duty->event == event; s->duty = s->duty->next)
        tenancy_step(d, t, p, now, s->duty, false, +1);
    for (; s->seat && s->seat->event == event; s->seat = s->seat->next)
        tenancy_step(d, t, p, now, s->seat, true, +1);
    return event;
}

static void share_add(struct diff *d, struct diff_shares *of, uint32_t event, int64_t amount)
{
    struct diff_share *share = amount ? arena_need(&d->arena, sizeof *share) : NULL;

    if (!share)
        return;
    *share = (struct diff_share){of->first, event, amount};
    of->first = share;
}

static void pair_shares(struct diff *d, const struct target *t, const struct diff_pair *p,
                        struct diff_shares *of)
{
    struct steps s = {diff_key_moves(d, "seat:", p->entry.key, ":", t->period_text),
                      diff_key_moves(d, "tenure:", p->member, "", NOTHING)};
    struct tenancy now = tenancy_after(d, t, p);

    for (const struct diff_move *m = s.duty; m; m = m->next)
        tenancy_step(d, t, p, &now, m, false, -1);
    for (const struct diff_move *m = s.seat; m; m = m->next)
        tenancy_step(d, t, p, &now, m, true, -1);
    while (s.duty || s.seat) {
        int64_t was = tenancy_counts(t, &now);
        uint32_t event = tenancy_event(d, t, p, &now, &s);
        share_add(d, of, event, tenancy_counts(t, &now) - was);
    }
}

static const struct diff_shares *shares_of(struct diff *d, const struct target *t,
                                           struct slice member)
{
    char measure[] = {(char)('0' + t->measure), '\0'};
    struct slice name = diff_name(d, measure, member, "|", t->period_text);
    struct diff_shares *of = table_find(&d->shares, name);

    if (of)
        return of;
    of = arena_need(&d->arena, sizeof *of);
    of->entry.key = arena_copy(&d->arena, name);
    table_add(&d->shares, &of->entry);
    for (const struct diff_pair *p = pairs_of(d, member); p; p = p->next)
        pair_shares(d, t, p, of);
    return of;
}

static int64_t tenancies_moved(struct diff *d, const struct target *t, struct slice member,
                               int slot)
{
    const struct diff_share *s = t->year ? shares_of(d, t, member)->first : NULL;
    int64_t sum = 0;

    for (; s; s = s->next)
        sum += emit(d, slot, s->event, s->amount);
    return sum;
}

static int64_t tenancies_worth(struct diff *d, const struct target *t, struct slice member)
{
    const char *field = t->measure == MEASURE_DUTY        ? "den"
                        : t->measure == MEASURE_EFFECTIVE ? "num"
                                                          : "held";
    int64_t seats = 0, counted;

    if (!t->year)
        return 0;
    if (t->measure == MEASURE_DORMANT)
        seats = seats_worth(d, t, 'P', member);
    counted =
        diff_number(d, diff_name(d, "effective:", member, ":", t->period_text), slice_of(field));
    return t->measure == MEASURE_DORMANT ? seats - counted : counted;
}

/* ---- any measure ---- */
int64_t diff_moved(struct diff *d, const struct target *t, struct slice member, int slot)
{
    switch (t->measure) {
    case MEASURE_COUNTERS:
        return counters_moved(d, t, member, slot);
    case MEASURE_ACTIVE:
        return active_moved(d, t, member, slot);
    case MEASURE_SEATS_P:
    case MEASURE_SEATS_O:
        return seats_moved(d, t, t->measure == MEASURE_SEATS_P ? 'P' : 'O', member, slot);
    case MEASURE_EFFECTIVE:
    case MEASURE_DUTY:
    case MEASURE_DORMANT:
        return tenancies_moved(d, t, member, slot);
    case MEASURE_MEMBERS:
    case MEASURE_TALLY:
        break;
    }
    return 0;
}

int64_t diff_worth(struct diff *d, const struct target *t, struct slice member)
{
    switch (t->measure) {
    case MEASURE_COUNTERS:
        return counters_worth(d, t, member);
    case MEASURE_ACTIVE:
        return deeds_number(d, t, member) > 0;
    case MEASURE_SEATS_P:
    case MEASURE_SEATS_O:
        return seats_worth(d, t, t->measure == MEASURE_SEATS_P ? 'P' : 'O', member);
    case MEASURE_EFFECTIVE:
    case MEASURE_DUTY:
    case MEASURE_DORMANT:
        return tenancies_worth(d, t, member);
    case MEASURE_MEMBERS:
        return 1;
    case MEASURE_TALLY:
        break;
    }
    return 0;
}
