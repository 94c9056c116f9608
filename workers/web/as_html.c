/* A sheet as HTML: a table that says everything, and above it the same as a picture where people
 * would rather look than read. */
#include "workers/audit/moment.h"
#include "workers/web/writer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const kind_class[] = {"none", "text", "name", "int", "rate",
                                         "date", "date", "mark", "text"};

static void plain_value(struct html *h, const struct sheet_cell *c)
{
    char text[MOMENT_TEXT];

    switch (c->kind) {
    case CELL_NONE:
        html_attr(h, "data-value", slice_of(""));
        break;
    case CELL_INT:
        html_attr_int(h, "data-value", c->n);
        break;
    case CELL_DATE:
        date_format((date_days)c->n, text);
        html_attr(h, "data-value", slice_make(text, DATE_TEXT));
        break;
    case CELL_MOMENT:
        moment_format(c->n, text);
        html_attr(h, "data-value", slice_of(text));
        break;
    default:
        html_attr(h, "data-value", c->text);
    }
}

static void attributes(struct html *h, const struct sheet_cell *c)
{
    plain_value(h, c);
    if (c->counted) {
        html_attr_int(h, "data-num", c->n);
        html_attr_int(h, "data-den", c->den);
    }
    if (c->key.at) {
        html_attr(h, "data-key", c->key);
        html_attr(h, "data-field", c->field);
    }
}

/* A count that is a part of another one. */
static void out_of(struct html *h, int64_t all)
{
    html_raw(h, " <span class=\"of\">");
    html_say(h, T_OF);
    html_raw(h, " ");
    html_int(h, all);
    html_raw(h, "</span>");
}

static void of(struct html *h, const struct sheet_cell *c)
{
    if (!c->counted)
        return;
    html_raw(h, " <span class=\"of\">");
    html_int(h, c->n);
    html_raw(h, " ");
    html_say(h, T_OF);
    html_raw(h, " ");
    html_int(h, c->den);
    html_raw(h, "</span>");
}

static void date(struct html *h, const struct sheet_cell *c)
{
    char text[DATE_TEXT];

    date_format((date_days)c->n, text);
    html_raw(h, "<time>");
    html_text(h, slice_make(text, DATE_TEXT));
    html_raw(h, "</time>");
}

static void mark(struct html *h, const struct sheet_cell *c)
{
    struct buffer class = {0};

    buffer_add_text(&class, "mark mark-");
    buffer_add_slice(&class, c->text);
    html_raw(h, "<span");
    html_attr(h, "class", buffer_slice(&class));
    html_raw(h, ">");
    html_say(h, c->label);
    html_raw(h, "</span>");
    buffer_free(&class);
}

/* What people call it; two or three letters are beside it, as people know them too. */
static void name(struct html *h, const struct sheet_cell *c)
{
    bool other = c->shown.at && !slice_equal(c->shown, c->text);

    html_name(h, other ? c->shown : c->text);
    if (other && c->text.size <= 3) {
        html_raw(h, " <span class=\"code\">");
        html_text(h, c->text);
        html_raw(h, "</span>");
    }
}

static void content(struct html *h, const struct sheet_cell *c)
{
    switch (c->kind) {
    case CELL_NONE:
        html_raw(h, "–");
        break;
    case CELL_INT:
        html_int(h, c->n);
        if (c->counted)
            out_of(h, c->den);
        break;
    case CELL_RATE:
        html_raw(h, "<b>");
        html_percent(h, c->text);
        html_raw(h, "</b>");
        of(h, c);
        break;
    case CELL_DATE:
        date(h, c);
        break;
    case CELL_MOMENT:
        html_moment(h, c->n);
        break;
    case CELL_MARK:
        mark(h, c);
        break;
    default:
        if (c->label)
            html_say(h, c->label);
        else if (c->kind == CELL_NAME)
            name(h, c);
        else
            html_text(h, c->text);
    }
}

static void linked(struct html *h, const struct sheet_cell *c)
{
    if (!c->link.at) {
        content(h, c);
        return;
    }
    html_raw(h, "<a");
    if (c->key.at || c->kind == CELL_INT)
        html_raw(h, " class=\"figure\"");
    html_href(h, c->link);
    html_raw(h, ">");
    content(h, c);
    html_raw(h, "</a>");
}

