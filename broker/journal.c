/* The journal on disk; see journal.h and JOURNAL.md.  Happy path: journal_open, then
 * journal_append ... journal_commit for every round.  What can fail: no room (the round is
 * refused), a failing disk (the broker must stop), bytes that changed on disk (found by the
 * checksums, said to the reader). */
#include "broker/journal.h"

#include "broker/number.h"
#include "proto/clock.h"
#include "proto/error.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

/* The one value of table "meta":
 *
 *     0         8         12          16        24               56          64
 *     +---------+---------+-----------+---------+----------------+-----------+
 *     | TRNTJRNL| format  | partitions| created | log id         | checksum  |
 *     | 8 bytes | u32 = 1 | u32       | i64 ms  | 32 hex digits  | XXH3-64   |
 *     +---------+---------+-----------+---------+----------------+-----------+ */
#define META_MAGIC "TRNTJRNL"
enum {
    META_FORMAT = 8,
    META_PARTITIONS = 12,
    META_CREATED = 16,
    META_LOG = 24,
    META_CHECKSUM = 56
};
#define META_BYTES 64
#define META_PLACE (UINT64_MAX - 1) /* for the checksum; no partition has this number */

#define OTHER_TABLES 2 /* meta, rejects */

struct journal {
    struct disk *disk;
    struct rejects *rejects;
    unsigned meta_table, rejects_table, tables[WIRE_MAX_PARTS];
    unsigned partitions;
    char log[JOURNAL_LOG_ID];
    uint64_t ends[WIRE_MAX_PARTS];   /* as committed */
    uint64_t staged[WIRE_MAX_PARTS]; /* as they will be */
    unsigned read_partition;         /* of the reading under way */
    uint64_t read_offset;
    bool read_first;
};

/* ---- creation and opening ---- */

static uint64_t meta_checksum(const char *meta)
{
    return record_checksum(META_PLACE, 0, slice_make(meta, META_CHECKSUM), slice_make(meta, 0));
}

/* A random name: Redis remembers which journal its counters came from. */
static int log_id_make(char out[JOURNAL_LOG_ID])
{
    unsigned char random[JOURNAL_LOG_ID / 2];
    char digits[3];

    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return ERR_IO;
    for (size_t i = 0; i < sizeof random; i++) {
        snprintf(digits, sizeof digits, "%02x", random[i]);
        memcpy(out + 2 * i, digits, 2);
    }
    return 0;
}

static int meta_create(struct journal *j, unsigned partitions)
{
    char *meta;
    int err = disk_append(j->disk, j->meta_table, 0, META_BYTES, &meta);

    if (err < 0)
        return err;
    memcpy(meta, META_MAGIC, META_FORMAT);
    number_put32(meta + META_FORMAT, JOURNAL_FORMAT);
    number_put32(meta + META_PARTITIONS, partitions);
    number_put64(meta + META_CREATED, (uint64_t)clock_wall_ms());
    err = log_id_make(meta + META_LOG);
    number_put64(meta + META_CHECKSUM, meta_checksum(meta));
    return err;
}

static int meta_decode(struct journal *j, struct slice meta)
{
    if (meta.size < META_PARTITIONS || memcmp(meta.at, META_MAGIC, META_FORMAT) != 0)
        return ERR_CORRUPT;
    if (number_get32(meta.at + META_FORMAT) != JOURNAL_FORMAT)
        return ERR_VERSION;
    if (meta.size != META_BYTES || number_get64(meta.at + META_CHECKSUM) != meta_checksum(meta.at))
        return ERR_CORRUPT;
    j->partitions = number_get32(meta.at + META_PARTITIONS);
    memcpy(j->log, meta.at + META_LOG, JOURNAL_LOG_ID);
    return j->partitions >= 1 && j->partitions <= WIRE_MAX_PARTS ? 0 : ERR_CORRUPT;
}

