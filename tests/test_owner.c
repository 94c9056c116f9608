/* `turnout keys` run by root in a folder that belongs to another account, which may have put links
 * there: root's files stay root's, and nothing of root's is made or read elsewhere.  Without root's
 * rights there is nothing to show. */
#include "proto/error.h"
#include "proto/file.h"
#include "proto/keyring.h"
#include "tests/shelf.h"
#include "workers/cli/cli.h"
#include "workers/cli/owner.h"
#include "workers/cli/rights_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define OTHER 4711 /* neither user nor group of anybody */

static const char *in_folder(const char *name)
{
    static char paths[8][600];
    static unsigned next;
    char *path = paths[next++ % 8];

    snprintf(path, sizeof *paths, "%s/%s", shelf_folder, name);
    return path;
}

static struct stat look(const char *path)
{
    struct stat s;

    if (lstat(path, &s) < 0)
        fail_msg("%s: %s", path, strerror(errno));
    return s;
}

/* DIR is the other account's, "own" is root's. */
static int setup(void **state)
{
    if (shelf_setup(state) < 0)
        return -1;
    if (geteuid() != 0)
        return 0;
    return chmod(shelf_folder, 0711) < 0 || mkdir(in_folder("dir"), 0750) < 0 ||
                   chown(in_folder("dir"), OTHER, OTHER) < 0 || mkdir(in_folder("own"), 0700) < 0
               ? -1
               : 0;
}

static void root_needed(void)
{
    if (geteuid() != 0)
        skip();
}

static void link_of_other(const char *to, const char *path)
{
    assert_int_equal(symlink(to, path), 0);
    assert_int_equal(lchown(path, OTHER, OTHER), 0);
}

static int keys(const char *dir, const char *a, const char *b, const char *c)
{
    const char *words[] = {"turnout keys", "--dir", dir, a, b, c, NULL};
    int count = 3, status;

    while (words[count])
        count++;
    status = cli_keys(count, (char **)words);
    assert_int_equal(geteuid(), getuid());
    return status;
}

static void assert_of_other(const char *path, mode_t mode)
{
    struct stat s = look(path);

    assert_int_equal(s.st_uid, OTHER);
    assert_int_equal(s.st_gid, OTHER);
    assert_int_equal(s.st_mode & 07777, mode);
}

static void what_root_makes_is_the_folders_owners(void **state)
{
    (void)state;
    root_needed();
    assert_int_equal(keys(in_folder("dir"), "new", "feed", NULL), 0);
    assert_of_other(in_folder("dir/keys"), 0700);
    assert_of_other(in_folder("dir/keys/broker.key"), 0600);
    assert_of_other(in_folder("dir/keys/feed.key"), 0600);
    assert_of_other(in_folder("dir/rights.conf"), 0640);
    assert_of_other(in_folder("dir/.rights.lock"), 0600);
    assert_int_equal(keys(in_folder("dir"), "list", NULL, NULL), 0);
    assert_int_equal(keys(in_folder("dir"), "revoke", "feed", NULL), 0);
    assert_of_other(in_folder("dir/rights.conf"), 0640);
}

static void a_lock_that_leads_to_a_file_of_roots_gives_it_to_nobody(void **state)
{
    (void)state;
    root_needed();
    assert_int_equal(file_write(in_folder("own/secret"), slice_of("s"), 0600, false), 0);
    link_of_other(in_folder("own/secret"), in_folder("dir/.rights.lock"));
    assert_int_equal(keys(in_folder("dir"), "new", "feed", NULL), 78);
    assert_int_equal(look(in_folder("own/secret")).st_uid, 0);
}

static void keys_that_lead_to_a_folder_of_roots_are_made_nowhere(void **state)
{
    (void)state;
    root_needed();
    link_of_other(in_folder("own"), in_folder("dir/keys"));
    assert_int_equal(keys(in_folder("dir"), "new", "feed", NULL), 78);
    assert_int_equal(look(in_folder("own")).st_uid, 0);
    assert_int_equal(access(in_folder("own/broker.key"), F_OK), -1);
    assert_int_equal(access(in_folder("own/feed.key"), F_OK), -1);
}

