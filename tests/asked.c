/* Asking the dashboard without HTTP; see asked.h. */
#include "tests/asked.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct asked asked;

void asked_free(void)
{
    buffer_free(&asked.answer.body);
    asked = (struct asked){0};
}

int asks(struct hand *hand, const char *address)
{
    struct arena arena = {0};
    struct request request;
    struct answer_ask ask = {.request = &request, .state = "ok"};
    struct slice lang;

    asked_free();
    assert_int_equal(request_parse(slice_of(address), &arena, &request), 0);
    lang = request_param(&request, "lang");
    ask.lang_asked = lang.at && lang_parse(lang, &ask.lang);
    if (!route_find(&request, false, &ask.to))
        fail_msg("there is no page at %s", address);
    asked.error = answer_make(&ask, hand, &arena, &asked.answer);
    buffer_add(&asked.answer.body, "", 1);
    asked.text = asked.answer.body.at;
    asked.answer.body.size--;
    arena_free(&arena);
    return (int)asked.answer.status;
}

json_t *asks_json(struct hand *hand, const char *address)
{
    json_t *json;

    if (asks(hand, address) != 200)
        fail_msg("%s: %u %s", address, asked.answer.status, asked.text);
    json = json_loads(asked.text, 0, NULL);
    if (!json)
        fail_msg("%s: this is no JSON: %s", address, asked.text);
    return json;
}

json_t *asked_row(json_t *page, const char *sheet, const char *column, const char *name)
{
    json_t *rows = json_object_get(page, sheet), *row;
    size_t i;

    json_array_foreach(rows, i, row)
    {
        const char *value = json_string_value(json_object_get(row, column));
        if (value && strcmp(value, name) == 0)
            return row;
    }
    fail_msg("no row %s in %s", name, sheet);
    return NULL;
}

const char *asked_cell(json_t *row, const char *column)
{
    static char texts[4][256];
    static unsigned next;
    char *text = texts[next++ % 4];
    json_t *cell = json_object_get(row, column), *value = json_object_get(cell, "value");

    if (!cell)
        fail_msg("there is no column %s", column);
    if (json_is_object(cell))
        snprintf(text, sizeof texts[0], "%.4f %lld/%lld", json_number_value(value),
                 (long long)json_integer_value(json_object_get(cell, "num")),
                 (long long)json_integer_value(json_object_get(cell, "den")));
    else if (json_is_integer(cell))
        snprintf(text, sizeof texts[0], "%lld", (long long)json_integer_value(cell));
    else
        snprintf(text, sizeof texts[0], "%s",
                 json_is_string(cell) ? json_string_value(cell) : "null");
    return text;
}

void assert_says(const char *words)
{
    if (!strstr(asked.text, words))
        fail_msg("\"%s\" is not in %.20000s", words, asked.text);
}

void assert_never_says(const char *words)
{
    if (strstr(asked.text, words))
        fail_msg("\"%s\" is in %.20000s", words, asked.text);
}
