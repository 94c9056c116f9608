/* An address from anybody: refused, or taken apart into plain text; put together again it means the
 * same; and written as HTML none of it leaves the quotes. */
#include "proto/error.h"
#include "workers/web/html.h"
#include "workers/web/request.h"
#include "workers/web/route.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_again(const struct request *r, struct arena *arena)
{
    struct slice address = request_with(r, arena, "added", slice_of("a&b=c #%\"<"));
    struct request again;

    if (address.size > REQUEST_ADDRESS || r->param_count == REQUEST_PARAMS)
        return; /* by the coding of characters that came plain */
    int error = request_parse(address, arena, &again);
    assert(error == 0);
    assert(slice_equal(again.path, r->path));
    assert(slice_is(request_param(&again, "added"), "a&b=c #%\"<"));
}

static void check_html(struct slice text)
{
    struct buffer out = {0};
    struct html h = {.out = &out};

    html_attr(&h, "a", text);
    for (size_t i = 4; i + 1 < out.size; i++)
        assert(out.at[i] != '"' && out.at[i] != '<' && out.at[i] != '>' && out.at[i] != '\n');
    assert(utf8_valid(buffer_slice(&out)));
    buffer_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct request r;
    struct destination to;
    struct slice bytes = slice_make(data, size);

    if (request_parse(bytes, &arena, &r) == 0) {
        assert(utf8_valid(r.path) && r.path.at[0] == '/');
        if (route_find(&r, false, &to))
            check_html(to.subject.at ? to.subject : slice_of(""));
        check_again(&r, &arena);
    }
    check_html(bytes);
    (void)lang_accepted(bytes);
    arena_free(&arena);
    return 0;
}
