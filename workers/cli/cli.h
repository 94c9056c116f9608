/* The verbs of the command line. */
#ifndef WORKERS_CLI_CLI_H
#define WORKERS_CLI_CLI_H

#include "workers/site.h"

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

#endif
