/* The writers of a view: the same cells as a page, as JSON and as CSV. */
#ifndef WORKERS_WEB_WRITER_H
#define WORKERS_WEB_WRITER_H

#include "workers/web/html.h"
#include "workers/web/request.h"
#include "workers/web/sheet.h"

/* The whole page, or with `part` only the element #live. */
void page_html(struct html *h, const struct view *v, const struct request *r, bool part);
/* The same for what is no view: an error in plain words. */
void trouble_html(struct html *h, const struct request *r, enum text title, struct slice words,
                  const char *state, bool part);
void sheet_html(struct html *h, const struct view *v, const struct sheet *s,
                const struct request *r);
void bars_html(struct html *h, const struct sheet *s);

void view_json(const struct view *v, struct buffer *out);
void trouble_json(const char *code, struct slice words, struct buffer *out);

/* One sheet; `name` absent: the first.  False when there is none of that name. */
bool view_csv(const struct view *v, struct slice name, struct buffer *out);

#endif
