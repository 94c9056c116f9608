/* Mending: what a comparison found to differ, as operations that make it what was expected. */
#ifndef WORKERS_AUDIT_MEND_H
#define WORKERS_AUDIT_MEND_H

#include "workers/audit/compare.h"

/* By key and field, as compare_differences gives them.  Slices are borrowed from them and from the
 * commit's arena. */
void mend_differences(const struct difference *const *list, size_t count, struct commit *c);

#endif
