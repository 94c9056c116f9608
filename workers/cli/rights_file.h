/* The rights file as `turnout keys` changes it: whole, in one step, and one change at a time. */
#ifndef WORKERS_CLI_RIGHTS_FILE_H
#define WORKERS_CLI_RIGHTS_FILE_H

#include "proto/rights.h"

#include <sys/stat.h>

struct rights_file {
    char *folder;   /* where it was said to be, and there whose rights root takes */
    char *path;     /* the file itself, behind all links */
    int lock;       /* -1: none */
    bool found;     /* it is there already, and then: */
    struct stat is; /* its modes and its owner, which a change keeps */
    struct buffer text;
    struct rights *rights; /* what it says; NULL: it is faulty, and */
    char fault[256];       /* why */
};

/* Reads the file; one that is not there yet has no keys, and a faulty one is opened too.  With
 * `change` nobody else changes any rights file of its folder until the close.  0, or ERR_CONFIG and
 * in `ret_error` (of the size given) a sentence; close it in either case. */
int rights_file_open(struct rights_file *f, const char *path, bool change, char *ret_error,
                     size_t error_size);

/* Puts this in its place, with that mode if it is new; what is faulty gets there only if it was so
 * before.  ERR_CONFIG likewise. */
int rights_file_write(struct rights_file *f, struct slice text, mode_t mode, char *ret_error,
                      size_t error_size);

void rights_file_close(struct rights_file *f);

#endif
