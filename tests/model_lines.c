/* Small examples for the model; see model_lines.h. */
#include "tests/model_lines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "proto/json.h"

struct model *model_of_lines(const char *const *lines, size_t count)
{
    struct model *m = model_new();
    struct buffer event = {0};
    struct refusal why = {0};

    for (size_t i = 0; i < count; i++) {
        char line[1024];

        snprintf(line, sizeof line, "{'time':'2024-05-06T12:00:00Z','id':'i%zu',%s}", i, lines[i]);
        if (strstr(lines[i], "\"time\"") || strstr(lines[i], "'time'"))
            snprintf(line, sizeof line, "{%s}", lines[i]);
        for (char *quote = line; (quote = strchr(quote, '\''));)
            *quote = '"';
        buffer_clear(&event);
        if (json_to_event(slice_of(line), &event, &why) < 0 ||
            model_add(m, buffer_slice(&event), &why) < 0)
            fail_msg("%s: %s %s", line, why.field, why.reason);
    }
    buffer_free(&event);
    return m;
}

void assert_counted(struct model *m, const char *key, const char *field, const char *expected)
{
    struct slice found = dump_get(model_count(m), key, field);

    if (!found.at)
        found = slice_of("");
    if (!slice_is(found, expected))
        fail_msg("%s %s: expected '%s', found '%.*s'", key, field, expected, (int)found.size,
                 found.at);
}
