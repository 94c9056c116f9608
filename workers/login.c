/* Logging in to Redis; see login.h.  File, command and socket without a library in between: each
 * buffer that held the password is known, and wiped. */
#include "workers/login.h"

#include "proto/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

struct password {
    char text[LOGIN_PASSWORD_MAX + 2]; /* the line's end, and one byte too many */
    size_t size;
};

/* The first line of what was read. */
static const char *password_cut(struct password *p)
{
    const char *end = memchr(p->text, '\n', p->size);

    if (end)
        p->size = (size_t)(end - p->text);
    if (p->size && p->text[p->size - 1] == '\r')
        p->size--;
    if (p->size == 0)
        return "it holds no password";
    return p->size > LOGIN_PASSWORD_MAX ? "the password is too long" : NULL;
}

/* NULL, or what is wrong with the file. */
static const char *password_read(const char *path, struct password *ret)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = 1;

    ret->size = 0;
    if (fd < 0)
        return strerror(errno);
    while (n > 0 && ret->size < sizeof ret->text) {
        n = read(fd, ret->text + ret->size, sizeof ret->text - ret->size);
        if (n < 0 && errno == EINTR)
            n = 1;
        else if (n > 0)
            ret->size += (size_t)n;
    }
    close(fd);
    return n < 0 ? strerror(errno) : password_cut(ret);
}

bool login_is_open(const char *password_file)
{
    struct stat about;

    if (stat(password_file, &about) < 0 || !S_ISREG(about.st_mode))
        return false;
    /* Root's file may be given to us by our group; to whom would we give ours? */
    mode_t closed = S_IRWXO | S_IWGRP | (about.st_uid == geteuid() ? S_IRWXG : 0);
    return about.st_mode & closed;
}

static int socket_write(int fd, const char *at, size_t size)
{
    while (size) {
        ssize_t n = send(fd, at, size, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return ERR_LOST;
        at += n;
        size -= (size_t)n;
    }
    return 0;
}

static int auth_write(int fd, const char *user, const struct password *p)
{
    char command[LOGIN_USER_MAX + LOGIN_PASSWORD_MAX + 64];
    int n = snprintf(command, sizeof command, "*3\r\n$4\r\nAUTH\r\n$%zu\r\n%s\r\n$%zu\r\n",
                     strlen(user), user, p->size);
    int error;

    memcpy(command + n, p->text, p->size);
    memcpy(command + n + p->size, "\r\n", 2);
    error = socket_write(fd, command, (size_t)n + p->size + 2);
    explicit_bzero(command, sizeof command);
    return error;
}

int login_send(int fd, const char *user, const char *password_file, char *ret_reason, size_t size)
{
    struct password password;
    const char *wrong;
    int error = ERR_CONFIG;

    if (strlen(user) > LOGIN_USER_MAX) {
        snprintf(ret_reason, size, "the user's name is too long");
        return ERR_CONFIG;
    }
    wrong = password_read(password_file, &password);
    if (wrong)
        snprintf(ret_reason, size, "no password for user %s in %s: %s", user, password_file, wrong);
    else
        error = auth_write(fd, user, &password);
    explicit_bzero(&password, sizeof password);
    return error;
}
