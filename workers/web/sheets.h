/* Sheets that several pages have. */
#ifndef WORKERS_WEB_SHEETS_H
#define WORKERS_WEB_SHEETS_H

#include "workers/web/page.h"

/* The seats at risk, of one member or committee, or (both absent) of all. */
int sheet_risk(struct page *p, struct view *v, struct slice member, struct slice committee);

/* Whom to call first: developing countries that have not answered a mandatory ballot that closes
 * soon. */
int sheet_calls(struct page *p, struct view *v);

/* Developing countries that neither voted nor came in the period, those with most duties first. */
int sheet_silent(struct page *p, struct view *v);

#endif
