/* Key files, the folder they are in, and changes of the rights file's text. */
#include "proto/error.h"
#include "proto/file.h"
#include "proto/keyring.h"
#include "proto/link.h"
#include "workers/cli/rights_edit.h"

#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define HEX_A "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define HEX_B "10112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static char folder[128];

static int setup(void **state)
{
    const char *tmp = getenv("TMPDIR");

    (void)state;
    snprintf(folder, sizeof folder, "%s/keys.XXXXXX", tmp ? tmp : "/tmp");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *s, int type, struct FTW *where)
{
    (void)s, (void)type, (void)where;
    return remove(path);
}

static int teardown(void **state)
{
    (void)state;
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static const char *in_folder(const char *name)
{
    static char path[256];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* ---- the text ---- */

#define PAIR "name = feed\npublic = " HEX_A "\nsecret = " HEX_B "\n"

static void a_file_is_read_again_as_it_was_written(void **state)
{
    struct keyfile k = {.name = "feed",
                        .public = HEX_A,
                        .secret = HEX_B,
                        .broker = HEX_A,
                        .publish = "tcp://h:1",
                        .read = "tcp://h:2"},
                   back;
    struct buffer text = {0};
    char why[200] = "";

    (void)state;
    keyfile_format(&k, &text);
    assert_int_equal(keyfile_parse(buffer_slice(&text), &back, why, sizeof why), 0);
    assert_memory_equal(&back, &k, sizeof k);
    keyfile_forget(&back);
    assert_string_equal(back.secret, "");
    buffer_free(&text);
}

static void what_need_not_be_there_may_be_absent(void **state)
{
    struct keyfile k;
    char why[200] = "";

    (void)state;
    assert_int_equal(keyfile_parse(slice_of("# mine\n" PAIR), &k, why, sizeof why), 0);
    assert_string_equal(k.broker, "");
    assert_string_equal(k.publish, "");
    assert_string_equal(k.read, "");
}

static void a_fault_is_told_without_the_secret(void **state)
{
    static const char *const bad[][2] = {
        {"", "there is no name"},
        {"name = feed\n", "there is no public"},
        {"name = feed\npublic = " HEX_A, "there is no secret"},
        {PAIR "name = feed", "line 4: name is given twice"},
        {PAIR "[x]", "line 4: this line is not `name = value`"},
        {PAIR "what", "line 4: this line is not `name = value`"},
        {PAIR "colour = red", "line 4: this line is not one of a key file"},
        {PAIR "broker = " HEX_A "0",
         "line 4: broker is not 64 hexadecimal digits in small letters"},
        {PAIR "publish = ", "line 4: publish is no endpoint"},
        {PAIR "publish = tcp://a b", "line 4: publish is no endpoint"},
        {"name = ../x", "line 1: name is no name"},
        {"secret = 10112233445566778899AABBCCDDEEFF",
         "line 1: secret is not 64 hexadecimal digits in small letters"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct keyfile k = {.name = "before"};
        char why[200] = "";
        assert_int_equal(keyfile_parse(slice_of(bad[i][0]), &k, why, sizeof why), ERR_CONFIG);
        assert_string_equal(why, bad[i][1]);
        assert_string_equal(k.name, "before");
        assert_null(strstr(why, "10112233"));
    }
}

static void hexadecimal_goes_both_ways(void **state)
{
    uint8_t raw[KEY_BYTES];
    char hex[KEY_HEX + 1];

    (void)state;
    key_from_hex(HEX_A, raw);
    assert_int_equal(raw[1], 0x11);
    assert_int_equal(raw[15], 0xff);
    key_to_hex(raw, hex);
    assert_string_equal(hex, HEX_A);
    assert_true(key_is_hex(slice_of(hex)));
    hex[3] = 'A';
    assert_false(key_is_hex(slice_of(hex)));
}

/* ---- the disk ---- */

static void a_file_is_its_owners_and_never_overwritten(void **state)
{
    struct keyfile k = {.name = "feed", .public = HEX_A, .secret = HEX_B}, back;
    const char *path = in_folder("feed.key");
    bool wide = true;
    char why[200];
    struct stat s;

    (void)state;
    assert_int_equal(keyfile_write(path, &k), 0);
    assert_int_equal(stat(path, &s), 0);
    assert_int_equal(s.st_mode & 07777, 0600);
    assert_int_equal(keyfile_read(path, &back, &wide, why, sizeof why), 0);
    assert_false(wide);
    assert_memory_equal(&back, &k, sizeof k);
    strcpy(k.name, "other");
    assert_int_equal(keyfile_write(path, &k), ERR_CONFLICT);
    assert_int_equal(keyfile_read(path, &back, &wide, why, sizeof why), 0);
    assert_string_equal(back.name, "feed");
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(keyfile_read(path, &back, &wide, why, sizeof why), 0);
    assert_true(wide);
}

static void a_file_that_cannot_be_read_is_told_by_name(void **state)
{
    static const char nulls[9000];
    struct keyfile k;
    char why[300], expected[300];

    (void)state;
    snprintf(expected, sizeof expected, "%s: No such file or directory", in_folder("none"));
    assert_int_equal(keyfile_read(in_folder("none"), &k, NULL, why, sizeof why), ERR_CONFIG);
    assert_string_equal(why, expected);
    assert_int_equal(file_write(in_folder("long"), slice_make(nulls, sizeof nulls), 0600, true), 0);
    assert_int_equal(keyfile_read(in_folder("long"), &k, NULL, why, sizeof why), ERR_CONFIG);
    assert_non_null(strstr(why, "longer than 4096 bytes"));
}

static void a_file_is_replaced_in_one_step_or_not_at_all(void **state)
{
    struct buffer text = {0};
    const char *path = in_folder("f");

    (void)state;
    assert_int_equal(file_write(path, slice_of("one"), 0644, false), 0);
    assert_int_equal(file_write(path, slice_of("two"), 0644, false), ERR_CONFLICT);
    assert_int_equal(file_write(path, slice_of("three"), 0600, true), 0);
    assert_int_equal(file_read(path, 100, &text, NULL), 0);
    assert_true(slice_is(buffer_slice(&text), "three"));
    assert_int_equal(file_write(in_folder("no/f"), slice_of("x"), 0600, true), ERR_IO);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(file_write(folder, slice_of("x"), 0600, true), ERR_IO); /* it is a folder */
    assert_int_equal(file_read(folder, 10, &text, NULL), ERR_IO);
    buffer_free(&text);
}

static void the_brokers_key_is_made_once(void **state)
{
    struct keyfile first, again;
    char why[200];
    struct stat s;

    (void)state;
    assert_int_equal(keyring_broker(folder, &first, why, sizeof why), 0);
    assert_int_equal(keyring_broker(folder, &again, why, sizeof why), 0);
    assert_memory_equal(&first, &again, sizeof first);
    assert_true(link_keys_match(&first));
    assert_int_equal(stat(in_folder("keys"), &s), 0);
    assert_int_equal(s.st_mode & 07777, 0700);
}

/* Whoever comes second takes the first one's. */
static void who_makes_it_at_once_have_the_same(void **state)
{
    struct keyfile k;
    char why[200];
    int pipes[2];

    (void)state;
    assert_int_equal(pipe(pipes), 0);
    for (int i = 0; i < 8; i++)
        if (fork() == 0) {
            int err = keyring_broker(folder, &k, why, sizeof why);
            _exit(err < 0 || write(pipes[1], k.public, KEY_HEX) != KEY_HEX);
        }
    for (int i = 0; i < 8; i++) {
        int status = -1;
        wait(&status);
        assert_int_equal(status, 0);
    }
    assert_int_equal(keyring_broker(folder, &k, why, sizeof why), 0);
    for (int i = 0; i < 8; i++) {
        char hex[KEY_HEX + 1] = "";
        assert_int_equal(read(pipes[0], hex, KEY_HEX), KEY_HEX);
        assert_string_equal(hex, k.public);
    }
    close(pipes[0]);
    close(pipes[1]);
}

static void a_new_key_knows_the_broker_and_where_it_is(void **state)
{
    struct keyfile broker, k;
    char why[300];

    (void)state;
    assert_int_equal(keyring_endpoints_write(folder, "tcp://h:1", "tcp://h:2"), 0);
    assert_int_equal(keyring_new(folder, "feed", &k, why, sizeof why), 0);
    assert_int_equal(keyring_broker(folder, &broker, why, sizeof why), 0);
    assert_string_equal(k.broker, broker.public);
    assert_string_equal(k.publish, "tcp://h:1");
    assert_string_equal(k.read, "tcp://h:2");
    assert_true(link_keys_match(&k));
    assert_int_equal(keyring_new(folder, "feed", &k, why, sizeof why), ERR_CONFLICT);
    assert_non_null(strstr(why, "feed.key is there already"));
    assert_int_equal(keyring_endpoints_write(folder, NULL, NULL), 0);
    assert_int_equal(keyring_endpoints_write(folder, NULL, NULL), 0);
    assert_int_equal(keyring_new(folder, "later", &k, why, sizeof why), 0);
    assert_string_equal(k.publish, "");
}

static void a_brokers_key_that_is_no_pair_is_refused(void **state)
{
    struct keyfile k = {.name = "broker", .public = HEX_A, .secret = HEX_B};
    char why[300];

    (void)state;
    assert_int_equal(mkdir(in_folder("keys"), 0700), 0);
    assert_int_equal(keyfile_write(in_folder("keys/broker.key"), &k), 0);
    assert_int_equal(keyring_broker(folder, &k, why, sizeof why), ERR_CONFIG);
    assert_non_null(strstr(why, "the public key is not that of the secret one"));
    assert_int_equal(keyring_new(folder, "feed", &k, why, sizeof why), ERR_CONFIG);
}

static void a_brokers_key_that_others_can_read_is_refused(void **state)
{
    struct keyfile k;
    char why[300];

    (void)state;
    assert_int_equal(keyring_broker(folder, &k, why, sizeof why), 0);
    assert_int_equal(chmod(in_folder("keys/broker.key"), 0640), 0);
    assert_int_equal(keyring_broker(folder, &k, why, sizeof why), ERR_CONFIG);
    assert_non_null(strstr(why, "chmod 600"));
    assert_int_equal(keyring_new(folder, "feed", &k, why, sizeof why), ERR_CONFIG);
    assert_int_equal(chmod(in_folder("keys/broker.key"), 0600), 0);
    assert_int_equal(keyring_broker(folder, &k, why, sizeof why), 0);
}

static void where_no_folder_can_be_is_told(void **state)
{
    struct keyfile k;
    char why[300];

    (void)state;
    assert_int_equal(keyring_broker(in_folder("no/where"), &k, why, sizeof why), ERR_CONFIG);
    assert_non_null(strstr(why, "No such file or directory"));
}

/* ---- changes of the rights file ---- */

static void assert_text(struct buffer *text, const char *expected)
{
    buffer_add(text, "", 1);
    assert_string_equal(text->at, expected);
    buffer_free(text);
}

static void a_section_is_added_at_the_end(void **state)
{
    struct rights_wish all = {"publish", "s", "vote", "A | B*", "5", false};
    struct rights_wish watch = {.may = "watch", .participants = true};
    struct buffer text = {0}, more = {0}, bare = {0};

    (void)state;
    rights_add(slice_of(""), "a", HEX_A, &all, &text);
    rights_add(buffer_slice(&text), "b", HEX_B, &watch, &more);
    assert_text(&text, "[a]\nkey = " HEX_A "\nmay = publish\nsource = s\ntypes = vote\n"
                       "committees = A | B*\nrate = 5\n");
    assert_text(&more, "[a]\nkey = " HEX_A "\nmay = publish\nsource = s\ntypes = vote\n"
                       "committees = A | B*\nrate = 5\n\n[b]\nkey = " HEX_B
                       "\nmay = watch\nparticipants = yes\n");
    rights_add(slice_of("# no line's end"), "a", HEX_A, &watch, &bare);
    assert_text(&bare,
                "# no line's end\n\n[a]\nkey = " HEX_A "\nmay = watch\nparticipants = yes\n");
}

static void a_revocation_stands_in_its_section_and_changes_nothing_else(void **state)
{
    static const char before[] = "# ours\n[a] # first\nkey = " HEX_A "\nmay = work\n\n"
                                 "# of b\n[b]\nkey = " HEX_B "\nmay = work # still";
    struct buffer text = {0}, more = {0};

    (void)state;
    assert_int_equal(rights_revoke(slice_of(before), "c", 0, &text), ERR_AGAIN);
    assert_int_equal(rights_revoke_faulty(slice_of(before), "c", 0, &text), ERR_AGAIN);
    assert_int_equal(text.size, 0);
    assert_int_equal(rights_revoke(slice_of(before), "a", 0, &text), 0);
    assert_int_equal(rights_revoke(buffer_slice(&text), "b", 1, &more), 0);
    assert_text(&text, "# ours\n[a] # first\nkey = " HEX_A "\nmay = work\nrevoked = 1970-01-01\n\n"
                       "# of b\n[b]\nkey = " HEX_B "\nmay = work # still");
    assert_text(&more, "# ours\n[a] # first\nkey = " HEX_A "\nmay = work\nrevoked = 1970-01-01\n\n"
                       "# of b\n[b]\nkey = " HEX_B "\nmay = work # still\nrevoked = 1970-01-02\n");
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_read_again_as_it_was_written),
        cmocka_unit_test(what_need_not_be_there_may_be_absent),
        cmocka_unit_test(a_fault_is_told_without_the_secret),
        cmocka_unit_test(hexadecimal_goes_both_ways),
        test(a_file_is_its_owners_and_never_overwritten),
        test(a_file_that_cannot_be_read_is_told_by_name),
        test(a_file_is_replaced_in_one_step_or_not_at_all),
        test(the_brokers_key_is_made_once),
        test(who_makes_it_at_once_have_the_same),
        test(a_new_key_knows_the_broker_and_where_it_is),
        test(a_brokers_key_that_is_no_pair_is_refused),
        test(a_brokers_key_that_others_can_read_is_refused),
        test(where_no_folder_can_be_is_told),
        cmocka_unit_test(a_section_is_added_at_the_end),
        cmocka_unit_test(a_revocation_stands_in_its_section_and_changes_nothing_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
