/* The table `meta`; see meta_table.h. */
#include "broker/meta_table.h"

#include "proto/clock.h"
#include "proto/error.h"

#include <stdio.h>
#include <sys/random.h>

static int log_id_make(char out[WIRE_LOG])
{
    unsigned char random[WIRE_LOG / 2];
    char digits[3];

    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return ERR_IO;
    for (size_t i = 0; i < sizeof random; i++) {
        snprintf(digits, sizeof digits, "%02x", random[i]);
        memcpy(out + 2 * i, digits, 2);
    }
    return 0;
}

static int meta_table_put(struct disk *d, unsigned table, const struct meta *meta)
{
    char *room;
    int err = disk_put(d, table, META_KEY, META_BYTES, &room);

    if (err == 0)
        meta_encode(meta, room);
    return err;
}

int meta_table_create(struct disk *d, unsigned table, unsigned partitions)
{
    struct meta m = {
        .format = META_FORMAT, .partitions = partitions, .created_ms = clock_wall_ms()};
    int err = log_id_make(m.log);

    return err < 0 ? err : meta_table_put(d, table, &m);
}

int meta_table_put_ends(struct disk *d, unsigned table, const struct ends *ends)
{
    char *room;
    int err = disk_put(d, table, ENDS_KEY, ends_size(ends), &room);

    if (err == 0)
        ends_encode(ends, room);
    return err;
}

/* ERR_AGAIN: the table ends before that key. */
static int value_find(struct disk *d, unsigned table, uint64_t key, struct slice *ret)
{
    struct disk_item item;
    int err = disk_at_or_after(d, table, key, &item);

    if (err == 0 && item.key != key)
        err = ERR_CORRUPT;
    if (err == 0)
        *ret = item.value;
    return err;
}

int meta_table_get(struct disk *d, unsigned table, struct meta *ret)
{
    struct slice value;
    int err = disk_read_begin(d);

    if (err < 0)
        return err;
    err = value_find(d, table, META_KEY, &value);
    if (err == 0)
        err = meta_decode(value, ret);
    disk_read_end(d);
    return err;
}

int meta_table_get_ends(struct disk *d, unsigned table, unsigned partitions, struct ends *ret)
{
    struct slice value;
    int err = disk_read_begin(d);

    if (err < 0)
        return err;
    err = value_find(d, table, ENDS_KEY, &value);
    if (err == 0)
        err = ends_decode(value, partitions, ret);
    disk_read_end(d);
    return err == ERR_AGAIN ? ERR_CORRUPT : err;
}
