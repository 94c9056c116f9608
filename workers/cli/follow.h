/* Whether a running broker follows a change of the rights file. */
#ifndef WORKERS_CLI_FOLLOW_H
#define WORKERS_CLI_FOLLOW_H

#include "proto/keyfile.h"
#include "proto/link.h"

enum follow {
    FOLLOW_SEEN,   /* a connection under this key came to what was wanted */
    FOLLOW_NOBODY, /* no broker runs here, or none that listens for keys */
    FOLLOW_UNSEEN, /* one runs, but nobody can look */
    FOLLOW_NOT
};

/* Waits for it, up to 10 s.  `k` is looked for where DIR/endpoints says, if that is there; NULL
 * when its file is gone. */
enum follow broker_follow(const char *dir, const struct keyfile *k, enum link_state wanted);

/* Whether a running broker lets this key in (FOLLOW_SEEN) or not (FOLLOW_NOT), whatever a rights
 * file says.  Asks until there is an answer, up to 10 s; who names no broker has no key of one. */
enum follow broker_admits(const char *dir, const struct keyfile *k);

#endif
