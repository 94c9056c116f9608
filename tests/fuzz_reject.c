/* Fuzzing the refused events on disk: whatever stands there is either refused, or all its parts
 * are, one behind the other and without a gap, what stands there. */
#include "broker/number.h"
#include "broker/record.h"
#include "broker/reject.h"
#include "proto/error.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SUM   16         /* where the checksum stands */
#define PLACE UINT64_MAX /* what it is of, besides the bytes */

/* Random bytes never have the right checksum, so it is put in: the checks behind it are tested. */
static void checksum_mend(char *bytes, size_t size, uint64_t number)
{
    if (size >= REJECT_HEAD)
        number_put64(bytes + SUM, record_checksum(PLACE, number, slice_make(bytes, SUM),
                                                  slice_make(bytes + SUM + 8, size - SUM - 8)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *bytes = memory_need(size);
    struct reject r;
    int result;

    if (size)
        memcpy(bytes, data, size);
    if (reject_decode(slice_make(bytes, size), 7, &r) == 0) {
        result = reject_decode(slice_make(bytes, size), 8, &r);
        assert(result < 0); /* it cannot be right in two places */
    }
    checksum_mend(bytes, size, 7);
    result = reject_decode(slice_make(bytes, size), 7, &r);
    if (result == 0) {
        const char *at = bytes + REJECT_HEAD;
        const struct slice parts[] = {r.source, r.code, r.field, r.reason, r.event};
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
            assert(parts[i].at == at);
            at += parts[i].size;
        }
        assert(at == bytes + size);
    } else {
        assert(result == ERR_CORRUPT || result == ERR_VERSION);
    }
    free(bytes);
    return 0;
}
