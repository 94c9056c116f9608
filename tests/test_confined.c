/* Broker, worker and command line as an ordinary user without any privilege, looked at by strace:
 * they make no system call that SECURITY.md does not list, open nothing for writing outside their
 * folder, and need nothing of root. */
#include "tests/port.h"
#include "tests/stack.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE 12000 /* looks, 5 ms apart */
#define NOBODY   65534

#if defined(__SANITIZE_ADDRESS__)
#define INSTRUMENTED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define INSTRUMENTED true
#endif
#endif
#ifndef INSTRUMENTED
#define INSTRUMENTED false
#endif

static const char lines[] =
    "{\"type\":\"ballot\",\"id\":\"b\",\"time\":\"2026-01-01T00:00:00Z\",\"committee\":\"C\","
    "\"ballot\":\"B\",\"kind\":\"DIS\",\"closes\":\"2026-03-01\",\"status\":\"closed\"}\n"
    "{\"type\":\"vote\",\"id\":\"v\",\"time\":\"2026-02-01T00:00:00Z\",\"committee\":\"C\","
    "\"ballot\":\"B\",\"member\":\"KE\",\"position\":\"approve\"}\n"
    "{\"type\":\"vote\",\"id\":\"\",\"time\":\"2026-02-01T00:00:00Z\"}\n";

/* The words that make the program behind them an ordinary user's; only root has to. */
static unsigned unprivileged(const char **words)
{
    static const char *const drop[] = {"/usr/bin/setpriv", "--reuid=65534",       "--regid=65534",
                                       "--clear-groups",   "--bounding-set=-all", "--no-new-privs"};
    unsigned n = 0;

    for (; geteuid() == 0 && n < sizeof drop / sizeof *drop; n++)
        words[n] = drop[n];
    return n;
}

/* A program of the build's copy in the folder, under strace if `trace` names a file for it. */
static unsigned prepared(const char **words, const char *trace, const char *const *program)
{
    static const char *const look[] = {"/usr/bin/strace", "-f", "-qq", "-e", "signal=none", "-o"};
    unsigned n = unprivileged(words);

    for (unsigned i = 0; trace && i < sizeof look / sizeof *look; i++)
        words[n++] = look[i];
    if (trace)
        words[n++] = trace;
    while (*program)
        words[n++] = *program++;
    words[n] = NULL;
    return n;
}

static struct run run_traced(struct stack *s, const char *trace, const char *input,
                             const char *const *program)
{
    const char *words[40];

    prepared(words, trace, program);
    return stack_run(s, slice_of(input), words);
}

static pid_t spawn_traced(struct stack *s, const char *trace, const char *const *program)
{
    const char *words[40];

    prepared(words, trace, program);
    return stack_spawn(s, words);
}

/* Runs it until it ends well. */
static void await_well(struct stack *s, const char *const *program)
{
    struct timespec pause = {0, 5000000};
    int status = -1;

    for (int i = 0; i < PATIENCE && status != 0; i++) {
        struct run r = run_traced(s, NULL, "", program);
        status = r.status;
        run_free(&r);
        nanosleep(&pause, NULL);
    }
    assert_int_equal(status, 0);
}

/* ---- what strace saw ---- */
/* The words of SECURITY.md between the mark and the end of the block. */
static char *documented(const char *mark)
{
    static char text[131072];
    FILE *f = fopen("SECURITY.md", "r");
    size_t size;
    char *list, *end;

    assert_non_null(f);
    size = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[size] = '\0';
    list = strstr(text, mark);
    assert_non_null(list);
    end = strstr(list + strlen(mark), "```");
    assert_non_null(end);
    *end = '\0';
    return list + strlen(mark);
}

static bool lists(const char *words, const char *word, size_t size)
{
    for (const char *at = words; (at = strstr(at, word)); at++)
        if ((at[-1] == ' ' || at[-1] == '\n') && (at[size] == ' ' || at[size] == '\n'))
            return true;
    return false;
}

