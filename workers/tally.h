/* Tallying: shares written into the ledger's counters and tallies, or taken out of them again.
 * `sign` is +1 or -1; a change is the difference of the two, around whatever changes. */
#ifndef WORKERS_TALLY_H
#define WORKERS_TALLY_H

#include "workers/ledger.h"

/* One member's part in a ballot; the vote may be unknown, and NULL when the ballot is complete and
 * has none. */
void tally_vote(struct ledger *l, struct ballot *b, const struct member *m, struct vote *v,
                int sign);

/* Everybody's part in a ballot: all that voted or have a seat.  All votes must be there. */
void tally_ballot(struct ledger *l, struct ballot *b, int sign);

/* One participant, and one member's part in a meeting (its participants are not in it). */
void tally_participant(struct ledger *l, struct meeting *m, const struct participant *p, int sign);
void tally_delegation(struct ledger *l, struct meeting *m, const struct member *member, int sign);

/* Everybody's part in a meeting, participants and all. */
void tally_meeting(struct ledger *l, struct meeting *m, int sign);

void tally_adoption(struct ledger *l, const struct member *m, const struct adoption_fact *a,
                    int sign);

/* A member's part in all ballots and meetings of a committee that a seat notice from this day on
 * can bear on. */
void tally_seat(struct ledger *l, struct committee *c, const struct member *m, date_days from,
                int sign);

/* How many seats a member holds from which day on, by its notices in a committee. */
void tally_tenure(struct ledger *l, const struct committee *c, const struct member *m, int sign);

/* What the tally says by the rule for draft standards. */
enum verdict tally_verdict(const struct ballot *b);

#endif
