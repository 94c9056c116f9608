/* Fuzzes what the journal says of itself: the bytes of a journal's description, or of its ends.
 * What is accepted is what would be written for it.  The first byte picks which, and how many
 * partitions the ends should be of. */
#include "broker/meta.h"
#include "broker/number.h"
#include "broker/record.h"
#include "proto/error.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PLACE    (UINT64_MAX - 1) /* what the checksums are of, besides the bytes */
#define META_SUM 56               /* where they stand: behind all else, and before the ends */
#define ENDS_SUM 40

/* Random bytes never have the right checksum: it is put in, so that the checks behind it are
 * tested. */
static void checksum_mend(char *bytes, size_t size, uint64_t key, size_t at)
{
    if (size < at + 8)
        return;
    number_put64(bytes + at, record_checksum(PLACE, key, slice_make(bytes, at),
                                             slice_make(bytes + at + 8, size - at - 8)));
}

static bool is_known(int result)
{
    return result == 0 || result == ERR_CORRUPT || result == ERR_VERSION;
}

static void try_meta(struct slice bytes)
{
    char again[META_BYTES];
    struct meta m;
    int result = meta_decode(bytes, &m);

    assert(is_known(result));
    if (result < 0)
        return;
    assert(bytes.size == META_BYTES && m.partitions >= 1 && m.partitions <= WIRE_MAX_PARTS);
    meta_encode(&m, again);
    assert(memcmp(again, bytes.at, META_BYTES) == 0);
}

static void try_ends(struct slice bytes, unsigned partitions)
{
    static struct ends e;
    static char again[ENDS_MAX_BYTES];
    int result = ends_decode(bytes, partitions, &e);

    assert(is_known(result));
    if (result < 0)
        return;
    assert(e.partitions == partitions && bytes.size == ends_size(&e));
    ends_encode(&e, again);
    assert(memcmp(again, bytes.at, bytes.size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *bytes;

    if (size-- == 0)
        return 0;
    bytes = memory_need(size);
    memcpy(bytes, data + 1, size);
    if (data[0] % 2) {
        checksum_mend(bytes, size, ENDS_KEY, ENDS_SUM);
        try_ends(slice_make(bytes, size), 1 + data[0] / 2);
    } else {
        checksum_mend(bytes, size, META_KEY, META_SUM);
        try_meta(slice_make(bytes, size));
    }
    free(bytes);
    return 0;
}
