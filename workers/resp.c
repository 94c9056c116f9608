/* Commands to Redis; see resp.h. */
#include "workers/resp.h"

#define KEEP_BYTES ((size_t)1 << 20) /* of the buffer; the others of a round have what is more */

void resp_clear(struct resp *r)
{
    buffer_empty(&r->out, KEEP_BYTES);
    r->commands = 0;
}

void resp_free(struct resp *r)
{
    buffer_free(&r->out);
}

static void resp_length(struct resp *r, char kind, size_t n)
{
    buffer_add(&r->out, &kind, 1);
    buffer_add_int(&r->out, (int64_t)n);
    buffer_add(&r->out, "\r\n", 2);
}

void resp_command(struct resp *r, size_t words)
{
    resp_length(r, '*', words);
    r->commands++;
}

void resp_word(struct resp *r, struct slice word)
{
    resp_length(r, '$', word.size);
    buffer_add_slice(&r->out, word);
    buffer_add(&r->out, "\r\n", 2);
}

void resp_text(struct resp *r, const char *word)
{
    resp_word(r, slice_of(word));
}

void resp_key(struct resp *r, struct slice key)
{
    resp_length(r, '$', r->prefix.size + key.size);
    buffer_add_slice(&r->out, r->prefix);
    buffer_add_slice(&r->out, key);
    buffer_add(&r->out, "\r\n", 2);
}

void resp_int(struct resp *r, int64_t number)
{
    char digits[24];
    struct buffer b = {digits, 0, sizeof digits};

    buffer_add_int(&b, number);
    resp_word(r, buffer_slice(&b));
}

/* The number behind `kind`, up to its line's end. */
static bool number_cut(struct slice *rest, char kind, size_t *ret)
{
    struct slice line;
    int64_t n;

    if (!slice_cut(rest, '\n', &line) || line.size < 3 || line.at[0] != kind ||
        !slice_to_int(slice_make(line.at + 1, line.size - 2), &n) || n < 0)
        return false;
    *ret = (size_t)n;
    return true;
}

static bool word_cut(struct slice *rest, struct slice *ret)
{
    size_t size;

    if (!number_cut(rest, '$', &size) || rest->size < size + 2)
        return false;
    *ret = slice_make(rest->at, size);
    *rest = slice_make(rest->at + size + 2, rest->size - size - 2);
    return true;
}

/* One command; its first two words are told, empty where there is none. */
static bool command_cut(struct slice *rest, struct slice ret_words[2])
{
    struct slice word;
    size_t count;

    ret_words[0] = ret_words[1] = slice_make("", 0);
    if (!number_cut(rest, '*', &count))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!word_cut(rest, &word))
            return false;
        if (i < 2)
            ret_words[i] = word;
    }
    return true;
}

bool resp_find(const struct resp *r, size_t n, struct slice ret_words[2])
{
    struct slice rest = buffer_slice(&r->out);

    while (command_cut(&rest, ret_words))
        if (n-- == 0)
            return true;
    return false;
}
