/* Pages: each is a function that fills a view with what is asked for. */
#ifndef WORKERS_WEB_PAGE_H
#define WORKERS_WEB_PAGE_H

#include "workers/web/data.h"
#include "workers/web/request.h"
#include "workers/web/sheet.h"

struct journal; /* the broker, as seen from one thread: journal.h */

struct page {
    struct data data;
    const struct request *request;
    enum lang lang;
    struct slice subject;    /* the rest of the path, "KE"; absent: none */
    struct journal *journal; /* NULL on threads that only see Redis */
    struct buffer *reason;   /* why not, for people, when PAGE_REFUSED */
    bool broker_failed;      /* an error is the broker's, not Redis's */
};

#define PAGE_MISSING 1 /* there is no such thing */
#define PAGE_REFUSED 2 /* what was asked for makes no sense; `reason` says why */

/* 0; PAGE_*; or an error of store or broker. */
typedef int (*page_fn)(struct page *p, struct view *v);

int page_outcome(struct page *p, struct view *v);
int page_members(struct page *p, struct view *v);
int page_member(struct page *p, struct view *v);
int page_committees(struct page *p, struct view *v);
int page_committee(struct page *p, struct view *v);
int page_ballots(struct page *p, struct view *v);
int page_ballot(struct page *p, struct view *v);
int page_risk(struct page *p, struct view *v);
int page_adoptions(struct page *p, struct view *v);
int page_why(struct page *p, struct view *v);
int page_history(struct page *p, struct view *v);
int page_health(struct page *p, struct view *v);
int page_build(struct page *p, struct view *v);

/* ---- what several pages do ---- */

/* The period asked for, checked; else this year if it has groups, else the newest year that has.
 * Fills the view's period, choice, provisional and list.  PAGE_REFUSED for what is no period; a
 * view without a period: there is no data at all. */
int page_period(struct page *p, struct view *v, bool months);

/* ?sort= and ?order=, else `otherwise` (a column's name). */
void page_sort(struct page *p, struct view *v, struct sheet *s, const char *otherwise,
               bool falling);

/* The counter `field`, with a link to why it is that. */
struct sheet_cell page_count(struct view *v, const struct hash *h, const char *field);

/* A rate made of counters, as groups have it (workers/group.h). */
struct sheet_cell page_figure(struct view *v, const char *name, const struct hash *counters);

/* What a profile says of a member. */
struct person_note {
    struct slice name; /* else the member itself */
    bool developing, known;
};
struct person_note page_person(struct slice member, const struct hash *profile);
struct sheet_cell page_developing(const struct person_note *n);
struct sheet_cell page_member_cell(struct view *v, struct slice member);
struct sheet_cell page_committee_cell(struct view *v, struct slice committee);

/* "2025" of "2026", "2025-03" of "2026-03". */
struct slice page_year_before(struct view *v, struct slice period);
struct slice page_year(struct slice period);

#endif
