/* Who burdens the broker most: what sessions make it hold is bounded all together, and above the
 * bound one of them has to go.  That is decided by key, so that many sessions of one key cannot
 * make somebody else's one session the largest. */
#ifndef BROKER_BURDEN_H
#define BROKER_BURDEN_H

#include "broker/session.h"

/* The session with the largest burden of those with the heaviest key; local peers count each for
 * themselves.  NULL when nobody has any.  The sum of all is left in *ret_sum. */
struct session *burden_find(const struct sessions *s, size_t (*of)(const struct session *),
                            size_t *ret_sum);

/* Who gives way to a newcomer of this role when all places are taken; NULL: nobody. */
struct session *way_find(const struct sessions *s, enum session_role role, bool keyed,
                         int64_t now_ms);

#endif
