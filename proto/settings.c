/* Files of settings; see settings.h.  A line is cut off, its comment and the blanks around it are
 * taken away, and what is left is a heading, a setting, or nothing. */
#include "proto/settings.h"

#include "proto/error.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

struct slice text_strip(struct slice text)
{
    while (text.size && is_blank(text.at[0]))
        text = slice_make(text.at + 1, text.size - 1);
    while (text.size && is_blank(text.at[text.size - 1]))
        text.size--;
    return text;
}

bool word_next(struct slice *rest, struct slice *ret)
{
    size_t n = 0;

    *rest = text_strip(*rest);
    while (n < rest->size && !is_blank(rest->at[n]))
        n++;
    *ret = slice_make(rest->at, n);
    *rest = slice_make(rest->at + n, rest->size - n);
    return n > 0;
}

/* Only after a blank, as identifiers may have a '#' in them. */
static struct slice without_comment(struct slice line)
{
    for (size_t i = 0; i < line.size; i++)
        if (line.at[i] == '#' && (i == 0 || is_blank(line.at[i - 1])))
            return slice_make(line.at, i);
    return line;
}

static int line_parse(struct slice line, struct setting *ret)
{
    struct setting s = {.section = {NULL, 0}};
    bool is_heading = line.at[0] == '[' && line.at[line.size - 1] == ']';

    if (is_heading) {
        s.section = text_strip(slice_make(line.at + 1, line.size - 2));
    } else if (slice_cut(&line, '=', &s.name)) {
        s.name = text_strip(s.name);
        s.value = text_strip(line);
    } else {
        return ERR_CONFIG;
    }
    *ret = s;
    return 1;
}

int settings_next(struct settings *s, struct setting *ret)
{
    struct slice line;

    while (s->rest.size) {
        if (!slice_cut(&s->rest, '\n', &line)) {
            line = s->rest;
            s->rest = slice_make(line.at + line.size, 0);
        }
        s->line++;
        line = text_strip(without_comment(line));
        if (line.size)
            return line_parse(line, ret);
    }
    return 0;
}

static bool is_letter_or_digit(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool name_is_plain(struct slice text)
{
    if (text.size == 0 || text.size > NAME_MOST || !is_letter_or_digit(text.at[0]))
        return false;
    for (size_t i = 1; i < text.size; i++)
        if (!is_letter_or_digit(text.at[i]) && !memchr("-_.", text.at[i], 3))
            return false;
    return true;
}
