/* JSON that is written; see json_out.h.  Nothing here can fail. */
#include "workers/json_out.h"

#include "workers/table_text.h"

json_t *json_text(struct slice text)
{
    json_t *string = json_stringn(text.size ? text.at : "", text.size);
    struct buffer clean = {0};

    if (string)
        return string;
    text_add_clean(&clean, text);
    string = json_stringn(clean.at, clean.size);
    buffer_free(&clean);
    return string;
}

json_t *json_text_or_null(struct slice text)
{
    json_t *string = text.at ? json_stringn(text.at, text.size) : NULL;

    return string ? string : json_null();
}

static int add_bytes(const char *bytes, size_t size, void *out)
{
    buffer_add(out, bytes, size);
    return 0;
}

void json_line(json_t *object, struct buffer *out)
{
    json_dump_callback(object, add_bytes, out,
                       JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(6));
    buffer_add(out, "\n", 1);
    json_decref(object);
}
