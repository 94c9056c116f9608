/* Fuzzes what `turnout publish` reads: lines off a file, and each of them from JSON to an event.
 * The lines are those that a split of the whole text gives; what is accepted is sound.
 *
 * The first byte is the most that a line may have, 0 for the command's own limit. */
#include "proto/error.h"
#include "proto/event.h"
#include "proto/json.h"
#include "proto/pack.h"
#include "workers/cli/lines.h"

#include <assert.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PIPE_BYTES 65536 /* a pipe takes so much without a reader */

static void event_from(struct slice line)
{
    static struct event_decoder *decoder;
    struct buffer packed = {0};
    struct refusal why = {0};
    struct event e;
    size_t whole = 0;

    if (!decoder)
        decoder = event_decoder_new();
    if (json_to_event(line, &packed, &why) < 0) {
        assert(why.code != REFUSAL_NONE && why.reason[0] && packed.size == 0);
    } else {
        int result = pack_check(buffer_slice(&packed), &whole, &why);
        assert(result == 0 && whole == packed.size);
        if (event_decode(decoder, buffer_slice(&packed), EVENT_ANY_TIME, &e, &why) < 0)
            assert(why.code != REFUSAL_NONE && why.reason[0]);
    }
    event_decoder_reset(decoder);
    buffer_free(&packed);
}

/* The next line by a plain split of what is left; false at the end. */
static bool split(struct slice *rest, size_t most, struct slice *ret)
{
    const char *end = rest->size ? memchr(rest->at, '\n', rest->size) : NULL;
    size_t size = end ? (size_t)(end - rest->at) : rest->size;

    if (rest->size == 0)
        return false;
    *ret = slice_make(rest->at, size > most ? most + 1 : size);
    *rest = slice_make(rest->at + size + (end ? 1 : 0), rest->size - size - (end ? 1 : 0));
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest, expected, line;
    struct lines lines;
    size_t most;
    int ends[2], result;

    if (size == 0 || size > PIPE_BYTES || pipe(ends) < 0)
        return 0;
    rest = slice_make(data + 1, size - 1);
    most = data[0] ? data[0] : JSON_MAX_LINE;
    result = write(ends[1], rest.at, rest.size) == (ssize_t)rest.size;
    assert(result);
    close(ends[1]);
    lines_open(&lines, ends[0], most);
    while ((result = lines_next(&lines, 1000, &line)) == 1) {
        bool more = split(&rest, most, &expected);
        assert(more && slice_equal(line, expected));
        event_from(line);
    }
    assert(result == 0 && rest.size == 0);
    lines_close(&lines);
    close(ends[0]);
    return 0;
}
