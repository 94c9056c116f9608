/* The bytes of a record; see record.h for the drawing.  Encoding cannot fail; decoding trusts
 * nothing until the checksum has been found right. */
#include "broker/record.h"

#include "broker/number.h"
#include "proto/error.h"

#include <assert.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum {
    AT_VERSION = 0,
    AT_SOURCE = 1,
    AT_ZERO = 2,
    AT_COUNT = 4,
    AT_RECEIVED = 8,
    AT_CHECKSUM = 16
};

uint64_t record_checksum(uint64_t place, uint64_t number, struct slice head, struct slice body)
{
    char where[16];
    XXH3_state_t state;

    number_put64(where, place);
    number_put64(where + 8, number);
    XXH3_64bits_reset(&state);
    XXH3_64bits_update(&state, where, sizeof where);
    XXH3_64bits_update(&state, head.at, head.size);
    XXH3_64bits_update(&state, body.at, body.size);
    return XXH3_64bits_digest(&state);
}

size_t record_size(const struct record *r)
{
    return RECORD_HEAD + r->source.size + r->events.size;
}

static uint64_t checksum_of(const char *bytes, size_t size, unsigned partition, uint64_t offset)
{
    return record_checksum(partition, offset, slice_make(bytes, AT_CHECKSUM),
                           slice_make(bytes + RECORD_HEAD, size - RECORD_HEAD));
}

void record_encode(const struct record *r, unsigned partition, uint64_t offset, char *out)
{
    assert(r->source.size <= WIRE_NAME && r->events.size <= RECORD_BYTES);
    assert(r->count > 0 && r->count <= RECORD_MAX_EVENTS);
    out[AT_VERSION] = RECORD_VERSION;
    out[AT_SOURCE] = (char)r->source.size;
    number_put16(out + AT_ZERO, 0);
    number_put32(out + AT_COUNT, r->count);
    number_put64(out + AT_RECEIVED, (uint64_t)r->received_ms);
    if (r->source.size)
        memcpy(out + RECORD_HEAD, r->source.at, r->source.size);
    memcpy(out + RECORD_HEAD + r->source.size, r->events.at, r->events.size);
    number_put64(out + AT_CHECKSUM, checksum_of(out, record_size(r), partition, offset));
}

int record_decode(struct slice bytes, unsigned partition, uint64_t offset, struct record *ret)
{
    struct record r;
    size_t source;

    if (bytes.size < RECORD_HEAD || bytes.size > RECORD_MAX_BYTES)
        return ERR_CORRUPT;
    if (bytes.at[AT_VERSION] != RECORD_VERSION)
        return ERR_VERSION;
    if (number_get64(bytes.at + AT_CHECKSUM) !=
        checksum_of(bytes.at, bytes.size, partition, offset))
        return ERR_CORRUPT;
    source = (unsigned char)bytes.at[AT_SOURCE];
    r.count = number_get32(bytes.at + AT_COUNT);
    r.received_ms = (int64_t)number_get64(bytes.at + AT_RECEIVED);
    if (number_get16(bytes.at + AT_ZERO) != 0 || source > WIRE_NAME ||
        source > bytes.size - RECORD_HEAD)
        return ERR_CORRUPT;
    r.source = slice_make(bytes.at + RECORD_HEAD, source);
    r.events = slice_make(r.source.at + source, bytes.size - RECORD_HEAD - source);
    if (r.count == 0 || r.count > RECORD_MAX_EVENTS || r.count > r.events.size ||
        r.events.size > RECORD_BYTES)
        return ERR_CORRUPT;
    *ret = r;
    return 0;
}
