/* Refused events on disk; see rejects.h.  Happy path: rejects_add or rejects_drop for each, then
 * the journal's commit, then rejects_settle.  Fails only as the disk does. */
#include "broker/rejects.h"

#include "broker/reject_counts.h"
#include "proto/error.h"

#include <stdlib.h>

struct rejects {
    struct disk *disk;
    unsigned table;
    uint64_t most;
    struct reject_counts *counts;
    uint64_t kept;              /* as committed */
    uint64_t next, staged_next; /* as committed, as it will be */
};

/* ---- opening ---- */

/* A damaged one counts for whatever source it seems to have, or for none, so that it has its turn
 * to go like the others. */
static int kept_read(struct rejects *r)
{
    struct disk_item item;
    int err = disk_at_or_after(r->disk, r->table, 0, &item);

    for (; err == 0; err = disk_next(r->disk, &item)) {
        reject_counts_add(r->counts, reject_source(item.value), item.key);
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
    r->most = disk_limit_bytes(disk) / REJECTS_PART / REJECT_MAX_BYTES;
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