/* "1234 openat(AT_FDCWD, ..." gives the call's name and its arguments; NULL for other lines. */
static const char *call_of(char *line, char name[64])
{
    char *at = line + strspn(line, "0123456789"), *open;

    at += strspn(at, " ");
    open = strchr(at, '(');
    if (*at == '<' || *at == '+' || *at == '-' || !open || open - at >= 64)
        return NULL;
    snprintf(name, 64, "%.*s", (int)(open - at), at);
    return open + 1;
}

static bool is_execution(const char *name)
{
    return strcmp(name, "execve") == 0;
}

/* Strings that are paths of something to be written, made, renamed or taken away. */
static void writes_only_within(const char *folder, const char *name, const char *arguments)
{
    static const char *const changing[] = {"mkdir", "unlink", "rename",   "link",  "symlink",
                                           "chmod", "chown",  "truncate", "mknod", "rmdir"};
    const char *path = strchr(arguments, '"');
    bool writes = strcmp(name, "creat") == 0;

    if (strncmp(name, "open", 4) == 0)
        writes = strstr(arguments, "O_WRONLY") || strstr(arguments, "O_RDWR") ||
                 strstr(arguments, "O_CREAT") || strstr(arguments, "O_TRUNC");
    for (size_t i = 0; i < sizeof changing / sizeof *changing; i++)
        writes |= strncmp(name, changing[i], strlen(changing[i])) == 0;
    if (!writes || !path)
        return;
    path++;
    if (strncmp(path, folder, strlen(folder)) != 0 && strncmp(path, "/dev/null\"", 10) != 0)
        fail_msg("%s(%.200s", name, arguments);
}

static unsigned check_trace(const char *trace, const char *folder, const char *allowed)
{
    char line[4096], name[64];
    FILE *f = fopen(trace, "r");
    unsigned calls = 0;

    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        const char *arguments = call_of(line, name);
        if (!arguments)
            continue;
        calls++;
        if (!is_execution(name) && !lists(allowed, name, strlen(name)))
            fail_msg("%s is not among the calls of SECURITY.md: %s", name, line);
        writes_only_within(folder, name, arguments);
    }
    fclose(f);
    return calls;
}

static void traces_check(struct stack *s, const char *mark, const char *const *names)
{
    char folder[160], *allowed = documented(mark);

    snprintf(folder, sizeof folder, "%s/run", s->dir);
    for (; *names; names++) {
        unsigned calls = check_trace(stack_path(s, *names), folder, allowed);
        print_message("%s: %u system calls\n", *names, calls);
        assert_true(calls > 50);
    }
}

/* ---- the programs, under whoever we are ---- */
static void copy_programs(struct stack *s)
{
    const char *build = getenv("TURNOUT_BUILD");
    char script[1024];

    snprintf(
        script, sizeof script,
        "umask 022; cp %s/bin/turnout* %s/ && mkdir %s/run && chmod 755 %s && chmod 700 %s/run",
        build ? build : "build", s->dir, s->dir, s->dir, s->dir);
    struct run r = stack_run(s, slice_of(""), (const char *const[]){"/bin/sh", "-c", script, NULL});
    assert_int_equal(r.status, 0);
    run_free(&r);
    if (geteuid() == 0) {
        assert_int_equal(chown(s->dir, NOBODY, NOBODY), 0);
        assert_int_equal(chown(stack_path(s, "run"), NOBODY, NOBODY), 0);
    }
}

/* strace itself does not listen: its trace begins with the program's process id. */
static pid_t traced_pid(const char *trace)
{
    FILE *f = fopen(trace, "r");
    int pid = 0;

    assert_non_null(f);
    assert_int_equal(fscanf(f, "%d", &pid), 1);
    fclose(f);
    assert_true(pid > 1);
    return pid;
}

