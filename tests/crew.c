/* A crew; see crew.h. */
#include "tests/crew.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "proto/clock.h"
#include "tests/journal_wire.h"
#include "tests/model.h"
#include "tests/redis_dump.h"

#define ANSWER_MS 120000

const char *const crew_names[CREW_MEMBERS] = {"redis",       "broker",      "worker-1",
                                              "worker-2",    "worker-3",    "publisher-1",
                                              "publisher-2", "publisher-3", "other"};

static void give_up(const char *what, const char *name)
{
    fprintf(stderr, "crew: %s %s: %s\n", what, name, strerror(errno));
    abort();
}

void pause_ms(int ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000L};

    nanosleep(&t, NULL);
}

/* ---- the folder and the plans ---- */
static struct fault_plan *plan_new(const struct crew *c, const char *name)
{
    char path[256];
    void *at;
    int fd;

    snprintf(path, sizeof path, "%s/%s.plan", c->dir, name);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, sizeof(struct fault_plan)) < 0)
        give_up("cannot make", path);
    at = mmap(NULL, sizeof(struct fault_plan), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED)
        give_up("cannot map", path);
    close(fd);
    return at;
}

struct crew *crew_new(void)
{
    const char *folder = getenv("TMPDIR");
    struct crew *c = memory_need(sizeof *c);
    char path[256];

    *c = (struct crew){0};
    snprintf(c->dir, sizeof c->dir, "%s/crew-XXXXXX", folder ? folder : "/tmp");
    if (!mkdtemp(c->dir))
        give_up("cannot make", c->dir);
    snprintf(path, sizeof path, "%s/redis", c->dir);
    if (mkdir(path, 0700) < 0)
        give_up("cannot make", path);
    snprintf(c->endpoint_publish, sizeof c->endpoint_publish, "ipc://%s/publish.sock", c->dir);
    snprintf(c->endpoint_read, sizeof c->endpoint_read, "ipc://%s/read.sock", c->dir);
    snprintf(c->redis, sizeof c->redis, "%s/redis.sock", c->dir);
    for (int i = 0; i < CREW_MEMBERS; i++)
        c->plans[i] = plan_new(c, crew_names[i]);
    return c;
}

static int remove_one(const char *path, const struct stat *s, int type, struct FTW *where)
{
    (void)s, (void)type, (void)where;
    return remove(path);
}

