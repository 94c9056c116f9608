/* Log lines; see log.h.  A line is built whole and written by one call, so that lines of
 * several processes on one stderr do not mix. */
#include "proto/log.h"

#include "proto/clock.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const level_name[] = {"error", "warn", "info", "debug"};
static const char *log_program = "turnout";
static enum log_level log_most = LOG_INFO;

void log_open(const char *program, enum log_level most)
{
    log_program = program;
    log_most = most;
}

bool log_level_parse(const char *name, enum log_level *ret)
{
    for (int i = LOG_ERROR; i <= LOG_DEBUG; i++)
        if (strcmp(name, level_name[i]) == 0) {
            *ret = (enum log_level)i;
            return true;
        }
    return false;
}

/* ` (N more like this)` behind the text if some were left out. */
static void line_write(enum log_level level, unsigned unsaid, const char *format, va_list args)
{
    char line[1024];
    struct timespec now;
    struct tm utc;
    size_t most = sizeof line - 64; /* room for the end */

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t n = strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%S", &utc);
    n += (size_t)snprintf(line + n, most - n, ".%03ldZ %s %s: ", now.tv_nsec / 1000000,
                          level_name[level], log_program);
    if (n >= most)
        n = most - 1;
    int text = vsnprintf(line + n, most - n, format, args);
    n += text < 0 ? 0 : (size_t)text;
    if (n >= most)
        n = most - 1;
    if (unsaid)
        n += (size_t)snprintf(line + n, sizeof line - n, " (%u more like this before)", unsaid);
    line[n++] = '\n';
    if (write(STDERR_FILENO, line, n) < 0)
        return; /* nobody left to tell */
}

void log_line(enum log_level level, const char *format, ...)
{
    va_list args;

    if (level > log_most)
        return;
    va_start(args, format);
    line_write(level, 0, format, args);
    va_end(args);
}

void log_rated(struct log_rate *rate, enum log_level level, const char *format, ...)
{
    int64_t second = clock_mono_ms() / 1000;
    va_list args;

    if (level > log_most)
        return;
    if (second != rate->second) {
        rate->second = second;
        rate->said = 0;
    }
    if (rate->said == LOG_RATE) {
        rate->unsaid++;
        return;
    }
    va_start(args, format);
    line_write(level, rate->unsaid, format, args);
    va_end(args);
    rate->said++;
    rate->unsaid = 0;
}
