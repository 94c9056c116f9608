/* What Redis tells of itself (INFO): lines of "name:value", and sections with a "#". */
#ifndef WORKERS_REDIS_INFO_H
#define WORKERS_REDIS_INFO_H

#include "proto/bytes.h"

/* The value of that name, up to the end of its line; absent when it is not there. */
struct slice redis_info_value(struct slice info, const char *name);

/* Why Redis takes no writes though it answers, for an operator; "" when nothing is in the way.
 * Cut off where `size` ends.  A replica is none of these: who looks at one knows it. */
void redis_info_fault(struct slice info, char *ret, size_t size);

#endif
