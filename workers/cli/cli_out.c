/* How verbs answer; see cli_out.h. */
#include "workers/cli/cli_out.h"

#include "proto/clock.h"
#include "proto/error.h"
#include "proto/program.h"
#include "workers/audit/moment.h"
#include "workers/group.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

void cli_form_set(enum cli_form *form, enum cli_form wanted, struct argp_state *state)
{
    if (*form != FORM_TEXT && *form != wanted)
        argp_error(state, "either --csv or --json");
    *form = wanted;
}

int64_t cli_number(const char *option, const char *arg, int64_t least, int64_t most,
                   struct argp_state *state)
{
    int64_t n = 0;

    if (!slice_to_int(slice_of(arg), &n) || n < least || n > most)
        argp_error(state,
                   most == INT64_MAX ? "%s takes a number from %" PRId64 " on"
                                     : "%s takes a number from %" PRId64 " to %" PRId64,
                   option, least, most);
    return n;
}

int64_t cli_moment(const char *option, const char *arg, struct argp_state *state)
{
    static int64_t now_ms; /* the same for all options */
    int64_t ms = 0;

    now_ms = now_ms ? now_ms : clock_wall_ms();
    if (moment_parse(slice_of(arg), now_ms, &ms) < 0)
        argp_error(state, "%s takes a time: " MOMENT_FORMS, option);
    return ms < now_ms ? ms : now_ms;
}

struct slice cli_period(const char *arg, struct argp_state *state)
{
    date_days last;

    if (!period_last_day(slice_of(arg), &last))
        argp_error(state, "--period takes a year such as 2026 or a month such as 2026-03");
    return slice_of(arg);
}

int cli_flush(const char *verb)
{
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is an exit status, like any other failure */
    if (fflush(stdout) == 0 && !ferror(stdout))
        return EX_OK;
    if (errno != EPIPE)
        fprintf(stderr, "turnout %s: standard output: %s\n", verb, strerror(errno));
    return EX_IOERR;
}

int cli_write(const char *verb, struct buffer *text)
{
    signal(SIGPIPE, SIG_IGN);
    if (text->size)
        fwrite(text->at, 1, text->size, stdout);
    buffer_clear(text);
    return cli_flush(verb);
}

const char *cli_error_text(int error)
{
    switch (error) {
    case ERR_LOST:
    case ERR_TIMEOUT:
        return "does not answer";
    case ERR_AGAIN:
        return "is loading or busy, or has no room (maxmemory)";
    default:
        return error_text(error);
    }
}

int cli_fail(const char *verb, const char *whom, const char *where, int error)
{
    bool silent = error == ERR_LOST || error == ERR_TIMEOUT;

    fprintf(stderr, "turnout %s: %s at %s: %s%s\n", verb, whom, where, cli_error_text(error),
            silent && strncmp(where, "ipc://", 6) == 0 ? "; --dir and TURNOUT_DIR say where it is"
                                                       : "");
    return program_exit_status(error);
}
