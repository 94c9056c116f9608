/* Events of tests of the decoder: made one at a time, and decoded. */
#ifndef TESTS_DECODED_H
#define TESTS_DECODED_H

#include "tests/compose.h"

extern struct event_decoder *decoder;
extern struct buffer bytes; /* of the last event made */

/* cmocka's setup and teardown of a group. */
int decoder_open(void **state);
int decoder_close(void **state);

/* The event in `bytes`, which must be sound. */
struct event decoded(void);

/* The full event of the type, as it is, or with one key changed. */
struct event full(enum event_type type);
struct event full_with(enum event_type type, const char *key, const char *value);

/* It has what all full events have. */
void has_common_keys(const struct event *e, enum event_type type);

#endif
