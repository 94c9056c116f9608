/* turnout journal check, turnout backup: what is done to the journal's file itself.  The command
 * line knows the protocol only and never opens that file: turnout-broker does, the one that lies
 * beside this program.  Its output and its exit status are the verbs' own. */
#include "workers/cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define PATH_BYTES 4096
#define BROKER     "turnout-broker"

struct journal_verb {
    const char *dir;
    bool json;
    bool check;              /* or backup */
    const char *word, *file; /* "check", and a file */
};

static const struct argp_option check_options[] = {
    {"dir", 'd', "DIR", 0, "the stack's folder (default: $TURNOUT_DIR, else ./run)", 0},
    {"json", 'j', NULL, 0, "one JSON object", 0},
    {0}};

static const struct argp_option backup_options[] = {
    {"dir", 'd', "DIR", 0, "the stack's folder (default: $TURNOUT_DIR, else ./run)", 0}, {0}};

static error_t word_take(struct journal_verb *v, char *arg, struct argp_state *state)
{
    if (v->check && !v->word) {
        if (strcmp(arg, "check") != 0)
            argp_error(state, "it can be checked, and not: %s", arg);
        v->word = arg;
        return 0;
    }
    if (v->file)
        return ARGP_ERR_UNKNOWN;
    v->file = arg;
    return 0;
}

static error_t option_parse(int key, char *arg, struct argp_state *state)
{
    struct journal_verb *v = state->input;

    switch (key) {
    case 'd':
        v->dir = arg;
        return 0;
    case 'j':
        v->json = true;
        return 0;
    case ARGP_KEY_ARG:
        return word_take(v, arg, state);
    case ARGP_KEY_END:
        if (v->check ? !v->word : !v->file)
            argp_usage(state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* Does not return when all is well. */
static int broker_run(char *const arguments[])
{
    char path[PATH_BYTES];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - sizeof BROKER);
    char *slash;

    path[n < 0 ? 0 : n] = '\0';
    slash = strrchr(path, '/');
    if (slash) {
        strcpy(slash + 1, BROKER);
        execv(path, arguments);
    }
    fprintf(stderr, "%s: cannot run %s: %s\n", program_invocation_short_name, slash ? path : BROKER,
            strerror(errno));
    return EX_UNAVAILABLE;
}

static int verb_run(const struct journal_verb *v)
{
    const char *action = v->check ? "--check" : "--backup", *is = v->file ? "=" : "";
    char *dir, *what, broker[] = BROKER, json[] = "--json";

    if (asprintf(&dir, "--dir=%s", site_dir(v->dir)) < 0)
        abort();
    if (asprintf(&what, "%s%s%s", action, is, v->file ? v->file : "") < 0)
        abort();
    char *const arguments[] = {broker, dir, what, v->json ? json : NULL, NULL};
    int status = broker_run(arguments);

    free(dir);
    free(what);
    return status;
}

int cli_journal(int argc, char **argv)
{
    struct journal_verb v = {.check = true};
    static const struct argp argp = {
        check_options,
        option_parse,
        "check [FILE]",
        "Reads all of the journal, or of a backup of it, and prints what is wrong with it, one "
        "fault a line with its place; at last `N records, M events, D faults`. A broker may run "
        "on it. Exit status: 0 sound, 1 faults, 69 there is none, 74 it cannot be read, 78 "
        "another version wrote it.",
        NULL,
        NULL,
        NULL};

    argp_parse(&argp, argc, argv, 0, NULL, &v);
    return verb_run(&v);
}

int cli_backup(int argc, char **argv)
{
    struct journal_verb v = {0};
    static const struct argp argp = {
        backup_options,
        option_parse,
        "FILE",
        "Writes a consistent, compact copy of the journal into FILE, while the broker runs. It is "
        "checked and synced before it gets its name; a file that was there is replaced. The "
        "journal's folder has to be at hand, as its bytes do not go over the wire. To restore it, "
        "stop the stack, put it in the place of DIR/journal/data.mdb, start the stack and, before "
        "producers send anything, run turnout rebuild --force. Exit status: 0 done, 1 the journal "
        "has faults, 64 usage, or FILE lies in the journal's own folder, 69 there is no journal, "
        "74 it cannot be read or FILE not be written, 75 another backup is writing FILE, 78 "
        "another version wrote the journal.",
        NULL,
        NULL,
        NULL};

    argp_parse(&argp, argc, argv, 0, NULL, &v);
    return verb_run(&v);
}
