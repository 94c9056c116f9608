/* Silence of sessions; see silence.h.  Nothing fails. */
#include "broker/silence.h"

#define DEAD_MS (3 * WIRE_HEARTBEAT_MS)

/* Nobody is silent while we do not listen: a sync that takes seconds, or a program that was
 * stopped, is not followed by the end of all sessions. */
void silence_forgive(struct sessions *s, int64_t now_ms)
{
    int64_t away_ms = s->beat_ms ? now_ms - s->beat_ms : 0;

    s->beat_ms = now_ms;
    if (away_ms < WIRE_HEARTBEAT_MS)
        return;
    for (unsigned i = 0; i < s->count; i++) {
        struct session *who = s->list[i];
        who->heard_ms = who->heard_ms + away_ms < now_ms ? who->heard_ms + away_ms : now_ms;
    }
}

void silence_look(struct sessions *s, struct session *who, int64_t now_ms)
{
    struct wire_message ping = {.kind = WIRE_PING};
    int64_t silent_ms = now_ms - who->heard_ms;

    if (silent_ms >= DEAD_MS) {
        session_end(s, who, "silent for too long");
    } else if (silent_ms >= WIRE_HEARTBEAT_MS && now_ms - who->pinged_ms >= WIRE_HEARTBEAT_MS) {
        who->pinged_ms = now_ms;
        session_send(s, who, &ping, NULL, 0);
    }
}
