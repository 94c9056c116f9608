/* A view as JSON: one object, each sheet an array of rows. */
#include "workers/audit/moment.h"
#include "workers/json_out.h"
#include "workers/web/writer.h"

static json_t *moment(int64_t ms)
{
    char text[MOMENT_TEXT];

    moment_format(ms, text);
    return json_string(text);
}

static json_t *day(date_days d)
{
    char text[DATE_TEXT];

    date_format(d, text);
    return json_stringn(text, DATE_TEXT);
}

static json_t *rate(const struct sheet_cell *c)
{
    json_t *value = c->kind == CELL_RATE ? json_real(cell_share(c)) : json_null();

    if (!c->counted)
        return json_pack("{s:o}", "value", value);
    return json_pack("{s:o,s:I,s:I}", "value", value, "num", (json_int_t)c->n, "den",
                     (json_int_t)c->den);
}

static json_t *cell(const struct sheet_cell *c, enum cell_kind column)
{
    if (column == CELL_RATE)
        return rate(c);
    switch (c->kind) {
    case CELL_NONE:
        return json_null();
    case CELL_INT:
        return json_integer((json_int_t)c->n);
    case CELL_DATE:
        return day((date_days)c->n);
    case CELL_MOMENT:
        return moment(c->n);
    default:
        return json_text(c->text);
    }
}

static json_t *rows(const struct sheet *s)
{
    json_t *list = json_array();

    for (size_t r = 0; r < s->rows; r++) {
        json_t *row = json_object();
        for (size_t i = 0; i < s->column_count; i++)
            json_object_set_new(row, s->columns[i].name,
                                cell(&s->cells[r * s->column_count + i], s->columns[i].kind));
        json_array_append_new(list, row);
    }
    return list;
}

void view_json(const struct view *v, struct buffer *out)
{
    json_t *all = json_pack("{s:s}", "page", v->name);

    if (v->subject.at)
        json_object_set_new(all, "subject", json_text(v->subject));
    if (v->period.at) {
        json_object_set_new(all, "period", json_text(v->period));
        json_object_set_new(all, "provisional", json_boolean(v->provisional));
    }
    json_object_set_new(all, "as_of", v->dated ? moment(v->as_of_ms) : json_null());
    if (v->list.at)
        json_object_set_new(all, "list", json_text(v->list));
    json_object_set_new(all, "state", json_string(v->state));
    for (const struct sheet *s = v->first; s; s = s->next)
        json_object_set_new(all, s->name, rows(s));
    json_line(all, out);
}

void trouble_json(const char *code, struct slice words, struct buffer *out)
{
    json_line(json_pack("{s:s,s:o}", "error", code, "reason", json_text(words)), out);
}
