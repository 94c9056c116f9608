/* The clocks of whoever runs, in place of proto/clock.c. */
#include "proto/clock.h"

#include "tests/simulate/simulate.h"

int64_t clock_wall_ms(void)
{
    return WALL_BASE_MS + sim.now_us / MS + (sim.now ? sim.now->wall_ms : 0);
}

int64_t clock_mono_ms(void)
{
    return sim.now_us / MS + (sim.now ? sim.now->mono_ms : 0);
}
