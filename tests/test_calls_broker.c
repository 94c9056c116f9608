/* Calls fail under the broker, one after the other: of the operating system, LMDB and ZeroMQ, while
 * it opens, while its journal is written, read, checked and copied, and while links send.  Whoever
 * asked is told; no acknowledged event is lost, and nothing that was opened stays open. */
#include "broker/broker.h"
#include "broker/check.h"
#include "broker/guard.h"
#include "broker/recent.h"
#include "broker/selftest.h"
#include "broker/snapshot.h"
#include "proto/error.h"
#include "proto/file.h"
#include "proto/link.h"
#include "tests/calls.h"
#include "tests/peer.h"
#include "tests/port.h"
#include "tests/shelf.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include <cmocka.h>

#define CALLS_MOST 400

static const char *in_folder(const char *name)
{
    static char paths[4][600];
    static unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof *paths, "%s/%s", shelf_folder, name);
    return path;
}

static unsigned files_open(void)
{
    DIR *d = opendir("/proc/self/fd");
    unsigned n = 0;

    assert_non_null(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

/* ---- the journal ---- */

struct kept {
    char events[64]; /* acknowledged */
    unsigned errors; /* told */
};

static void kept_round(struct kept *k, struct journal *j, const char *events)
{
    struct buffer out = {0};
    int err;

    shelf_stage(j, 0, events);
    err = journal_commit(j);
    k->errors += err < 0;
    if (err == 0)
        strcat(k->events, events);
    if (shelf_read(j, 0, 0, &out) < 0)
        k->errors++;
    else if (err == 0)
        assert_true(slice_is(buffer_slice(&out), k->events));
    buffer_free(&out);
}

/* A commit large enough for all before it to go into the trees; of another partition. */
static void kept_move(struct kept *k, struct journal *j)
{
    static const char event[RECENT_STAGE];
    struct record r = {slice_of("local"), 1700000000000, 1, slice_make(event, sizeof event)};

    journal_append(j, 5, &r);
    k->errors += journal_commit(j) < 0;
}

/* A journal is opened, written and read; ends at the first error that a broker would end at. */
static struct kept keep(void)
{
    struct kept k = {.events = ""};
    struct journal *j = NULL;

    if (shelf_try(SHELF_BYTES, 8, &j) < 0) {
        k.errors++;
        return k;
    }
    kept_round(&k, j, "abc");
    if (!k.errors)
        kept_move(&k, j);
    if (!k.errors)
        kept_round(&k, j, "de");
    journal_close(j);
    return k;
}

/* What was acknowledged is there; what was not may be, whole. */
static void assert_kept(const struct kept *k)
{
    static const char *const states[] = {"", "abc", "abcde"};
    struct buffer out = {0};
    struct journal *j = NULL;
    bool known = false;

    assert_int_equal(shelf_try(SHELF_BYTES, 8, &j), 0);
    assert_int_equal(shelf_read(j, 0, 0, &out), 0);
    for (int i = 0; i < 3; i++)
        known |= slice_is(buffer_slice(&out), states[i]) && strlen(states[i]) >= strlen(k->events);
    assert_true(known);
    journal_close(j);
    buffer_free(&out);
}

static void every_call_fails(const char *only, int code)
{
    unsigned at = 1, before = files_open();
    struct kept k;

    for (;; at++) {
        assert_true(at < CALLS_MOST);
        assert_int_equal(shelf_setup(NULL), 0);
        calls_fail(only, at, code);
        k = keep();
        if (!calls_end())
            break;
        assert_kept(&k);
        assert_int_equal(files_open(), before);
        assert_int_equal(shelf_teardown(NULL), 0);
    }
    assert_int_equal(k.errors, 0);
    assert_string_equal(k.events, "abcde");
    assert_int_equal(shelf_teardown(NULL), 0);
    assert_true(at > 1);
}

static void whatever_lmdb_answers_nothing_acknowledged_is_lost(void **state)
{
    (void)state;
    every_call_fails("mdb_", EIO);
    every_call_fails("mdb_", ENOSPC);
    every_call_fails("mdb_", -30796); /* MDB_CORRUPTED */
    every_call_fails("mdb_", -30794); /* MDB_VERSION_MISMATCH */
}

static void whatever_the_system_answers_nothing_acknowledged_is_lost(void **state)
{
    static const char *const calls[] = {"open", "f", "pread"};

    (void)state;
    for (int i = 0; i < 3; i++) {
        every_call_fails(calls[i], EIO);
        every_call_fails(calls[i], ENOSPC);
    }
    every_call_fails("fallocate", EOPNOTSUPP);
}

/* Where the log's first block is in the file: with the first frame. */
static off_t log_place(void)
{
    struct buffer file = {0};
    const char *found;

    assert_int_equal(file_read(shelf_path(), (size_t)1 << 28, &file, NULL), 0);
    found = memmem(file.at, file.size, "TRNTFRAM", 8);
    assert_non_null(found);
    off_t place = found - file.at;
    buffer_free(&file);
    return place;
}

/* A sector that the disk does not give back, in each block of the write-ahead log in turn: there is
 * another copy of whatever stood there. */
static void one_block_of_the_log_that_cannot_be_read_keeps_nothing_back(void **state)
{
    enum { COMMITS = 20, BLOCK = 4096 };
    struct journal *j = shelf_open();
    off_t place;

    (void)state;
    for (int i = 0; i < COMMITS; i++) {
        shelf_append(j, 0, "e");
        assert_int_equal(journal_commit(j), 0);
    }
    journal_close(j);
    place = log_place();
    for (int block = 0; block < 2 * COMMITS + 20; block++) {
        calls_lose(place + block * BLOCK, 512);
        assert_int_equal(shelf_try(SHELF_BYTES, 8, &j), 0);
        assert_int_equal(journal_end(j, 0), COMMITS);
        journal_close(j);
    }
    calls_lose(place + 4 * BLOCK, 2 * BLOCK); /* both copies */
    assert_int_equal(shelf_try(SHELF_BYTES, 8, &j), ERR_IO);
    calls_lose(place - BLOCK, 512); /* the head */
    assert_int_equal(shelf_try(SHELF_BYTES, 8, &j), ERR_IO);
    calls_lose(0, 0);
}

/* ---- check and copy ---- */

static void journal_make(void)
{
    struct journal *j = NULL;
    struct journal_config c = {in_folder("journal"), SHELF_BYTES, 8, 0};

    assert_int_equal(mkdir(c.folder, 0700), 0);
    assert_int_equal(journal_open(&c, &j), 0);
    shelf_append(j, 1, "events");
    shelf_move(j, 1);
    shelf_append(j, 1, "ahead");
    assert_int_equal(journal_commit(j), 0);
    journal_close(j);
}

static void a_copy_is_whole_or_not_there(void **state)
{
    static const int codes[] = {EIO, ENOSPC, -30797 /* MDB_PAGE_NOTFOUND */};
    char copy[600];
    unsigned at, before;

    (void)state;
    journal_make();
    snprintf(copy, sizeof copy, "%s/copy", shelf_folder);
    before = files_open();
    for (int i = 0; i < 3; i++)
        for (at = 1;; at++) {
            int status;
            assert_true(at < CALLS_MOST);
            calls_fail(NULL, at, codes[i]);
            status = backup_journal(shelf_folder, copy);
            if (!calls_end())
                break;
            if (access(copy, F_OK) == 0)
                assert_int_equal(check_journal(NULL, copy, false), 0);
            else
                assert_int_not_equal(status, EX_OK);
            assert_int_equal(access(in_folder("copy.part"), F_OK), -1);
            assert_int_equal(files_open(), before);
            unlink(copy);
        }
    assert_true(at > 10);
    assert_int_equal(check_journal(NULL, copy, true), 0);
}

static void a_check_that_cannot_read_says_so(void **state)
{
    unsigned at;
    int status;

    (void)state;
    journal_make();
    for (at = 1;; at++) {
        assert_true(at < CALLS_MOST);
        calls_fail(NULL, at, EIO);
        status = check_journal(shelf_folder, NULL, at % 2);
        if (!calls_end())
            break;
        assert_true(status == EX_OK || status == EX_IOERR || status == EXIT_FAILURE);
    }
    assert_int_equal(status, EX_OK);
    assert_true(at > 5);
}

static void what_is_no_journal_is_neither_checked_nor_copied(void **state)
{
    char here[600];

    (void)state;
    assert_int_equal(check_journal(shelf_folder, NULL, false), EX_UNAVAILABLE);
    assert_int_equal(check_journal(NULL, in_folder("none"), false), EX_UNAVAILABLE);
    assert_int_equal(backup_journal(shelf_folder, in_folder("copy")), EX_UNAVAILABLE);
    assert_int_equal(backup_journal(shelf_folder, in_folder("no/copy")), EX_IOERR);
    assert_int_equal(file_write(in_folder("empty"), slice_of(""), 0600, true), 0);
    assert_int_equal(check_journal(NULL, in_folder("empty"), false), EXIT_FAILURE);
    assert_int_equal(file_write(in_folder("noise"), slice_of("noise"), 0600, true), 0);
    assert_int_not_equal(check_journal(NULL, in_folder("noise"), false), EX_OK);
    journal_make();
    assert_int_equal(backup_journal(shelf_folder, in_folder("journal")), EX_IOERR); /* a folder */
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(chdir(shelf_folder), 0);
    assert_int_equal(backup_journal(".", "copy"), EX_OK);
    assert_int_equal(chdir(here), 0);
    assert_int_equal(check_journal(NULL, in_folder("copy"), false), EX_OK);
}

/* A name in the journal's folder would be taken from the broker's own file; and what is being
 * written by another backup would be named before it is whole. */
static void a_copy_is_written_where_nothing_else_is(void **state)
{
    static const char *const own[] = {"journal/data.mdb", "journal/lock.mdb", "journal/broker.lock",
                                      "journal/copy"};
    int fd;

    (void)state;
    journal_make();
    for (int i = 0; i < 4; i++)
        assert_int_equal(backup_journal(shelf_folder, in_folder(own[i])), EX_USAGE);
    fd = open(in_folder("copy.part"), O_RDWR | O_CREAT, 0600);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_int_equal(backup_journal(shelf_folder, in_folder("copy")), EX_TEMPFAIL);
    assert_int_equal(access(in_folder("copy"), F_OK), -1);
    assert_int_equal(access(in_folder("copy.part"), F_OK), 0);
    close(fd);
    assert_int_equal(backup_journal(shelf_folder, in_folder("copy")), EX_OK);
    assert_int_equal(link(in_folder("journal/data.mdb"), in_folder("copy.part")), 0);
    assert_int_equal(backup_journal(shelf_folder, in_folder("copy")), EX_IOERR);
    unlink(in_folder("copy.part"));
    assert_int_equal(symlink("journal/data.mdb", in_folder("copy.part")), 0);
    assert_int_equal(backup_journal(shelf_folder, in_folder("copy")), EX_IOERR);
    assert_int_equal(check_journal(shelf_folder, NULL, false), EX_OK);
    assert_int_equal(check_journal(NULL, in_folder("copy"), false), EX_OK);
}

static void a_damaged_journal_is_not_copied(void **state)
{
    (void)state;
    journal_make();
    shelf_damage(in_folder("journal/data.mdb"), "events", 2, 'X');
    assert_int_equal(check_journal(shelf_folder, NULL, false), EXIT_FAILURE);
    assert_int_equal(check_journal(shelf_folder, NULL, true), EXIT_FAILURE);
    assert_int_equal(backup_journal(shelf_folder, in_folder("copy")), EXIT_FAILURE);
    assert_int_equal(access(in_folder("copy"), F_OK), -1);
}

/* ---- the broker opens ---- */

/* Opens under failing calls; what opened serves. */
static void opens_or_tells(const char *only, const char *tcp, int code)
{
    struct broker_config c = {
        .dir = peer_folder, .tcp = tcp, .journal_bytes = SHELF_BYTES, .memory_bytes = GUARD_MEMORY};
    unsigned at, told = 0;

    for (at = 1;; at++) {
        struct broker *b = NULL;
        int err;
        assert_true(at < CALLS_MOST);
        calls_fail(only, at, code);
        err = broker_open(&c, &b);
        bool failed = calls_end();
        assert_int_equal(err < 0, b == NULL);
        told += err < 0;
        if (b)
            assert_int_equal(broker_round(b, -1, 0), 0);
        broker_close(b);
        if (!failed)
            break;
    }
    assert_true(told > 0);
}

static void a_broker_opens_or_tells_why_not(void **state)
{
    (void)state;
    opens_or_tells("open", NULL, EIO);
    opens_or_tells("mkdir", NULL, EACCES);
    opens_or_tells("flock", NULL, EIO);
    opens_or_tells("pthread_create", NULL, EAGAIN);
    opens_or_tells("zmq_", NULL, EMFILE);
}

static void an_endpoint_with_keys_opens_or_tells_why_not(void **state)
{
    static const char *const calls[] = {"zmq_ctx_new", "zmq_socket",  "zmq_bind", "zmq_connect",
                                        "zmq_has",     "zmq_getsock", "zmq_curve"};
    char tcp[64];

    (void)state;
    snprintf(tcp, sizeof tcp, "127.0.0.1:%u", port_pair());
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        opens_or_tells(calls[i], tcp, EMFILE);
    opens_or_tells("rename", tcp, EIO); /* of the file that names the endpoints */
}

static void one_gate_is_enough(void **state)
{
    struct link *gate, *second = NULL;

    (void)state;
    assert_int_equal(link_gate(&gate), 0);
    assert_int_equal(link_gate(&second), ERR_LOCKED);
    assert_null(second);
    link_close(gate, 0);
}

static void a_guard_that_cannot_look_does_not_start(void **state)
{
    static const char *const calls[] = {"open", "opendir", "pthread_create"};
    struct guard_config c = {.memory_bytes = GUARD_MEMORY, .connections = GUARD_CONNECTIONS_LEAST};
    struct guard *g = NULL;
    unsigned before = files_open();

    (void)state;
    for (int i = 0; i < 3; i++) {
        calls_fail(calls[i], 1, EMFILE);
        assert_int_equal(guard_start(&c, &g), ERR_IO);
        assert_true(calls_end());
        assert_int_equal(files_open(), before);
    }
    assert_null(g);
    guard_stop(NULL);
    assert_int_equal(guard_greet(NULL, 3), 0);
    guard_leave(NULL, 3, 1);
    assert_int_equal(guard_counts(NULL).connections, 0);
}

/* ---- links ---- */

static struct link *server, *client;

static int links_open(void **state)
{
    char endpoint[600];

    if (shelf_setup(state) < 0)
        return -1;
    snprintf(endpoint, sizeof endpoint, "ipc://%s", in_folder("s"));
    assert_int_equal(link_bind(endpoint, &server), 0);
    assert_int_equal(link_connect(endpoint, &client), 0);
    return 0;
}

static int links_close(void **state)
{
    link_close(client, 0);
    link_close(server, 0);
    return shelf_teardown(state);
}

static int say(const char *header, const char *payload)
{
    struct slice part = slice_of(payload);

    return link_send(client, slice_make(NULL, 0), slice_of(header), &part, 1);
}

static struct link_message hear(void)
{
    struct link_message m;

    while (link_receive(server, &m) == ERR_AGAIN)
        link_wait(&server, 1, -1, 1000);
    return m;
}

static void an_interrupted_message_arrives_once(void **state)
{
    struct link_message m;

    (void)state;
    for (unsigned at = 1; at <= 3; at++) {
        calls_fail("zmq_msg_send", at, EINTR);
        assert_int_equal(say("header", "payload"), 0);
        assert_true(calls_end());
        calls_fail("zmq_msg_recv", at, EINTR);
        m = hear();
        assert_true(calls_end());
        assert_true(slice_is(m.header, "header") && slice_is(m.payload, "payload"));
        assert_int_equal(link_receive(server, &m), ERR_AGAIN);
    }
}

/* A peer that goes in the middle of a message has lost it, and the next begins where it should. */
static void a_message_that_breaks_off_is_lost_and_no_other(void **state)
{
    struct link_message m;

    (void)state;
    calls_fail("zmq_msg_send", 1, EAGAIN);
    assert_int_equal(say("a", "b"), ERR_AGAIN);
    assert_true(calls_end());
    for (unsigned at = 1; at <= 4; at++) {
        assert_int_equal(say("who", "are you"), 0);
        m = hear();
        calls_fail("zmq_msg_send", at, EHOSTUNREACH);
        assert_int_equal(link_send(server, m.peer, slice_of("h"), &m.payload, 1), ERR_LOST);
        assert_true(calls_end());
        if (at > 1) { /* ours has it in pieces: as foreign as any */
            link_close(client, 0);
            char endpoint[600];
            snprintf(endpoint, sizeof endpoint, "ipc://%s", in_folder("s"));
            assert_int_equal(link_connect(endpoint, &client), 0);
        }
    }
    assert_int_equal(link_send(server, slice_of(""), slice_of("h"), NULL, 0), ERR_LOST);
    assert_int_equal(link_send(server, slice_of("\x09who"), slice_of("h"), NULL, 0), ERR_LOST);
}

static void an_interrupted_wait_tells_nothing(void **state)
{
    (void)state;
    assert_int_equal(say("a", "b"), 0);
    hear();
    calls_fail("zmq_poll", 1, EINTR);
    assert_int_equal(link_wait(&server, 1, -1, 100000), 0);
    assert_true(calls_end());
}

static void a_context_is_ended_however_often_that_is_interrupted(void **state)
{
    struct link *l;
    unsigned before;

    (void)state;
    assert_int_equal(link_connect("tcp://127.0.0.1:1", &l), 0);
    link_close(l, 0);
    before = files_open();
    assert_int_equal(link_connect("tcp://127.0.0.1:1", &l), 0);
    calls_fail("zmq_ctx_term", 1, EINTR);
    link_close(l, 0);
    assert_true(calls_end());
    assert_int_equal(files_open(), before);
}

static void errors_of_zeromq_are_told_apart(void **state)
{
    static const struct {
        int code, err;
    } cases[] = {{EINVAL, ERR_CONFIG},       {EPROTONOSUPPORT, ERR_CONFIG},
                 {ENAMETOOLONG, ERR_CONFIG}, {EADDRINUSE, ERR_CONFIG},
                 {EMFILE, ERR_IO},           {EINTR, ERR_AGAIN},
                 {EHOSTUNREACH, ERR_LOST}};
    struct link *l = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        calls_fail("zmq_connect", 1, cases[i].code);
        assert_int_equal(link_connect("ipc:///tmp/x", &l), cases[i].err);
        assert_true(calls_end());
    }
    calls_fail("zmq_ctx_new", 1, EMFILE);
    assert_int_equal(link_connect("ipc:///tmp/x", &l), ERR_IO);
    assert_true(calls_end());
    calls_fail("zmq_socket_monitor", 1, EMFILE);
    assert_int_equal(link_connect("tcp://127.0.0.1:1", &l), ERR_IO);
    assert_true(calls_end());
    calls_fail("zmq_socket", 3, EMFILE); /* socket, its monitor, and the monitor's socket */
    assert_int_equal(link_connect("tcp://127.0.0.1:1", &l), ERR_IO);
    assert_true(calls_end());
    assert_null(l);
}

#define with_shelf(name) cmocka_unit_test_setup_teardown(name, shelf_setup, shelf_teardown)
#define with_peer(name)  cmocka_unit_test_setup_teardown(name, peer_setup, peer_teardown)
#define with_links(name) cmocka_unit_test_setup_teardown(name, links_open, links_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_lmdb_answers_nothing_acknowledged_is_lost),
        cmocka_unit_test(whatever_the_system_answers_nothing_acknowledged_is_lost),
        with_shelf(one_block_of_the_log_that_cannot_be_read_keeps_nothing_back),
        with_shelf(a_copy_is_whole_or_not_there),
        with_shelf(a_check_that_cannot_read_says_so),
        with_shelf(what_is_no_journal_is_neither_checked_nor_copied),
        with_shelf(a_copy_is_written_where_nothing_else_is),
        with_shelf(a_damaged_journal_is_not_copied),
        with_peer(a_broker_opens_or_tells_why_not),
        with_peer(an_endpoint_with_keys_opens_or_tells_why_not),
        cmocka_unit_test(one_gate_is_enough),
        cmocka_unit_test(a_guard_that_cannot_look_does_not_start),
        with_links(an_interrupted_message_arrives_once),
        with_links(a_message_that_breaks_off_is_lost_and_no_other),
        with_links(an_interrupted_wait_tells_nothing),
        cmocka_unit_test(a_context_is_ended_however_often_that_is_interrupted),
        cmocka_unit_test(errors_of_zeromq_are_told_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
