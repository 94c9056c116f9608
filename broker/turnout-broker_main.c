/* turnout-broker: options, limits and signals; everything else is in broker.c.
 *
 * Exit status: 0 told to stop, 1 the check found faults, 64 wrong usage, 69 there is no journal to
 * be checked or copied, 74 the disk or the journal failed, 78 a setting that cannot work. */
#include "broker/broker.h"
#include "broker/check.h"
#include "broker/guard.h"
#include "broker/journal.h"
#include "proto/bytes.h"
#include "proto/error.h"
#include "proto/log.h"
#include "proto/program.h"

#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

const char *argp_program_version = "turnout-broker " TURNOUT_VERSION;

enum {
    OPTION_PUBLISH = 256,
    OPTION_READ,
    OPTION_SIZE,
    OPTION_PARTITIONS,
    OPTION_LOG,
    OPTION_LOOPBACK,
    OPTION_TCP,
    OPTION_RIGHTS,
    OPTION_MEMORY,
    OPTION_CONNECTIONS,
    OPTION_READERS,
    OPTION_CHECK,
    OPTION_BACKUP,
    OPTION_JSON
};

static const struct argp_option options[] = {
    {"dir", 'd', "DIR", 0,
     "where it keeps its journal and sockets (default: $TURNOUT_DIR, or ./run)", 0},
    {"publish", OPTION_PUBLISH, "ENDPOINT", 0,
     "where producers connect (default: ipc://DIR/publish.sock)", 0},
    {"read", OPTION_READ, "ENDPOINT", 0,
     "where workers and the command line connect (default: ipc://DIR/read.sock)", 0},
    {"tcp", OPTION_TCP, "HOST:PORT", 0,
     "listen there too, for those with keys: producers at PORT, workers and the command line at "
     "the "
     "port after it",
     0},
    {"rights", OPTION_RIGHTS, "FILE", 0,
     "what each key may do (default: DIR/rights.conf, if it is there); a change counts at once", 0},
    {"journal-size", OPTION_SIZE, "SIZE", 0,
     "most bytes of the journal, with K, M or G (default: 64G); may be raised at any start", 0},
    {"partitions", OPTION_PARTITIONS, "N", 0,
     "partitions of a new journal, 1 to 256 (default: 8); an existing one keeps its own", 0},
    {"memory-limit", OPTION_MEMORY, "SIZE", 0,
     "most memory, with K, M or G (default: 512M); above it connections are cut and begin anew", 0},
    {"max-connections", OPTION_CONNECTIONS, "N", 0,
     "connections at all endpoints, 64 to 4096 (default: 4096); three quarters may be producers",
     0},
    {"max-readers", OPTION_READERS, "N", 0,
     "workers, and as many clients, 1 to 1024 (default: 32): up to 6.25 and 3.25 MiB of memory "
     "each",
     0},
    {"insecure-loopback", OPTION_LOOPBACK, NULL, 0,
     "allow tcp:// endpoints on the loopback interface, open to everybody on this machine", 0},
    {"log-level", OPTION_LOG, "LEVEL", 0, "error, warn, info (default) or debug", 0},
    {"check", OPTION_CHECK, "FILE", OPTION_ARG_OPTIONAL,
     "read the journal, or a backup of one, print what is wrong with it, and end", 1},
    {"json", OPTION_JSON, NULL, 0, "print that as one JSON object", 1},
    {"backup", OPTION_BACKUP, "FILE", 0,
     "write a compact copy of the journal into FILE, check it, and end", 1},
    {0},
};

struct options {
    struct broker_config broker;
    enum log_level log;
    bool check, json;
    const char *check_file, *backup_file;
};

/* A number with K, M or G; false if it is none or lies outside the limits. */
static bool size_parse(const char *text, uint64_t least, uint64_t most, uint64_t *ret)
{
    static const char units[] = "KMG";
    struct slice number = slice_of(text);
    const char *unit = number.size ? strchr(units, text[number.size - 1]) : NULL;
    int64_t n;

    number.size -= unit != NULL;
    if (!slice_to_int(number, &n) || n < 0)
        return false;
    for (const char *u = units; unit && u <= unit; u++)
        if (__builtin_mul_overflow(n, 1024, &n))
            return false;
    *ret = (uint64_t)n;
    return *ret >= least && *ret <= most;
}

