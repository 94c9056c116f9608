/* A small HTTP client for tests: one request a connection, and streams that are read as they come.
 */
#ifndef TESTS_HTTP_CLIENT_H
#define TESTS_HTTP_CLIENT_H

#include "proto/bytes.h"

struct reply {
    int status;               /* 0: the connection was cut without an answer */
    struct buffer head, body; /* both end with a NUL that does not count */
};

/* GET with more header lines ("Name: value\r\n"; NULL: none); waits until the server closes. */
struct reply http_get(unsigned port, const char *path, const char *headers);
/* Sends these bytes as they are. */
struct reply http_raw(unsigned port, struct slice bytes);
void reply_free(struct reply *r);

/* The value of a header of the reply, in one of four static buffers; "" when it is not there. */
const char *reply_header(const struct reply *r, const char *name);

struct stream {
    int fd;
    struct buffer got; /* all that came, with a NUL that does not count */
};

struct stream stream_open(unsigned port, const char *path, const char *headers);
/* Waits until the text has come; false when it has not within timeout_ms. */
bool stream_await(struct stream *s, const char *text, int timeout_ms);
/* Reads what is there already. */
void stream_read(struct stream *s);
void stream_close(struct stream *s);

#endif
