/* A file that is only read, in pieces, by whoever trusts nothing in it. */
#ifndef BROKER_IMAGE_H
#define BROKER_IMAGE_H

#include "proto/bytes.h"

/* Pages are mostly asked for in about the order they have in the file: it is read this much at a
 * time, and as many pieces are kept. */
#define IMAGE_PIECE  ((size_t)64 * 1024)
#define IMAGE_PIECES 32

struct image {
    int fd, error;
    unsigned page_bytes;
    struct image_piece {
        uint64_t number; /* 1 + its place in the file; 0: nothing read yet */
        size_t size;
        char *bytes;
    } pieces[IMAGE_PIECES];
};

void image_open(struct image *image, int fd); /* borrowed */
void image_close(struct image *image);
void image_forget(struct image *image); /* what was read: the file may have changed */
uint64_t image_size(const struct image *image);

/* As much of `size` bytes as there is.  0 or ERR_IO, which is logged and sticks in `error`. */
int image_read(struct image *image, uint64_t at, char *out, size_t size, uint64_t *ret_got);

/* A whole page; false if it is not in the file, or cannot be read. */
bool image_page(struct image *image, uint64_t number, char *out);

/* `size` bytes of a page and those behind it; likewise. */
bool image_pages(struct image *image, uint64_t number, size_t size, char *out);

#endif
