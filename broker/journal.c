/* The journal on disk; see journal.h and JOURNAL.md.  Happy path: journal_open, then
 * journal_append ... journal_commit for every round, which writes the round's records ahead, and
 * from time to time moves all such records into the trees of their partitions.  What can fail:
 * no room (the round is refused), a failing disk (the broker must stop), bytes that changed on disk
 * (found by the checksums, said to the reader). */
#include "broker/journal.h"

#include "broker/meta_table.h"
#include "broker/recent.h"
#include "broker/wal.h"
#include "proto/error.h"
#include "proto/log.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define OTHER_TABLES 3 /* meta, rejects, recent */
#define RECENT_TABLE "recent"

struct journal {
    struct disk *disk;
    struct rejects *rejects;
    struct recent *recent;
    struct wal wal;
    size_t recent_bytes;
    uint64_t owed, staged_owed; /* what the recent records will cost in the trees */
    unsigned meta_table, rejects_table, recent_table, tables[WIRE_MAX_PARTS];
    unsigned partitions;
    struct meta meta;                /* what it is */
    uint64_t commit;                 /* the number of the last one */
    uint64_t ends[WIRE_MAX_PARTS];   /* as committed */
    uint64_t staged[WIRE_MAX_PARTS]; /* as they will be */
    size_t left[WIRE_MAX_PARTS];     /* of the last page; too much or little after a failure */
    bool moving;                     /* this round's records go into the trees, and all before */
    unsigned read_partition;         /* of the reading under way */
    uint64_t read_offset;
    size_t read_recent; /* the next one's index; RECENT_NONE: it is still in the tree */
    bool read_first;
};

/* ---- creation and opening ---- */

static int meta_read(struct journal *j)
{
    int err = meta_table_get(j->disk, j->meta_table, &j->meta);

    j->partitions = j->meta.partitions;
    return err;
}

static int ends_stage(struct journal *j)
{
    struct ends e = {.commit = j->commit + 1,
                     .next_reject = rejects_next_number(j->rejects),
                     .rejects = rejects_staged(j->rejects),
                     .partitions = j->partitions};

    memcpy(e.ends, j->staged, sizeof e.ends);
    return meta_table_put_ends(j->disk, j->meta_table, &e);
}

/* Of the blocks of the write-ahead log: for two copies of what is kept. */
static size_t wal_bytes(const struct journal *j)
{
    size_t bytes = 4 * j->recent_bytes / FRAME_BLOCK * FRAME_BLOCK;

    return bytes < FRAME_LOG_LEAST ? FRAME_LOG_LEAST : bytes;
}

static int tables_open(struct journal *j, unsigned partitions, bool create)
{
    char name[16];
    int err = disk_table(j->disk, "rejects", create, &j->rejects_table);

    if (err == 0)
        err = disk_table(j->disk, RECENT_TABLE, create, &j->recent_table);
    for (unsigned p = 0; p < partitions && err == 0; p++) {
        snprintf(name, sizeof name, "p%03u", p);
        err = disk_table(j->disk, name, create, &j->tables[p]);
    }
    return err;
}

/* Either the journal is there with all its tables and its meta, or there is nothing: it is made
 * in one commit. */
static int journal_create(struct journal *j, unsigned partitions)
{
    struct ends none = {.commit = 1, .next_reject = 1, .partitions = partitions};
    int err = disk_table(j->disk, "meta", true, &j->meta_table);

    if (err == 0)
        err = tables_open(j, partitions, true);
    if (err == 0)
        err = meta_table_create(j->disk, j->meta_table, partitions);
    if (err == 0)
        err = meta_table_put_ends(j->disk, j->meta_table, &none);
    if (err == 0)
        err = wal_create(j->disk, j->recent_table, wal_bytes(j));
    if (err < 0) {
        disk_abort(j->disk);
        return err;
    }
    err = disk_commit(j->disk);
    return err < 0 ? err : meta_read(j);
}

/* Opens the tables of a journal that is there; a table that is not says ERR_AGAIN. */
static int journal_find(struct journal *j)
{
    int err = disk_table(j->disk, "meta", false, &j->meta_table);

    if (err == 0)
        err = disk_commit(j->disk);
    if (err == 0)
        err = meta_read(j);
    if (err == 0)
        err = tables_open(j, j->partitions, false);
    if (err == 0)
        return disk_commit(j->disk);
    disk_abort(j->disk);
    return err;
}

static int journal_attach(struct journal *j, unsigned partitions)
{
    int err;

    if (disk_is_empty(j->disk))
        return journal_create(j, partitions);
    err = journal_find(j);
    return err == ERR_AGAIN ? ERR_CORRUPT : err;
}

/* The end of a partition is behind the events of its last record. */
static int end_read(struct journal *j, unsigned partition, uint64_t *ret)
{
    struct record last;
    uint64_t offset;
    int err = journal_read_begin(j, partition, UINT64_MAX);

    if (err == 0)
        err = journal_next(j, &offset, &last);
    journal_read_end(j);
    if (err == 0)
        *ret = offset + last.count;
    return err == ERR_AGAIN ? 0 : err;
}

