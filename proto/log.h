/* One line per message on stderr: time, level, program, text.  No event's content, key or
 * password is ever logged above debug. */
#ifndef PROTO_LOG_H
#define PROTO_LOG_H

#include "proto/clock.h"

#include <stdbool.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* The program's name, borrowed for good, and the least important level that is still written. */
void log_open(const char *program, enum log_level most);

/* "error", "warn", "info", "debug"; false for anything else. */
bool log_level_parse(const char *name, enum log_level *ret);

void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What a peer can cause as often as it likes: at most LOG_RATE lines a second of one kind, the
 * first of a later second saying how many were left out.  A rate begins as zeros, and is one
 * thread's. */
#define LOG_RATE 10

struct log_rate {
    int64_t second;
    unsigned said, unsaid;
};

void log_rated(struct log_rate *rate, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* What a program that tries again and again would say each time: true once in LOG_AGAIN_MS.
 * *said_ms is when it was so last, 0 before. */
#define LOG_AGAIN_MS 10000
static inline bool log_again(int64_t *said_ms)
{
    int64_t now_ms = clock_mono_ms();

    if (*said_ms && now_ms - *said_ms < LOG_AGAIN_MS)
        return false;
    *said_ms = now_ms;
    return true;
}

#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)

#endif
