/* The judge: what must hold after every step and in the end, whatever has failed.
 *
 *   - An acceptance is sent only when nothing that was written waits for a sync (invariant 1).
 *   - What was accepted, or shown to a reader, is in the journal after every crash, byte for byte.
 *   - Redis never stands beyond the journal, and a commit goes on from where it stood (3).
 *   - What Redis holds is what the model counts in the journal's beginning up to there (2).
 *   - What is refused deserves it, says why, and is kept (6). */
#include <stdlib.h>

#include "broker/journal.h"
#include "proto/error.h"
#include "proto/event.h"
#include "proto/pack.h"
#include "proto/table.h"
#include "proto/wire.h"
#include "tests/desk.h"
#include "tests/model.h"
#include "tests/simulate/simulate.h"

#define PARTS 8

/* What is known of one event that may be published, or was found. */
struct known {
    struct table_entry entry; /* by its bytes */
    bool good;                /* a broker must accept it */
    bool accepted, refused;   /* some producer was told so */
    bool shown;               /* to a reader */
    uint64_t found, kept;     /* the reading of the journal in which it was seen last */
};

/* A partition, as readers were shown it or the journal was read. */
struct shown {
    struct buffer bytes;
    size_t *starts; /* where each event begins */
    uint64_t count, room;
};

static struct {
    struct table events;
    struct shown parts[PARTS];
    uint64_t reading;
    size_t unshown;     /* events that were accepted, and not yet shown */
    struct arena arena; /* of one message */
    struct buffer payload;
} judge;

void judge_begin(void)
{
    judge.events = (struct table){.arena = &sim.arena};
    judge.reading = 0;
    judge.unshown = 0;
    for (unsigned p = 0; p < PARTS; p++) {
        buffer_clear(&judge.parts[p].bytes);
        judge.parts[p].count = 0;
    }
}

void judge_end(void)
{
    arena_reset(&judge.arena, 65536);
}

bool judge_all_shown(void)
{
    return judge.unshown == 0;
}

uint64_t judge_end_of(unsigned partition)
{
    return judge.parts[partition].count;
}

/* ---- events ---- */
void judge_event(struct slice event, bool good)
{
    struct known *k = table_find(&judge.events, event);

    if (k)
        return;
    k = arena_need(&sim.arena, sizeof *k);
    k->entry.key = event;
    k->good = good;
    table_add(&judge.events, &k->entry);
}

static struct known *known_of(struct slice event)
{
    struct known *k = table_find(&judge.events, event);

    if (!k)
        sim_fail("an event that nobody has sent");
    return k;
}

void judge_accepted(struct slice event)
{
    struct known *k = known_of(event);

    if (!k->good)
        sim_fail("an event is accepted that must be refused");
    judge.unshown += !k->accepted && !k->shown;
    k->accepted = true;
}

void judge_refused(struct slice event, const char *code, const char *reason, bool retry)
{
    struct known *k = known_of(event);

    if (!code[0] || !reason[0])
        sim_fail("an event is refused without a reason");
    if (retry)
        return;
    if (k->good)
        sim_fail("a good event is refused: %s %s", code, reason);
    k->refused = true;
}

/* ---- what the broker says ---- */
static struct slice part_event(const struct shown *part, uint64_t offset)
{
    size_t from = part->starts[offset];
    size_t to = offset + 1 < part->count ? part->starts[offset + 1] : part->bytes.size;

    return slice_make(part->bytes.at + from, to - from);
}

static void part_add(struct shown *part, struct slice event)
{
    if (part->count == part->room) {
        part->room = part->room ? part->room * 2 : 256;
        part->starts = memory_grow(part->starts, part->room * sizeof *part->starts);
    }
    part->starts[part->count++] = part->bytes.size;
    buffer_add_slice(&part->bytes, event);
}

static void event_show(unsigned p, uint64_t offset, struct slice event)
{
    struct shown *part = &judge.parts[p];
    struct known *k;

    if (offset < part->count && !slice_equal(part_event(part, offset), event))
        sim_fail("partition %u: offset %" PRIu64 " has become another event", p, offset);
    if (offset < part->count)
        return;
    k = known_of(event);
    judge.unshown -= k->accepted && !k->shown;
    k->shown = true;
    if (!k->good)
        sim_fail("partition %u: a bad event at %" PRIu64, p, offset);
    part_add(part, event);
}

/* So many events of a partition from `offset` on, which must agree with what is known. */
static void part_show(unsigned p, uint64_t offset, uint64_t count, struct slice events)
{
    struct refusal why;
    size_t size;

    if (offset > judge.parts[p].count)
        sim_fail("partition %u: events from %" PRIu64 " on are shown before those before", p,
                 offset);
    for (; count > 0; count--, offset++) {
        if (pack_check(events, &size, &why) < 0)
            sim_fail("partition %u: what is shown at %" PRIu64 " is no event", p, offset);
        event_show(p, offset, slice_make(events.at, size));
        events = slice_make(events.at + size, events.size - size);
    }
    if (events.size)
        sim_fail("partition %u: more bytes than events", p);
}

static void check_puback(const struct wire_puback *ack)
{
    if (ack->count > ack->refused_count && disk_unsynced())
        sim_fail("an event is acknowledged before its commit is synced");
}

