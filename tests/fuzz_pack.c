/* Fuzzes the bounded check and the reader: whatever passes can be read to its end. */
#include "proto/pack.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Steps through with one kind of read after the other, as the bytes themselves decide. */
static void read_all(struct slice bytes)
{
    struct pack_reader r;

    if (pack_read(bytes, &r) < 0)
        return;
    while (!r.failed && r.rest.size > 0) {
        struct pack_reader next = r;
        switch ((unsigned char)*r.rest.at % 6) {
        case 0:
            pack_read_array(&next);
            break;
        case 1:
            pack_read_int(&next);
            break;
        case 2:
            pack_read_uint(&next);
            break;
        case 3:
            pack_read_bool(&next);
            break;
        case 4:
            pack_read_str(&next);
            break;
        case 5:
            pack_read_bin(&next);
            break;
        }
        if (next.failed)
            pack_skip(&r);
        else
            r = next;
    }
    assert(!r.failed); /* what passed the check can be skipped */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = slice_make(data, size);
    struct refusal why;
    size_t first = 0;

    if (pack_check(bytes, &first, &why) == 0) {
        assert(first >= 1 && first <= size);
        read_all(slice_make(data, first));
    } else {
        assert(why.code != REFUSAL_NONE && why.reason[0]);
    }
    return 0;
}
