/* The broker as one thread sees it: a session that is made when it is needed, and made anew after
 * an error. */
#ifndef WORKERS_WEB_JOURNAL_H
#define WORKERS_WEB_JOURNAL_H

#include "workers/client.h"

#define JOURNAL_ANSWER_MS 2000

struct journal;

/* Both are borrowed. */
struct journal *journal_new(const char *endpoint, const char *prefix);
void journal_free(struct journal *j); /* NULL is allowed */

/* A session, borrowed; ERR_TIMEOUT, ERR_DENIED. */
int journal_ready(struct journal *j, struct reader **ret);
void journal_drop(struct journal *j);

const char *journal_endpoint(const struct journal *j);
const char *journal_prefix(const struct journal *j);

#endif
