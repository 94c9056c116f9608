/* What a page shows, before it is HTML, JSON or CSV: a view with sheets, each of columns and rows
 * of cells.  Pages fill it, as_html.c, as_json.c and as_csv.c write it. */
#ifndef WORKERS_WEB_SHEET_H
#define WORKERS_WEB_SHEET_H

#include "proto/arena.h"
#include "proto/date.h"
#include "workers/web/text.h"

enum cell_kind {
    CELL_NONE, /* no data: a dash, null, nothing; never 0 */
    CELL_TEXT,
    CELL_NAME, /* text of an event: an identifier, a title */
    CELL_INT,
    CELL_RATE,   /* text is "0.6340"; counted: n of den */
    CELL_DATE,   /* n: date_days */
    CELL_MOMENT, /* n: Unix ms */
    CELL_MARK,   /* text is a word such as "red", label says it to people */
    CELL_ALIAS,  /* of columns: what another cell shows already; in JSON and CSV only */
};

enum tone { TONE_PLAIN, TONE_RED, TONE_AMBER, TONE_GOOD, TONE_QUIET };
extern const char *const tone_name[]; /* "", "red" ... */

struct sheet_cell {
    enum cell_kind kind;
    struct slice text;
    struct slice shown; /* CELL_NAME: what people call it (names.h); absent: the same */
    enum text label;
    bool counted;
    int64_t n, den;
    enum tone tone;
    struct slice link;       /* a path of ours; absent: none */
    struct slice key, field; /* what stands in Redis behind it; absent: not one field */
};

struct column {
    const char *name; /* in JSON, CSV and data-col */
    enum text label;
    enum cell_kind kind;
    bool heading; /* names the row */
};

enum chart { CHART_NONE, CHART_BARS, CHART_SERIES, CHART_MAP };

/* A line across the bars of a rate, in thousandths. */
struct threshold {
    int permille;
    enum text label;
};

struct sheet {
    const char *name;
    enum text title, note;
    struct slice note_with; /* for %s of the note */
    const struct column *columns;
    size_t column_count;
    struct sheet_cell *cells; /* rows one after the other */
    size_t rows, room;
    enum chart chart;
    size_t bar;                        /* CHART_BARS: which column */
    const struct threshold *threshold; /* of the bars; ends with permille 0; may be NULL */
    bool tiles; /* HTML shows the first row large, as tiles, not as a table */
    bool sortable;
    struct sheet *next;
};

struct view {
    struct arena *arena;
    const char *name; /* "members" */
    enum text title;
    struct slice subject;  /* whose page it is, in the title; absent: nobody's */
    struct slice shown;    /* what people call the subject; absent: the same */
    struct slice subtitle; /* text of an event */
    struct slice period;   /* absent: the page has none */
    bool provisional;
    struct slice list; /* the group list's version; absent: it does not bear */
    bool dated;
    int64_t as_of_ms;
    const char *state;     /* "ok", "behind" ... */
    struct buffer watch;   /* words for data-watch */
    struct slice *periods; /* to choose from */
    size_t period_count;
    struct sheet *first, **last;
    struct slice lead; /* HTML out of an asset, in place of sheets; absent: none */
};

void view_begin(struct view *v, struct arena *arena, const char *name, enum text title);
void view_watch(struct view *v, const char *word, struct slice name); /* "member:" and a name */
void view_free(struct view *v);

struct sheet *sheet_add(struct view *v, const char *name, enum text title,
                        const struct column *columns, size_t count);
#define SHEET(view, name, title, columns)                                                          \
    sheet_add((view), (name), (title), (columns), sizeof(columns) / sizeof *(columns))

/* A new row of empty cells; good until the next one. */
struct sheet_cell *sheet_row(struct view *v, struct sheet *s);

struct sheet_cell cell_text(struct slice text);
struct sheet_cell cell_name(struct slice text);
struct sheet_cell cell_int(int64_t n);
struct sheet_cell cell_date(date_days d); /* DATE_NONE: no data */
struct sheet_cell cell_moment(int64_t ms);
struct sheet_cell cell_mark(const char *word, enum text label, enum tone tone);
struct sheet_cell cell_rate(struct view *v, int64_t num, int64_t den); /* den 0: no data */
struct sheet_cell cell_count(int64_t n, struct slice key,
                             struct slice field); /* with its identity */

/* What a rate is as a number: its text may be anything that stands in Redis. */
double cell_share(const struct sheet_cell *c);

/* By a column; a cell without data comes last either way.  Equal ones stay in order. */
void sheet_sort(struct view *v, struct sheet *s, size_t column, bool falling);
/* The number of a column; false when there is none. */
bool sheet_column(const struct sheet *s, struct slice name, size_t *ret);

/* Two words put together in the view's arena. */
struct slice view_text(struct view *v, struct slice first, struct slice second);
/* "/members/" and the name, percent-encoded. */
struct slice view_path(struct view *v, const char *folder, struct slice name);
/* "/why?key=...&field=..." */
struct slice view_why(struct view *v, struct slice key, struct slice field);

#endif
