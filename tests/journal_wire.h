/* The journal as a client reads it: over the wire, from a broker that runs. */
#ifndef TESTS_JOURNAL_WIRE_H
#define TESTS_JOURNAL_WIRE_H

#include "proto/bytes.h"

/* Appends all events, partition by partition, as they were accepted.  What goes wrong ends the test
 * with a message. */
void journal_wire_read(const char *read_endpoint, struct buffer *ret);

/* How many of the events `sent` are not among those that were kept, byte for byte.  Both are
 * consecutive events; the first that is missing is printed. */
size_t events_missing(struct slice sent, struct slice kept);

#endif
