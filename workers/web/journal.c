/* The broker as one thread sees it; see journal.h. */
#include "workers/web/journal.h"

#include <stdlib.h>

struct journal {
    const char *endpoint, *prefix;
    struct reader *reader;
};

struct journal *journal_new(const char *endpoint, const char *prefix)
{
    struct journal *j = memory_need(sizeof *j);

    *j = (struct journal){.endpoint = endpoint, .prefix = prefix};
    return j;
}

int journal_ready(struct journal *j, struct reader **ret)
{
    int error = j->reader ? 0 : client_connect(j->endpoint, JOURNAL_ANSWER_MS, &j->reader);

    *ret = j->reader;
    return error;
}

void journal_drop(struct journal *j)
{
    reader_free(j->reader);
    j->reader = NULL;
}

void journal_free(struct journal *j)
{
    if (!j)
        return;
    journal_drop(j);
    free(j);
}

const char *journal_endpoint(const struct journal *j)
{
    return j->endpoint;
}

const char *journal_prefix(const struct journal *j)
{
    return j->prefix;
}
