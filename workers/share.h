/* Shares: what one member's part in one ballot, meeting or adoption contributes to the counters.
 *
 * Pure functions from facts to numbers, without clock, store or order of arrival (invariant 4).
 * The rules are those of KEYS.md, "Counters". */
#ifndef WORKERS_SHARE_H
#define WORKERS_SHARE_H

#include "workers/fact.h"

/* Any of the arguments may be a fact that does not hold: it then counts as absent. */
struct ballot_share {
    date_days day; /* the period it counts in */
    uint8_t level;
    uint8_t position; /* of a vote that counts; POSITION_ABSENT if there is none */
    bool commented, participate, late;
    bool by_p; /* the member's seat on this ballot is P */
    bool due, abstained, excused, missed, voluntary;
};

/* `role` is the member's by the seat notices on the closing day. */
struct ballot_share ballot_share(const struct ballot_fact *notice, const struct vote_fact *vote,
                                 enum role role);

/* Whether the ballot's votes decide it by the rule for draft standards. */
bool ballot_has_verdict(const struct ballot_fact *notice);

/* The rule for DIS, CDV and FDIS in integers: two thirds of the P-members' votes positive, and at
 * most a quarter of all votes negative, abstentions in neither.  Only for p_approve + p_disapprove
 * > 0.
 */
bool ballot_passes(int64_t p_approve, int64_t p_disapprove, int64_t approve, int64_t disapprove);

/* One participant. */
struct delegate_share {
    bool counts;
    date_days day;
    uint8_t level;
    bool is_virtual, head;
};
struct delegate_share delegate_share(const struct meeting_fact *notice,
                                     const struct attendance_fact *attendance);

/* One member: from how many of its participants hold with each status, and, where the meeting has
 * no notice, the first (day, level) at which one attended. */
struct presence_share {
    bool attended;
    date_days day; /* of all that is set here */
    uint8_t level;
    bool due, missed, excused, correspondence;
};
struct presence_share presence_share(const struct meeting_fact *notice,
                                     const uint32_t present[PRESENCES], date_days first_day,
                                     uint8_t first_level, enum role role);

#endif
