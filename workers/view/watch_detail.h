/* Details of the watch list: what is missing, entry by entry. */
#ifndef WORKERS_VIEW_WATCH_DETAIL_H
#define WORKERS_VIEW_WATCH_DETAIL_H

#include "workers/view/watch_list.h"

/* Fills in label, items, missed, due and next of all entries, which are in the order of committees.
 * 0, or an error of the store. */
int watch_detail(struct store *s, struct watch_list *w);

#endif
