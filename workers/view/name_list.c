/* A list of names; see name_list.h.  Lists of people's typing are short: they are searched from the
 * start. */
#include "workers/view/name_list.h"

#include <stdlib.h>

void name_list_add(struct name_list *n, struct slice name)
{
    n->items = memory_room(n->items, n->count, &n->room, sizeof *n->items);
    n->items[n->count++] = name;
}

void name_list_free(struct name_list *n)
{
    free(n->items);
}

bool name_list_has(const struct name_list *n, struct slice name)
{
    for (size_t i = 0; i < n->count; i++)
        if (slice_equal(n->items[i], name))
            return true;
    return false;
}
