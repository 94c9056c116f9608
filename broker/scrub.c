/* The journal's file, looked through; see scrub.h.  Happy path: scrub_open reads the meta pages and
 * loads the state of both commits they show, and the write-ahead log behind the newer; scrub_run
 * walks the trees of that.
 *
 * It ends on any file: what is read is bounded by the file's size, a page that has been visited is
 * not visited again, and trees are no deeper than PAGE_MAX_DEPTH. */
#include "broker/scrub.h"

#include "broker/image.h"
#include "broker/number.h"
#include "broker/recent.h"
#include "broker/reject.h"
#include "broker/walk.h"
#include "proto/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TRIES 1000 /* to see the meta pages unchanged, while a broker commits */

/* What one commit left: the tables, and what the journal says of itself. */
struct state {
    struct page_meta page;
    bool written; /* by any commit at all */
    struct page_table meta_table, rejects_table, recent_table, tables[WIRE_MAX_PARTS];
    bool has_meta_table, has_rejects_table, has_recent_table, has_table[WIRE_MAX_PARTS];
    bool has_meta, has_ends;
    struct meta meta;
    struct ends ends;
    int error; /* ERR_VERSION of the journal's format */
};

struct scrub {
    struct image image;
    struct walk walk;
    struct state newer, older;
    bool walkable;   /* the newer one's trees */
    bool log_loaded; /* or is to be left out */
    struct wal_image wal;
    struct scrub_found found;
};

/* ---- the table of tables, and the table "meta" ---- */

static bool partition_of(struct slice name, unsigned *ret)
{
    int64_t n;

    if (name.size != 4 || name.at[0] != 'p')
        return false;
    *ret = 0;
    for (int i = 1; i < 4; i++) {
        if (name.at[i] < '0' || name.at[i] > '9')
            return false;
        *ret = *ret * 10 + (unsigned)(name.at[i] - '0');
    }
    n = *ret;
    return n < WIRE_MAX_PARTS;
}

static void table_take(struct walk *w, void *arg, struct slice key, const struct page_node *node)
{
    struct state *state = arg;
    struct page_table *to = NULL;
    bool *has = NULL;
    unsigned p;
    const char *wrong;

    if (slice_is(key, "meta"))
        to = &state->meta_table, has = &state->has_meta_table;
    else if (slice_is(key, "rejects"))
        to = &state->rejects_table, has = &state->has_rejects_table;
    else if (slice_is(key, "recent"))
        to = &state->recent_table, has = &state->has_recent_table;
    else if (partition_of(key, &p))
        to = &state->tables[p], has = &state->has_table[p];
    if (!to) { /* a value that describes no table is not given here */
        walk_fault(w, "has an entry that is not one of the journal's tables");
        return;
    }
    wrong = page_read_table(node->value, to);
    if (wrong)
        walk_fault(w, "%s", wrong);
    *has = !wrong;
}

static void meta_take(struct walk *w, void *arg, struct slice key, const struct page_node *node)
{
    struct state *state = arg;
    uint64_t number = number_get_key(key.at);
    struct slice value;
    int err;

    if (!walk_value(w, node, ENDS_MAX_BYTES, &value))
        return;
    if (number == META_KEY) {
        err = meta_decode(value, &state->meta);
        state->has_meta = err == 0;
        state->error = err == ERR_VERSION ? err : 0;
    } else if (number == ENDS_KEY && state->has_meta) {
        err = ends_decode(value, state->meta.partitions, &state->ends);
        state->has_ends = err == 0;
    } else {
        err = ERR_CORRUPT;
    }
    if (err == ERR_CORRUPT)
        walk_fault(w, "entry %llu is not what was written", (unsigned long long)number);
}

