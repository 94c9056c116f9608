/* turnout: the command line.  A table of verbs; each verb parses its own options. */
#include "proto/log.h"
#include "proto/program.h"
#include "workers/cli/cli.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

const char *argp_program_version = "turnout " TURNOUT_VERSION;

static const struct cli_verb verbs[] = {
    {"publish", "send events (JSON Lines) and wait until they are durable", cli_publish},
    {"sync", "wait until all that the broker has acknowledged is in Redis", cli_sync},
    {"status", "broker, journal, workers and lag", cli_status},
    {"board", "the figures of a period by group; --as-of shows an earlier moment", cli_board},
    {"top", "the live board in the terminal", cli_top},
    {"watch", "seats at risk, and what is missing", cli_watch},
    {"why", "the facts that add up to a number", cli_why},
    {"history", "all versions of one fact", cli_history},
    {"diff", "which numbers moved between two moments, and by which facts", cli_diff},
    {"export", "counters and figures as CSV", cli_export},
    {"verify", "count everything again from the journal and compare with Redis", cli_verify},
    {"keys", "new keys, the list of them, and their revocation", cli_keys},
    {"rebuild", "build Redis anew from the journal, and switch over in one step", cli_rebuild},
    {"journal", "check: read the journal's file, and say what is wrong with it", cli_journal},
    {"backup", "a consistent copy of the journal while it runs", cli_backup},
    {"rejects", "refused events: list and show them, redrive or drop them", cli_rejects},
};

#define VERBS (sizeof verbs / sizeof *verbs)

static int help(FILE *out, int status)
{
    fprintf(out, "usage: turnout VERB [OPTION...]\n\n");
    for (size_t i = 0; i < VERBS; i++)
        fprintf(out, "  %-10s %s\n", verbs[i].name, verbs[i].summary);
    fprintf(out, "\nturnout VERB --help says more.  The stack is found by --dir or $TURNOUT_DIR "
                 "(default: ./run).\n");
    return status;
}

int main(int argc, char **argv)
{
    char name[64];

    program_begin();
    log_open("turnout", LOG_ERROR);
    if (argc < 2)
        return help(stderr, EX_USAGE);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)
        return help(stdout, EX_OK);
    if (strcmp(argv[1], "--version") == 0) {
        printf("%s\n", argp_program_version);
        return EX_OK;
    }
    for (size_t i = 0; i < VERBS; i++)
        if (strcmp(argv[1], verbs[i].name) == 0) {
            snprintf(name, sizeof name, "turnout %s", argv[1]);
            argv[1] = name;
            return verbs[i].run(argc - 1, argv + 1);
        }
    fprintf(stderr, "turnout: no such verb: %s%s\n", argv[1],
            argv[1][0] == '-' ? " (options come after the verb)" : "");
    return help(stderr, EX_USAGE);
}
