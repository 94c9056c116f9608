/* Words of a line: values of any content, separated by single spaces.  Facts are written so. */
#ifndef WORKERS_WORDS_H
#define WORKERS_WORDS_H

#include "proto/arena.h"
#include "proto/date.h"

/* Each appends one value, in which there is no space. */
void words_escaped(struct buffer *out, struct slice any); /* "-" when absent */
void words_date(struct buffer *out, date_days d);
void words_hex(struct buffer *out, struct slice bytes);
void words_digest(struct buffer *out, uint64_t digest);                         /* 16 hex digits */
void words_list(struct buffer *out, const struct slice *items, uint32_t count); /* by commas */

/* Reading: sticky failure, to be looked at once at the end. */
struct words_in {
    struct slice rest;
    bool failed;
};

bool words_left(const struct words_in *w);

/* If the next word is `name=value`, takes the name off it: the value is the next word then. */
bool words_take_name(struct words_in *w, const char *name);

struct slice words_take(struct words_in *w);
struct slice words_take_escaped(struct words_in *w, struct arena *keep);
int64_t words_take_int(struct words_in *w);
date_days words_take_date(struct words_in *w);
struct slice words_take_hex(struct words_in *w, struct arena *keep);
uint64_t words_take_digest(struct words_in *w);
const struct slice *words_take_list(struct words_in *w, struct arena *keep, uint32_t *ret_count);

#endif
