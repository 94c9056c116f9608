/* A trial; see trial.h.  Each is a process of its own, because it uses what must not be used on
 * both sides of a fork. */
#include "tests/trial.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/clock.h"
#include "proto/error.h"
#include "proto/turnout.h"
#include "tests/fixtures.h"
#include "tests/random.h"
#include "tests/world.h"

#define EVENTS   300
#define BATCH    16 /* events of one message */
#define WINDOW   64 /* events under way: so there are several commits */
#define AT_ONCE  12
#define LIMIT_MS 180000
#define KILLED   (128 + SIGKILL)

/* One trial while it runs. */
struct scene {
    const struct trial *trial;
    struct trial_sums *sums;
    struct crew *crew;
    struct random random;
    struct buffer events; /* as published */
    char lines[160];      /* the same as a file for turnout publish */
    unsigned deaths;
    int64_t end_ms;
};

static const char *fault_name(enum trial_fault fault)
{
    static const char *const names[] = {"nothing wrong", "killed before call", "killed after call",
                                        "failing allocation"};

    return names[fault];
}

static void scene_fail(struct scene *s, const char *what)
{
    fprintf(stderr, "trial: %s, %s %" PRId64 ", seed %" PRIu64 ": %s\n",
            crew_names[s->trial->victim], fault_name(s->trial->fault), s->trial->at, s->trial->seed,
            what);
    crew_free(s->crew, true);
    _exit(1);
}

static void scene_check_time(struct scene *s)
{
    if (clock_mono_ms() > s->end_ms)
        scene_fail(s, "it does not come to an end");
}

/* ---- the fault ---- */
static void fault_arm(struct scene *s)
{
    struct fault_plan *plan = s->crew->plans[s->trial->victim];

    plan->kill_after = s->trial->fault == TRIAL_KILL_AFTER;
    if (s->trial->fault == TRIAL_ALLOCATION)
        plan->fail_at = s->trial->at;
    else if (s->trial->fault != TRIAL_NONE)
        plan->kill_at = s->trial->at;
}

/* The first start after a death has a kill before it, the next has none. */
static void fault_arm_recovery(struct scene *s)
{
    struct fault_plan *plan = s->crew->plans[s->trial->victim];

    crew_heal(s->crew, s->trial->victim);
    if (s->deaths > 1 || s->trial->recovery == 0)
        return;
    plan->kill_after = (int64_t)random_below(&s->random, 2);
    plan->kill_at =
        plan->calls + 1 + (int64_t)random_below(&s->random, (uint64_t)s->trial->recovery);
}

/* What the death of the victim means: killed as planned, or ended by itself for want of memory. */
static void note_death(struct scene *s, int status)
{
    if (s->deaths == 2)
        scene_fail(s, "it died without a fault");
    if (status != KILLED && (s->trial->fault != TRIAL_ALLOCATION || s->deaths > 0))
        scene_fail(s, "it ended by itself");
    if (s->deaths == 0)
        s->sums->deaths++;
    else
        s->sums->recoveries++;
    s->deaths++;
}

static void watch(struct scene *s)
{
    enum crew_member victim = s->trial->victim;
    int status;

    scene_check_time(s);
    if (victim == CREW_OTHER || !crew_has_ended(s->crew, victim, &status))
        return;
    note_death(s, status);
    fault_arm_recovery(s);
    crew_start(s->crew, victim);
}

/* ---- publishing: by libturnout, which sends again by itself ---- */
static void accepted(void *arg, uint64_t first, uint64_t last)
{
    struct scene *s = arg;

    (void)last;
    if (first == 1 && s->trial->fault == TRIAL_NONE)
        s->sums->start_calls = s->crew->plans[s->trial->victim]->calls;
}

static void refused(void *arg, uint64_t seq, const struct turnout_refusal *why)
{
    fprintf(stderr, "event %" PRIu64 ": %s %s\n", seq, why->code, why->reason);
    scene_fail(arg, "an event was refused");
}

static void publish(struct scene *s)
{
    struct turnout_options options = {.endpoint = s->crew->endpoint_publish,
                                      .batch_events = BATCH,
                                      .window_events = WINDOW,
                                      .accepted = accepted,
                                      .refused = refused,
                                      .arg = s};
    struct turnout_producer *p;
    struct slice *list;
    size_t count = world_split(buffer_slice(&s->events), &list);

    if (turnout_producer_new(&options, &p) < 0)
        scene_fail(s, "no producer");
    turnout_set_timeout(p, 5);
    for (size_t i = 0; i < count; i++)
        while (turnout_send(p, list[i].at, list[i].size, NULL) == TURNOUT_TIMEOUT)
            watch(s);
    while (turnout_flush(p, 5) == TURNOUT_TIMEOUT)
        watch(s);
    if (turnout_counts(p).accepted != count)
        scene_fail(s, "not all events were acknowledged");
    turnout_producer_free(p);
    free(list);
}

