/* Fuzzes wire_decode: the first three bytes are the payload's size, the rest is a header.  What is
 * accepted must survive encoding and decoding again, byte for byte; what is refused is explained in
 * words that can be sent. */
#include "proto/wire.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_same(const struct wire_message *m, size_t payload_size)
{
    struct buffer once = {0}, twice = {0};
    struct arena arena = {0};
    struct wire_message again;

    wire_encode(m, &once);
    bool same = wire_decode(buffer_slice(&once), payload_size, &arena, &again) == 0;
    if (same)
        wire_encode(&again, &twice);
    same = same && slice_equal(buffer_slice(&once), buffer_slice(&twice));
    arena_free(&arena);
    buffer_free(&once);
    buffer_free(&twice);
    return same;
}

static bool is_explained(struct slice header, size_t payload_size, struct arena *arena)
{
    char reason[WIRE_REASON] = "";

    wire_explain(header, payload_size, arena, reason);
    return *reason && utf8_valid(slice_of(reason));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct wire_message m;

    if (size < 3)
        return 0;
    size_t payload_size = (size_t)data[0] << 16 | (size_t)data[1] << 8 | data[2];
    struct slice header = slice_make(data + 3, size - 3);
    int err = wire_decode(header, payload_size, &arena, &m);
    if (err == 0 && m.kind != WIRE_UNKNOWN && !is_same(&m, payload_size))
        abort();
    if (err < 0 && !is_explained(header, payload_size, &arena))
        abort();
    arena_free(&arena);
    return 0;
}
