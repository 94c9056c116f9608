/* Refused events on paper: as a row of a table, with the event itself, and as JSON. */
#ifndef WORKERS_CLI_REJECTS_PRINT_H
#define WORKERS_CLI_REJECTS_PRINT_H

#include "proto/wire.h"
#include "workers/table_text.h"

struct text_table *rejects_table_new(void); /* with its head */
void rejects_table_add(struct text_table *t, const struct wire_reject *r);

/* Why, and below it the event: as JSON, or as hexadecimal digits if JSON cannot say it. */
void reject_text(const struct wire_reject *r, struct slice event, bool colour, struct buffer *out);

/* One object a line; with `event` or, of bytes that JSON cannot say, `hex`; an absent event is left
 * out. */
void reject_json(const struct wire_reject *r, struct slice event, struct buffer *out);

#endif
