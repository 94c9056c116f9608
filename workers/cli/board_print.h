/* The board on paper: pure formatting of what board.h loaded. */
#ifndef WORKERS_CLI_BOARD_PRINT_H
#define WORKERS_CLI_BOARD_PRINT_H

#include "workers/view/board.h"

/* Three lines of heading, then figures as rows and groups as columns, in blocks of as many groups
 * as fit into `columns`.  Nothing at all for a board without groups. */
void board_print_text(const struct board *b, size_t columns, bool colour, struct buffer *out);

/* One record a group and figure: period,group,figure,value,num,den,list.  What has no data has an
 * empty value. */
void board_print_csv(const struct board *b, struct buffer *out);

/* One object and a newline; null for what has no data. */
void board_print_json(const struct board *b, struct buffer *out);

/* " 63.4 % (13/21)", of a median " 63.4 %", all points below each other; an en dash where there is
 * no data. */
void board_value_text(const struct board_value *v, struct buffer *out);

/* "2026-11-22T20:54:03.125Z", or "not known". */
void board_moment_text(const struct board *b, struct buffer *out);

#endif
