/* turnout publish: JSON Lines to the broker.  Each line becomes an event, its number is remembered
 * until the broker has answered, and a refusal is told with it.  What is refused for now only is
 * sent again until it is accepted, and no further line is read meanwhile: so no more than the
 * window ever waits. */
#include "proto/clock.h"
#include "proto/error.h"
#include "proto/json.h"
#include "proto/turnout.h"
#include "workers/cli/cli.h"
#include "workers/cli/cli_out.h"
#include "workers/cli/later.h"
#include "workers/cli/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define PLACES     WIRE_WINDOW  /* remembered lines */
#define WINDOW     (PLACES - 1) /* so that the next event's place is never one still under way */
#define TIMEOUT_S  30
#define PATIENCE_S 60
#define POLL_MS    200
#define IDLE_MS    50 /* while the input has nothing, acknowledgements are looked after */

struct publish {
    struct site site;
    int timeout_s;
    char **files;
    int file_count;
    struct turnout_producer *producer;
    struct line lines[PLACES]; /* by sequence number, modulo */
    uint64_t rejected;         /* refused here or by the broker, for good */
    int patience_s;
    struct later later;   /* refused for now */
    uint64_t given_up;    /* how many had been accepted when patience ended; else none */
    char told[WIRE_NAME]; /* the code that was last told to pass */
    uint64_t progress;    /* accepted and refused when last looked at */
    int64_t progress_ms;
    bool connected; /* ever */
    bool unread;    /* a file could not be read, or not to its end */
};

static const struct argp_option option_table[] = {
    {"patience", 'p', "SECONDS", 0,
     "send again what is refused for now (rate-limit, journal-full), until so long none of it has "
     "been accepted (default: 60; 0: never)",
     0},
    {"timeout", 't', "SECONDS", 0, "give up after so long without an answer (default: 30)", 0},
    {0}};

