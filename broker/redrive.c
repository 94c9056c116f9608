/* Redrive; see redrive.h.  Happy path of a REDRIVE: each event is looked up and judged as if it
 * came now, those accepted are appended and no longer kept as refused, in one commit, and then
 * SETTLED says so.  A crash before the commit leaves them refused, one after it leaves them in the
 * journal; who asks again is told that they are missing.
 *
 * What can fail: an event (stays refused), room (all of them stay), the disk (fatal). */
#include "broker/redrive.h"

#include "proto/clock.h"
#include "proto/error.h"
#include "proto/event.h"

#include <stdlib.h>

#define ARENA_KEEP ((size_t)1024 * 1024)
#define LIST_BYTES ((size_t)64 * 1024) /* of a header's list; more go into the next message */
/* A quarter of what a client may leave unread: who asks page by page has always read enough. */
#define PAGE_BYTES (SESSION_FLIGHT_CLIENT / 4)
#define ITEM_BYTES 64 /* of a list's item besides its texts: numbers and lengths */

/* What becomes of one number. */
struct verdict {
    struct wire_settlement wire; /* its code is "" when all is well */
    struct slice source, event;
    unsigned partition;
};

struct redrive {
    struct journal *journal;
    struct sessions *readers;
    struct event_decoder *decoder;
    struct arena arena; /* of one message */
    struct verdict verdicts[WIRE_MAX_NUMBERS];
    struct wire_settlement settled[WIRE_MAX_NUMBERS]; /* of the SETTLED being made */
    struct wire_reject rejects[WIRE_MAX_NUMBERS];     /* of the REJECTED being made */
    struct slice parts[WIRE_MAX_NUMBERS];             /* its payload */
};

struct redrive *redrive_new(struct journal *journal, struct sessions *readers)
{
    struct redrive *r = memory_zeroed(sizeof *r);

    r->journal = journal;
    r->readers = readers;
    r->decoder = event_decoder_new();
    return r;
}

void redrive_free(struct redrive *r)
{
    if (!r)
        return;
    event_decoder_free(r->decoder);
    arena_free(&r->arena);
    free(r);
}

bool redrive_is_for(enum wire_kind kind)
{
    return kind == WIRE_REJECTS || kind == WIRE_REDRIVE || kind == WIRE_DROP;
}

/* ---- looking ---- */

/* One that cannot be read any more is told all the same, as it can be dropped. */
static int reject_next(struct redrive *r, uint64_t number, uint64_t *ret_number, struct reject *ret)
{
    int err = journal_next_reject(r->journal, number, ret_number, ret);

    if (err != ERR_CORRUPT && err != ERR_VERSION)
        return err;
    *ret = (struct reject){.code = slice_of("corrupt"),
                           .reason = slice_of(err == ERR_VERSION
                                                  ? "written by another version of turnout"
                                                  : "the bytes on disk are not what was written")};
    return 0;
}

static size_t reject_bytes(const struct reject *one)
{
    return ITEM_BYTES + one->source.size + one->code.size + one->field.size + one->reason.size;
}

/* As many as were asked for and go into one message; within a reading of the journal.  An error
 * only if not even the first could be read: one further on comes first the next time. */
static int list_fill(struct redrive *r, const struct wire_rejects *asked, uint32_t *ret,
                     size_t *ret_parts)
{
    size_t header = 0, payload = 0, parts = 0;
    uint64_t number = asked->first;
    struct reject one;
    uint32_t n = 0;
    int err = 0;

    for (; n < WIRE_MAX_NUMBERS && n < asked->most; number++) {
        err = reject_next(r, number, &number, &one);
        if (err < 0)
            break;
        header += reject_bytes(&one);
        payload += one.event.size;
        if (header > LIST_BYTES || payload > PAGE_BYTES)
            break;
        r->rejects[n++] =
            (struct wire_reject){number,    one.received_ms, one.source, one.code,
                                 one.field, one.reason,      one.size,   one.event.size};
        if (one.event.size)
            r->parts[parts++] = one.event;
    }
    *ret = n;
    *ret_parts = parts;
    return n > 0 || err == ERR_AGAIN ? 0 : err;
}

/* Who has no room for the answer asks again. */
static void list_take(struct redrive *r, struct session *from, const struct wire_rejects *asked)
{
    struct wire_message m = {.kind = WIRE_REJECTED, .rejected = {0, r->rejects}};
    size_t parts = 0;
    int err = journal_rejects_begin(r->journal);

    if (err == 0)
        err = list_fill(r, asked, &m.rejected.count, &parts);
    if (err == 0)
        session_send(r->readers, from, &m, r->parts, parts);
    else
        session_error(r->readers, from, "corrupt", false,
                      "the refused events from number %llu on cannot be read: %s",
                      (unsigned long long)asked->first, error_text(err));
    journal_read_end(r->journal);
}

/* ---- judging ---- */

static void settle(struct verdict *v, const char *code, const char *field, const char *reason)
{
    v->wire.code = slice_of(code);
    v->wire.field = slice_of(field);
    v->wire.reason = slice_of(reason);
}

static void settle_refused(struct redrive *r, struct verdict *v, const struct refusal *why)
{
    struct refusal *kept = arena_need(&r->arena, sizeof *kept);

    *kept = *why;
    settle(v, refusal_name(kept->code), kept->field, kept->reason);
}

/* What the source may publish now, by its first key or the next one; NULL: no key has it any more.
 */
static const struct right *right_now(const struct redrive *r, struct slice source,
                                     const struct right *after)
{
    return rights_of_source(access_rights(r->readers->access), source, after);
}

