/* Refused events on disk; see rejects.h.  Happy path: rejects_add or rejects_drop for each, then
 * the journal's commit, then rejects_settle.  Fails only as the disk does. */
#include "broker/rejects.h"

#include "broker/number.h"
#include "broker/record.h"
#include "broker/reject_counts.h"
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
    struct reject_counts *counts;
    uint64_t kept;              /* as committed */
    uint64_t next, staged_next; /* as committed, as it will be */
};

/* ---- opening ---- */

/* Only the head is looked at: a damaged one counts for whatever source it seems to have, or for
 * none, so that it has its turn to go like the others. */
static struct slice source_of(struct slice bytes)
{
    size_t size;

    if (bytes.size < REJECT_HEAD)
        return slice_make(NULL, 0);
    size = (unsigned char)bytes.at[AT_SOURCE];
    if (size > WIRE_NAME || size > bytes.size - REJECT_HEAD)
        return slice_make(NULL, 0);
    return slice_make(bytes.at + REJECT_HEAD, size);
}

static int kept_read(struct rejects *r)
{
    struct disk_item item;
    int err = disk_at_or_after(r->disk, r->table, 0, &item);

    for (; err == 0; err = disk_next(r->disk, &item)) {
        reject_counts_add(r->counts, source_of(item.value), item.key);
        if (item.key >= r->next)
            r->next = item.key + 1;
    }
    return err == ERR_AGAIN ? 0 : err;
}

int rejects_open(struct disk *disk, unsigned table, uint64_t next, struct rejects **ret)
{
    struct rejects *r = memory_need(sizeof *r);
    int err;

    *r = (struct rejects){.disk = disk, .table = table, .next = next ? next : 1};
    r->counts = reject_counts_new();
    r->most = disk_limit_bytes(disk) / REJECTS_PART / REJECTS_MAX_BYTES;
    if (r->most > REJECTS_MOST)
        r->most = REJECTS_MOST;
    err = disk_read_begin(disk);
    if (err == 0)
        err = kept_read(r);
    disk_read_end(disk);
    if (err < 0) {
        rejects_free(r);
        return err;
    }
    r->staged_next = r->next;
    rejects_settle(r, true);
    *ret = r;
    return 0;
}

void rejects_free(struct rejects *r)
{
    if (r)
        reject_counts_free(r->counts);
    free(r);
}

/* ---- to bytes and back ---- */

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

/* ---- writing and reading ---- */

/* A value that has gone by itself (a damaged tree) need not go. */
static int value_drop(struct rejects *r, uint64_t number)
{
    int err = disk_drop(r->disk, r->table, number);

    return err == ERR_AGAIN ? 0 : err;
}

int rejects_add(struct rejects *r, const struct reject *reject)
{
    uint64_t number = r->staged_next;
    char *room;
    int err;

    assert(reject->source.size <= WIRE_NAME && reject->code.size <= WIRE_NAME);
    assert(reject->field.size <= REFUSAL_FIELD && reject->reason.size <= REFUSAL_REASON);
    err = disk_append(r->disk, r->table, number, reject_size(reject), &room);
    if (err < 0)
        return err;
    reject_encode(reject, number, room);
    r->staged_next++;
    reject_counts_add(r->counts, reject->source, number);
    /* Two for one, where a smaller limit has left too many. */
    for (int i = 0; i < 2 && reject_counts_total(r->counts) > r->most && err == 0; i++)
        err = value_drop(r, reject_counts_displace(r->counts));
    return err;
}

int rejects_drop(struct rejects *r, uint64_t number)
{
    if (!reject_counts_remove(r->counts, number))
        return ERR_AGAIN;
    return value_drop(r, number);
}

void rejects_settle(struct rejects *r, bool committed)
{
    reject_counts_settle(r->counts, committed);
    r->kept = reject_counts_total(r->counts);
    if (committed)
        r->next = r->staged_next;
    else
        r->staged_next = r->next;
}

uint64_t rejects_count(const struct rejects *r)
{
    return r->kept;
}

uint64_t rejects_next_number(const struct rejects *r)
{
    return r->staged_next;
}

uint64_t rejects_staged(const struct rejects *r)
{
    return reject_counts_total(r->counts);
}

int rejects_next(struct rejects *r, uint64_t number, uint64_t *ret_number, struct reject *ret)
{
    struct disk_item item;
    int err = disk_at_or_after(r->disk, r->table, number, &item);

    if (err < 0)
        return err == ERR_AGAIN ? err : ERR_IO;
    *ret_number = item.key;
    return reject_decode(item.value, item.key, ret);
}
