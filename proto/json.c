/* JSON Lines to events, by jansson, and back, by hand; see json.h.
 *
 * The happy path: one line is parsed whole, and its object is written out as msgpack in the order
 * of its keys.  What can fail is the line; jansson's error codes are mapped to refusals here, and
 * the key that it stumbled over is read off the line, as jansson itself tells only a position. */
#include "proto/json.h"

#include "proto/error.h"
#include "proto/pack.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>

/* The end of the text before `end` without white space. */
static size_t back_over_space(struct slice line, size_t end)
{
    while (end > 0 && memchr(" \t\r\n", line.at[end - 1], 4))
        end--;
    return end;
}

/* The string whose closing quote is the last byte before `end`, without its quotes; empty if there
 * is none.  A quote behind a backslash belongs to the string. */
static struct slice string_before(struct slice line, size_t end)
{
    size_t first;

    if (end < 2 || line.at[end - 1] != '"')
        return slice_make(NULL, 0);
    for (first = end - 1; first > 0; first--)
        if (line.at[first - 1] == '"' && (first < 2 || line.at[first - 2] != '\\'))
            return slice_make(line.at + first, end - 1 - first);
    return slice_make(NULL, 0);
}

/* The key of the number that ends before `end`, alone or in a list of numbers; else empty. */
static struct slice key_of_number(struct slice line, size_t end)
{
    while (end > 0 && memchr("+-.0123456789eE, \t", line.at[end - 1], 18))
        end--;
    if (end > 0 && line.at[end - 1] == '[')
        end = back_over_space(line, end - 1);
    if (end == 0 || line.at[end - 1] != ':')
        return slice_make(NULL, 0);
    return string_before(line, back_over_space(line, end - 1));
}

static int refuse_json(struct refusal *why, struct slice line, const json_error_t *error)
{
    const struct slice none = {NULL, 0};
    size_t at = error->position < 0 ? 0 : (size_t)error->position;

    at = at < line.size ? at : line.size;
    switch (json_error_code(error)) {
    case json_error_invalid_utf8:
        return refusal_set(why, REFUSAL_BAD_UTF8, none, "text that is not UTF-8, at byte %zu", at);
    case json_error_duplicate_key:
        return refusal_set(why, REFUSAL_DUPLICATE_KEY, string_before(line, at),
                           "the key is there more than once");
    case json_error_numeric_overflow:
        return refusal_set(why, REFUSAL_OUT_OF_RANGE, key_of_number(line, at),
                           "a number beyond 64 bits");
    default:
        return refusal_set(why, REFUSAL_BAD_JSON, none, "%s, at column %d", error->text,
                           error->column);
    }
}

/* False when containers nest deeper than pack_check will allow. */
static bool pack_json(struct buffer *out, json_t *value, int depth);

static bool pack_object(struct buffer *out, json_t *object, int depth)
{
    pack_map(out, (uint32_t)json_object_size(object));
    for (void *i = json_object_iter(object); i; i = json_object_iter_next(object, i)) {
        pack_str(out, slice_make(json_object_iter_key(i), json_object_iter_key_len(i)));
        if (!pack_json(out, json_object_iter_value(i), depth))
            return false;
    }
    return true;
}

static bool pack_list(struct buffer *out, json_t *list, int depth)
{
    pack_array(out, (uint32_t)json_array_size(list));
    for (size_t i = 0; i < json_array_size(list); i++)
        if (!pack_json(out, json_array_get(list, i), depth))
            return false;
    return true;
}

static bool pack_json(struct buffer *out, json_t *value, int depth)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return depth < PACK_DEPTH && pack_object(out, value, depth + 1);
    case JSON_ARRAY:
        return depth < PACK_DEPTH && pack_list(out, value, depth + 1);
    case JSON_STRING:
        pack_str(out, slice_make(json_string_value(value), json_string_length(value)));
        break;
    case JSON_INTEGER:
        pack_int(out, json_integer_value(value));
        break;
    case JSON_REAL:
        pack_double(out, json_real_value(value));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        pack_bool(out, json_is_true(value));
        break;
    case JSON_NULL:
        pack_nil(out);
        break;
    }
    return true;
}

