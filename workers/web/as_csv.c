/* A sheet as CSV: one record a row; a rate has three fields, value, numerator and denominator. */
#include "workers/audit/moment.h"
#include "workers/view/csv.h"
#include "workers/web/writer.h"

static void head(struct csv *c, const struct sheet *s, struct buffer *name)
{
    for (size_t i = 0; i < s->column_count; i++) {
        const struct column *col = &s->columns[i];
        csv_add_text(c, col->name);
        for (int part = 0; part < 2 && col->kind == CELL_RATE; part++) {
            buffer_clear(name);
            buffer_add_text(name, col->name);
            buffer_add_text(name, part ? ".den" : ".num");
            csv_add(c, buffer_slice(name));
        }
    }
    csv_end(c);
}

static void cell(struct csv *c, const struct sheet_cell *x, enum cell_kind column)
{
    char text[MOMENT_TEXT];

    switch (x->kind) {
    case CELL_NONE:
        csv_add(c, (struct slice){0});
        break;
    case CELL_INT:
        csv_add_int(c, x->n);
        break;
    case CELL_DATE:
        date_format((date_days)x->n, text);
        csv_add(c, slice_make(text, DATE_TEXT));
        break;
    case CELL_MOMENT:
        moment_format(x->n, text);
        csv_add_text(c, text);
        break;
    default:
        csv_add(c, x->text);
    }
    for (int part = 0; part < 2 && column == CELL_RATE; part++) {
        if (x->counted)
            csv_add_int(c, part ? x->den : x->n);
        else
            csv_add(c, (struct slice){0});
    }
}

bool view_csv(const struct view *v, struct slice name, struct buffer *out)
{
    const struct sheet *s = v->first;
    struct csv c = {.out = out};
    struct buffer scratch = {0};

    while (s && name.at && !slice_is(name, s->name))
        s = s->next;
    if (!s)
        return false;
    head(&c, s, &scratch);
    for (size_t r = 0; r < s->rows; r++) {
        for (size_t i = 0; i < s->column_count; i++)
            cell(&c, &s->cells[r * s->column_count + i], s->columns[i].kind);
        csv_end(&c);
    }
    buffer_free(&scratch);
    return true;
}
