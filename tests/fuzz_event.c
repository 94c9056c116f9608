/* Fuzzes the decoder of events: what it accepts is within all bounds, what it refuses has a code
 * and a reason; and where the bytes themselves are broken, it says so in the words of pack_check.
 */
#include "proto/event.h"

#include <assert.h>

#include "proto/pack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW_MS 1772366400000

static bool within(struct slice inner, struct slice outer)
{
    return !inner.at || (inner.at >= outer.at && inner.at + inner.size <= outer.at + outer.size);
}

static void event_is_sound(const struct event *e)
{
    assert(e->type < EVENT_TYPES && e->rev >= 0 && e->comments >= 0);
    assert(e->time_ms >= TIME_EARLIEST_MS && e->time_ms <= NOW_MS + EVENT_AHEAD_MS);
    assert(e->id.size >= 1 && e->id.size <= EVENT_MAX_ID && within(e->id, e->raw));
    assert(event_partition_key(e).size >= 1);
    assert(within(event_partition_key(e), e->raw));
    assert(e->title.size <= EVENT_MAX_TEXT && within(e->title, e->raw));
    assert(within(e->ballot, e->raw) && within(e->participant, e->raw));
    assert(e->token_count <= EVENT_MAX_LIST && e->sdgs < 1 << 18);
    for (uint32_t i = 0; i < e->token_count; i++)
        assert(within(e->tokens[i], e->raw));
    assert(event_partition(e, 8) < 8);
}

/* What pack_check says of the bytes that the decoder accepted (`size` of them) or not (0). */
static void bytes_are_judged(struct slice bytes, size_t size, const struct refusal *why)
{
    struct refusal of_bytes = {0};
    size_t whole = 0;

    if (pack_check(bytes, &whole, &of_bytes) == 0)
        assert(size == 0 || size == whole);
    else
        assert(size == 0 && why->code == of_bytes.code &&
               strcmp(why->reason, of_bytes.reason) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct event_decoder *decoder;
    struct slice rest = slice_make(data, size);
    struct refusal why = {0};
    struct event e;

    if (!decoder)
        decoder = event_decoder_new();
    while (event_next(decoder, &rest, NOW_MS, &e, &why) == 0) {
        struct event again;
        event_is_sound(&e);
        bytes_are_judged(e.raw, e.raw.size, NULL);
        assert(event_decode(decoder, e.raw, NOW_MS, &again, &why) == 0);
    }
    assert(why.code != REFUSAL_NONE && why.reason[0]);
    bytes_are_judged(rest, 0, &why);
    event_decoder_reset(decoder);
    return 0;
}