void crew_free(struct crew *c, bool keep)
{
    if (!c)
        return;
    redis_close(c->client);
    for (int i = CREW_MEMBERS - 1; i >= 0; i--) {
        crew_kill(c, (enum crew_member)i);
        munmap(c->plans[i], sizeof *c->plans[i]);
    }
    if (keep)
        fprintf(stderr, "kept: %s\n", c->dir);
    else
        nftw(c->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(c);
}

void crew_heal(struct crew *c, enum crew_member who)
{
    struct fault_plan *p = c->plans[who];

    p->kill_at = p->kill_after = p->fail_at = 0;
    p->sync_errno = p->dsync_errno = p->write_errno = p->write_short = 0;
}

/* ---- starting ---- */
static const char *build_folder(void)
{
    const char *given = getenv("TURNOUT_BUILD");

    return given ? given : "build";
}

static void child_files(const struct crew *c, enum crew_member who, const char *input)
{
    char path[256];
    int in = open(input ? input : "/dev/null", O_RDONLY), out;

    snprintf(path, sizeof path, "%s/%s.log", c->dir, crew_names[who]);
    out = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
        _exit(126);
    close(in);
    close(out);
}

static void child_faults(const struct crew *c, enum crew_member who)
{
    char path[512], library[PATH_MAX];
    char *absolute;

    snprintf(path, sizeof path, "%s/lib/fault.so", build_folder());
    absolute = realpath(path, library);
    if (!absolute)
        give_up("cannot find", path);
    snprintf(path, sizeof path, "%s/%s.plan", c->dir, crew_names[who]);
    setenv("LD_PRELOAD", library, 1);
    setenv("FAULT_PLAN", path, 1);
    /* A sanitizer wants to be the first library; a program whose malloc fails ends as it would. */
    setenv("ASAN_OPTIONS", "verify_asan_link_order=0:allocator_may_return_null=1:detect_leaks=0",
           1);
}

static void child_run(const struct crew *c, enum crew_member who, const char *input,
                      const char *const *words)
{
    bool ours = strchr(words[0], '/') == NULL && strncmp(words[0], "turnout", 7) == 0;
    char path[512];

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    snprintf(path, sizeof path, "%s%s%s", ours ? build_folder() : "", ours ? "/bin/" : "",
             words[0]);
    child_files(c, who, input);
    setenv("TURNOUT_DIR", c->dir, 1);
    child_faults(c, who);
    execvp(path, (char *const *)words);
    _exit(127);
}

static void member_start(struct crew *c, enum crew_member who, const char *input,
                         const char *const *words)
{
    pid_t pid = c->pids[who] ? 0 : fork();

    if (c->pids[who])
        return;
    if (pid < 0)
        give_up("cannot fork for", crew_names[who]);
    if (pid == 0)
        child_run(c, who, input, words);
    c->pids[who] = pid;
}

static void redis_mend(const char *folder)
{
    char command[256];

    snprintf(command, sizeof command, "scripts/redis-mend '%s' 2>/dev/null", folder);
    if (system(command) != 0) {
        fprintf(stderr, "crew: %s failed\n", command);
        abort();
    }
}

static void redis_start(struct crew *c)
{
    char folder[160];

    snprintf(folder, sizeof folder, "%s/redis", c->dir);
    unlink(c->redis);
    redis_mend(folder);
    member_start(c, CREW_REDIS, NULL,
                 (const char *const[]){"redis-server", "--port", "0", "--unixsocket", c->redis,
                                       "--dir", folder, "--save", "", "--appendonly", "yes",
                                       "--appendfsync", "everysec", "--aof-load-truncated", "yes",
                                       "--maxmemory-policy", "noeviction", NULL});
}

void crew_start(struct crew *c, enum crew_member who)
{
    if (c->pids[who])
        return;
    if (who == CREW_REDIS)
        redis_start(c);
    else if (who == CREW_BROKER)
        member_start(
            c, who, NULL,
            (const char *const[]){"turnout-broker", "--dir", c->dir, c->broker_option, NULL});
    else
        member_start(c, who, NULL,
                     (const char *const[]){"turnout-worker", "--dir", c->dir, "--redis", c->redis,
                                           "--name", crew_names[who], NULL});
}

void crew_start_program(struct crew *c, enum crew_member who, const char *input,
                        const char *const *words)
{
    member_start(c, who, input, words);
}

void crew_start_all(struct crew *c, unsigned workers)
{
    for (unsigned i = 0; i < CREW_WORKER + workers; i++)
        crew_start(c, (enum crew_member)i);
}

/* ---- ending ---- */
static int status_of(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool crew_has_ended(struct crew *c, enum crew_member who, int *ret_status)
{
    int status;

    if (c->pids[who] == 0 || waitpid(c->pids[who], &status, WNOHANG) != c->pids[who])
        return false;
    c->pids[who] = 0;
    *ret_status = status_of(status);
    return true;
}

int crew_await_end(struct crew *c, enum crew_member who)
{
    int64_t end_ms = clock_mono_ms() + ANSWER_MS;
    int status;

    while (!crew_has_ended(c, who, &status)) {
        if (c->pids[who] == 0)
            give_up("does not run:", crew_names[who]);
        if (clock_mono_ms() > end_ms)
            give_up("does not end:", crew_names[who]);
        pause_ms(2);
    }
    return status;
}

void crew_signal(struct crew *c, enum crew_member who, int signal)
{
    if (c->pids[who])
        kill(c->pids[who], signal);
}

void crew_kill(struct crew *c, enum crew_member who)
{
    crew_signal(c, who, SIGKILL);
    if (c->pids[who])
        waitpid(c->pids[who], NULL, 0);
    c->pids[who] = 0;
}

/* ---- looking ---- */
struct redis *crew_redis(struct crew *c)
{
    int64_t end_ms = clock_mono_ms() + ANSWER_MS;

    while (!c->client || redis_do(c->client, "PING")->kind != '+') {
        redis_close(c->client);
        c->client = redis_open(c->redis);
        if (clock_mono_ms() > end_ms)
            give_up("no answer from", c->redis);
        if (!c->client)
            pause_ms(5);
    }
    return c->client;
}

void crew_sync_begin(struct crew *c)
{
    crew_heal(c, CREW_OTHER);
    crew_start_program(c, CREW_OTHER, NULL, (const char *const[]){"turnout", "sync", NULL});
}

void crew_sync(struct crew *c)
{
    int status;

    crew_sync_begin(c);
    status = crew_await_end(c, CREW_OTHER);
    if (status != 0) {
        fprintf(stderr, "crew: turnout sync ended with %d in %s\n", status, c->dir);
        abort();
    }
}

struct dump *crew_dump(struct crew *c)
{
    struct dump *d = dump_new();

    if (redis_dump(crew_redis(c), d) < 0)
        give_up("cannot read", c->redis);
    return d;
}

bool crew_agrees(struct crew *c, struct slice events)
{
    struct model *model = model_new();
    struct dump *found = crew_dump(c);
    struct buffer journal = {0};
    size_t wrong;

    journal_wire_read(c->endpoint_read, &journal);
    wrong = events_missing(events, buffer_slice(&journal));
    model_add_all(model, events);
    wrong += model_compare(model, found, stderr) + model_compare_derived(model, found, stderr);
    buffer_free(&journal);
    dump_free(found);
    model_free(model);
    return wrong == 0;
}
