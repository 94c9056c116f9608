/* Details of the watch list; see watch_detail.h.  Some committees at a time, by three fetches that
 * each lead to the next:
 *
 *     their seats and calendar
 *     the ballots of the year, the notices of their meetings, the duties of the seats
 *     who took part in the last meetings
 *
 * Judged by the rules that count (share.h).  What was answered since the list was made has no
 * details any more. */
#include "workers/view/watch_detail.h"

#include "proto/error.h"
#include "workers/calendar.h"
#include "workers/gather.h"
#include "workers/share.h"

#include <stdlib.h>

#define COMMITTEES_AT_ONCE 16

struct detail {
    struct watch_list *list;
    struct store *store;
    struct ledger *ledger;
    struct gather gather;
};

static int detail_fetch(struct detail *d)
{
    size_t count;
    const struct store_fetch *fetches = gather_take(&d->gather, &count);

    return store_fetch(d->store, fetches, count, d->ledger);
}

static date_days year_begin(const struct watch_list *w)
{
    struct date_civil day = {date_to_civil(w->today).year, 1, 1};

    return date_from_civil(day);
}

static date_days year_end(const struct watch_list *w)
{
    struct date_civil day = {date_to_civil(w->today).year, 12, 31};

    return date_from_civil(day);
}

/* Appends in the order of days, and of names within a day. */
static void item_add(struct detail *d, struct watch_item **list, struct slice id, struct slice kind,
                     struct slice title, date_days day)
{
    struct arena *a = &d->list->arena;
    struct watch_item *i = arena_need(a, sizeof *i);

    *i = (struct watch_item){arena_copy(a, id), arena_copy(a, kind), arena_copy(a, title), day,
                             NULL};
    while (*list &&
           ((*list)->day < day || ((*list)->day == day && slice_compare((*list)->id, i->id) < 0)))
        list = &(*list)->next;
    i->next = *list;
    *list = i;
}

static struct ballot_share share_of(const struct ballot *b, struct slice member)
{
    static const struct vote_fact none;
    const struct vote *v = table_find(&b->votes, member);

    return ballot_share(&b->notice, v ? &v->fact : &none,
                        ledger_role(b->committee, member, b->notice.closes));
}

/* Still to be answered by the member. */
static bool is_open(const struct detail *d, const struct ballot *b, struct slice member)
{
    return calendar_awaits(b, member) && b->notice.closes >= d->list->today;
}

/* Missed this year: older ballots were not fetched. */
static bool is_missed(const struct detail *d, const struct ballot *b, struct slice member)
{
    return b->loaded && version_holds(&b->notice.version) && risk_kind(b->notice.kind) &&
           b->notice.closes <= year_end(d->list) && share_of(b, member).missed;
}

static bool concerns(const struct detail *d, const struct watch_entry *e, const struct ballot *b)
{
    if (e->reason != RISK_MISSED_BALLOT)
        return false;
    if (e->score == RISK_RED)
        return is_missed(d, b, e->member);
    return is_open(d, b, e->member) && risk_kind(b->notice.kind) &&
           b->notice.closes <= d->list->today + d->list->rules.warn_days;
}

static void add_ballots(struct detail *d, struct watch_entry *e, const struct committee *c)
{
    struct watch_item *open = NULL;
    const struct ballot *b;

    for (size_t i = 0; (b = table_next(&c->ballots, &i));) {
        const struct ballot_fact *n = &b->notice;
        if (concerns(d, e, b))
            item_add(d, &e->items, b->entry.key, n->kind, n->title, n->closes);
        if (is_open(d, b, e->member))
            item_add(d, &open, b->entry.key, n->kind, n->title, n->closes);
    }
    e->next = open;
    if (open)
        open->next = NULL;
}

/* ---- meetings ---- */
/* Calls for the last meetings at which the member's seat was P, as many as the rules look at. */
static void each_last(struct detail *d, const struct watch_entry *e, const struct committee *c,
                      void (*each)(struct detail *d, const struct watch_entry *e, struct meeting *m,
                                   bool *go_on))
{
    int64_t left = d->list->rules.meetings_run;
    bool go_on = true;
    size_t count;
    struct meeting **meetings = calendar_meetings(&d->ledger->batch, c, &count);

    for (size_t i = 0; i < count && left > 0 && go_on; i++) {
        struct meeting *m = meetings[i];
        if (ledger_role(c, e->member, m->notice.starts) != ROLE_P)
            continue;
        left--;
        each(d, e, m, &go_on);
    }
}

static void fetch_meeting(struct detail *d, const struct watch_entry *e, struct meeting *m,
                          bool *go_on)
{
    (void)e;
    (void)go_on;
    gather_meeting(&d->gather, m);
}

