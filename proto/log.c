/* Log lines; see log.h.  A line is built whole and written by one call, so that lines of
 * several processes on one stderr do not mix. */
#include "proto/log.h"

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

void standard_files_open(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
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

void log_line(enum log_level level, const char *format, ...)
{
    char line[1024];
    struct timespec now;
    struct tm utc;
    va_list args;

    if (level > log_most)
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    int n = (int)strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%S", &utc);
    n += snprintf(line + n, sizeof line - (size_t)n, ".%03ldZ %s %s: ", now.tv_nsec / 1000000,
                  level_name[level], log_program);
    va_start(args, format);
    int text = vsnprintf(line + n, sizeof line - (size_t)n - 1, format, args);
    va_end(args);
    n += text < 0 ? 0 : text;
    if (n > (int)sizeof line - 2)
        n = (int)sizeof line - 2;
    line[n++] = '\n';
    if (write(STDERR_FILENO, line, (size_t)n) < 0)
        return; /* nobody left to tell */
}
