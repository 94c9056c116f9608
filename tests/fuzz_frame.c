/* Fuzzing the write-ahead log: whatever stands there ends, and gives commits in their order, in
 * frames that are written again as they were. */
#include "broker/frame.h"
#include "proto/error.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Blocks are too large for a fuzzer to fill: each has so many bytes of the input, then zeros. */
#define EACH 128

static char value[FRAME_FIRST + FRAME_LOG_LEAST];

static void blocks_fill(const uint8_t *data, size_t size)
{
    memset(value, 0, sizeof value);
    for (size_t n = 0; n * EACH < size && n < FRAME_LOG_LEAST / FRAME_BLOCK; n++)
        memcpy(value + FRAME_FIRST + n * FRAME_BLOCK, data + n * EACH,
               size - n * EACH < EACH ? size - n * EACH : EACH);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct frame_log log = {.salt = 1, .bytes = FRAME_LOG_LEAST}, other;
    struct slice whole = slice_make(value, sizeof value), entries;
    struct buffer again = {0};
    struct frame_scan s;
    uint64_t commit = 0;

    frame_head_decode(slice_make((const char *)data, size), &other);
    blocks_fill(data, size);
    frame_head_encode(&log, value);
    s = frame_scan_begin(whole, &log, commit);
    while (frame_next(&s, &entries) == 0) {
        frame_encode(log.salt, ++commit, entries, &again);
        if (s.commit != commit || memcmp(again.at, s.blocks.at + s.at, 32 + entries.size) != 0)
            abort();
    }
    buffer_free(&again);
    return 0;
}
