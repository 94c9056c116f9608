/* What each key may, as `turnout keys list` prints it. */
#ifndef WORKERS_CLI_KEYS_PRINT_H
#define WORKERS_CLI_KEYS_PRINT_H

#include "proto/rights.h"

void keys_print_text(const struct rights *rights, struct buffer *out);
void keys_print_json(const struct rights *rights, struct buffer *out);

#endif