/* Loads what a commit left, and says what is missing of it. */
static void state_load(struct scrub *s, struct state *state, const char *whose)
{
    struct walk *w = &s->walk;

    state->written = state->page.tables.root != PAGE_NONE;
    if (!state->written)
        return;
    walk_clear(w, &s->image, state->page.last);
    walk_place(w, "%stable of tables", whose);
    walk_table(w, &state->page.tables, WALK_NAMES, table_take, state);
    walk_place(w, "%stable meta", whose);
    if (state->has_meta_table)
        walk_table(w, &state->meta_table, WALK_KEYS, meta_take, state);
    if (state->error < 0)
        return;
    if (!state->has_meta)
        walk_fault(w, "does not say what the journal is");
    else if (!state->has_ends)
        walk_fault(w, "does not say where the journal ends");
}

/* ---- the write-ahead log ---- */

static void log_load(struct scrub *s)
{
    s->log_loaded = true;
    if (s->newer.has_recent_table)
        wal_image_load(&s->wal, &s->walk, &s->newer.recent_table, s->newer.ends.commit);
}

const struct wal_image *scrub_wal(struct scrub *s)
{
    if (!s->log_loaded && s->walkable)
        log_load(s);
    return s->wal.value.size ? &s->wal : NULL;
}

/* ---- the meta pages ---- */

struct meta_bytes {
    char pages[2][PAGE_META_BYTES];
    uint64_t got[2]; /* bytes of each that are there */
    uint64_t place;  /* of the second */
};

static int meta_bytes_read(struct scrub *s, struct meta_bytes *b)
{
    struct page_meta m;
    int err;

    memset(b, 0, sizeof *b);
    b->place = (uint64_t)sysconf(_SC_PAGESIZE);
    err = image_read(&s->image, 0, b->pages[0], PAGE_META_BYTES, &b->got[0]);
    if (err == 0 && !page_read_meta(b->pages[0], 0, &m))
        b->place = m.page_bytes;
    return err < 0 ? err
                   : image_read(&s->image, b->place, b->pages[1], PAGE_META_BYTES, &b->got[1]);
}

/* Before its first commit a file has nothing, or part of two pages that stand for nothing. */
static bool meta_is_unused(const struct meta_bytes *b, unsigned i)
{
    static const char zeros[PAGE_META_BYTES];
    struct page_meta m;

    if (b->got[i] < PAGE_META_BYTES || memcmp(b->pages[i], zeros, sizeof zeros) == 0)
        return true;
    return !page_read_meta(b->pages[i], i, &m) && m.commit == 0 && m.tables.root == PAGE_NONE &&
           m.free.root == PAGE_NONE;
}

static bool is_other_version(const struct meta_bytes *b)
{
    static const char magic[] = {'\xde', '\xc0', '\xef', '\xbe'};
    uint32_t version = number_get32(b->pages[0] + 20);

    return memcmp(b->pages[0] + 16, magic, sizeof magic) == 0 &&
           memcmp(b->pages[1] + 16, magic, sizeof magic) == 0 && version != 1 &&
           version == number_get32(b->pages[1] + 20);
}

/* Both pages sound, and of commits that follow one another; *ret is which is the newer. */
static bool metas_check(struct scrub *s, const struct meta_bytes *b, struct page_meta m[2],
                        unsigned *ret)
{
    struct walk *w = &s->walk;
    const char *wrong;
    bool sound = true;

    for (unsigned i = 0; i < 2; i++) {
        walk_place(w, "page %s", i == 0 ? "0" : "1");
        wrong = b->got[i] < PAGE_META_BYTES ? "is not in the file"
                                            : page_read_meta(b->pages[i], i, &m[i]);
        if (wrong)
            walk_fault(w, "%s", wrong);
        sound = sound && !wrong;
    }
    if (!sound)
        return false;
    *ret = m[1].commit > m[0].commit;
    walk_place(w, "pages 0 and 1");
    if (m[0].page_bytes != m[1].page_bytes || m[*ret].commit % 2 != *ret ||
        m[!*ret].commit + 1 != m[*ret].commit ||
        (m[!*ret].commit == 0 && m[!*ret].tables.root != PAGE_NONE)) {
        walk_fault(w, "are not of two commits that follow one another");
        return false;
    }
    return true;
}

