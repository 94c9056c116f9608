/* Text tables; see table_text.h.  Cells are collected first, since a column is as wide as its
 * widest cell; nothing in here can fail. */
#include "workers/table_text.h"

#include "proto/arena.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define GAP 2 /* spaces between columns */

struct cell {
    struct slice text;
    size_t width;
    enum text_style style;
};

struct text_table {
    struct arena arena;
    struct buffer scratch;
    size_t columns, count, room;
    size_t *widths;
    struct cell *cells;
};

struct text_table *text_table_new(size_t columns)
{
    struct text_table *t = memory_need(sizeof *t);

    *t = (struct text_table){.columns = columns};
    t->widths = arena_need(&t->arena, columns * sizeof *t->widths);
    return t;
}

void text_table_free(struct text_table *t)
{
    if (!t)
        return;
    arena_free(&t->arena);
    buffer_free(&t->scratch);
    free(t->cells);
    free(t);
}

void text_table_add(struct text_table *t, struct slice text, enum text_style style)
{
    size_t column = t->count % t->columns;
    struct cell *cell;

    t->cells = memory_room(t->cells, t->count, &t->room, sizeof *t->cells);
    buffer_clear(&t->scratch);
    text_add_clean(&t->scratch, text);
    cell = &t->cells[t->count++];
    cell->text = arena_copy(&t->arena, buffer_slice(&t->scratch));
    cell->width = text_width(cell->text);
    cell->style = style;
    if (cell->width > t->widths[column])
        t->widths[column] = cell->width;
}

static void add_spaces(struct buffer *out, size_t count)
{
    memset(buffer_room(out, count), ' ', count);
    out->size += count;
}

void text_table_print(const struct text_table *t, bool colour, struct buffer *out)
{
    size_t owed = 0; /* spaces that are written only if something follows them */

    for (size_t i = 0; i < t->count; i++) {
        const struct cell *c = &t->cells[i];
        size_t column = i % t->columns, left = t->widths[column] - c->width;
        if (c->width) {
            add_spaces(out, owed);
            text_add_styled(out, c->text, c->style, colour);
            owed = 0;
        }
        owed += GAP + left;
        if (column == t->columns - 1 || i == t->count - 1) {
            buffer_add(out, "\n", 1);
            owed = 0;
        }
    }
}

size_t text_width(struct slice text)
{
    size_t width = 0;

    for (size_t i = 0; i < text.size; i++)
        width += (text.at[i] & 0xc0) != 0x80; /* every character has one byte that is no follower */
    return width;
}

static void add_ascii(struct buffer *out, struct slice text)
{
    for (size_t i = 0; i < text.size; i++)
        buffer_add(out, text.at[i] >= ' ' && text.at[i] <= '~' ? &text.at[i] : "?", 1);
}

void text_add_clean(struct buffer *out, struct slice text)
{
    const char *at = text.at, *start, *end = text.at + text.size;
    uint32_t c;

    if (text.size && !utf8_valid(text)) {
        add_ascii(out, text);
        return;
    }
    while (text.size && at < end) {
        start = at;
        c = utf8_next(&at);
        if (char_is_control(c) || char_misleads(c))
            buffer_add(out, "?", 1);
        else
            buffer_add(out, start, (size_t)(at - start));
    }
}

void text_add_styled(struct buffer *out, struct slice text, enum text_style style, bool colour)
{
    static const char *const codes[TEXT_STYLES] = {
        [TEXT_BOLD] = "\033[1m", [TEXT_RED] = "\033[31m", [TEXT_AMBER] = "\033[33m"};

    if (!colour || !codes[style]) {
        text_add_clean(out, text);
        return;
    }
    buffer_add_text(out, codes[style]);
    text_add_clean(out, text);
    buffer_add_text(out, "\033[0m");
}

bool text_colour_wanted(FILE *out)
{
    const char *no_color = getenv("NO_COLOR");

    return (!no_color || !*no_color) && isatty(fileno(out));
}

size_t text_columns(FILE *out)
{
    const char *set = getenv("COLUMNS");
    struct winsize size;
    int64_t columns;

    if (set && slice_to_int(slice_of(set), &columns) && columns > 0 && columns <= 10000)
        return (size_t)columns;
    if (isatty(fileno(out)) && ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col)
        return size.ws_col;
    return TEXT_COLUMNS;
}