static void cell(struct html *h, const struct sheet_cell *c, const struct column *col)
{
    struct buffer class = {0};

    if (col->heading)
        html_raw(h, "<th scope=\"row\"");
    else
        html_raw(h, "<td");
    buffer_add_text(&class, kind_class[col->kind]);
    buffer_add_text(&class, c->kind == CELL_NONE ? " none" : "");
    buffer_add_text(&class, c->tone ? " " : "");
    buffer_add_text(&class, tone_name[c->tone]);
    html_attr(h, "class", buffer_slice(&class));
    html_attr(h, "data-col", slice_of(col->name));
    attributes(h, c);
    html_raw(h, ">");
    linked(h, c);
    if (col->heading)
        html_raw(h, "</th>");
    else
        html_raw(h, "</td>");
    buffer_free(&class);
}

static void row(struct html *h, const struct sheet *s, size_t r)
{
    const struct sheet_cell *cells = &s->cells[r * s->column_count];
    struct slice name = cells[0].text;

    for (size_t i = 0; i < s->column_count; i++)
        if (s->columns[i].heading)
            name = cells[i].text;
    html_raw(h, "<tr");
    html_attr(h, "data-row", name);
    if (cells[0].tone)
        html_attr(h, "class", slice_of(tone_name[cells[0].tone]));
    html_raw(h, ">");
    for (size_t i = 0; i < s->column_count; i++)
        if (s->columns[i].kind != CELL_ALIAS)
            cell(h, &cells[i], &s->columns[i]);
    html_raw(h, "</tr>\n");
}

/* A heading by which the rows can be sorted: a link, which is the other way round next time. */
static void sorter(struct html *h, const struct view *v, const struct column *col,
                   const struct request *r)
{
    struct slice by = request_param(r, "sort");
    bool here = slice_is(by, col->name), falling = slice_is(request_param(r, "order"), "desc");
    struct request next = *r;
    struct slice link;

    if (here)
        html_attr(h, "aria-sort", slice_of(falling ? "descending" : "ascending"));
    html_raw(h, "><a class=\"sort\"");
    link = request_with(&next, v->arena, "sort", slice_of(col->name));
    if (request_parse(link, v->arena, &next) == 0)
        link = request_with(&next, v->arena, "order", slice_of(here && !falling ? "desc" : "asc"));
    html_href(h, link);
    html_raw(h, ">");
    html_say(h, col->label);
    html_raw(h, "</a></th>");
}

static void head(struct html *h, const struct view *v, const struct sheet *s,
                 const struct request *r)
{
    html_raw(h, "<thead><tr>");
    for (size_t i = 0; i < s->column_count; i++) {
        if (s->columns[i].kind == CELL_ALIAS)
            continue;
        html_raw(h, "<th scope=\"col\"");
        html_attr(h, "class", slice_of(kind_class[s->columns[i].kind]));
        html_attr(h, "data-col", slice_of(s->columns[i].name));
        if (s->sortable) {
            sorter(h, v, &s->columns[i], r);
            continue;
        }
        html_raw(h, ">");
        html_say(h, s->columns[i].label);
        html_raw(h, "</th>");
    }
    html_raw(h, "</tr></thead>\n");
}

static void table(struct html *h, const struct view *v, const struct sheet *s,
                  const struct request *r)
{
    html_raw(h, "<div class=\"scroll\" tabindex=\"0\" role=\"region\"");
    html_attr(h, "aria-label", slice_of(text_of(h->lang, s->title)));
    html_raw(h, "><table>");
    head(h, v, s, r);
    html_raw(h, "<tbody>\n");
    for (size_t i = 0; i < s->rows; i++)
        row(h, s, i);
    html_raw(h, "</tbody></table></div>");
}

/* Room for a script to draw in; hidden for everybody else. */
static void plot(struct html *h, const struct view *v, const struct sheet *s,
                 const struct request *r)
{
    struct slice part = request_with(r, v->arena, "part", (struct slice){0});

    html_raw(h, "<figure class=\"chart\"");
    html_attr(h, "data-chart", slice_of(s->chart == CHART_MAP ? "map" : "series"));
    html_attr(h, "data-sheet", slice_of(s->name));
    html_raw(h, " data-src=\"/api/v1");
    if (slice_is(r->path, "/"))
        html_raw(h, "/outcome");
    html_text(h, slice_is(r->path, "/") ? slice_make(part.at + 1, part.size - 1) : part);
    html_raw(h, "\" hidden><figcaption>");
    html_say(h, s->title);
    html_raw(h, "</figcaption><div class=\"plot\" role=\"img\"");
    html_attr(h, "aria-label", slice_of(text_of(h->lang, s->title)));
    html_raw(h, "></div></figure>");
}

