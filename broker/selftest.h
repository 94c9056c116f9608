/* The self-test at start: an endpoint with keys that lets strangers in is worse than none. */
#ifndef BROKER_SELFTEST_H
#define BROKER_SELFTEST_H

#include "proto/link.h"

struct keyfile;

/* Connects to the endpoint, at which `server` listens with the broker's key, under a key that
 * nobody knows and without one; both must be turned away.  0, or ERR_CONFIG, logged. */
int selftest_run(struct link *gate, struct link *server, const char *endpoint,
                 const struct keyfile *broker);

#endif
