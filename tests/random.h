/* A random sequence (splitmix64): the same seed gives the same numbers everywhere. */
#ifndef TESTS_RANDOM_H
#define TESTS_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct random {
    uint64_t state;
};

struct random random_new(uint64_t seed);
uint64_t random_next(struct random *r);
uint64_t random_below(struct random *r, uint64_t bound); /* 0 .. bound - 1; bound > 0 */
bool random_percent(struct random *r, unsigned percent); /* true in so many cases of 100 */

/* TURNOUT_TEST_SEED if it is set, else one from the clock.  Prints it with the test's name, so
 * that a failure can be repeated. */
uint64_t random_seed(const char *test);

#endif
