/* Sessions over a link that the test plays: what comes, what can be sent, and the clock are the
 * test's.  Who may begin a session and as what, who ends one, what waits for room, and what becomes
 * of sessions when the rights change.
 *
 * The linker puts the functions here in the place of the link's (--wrap). */
#include "broker/session.h"
#include "proto/error.h"
#include "proto/file.h"
#include "tests/shelf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define KEY   "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER "1123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* ---- the played link ---- */

static struct {
    bool waits; /* `next` has not been received yet */
    struct link_message next;
    int send_error; /* 0: what is sent arrives */
    unsigned sent;
    struct buffer last; /* header sent last */
    char last_peer[LINK_PEER];
} played;

int __wrap_link_receive(struct link *l, struct link_message *ret);
int __wrap_link_send(struct link *l, struct slice peer, struct slice header,
                     const struct slice *parts, size_t part_count);
int __wrap_link_connection(struct link *l);

int __wrap_link_receive(struct link *l, struct link_message *ret)
{
    (void)l;
    if (!played.waits)
        return ERR_AGAIN;
    played.waits = false;
    *ret = played.next;
    return 0;
}

int __wrap_link_send(struct link *l, struct slice peer, struct slice header,
                     const struct slice *parts, size_t part_count)
{
    (void)l, (void)parts, (void)part_count;
    if (played.send_error)
        return played.send_error;
    played.sent++;
    buffer_clear(&played.last);
    buffer_add_slice(&played.last, header);
    snprintf(played.last_peer, sizeof played.last_peer, "%.*s", (int)peer.size, peer.at);
    return 0;
}

bool __wrap_link_peer_number(const struct link *l, struct slice peer, uint32_t *ret);

/* Names of one byte at most behind the socket's number are those that ZeroMQ gave. */
bool __wrap_link_peer_number(const struct link *l, struct slice peer, uint32_t *ret)
{
    (void)l;
    *ret = (unsigned char)peer.at[peer.size - 1];
    return peer.size <= 2 && (unsigned char)peer.at[0] < LINK_SOCKETS;
}

int __wrap_link_connection(struct link *l)
{
    (void)l;
    return -1;
}

/* ---- */

static struct sessions s;
static struct access *rights;
static int64_t now_ms;

static void rights_put(const char *text)
{
    char path[600];

    snprintf(path, sizeof path, "%s/rights.conf", shelf_folder);
    assert_int_equal(file_write(path, slice_of(text), 0600, true), 0);
    if (!rights)
        assert_int_equal(access_open(path, true, now_ms, &rights), 0);
    else if (!access_look(rights, now_ms)) /* it is left alone until it is whole */
        assert_true(access_look(rights, now_ms += 3000));
}

static int setup(void **state)
{
    static const struct wire_welcome welcome = {.log = {"0123456789abcdef0123456789abcdef", 32},
                                                .partitions = 8,
                                                .max_event = 1,
                                                .max_payload = 1,
                                                .max_events = 1,
                                                .window_events = 1,
                                                .window_bytes = 1,
                                                .heartbeat_ms = 1000,
                                                .server = {"s", 1}};

    now_ms = 1000000;
    if (shelf_setup(state) < 0)
        return -1;
    rights_put("[a]\nkey = " KEY "\nmay = publish\n");
    sessions_open(&s, NULL, rights, &welcome);
    s.allowed[SESSION_PRODUCER] = s.allowed[SESSION_WORKER] = s.allowed[SESSION_CLIENT] = true;
    return 0;
}

static int teardown(void **state)
{
    sessions_close(&s);
    access_free(rights);
    rights = NULL;
    buffer_free(&played.last);
    memset(&played, 0, sizeof played);
    return shelf_teardown(state);
}

/* `key`: "" for a local peer. */
static struct session *hear(const char *peer, const char *key, const struct wire_message *m)
{
    struct buffer header = {0};
    struct wire_message in;
    struct session *from;

