/* A small HTTP client; see http_client.h. */
#include "tests/http_client.h"

#include "proto/clock.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_MS 60000

static int connected(unsigned port)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) < 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static void send_all(int fd, struct slice bytes)
{
    while (bytes.size) {
        ssize_t n = send(fd, bytes.at, bytes.size, MSG_NOSIGNAL);
        if (n <= 0)
            return; /* the server may have had enough: its answer tells */
        bytes = slice_make(bytes.at + n, bytes.size - (size_t)n);
    }
}

/* False at the end, or when nothing came in time. */
static bool read_some(int fd, struct buffer *to, int timeout_ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    ssize_t n;

    if (poll(&p, 1, timeout_ms) <= 0)
        return false;
    n = recv(fd, buffer_room(to, 65536), 65535, 0);
    if (n <= 0)
        return false;
    to->size += (size_t)n;
    to->at[to->size] = '\0';
    return true;
}

static struct reply taken_apart(struct buffer *all)
{
    struct reply r = {.status = 0};
    const char *body = all->size ? strstr(all->at, "\r\n\r\n") : NULL;

    if (body) {
        sscanf(all->at, "HTTP/1.%*c %d", &r.status);
        buffer_add(&r.head, all->at, (size_t)(body + 2 - all->at));
        buffer_add(&r.body, body + 4, all->size - (size_t)(body + 4 - all->at));
    }
    buffer_add(&r.head, "", 1);
    buffer_add(&r.body, "", 1);
    r.head.size--;
    r.body.size--;
    buffer_free(all);
    return r;
}

struct reply http_raw(unsigned port, struct slice bytes)
{
    struct buffer all = {0};
    int fd = connected(port);

    if (fd >= 0) {
        send_all(fd, bytes);
        while (read_some(fd, &all, PATIENCE_MS))
            ;
        close(fd);
    }
    return taken_apart(&all);
}

struct reply http_get(unsigned port, const char *path, const char *headers)
{
    struct buffer b = {0};
    struct reply r;

    buffer_add_text(&b, "GET ");
    buffer_add_text(&b, path);
    buffer_add_text(&b, " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
    buffer_add_text(&b, headers ? headers : "");
    buffer_add_text(&b, "\r\n");
    r = http_raw(port, buffer_slice(&b));
    buffer_free(&b);
    return r;
}

void reply_free(struct reply *r)
{
    buffer_free(&r->head);
    buffer_free(&r->body);
}

const char *reply_header(const struct reply *r, const char *name)
{
    static char values[4][512];
    static unsigned turn;
    char *value = values[turn++ % 4];
    char wanted[128];
    const char *at;

    snprintf(wanted, sizeof wanted, "\r\n%s: ", name);
    at = strcasestr(r->head.at, wanted);
    value[0] = '\0';
    if (at)
        snprintf(value, sizeof values[0], "%.*s", (int)strcspn(at + strlen(wanted), "\r"),
                 at + strlen(wanted));
    return value;
}

struct stream stream_open(unsigned port, const char *path, const char *headers)
{
    struct stream s = {.fd = connected(port)};
    struct buffer b = {0};

    buffer_add_text(&b, "GET ");
    buffer_add_text(&b, path);
    buffer_add_text(&b, " HTTP/1.1\r\nHost: localhost\r\n");
    buffer_add_text(&b, headers ? headers : "");
    buffer_add_text(&b, "\r\n");
    if (s.fd >= 0)
        send_all(s.fd, buffer_slice(&b));
    buffer_free(&b);
    return s;
}

bool stream_await(struct stream *s, const char *text, int timeout_ms)
{
    int64_t end_ms = clock_mono_ms() + timeout_ms;

    while (!s->got.size || !strstr(s->got.at, text)) {
        int64_t left_ms = end_ms - clock_mono_ms();
        if (s->fd < 0 || left_ms <= 0 || !read_some(s->fd, &s->got, (int)left_ms))
            return false;
    }
    return true;
}

void stream_read(struct stream *s)
{
    while (s->fd >= 0 && read_some(s->fd, &s->got, 0))
        ;
}

void stream_close(struct stream *s)
{
    if (s->fd >= 0)
        close(s->fd);
    buffer_free(&s->got);
    s->fd = -1;
}
