/* The watch list on paper; see watch_print.h.  Nothing in here can fail. */
#include "workers/cli/watch_print.h"

#include "workers/audit/moment.h"
#include "workers/json_out.h"
#include "workers/table_text.h"
#include "workers/view/csv.h"

#include <inttypes.h>
#include <stdio.h>

#define ITEMS_NAMED 3  /* of a row of the table; CSV and JSON name all */
#define TITLE_MOST  40 /* characters of a committee's title in the table */

static const char *const score_name[] = {
    [RISK_NONE] = "", [RISK_AMBER] = "amber", [RISK_RED] = "red"};

static void add_date(struct buffer *out, date_days day)
{
    char text[DATE_TEXT];

    date_format(day, text);
    buffer_add(out, text, sizeof text);
}

/* "3 of 12 CIB missed (25 %)" */
static void add_share(const struct watch_entry *e, struct buffer *out)
{
    char text[96];

    snprintf(text, sizeof text, "%" PRId64 " of %" PRId64 " CIB missed", e->missed, e->due);
    buffer_add_text(out, text);
    if (e->due > 0) {
        snprintf(text, sizeof text, " (%.0f %%)", 100.0 * (double)e->missed / (double)e->due);
        buffer_add_text(out, text);
    }
    if (e->score == RISK_AMBER)
        buffer_add_text(out, ", one more is too many");
}

/* "missed: DIS 14001 (closed 2026-05-24), ..." */
static void add_items(const struct watch_entry *e, size_t most, struct buffer *out)
{
    bool meetings = e->reason == RISK_MISSED_MEETINGS;
    bool open = e->reason == RISK_MISSED_BALLOT && e->score == RISK_AMBER;
    size_t n = 0;

    buffer_add_text(out, open ? "unanswered: " : "missed: ");
    for (const struct watch_item *i = e->items; i; i = i->next, n++) {
        if (n >= most)
            continue;
        if (n)
            buffer_add_text(out, ", ");
        buffer_add_slice(out, i->id);
        buffer_add_text(out, open ? " (closes " : meetings ? " (" : " (closed ");
        add_date(out, i->day);
        buffer_add_text(out, ")");
    }
    if (n > most) {
        buffer_add_text(out, " and ");
        buffer_add_int(out, (int64_t)(n - most));
        buffer_add_text(out, " more");
    }
}

void watch_missing_text(const struct watch_entry *e, size_t most, struct buffer *out)
{
    if (e->reason == RISK_MISSED_SHARE)
        add_share(e, out);
    else if (e->items)
        add_items(e, most, out);
    else
        buffer_add_text(out, "nothing any more");
}

/* ---- text ---- */
static void add_next(const struct watch_entry *e, struct buffer *out)
{
    if (!e->next)
        return;
    add_date(out, e->next->day);
    buffer_add_text(out, " ");
    buffer_add_slice(out, e->next->id);
}

/* The committee, and its title as far as there is room for it. */
static void add_committee(const struct watch_entry *e, struct buffer *out)
{
    const char *at = e->label.at, *end = e->label.at + e->label.size;

    buffer_add_slice(out, e->committee);
    if (slice_equal(e->label, e->committee) || !utf8_valid(e->label))
        return;
    for (size_t n = 0; at < end && n < TITLE_MOST; n++)
        utf8_next(&at);
    buffer_add_text(out, " ");
    buffer_add(out, e->label.at, (size_t)(at - e->label.at));
    if (at < end)
        buffer_add_text(out, "\xe2\x80\xa6");
}

static void print_entry(struct text_table *t, const struct watch_entry *e, struct buffer *cell)
{
    bool red = e->score == RISK_RED;

    text_table_add(t, slice_of(score_name[e->score]), red ? TEXT_RED : TEXT_AMBER);
    text_table_add(t, slice_of(risk_name[e->reason]), TEXT_PLAIN);
    buffer_clear(cell);
    add_committee(e, cell);
    text_table_add(t, buffer_slice(cell), TEXT_PLAIN);
    text_table_add(t, e->member, TEXT_PLAIN);
    buffer_clear(cell);
    add_next(e, cell);
    text_table_add(t, cell->size ? buffer_slice(cell) : slice_of(""), TEXT_PLAIN);
    buffer_clear(cell);
    watch_missing_text(e, ITEMS_NAMED, cell);
    text_table_add(t, buffer_slice(cell), TEXT_PLAIN);
}

static void add_heading(const struct watch_list *w, struct buffer *out)
{
    char moment[MOMENT_TEXT], counts[64];

    buffer_add_text(out, "day     ");
    add_date(out, w->today);
    moment_format(w->as_of_ms, moment);
    buffer_add_text(out, "\nas of   ");
    buffer_add_text(out, w->known ? moment : "not known");
    snprintf(counts, sizeof counts, "\nat risk %zu red, %zu amber\n\n", w->red, w->count - w->red);
    buffer_add_text(out, counts);
}

