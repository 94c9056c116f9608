/* A file read in pieces; see image.h.  What can fail: a read (ERR_IO, which sticks), and a place
 * that is not in the file. */
#include "broker/image.h"

#include "broker/page.h"
#include "proto/error.h"
#include "proto/log.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

void image_open(struct image *image, int fd)
{
    memset(image, 0, sizeof *image);
    image->fd = fd;
}

void image_close(struct image *image)
{
    for (int i = 0; i < IMAGE_PIECES; i++)
        free(image->pieces[i].bytes);
}

void image_forget(struct image *image)
{
    for (int i = 0; i < IMAGE_PIECES; i++)
        image->pieces[i].number = 0;
}

uint64_t image_size(const struct image *image)
{
    struct stat file;

    return fstat(image->fd, &file) == 0 ? (uint64_t)file.st_size : 0;
}

int image_read(struct image *image, uint64_t at, char *out, size_t size, uint64_t *ret_got)
{
    size_t got = 0;

    while (got < size) {
        ssize_t n = pread(image->fd, out + got, size - got, (off_t)(at + got));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            log_error("journal: reading at byte %llu: %m", (unsigned long long)(at + got));
            return image->error = ERR_IO;
        }
        if (n == 0)
            break;
        got += (size_t)n;
    }
    *ret_got = got;
    return 0;
}

static struct image_piece *piece_at(struct image *image, uint64_t at)
{
    uint64_t place = at / IMAGE_PIECE, got;
    struct image_piece *piece = &image->pieces[place % IMAGE_PIECES];

    if (piece->number == place + 1)
        return piece;
    if (!piece->bytes)
        piece->bytes = memory_need(IMAGE_PIECE);
    piece->number = 0;
    if (image_read(image, place * IMAGE_PIECE, piece->bytes, IMAGE_PIECE, &got) < 0)
        return NULL;
    piece->number = place + 1;
    piece->size = got;
    return piece;
}

bool image_pages(struct image *image, uint64_t number, size_t size, char *out)
{
    uint64_t at = number * image->page_bytes, got;
    size_t within = at % IMAGE_PIECE;
    const struct image_piece *piece;

    if (number > INT64_MAX / PAGE_MAX_BYTES)
        return false;
    if (size > IMAGE_PIECE - within)
        return image_read(image, at, out, size, &got) == 0 && got == size;
    piece = piece_at(image, at);
    if (!piece || piece->size < within + size)
        return false;
    memcpy(out, piece->bytes + within, size);
    return true;
}

bool image_page(struct image *image, uint64_t number, char *out)
{
    return image_pages(image, number, image->page_bytes, out);
}