/* The records of one commit, each of which goes on where its partition ended. */
static int recent_load(struct journal *j, struct slice value)
{
    struct recent_entry e;
    struct record r;
    int err;

    if (value.size == 0)
        return ERR_CORRUPT; /* a commit without records stores none */
    while ((err = recent_take(&value, &e)) == 0) {
        if (e.partition >= j->partitions || e.offset != j->ends[e.partition])
            return ERR_CORRUPT;
        err = record_decode(e.record, e.partition, e.offset, &r);
        if (err < 0)
            return err;
        memcpy(recent_stage(j->recent, e.partition, e.offset, e.record.size), e.record.at,
               e.record.size);
        j->owed += disk_cost(j->disk, e.record.size);
        j->ends[e.partition] += r.count;
    }
    return err == ERR_AGAIN ? 0 : err;
}

static int recent_damaged(uint64_t commit)
{
    log_error("the journal is damaged: the recent records of commit %llu are not what was written",
              (unsigned long long)commit);
    return ERR_CORRUPT;
}

static int wal_read(struct journal *j)
{
    struct slice entries;
    int err = wal_find(&j->wal, j->disk, j->recent_table, j->commit);

    if (err == ERR_CORRUPT)
        log_error("the journal is damaged: the write-ahead log is not what was written");
    if (err < 0)
        return err;
    while (err == 0) {
        err = wal_next(&j->wal, &entries);
        if (err == 0)
            err = recent_load(j, entries);
        j->commit += err == 0;
        if (err == ERR_CORRUPT)
            err = recent_damaged(j->commit + 1);
    }
    return err == ERR_AGAIN ? wal_mend(&j->wal) : err;
}

static int recent_read(struct journal *j)
{
    int err = disk_read_begin(j->disk);

    if (err < 0)
        return err;
    err = wal_read(j);
    disk_read_end(j->disk);
    recent_settle(j->recent, true);
    return err == ERR_AGAIN ? 0 : err;
}

static int ends_compare(const struct journal *j, const struct ends *e)
{
    for (unsigned p = 0; p < j->partitions; p++) {
        if (j->ends[p] == e->ends[p])
            continue;
        log_error("the journal is damaged: partition %u ends at %llu, and ended at %llu when it "
                  "was last written",
                  p, (unsigned long long)j->ends[p], (unsigned long long)e->ends[p]);
        return ERR_CORRUPT;
    }
    return 0;
}

/* What the last commit to the trees said of the ends is true before the write-ahead log is read. */
static int ends_read(struct journal *j, struct ends *ret)
{
    int err = meta_table_get_ends(j->disk, j->meta_table, j->partitions, ret);

    j->commit = ret->commit;
    for (unsigned p = 0; p < j->partitions && err == 0; p++)
        err = end_read(j, p, &j->ends[p]);
    if (err == 0)
        err = ends_compare(j, ret);
    if (err == 0)
        err = recent_read(j);
    memcpy(j->staged, j->ends, sizeof j->staged);
    return err;
}

int journal_open(const struct journal_config *config, struct journal **ret)
{
    struct journal *j = memory_need(sizeof *j);
    struct ends ends = {0};
    int err;

    assert(config->partitions >= 1 && config->partitions <= WIRE_MAX_PARTS);
    assert(config->recent_bytes <= RECENT_BYTES);
    *j = (struct journal){
        .recent = recent_new(),
        .recent_bytes = config->recent_bytes ? config->recent_bytes : RECENT_BYTES,
    };
    err = disk_open(config->folder, config->limit_bytes, WIRE_MAX_PARTS + OTHER_TABLES, &j->disk);
    if (err == 0)
        err = journal_attach(j, config->partitions);
    if (err == 0)
        err = ends_read(j, &ends);
    if (err == 0)
        err = rejects_open(j->disk, j->rejects_table, ends.next_reject, &j->rejects);
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
    recent_free(j->recent);
    wal_close(&j->wal);
    disk_close(j->disk);
    free(j);
}

/* ---- what it says of itself ---- */

