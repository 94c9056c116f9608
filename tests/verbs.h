/* Verbs of the command line in the test's own process, with a store whose calls fail on demand, by
 * the names "store_begin", "store_fetch", "store_commit", "store_keys" and "store_hindrance"; see
 * calls.h.  The linker puts it between (--wrap, see the Makefile). */
#ifndef TESTS_VERBS_H
#define TESTS_VERBS_H

#include "proto/bytes.h"

#define VERB_WORDS 6

typedef int (*verb_fn)(int argc, char **argv);

struct said {
    int status;
    struct buffer out;
};

/* Runs a verb with its standard output in a file.  The words end with NULL. */
struct said verb_run(verb_fn verb, const char *const *words);

/* A code for calls_fail: the call does not fail, but this happens before it. */
#define MEANWHILE 1
extern void (*verb_meanwhile)(void);

#endif
