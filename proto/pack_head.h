/* The first bytes of msgpack values, and the check of one value within others: what pack.c and
 * the decoder of events share.  Used by these two alone. */
#ifndef PROTO_PACK_HEAD_H
#define PROTO_PACK_HEAD_H

#include "proto/pack.h"

/* A value as far as it has a fixed size. */
struct head {
    uint64_t number; /* the value; of str, bin and ext the bytes that follow, else the items */
    uint8_t kind;    /* enum pack_kind */
    uint8_t size;    /* bytes of the head itself */
};

/* The same for the forms of more than one byte, and for no bytes at all. */
bool head_read_long(struct slice bytes, struct head *ret);

/* False when there is no whole head at the start of `bytes`.  Most heads are of one byte, which
 * holds their number. */
static inline bool head_read(struct slice bytes, struct head *ret)
{
    unsigned char c = bytes.size ? (unsigned char)bytes.at[0] : 0xc1;

    if (c < 0x80)
        *ret = (struct head){c, PACK_UINT, 1};
    else if (c >= 0xa0 && c < 0xc0)
        *ret = (struct head){c & 0x1f, PACK_STR, 1};
    else if (c < 0xa0)
        *ret = (struct head){c & 0x0f, c < 0x90 ? PACK_MAP : PACK_ARRAY, 1};
    else if (c >= 0xe0)
        *ret = (struct head){(uint64_t)(int8_t)c, PACK_INT, 1};
    else
        return head_read_long(bytes, ret);
    return true;
}

/* Takes one value with all that it contains off *rest, by the rules of pack_check; `depth`
 * containers are around it.  Refused, *rest is anywhere. */
int pack_pass(struct slice *rest, unsigned depth, struct refusal *why);

#endif
