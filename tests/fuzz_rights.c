/* Rights files from any text: rights within their bounds, or a sentence; and nobody gets a right
 * that his section does not give. */
#include "proto/error.h"
#include "proto/rights.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void right_is_sound(const struct rights *all, const struct right *r)
{
    const struct right *found = rights_of_key(all, slice_of(r->key));

    assert(found == r && key_is_hex(slice_of(r->key)) && name_is_plain(slice_of(r->name)));
    assert(r->may == MAY_PUBLISH || r->may == MAY_WORK || r->may == MAY_WATCH);
    assert(r->rate >= 0 && r->rate <= RIGHTS_RATE_MOST);
    assert(r->committee_count <= RIGHTS_COMMITTEES);
    assert(!r->participants || r->may == MAY_WATCH);
    assert(!slice_is(slice_of(r->source), "local"));
    for (size_t i = 0; i < r->committee_count; i++)
        assert(utf8_valid(r->committees[i].text));
}

/* An event of each type, of a committee that only a star alone would let through. */
static void right_is_kept(const struct right *r)
{
    for (int type = 0; type < EVENT_TYPES; type++) {
        struct event e = {.type = (enum event_type)type, .committee = slice_of("~")};
        struct refusal why = {0};
        if (right_check(r, &e, &why) == 0)
            assert(r->types & 1u << type);
        else
            assert(why.code != REFUSAL_NONE && why.reason[0]);
    }
}

static void outlines_are_sound(struct slice text)
{
    struct settings s = {text, 0};
    struct rights_outline o;
    const char *before = text.at;

    while (rights_outline_next(&s, &o)) {
        assert(o.begin > before && o.begin <= text.at + text.size);
        assert(o.name.at >= before && o.name.at + o.name.size < o.begin);
        before = o.begin;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rights *rights = NULL;
    char error[200] = "";
    int result = rights_parse(slice_make(data, size), &rights, error, sizeof error);

    if (result < 0) {
        assert(result == ERR_CONFIG && error[0] && strlen(error) < sizeof error && !rights);
        outlines_are_sound(slice_make(data, size));
        return 0;
    }
    assert(rights_take_away(rights, slice_make(data, size)) == 0); /* nothing but what it says */
    for (size_t i = 0; i < rights_count(rights); i++) {
        right_is_sound(rights, rights_at(rights, i));
        right_is_kept(rights_at(rights, i));
    }
    rights_free(rights);
    return 0;
}