static error_t option_take(int key, char *value, struct argp_state *state)
{
    struct options *s = state->input;
    uint64_t n;

    switch (key) {
    case 'd':
        s->broker.dir = value;
        return 0;
    case OPTION_PUBLISH:
        s->broker.publish = value;
        return 0;
    case OPTION_READ:
        s->broker.read = value;
        return 0;
    case OPTION_TCP:
        s->broker.tcp = value;
        return 0;
    case OPTION_RIGHTS:
        s->broker.rights = value;
        return 0;
    case OPTION_SIZE:
        if (!size_parse(value, JOURNAL_MIN_BYTES, (uint64_t)1 << 46, &s->broker.journal_bytes))
            argp_error(state, "--journal-size: from 16M to 65536G, not '%s'", value);
        return 0;
    case OPTION_PARTITIONS:
        if (!size_parse(value, 1, WIRE_MAX_PARTS, &n))
            argp_error(state, "--partitions: from 1 to %d, not '%s'", WIRE_MAX_PARTS, value);
        s->broker.partitions = (unsigned)n;
        return 0;
    case OPTION_MEMORY:
        if (!size_parse(value, GUARD_MEMORY_LEAST, (uint64_t)1 << 46, &s->broker.memory_bytes))
            argp_error(state, "--memory-limit: from 64M to 65536G, not '%s'", value);
        return 0;
    case OPTION_CONNECTIONS:
        if (!size_parse(value, GUARD_CONNECTIONS_LEAST, GUARD_CONNECTIONS, &n))
            argp_error(state, "--max-connections: from %d to %d, not '%s'", GUARD_CONNECTIONS_LEAST,
                       GUARD_CONNECTIONS, value);
        s->broker.connections = (unsigned)n;
        return 0;
    case OPTION_READERS:
        if (!size_parse(value, 1, 1024, &n))
            argp_error(state, "--max-readers: from 1 to 1024, not '%s'", value);
        s->broker.readers = (unsigned)n;
        return 0;
    case OPTION_LOOPBACK:
        s->broker.insecure_loopback = true;
        return 0;
    case OPTION_CHECK:
        s->check = true;
        s->check_file = value;
        return 0;
    case OPTION_BACKUP:
        s->backup_file = value;
        return 0;
    case OPTION_JSON:
        s->json = true;
        return 0;
    case OPTION_LOG:
        if (!log_level_parse(value, &s->log))
            argp_error(state, "--log-level: error, warn, info or debug, not '%s'", value);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* A socket for each connection, and some more: without descriptors ZeroMQ accepts nobody, in a
 * loop, and ends the process where it needs one for itself.  False if there are too few for
 * anything. */
static bool files_reserve(struct broker_config *config)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return true;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= config->connections + GUARD_FILES)
        return true;
    if (limit.rlim_cur < GUARD_CONNECTIONS_LEAST + GUARD_FILES) {
        log_error(
            "%llu open files are allowed, at least %d are needed: raise the limit (ulimit -n)",
            (unsigned long long)limit.rlim_cur, GUARD_CONNECTIONS_LEAST + GUARD_FILES);
        return false;
    }
    config->connections = (unsigned)limit.rlim_cur - GUARD_FILES;
    log_warn("%llu open files are allowed: room for %u connections",
             (unsigned long long)limit.rlim_cur, config->connections);
    return true;
}

static int exit_status(int err)
{
    if (err == 0)
        return EX_OK;
    return err == ERR_CONFIG || err == ERR_VERSION || err == ERR_LOCKED ? EX_CONFIG : EX_IOERR;
}

#define TOUCH_BYTES ((size_t)16 << 20) /* what it needs at full load, but for the journal's pages */

int main(int argc, char **argv)
{
    static const struct argp argp = {
        options, option_take,
        NULL,    "Takes events from producers, keeps them in a journal, and feeds them to workers.",
        NULL,    NULL,
        NULL};
    const char *dir = getenv("TURNOUT_DIR");
    struct options s = {.log = LOG_INFO};
    struct broker *broker = NULL;
    int stop_fd, err;

    program_begin();
    umask(umask(0) | S_IRWXO); /* its sockets and files are nobody's but the user's, and by the unit
                                  the group's */
    s.broker.dir = dir && *dir ? dir : "./run";
    s.broker.journal_bytes = JOURNAL_DEFAULT_BYTES;
    s.broker.memory_bytes = GUARD_MEMORY;
    s.broker.connections = GUARD_CONNECTIONS;
    argp_parse(&argp, argc, argv, 0, NULL, &s);
    log_open("turnout-broker", s.log);
    if (s.check)
        return check_journal(s.broker.dir, s.check_file, s.json);
    if (s.backup_file)
        return backup_journal(s.broker.dir, s.backup_file);
    if (!files_reserve(&s.broker))
        return EX_CONFIG;
    memory_touch(TOUCH_BYTES);
    stop_fd = program_stop_open();
    err = stop_fd < 0 ? ERR_IO : broker_open(&s.broker, &broker);
    if (err == 0)
        err = broker_run(broker, stop_fd);
    broker_close(broker);
    if (stop_fd >= 0)
        close(stop_fd);
    return exit_status(err);
}
