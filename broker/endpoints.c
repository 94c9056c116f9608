/* Endpoints; see endpoints.h.  The gate opens first and closes last, as an endpoint with keys that
 * has no gate would let everybody in. */
#include "broker/endpoints.h"

#include "broker/selftest.h"
#include "proto/error.h"
#include "proto/keyring.h"
#include "proto/log.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define ENDPOINT_BYTES 4096
#define LINGER_MS      500 /* for the last acknowledgements */
#define PORT_MOST      65535

static bool is_loopback(const char *endpoint)
{
    static const char *const hosts[] = {"tcp://127.0.0.1:", "tcp://[::1]:", "tcp://localhost:"};

    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++)
        if (strncmp(endpoint, hosts[i], strlen(hosts[i])) == 0)
            return true;
    return false;
}

/* ---- without keys ---- */

/* libzmq takes the path whatever is there: what another program listens at would be cut off from
 * those who come, and what is no socket would be gone. */
static bool path_is_free(const char *path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    struct stat there;
    int fd, err;

    if (strlen(path) >= sizeof name.sun_path || lstat(path, &there) < 0)
        return true; /* whatever is wrong with it, binding finds it */
    if (!S_ISSOCK(there.st_mode)) {
        log_error("%s is there, and is no socket", path);
        return false;
    }
    memcpy(name.sun_path, path, strlen(path));
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    err = fd < 0 || connect(fd, (struct sockaddr *)&name, sizeof name) < 0 ? errno : 0;
    if (fd >= 0)
        close(fd);
    if (err == 0 || err == EAGAIN)
        log_error("another program listens at %s", path);
    else if (err != ECONNREFUSED && err != ENOENT)
        log_error("whether another program listens at %s cannot be told: %s", path, strerror(err));
    return err == ECONNREFUSED || err == ENOENT;
}

static int plain_open(const struct broker_config *config, const char *asked, const char *name,
                      struct link **ret)
{
    char endpoint[ENDPOINT_BYTES];
    bool ipc;
    int err;

    snprintf(endpoint, sizeof endpoint, "ipc://%s/%s.sock", config->dir, name);
    if (asked)
        snprintf(endpoint, sizeof endpoint, "%s", asked);
    ipc = strncmp(endpoint, "ipc://", 6) == 0;
    if (!ipc && !(config->insecure_loopback && is_loopback(endpoint))) {
        log_error("endpoint %s: without keys only ipc:// or, with --insecure-loopback, tcp:// on "
                  "127.0.0.1, [::1] or localhost; --tcp opens endpoints with keys",
                  endpoint);
        return ERR_CONFIG;
    }
    if (ipc && !path_is_free(endpoint + strlen("ipc://")))
        return ERR_CONFIG;
    err = link_bind(endpoint, ret);
    if (err < 0)
        log_error("no %s endpoint at %s: %s", name, endpoint, error_text(err));
    else
        log_info("%s endpoint %s", name, endpoint);
    return err;
}

/* ---- with keys ---- */

struct address {
    char host[256];
    int64_t port; /* of producers; readers have the next */
};

static int address_parse(const char *text, struct address *ret)
{
    const char *colon = strrchr(text, ':');
    size_t size = colon ? (size_t)(colon - text) : 0;

    if (size == 0 || size >= sizeof ret->host || !slice_to_int(slice_of(colon + 1), &ret->port) ||
        ret->port < 1 || ret->port >= PORT_MOST) {
        log_error("%s is not HOST:PORT with a port from 1 to %d", text, PORT_MOST - 1);
        return ERR_CONFIG;
    }
    memcpy(ret->host, text, size);
    ret->host[size] = '\0';
    return 0;
}

static int keyed_open(struct link *l, struct link *gate, const struct address *at, int more,
                      const char *name, const struct keyfile *key)
{
    char endpoint[ENDPOINT_BYTES], bound[ENDPOINT_BYTES];
    int err;

    snprintf(endpoint, sizeof endpoint, "tcp://%s:%d", at->host, (int)at->port + more);
    err = link_listen(l, endpoint, key);
    if (err < 0) {
        log_error("no %s endpoint at %s: %s%s", name, endpoint, error_text(err),
                  link_has_keys() ? "" : " (this build of ZeroMQ has no CURVE)");
        return err;
    }
    link_endpoint(l, bound, sizeof bound);
    err = selftest_run(gate, l, bound, key);
    if (err == 0)
        log_info("%s endpoint %s, with keys", name, endpoint);
    return err;
}

/* Where clients find it: not all of a host's addresses at once, but its name. */
static void endpoint_told(const struct address *at, int more, char *out, size_t size)
{
    static const char *const any[] = {"*", "0.0.0.0", "[::]"};
    char name[256];
    const char *host = at->host;

    for (size_t i = 0; i < sizeof any / sizeof *any; i++)
        if (strcmp(host, any[i]) == 0 && gethostname(name, sizeof name) == 0) {
            name[sizeof name - 1] = '\0';
            host = name;
        }
    snprintf(out, size, "tcp://%s:%d", host, (int)at->port + more);
}

static int endpoints_note(const struct broker_config *config, const struct address *at)
{
    char publish[300], read[300];
    int err;

    if (at) {
        endpoint_told(at, 0, publish, sizeof publish);
        endpoint_told(at, 1, read, sizeof read);
    }
    err = keyring_endpoints_write(config->dir, at ? publish : NULL, at ? read : NULL);
    if (err < 0)
        log_error("cannot write %s/endpoints: %s", config->dir, strerror(errno));
    return err;
}

static int both_keyed_open(const struct broker_config *config, struct endpoints *e)
{
    struct keyfile key = {.name = ""};
    struct address at;
    char why[256];
    int err = address_parse(config->tcp, &at);

    if (err < 0)
        return err;
    err = keyring_broker(config->dir, &key, why, sizeof why);
    if (err < 0)
        log_error("%s", why);
    if (err == 0)
        err = keyed_open(e->publish, e->gate, &at, 0, "publish", &key);
    if (err == 0)
        err = keyed_open(e->read, e->gate, &at, 1, "read", &key);
    keyfile_forget(&key);
    return err < 0 ? err : endpoints_note(config, &at);
}

int endpoints_open(const struct broker_config *config, struct endpoints *ret)
{
    struct endpoints e = {NULL, NULL, NULL};
    int err = config->tcp ? link_gate(&e.gate) : 0;

    if (err < 0)
        log_error("the gate for keys cannot be opened: %s", error_text(err));
    if (err == 0)
        err = plain_open(config, config->publish, "publish", &e.publish);
    if (err == 0)
        err = plain_open(config, config->read, "read", &e.read);
    if (err == 0)
        err = config->tcp ? both_keyed_open(config, &e) : endpoints_note(config, NULL);
    if (err < 0)
        endpoints_close(&e);
    else
        *ret = e;
    return err;
}

void endpoints_close(struct endpoints *e)
{
    link_close(e->publish, LINGER_MS);
    link_close(e->read, 0); /* readers take up at their own offsets */
    link_close(e->gate, 0);
    *e = (struct endpoints){NULL, NULL, NULL};
}
