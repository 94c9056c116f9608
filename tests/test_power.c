/* Power cuts: of all that a disk may hold after one, the journal makes exactly what was committed.
 *
 * Before every call that writes, syncs or grows the file, images of it are made as a power cut at
 * that moment may leave it: unsynced writes lost, kept in any order, torn at sectors.  Each is
 * opened by the journal's own code in a folder of its own: every commit that was acknowledged is
 * there, byte for byte, the one under way is there whole or not at all, and nothing else is.  So it
 * is while recovering from such an image, too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker/journal.h"
#include "proto/error.h"
#include "proto/log.h"
#include "tests/power.h"
#include "tests/power_calls.h"
#include "tests/random.h"

#define PARTS         4
#define LIMIT         ((uint64_t)64 * 1024 * 1024)
#define MOST          16384 /* bytes of a record's events, as a rule */
#define SINGLY        6     /* of so many unsynced writes each is lost alone, and kept alone */
#define BY_CHANCE     3     /* images by chance at each moment */
#define FIRST_COMMITS 60
#define ROUNDS        40 /* power cuts in a row */
#define COMMITS       4  /* between two */

/* What was staged so far, and how much of it was committed. */
struct state {
    uint64_t ends[PARTS], rejects;
    size_t sizes[PARTS];
};

static struct {
    char folder[64], live[80], image[80];
    struct journal *journal;
    struct buffer all[PARTS];         /* everything that was ever staged */
    struct state committed, underway; /* the same when nothing is under way */
    char log[WIRE_LOG];
    bool named;          /* the log has its name for good */
    size_t recent_bytes; /* of the journal that lives */
    bool looking;        /* images are made */
    bool dying, dead;    /* at the write that makes a commit count; since then */
    bool starved;        /* that write finds no memory */
    bool full;           /* of the next frame only the first copy finds room */
    unsigned percent;    /* of the moments */
    struct random random;
    uint64_t images;
    struct buffer bytes, kept; /* an image; one to go on with */
    struct state kept_state;
} t;

/* ---- folders ---- */
static int remove_one(const char *path, const struct stat *s, int type, struct FTW *where)
{
    (void)s, (void)type, (void)where;
    return remove(path);
}

static void file_put(const char *path, struct slice bytes)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_true(bytes.size == 0 || fwrite(bytes.at, 1, bytes.size, f) == bytes.size);
    assert_int_equal(fclose(f), 0);
}

/* The mark of a journal that was made is not of the watched file; it is what it is now. */
static void mark_copy(void)
{
    char from[128], to[128], text[64];
    FILE *f;
    size_t size;

    snprintf(from, sizeof from, "%s/broker.lock", t.live);
    snprintf(to, sizeof to, "%s/broker.lock", t.image);
    f = fopen(from, "r");
    size = f ? fread(text, 1, sizeof text, f) : 0;
    if (f)
        fclose(f);
    file_put(to, slice_make(text, size));
}

