/* The watch list on paper: pure formatting of what watch_list.h loaded. */
#ifndef WORKERS_CLI_WATCH_PRINT_H
#define WORKERS_CLI_WATCH_PRINT_H

#include "workers/view/watch_list.h"

/* A heading and one row a seat and reason; nothing at all for an empty list. */
void watch_print_text(const struct watch_list *w, bool colour, struct buffer *out);

/* risk,reason,committee,title,member,missing,next_ballot,next_closes */
void watch_print_csv(const struct watch_list *w, struct buffer *out);

/* One object and a newline. */
void watch_print_json(const struct watch_list *w, struct buffer *out);

/* What exactly is missing, in words; at most so many ballots or meetings by name. */
void watch_missing_text(const struct watch_entry *e, size_t most, struct buffer *out);

#endif
