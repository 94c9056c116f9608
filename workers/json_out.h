/* JSON that is written, for people's programs: texts as values, and an object as a line. */
#ifndef WORKERS_JSON_OUT_H
#define WORKERS_JSON_OUT_H

#include "proto/bytes.h"

#include <jansson.h>

/* A string; bytes that are no UTF-8 become question marks. */
json_t *json_text(struct slice text);

/* A string, or null for one that is absent or no UTF-8. */
json_t *json_text_or_null(struct slice text);

/* Appends the object as one line, and lets it go. */
void json_line(json_t *object, struct buffer *out);

#endif
