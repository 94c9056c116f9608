/* HTTP; see http.h.
 *
 *     begun    the request's line is there: an exchange is made for it
 *     asked    by libmicrohttpd, again and again, until it has an answer:
 *              what stands in memory is answered at once; a page is a job for a crew, and the
 *              connection sleeps until the job wakes it
 *     ended    the exchange goes
 *
 * Bounds: a request's line and headers fit into REQUEST_MEMORY, a body is refused, a connection
 * that says nothing for SILENT_S is closed, and so is a viewer that takes nothing for so long. */
#include "workers/web/http.h"

#include "proto/error.h"
#include "proto/log.h"
#include "workers/web/answer.h"
#include "workers/web/asset.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define REQUEST_MEMORY 16384
#define SILENT_S       30
#define EVENT_BLOCK    4096
#define ANSWER_VARY    "Accept-Language, Accept"

struct http {
    struct web *web;
    struct MHD_Daemon *daemon;
    unsigned port;
};

enum stage { STAGE_NEW, STAGE_ASKED, STAGE_WAITING, STAGE_ANSWERED };

/* One request and what becomes of it. */
struct exchange {
    struct job job; /* first: the crew knows no more of it */
    struct http *http;
    struct MHD_Connection *connection;
    struct arena arena;
    struct slice address;
    struct request request;
    struct answer_ask ask;
    struct answer answer;
    struct slice login; /* the header; a copy */
    bool bad, head, login_right, login_asked;
    enum stage stage;
};

static const struct {
    const char *name, *value;
} always[] = {
    {"Content-Security-Policy",
     "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
     "connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self'; "
     "frame-ancestors 'none'"},
    {"X-Content-Type-Options", "nosniff"},
    {"Referrer-Policy", "no-referrer"},
    {"X-Frame-Options", "DENY"},
    {"Cross-Origin-Opener-Policy", "same-origin"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
};

static struct slice header(struct exchange *x, const char *name)
{
    const char *value = MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, name);

    return value ? slice_of(value) : (struct slice){0};
}

/* ---- sending ---- */
static enum MHD_Result send_off(struct exchange *x, unsigned status, struct MHD_Response *r)
{
    enum MHD_Result result;

    for (size_t i = 0; i < sizeof always / sizeof *always; i++)
        MHD_add_response_header(r, always[i].name, always[i].value);
    result = MHD_queue_response(x->connection, status, r);
    MHD_destroy_response(r);
    x->stage = STAGE_ANSWERED;
    return result;
}

/* One of the tags that the browser already has. */
static bool tag_known(struct exchange *x, const char *etag)
{
    struct slice have = header(x, MHD_HTTP_HEADER_IF_NONE_MATCH);

    return have.at && etag[0] &&
           (slice_is(have, "*") || memmem(have.at, have.size, etag, strlen(etag)) != NULL);
}

static enum MHD_Result send_not_modified(struct exchange *x, const char *etag, const char *cache,
                                         const char *vary)
{
    struct MHD_Response *r =
        MHD_create_response_from_buffer(0, (char[]){""}, MHD_RESPMEM_PERSISTENT);

    x->http->web->counts[WEB_NOT_MODIFIED]++;
    MHD_add_response_header(r, MHD_HTTP_HEADER_ETAG, etag);
    MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, cache);
    if (vary)
        MHD_add_response_header(r, MHD_HTTP_HEADER_VARY, vary);
    return send_off(x, MHD_HTTP_NOT_MODIFIED, r);
}

static enum MHD_Result send_answer(struct exchange *x)
{
    struct answer *a = &x->answer;
    struct MHD_Response *r;

    if (a->status == 200 && tag_known(x, a->etag))
        return send_not_modified(x, a->etag, "no-cache", ANSWER_VARY);
    if (a->status >= 500)
        x->http->web->counts[WEB_ERRORS]++;
    r = MHD_create_response_from_buffer(a->body.size, a->body.at, MHD_RESPMEM_MUST_FREE);
    a->body = (struct buffer){0};
    MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, a->type);
    MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache");
    MHD_add_response_header(r, MHD_HTTP_HEADER_VARY, ANSWER_VARY);
    if (a->etag[0])
        MHD_add_response_header(r, MHD_HTTP_HEADER_ETAG, a->etag);
    if (a->again)
        MHD_add_response_header(r, MHD_HTTP_HEADER_RETRY_AFTER, "2");
    if (a->status == 405)
        MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    return send_off(x, a->status, r);
}

