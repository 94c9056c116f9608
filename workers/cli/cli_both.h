/* Verbs that need the broker and Redis at once: both opened, and what to say when one of them does
 * not answer. */
#ifndef WORKERS_CLI_CLI_BOTH_H
#define WORKERS_CLI_CLI_BOTH_H

#include "workers/cli/cli.h"

struct cli_both {
    const char *verb;
    const struct site *site;
    struct reader *reader; /* with a session */
    struct store *redis;
    struct config config;
};

/* EX_OK; or an exit status, and a sentence on standard error.  Close it in any case. */
int cli_both_open(struct cli_both *b, const char *verb, const struct site *site);
void cli_both_close(struct cli_both *b);

/* Says what the error means, and whose it is; returns the exit status for it. */
int cli_both_fail(const struct cli_both *b, int error);

#endif