void watch_print_text(const struct watch_list *w, bool colour, struct buffer *out)
{
    static const char *const head[] = {
        "risk", "reason", "committee", "member", "next ballot closes", "missing"};
    struct text_table *t = text_table_new(sizeof head / sizeof *head);
    struct buffer cell = {0};

    for (size_t i = 0; i < sizeof head / sizeof *head; i++)
        text_table_add(t, slice_of(head[i]), TEXT_BOLD);
    for (size_t i = 0; i < w->count; i++)
        print_entry(t, w->entries[i], &cell);
    if (w->count) {
        add_heading(w, out);
        text_table_print(t, colour, out);
    }
    text_table_free(t);
    buffer_free(&cell);
}

/* ---- CSV ---- */
static void csv_entry(struct csv *c, const struct watch_entry *e, struct buffer *cell)
{
    char day[DATE_TEXT];

    csv_add_text(c, score_name[e->score]);
    csv_add_text(c, risk_name[e->reason]);
    csv_add(c, e->committee);
    csv_add(c, e->label);
    csv_add(c, e->member);
    buffer_clear(cell);
    watch_missing_text(e, SIZE_MAX, cell);
    csv_add(c, buffer_slice(cell));
    if (e->next)
        date_format(e->next->day, day);
    csv_add(c, e->next ? e->next->id : (struct slice){0});
    csv_add(c, e->next ? slice_make(day, sizeof day) : (struct slice){0});
    csv_end(c);
}

void watch_print_csv(const struct watch_list *w, struct buffer *out)
{
    static const char *const head[] = {"risk",   "reason",  "committee",   "title",
                                       "member", "missing", "next_ballot", "next_closes"};
    struct buffer cell = {0};
    struct csv c = {out, 0};

    for (size_t i = 0; i < sizeof head / sizeof *head; i++)
        csv_add_text(&c, head[i]);
    csv_end(&c);
    for (size_t i = 0; i < w->count; i++)
        csv_entry(&c, w->entries[i], &cell);
    buffer_free(&cell);
}

/* ---- JSON ---- */
static json_t *day_json(date_days day)
{
    char text[DATE_TEXT];

    date_format(day, text);
    return json_stringn(text, sizeof text);
}

static json_t *item_json(const struct watch_item *i, const char *id, const char *day)
{
    json_t *item = json_object();

    json_object_set_new(item, id, json_text_or_null(i->id));
    if (i->kind.at)
        json_object_set_new(item, "kind", json_text_or_null(i->kind));
    if (i->title.size)
        json_object_set_new(item, "title", json_text_or_null(i->title));
    json_object_set_new(item, day, day_json(i->day));
    return item;
}

static json_t *missing_json(const struct watch_entry *e)
{
    bool meetings = e->reason == RISK_MISSED_MEETINGS;
    json_t *list;

    if (e->reason == RISK_MISSED_SHARE)
        return json_pack("{s:I,s:I}", "missed", (json_int_t)e->missed, "due", (json_int_t)e->due);
    list = json_array();
    for (const struct watch_item *i = e->items; i; i = i->next)
        json_array_append_new(
            list, item_json(i, meetings ? "meeting" : "ballot", meetings ? "starts" : "closes"));
    return list;
}

static json_t *entry_json(const struct watch_entry *e)
{
    struct buffer words = {0};
    json_t *entry = json_object();

    json_object_set_new(entry, "risk", json_string(score_name[e->score]));
    json_object_set_new(entry, "reason", json_string(risk_name[e->reason]));
    json_object_set_new(entry, "committee", json_text_or_null(e->committee));
    json_object_set_new(entry, "title", json_text_or_null(e->label));
    json_object_set_new(entry, "member", json_text_or_null(e->member));
    json_object_set_new(entry, "missing", missing_json(e));
    watch_missing_text(e, SIZE_MAX, &words);
    json_object_set_new(entry, "words", json_text_or_null(buffer_slice(&words)));
    json_object_set_new(entry, "next",
                        e->next ? item_json(e->next, "ballot", "closes") : json_null());
    buffer_free(&words);
    return entry;
}

void watch_print_json(const struct watch_list *w, struct buffer *out)
{
    json_t *all = json_object(), *seats = json_array();
    char moment[MOMENT_TEXT];

    moment_format(w->as_of_ms, moment);
    json_object_set_new(all, "day", day_json(w->today));
    json_object_set_new(all, "as_of", w->known ? json_string(moment) : json_null());
    json_object_set_new(all, "red", json_integer((json_int_t)w->red));
    json_object_set_new(all, "amber", json_integer((json_int_t)(w->count - w->red)));
    for (size_t i = 0; i < w->count; i++)
        json_array_append_new(seats, entry_json(w->entries[i]));
    json_object_set_new(all, "seats", seats);
    json_line(all, out);
}
