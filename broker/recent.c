/* Recent records; see recent.h. */
#include "broker/recent.h"

#include "broker/number.h"
#include "proto/error.h"

#include <stdlib.h>

enum {
    AT_OFFSET = 0,
    AT_SIZE = 8,
    AT_PARTITION = 12,
    AT_ZERO = 14,
};

struct line {
    size_t *places; /* of the entries, in the bytes */
    size_t count, stored, room;
};

struct recent {
    struct buffer bytes; /* entries: the stored ones, then the staged ones */
    size_t stored;       /* bytes of the former */
    struct line of[WIRE_MAX_PARTS];
};

int recent_take(struct slice *value, struct recent_entry *ret)
{
    const char *at = value->at;
    uint32_t size;

    if (value->size == 0)
        return ERR_AGAIN;
    if (value->size < RECENT_HEAD)
        return ERR_CORRUPT;
    size = number_get32(at + AT_SIZE);
    ret->offset = number_get64(at + AT_OFFSET);
    ret->partition = number_get16(at + AT_PARTITION);
    if (size > value->size - RECENT_HEAD || number_get16(at + AT_ZERO) != 0)
        return ERR_CORRUPT;
    ret->record = slice_make(at + RECENT_HEAD, size);
    *value = slice_make(at + RECENT_HEAD + size, value->size - RECENT_HEAD - size);
    return 0;
}

struct recent *recent_new(void)
{
    return memory_zeroed(sizeof(struct recent));
}

void recent_free(struct recent *r)
{
    if (!r)
        return;
    for (unsigned p = 0; p < WIRE_MAX_PARTS; p++)
        free(r->of[p].places);
    buffer_free(&r->bytes);
    free(r);
}

static void line_add(struct line *l, size_t place)
{
    l->places = memory_room(l->places, l->count, &l->room, sizeof *l->places);
    l->places[l->count++] = place;
}

char *recent_stage(struct recent *r, unsigned partition, uint64_t offset, size_t size)
{
    char *at = buffer_room(&r->bytes, RECENT_HEAD + size);

    line_add(&r->of[partition], r->bytes.size);
    r->bytes.size += RECENT_HEAD + size;
    number_put64(at + AT_OFFSET, offset);
    number_put32(at + AT_SIZE, (uint32_t)size);
    number_put16(at + AT_PARTITION, (uint16_t)partition);
    number_put16(at + AT_ZERO, 0);
    return at + RECENT_HEAD;
}

struct slice recent_all(const struct recent *r)
{
    return buffer_slice(&r->bytes);
}

struct slice recent_staged(const struct recent *r)
{
    size_t size = r->bytes.size - r->stored;

    return slice_make(size ? r->bytes.at + r->stored : NULL, size);
}

void recent_settle(struct recent *r, bool stored)
{
    if (stored)
        r->stored = r->bytes.size;
    else
        r->bytes.size = r->stored;
    for (unsigned p = 0; p < WIRE_MAX_PARTS; p++)
        if (stored)
            r->of[p].stored = r->of[p].count;
        else
            r->of[p].count = r->of[p].stored;
}

void recent_clear(struct recent *r)
{
    r->stored = 0;
    buffer_clear(&r->bytes);
    for (unsigned p = 0; p < WIRE_MAX_PARTS; p++)
        r->of[p].stored = r->of[p].count = 0;
}

static struct recent_entry entry_at(const struct recent *r, size_t place)
{
    struct slice rest = slice_make(r->bytes.at + place, r->bytes.size - place);
    struct recent_entry e = {0};

    recent_take(&rest, &e);
    return e;
}

size_t recent_find(const struct recent *r, unsigned partition, uint64_t offset)
{
    const struct line *l = &r->of[partition];

    for (size_t i = l->stored; i-- > 0;)
        if (entry_at(r, l->places[i]).offset <= offset)
            return i;
    return RECENT_NONE;
}

bool recent_get(const struct recent *r, unsigned partition, size_t index, struct recent_entry *ret)
{
    const struct line *l = &r->of[partition];

    if (index >= l->stored)
        return false;
    *ret = entry_at(r, l->places[index]);
    return true;
}
