/* LMDB's pages (file format 1, as of 0.9), looked at without LMDB and without trust.
 *
 * The file is an array of pages.  Pages 0 and 1 are the meta pages: commit number T writes page
 * T mod 2, so that the one before it stays.  All others belong to a tree or are free.
 *
 *     page      0        8     10      12      14      16
 *               +--------+-----+-------+-------+-------+----------------------------------------+
 *               | number | pad | flags | lower | upper | offsets of nodes ... free ... nodes    |
 *               | u64    | u16 | u16   | u16   | u16   | u16 each         |lower     |upper     |
 *               +--------+-----+-------+-------+-------+----------------------------------------+
 *     overflow  instead of lower and upper: how many pages (u32); a value too long for a node
 *               stands behind the head of the first, over all of them
 *
 *     node      0       4       6        8       8+K
 *               +-------+-------+--------+-------+--------------------------------------------+
 *     in a leaf | size  | flags | K u16  | key   | the value, or where it stands (page, u64)  |
 *               | u32   | u16   |        |       | or the table it describes (48 bytes)       |
 *     branch    | page, 48 bits | K u16  | key   |                                            |
 *               +---------------+--------+-------+--------------------------------------------+
 *
 *     table     0     4       6       8            16          24             32        40
 *               +-----+-------+-------+------------+-----------+--------------+---------+-----+
 *               | pad | flags | depth | branch     | leaf      | overflow     | entries | root|
 *               | u32 | u16   | u16   | pages u64  | pages u64 | pages u64    | u64     | u64 |
 *               +-----+-------+-------+------------+-----------+--------------+---------+-----+
 *
 *     meta page 16      20       24       32       40         88         136        144      152
 *               +-------+--------+--------+--------+----------+----------+----------+--------+
 *               | magic | version| address| map    | table of | table of | last     | commit |
 *               |       | u32 = 1| unused | size   | free     | tables   | page u64 | T u64  |
 *               +-------+--------+--------+--------+----------+----------+----------+--------+
 *               the pad of the first table is the size of a page
 *
 * Nodes lie without gaps or overlap between upper and the page's end, each padded to an even
 * size.  Numbers are as the machine has them: little-endian, 64 bits. */
#ifndef BROKER_PAGE_H
#define BROKER_PAGE_H

#include "proto/bytes.h"

#define PAGE_HEAD       16
#define PAGE_MIN_BYTES  512
#define PAGE_MAX_BYTES  32768
#define PAGE_META_BYTES 152 /* of a meta page in use */
#define PAGE_NONE       UINT64_MAX
#define PAGE_MAX_DEPTH  32
#define PAGE_FREE_FLAGS 0x08 /* of the table of free pages: its keys are numbers */

struct page_table {
    unsigned flags, depth;
    uint64_t branch_pages, leaf_pages, overflow_pages, entries, root;
};

struct page_meta {
    unsigned page_bytes;
    struct page_table free, tables;
    uint64_t last, commit;
};

struct page {
    const char *bytes; /* borrowed */
    unsigned size, count;
    bool leaf;
};

struct page_node {
    struct slice key;
    uint64_t child;     /* in a branch */
    uint64_t size;      /* of the value, in a leaf */
    bool table;         /* the value describes a table */
    bool apart;         /* the value stands in pages of its own */
    uint64_t overflow;  /* in these, from this one on */
    struct slice value; /* if it is here */
};

/* These return NULL, or in a few words what is wrong. */
const char *page_read_meta(const char *bytes, uint64_t number, struct page_meta *ret);
const char *page_read(const char *bytes, unsigned size, uint64_t number, struct page *ret);
const char *page_read_overflow(const char *head, uint64_t number, uint64_t pages);
const char *page_read_table(struct slice value, struct page_table *ret);

/* A node of a page that page_read has found sound. */
void page_read_node(const struct page *p, unsigned i, struct page_node *ret);

/* The pages of a value that does not stand in its node. */
uint64_t page_overflow_count(unsigned page_bytes, uint64_t size);

#endif
