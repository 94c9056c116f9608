/* An answer: what goes back for a request, made by a thread of a crew. */
#ifndef WORKERS_WEB_ANSWER_H
#define WORKERS_WEB_ANSWER_H

#include "workers/web/crew.h"
#include "workers/web/route.h"

struct answer {
    unsigned status; /* of HTTP */
    const char *type;
    struct buffer body;
    char etag[40]; /* "\"...\""; empty: none */
    bool again;    /* Retry-After */
};

struct answer_ask {
    const struct request *request;
    struct destination to;
    enum lang lang;
    bool lang_asked;
    const char *state; /* in one word, as it is known */
};

/* Fills an answer that is all zero; `arena` is for the making of it only.  Returns 0, or the
 * store's or the broker's error, which the answer tells of in plain words, too. */
int answer_make(const struct answer_ask *ask, struct hand *hand, struct arena *arena,
                struct answer *ret);

/* The same for what is no page. */
void answer_trouble(const struct answer_ask *ask, unsigned status, struct answer *ret);
void answer_busy(const struct answer_ask *ask, struct answer *ret);

#endif
