/* The dashboard as it is meant to stand before others: Redis with users, of which it is the reader,
 * and Debian's nginx in front with scripts/nginx-web.conf and TLS. */
#include "proto/clock.h"
#include "tests/http_client.h"
#include "tests/port.h"
#include "tests/stack.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_MS 60000

static struct stack *stack;
static pid_t web, nginx;
static unsigned web_port, tls_port;

static struct run run(const char *const *words)
{
    return stack_run(stack, slice_of(""), words);
}

static void shell(const char *command)
{
    struct run r = run((const char *const[]){"/bin/sh", "-c", command, NULL});

    if (r.status != 0)
        fail_msg("%s: status %d\n%s%s", command, r.status, r.out.at, r.err.at);
    run_free(&r);
}

static bool file_there(const char *path)
{
    return access(path, R_OK) == 0;
}

static void start_web(void)
{
    char password[256], address[256];
    FILE *f;
    int64_t end_ms = clock_mono_ms() + PATIENCE_MS;

    snprintf(password, sizeof password, "%s", stack_path(stack, "keys/redis-reader.password"));
    snprintf(address, sizeof address, "%s", stack_path(stack, "web.address"));
    web = stack_spawn(stack, (const char *const[]){"turnout-web", "--listen", "127.0.0.1:0",
                                                   "--per-address", "0", "--redis-user", "reader",
                                                   "--redis-password-file", password,
                                                   "--address-file", address, NULL});
    while (!web_port) {
        assert_true(clock_mono_ms() < end_ms);
        f = file_there(address) ? fopen(address, "r") : NULL;
        if (f && fscanf(f, "127.0.0.1:%u\n", &web_port) != 1)
            web_port = 0;
        if (f)
            fclose(f);
        usleep(10000);
    }
}

/* The snippet with paths, ports and name put in, inside the least that nginx wants around it. */
static void start_nginx(void)
{
    char command[2048];

    tls_port = port_pair();
    snprintf(command, sizeof command,
             "cd '%s' && mkdir -p nginx && openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "
             "/CN=localhost -keyout nginx/k.pem -out nginx/c.pem 2>/dev/null && "
             "{ echo 'pid nginx/pid; error_log nginx/error.log; daemon off; worker_processes 1;'; "
             "echo 'events {} http { access_log off; client_body_temp_path nginx/b; "
             "proxy_temp_path nginx/p; fastcgi_temp_path nginx/f; uwsgi_temp_path nginx/u; "
             "scgi_temp_path nginx/s;'; "
             "sed -e 's/127.0.0.1:8080;/127.0.0.1:%u;/' -e 's/NAME;/localhost;/' "
             "-e \"s,/etc/ssl/certs/NAME.pem,$PWD/nginx/c.pem,\" "
             "-e \"s,/etc/ssl/private/NAME.key,$PWD/nginx/k.pem,\" "
             "-e '/listen \\[/d' -e 's/listen 80;/listen 127.0.0.1:%u;/' "
             "-e 's/listen 443 /listen 127.0.0.1:%u /' \"$OLDPWD/scripts/nginx-web.conf\"; "
             "echo '}'; } >nginx/nginx.conf && /usr/sbin/nginx -t -q -p '%s' -c nginx/nginx.conf",
             stack->dir, web_port, tls_port + 1, tls_port, stack->dir);
    shell(command);
    nginx = stack_spawn(stack, (const char *const[]){"/usr/sbin/nginx", "-p", stack->dir, "-c",
                                                     "nginx/nginx.conf", NULL});
}

static struct run curl(const char *const *more)
{
    const char *words[16] = {"/usr/bin/curl", "-sk", "--max-time", "20", "-i"};
    size_t n = 5;

    while (*more)
        words[n++] = *more++;
    words[n] = NULL;
    return run(words);
}

static const char *url(const char *path)
{
    static char text[512];

    snprintf(text, sizeof text, "https://127.0.0.1:%u%s", tls_port, path);
    return text;
}

static void await_nginx(void)
{
    int64_t end_ms = clock_mono_ms() + PATIENCE_MS;
    int status;

    do {
        struct run r = curl((const char *const[]){url("/healthz"), NULL});
        status = r.status;
        run_free(&r);
        assert_true(clock_mono_ms() < end_ms);
        usleep(20000);
    } while (status != 0);
}

static int setup(void **state)
{
    (void)state;
    stack = stack_new(1);
    stack->option = "--redis-acl";
    stack_start(stack);
    stack_publish_lines(
        stack, slice_of("{\"type\":\"vote\",\"id\":\"v1\",\"time\":\"2025-02-01T00:00:00Z\","
                        "\"committee\":\"ISO/TC 1\",\"ballot\":\"B\",\"member\":\"KE\","
                        "\"position\":\"approve\"}\n"));
    start_web();
    start_nginx();
    await_nginx();
    return 0;
}

static void end(pid_t pid)
{
    if (pid > 0) {
        kill(pid, SIGTERM);
        waitpid(pid, NULL, 0);
    }
}

static int teardown(void **state)
{
    (void)state;
    end(nginx);
    end(web);
    stack_free(stack);
    return 0;
}

static bool says(const struct run *r, const char *words)
{
    return strcasestr(r->out.at, words) != NULL;
}

/* Every page as the user `reader`, who may not even see attendance:*. */
static void test_every_page_works_for_the_reader(void **state)
{
    static const char *const paths[] = {
        "/",           "/members", "/members/KE",
        "/committees", "/ballots", "/risk",
        "/adoptions",  "/health",  "/why?key=member:KE:2025&field=technical.votes"};

    (void)state;
    for (int64_t end_ms = clock_mono_ms() + PATIENCE_MS;;) {
        struct reply r = http_get(web_port, "/members/KE", NULL);
        int status = r.status;
        reply_free(&r);
        if (status == 200)
            break;
        assert_true(clock_mono_ms() < end_ms);
        usleep(20000);
    }
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct reply r = http_get(web_port, paths[i], NULL);
        if (r.status != 200)
            fail_msg("%s: %d %s", paths[i], r.status, r.body.at);
        reply_free(&r);
    }
}

static void test_pages_come_through_tls(void **state)
{
    struct run r = curl((const char *const[]){url("/members"), NULL});

    (void)state;
    assert_true(says(&r, "200") && says(&r, "<!doctype html>"));
    assert_true(says(&r, "content-security-policy: default-src 'none'"));
    assert_true(says(&r, "strict-transport-security"));
    run_free(&r);
    r = curl((const char *const[]){url("/committees/ISO%2FTC%201"), NULL});
    assert_true(says(&r, "ISO/TC 1"));
    run_free(&r);
}

static void test_nothing_can_be_sent_through(void **state)
{
    struct run r = curl((const char *const[]){"-d", "x=1", url("/members"), NULL});

    (void)state;
    assert_true(says(&r, " 403"));
    run_free(&r);
    r = curl((const char *const[]){"-X", "DELETE", url("/events"), NULL});
    assert_true(says(&r, " 405"));
    run_free(&r);
}

/* The first bytes of a stream come at once, though it never ends. */
static void test_events_are_not_held_back(void **state)
{
    struct run r = curl((const char *const[]){"-N", "--max-time", "3", url("/events"), NULL});

    (void)state;
    assert_int_equal(r.status, 28); /* curl's time was over */
    assert_true(says(&r, "text/event-stream") && says(&r, "event: state"));
    run_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_page_works_for_the_reader),
        cmocka_unit_test(test_pages_come_through_tls),
        cmocka_unit_test(test_nothing_can_be_sent_through),
        cmocka_unit_test(test_events_are_not_held_back),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
