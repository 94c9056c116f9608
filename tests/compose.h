/* Events for tests: one full event of each type, and changes to it in short form. */
#ifndef TESTS_COMPOSE_H
#define TESTS_COMPOSE_H

#include "proto/event.h"

/* The value is JSON with ' instead of ".  NULL leaves the key out.  "*64" is a string of 64 bytes,
 * "#64" a list of 64 tokens, "%64" a list of 64 ones. */
struct change {
    const char *key, *value;
};

#define CHANGES 4

/* The clock of these tests, and the time of all full events: 2026-03-01T12:00:00Z. */
#define COMPOSE_NOW_MS 1772366400000

/* Appends the full event of the type, all its keys given, with the changes (up to a NULL key). */
void compose_event(enum event_type type, const struct change changes[CHANGES], struct buffer *ret);

/* Appends the event that the JSON text with ' instead of " stands for. */
void compose_text(const char *text, struct buffer *ret);

/* The keys of the full event in order, NULL behind the last. */
const char *compose_key(enum event_type type, unsigned index);

#endif