/* Bytes that live as long as the program, or that are the response's to free. */
static enum MHD_Result send_text(struct exchange *x, unsigned status, const char *type,
                                 struct buffer *text)
{
    struct MHD_Response *r =
        MHD_create_response_from_buffer(text->size, text->at, MHD_RESPMEM_MUST_FREE);

    *text = (struct buffer){0};
    MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    return send_off(x, status, r);
}

static enum MHD_Result send_words(struct exchange *x, unsigned status, const char *words)
{
    struct buffer text = {0};

    buffer_add_text(&text, words);
    return send_text(x, status, "text/plain; charset=utf-8", &text);
}

static enum MHD_Result send_trouble(struct exchange *x, unsigned status)
{
    answer_trouble(&x->ask, status, &x->answer);
    return send_answer(x);
}

static enum MHD_Result send_asset(struct exchange *x, const struct asset *a)
{
    struct slice version = request_param(&x->request, "v");
    const char *cache = version.at && slice_is(version, a->hash)
                            ? "public, max-age=31536000, immutable"
                            : "no-cache";
    struct MHD_Response *r;
    char etag[24];

    snprintf(etag, sizeof etag, "\"%s\"", a->hash);
    if (tag_known(x, etag))
        return send_not_modified(x, etag, cache, NULL);
    r = MHD_create_response_from_buffer((size_t)(a->end - a->at), (void *)(uintptr_t)a->at,
                                        MHD_RESPMEM_PERSISTENT);
    MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, asset_type(a));
    MHD_add_response_header(r, MHD_HTTP_HEADER_ETAG, etag);
    MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, cache);
    return send_off(x, MHD_HTTP_OK, r);
}

/* ---- events ---- */
static void connection_wake(void *connection)
{
    MHD_resume_connection(connection);
}

static void connection_sleep(void *connection)
{
    MHD_suspend_connection(connection);
}

static ssize_t events_read(void *viewer, uint64_t at, char *to, size_t size)
{
    ssize_t n = viewer_read(viewer, to, size, connection_sleep);

    (void)at;
    return n < 0 ? MHD_CONTENT_READER_END_OF_STREAM : n;
}

static void events_end(void *viewer)
{
    viewer_free(viewer);
}

static enum MHD_Result send_events(struct exchange *x)
{
    const union MHD_ConnectionInfo *about;
    struct viewer *v;
    struct MHD_Response *r;

    if (x->head)
        return send_words(x, MHD_HTTP_OK, "");
    about = MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    v = viewer_new(x->http->web->live, header(x, "Last-Event-ID"), about ? about->connect_fd : -1,
                   connection_wake, x->connection);
    r = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, EVENT_BLOCK, events_read, v,
                                          events_end);
    MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, "text/event-stream");
    MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    MHD_add_response_header(r, "X-Accel-Buffering", "no");
    return send_off(x, MHD_HTTP_OK, r);
}

/* ---- jobs ---- */
static void page_run(struct job *j, struct hand *h)
{
    struct exchange *x = (struct exchange *)j;
    struct arena arena = {0};

    if (answer_make(&x->ask, h, &arena, &x->answer) < 0)
        state_hint(x->http->web->state);
    arena_free(&arena);
    MHD_resume_connection(x->connection);
}

static void login_run(struct job *j, struct hand *h)
{
    struct exchange *x = (struct exchange *)j;

    (void)h;
    x->login_right = auth_check(x->http->web->auth, x->login);
    MHD_resume_connection(x->connection);
}

static enum MHD_Result busy(struct exchange *x)
{
    x->http->web->counts[WEB_BUSY]++;
    answer_busy(&x->ask, &x->answer);
    return send_answer(x);
}

/* The connection sleeps before the job can wake it. */
static enum MHD_Result wait_for(struct exchange *x, struct crew *crew, enum stage stage,
                                void (*run)(struct job *, struct hand *))
{
    x->job.run = run;
    x->stage = stage;
    MHD_suspend_connection(x->connection);
    if (crew_take(crew, &x->job))
        return MHD_YES;
    x->stage = STAGE_WAITING; /* for no answer: the line is full */
    MHD_resume_connection(x->connection);
    return MHD_YES;
}

static enum MHD_Result send_page(struct exchange *x)
{
    struct slice accept = header(x, MHD_HTTP_HEADER_ACCEPT);
    struct web *w = x->http->web;
    bool csv = accept.at && accept.size == 8 && memcmp(accept.at, "text/csv", 8) == 0;

