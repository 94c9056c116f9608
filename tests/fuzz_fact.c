/* Facts from any text: never more than ERR_CORRUPT; and what is read is written back so that it
 * reads the same.  The first byte picks the type. */
#include "proto/error.h"
#include "workers/fact.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena keep = {0};
    struct buffer once = {0}, twice = {0};
    union any_fact fact;

    if (size == 0)
        return 0;
    enum event_type type = (enum event_type)(data[0] % EVENT_TYPES);
    if (fact_parse(type, slice_make(data + 1, size - 1), &keep, &fact) == 0) {
        fact_format(type, &fact, &once);
        int error = fact_parse(type, buffer_slice(&once), &keep, &fact);
        assert(error == 0);
        fact_format(type, &fact, &twice);
        assert(slice_equal(buffer_slice(&once), buffer_slice(&twice)));
    }
    buffer_free(&once);
    buffer_free(&twice);
    arena_free(&keep);
    return 0;
}