static void add_meeting(struct detail *d, const struct watch_entry *e, struct meeting *m,
                        bool *go_on)
{
    struct watch_entry *entry = (struct watch_entry *)(uintptr_t)e;

    *go_on = calendar_missed(m, e->member);
    if (*go_on)
        item_add(d, &entry->items, m->entry.key, (struct slice){0}, m->notice.title,
                 m->notice.starts);
}

/* ---- some committees ---- */
static struct duties *fetch_duties(struct detail *d, const struct watch_entry *e)
{
    struct duties *duties = arena_need(&d->ledger->batch, sizeof *duties);
    struct buffer key = {0};
    char today[DATE_TEXT];

    date_format(d->list->today, today);
    buffer_add_text(&key, "seat:");
    buffer_add_slice(&key, ledger_pair(d->ledger, e->committee, e->member));
    buffer_add_text(&key, ":");
    buffer_add(&key, today, 4);
    gather_key(&d->gather, buffer_slice(&key), FETCH_HASH, duties_row, duties);
    buffer_free(&key);
    return duties;
}

static void fetch_calendar(struct detail *d, const struct watch_entry *e, const struct committee *c)
{
    struct ballot *b;
    struct meeting *m;

    for (size_t i = 0; (b = table_next(&c->ballots, &i));)
        if (b->indexed != DATE_NONE && b->indexed >= year_begin(d->list))
            gather_ballot(&d->gather, b);
    for (size_t i = 0; e->reason == RISK_MISSED_MEETINGS && (m = table_next(&c->meetings, &i));)
        gather_meeting_notice(&d->gather, m);
}

static void detail_entry(struct detail *d, struct watch_entry *e, const struct duties *duties)
{
    const struct committee *c = ledger_committee(d->ledger, e->committee);

    add_ballots(d, e, c);
    if (e->reason == RISK_MISSED_MEETINGS)
        each_last(d, e, c, add_meeting);
    if (e->reason != RISK_MISSED_SHARE)
        return;
    e->missed = duties->missed_cib;
    e->due = duties->due_cib;
}

static int row_label(void *context, void *record, struct slice field, struct slice value)
{
    struct watch_entry *e = record;
    struct arena *a = context;

    (void)field;
    if (value.at)
        e->label = arena_copy(a, value);
    return 0;
}

static int load_labels(struct detail *d, struct watch_entry **entries, size_t count)
{
    struct store_fetch *fetches = arena_need(&d->ledger->batch, count * sizeof *fetches);

    for (size_t i = 0; i < count; i++)
        fetches[i] = (struct store_fetch){.key = slice_of("committees"),
                                          .fields = &entries[i]->committee,
                                          .field_count = 1,
                                          .row = row_label,
                                          .record = entries[i]};
    return store_fetch(d->store, fetches, count, &d->list->arena);
}

static int load_details(struct detail *d, struct watch_entry **entries, size_t count)
{
    struct duties **duties = arena_need(&d->ledger->batch, count * sizeof *duties);
    int error;

    for (size_t i = 0; i < count; i++) {
        gather_committee(&d->gather, ledger_committee(d->ledger, entries[i]->committee));
        gather_dates(&d->gather, ledger_committee(d->ledger, entries[i]->committee));
    }
    error = detail_fetch(d);
    for (size_t i = 0; i < count && error == 0; i++) {
        duties[i] = fetch_duties(d, entries[i]);
        fetch_calendar(d, entries[i], ledger_committee(d->ledger, entries[i]->committee));
    }
    if (error == 0)
        error = detail_fetch(d);
    for (size_t i = 0; i < count && error == 0; i++)
        if (entries[i]->reason == RISK_MISSED_MEETINGS)
            each_last(d, entries[i], ledger_committee(d->ledger, entries[i]->committee),
                      fetch_meeting);
    if (error == 0)
        error = detail_fetch(d);
    if (error == 0)
        error = load_labels(d, entries, count);
    for (size_t i = 0; i < count && error == 0; i++)
        detail_entry(d, entries[i], duties[i]);
    return error;
}

/* How many entries from `i` on belong to so many committees; entries are in their order. */
static size_t some_committees(const struct watch_list *w, size_t i)
{
    size_t n = 1, committees = 1;

    for (; i + n < w->count; n++)
        if (!slice_equal(w->entries[i + n]->committee, w->entries[i + n - 1]->committee) &&
            ++committees > COMMITTEES_AT_ONCE)
            break;
    return n;
}

int watch_detail(struct store *s, struct watch_list *w)
{
    struct detail d = {.list = w, .store = s, .ledger = ledger_new()};
    int error = 0;
    size_t n;

    gather_open(&d.gather, d.ledger);
    for (size_t i = 0; i < w->count && error == 0; i += n) {
        n = some_committees(w, i);
        error = load_details(&d, w->entries + i, n);
        ledger_drop(d.ledger);
    }
    gather_close(&d.gather);
    ledger_free(d.ledger);
    return error;
}
