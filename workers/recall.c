/* Recalling; see recall.h. */
#include "workers/recall.h"

#include "proto/error.h"
#include "proto/log.h"
#include "proto/pack.h"
#include "workers/walk.h"

#include <stdlib.h>

#define RECALL_EVENTS 4096 /* that are looked through at first */

static int by_digest(const void *a, const void *b)
{
    const struct version *const *x = a, *const *y = b;

    return ((*x)->digest > (*y)->digest) - ((*x)->digest < (*y)->digest);
}

int recall_all(recall_fn recall, void *arg, struct ledger *l, unsigned partition, uint64_t upto,
               struct version **wanted, size_t count)
{
    int error;

    qsort(wanted, count, sizeof *wanted, by_digest);
    error = recall(arg, l, partition, upto, wanted, count);
    for (size_t i = 0; i < count && error == 0; i++)
        if (!wanted[i]->raw.at) {
            log_error("partition %u: an event that was counted is not in the journal", partition);
            error = ERR_CORRUPT;
        }
    return error;
}

/* The first of the wanted versions with this digest or a greater one. */
static size_t wanted_find(struct version *const *wanted, size_t count, uint64_t digest)
{
    size_t low = 0, high = count;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (wanted[middle]->digest < digest)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void recall_match(struct ledger *l, struct slice events, struct version *const *wanted,
                  size_t count)
{
    struct refusal why;
    size_t size;

    while (events.size && pack_check(events, &size, &why) == 0) {
        struct slice raw = slice_make(events.at, size);
        uint64_t digest = version_digest(raw);
        size_t i = wanted_find(wanted, count, digest);
        for (; i < count && wanted[i]->digest == digest; i++)
            if (!wanted[i]->raw.at)
                fold_recall(l, wanted[i], raw);
        events = slice_make(events.at + size, events.size - size);
    }
}

struct recall {
    struct ledger *ledger;
    struct version *const *wanted;
    size_t count;
};

static int match_run(void *arg, const struct walk_run *run)
{
    struct recall *c = arg;

    recall_match(c->ledger, run->events, c->wanted, c->count);
    return 0;
}

static bool is_done(const struct recall *c)
{
    size_t i = 0;

    while (i < c->count && c->wanted[i]->raw.at)
        i++;
    return i == c->count;
}

/* From the newest events back, each time twice as many: who ties was mostly there a moment ago, and
 * a partition may hold years. */
static int walk_back(struct recall *c, struct reader *r, unsigned partition, uint64_t upto)
{
    uint64_t from[WIRE_MAX_PARTS] = {0}, end[WIRE_MAX_PARTS] = {0};
    uint64_t left = upto, some = RECALL_EVENTS;
    int error = 0;

    log_info("partition %u: reading events again, from the newest of %llu back, to settle a tie",
             partition, (unsigned long long)upto);
    for (; left > 0 && error == 0 && !is_done(c); some *= 2) {
        end[partition] = left;
        left -= some < left ? some : left;
        from[partition] = left;
        error = walk_journal(r, from, end, partition + 1, match_run, c, NULL);
    }
    return error;
}

int recall_from_broker(void *arg, struct ledger *l, unsigned partition, uint64_t upto,
                       struct version *const *wanted, size_t count)
{
    struct recall c = {l, wanted, count};
    struct reader *r;
    int error = reader_new(arg, "client", "recall", &r);

    if (error < 0)
        return error;
    error = walk_back(&c, r, partition, upto);
    reader_free(r);
    return error;
}
