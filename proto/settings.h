/* Files of settings: lines `name = value` and `[section]`; `#` at a line's beginning or after a
 * blank begins a comment.  Key files, the rights file and turnout.conf are made of them. */
#ifndef PROTO_SETTINGS_H
#define PROTO_SETTINGS_H

#include "proto/bytes.h"

struct settings {
    struct slice rest; /* the text not yet read; set by the caller at first */
    size_t line;       /* the number of the line read last, from 1 */
};

/* Slices borrow from the text, without blanks around them. */
struct setting {
    struct slice section;     /* a heading; else absent */
    struct slice name, value; /* a setting; else absent */
};

/* The next line that says something: 1; 0 at the end; ERR_CONFIG for a line that is neither. */
int settings_next(struct settings *s, struct setting *ret);

/* Takes the next word, of those that blanks part, off the front of *rest; false at the end. */
bool word_next(struct slice *rest, struct slice *ret);

/* The text without blanks at either end. */
struct slice text_strip(struct slice text);

/* Names of keys and sources, which become names of files: 1 to 64 letters, digits, '-', '_' and
 * '.', the first a letter or a digit. */
#define NAME_MOST 64
bool name_is_plain(struct slice text);

#endif
