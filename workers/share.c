/* Shares; see share.h. */
#include "workers/share.h"

static bool vote_answers(const struct vote_fact *v)
{
    return version_holds(&v->version) && v->position != POSITION_NONE;
}

/* P, O or none: the vote's own word first (also of a vote of position none), else the notices'. */
static enum role seat_on_ballot(const struct vote_fact *vote, bool noticed, enum role role)
{
    if (version_holds(&vote->version) && vote->seat)
        return (enum role)vote->seat;
    return noticed ? role : ROLE_NONE;
}

/* Duties of a closed ballot. */
static void share_duties(struct ballot_share *s, bool mandatory, const struct vote_fact *vote)
{
    bool answers = vote_answers(vote);

    s->due = mandatory && s->by_p;
    s->voluntary = answers && !s->due;
    if (!s->due)
        return;
    s->abstained = answers && vote->position == POSITION_ABSTAIN;
    s->excused = !answers && version_holds(&vote->version) && vote->excused;
    s->missed = !answers && !s->excused;
}

struct ballot_share ballot_share(const struct ballot_fact *notice, const struct vote_fact *vote,
                                 enum role role)
{
    bool noticed = version_holds(&notice->version);
    struct ballot_share s = {0};
    date_days voted = date_of_ms(vote->version.time_ms);

    if (noticed && notice->stage == STAGE_CANCELLED)
        return s;
    s.day = noticed ? notice->closes : voted;
    s.level = noticed ? notice->level : vote->level;
    s.by_p = seat_on_ballot(vote, noticed, role) == ROLE_P;
    if (vote_answers(vote)) {
        s.position = vote->position;
        s.commented = vote->comments > 0;
        s.participate = vote->participate;
        s.late = noticed && voted > notice->closes;
    }
    if (noticed && notice->stage == STAGE_CLOSED)
        share_duties(&s, notice->mandatory, vote);
    return s;
}

bool ballot_has_verdict(const struct ballot_fact *notice)
{
    return version_holds(&notice->version) && notice->stage != STAGE_CANCELLED &&
           (slice_is(notice->kind, "DIS") || slice_is(notice->kind, "FDIS") ||
            slice_is(notice->kind, "CDV"));
}

bool ballot_passes(int64_t p_approve, int64_t p_disapprove, int64_t approve, int64_t disapprove)
{
    return 3 * p_approve >= 2 * (p_approve + p_disapprove) &&
           4 * disapprove <= approve + disapprove;
}

static bool meeting_is(const struct meeting_fact *notice, enum planning planning)
{
    return version_holds(&notice->version) && notice->planning == planning;
}

struct delegate_share delegate_share(const struct meeting_fact *notice,
                                     const struct attendance_fact *attendance)
{
    bool noticed = version_holds(&notice->version);
    struct delegate_share s = {0};

    if (!version_holds(&attendance->version) || attendance->presence != PRESENCE_ATTENDED ||
        meeting_is(notice, PLANNING_CANCELLED))
        return s;
    s.counts = true;
    s.day = noticed ? notice->starts : attendance->date;
    s.level = noticed ? notice->level : attendance->level;
    s.is_virtual = attendance->mode == MODE_VIRTUAL;
    s.head = attendance->part == PART_HEAD;
    return s;
}

struct presence_share presence_share(const struct meeting_fact *notice,
                                     const uint32_t present[PRESENCES], date_days first_day,
                                     uint8_t first_level, enum role role)
{
    bool noticed = version_holds(&notice->version);
    struct presence_share s = {0};

    if (meeting_is(notice, PLANNING_CANCELLED))
        return s;
    s.attended = present[PRESENCE_ATTENDED] > 0;
    s.day = noticed ? notice->starts : first_day;
    s.level = noticed ? notice->level : first_level;
    s.due = meeting_is(notice, PLANNING_HELD) && notice->mandatory && role == ROLE_P;
    if (!s.due || s.attended)
        return s;
    s.correspondence = present[PRESENCE_CORRESPONDENCE] > 0;
    s.excused = !s.correspondence && present[PRESENCE_EXCUSED] > 0;
    s.missed = !s.correspondence && !s.excused;
    return s;
}
