/* A refused event on disk; see reject.h.  Nothing but damaged bytes can fail. */
#include "broker/reject.h"

#include "broker/number.h"
#include "broker/record.h"
#include "proto/error.h"
#include "proto/event.h"
#include "proto/wire.h"

#include <assert.h>

enum {
    AT_VERSION = 0,
    AT_SOURCE = 1,
    AT_CODE = 2,
    AT_FIELD = 3,
    AT_REASON = 4,
    AT_ZERO = 6,
    AT_RECEIVED = 8,
    AT_CHECKSUM = 16,
    AT_SIZE = 24
};

#define CHECKSUM_PLACE UINT64_MAX /* no partition has this number */

static uint64_t checksum_of(const char *bytes, size_t size, uint64_t number)
{
    return record_checksum(CHECKSUM_PLACE, number, slice_make(bytes, AT_CHECKSUM),
                           slice_make(bytes + AT_SIZE, size - AT_SIZE));
}

size_t reject_size(const struct reject *r)
{
    size_t kept = r->event.size < EVENT_MAX_BYTES ? r->event.size : EVENT_MAX_BYTES;

    return REJECT_HEAD + r->source.size + r->code.size + r->field.size + r->reason.size + kept;
}

static char *put(char *at, struct slice s)
{
    if (s.size)
        memcpy(at, s.at, s.size);
    return at + s.size;
}

void reject_encode(const struct reject *r, uint64_t number, char *out)
{
    size_t size = reject_size(r);
    char *at = out + REJECT_HEAD;

    assert(r->source.size <= WIRE_NAME && r->code.size <= WIRE_NAME);
    assert(r->field.size <= REFUSAL_FIELD && r->reason.size <= REFUSAL_REASON);
    out[AT_VERSION] = REJECT_VERSION;
    out[AT_SOURCE] = (char)r->source.size;
    out[AT_CODE] = (char)r->code.size;
    out[AT_FIELD] = (char)r->field.size;
    number_put16(out + AT_REASON, (uint16_t)r->reason.size);
    number_put16(out + AT_ZERO, 0);
    number_put64(out + AT_RECEIVED, (uint64_t)r->received_ms);
    number_put32(out + AT_SIZE, (uint32_t)r->event.size);
    at = put(put(put(put(at, r->source), r->code), r->field), r->reason);
    put(at, slice_make(r->event.at, size - (size_t)(at - out)));
    number_put64(out + AT_CHECKSUM, checksum_of(out, size, number));
}

static struct slice take(struct slice *rest, size_t size)
{
    struct slice taken = slice_make(rest->at, size);

    rest->at += size;
    rest->size -= size;
    return taken;
}

int reject_decode(struct slice bytes, uint64_t number, struct reject *ret)
{
    struct slice rest;
    size_t source, code, field, reason;

    if (bytes.size < REJECT_HEAD)
        return ERR_CORRUPT;
    if (bytes.at[AT_VERSION] != REJECT_VERSION)
        return ERR_VERSION;
    if (number_get64(bytes.at + AT_CHECKSUM) != checksum_of(bytes.at, bytes.size, number))
        return ERR_CORRUPT;
    source = (unsigned char)bytes.at[AT_SOURCE];
    code = (unsigned char)bytes.at[AT_CODE];
    field = (unsigned char)bytes.at[AT_FIELD];
    reason = number_get16(bytes.at + AT_REASON);
    rest = slice_make(bytes.at + REJECT_HEAD, bytes.size - REJECT_HEAD);
    if (number_get16(bytes.at + AT_ZERO) != 0 || source + code + field + reason > rest.size)
        return ERR_CORRUPT;
    ret->received_ms = (int64_t)number_get64(bytes.at + AT_RECEIVED);
    ret->size = number_get32(bytes.at + AT_SIZE);
    ret->source = take(&rest, source);
    ret->code = take(&rest, code);
    ret->field = take(&rest, field);
    ret->reason = take(&rest, reason);
    ret->event = rest;
    return 0;
}

struct slice reject_source(struct slice bytes)
{
    size_t size;

    if (bytes.size < REJECT_HEAD)
        return slice_make(NULL, 0);
    size = (unsigned char)bytes.at[AT_SOURCE];
    if (size > WIRE_NAME || size > bytes.size - REJECT_HEAD)
        return slice_make(NULL, 0);
    return slice_make(bytes.at + REJECT_HEAD, size);
}
