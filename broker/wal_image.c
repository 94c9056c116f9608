/* The write-ahead log in a file; see wal_image.h. */
#include "broker/wal_image.h"

#include "broker/blocks.h"
#include "broker/number.h"
#include "proto/error.h"

#define TRIES     10
#define MOST      (FRAME_FIRST + FRAME_LOG_MOST)
#define NOT_AS_IT "is not what was written"

static void value_take(struct walk *w, void *arg, struct slice key, const struct page_node *node)
{
    struct wal_image *i = arg;

    walk_skip(w, node, MOST);
    if (number_get_key(key.at) != 0 || !node->apart || node->size > MOST) {
        walk_fault(w, NOT_AS_IT);
        return;
    }
    i->place = node->overflow * w->image->page_bytes + PAGE_HEAD;
    i->size = node->size;
}

static bool value_read(struct wal_image *i, struct image *image)
{
    int err;

    buffer_clear(&i->value);
    err = blocks_read(image->fd, i->place, i->size, buffer_room(&i->value, i->size));
    if (err == ERR_IO)
        image->error = err;
    if (err == 0 && frame_head_decode(slice_make(i->value.at, i->size), &i->log) == 0)
        i->value.size = i->size;
    return i->value.size > 0;
}

static bool has_gap(const struct wal_image *i)
{
    struct frame_scan scan = wal_image_scan(i);
    struct slice entries;
    int err = 0;

    while (err == 0)
        err = frame_next(&scan, &entries);
    return err == ERR_CORRUPT;
}

/* A frame that was written behind our back, and the next one before we came there, look like
 * damage; but not again and again. */
void wal_image_load(struct wal_image *i, struct walk *w, const struct page_table *table,
                    uint64_t commit)
{
    uint64_t before = *w->faults;
    int tries = 0;

    i->size = 0;
    buffer_clear(&i->value);
    i->commit = commit;
    walk_place(w, "write-ahead log");
    walk_table(w, table, WALK_KEYS, value_take, i);
    if (*w->faults > before)
        return;
    if (i->size == 0)
        walk_fault(w, "is missing");
    else if (!value_read(i, w->image))
        walk_fault(w, NOT_AS_IT);
    else
        while (has_gap(i) && ++tries < TRIES && value_read(i, w->image))
            continue;
}

void wal_image_close(struct wal_image *i)
{
    buffer_free(&i->value);
}

struct slice wal_image_blocks(const struct wal_image *i)
{
    return slice_make(i->value.at + FRAME_FIRST, i->log.bytes);
}

struct frame_scan wal_image_scan(const struct wal_image *i)
{
    return frame_scan_begin(buffer_slice(&i->value), &i->log, i->commit);
}
