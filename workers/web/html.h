/* The writer through which every byte of a page goes.
 *
 * What is written as HTML are literals of the source (html_raw takes nothing else); all that comes
 * from events, addresses or files is text, and goes through html_text, html_name or html_attr,
 * which leave no way out of where they stand. */
#ifndef WORKERS_WEB_HTML_H
#define WORKERS_WEB_HTML_H

#include "workers/web/text.h"

struct html {
    struct buffer *out;
    enum lang lang;
    bool lang_asked; /* by ?lang=: links go on saying it */
};

#define html_raw(h, literal) html_bytes_((h), "" literal, sizeof literal - 1)
void html_bytes_(struct html *h, const char *bytes, size_t size);

/* The text, with `& < > " '` escaped; control characters, marks that turn the direction of writing
 * and bytes that are no UTF-8 become U+FFFD. */
void html_text(struct html *h, struct slice text);
/* The same for what may be written from right to left: it cannot turn what stands around it. */
void html_name(struct html *h, struct slice text);
void html_say(struct html *h, enum text t);
/* A text with %s in it, for which `with` stands. */
void html_say_with(struct html *h, enum text t, struct slice with);

/* ` name="value"` */
void html_attr(struct html *h, const char *name, struct slice value);
void html_attr_int(struct html *h, const char *name, int64_t value);

/* ` href="..."` to a path of ours, with the language asked for added; absent: nothing. */
void html_href(struct html *h, struct slice path);

/* "1,234", "63.4 %" as the language has them. */
void html_int(struct html *h, int64_t n);
void html_percent(struct html *h, struct slice fraction);

/* "2026-11-28 14:03:00 UTC", and the moment itself for machines; Unix milliseconds. */
void html_moment(struct html *h, int64_t ms);

/* Percent-encodes what must not stand in a path or a query: into `out`. */
void url_add(struct buffer *out, struct slice text, bool query);

#endif