    wire_encode(m, &header);
    played.next = (struct link_message){.peer = slice_of(peer),
                                        .header = buffer_slice(&header),
                                        .user = slice_of(key),
                                        .keyed = *key != '\0'};
    played.waits = true;
    assert_int_equal(sessions_receive(&s, now_ms, &from, &in), 0);
    buffer_free(&header);
    return from;
}

static struct session *hear_kind(const char *peer, enum wire_kind kind)
{
    return hear(peer, "", &(struct wire_message){.kind = kind});
}

static void hello(const char *peer, const char *key, const char *role, const char *name)
{
    struct wire_message m = {.kind = WIRE_HELLO};

    m.hello = (struct wire_hello){slice_of(role), slice_of(name), 7};
    assert_null(hear(peer, key, &m));
}

static struct session *newest(void)
{
    assert_true(s.count > 0);
    return s.list[s.count - 1];
}

/* The last that was sent is an ERROR with this code, or (NULL) a WELCOME. */
static void assert_told(const char *code)
{
    struct arena arena = {0};
    struct wire_message m;

    assert_int_equal(wire_decode(buffer_slice(&played.last), 0, &arena, &m), 0);
    assert_int_equal(m.kind, code ? WIRE_ERROR : WIRE_WELCOME);
    if (code)
        assert_true(slice_is(m.error.code, code));
    arena_free(&arena);
}

static void names_are_cut_and_cannot_look_like_lines(void **state)
{
    char wide[WIRE_NAME + 2];

    (void)state;
    hello("\1p", "", "producer", "two\nlines\x7f");
    assert_told(NULL);
    assert_string_equal(newest()->name, "two?lines?");
    assert_int_equal(newest()->right == RIGHT_LOCAL, 1);
    memset(wide, 'n', sizeof wide);
    wide[WIRE_NAME] = '\0';
    hello("\1q", "", "producer", wide);
    assert_int_equal(strlen(newest()->name), WIRE_NAME);
}

static void a_key_has_the_roles_of_its_right(void **state)
{
    (void)state;
    hello("\1\0", KEY, "worker", "w");
    assert_told("denied");
    hello("\1named", KEY, "producer", "p"); /* a routing id of its own choice */
    assert_told("denied");
    hello("\1", OTHER, "producer", "p");
    assert_told("revoked-key");
    hello("\1", KEY, "producer", "p");
    assert_told(NULL);
    hello("\1", KEY, "poet", "p");
    assert_told("bad-message");
    assert_int_equal(sessions_of_key(&s, KEY), 1);
    s.access = NULL;
    hello("\2", KEY, "producer", "p");
    assert_told("revoked-key"); /* where nobody knows keys */
    s.access = rights;
}

static void a_name_used_again_under_another_key_is_somebody_else(void **state)
{
    struct wire_message ping = {.kind = WIRE_PING};

    (void)state;
    rights_put("[a]\nkey = " KEY "\nmay = publish\n[b]\nkey = " OTHER "\nmay = publish\n");
    hello("\1", KEY, "producer", "first");
    assert_told(NULL);
    assert_null(hear("\1", OTHER, &ping));
    assert_told("hello-first");
    hello("\1", OTHER, "producer", "second");
    assert_told(NULL);
    assert_int_equal(sessions_of_key(&s, KEY), 0);
    assert_int_equal(sessions_of_key(&s, OTHER), 1);
    assert_int_equal(s.live[SESSION_PRODUCER], 1);
}

static void a_key_has_no_more_sessions_than_allowed(void **state)
{
    char peer[3] = "\1";

    (void)state;
    for (int i = 0; i < ACCESS_SESSIONS; i++) {
        peer[1] = (char)(i + 1);
        hello(peer, KEY, "producer", "p");
        assert_told(NULL);
    }
    hello(peer, KEY, "producer", "again"); /* one of them begins anew */
    assert_told(NULL);
    peer[1] = ACCESS_SESSIONS + 1;
    hello(peer, KEY, "producer", "one too many");
    assert_told("busy");
    assert_int_equal(sessions_of_key(&s, KEY), ACCESS_SESSIONS);
}

