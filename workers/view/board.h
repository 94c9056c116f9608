/* The board: the figures of the groups in one period, as they stand in a store.
 *
 *     board_load     from the store, at one moment
 *     board_print_*  as text, CSV or JSON (board_print.h)
 *
 * What has no data is told apart from what is zero, all the way. */
#ifndef WORKERS_VIEW_BOARD_H
#define WORKERS_VIEW_BOARD_H

#include "workers/store.h"
#include "workers/view/name_list.h"

/* Rates with a numerator and a denominator first, the headline on top, then medians. */
enum board_figure {
    BOARD_EFFECTIVE, /* only in years */
    BOARD_VOTING,
    BOARD_SUBSTANTIVE,
    BOARD_COMMENTED,
    BOARD_PRESENCE,
    BOARD_GOVERNANCE,
    BOARD_SHARE_VOTES,
    BOARD_SHARE_DELEGATES,
    BOARD_SHARE_SEATS,
    BOARD_VOTING_MEDIAN,
    BOARD_PRESENCE_MEDIAN,
    BOARD_FIGURES
};
#define BOARD_RATES BOARD_VOTING_MEDIAN
extern const char *const board_figure_name[BOARD_FIGURES];

/* Plain numbers; what is not in the store is 0. */
enum board_count {
    BOARD_MEMBERS,
    BOARD_ACTIVE,
    BOARD_SEATS_P,
    BOARD_SEATS_O,
    BOARD_DORMANT, /* only in years */
    BOARD_COUNTS
};
extern const char *const board_count_name[BOARD_COUNTS];

struct board_value {
    struct slice text; /* "0.6340", as it stands in the store; absent: no data */
    bool counted;      /* num and den are there */
    int64_t num, den;
};

struct board_group {
    struct slice name;
    bool there, without_top; /* there: the store has it; without_top: without its three largest */
    struct slice base;       /* the group it was made from; else its own name */
    struct slice without;    /* who was left out: "US,DE,JP" */
    struct board_value figures[BOARD_FIGURES];
    int64_t counts[BOARD_COUNTS];
};

struct board {
    struct arena arena;
    struct slice period;        /* absent: there is none at all */
    bool year, provisional;     /* provisional: it is not over yet */
    struct slice list;          /* the group list's version; absent: not known */
    bool dated;                 /* as_of_ms is known */
    int64_t as_of_ms;           /* when the figures were derived */
    struct board_group *groups; /* those that are there, in the order of the board */
    size_t count;
    struct slice missing; /* of the groups that were asked for by name those not there: "a, b" */
};

struct board_ask {
    struct slice period;     /* absent: this year, or else the newest one that has groups */
    struct name_list groups; /* by name; empty: all there are ... */
    bool all;                /* ... also those without their three largest members */
    int64_t now_ms;
};

/* Fills `ret`, which is all zero before.  0, or an error of the store; ERR_CONFIG for what is no
 * period.  Slices live until board_free. */
int board_load(struct store *s, const struct board_ask *ask, struct board *ret);
void board_free(struct board *b);

#endif
