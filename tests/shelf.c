/* A journal in a folder of its own; see shelf.h. */
#include "tests/shelf.h"

#include "broker/disk.h"
#include "broker/recent.h"
#include "broker/wal.h"
#include "proto/error.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

char shelf_folder[512];
size_t shelf_recent_bytes;

const char *shelf_path(void)
{
    static char path[600];

    snprintf(path, sizeof path, "%s/data.mdb", shelf_folder);
    return path;
}

static int remove_one(const char *path, const struct stat *s, int type, struct FTW *where)
{
    (void)s, (void)type, (void)where;
    return remove(path);
}

int shelf_setup(void **state)
{
    const char *tmp = getenv("TMPDIR");

    (void)state;
    shelf_recent_bytes = 0;
    snprintf(shelf_folder, sizeof shelf_folder, "%s/journal.XXXXXX", tmp ? tmp : "/tmp");
    return mkdtemp(shelf_folder) ? 0 : -1;
}

int shelf_teardown(void **state)
{
    (void)state;
    return nftw(shelf_folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

int shelf_try(uint64_t limit, unsigned partitions, struct journal **ret)
{
    struct journal_config c = {shelf_folder, limit, partitions, shelf_recent_bytes};

    return journal_open(&c, ret);
}

struct journal *shelf_open(void)
{
    struct journal *j = NULL;

    assert_int_equal(shelf_try(SHELF_BYTES, 8, &j), 0);
    return j;
}

int shelf_stage(struct journal *j, unsigned partition, const char *events)
{
    uint32_t count = (uint32_t)strlen(events);
    struct record r = {slice_of("local"), 1700000000000 + count, count, slice_of(events)};

    return journal_append(j, partition, &r);
}

void shelf_append(struct journal *j, unsigned partition, const char *events)
{
    assert_int_equal(shelf_stage(j, partition, events), 0);
}

void shelf_move(struct journal *j, unsigned partition)
{
    static char event[RECENT_STAGE];
    struct record r = {slice_of("local"), 1700000000000, 1, slice_make(event, sizeof event)};

    memset(event, '.', sizeof event);
    assert_int_equal(journal_append(j, partition, &r), 0);
    assert_int_equal(journal_commit(j), 0);
}

int shelf_read(struct journal *j, unsigned partition, uint64_t offset, struct buffer *out)
{
    struct record r;
    uint64_t at;
    int err = journal_read_begin(j, partition, offset);

    buffer_clear(out);
    while (err == 0) {
        err = journal_next(j, &at, &r);
        if (err == 0)
            buffer_add_slice(out, r.events);
    }
    journal_read_end(j);
    return err == ERR_AGAIN ? 0 : err;
}

void shelf_expect(struct journal *j, unsigned partition, const char *expected)
{
    struct buffer b = {0};

    assert_int_equal(shelf_read(j, partition, 0, &b), 0);
    assert_true(slice_is(buffer_slice(&b), expected));
    assert_int_equal(journal_end(j, partition), strlen(expected));
    buffer_free(&b);
}

void shelf_damage(const char *file, const char *mark, size_t at, char byte)
{
    struct buffer b = {0};
    size_t size, n = strlen(mark);
    FILE *f = fopen(file, "r+");
    int found = 0;

    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    size = (size_t)ftell(f);
    rewind(f);
    assert_int_equal(fread(buffer_room(&b, size), 1, size, f), size);
    for (size_t i = 0; i + n + at < size; i++)
        if (memcmp(b.at + i, mark, n) == 0) {
            fseek(f, (long)(i + at), SEEK_SET);
            fputc(byte, f);
            found++;
        }
    fclose(f);
    buffer_free(&b);
    assert_true(found > 0);
}

void shelf_forge(const struct ends *ends)
{
    struct meta meta = {.format = META_FORMAT, .partitions = 2, .created_ms = 1};
    struct record r = {slice_of("local"), 1, 3, slice_of("abc")};
    const char *const names[] = {"meta", "rejects", "p000", "p001", "recent"};
    unsigned tables[5];
    struct disk *d;
    char *room;

    assert_int_equal(disk_open(shelf_folder, SHELF_BYTES, 8, &d), 0);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(disk_table(d, names[i], true, &tables[i]), 0);
    memset(meta.log, 'f', sizeof meta.log);
    assert_int_equal(disk_put(d, tables[0], META_KEY, META_BYTES, &room), 0);
    meta_encode(&meta, room);
    if (ends) {
        assert_int_equal(disk_put(d, tables[0], ENDS_KEY, ends_size(ends), &room), 0);
        ends_encode(ends, room);
    }
    assert_int_equal(disk_append(d, tables[2], 0, record_size(&r), &room), 0);
    record_encode(&r, 0, 0, room);
    assert_int_equal(wal_create(d, tables[4], FRAME_LOG_LEAST), 0);
    assert_int_equal(disk_commit(d), 0);
    disk_close(d);
}

size_t shelf_golden(const char *name, unsigned char *out, size_t most)
{
    char line[256], block[64];
    size_t n = 0;
    bool inside = false;
    FILE *doc = fopen("broker/JOURNAL.md", "r");

    assert_non_null(doc);
    snprintf(block, sizeof block, "```golden-%s\n", name);
    while (fgets(line, sizeof line, doc)) {
        if (strncmp(line, "```", 3) == 0)
            inside = strcmp(line, block) == 0;
        for (char *at = line, *end; inside; at = end) {
            unsigned long byte = strtoul(at, &end, 16);
            if (end == at || n == most)
                break;
            out[n++] = (unsigned char)byte;
        }
    }
    fclose(doc);
    return n;
}
