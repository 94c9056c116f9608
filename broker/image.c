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

/* 0 or ERR_IO, with errno; *ret_got is what was read before. */
static int read_some(const struct image *image, uint64_t at, char *out, size_t size,
                     uint64_t *ret_got)
{
    ssize_t n = 1;

    for (*ret_got = 0; *ret_got < size && n != 0; *ret_got += n > 0 ? (uint64_t)n : 0) {
        n = pread(image->fd, out + *ret_got, size - *ret_got, (off_t)(at + *ret_got));
        if (n < 0 && errno != EINTR)
            return ERR_IO;
    }
    return 0;
}

int image_read(struct image *image, uint64_t at, char *out, size_t size, uint64_t *ret_got)
{
    int err = read_some(image, at, out, size, ret_got);

    if (err < 0) {
        log_error("journal: reading at byte %llu: %m", (unsigned long long)(at + *ret_got));
        image->error = err;
    }
    return err;
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
    if (read_some(image, place * IMAGE_PIECE, piece->bytes, IMAGE_PIECE, &got) < 0)
        return NULL; /* perhaps for another page of it, which nobody asks for */
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
    piece = size > IMAGE_PIECE - within ? NULL : piece_at(image, at);
    if (!piece)
        return image_read(image, at, out, size, &got) == 0 && got == size;
    if (piece->size < within + size)
        return false;
    memcpy(out, piece->bytes + within, size);
    return true;
}

bool image_page(struct image *image, uint64_t number, char *out)
{
    return image_pages(image, number, image->page_bytes, out);
}