void judge_sent(int port, struct slice header, const struct slice *parts, size_t count)
{
    struct wire_message m;

    (void)port;
    arena_reset(&judge.arena, 65536);
    buffer_clear(&judge.payload);
    for (size_t i = 0; i < count; i++)
        buffer_add_slice(&judge.payload, parts[i]);
    if (wire_decode(header, judge.payload.size, &judge.arena, &m) < 0)
        sim_fail("the broker sends what is no message");
    if (m.kind == WIRE_PUBACK)
        check_puback(&m.puback);
    else if (m.kind == WIRE_BATCH)
        part_show((unsigned)m.batch.partition, m.batch.offset, m.batch.count,
                  buffer_slice(&judge.payload));
}

/* ---- the journal ---- */
static void record_read(unsigned p, uint64_t offset, const struct record *r)
{
    struct slice events = r->events, event;
    struct refusal why;

    part_show(p, offset, r->count, r->events);
    for (uint32_t i = 0; i < r->count; i++) {
        size_t size = 0;
        pack_check(events, &size, &why);
        event = slice_make(events.at, size);
        events = slice_make(events.at + size, events.size - size);
        known_of(event)->found = judge.reading;
    }
}

static void partition_read(struct journal *j, unsigned p)
{
    struct record r;
    uint64_t offset, end = 0;
    int error = journal_read_begin(j, p, 0);

    while (error == 0 && (error = journal_next(j, &offset, &r)) == 0) {
        if (offset != end)
            sim_fail("partition %u: a gap before %" PRIu64, p, offset);
        record_read(p, offset, &r);
        end = offset + r.count;
    }
    journal_read_end(j);
    if (error != ERR_AGAIN)
        sim_fail("partition %u cannot be read at %" PRIu64 ": %s", p, end, error_text(error));
    if (end < judge.parts[p].count)
        sim_fail("partition %u ends at %" PRIu64 ", but %" PRIu64 " events of it were shown", p,
                 end, judge.parts[p].count);
}

static void rejects_read(struct journal *j)
{
    struct reject r;
    uint64_t number = 0;

    if (journal_rejects_begin(j) < 0)
        sim_fail("the refused events cannot be read");
    while (journal_next_reject(j, number, &number, &r) == 0) {
        known_of(r.event)->kept = judge.reading;
        if (r.code.size == 0 || r.reason.size == 0)
            sim_fail("a refused event is kept without a reason");
        number++;
    }
    journal_read_end(j);
}

void judge_all_kept(void)
{
    struct known *k;

    for (size_t i = 0; (k = table_next(&judge.events, &i));) {
        if (k->accepted && k->found != judge.reading)
            sim_fail("an accepted event of %zu bytes is not in the journal", k->entry.key.size);
        if (k->refused && k->kept != judge.reading)
            sim_fail("a refused event is not kept");
    }
}

void judge_journal(const char *folder)
{
    char path[512];
    struct journal_config c = {path, (uint64_t)16 << 20, sim.partitions, 0};
    struct journal *j;
    int error;

    snprintf(path, sizeof path, "%s/journal", folder);
    sim.judging = true;
    judge.reading++;
    error = journal_open(&c, &j);
    if (error < 0)
        sim_fail("the journal cannot be opened: %s", error_text(error));
    for (unsigned p = 0; p < sim.partitions; p++)
        partition_read(j, p);
    rejects_read(j);
    journal_close(j);
    judge_all_kept();
    sim.judging = false;
}

/* ---- Redis ---- */
void judge_commit(const struct commit *c)
{
    for (size_t i = 0; i < c->move_count; i++) {
        const struct commit_move *m = &c->moves[i];
        if (m->place >= PARTS)
            continue;
        sim_digest(&m->to.offset, sizeof m->to.offset);
        if (m->to.offset < m->from.offset)
            sim_fail("partition %u goes back in Redis", m->place);
        if (m->to.offset > judge.parts[m->place].count)
            sim_fail("partition %u in Redis would stand beyond the journal", m->place);
    }
}

static void model_part(struct model *m, const struct shown *part, uint64_t count)
{
    struct refusal why;

    for (uint64_t i = 0; i < count; i++)
        if (model_add(m, part_event(part, i), &why) < 0)
            sim_fail("the journal holds what the model refuses: %s", why.reason);
}

void judge_store(bool derived)
{
    struct applied applied[PARTS];
    struct model *m = model_new();
    struct dump *found = memory_dump(redis_memory());
    int64_t now_ms = WALL_BASE_MS + sim.now_us / MS;
    FILE *out = sim.verbose ? stderr : NULL;

    store_applied((struct store *)(uintptr_t)redis_memory(), sim.partitions, applied);
    for (unsigned p = 0; p < sim.partitions; p++) {
        if (applied[p].offset > judge.parts[p].count)
            sim_fail("partition %u in Redis stands beyond the journal", p);
        model_part(m, &judge.parts[p], applied[p].offset);
    }
    model_today(m, date_of_ms(now_ms), &RULES_DEFAULT);
    if (model_compare(m, found, out) > 0)
        sim_fail("Redis does not hold what the model counts");
    if (derived && model_compare_derived(m, found, out) > 0)
        sim_fail("groups or watch list are not what the model counts");
    dump_free(found);
    model_free(m);
}
