/* The fold; see fold.h.
 *
 * For each event: find its fact, compare versions, take out what the touched records contribute,
 * put the fact in, and add up what they contribute now. */
#include "workers/fold.h"

#include "proto/error.h"
#include "workers/tally.h"

#include <assert.h>
#include <stdlib.h>

/* Everything that the event's fact can move. */
static void tally_bearing(struct ledger *l, const struct event *e, const struct bearing *b,
                          int sign)
{
    switch (e->type) {
    case EVENT_VOTE:
        tally_vote(l, b->ballot, b->member, b->vote, sign);
        break;
    case EVENT_ATTENDANCE:
        tally_participant(l, b->meeting, b->participant, sign);
        tally_delegation(l, b->meeting, b->member, sign);
        break;
    case EVENT_ADOPTION:
        tally_adoption(l, b->member, &b->adoption->fact, sign);
        break;
    case EVENT_SEAT:
        tally_seat(l, b->committee, b->member, e->from, sign);
        tally_tenure(l, b->committee, b->member, sign);
        break;
    case EVENT_BALLOT:
        tally_ballot(l, b->ballot, sign);
        break;
    case EVENT_MEETING:
        tally_meeting(l, b->meeting, sign);
        break;
    case EVENT_MEMBER:
    case EVENT_COMMITTEE:
    case EVENT_TYPES:
        break;
    }
}

/* Adds the record to a list of changed ones, once; the list's order has no meaning. */
#define CHANGE(record, list)                                                                       \
    do {                                                                                           \
        if (!(record)->changed)                                                                    \
            (record)->next_changed = (list), (list) = (record);                                    \
        (record)->changed = true;                                                                  \
    } while (0)

/* Notes what the next commit must write. */
static void touch_bearing(struct ledger *l, enum event_type type, const struct bearing *b)
{
    if (b->committee && !b->committee->listed)
        ledger_touch_committee(l, b->committee);
    switch (type) {
    case EVENT_VOTE:
        CHANGE(b->vote, b->ballot->changed_votes);
        ledger_touch_ballot(l, b->ballot);
        break;
    case EVENT_ATTENDANCE:
        CHANGE(b->participant, b->meeting->changed_participants);
        ledger_touch_meeting(l, b->meeting);
        break;
    case EVENT_ADOPTION:
        CHANGE(b->adoption, b->member->changed_adoptions);
        ledger_touch_member(l, b->member);
        break;
    case EVENT_MEMBER:
        b->profile->changed = true;
        ledger_touch_member(l, b->member);
        break;
    case EVENT_COMMITTEE:
        b->committee->fact_changed = true;
        ledger_touch_committee(l, b->committee);
        break;
    case EVENT_SEAT:
        CHANGE(b->seat, b->committee->changed_seats);
        ledger_touch_committee(l, b->committee);
        break;
    case EVENT_BALLOT:
        b->ballot->notice_changed = true;
        ledger_touch_ballot(l, b->ballot);
        break;
    case EVENT_MEETING:
        b->meeting->notice_changed = true;
        ledger_touch_meeting(l, b->meeting);
        break;
    case EVENT_TYPES:
        break;
    }
    if (b->member && !b->member->listed)
        ledger_touch_member(l, b->member);
}

/* A delegation knows how many of its participants hold with each status. */
static void count_present(const struct bearing *b, int sign)
{
    const struct attendance_fact *a = &b->participant->fact;

    if (version_holds(&a->version))
        b->participant->delegation->present[a->presence] += (uint32_t)sign;
}

/* Where the fact's texts go. */
static struct arena *arena_of(struct ledger *l, enum event_type type)
{
    return type == EVENT_VOTE || type == EVENT_ATTENDANCE || type == EVENT_ADOPTION ? &l->many
                                                                                    : &l->keep;
}

/* Keeps the version's bytes for good: another event with all else equal is known. */
static void version_contest(struct ledger *l, enum event_type type, struct version *v)
{
    v->raw = arena_copy(arena_of(l, type), v->raw);
    v->contested = true;
}

/* The event's version takes the place of the one before. */
static void fact_set(struct ledger *l, const struct event *e, const struct bearing *b,
                     uint64_t digest)
{
    bool contested = b->version->known && b->version->rev == e->rev &&
                     b->version->time_ms == e->time_ms && slice_equal(b->version->id, e->id);

    if (e->type == EVENT_ATTENDANCE)
        count_present(b, -1);
    fact_from_event(e, digest, arena_of(l, e->type), b->version);
    if (contested)
        version_contest(l, e->type, b->version);
    if (e->type == EVENT_ATTENDANCE)
        count_present(b, +1);
}

static void fact_replace(struct ledger *l, const struct event *e, const struct bearing *b,
                         uint64_t digest)
{
    bool held = version_holds(b->version);

    tally_bearing(l, e, b, -1);
    fact_set(l, e, b, digest);
    if (b->member && version_holds(b->version) != held) {
        b->member->facts += held ? -1 : 1;
        ledger_touch_member(l, b->member);
    }
    tally_bearing(l, e, b, +1);
}

bool fold_needs_bytes(const struct event *e, const struct bearing *b)
{
    return b->version->known &&
           version_compare(b->version, e, version_digest(e->raw)) == VERSION_UNKNOWN;
}

void fold_recall(struct ledger *l, struct version *v, struct slice raw)
{
    v->raw = arena_copy(&l->keep, raw);
}

/* Takes the event by `set` if it is newer than what is known.  1 when something changed, else 0;
 * ERR_AGAIN: it ties, and the bytes are needed. */
static int version_take(struct ledger *l, const struct event *e, const struct bearing *b,
                        void (*set)(struct ledger *, const struct event *, const struct bearing *,
                                    uint64_t digest))
{
    uint64_t digest = version_digest(e->raw);

    switch (version_compare(b->version, e, digest)) {
    case VERSION_UNKNOWN:
        return ERR_AGAIN;
    case VERSION_OLDER:
        return 0;
    case VERSION_TIED:
        if (b->version->contested)
            return 0;
        version_contest(l, e->type, b->version);
        return 1;
    case VERSION_NEWER:
        set(l, e, b, digest);
        return 1;
    }
    abort();
}

int fold_event(struct ledger *l, const struct event *e, const struct bearing *b)
{
    int r = version_take(l, e, b, fact_replace);

    if (r > 0)
        touch_bearing(l, e->type, b);
    return r < 0 ? r : 0;
}

int fold_fact(struct ledger *l, const struct event *e, const struct bearing *b)
{
    int r = version_take(l, e, b, fact_set);

    return r < 0 ? r : 0;
}
