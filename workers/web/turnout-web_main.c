/* turnout-web: options, signals, and the stack's addresses; everything else is in web.c and http.c.
 */
#include "proto/error.h"
#include "proto/log.h"
#include "proto/program.h"
#include "workers/site.h"
#include "workers/web/http.h"

#include <argp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

const char *argp_program_version = "turnout-web " TURNOUT_VERSION;

struct options {
    struct site site;
    struct web_config web;
    const char *listen, *address_file;
    enum log_level level;
};

enum { KEY_PER_ADDRESS = 0x300, KEY_CONNECTIONS, KEY_AUTH, KEY_ADDRESS_FILE };

static const struct argp_option option_table[] = {
    {"listen", 'L', "HOST:PORT", 0, "where (default: 127.0.0.1:8080); port 0: any free one", 0},
    {"address-file", KEY_ADDRESS_FILE, "FILE", 0, "write HOST:PORT there once it listens", 0},
    {"auth-file", KEY_AUTH, "FILE", 0,
     "who may look: lines user:hash, hashes as mkpasswd -m yescrypt writes them (default: anybody)",
     0},
    {"connections", KEY_CONNECTIONS, "N", 0, "at most so many (default: 1000)", 0},
    {"per-address", KEY_PER_ADDRESS, "N", 0,
     "at most so many from one IP address (default: 100); 0: no limit, behind a proxy", 0},
    {"log-level", 'l', "LEVEL", 0, "error, warn, info or debug (default: info)", 0},
    {0}};

static unsigned number(const char *arg, unsigned least, struct argp_state *state)
{
    int64_t n;

    if (!slice_to_int(slice_of(arg), &n) || n < least || n > 65535)
        argp_error(state, "no number from %u to 65535: %s", least, arg);
    return (unsigned)n;
}

static error_t option_parse(int key, char *arg, struct argp_state *state)
{
    struct options *o = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->site;
        return 0;
    case 'L':
        o->listen = arg;
        return 0;
    case KEY_ADDRESS_FILE:
        o->address_file = arg;
        return 0;
    case KEY_AUTH:
        o->web.auth_file = arg;
        return 0;
    case KEY_CONNECTIONS:
        o->web.connections = number(arg, 1, state);
        return 0;
    case KEY_PER_ADDRESS:
        o->web.per_address = number(arg, 0, state);
        return 0;
    case 'l':
        if (!log_level_parse(arg, &o->level))
            argp_error(state, "no log level: %s", arg);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* "127.0.0.1:8080" or "[::1]:8080". */
static bool listen_parse(const char *text, char host[256], unsigned *ret_port)
{
    const char *colon = strrchr(text, ':');
    size_t size = colon ? (size_t)(colon - text) : 0;
    int64_t port;

    if (size && text[0] == '[' && text[size - 1] == ']') {
        text++;
        size -= 2;
    }
    if (size == 0 || size > 255 || !slice_to_int(slice_of(colon + 1), &port) || port < 0 ||
        port > 65535)
        return false;
    snprintf(host, 256, "%.*s", (int)size, text);
    *ret_port = (unsigned)port;
    return true;
}

static int address_tell(const struct options *o, unsigned port)
{
    bool six = strchr(o->web.host, ':') != NULL;
    FILE *f;

    log_info("listening at http://%s%s%s:%u/", six ? "[" : "", o->web.host, six ? "]" : "", port);
    if (!o->address_file)
        return 0;
    f = fopen(o->address_file, "we");
    if (f) /* so short that only closing it writes */
        fprintf(f, "%s%s%s:%u\n", six ? "[" : "", o->web.host, six ? "]" : "", port);
    if (!f || fclose(f) != 0) {
        log_error("%s: %m", o->address_file);
        return ERR_CONFIG;
    }
    return 0;
}

static void wait_for_stop(int stop_fd)
{
    struct pollfd p = {.fd = stop_fd, .events = POLLIN};

    while (poll(&p, 1, -1) < 0)
        ;
}

static int serve(const struct options *o, int stop_fd)
{
    struct web web;
    struct http *http = NULL;
    int error = web_open(&web, &o->web);

    if (error < 0)
        return error;
    error = http_open(&web, &http);
    if (error == 0)
        error = address_tell(o, http_port(http));
    if (error == 0)
        wait_for_stop(stop_fd);
    web_stop(&web);
    http_close(http);
    web_close(&web);
    return error;
}

int main(int argc, char **argv)
{
    static const struct argp_child children[] = {{&site_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {option_table,
                                     option_parse,
                                     NULL,
                                     "Shows the participation counters in a browser: pages, JSON "
                                     "and CSV, live.  It only reads.",
                                     children,
                                     NULL,
                                     NULL};
    struct options o = {.level = LOG_INFO, .listen = "127.0.0.1:8080"};
    char host[256];
    int stop_fd, error;

    program_begin();
    o.web.connections = 1000;
    o.web.per_address = 100;
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    log_open("turnout-web", o.level);
    if (!listen_parse(o.listen, host, &o.web.port)) {
        log_error("--listen: no HOST:PORT: %s", o.listen);
        site_free(&o.site);
        return EX_USAGE;
    }
    stop_fd = program_stop_open();
    if (stop_fd < 0) {
        log_error("signals cannot be waited for: %m");
        site_free(&o.site);
        return EX_OSERR;
    }
    o.web.host = host;
    o.web.redis = site_redis(&o.site);
    o.web.read = o.site.read;
    error = serve(&o, stop_fd);
    site_free(&o.site);
    return program_exit_status(error);
}
