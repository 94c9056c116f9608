/* The watch list for people: the seats at risk, each with what exactly is missing and by when the
 * next ballot closes.  The list itself stands in the store; the details are read beside it, of the
 * committees concerned, and judged by the rules that count. */
#ifndef WORKERS_VIEW_WATCH_LIST_H
#define WORKERS_VIEW_WATCH_LIST_H

#include "proto/date.h"
#include "workers/risk.h"
#include "workers/store.h"
#include "workers/view/name_list.h"

/* A ballot or a meeting. */
struct watch_item {
    struct slice id, kind, title; /* kind: of a ballot */
    date_days day;                /* when it closes or closed; when it started */
    struct watch_item *next;
};

struct watch_entry {
    struct slice committee, label, member; /* label: the committee's title */
    enum risk_reason reason;
    enum risk_score score;
    struct watch_item *items; /* missed ballots, open ballots, or missed meetings; by their day */
    int64_t missed, due;      /* missed-share: internal ballots */
    struct watch_item *next;  /* the open mandatory ballot that closes next and is not answered */
};

struct watch_list {
    struct arena arena;
    bool known;                   /* the list has been made at all */
    int64_t as_of_ms;             /* when */
    date_days today;              /* the day by which seats were judged */
    struct rules rules;           /* the thresholds */
    struct watch_entry **entries; /* red first, then by committee, member and reason */
    size_t count, room;
    size_t red; /* of them */
};

struct watch_ask {
    struct name_list members, committees; /* empty: all */
    int64_t now_ms;
};

/* Fills `ret`, which is all zero before.  0, or an error of the store. */
int watch_load(struct store *s, const struct watch_ask *ask, struct watch_list *ret);
void watch_free(struct watch_list *w);

/* Only how many there are, as watch_load would count them. */
int watch_count(struct store *s, size_t *ret_red, size_t *ret_amber);

#endif