struct slice journal_log_id(const struct journal *j)
{
    return slice_make(j->meta.log, WIRE_LOG);
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

struct slice journal_map(const struct journal *j)
{
    return disk_map(j->disk);
}

/* ---- writing ---- */

/* All recent records into the trees, in their order, and those that this round adds behind them.
 * For each there was room when it was accepted, so they can move at any time, when refused events
 * are dropped from a full journal, too. */
static int recent_move(struct journal *j)
{
    struct slice entries = recent_all(j->recent);
    struct recent_entry e;
    char *room;
    int err = 0;

    j->moving = true;
    while (err == 0 && recent_take(&entries, &e) == 0) {
        err = disk_append_kept(j->disk, j->tables[e.partition], e.offset, e.record.size, &room);
        if (err == 0)
            memcpy(room, e.record.at, e.record.size);
    }
    return err;
}

bool journal_has_room(struct journal *j, size_t bytes)
{
    return disk_has_room(j->disk, j->owed + j->staged_owed + disk_cost(j->disk, bytes));
}

/* Where there is room only on pages that became free, a record goes into the trees at once: later
 * it might find none. */
static bool is_to_move(struct journal *j, size_t size)
{
    size_t part = j->recent_bytes / RECENT_PART, more = RECENT_HEAD + size;

    return recent_all(j->recent).size + more > j->recent_bytes ||
           recent_staged(j->recent).size + more > (part < RECENT_STAGE ? part : RECENT_STAGE) ||
           !journal_has_room(j, size);
}

int journal_append(struct journal *j, unsigned partition, const struct record *record)
{
    uint64_t offset = j->staged[partition];
    size_t size = record_size(record);
    char *room;
    int err = 0;

    assert(partition < j->partitions);
    if (!j->moving && is_to_move(j, size))
        err = recent_move(j);
    if (err == 0 && j->moving)
        err = disk_append(j->disk, j->tables[partition], offset, size, &room);
    if (err < 0)
        return err;
    if (!j->moving) {
        room = recent_stage(j->recent, partition, offset, size);
        j->staged_owed += disk_cost(j->disk, size);
    }
    record_encode(record, partition, offset, room);
    j->staged[partition] += record->count;
    j->left[partition] = disk_left(j->left[partition], size);
    return 0;
}

size_t journal_left(const struct journal *j, unsigned partition)
{
    assert(partition < j->partitions);
    return j->left[partition];
}

int journal_reject(struct journal *j, const struct reject *reject)
{
    return rejects_add(j->rejects, reject);
}

int journal_drop_reject(struct journal *j, uint64_t number)
{
    return rejects_drop(j->rejects, number);
}

/* What the commit came to. */
static void journal_settle(struct journal *j, bool kept)
{
    if (kept)
        memcpy(j->ends, j->staged, sizeof j->ends);
    else
        memcpy(j->staged, j->ends, sizeof j->ends);
    j->owed += kept ? j->staged_owed : 0;
    j->staged_owed = 0;
    if (kept && j->moving) {
        recent_clear(j->recent);
        j->owed = 0;
    } else {
        recent_settle(j->recent, kept);
    }
    j->moving = false;
    rejects_settle(j->rejects, kept);
}

/* Everything into the trees, in one transaction. */
static int trees_commit(struct journal *j)
{
    int err = j->moving ? 0 : recent_move(j);

    if (err == 0)
        err = ends_stage(j);
    if (err == 0)
        err = disk_commit(j->disk); /* or what stuck while it was staged */
    else
        disk_abort(j->disk);
    journal_settle(j, err == 0);
    if (err == 0)
        wal_restart(&j->wal);
    return err;
}

int journal_commit(struct journal *j)
{
    struct slice staged = recent_staged(j->recent);
    int err;

    if (!disk_changed(j->disk) && staged.size == 0) {
        err = disk_commit(j->disk);
        journal_settle(j, err == 0);
        return err;
    }
    if (j->moving || disk_changed(j->disk) || !wal_has_room(&j->wal, staged.size)) {
        err = trees_commit(j);
    } else {
        disk_abort(j->disk); /* a transaction in which nothing was changed */
        err = wal_write(&j->wal, j->commit + 1, staged);
        journal_settle(j, err == 0);
    }
    j->commit += err == 0;
    return err;
}

void journal_abort(struct journal *j)
{
    disk_abort(j->disk);
    journal_settle(j, false);
}

/* ---- reading ---- */

int journal_read_begin(struct journal *j, unsigned partition, uint64_t offset)
{
    assert(partition < j->partitions);
    j->read_partition = partition;
    j->read_offset = offset;
    j->read_first = true;
    j->read_recent = recent_find(j->recent, partition, offset);
    return disk_read_begin(j->disk);
}

static int tree_next(struct journal *j, struct disk_item *ret)
{
    if (j->read_first)
        return disk_at_or_before(j->disk, j->tables[j->read_partition], j->read_offset, ret);
    return disk_next(j->disk, ret);
}

/* From the partition's tree, and behind it from the recent records. */
static int item_next(struct journal *j, struct disk_item *ret)
{
    struct recent_entry e;

    if (j->read_recent == RECENT_NONE) {
        int err = tree_next(j, ret);
        if (err != ERR_AGAIN)
            return err;
        j->read_recent = 0;
    }
    if (!recent_get(j->recent, j->read_partition, j->read_recent, &e))
        return ERR_AGAIN;
    j->read_recent++;
    *ret = (struct disk_item){e.offset, e.record};
    return 0;
}

int journal_next(struct journal *j, uint64_t *ret_offset, struct record *ret)
{
    struct disk_item item;
    bool first = j->read_first;
    int err = item_next(j, &item);

    j->read_first = false;
    if (err == ERR_AGAIN && j->read_offset < j->ends[j->read_partition])
        return ERR_CORRUPT; /* what was committed is not there */
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

int journal_rejects_begin(struct journal *j)
{
    return disk_read_begin(j->disk);
}

int journal_next_reject(struct journal *j, uint64_t number, uint64_t *ret_number,
                        struct reject *ret)
{
    return rejects_next(j->rejects, number, ret_number, ret);
}
