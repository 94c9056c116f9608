/* The configuration from any text: good, or an error with a sentence; and what was read, written
 * as a file, reads the same. */
#include "proto/error.h"
#include "workers/config.h"

#include <assert.h>
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(const struct config *c)
{
    struct config back;
    char text[256], error[200];
    int n = snprintf(text, sizeof text,
                     "risk.missed_dis = %lld\nrisk.cib_percent = %lld\nrisk.cib_min = %lld\n"
                     "risk.meetings_run = %lld\nrisk.warn_days = %lld\n",
                     (long long)c->rules.missed_dis, (long long)c->rules.cib_percent,
                     (long long)c->rules.cib_min, (long long)c->rules.meetings_run,
                     (long long)c->rules.warn_days);
    int result = config_parse(slice_make(text, (size_t)n), &back, error, sizeof error);

    assert(result == 0);
    assert(memcmp(c, &back, sizeof back) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config c;
    char error[200] = "";
    int result = config_parse(slice_make(data, size), &c, error, sizeof error);

    if (result < 0)
        assert(result == ERR_CONFIG && error[0]);
    else
        check_round_trip(&c);
    return 0;
}