static int meta_read(struct journal *j)
{
    struct disk_item item;
    int err = disk_read_begin(j->disk);

    if (err < 0)
        return err;
    err = disk_at_or_after(j->disk, j->meta_table, 0, &item);
    if (err == 0)
        err = meta_decode(j, item.value);
    disk_read_end(j->disk);
    return err;
}

static int tables_open(struct journal *j, unsigned partitions)
{
    char name[16];
    int err = disk_table(j->disk, "rejects", &j->rejects_table);

    for (unsigned p = 0; p < partitions && err == 0; p++) {
        snprintf(name, sizeof name, "p%03u", p);
        err = disk_table(j->disk, name, &j->tables[p]);
    }
    return err;
}

/* Either the journal is there with all its tables and its meta, or there is nothing: it is made
 * in one commit. */
static int journal_create(struct journal *j, unsigned partitions)
{
    int err = disk_table(j->disk, "meta", &j->meta_table);

    if (err == 0)
        err = tables_open(j, partitions);
    if (err == 0)
        err = meta_create(j, partitions);
    if (err < 0) {
        disk_abort(j->disk);
        return err;
    }
    err = disk_commit(j->disk);
    return err < 0 ? err : meta_read(j);
}

static int meta_find(struct journal *j)
{
    uint64_t there = 0;
    int err = disk_table(j->disk, "meta", &j->meta_table);

    if (err == 0)
        err = disk_count(j->disk, j->meta_table, &there);
    if (err == 0 && there > 0)
        err = disk_commit(j->disk);
    else
        disk_abort(j->disk);
    if (err < 0)
        return err;
    return there ? meta_read(j) : ERR_AGAIN;
}

static int journal_attach(struct journal *j, unsigned partitions)
{
    int err = meta_find(j);

    if (err == ERR_AGAIN)
        return journal_create(j, partitions);
    if (err == 0)
        err = tables_open(j, j->partitions);
    if (err == 0)
        return disk_commit(j->disk);
    disk_abort(j->disk);
    return err;
}

/* The end of a partition is behind the events of its last record. */
static int ends_read(struct journal *j)
{
    struct record last;
    uint64_t offset;

    for (unsigned p = 0; p < j->partitions; p++) {
        int err = journal_read_begin(j, p, UINT64_MAX);
        if (err == 0)
            err = journal_next(j, &offset, &last);
        if (err == 0)
            j->ends[p] = offset + last.count;
        journal_read_end(j);
        if (err < 0 && err != ERR_AGAIN)
            return err;
        j->staged[p] = j->ends[p];
    }
    return 0;
}

int journal_open(const struct journal_config *config, struct journal **ret)
{
    struct journal *j = memory_need(sizeof *j);
    int err;

    assert(config->partitions >= 1 && config->partitions <= WIRE_MAX_PARTS);
    *j = (struct journal){0};
    err = disk_open(config->folder, config->limit_bytes, WIRE_MAX_PARTS + OTHER_TABLES, &j->disk);
    if (err == 0)
        err = journal_attach(j, config->partitions);
    if (err == 0)
        err = ends_read(j);
    if (err == 0)
        err = rejects_open(j->disk, j->rejects_table, &j->rejects);
    if (err < 0) {
        journal_close(j);
        return err;
    }
    *ret = j;
    return 0;
}

void journal_close(struct journal *j)
{
    if (!j)
        return;
    rejects_free(j->rejects);
    disk_close(j->disk);
    free(j);
}

/* ---- what it says of itself ---- */

struct slice journal_log_id(const struct journal *j)
{
    return slice_make(j->log, JOURNAL_LOG_ID);
}

unsigned journal_partitions(const struct journal *j)
{
    return j->partitions;
}

uint64_t journal_end(const struct journal *j, unsigned partition)
{
    assert(partition < j->partitions);
    return j->ends[partition];
}

uint64_t journal_rejects(const struct journal *j)
{
    return rejects_count(j->rejects);
}

