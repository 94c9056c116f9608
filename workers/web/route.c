/* Routes; see route.h. */
#include "workers/web/route.h"

#define API "/api/v1"

static const struct route routes[] = {
    {"/", page_outcome, false},
    {"/outcome", page_outcome, false},
    {"/members", page_members, false},
    {"/members/", page_member, false},
    {"/committees", page_committees, false},
    {"/committees/", page_committee, false},
    {"/ballots", page_ballots, false},
    {"/ballots/", page_ballot, false},
    {"/risk", page_risk, false},
    {"/adoptions", page_adoptions, false},
    {"/why", page_why, true},
    {"/history", page_history, true},
    {"/health", page_health, true},
    {"/build", page_build, false},
};

static bool fits(const char *route, struct slice path, struct slice *ret_subject)
{
    size_t size = strlen(route);

    if (size == 1 || route[size - 1] != '/')
        return slice_is(path, route);
    if (path.size <= size || memcmp(path.at, route, size) != 0)
        return false;
    *ret_subject = slice_make(path.at + size, path.size - size);
    return true;
}

/* The form that is asked for, and the page's path. */
static enum form form_of(const struct request *r, bool csv_accepted, struct slice *path)
{
    size_t size = strlen(API);
    struct slice format = request_param(r, "format"), part = request_param(r, "part");

    if (path->size <= size || memcmp(path->at, API "/", size + 1) != 0)
        return part.at && slice_is(part, "live") ? ANSWER_PART : ANSWER_HTML;
    *path = slice_make(path->at + size, path->size - size);
    if (format.at)
        return slice_is(format, "csv") ? ANSWER_CSV : ANSWER_JSON;
    return csv_accepted ? ANSWER_CSV : ANSWER_JSON;
}

bool route_find(const struct request *r, bool csv_accepted, struct destination *ret)
{
    struct slice path = r->path;

    *ret = (struct destination){.form = form_of(r, csv_accepted, &path)};
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++)
        if (fits(routes[i].path, path, &ret->subject)) {
            ret->route = &routes[i];
            /* words for people have no JSON */
            return !(routes[i].page == page_build && ret->form >= ANSWER_JSON);
        }
    return false;
}