static error_t option_parse(int key, char *arg, struct argp_state *state)
{
    struct publish *p = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &p->site;
        return 0;
    case 'p':
        p->patience_s = (int)cli_number("--patience", arg, 0, CLI_SECONDS_MOST, state);
        return 0;
    case 't':
        p->timeout_s = (int)cli_number("--timeout", arg, 1, CLI_SECONDS_MOST, state);
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

static void tell_waiting(struct publish *p, const struct turnout_refusal *why)
{
    if (strcmp(p->told, why->code) != 0)
        fprintf(stderr, "turnout publish: %s: %s: sending it again until there is room\n",
                why->code, why->reason);
    snprintf(p->told, sizeof p->told, "%s", why->code);
}

/* Whoever waited in vain does not wait for the rest of the input too, until something moves. */
static void on_refused(void *arg, uint64_t seq, const struct turnout_refusal *why)
{
    struct publish *p = arg;
    const struct line *at = &p->lines[seq % PLACES];

    if (!why->retry || p->patience_s == 0 || turnout_counts(p->producer).accepted == p->given_up) {
        tell_refusal(p, at, why->code, why->field, why->reason);
    } else {
        tell_waiting(p, why);
        later_add(&p->later, slice_make(why->event, why->size), *at);
    }
}

/* Handshakes may also be cut short for a while, as of a key with many sessions: who is there by now
 * has the right one. */
static bool key_seems_wrong(const struct publish *p)
{
    return !turnout_connected(p->producer) &&
           strcmp(turnout_error_code(p->producer), "broker-key") == 0;
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
    if (key_seems_wrong(p))
        return false; /* it may be something else, but whoever waits is better told */
    return now_ms - p->progress_ms < (int64_t)p->timeout_s * 1000;
}

/* Status of libturnout to an exit status; 0 is still going well. */
static int failed(struct publish *p, int status)
{
    if (status == TURNOUT_OK)
        return EX_OK;
    if (status == TURNOUT_TIMEOUT && key_seems_wrong(p))
        status = TURNOUT_DENIED;
    if (status == TURNOUT_TIMEOUT)
        cli_fail("publish", "the broker", p->site.publish, ERR_TIMEOUT);
    else
        fprintf(stderr, "turnout publish: %s\n", turnout_error(p->producer));
    if (status == TURNOUT_CONFIG || status == TURNOUT_WRONG_VERSION || status == TURNOUT_DENIED)
        return EX_CONFIG;
    return p->connected ? EX_TEMPFAIL : EX_UNAVAILABLE;
}

static int send_event(struct publish *p, struct slice event, struct line at)
{
    uint64_t next = turnout_counts(p->producer).sent + 1;
    int status;

    p->lines[next % PLACES] = at;
    p->progress_ms = 0; /* the input may have rested for longer than the broker may */
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

/* Until nothing is under way. */
static int settle(struct publish *p)
{
    int status;

    p->progress_ms = 0;
    do
        status = turnout_flush(p->producer, POLL_MS);
    while (still_hoping(p) && status == TURNOUT_TIMEOUT);
    return failed(p, status);
}

/* ---- what was refused for now ---- */

/* The broker is answered meanwhile. */
static int rest(struct publish *p, int pause_ms)
{
    int64_t end_ms = clock_mono_ms() + pause_ms, left_ms;
    int status = TURNOUT_OK;

    while ((left_ms = end_ms - clock_mono_ms()) > 0 && status == TURNOUT_OK)
        status = turnout_poll(p->producer, (int)left_ms);
    return failed(p, status);
}

static int send_some_again(struct publish *p, size_t count)
{
    uint64_t before = turnout_counts(p->producer).accepted;
    struct buffer event = {0};
    int status = EX_OK;

    for (size_t i = 0; i < count && status == EX_OK; i++) {
        struct line at = later_take(&p->later, &event);
        status = send_event(p, buffer_slice(&event), at);
    }
    if (status == EX_OK)
        status = settle(p);
    later_learn(&p->later, count, turnout_counts(p->producer).accepted - before, clock_mono_ms());
    buffer_free(&event);
    return status;
}

static int send_again(struct publish *p)
{
    struct later *l = &p->later;
    int status = settle(p);

    later_begin(l, clock_mono_ms());
    while (status == EX_OK && later_count(l) > 0) {
        bool over = clock_mono_ms() - l->moved_ms >= (int64_t)p->patience_s * 1000;
        size_t share = over || l->share > later_count(l) ? later_count(l) : l->share;
        if (over)
            p->given_up = turnout_counts(p->producer).accepted;
        else
            status = rest(p, l->pause_ms);
        if (status == EX_OK)
            status = send_some_again(p, share);
    }
    return status;
}

/* ---- lines ---- */

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

static void tell_unread(struct publish *p, const char *name)
{
    fprintf(stderr, "turnout publish: %s: %s\n", name, strerror(errno));
    p->unread = true;
}

static int publish_lines(struct publish *p, int fd, const char *name)
{
    struct line at = {name, 0};
    struct buffer event = {0};
    struct lines lines;
    struct slice line;
    int status = EX_OK, got = 1;

    lines_open(&lines, fd, JSON_MAX_LINE);
    while (status == EX_OK && got != 0 && got != ERR_IO) {
        got = lines_next(&lines, IDLE_MS, &line);
        if (got == 1)
            at.number++;
        if (got == 1)
            status = publish_line(p, line, at, &event);
        else if (got == ERR_AGAIN)
            status = failed(p, turnout_poll(p->producer, 1));
        if (status == EX_OK && later_count(&p->later) > 0)
            status = send_again(p);
    }
    if (got == ERR_IO)
        tell_unread(p, name);
    lines_close(&lines);
    buffer_free(&event);
    return status;
}

/* A file that cannot be read is told, and the others are published all the same. */
static int publish_file(struct publish *p, const char *name)
{
    bool standard = strcmp(name, "-") == 0;
    int fd = standard ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC);
    int status;

    if (fd < 0) {
        tell_unread(p, name);
        return EX_OK;
    }
    status = publish_lines(p, fd, name);
    if (!standard)
        close(fd);
    return status;
}

static int publish_end(struct publish *p)
{
    int status = settle(p);

    return status == EX_OK && later_count(&p->later) > 0 ? send_again(p) : status;
}

static int publish_all(struct publish *p)
{
    static char dash[] = "-", *standard_input[] = {dash};
    struct turnout_options o = {.endpoint = p->site.publish,
                                .key_file = p->site.key_file,
                                .name = "turnout publish",
                                .window_events = WINDOW,
                                .refused = on_refused,
                                .arg = p};
    struct turnout_counts c;
    int status = EX_OK;

    if (turnout_producer_new(&o, &p->producer) < 0) {
        fprintf(stderr, "turnout publish: cannot use the endpoint %s\n", p->site.publish);
        return EX_CONFIG;
    }
    turnout_set_timeout(p->producer, POLL_MS);
    if (p->file_count == 0) {
        p->files = standard_input;
        p->file_count = 1;
    }
    for (int i = 0; i < p->file_count && status == EX_OK; i++)
        status = publish_file(p, p->files[i]);
    if (status == EX_OK)
        status = publish_end(p);
    c = turnout_counts(p->producer);
    if (c.sent > c.accepted + c.refused)
        fprintf(stderr, "turnout publish: not acknowledged: %" PRIu64 " events\n",
                c.sent - c.accepted - c.refused);
    if (later_count(&p->later) > 0)
        fprintf(stderr, "turnout publish: refused for now, and not sent: %zu events\n",
                later_count(&p->later));
    printf("{\"accepted\":%" PRIu64 ",\"rejected\":%" PRIu64 "}\n", c.accepted, p->rejected);
    if (cli_flush("publish") != EX_OK)
        return EX_IOERR;
    return status ? status : p->rejected || p->unread ? EXIT_FAILURE : EX_OK;
}

int cli_publish(int argc, char **argv)
{
    static const struct argp_child children[] = {{&site_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        option_table,
        option_parse,
        "[FILE...]",
        "Sends events, one JSON object a line, from the files or standard input, and waits until "
        "the broker has made them durable.  Each refusal is told on standard error, what is "
        "refused only for now is sent again; the last line on standard output is "
        "{\"accepted\":N,\"rejected\":M}.  The broker keeps what it refuses (turnout rejects), "
        "but never sees a line that is no JSON object, has a key twice, is not UTF-8 or is above "
        "8 KiB. Exit status: 0 all accepted, 1 some refused or a file not read, 64 usage, 69 or "
        "75 the broker does not answer, 74 the output cannot be written, 78 the key or its rights "
        "are not right.",
        children,
        NULL,
        NULL};
    struct publish *p = memory_zeroed(sizeof *p);
    int status;

    p->timeout_s = TIMEOUT_S;
    p->patience_s = PATIENCE_S;
    p->given_up = UINT64_MAX;
    argp_parse(&argp, argc, argv, 0, NULL, p);
    status = publish_all(p);
    turnout_producer_free(p->producer);
    site_free(&p->site);
    later_free(&p->later);
    free(p);
    return status;
}
