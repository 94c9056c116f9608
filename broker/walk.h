/* A walk through one of LMDB's trees in a file, visiting every page once and every value once, in
 * order of the keys; says what is wrong on the way.  See page.h for what the pages look like. */
#ifndef BROKER_WALK_H
#define BROKER_WALK_H

#include "broker/image.h"
#include "broker/page.h"

#define WALK_LINES 100 /* faults told; all are counted */

enum walk_keys {
    WALK_NAMES,  /* texts, and the values describe tables */
    WALK_KEYS,   /* numbers, big-endian */
    WALK_COMMITS /* numbers, little-endian */
};

struct walk {
    struct image *image;
    char *used; /* a bit for each page */
    uint64_t pages;
    char *levels[PAGE_MAX_DEPTH]; /* a page each */
    struct buffer value;
    char place[64];
    uint64_t page; /* where it is; PAGE_NONE: nowhere in particular */
    uint64_t *faults;
    struct buffer *lines;
};

/* Called for each value. */
typedef void walk_take_fn(struct walk *w, void *arg, struct slice key,
                          const struct page_node *node);

/* Faults are counted in the one and told, a line each, in the other; both are borrowed. */
void walk_open(struct walk *w, uint64_t *faults, struct buffer *lines);
void walk_close(struct walk *w);

/* Before a first walk, and before a walk through another state: no page has been visited. */
void walk_clear(struct walk *w, struct image *image, uint64_t last_page);

/* What is being looked at, and what is wrong with it. */
void walk_place(struct walk *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
void walk_fault(struct walk *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

void walk_table(struct walk *w, const struct page_table *table, enum walk_keys keys,
                walk_take_fn *take, void *arg);

/* Within take.  The value, borrowed until the next; false when it is not there, or longer than
 * `most`, which has been said.  walk_skip looks at its pages only. */
bool walk_value(struct walk *w, const struct page_node *node, uint64_t most, struct slice *ret);
void walk_skip(struct walk *w, const struct page_node *node, uint64_t most);

/* A page that must not be in use. */
void walk_mark_free(struct walk *w, uint64_t page);

#endif
