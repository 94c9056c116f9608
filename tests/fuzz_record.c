/* Fuzzing the journal's records: whatever stands on disk is either refused, or is what
 * record_encode would have written there. */
#include "broker/record.h"
#include "proto/error.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Random bytes never have the right checksum, so it is put in: the checks behind it are tested. */
static void checksum_mend(char *bytes, size_t size, unsigned partition, uint64_t offset)
{
    uint64_t sum;

    if (size < RECORD_HEAD)
        return;
    sum = record_checksum(partition, offset, slice_make(bytes, RECORD_HEAD - sizeof sum),
                          slice_make(bytes + RECORD_HEAD, size - RECORD_HEAD));
    for (size_t i = 0; i < sizeof sum; i++)
        bytes[RECORD_HEAD - sizeof sum + i] = (char)(sum >> 8 * i);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *bytes = memory_need(size), *again;
    struct record r;

    if (size)
        memcpy(bytes, data, size);
    if (record_decode(slice_make(bytes, size), 1, 2, &r) == 0 &&
        record_decode(slice_make(bytes, size), 1, 3, &r) == 0)
        abort(); /* it cannot be right in two places */
    checksum_mend(bytes, size, 1, 2);
    if (record_decode(slice_make(bytes, size), 1, 2, &r) == 0) {
        if (record_size(&r) != size)
            abort();
        again = memory_need(size);
        record_encode(&r, 1, 2, again);
        if (memcmp(again, bytes, size) != 0)
            abort();
        free(again);
    }
    free(bytes);
    return 0;
}
