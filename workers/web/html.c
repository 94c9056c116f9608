/* HTML; see html.h. */
#include "workers/web/html.h"

#include "workers/audit/moment.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define REPLACEMENT "\xef\xbf\xbd"

void html_bytes_(struct html *h, const char *bytes, size_t size)
{
    buffer_add(h->out, bytes, size);
}

static void add_char(struct buffer *out, const char *at, size_t size, uint32_t c)
{
    switch (c) {
    case '&':
        buffer_add_text(out, "&amp;");
        break;
    case '<':
        buffer_add_text(out, "&lt;");
        break;
    case '>':
        buffer_add_text(out, "&gt;");
        break;
    case '"':
        buffer_add_text(out, "&quot;");
        break;
    case '\'':
        buffer_add_text(out, "&#39;");
        break;
    default:
        if (char_is_control(c) || char_misleads(c))
            buffer_add_text(out, REPLACEMENT);
        else
            buffer_add(out, at, size);
    }
}

void html_text(struct html *h, struct slice text)
{
    const char *at = text.at, *end = text.at + text.size, *next;
    bool valid = text.size == 0 || utf8_valid(text);

    while (text.size && at < end) {
        uint32_t c = (unsigned char)*at;
        next = at;
        if (valid)
            c = utf8_next(&next);
        else
            next++;
        if (!valid && c >= 0x80)
            c = 0; /* a control character, as good as any */
        add_char(h->out, at, (size_t)(next - at), c);
        at = next;
    }
}

void html_name(struct html *h, struct slice text)
{
    html_raw(h, "<bdi>");
    html_text(h, text);
    html_raw(h, "</bdi>");
}

void html_say(struct html *h, enum text t)
{
    html_text(h, slice_of(text_of(h->lang, t)));
}

void html_say_with(struct html *h, enum text t, struct slice with)
{
    const char *words = text_of(h->lang, t), *at = strstr(words, "%s");

    if (!at) {
        html_say(h, t);
        return;
    }
    html_text(h, slice_make(words, (size_t)(at - words)));
    html_text(h, with);
    html_text(h, slice_of(at + 2));
}

void html_attr(struct html *h, const char *name, struct slice value)
{
    buffer_add(h->out, " ", 1);
    buffer_add_text(h->out, name);
    html_raw(h, "=\"");
    html_text(h, value);
    html_raw(h, "\"");
}

void html_attr_int(struct html *h, const char *name, int64_t value)
{
    char text[24];

    snprintf(text, sizeof text, "%lld", (long long)value);
    html_attr(h, name, slice_of(text));
}

void html_href(struct html *h, struct slice path)
{
    struct buffer whole = {0};

    if (!path.at)
        return;
    buffer_add_slice(&whole, path);
    if (h->lang_asked) {
        buffer_add_text(&whole, memchr(path.at, '?', path.size) ? "&lang=" : "?lang=");
        buffer_add_text(&whole, lang_code[h->lang]);
    }
    html_attr(h, "href", buffer_slice(&whole));
    buffer_free(&whole);
}

void html_int(struct html *h, int64_t n)
{
    char digits[24];
    int count = snprintf(digits, sizeof digits, "%lld", (long long)n);

    for (int i = 0; i < count; i++) {
        int left = count - i;
        if (i && left % 3 == 0 && digits[i - 1] != '-')
            buffer_add_text(h->out, h->lang == LANG_FR ? "\u202f" : ",");
        buffer_add(h->out, &digits[i], 1);
    }
}

void html_percent(struct html *h, struct slice fraction)
{
    char text[32], copy[32] = "";

    if (fraction.size >= sizeof copy)
        return;
    memcpy(copy, fraction.at, fraction.size);
    snprintf(text, sizeof text, "%.1f", round(strtod(copy, NULL) * 1000) / 10);
    for (char *c = text; *c; c++)
        if (*c == '.' && h->lang == LANG_FR)
            *c = ',';
    buffer_add_text(h->out, text);
    buffer_add_text(h->out, "\u00a0%");
}

void html_moment(struct html *h, int64_t ms)
{
    char text[MOMENT_TEXT];

    moment_format(ms, text);
    html_raw(h, "<time");
    html_attr(h, "datetime", slice_of(text));
    html_raw(h, ">");
    html_text(h, slice_make(text, 10));
    html_raw(h, " ");
    html_text(h, slice_make(text + 11, 8));
    html_raw(h, " UTC</time>");
}

void url_add(struct buffer *out, struct slice text, bool query)
{
    static const char plain[] = "-._~!*'():@,;", digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.at[i];
        bool stays = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                     (c && strchr(plain, c)) || (c == '/' && !query);
        char code[3] = {'%', digits[c >> 4], digits[c & 15]};
        buffer_add(out, stays ? (const char *)&text.at[i] : code, stays ? 1 : 3);
    }
}
