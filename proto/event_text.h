/* What the texts of an event may look like, byte by byte.  All take valid UTF-8. */
#ifndef PROTO_EVENT_TEXT_H
#define PROTO_EVENT_TEXT_H

#include "proto/bytes.h"

/* NULL if the text, of at least one byte, can be an identifier; else what is wrong with it. */
const char *identifier_fault(struct slice text);

/* [a-z0-9][a-z0-9-]{0,31}: themes and groups. */
bool token_is_small(struct slice text);

/* [A-Za-z0-9][A-Za-z0-9_-]{0,31}: a ballot's kind. */
bool token_is_kind(struct slice text);

#endif