/* ---- publishing by the command line: whoever ran it runs it again ---- */
static void publish_by_program(struct scene *s)
{
    int status = -1;

    while (status != 0) {
        crew_start_program(s->crew, CREW_OTHER, s->lines,
                           (const char *const[]){"turnout", "publish", NULL});
        while (!crew_has_ended(s->crew, CREW_OTHER, &status)) {
            scene_check_time(s);
            pause_ms(2);
        }
        if (status == 0)
            break;
        note_death(s, status);
        fault_arm_recovery(s);
    }
}

/* ---- the end of it ---- */

/* All that was acknowledged is in Redis; a sync that a death has disturbed is made again. */
static void synchronize(struct scene *s)
{
    int status = -1;

    while (status != 0) {
        crew_sync_begin(s->crew);
        while (!crew_has_ended(s->crew, CREW_OTHER, &status)) {
            watch(s);
            pause_ms(2);
        }
    }
}

/* No more faults; a victim that died at the last moment is started again. */
static void heal(struct scene *s)
{
    unsigned deaths;

    do {
        crew_heal(s->crew, s->trial->victim);
        deaths = s->deaths;
        synchronize(s);
    } while (s->deaths != deaths);
}

static void note_ending(struct scene *s)
{
    struct fault_plan *plan = s->crew->plans[s->trial->victim];

    if (s->trial->fault == TRIAL_NONE) {
        s->sums->calls = plan->calls;
        s->sums->allocations = plan->allocations;
        if (s->trial->victim == CREW_OTHER)
            s->sums->start_calls = plan->calls;
    } else if (s->deaths == 0) {
        *(plan->hits ? &s->sums->lived : &s->sums->through) += 1;
    }
}

/* ---- one trial ---- */
static void events_make(struct scene *s)
{
    struct buffer lines = {0};
    FILE *f;

    if (s->trial->victim != CREW_OTHER) {
        world_events(s->trial->seed, EVENTS, &s->events);
        return;
    }
    fixture_lines("iec-ballots.jsonl", &lines);
    fixture_lines("dis29500-2007.jsonl", &lines);
    lines_encode(buffer_slice(&lines), &s->events);
    snprintf(s->lines, sizeof s->lines, "%s/lines", s->crew->dir);
    f = fopen(s->lines, "w");
    if (!f || fwrite(lines.at, 1, lines.size, f) != lines.size || fclose(f) != 0)
        scene_fail(s, "cannot write the lines");
    buffer_free(&lines);
}

static void trial_run(const struct trial *t, struct trial_sums *sums)
{
    struct scene s = {.trial = t,
                      .sums = sums,
                      .crew = crew_new(),
                      .random = random_new(t->seed ^ (uint64_t)t->at),
                      .end_ms = clock_mono_ms() + LIMIT_MS};

    events_make(&s);
    fault_arm(&s);
    crew_start_all(s.crew, 1);
    if (t->victim == CREW_OTHER) {
        publish_by_program(&s);
        note_ending(&s);
        synchronize(&s);
    } else {
        publish(&s);
        synchronize(&s);
        note_ending(&s);
    }
    heal(&s);
    if (!crew_agrees(s.crew, buffer_slice(&s.events)))
        scene_fail(&s, "what was acknowledged is not what was kept and counted");
    crew_free(s.crew, false);
    buffer_free(&s.events);
}

/* ---- many ---- */
static struct trial_sums *sums_share(void)
{
    struct trial_sums *sums =
        mmap(NULL, sizeof *sums, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (sums == MAP_FAILED)
        abort();
    return sums;
}

static void trial_fork(const struct trial *t, struct trial_sums *sums)
{
    pid_t pid = fork();

    if (pid < 0)
        abort();
    if (pid > 0)
        return;
    trial_run(t, sums);
    _exit(0);
}

static bool trial_reap(void)
{
    int status;

    return wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool trials_run(const struct trial *trials, size_t count, struct trial_sums *ret)
{
    struct trial_sums *sums = sums_share();
    size_t running = 0;
    bool good = true;

    for (size_t i = 0; i < count && good; i++) {
        if (running == AT_ONCE)
            good &= trial_reap();
        else
            running++;
        trial_fork(&trials[i], sums);
    }
    while (running-- > 0)
        good &= trial_reap();
    memcpy(ret, sums, sizeof *ret);
    munmap(sums, sizeof *sums);
    return good;
}

bool trial_measure(enum crew_member victim, struct trial_sums *ret)
{
    const struct trial t = {.victim = victim, .seed = 1};

    return trials_run(&t, 1, ret);
}
