/* What turnout top shows; see top_view.h.  Pure: nothing in here asks anybody, and nothing can
 * fail. */
#include "workers/cli/top_view.h"

#include "workers/audit/moment.h"
#include "workers/cli/board_print.h"
#include "workers/table_text.h"

#include <inttypes.h>
#include <stdio.h>

static const enum board_figure shown[] = {BOARD_EFFECTIVE, BOARD_VOTING, BOARD_PRESENCE};
#define SHOWN (sizeof shown / sizeof *shown)

static double rate(uint64_t now, uint64_t before, int64_t since_ms)
{
    if (now < before || since_ms <= 0)
        return -1; /* Redis was flushed: a rate would mean nothing */
    return (double)(now - before) * 1000 / (double)since_ms;
}

void top_view_rates(struct top_view *v, const struct top_view *last, int64_t since_ms)
{
    v->received_rate = v->applied_rate = -1;
    if (last && last->broker && v->broker)
        v->received_rate = rate(v->received, last->received, since_ms);
    if (last && last->redis && v->redis)
        v->applied_rate = rate(v->applied, last->applied, since_ms);
}

void top_view_free(struct top_view *v)
{
    board_free(&v->board);
    arena_free(&v->arena);
}

/* ---- changes ---- */

/* "periods 2026, 2026-03": the names of a list, which are separated by newlines. */
static void add_names(struct buffer *out, struct slice field, struct slice names)
{
    buffer_add_slice(out, field);
    buffer_add_text(out, slice_is(names, "*") ? " (many)" : " ");
    for (size_t i = 0; i < names.size && !slice_is(names, "*"); i++)
        buffer_add(out, names.at[i] == '\n' ? ", " : names.at + i, 1 + (names.at[i] == '\n'));
}

void top_view_change(struct top_view *v, struct slice field, struct slice value)
{
    struct buffer text = {0};
    struct top_change *c;

    if (slice_is(field, "id")) {
        if (v->change_count < TOP_CHANGES)
            v->changes[v->change_count++] =
                (struct top_change){arena_copy(&v->arena, value), slice_make("", 0)};
        return;
    }
    if (v->change_count == 0 || slice_is(field, "moves"))
        return;
    c = &v->changes[v->change_count - 1];
    buffer_add_slice(&text, c->text);
    buffer_add_text(&text, c->text.size ? "; " : "");
    add_names(&text, field, value);
    c->text = arena_copy(&v->arena, buffer_slice(&text));
    buffer_free(&text);
}

/* ---- the screen ---- */
struct screen {
    struct buffer *out;
    size_t columns, rows; /* rows: still left */
};

/* One line, cut to the screen's width. */
static void add_line(struct screen *s, struct slice line, enum text_style style, bool colour)
{
    struct buffer clean = {0};

    if (s->rows == 0)
        return;
    s->rows--;
    text_add_clean(&clean, line);
    if (clean.size) {
        const char *at = clean.at, *end = clean.at + clean.size;
        for (size_t n = 0; n < s->columns && at < end; n++)
            utf8_next(&at);
        text_add_styled(s->out, slice_make(clean.at, (size_t)(at - clean.at)), style, colour);
    }
    buffer_add_text(s->out, "\n");
    buffer_free(&clean);
}

static void add_rate(struct buffer *out, double per_second, const char *what)
{
    char text[64];

    if (per_second < 0)
        snprintf(text, sizeof text, "\xe2\x80\x93 %s", what);
    else
        snprintf(text, sizeof text, "%.0f/s %s", per_second, what);
    buffer_add_text(out, text);
}

static void add_lag(const struct top_view *v, struct buffer *out)
{
    char text[96];

    if (!v->redis || !v->broker)
        buffer_add_text(out, "lag not known");
    else if (v->lag.foreign)
        buffer_add_text(out, "Redis stands for another journal");
    else {
        snprintf(text, sizeof text, "%" PRIu64 " events behind, %.3f s", v->lag.events,
                 (double)v->lag.ms / 1000);
        buffer_add_text(out, text);
    }
}

static void screen_events(const struct top_view *v, struct screen *s)
{
    struct buffer line = {0};
    char text[64];

    buffer_add_text(&line, "events   ");
    if (!v->broker)
        buffer_add_text(&line, "the broker does not answer");
    else
        add_rate(&line, v->received_rate, "received");
    buffer_add_text(&line, ", ");
    if (!v->redis)
        buffer_add_text(&line, "Redis does not answer");
    else
        add_rate(&line, v->applied_rate, "applied");
    buffer_add_text(&line, "; ");
    add_lag(v, &line);
    snprintf(text, sizeof text, "; %u worker%s", v->workers, v->workers == 1 ? "" : "s");
    buffer_add_text(&line, v->broker ? text : "");
    add_line(s, buffer_slice(&line), TEXT_PLAIN, false);
    buffer_free(&line);
}

static void screen_period(const struct top_view *v, struct screen *s)
{
    const struct board *b = &v->board;
    struct buffer line = {0};

    buffer_add_text(&line, "board    ");
    if (b->count) {
        buffer_add_slice(&line, b->period);
        buffer_add_text(&line, b->provisional ? ", provisional, as of " : ", as of ");
        board_moment_text(b, &line);
        buffer_add_text(&line, ", list ");
        buffer_add_slice(&line, b->list.at ? b->list : slice_of("not known"));
    } else {
        buffer_add_text(&line, v->redis ? "no figures yet" : "not known");
    }
    add_line(s, buffer_slice(&line), TEXT_PLAIN, false);
    buffer_free(&line);
}