/* `pid` is ours, `to` is told to end. */
static void ends_well(pid_t pid, pid_t to)
{
    int status;

    assert_int_equal(kill(to, SIGTERM), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void they_need_no_privilege_and_make_only_the_calls_that_are_documented(void **state)
{
    char dir[160], redis[192], tcp[64], worker_path[192], broker_path[192], cli[192], trace[4][192];
    static const char *const names[] = {"broker.trace", "worker.trace", "publish.trace",
                                        "rebuild.trace"};

    (void)state;
    if (INSTRUMENTED || getenv("LLVM_PROFILE_FILE"))
        skip(); /* the instrumentation makes calls of its own */
    struct stack *s = stack_new(0);
    copy_programs(s);
    snprintf(dir, sizeof dir, "%s/run", s->dir);
    snprintf(redis, sizeof redis, "%s/redis.sock", dir);
    snprintf(tcp, sizeof tcp, "127.0.0.1:%u", port_pair());
    snprintf(broker_path, sizeof broker_path, "%s/turnout-broker", s->dir);
    snprintf(worker_path, sizeof worker_path, "%s/turnout-worker", s->dir);
    snprintf(cli, sizeof cli, "%s/turnout", s->dir);
    for (int i = 0; i < 4; i++)
        snprintf(trace[i], sizeof trace[i], "%s", stack_path(s, names[i]));

    pid_t server =
        spawn_traced(s, NULL,
                     (const char *const[]){"/usr/bin/redis-server", "--port", "0", "--unixsocket",
                                           redis, "--save", "", "--dir", dir, NULL});
    pid_t broker = spawn_traced(
        s, trace[0], (const char *const[]){broker_path, "--dir", dir, "--tcp", tcp, NULL});
    pid_t worker =
        spawn_traced(s, trace[1], (const char *const[]){worker_path, "--dir", dir, NULL});
    await_well(s, (const char *const[]){cli, "status", "--dir", dir, NULL});
    struct run r =
        run_traced(s, trace[2], lines, (const char *const[]){cli, "publish", "--dir", dir, NULL});
    assert_int_equal(r.status, 1); /* one line is refused, and kept */
    assert_non_null(strstr(r.out.at, "{\"accepted\":2,\"rejected\":1}"));
    run_free(&r);
    await_well(s, (const char *const[]){cli, "sync", "--dir", dir, NULL});
    r = run_traced(s, trace[3], "", (const char *const[]){cli, "rebuild", "--dir", dir, NULL});
    assert_int_equal(r.status, 0);
    run_free(&r);
    ends_well(worker, traced_pid(trace[1]));
    ends_well(broker, traced_pid(trace[0]));
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);

    traces_check(s, "```calls of turnout-broker\n", (const char *const[]){names[0], NULL});
    traces_check(s, "```calls of turnout-worker and turnout\n",
                 (const char *const[]){names[1], names[2], names[3], NULL});
    stack_free(s);
}

static void nobody_else_may_open_the_sockets_or_read_the_journal(void **state)
{
    static const char *const paths[] = {"publish.sock", "read.sock", "redis.sock",
                                        "journal",      "redis",     "keys"};
    struct stack *s = stack_new(1);
    mode_t before = umask(0); /* however careless the caller is */
    struct stat about;

    (void)state;
    s->option = "--redis-acl";
    stack_start(s);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        assert_int_equal(stat(stack_path(s, paths[i]), &about), 0);
        if (about.st_mode & 077)
            fail_msg("%s has mode %03o", paths[i], about.st_mode & 0777u);
    }
    stack_free(s);
    /* and of a broker by itself */
    s = stack_new(0);
    char dir[160];
    snprintf(dir, sizeof dir, "%s/run", s->dir);
    pid_t broker = stack_spawn(s, (const char *const[]){"turnout-broker", "--dir", dir, NULL});
    struct timespec pause = {0, 5000000};
    char sockets[192];
    snprintf(sockets, sizeof sockets, "%s/read.sock", dir);
    for (int i = 0; i < PATIENCE && stat(sockets, &about) < 0; i++)
        nanosleep(&pause, NULL);
    assert_int_equal(about.st_mode & 07, 0);
    assert_int_equal(stat(dir, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0750);
    snprintf(sockets, sizeof sockets, "%s/journal", dir);
    assert_int_equal(stat(sockets, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0700);
    ends_well(broker, broker);
    umask(before);
    stack_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_need_no_privilege_and_make_only_the_calls_that_are_documented),
        cmocka_unit_test(nobody_else_may_open_the_sockets_or_read_the_journal),
    };

    setenv("TMPDIR", "/tmp",
           1); /* whose folders anybody may enter; the runner's are the caller's */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
