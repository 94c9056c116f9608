/* The assets: files of workers/web/assets, compiled into the program by scripts/web-assets. */
#ifndef WORKERS_WEB_ASSET_H
#define WORKERS_WEB_ASSET_H

#include "proto/bytes.h"

struct asset {
    const char *name; /* "turnout.css" */
    const char *at, *end;
    char hash[17]; /* of the bytes, in hex */
};

/* Filled by the generated file; hashes by assets_open, once before anything else. */
extern struct asset asset_table[];
extern const size_t asset_count;

void assets_open(void);
const struct asset *asset_find(struct slice name);
const char *asset_type(const struct asset *a); /* "text/css; charset=utf-8" */

#endif
