/* Key files: what a client needs to be known to a broker, as settings (settings.h):
 *
 *     name = election-feed
 *     public = 64 hex digits       # known to the broker, by its rights file
 *     secret = 64 hex digits       # known to nobody else
 *     broker = 64 hex digits       # the broker's own public key; absent in the broker's own file
 *     publish = tcp://host:7770    # the endpoints, where they are known
 *     read = tcp://host:7771 */
#ifndef PROTO_KEYFILE_H
#define PROTO_KEYFILE_H

#include "proto/settings.h"

#define KEY_BYTES        32
#define KEY_HEX          (2 * KEY_BYTES)
#define KEYFILE_ENDPOINT 255 /* bytes */
#define KEYFILE_MOST     4096

struct keyfile {
    char name[NAME_MOST + 1];
    char public[KEY_HEX + 1], secret[KEY_HEX + 1];
    char broker[KEY_HEX + 1];                                       /* "" if absent */
    char publish[KEYFILE_ENDPOINT + 1], read[KEYFILE_ENDPOINT + 1]; /* likewise */
};

/* 64 hexadecimal digits in small letters. */
bool key_is_hex(struct slice text);
void key_to_hex(const uint8_t key[KEY_BYTES], char out[KEY_HEX + 1]);
void key_from_hex(const char hex[KEY_HEX], uint8_t out[KEY_BYTES]);

/* 0, or ERR_CONFIG and in `ret_error` (of the size given) a sentence, which never shows a secret.
 */
int keyfile_parse(struct slice text, struct keyfile *ret, char *ret_error, size_t error_size);
void keyfile_format(const struct keyfile *k, struct buffer *out);

/* Reads a file.  *ret_wide (may be NULL; untouched on failure): others than its owner may read or
 * write it. */
int keyfile_read(const char *path, struct keyfile *ret, bool *ret_wide, char *ret_error,
                 size_t error_size);

/* Writes a file that is not there yet, for its owner only: whole, or not at all.  ERR_CONFLICT
 * when it is there; ERR_IO, and errno says why. */
int keyfile_write(const char *path, const struct keyfile *k);

/* Overwrites the secret where it lay. */
void keyfile_forget(struct keyfile *k);

#endif
