/* Log lines with virtual time and the actor's name, in place of proto/log.c; and what the
 * simulation has to say itself. */
#include "proto/log.h"

#include <stdarg.h>
#include <stdlib.h>

#include "tests/simulate/simulate.h"

static void line(const char *kind, const char *format, va_list args)
{
    fprintf(stderr, "%10.3f %-10s %s ", (double)sim.now_us / 1e6, actor_name(sim.now), kind);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
}

void log_open(const char *program, enum log_level most)
{
    (void)program;
    (void)most;
}

static void log_told(enum log_level level, const char *format, va_list args)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};

    if (sim.verbose && !(sim.now && sim.now->dead))
        line(names[level], format, args);
}

void log_line(enum log_level level, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    log_told(level, format, args);
    va_end(args);
}

void log_rated(struct log_rate *rate, enum log_level level, const char *format, ...)
{
    va_list args;

    (void)rate;
    va_start(args, format);
    log_told(level, format, args);
    va_end(args);
}

void sim_say(const char *format, ...)
{
    va_list args;

    if (!sim.verbose)
        return;
    va_start(args, format);
    line("*", format, args);
    va_end(args);
}