    if (!route_find(&x->request, csv, &x->ask.to))
        return send_trouble(x, MHD_HTTP_NOT_FOUND);
    return wait_for(x, x->ask.to.route->slow ? w->slow : w->quick, STAGE_WAITING, page_run);
}

/* ---- what stands in memory ---- */
static enum MHD_Result send_ready(struct exchange *x)
{
    struct state_look l = state_now(x->http->web->state);

    if (l.redis && live_well(x->http->web->live))
        return send_words(x, MHD_HTTP_OK, "ready\n");
    return send_words(x, MHD_HTTP_SERVICE_UNAVAILABLE, "Redis does not answer\n");
}

static enum MHD_Result send_metrics(struct exchange *x)
{
    struct buffer text = {0};

    metrics_text(x->http->web, &text);
    return send_text(x, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", &text);
}

static enum MHD_Result send_asset_named(struct exchange *x, struct slice name)
{
    const struct asset *a = asset_find(name);

    return a ? send_asset(x, a) : send_trouble(x, MHD_HTTP_NOT_FOUND);
}

static enum MHD_Result send_what_is_asked(struct exchange *x)
{
    struct slice path = x->request.path;

    if (path.size > 8 && memcmp(path.at, "/assets/", 8) == 0)
        return send_asset_named(x, slice_make(path.at + 8, path.size - 8));
    if (slice_is(path, "/events"))
        return send_events(x);
    if (slice_is(path, "/metrics"))
        return send_metrics(x);
    if (slice_is(path, "/api/v1/openapi.json"))
        return send_asset_named(x, slice_of("openapi.json"));
    if (slice_is(path, "/favicon.ico"))
        return send_asset_named(x, slice_of("icon.svg"));
    if (slice_is(path, "/robots.txt"))
        return send_words(x, MHD_HTTP_OK, "User-agent: *\nDisallow: /\n");
    return send_page(x);
}

/* ---- who may look ---- */
static enum MHD_Result send_login(struct exchange *x)
{
    struct buffer text = {0};
    struct MHD_Response *r;

    x->http->web->counts[WEB_REFUSED]++;
    buffer_add_text(&text, text_of(x->ask.lang, T_LOGIN));
    r = MHD_create_response_from_buffer(text.size, text.at, MHD_RESPMEM_MUST_FREE);
    MHD_add_response_header(r, MHD_HTTP_HEADER_WWW_AUTHENTICATE,
                            "Basic realm=\"turnout\", charset=\"UTF-8\"");
    MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain; charset=utf-8");
    return send_off(x, MHD_HTTP_UNAUTHORIZED, r);
}

static enum MHD_Result after_login(struct exchange *x)
{
    struct auth *auth = x->http->web->auth;
    struct slice login = header(x, MHD_HTTP_HEADER_AUTHORIZATION);

    if (!auth || x->login_right || auth_known(auth, login))
        return send_what_is_asked(x);
    if (!login.at || x->login_asked)
        return send_login(x);
    x->login = arena_copy(&x->arena, login);
    x->login_asked = true;
    return wait_for(x, x->http->web->slow, STAGE_ASKED, login_run);
}

/* ---- asking ---- */
static void language(struct exchange *x)
{
    struct slice asked = request_param(&x->request, "lang"),
                 accepted = header(x, MHD_HTTP_HEADER_ACCEPT_LANGUAGE);

    x->ask.lang_asked = asked.at && lang_parse(asked, &x->ask.lang);
    if (!x->ask.lang_asked)
        x->ask.lang = accepted.at ? lang_accepted(accepted) : LANG_EN;
}

static enum MHD_Result asked(struct exchange *x)
{
    struct slice path = x->request.path;

