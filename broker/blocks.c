/* The write-ahead log's bytes; see blocks.h. */
#include "broker/blocks.h"

#include "broker/frame.h"
#include "proto/error.h"
#include "proto/log.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#define PIECE ((size_t)1 << 20)

/* The head, or some blocks, or one, or what is left. */
static size_t piece(size_t got, size_t size, size_t singly)
{
    size_t most = got < FRAME_FIRST ? FRAME_FIRST - got : got < singly ? FRAME_BLOCK : PIECE;

    return size - got < most ? size - got : most;
}

/* Returns how much is passed over: the block, from where it begins. */
static size_t block_lose(size_t got, size_t size, char *out)
{
    size_t begin = got - (got - FRAME_FIRST) % FRAME_BLOCK;
    size_t end = size - begin < FRAME_BLOCK ? size : begin + FRAME_BLOCK;

    memset(out + begin, 0, end - begin);
    return end - got;
}

int blocks_read(int fd, uint64_t place, size_t size, char *out)
{
    bool lost = false;
    size_t singly = 0; /* up to there one block at a time */

    for (size_t got = 0; got < size;) {
        ssize_t n = pread(fd, out + got, piece(got, size, singly), (off_t)(place + got));
        if (n > 0) {
            got += (size_t)n;
        } else if (n == 0) {
            return ERR_CORRUPT;
        } else if (errno == EIO && got >= FRAME_FIRST && got >= singly) {
            singly = got + PIECE; /* of much at once good blocks fail with the one that is lost */
        } else if (errno == EIO && got >= FRAME_FIRST && !lost) {
            log_warn("journal: byte %llu of the file cannot be read: the write-ahead log goes "
                     "without that block, there are two copies of everything",
                     (unsigned long long)(place + got));
            lost = true;
            got += block_lose(got, size, out);
        } else if (errno != EINTR) {
            log_error("journal: reading at byte %llu: %m", (unsigned long long)(place + got));
            return ERR_IO;
        }
    }
    return 0;
}
