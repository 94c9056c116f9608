/* Slices and buffers; see bytes.h.  Nothing here can fail but for want of memory. */
#include "proto/bytes.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int slice_compare(struct slice a, struct slice b)
{
    size_t common = a.size < b.size ? a.size : b.size;
    int order = common ? memcmp(a.at, b.at, common) : 0;

    return order ? order : (a.size > b.size) - (a.size < b.size);
}

bool slice_to_int(struct slice text, int64_t *ret)
{
    size_t i = text.size && text.at[0] == '-';
    int64_t n = 0;

    if (i == text.size || text.size > 20 || (text.at[i] == '0' && text.size > 1))
        return false;
    for (; i < text.size; i++) {
        int digit = text.at[i] - '0';
        if (digit < 0 || digit > 9 || __builtin_mul_overflow(n, 10, &n) ||
            __builtin_sub_overflow(n, digit, &n))
            return false;
    }
    /* summed up below zero, where int64 reaches one further */
    if (text.at[0] != '-' && __builtin_sub_overflow(0, n, &n))
        return false;
    *ret = n;
    return true;
}

bool slice_cut(struct slice *rest, char end, struct slice *ret)
{
    const char *stop = rest->size ? memchr(rest->at, end, rest->size) : NULL;

    if (!stop)
        return false;
    *ret = slice_make(rest->at, (size_t)(stop - rest->at));
    rest->size -= ret->size + 1;
    rest->at = stop + 1;
    return true;
}

/* How many bytes a well-formed sequence at `u` takes, 0 if there is none in `left` bytes. */
static size_t utf8_length(const unsigned char *u, size_t left)
{
    static const struct {
        unsigned char first, last, low, high;
        size_t size;
    } form[] = {
        /* Unicode 15, table 3-7 */
        {0x00, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4}};

    for (size_t f = 0; f < sizeof form / sizeof *form; f++) {
        if (u[0] < form[f].first || u[0] > form[f].last)
            continue;
        if (form[f].size > left)
            return 0;
        for (size_t i = 1; i < form[f].size; i++)
            if (u[i] < (i == 1 ? form[f].low : 0x80) || u[i] > (i == 1 ? form[f].high : 0xbf))
                return 0;
        return form[f].size;
    }
    return 0;
}

/* True when the next eight bytes are all ASCII, as most are. */
static bool ascii_eight(const char *at)
{
    uint64_t eight;

    memcpy(&eight, at, sizeof eight);
    return (eight & 0x8080808080808080) == 0;
}

bool utf8_valid(struct slice text)
{
    size_t i = 0;

    while (i < text.size) {
        if (text.size - i >= 8 && ascii_eight(text.at + i)) {
            i += 8;
            continue;
        }
        unsigned char c = (unsigned char)text.at[i];
        size_t n = c < 0x80 ? 1 : utf8_length((const unsigned char *)text.at + i, text.size - i);
        if (n == 0)
            return false;
        i += n;
    }
    return true;
}

uint32_t utf8_next(const char **at)
{
    const unsigned char *u = (const unsigned char *)*at;
    size_t n = u[0] < 0x80 ? 1 : u[0] < 0xe0 ? 2 : u[0] < 0xf0 ? 3 : 4;
    uint32_t c = n == 1 ? u[0] : u[0] & (0x7fu >> n);

    for (size_t i = 1; i < n; i++)
        c = c << 6 | (u[i] & 0x3f);
    *at += n;
    return c;
}

bool char_is_control(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029;
}

bool char_misleads(uint32_t c)
{
    return (c >= 0x200b && c <= 0x200f) || (c >= 0x202a && c <= 0x202e) || c == 0xfeff ||
           (c >= 0x2060 && c <= 0x2069) || c == 0x061c || (c & 0xfffe) == 0xfffe ||
           (c >= 0xe0000 && c <= 0xe007f);
}

#define MIB        ((size_t)1 << 20)
#define HUGE_PAGE  (2 * MIB)
#define HEAP_BYTES (56 * MIB)   /* what most workers and brokers need at work */
#define KEEP_BYTES (64 * MIB)   /* free at the heap's end, that is; else it is given back */
#define MAP_BYTES  (32 * MIB)   /* above all that a round asks for in one piece */
#define PAD_BYTES  (128 * 1024) /* as malloc has it */

/* Extends the heap by HEAP_BYTES, which are not there before they are used, on huge pages.  What it
 * grows by beyond them is as everywhere. */
static void heap_reserve(void)
{
    uintptr_t from = (uintptr_t)sbrk(0), to;
    void *volatile piece;

    mallopt(M_TOP_PAD, HEAP_BYTES - MAP_BYTES / 2);
    piece = malloc(MAP_BYTES / 2); /* more than is free anywhere in it */
    free(piece);
    mallopt(M_TOP_PAD, PAD_BYTES);
    to = (uintptr_t)sbrk(0);
    from += -from % HUGE_PAGE;
    if (from < to) /* not so without memory, and where malloc is another one */
        madvise((void *)from, to - from, MADV_HUGEPAGE);
}

void memory_keep(void)
{
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_MMAP_THRESHOLD, MAP_BYTES);
    mallopt(M_TRIM_THRESHOLD, KEEP_BYTES);
    heap_reserve();
}

void memory_touch(size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *piece = malloc(bytes);
    size_t skip = -(uintptr_t)piece % page;

    if (piece && bytes > skip && piece < (char *)sbrk(0)) /* else malloc is another one */
        madvise(piece + skip, bytes - skip, MADV_POPULATE_WRITE);
    free(piece);
}

void memory_trim(void)
{
    malloc_trim(0);
    heap_reserve();
}

static void *memory_checked(void *p, size_t size)
{
    if (p)
        return p;
    fprintf(stderr, "turnout: out of memory (%zu bytes wanted)\n", size);
    abort();
}

void *memory_need(size_t size)
{
    return memory_checked(malloc(size ? size : 1), size);
}

void *memory_zeroed(size_t size)
{
    return memory_checked(calloc(1, size ? size : 1), size);
}

void *memory_grow(void *old, size_t size)
{
    return memory_checked(realloc(old, size ? size : 1), size);
}

void *memory_more(void *list, size_t *room, size_t item)
{
    *room = *room ? *room * 2 : 64;
    return memory_grow(list, *room * item);
}

char *buffer_grow(struct buffer *b, size_t more)
{
    size_t room = b->room ? b->room : 256;

    while (room < b->size + more)
        room *= 2;
    b->at = memory_grow(b->at, room);
    b->room = room;
    return b->at + b->size;
}

/* Two digits a division. */
void buffer_add_int(struct buffer *b, int64_t number)
{
    static const char pairs[] =
        "00010203040506070809101112131415161718192021222324252627282930313233"
        "34353637383940414243444546474849505152535455565758596061626364656667"
        "6869707172737475767778798081828384858687888990919293949596979899";
    char digits[24], *at = digits + sizeof digits;
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;

    for (; rest >= 10; rest /= 100)
        at = memcpy(at - 2, pairs + rest % 100 * 2, 2);
    if (rest || at == digits + sizeof digits)
        *--at = (char)('0' + rest);
    if (number < 0)
        *--at = '-';
    buffer_add(b, at, (size_t)(digits + sizeof digits - at));
}

void buffer_empty(struct buffer *b, size_t keep_bytes)
{
    if (b->room > keep_bytes)
        buffer_free(b);
    b->size = 0;
}

void buffer_free(struct buffer *b)
{
    free(b->at);
    *b = (struct buffer){0};
}
