/* What people call things: registries number their committees, and a member is two letters.  Cells
 * keep the identifier, which JSON and CSV say; beside it pages show the committee's reference and
 * the member's name. */
#ifndef WORKERS_WEB_NAMES_H
#define WORKERS_WEB_NAMES_H

#include "workers/web/data.h"
#include "workers/web/sheet.h"

/* Fills `shown` of the cells in columns "committee" and "member", and of the view's subject.  0, or
 * an error of the store. */
int names_fill(struct data *d, struct view *v);

#endif
