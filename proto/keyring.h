/* The keys of a stack, in DIR/keys (0700): broker.key, the broker's own, and NAME.key, the files
 * that clients get. */
#ifndef PROTO_KEYRING_H
#define PROTO_KEYRING_H

#include "proto/keyfile.h"

#define KEYRING_BROKER "broker"

/* The broker's key; made, with its folder, when it is not there yet.  0, or ERR_CONFIG and in
 * `ret_error` (of the size given) a sentence. */
int keyring_broker(const char *dir, struct keyfile *ret, char *ret_error, size_t error_size);

/* Makes a pair for `name`, and DIR/keys/NAME.key with it, the broker's public key and the endpoints
 * (where DIR/endpoints tells them).  ERR_CONFLICT: the name has a file already. */
int keyring_new(const char *dir, const char *name, struct keyfile *ret, char *ret_error,
                size_t error_size);

/* DIR/keys/NAME.key; free it. */
char *keyring_path(const char *dir, const char *name);

/* Where the broker listens for those with keys, DIR/endpoints; NULL: nowhere.  ERR_IO. */
int keyring_endpoints_write(const char *dir, const char *publish, const char *read);

/* Sets them in the key where they are known, and leaves it as it is where not. */
void keyring_endpoints_read(const char *dir, struct keyfile *k);

#endif
