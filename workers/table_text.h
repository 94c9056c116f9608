/* Text tables: cells in columns that line up, for a terminal or a file.
 *
 * A character counts as one column, whatever it is.  What a cell must not do to a terminal it
 * cannot do: control characters, and bytes that are not UTF-8, are shown as question marks. */
#ifndef WORKERS_TABLE_TEXT_H
#define WORKERS_TABLE_TEXT_H

#include "proto/bytes.h"

#include <stdio.h>

enum text_style { TEXT_PLAIN, TEXT_BOLD, TEXT_RED, TEXT_AMBER, TEXT_STYLES };

struct text_table;

struct text_table *text_table_new(size_t columns);
void text_table_free(struct text_table *t); /* NULL is allowed */

/* The next cell, from left to right and then in the next row.  The text is copied. */
void text_table_add(struct text_table *t, struct slice text, enum text_style style);

/* Appends the rows, each with a newline, two spaces between columns and none at a row's end. */
void text_table_print(const struct text_table *t, bool colour, struct buffer *out);

/* How many columns of a terminal the text takes. */
size_t text_width(struct slice text);

/* Appends the text with question marks for what a terminal would take as a command, or people for
 * something else. */
void text_add_clean(struct buffer *out, struct slice text);

/* The same, in a style where colour is wanted. */
void text_add_styled(struct buffer *out, struct slice text, enum text_style style, bool colour);

/* Colour is for terminals, and not where NO_COLOR is set to anything. */
bool text_colour_wanted(FILE *out);

#define TEXT_COLUMNS 100 /* where no terminal says how many */

/* How wide a line may be: $COLUMNS, else what the terminal says. */
size_t text_columns(FILE *out);

#endif
