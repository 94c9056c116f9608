/* What both stores share; see store.h. */
#include "workers/store.h"

#include "proto/error.h"
#include "proto/wire.h"

int store_applied(struct store *s, unsigned count, struct applied *ret)
{
    unsigned places[WIRE_MAX_PARTS];
    struct store_look look = {.places = places, .count = count, .ret_applied = ret};

    for (unsigned p = 0; p < count; p++)
        places[p] = p;
    return store_begin(s, &look);
}

static int row_schema(void *context, void *record, struct slice field, struct slice value)
{
    (void)context;
    (void)field;
    return value.at && !slice_to_int(value, record) ? ERR_CORRUPT : 0;
}

int store_schema(struct store *s, int64_t *ret)
{
    struct slice field = slice_of("schema");
    int64_t schema = STORE_SCHEMA;
    struct store_fetch f = {.key = slice_of("meta"),
                            .fields = &field,
                            .field_count = 1,
                            .row = row_schema,
                            .record = &schema};
    int error = store_fetch(s, &f, 1, NULL);

    if (error == 0)
        *ret = schema;
    return error;
}
