/* Why: any number, down to the facts that make it up, and their sum beside what Redis has. */
#include "proto/clock.h"
#include "proto/error.h"
#include "workers/audit/why.h"
#include "workers/recall.h"
#include "workers/web/discreet.h"
#include "workers/web/html.h"
#include "workers/web/journal.h"
#include "workers/web/page.h"

#include <stdio.h>

#define PATIENCE_MS 5000               /* for groups to be derived */
#define LIMIT_MS    30000              /* of the whole walk */
#define LIMIT_BYTES ((size_t)80 << 20) /* of its facts: two at a time go into 256 MiB */
#define SHOWN       1000               /* facts told of; the sum is of all */

static const struct column sum_columns[] = {
    {"sum", T_SUM, CELL_INT, false},
    {"redis", T_IN_REDIS, CELL_INT, false},
    {"agrees", T_AGREES, CELL_MARK, false},
    {"parts", T_PARTS, CELL_INT, false},
};

static const struct column fact_columns[] = {
    {"amount", T_AMOUNT, CELL_INT, false},    {"member", T_MEMBER, CELL_NAME, false},
    {"fact", T_FACT, CELL_NAME, true},        {"states", T_STATES, CELL_NAME, false},
    {"id", T_ID, CELL_NAME, false},           {"source", T_SOURCE, CELL_NAME, false},
    {"time", T_RECORDED, CELL_MOMENT, false}, {"received", T_RECEIVED, CELL_MOMENT, false},
    {"at", T_AT, CELL_TEXT, false},           {"with", T_WITH, CELL_NAME, false},
};

static struct slice history_link(struct view *v, const struct witness *w, struct slice subject)
{
    struct buffer b = {0};
    struct slice link;

    if (w->type == EVENT_ATTENDANCE)
        return (struct slice){0};
    buffer_add_text(&b, "/history?subject=");
    url_add(&b, subject, true);
    link = arena_copy(v->arena, buffer_slice(&b));
    buffer_free(&b);
    return link;
}

/* The notices that a part rests on: "ballot|C|B, seat|C|M|..." */
static struct slice rests_on(struct view *v, const struct explain_part *part)
{
    struct slice list = {0};

    for (size_t i = 1; i < part->count; i++) {
        struct slice one = discreet_subject(v, &part->facts[i]->witness);
        list = list.at ? view_text(v, view_text(v, list, slice_of(", ")), one) : one;
    }
    return list;
}

static void row(struct view *v, struct sheet *s, const struct explain_part *part)
{
    const struct witness *w = &part->facts[0]->witness;
    const struct version *version = witness_version(w);
    struct sheet_cell *c = sheet_row(v, s);
    char at[48];

    snprintf(at, sizeof at, "%u:%llu", w->partition, (unsigned long long)w->offset);
    c[0] = cell_int(part->amount);
    c[1] = page_member_cell(v, arena_copy(v->arena, part->member));
    c[2] = cell_name(discreet_subject(v, w));
    c[2].link = history_link(v, w, c[2].text);
    c[3] = cell_name(discreet_states(v, w));
    c[4] = cell_name(discreet_id(v, w, version->id));
    c[5] = cell_name(arena_copy(v->arena, w->source));
    c[6] = cell_moment(version->time_ms);
    c[7] = cell_moment(w->received_ms);
    c[8] = cell_text(arena_copy(v->arena, slice_of(at)));
    c[9] = cell_name(rests_on(v, part));
}

static void tell(struct view *v, const struct why *w, struct explain *x)
{
    struct sheet *sums = SHEET(v, "sum", T_SUM, sum_columns),
                 *facts = SHEET(v, "facts", T_FACTS, fact_columns);
    struct sheet_cell *c = sheet_row(v, sums);
    const struct explain_part *parts;
    size_t count;
    int64_t sum;

    parts = explain_finish(x, &count, &sum);
    sums->tiles = true;
    facts->note = count > SHOWN ? T_FACTS_CUT : T_FACTS_NOTE;
    c[0] = cell_int(sum);
    c[1] = cell_int(w->live.number);
    c[1].key = arena_copy(v->arena, w->target->key);
    c[1].field = arena_copy(v->arena, w->target->field);
    c[2] = why_agrees(w, sum) ? cell_mark("ok", T_AGREES_YES, TONE_GOOD)
                              : cell_mark("warn", T_AGREES_NO, TONE_RED);
    c[3] = cell_int((int64_t)count);
    for (size_t i = 0; i < count && i < SHOWN; i++)
        row(v, facts, &parts[i]);
}

static int explained(struct page *p, struct view *v, struct why *w)
{
    struct explain *x;
    int error = journal_ready(p->journal, &w->reader);

    p->broker_failed = true;
    if (error == 0)
        error = why_look(w);
    p->broker_failed = !w->redis;
    if (error < 0)
        return error;
    x = explain_new(w->target, recall_from_broker, (void *)(uintptr_t)journal_endpoint(p->journal));
    error = why_walk(w, x);
    if (error == 0)
        tell(v, w, x);
    p->broker_failed = error < 0;
    explain_free(x);
    return error == ERR_TIMEOUT && clock_mono_ms() > w->deadline_ms ? ERR_AGAIN : error;
}

int page_why(struct page *p, struct view *v)
{
    struct slice key = request_param(p->request, "key"), field = request_param(p->request, "field");
    struct target target;
    struct why w = {.target = &target,
                    .store = p->data.store,
                    .patience_ms = PATIENCE_MS,
                    .deadline_ms = clock_mono_ms() + LIMIT_MS,
                    .most_bytes = LIMIT_BYTES};
    int error;

    view_begin(v, v->arena, "why", T_WHY);
    if (!key.size || !field.size) {
        buffer_add_text(p->reason, "key and field are wanted");
        return PAGE_REFUSED;
    }
    if (target_parse(key, field, journal_prefix(p->journal), &target, p->reason) < 0)
        return PAGE_REFUSED;
    v->subject = view_text(v, view_text(v, target.key, slice_of("  ")), target.field);
    view_watch(v, "none", (struct slice){0}); /* as of the moment it was asked */
    error = explained(p, v, &w);
    if (error < 0)
        journal_drop(p->journal);
    v->dated = true;
    v->as_of_ms = p->data.now_ms;
    return error;
}
