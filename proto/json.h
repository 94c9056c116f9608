/* JSON Lines to events: what the command line reads, encoded as it goes over the wire; and back. */
#ifndef PROTO_JSON_H
#define PROTO_JSON_H

#include "proto/bytes.h"
#include "proto/refusal.h"

#define JSON_MAX_LINE (64 * 1024) /* bytes; a longer line is refused as too-large */

/* Appends the msgpack form of the JSON object on `line` (without its newline) to `out`: keys in
 * the order given, numbers in their smallest form.  Only what JSON itself can get wrong is
 * refused here (bad-json, duplicate-key, bad-utf8, out-of-range, too-large): an event's meaning
 * is for event_decode.  Returns 0, or ERR_REFUSED with `out` as it was. */
int json_to_event(struct slice line, struct buffer *out, struct refusal *why);

/* Appends the text as a JSON string; it must be UTF-8.  Control characters are escaped. */
void json_add_text(struct buffer *out, struct slice text);

/* Appends a refused event, or any other msgpack value, as JSON on one line: all that it has, in its
 * order, a key given twice too.  ERR_REFUSED, and `out` as it was, for bytes that are not one
 * msgpack value, or not one that JSON can say: with binary data, keys that are no text, or numbers
 * that are none. */
int json_from_event(struct slice event, struct buffer *out);

#endif
