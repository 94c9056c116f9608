/* A board on which everything is that a board can have: counted and derived in a memory store, from
 * events that are told by days from today. */
#ifndef TESTS_FULL_BOARD_H
#define TESTS_FULL_BOARD_H

#include "tests/desk.h"
#include "tests/frail.h"

struct full_board {
    struct desk *desk; /* its store is the frail one */
    struct frail *frail;
    int64_t now_ms;
};

struct full_board full_board_new(void); /* nothing is on it yet */
void full_board_fill(struct full_board *b);
void full_board_free(struct full_board *b);

/* "{+5}" is the day in five days; "{year}" is this year, "{before}" the one before it.  In one of
 * four static buffers. */
const char *full_board_text(const struct full_board *b, const char *text);

/* One more event, later than those before: the rest of it as JSON with ' for ", days as above. */
void full_board_say(struct full_board *b, const char *type, const char *rest);

/* Counts and derives what was said. */
void full_board_settle(struct full_board *b);

#endif