/* LMDB shows the state whose number is greater, and that number has no checksum.  The journal's own
 * number of the commit, within the state, has. */
static void order_check(struct scrub *s)
{
    struct state *newer = &s->newer, *older = &s->older;

    walk_place(&s->walk, "pages 0 and 1");
    if (!older->written || newer->error < 0)
        return;
    if (!newer->has_ends || !older->has_ends || newer->ends.commit <= older->ends.commit)
        walk_fault(&s->walk, "do not show the last commit as the last");
}

static int scrub_look(struct scrub *s)
{
    struct meta_bytes before, after;
    struct page_meta m[2];
    unsigned newest;
    int err = meta_bytes_read(s, &before);

    memset(&s->newer, 0, sizeof s->newer);
    memset(&s->older, 0, sizeof s->older);
    s->found.faults = 0;
    buffer_clear(&s->found.lines);
    if (err < 0)
        return err;
    if (meta_is_unused(&before, 0) && meta_is_unused(&before, 1))
        return ERR_AGAIN;
    if (is_other_version(&before))
        return ERR_VERSION;
    s->walkable = metas_check(s, &before, m, &newest);
    if (s->walkable) {
        s->image.page_bytes = m[0].page_bytes;
        s->newer.page = m[newest];
        s->older.page = m[!newest];
        state_load(s, &s->older, "the commit before: ");
        state_load(s, &s->newer, "");
        order_check(s);
    }
    err = meta_bytes_read(s, &after);
    return err < 0 || memcmp(&before, &after, sizeof before) == 0 ? err : ERR_CONFLICT;
}

static struct scrub *scrub_new(int fd)
{
    struct scrub *s = memory_zeroed(sizeof *s);

    image_open(&s->image, fd);
    walk_open(&s->walk, &s->found.faults, &s->found.lines);
    return s;
}

static int scrub_end(struct scrub *s, int err, struct scrub **ret)
{
    if (err == 0)
        err = s->image.error ? s->image.error : s->newer.error;
    if (err < 0)
        scrub_close(s);
    else
        *ret = s;
    return err;
}

int scrub_open(int fd, struct scrub **ret)
{
    struct scrub *s = scrub_new(fd);
    int err = ERR_CONFLICT;

    for (int i = 0; i < TRIES && err == ERR_CONFLICT; i++) {
        image_forget(&s->image);
        err = scrub_look(s);
    }
    return scrub_end(s, err, ret);
}

int scrub_open_held(int fd, uint64_t commit, bool ahead, struct scrub **ret)
{
    struct scrub *s = scrub_new(fd);
    struct meta_bytes b, after;
    uint64_t newest = 0;
    struct page_meta m;
    int err = meta_bytes_read(s, &b);

    for (unsigned i = 0; i < 2 && err == 0; i++) {
        if (b.got[i] < PAGE_META_BYTES || page_read_meta(b.pages[i], i, &m))
            continue;
        newest = m.commit > newest ? m.commit : newest;
        if (m.commit == commit) {
            s->walkable = true;
            s->newer.page = m;
            s->image.page_bytes = m.page_bytes;
        }
    }
    if (err == 0 && (!s->walkable || (ahead && newest != commit)))
        err = ERR_AGAIN;
    if (err == 0)
        state_load(s, &s->newer, "");
    if (err == 0 && ahead) {
        log_load(s);
        err = meta_bytes_read(s, &after);
        if (err == 0 && memcmp(&b, &after, sizeof b) != 0)
            err = ERR_AGAIN;
    }
    s->log_loaded = true;
    return scrub_end(s, err, ret);
}

void scrub_close(struct scrub *s)
{
    if (!s)
        return;
    walk_close(&s->walk);
    image_close(&s->image);
    wal_image_close(&s->wal);
    buffer_free(&s->found.lines);
    free(s);
}

const struct scrub_found *scrub_found(const struct scrub *s)
{
    return &s->found;
}

/* ---- the tables ---- */

#define UNKNOWN UINT64_MAX