static void rights_that_lead_to_a_file_of_roots_are_neither_read_nor_changed(void **state)
{
    (void)state;
    root_needed();
    assert_int_equal(file_write(in_folder("own/secret"), slice_of("# s\n"), 0600, false), 0);
    link_of_other(in_folder("own/secret"), in_folder("dir/rights.conf"));
    assert_int_equal(keys(in_folder("dir"), "new", "feed", NULL), 78);
    assert_int_equal(keys(in_folder("dir"), "list", NULL, NULL), 78);
    assert_int_equal(look(in_folder("own/secret")).st_size, 4);
}

/* DIR itself is a link, made by another: where it leads he could not go. */
static void a_folder_that_is_anothers_link_gives_no_rights_of_roots(void **state)
{
    (void)state;
    root_needed();
    link_of_other(in_folder("own"), in_folder("link"));
    assert_int_equal(keys(in_folder("link"), "new", "feed", NULL), 78);
    assert_int_equal(keys(in_folder("link/"), "new", "feed", NULL), 78);
    assert_int_equal(access(in_folder("own/keys"), F_OK), -1);
    assert_int_equal(symlink(in_folder("dir"), in_folder("mine")), 0); /* root's is followed */
    assert_int_equal(keys(in_folder("mine"), "new", "feed", NULL), 0);
    assert_of_other(in_folder("dir/keys/feed.key"), 0600);
}

/* --rights of root's, keys of the other's: each is written as its own. */
static void rights_of_roots_stay_roots(void **state)
{
    char option[700];

    (void)state;
    root_needed();
    snprintf(option, sizeof option, "--rights=%s", in_folder("own/rights.conf"));
    assert_int_equal(keys(in_folder("dir"), option, "new", "feed"), 0);
    assert_int_equal(look(in_folder("own/rights.conf")).st_uid, 0);
    assert_of_other(in_folder("dir/keys/feed.key"), 0600);
    assert_int_equal(chmod(in_folder("own/rights.conf"), 0640), 0);
    assert_int_equal(chown(in_folder("own/rights.conf"), 0, OTHER), 0);
    assert_int_equal(keys(in_folder("dir"), option, "revoke", "feed"), 0);
    assert_int_equal(look(in_folder("own/rights.conf")).st_uid, 0);
    assert_int_equal(look(in_folder("own/rights.conf")).st_gid, OTHER);
    assert_int_equal(look(in_folder("own/rights.conf")).st_mode & 07777, 0640);
}

static void what_was_not_made_just_now_is_not_given_away(void **state)
{
    int fd;

    (void)state;
    root_needed();
    assert_int_equal(file_write(in_folder("own/secret"), slice_of("s"), 0600, false), 0);
    assert_int_equal(link(in_folder("own/secret"), in_folder("dir/also")), 0);
    fd = open(in_folder("dir/also"), O_RDONLY | O_CLOEXEC);
    assert_int_equal(file_give(fd, in_folder("dir")), ERR_IO);
    assert_int_equal(errno, EPERM);
    assert_int_equal(look(in_folder("own/secret")).st_uid, 0);
    close(fd);
}

static void without_a_folder_there_are_no_rights(void **state)
{
    (void)state;
    root_needed();
    assert_int_equal(owner_become(in_folder("none")), ERR_IO);
    assert_int_equal(owner_become(in_folder("own")), 0);
    assert_int_equal(geteuid(), 0);
    assert_int_equal(owner_become(in_folder("dir")), 0);
    assert_int_equal(geteuid(), OTHER);
    assert_int_equal(owner_become(in_folder("own")), 0); /* who is not root stays who he is */
    assert_int_equal(geteuid(), OTHER);
    assert_int_equal(owner_return(), 0);
    assert_int_equal(geteuid(), 0);
}

/* ---- without the rights to become anybody ---- */

