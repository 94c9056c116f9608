/* A walk through a tree; see walk.h.  Happy path: walk_clear, then walk_place and walk_table for
 * every tree of one state.  It ends whatever the file holds: a page that has been visited is not
 * visited again. */
#include "broker/walk.h"

#include "broker/number.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define NAME_MAX_BYTES 511
#define LINE_BYTES     256

/* One tree being walked. */
struct tree {
    const struct page_table *table;
    enum walk_keys keys;
    walk_take_fn *take;
    void *arg;
    struct page_table found;
};

void walk_open(struct walk *w, uint64_t *faults, struct buffer *lines)
{
    memset(w, 0, sizeof *w);
    w->page = PAGE_NONE;
    w->faults = faults;
    w->lines = lines;
}

void walk_close(struct walk *w)
{
    for (int i = 0; i < PAGE_MAX_DEPTH; i++)
        free(w->levels[i]);
    free(w->used);
    buffer_free(&w->value);
}

/* No more pages than the file has: a wrong number must not ask for all memory. */
void walk_clear(struct walk *w, struct image *image, uint64_t last_page)
{
    uint64_t there = image_size(image) / image->page_bytes;

    w->image = image;
    w->pages = last_page < there ? last_page + 1 : there;
    w->used = memory_grow(w->used, w->pages / 8 + 1);
    memset(w->used, 0, w->pages / 8 + 1);
    for (int i = 0; i < PAGE_MAX_DEPTH; i++) {
        free(w->levels[i]);
        w->levels[i] = NULL;
    }
}

/* ---- faults ---- */

void walk_place(struct walk *w, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(w->place, sizeof w->place, format, args);
    va_end(args);
    w->page = PAGE_NONE;
}

void walk_fault(struct walk *w, const char *format, ...)
{
    char line[LINE_BYTES];
    va_list args;

    if (++*w->faults > WALK_LINES)
        return;
    buffer_add_text(w->lines, w->place);
    if (w->page != PAGE_NONE) {
        buffer_add_text(w->lines, ", page ");
        buffer_add_int(w->lines, (int64_t)w->page);
    }
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    buffer_add_text(w->lines, ": ");
    buffer_add_text(w->lines, line);
    buffer_add_text(w->lines, "\n");
}

/* ---- pages ---- */

/* Takes pages for the tree; false, and said, when they are not to be had. */
static bool pages_mark(struct walk *w, uint64_t first, uint64_t count)
{
    if (first < 2 || first >= w->pages || count > w->pages - first) {
        walk_fault(w, "points to page %llu, which is not in use or not in the file",
                   (unsigned long long)first);
        return false;
    }
    for (uint64_t n = first; n < first + count; n++) {
        if (w->used[n / 8] >> n % 8 & 1) {
            walk_fault(w, "points to page %llu, which belongs elsewhere", (unsigned long long)n);
            return false;
        }
        w->used[n / 8] |= (char)(1 << n % 8);
    }
    return true;
}

void walk_mark_free(struct walk *w, uint64_t page)
{
    if (page < w->pages && w->used[page / 8] >> page % 8 & 1) {
        walk_fault(w, "page %llu is in use, and also listed as free", (unsigned long long)page);
        return;
    }
    pages_mark(w, page, 1);
}

/* A page of a tree, into the buffer of its level. */
static bool page_load(struct walk *w, uint64_t number, unsigned level, struct page *ret)
{
    const char *wrong;

    if (!pages_mark(w, number, 1))
        return false;
    w->page = number;
    if (!w->levels[level])
        w->levels[level] = memory_need(w->image->page_bytes);
    wrong = image_page(w->image, number, w->levels[level])
                ? page_read(w->levels[level], w->image->page_bytes, number, ret)
                : "cannot be read";
    if (wrong)
        walk_fault(w, "%s", wrong);
    return !wrong;
}

/* ---- keys ---- */

static int key_compare(enum walk_keys keys, struct slice a, struct slice b)
{
    uint64_t x, y;

    if (keys != WALK_COMMITS)
        return slice_compare(a, b);
    x = number_get64(a.at);
    y = number_get64(b.at);
    return x < y ? -1 : x > y;
}

static bool key_is_sound(enum walk_keys keys, struct slice key)
{
    return keys == WALK_NAMES ? key.size > 0 && key.size <= NAME_MAX_BYTES : key.size == 8;
}

/* Keys rise within a page, and lie within what the page above it says: at least `low`, which is
 * absent for the first, and below `high`, which is absent for the last.  The first key of a branch
 * is never looked at. */
