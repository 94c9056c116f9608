/* The data dictionary: what every field of the exported keys means, and in what unit it counts. */
#ifndef WORKERS_VIEW_DICTIONARY_H
#define WORKERS_VIEW_DICTIONARY_H

#include "proto/bytes.h"

struct dictionary_entry {
    /* Parts in capitals stand for any word: L a level (technical, governance), POSITION, KIND,
     * THEME, GOAL, FIGURE, and MEMBER, PARTICIPANT, DATE, STANDARD, REFERENCE. */
    const char *field;
    const char *unit;
    const char *kinds; /* of export, separated by single spaces */
    const char *meaning;
};

/* An exact name stands before a pattern that it fits too. */
extern const struct dictionary_entry dictionary[];
extern const size_t dictionary_count;

/* All of it as CSV: field,unit,kind,meaning. */
void dictionary_print_csv(struct buffer *out);

#endif
