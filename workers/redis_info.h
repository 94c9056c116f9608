/* What Redis tells of itself (INFO): lines of "name:value", and sections with a "#". */
#ifndef WORKERS_REDIS_INFO_H
#define WORKERS_REDIS_INFO_H

#include "workers/store.h"

/* The value of that name, up to the end of its line; absent when it is not there. */
struct slice redis_info_value(struct slice info, const char *name);

/* What of it is in the way of writes.  That it is a replica is not: who looks at one knows it. */
void redis_info_hindrance(struct slice info, struct hindrance *ret);

#endif
