/* Lines of a file; see lines.h. */
#include "workers/cli/lines.h"

#include "proto/error.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#define READ_BYTES ((size_t)64 * 1024)

void lines_open(struct lines *l, int fd, size_t most)
{
    *l = (struct lines){.fd = fd, .most = most};
}

void lines_close(struct lines *l)
{
    buffer_free(&l->bytes);
}

static int read_more(struct lines *l, int timeout_ms)
{
    struct pollfd p = {.fd = l->fd, .events = POLLIN};
    ssize_t n;

    if (poll(&p, 1, timeout_ms) <= 0)
        return ERR_AGAIN;
    if (l->at) {
        l->bytes.size -= l->at;
        memmove(l->bytes.at, l->bytes.at + l->at, l->bytes.size);
        l->at = 0;
    }
    n = read(l->fd, buffer_room(&l->bytes, READ_BYTES), READ_BYTES);
    if (n < 0)
        return errno == EINTR || errno == EAGAIN ? ERR_AGAIN : ERR_IO;
    l->bytes.size += (size_t)n;
    l->ended = n == 0;
    return 0;
}

/* Hands out `size` bytes and passes over `past` more. */
static int give(struct lines *l, size_t size, size_t past, struct slice *ret)
{
    *ret = slice_make(l->bytes.at + l->at, size);
    l->at += size + past;
    return 1;
}

/* A line that is there in full, or too long, or the last; 0 when more must be read. */
static int take(struct lines *l, struct slice *ret)
{
    size_t left = l->bytes.size - l->at;
    const char *start = left ? l->bytes.at + l->at : NULL;
    const char *end = left ? memchr(start, '\n', left) : NULL;
    size_t size = end ? (size_t)(end - start) : left;

    if (l->skipping) { /* the rest of a line that was too long */
        l->skipping = !end;
        l->at += end ? size + 1 : left;
        return end ? take(l, ret) : 0;
    }
    if (size > l->most) {
        l->skipping = !end;
        return give(l, l->most + 1, end ? size - l->most : left - l->most - 1, ret);
    }
    if (end || (l->ended && left))
        return give(l, size, end ? 1 : 0, ret);
    return 0;
}

int lines_next(struct lines *l, int timeout_ms, struct slice *ret)
{
    int error = 0;

    while (error == 0) {
        if (take(l, ret))
            return 1;
        if (l->ended)
            return 0;
        error = read_more(l, timeout_ms);
    }
    return error;
}
