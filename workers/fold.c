/* The fold; see fold.h.
 *
 * For each event: find its fact, compare versions, take out what the touched records contribute,
 * put the fact in, and add up what they contribute now. */
#include "workers/fold.h"

#include "proto/error.h"
#include "workers/tally.h"

#include <assert.h>

/* The records an event bears on, found once. */
struct subject {
    struct version *version; /* the first member of the fact */
    struct committee *committee;
    struct member *member;
    union {
        struct vote *vote;
        struct participant *participant;
        struct adoption *adoption;
        struct profile *profile;
        struct seat *seat;
    };
    union {
        struct ballot *ballot;
        struct meeting *meeting;
    };
};

static struct subject subject_find(struct ledger *l, const struct event *e)
{
    struct subject s = {0};

    if (e->committee.at)
        s.committee = ledger_committee(l, e->committee);
    if (e->member.at)
        s.member = ledger_member(l, e->member);
    switch (e->type) {
    case EVENT_VOTE:
        s.ballot = ledger_ballot(l, s.committee, e->ballot);
        s.vote = ledger_vote(l, s.ballot, e->member);
        s.version = &s.vote->fact.version;
        break;
    case EVENT_ATTENDANCE:
        s.meeting = ledger_meeting(l, s.committee, e->meeting);
        s.participant =
            ledger_participant(l, s.meeting, e->member, ledger_pair(l, e->member, e->participant));
        s.version = &s.participant->fact.version;
        break;
    case EVENT_ADOPTION:
        s.adoption = ledger_adoption(l, s.member, ledger_pair(l, e->standard, e->reference));
        s.version = &s.adoption->fact.version;
        break;
    case EVENT_MEMBER:
        s.profile = ledger_profile(l, s.member, e->from);
        s.version = &s.profile->fact.version;
        break;
    case EVENT_COMMITTEE:
        s.version = &s.committee->fact.version;
        break;
    case EVENT_SEAT:
        s.seat = ledger_seat(l, s.committee, e->member, e->from);
        s.version = &s.seat->fact.version;
        break;
    case EVENT_BALLOT:
        s.ballot = ledger_ballot(l, s.committee, e->ballot);
        s.version = &s.ballot->notice.version;
        break;
    case EVENT_MEETING:
        s.meeting = ledger_meeting(l, s.committee, e->meeting);
        s.version = &s.meeting->notice.version;
        break;
    case EVENT_TYPES:
        assert(!"an event without a type");
    }
    return s;
}

/* Everything that the event's fact can move. */
static void subject_tally(struct ledger *l, const struct event *e, const struct subject *s,
                          int sign)
{
    switch (e->type) {
    case EVENT_VOTE:
        tally_vote(l, s->ballot, s->member, sign);
        break;
    case EVENT_ATTENDANCE:
        tally_participant(l, s->meeting, s->participant, sign);
        tally_delegation(l, s->meeting, s->member, sign);
        break;
    case EVENT_ADOPTION:
        tally_adoption(l, s->member, &s->adoption->fact, sign);
        break;
    case EVENT_SEAT:
        tally_seat(l, s->committee, s->member, e->from, sign);
        tally_tenure(l, s->committee, s->member, sign);
        break;
    case EVENT_BALLOT:
        tally_ballot(l, s->ballot, sign);
        break;
    case EVENT_MEETING:
        tally_meeting(l, s->meeting, sign);
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
static void subject_touch(struct ledger *l, enum event_type type, const struct subject *s)
{
    if (s->committee && !s->committee->listed)
        ledger_touch_committee(l, s->committee);
    switch (type) {
    case EVENT_VOTE:
        CHANGE(s->vote, s->ballot->changed_votes);
        ledger_touch_ballot(l, s->ballot);
        break;
    case EVENT_ATTENDANCE:
        CHANGE(s->participant, s->meeting->changed_participants);
        ledger_touch_meeting(l, s->meeting);
        break;
    case EVENT_ADOPTION:
        CHANGE(s->adoption, s->member->changed_adoptions);
        ledger_touch_member(l, s->member);
        break;
    case EVENT_MEMBER:
        s->profile->changed = true;
        ledger_touch_member(l, s->member);
        break;
    case EVENT_COMMITTEE:
        s->committee->fact_changed = true;
        ledger_touch_committee(l, s->committee);
        break;
    case EVENT_SEAT:
        CHANGE(s->seat, s->committee->changed_seats);
        ledger_touch_committee(l, s->committee);
        break;
    case EVENT_BALLOT:
        s->ballot->notice_changed = true;
        ledger_touch_ballot(l, s->ballot);
        break;
    case EVENT_MEETING:
        s->meeting->notice_changed = true;
        ledger_touch_meeting(l, s->meeting);
        break;
    case EVENT_TYPES:
        break;
    }
    if (s->member && !s->member->listed)
        ledger_touch_member(l, s->member);
}

/* A delegation knows how many of its participants hold with each status. */
static void count_present(const struct subject *s, int sign)
{
    const struct attendance_fact *a = &s->participant->fact;

    if (version_holds(&a->version))
        s->participant->delegation->present[a->presence] += (uint32_t)sign;
}

/* Keeps the version's bytes for good: another event with all else equal is known. */
static void version_contest(struct ledger *l, struct version *v)
{
    v->raw = arena_copy(&l->keep, v->raw);
    v->contested = true;
}

static void subject_replace(struct ledger *l, const struct event *e, const struct subject *s,
                            uint64_t digest)
{
    bool contested = s->version->known && s->version->rev == e->rev &&
                     s->version->time_ms == e->time_ms && slice_equal(s->version->id, e->id);
    bool held = version_holds(s->version);

    subject_tally(l, e, s, -1);
    if (e->type == EVENT_ATTENDANCE)
        count_present(s, -1);
    fact_from_event(e, digest, &l->keep, s->version);
    if (contested)
        version_contest(l, s->version);
    if (s->member && version_holds(s->version) != held) {
        s->member->facts += held ? -1 : 1;
        ledger_touch_member(l, s->member);
    }
    if (e->type == EVENT_ATTENDANCE)
        count_present(s, +1);
    subject_tally(l, e, s, +1);
}

struct version *fold_version(struct ledger *l, const struct event *e)
{
    return subject_find(l, e).version;
}

bool fold_needs_bytes(struct ledger *l, const struct event *e)
{
    const struct version *v = fold_version(l, e);

    return v->known && version_compare(v, e, version_digest(e->raw)) == VERSION_UNKNOWN;
}

void fold_recall(struct ledger *l, struct version *v, struct slice raw)
{
    v->raw = arena_copy(&l->keep, raw);
}

int fold_event(struct ledger *l, const struct event *e)
{
    struct subject s = subject_find(l, e);
    uint64_t digest = version_digest(e->raw);

    switch (version_compare(s.version, e, digest)) {
    case VERSION_UNKNOWN:
        return ERR_AGAIN;
    case VERSION_OLDER:
        return 0;
    case VERSION_TIED:
        if (s.version->contested)
            return 0;
        version_contest(l, s.version);
        break;
    case VERSION_NEWER:
        subject_replace(l, e, &s, digest);
        break;
    }
    subject_touch(l, e->type, &s);
    return 0;
}
