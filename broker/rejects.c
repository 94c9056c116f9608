/* Refused events on disk; see rejects.h.  Happy path: rejects_add for each, then the journal's
 * commit, then rejects_settle.  Fails only as the disk does. */
#include "broker/rejects.h"

#include "broker/number.h"
#include "broker/record.h"
#include "proto/error.h"
#include "proto/event.h"

#include <assert.h>
#include <stdlib.h>

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

struct rejects {
    struct disk *disk;
    unsigned table;
    uint64_t most;
    uint64_t next, count;               /* as committed */
    uint64_t staged_next, staged_count; /* as they will be */
};

int rejects_open(struct disk *disk, unsigned table, uint64_t next, struct rejects **ret)
{
    struct rejects *r = memory_need(sizeof *r);
    struct disk_item last;
    int err;

    *r = (struct rejects){.disk = disk, .table = table, .next = next ? next : 1};
    r->most = disk_limit_bytes(disk) / REJECTS_PART / REJECTS_MAX_BYTES;
    if (r->most > REJECTS_MOST)
        r->most = REJECTS_MOST;
    err = disk_count(disk, table, &r->count);
    disk_abort(disk);
    if (err == 0)
        err = disk_read_begin(disk);
    if (err == 0) {
        err = disk_at_or_before(disk, table, UINT64_MAX, &last);
        disk_read_end(disk);
    }
    if (err < 0 && err != ERR_AGAIN) {
        free(r);
        return err;
    }
    if (err == 0 && r->next <= last.key)
        r->next = last.key + 1;
    rejects_settle(r, false);
    *ret = r;
    return 0;
}

void rejects_free(struct rejects *r)
{
    free(r);
}

static uint64_t checksum_of(const char *bytes, size_t size, uint64_t number)
{
    return record_checksum(CHECKSUM_PLACE, number, slice_make(bytes, AT_CHECKSUM),
                           slice_make(bytes + AT_SIZE, size - AT_SIZE));
}

static size_t reject_size(const struct reject *r)
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

static void reject_encode(const struct reject *r, uint64_t number, char *out)
{
    size_t size = reject_size(r);
    char *at = out + REJECT_HEAD;

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

static int reject_decode(struct slice bytes, uint64_t number, struct reject *ret)
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

int rejects_add(struct rejects *r, const struct reject *reject)
{
    char *room;
    int err;

    assert(reject->source.size <= WIRE_NAME && reject->code.size <= WIRE_NAME);
    assert(reject->field.size <= REFUSAL_FIELD && reject->reason.size <= REFUSAL_REASON);
    err = disk_append(r->disk, r->table, r->staged_next, reject_size(reject), &room);
    if (err < 0)
        return err;
    reject_encode(reject, r->staged_next++, room);
    if (r->staged_count < r->most) {
        r->staged_count++;
        return 0;
    }
    return disk_drop_first(r->disk, r->table);
}

void rejects_settle(struct rejects *r, bool committed)
{
    if (committed) {
        r->next = r->staged_next;
        r->count = r->staged_count;
    } else {
        r->staged_next = r->next;
        r->staged_count = r->count;
    }
}

uint64_t rejects_count(const struct rejects *r)
{
    return r->count;
}

uint64_t rejects_next_number(const struct rejects *r)
{
    return r->staged_next;
}

uint64_t rejects_staged(const struct rejects *r)
{
    return r->staged_count;
}

int rejects_next(struct rejects *r, uint64_t number, uint64_t *ret_number, struct reject *ret)
{
    struct disk_item item;
    int err = disk_at_or_after(r->disk, r->table, number, &item);

    if (err == 0)
        err = reject_decode(item.value, item.key, ret);
    if (err == 0)
        *ret_number = item.key;
    return err;
}
