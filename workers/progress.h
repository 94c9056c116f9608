/* Progress of long work, as one line on standard error that is written over: how much of how much,
 * how fast, and how long it will take.  Only when standard error is a terminal, or it was asked
 * for. */
#ifndef WORKERS_PROGRESS_H
#define WORKERS_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    const char *what; /* "reading events" */
    uint64_t done, total;
    int64_t started_ms, shown_ms;
    bool on, terminal, shown;
};

/* `asked`: also when standard error is no terminal (then a line of its own each time, and one at
 * the end).  A total of 0 is one that is not known. */
void progress_begin(struct progress *p, const char *what, uint64_t total, bool asked);
void progress_add(struct progress *p, uint64_t count);
/* Clears the line.  May be called twice, and without a begin if all of the struct is zero. */
void progress_end(struct progress *p);

#endif
