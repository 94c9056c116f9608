/* A request: what an address asks for.  Pure; every byte comes from a stranger. */
#ifndef WORKERS_WEB_REQUEST_H
#define WORKERS_WEB_REQUEST_H

#include "proto/arena.h"
#include "workers/web/text.h"

#define REQUEST_ADDRESS 2048 /* bytes of path and query together */
#define REQUEST_PARAMS  16

struct request_param {
    struct slice name, value;
};

struct request {
    struct slice address; /* as it came */
    struct slice path;    /* decoded; begins with "/" */
    struct request_param params[REQUEST_PARAMS];
    size_t param_count;
};

/* Reads "/members/KE?period=2026".  0; or ERR_PROTOCOL: too long, too many parameters, a broken
 * percent sign, no UTF-8, a control character.  Slices are the arena's. */
int request_parse(struct slice address, struct arena *arena, struct request *ret);

/* The first of that name; absent when there is none. */
struct slice request_param(const struct request *r, const char *name);

/* The address again, with one parameter put in place of its like, or added; an absent value takes
 * it away.  `lang` is left out: html_href adds it. */
struct slice request_with(const struct request *r, struct arena *arena, const char *name,
                          struct slice value);

#endif
