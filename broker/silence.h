/* Silence: who says nothing is asked, and who then says nothing has gone. */
#ifndef BROKER_SILENCE_H
#define BROKER_SILENCE_H

#include "broker/session.h"

/* Once a round, before any session is looked at. */
void silence_forgive(struct sessions *s, int64_t now_ms);

/* Sends PING to one that has been silent for a heartbeat, ends one that has been for three. */
void silence_look(struct sessions *s, struct session *who, int64_t now_ms);

#endif
