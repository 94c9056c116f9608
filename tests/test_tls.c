/* TLS to Redis by stunnel, with the configurations of scripts/: worker and command line count
 * through it, nobody gets in without it or with a certificate that is not the right one. */
#include "tests/port.h"
#include "tests/redis_dump.h"
#include "tests/stack.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE 4000 /* looks, 5 ms apart */

/* An authority for the tests and one that nobody trusts; of each a host named redis.test and a
 * worker, and of the first another host. */
static const char certificates[] =
    "set -e; cd \"$0\"; umask 077; key='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'\n"
    "for ca in ours theirs; do\n"
    "  openssl req -x509 $key -keyout $ca.key -out $ca.pem -subj /CN=$ca -days 2\n"
    "done\n"
    "for who in ours/redis.test ours/other.test ours/worker theirs/redis.test theirs/worker; do\n"
    "  ca=${who%/*} name=${who#*/} file=${who%/*}-${who#*/}\n"
    "  openssl req $key -keyout $file.key -out $file.csr -subj /CN=$name "
    "-addext subjectAltName=DNS:$name\n"
    "  openssl x509 -req -in $file.csr -CA $ca.pem -CAkey $ca.key -CAcreateserial -days 2 "
    "-copy_extensions copy -out $file.crt\n"
    "  cat $file.key $file.crt >$file.pem\n"
    "done\n";

static struct stack *stack;
static unsigned port;

static void pause_briefly(void)
{
    struct timespec t = {0, 5000000};

    nanosleep(&t, NULL);
}

static void run_well(const char *const *words)
{
    struct run r = stack_run(stack, slice_of(""), words);

    if (r.status != 0)
        fail_msg("%s ended with %d: %s%s", words[0], r.status, r.out.at, r.err.at);
    run_free(&r);
}

/* A stunnel with a configuration of scripts/, whose @NAMES@ are filled in by sed. */
static pid_t tunnel_start(const char *kind, const char *name, const char *fill)
{
    char script[1024], path[256];

    snprintf(path, sizeof path, "%s", stack_path(stack, name));
    snprintf(script, sizeof script, "sed '%s' scripts/stunnel-redis-%s.conf >%s", fill, kind, path);
    run_well((const char *const[]){"/bin/sh", "-c", script, NULL});
    return stack_spawn(stack, (const char *const[]){"/usr/bin/setpriv", "--pdeathsig", "KILL",
                                                    "/usr/bin/stunnel", path, NULL});
}

static void tunnel_end(pid_t pid)
{
    kill(pid, SIGTERM);
    waitpid(pid, NULL, 0);
}

static pid_t server_start(unsigned at, const char *certificate)
{
    char fill[768];

    snprintf(fill, sizeof fill,
             "s|@ACCEPT@|127.0.0.1:%u|; s|@REDIS@|%s/redis.sock|; s|@CERT@|%s/%s.pem|; "
             "s|@CA@|%s/ours.pem|",
             at, stack->dir, stack->dir, certificate, stack->dir);
    return tunnel_start("server", certificate, fill);
}

/* The socket that a client's tunnel listens at. */
static const char *tunnel_socket(const char *name)
{
    char file[64];

    snprintf(file, sizeof file, "%s.sock", name);
    return stack_path(stack, file);
}

static pid_t client_start(const char *name, unsigned to, const char *certificate)
{
    char fill[768];

    snprintf(fill, sizeof fill,
             "s|@ACCEPT@|%s|; s|@SERVER@|127.0.0.1:%u|; s|@NAME@|redis.test|; "
             "s|@CERT@|%s/%s.pem|; s|@CA@|%s/ours.pem|",
             tunnel_socket(name), to, stack->dir, certificate, stack->dir);
    return tunnel_start("client", name, fill);
}

/* What Redis says to a PING through the socket; 0 when the connection ends without an answer, -1
 * when nobody listens. */
static int ping(const char *socket_path)
{
    struct redis *r = redis_open(socket_path);
    int kind = r ? redis_do(r, "PING")->kind : -1;

    redis_close(r);
    return kind;
}

/* Waits until the tunnel lets somebody through to Redis, who wants a password. */
static void await_redis(const char *socket_path)
{
    for (int i = 0; i < PATIENCE && ping(socket_path) != '-'; i++)
        pause_briefly();
    assert_int_equal(ping(socket_path), '-');
}

static bool log_holds(const char *text)
{
    struct run r = stack_run(
        stack, slice_of(""),
        (const char *const[]){"/bin/grep", "-q", text, stack_path(stack, "spawned.log"), NULL});
    bool holds = r.status == 0;

    run_free(&r);
    return holds;
}

static void vote(const char *id, const char *member)
{
    char line[256];

    snprintf(line, sizeof line,
             "{\"type\":\"vote\",\"id\":\"%s\",\"time\":\"2026-02-01T00:00:00Z\",\"committee\":"
             "\"C\",\"ballot\":\"B\",\"member\":\"%s\",\"position\":\"approve\"}\n",
             id, member);
    stack_publish_lines(stack, slice_of(line));
}

