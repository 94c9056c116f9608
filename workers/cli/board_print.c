/* The board on paper; see board_print.h.  Nothing in here can fail. */
#include "workers/cli/board_print.h"

#include "workers/audit/moment.h"
#include "workers/json_out.h"
#include "workers/table_text.h"
#include "workers/view/csv.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define NO_DATA "\xe2\x80\x93" /* an en dash: no data is never 0 % */

/* ---- text ---- */

/* The share in percent, as wide as "100.0 %". */
static void add_share(const struct board_value *v, struct buffer *out)
{
    char text[32];
    double share;

    if (!v->text.at) {
        buffer_add_text(out, "    " NO_DATA);
        return;
    }
    /* from the two numbers where there are two: the four places are rounded already */
    snprintf(text, sizeof text, "%.*s", (int)v->text.size, v->text.at);
    share = v->counted && v->den ? (double)v->num / (double)v->den : strtod(text, NULL);
    snprintf(text, sizeof text, "%5.1f %%", 100 * share);
    buffer_add_text(out, text);
}

void board_value_text(const struct board_value *v, struct buffer *out)
{
    char text[64];

    add_share(v, out);
    if (!v->counted || !v->text.at)
        return;
    snprintf(text, sizeof text, " (%" PRId64 "/%" PRId64 ")", v->num, v->den);
    buffer_add_text(out, text);
}

void board_moment_text(const struct board *b, struct buffer *out)
{
    char text[MOMENT_TEXT];

    if (b->dated)
        moment_format(b->as_of_ms, text);
    buffer_add_text(out, b->dated ? text : "not known");
}

static void add_heading(const struct board *b, bool colour, struct buffer *out)
{
    buffer_add_text(out, "period  ");
    text_add_styled(out, b->period, TEXT_BOLD, colour);
    buffer_add_text(out, b->provisional ? ", provisional\nas of   " : "\nas of   ");
    board_moment_text(b, out);
    buffer_add_text(out, "\ngroups  list ");
    text_add_clean(out, b->list.at ? b->list : slice_of("not known"));
    buffer_add_text(out, "\n");
}

/* A row of the board: one figure or count. */
struct row {
    const char *name;
    void (*add)(const struct board_group *g, unsigned which, struct buffer *out);
    unsigned which;
};

static void add_figure(const struct board_group *g, unsigned which, struct buffer *out)
{
    board_value_text(&g->figures[which], out);
}

static void add_count(const struct board_group *g, unsigned which, struct buffer *out)
{
    char text[32];

    snprintf(text, sizeof text, "%5" PRId64, g->counts[which]);
    buffer_add_text(out, text);
}

static void add_without(const struct board_group *g, unsigned which, struct buffer *out)
{
    (void)which;
    buffer_add_slice(out, g->without);
}

static bool any_without(const struct board_group *groups, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (groups[i].without.at)
            return true;
    return false;
}

#define ROWS (BOARD_FIGURES + BOARD_COUNTS + 1)

/* The rows that these groups of the board have. */
static size_t board_rows(const struct board *b, const struct board_group *groups, size_t count,
                         struct row ret[ROWS])
{
    size_t n = 0;

    for (unsigned i = 0; i < BOARD_FIGURES; i++)
        if (b->year || i != BOARD_EFFECTIVE)
            ret[n++] = (struct row){board_figure_name[i], add_figure, i};
    for (unsigned i = 0; i < BOARD_COUNTS; i++)
        if (b->year || i != BOARD_DORMANT)
            ret[n++] = (struct row){board_count_name[i], add_count, i};
    if (any_without(groups, count))
        ret[n++] = (struct row){"without", add_without, 0};
    return n;
}

static void print_block(const struct board *b, const struct board_group *groups, size_t count,
                        bool colour, struct buffer *out)
{
    struct text_table *t = text_table_new(1 + count);
    struct buffer cell = {0};
    struct row rows[ROWS];
    size_t n = board_rows(b, groups, count, rows);

    text_table_add(t, slice_of(""), TEXT_PLAIN);
    for (size_t g = 0; g < count; g++)
        text_table_add(t, groups[g].name, TEXT_BOLD);
    for (size_t i = 0; i < n; i++) {
        text_table_add(t, slice_of(rows[i].name), TEXT_PLAIN);
        for (size_t g = 0; g < count; g++) {
            buffer_clear(&cell);
            rows[i].add(&groups[g], rows[i].which, &cell);
            text_table_add(t, cell.size ? buffer_slice(&cell) : slice_of(""), TEXT_PLAIN);
        }
    }
    buffer_add_text(out, "\n");
    text_table_print(t, colour, out);
    text_table_free(t);
    buffer_free(&cell);
}

