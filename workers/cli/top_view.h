/* What turnout top shows at a moment, and how: a screen, or one line. */
#ifndef WORKERS_CLI_TOP_VIEW_H
#define WORKERS_CLI_TOP_VIEW_H

#include "workers/lag.h"
#include "workers/view/board.h"

#define TOP_CHANGES 50 /* the newest entries of the change feed that are looked at */

struct top_change {
    struct slice id;   /* of the stream's entry: Unix ms, and a number within it */
    struct slice text; /* "members KE, FR; periods 2026" */
};

struct top_view {
    struct arena arena;
    int64_t now_ms;
    bool broker, redis;                 /* it answered; what it says is all 0 otherwise */
    uint64_t received, applied;         /* events in the journal, and those that Redis stands for */
    double received_rate, applied_rate; /* a second, since the last look; below 0: not known */
    struct lag lag;
    unsigned workers;
    struct board board; /* the groups all, developing and other of the current period */
    size_t red, amber;  /* seats at risk, by reason */
    struct top_change changes[TOP_CHANGES]; /* newest first */
    size_t change_count;
};

/* The rates, from what the last look saw (NULL: none) so many milliseconds ago. */
void top_view_rates(struct top_view *v, const struct top_view *last, int64_t since_ms);

/* At most `rows` lines, none of more than `columns`. */
void top_view_screen(const struct top_view *v, size_t columns, size_t rows, bool colour,
                     struct buffer *out);

/* One line of words `name=value`; "-" where there is nothing. */
void top_view_line(const struct top_view *v, struct buffer *out);

/* Reads one field of an entry of the change feed; "id" begins the next one. */
void top_view_change(struct top_view *v, struct slice field, struct slice value);

void top_view_free(struct top_view *v);

#endif