/* "▲ 5.7 points more than a year before: 75.9 %, 564 of 743". */
static void against(struct html *h, const struct sheet_cell *c, const struct sheet_cell *before)
{
    char points[32];
    double change;

    if (c->kind != CELL_RATE || before->kind != CELL_RATE)
        return;
    change = cell_share(c) - cell_share(before);
    snprintf(points, sizeof points, "%.1f", round(fabs(change) * 1000) / 10);
    for (char *p = points; *p && h->lang == LANG_FR; p++)
        *p = *p == '.' ? ',' : *p;
    html_raw(h, "<p class=\"before\"><span");
    html_attr(h, "class", slice_of(change < 0 ? "mark mark-less" : "mark mark-more"));
    html_raw(h, ">");
    html_say_with(h, change < 0 ? T_POINTS_LESS : T_POINTS_MORE, slice_of(points));
    html_raw(h, "</span> ");
    html_say(h, T_LAST_YEAR);
    html_raw(h, ": ");
    linked(h, before);
    html_raw(h, "</p>");
}

static void tile(struct html *h, const struct sheet_cell *c, const struct column *col,
                 const struct sheet_cell *before, bool first)
{
    if (first)
        html_raw(h, "<div class=\"tile tile-main\"");
    else
        html_raw(h, "<div class=\"tile\"");
    html_attr(h, "data-col", slice_of(col->name));
    html_raw(h, "><h2>");
    html_say(h, col->label);
    html_raw(h, "</h2><p class=\"value\"");
    attributes(h, c);
    html_raw(h, ">");
    linked(h, c);
    html_raw(h, "</p>");
    if (before)
        against(h, c, before);
    html_raw(h, "</div>");
}

/* Whether a column says what the one before it was a year ago. */
static bool is_before(const struct sheet *s, size_t i)
{
    size_t size = i > 0 && i < s->column_count ? strlen(s->columns[i - 1].name) : 0;

    return size && strncmp(s->columns[i].name, s->columns[i - 1].name, size) == 0 &&
           strcmp(s->columns[i].name + size, ".before") == 0;
}

static void tiles(struct html *h, const struct sheet *s)
{
    html_raw(h, "<section class=\"headline\"");
    html_attr(h, "data-sheet", slice_of(s->name));
    html_raw(h, ">");
    for (size_t i = 0; s->rows && i < s->column_count; i++)
        if (!s->columns[i].heading && !is_before(s, i))
            tile(h, &s->cells[i], &s->columns[i], is_before(s, i + 1) ? &s->cells[i + 1] : NULL,
                 i == 0 || (i == 1 && s->columns[0].heading));
    html_raw(h, "</section>\n");
}

static void section_open(struct html *h, const struct sheet *s)
{
    struct buffer name = {0};

    buffer_add_text(&name, "sheet-");
    buffer_add_text(&name, s->name);
    html_raw(h, "<section");
    html_attr(h, "id", buffer_slice(&name));
    html_attr(h, "data-sheet", slice_of(s->name));
    html_raw(h, " class=\"sheet ");
    html_text(h, buffer_slice(&name));
    html_raw(h, "\"><h2>");
    html_say(h, s->title);
    html_raw(h, "</h2>\n");
    buffer_free(&name);
}

void sheet_html(struct html *h, const struct view *v, const struct sheet *s,
                const struct request *r)
{
    if (s->tiles) {
        tiles(h, s);
        return;
    }
    section_open(h, s);
    if (s->note) {
        html_raw(h, "<p class=\"note\">");
        html_say_with(h, s->note, s->note_with);
        html_raw(h, "</p>");
    }
    if (s->chart == CHART_BARS && s->rows)
        bars_html(h, s);
    else if (s->chart != CHART_NONE && s->rows)
        plot(h, v, s, r);
    if (s->rows) {
        table(h, v, s, r);
    } else {
        html_raw(h, "<p class=\"empty\">");
        html_say(h, T_NOTHING);
        html_raw(h, "</p>");
    }
    html_raw(h, "</section>\n");
}