/* Two keys may have one source, while one replaces the other: either may publish it. */
static int source_check(const struct redrive *r, struct slice source, const struct event *event,
                        struct refusal *why)
{
    const struct right *right = right_now(r, source, NULL);
    int err = right_check(right, event, why);

    while (err < 0 && (right = right_now(r, source, right)))
        err = right_check(right, event, why);
    return err;
}

/* 0 or ERR_REFUSED: as an event that comes now from that source. */
static int event_judge(struct redrive *r, const struct reject *one, int64_t now_ms,
                       unsigned *ret_partition, struct refusal *why)
{
    struct event event;
    int err;

    if (!right_now(r, one->source, NULL))
        return refusal_set(why, REFUSAL_TYPE_DENIED, slice_of(""),
                           "no key may publish under this source any more");
    if (one->event.size < one->size)
        return refusal_set(why, REFUSAL_TOO_LARGE, slice_of(""),
                           "an event of %u bytes; expected at most %d", one->size, EVENT_MAX_BYTES);
    err = event_decode(r->decoder, one->event, now_ms, &event, why);
    if (err == 0)
        err = source_check(r, one->source, &event, why);
    if (err == 0)
        *ret_partition = event_partition(&event, journal_partitions(r->journal));
    return err;
}

static void reject_judge(struct redrive *r, struct verdict *v, int64_t now_ms)
{
    struct reject one;
    struct refusal why;
    uint64_t found;
    int err = journal_next_reject(r->journal, v->wire.number, &found, &one);

    if (err == ERR_AGAIN || (err != ERR_IO && found != v->wire.number))
        settle(v, "missing", "", "no refused event of this number is kept");
    else if (err < 0)
        settle(v, "corrupt", "", "it cannot be read any more");
    else if (event_judge(r, &one, now_ms, &v->partition, &why) < 0)
        settle_refused(r, v, &why);
    else {
        v->source = arena_copy(&r->arena, one.source);
        v->event = arena_copy(&r->arena, one.event);
    }
}

static void judge_all(struct redrive *r, uint32_t count, int64_t now_ms)
{
    int err = journal_rejects_begin(r->journal);

    for (uint32_t i = 0; i < count; i++) {
        if (err == 0)
            reject_judge(r, &r->verdicts[i], now_ms);
        else
            settle(&r->verdicts[i], "corrupt", "", "it cannot be read");
        event_decoder_reset(r->decoder);
    }
    journal_read_end(r->journal);
}

/* ---- doing ---- */

/* Other errors stick until the commit. */
static void stage(struct redrive *r, struct verdict *v, int64_t now_ms)
{
    struct record record = {v->source, now_ms, 1, v->event};

    if (journal_drop_reject(r->journal, v->wire.number) == ERR_AGAIN)
        settle(v, "missing", "", "no refused event of this number is kept");
    else if (v->event.size)
        journal_append(r->journal, v->partition, &record);
}

/* 0, also when there was no room; else fatal. */
static int commit(struct redrive *r, uint32_t count)
{
    int err = journal_commit(r->journal);

    for (uint32_t i = 0; i < count && err == ERR_FULL; i++)
        if (r->verdicts[i].wire.code.size == 0)
            settle(&r->verdicts[i], refusal_name(REFUSAL_JOURNAL_FULL), "",
                   "no room in the journal: try again later");
    return err == ERR_FULL ? 0 : err;
}

/* One SETTLED, or several if its texts do not fit into one header. */
static void answer(struct redrive *r, struct session *to, uint32_t count)
{
    for (uint32_t i = 0; i < count;) {
        struct wire_message m = {.kind = WIRE_SETTLED, .settled = {0, r->settled}};
        for (size_t bytes = 0; i < count; i++) {
            const struct wire_settlement *one = &r->verdicts[i].wire;
            bytes += ITEM_BYTES + one->code.size + one->field.size + one->reason.size;
            if (bytes > LIST_BYTES)
                break;
            r->settled[m.settled.count++] = *one;
        }
        session_post(r->readers, to, &m);
    }
}

static int numbers_take(struct redrive *r, struct session *from, const struct wire_numbers *asked,
                        bool judge)
{
    int64_t now_ms = clock_wall_ms();
    int err;

    for (uint32_t i = 0; i < asked->count; i++) {
        r->verdicts[i] = (struct verdict){.wire.number = asked->numbers[i]};
        settle(&r->verdicts[i], "", "", "");
    }
    if (judge)
        judge_all(r, asked->count, now_ms);
    for (uint32_t i = 0; i < asked->count; i++)
        if (r->verdicts[i].wire.code.size == 0)
            stage(r, &r->verdicts[i], now_ms);
    err = commit(r, asked->count);
    if (err == 0)
        answer(r, from, asked->count);
    arena_reset(&r->arena, ARENA_KEEP);
    return err;
}

/* ---- the verb ---- */

/* Changing what is kept is for this host only: that a key may watch does not mean that it may. */
static bool is_allowed(const struct session *from, enum wire_kind kind)
{
    if (from->role != SESSION_CLIENT)
        return false;
    return from->right == RIGHT_LOCAL || (kind == WIRE_REJECTS && from->right->participants);
}

int redrive_take(struct redrive *r, struct session *from, const struct wire_message *m)
{
    if (!is_allowed(from, m->kind)) {
        session_error(r->readers, from, "denied", false,
                      m->kind == WIRE_REJECTS
                          ? "refused events are for clients that may see participants"
                          : "redriving and dropping are for clients on the broker's own host");
        return 0;
    }
    if (m->kind == WIRE_REJECTS) {
        list_take(r, from, &m->rejects);
        return 0;
    }
    return numbers_take(r, from, &m->numbers, m->kind == WIRE_REDRIVE);
}
