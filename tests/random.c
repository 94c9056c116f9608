/* A random sequence; see random.h. */
#include "tests/random.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/clock.h"

struct random random_new(uint64_t seed)
{
    return (struct random){seed};
}

uint64_t random_next(struct random *r)
{
    uint64_t z = r->state += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

uint64_t random_below(struct random *r, uint64_t bound)
{
    return random_next(r) % bound;
}

bool random_percent(struct random *r, unsigned percent)
{
    return random_below(r, 100) < percent;
}

uint64_t random_seed(const char *test)
{
    const char *given = getenv("TURNOUT_TEST_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t)clock_wall_ms();

    printf("%s: TURNOUT_TEST_SEED=%" PRIu64 "\n", test, seed);
    fflush(stdout);
    return seed;
}
