/* A tap: a Unix socket in front of a server's, which passes everything on until it is told to fail.
 * Then whoever asks is cut off, or is told always the same.
 *
 * It runs in a thread of its own; a question is what one read from a client gives. */
#ifndef TESTS_TAP_H
#define TESTS_TAP_H

struct tap;

/* Listens at `path`; the server's socket is at `server`. */
struct tap *tap_new(const char *path, const char *server);
void tap_free(struct tap *t);

/* From the `at`-th question on (0: never; counted from now) clients are cut off, or, with `says`,
 * are told that; borrowed until the next call. */
void tap_fail(struct tap *t, unsigned at, const char *says);

/* Questions since the last tap_fail. */
unsigned tap_questions(struct tap *t);

#endif
