/* Identifiers and tokens; see event_text.h. */
#include "proto/event_text.h"

#include "proto/event.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_small(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_capital(char c)
{
    return c >= 'A' && c <= 'Z';
}

const char *identifier_fault(struct slice text)
{
    const char *at = text.at, *end = text.at + text.size;

    if (at[0] == ' ' || end[-1] == ' ')
        return "may not begin or end with a space";
    while (at < end) {
        uint32_t c = utf8_next(&at);
        if (c == '{' || c == '}' || c == '|')
            return "may not contain '{', '}' or '|'";
        if (char_is_control(c))
            return "may not contain control characters";
    }
    return NULL;
}

bool token_is_small(struct slice text)
{
    if (text.size < 1 || text.size > EVENT_MAX_TOKEN || text.at[0] == '-')
        return false;
    for (size_t i = 0; i < text.size; i++)
        if (!is_small(text.at[i]) && !is_digit(text.at[i]) && text.at[i] != '-')
            return false;
    return true;
}

bool token_is_kind(struct slice text)
{
    if (text.size < 1 || text.size > EVENT_MAX_TOKEN || text.at[0] == '-' || text.at[0] == '_')
        return false;
    for (size_t i = 0; i < text.size; i++) {
        char c = text.at[i];
        if (!is_small(c) && !is_capital(c) && !is_digit(c) && c != '-' && c != '_')
            return false;
    }
    return true;
}
