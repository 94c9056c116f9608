/* The bytes of the write-ahead log (frame.h), out of the journal's file. */
#ifndef BROKER_BLOCKS_H
#define BROKER_BLOCKS_H

#include <stddef.h>
#include <stdint.h>

/* Reads the value of `size` bytes that begins at `place` in the file.  One block that cannot be
 * read, of a disk that does not give back a sector, is taken for one that was never written, which
 * is logged: of every frame there is another copy, so nothing that was promised is in that block
 * alone.  It is never the first, with the log's head.  0; ERR_IO (logged): there is more that
 * cannot be read; ERR_CORRUPT: the file ends before. */
int blocks_read(int fd, uint64_t place, size_t size, char *out);

#endif