static void image_put(struct slice bytes)
{
    char path[128];

    nftw(t.image, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    assert_int_equal(mkdir(t.image, 0700), 0);
    snprintf(path, sizeof path, "%s/data.mdb", t.image);
    file_put(path, bytes);
    mark_copy();
}

/* ---- what an image must hold ---- */
static bool partition_is(struct journal *j, unsigned p, const struct state *s)
{
    size_t at = 0;
    struct record r;
    uint64_t offset;
    int err = 0;
    bool same = journal_end(j, p) == s->ends[p] && journal_read_begin(j, p, 0) == 0;

    while (same && (err = journal_next(j, &offset, &r)) == 0) {
        same = at + r.events.size <= s->sizes[p] &&
               memcmp(t.all[p].at + at, r.events.at, r.events.size) == 0;
        at += r.events.size;
    }
    journal_read_end(j);
    return same && err == ERR_AGAIN && at == s->sizes[p];
}

static bool rejects_are(struct journal *j, const struct state *s)
{
    char text[32];
    struct reject r;
    uint64_t number = 0, count = 0;
    bool same = journal_rejects(j) == s->rejects && journal_rejects_begin(j) == 0;

    while (same && journal_next_reject(j, number + 1, &number, &r) == 0) {
        snprintf(text, sizeof text, "refused %d", (int)++count);
        same = number == count && slice_is(r.event, text);
    }
    journal_read_end(j);
    return same && count == s->rejects;
}

static bool journal_is(struct journal *j, const struct state *s)
{
    for (unsigned p = 0; p < PARTS; p++)
        if (!partition_is(j, p, s))
            return false;
    return rejects_are(j, s);
}

static struct journal *image_open(void)
{
    struct journal_config c = {t.image, LIMIT, PARTS, 0};
    struct journal *j = NULL;
    int err = journal_open(&c, &j);

    if (err < 0)
        fail_msg("image %llu does not open: %s", (unsigned long long)t.images, error_text(err));
    return j;
}

/* One more commit, to see that it goes on from there. */
static void image_continue(struct journal *j, const struct state *s)
{
    struct record r = {slice_of("local"), 1, 1, slice_of("x")};

    assert_int_equal(journal_append(j, 0, &r), 0);
    assert_int_equal(journal_commit(j), 0);
    assert_int_equal(journal_end(j, 0), s->ends[0] + 1);
}

static void image_check(void)
{
    struct journal *j;
    const struct state *s = &t.committed;

    image_put(buffer_slice(&t.bytes));
    j = image_open();
    t.images++;
    if (!journal_is(j, s)) {
        s = &t.underway;
        if (!journal_is(j, s))
            fail_msg("image %llu is neither the last commit nor the next",
                     (unsigned long long)t.images);
    }
    if (t.named)
        assert_memory_equal(journal_log_id(j).at, t.log, WIRE_LOG);
    if (t.images % 8 == 0)
        image_continue(j, s);
    journal_close(j);
    /* One to go on with, later; not of a journal that is still being made, as its folder is not in
     * the image. */
    if (random_below(&t.random, 40) == 0 && t.named) {
        buffer_clear(&t.kept);
        buffer_add_slice(&t.kept, buffer_slice(&t.bytes));
        t.kept_state = *s;
    }
}

/* ---- images of one moment ---- */
enum rule { RULE_NONE, RULE_ALL, RULE_WITHOUT, RULE_ONLY, RULE_FROM, RULE_HALF };

struct choice {
    enum rule rule;
    size_t which;
};

static bool is_kept(void *arg, size_t i, size_t sector)
{
    const struct choice *c = arg;

    switch (c->rule) {
    case RULE_NONE:
        return false;
    case RULE_ALL:
        return true;
    case RULE_WITHOUT:
        return i != c->which;
    case RULE_ONLY:
        return i == c->which;
    case RULE_FROM:
        return i >= c->which;
    default: /* one write torn in the middle, the others whole */
        return i != c->which || sector % 2 == 0;
    }
}

static void look_by(enum rule rule, size_t which)
{
    struct choice c = {rule, which};

    power_image(is_kept, &c, &t.bytes);
    image_check();
}

static void look(void)
{
    size_t count = power_unsynced();

    look_by(RULE_NONE, 0);
    if (count == 0)
        return;
    look_by(RULE_ALL, 0);
    for (size_t i = 0; i < count && i < SINGLY; i++) {
        size_t which = count <= SINGLY ? i : random_below(&t.random, count);
        look_by((enum rule)(RULE_WITHOUT + random_below(&t.random, 4)), which);
    }
    for (int i = 0; i < BY_CHANCE; i++) {
        power_image_random(&t.random, &t.bytes);
        image_check();
    }
}

/* Before each call of the journal on its file. */
static struct power_fault before_call(void *arg, enum power_call call, size_t size)
{
    (void)arg;
    t.dead |= t.dying && call == POWER_WRITE && size < POWER_SECTOR;
    if (t.dead) {
        bool last = t.dying;
        t.dying = false;
        return (struct power_fault){EIO, last ? size : 0};
    }
    if (t.starved && call == POWER_WRITE && size < POWER_SECTOR) {
        t.starved = false;
        return (struct power_fault){ENOMEM, 0};
    }
    if (t.full && call == POWER_WRITE) {
        t.full = false;
        return (struct power_fault){ENOSPC, size / 2};
    }
    if (t.looking && call != POWER_SPACE && random_percent(&t.random, t.percent)) {
        t.looking = false; /* an image's own calls are not looked at */
        look();
        t.looking = true;
    }
    return (struct power_fault){0, size};
}

/* ---- the journal that lives ---- */
static void live_open(void)
{
    struct journal_config c = {t.live, LIMIT, PARTS, t.recent_bytes};

    assert_int_equal(journal_open(&c, &t.journal), 0);
    memcpy(t.log, journal_log_id(t.journal).at, WIRE_LOG);
    t.named = true;
    assert_true(journal_is(t.journal, &t.committed));
}

static void stage_record(unsigned p, size_t most)
{
    size_t size = 1 + random_below(&t.random, most);
    char *at = buffer_room(&t.all[p], size);
    uint32_t count = 1 + (uint32_t)random_below(&t.random, size < 50 ? size : 50);
    struct record r = {slice_of("local"), 1700000000000, count, slice_make(at, size)};

    for (size_t i = 0; i < size; i++)
        at[i] = (char)random_next(&t.random);
    t.all[p].size += size;
    assert_int_equal(journal_append(t.journal, p, &r), 0);
    t.underway.sizes[p] += size;
    t.underway.ends[p] += r.count;
}

static void stage_reject(void)
{
    char text[32];
    struct reject r = {.source = slice_of("local"), .code = slice_of("missing")};

    snprintf(text, sizeof text, "refused %d", (int)t.underway.rejects + 1);
    r.event = slice_of(text);
    assert_int_equal(journal_reject(t.journal, &r), 0);
    t.underway.rejects++;
}

static void commit(size_t most)
{
    for (unsigned records = (unsigned)random_below(&t.random, 6) + 1; records > 0; records--)
        stage_record((unsigned)random_below(&t.random, PARTS), most);
    if (random_percent(&t.random, 20)) /* nothing is written ahead then */
        stage_reject();
    assert_int_equal(journal_commit(t.journal), 0);
    t.committed = t.underway;
    if (t.looking)
        look();
}

/* The power has been cut: what was on the disk then is there now, and nothing that came later. */
static void go_on_with_an_image(void)
{
    char path[128];

    snprintf(path, sizeof path, "%s/data.mdb", t.live);
    journal_close(t.journal);
    for (unsigned p = 0; p < PARTS; p++)
        t.all[p].size = t.kept_state.sizes[p];
    t.committed = t.underway = t.kept_state;
    power_install(path, buffer_slice(&t.kept));
    buffer_clear(&t.kept);
    live_open();
}

/* ---- the tests ---- */
/* Memory, where there is enough of it: thousands of images need no disk. */
static const char *fast_folder(void)
{
    const char *tmp = getenv("TMPDIR");
    struct statvfs s;

    if (statvfs("/dev/shm", &s) == 0 && access("/dev/shm", W_OK) == 0 &&
        (uint64_t)s.f_bavail * s.f_frsize >= LIMIT * 3 / 4)
        return "/dev/shm";
    return tmp ? tmp : "/tmp";
}

static int setup(void **state)
{
    (void)state;
    snprintf(t.folder, sizeof t.folder, "%s/power.XXXXXX", fast_folder());
    if (!mkdtemp(t.folder))
        return -1;
    snprintf(t.live, sizeof t.live, "%s/live", t.folder);
    snprintf(t.image, sizeof t.image, "%s/image", t.folder);
    mkdir(t.live, 0700);
    mkdir(t.image, 0700);
    memset(&t.committed, 0, sizeof t.committed);
    memset(&t.underway, 0, sizeof t.underway);
    for (unsigned p = 0; p < PARTS; p++)
        buffer_clear(&t.all[p]);
    t.named = false;
    t.images = 0;
    buffer_clear(&t.kept);
    power_watch("live/data.mdb");
    power_sparse(true);
    power_faults(before_call, NULL, &t.random);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    t.looking = t.dying = t.dead = false;
    journal_close(t.journal);
    t.journal = NULL;
    power_watch(NULL);
    return nftw(t.folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void a_power_cut_at_any_call_leaves_what_was_committed(void **state)
{
    (void)state;
    t.looking = true;
    t.percent = 100;
    t.recent_bytes = (size_t)MOST * 4;
    live_open();
    for (int i = 0; i < FIRST_COMMITS; i++)
        commit(i % 3 ? 300 : MOST);
    assert_true(t.images > 500);
    print_message("%llu images at every call\n", (unsigned long long)t.images);
}

static void a_power_cut_while_recovering_from_one_loses_nothing_more(void **state)
{
    int cuts = 0;

    (void)state;
    t.looking = true;
    t.percent = 50;
    t.recent_bytes = (size_t)MOST * 4;
    live_open();
    for (int i = 0; i < ROUNDS; i++) {
        for (int k = 0; k < COMMITS; k++)
            commit(MOST / 4);
        if (t.kept.size == 0)
            continue;
        go_on_with_an_image();
        cuts++;
    }
    assert_true(cuts > ROUNDS / 3);
    print_message("%llu images over %d power cuts in a row\n", (unsigned long long)t.images, cuts);
}

/* What was refused for want of room may stand there, sound, with the number of the commit that
 * comes next. */
static void what_was_refused_in_the_log_is_not_taken_for_what_comes_next(void **state)
{
    (void)state;
    t.recent_bytes = (size_t)MOST * 4;
    live_open();
    for (int i = 0; i < 20; i++) {
        commit(300);
        stage_record(0, 300);
        t.full = true;
        assert_int_equal(journal_commit(t.journal), ERR_FULL);
        assert_false(t.full);
        t.underway = t.committed;
        t.all[0].size = t.committed.sizes[0];
        commit(300);
        look();
        commit(300);
        look();
    }
}

/* The broker is killed in the write that makes a commit to the trees count: the next one sees that
 * commit, and the disk does not have it yet.  What is written ahead from then on is written over
 * what the disk still needs, unless the start sees to it first. */
static void a_commit_that_is_seen_at_a_start_is_on_disk_before_anything_else(void **state)
{
    struct journal_config c = {t.live, LIMIT, PARTS, (size_t)MOST * 4};

    (void)state;
    t.recent_bytes = c.recent_bytes;
    live_open();
    for (int i = 0; i < 5; i++)
        commit(300);
    stage_record(1, MOST);
    for (int i = 0; i < 3; i++)
        stage_record(2, (size_t)MOST * 2); /* into the trees */
    t.dying = true;
    assert_int_equal(journal_commit(t.journal), ERR_IO);
    assert_true(t.dead);
    journal_close(t.journal);
    t.dead = false;
    t.looking = true;
    t.percent = 100;
    assert_int_equal(journal_open(&c, &t.journal), 0); /* images may be as before it, or with it */
    assert_true(journal_is(t.journal, &t.underway));
    t.committed = t.underway;
    for (int i = 0; i < 5; i++)
        commit(9000);
    assert_true(t.images > 20);
}

/* A lack of memory ends the broker wherever it is met. */
static void starve(uint64_t *ret_end)
{
    signal(SIGABRT, SIG_DFL);
    live_open();
    stage_record(0, 300); /* for the end that is told: the others go where chance has it */
    for (int i = 0; i < 5; i++)
        commit(300);
    *ret_end = journal_end(t.journal, 0);
    stage_record(0, 300);
    stage_reject(); /* into the trees */
    t.starved = true;
    journal_commit(t.journal);
    _exit(0);
}

static void a_lack_of_memory_at_the_write_that_counts_leaves_the_commit_before(void **state)
{
    uint64_t *end =
        mmap(NULL, sizeof *end, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status;
    pid_t pid;

    (void)state;
    assert_true(end != MAP_FAILED);
    t.recent_bytes = (size_t)MOST * 4;
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        starve(end);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    struct journal_config c = {t.live, LIMIT, PARTS, t.recent_bytes};
    assert_int_equal(journal_open(&c, &t.journal), 0);
    assert_true(*end > 0);
    assert_int_equal(journal_end(t.journal, 0), *end);
    munmap(end, sizeof *end);
}

/* Behind the room that was allocated first; images are large there, so they are few. */
static void a_power_cut_while_the_file_grows_loses_nothing(void **state)
{
    (void)state;
    t.looking = false;
    t.recent_bytes = 0;
    live_open();
    while (journal_used_bytes(t.journal) < DISK_STEP - DISK_RESERVE - (uint64_t)6 * RECORD_BYTES)
        commit(RECORD_BYTES);
    t.looking = true;
    t.percent = 4;
    while (journal_used_bytes(t.journal) < DISK_STEP)
        commit(RECORD_BYTES);
    assert_true(t.images > 5);
    print_message("%llu images of a file that grows\n", (unsigned long long)t.images);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_power_cut_at_any_call_leaves_what_was_committed),
        TEST(a_power_cut_while_recovering_from_one_loses_nothing_more),
        TEST(what_was_refused_in_the_log_is_not_taken_for_what_comes_next),
        TEST(a_commit_that_is_seen_at_a_start_is_on_disk_before_anything_else),
        TEST(a_lack_of_memory_at_the_write_that_counts_leaves_the_commit_before),
        TEST(a_power_cut_while_the_file_grows_loses_nothing),
    };

    log_open("test_power", LOG_ERROR);
    t.random = random_new(random_seed("power"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
