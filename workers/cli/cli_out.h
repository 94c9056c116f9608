/* How verbs are asked and answer: options that several of them have, what they print, and what they
 * say when they cannot. */
#ifndef WORKERS_CLI_CLI_OUT_H
#define WORKERS_CLI_CLI_OUT_H

#include "proto/bytes.h"

#include <argp.h>
#include <limits.h>

enum cli_form { FORM_TEXT, FORM_CSV, FORM_JSON };

/* For --csv and --json, of which only one can be; another one ends the program. */
void cli_form_set(enum cli_form *form, enum cli_form wanted, struct argp_state *state);

#define CLI_SECONDS_MOST (INT_MAX / 1000)

/* The number that an option takes, from `least` to `most`; what is none ends the program. */
int64_t cli_number(const char *option, const char *arg, int64_t least, int64_t most,
                   struct argp_state *state);

/* The moment that an option's TIME says, of the future: now; what is none ends the program. */
int64_t cli_moment(const char *option, const char *arg, struct argp_state *state);

/* The period that --period says; what is none ends the program. */
struct slice cli_period(const char *arg, struct argp_state *state);

/* Writes the text to standard output and forgets it.  EX_OK; or EX_IOERR after a sentence on
 * standard error, unless it is a pipe that nobody reads any more: then silently. */
int cli_write(const char *verb, struct buffer *text);

/* What was printed by other means is on its way: as cli_write. */
int cli_flush(const char *verb);

/* What an error says of who was asked: Redis or the broker. */
const char *cli_error_text(int error);

/* Says on standard error what went wrong with whom ("Redis at run/redis.sock"), and returns the
 * exit status for it. */
int cli_fail(const char *verb, const char *whom, const char *where, int error);

#endif
