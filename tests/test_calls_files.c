/* Every call of the operating system fails once, under what is written and read whole: files, keys,
 * the rights file, `turnout keys`.  Who asked is told, and what is there is as it was before or
 * whole as it should be; nothing half written is left. */
#include "broker/access.h"
#include "broker/disk.h"
#include "broker/image.h"
#include "broker/recent.h"
#include "proto/error.h"
#include "proto/file.h"
#include "proto/keyring.h"
#include "proto/link.h"
#include "tests/calls.h"
#include "tests/shelf.h"
#include "workers/cli/cli.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define CALLS_MOST 200

static const char *in_folder(const char *name)
{
    static char paths[4][600];
    static unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof *paths, "%s/%s", shelf_folder, name);
    return path;
}

static unsigned names_in(const char *folder)
{
    DIR *d = opendir(folder);
    unsigned n = 0;

    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static void assert_file(const char *path, const char *expected)
{
    struct buffer text = {0};

    assert_int_equal(file_read(path, 1000, &text, NULL), 0);
    assert_true(slice_is(buffer_slice(&text), expected));
    buffer_free(&text);
}

static bool file_has(const char *path, const char *words)
{
    struct buffer text = {0};
    bool has = file_read(path, RIGHTS_MAX_BYTES, &text, NULL) == 0 &&
               memmem(text.at, text.size, words, strlen(words));

    buffer_free(&text);
    return has;
}

/* ---- files ---- */

static void a_file_is_replaced_or_stays_whatever_fails(void **state)
{
    const char *path = in_folder("f");
    unsigned at = 1;
    int err;

    (void)state;
    do {
        assert_int_equal(file_write(path, slice_of("old"), 0600, true), 0);
        calls_fail(NULL, at++, EIO);
        errno = 0;
        err = file_write(path, slice_of("new"), 0600, true);
        if (!calls_end())
            break;
        assert_int_equal(err, ERR_IO);
        assert_int_equal(errno, EIO);
        assert_file(path, file_has(path, "old") ? "old" : "new");
        assert_int_equal(names_in(shelf_folder), 1);
    } while (at < CALLS_MOST);
    assert_int_equal(err, 0);
    assert_true(at > 6);
    assert_file(path, "new");
}

static void an_interrupted_call_is_made_again(void **state)
{
    const char *path = in_folder("f");

    (void)state;
    calls_fail("pwrite", 1, EINTR);
    assert_int_equal(file_write(path, slice_of("text"), 0600, false), 0);
    assert_true(calls_end());
    calls_fail("read", 1, EINTR);
    assert_file(path, "text");
    assert_true(calls_end());
}

static void a_read_that_fails_is_told(void **state)
{
    static const char *const calls[] = {"open", "fstat", "read"};
    const char *path = in_folder("f");
    struct buffer text = {0};

    (void)state;
    assert_int_equal(file_write(path, slice_of("text"), 0600, false), 0);
    for (int i = 0; i < 3; i++) {
        calls_fail(calls[i], 1, EACCES);
        assert_int_equal(file_read(path, 100, &text, NULL), ERR_IO);
        assert_int_equal(errno, EACCES);
        assert_true(calls_end());
    }
    assert_int_equal(text.size, 0);
    buffer_free(&text);
}

static void a_name_that_cannot_be_given_leaves_no_file(void **state)
{
    (void)state;
    calls_fail("link", 1, EIO);
    assert_int_equal(file_write(in_folder("f"), slice_of("text"), 0600, false), ERR_IO);
    assert_true(calls_end());
    assert_int_equal(names_in(shelf_folder), 0);
}

static void a_file_without_a_folder_is_in_the_one_we_are_in(void **state)
{
    char was[600];

    (void)state;
    assert_non_null(getcwd(was, sizeof was));
    assert_int_equal(chdir(shelf_folder), 0);
    assert_int_equal(file_write("bare", slice_of("text"), 0600, false), 0);
    assert_int_equal(chdir(was), 0);
    assert_file(in_folder("bare"), "text");
    assert_int_equal(file_write("/", slice_of("text"), 0600, true), ERR_IO);
}

/* A file that is read in pieces. */
static void a_piece_that_cannot_be_read_is_never_taken_for_empty(void **state)
{
    int fd = open(in_folder("f"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct image image;
    char page[4096], long_page[2 * IMAGE_PIECE];

    (void)state;
    assert_int_equal(ftruncate(fd, 3 * IMAGE_PIECE), 0);
    image_open(&image, fd);
    image.page_bytes = sizeof page;
    calls_fail("pread", 1, EINTR);
    assert_true(image_page(&image, 0, page));
    assert_true(calls_end());
    calls_lose(20 * 4096, 1);
    assert_true(image_page(&image, 19, page)); /* what nobody asks for need not be readable */
    assert_int_equal(image.error, 0);
    assert_false(image_page(&image, 20, page));
    assert_int_equal(image.error, ERR_IO);
    calls_lose(0, 0);
    assert_true(image_page(&image, 20, page)); /* not kept as if it had been read */
    assert_true(image_pages(&image, 1, sizeof long_page, long_page));
    calls_fail("pread", 1, EIO);
    assert_false(image_pages(&image, 1, sizeof long_page, long_page));
    assert_true(calls_end());
    assert_false(image_pages(&image, 40, sizeof long_page, long_page)); /* beyond the end */
    assert_false(image_page(&image, 48, page));
    assert_false(image_page(&image, UINT64_MAX, page));
    assert_int_equal(image_size(&image), 3 * IMAGE_PIECE);
    calls_fail("fstat", 1, EIO);
    assert_int_equal(image_size(&image), 0);
    assert_true(calls_end());
    image_close(&image);
    close(fd);
}

/* ---- keys ---- */

static void a_key_is_made_whole_or_the_failure_told(void **state)
{
    struct keyfile k, again;
    char why[300];
    unsigned at = 1;
    int err;

    (void)state;
    do {
        char name[16];
        snprintf(name, sizeof name, "k%u", at);
        calls_fail(NULL, at++, EIO);
        *why = '\0';
        err = keyring_new(shelf_folder, name, &k, why, sizeof why);
        if (!calls_end())
            break;
        if (err < 0)
            assert_true(err == ERR_CONFIG && *why);
        if (keyring_broker(shelf_folder, &again, why, sizeof why) == 0)
            assert_true(link_keys_match(&again));
    } while (at < CALLS_MOST);
    assert_int_equal(err, 0);
    assert_true(at > 8);
    assert_true(link_keys_match(&k));
}

static void without_curve_there_are_no_keys(void **state)
{
    struct keyfile k = {.name = "x"};
    char why[300];

    (void)state;
    calls_fail("zmq_curve_keypair", 1, ENOTSUP);
    assert_int_equal(keyring_broker(shelf_folder, &k, why, sizeof why), ERR_CONFIG);
    assert_true(calls_end());
    assert_string_equal(why, "this build of ZeroMQ has no CURVE");
    assert_int_equal(keyring_broker(shelf_folder, &k, why, sizeof why), 0);
    calls_fail("zmq_curve_keypair", 1, ENOTSUP);
    assert_int_equal(keyring_new(shelf_folder, "new", &k, why, sizeof why), ERR_CONFIG);
    assert_true(calls_end());
    assert_int_equal(names_in(in_folder("keys")), 1);
    calls_fail("zmq_curve_public", 1, ENOTSUP);
    assert_false(link_keys_match(&k));
    assert_true(calls_end());
}

static void a_folder_that_cannot_be_made_or_taken_is_told(void **state)
{
    static const char *const calls[] = {"mkdir", "open"};
    struct keyfile k;
    char why[300];

    (void)state;
    for (int i = 0; i < 2; i++) {
        calls_fail(calls[i], 1, EACCES);
        assert_int_equal(keyring_broker(shelf_folder, &k, why, sizeof why), ERR_CONFIG);
        assert_true(calls_end());
        assert_non_null(strstr(why, "/keys: Permission denied"));
    }
}

static void endpoints_that_cannot_be_taken_away_are_an_error(void **state)
{
    (void)state;
    assert_int_equal(keyring_endpoints_write(shelf_folder, "tcp://h:1", "tcp://h:2"), 0);
    calls_fail("unlink", 1, EACCES);
    assert_int_equal(keyring_endpoints_write(shelf_folder, NULL, NULL), ERR_IO);
    assert_true(calls_end());
}

static void an_endpoint_too_long_for_a_key_file_is_left_out(void **state)
{
    char long_one[KEYFILE_ENDPOINT + 20], why[300];
    struct keyfile k;

    (void)state;
    memset(long_one, 'h', sizeof long_one);
    memcpy(long_one, "tcp://", 6);
    long_one[sizeof long_one - 1] = '\0';
    assert_int_equal(keyring_endpoints_write(shelf_folder, long_one, "tcp://h:2\nother = x"), 0);
    assert_int_equal(keyring_new(shelf_folder, "k", &k, why, sizeof why), 0);
    assert_string_equal(k.publish, "");
    assert_string_equal(k.read, "tcp://h:2");
}

/* ---- the rights file ---- */

#define HEX  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define HEX2 "1123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void rights_put(const char *text, mode_t mode)
{
    assert_int_equal(file_write(in_folder("rights.conf"), slice_of(text), mode, true), 0);
}

static const struct right *right_of(struct access *a, const char *key)
{
    return access_right(a, slice_of(key));
}

static void rights_that_cannot_be_read_leave_the_old_ones(void **state)
{
    struct access *a = NULL;

    (void)state;
    rights_put("[a]\nkey = " HEX "\nmay = publish\nrate = 5\n", 0644);
    calls_fail("open", 1, EACCES);
    assert_int_equal(access_open(in_folder("rights.conf"), false, 0, &a), ERR_CONFIG);
    assert_true(calls_end());
    assert_int_equal(access_open(in_folder("rights.conf"), true, 0, &a), 0);
    rights_put("[b]\nkey = " HEX2 "\nmay = work\n", 0644);
    assert_false(access_look(a, 950));
    calls_fail("open", 1, EACCES);
    assert_false(access_look(a, 1000));
    assert_true(calls_end());
    assert_non_null(right_of(a, HEX));
    assert_null(right_of(a, HEX2));
    assert_false(access_look(a, 2000)); /* not tried again until it changes */
    rights_put("[b]\nkey = " HEX2 "\nmay = work\n", 0666);
    assert_false(access_look(a, 3000));
    assert_true(access_look(a, 3050));
    assert_null(right_of(a, HEX));
    access_free(a);
}

static void a_file_in_the_middle_of_being_written_is_waited_for(void **state)
{
    struct gate_request stranger = {.keyed = true, .key = HEX2, .address = slice_of("10.0.0.1")};
    struct access *a = NULL;
    FILE *f;

    (void)state;
    rights_put("[a]\nkey = " HEX "\nmay = work\n", 0644);
    assert_int_equal(access_open(in_folder("rights.conf"), true, 0, &a), 0);
    assert_int_equal(access_admit(a, &stranger, 0), GATE_UNKNOWN);
    f = fopen(in_folder("rights.conf"), "w"); /* emptied in place */
    assert_false(access_look(a, 100));
    assert_true(access_pending(a));
    assert_int_equal(access_admit(a, &stranger, 0), GATE_LATER);
    assert_false(access_look(a, 2099));
    fprintf(f, "[b]\nkey = " HEX2 "\nmay = work\n");
    fclose(f);
    assert_false(access_look(a, 2100));
    assert_false(access_look(a, 2149));
    assert_true(access_look(a, 2150));
    assert_int_equal(access_admit(a, &stranger, 0), GATE_OPEN);
    assert_int_equal(access_admit(a, &stranger, ACCESS_SESSIONS), GATE_LATER);
    f = fopen(in_folder("rights.conf"), "w");
    fclose(f);
    assert_false(access_look(a, 3000));
    assert_true(access_look(a, 5000)); /* it stays empty: no keys any more */
    assert_int_equal(access_admit(a, &stranger, 0), GATE_UNKNOWN);
    access_free(a);
}

/* An editor may take the file away and write a new one: its first lines are not all of it. */
static void a_new_file_in_its_place_is_waited_for_until_it_is_whole(void **state)
{
    struct access *a = NULL;
    FILE *f;

    (void)state;
    rights_put("[a]\nkey = " HEX "\nmay = work\n[b]\nkey = " HEX2 "\nmay = work\n", 0644);
    assert_int_equal(access_open(in_folder("rights.conf"), true, 0, &a), 0);
    assert_int_equal(rename(in_folder("rights.conf"), in_folder("rights.conf~")), 0);
    assert_false(access_look(a, 1000));
    f = fopen(in_folder("rights.conf"), "w");
    fprintf(f, "[a]\nkey = " HEX "\nmay = work\n");
    fflush(f);
    assert_false(access_look(a, 1010));
    assert_true(access_pending(a));
    fprintf(f, "[b]\nkey = " HEX2 "\nmay = work\nrate");
    fflush(f);
    assert_false(access_look(a, 1059));
    fseek(f, -4, SEEK_CUR);
    assert_int_equal(ftruncate(fileno(f), ftell(f)), 0);
    fclose(f);
    assert_false(access_look(a, 1100));
    assert_non_null(right_of(a, HEX2));
    assert_true(access_look(a, 1150));
    assert_non_null(right_of(a, HEX2));
    access_free(a);
}

static void a_file_that_goes_is_said_once_and_changes_nothing(void **state)
{
    struct access *a = NULL;

    (void)state;
    rights_put("[a]\nkey = " HEX "\nmay = publish\nrate = 5\n", 0644);
    assert_int_equal(access_open(in_folder("rights.conf"), true, 0, &a), 0);
    assert_non_null(access_rate(a, right_of(a, HEX)));
    assert_int_equal(unlink(in_folder("rights.conf")), 0);
    assert_false(access_look(a, 10000));
    assert_false(access_look(a, 20000));
    assert_false(access_look(a, 30000));
    assert_false(access_pending(a));
    assert_non_null(right_of(a, HEX));
    access_free(a);
    access_free(NULL);
}

static void a_rate_goes_on_over_a_change_of_the_file(void **state)
{
    struct access *a = NULL;
    struct rate *rate;

    (void)state;
    rights_put("[a]\nkey = " HEX "\nmay = publish\nrate = 2\n", 0644);
    assert_int_equal(access_open(in_folder("rights.conf"), true, 0, &a), 0);
    rate = access_rate(a, right_of(a, HEX));
    assert_true(rate_take(rate, 0) && rate_take(rate, 0));
    rights_put("[b]\nkey = " HEX2 "\nmay = work\n[a]\nkey = " HEX "\nmay = publish\nrate = 2\n",
               0644);
    assert_false(access_look(a, 0));
    assert_true(access_look(a, 50));
    assert_null(access_rate(a, right_of(a, HEX2)));
    assert_false(rate_take(access_rate(a, right_of(a, HEX)), 50));
    access_free(a);
}

static void those_turned_away_are_counted_and_told_in_turn(void **state)
{
    struct gate_request revoked = {.keyed = true, .key = HEX, .address = slice_of("10.0.0.1")};
    struct gate_request plain = {.keyed = false};
    struct access *a = NULL;

    (void)state;
    rights_put("[a]\nkey = " HEX "\nmay = work\nrevoked = 2026-01-01\n", 0644);
    assert_int_equal(access_open(in_folder("rights.conf"), true, 0, &a), 0);
    assert_int_equal(access_admit(a, &revoked, 0), GATE_REVOKED);
    assert_int_equal(access_admit(a, &plain, 0), GATE_OPEN);
    assert_null(right_of(a, HEX));
    access_tell(a, 0, 0);
    access_tell(a, 3, 999); /* too soon */
    access_tell(a, 0, 1000);
    access_tell(a, 0, 9000); /* nothing to tell */
    access_free(a);
}

/* ---- turnout keys ---- */

static int keys(const char *a, const char *b, const char *c, const char *d)
{
    const char *words[] = {"turnout keys", "--dir", shelf_folder, a, b, c, d, NULL};
    int count = 3;

    while (words[count])
        count++;
    return cli_keys(count, (char **)words);
}

/* A key is known to the rights file only if its own file is there, and told of only if both are. */
static void a_new_key_is_granted_or_leaves_nothing_behind(void **state)
{
    unsigned at = 1;
    int status;

    (void)state;
    assert_int_equal(keys("new", "first", NULL, NULL), 0);
    do {
        char name[16], section[20];
        snprintf(name, sizeof name, "k%u", at);
        snprintf(section, sizeof section, "[%s]", name);
        calls_fail(NULL, at++, EIO);
        status = keys("new", name, NULL, NULL);
        if (!calls_end())
            break;
        char *path = keyring_path(shelf_folder, name);
        if (file_has(in_folder("rights.conf"), section) && status == 0)
            assert_int_equal(access(path, F_OK), 0);
        assert_true(file_has(in_folder("rights.conf"), "[first]"));
        assert_true(status == 0 || status == 78);
        free(path);
    } while (at < CALLS_MOST);
    assert_int_equal(status, 0);
    assert_true(at > 15);
}

static void a_revocation_that_cannot_be_written_is_told(void **state)
{
    unsigned at = 1;
    int status;

    (void)state;
    assert_int_equal(keys("new", "feed", "--may", "watch"), 0);
    do {
        calls_fail(NULL, at++, EIO);
        status = keys("revoke", "feed", NULL, NULL);
        if (!calls_end())
            break;
        if (status == 0)
            assert_true(file_has(in_folder("rights.conf"), "revoked ="));
    } while (at < CALLS_MOST);
    assert_true(at > 6);
    assert_true(file_has(in_folder("rights.conf"), "revoked ="));
    assert_int_equal(keys("revoke", "feed", NULL, NULL), 0); /* once more is no harm */
    assert_int_equal(keys("revoke", "nobody", NULL, NULL), 1);
}

static void a_name_that_is_taken_and_a_right_that_cannot_be_are_refused(void **state)
{
    char *path = keyring_path(shelf_folder, "orphan");
    struct keyfile k;
    char why[200];

    (void)state;
    assert_int_equal(keys("new", "feed", NULL, NULL), 0);
    assert_int_equal(keys("new", "feed", NULL, NULL), 1);
    assert_int_equal(keyring_new(shelf_folder, "orphan", &k, why, sizeof why), 0);
    assert_int_equal(keys("new", "orphan", NULL, NULL), 1); /* a file that nobody granted */
    assert_int_equal(keys("new", "odd", "--may", "everything"), 78);
    assert_false(file_has(in_folder("rights.conf"), "[odd]"));
    assert_int_equal(names_in(in_folder("keys")), 3);
    free(path);
}

static void keys_of_every_kind_are_listed(void **state)
{
    (void)state;
    assert_int_equal(keys("list", NULL, NULL, NULL), 0);
    assert_int_equal(keys("new", "a", "--types", "vote ballot"), 0);
    assert_int_equal(keys("new", "b", "--committees", "ISO/TC 1 | ISO/TC 2*"), 0);
    assert_int_equal(keys("new", "c", "--rate", "7"), 0);
    assert_int_equal(keys("new", "d", "--may", "work"), 0);
    assert_int_equal(keys("new", "e", "--may", "watch"), 0);
    assert_int_equal(keys("new", "f", "--source", "office"), 0);
    assert_int_equal(keys("revoke", "f", NULL, NULL), 0);
    assert_int_equal(keys("list", NULL, NULL, NULL), 0);
    assert_int_equal(keys("list", "--json", NULL, NULL), 0);
    rights_put("[half\n", 0644);
    assert_int_equal(keys("list", NULL, NULL, NULL), 78);
}

#define test(name) cmocka_unit_test_setup_teardown(name, shelf_setup, shelf_teardown)

/* ---- the journal's file ---- */
/* By a signal: on some file systems fallocate is then over before its time. */
static void a_growth_that_is_interrupted_is_gone_on_with(void **state)
{
    static const char event[RECENT_STAGE];
    struct record r = {slice_of("local"), 1700000000000, 1, slice_make(event, sizeof event)};
    bool interrupted = true;
    unsigned at = 0;

    (void)state;
    while (interrupted) {
        struct journal *j;
        assert_int_equal(shelf_setup(NULL), 0);
        calls_fail("fallocate", ++at, EINTR);
        j = shelf_open();
        for (uint64_t bytes = 0; bytes < DISK_STEP * 5 / 4; bytes += sizeof event) {
            assert_int_equal(journal_append(j, 5, &r), 0);
            assert_int_equal(journal_commit(j), 0);
        }
        journal_close(j);
        interrupted = calls_end();
        assert_int_equal(shelf_teardown(NULL), 0);
    }
    assert_true(at > 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_growth_that_is_interrupted_is_gone_on_with),
        test(a_file_is_replaced_or_stays_whatever_fails),
        test(an_interrupted_call_is_made_again),
        test(a_read_that_fails_is_told),
        test(a_name_that_cannot_be_given_leaves_no_file),
        test(a_file_without_a_folder_is_in_the_one_we_are_in),
        test(a_piece_that_cannot_be_read_is_never_taken_for_empty),
        test(a_key_is_made_whole_or_the_failure_told),
        test(without_curve_there_are_no_keys),
        test(a_folder_that_cannot_be_made_or_taken_is_told),
        test(endpoints_that_cannot_be_taken_away_are_an_error),
        test(an_endpoint_too_long_for_a_key_file_is_left_out),
        test(rights_that_cannot_be_read_leave_the_old_ones),
        test(a_file_in_the_middle_of_being_written_is_waited_for),
        test(a_new_file_in_its_place_is_waited_for_until_it_is_whole),
        test(a_file_that_goes_is_said_once_and_changes_nothing),
        test(a_rate_goes_on_over_a_change_of_the_file),
        test(those_turned_away_are_counted_and_told_in_turn),
        test(a_new_key_is_granted_or_leaves_nothing_behind),
        test(a_revocation_that_cannot_be_written_is_told),
        test(a_name_that_is_taken_and_a_right_that_cannot_be_are_refused),
        test(keys_of_every_kind_are_listed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
