/* The scrub beside a broker that writes: a check never takes what is being written for damage, and
 * a backup is a journal with all that was there before. */
#include "broker/snapshot.h"
#include "proto/error.h"
#include "tests/flaw.h"

#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* A process that commits one event after the other, numbered, until it is killed; each with a
 * refused one, so that every commit goes into the trees, or none. */
static pid_t writer;

static void writer_start(bool refusing)
{
    const struct reject refused = {.code = slice_of("missing"), .event = slice_of("?")};

    int ready[2];
    char byte;

    assert_int_equal(pipe(ready), 0);
    writer = fork();
    if (writer == 0) {
        struct journal *j;
        char event[64];
        struct record r = {slice_of("local"), 1, 1, {event, 0}};
        if (shelf_try(SHELF_BYTES, 2, &j) < 0)
            _exit(1);
        for (unsigned n = 0;; n++) {
            r.events.size = (size_t)snprintf(event, sizeof event, "(%u)", n);
            if (journal_append(j, n % 2, &r) < 0 || (refusing && journal_reject(j, &refused) < 0) ||
                journal_commit(j) < 0)
                _exit(1);
            if (n == 10 && write(ready[1], "!", 1) != 1)
                _exit(1);
        }
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
}

static int writer_end(void)
{
    int status = 0;

    if (writer > 0) {
        kill(writer, SIGKILL);
        waitpid(writer, &status, 0);
    }
    writer = 0;
    return status;
}

static char stack_folder[256];

static int stack_setup(void **state)
{
    const char *tmp = getenv("TMPDIR");

    (void)state;
    snprintf(stack_folder, sizeof stack_folder, "%s/scrub.XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(stack_folder))
        return -1;
    snprintf(shelf_folder, sizeof shelf_folder, "%s/journal", stack_folder);
    return mkdir(shelf_folder, 0700);
}

static int stack_teardown(void **state)
{
    writer_end();
    snprintf(shelf_folder, sizeof shelf_folder, "%s", stack_folder);
    return shelf_teardown(state);
}

/* Runs a program of the build; its exit status, and what it said on standard output. */
static int run(const char *arguments, struct buffer *said)
{
    const char *build = getenv("TURNOUT_BUILD");
    char command[2048];
    int status;
    size_t n;
    FILE *out;

    snprintf(command, sizeof command, "%s/bin/%s 2>&1", build ? build : "build", arguments);
    out = popen(command, "r");
    assert_non_null(out);
    buffer_clear(said);
    while ((n = fread(buffer_room(said, 4096), 1, 4096, out)) > 0)
        said->size += n;
    buffer_room(said, 1)[0] = '\0';
    status = WEXITSTATUS(pclose(out));
    if (status != 0)
        print_message("%s: status %d: %s\n", arguments, status, said->at);
    return status;
}

/* Those that a check finds, while it is written: of one event each, and no fault. */
static uint64_t events_there(void)
{
    unsigned long long records, events, faults;
    struct buffer said = {0};
    char arguments[1024];

    snprintf(arguments, sizeof arguments, "turnout journal check --dir %s", stack_folder);
    assert_int_equal(run(arguments, &said), 0);
    assert_int_equal(
        sscanf(said.at, "%llu records, %llu events, %llu faults\n", &records, &events, &faults), 3);
    assert_true(faults == 0 && records == events);
    buffer_free(&said);
    return events;
}

static void a_journal_can_be_checked_while_it_is_written(void **state)
{
    struct buffer said = {0};
    uint64_t events, last = 0;
    char arguments[1024];

    (void)state;
    for (int i = 0; i < 50; i++) {
        if (i % 25 == 0) {
            writer_end();
            writer_start(i > 0);
        }
        events = events_there();
        assert_true(events >= last);
        last = events;
    }
    assert_true(WIFSIGNALED(writer_end())); /* it had not given up */
    assert_true(last > 10);
    snprintf(arguments, sizeof arguments, "turnout journal check --json --dir %s", stack_folder);
    assert_int_equal(run(arguments, &said), 0);
    assert_non_null(strstr(said.at, "\"faults\":0,\"found\":[]}"));
    buffer_free(&said);
}

/* What a backup must hold: the events of each partition from the first on, without a gap. */
static uint64_t numbered_events(struct journal *j)
{
    struct buffer got = {0}, expected = {0};
    uint64_t sum = 0;

    for (unsigned p = 0; p < 2; p++) {
        buffer_clear(&expected);
        for (uint64_t n = 0; n < journal_end(j, p); n++) {
            buffer_add_text(&expected, "(");
            buffer_add_int(&expected, (int64_t)(2 * n + p));
            buffer_add_text(&expected, ")");
        }
        assert_int_equal(shelf_read(j, p, 0, &got), 0);
        assert_true(slice_equal(buffer_slice(&got), buffer_slice(&expected)));
        sum += journal_end(j, p);
    }
    buffer_free(&got);
    buffer_free(&expected);
    return sum;
}

/* A process that holds the journal's file still until it is killed. */
static pid_t holder_start(void)
{
    int ready[2];
    char byte;
    pid_t pid;

    assert_int_equal(pipe(ready), 0);
    pid = fork();
    if (pid == 0) {
        struct snapshot *held;
        uint64_t commit;
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* also when the test fails */
        if (snapshot_open(shelf_folder, &held) < 0 || snapshot_hold(held, &commit) < 0 ||
            write(ready[1], "!", 1) != 1)
            _exit(1);
        pause();
        _exit(0);
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return pid;
}

/* As `cp BACKUP data.mdb` beside a check that was left running, whatever number LMDB counts. */
static void replaced_while_held(int commits)
{
    struct buffer said = {0};
    char command[2048];
    struct journal *j;
    pid_t holder;

    assert_int_equal(shelf_try(SHELF_BYTES, 2, &j), 0);
    shelf_move(j, 0);
    journal_close(j);
    snprintf(command, sizeof command, "turnout backup --dir %s %s/backup", stack_folder,
             stack_folder);
    assert_int_equal(run(command, &said), 0);
    for (int i = 0; i < commits; i++) {
        assert_int_equal(shelf_try(SHELF_BYTES, 2, &j), 0);
        shelf_move(j, 0);
        journal_close(j);
    }
    holder = holder_start();
    snprintf(command, sizeof command, "cp %s/backup %s", stack_folder, shelf_path());
    assert_int_equal(system(command), 0);
    assert_int_equal(shelf_try(SHELF_BYTES, 2, &j), ERR_LOCKED);
    kill(holder, SIGKILL);
    waitpid(holder, NULL, 0);
    assert_int_equal(shelf_try(SHELF_BYTES, 2, &j), 0);
    assert_true(journal_end(j, 0) > 0);
    journal_close(j);
    buffer_free(&said);
}

static void a_file_that_was_replaced_is_not_opened_beside_who_holds_the_former(void **state)
{
    (void)state;
    replaced_while_held(1);
    replaced_while_held(2);
    replaced_while_held(2);
}

static void backup_while_written(bool refusing)
{
    struct buffer said = {0};
    struct journal *j;
    char arguments[1024], backup[300], command[2048];
    uint64_t events, before;

    writer_start(refusing);
    snprintf(backup, sizeof backup, "%s/backup", stack_folder);
    snprintf(arguments, sizeof arguments, "turnout backup --dir %s %s", stack_folder, backup);
    for (int i = 0; i < 5; i++) { /* one over the other, each with all that was there before */
        before = events_there();
        assert_int_equal(run(arguments, &said), 0);
        flaw_expect_sound(backup, &events);
        assert_true(events >= before);
    }
    assert_true(WIFSIGNALED(writer_end())); /* it had not given up */
    assert_int_equal(shelf_try(SHELF_BYTES, 2, &j), 0);
    assert_true(numbered_events(j) >= events);
    journal_close(j);
    snprintf(command, sizeof command, "cp %s %s", backup, shelf_path());
    assert_int_equal(system(command), 0);
    for (int i = 0; i < 3; i++) { /* restored, and written on */
        assert_int_equal(shelf_try(SHELF_BYTES, 2, &j), 0);
        before = journal_end(j, 0);
        if (i == 0)
            assert_int_equal(numbered_events(j), events);
        shelf_append(j, 0, "more");
        assert_int_equal(journal_commit(j), 0);
        assert_int_equal(journal_end(j, 0), before + 4);
        journal_close(j);
        flaw_expect_sound(shelf_path(), &events);
    }
    buffer_free(&said);
}

static void a_backup_made_while_it_is_written_ahead_is_a_journal(void **state)
{
    (void)state;
    backup_while_written(false);
}

static void a_backup_made_while_its_trees_are_written_is_a_journal(void **state)
{
    (void)state;
    backup_while_written(true);
}

/* The log is written over as soon as the trees have what it held: what stands there then is not of
 * the state that is held. */
static void a_state_that_is_held_goes_with_its_own_log_or_with_none(void **state)
{
    struct journal *j = shelf_open();
    struct snapshot *s;
    struct scrub *scrub;
    uint64_t commit;
    int fd = open(shelf_path(), O_RDONLY);

    (void)state;
    for (int i = 0; i < 3; i++) {
        shelf_append(j, 3, "ahead");
        assert_int_equal(journal_commit(j), 0);
    }
    assert_int_equal(snapshot_open(shelf_folder, &s), 0);
    assert_int_equal(snapshot_hold(s, &commit), 0);
    assert_int_equal(scrub_open_held(fd, commit, true, &scrub), 0);
    assert_int_equal(scrub_run(scrub, SCRUB_ALL), 0);
    assert_int_equal(scrub_found(scrub)->events, 15);
    assert_int_equal(scrub_found(scrub)->faults, 0);
    scrub_close(scrub);
    shelf_move(j, 3);
    shelf_append(j, 3, "anew");
    assert_int_equal(journal_commit(j), 0);
    assert_int_equal(scrub_open_held(fd, commit, true, &scrub), ERR_AGAIN);
    assert_int_equal(scrub_open_held(fd, commit, false, &scrub), 0);
    assert_int_equal(scrub_run(scrub, SCRUB_ALL), 0);
    assert_int_equal(scrub_found(scrub)->events, 0);
    assert_int_equal(scrub_found(scrub)->faults, 0);
    assert_null(scrub_wal(scrub));
    scrub_close(scrub);
    shelf_move(j, 3);
    assert_int_equal(scrub_open_held(fd, commit, false, &scrub), ERR_AGAIN);
    snapshot_close(s);
    journal_close(j);
    close(fd);
}

static void of_a_damaged_journal_there_is_no_backup(void **state)
{
    struct buffer said = {0};
    struct journal *j = shelf_open();
    char arguments[1024], backup[300];
    uint64_t events;

    (void)state;
    shelf_append(j, 3, "good-events");
    assert_int_equal(journal_commit(j), 0);
    shelf_append(j, 3, "more-events");
    assert_int_equal(journal_commit(j), 0);
    shelf_move(j, 3);
    journal_close(j);
    snprintf(backup, sizeof backup, "%s/backup", stack_folder);
    snprintf(arguments, sizeof arguments, "turnout backup --dir %s %s", stack_folder, backup);
    assert_int_equal(run(arguments, &said), 0);
    flaw_expect_sound(backup, &events);
    assert_int_equal(events, 23);
    shelf_damage(shelf_path(), "good-events", 0, 'G');
    assert_int_equal(run(arguments, &said), 1);
    assert_non_null(strstr(said.at, "partition 3, page "));
    assert_non_null(strstr(said.at, "the record at offset 0 is not what was written"));
    flaw_expect_sound(backup, &events); /* the older one */
    assert_int_equal(events, 23);
    snprintf(arguments, sizeof arguments, "turnout journal check --dir %s", stack_folder);
    assert_int_equal(run(arguments, &said), 1);
    assert_non_null(strstr(said.at, "\n3 records, 12 events, 1 faults\n"));
    snprintf(arguments, sizeof arguments, "turnout journal check %s", backup);
    assert_int_equal(run(arguments, &said), 0);
    snprintf(arguments, sizeof arguments, "turnout journal check %s.part", backup);
    assert_int_equal(run(arguments, &said), 69); /* was taken away */
    buffer_free(&said);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, stack_setup, stack_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_journal_can_be_checked_while_it_is_written),
        TEST(a_backup_made_while_it_is_written_ahead_is_a_journal),
        TEST(a_backup_made_while_its_trees_are_written_is_a_journal),
        TEST(a_state_that_is_held_goes_with_its_own_log_or_with_none),
        TEST(of_a_damaged_journal_there_is_no_backup),
        TEST(a_file_that_was_replaced_is_not_opened_beside_who_holds_the_former),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
