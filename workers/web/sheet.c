/* Views and sheets; see sheet.h. */
#include "workers/web/sheet.h"

#include "workers/web/html.h"

#include <stdio.h>
#include <stdlib.h>

const char *const tone_name[] = {"", "red", "amber", "good", "quiet"};

void view_begin(struct view *v, struct arena *arena, const char *name, enum text title)
{
    *v = (struct view){.arena = arena, .name = name, .title = title, .state = "ok"};
    v->last = &v->first;
}

void view_watch(struct view *v, const char *word, struct slice name)
{
    if (v->watch.size)
        buffer_add_text(&v->watch, " ");
    buffer_add_text(&v->watch, word);
    if (name.at)
        url_add(&v->watch, name, true);
}

void view_free(struct view *v)
{
    for (struct sheet *s = v->first; s; s = s->next)
        free(s->cells);
    buffer_free(&v->watch);
}

struct sheet *sheet_add(struct view *v, const char *name, enum text title,
                        const struct column *columns, size_t count)
{
    struct sheet *s = arena_need(v->arena, sizeof *s);

    s->name = name;
    s->title = title;
    s->columns = columns;
    s->column_count = count;
    *v->last = s;
    v->last = &s->next;
    return s;
}

struct sheet_cell *sheet_row(struct view *v, struct sheet *s)
{
    size_t bytes = s->column_count * sizeof(struct sheet_cell);
    struct sheet_cell *row;

    (void)v;
    s->cells = memory_room(s->cells, s->rows, &s->room, bytes);
    row = s->cells + s->rows++ * s->column_count;
    memset(row, 0, bytes);
    return row;
}

struct sheet_cell cell_text(struct slice text)
{
    return (struct sheet_cell){.kind = text.at ? CELL_TEXT : CELL_NONE, .text = text};
}

struct sheet_cell cell_name(struct slice text)
{
    return (struct sheet_cell){.kind = text.at ? CELL_NAME : CELL_NONE, .text = text};
}

struct sheet_cell cell_int(int64_t n)
{
    return (struct sheet_cell){.kind = CELL_INT, .n = n};
}

struct sheet_cell cell_date(date_days d)
{
    return (struct sheet_cell){.kind = d == DATE_NONE ? CELL_NONE : CELL_DATE, .n = d};
}

struct sheet_cell cell_moment(int64_t ms)
{
    return (struct sheet_cell){.kind = ms ? CELL_MOMENT : CELL_NONE, .n = ms};
}

struct sheet_cell cell_mark(const char *word, enum text label, enum tone tone)
{
    return (struct sheet_cell){
        .kind = CELL_MARK, .text = slice_of(word), .label = label, .tone = tone};
}

struct sheet_cell cell_rate(struct view *v, int64_t num, int64_t den)
{
    char text[32];
    int size;

    if (den <= 0)
        return (struct sheet_cell){.kind = CELL_NONE, .counted = true};
    size = snprintf(text, sizeof text, "%.4f", (double)num / (double)den);
    return (struct sheet_cell){.kind = CELL_RATE,
                               .text = arena_copy(v->arena, slice_make(text, (size_t)size)),
                               .counted = true,
                               .n = num,
                               .den = den};
}

struct sheet_cell cell_count(int64_t n, struct slice key, struct slice field)
{
    struct sheet_cell c = cell_int(n);

    c.key = key;
    c.field = field;
    return c;
}

/* ---- sorting ---- */
double cell_share(const struct sheet_cell *c)
{
    char text[32] = "";

    memcpy(text, c->text.at, c->text.size < 31 ? c->text.size : 31);
    return strtod(text, NULL);
}

static double number_of(const struct sheet_cell *c)
{
    return c->kind == CELL_RATE ? cell_share(c) : (double)c->n;
}

static int cell_order(const struct sheet_cell *a, const struct sheet_cell *b)
{
    if (a->kind != CELL_INT && a->kind != CELL_RATE && a->kind != CELL_DATE &&
        a->kind != CELL_MOMENT)
        return slice_compare(a->text, b->text);
    return number_of(a) < number_of(b) ? -1 : number_of(a) > number_of(b);
}

struct sorting {
    const struct sheet *sheet;
    size_t column;
    bool falling;
};

static int row_order(const void *x, const void *y, void *arg)
{
    const struct sorting *s = arg;
    size_t i = *(const size_t *)x, j = *(const size_t *)y;
    const struct sheet_cell *a = &s->sheet->cells[i * s->sheet->column_count + s->column],
                            *b = &s->sheet->cells[j * s->sheet->column_count + s->column];
    int order;

    if ((a->kind == CELL_NONE) != (b->kind == CELL_NONE))
        return a->kind == CELL_NONE ? 1 : -1;
    order = a->kind == CELL_NONE ? 0 : cell_order(a, b);
    if (order)
        return s->falling ? -order : order;
    return (i > j) - (i < j);
}

void sheet_sort(struct view *v, struct sheet *s, size_t column, bool falling)
{
    struct sorting sorting = {s, column, falling};
    size_t *order = arena_need(v->arena, (s->rows + 1) * sizeof *order), size;
    struct sheet_cell *sorted;

    if (s->rows < 2)
        return;
    for (size_t i = 0; i < s->rows; i++)
        order[i] = i;
    qsort_r(order, s->rows, sizeof *order, row_order, &sorting);
    size = s->column_count * sizeof *sorted;
    sorted = memory_need(s->rows * size);
    for (size_t i = 0; i < s->rows; i++)
        memcpy(sorted + i * s->column_count, s->cells + order[i] * s->column_count, size);
    free(s->cells);
    s->cells = sorted;
    s->room = s->rows;
}

bool sheet_column(const struct sheet *s, struct slice name, size_t *ret)
{
    for (size_t i = 0; i < s->column_count; i++)
        if (slice_is(name, s->columns[i].name)) {
            *ret = i;
            return true;
        }
    return false;
}

/* ---- words ---- */
struct slice view_text(struct view *v, struct slice first, struct slice second)
{
    char *at = arena_need(v->arena, first.size + second.size + 1);

    if (first.size)
        memcpy(at, first.at, first.size);
    if (second.size)
        memcpy(at + first.size, second.at, second.size);
    return slice_make(at, first.size + second.size);
}

struct slice view_path(struct view *v, const char *folder, struct slice name)
{
    struct buffer b = {0};
    struct slice copy;

    buffer_add_text(&b, folder);
    url_add(&b, name, false);
    copy = arena_copy(v->arena, buffer_slice(&b));
    buffer_free(&b);
    return copy;
}

struct slice view_why(struct view *v, struct slice key, struct slice field)
{
    struct buffer b = {0};
    struct slice copy;

    buffer_add_text(&b, "/why?key=");
    url_add(&b, key, true);
    buffer_add_text(&b, "&field=");
    url_add(&b, field, true);
    copy = arena_copy(v->arena, buffer_slice(&b));
    buffer_free(&b);
    return copy;
}
