/* Redrive: shows the refused events to clients, judges them anew, and drops them.
 *
 * A REDRIVE or DROP is one commit of its own.  So a redrive that finds no room refuses no
 * producer's events, and a full journal can still drop. */
#ifndef BROKER_REDRIVE_H
#define BROKER_REDRIVE_H

#include "broker/journal.h"
#include "broker/session.h"

struct redrive;

/* Borrows both. */
struct redrive *redrive_new(struct journal *journal, struct sessions *readers);
void redrive_free(struct redrive *r); /* NULL is allowed */

/* True of REJECTS, REDRIVE and DROP. */
bool redrive_is_for(enum wire_kind kind);

/* Takes and answers one of them; nothing may be staged in the journal.  0, or the error of the
 * journal after which nothing may be acknowledged any more.  Bounds: one REJECTED of 256 KiB, or
 * one commit of WIRE_MAX_NUMBERS events of 8 KiB, 8 MiB. */
int redrive_take(struct redrive *r, struct session *from, const struct wire_message *m);

#endif