static void add_figures(const struct board *b, struct text_table *t)
{
    struct buffer cell = {0};

    for (size_t i = 0; i < SHOWN; i++) {
        text_table_add(t, slice_of(board_figure_name[shown[i]]), TEXT_PLAIN);
        for (size_t g = 0; g < b->count; g++) {
            buffer_clear(&cell);
            board_value_text(&b->groups[g].figures[shown[i]], &cell);
            text_table_add(t, buffer_slice(&cell), TEXT_PLAIN);
        }
    }
    buffer_free(&cell);
}

static void screen_board(const struct top_view *v, struct screen *s)
{
    const struct board *b = &v->board;
    struct text_table *t = text_table_new(1 + b->count);
    struct buffer rows = {0};
    struct slice rest, line;

    screen_period(v, s);
    text_table_add(t, slice_of("         "), TEXT_PLAIN);
    for (size_t g = 0; g < b->count; g++)
        text_table_add(t, b->groups[g].name, TEXT_PLAIN);
    add_figures(b, t);
    if (b->count) {
        text_table_print(t, false, &rows);
        rest = buffer_slice(&rows);
        add_line(s, slice_of(""), TEXT_PLAIN, false);
        while (slice_cut(&rest, '\n', &line))
            add_line(s, line, TEXT_PLAIN, false);
        add_line(s, slice_of(""), TEXT_PLAIN, false);
    }
    buffer_free(&rows);
    text_table_free(t);
}

static void screen_risk(const struct top_view *v, bool colour, struct screen *s)
{
    enum text_style style = v->red ? TEXT_RED : v->amber ? TEXT_AMBER : TEXT_PLAIN;
    char text[64];

    snprintf(text, sizeof text, "at risk  %zu red, %zu amber", v->red, v->amber);
    add_line(s, slice_of(v->redis ? text : "at risk  not known"), style, colour);
}

/* When the entry was made, by its id: the time of today, else the day; the whole id if it is none
 * of Redis's own. */
static void add_time(struct slice id, int64_t now_ms, struct buffer *out)
{
    char moment[MOMENT_TEXT];
    struct slice rest = id, ms_text;
    int64_t ms;

    if (!slice_cut(&rest, '-', &ms_text) || !slice_to_int(ms_text, &ms)) {
        buffer_add_slice(out, id);
        return;
    }
    moment_format(ms, moment);
    if (date_of_ms(ms) == date_of_ms(now_ms))
        buffer_add(out, moment + strlen("2026-11-22T"), strlen("21:35:46"));
    else
        buffer_add(out, moment, DATE_TEXT);
}

static void screen_changes(const struct top_view *v, struct screen *s)
{
    struct buffer line = {0};

    add_line(s, slice_of(""), TEXT_PLAIN, false);
    for (size_t i = 0; i < v->change_count && s->rows; i++) {
        buffer_clear(&line);
        add_time(v->changes[i].id, v->now_ms, &line);
        buffer_add_text(&line, "  ");
        buffer_add_slice(&line, v->changes[i].text);
        add_line(s, buffer_slice(&line), TEXT_PLAIN, false);
    }
    buffer_free(&line);
}

void top_view_screen(const struct top_view *v, size_t columns, size_t rows, bool colour,
                     struct buffer *out)
{
    struct screen s = {out, columns, rows};
    struct buffer line = {0};
    char moment[MOMENT_TEXT];

    moment_format(v->now_ms, moment);
    buffer_add_text(&line, "turnout  ");
    buffer_add_text(&line, moment);
    add_line(&s, buffer_slice(&line), TEXT_BOLD, colour);
    screen_events(v, &s);
    screen_board(v, &s);
    screen_risk(v, colour, &s);
    screen_changes(v, &s);
    buffer_free(&line);
}

/* ---- the line ---- */
static void add_word(struct buffer *out, const char *name, bool known, const char *format,
                     double value)
{
    char text[64];

    buffer_add_text(out, " ");
    buffer_add_text(out, name);
    buffer_add_text(out, "=");
    snprintf(text, sizeof text, format, value);
    buffer_add_text(out, known ? text : "-");
}

static void add_group_words(const struct board_group *g, struct buffer *out)
{
    for (size_t i = 0; i < SHOWN; i++) {
        const struct board_value *v = &g->figures[shown[i]];
        buffer_add_text(out, " ");
        buffer_add_slice(out, g->name);
        buffer_add_text(out, ".");
        buffer_add_text(out, board_figure_name[shown[i]]);
        buffer_add_text(out, "=");
        buffer_add_slice(out, v->text.at ? v->text : slice_of("-"));
    }
}

void top_view_line(const struct top_view *v, struct buffer *out)
{
    bool lag = v->broker && v->redis && !v->lag.foreign;
    char moment[MOMENT_TEXT];

    moment_format(v->now_ms, moment);
    buffer_add_text(out, moment);
    add_word(out, "received/s", v->received_rate >= 0, "%.0f", v->received_rate);
    add_word(out, "applied/s", v->applied_rate >= 0, "%.0f", v->applied_rate);
    add_word(out, "lag", lag, "%.0f", (double)v->lag.events);
    add_word(out, "lag_s", lag, "%.3f", (double)v->lag.ms / 1000);
    add_word(out, "workers", v->broker, "%.0f", v->workers);
    add_word(out, "red", v->redis, "%.0f", (double)v->red);
    add_word(out, "amber", v->redis, "%.0f", (double)v->amber);
    buffer_add_text(out, " period=");
    buffer_add_slice(out, v->board.count ? v->board.period : slice_of("-"));
    for (size_t g = 0; g < v->board.count; g++)
        add_group_words(&v->board.groups[g], out);
    buffer_add_text(out, " newest=\"");
    if (v->change_count)
        text_add_clean(out, v->changes[0].text);
    buffer_add_text(out, "\"\n");
}
