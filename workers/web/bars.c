/* Bars: a rate of each row of a sheet as plain SVG, with thresholds drawn across.  Classes and
 * geometry only; how it looks is the style sheet's. */
#include "workers/web/writer.h"

#include <stdio.h>
#include <stdlib.h>

#define LABEL_WIDTH 260
#define TRACK_WIDTH 330
#define TEXT_X      (LABEL_WIDTH + TRACK_WIDTH + 10)
#define WIDTH       710
#define ROW_HEIGHT  30
#define BAR_HEIGHT  16
#define TOP         22
#define MOST_BARS   24

static double share_of(const struct sheet_cell *c)
{
    double share = cell_share(c);

    return share < 0 ? 0 : share > 1 ? 1 : share;
}

static void box(struct html *h, const char *class, size_t row, double share)
{
    html_raw(h, "<rect");
    html_attr(h, "class", slice_of(class));
    html_attr_int(h, "x", LABEL_WIDTH);
    html_attr_int(h, "y", (int64_t)(TOP + row * ROW_HEIGHT + (ROW_HEIGHT - BAR_HEIGHT) / 2));
    html_attr_int(h, "width", (int64_t)(share * TRACK_WIDTH + 0.5));
    html_attr_int(h, "height", BAR_HEIGHT);
    html_raw(h, " rx=\"2\"></rect>");
}

static void label_open(struct html *h, const char *class, int64_t x, int64_t y)
{
    html_raw(h, "<text");
    html_attr(h, "class", slice_of(class));
    html_attr_int(h, "x", x);
    html_attr_int(h, "y", y);
    html_raw(h, ">");
}

static const struct sheet_cell *heading_of(const struct sheet *s, size_t row)
{
    for (size_t i = 0; i < s->column_count; i++)
        if (s->columns[i].heading)
            return &s->cells[row * s->column_count + i];
    return &s->cells[row * s->column_count];
}

/* The same rate a year ago, if its column stands right behind. */
static const struct sheet_cell *before_of(const struct sheet *s, size_t row)
{
    const char *name = s->bar + 1 < s->column_count ? s->columns[s->bar + 1].name : "";
    size_t size = strlen(name);

    if (size < 7 || strcmp(name + size - 7, ".before") != 0)
        return NULL;
    return &s->cells[row * s->column_count + s->bar + 1];
}

static void upright(struct html *h, const char *class, double share, size_t top, size_t bottom)
{
    int64_t x = LABEL_WIDTH + (int64_t)(share * TRACK_WIDTH + 0.5);

    html_raw(h, "<line");
    html_attr(h, "class", slice_of(class));
    html_attr_int(h, "x1", x);
    html_attr_int(h, "x2", x);
    html_attr_int(h, "y1", (int64_t)top);
    html_attr_int(h, "y2", (int64_t)bottom);
    html_raw(h, "></line>");
}

static void heading(struct html *h, const struct sheet_cell *c)
{
    if (c->label)
        html_say(h, c->label);
    else
        html_text(h, c->text);
}

static void bar(struct html *h, const struct sheet *s, size_t row)
{
    const struct sheet_cell *c = &s->cells[row * s->column_count + s->bar],
                            *name = heading_of(s, row), *before = before_of(s, row);
    int64_t base = (int64_t)(TOP + row * ROW_HEIGHT + ROW_HEIGHT / 2 + 5);
    char class[64];

    label_open(h, "bar-label", LABEL_WIDTH - 10, base);
    heading(h, name);
    html_raw(h, "</text>");
    box(h, "bar-track", row, 1);
    snprintf(class, sizeof class, "bar bar-%zu%s%s", row, c->tone ? " " : "", tone_name[c->tone]);
    for (size_t i = 0; i < 3; i++) {
        static const char *const groups[] = {"developing", "other", "all"};
        if (slice_is(name->text, groups[i]))
            snprintf(class, sizeof class, "bar bar-%s", groups[i]);
    }
    if (c->kind == CELL_RATE)
        box(h, class, row, share_of(c));
    if (before && before->kind == CELL_RATE)
        upright(h, "before", share_of(before), TOP + row * ROW_HEIGHT + 3,
                TOP + (row + 1) * ROW_HEIGHT - 3);
    label_open(h, "bar-value", TEXT_X, base);
    if (c->kind == CELL_RATE)
        html_percent(h, c->text);
    else
        html_raw(h, "–");
    html_raw(h, "</text>");
}

void bars_html(struct html *h, const struct sheet *s)
{
    size_t rows = s->rows < MOST_BARS ? s->rows : MOST_BARS, bottom = TOP + rows * ROW_HEIGHT;
    char box_text[64];

    snprintf(box_text, sizeof box_text, "0 0 %d %zu", WIDTH, bottom + 6);
    html_raw(h, "<figure class=\"bars-figure\"><svg class=\"bars\" role=\"img\"");
    html_attr(h, "viewBox", slice_of(box_text));
    html_attr(h, "aria-label", slice_of(text_of(h->lang, s->title)));
    html_raw(h, ">");
    for (size_t r = 0; r < rows; r++)
        bar(h, s, r);
    for (const struct threshold *t = s->threshold; t && t->permille; t++) {
        upright(h, "threshold", t->permille / 1000.0, TOP - 4, bottom);
        label_open(h, "threshold-label", LABEL_WIDTH + t->permille * TRACK_WIDTH / 1000, TOP - 8);
        html_say(h, t->label);
        html_raw(h, "</text>");
    }
    html_raw(h, "</svg></figure>");
}