struct records_walk {
    struct scrub_found *found;
    unsigned partition, partitions;
    bool all;
    uint64_t next[WIRE_MAX_PARTS]; /* offsets that must come; behind a damaged record, UNKNOWN */
};

static void record_check(struct walk *w, struct records_walk *rs, unsigned partition,
                         uint64_t offset, struct slice value)
{
    uint64_t *next = &rs->next[partition];
    struct record r;

    if (*next != UNKNOWN && offset != *next)
        walk_fault(w, "offset %llu follows, and %llu should", (unsigned long long)offset,
                   (unsigned long long)*next);
    *next = UNKNOWN;
    if (!value.at)
        return;
    if (record_decode(value, partition, offset, &r) < 0) {
        walk_fault(w, "the record at offset %llu is not what was written",
                   (unsigned long long)offset);
        return;
    }
    rs->found->events += r.count;
    *next = offset + r.count;
}

static void record_take(struct walk *w, void *arg, struct slice key, const struct page_node *node)
{
    struct records_walk *rs = arg;
    struct slice value = {0};

    rs->found->records++;
    if (!rs->all) {
        walk_skip(w, node, RECORD_MAX_BYTES);
        return;
    }
    if (!walk_value(w, node, RECORD_MAX_BYTES, &value))
        value.at = NULL; /* has been said */
    record_check(w, rs, rs->partition, number_get_key(key.at), value);
}

/* The records of one commit, of any partition. */
static void recent_check(struct walk *w, struct records_walk *rs, uint64_t commit,
                         struct slice entries)
{
    struct recent_entry e;
    uint64_t page = w->page;
    char place[sizeof w->place];
    int err;

    memcpy(place, w->place, sizeof place);
    if (entries.size == 0)
        walk_fault(w, "there are no records of commit %llu", (unsigned long long)commit);
    while ((err = recent_take(&entries, &e)) == 0 && e.partition < rs->partitions) {
        rs->found->records++;
        walk_place(w, "partition %u", e.partition);
        w->page = page;
        record_check(w, rs, e.partition, e.offset, e.record);
    }
    walk_place(w, "%s", place);
    w->page = page;
    if (err == ERR_AGAIN)
        return;
    walk_fault(w, "the records of commit %llu are not what was written",
               (unsigned long long)commit);
    for (unsigned p = 0; p < rs->partitions; p++)
        rs->next[p] = UNKNOWN;
}

static void log_check(struct scrub *s, struct records_walk *rs)
{
    struct frame_scan scan;
    struct slice entries;
    int err;

    if (!scrub_wal(s))
        return; /* has been said */
    walk_place(&s->walk, "write-ahead log");
    scan = wal_image_scan(&s->wal);
    while ((err = frame_next(&scan, &entries)) == 0)
        recent_check(&s->walk, rs, scan.commit, entries);
    if (err == ERR_CORRUPT)
        walk_fault(&s->walk, "commit %llu is not what was written, and later ones are there",
                   (unsigned long long)scan.commit + 1);
}

static void partition_check(struct scrub *s, struct records_walk *rs, unsigned number)
{
    rs->partition = number;
    walk_place(&s->walk, "partition %u", number);
    if (s->newer.has_table[number])
        walk_table(&s->walk, &s->newer.tables[number], WALK_KEYS, record_take, rs);
    else
        walk_fault(&s->walk, "is missing");
}

static void ends_check(struct scrub *s, const struct records_walk *rs)
{
    for (unsigned p = 0; p < rs->partitions; p++) {
        if (rs->next[p] == UNKNOWN || rs->next[p] == s->newer.ends.ends[p])
            continue;
        walk_place(&s->walk, "partition %u", p);
        walk_fault(&s->walk, "ends at offset %llu, and ended at %llu when it was last written",
                   (unsigned long long)rs->next[p], (unsigned long long)s->newer.ends.ends[p]);
    }
}

