/* A real stack for a test; see stack.h.  Programs run in folders that mkdtemp made, under
 * $TMPDIR or /tmp; a Unix socket's path has room for about 100 bytes, so the names are short. */
#include "tests/stack.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/clock.h"
#include "proto/file.h"
#include "proto/turnout.h"
#include "tests/redis_dump.h"
#include "tests/world.h"

#define LOG_MOST    (1 << 24)
#define LOG_WAIT_MS 60000

static void give_up(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

static void give_up(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fprintf(stderr, "stack: ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    abort();
}

static const char *build_folder(void)
{
    const char *given = getenv("TURNOUT_BUILD");

    return given ? given : "build";
}

const char *stack_path(const struct stack *s, const char *name)
{
    static char paths[4][256];
    static unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof paths[0], "%s/%s", s->dir, name);
    return path;
}

/* ---- programs ---- */
static int file_unnamed(struct slice content)
{
    const char *folder = getenv("TMPDIR");
    int fd = open(folder ? folder : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd < 0)
        give_up("no temporary file: %s", strerror(errno));
    for (size_t done = 0; done < content.size;) {
        ssize_t n = write(fd, content.at + done, content.size - done);

        if (n < 0)
            give_up("cannot write a temporary file: %s", strerror(errno));
        done += (size_t)n;
    }
    lseek(fd, 0, SEEK_SET);
    return fd;
}

static void file_take(int fd, struct buffer *ret)
{
    ssize_t n;

    lseek(fd, 0, SEEK_SET);
    while ((n = read(fd, buffer_room(ret, 65536), 65536)) > 0)
        ret->size += (size_t)n;
    buffer_add(ret, "", 1); /* so that it can be read as text */
    ret->size--;
    close(fd);
}

/* A word with a slash is a path, another one a program of the build. */
static pid_t program_start(const struct stack *s, const char *const *words, const int fds[3])
{
    char path[512];
    pid_t pid;

    snprintf(path, sizeof path, "%s%s%s", strchr(words[0], '/') ? "" : build_folder(),
             strchr(words[0], '/') ? "" : "/bin/", words[0]);
    pid = fork();
    if (pid < 0)
        give_up("cannot fork: %s", strerror(errno));
    if (pid > 0)
        return pid;
    for (int i = 0; i < 3; i++)
        if (dup2(fds[i], i) < 0)
            _exit(126);
    setenv("TURNOUT_DIR", s->dir, 1);
    setenv("TURNOUT_BUILD", build_folder(), 1);
    execv(path, (char *const *)words);
    dprintf(2, "stack: cannot run %s: %s\n", path, strerror(errno));
    _exit(127);
}

static int program_wait(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            give_up("cannot wait for %d: %s", (int)pid, strerror(errno));
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

struct run stack_run(struct stack *s, struct slice input, const char *const *words)
{
    int fds[3] = {file_unnamed(input), file_unnamed(slice_of("")), file_unnamed(slice_of(""))};
    struct run r = {.status = program_wait(program_start(s, words, fds))};

    close(fds[0]);
    file_take(fds[1], &r.out);
    file_take(fds[2], &r.err);
    return r;
}

void run_free(struct run *r)
{
    buffer_free(&r->out);
    buffer_free(&r->err);
}

pid_t stack_spawn(struct stack *s, const char *const *words)
{
    int log = open(stack_path(s, "spawned.log"), O_CREAT | O_APPEND | O_WRONLY | O_CLOEXEC, 0600);
    int none = open("/dev/null", O_RDONLY | O_CLOEXEC);
    const int fds[3] = {none, log, log};
    pid_t pid = program_start(s, words, fds);

    close(none);
    close(log);
    return pid;
}

/* ---- the stack ---- */
static struct run script(struct stack *s, const char *verb)
{
    char workers[16];

    snprintf(workers, sizeof workers, "%u", s->workers);
    return stack_run(s, slice_of(""),
                     (const char *const[]){"scripts/stack", verb, "--dir", s->dir, "--workers",
                                           workers, "--json", s->option, NULL});
}

struct stack *stack_new(unsigned workers)
{
    const char *folder = getenv("TMPDIR");
    struct stack *s = memory_need(sizeof *s);

    *s = (struct stack){.workers = workers};
    snprintf(s->dir, sizeof s->dir, "%s/turnout-XXXXXX", folder ? folder : "/tmp");
    if (!mkdtemp(s->dir))
        give_up("cannot make %s: %s", s->dir, strerror(errno));
    return s;
}

void stack_start(struct stack *s)
{
    struct run r = script(s, "start");

    if (r.status != 0)
        give_up("scripts/stack start: status %d\n%s%s", r.status, r.out.at, r.err.at);
    run_free(&r);
}

void stack_free(struct stack *s)
{
    struct run r;

    if (!s)
        return;
    r = script(s, "stop");
    if (r.status != 0)
        give_up("scripts/stack stop: status %d\n%s", r.status, r.err.at);
    run_free(&r);
    r = stack_run(s, slice_of(""), (const char *const[]){"/bin/rm", "-rf", s->dir, NULL});
    run_free(&r);
    free(s);
}

pid_t stack_pid(struct stack *s, const char *name)
{
    struct run r = script(s, "status");
    json_t *names = json_loads(r.out.at, 0, NULL);
    pid_t pid = (pid_t)json_integer_value(json_object_get(names, name));

    if (!names)
        give_up("scripts/stack status --json said: %s%s", r.out.at, r.err.at);
    json_decref(names);
    run_free(&r);
    return pid;
}

/* ---- publishing ---- */
void stack_publish_lines(struct stack *s, struct slice lines)
{
    struct run r = stack_run(s, lines, (const char *const[]){"turnout", "publish", NULL});

    if (r.status != 0)
        give_up("turnout publish: status %d\n%s%.2000s", r.status, r.out.at, r.err.at);
    run_free(&r);
}

static void refused(void *arg, uint64_t seq, const struct turnout_refusal *why)
{
    (void)arg;
    give_up("event %llu was refused: %s %s: %s", (unsigned long long)seq, why->code, why->field,
            why->reason);
}

void stack_publish_events(struct stack *s, struct slice events)
{
    char endpoint[256];
    struct turnout_options options = {.endpoint = endpoint, .name = "test", .refused = refused};
    struct turnout_producer *p;
    struct slice *list;
    size_t count = world_split(events, &list);

    snprintf(endpoint, sizeof endpoint, "ipc://%s/publish.sock", s->dir);
    if (turnout_producer_new(&options, &p) < 0)
        give_up("no producer for %s", endpoint);
    turnout_set_timeout(p, 60000);
    for (size_t i = 0; i < count; i++)
        if (turnout_send(p, list[i].at, list[i].size, NULL) < 0)
            give_up("cannot publish: %s", turnout_error(p));
    if (turnout_flush(p, 60000) < 0)
        give_up("not acknowledged: %s", turnout_error(p));
    turnout_producer_free(p);
    free(list);
}

void stack_sync(struct stack *s)
{
    struct run r = stack_run(s, slice_of(""), (const char *const[]){"turnout", "sync", NULL});

    if (r.status != 0)
        give_up("turnout sync: status %d\n%s%s", r.status, r.out.at, r.err.at);
    run_free(&r);
}

static bool log_holds(struct stack *s, const char *file, const char *text)
{
    struct buffer log = {0};
    bool found;

    if (file_read(stack_path(s, file), LOG_MOST, &log, NULL) < 0)
        give_up("%s cannot be read", file);
    buffer_add(&log, "", 1);
    found = strstr(log.at, text) != NULL;
    buffer_free(&log);
    return found;
}

void stack_await_log(struct stack *s, const char *name, const char *text)
{
    int64_t end_ms = clock_mono_ms() + LOG_WAIT_MS;
    char file[64];

    snprintf(file, sizeof file, "log/%s.log", name);
    while (!log_holds(s, file, text)) {
        if (clock_mono_ms() >= end_ms)
            give_up("%s does not say: %s", file, text);
        usleep(20000);
    }
}

struct dump *stack_dump(struct stack *s)
{
    struct redis *r = redis_open(stack_path(s, "redis.sock"));
    struct dump *d = dump_new();

    if (!r || redis_dump(r, d) < 0)
        give_up("cannot read Redis at %s", s->dir);
    redis_close(r);
    return d;
}

static bool begins(struct slice text, const char *prefix)
{
    return text.size >= strlen(prefix) && memcmp(text.at, prefix, strlen(prefix)) == 0;
}

enum dump_care stack_care(struct slice key, struct slice field)
{
    if (begins(key, "turnout:changes") || slice_is(key, "turnout:verified"))
        return DUMP_IGNORE;
    if (begins(key, "turnout:offset:") && (slice_is(field, "log") || slice_is(field, "time")))
        return DUMP_IGNORE;
    if (slice_is(key, "turnout:derived")) /* how often and when is chance; by what is not */
        return slice_is(field, "basis") || slice_is(field, "rules") ? DUMP_EXACT : DUMP_IGNORE;
    return DUMP_EXACT;
}
