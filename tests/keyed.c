/* A stack with keys; see keyed.h. */
#include "tests/keyed.h"
#include "tests/port.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/clock.h"
#include "proto/file.h"
#include "proto/link.h"

struct stack *keyed;
char keyed_publish[64], keyed_read[64];

int keyed_setup(void **state)
{
    static char tcp_option[64];
    unsigned port = port_pair();

    (void)state;
    snprintf(tcp_option, sizeof tcp_option, "--tcp=127.0.0.1:%u", port);
    snprintf(keyed_publish, sizeof keyed_publish, "tcp://127.0.0.1:%u", port);
    snprintf(keyed_read, sizeof keyed_read, "tcp://127.0.0.1:%u", port + 1);
    keyed = stack_new(1);
    keyed->option = tcp_option;
    stack_start(keyed);
    return 0;
}

int keyed_teardown(void **state)
{
    (void)state;
    stack_free(keyed);
    return 0;
}

/* ---- keys ---- */

void expect(struct run r, int status, const char *text)
{
    if (r.status != status || !strstr(r.err.at, text))
        fail_msg("expected status %d and `%s`, found %d and:\n%s%s", status, text, r.status,
                 r.out.at, r.err.at);
    run_free(&r);
}

const char *key_path(const char *name)
{
    char path[128];

    snprintf(path, sizeof path, "keys/%s.key", name);
    return stack_path(keyed, path);
}

struct run publish_as(const char *key, const char *lines)
{
    return stack_run(keyed, slice_of(lines),
                     (const char *const[]){"turnout", "publish", "--key", key, NULL});
}

void expect_soon(const char *key, const char *lines, int status, const char *text)
{
    int64_t end_ms = clock_mono_ms() + KEYED_LIMIT_MS;
    struct run r = publish_as(key, lines);

    while ((r.status != status || !strstr(r.err.at, text)) && clock_mono_ms() < end_ms) {
        run_free(&r);
        r = publish_as(key, lines);
    }
    expect(r, status, text);
}

uint64_t status_number(const char *name)
{
    struct run r = RUN("turnout", "status", "--json");
    char quoted[64];
    const char *at;
    uint64_t n;

    snprintf(quoted, sizeof quoted, "\"%s\":", name);
    at = strstr(r.out.at, quoted);
    assert_non_null(at);
    n = strtoull(at + strlen(quoted), NULL, 10);
    run_free(&r);
    return n;
}

uint64_t rejects_kept(void)
{
    return status_number("rejects");
}

struct keyfile key_read(const char *name)
{
    struct keyfile k;
    char why[256];

    if (keyfile_read(key_path(name), &k, NULL, why, sizeof why) < 0)
        fail_msg("%s", why);
    return k;
}

const char *key_write(const char *name, const struct keyfile *k)
{
    const char *path = key_path(name);

    assert_int_equal(keyfile_write(path, k), 0);
    return path;
}

struct buffer rights_text(void)
{
    struct buffer text = {0};

    assert_int_equal(file_read(stack_path(keyed, "rights.conf"), 1 << 20, &text, NULL), 0);
    return text;
}

void rights_overwrite(struct slice text)
{
    FILE *f = fopen(stack_path(keyed, "rights.conf"), "w");

    assert_non_null(f);
    assert_int_equal(fwrite(text.at, 1, text.size, f), text.size);
    assert_int_equal(fclose(f), 0);
}

void await_log(const char *text)
{
    stack_await_log(keyed, "broker", text);
}
