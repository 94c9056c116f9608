/* A publisher of the soak: a process that makes events, keeps account of them, and sends again what
 * was not acknowledged, also after its own death. */
#ifndef TESTS_SOAK_PUBLISHER_H
#define TESTS_SOAK_PUBLISHER_H

#include <stdint.h>

#define SOAK_PUBLISHERS 3

/* Publisher `number` (from 1) at DIR/publish.sock, with its account in DIR:
 *
 *     1  random worlds
 *     2  the registry's seats and members, and one season over them after the other
 *     3  random worlds; it sends some events once more, and some that must be refused
 *
 * It ends with 0 once DIR/finish is there and all of it is acknowledged; with 3 when something came
 * back that must not. */
int soak_publish(const char *dir, unsigned number, uint64_t seed, unsigned per_s);

#endif