/* The columns that a group takes, with the gap before it. */
static size_t group_columns(const struct board *b, const struct board_group *g)
{
    struct buffer cell = {0};
    struct row rows[ROWS];
    size_t n = board_rows(b, g, 1, rows), most = text_width(g->name);

    for (size_t i = 0; i < n; i++) {
        buffer_clear(&cell);
        rows[i].add(g, rows[i].which, &cell);
        if (text_width(buffer_slice(&cell)) > most)
            most = text_width(buffer_slice(&cell));
    }
    buffer_free(&cell);
    return 2 + most;
}

void board_print_text(const struct board *b, size_t columns, bool colour, struct buffer *out)
{
    static const size_t label = sizeof "presence.median" - 1; /* the widest name of a row */
    size_t count, used;

    if (b->count)
        add_heading(b, colour, out);
    for (size_t i = 0; i < b->count; i += count) {
        used = label;
        for (count = 0; i + count < b->count; count++) {
            used += group_columns(b, &b->groups[i + count]);
            if (count && used > columns)
                break;
        }
        print_block(b, &b->groups[i], count, colour, out);
    }
}

/* ---- CSV ---- */
static void csv_row(const struct board *b, const struct board_group *g, const char *figure,
                    const struct board_value *v, struct csv *c)
{
    csv_add(c, b->period);
    csv_add(c, g->name);
    csv_add_text(c, figure);
    csv_add(c, v->text);
    if (v->counted) {
        csv_add_int(c, v->num);
        csv_add_int(c, v->den);
    } else {
        csv_add_text(c, "");
        csv_add_text(c, "");
    }
    csv_add(c, b->list);
    csv_end(c);
}

static void csv_group(const struct board *b, const struct board_group *g, struct csv *c)
{
    struct buffer number = {0};

    for (int i = 0; i < BOARD_FIGURES; i++)
        if (b->year || i != BOARD_EFFECTIVE)
            csv_row(b, g, board_figure_name[i], &g->figures[i], c);
    for (int i = 0; i < BOARD_COUNTS; i++) {
        buffer_clear(&number);
        buffer_add_int(&number, g->counts[i]);
        struct board_value v = {.text = buffer_slice(&number)};
        if (b->year || i != BOARD_DORMANT)
            csv_row(b, g, board_count_name[i], &v, c);
    }
    buffer_free(&number);
}

void board_print_csv(const struct board *b, struct buffer *out)
{
    static const char *const head[] = {"period", "group", "figure", "value", "num", "den", "list"};
    struct csv c = {out, 0};

    for (size_t i = 0; i < sizeof head / sizeof *head; i++)
        csv_add_text(&c, head[i]);
    csv_end(&c);
    for (size_t i = 0; i < b->count; i++)
        csv_group(b, &b->groups[i], &c);
}

/* ---- JSON ---- */
static json_t *value_json(const struct board_value *v)
{
    char text[24];
    json_t *value = json_object();

    snprintf(text, sizeof text, "%.*s", (int)v->text.size, v->text.at ? v->text.at : "");
    json_object_set_new(value, "value", v->text.at ? json_real(strtod(text, NULL)) : json_null());
    if (!v->counted)
        return value;
    json_object_set_new(value, "num", json_integer(v->num));
    json_object_set_new(value, "den", json_integer(v->den));
    return value;
}

static json_t *group_json(const struct board *b, const struct board_group *g)
{
    json_t *group = json_object(), *figures = json_object();

    json_object_set_new(group, "group", json_text_or_null(g->name));
    for (int i = 0; i < BOARD_COUNTS; i++)
        if (b->year || i != BOARD_DORMANT)
            json_object_set_new(group, board_count_name[i], json_integer(g->counts[i]));
    if (g->without.at)
        json_object_set_new(group, "without", json_text_or_null(g->without));
    for (int i = 0; i < BOARD_FIGURES; i++)
        if (b->year || i != BOARD_EFFECTIVE)
            json_object_set_new(figures, board_figure_name[i], value_json(&g->figures[i]));
    json_object_set_new(group, "figures", figures);
    return group;
}

void board_print_json(const struct board *b, struct buffer *out)
{
    json_t *all = json_object(), *groups = json_array();
    char moment[MOMENT_TEXT];

    if (b->dated)
        moment_format(b->as_of_ms, moment);
    json_object_set_new(all, "period", json_text_or_null(b->period));
    json_object_set_new(all, "as_of", b->dated ? json_string(moment) : json_null());
    json_object_set_new(all, "list", json_text_or_null(b->list));
    json_object_set_new(all, "provisional", json_boolean(b->provisional));
    for (size_t i = 0; i < b->count; i++)
        json_array_append_new(groups, group_json(b, &b->groups[i]));
    json_object_set_new(all, "groups", groups);
    json_line(all, out);
}
