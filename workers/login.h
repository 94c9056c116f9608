/* Logging in to Redis: the AUTH command, with a password that is read from a file each time, so
 * that it can be changed while programs run, and that stays nowhere in this process's memory. */
#ifndef WORKERS_LOGIN_H
#define WORKERS_LOGIN_H

#include <stdbool.h>
#include <stddef.h>

#define LOGIN_USER_MAX     128
#define LOGIN_PASSWORD_MAX 512

/* Writes `AUTH user password` to a connected socket, before anything else goes there.  The password
 * is the file's first line.  The reply is the caller's to read.
 *
 * 0; ERR_LOST when the socket takes no more; ERR_CONFIG when there is no such password, and then a
 * sentence in `ret_reason`, which names user and file and never holds the password. */
int login_send(int fd, const char *user, const char *password_file, char *ret_reason, size_t size);

/* Whether others on this machine may open the file: anybody, or the group of a file that is ours.
 */
bool login_is_open(const char *password_file);

#endif
