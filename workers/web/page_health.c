/* Health: whether what the other pages show can be trusted: broker, workers, how far Redis is
 * behind, when each source was heard last, what was refused. */
#include "proto/clock.h"
#include "proto/error.h"
#include "workers/audit/verified.h"
#include "workers/lag.h"
#include "workers/web/feeds.h"
#include "workers/web/journal.h"
#include "workers/web/page.h"

#include <stdlib.h>

#define FEEDS_MS     3000
#define QUIET_DAYS   7 /* from then on a source counts as quiet */
#define REJECTS_SEEN 1000

static const struct column part_columns[] = {
    {"part", T_PART, CELL_TEXT, true},
    {"state", T_STATE, CELL_MARK, false},
    {"says", T_SAYS, CELL_NAME, false},
};
static const struct column number_columns[] = {
    {"events", T_EVENTS, CELL_INT, false},
    {"lag.events", T_LAG_EVENTS, CELL_INT, false},
    {"lag.ms", T_LAG_MS, CELL_INT, false},
    {"journal.bytes", T_JOURNAL_BYTES, CELL_INT, false},
    {"journal.limit", T_JOURNAL_LIMIT, CELL_INT, false},
    {"rejects", T_REJECTS, CELL_INT, false},
    {"producers", T_PRODUCERS, CELL_INT, false},
};
static const struct column partition_columns[] = {
    {"partition", T_PARTITION, CELL_INT, true},
    {"end", T_END, CELL_INT, false},
    {"applied", T_APPLIED, CELL_INT, false},
    {"changed", T_CHANGED, CELL_MOMENT, false},
};
static const struct column worker_columns[] = {
    {"worker", T_WORKER, CELL_NAME, true},
    {"silent", T_SILENT_MS, CELL_INT, false},
    {"partitions", T_PARTITIONS, CELL_INT, false},
};
static const struct column feed_columns[] = {
    {"source", T_SOURCE, CELL_NAME, true},
    {"events", T_EVENTS, CELL_INT, false},
    {"last", T_LAST_EVENT, CELL_MOMENT, false},
    {"state", T_STATE, CELL_MARK, false},
};
static const struct column reject_columns[] = {
    {"source", T_SOURCE, CELL_NAME, true},
    {"code", T_CODE, CELL_NAME, false},
    {"number", T_NUMBER, CELL_INT, false},
    {"last", T_LAST_EVENT, CELL_MOMENT, false},
};

static const struct column verified_columns[] = {
    {"verified", T_VERIFIED_AT, CELL_MOMENT, true},
    {"keys", T_VERIFIED_KEYS, CELL_INT, false},
    {"fields", T_VERIFIED_FIELDS, CELL_INT, false},
    {"differences", T_DIFFERENCES, CELL_INT, false},
};

struct health {
    struct page *page;
    struct view *view;
    struct applied applied[WIRE_MAX_PARTS];
    uint64_t offsets[WIRE_MAX_PARTS];
    int redis_error;
    struct hindrance hindrance;
    bool denied; /* something; the broker may say so of more that was asked for */
    struct sheet *feeds;
};

static void part_row(struct view *v, struct sheet *s, const char *name, enum text label, bool well,
                     struct slice says)
{
    struct sheet_cell *c = sheet_row(v, s);

    c[0] = cell_text(slice_of(name));
    c[0].label = label;
    c[1] = well ? cell_mark("ok", T_WELL, TONE_GOOD) : cell_mark("down", T_NOT_WELL, TONE_RED);
    c[2] = cell_name(says);
}

static void number_cells(const struct wire_report *r, const struct lag *lag, struct sheet_cell *c)
{
    uint64_t events = 0;

    for (unsigned p = 0; p < r->count; p++)
        events += r->ends[p];
    c[0] = cell_int((int64_t)events);
    if (lag) {
        c[1] = cell_int((int64_t)lag->events);
        c[2] = cell_int(lag->ms);
    }
    c[3] = cell_int((int64_t)r->journal_bytes);
    c[4] = cell_int((int64_t)r->journal_limit);
    c[5] = cell_int((int64_t)r->rejects);
    c[5].tone = r->rejects ? TONE_AMBER : TONE_PLAIN;
    c[6] = cell_int((int64_t)r->producers);
}

