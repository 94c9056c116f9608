/* What both stores share; see store.h. */
#include "workers/store.h"

#include "proto/wire.h"

int store_applied(struct store *s, unsigned count, struct applied *ret)
{
    unsigned places[WIRE_MAX_PARTS];
    struct store_look look = {.places = places, .count = count, .ret_applied = ret};

    for (unsigned p = 0; p < count; p++)
        places[p] = p;
    return store_begin(s, &look);
}