/* In a process of its own, which gives up a capability (-1: none) or root itself.  Its status. */
static int in_a_child(int capability, uid_t user, int (*then)(void))
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct caps[2];
    pid_t pid = fork();
    int status;

    assert_true(pid >= 0);
    if (pid == 0) {
        if (user && setresuid(user, user, user) < 0)
            _exit(100);
        if (capability >= 0) {
            if (syscall(SYS_capget, &head, caps) < 0)
                _exit(101);
            caps[0].effective &= ~(1u << capability);
            caps[0].permitted &= ~(1u << capability);
            if (syscall(SYS_capset, &head, caps) < 0)
                _exit(102);
        }
        _exit(then());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int cannot_become(void)
{
    return owner_become(in_folder("dir")) == ERR_IO && errno == EPERM && geteuid() == 0 ? 0 : 1;
}

static int stays_who_it_is(void)
{
    return owner_become(in_folder("own")) == 0 && owner_return() == 0 && geteuid() == OTHER ? 0 : 1;
}

static void who_may_not_change_who_he_is_is_told(void **state)
{
    (void)state;
    root_needed();
    assert_int_equal(in_a_child(CAP_SETGID, 0, cannot_become), 0);
    assert_int_equal(in_a_child(CAP_SETUID, 0, cannot_become), 0);
    assert_int_equal(in_a_child(-1, OTHER, stays_who_it_is), 0);
}

static void a_folder_that_is_roots_link_to_nowhere_is_none(void **state)
{
    (void)state;
    root_needed();
    assert_int_equal(owner_become("/"), 0);
    assert_int_equal(symlink(in_folder("none"), in_folder("link")), 0);
    assert_int_equal(owner_become(in_folder("link")), ERR_IO);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(geteuid(), 0);
}

/* Nor is one made where the link leads to. */
static void rights_behind_a_link_to_nowhere_are_none(void **state)
{
    (void)state;
    assert_int_equal(mkdir(in_folder("plain"), 0700), 0);
    assert_int_equal(symlink(in_folder("none"), in_folder("plain/rights.conf")), 0);
    assert_int_equal(keys(in_folder("plain"), "new", "feed", NULL), 78);
    assert_int_equal(access(in_folder("none"), F_OK), -1);
    assert_int_equal(access(in_folder("plain/keys"), F_OK), -1);
    assert_int_equal(unlink(in_folder("plain/rights.conf")), 0);
    assert_int_equal(symlink("rights.conf", in_folder("plain/rights.conf")), 0); /* in a circle */
    assert_int_equal(keys(in_folder("plain"), "list", NULL, NULL), 78);
}

/* What would make the file faulty does not get into it. */
static void what_makes_no_sense_is_not_written(void **state)
{
    static const char good[] = "# mine\n";
    struct rights_file f;
    struct buffer text = {0};
    char why[512];

    (void)state;
    assert_int_equal(file_write(in_folder("rights"), slice_of(good), 0600, false), 0);
    assert_int_equal(rights_file_open(&f, in_folder("rights"), true, why, sizeof why), 0);
    assert_int_equal(rights_file_write(&f, slice_of("[half\n"), 0600, why, sizeof why), ERR_CONFIG);
    assert_non_null(strstr(why, "line 1"));
    rights_file_close(&f);
    assert_int_equal(file_read(in_folder("rights"), 100, &text, NULL), 0);
    assert_true(slice_is(buffer_slice(&text), good));
    buffer_free(&text);
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, shelf_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(what_root_makes_is_the_folders_owners),
        test(a_lock_that_leads_to_a_file_of_roots_gives_it_to_nobody),
        test(keys_that_lead_to_a_folder_of_roots_are_made_nowhere),
        test(rights_that_lead_to_a_file_of_roots_are_neither_read_nor_changed),
        test(a_folder_that_is_anothers_link_gives_no_rights_of_roots),
        test(rights_of_roots_stay_roots),
        test(what_was_not_made_just_now_is_not_given_away),
        test(without_a_folder_there_are_no_rights),
        test(who_may_not_change_who_he_is_is_told),
        test(a_folder_that_is_roots_link_to_nowhere_is_none),
        test(rights_behind_a_link_to_nowhere_are_none),
        test(what_makes_no_sense_is_not_written),
    };

    setenv("TMPDIR", "/tmp", 1); /* which the other account can enter */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
