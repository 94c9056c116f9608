/* turnout publish: JSON Lines to the broker.  Each line becomes an event, its number is remembered
 * until the broker has answered, and a refusal is told with it. */
#include "proto/clock.h"
#include "proto/json.h"
#include "proto/turnout.h"
#include "workers/cli.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define WINDOW    WIRE_WINDOW
#define TIMEOUT_S 30
#define POLL_MS   200

struct line {
    const char *file;
    uint64_t number;
};

struct publish {
    struct cli_stack stack;
    int timeout_s;
    char **files;
    int file_count;
    struct turnout_producer *producer;
    struct line lines[WINDOW]; /* by sequence number, modulo */
    uint64_t rejected;         /* refused here or by the broker */
    uint64_t progress;         /* accepted and refused when last looked at */
    int64_t progress_ms;
    bool connected; /* ever */
};

static const struct argp_option option_table[] = {
    {"timeout", 't', "SECONDS", 0, "give up after so long without an answer (default: 30)", 0},
    {0}};

static error_t option_parse(int key, char *arg, struct argp_state *state)
{
    struct publish *p = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &p->stack;
        return 0;
    case 't':
        p->timeout_s = atoi(arg);
        if (p->timeout_s <= 0)
            argp_error(state, "--timeout takes a number of seconds");
        return 0;
    case ARGP_KEY_ARGS:
        p->files = state->argv + state->next;
        p->file_count = state->argc - state->next;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void tell_refusal(struct publish *p, const struct line *at, const char *code,
                         const char *field, const char *reason)
{
    p->rejected++;
    fprintf(stderr, "%s: line %" PRIu64 ": %s: %s%s%s\n", at->file, at->number, code, field,
            *field ? ": " : "", reason);
}

static void on_refused(void *arg, uint64_t seq, const struct turnout_refusal *why)
{
    struct publish *p = arg;

    tell_refusal(p, &p->lines[seq % WINDOW], why->code, why->field, why->reason);
}

/* False when the broker has been silent for too long. */
static bool still_hoping(struct publish *p)
{
    struct turnout_counts c = turnout_counts(p->producer);
    int64_t now_ms = clock_mono_ms();

    p->connected |= turnout_connected(p->producer);
    if (c.accepted + c.refused != p->progress || p->progress_ms == 0) {
        p->progress = c.accepted + c.refused;
        p->progress_ms = now_ms;
    }
    return now_ms - p->progress_ms < (int64_t)p->timeout_s * 1000;
}

/* Status of libturnout to an exit status; 0 is still going well. */
static int failed(struct publish *p, int status)
{
    if (status == TURNOUT_OK)
        return EX_OK;
    fprintf(stderr, "turnout publish: %s\n",
            status == TURNOUT_TIMEOUT ? "the broker does not answer" : turnout_error(p->producer));
    if (status == TURNOUT_CONFIG || status == TURNOUT_WRONG_VERSION || status == TURNOUT_DENIED)
        return EX_CONFIG;
    return p->connected ? EX_TEMPFAIL : EX_UNAVAILABLE;
}

static int send_event(struct publish *p, struct slice event, struct line at)
{
    uint64_t next = turnout_counts(p->producer).sent + 1;
    int status;

    p->lines[next % WINDOW] = at;
    do
        status = turnout_send(p->producer, event.at, event.size, NULL);
    while (status == TURNOUT_TIMEOUT && still_hoping(p));
    if (status == TURNOUT_TOO_LARGE) {
        tell_refusal(p, &at, refusal_name(REFUSAL_TOO_LARGE), "",
                     "one encoded event is at most 8192 bytes");
        return EX_OK;
    }
    return failed(p, status);
}

static bool blank(struct slice line)
{
    for (size_t i = 0; i < line.size; i++)
        if (!memchr(" \t\r\n", line.at[i], 4))
            return false;
    return true;
}

static int publish_line(struct publish *p, struct slice line, struct line at, struct buffer *event)
{
    struct refusal why;

    if (line.size && line.at[line.size - 1] == '\n')
        line.size--;
    if (at.number == 1 && line.size >= 3 && memcmp(line.at, "\xef\xbb\xbf", 3) == 0)
        line = slice_make(line.at + 3, line.size - 3); /* a byte order mark */
    if (blank(line))
        return EX_OK;
    buffer_clear(event);
    if (json_to_event(line, event, &why) == 0)
        return send_event(p, buffer_slice(event), at);
    tell_refusal(p, &at, refusal_name(why.code), why.field, why.reason);
    return EX_OK;
}

static int publish_file(struct publish *p, const char *name)
{
    bool standard = strcmp(name, "-") == 0;
    FILE *f = standard ? stdin : fopen(name, "r");
    struct line at = {name, 0};
    struct buffer event = {0};
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    int status = EX_OK;

    if (!f) {
        fprintf(stderr, "turnout publish: %s: %s\n", name, strerror(errno));
        return EX_NOINPUT;
    }
    while (status == EX_OK && (n = getline(&line, &room, f)) >= 0) {
        at.number++;
        status = publish_line(p, slice_make(line, (size_t)n), at, &event);
    }
    free(line);
    buffer_free(&event);
    if (!standard)
        fclose(f);
    return status;
}

static int publish_end(struct publish *p)
{
    int status;

    p->progress_ms = 0;
    do
        status = turnout_flush(p->producer, POLL_MS);
    while (still_hoping(p) && status == TURNOUT_TIMEOUT);
    return failed(p, status);
}

static int publish_all(struct publish *p)
{
    static char dash[] = "-", *standard_input[] = {dash};
    struct turnout_options o = {.endpoint = p->stack.publish,
                                .name = "turnout publish",
                                .window_events = WINDOW,
                                .refused = on_refused,
                                .arg = p};
    struct turnout_counts c;
    int status, end;

    if (turnout_producer_new(&o, &p->producer) < 0) {
        fprintf(stderr, "turnout publish: cannot use the endpoint %s\n", p->stack.publish);
        return EX_CONFIG;
    }
    turnout_set_timeout(p->producer, POLL_MS);
    if (p->file_count == 0) {
        p->files = standard_input;
        p->file_count = 1;
    }
    status = EX_OK;
    for (int i = 0; i < p->file_count && status == EX_OK; i++)
        status = publish_file(p, p->files[i]);
    end = status == EX_OK || status == EX_NOINPUT ? publish_end(p) : EX_OK;
    c = turnout_counts(p->producer);
    if (c.sent > c.accepted + c.refused)
        fprintf(stderr, "turnout publish: %" PRIu64 " events are not acknowledged\n",
                c.sent - c.accepted - c.refused);
    printf("{\"accepted\":%" PRIu64 ",\"rejected\":%" PRIu64 "}\n", c.accepted, p->rejected);
    return status ? status : end ? end : p->rejected ? EXIT_FAILURE : EX_OK;
}

int cli_publish(int argc, char **argv)
{
    static const struct argp_child children[] = {{&cli_stack_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        option_table,
        option_parse,
        "[FILE...]",
        "Sends events, one JSON object a line, from the files or standard input, and waits until "
        "the broker has made them durable.  Each refusal is told on standard error; the last line "
        "on standard output is {\"accepted\":N,\"rejected\":M}.  Exit status: 0 all accepted, 1 "
        "some refused, 66 a file cannot be read, 69 or 75 the broker does not answer.",
        children,
        NULL,
        NULL};
    struct publish *p = calloc(1, sizeof *p);
    int status;

    if (!p)
        return EX_OSERR;
    p->timeout_s = TIMEOUT_S;
    argp_parse(&argp, argc, argv, 0, NULL, p);
    status = publish_all(p);
    turnout_producer_free(p->producer);
    cli_stack_free(&p->stack);
    free(p);
    return status;
}