static const char *password(const char *user)
{
    char name[64];

    snprintf(name, sizeof name, "keys/redis-%s.password", user);
    return stack_path(stack, name);
}

static void sync_through(const char *socket_path)
{
    run_well((const char *const[]){"turnout", "sync", "--redis", socket_path, "--redis-user",
                                   "reader", "--redis-password-file", password("reader"), NULL});
}

static void worker_and_command_line_count_through_the_tunnel(void **state)
{
    pid_t server = server_start(port, "ours-redis.test"), worker;
    pid_t client = client_start("good", port, "ours-worker");
    char at[256];

    (void)state;
    snprintf(at, sizeof at, "%s", tunnel_socket("good"));
    await_redis(at);
    worker = stack_spawn(
        stack, (const char *const[]){"turnout-worker", "--redis", at, "--redis-user", "writer",
                                     "--redis-password-file", password("writer"), NULL});
    vote("1", "KE");
    sync_through(at);

    tunnel_end(server); /* and when it comes back, they go on */
    vote("2", "BR");
    server = server_start(port, "ours-redis.test");
    await_redis(at);
    sync_through(at);

    struct run r =
        stack_run(stack, slice_of(""),
                  (const char *const[]){"turnout", "why", "ballot:C|B", "p.votes", "--redis", at,
                                        "--redis-user", "reader", "--redis-password-file",
                                        password("reader"), "--json", NULL});
    assert_int_equal(r.status, 0);
    run_free(&r);
    r = stack_run(stack, slice_of(""),
                  (const char *const[]){"turnout", "why", "ballot:C|B", "votes", "--redis", at,
                                        "--redis-user", "reader", "--redis-password-file",
                                        password("reader"), "--json", NULL});
    assert_non_null(strstr(r.out.at, "\"redis\":2"));
    run_free(&r);
    kill(worker, SIGTERM);
    waitpid(worker, NULL, 0);
    tunnel_end(client);
    tunnel_end(server);
}

static void without_tls_redis_is_not_to_be_had(void **state)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    pid_t server = server_start(port, "ours-redis.test");
    pid_t client = client_start("good", port, "ours-worker");
    char answer[64];
    int fd;

    (void)state;
    await_redis(tunnel_socket("good"));
    a.sin_port = htons((uint16_t)port);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_true(send(fd, "PING\r\n", 6, MSG_NOSIGNAL) == 6);
    ssize_t n = recv(fd, answer, sizeof answer, 0);
    assert_true(n <= 0 || (answer[0] != '+' && answer[0] != '-')); /* at most an alert of TLS */
    close(fd);
    tunnel_end(client);
    tunnel_end(server);
}

/* The tunnel of a server and a client that do not fit; the log says why. */
static void are_refused(const char *name, const char *server_has, const char *client_has,
                        const char *why)
{
    unsigned other = port_pair();
    pid_t server = server_start(other, server_has), client = client_start(name, other, client_has);
    char at[256];

    snprintf(at, sizeof at, "%s", tunnel_socket(name));
    for (int i = 0; i < PATIENCE && !log_holds(why); i++) {
        int kind = ping(at); /* each attempt is refused, whatever has started first */
        assert_true(kind == 0 || kind == -1);
        pause_briefly();
    }
    assert_true(log_holds(why));
    struct run r =
        stack_run(stack, slice_of(""),
                  (const char *const[]){"turnout", "watch", "--redis", at, "--redis-user", "reader",
                                        "--redis-password-file", password("reader"), NULL});
    assert_int_equal(r.status, 69);
    run_free(&r);
    tunnel_end(client);
    tunnel_end(server);
}

static void a_certificate_of_another_name_or_authority_is_refused(void **state)
{
    (void)state;
    are_refused("name", "ours-other.test", "ours-worker", "CERT: Subject checks failed");
    are_refused("server", "theirs-redis.test", "ours-worker", "CERT: Pre-verification error");
    unlink(stack_path(stack, "spawned.log"));
    are_refused("client", "ours-redis.test", "theirs-worker", "CERT: Pre-verification error");
}

static int start(void **state)
{
    (void)state;
    stack = stack_new(0);
    stack->option = "--redis-acl";
    stack_start(stack);
    run_well((const char *const[]){"/bin/sh", "-c", certificates, stack->dir, NULL});
    port = port_pair();
    return 0;
}

static int end(void **state)
{
    (void)state;
    stack_free(stack);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(worker_and_command_line_count_through_the_tunnel),
        cmocka_unit_test(without_tls_redis_is_not_to_be_had),
        cmocka_unit_test(a_certificate_of_another_name_or_authority_is_refused),
    };

    return cmocka_run_group_tests(tests, start, end);
}