static bool keys_check(struct walk *w, const struct tree *t, const struct page *p, struct slice low,
                       struct slice high)
{
    struct page_node node;
    struct slice least = low;
    bool strict = false;

    for (unsigned i = p->leaf ? 0 : 1; i < p->count; i++) {
        page_read_node(p, i, &node);
        if (!key_is_sound(t->keys, node.key)) {
            walk_fault(w, "has a key of a wrong size");
            return false;
        }
        if ((least.at && key_compare(t->keys, node.key, least) < strict) ||
            (high.at && key_compare(t->keys, node.key, high) >= 0)) {
            walk_fault(w, "has a key out of order");
            return false;
        }
        least = node.key;
        strict = true;
    }
    return true;
}

/* ---- values ---- */

static bool value_mark(struct walk *w, const struct page_node *node, uint64_t most)
{
    char head[PAGE_HEAD];
    uint64_t pages;
    const char *wrong;

    if (node->size > most) {
        walk_fault(w, "has a value of %llu bytes, which is too long",
                   (unsigned long long)node->size);
        return false;
    }
    if (!node->apart)
        return true;
    pages = page_overflow_count(w->image->page_bytes, node->size);
    if (!pages_mark(w, node->overflow, pages))
        return false;
    wrong = image_pages(w->image, node->overflow, sizeof head, head)
                ? page_read_overflow(head, node->overflow, pages)
                : "cannot be read";
    if (wrong)
        walk_fault(w, "its value in page %llu %s", (unsigned long long)node->overflow, wrong);
    return !wrong;
}

void walk_skip(struct walk *w, const struct page_node *node, uint64_t most)
{
    value_mark(w, node, most);
}

bool walk_value(struct walk *w, const struct page_node *node, uint64_t most, struct slice *ret)
{
    size_t size = PAGE_HEAD + node->size;

    if (!value_mark(w, node, most))
        return false;
    *ret = node->value;
    if (!node->apart)
        return true;
    buffer_clear(&w->value);
    if (!image_pages(w->image, node->overflow, size, buffer_room(&w->value, size))) {
        walk_fault(w, "its value in page %llu cannot be read", (unsigned long long)node->overflow);
        return false;
    }
    *ret = slice_make(w->value.at + PAGE_HEAD, node->size);
    return true;
}

/* ---- trees ---- */

static void leaf_walk(struct walk *w, struct tree *t, const struct page *p)
{
    struct page_node node;
    uint64_t overflow;

    t->found.leaf_pages++;
    t->found.entries += p->count;
    for (unsigned i = 0; i < p->count; i++) {
        page_read_node(p, i, &node);
        if (node.table != (t->keys == WALK_NAMES)) {
            walk_fault(w, "has a value of another kind");
            continue;
        }
        overflow = node.apart ? page_overflow_count(w->image->page_bytes, node.size) : 0;
        t->found.overflow_pages += overflow;
        t->take(w, t->arg, node.key, &node);
    }
}

static void page_walk(struct walk *w, struct tree *t, uint64_t number, unsigned level,
                      struct slice low, struct slice high)
{
    struct page_node node, next;
    struct page p;

    if (!page_load(w, number, level, &p))
        return;
    if (p.leaf != (level + 1 == t->table->depth) ||
        (!p.leaf && p.count < 2 && t->keys != WALK_COMMITS)) {
        walk_fault(w, "is not at the depth of a page of its kind");
        return;
    }
    if (!keys_check(w, t, &p, low, high))
        return;
    if (p.leaf) {
        leaf_walk(w, t, &p);
        return;
    }
    t->found.branch_pages++;
    page_read_node(&p, 0, &next);
    next.key = low;
    for (unsigned i = 0; i < p.count; i++) {
        node = next;
        next.key = high;
        if (i + 1 < p.count)
            page_read_node(&p, i + 1, &next);
        w->page = number;
        page_walk(w, t, node.child, level + 1, node.key, next.key);
    }
}

void walk_table(struct walk *w, const struct page_table *table, enum walk_keys keys,
                walk_take_fn *take, void *arg)
{
    struct tree t = {.table = table, .keys = keys, .take = take, .arg = arg};
    const struct slice none = {NULL, 0};
    uint64_t before = *w->faults;

    w->page = PAGE_NONE;
    if (table->root != PAGE_NONE)
        page_walk(w, &t, table->root, 0, none, none);
    w->page = PAGE_NONE;
    if (*w->faults == before &&
        (t.found.branch_pages != table->branch_pages || t.found.leaf_pages != table->leaf_pages ||
         t.found.overflow_pages != table->overflow_pages || t.found.entries != table->entries))
        walk_fault(w, "has other numbers of pages or entries than its description says");
}
