/* Commands to Redis; see resp.h. */
#include "workers/resp.h"

void resp_clear(struct resp *r)
{
    buffer_clear(&r->out);
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