static void partition_sheet(struct health *h, const struct wire_report *r)
{
    struct sheet *s = SHEET(h->view, "partitions", T_PARTITIONS, partition_columns);

    for (unsigned p = 0; p < r->count; p++) {
        struct sheet_cell *c = sheet_row(h->view, s);
        c[0] = cell_int(p);
        c[1] = cell_int((int64_t)r->ends[p]);
        c[2] = cell_int((int64_t)h->applied[p].offset);
        c[3] = cell_moment(h->applied[p].known ? h->applied[p].time_ms : 0);
    }
}

static void worker_sheet(struct health *h, const struct wire_report *r)
{
    struct sheet *s = SHEET(h->view, "workers", T_WORKERS, worker_columns);

    for (unsigned i = 0; i < r->worker_count; i++) {
        struct sheet_cell *c = sheet_row(h->view, s);
        c[0] = cell_name(arena_copy(h->view->arena, r->workers[i].name));
        c[1] = cell_int((int64_t)r->workers[i].silent_ms);
        c[2] = cell_int(r->workers[i].count);
    }
}

/* Its row says why it is not well: that it cannot be used, or what it tells of itself. */
static void redis_row(struct health *h, struct sheet *parts, int error)
{
    const char *says = error ? error_text(error) : h->hindrance.says;

    part_row(h->view, parts, "redis", T_REDIS, !error && !h->hindrance.sure, slice_of(says));
}

static void report_sheets(struct health *h, const struct wire_report *r)
{
    struct view *v = h->view;
    struct sheet *parts = SHEET(v, "parts", T_HEALTH_PARTS, part_columns),
                 *numbers = SHEET(v, "numbers", T_NUMBERS, number_columns);
    struct lag lag = lag_of(r, h->applied, clock_wall_ms());
    int redis = h->redis_error == 0 && lag.foreign ? ERR_FOREIGN : h->redis_error;
    bool full = client_full(r);

    numbers->tiles = true;
    part_row(v, parts, "broker", T_BROKER, !full,
             full ? slice_of(error_text(ERR_FULL)) : arena_copy(v->arena, r->server));
    redis_row(h, parts, redis);
    part_row(v, parts, "workers", T_WORKERS, r->worker_count > 0, slice_of(""));
    number_cells(r, redis == 0 ? &lag : NULL, sheet_row(v, numbers));
    partition_sheet(h, r);
    worker_sheet(h, r);
}

static void feed_row(void *arg, const struct feed *f)
{
    struct health *h = arg;
    struct sheet_cell *c = sheet_row(h->view, h->feeds);
    int64_t quiet_ms = h->page->data.now_ms - f->last_ms;

    c[0] = cell_name(arena_copy(h->view->arena, f->source));
    c[1] = cell_int((int64_t)f->events);
    c[2] = cell_moment(f->last_ms);
    c[3] = quiet_ms > QUIET_DAYS * DAY_MS ? cell_mark("warn", T_QUIET, TONE_AMBER)
                                          : cell_mark("ok", T_HEARD, TONE_GOOD);
}

/* What this server's key may not see is said where it would stand. */
static int if_allowed(struct health *h, struct sheet *s, int error)
{
    if (error != ERR_DENIED)
        return error;
    s->note = T_NOT_ALLOWED;
    h->denied = true;
    return 0;
}

static int feed_sheet(struct health *h, struct reader *r)
{
    int error;

    h->feeds = SHEET(h->view, "feeds", T_FEEDS, feed_columns);
    h->feeds->note = T_FEEDS_NOTE;
    error = feeds_read(r, clock_mono_ms() + FEEDS_MS, feed_row, h);
    if (error == ERR_AGAIN) {
        h->feeds->note = T_FEEDS_READING;
        error = 0;
    }
    sheet_sort(h->view, h->feeds, 2, false);
    return if_allowed(h, h->feeds, error);
}

