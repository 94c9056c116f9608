/* Comma-separated values as RFC 4180 has them: fields with a comma, a quote or a line break stand
 * in quotes, quotes in them are doubled, and every record ends with CR LF. */
#ifndef WORKERS_VIEW_CSV_H
#define WORKERS_VIEW_CSV_H

#include "proto/bytes.h"

struct csv {
    struct buffer *out;
    size_t fields; /* of the record under way */
};

/* The next field; an absent value is an empty one. */
void csv_add(struct csv *c, struct slice value);
void csv_add_text(struct csv *c, const char *value);
void csv_add_int(struct csv *c, int64_t value);

/* Ends the record. */
void csv_end(struct csv *c);

#endif
