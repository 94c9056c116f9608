/* A journal's file with any byte changed, or cut off anywhere: the journal is refused, or reading
 * stops in front of the damage, or nothing that counts was hit.  Never anything else, and no crash.
 *
 * Each try is made in a child, so that a crash is an outcome too.  A random sample of the bytes,
 * in TURNOUT_TEST_LONG every one. */
#include "broker/frame.h"
#include "proto/clock.h"
#include "tests/flaw.h"
#include "tests/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define SAMPLE_BUDGET_MS 14000
#define CRASHES_MOST     20

/* What the child tells, in memory shared with it. */
struct told {
    size_t at; /* being tried */
    char byte;
    uint64_t tries, outcomes[FLAW_OUTCOMES], missed, found_only;
    size_t wrong_at[16];
    unsigned wrong;
};

typedef void attempt_fn(const struct flaw *f, struct told *told);

static void outcome_note(struct told *told, enum flaw_outcome outcome, uint64_t faults)
{
    bool bad = outcome == FLAW_WRONG || (outcome != FLAW_WHOLE && faults == 0);

    told->tries++;
    told->outcomes[outcome]++;
    told->missed += outcome != FLAW_WHOLE && faults == 0;
    told->found_only += outcome == FLAW_WHOLE && faults > 0;
    if (bad && told->wrong < sizeof told->wrong_at / sizeof *told->wrong_at)
        told->wrong_at[told->wrong++] = told->at;
}

static void byte_try(const struct flaw *f, struct told *told, char mask)
{
    uint64_t faults;

    told->byte = (char)(f->image.at[told->at] ^ mask);
    flaw_restore(f, FLAW_FILE);
    flaw_poke(f, told->at, told->byte);
    faults = flaw_faults(f);
    outcome_note(told, flaw_try(f), faults);
}

static void every_byte(const struct flaw *f, struct told *told)
{
    for (; told->at < f->image.size; told->at++) {
        byte_try(f, told, (char)0xff);
        byte_try(f, told, (char)(1 << told->at % 8));
    }
}

static struct random sample_random;

static void some_bytes(const struct flaw *f, struct told *told)
{
    int64_t end_ms = clock_mono_ms() + SAMPLE_BUDGET_MS;
    struct random random = sample_random;

    for (uint64_t i = 0; clock_mono_ms() < end_ms && i < f->image.size; i++) {
        told->at = (size_t)random_below(&random, f->image.size);
        byte_try(f, told, (char)(1 + random_below(&random, 255)));
    }
    told->at = f->image.size;
}

/* Several at once: what LMDB would do to a file in which nothing was noticed is tried as well.  Of
 * the log's last frame one copy is left, or its commit were one that was never finished. */
static void some_bytes_together(const struct flaw *f, struct told *told)
{
    int64_t end_ms = clock_mono_ms() + SAMPLE_BUDGET_MS / 2;
    struct random random = sample_random;
    size_t last = flaw_last_frame(f);
    uint64_t faults;

    for (int i = 0; clock_mono_ms() < end_ms && i < 100000; i++) {
        flaw_restore(f, FLAW_FILE);
        for (uint64_t n = 2 + random_below(&random, 4); n > 0; n--) {
            told->at = (size_t)random_below(&random, f->image.size);
            if (told->at / FRAME_BLOCK != last / FRAME_BLOCK)
                flaw_poke(f, told->at, (char)random_below(&random, 256));
        }
        faults = flaw_faults(f);
        outcome_note(told, flaw_try(f), faults);
    }
}

/* The meta pages and the heads of all pages decide about everything: each of their bytes. */
static void vital_bytes(const struct flaw *f, struct told *told)
{
    for (; told->at < f->image.size; told->at++) {
        size_t within = told->at % 4096, page = told->at / 4096;
        if (within < 16 || (page < 2 && within < 160))
            byte_try(f, told, (char)(1 << told->at * 5 % 8));
    }
}

static void every_length(const struct flaw *f, struct told *told)
{
    static const int odd[] = {-1, 0, 1, 1000};
    uint64_t faults;

    for (; told->at <= f->image.size; told->at += 4096)
        for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
            if (told->at == 0 && odd[i] < 0)
                continue;
            flaw_restore(f, told->at + (size_t)odd[i]);
            faults = flaw_faults(f);
            outcome_note(told, flaw_try(f), faults);
        }
}

/* Runs the attempts in a child; one that dies is counted, and another goes on behind that place. */
static unsigned run(const struct flaw *f, attempt_fn *attempts, struct told *told)
{
    unsigned crashes = 0;
    int status = -1;

    while (status != 0 && crashes < CRASHES_MOST) {
        pid_t pid = fork();
        if (pid == 0) {
            if (!freopen("/dev/null", "w", stderr))
                _exit(1);
            attempts(f, told);
            _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (status == 0)
            break;
        print_message("byte %zu as %02x: the child ended with %x\n", told->at,
                      (unsigned char)told->byte, status);
        crashes++;
        told->at++;
    }
    return crashes;
}

static void check(attempt_fn *attempts, const char *what)
{
    struct flaw f;
    struct told *told =
        mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    unsigned crashes;

    assert_true(told != MAP_FAILED);
    flaw_open(&f);
    crashes = run(&f, attempts, told);
    print_message("%s, of %zu bytes: %llu tries", what, f.image.size,
                  (unsigned long long)told->tries);
    for (int i = 0; i < FLAW_OUTCOMES; i++)
        print_message(", %llu %s", (unsigned long long)told->outcomes[i], flaw_names[i]);
    print_message(", %u crashes; harmless, and yet found by the check: %llu\n", crashes,
                  (unsigned long long)told->found_only);
    for (unsigned i = 0; i < told->wrong; i++)
        print_message("wrong, or not found by the check: byte %zu (page %zu, %zu)\n",
                      told->wrong_at[i], told->wrong_at[i] / 4096, told->wrong_at[i] % 4096);
    assert_true(told->tries > 0);
    assert_int_equal(told->outcomes[FLAW_WRONG], 0);
    assert_int_equal(told->missed, 0);
    assert_int_equal(crashes, 0);
    munmap(told, sizeof *told);
    flaw_close(&f);
}

static void a_changed_byte_is_harmless_or_noticed(void **state)
{
    const char *long_test = getenv("TURNOUT_TEST_LONG");

    (void)state;
    if (long_test && *long_test == '1') {
        check(every_byte, "every byte, twice");
        return;
    }
    sample_random = random_new(random_seed("a_changed_byte_is_harmless_or_noticed"));
    check(some_bytes, "some bytes");
}

static void several_changed_bytes_are_harmless_or_noticed(void **state)
{
    (void)state;
    sample_random = random_new(random_seed("several_changed_bytes_are_harmless_or_noticed"));
    check(some_bytes_together, "several bytes at once");
}

static void a_changed_byte_in_the_head_of_a_page_is_harmless_or_noticed(void **state)
{
    (void)state;
    check(vital_bytes, "heads of pages");
}

static void a_file_cut_off_anywhere_is_refused(void **state)
{
    (void)state;
    check(every_length, "lengths");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, shelf_setup, shelf_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_changed_byte_in_the_head_of_a_page_is_harmless_or_noticed),
        TEST(a_file_cut_off_anywhere_is_refused),
        TEST(a_changed_byte_is_harmless_or_noticed),
        TEST(several_changed_bytes_are_harmless_or_noticed),
    };

    if (access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 1); /* many thousand syncs, and no disk is being tested */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
