/* Slices and buffers: the two shapes in which bytes travel through turnout.
 *
 * A slice is a view: it owns nothing and is good only as long as what it points
 * into.  A buffer owns its bytes and grows.  Out of memory ends the process with
 * a message: every daemon here is built to be killed at any point, so a crash is
 * the one answer that is already tested. */
#ifndef PROTO_BYTES_H
#define PROTO_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const char *at; /* NULL: absent, which differs from empty */
    size_t size;
};

static inline struct slice slice_make(const void *at, size_t size)
{
    return (struct slice){at, size};
}

static inline struct slice slice_of(const char *text)
{
    return (struct slice){text, strlen(text)};
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.size == b.size && (a.size == 0 || a.at == b.at || memcmp(a.at, b.at, a.size) == 0);
}

static inline bool slice_is(struct slice a, const char *text)
{
    return slice_equal(a, slice_of(text));
}

static inline bool slice_begins(struct slice a, const char *text)
{
    struct slice start = slice_of(text);

    return a.size >= start.size && slice_equal(slice_make(a.at, start.size), start);
}

static inline bool slice_ends(struct slice a, const char *text)
{
    struct slice end = slice_of(text);

    return a.size >= end.size && slice_equal(slice_make(a.at + a.size - end.size, end.size), end);
}

/* Take `start` or `end` off *rest; false, and *rest as it was, when it does not begin or end so. */
static inline bool slice_cut_begin(struct slice *rest, struct slice start)
{
    if (rest->size < start.size || !slice_equal(slice_make(rest->at, start.size), start))
        return false;
    *rest = slice_make(rest->at + start.size, rest->size - start.size);
    return true;
}

static inline bool slice_cut_end(struct slice *rest, struct slice end)
{
    size_t left = rest->size - end.size;

    if (rest->size < end.size || !slice_equal(slice_make(rest->at + left, end.size), end))
        return false;
    rest->size = left;
    return true;
}

/* Byte order; of two that agree as far as the shorter goes, the longer is greater. */
int slice_compare(struct slice a, struct slice b);

/* A decimal int64 without sign tricks, leading zeros or spaces: true when all of it is one. */
bool slice_to_int(struct slice text, int64_t *ret);

/* Takes the bytes up to `end` (which is skipped) off the front of *rest; false when none is there.
 */
bool slice_cut(struct slice *rest, char end, struct slice *ret);

/* True when the bytes are UTF-8 by RFC 3629: no overlong forms, no surrogates, nothing above
 * U+10FFFF. */
bool utf8_valid(struct slice text);

/* Decodes one code point of valid UTF-8 at *at and moves past it. */
uint32_t utf8_next(const char **at);

/* C0, DEL and C1, and U+2028 and U+2029, which break lines in many programs. */
bool char_is_control(uint32_t c);

/* What turns the direction of writing, or cannot be seen and joins or hides things. */
bool char_misleads(uint32_t c);

struct buffer {
    char *at;
    size_t size, room;
};

/* For programs that work in rounds, to be called before their first thread: all threads have one
 * heap, which keeps up to 64 MiB of what a round frees for the next, and begins with 56 MiB on huge
 * pages where the system gives them to who asks.  Else memory would be faulted in by the 4 KiB, and
 * again each round. */
void memory_keep(void);

/* So much of that heap is there from now on, until memory_trim, instead of when it is used first:
 * under load that would come at the worst time.  Where the system cannot (Linux before 5.14, or for
 * want of memory), it comes then. */
void memory_touch(size_t bytes);

/* Gives all that is free back to the system, and begins with a heap of that kind again. */
void memory_trim(void);

/* malloc, calloc and realloc that never return NULL. */
void *memory_need(size_t size);
void *memory_zeroed(size_t size);
void *memory_grow(void *old, size_t size);

/* The list, with room for an item more than the `count` that it has; `room`, in items, grows
 * twofold. */
void *memory_more(void *list, size_t *room, size_t item); /* memory_room's slow half */
static inline void *memory_room(void *list, size_t count, size_t *room, size_t item)
{
    return count < *room ? list : memory_more(list, room, item);
}

/* Makes room for `more` bytes behind the present ones and returns where they go; the caller
 * adds to `size` what it wrote. */
char *buffer_grow(struct buffer *b, size_t more); /* buffer_room's slow half */
static inline char *buffer_room(struct buffer *b, size_t more)
{
    return b->at && more <= b->room - b->size ? b->at + b->size : buffer_grow(b, more);
}

static inline void buffer_add(struct buffer *b, const void *bytes, size_t size)
{
    if (size == 0)
        return;
    memcpy(buffer_room(b, size), bytes, size);
    b->size += size;
}

static inline void buffer_add_slice(struct buffer *b, struct slice s)
{
    buffer_add(b, s.at, s.size);
}

static inline void buffer_add_text(struct buffer *b, const char *text)
{
    buffer_add(b, text, strlen(text));
}

void buffer_add_int(struct buffer *b, int64_t number);

/* Empty again; gives back its memory when that is more than `keep_bytes`. */
void buffer_empty(struct buffer *b, size_t keep_bytes);
void buffer_free(struct buffer *b);

static inline void buffer_clear(struct buffer *b)
{
    b->size = 0;
}

static inline struct slice buffer_slice(const struct buffer *b)
{
    return (struct slice){b->at, b->size};
}

#endif
