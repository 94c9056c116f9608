/* Who may look: HTTP's basic authentication against a file of lines `user:hash`, where the hash is
 * of crypt(3): yescrypt by `mkpasswd -m yescrypt`, or SHA-512.
 *
 * A hash takes long on purpose.  So a password that was right is remembered, by a keyed digest, and
 * wrong ones are checked by a thread of the crew, of which nobody gets more than his turn. */
#ifndef WORKERS_WEB_AUTH_H
#define WORKERS_WEB_AUTH_H

#include "proto/bytes.h"

struct auth;

/* 0; ERR_CONFIG (logged) for a file that is not there, holds no users or a hash that crypt does not
 * know, or that others may write. */
int auth_open(const char *path, struct auth **ret);
void auth_close(struct auth *a); /* NULL is allowed */

/* Whether this header "Basic ..." is remembered as right. */
bool auth_known(struct auth *a, struct slice header);

/* Whether it is right; takes its time. */
bool auth_check(struct auth *a, struct slice header);

#endif
