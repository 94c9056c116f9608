/* The keys of a stack; see keyring.h.  Whoever needs the broker's key first makes it, the broker or
 * the command line: the file is put there whole, and who comes second reads it. */
#include "proto/keyring.h"

#include "proto/error.h"
#include "proto/file.h"
#include "proto/link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char *path_make(const char *format, const char *dir, const char *name)
    __attribute__((format(printf, 1, 0)));

static char *path_make(const char *format, const char *dir, const char *name)
{
    char *path = NULL;

    if (asprintf(&path, format, dir, name) < 0)
        abort();
    return path;
}

char *keyring_path(const char *dir, const char *name)
{
    return path_make("%s/keys/%s.key", dir, name);
}

static int fail(const char *what, char *ret_error, size_t error_size)
{
    snprintf(ret_error, error_size, "%s: %s", what, strerror(errno));
    return ERR_CONFIG;
}

static int folder_make(const char *dir, char *ret_error, size_t error_size)
{
    char *folder = path_make("%s/%s", dir, "keys");
    int fd = -1, err = 0;

    if (mkdir(folder, S_IRWXU) == 0) {
        fd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        err = fd < 0 || file_give(fd, dir) < 0 ? fail(folder, ret_error, error_size) : 0;
    } else if (errno != EEXIST) {
        err = fail(folder, ret_error, error_size);
    }
    if (fd >= 0)
        close(fd);
    free(folder);
    return err;
}

static int pair_make(const char *name, struct keyfile *ret, char *ret_error, size_t error_size)
{
    *ret = (struct keyfile){.name = ""};
    snprintf(ret->name, sizeof ret->name, "%s", name);
    if (link_keypair(ret) == 0)
        return 0;
    snprintf(ret_error, error_size, "this build of ZeroMQ has no CURVE");
    return ERR_CONFIG;
}

/* 0, ERR_CONFLICT (it is there already), or ERR_CONFIG. */
static int pair_write(const char *path, const struct keyfile *k, char *ret_error, size_t error_size)
{
    int err = keyfile_write(path, k);

    if (err == ERR_CONFLICT)
        snprintf(ret_error, error_size, "%s is there already", path);
    return err == 0 || err == ERR_CONFLICT ? err : fail(path, ret_error, error_size);
}

static int broker_read(const char *path, struct keyfile *ret, char *ret_error, size_t error_size)
{
    bool wide = false;
    int err = keyfile_read(path, ret, &wide, ret_error, error_size);

    if (err == 0 && wide) {
        snprintf(ret_error, error_size,
                 "%s: others than its owner can read it, and may have: chmod 600 it, or better "
                 "remove it for a new one",
                 path);
        keyfile_forget(ret);
        return ERR_CONFIG;
    }
    if (err < 0 || link_keys_match(ret))
        return err;
    snprintf(ret_error, error_size, "%s: the public key is not that of the secret one", path);
    return ERR_CONFIG;
}

int keyring_broker(const char *dir, struct keyfile *ret, char *ret_error, size_t error_size)
{
    char *path = keyring_path(dir, KEYRING_BROKER);
    struct keyfile k;
    int err = 0;

    if (access(path, F_OK) < 0) {
        err = folder_make(dir, ret_error, error_size);
        if (err == 0)
            err = pair_make(KEYRING_BROKER, &k, ret_error, error_size);
        if (err == 0)
            err = pair_write(path, &k, ret_error, error_size);
        keyfile_forget(&k);
    }
    if (err == 0 || err == ERR_CONFLICT)
        err = broker_read(path, ret, ret_error, error_size);
    free(path);
    return err;
}

/* ---- where the broker listens ---- */

static char *endpoints_path(const char *dir)
{
    return path_make("%s/%s", dir, "endpoints");
}

int keyring_endpoints_write(const char *dir, const char *publish, const char *read)
{
    char *path = endpoints_path(dir);
    struct buffer text = {0};
    int err = 0;

    if (publish) {
        buffer_add_text(&text, "publish = ");
        buffer_add_text(&text, publish);
        buffer_add_text(&text, "\nread = ");
        buffer_add_text(&text, read);
        buffer_add_text(&text, "\n");
        err = file_write(path, buffer_slice(&text), 0640, true);
    } else if (unlink(path) < 0 && errno != ENOENT) {
        err = ERR_IO;
    }
    buffer_free(&text);
    free(path);
    return err;
}

static void endpoint_take(struct slice value, char out[KEYFILE_ENDPOINT + 1])
{
    if (value.size <= KEYFILE_ENDPOINT)
        snprintf(out, KEYFILE_ENDPOINT + 1, "%.*s", (int)value.size, value.at);
}

void keyring_endpoints_read(const char *dir, struct keyfile *k)
{
    char *path = endpoints_path(dir);
    struct buffer text = {0};
    struct setting s;

    if (file_read(path, KEYFILE_MOST, &text, NULL) == 0) {
        struct settings from = {buffer_slice(&text), 0};
        while (settings_next(&from, &s) > 0) {
            if (slice_is(s.name, "publish"))
                endpoint_take(s.value, k->publish);
            if (slice_is(s.name, "read"))
                endpoint_take(s.value, k->read);
        }
    }
    buffer_free(&text);
    free(path);
}

int keyring_new(const char *dir, const char *name, struct keyfile *ret, char *ret_error,
                size_t error_size)
{
    char *path = keyring_path(dir, name);
    struct keyfile broker, k;
    int err = keyring_broker(dir, &broker, ret_error, error_size);

    if (err == 0)
        err = pair_make(name, &k, ret_error, error_size);
    if (err == 0) {
        strcpy(k.broker, broker.public);
        keyring_endpoints_read(dir, &k);
        err = pair_write(path, &k, ret_error, error_size);
        keyfile_forget(&broker);
    }
    if (err == 0)
        *ret = k;
    keyfile_forget(&k);
    free(path);
    return err;
}
