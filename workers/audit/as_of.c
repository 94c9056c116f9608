/* As of then; see as_of.h.  What can fail is the way to the broker. */
#include "workers/audit/as_of.h"

#include "workers/audit/recount.h"
#include "workers/client.h"

#define ANSWER_MS 5000

static int count_again(const char *endpoint, struct reader *r, int64_t as_of_ms, bool asked,
                       struct store *memory)
{
    struct progress progress;
    struct rules rules = RULES_DEFAULT; /* the watch list is not what is asked for */
    uint64_t ends[WIRE_MAX_PARTS], total = 0;
    struct wire_report report;
    struct recount *recount;
    int error = client_report(r, NULL, 0, ANSWER_MS, &report);

    if (error < 0)
        return error;
    for (unsigned p = 0; p < report.count; p++)
        total += ends[p] = report.ends[p];
    progress_begin(&progress, "reading events", total, asked);
    recount = recount_new(memory, r, endpoint);
    recount_until(recount, as_of_ms);
    error = recount_run(recount, ends, &progress);
    progress_end(&progress);
    if (error == 0)
        error = recount_derive(memory, &rules, reader_log(r), as_of_ms);
    recount_free(recount);
    return error;
}

int as_of_count(const char *endpoint, int64_t as_of_ms, bool asked, struct store *memory)
{
    struct reader *r = NULL;
    int error = client_connect(endpoint, ANSWER_MS, &r);

    if (error == 0)
        error = count_again(endpoint, r, as_of_ms, asked, memory);
    reader_free(r);
    return error;
}
