/* History: every version of one fact that the journal has, and which of them counts. */
#include "proto/error.h"
#include "workers/audit/history.h"
#include "workers/web/discreet.h"
#include "workers/web/journal.h"
#include "workers/web/page.h"

#include <stdio.h>

static const struct column columns[] = {
    {"counts", T_COUNTS, CELL_MARK, false},
    {"fact", T_FACT, CELL_NAME, true},
    {"states", T_STATES, CELL_NAME, false},
    {"id", T_ID, CELL_NAME, false},
    {"source", T_SOURCE, CELL_NAME, false},
    {"time", T_RECORDED, CELL_MOMENT, false},
    {"received", T_RECEIVED, CELL_MOMENT, false},
    {"rev", T_REV, CELL_INT, false},
    {"at", T_AT, CELL_TEXT, false},
};

static void row(struct view *v, struct sheet *s, const struct history_copy *copy)
{
    const struct witness *w = &copy->witness;
    struct sheet_cell *c = sheet_row(v, s);
    char at[48];

    snprintf(at, sizeof at, "%u:%llu", w->partition, (unsigned long long)w->offset);
    c[0] = copy->winner  ? cell_mark("ok", T_COUNTS_YES, TONE_GOOD)
           : copy->first ? cell_mark("repeat", T_COUNTS_REPEAT, TONE_QUIET)
                         : cell_mark("older", T_COUNTS_NO, TONE_QUIET);
    c[1] = cell_name(discreet_subject(v, w));
    c[2] = cell_name(discreet_states(v, w));
    c[3] = cell_name(discreet_id(v, w, witness_version(w)->id));
    c[4] = cell_name(arena_copy(v->arena, w->source));
    c[5] = cell_moment(witness_version(w)->time_ms);
    c[6] = cell_moment(w->received_ms);
    c[7] = cell_int(witness_version(w)->rev);
    c[8] = cell_text(arena_copy(v->arena, slice_of(at)));
}

static int read_all(struct page *p, struct view *v, struct history *h)
{
    struct sheet *s = SHEET(v, "versions", T_VERSIONS, columns);
    struct reader *r;
    int error = journal_ready(p->journal, &r);

    p->broker_failed = true;
    if (error == 0)
        error = history_read(h, r);
    for (const struct history_copy *c = h->first; error == 0 && c; c = c->next)
        row(v, s, c);
    if (error < 0)
        journal_drop(p->journal);
    return error < 0 || h->first ? error : PAGE_MISSING;
}

int page_history(struct page *p, struct view *v)
{
    struct slice subject = request_param(p->request, "subject");
    struct history h = {.progress = false};
    const char *reason = "subject is wanted";
    int error;

    view_begin(v, v->arena, "history", T_HISTORY);
    view_watch(v, "none", (struct slice){0});
    v->subject = subject;
    v->dated = true;
    v->as_of_ms = p->data.now_ms;
    if (!subject.size || subject_parse(&subject, 1, &h.subject, &reason) < 0) {
        buffer_add_text(p->reason, reason);
        return PAGE_REFUSED;
    }
    if (h.subject.type == EVENT_ATTENDANCE) {
        buffer_add_text(p->reason, "who took part is not shown here, only how many");
        return PAGE_REFUSED;
    }
    error = read_all(p, v, &h);
    history_free(&h);
    return error;
}
