/* Words of a line: values of any content, separated by single spaces.  Facts are written so. */
#ifndef WORKERS_WORDS_H
#define WORKERS_WORDS_H

#include "proto/arena.h"
#include "proto/date.h"

/* Each appends one word, with a space before it unless `out` was empty at `line`'s start. */
struct words_out {
    struct buffer *out;
    size_t start;
};

void words_add(struct words_out *w, struct slice plain); /* as it is: no spaces in it */
void words_add_escaped(struct words_out *w, struct slice any);
void words_add_int(struct words_out *w, int64_t n);
void words_add_date(struct words_out *w, date_days d);
void words_add_hex(struct words_out *w, struct slice bytes);
void words_add_digest(struct words_out *w, uint64_t digest); /* 16 hex digits */

/* Reading: sticky failure, to be looked at once at the end. */
struct words_in {
    struct slice rest;
    bool failed;
};

bool words_left(const struct words_in *w);
struct slice words_take(struct words_in *w);
struct slice words_take_escaped(struct words_in *w, struct arena *keep);
int64_t words_take_int(struct words_in *w);
date_days words_take_date(struct words_in *w);
struct slice words_take_hex(struct words_in *w, struct arena *keep);
uint64_t words_take_digest(struct words_in *w);

/* An escaped list is one word, its items joined by commas; "-" when empty. */
void words_add_list(struct words_out *w, const struct slice *items, uint32_t count);
const struct slice *words_take_list(struct words_in *w, struct arena *keep, uint32_t *ret_count);

#endif