static void a_change_of_rights_ends_whom_it_concerns(void **state)
{
    (void)state;
    rights_put("[a]\nkey = " KEY "\nmay = publish\nrate = 5\n[b]\nkey = " OTHER
               "\nmay = watch\nparticipants = yes\n");
    hello("\1", KEY, "producer", "p");
    assert_non_null(newest()->rate);
    hello("\2", OTHER, "client", "c");
    newest()->streams = calloc(8, sizeof *newest()->streams); /* it reads the journal */
    hello("\3local", "", "worker", "w");
    rights_put("[a]\nkey = " KEY "\nmay = publish\n[b]\nkey = " OTHER
               "\nmay = watch\nparticipants = yes\n");
    sessions_renew(&s);
    assert_null(s.list[0]->rate);
    assert_false(s.list[0]->gone || s.list[1]->gone);
    rights_put("[a]\nkey = " KEY "\nmay = publish\n[b]\nkey = " OTHER "\nmay = watch\n");
    sessions_renew(&s);
    assert_told("denied");
    assert_true(s.list[1]->gone && !s.list[0]->gone);
    rights_put("[a]\nkey = " KEY "\nmay = work\n");
    sessions_renew(&s);
    assert_told("denied");
    assert_true(s.list[0]->gone);
    rights_put("[b]\nkey = " OTHER "\nmay = watch\n");
    sessions_renew(&s); /* who has ended is told nothing more */
    assert_false(s.list[2]->gone);
    sessions_beat(&s, s.list[2]->heard_ms);
    assert_int_equal(s.count, 1);
}

static void a_revoked_key_is_told_so(void **state)
{
    (void)state;
    hello("\1", KEY, "producer", "p");
    rights_put("[a]\nkey = " KEY "\nmay = publish\nrevoked = 2026-01-01\n");
    sessions_renew(&s);
    assert_told("revoked-key");
    assert_true(newest()->gone);
    session_end(&s, newest(), "twice");
    assert_int_equal(s.live[SESSION_PRODUCER], 0);
}

static void the_idlest_gives_way_and_workers_do_not(void **state)
{
    (void)state;
    for (int i = 0; i < SESSION_ROLES; i++)
        s.most[i] = 3;
    hello("\1a", "", "worker", "w");
    for (char peer[3] = "\2a"; peer[0] < 5; peer[0]++) {
        hello(peer, "", "client", "c");
        s.list[s.count - 1]->active_ms -= peer[0] == 3 ? 100 : 0;
    }
    s.list[3]->away_events = 1; /* it waits for something */
    hello("\6x", "", "client", "too soon");
    assert_told("busy");
    now_ms += SESSION_IDLE_MS;
    hello("\6x", "", "client", "newcomer");
    assert_told(NULL);
    assert_true(s.list[2]->gone && !s.list[1]->gone && !s.list[3]->gone);
    hello("\1b", "", "worker", "w");
    hello("\1c", "", "worker", "w");
    now_ms += SESSION_IDLE_MS;
    hello("\1d", "", "worker", "w");
    assert_told("busy");
}

static void acknowledgements_wait_for_room_up_to_a_bound(void **state)
{
    static char big[60000];
    struct wire_refused refused = {1, slice_of("c"), slice_of("f"), slice_make(big, 400), false};
    struct wire_message m = {.kind = WIRE_PUBACK};
    struct session *p;
    unsigned before;

    (void)state;
    memset(big, 'r', sizeof big);
    m.puback = (struct wire_puback){1, 1, 1, &refused};
    hello("\1p", "", "producer", "p");
    p = newest();
    played.send_error = ERR_AGAIN;
    session_post(&s, p, &m);
    session_post(&s, p, &m);
    assert_true(s.unsent && p->unsent.size > 800);
    sessions_beat(&s, now_ms);
    assert_true(s.unsent);
    played.send_error = 0;
    before = played.sent;
    sessions_beat(&s, now_ms);
    assert_int_equal(played.sent - before, 2);
    assert_int_equal(p->unsent.size, 0);
    assert_false(s.unsent);
    played.send_error = ERR_AGAIN;
    for (int i = 0; i < 30000 && !p->gone; i++)
        session_post(&s, p, &m);
    assert_true(p->gone);
    assert_true(p->unsent.size <= SESSION_MAX_UNSENT);
    assert_int_equal(session_send(&s, p, &m, NULL, 0), ERR_LOST);
    played.send_error = 0;
    before = played.sent;
    session_error(&s, p, "busy", false, "%s", "nobody hears it");
    assert_int_equal(played.sent, before);
}