    if (x->bad)
        return send_trouble(x, MHD_HTTP_BAD_REQUEST);
    if (slice_is(path, "/healthz"))
        return send_words(x, MHD_HTTP_OK, "well\n");
    if (slice_is(path, "/readyz"))
        return send_ready(x);
    return after_login(x);
}

static void exchange_begin(struct exchange *x, const char *method)
{
    x->http->web->counts[WEB_REQUESTS]++;
    x->head = strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
    x->ask.request = &x->request;
    x->ask.state = state_name[state_now(x->http->web->state).word];
    x->bad = x->bad || request_parse(x->address, &x->arena, &x->request) < 0;
    if (x->bad)
        x->request = (struct request){.path = slice_of("/"), .address = slice_of("/")};
    language(x);
    x->stage = STAGE_ASKED;
}

/* libmicrohttpd asks: first when the headers are there, then for each piece of a body, then for the
 * answer, and again after each sleep. */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *body,
                                  size_t *body_size, void **exchange)
{
    struct exchange *x = *exchange;
    bool reads =
        strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;

    (void)arg;
    (void)url;
    (void)version;
    (void)body;
    x->connection = connection;
    if (x->stage == STAGE_NEW) {
        exchange_begin(x, method);
        if (!reads)
            return send_trouble(x, MHD_HTTP_METHOD_NOT_ALLOWED);
        return header(x, MHD_HTTP_HEADER_CONTENT_LENGTH).at ||
                       header(x, MHD_HTTP_HEADER_TRANSFER_ENCODING).at
                   ? send_trouble(x, MHD_HTTP_BAD_REQUEST)
                   : MHD_YES;
    }
    if (*body_size) {
        *body_size = 0;
        return MHD_YES;
    }
    if (x->stage == STAGE_WAITING)
        return x->answer.status ? send_answer(x) : busy(x);
    return x->stage == STAGE_ASKED ? asked(x) : MHD_YES;
}

/* The first thing known of a request, before its headers. */
static void *on_line(void *arg, const char *address, struct MHD_Connection *connection)
{
    struct exchange *x = memory_need(sizeof *x);
    struct slice text = slice_of(address);

    *x = (struct exchange){
        .http = arg, .connection = connection, .bad = text.size > REQUEST_ADDRESS};
    x->address = x->bad ? slice_of("/") : arena_copy(&x->arena, text);
    return x;
}

static void on_end(void *arg, struct MHD_Connection *connection, void **exchange,
                   enum MHD_RequestTerminationCode why)
{
    struct exchange *x = *exchange;

    (void)arg;
    (void)connection;
    (void)why;
    if (!x)
        return;
    buffer_free(&x->answer.body);
    arena_free(&x->arena);
    free(x);
    *exchange = NULL;
}

/* What libmicrohttpd has to say is about strangers' requests: never more than debug. */
static void on_log(void *arg, const char *format, va_list words)
{
    char text[256];

    (void)arg;
    vsnprintf(text, sizeof text, format, words);
    log_debug("%.*s", (int)strcspn(text, "\n"), text);
}

/* ---- opening ---- */
static int listen_at(const struct web_config *c, int *ret_fd, unsigned *ret_port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV},
                    *list;
    char port[16];
    int fd = -1, one = 1, error;

    snprintf(port, sizeof port, "%u", c->port);
    error = getaddrinfo(c->host, port, &hints, &list);
    if (error) {
        log_error("%s: %s", c->host, gai_strerror(error));
        return ERR_CONFIG;
    }
    fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
        bind(fd, list->ai_addr, list->ai_addrlen) < 0 || listen(fd, 512) < 0) {
        log_error("cannot listen at %s:%s: %m", c->host, port);
        freeaddrinfo(list);
        if (fd >= 0)
            close(fd);
        return ERR_CONFIG;
    }
    freeaddrinfo(list);
    struct sockaddr_in6 bound;
    socklen_t size = sizeof bound;
    getsockname(fd, (struct sockaddr *)&bound, &size);
    *ret_port = ntohs(bound.sin6_port); /* at the same place as sin_port */
    *ret_fd = fd;
    return 0;
}

int http_open(struct web *w, struct http **ret)
{
    struct http *h = memory_need(sizeof *h);
    int fd, error;

    *h = (struct http){.web = w};
    error = listen_at(&w->config, &fd, &h->port);
    if (error < 0) {
        free(h);
        return error;
    }
    h->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL,
        on_request, h, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_URI_LOG_CALLBACK, on_line, h, MHD_OPTION_NOTIFY_COMPLETED, on_end, h,
        MHD_OPTION_CONNECTION_LIMIT, w->config.connections, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)SILENT_S, MHD_OPTION_PER_IP_CONNECTION_LIMIT, w->config.per_address,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)REQUEST_MEMORY, MHD_OPTION_END);
    if (!h->daemon) {
        log_error("libmicrohttpd does not start");
        close(fd);
        free(h);
        return ERR_CONFIG;
    }
    *ret = h;
    return 0;
}

unsigned http_port(const struct http *h)
{
    return h->port;
}

void http_close(struct http *h)
{
    if (!h)
        return;
    MHD_stop_daemon(h->daemon);
    free(h);
}
