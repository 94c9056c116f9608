/* The records that an event bears on; see bearing.h.  Nothing fails. */
#include "workers/bearing.h"

#include <stdlib.h>

static void find_vote(struct ledger *l, struct bearing *b)
{
    b->vote = ledger_vote(l, b->ballot, b->member);
    b->version = &b->vote->fact.version;
}

static void find_attendance(struct ledger *l, const struct event *e, struct bearing *b)
{
    b->participant =
        ledger_participant(l, b->meeting, b->member, ledger_pair(l, e->member, e->participant));
    b->version = &b->participant->fact.version;
}

static void find_adoption(struct ledger *l, const struct event *e, struct bearing *b)
{
    b->adoption = ledger_adoption(l, b->member, ledger_pair(l, e->standard, e->reference));
    b->version = &b->adoption->fact.version;
}

static void find_profile(struct ledger *l, const struct event *e, struct bearing *b)
{
    b->profile = ledger_profile(l, b->member, e->from);
    b->version = &b->profile->fact.version;
}

static void find_seat(struct ledger *l, const struct event *e, struct bearing *b)
{
    b->seat = ledger_seat(l, b->committee, b->member, e->from);
    b->version = &b->seat->fact.version;
}

void bearing_near(struct ledger *l, const struct event *e, struct bearing *b)
{
    *b = (struct bearing){0};
    if (e->committee.at)
        b->committee = ledger_committee(l, e->committee);
    if (e->member.at)
        b->member = ledger_member(l, e->member);
    if (e->type == EVENT_VOTE || e->type == EVENT_BALLOT)
        b->ballot = ledger_ballot(l, b->committee, e->ballot);
    else if (e->type == EVENT_ATTENDANCE || e->type == EVENT_MEETING)
        b->meeting = ledger_meeting(l, b->committee, e->meeting);
    if (e->type == EVENT_VOTE)
        table_expect(&b->ballot->votes, b->member->entry.hash);
}

void bearing_find(struct ledger *l, const struct event *e, struct bearing *b)
{
    switch (e->type) {
    case EVENT_VOTE:
        find_vote(l, b);
        break;
    case EVENT_ATTENDANCE:
        find_attendance(l, e, b);
        break;
    case EVENT_ADOPTION:
        find_adoption(l, e, b);
        break;
    case EVENT_MEMBER:
        find_profile(l, e, b);
        break;
    case EVENT_SEAT:
        find_seat(l, e, b);
        break;
    case EVENT_COMMITTEE:
        b->version = &b->committee->fact.version;
        break;
    case EVENT_BALLOT:
        b->version = &b->ballot->notice.version;
        break;
    case EVENT_MEETING:
        b->version = &b->meeting->notice.version;
        break;
    case EVENT_TYPES:
        abort();
    }
}