uint64_t journal_used_bytes(const struct journal *j)
{
    return disk_used_bytes(j->disk);
}

uint64_t journal_limit_bytes(const struct journal *j)
{
    return disk_limit_bytes(j->disk);
}

/* ---- writing ---- */

int journal_append(struct journal *j, unsigned partition, const struct record *record)
{
    char *room;
    int err;

    assert(partition < j->partitions);
    err = disk_append(j->disk, j->tables[partition], j->staged[partition], record_size(record),
                      &room);
    if (err < 0)
        return err;
    record_encode(record, partition, j->staged[partition], room);
    j->staged[partition] += record->count;
    return 0;
}

int journal_reject(struct journal *j, const struct reject *reject)
{
    return rejects_add(j->rejects, reject);
}

int journal_commit(struct journal *j)
{
    int err = disk_commit(j->disk);

    if (err == 0)
        memcpy(j->ends, j->staged, sizeof j->ends);
    else
        memcpy(j->staged, j->ends, sizeof j->ends);
    rejects_settle(j->rejects, err == 0);
    return err;
}

void journal_abort(struct journal *j)
{
    disk_abort(j->disk);
    memcpy(j->staged, j->ends, sizeof j->ends);
    rejects_settle(j->rejects, false);
}

/* ---- reading ---- */

int journal_read_begin(struct journal *j, unsigned partition, uint64_t offset)
{
    assert(partition < j->partitions);
    j->read_partition = partition;
    j->read_offset = offset;
    j->read_first = true;
    return disk_read_begin(j->disk);
}

static int journal_seek(struct journal *j, struct disk_item *ret)
{
    unsigned table = j->tables[j->read_partition];

    if (!j->read_first)
        return disk_next(j->disk, ret);
    j->read_first = false;
    return disk_at_or_before(j->disk, table, j->read_offset, ret);
}

int journal_next(struct journal *j, uint64_t *ret_offset, struct record *ret)
{
    struct disk_item item;
    bool first = j->read_first;
    int err = journal_seek(j, &item);

    if (err < 0)
        return err;
    *ret_offset = item.key;
    err = record_decode(item.value, j->read_partition, item.key, ret);
    if (err < 0)
        return err;
    /* Without a gap, as record follows record; UINT64_MAX asks for the last, whatever it is. */
    if (first && j->read_offset != UINT64_MAX && j->read_offset - item.key >= ret->count)
        return j->read_offset >= j->ends[j->read_partition] ? ERR_AGAIN : ERR_CORRUPT;
    if (!first && item.key != j->read_offset)
        return ERR_CORRUPT;
    j->read_offset = item.key + ret->count;
    return 0;
}

void journal_read_end(struct journal *j)
{
    disk_read_end(j->disk);
}

int64_t journal_received_ms(struct journal *j, unsigned partition, uint64_t offset)
{
    struct record r = {0};
    uint64_t at;
    int err;

    if (offset >= journal_end(j, partition))
        return 0;
    err = journal_read_begin(j, partition, offset);
    if (err == 0)
        err = journal_next(j, &at, &r);
    journal_read_end(j);
    return err == 0 ? r.received_ms : 0;
}

int journal_next_reject(struct journal *j, uint64_t number, struct buffer *copy,
                        uint64_t *ret_number, struct reject *ret)
{
    struct slice *const parts[] = {&ret->source, &ret->code, &ret->field, &ret->reason,
                                   &ret->event};
    int err = disk_read_begin(j->disk);

    if (err < 0)
        return err;
    err = rejects_next(j->rejects, number, ret_number, ret);
    buffer_clear(copy);
    if (err == 0) {
        char *at = buffer_room(copy, REJECTS_MAX_BYTES);
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
            if (parts[i]->size)
                memcpy(at, parts[i]->at, parts[i]->size);
            parts[i]->at = at;
            at += parts[i]->size;
        }
    }
    disk_read_end(j->disk);
    return err;
}
