/* Fuzzes the bounded check and the reader: whatever passes can be read to its end, is what
 * msgpack-c makes of it, and is text when said in JSON; whatever msgpack-c accepts passes, too,
 * unless it is too deep or no UTF-8. */
#include "proto/pack.h"

#include <assert.h>
#include <msgpack.h>

#include "proto/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Steps through with one kind of read after the other, as the bytes themselves decide. */
static void read_all(struct slice bytes)
{
    struct pack_reader r;

    if (pack_read(bytes, &r) < 0)
        return;
    while (!r.failed && r.rest.size > 0) {
        struct pack_reader next = r;
        switch ((unsigned char)*r.rest.at % 5) {
        case 0:
            pack_read_array(&next);
            break;
        case 1:
            pack_read_int(&next);
            break;
        case 2:
            pack_read_uint(&next);
            break;
        case 3:
            pack_read_bool(&next);
            break;
        case 4:
            pack_read_str(&next);
            break;
        }
        if (next.failed)
            pack_skip(&r);
        else
            r = next;
    }
    assert(!r.failed); /* what passed the check can be skipped */
}

/* The reader's next value is the object; maps and the like it only passes over. */
static bool is_same(struct pack_reader *r, const msgpack_object *o)
{
    switch (o->type) {
    case MSGPACK_OBJECT_BOOLEAN:
        return pack_read_bool(r) == o->via.boolean && !r->failed;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        return pack_read_uint(r) == o->via.u64 && !r->failed;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        return pack_read_int(r) == o->via.i64 && !r->failed;
    case MSGPACK_OBJECT_STR:
        return slice_equal(pack_read_str(r), slice_make(o->via.str.ptr, o->via.str.size)) &&
               !r->failed;
    case MSGPACK_OBJECT_BIN:
        pack_skip(r); /* what it leaves begins right behind the bytes */
        return !r->failed && slice_equal(slice_make(r->rest.at - o->via.bin.size, o->via.bin.size),
                                         slice_make(o->via.bin.ptr, o->via.bin.size));
    case MSGPACK_OBJECT_ARRAY:
        if (pack_read_array(r) != o->via.array.size)
            return false;
        for (uint32_t i = 0; i < o->via.array.size; i++)
            if (!is_same(r, &o->via.array.ptr[i]))
                return false;
        return !r->failed;
    default:
        pack_skip(r);
        return !r->failed;
    }
}

/* Why an object that msgpack-c accepts may be refused: too many containers in each other (`depth`
 * are around it), or text that is none. */
static bool may_be_refused(const msgpack_object *o, unsigned depth)
{
    bool refused = false;

    if (o->type == MSGPACK_OBJECT_STR)
        return !utf8_valid(slice_make(o->via.str.ptr, o->via.str.size));
    if (o->type != MSGPACK_OBJECT_ARRAY && o->type != MSGPACK_OBJECT_MAP)
        return false;
    if (depth == PACK_DEPTH)
        return true;
    for (uint32_t i = 0; o->type == MSGPACK_OBJECT_ARRAY && i < o->via.array.size; i++)
        refused |= may_be_refused(&o->via.array.ptr[i], depth + 1);
    for (uint32_t i = 0; o->type == MSGPACK_OBJECT_MAP && i < o->via.map.size; i++)
        refused |= may_be_refused(&o->via.map.ptr[i].key, depth + 1) ||
                   may_be_refused(&o->via.map.ptr[i].val, depth + 1);
    return refused;
}

/* `whole`: the size of the first object, 0 when the check has refused it. */
static void compare(struct slice bytes, size_t whole)
{
    msgpack_unpacked unpacked;
    msgpack_unpack_return result;
    struct pack_reader r;
    size_t end = 0;

    msgpack_unpacked_init(&unpacked);
    result = msgpack_unpack_next(&unpacked, bytes.at, bytes.size, &end);
    if (whole) {
        assert(result == MSGPACK_UNPACK_SUCCESS && end == whole);
        int error = pack_read(slice_make(bytes.at, whole), &r);
        assert(error == 0 && is_same(&r, &unpacked.data));
    } else if (result == MSGPACK_UNPACK_SUCCESS) {
        assert(may_be_refused(&unpacked.data, 0));
    }
    msgpack_unpacked_destroy(&unpacked);
}

/* Counts of 32 bits: msgpack-c makes room for as many before it looks for them. */
static bool asks_for_much(struct slice bytes)
{
    return bytes.size == 0 || memchr(bytes.at, 0xdd, bytes.size) ||
           memchr(bytes.at, 0xdf, bytes.size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = slice_make(data, size);
    struct buffer text = {0};
    struct refusal why;
    size_t first = 0;

    if (json_from_event(bytes, &text) == 0)
        assert(text.size > 0 && utf8_valid(buffer_slice(&text)));
    else
        assert(text.size == 0);
    buffer_free(&text);

    if (pack_check(bytes, &first, &why) == 0) {
        assert(first >= 1 && first <= size);
        struct slice rest = bytes;
        assert(pack_pass_over(&rest, 1) && rest.size == size - first);
        read_all(slice_make(data, first));
        compare(bytes, first);
    } else {
        struct slice rest = bytes;
        assert(why.code != REFUSAL_NONE && why.reason[0]);
        assert(pack_pass_over(&rest, 3) || rest.size == size);
        if (!asks_for_much(bytes))
            compare(bytes, 0);
    }
    return 0;
}