/* Of the first refused events that are kept: how many by source and code. */
static void reject_count(struct view *v, struct sheet *s, const struct wire_reject *r)
{
    struct sheet_cell *c;

    for (size_t i = 0; i < s->rows; i++) {
        c = s->cells + i * s->column_count;
        if (!slice_equal(c[0].text, r->source) || !slice_equal(c[1].text, r->code))
            continue;
        c[2].n++;
        if (r->received_ms > c[3].n)
            c[3].n = r->received_ms;
        return;
    }
    c = sheet_row(v, s);
    c[0] = cell_name(arena_copy(v->arena, r->source));
    c[1] = cell_name(arena_copy(v->arena, r->code));
    c[2] = cell_int(1);
    c[3] = cell_moment(r->received_ms);
}

static int reject_sheet(struct health *h, struct reader *r)
{
    struct sheet *s = SHEET(h->view, "refused", T_REFUSED, reject_columns);
    struct wire_message ask = {.kind = WIRE_REJECTS}, m;
    struct slice payload;
    uint64_t next = 0;
    size_t seen = 0;
    int error = 0;

    s->note = T_REFUSED_NOTE;
    do {
        ask.rejects = (struct wire_rejects){next, 200};
        uint64_t session = reader_session(r);
        reader_send(r, &ask);
        error = client_await(r, session, WIRE_REJECTED, JOURNAL_ANSWER_MS, &m, &payload);
        if (error < 0 || m.rejected.count == 0)
            break;
        for (uint32_t i = 0; i < m.rejected.count; i++)
            reject_count(h->view, s, &m.rejected.rejects[i]);
        next = m.rejected.rejects[m.rejected.count - 1].number + 1;
        seen += m.rejected.count;
        reader_reset(r);
    } while (seen < REJECTS_SEEN);
    reader_reset(r);
    if (error == ERR_CORRUPT) {
        s->note = T_JOURNAL_CORRUPT;
        error = 0;
    }
    return if_allowed(h, s, error);
}

/* What the last verification came to, whether or not the broker answers. */
static void verified_sheet(struct page *p, struct view *v)
{
    struct sheet *s = SHEET(v, "verified", T_VERIFIED, verified_columns);
    struct verified found;
    struct sheet_cell *c;

    s->note = T_VERIFIED_NEVER;
    if (verified_read(p->data.store, &found) < 0 || !found.known)
        return;
    s->note = T_VERIFIED_NOTE;
    c = sheet_row(v, s);
    c[0] = cell_moment(found.time_ms);
    c[1] = cell_int(found.keys);
    c[2] = cell_int(found.fields);
    c[3] = cell_int(found.differences);
    c[3].tone = found.differences ? TONE_RED : TONE_GOOD;
}

static int look(struct health *h)
{
    struct wire_report report;
    struct reader *r;
    int error = journal_ready(h->page->journal, &r);
    unsigned count;

    if (error < 0)
        return error;
    count = reader_partitions(r);
    h->redis_error = store_applied(h->page->data.store, count, h->applied);
    if (h->redis_error == 0)
        h->redis_error = store_hindrance(h->page->data.store, &h->hindrance);
    for (unsigned p = 0; p < count; p++)
        h->offsets[p] = h->applied[p].offset;
    error = client_report(r, h->offsets, count, JOURNAL_ANSWER_MS, &report);
    if (error < 0)
        return error;
    report_sheets(h, &report);
    reader_reset(r);
    error = feed_sheet(h, r);
    if (error == 0 && h->denied) { /* answers to the same question may still come */
        journal_drop(h->page->journal);
        error = journal_ready(h->page->journal, &r);
    }
    if (error == 0)
        error = reject_sheet(h, r);
    if (h->denied)
        journal_drop(h->page->journal);
    return error;
}

int page_health(struct page *p, struct view *v)
{
    struct health *h = arena_need(v->arena, sizeof *h);
    int error;

    view_begin(v, v->arena, "health", T_NAV_HEALTH);
    view_watch(v, "health", (struct slice){0});
    h->page = p;
    h->view = v;
    p->broker_failed = true;
    error = look(h);
    verified_sheet(p, v);
    if (error < 0)
        journal_drop(p->journal);
    v->dated = true;
    v->as_of_ms = p->data.now_ms;
    return error;
}