/* The trees of the partitions, and what comes behind them. */
static void records_check(struct scrub *s, enum scrub_depth depth)
{
    const struct state *state = &s->newer;
    struct records_walk rs = {
        .found = &s->found, .partitions = state->meta.partitions, .all = depth == SCRUB_ALL};

    for (unsigned p = 0; p < rs.partitions; p++)
        partition_check(s, &rs, p);
    walk_place(&s->walk, "recent records");
    if (!state->has_recent_table)
        walk_fault(&s->walk, "are missing");
    if (rs.all && state->has_ends)
        ends_check(s, &rs);
    if (rs.all)
        log_check(s, &rs);
}

struct rejects_walk {
    struct scrub *s;
    bool all;
    uint64_t count;
};

static void reject_take(struct walk *w, void *arg, struct slice key, const struct page_node *node)
{
    struct rejects_walk *r = arg;
    uint64_t number = number_get_key(key.at);
    struct reject reject;
    struct slice value;

    r->count++;
    if (r->s->newer.has_ends && number >= r->s->newer.ends.next_reject)
        walk_fault(w, "refused event %llu has not been numbered yet", (unsigned long long)number);
    if (!r->all)
        walk_skip(w, node, REJECT_MAX_BYTES);
    else if (walk_value(w, node, REJECT_MAX_BYTES, &value) &&
             reject_decode(value, number, &reject) < 0)
        walk_fault(w, "refused event %llu is not what was written", (unsigned long long)number);
}

static void rejects_check(struct scrub *s, enum scrub_depth depth)
{
    struct rejects_walk r = {s, depth == SCRUB_ALL, 0};
    const struct ends *ends = &s->newer.ends;

    walk_place(&s->walk, "rejects");
    if (!s->newer.has_rejects_table) {
        walk_fault(&s->walk, "are missing");
        return;
    }
    walk_table(&s->walk, &s->newer.rejects_table, WALK_KEYS, reject_take, &r);
    if (s->newer.has_ends && r.count != ends->rejects)
        walk_fault(&s->walk, "are %llu, and were %llu when they were last written",
                   (unsigned long long)r.count, (unsigned long long)ends->rejects);
    s->found.rejects = r.count;
}

/* A list of free pages: how many, and their numbers, falling. */
static void free_take(struct walk *w, void *arg, struct slice key, const struct page_node *node)
{
    const struct page_meta *meta = arg;
    uint64_t count, last = meta->last + 1, page;
    struct slice value;

    if (number_get64(key.at) > meta->commit)
        walk_fault(w, "pages were freed by a commit that has not been");
    if (!walk_value(w, node, 8 * (meta->last + 2), &value))
        return;
    count = value.size >= 8 ? number_get64(value.at) : UINT64_MAX;
    if (count > value.size / 8 - 1) {
        walk_fault(w, "a list of free pages is longer than its place");
        return;
    }
    for (uint64_t i = 1; i <= count; i++, last = page) {
        page = number_get64(value.at + 8 * i);
        if (page >= last || page < 2) {
            walk_fault(w, "a list of free pages is not in order");
            return;
        }
        walk_mark_free(w, page);
    }
}

int scrub_run(struct scrub *s, enum scrub_depth depth)
{
    struct walk *w = &s->walk;
    const struct page_meta *meta = &s->newer.page;
    uint64_t there;

    if (!s->walkable || !s->newer.has_meta)
        return 0;
    scrub_wal(s); /* its pages are in use */
    there = image_size(&s->image) / meta->page_bytes;
    if (there <= meta->last) {
        walk_place(w, "the file");
        walk_fault(w, "is cut off: it has %llu pages, and pages up to %llu are in use",
                   (unsigned long long)there, (unsigned long long)meta->last);
    }
    records_check(s, depth);
    for (unsigned p = s->newer.meta.partitions; p < WIRE_MAX_PARTS; p++)
        if (s->newer.has_table[p])
            walk_place(w, "partition %u", p), walk_fault(w, "should not be there");
    rejects_check(s, depth);
    walk_place(w, "free pages");
    walk_table(w, &meta->free, WALK_COMMITS, free_take, (void *)(uintptr_t)meta);
    s->found.pages = meta->last + 1;
    return s->image.error;
}
