/* Reading one number; see live.h.  The value and the offsets are fetched as one snapshot. */
#include "workers/audit/live.h"

#include "proto/clock.h"
#include "proto/error.h"
#include "workers/derive.h"

#include <stdio.h>
#include <time.h>

#define PAUSE_MS 20

static int row_value(void *context, void *record, struct slice field, struct slice value)
{
    struct live *live = record;

    (void)context, (void)field;
    if (!value.at)
        return 0;
    live->there = true;
    live->numeric = slice_to_int(value, &live->number);
    snprintf(live->text, sizeof live->text, "%.*s",
             (int)(value.size < LIVE_TEXT ? value.size : LIVE_TEXT), value.at);
    return 0;
}

static int row_offset(void *context, void *record, struct slice field, struct slice value)
{
    struct applied *a = record;
    int64_t offset;

    (void)context;
    if (!value.at)
        return 0;
    a->known = true;
    if (slice_is(field, "log") && value.size == LOG_ID) {
        memcpy(a->log, value.at, LOG_ID);
        return 0;
    }
    if (!slice_is(field, "offset") || !slice_to_int(value, &offset) || offset < 0)
        return ERR_CORRUPT;
    a->offset = (uint64_t)offset;
    return 0;
}

int live_read(struct store *s, unsigned partitions, struct slice key, struct slice field,
              struct live *ret)
{
    static const struct slice fields[] = {{"log", 3}, {"offset", 6}};
    struct store_fetch fetches[WIRE_MAX_PARTS + 1];
    char keys[WIRE_MAX_PARTS][PLACE_KEY];
    struct store_look look = {.fetches = fetches, .fetch_count = partitions + 1, .snapshot = true};

    *ret = (struct live){.numeric = true};
    fetches[0] = (struct store_fetch){.key = key,
                                      .kind = FETCH_HASH,
                                      .fields = &field,
                                      .field_count = 1,
                                      .row = row_value,
                                      .record = ret};
    for (unsigned p = 0; p < partitions; p++) {
        fetches[p + 1] = (struct store_fetch){.key = place_key(p, keys[p]),
                                              .kind = FETCH_HASH,
                                              .fields = fields,
                                              .field_count = 2,
                                              .row = row_offset,
                                              .record = &ret->applied[p]};
    }
    return store_begin(s, &look);
}

static bool live_same(const struct live *a, const struct live *b, unsigned partitions)
{
    for (unsigned p = 0; p < partitions; p++)
        if (!applied_same(&a->applied[p], &b->applied[p]))
            return false;
    return true;
}

/* What is read after it was seen that nothing waits, at offsets that are still those of before, is
 * derived from all the events before these offsets. */
static int read_settled(struct store *s, unsigned partitions, struct slice key, struct slice field,
                        struct live *ret)
{
    struct live before;
    bool waiting;
    int error = live_read(s, partitions, key, field, &before);

    if (error == 0)
        error = derive_waiting(s, &waiting);
    if (error == 0 && waiting)
        return ERR_TIMEOUT;
    if (error == 0)
        error = live_read(s, partitions, key, field, ret);
    return error < 0 ? error : live_same(&before, ret, partitions) ? 0 : ERR_TIMEOUT;
}

int live_read_derived(struct store *s, unsigned partitions, struct slice key, struct slice field,
                      int patience_ms, struct live *ret)
{
    struct timespec pause = {0, PAUSE_MS * 1000000L};
    int64_t end_ms = clock_mono_ms() + patience_ms;
    int error;

    while ((error = read_settled(s, partitions, key, field, ret)) == ERR_TIMEOUT &&
           clock_mono_ms() < end_ms)
        nanosleep(&pause, NULL);
    return error;
}
