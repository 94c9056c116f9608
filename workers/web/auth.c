/* Who may look; see auth.h. */
#include "workers/web/auth.h"

#include "proto/error.h"
#include "proto/log.h"

#include <crypt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <xxhash.h>

#define USERS      256
#define FILE_BYTES 65536
#define REMEMBERED 256
#define HEADER     1024

struct user {
    char name[128], hash[256];
};

struct auth {
    pthread_mutex_t lock;
    struct user users[USERS];
    size_t count;
    unsigned char secret[XXH3_SECRET_SIZE_MIN];
    XXH128_hash_t right[REMEMBERED]; /* of headers that were right, as a ring */
    size_t next;
};

static bool user_parse(struct slice line, struct user *ret)
{
    struct slice name;

    if (!slice_cut(&line, ':', &name) || name.size == 0 || name.size >= sizeof ret->name ||
        line.size < 8 || line.size >= sizeof ret->hash || line.at[0] != '$')
        return false;
    snprintf(ret->name, sizeof ret->name, "%.*s", (int)name.size, name.at);
    snprintf(ret->hash, sizeof ret->hash, "%.*s", (int)line.size, line.at);
    return true;
}

static int users_parse(struct auth *a, struct slice text, const char *path)
{
    struct slice line;
    int number = 0;

    while (text.size) {
        number++;
        if (!slice_cut(&text, '\n', &line)) {
            line = text;
            text = slice_make("", 0);
        }
        if (line.size == 0 || line.at[0] == '#')
            continue;
        if (a->count == USERS || !user_parse(line, &a->users[a->count])) {
            log_error("%s, line %d: no user:hash, or more than %d users", path, number, USERS);
            return ERR_CONFIG;
        }
        a->count++;
    }
    if (a->count == 0)
        log_error("%s: it holds no users", path);
    return a->count ? 0 : ERR_CONFIG;
}

static int file_load(const char *path, struct buffer *ret)
{
    struct stat about;
    FILE *f = fopen(path, "re");
    size_t n;

    if (!f || fstat(fileno(f), &about) < 0) {
        log_error("%s: %m", path);
        if (f)
            fclose(f);
        return ERR_CONFIG;
    }
    if (about.st_mode & (S_IWGRP | S_IWOTH)) {
        log_error("%s: others may write it: chmod 640 it", path);
        fclose(f);
        return ERR_CONFIG;
    }
    n = fread(buffer_room(ret, FILE_BYTES), 1, FILE_BYTES, f);
    ret->size += n;
    fclose(f);
    if (n == FILE_BYTES)
        log_error("%s: it has %d bytes or more", path, FILE_BYTES);
    return n < FILE_BYTES ? 0 : ERR_CONFIG;
}

int auth_open(const char *path, struct auth **ret)
{
    struct auth *a = memory_zeroed(sizeof *a);
    struct buffer text = {0};
    int error;

    pthread_mutex_init(&a->lock, NULL);
    error = file_load(path, &text);
    if (error == 0)
        error = users_parse(a, buffer_slice(&text), path);
    if (error == 0 && getrandom(a->secret, sizeof a->secret, 0) != (ssize_t)sizeof a->secret)
        error = ERR_CONFIG;
    buffer_free(&text);
    if (error < 0) {
        auth_close(a);
        return error;
    }
    *ret = a;
    return 0;
}

void auth_close(struct auth *a)
{
    if (!a)
        return;
    pthread_mutex_destroy(&a->lock);
    explicit_bzero(a, sizeof *a);
    free(a);
}

static XXH128_hash_t digest(const struct auth *a, struct slice header)
{
    return XXH3_128bits_withSecret(header.at, header.size, a->secret, sizeof a->secret);
}

bool auth_known(struct auth *a, struct slice header)
{
    XXH128_hash_t d;
    bool known = false;

    if (header.size == 0 || header.size > HEADER)
        return false;
    d = digest(a, header);
    pthread_mutex_lock(&a->lock);
    for (size_t i = 0; i < REMEMBERED && i < a->next; i++)
        known |= XXH128_isEqual(a->right[i], d);
    pthread_mutex_unlock(&a->lock);
    return known;
}

/* ---- "Basic dXNlcjpwYXNzd29yZA==" ---- */
static int base64_digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;

    return at ? (int)(at - digits) : -1;
}

/* False for what is no base64.  Adds a NUL. */
static bool base64_decode(struct slice text, char *to, size_t room)
{
    uint32_t bits = 0;
    size_t count = 0, size = 0;

    while (text.size && text.at[text.size - 1] == '=')
        text.size--;
    for (size_t i = 0; i < text.size; i++) {
        int d = base64_digit(text.at[i]);
        if (d < 0 || size + 1 >= room)
            return false;
        bits = bits << 6 | (uint32_t)d;
        count += 6;
        if (count >= 8) {
            count -= 8;
            to[size++] = (char)(bits >> count & 0xff);
        }
    }
    to[size] = '\0';
    return strlen(to) == size;
}

static bool same(const char *a, const char *b)
{
    size_t n = strlen(a);
    unsigned char differs = n != strlen(b);

    for (size_t i = 0; !differs && i < n; i++)
        differs |= (unsigned char)(a[i] ^ b[i]);
    return !differs;
}

/* A user who is not there costs as long as one who is. */
static bool password_right(const struct auth *a, const char *name, const char *password)
{
    struct crypt_data *data = memory_zeroed(sizeof *data);
    const struct user *user = &a->users[0];
    const char *hash;
    bool there = false, right;

    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->users[i].name, name) == 0) {
            user = &a->users[i];
            there = true;
        }
    hash = crypt_r(password, user->hash, data);
    right = there && hash && same(hash, user->hash);
    explicit_bzero(data, sizeof *data);
    free(data);
    return right;
}

bool auth_check(struct auth *a, struct slice header)
{
    char text[HEADER], *colon;
    bool right;

    if (header.size < 6 || header.size > HEADER || strncasecmp(header.at, "Basic ", 6) != 0 ||
        !base64_decode(slice_make(header.at + 6, header.size - 6), text, sizeof text))
        return false;
    colon = strchr(text, ':');
    if (!colon)
        return false;
    *colon = '\0';
    right = password_right(a, text, colon + 1);
    explicit_bzero(text, sizeof text);
    if (!right)
        return false;
    pthread_mutex_lock(&a->lock);
    a->right[a->next % REMEMBERED] = digest(a, header);
    a->next++;
    pthread_mutex_unlock(&a->lock);
    return true;
}
