/* Calls that fail on demand: of the C library, ZeroMQ and LMDB, where our own code calls them, and
 * of our own reader.  For in-process tests; the linker puts the functions here between
 * (--wrap, see the Makefile).  What the libraries themselves call is not touched. */
#ifndef TESTS_CALLS_H
#define TESTS_CALLS_H

#include <stdbool.h>
#include <sys/types.h>

/* From now on the `at`-th call (from 1; 0: none) whose name begins with `only` (NULL: any) fails
 * once, with this code: errno, or what LMDB or our own function would return.  `only` is borrowed.
 */
void calls_fail(const char *only, unsigned at, int code);

/* From now on no byte of a file from `from` on, so many, is given back by pread: errno EIO.  0: all
 * are. */
void calls_lose(off_t from, off_t size);

/* No call fails any more.  True if one has failed: then a later one may be tried. */
bool calls_end(void);

/* For a test's own seam: the code with which the call of this name is to fail now; 0: not. */
int calls_due(const char *name);

#endif
