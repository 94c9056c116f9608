/* Fuzzes the way from a line of JSON to an event: what comes out is always sound msgpack, and the
 * way back leads to the same bytes again. */
#include "proto/json.h"

#include <assert.h>

#include "proto/event.h"
#include "proto/pack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void go_back(struct slice event)
{
    struct buffer text = {0}, again = {0};
    struct refusal why;

    assert(json_from_event(event, &text) == 0);
    if (text.size <= JSON_MAX_LINE) {
        assert(json_to_event(buffer_slice(&text), &again, &why) == 0);
        assert(slice_equal(buffer_slice(&again), event));
    }
    buffer_free(&text);
    buffer_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct event_decoder *decoder;
    struct buffer out = {0};
    struct refusal why = {0};
    struct event e;
    size_t whole = 0;

    if (!decoder)
        decoder = event_decoder_new();
    if (json_to_event(slice_make(data, size), &out, &why) < 0) {
        assert(why.code != REFUSAL_NONE && why.reason[0] && out.size == 0);
    } else {
        assert(pack_check(buffer_slice(&out), &whole, &why) == 0 && whole == out.size);
        go_back(buffer_slice(&out));
        (void)event_decode(decoder, buffer_slice(&out), EVENT_ANY_TIME, &e, &why);
    }
    event_decoder_reset(decoder);
    buffer_free(&out);
    return 0;
}
