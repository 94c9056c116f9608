/* A client of the broker: who is no worker, reads the journal and asks how things are. */
#ifndef WORKERS_CLIENT_H
#define WORKERS_CLIENT_H

#include "workers/reader.h"

/* A client session at the broker's read endpoint; ERR_TIMEOUT when it does not answer,
 * ERR_DENIED (logged) when it turns us away. */
int client_connect(const char *endpoint, int timeout_ms, struct reader **ret);

/* Asks for a report; `offsets` (may be NULL) as of struct wire_status.  The report's slices live
 * until the next call on the reader, its arrays until reader_reset. */
int client_report(struct reader *r, const uint64_t *offsets, unsigned count, int timeout_ms,
                  struct wire_report *ret);

/* Whether the broker refuses events for want of room, in the journal or on its disk. */
bool client_full(const struct wire_report *r);

/* Waits for a message of this kind in answer to what was asked in that session; others are passed
 * over.  ERR_LOST when another session has begun meanwhile, so that no answer will come;
 * ERR_CORRUPT (logged) when the broker cannot read what was asked for; ERR_TIMEOUT; what
 * reader_receive says.  Slices are borrowed until the next call on the reader, arrays until
 * reader_reset. */
int client_await(struct reader *r, uint64_t session, enum wire_kind kind, int timeout_ms,
                 struct wire_message *ret, struct slice *ret_payload);

#endif
