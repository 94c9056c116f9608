/* Routes: which page an address means, and in which form. */
#ifndef WORKERS_WEB_ROUTE_H
#define WORKERS_WEB_ROUTE_H

#include "workers/web/page.h"

enum form { ANSWER_HTML, ANSWER_PART, ANSWER_JSON, ANSWER_CSV };

struct route {
    const char *path; /* "/members"; "/members/" with something behind it */
    page_fn page;
    bool slow; /* it asks the journal */
};

struct destination {
    const struct route *route;
    struct slice subject; /* absent: none */
    enum form form;
};

/* False when there is no such page. */
bool route_find(const struct request *r, bool csv_accepted, struct destination *ret);

#endif
