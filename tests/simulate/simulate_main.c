/* simulate - runs seeds of the simulation, in several processes
 *
 * usage: simulate [--seeds N] [--seed S] [--jobs N] [--until-caught]
 *
 * Seeds S to S + N - 1 (1000 from 1 on, unless told otherwise).  Each failing one is printed with
 * its reason; a single seed is run with its log.  The last lines say how often each fault happened
 * and `N seeds, F failures`.  With --until-caught it ends at the first failure.
 * Exit status: 0 when none failed, 1, or 64. */
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "tests/simulate/simulate.h"

#define MAX_JOBS 64
#define SHOWN    20 /* failures that are told one by one */

struct job {
    uint64_t seed, done, digest;
    uint64_t faults[FAULTS];
    char reason[512];
};

static struct {
    uint64_t first, seeds;
    unsigned jobs;
    bool until_caught;
    char folder[128];
} options = {.first = 1, .seeds = 1000};

static struct job *jobs; /* shared with the processes */
static struct job *mine;
static pid_t pids[MAX_JOBS]; /* 0: ended */
static uint64_t failures;

void sim_fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(mine->reason, sizeof mine->reason, format, args);
    va_end(args);
    sim_say("FAILED: %s", mine->reason);
    _exit(1);
}

static void job_path(unsigned job, char out[160])
{
    snprintf(out, 160, "%s/%u", options.folder, job);
}

/* One process: every jobs-th seed, from the one in `mine` on. */
static void job_main(unsigned job)
{
    char folder[160], journal[200];

    mine = &jobs[job];
    job_path(job, folder);
    snprintf(journal, sizeof journal, "%s/journal", folder);
    mkdir(folder, 0700);
    mkdir(journal, 0700);
    for (; mine->seed < options.first + options.seeds; mine->seed += options.jobs) {
        run_seed(mine->seed, folder, options.seeds == 1);
        mine->digest ^= sim.digest;
        mine->done++;
        memcpy(mine->faults, fault_counts, sizeof fault_counts);
    }
    _exit(0);
}

static void job_start(unsigned job)
{
    fflush(stdout);
    pids[job] = fork();
    if (pids[job] == 0) {
        memcpy(fault_counts, jobs[job].faults, sizeof fault_counts);
        job_main(job);
    }
    if (pids[job] < 0)
        abort();
}

static void job_failed(unsigned job, int status)
{
    struct job *j = &jobs[job];

    if (WIFSIGNALED(status))
        snprintf(j->reason, sizeof j->reason, "ended by signal %d", WTERMSIG(status));
    if (failures++ < SHOWN)
        printf("seed %" PRIu64 ": %s\n", j->seed, j->reason[0] ? j->reason : "ended");
    j->reason[0] = '\0';
    j->done++;
    j->seed += options.jobs;
    if (!options.until_caught && j->seed < options.first + options.seeds)
        job_start(job);
}

static void jobs_end(void)
{
    for (unsigned i = 0; i < options.jobs; i++)
        if (pids[i] > 0)
            kill(pids[i], SIGKILL);
}

static void jobs_wait(void)
{
    int status;
    pid_t pid;

    while ((pid = wait(&status)) > 0)
        for (unsigned i = 0; i < options.jobs; i++) {
            if (pids[i] != pid)
                continue;
            pids[i] = 0;
            if (status != 0 && !(options.until_caught && failures))
                job_failed(i, status);
            if (options.until_caught && failures)
                jobs_end();
        }
}

static uint64_t sum_up(void)
{
    uint64_t done = 0, digest = 0, total;

    for (unsigned f = 0; f < FAULTS; f++) {
        total = 0;
        for (unsigned i = 0; i < options.jobs; i++)
            total += jobs[i].faults[f];
        if (!options.until_caught)
            printf("%10" PRIu64 "  %s\n", total, fault_name[f]);
        if (total == 0 && options.seeds >= 1000 && !options.until_caught) {
            printf("no fault of this kind in so many seeds: the simulation is at fault\n");
            failures++;
        }
    }
    for (unsigned i = 0; i < options.jobs; i++) {
        done += jobs[i].done;
        digest ^= jobs[i].digest;
    }
    printf("digest %016" PRIx64 "\n", digest);
    return done;
}

static void folder_remove(void)
{
    static const char *const files[] = {"journal/data.mdb", "journal/data.mdb.unfinished",
                                        "journal/lock.mdb", "journal/broker.lock",
                                        "journal",          ""};
    char path[256], job[160];

    for (unsigned i = 0; i < options.jobs; i++)
        for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
            job_path(i, job);
            snprintf(path, sizeof path, "%s/%s", job, files[f]);
            remove(path);
        }
    remove(options.folder);
}

static bool options_take(int argc, char **argv)
{
    static const struct option known[] = {{"seeds", required_argument, NULL, 'n'},
                                          {"seed", required_argument, NULL, 's'},
                                          {"jobs", required_argument, NULL, 'j'},
                                          {"until-caught", no_argument, NULL, 'u'},
                                          {0}};
    int c;

    options.jobs = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
    while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (c == 'n')
            options.seeds = strtoull(optarg, NULL, 10);
        else if (c == 's')
            options.first = strtoull(optarg, NULL, 10);
        else if (c == 'j')
            options.jobs = (unsigned)strtoul(optarg, NULL, 10);
        else if (c == 'u')
            options.until_caught = true;
        else
            return false;
    }
    if (options.jobs > options.seeds)
        options.jobs = (unsigned)options.seeds;
    return optind == argc && options.jobs >= 1 && options.jobs <= MAX_JOBS;
}

int main(int argc, char **argv)
{
    struct timespec begin, end;
    uint64_t done;
    double s;

    if (!options_take(argc, argv)) {
        fprintf(stderr, "usage: simulate [--seeds N] [--seed S] [--jobs N] [--until-caught]\n");
        return EX_USAGE;
    }
    snprintf(options.folder, sizeof options.folder, "/dev/shm/turnout-simulate-XXXXXX");
    if (!mkdtemp(options.folder))
        return EX_IOERR;
    jobs = mmap(NULL, MAX_JOBS * sizeof *jobs, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                -1, 0);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (unsigned i = 0; i < options.jobs; i++) {
        jobs[i].seed = options.first + i;
        job_start(i);
    }
    jobs_wait();
    folder_remove();
    clock_gettime(CLOCK_MONOTONIC, &end);
    s = (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
    done = sum_up();
    printf("%.1f s, %.0f seeds a second\n", s, (double)done / s);
    printf("%" PRIu64 " seeds, %" PRIu64 " failures\n", done, failures);
    return failures > 0;
}
