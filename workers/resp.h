/* Commands to Redis as the bytes that go over the wire (RESP 2), written one after the other into
 * a buffer: a whole commit is one write. */
#ifndef WORKERS_RESP_H
#define WORKERS_RESP_H

#include "proto/bytes.h"

struct resp {
    struct buffer out;
    struct slice prefix; /* goes before every key */
    size_t commands;     /* so many replies are to come */
};

void resp_clear(struct resp *r);
void resp_free(struct resp *r);

/* A command of `words` words; they follow. */
void resp_command(struct resp *r, size_t words);
void resp_word(struct resp *r, struct slice word);
void resp_text(struct resp *r, const char *word);
void resp_key(struct resp *r, struct slice key); /* with the prefix */
void resp_int(struct resp *r, int64_t number);

/* The first two words (mostly command and key) of command number n, borrowed from the buffer; an
 * empty one where there is none. */
bool resp_find(const struct resp *r, size_t n, struct slice ret_words[2]);

#endif
