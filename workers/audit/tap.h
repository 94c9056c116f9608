/* A store that forwards to one in memory and shows each commit to a function on the way.
 *
 * What is sent, asked for or confirmed ahead of its time is not forwarded: a store in memory has
 * nothing to do then. */
#ifndef WORKERS_AUDIT_TAP_H
#define WORKERS_AUDIT_TAP_H

#include "workers/store.h"

/* Gets each commit before the store has it: what is there is still as it was, and the commit may
 * yet fail. */
typedef void (*tap_fn)(void *arg, const struct commit *c);

/* The store in memory is borrowed. */
struct store *tap_new(struct store *to, tap_fn show, void *arg);

#endif
