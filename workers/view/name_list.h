/* A list of names, such as the arguments of an option that may be given again. */
#ifndef WORKERS_VIEW_NAME_LIST_H
#define WORKERS_VIEW_NAME_LIST_H

#include "proto/bytes.h"

struct name_list {
    struct slice *items; /* borrowed, each */
    size_t count, room;
};

void name_list_add(struct name_list *n, struct slice name);
void name_list_free(struct name_list *n);

bool name_list_has(const struct name_list *n, struct slice name);

/* As a filter: an empty list wants everything. */
static inline bool name_list_wants(const struct name_list *n, struct slice name)
{
    return n->count == 0 || name_list_has(n, name);
}

#endif
