/* Words of a line; see words.h. */
#include "workers/words.h"

static const char hex_digit[] = "0123456789abcdef";

static bool must_escape(unsigned char c)
{
    return c <= ' ' || c == '%' || c == 0x7f;
}

static void add_escape(struct buffer *out, unsigned char c)
{
    char escape[3] = {'%', hex_digit[c >> 4], hex_digit[c & 15]};

    buffer_add(out, escape, 3);
}

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* True when none of eight bytes needs an escape, as it is with most; by the high bits of sums that
 * do not carry, so that bytes of 0x80 and more are for the slow look. */
static bool eight_need_none(uint64_t x)
{
    uint64_t above_space = x + EACH(0x80 - 0x21), below_delete = ~(x + EACH(0x01));
    uint64_t no_percent = (x ^ EACH('%')) + EACH(0x7f);

    return (~x & above_space & below_delete & no_percent & EACH(0x80)) == EACH(0x80);
}

/* How many of the first bytes need no escape. */
static size_t plain_length(struct slice any)
{
    uint64_t eight;
    size_t n = 0;

    for (; n + sizeof eight <= any.size; n += sizeof eight) {
        memcpy(&eight, any.at + n, sizeof eight);
        if (!eight_need_none(eight))
            break;
    }
    while (n < any.size && !must_escape((unsigned char)any.at[n]))
        n++;
    return n;
}

void words_escaped(struct buffer *out, struct slice any)
{
    if (!any.at) {
        buffer_add(out, "-", 1);
        return;
    }
    if (any.size == 1 && any.at[0] == '-') {
        add_escape(out, '-'); /* a bare "-" means absent */
        return;
    }
    while (any.size) {
        size_t n = plain_length(any);
        buffer_add(out, any.at, n);
        if (n < any.size)
            add_escape(out, (unsigned char)any.at[n++]);
        any = slice_make(any.at + n, any.size - n);
    }
}

void words_date(struct buffer *out, date_days d)
{
    char text[DATE_TEXT];

    if (d == DATE_NONE) {
        buffer_add(out, "-", 1);
        return;
    }
    date_format(d, text);
    buffer_add(out, text, sizeof text);
}

void words_hex(struct buffer *out, struct slice bytes)
{
    for (size_t i = 0; i < bytes.size; i++) {
        unsigned char c = (unsigned char)bytes.at[i];
        char pair[2] = {hex_digit[c >> 4], hex_digit[c & 15]};
        buffer_add(out, pair, 2);
    }
}

void words_digest(struct buffer *out, uint64_t digest)
{
    char *at = buffer_room(out, 16);

    for (int i = 0; i < 16; i++)
        at[i] = hex_digit[digest >> (60 - 4 * i) & 15];
    out->size += 16;
}

void words_list(struct buffer *out, const struct slice *items, uint32_t count)
{
    if (count == 0)
        buffer_add(out, "-", 1);
    for (uint32_t i = 0; i < count; i++) {
        if (i)
            buffer_add(out, ",", 1);
        buffer_add_slice(out, items[i]);
    }
}

bool words_left(const struct words_in *w)
{
    return w->rest.at && !w->failed;
}

struct slice words_take(struct words_in *w)
{
    struct slice word = {0};

    if (!words_left(w)) {
        w->failed = true;
        return slice_make("", 0);
    }
    if (!slice_cut(&w->rest, ' ', &word)) {
        word = w->rest;
        w->rest = (struct slice){0};
    }
    return word;
}

bool words_take_name(struct words_in *w, const char *name)
{
    size_t size = strlen(name);

    if (!words_left(w) || w->rest.size <= size || w->rest.at[size] != '=' ||
        memcmp(w->rest.at, name, size) != 0)
        return false;
    w->rest.at += size + 1;
    w->rest.size -= size + 1;
    return true;
}

static int hex_value(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte of two hex digits, -1 if they are not. */
static int hex_pair(struct slice text, size_t at)
{
    if (at + 2 > text.size || hex_value(text.at[at]) < 0 || hex_value(text.at[at + 1]) < 0)
        return -1;
    return hex_value(text.at[at]) << 4 | hex_value(text.at[at + 1]);
}

struct slice words_take_escaped(struct words_in *w, struct arena *keep)
{
    struct slice word = words_take(w);
    char *out;
    size_t n = 0;

    if (slice_is(word, "-") || w->failed)
        return (struct slice){0};
    out = arena_need(keep, word.size + 1);
    for (size_t i = 0; i < word.size; i++) {
        int c = word.at[i] == '%' ? hex_pair(word, i + 1) : (unsigned char)word.at[i];
        w->failed |= c < 0;
        i += word.at[i] == '%' ? 2 : 0;
        out[n++] = (char)c;
    }
    return slice_make(out, n);
}

int64_t words_take_int(struct words_in *w)
{
    int64_t n = 0;

    w->failed |= !slice_to_int(words_take(w), &n);
    return n;
}

date_days words_take_date(struct words_in *w)
{
    struct slice word = words_take(w);
    date_days d = DATE_NONE;

    w->failed |= !slice_is(word, "-") && !date_parse(word, &d);
    return d;
}

struct slice words_take_hex(struct words_in *w, struct arena *keep)
{
    struct slice word = words_take(w);
    char *out = arena_need(keep, word.size / 2 + 1);

    w->failed |= word.size % 2 != 0;
    for (size_t i = 0; i + 2 <= word.size; i += 2) {
        w->failed |= hex_pair(word, i) < 0;
        out[i / 2] = (char)hex_pair(word, i);
    }
    return slice_make(out, word.size / 2);
}

uint64_t words_take_digest(struct words_in *w)
{
    struct slice word = words_take(w);
    uint64_t digest = 0;

    w->failed |= word.size != 16;
    for (size_t i = 0; i < word.size && !w->failed; i++) {
        w->failed |= hex_value(word.at[i]) < 0;
        digest = digest << 4 | (uint64_t)(hex_value(word.at[i]) & 15);
    }
    return digest;
}

const struct slice *words_take_list(struct words_in *w, struct arena *keep, uint32_t *ret_count)
{
    struct slice rest = arena_copy(keep, words_take(w)), item;
    struct slice *items;
    uint32_t count = 0, commas = 0;

    *ret_count = 0;
    if (slice_is(rest, "-") || w->failed)
        return NULL;
    for (size_t i = 0; i < rest.size; i++)
        commas += rest.at[i] == ',';
    items = arena_need(keep, (commas + 1) * sizeof *items);
    while (slice_cut(&rest, ',', &item))
        items[count++] = item;
    items[count++] = rest;
    *ret_count = count;
    return items;
}
