/* Assets; see asset.h. */
#include "workers/web/asset.h"

#include <stdio.h>
#include <xxhash.h>

void assets_open(void)
{
    for (size_t i = 0; i < asset_count; i++) {
        struct asset *a = &asset_table[i];
        snprintf(a->hash, sizeof a->hash, "%016llx",
                 (unsigned long long)XXH3_64bits(a->at, (size_t)(a->end - a->at)));
    }
}

const struct asset *asset_find(struct slice name)
{
    for (size_t i = 0; i < asset_count; i++)
        if (slice_is(name, asset_table[i].name))
            return &asset_table[i];
    return NULL;
}

const char *asset_type(const struct asset *a)
{
    static const struct {
        const char *ending, *type;
    } known[] = {{".css", "text/css; charset=utf-8"},
                 {".js", "text/javascript; charset=utf-8"},
                 {".mjs", "text/javascript; charset=utf-8"},
                 {".svg", "image/svg+xml"},
                 {".json", "application/json"},
                 {".html", "text/html; charset=utf-8"},
                 {".txt", "text/plain; charset=utf-8"},
                 {".png", "image/png"},
                 {".woff2", "font/woff2"}};
    const char *dot = strrchr(a->name, '.');

    for (size_t i = 0; dot && i < sizeof known / sizeof *known; i++)
        if (strcmp(dot, known[i].ending) == 0)
            return known[i].type;
    return "application/octet-stream";
}
