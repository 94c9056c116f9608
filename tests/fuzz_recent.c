/* Fuzzing the entries of recent records: whatever stands on disk ends, and what was taken from it,
 * staged again, is what stood there. */
#include "broker/recent.h"
#include "proto/error.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice value = slice_make((const char *)data, size), again;
    struct recent *recent = recent_new();
    struct recent_entry e;
    char *room;
    int err;

    while ((err = recent_take(&value, &e)) == 0 && e.partition < WIRE_MAX_PARTS) {
        room = recent_stage(recent, e.partition, e.offset, e.record.size);
        if (e.record.size)
            memcpy(room, e.record.at, e.record.size);
    }
    again = recent_all(recent);
    if (err == ERR_AGAIN && again.size != size)
        abort();
    if (again.size > size || (again.size && memcmp(again.at, data, again.size) != 0))
        abort();
    recent_free(recent);
    return 0;
}