static void who_cannot_be_sent_to_is_gone(void **state)
{
    struct wire_message m = {.kind = WIRE_PUBACK};

    (void)state;
    hello("\1p", "", "producer", "p");
    played.send_error = ERR_LOST;
    assert_int_equal(session_send(&s, newest(), &m, NULL, 0), ERR_LOST);
    assert_true(newest()->gone);
    sessions_beat(&s, now_ms);
    assert_int_equal(s.count, 0);
    played.send_error = 0;
    hello("\1p", "", "producer", "p");
    played.send_error = ERR_AGAIN;
    session_post(&s, newest(), &m);
    played.send_error = ERR_LOST; /* while it waited */
    sessions_beat(&s, now_ms);
    assert_int_equal(s.count, 0);
}

/* Its PONGs say how much it has read. */
static void a_reader_that_does_not_read_is_sent_no_more(void **state)
{
    static char bytes[256 * 1024];
    struct slice part = {bytes, sizeof bytes};
    struct wire_message m = {.kind = WIRE_PING};
    struct session *c;
    int sent = 0;

    (void)state;
    hello("\1c", "", "client", "c");
    c = newest();
    while (session_send(&s, c, &m, &part, 1) == 0)
        sent++;
    assert_in_range(sent, 4, 9);
    assert_false(session_keeps_up(&s, c));
    assert_int_equal(session_send(&s, c, &m, NULL, 0), 0); /* small things still go */
    hear_kind("\1c", WIRE_PONG);
    for (int i = 0; i < 12; i++)
        hear_kind("\1c", WIRE_PONG);
    assert_int_equal(c->pongs, c->pings); /* not more than were asked for */
    played.send_error = ERR_AGAIN;
    session_keeps_up(&s, c); /* the mark finds no room, and is tried again */
    assert_int_equal(c->mark_ping, 0);
    played.send_error = 0;
    session_keeps_up(&s, c);
    hear_kind("\1c", WIRE_PONG);
    assert_true(session_keeps_up(&s, c));
    assert_int_equal(session_send(&s, c, &m, &part, 1), 0);
}

static void an_error_that_ends_nothing_waits_for_room(void **state)
{
    (void)state;
    hello("\1c", "", "client", "c");
    played.send_error = ERR_AGAIN;
    session_error(&s, newest(), "ahead", false, "there is no such offset");
    played.send_error = 0;
    sessions_beat(&s, now_ms);
    assert_told("ahead");
    assert_false(newest()->gone);
}

/* However many answers without a payload it had before. */
static void who_reads_its_answers_goes_on_getting_them(void **state)
{
    struct wire_message answer = {.kind = WIRE_PONG};
    struct slice part = slice_of("refused events");
    enum wire_kind kind;

    (void)state;
    hello("\1c", "", "client", "c");
    for (size_t bytes = 0; bytes < 2 * (SESSION_FLIGHT_CLIENT + SESSION_ANSWER); bytes++) {
        assert_int_equal(session_send(&s, newest(), &answer, NULL, 0), 0);
        assert_int_equal(wire_peek(buffer_slice(&played.last), &kind), 0);
        if (kind == WIRE_PING)
            assert_null(hear_kind("\1c", WIRE_PONG));
    }
    assert_int_equal(session_send(&s, newest(), &answer, &part, 1), 0);
}

