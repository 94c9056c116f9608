/* The votes that the benchmarks send, and the notices that those need: 165 members that vote, in
 * random order, on 64 ballots open at a time; one vote in ten changes an earlier one, one in twenty
 * repeats one exactly.  The same seed gives the same bytes everywhere. */
#ifndef TESTS_VOTES_H
#define TESTS_VOTES_H

#include "proto/bytes.h"

enum votes_order {
    VOTES_WINDOW, /* on the 64 ballots that are open, until as many votes as these have members */
    VOTES_RANDOM, /* on any of the ballots before the first: all there ever were */
    VOTES_ONCE    /* of each member on one ballot after the other; no changes, no repeats */
};

struct votes;

/* `first`: so many ballots were there before. */
struct votes *votes_new(enum votes_order order, uint64_t first, uint64_t seed);
void votes_free(struct votes *v);

/* Appends the next vote, encoded. */
void votes_next(struct votes *v, struct buffer *ret);

/* How many ballots there are after so many votes (VOTES_WINDOW). */
uint64_t votes_ballots(uint64_t first, uint64_t count);

/* Appends the notices of the ballots `first` to `end` - 1, open or closed, and those of the seats
 * in committees that no earlier ballot had. */
void votes_notices(uint64_t first, uint64_t end, bool closed, uint64_t seed, struct buffer *ret);

#endif
