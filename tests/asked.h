/* The dashboard asked within the test's own process: an address, a store, and what comes back. */
#ifndef TESTS_ASKED_H
#define TESTS_ASKED_H

#include <jansson.h>

#include "workers/web/answer.h"

/* What the last question came to; good until the next one. */
struct asked {
    int error; /* of store or broker; 0: it was answered, if only by a refusal */
    struct answer answer;
    const char *text; /* the body, with a NUL behind it */
};

extern struct asked asked;

/* Asks for an address such as "/members?lang=fr"; returns the status. */
int asks(struct hand *hand, const char *address);
void asked_free(void);

/* The same, which must be answered with 200 and JSON.  Free it. */
json_t *asks_json(struct hand *hand, const char *address);

/* The row of a sheet in whose column that name stands; ends the test when there is none. */
json_t *asked_row(json_t *page, const char *sheet, const char *column, const char *name);

/* A cell as text: "KE", "3", "null"; a rate is "0.5000 1/2". */
const char *asked_cell(json_t *row, const char *column);

/* Whether these words stand in the body; the test ends, and shows it, when not. */
void assert_says(const char *words);
void assert_never_says(const char *words);

#endif
