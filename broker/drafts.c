/* Drafts; see drafts.h.  Nothing can fail here: the journal's errors stick until the commit.
 *
 * Events of one source stay together in one record, however many they are, unless that record would
 * have a few pages to itself and leave one of them half empty: then it is cut at the ends of pages.
 * As only the journal's own page knows how full it is, this is reckoned along. */
#include "broker/drafts.h"

#include <stdlib.h>

/* Above this size half an empty page does not matter, and one record costs less than many. */
#define CUT_BYTES ((size_t)16 * 1024)
#define CUTS      32

/* What is kept for the next round, of all partitions together: some 4 MiB of a round, twice over as
 * buffers double. */
#define KEEP_BYTES ((size_t)8 * 1024 * 1024)

/* Behind so many of a draft's events. */
struct cut {
    uint32_t count;
    size_t bytes;
};

struct draft {
    struct buffer events;
    uint32_t count;
    char source[WIRE_NAME];
    size_t source_size;
    struct cut cuts[CUTS];
    unsigned cut_count;
    size_t left; /* of the page before the piece under way */
    size_t most; /* bytes of that piece, as a record */
};

struct drafts {
    struct journal *journal;
    int64_t received_ms;
    struct draft of[WIRE_MAX_PARTS];
};

struct drafts *drafts_new(struct journal *journal)
{
    struct drafts *d = memory_zeroed(sizeof *d);

    d->journal = journal;
    return d;
}

void drafts_free(struct drafts *d)
{
    if (!d)
        return;
    for (unsigned p = 0; p < WIRE_MAX_PARTS; p++)
        buffer_free(&d->of[p].events);
    free(d);
}

void drafts_begin(struct drafts *d, int64_t received_ms)
{
    d->received_ms = received_ms;
}

/* ---- to the journal ---- */

static void piece_append(struct drafts *d, unsigned partition, struct cut from, struct cut to)
{
    struct draft *draft = &d->of[partition];
    struct record record = {
        .source = slice_make(draft->source, draft->source_size),
        .received_ms = d->received_ms,
        .count = to.count - from.count,
        .events = slice_make(draft->events.at + from.bytes, to.bytes - from.bytes),
    };

    journal_append(d->journal, partition, &record);
}

static void draft_close(struct drafts *d, unsigned partition)
{
    struct draft *draft = &d->of[partition];
    struct cut from = {0, 0}, end = {draft->count, draft->events.size};

    if (draft->count == 0)
        return;
    for (unsigned i = 0; i < draft->cut_count && end.bytes <= CUT_BYTES; i++) {
        piece_append(d, partition, from, draft->cuts[i]);
        from = draft->cuts[i];
    }
    piece_append(d, partition, from, end);
    draft->count = 0;
    buffer_clear(&draft->events);
}

void drafts_close(struct drafts *d)
{
    size_t kept = 0;

    for (unsigned p = 0; p < journal_partitions(d->journal); p++) {
        struct draft *draft = &d->of[p];
        draft_close(d, p);
        if (kept + draft->events.room > KEEP_BYTES)
            buffer_free(&draft->events);
        kept += draft->events.room;
    }
}

/* ---- adding ---- */

static void draft_begin(struct draft *draft, struct slice source, size_t left)
{
    memcpy(draft->source, source.at, source.size);
    draft->source_size = source.size;
    draft->cut_count = 0;
    draft->left = left;
}

/* Before an event of `size` bytes is added: whether the piece under way ends here, as its page
 * does, and how long the one that begins may become. */
static void draft_mark(struct draft *draft, size_t size)
{
    size_t begun = draft->cut_count ? draft->cuts[draft->cut_count - 1].bytes : 0;
    size_t piece = draft->events.size - begun, head = RECORD_HEAD + draft->source_size;

    if (piece > 0 && head + piece + size > draft->most && draft->cut_count < CUTS) {
        draft->cuts[draft->cut_count++] = (struct cut){draft->count, draft->events.size};
        draft->left = disk_left(draft->left, head + piece);
        piece = 0;
    }
    if (piece > 0)
        return;
    draft->most = DISK_INSIDE;
    if (head + size + DISK_NODE <= draft->left && draft->left < DISK_INSIDE + DISK_NODE)
        draft->most = draft->left - DISK_NODE;
}

void drafts_add(struct drafts *d, unsigned partition, struct slice source, struct slice event)
{
    struct draft *draft = &d->of[partition];

    if (draft->count == RECORD_MAX_EVENTS ||
        !slice_equal(slice_make(draft->source, draft->source_size), source) ||
        draft->events.size + event.size > RECORD_BYTES)
        draft_close(d, partition);
    if (draft->count == 0)
        draft_begin(draft, source, journal_left(d->journal, partition));
    draft_mark(draft, event.size);
    buffer_add_slice(&draft->events, event);
    draft->count++;
}
