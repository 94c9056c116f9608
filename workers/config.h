/* The configuration file, of settings as settings.h reads them, without sections.  Their names:
 *
 *     risk.missed_dis  risk.cib_percent  risk.cib_min  risk.meetings_run  risk.warn_days
 *
 * An unknown name, a name given twice and a value out of range are errors: a threshold misspelt
 * must not quietly be the default. */
#ifndef WORKERS_CONFIG_H
#define WORKERS_CONFIG_H

#include "workers/rules.h"

struct config {
    struct rules rules;
};

#define CONFIG_MAX_BYTES 65536

/* Reads the text on top of the defaults.  0, or ERR_CONFIG and in `ret_error` (of the size given) a
 * sentence with the line's number. */
int config_parse(struct slice text, struct config *ret, char *ret_error, size_t error_size);

/* Reads the file; one that is not there gives the defaults unless it is `wanted`. */
int config_read(const char *path, bool wanted, struct config *ret, char *ret_error,
                size_t error_size);

#endif