static void silence_ends_a_session_after_a_question(void **state)
{
    unsigned before;

    (void)state;
    hello("\1p", "", "producer", "p");
    before = played.sent;
    sessions_beat(&s, now_ms);
    assert_int_equal(played.sent, before);
    sessions_beat(&s, now_ms += WIRE_HEARTBEAT_MS / 2);
    sessions_beat(&s, now_ms += WIRE_HEARTBEAT_MS / 2);
    sessions_beat(&s, now_ms + 1);
    assert_int_equal(played.sent, before + 1);
    assert_null(hear_kind("\1p", WIRE_PONG));
    for (int64_t end_ms = now_ms + 3 * WIRE_HEARTBEAT_MS - 250; now_ms < end_ms; now_ms += 250)
        sessions_beat(&s, now_ms);
    sessions_beat(&s, now_ms += 249);
    assert_int_equal(s.count, 1);
    sessions_beat(&s, now_ms + 1);
    assert_int_equal(s.count, 0);
}

static void messages_without_a_session_are_answered_once_and_foreign_ones_logged(void **state)
{
    struct wire_message in;
    struct session *from;
    unsigned before;

    (void)state;
    hear_kind("\1n", WIRE_PING);
    assert_told("hello-first");
    before = played.sent;
    assert_null(hear_kind("\1n", WIRE_BYE));
    assert_int_equal(played.sent, before);
    hello("\1p", "", "client", "c");
    assert_null(hear_kind("\1p", WIRE_PING));
    assert_non_null(hear_kind("\1p", WIRE_STATUS));
    assert_int_equal(sessions_payload(&s).size, 0);
    played.next = (struct link_message){.peer = slice_of("\1p"), .foreign = true};
    played.waits = true;
    assert_int_equal(sessions_receive(&s, now_ms, &from, &in), 0);
    assert_int_equal(s.foreign.said, 1);
    played.next = (struct link_message){.peer = slice_of("\1p"), .other_version = true};
    played.waits = true;
    assert_int_equal(sessions_receive(&s, now_ms, &from, &in), 0);
    assert_told("version");
    assert_true(newest()->gone);
    hello("\1q", "", "client", "c");
    played.next = (struct link_message){.peer = slice_of("\1q"), .header = slice_of("\x91\x7f")};
    played.waits = true; /* a kind of a later version */
    assert_int_equal(sessions_receive(&s, now_ms, &from, &in), 0);
    assert_null(from);
    assert_false(newest()->gone);
    played.next = (struct link_message){.peer = slice_of("\1q"), .header = slice_of("noise")};
    played.waits = true;
    assert_int_equal(sessions_receive(&s, now_ms, &from, &in), 0);
    assert_told("bad-message");
    assert_true(newest()->gone);
    assert_int_equal(sessions_receive(&s, now_ms, &from, &in), ERR_AGAIN);
}

static void nobody_is_silent_while_the_broker_itself_is_away(void **state)
{
    int64_t end_ms;

    (void)state;
    hello("\1p", "", "producer", "p");
    sessions_beat(&s, now_ms);
    sessions_beat(&s, now_ms += 10000); /* a sync of ten seconds */
    assert_int_equal(s.live[SESSION_PRODUCER], 1);
    for (end_ms = now_ms + 2999; now_ms < end_ms; now_ms += 200)
        sessions_beat(&s, now_ms);
    assert_int_equal(s.live[SESSION_PRODUCER], 1);
    for (end_ms = now_ms + 400; now_ms < end_ms; now_ms += 200)
        sessions_beat(&s, now_ms);
    assert_int_equal(s.live[SESSION_PRODUCER], 0);
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(names_are_cut_and_cannot_look_like_lines),
        test(a_key_has_the_roles_of_its_right),
        test(a_name_used_again_under_another_key_is_somebody_else),
        test(a_key_has_no_more_sessions_than_allowed),
        test(a_change_of_rights_ends_whom_it_concerns),
        test(a_revoked_key_is_told_so),
        test(the_idlest_gives_way_and_workers_do_not),
        test(acknowledgements_wait_for_room_up_to_a_bound),
        test(who_cannot_be_sent_to_is_gone),
        test(a_reader_that_does_not_read_is_sent_no_more),
        test(an_error_that_ends_nothing_waits_for_room),
        test(who_reads_its_answers_goes_on_getting_them),
        test(silence_ends_a_session_after_a_question),
        test(nobody_is_silent_while_the_broker_itself_is_away),
        test(messages_without_a_session_are_answered_once_and_foreign_ones_logged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