int json_to_event(struct slice line, struct buffer *out, struct refusal *why)
{
    const struct slice none = {NULL, 0};
    size_t before = out->size;
    json_error_t error;
    int r = 0;

    if (line.size > JSON_MAX_LINE)
        return refusal_set(why, REFUSAL_TOO_LARGE, none, "a line of %zu bytes; expected at most %d",
                           line.size, JSON_MAX_LINE);
    json_t *whole = json_loadb(line.size ? line.at : "", line.size,
                               JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (!whole)
        return refuse_json(why, line, &error);
    if (!json_is_object(whole))
        r = refusal_set(why, REFUSAL_BAD_JSON, none, "expected an object");
    else if (!pack_json(out, whole, 0))
        r = refusal_set(why, REFUSAL_BAD_JSON, none, "values nested more than %d deep", PACK_DEPTH);
    json_decref(whole);
    if (r < 0)
        out->size = before;
    return r;
}

/* ---- and back ---- */

void json_add_text(struct buffer *out, struct slice text)
{
    const char *at = text.at, *end = text.at + text.size;
    char escape[8];

    buffer_add(out, "\"", 1);
    while (text.size && at < end) {
        const char *start = at;
        uint32_t c = utf8_next(&at);
        if (char_is_control(c)) {
            snprintf(escape, sizeof escape, "\\u%04x", (unsigned)c);
            buffer_add_text(out, escape);
        } else {
            if (c == '"' || c == '\\')
                buffer_add(out, "\\", 1);
            buffer_add(out, start, (size_t)(at - start));
        }
    }
    buffer_add(out, "\"", 1);
}

/* So that it is read as the same number again, and not as an integer. */
static bool add_double(struct buffer *out, double value)
{
    char text[32];

    snprintf(text, sizeof text, "%.17g", value);
    buffer_add_text(out, text);
    if (!strpbrk(text, ".e"))
        buffer_add_text(out, ".0");
    return isfinite(value);
}

static bool add_uint(struct buffer *out, uint64_t number)
{
    char text[32];

    snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    buffer_add_text(out, text);
    return true;
}

static bool add_value(struct buffer *out, struct pack_reader *r);

static bool add_list(struct buffer *out, struct pack_reader *r)
{
    uint32_t count = pack_read_array(r);

    buffer_add(out, "[", 1);
    for (uint32_t i = 0; i < count; i++) {
        buffer_add(out, ",", i > 0);
        if (!add_value(out, r))
            return false;
    }
    buffer_add(out, "]", 1);
    return true;
}

static bool add_map(struct buffer *out, struct pack_reader *r)
{
    uint32_t count = pack_read_map(r);

    buffer_add(out, "{", 1);
    for (uint32_t i = 0; i < count; i++) {
        buffer_add(out, ",", i > 0);
        if (pack_peek(r) != PACK_STR)
            return false;
        json_add_text(out, pack_read_str(r));
        buffer_add(out, ":", 1);
        if (!add_value(out, r))
            return false;
    }
    buffer_add(out, "}", 1);
    return true;
}

/* False for what JSON cannot say.  Nests no deeper than pack_read has allowed. */
static bool add_value(struct buffer *out, struct pack_reader *r)
{
    switch (pack_peek(r)) {
    case PACK_NIL:
        pack_skip(r);
        buffer_add_text(out, "null");
        return true;
    case PACK_BOOL:
        buffer_add_text(out, pack_read_bool(r) ? "true" : "false");
        return true;
    case PACK_UINT:
        return add_uint(out, pack_read_uint(r));
    case PACK_INT:
        buffer_add_int(out, pack_read_int(r));
        return true;
    case PACK_FLOAT:
        return add_double(out, pack_read_double(r));
    case PACK_STR:
        json_add_text(out, pack_read_str(r));
        return true;
    case PACK_ARRAY:
        return add_list(out, r);
    case PACK_MAP:
        return add_map(out, r);
    default:
        return false;
    }
}

int json_from_event(struct slice event, struct buffer *out)
{
    size_t before = out->size;
    struct pack_reader r;

    if (pack_read(event, &r) == 0 && add_value(out, &r))
        return 0;
    out->size = before;
    return ERR_REFUSED;
}
