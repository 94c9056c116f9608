/* HTTP: connections, limits and headers.  Only http.c knows libmicrohttpd. */
#ifndef WORKERS_WEB_HTTP_H
#define WORKERS_WEB_HTTP_H

#include "workers/web/web.h"

struct http;

/* Listens, and answers from a thread of its own.  0; ERR_CONFIG (logged) when it cannot. */
int http_open(struct web *w, struct http **ret);
unsigned http_port(const struct http *h);

/* No new connections; web_stop is to come before it, so that nobody waits. */
void http_close(struct http *h); /* NULL is allowed */

#endif
