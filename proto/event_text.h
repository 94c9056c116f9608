/* What the texts of an event may look like, byte by byte.  All take valid UTF-8. */
#ifndef PROTO_EVENT_TEXT_H
#define PROTO_EVENT_TEXT_H

#include "proto/bytes.h"

/* True when all eight bytes of the word are printable ASCII before '{': x + 5 sets the high bit of
 * '{' and all above, and (x - 0x20) & ~x that of some byte if one is below a space. */
static inline bool eight_are_plain(uint64_t x)
{
    const uint64_t each = 0x0101010101010101;

    return ((x | (x + 5 * each) | ((x - 0x20 * each) & ~x)) & (0x80 * each)) == 0;
}

/* True when all bytes are such, as in most texts there are: it is UTF-8 then, and can be an
 * identifier but for spaces at its ends.  Looked at in words, of which the last may overlap the one
 * before. */
static inline bool text_is_plain(struct slice text)
{
    uint64_t eight = 0;
    uint32_t first, last;

    if (text.size >= sizeof eight) {
        for (size_t i = 0; i + sizeof eight < text.size; i += sizeof eight) {
            memcpy(&eight, text.at + i, sizeof eight);
            if (!eight_are_plain(eight))
                return false;
        }
        memcpy(&eight, text.at + text.size - sizeof eight, sizeof eight);
        return eight_are_plain(eight);
    }
    if (text.size >= sizeof first) {
        memcpy(&first, text.at, sizeof first);
        memcpy(&last, text.at + text.size - sizeof last, sizeof last);
        return eight_are_plain((uint64_t)first << 32 | last);
    }
    for (size_t i = 0; i < text.size; i++)
        if (text.at[i] < ' ' || text.at[i] > 'z')
            return false;
    return true;
}

/* NULL if the text, of at least one byte, can be an identifier; else what is wrong with it. */
const char *identifier_fault(struct slice text);

/* [a-z0-9][a-z0-9-]{0,31}: themes and groups. */
bool token_is_small(struct slice text);

/* [A-Za-z0-9][A-Za-z0-9_-]{0,31}: a ballot's kind. */
bool token_is_kind(struct slice text);

#endif
