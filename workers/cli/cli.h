/* What the verbs of the command line share: where the stack is, and how they end. */
#ifndef WORKERS_CLI_H
#define WORKERS_CLI_H

#include "proto/keyfile.h"
#include "workers/client.h"
#include "workers/config.h"
#include "workers/store.h"

#include <argp.h>

/* Where the stack is: by its folder ($TURNOUT_DIR, default ./run), or endpoint by endpoint. */
struct cli_stack {
    const char *key_file; /* NULL: none */
    struct keyfile key;   /* of it */
    const char *dir, *prefix, *config;
    const char *redis_user, *redis_password_file; /* NULL: none; or of the environment */
    const char *publish, *read, *redis;           /* set after parsing; owned */
};
extern const struct argp cli_stack_argp; /* its input is a struct cli_stack */
void cli_stack_free(struct cli_stack *s);

/* How to use the stack's Redis, but for a time limit; borrowed from the stack. */
struct redis_options cli_redis(const struct cli_stack *s);
struct store *cli_store(const struct cli_stack *s, int timeout_ms);

/* The configuration (--config, default DIR/turnout.conf if it is there).  ERR_CONFIG, and why on
 * standard error. */
int cli_config(const struct cli_stack *s, struct config *ret);

/* One verb: what `turnout VERB` runs. */
struct cli_verb {
    const char *name, *summary;
    int (*run)(int argc, char **argv); /* argv[0] is "turnout VERB"; returns the exit status */
};
int cli_publish(int argc, char **argv);
int cli_sync(int argc, char **argv);
int cli_status(int argc, char **argv);
int cli_board(int argc, char **argv);
int cli_watch(int argc, char **argv);
int cli_top(int argc, char **argv);
int cli_export(int argc, char **argv);
int cli_why(int argc, char **argv);
int cli_history(int argc, char **argv);
int cli_diff(int argc, char **argv);
int cli_verify(int argc, char **argv);
int cli_keys(int argc, char **argv);
int cli_rebuild(int argc, char **argv);
int cli_journal(int argc, char **argv);
int cli_backup(int argc, char **argv);
int cli_rejects(int argc, char **argv);

/* A client session with the stack's broker; ERR_TIMEOUT when it does not answer. */
int cli_connect(const struct cli_stack *s, int timeout_ms, struct reader **ret);

/* The exit status that says what this error means to the caller of a program. */
int cli_exit_status(int error);

#endif
