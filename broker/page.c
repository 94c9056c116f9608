/* LMDB's pages; see page.h for the drawings.  Nothing is trusted: page_read follows every number
 * once, and only when all of them stay within the page may its nodes be asked for. */
#include "broker/page.h"

#include "broker/number.h"

_Static_assert(sizeof(size_t) == 8, "LMDB's files on machines of 64 bits only");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "and little-endian");

#define META_MAGIC   0xBEEFC0DE
#define META_VERSION 1
#define NODE_HEAD    8
#define TABLE_BYTES  48
#define NOSUBDIR     0x4000 /* how the file was opened by whoever made it; no matter */

enum { PAGE_BRANCH = 1, PAGE_LEAF = 2, PAGE_OVERFLOW = 4, PAGE_META = 8 };
enum { NODE_BIG = 1, NODE_TABLE = 2 };
enum { AT_FLAGS = 10, AT_LOWER = 12, AT_UPPER = 14, AT_PAGES = 12 };
enum { META_AT_MAGIC = 16, META_AT_VERSION = 20, META_AT_FREE = 40, META_AT_TABLES = 88 };
enum { META_AT_LAST = 136, META_AT_COMMIT = 144 };

static struct page_table table_at(const char *at)
{
    return (struct page_table){.flags = number_get16(at + 4),
                               .depth = number_get16(at + 6),
                               .branch_pages = number_get64(at + 8),
                               .leaf_pages = number_get64(at + 16),
                               .overflow_pages = number_get64(at + 24),
                               .entries = number_get64(at + 32),
                               .root = number_get64(at + 40)};
}

static const char *table_check(const struct page_table *t)
{
    if (t->depth > PAGE_MAX_DEPTH)
        return "a tree of an impossible depth";
    if ((t->root == PAGE_NONE) != (t->depth == 0))
        return "a tree whose depth and root do not fit";
    return NULL;
}

const char *page_read_table(struct slice value, struct page_table *ret)
{
    if (value.size != TABLE_BYTES)
        return "the description of a table has a wrong size";
    *ret = table_at(value.at);
    return ret->flags != 0 ? "a table of an unknown kind" : table_check(ret);
}

const char *page_read_meta(const char *bytes, uint64_t number, struct page_meta *ret)
{
    struct page_meta m;
    const char *wrong;

    if (number_get64(bytes) != number || number_get16(bytes + AT_FLAGS) != PAGE_META ||
        number_get32(bytes + META_AT_MAGIC) != META_MAGIC)
        return "is not a meta page";
    if (number_get32(bytes + META_AT_VERSION) != META_VERSION)
        return "is of an unknown version of LMDB";
    m.page_bytes = number_get32(bytes + META_AT_FREE);
    m.free = table_at(bytes + META_AT_FREE);
    m.tables = table_at(bytes + META_AT_TABLES);
    m.last = number_get64(bytes + META_AT_LAST);
    m.commit = number_get64(bytes + META_AT_COMMIT);
    if (m.page_bytes < PAGE_MIN_BYTES || m.page_bytes > PAGE_MAX_BYTES ||
        (m.page_bytes & (m.page_bytes - 1)) != 0)
        return "has a wrong size of pages";
    if ((m.free.flags & ~(unsigned)NOSUBDIR) != PAGE_FREE_FLAGS || m.tables.flags != 0)
        return "has tables of an unknown kind";
    if (m.last < 1 || m.last > UINT64_MAX / PAGE_MAX_BYTES)
        return "has a wrong last page";
    wrong = table_check(&m.free);
    if (!wrong)
        wrong = table_check(&m.tables);
    if (!wrong)
        *ret = m;
    return wrong;
}

uint64_t page_overflow_count(unsigned page_bytes, uint64_t size)
{
    return (PAGE_HEAD - 1 + size) / page_bytes + 1;
}

const char *page_read_overflow(const char *head, uint64_t number, uint64_t pages)
{
    if (number_get64(head) != number || number_get16(head + AT_FLAGS) != PAGE_OVERFLOW)
        return "is not the page of a long value";
    return number_get32(head + AT_PAGES) != pages ? "is of a value of another length" : NULL;
}

/* ---- nodes ---- */

static unsigned node_offset(const struct page *p, unsigned i)
{
    return number_get16(p->bytes + PAGE_HEAD + 2 * i);
}

/* Bytes of a node, 0 if it has none that could be true. */
static uint64_t node_bytes(const struct page *p, unsigned offset)
{
    const char *node = p->bytes + offset;
    unsigned flags = number_get16(node + 4);
    uint64_t size = NODE_HEAD + (uint64_t)number_get16(node + 6);

    if (!p->leaf)
        return size + (size & 1);
    if (flags != 0 && flags != NODE_BIG && flags != NODE_TABLE)
        return 0;
    size += flags == NODE_BIG ? 8 : number_get32(node);
    return size + (size & 1);
}

/* Nodes fill what is behind `upper` to the last byte and share none: each marks its own. */
static const char *nodes_check(const struct page *p, unsigned upper)
{
    char taken[PAGE_MAX_BYTES / 2] = {0};
    uint64_t sum = 0;

    for (unsigned i = 0; i < p->count; i++) {
        unsigned offset = node_offset(p, i);
        if (offset < upper || offset % 2 != 0 || offset + NODE_HEAD > p->size)
            return "has a node in a wrong place";
        uint64_t size = node_bytes(p, offset);
        if (size == 0 || size > p->size - offset)
            return "has a node of a wrong size";
        if (memchr(taken + offset / 2, 1, size / 2))
            return "has nodes over one another";
        memset(taken + offset / 2, 1, size / 2);
        sum += size;
    }
    return sum != p->size - upper ? "has a gap between its nodes" : NULL;
}

const char *page_read(const char *bytes, unsigned size, uint64_t number, struct page *ret)
{
    unsigned flags = number_get16(bytes + AT_FLAGS);
    unsigned lower = number_get16(bytes + AT_LOWER), upper = number_get16(bytes + AT_UPPER);
    struct page p = {.bytes = bytes, .size = size, .leaf = flags == PAGE_LEAF};
    const char *wrong;

    if (number_get64(bytes) != number)
        return "has the number of another page";
    if (flags != PAGE_LEAF && flags != PAGE_BRANCH)
        return "is not the page of a tree";
    if (lower < PAGE_HEAD || lower % 2 != 0 || upper < lower || upper > size)
        return "has wrong bounds";
    p.count = (lower - PAGE_HEAD) / 2;
    if (p.count == 0)
        return "is empty";
    wrong = nodes_check(&p, upper);
    if (!wrong)
        *ret = p;
    return wrong;
}

void page_read_node(const struct page *p, unsigned i, struct page_node *ret)
{
    const char *node = p->bytes + node_offset(p, i);
    unsigned flags = number_get16(node + 4);
    struct slice key = slice_make(node + NODE_HEAD, number_get16(node + 6));
    const char *value = key.at + key.size;

    *ret = (struct page_node){.key = key};
    if (!p->leaf) {
        ret->child = number_get32(node) | (uint64_t)flags << 32;
        return;
    }
    ret->size = number_get32(node);
    ret->table = flags == NODE_TABLE;
    ret->apart = flags == NODE_BIG;
    if (ret->apart)
        ret->overflow = number_get64(value);
    else
        ret->value = slice_make(value, ret->size);
}
