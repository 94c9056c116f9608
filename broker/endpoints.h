/* The broker's endpoints: local sockets, which the rights of their folder guard, and TCP, where
 * nobody comes in without a key, unless it is on the loopback and told so. */
#ifndef BROKER_ENDPOINTS_H
#define BROKER_ENDPOINTS_H

#include "broker/broker.h"
#include "proto/link.h"

struct endpoints {
    struct link *gate; /* NULL: no endpoint has keys */
    struct link *publish, *read;
};

/* Opens all of them, tests those with keys, and leaves in DIR/endpoints where they are, for key
 * files.  Logs what it does and what fails: ERR_CONFIG, ERR_IO. */
int endpoints_open(const struct broker_config *config, struct endpoints *ret);
void endpoints_close(struct endpoints *e);

#endif
