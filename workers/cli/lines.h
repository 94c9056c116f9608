/* Lines of a file that may still be growing: a pipe, a terminal, `tail -f`.  Reading never blocks
 * longer than the caller says, and a line without an end never takes more memory than its limit. */
#ifndef WORKERS_CLI_LINES_H
#define WORKERS_CLI_LINES_H

#include "proto/bytes.h"

struct lines {
    int fd;
    struct buffer bytes; /* read and not yet handed out */
    size_t at;           /* where they begin */
    size_t most;         /* bytes of a line */
    bool ended, skipping;
};

/* The file stays the caller's. */
void lines_open(struct lines *l, int fd, size_t most);
void lines_close(struct lines *l);

/* The next line without its newline, borrowed until the next call; the last one need not have one.
 * Of a line longer than `most` its first most + 1 bytes are given, and the rest is passed over.
 * Returns 1; 0 at the end; ERR_AGAIN when nothing came within timeout_ms; ERR_IO with errno. */
int lines_next(struct lines *l, int timeout_ms, struct slice *ret);

#endif
