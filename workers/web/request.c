/* Requests; see request.h. */
#include "workers/web/request.h"

#include "proto/error.h"
#include "workers/web/html.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool plain_text(struct slice text)
{
    const char *at = text.at, *end = text.at + text.size;

    if (!utf8_valid(text))
        return false;
    while (at < end)
        if (char_is_control(utf8_next(&at)))
            return false;
    return true;
}

static int decode(struct slice text, bool query, struct arena *arena, struct slice *ret)
{
    char *to = arena_need(arena, text.size + 1);
    size_t size = 0;

    for (size_t i = 0; i < text.size; i++) {
        char c = text.at[i];
        if (c == '%') {
            int high = i + 2 < text.size ? hex_digit(text.at[i + 1]) : -1;
            int low = high >= 0 ? hex_digit(text.at[i + 2]) : -1;
            if (low < 0)
                return ERR_PROTOCOL;
            c = (char)(high << 4 | low);
            i += 2;
        } else if (c == '+' && query) {
            c = ' ';
        }
        to[size++] = c;
    }
    *ret = slice_make(to, size);
    return plain_text(*ret) ? 0 : ERR_PROTOCOL;
}

static int param_add(struct request *r, struct slice pair, struct arena *arena)
{
    struct slice name, value = pair;
    struct request_param *p = &r->params[r->param_count];
    int error;

    if (pair.size == 0)
        return 0;
    if (r->param_count == REQUEST_PARAMS)
        return ERR_PROTOCOL;
    if (!slice_cut(&value, '=', &name)) {
        name = pair;
        value = slice_make("", 0);
    }
    error = decode(name, true, arena, &p->name);
    if (error == 0)
        error = decode(value, true, arena, &p->value);
    if (error == 0)
        r->param_count++;
    return error;
}

int request_parse(struct slice address, struct arena *arena, struct request *ret)
{
    struct slice query, path = address, pair;
    int error;

    *ret = (struct request){.address = address};
    if (address.size == 0 || address.size > REQUEST_ADDRESS || address.at[0] != '/')
        return ERR_PROTOCOL;
    query = address;
    if (slice_cut(&query, '?', &pair))
        path = pair;
    else
        query = slice_make("", 0);
    error = decode(path, false, arena, &ret->path);
    while (error == 0 && query.size) {
        if (!slice_cut(&query, '&', &pair)) {
            pair = query;
            query = slice_make("", 0);
        }
        error = param_add(ret, pair, arena);
    }
    return error;
}

struct slice request_param(const struct request *r, const char *name)
{
    for (size_t i = 0; i < r->param_count; i++)
        if (slice_is(r->params[i].name, name))
            return r->params[i].value;
    return (struct slice){0};
}

static void add_param(struct buffer *out, bool *first, struct slice name, struct slice value)
{
    buffer_add_text(out, *first ? "?" : "&");
    *first = false;
    url_add(out, name, true);
    buffer_add_text(out, "=");
    url_add(out, value, true);
}

struct slice request_with(const struct request *r, struct arena *arena, const char *name,
                          struct slice value)
{
    struct buffer out = {0};
    struct slice copy;
    bool first = true;

    url_add(&out, r->path, false);
    for (size_t i = 0; i < r->param_count; i++) {
        struct slice old = r->params[i].name;
        if (!slice_is(old, name) && !slice_is(old, "lang") && !slice_is(old, "part"))
            add_param(&out, &first, old, r->params[i].value);
    }
    if (value.at)
        add_param(&out, &first, slice_of(name), value);
    copy = arena_copy(arena, buffer_slice(&out));
    buffer_free(&out);
    return copy;
}
