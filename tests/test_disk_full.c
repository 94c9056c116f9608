/* A disk that fills and is freed again: producers are refused with journal-full and told to try
 * again, reading and counting go on, and so does everything as soon as there is room, by itself.
 *
 * The journal lies on a small file system of its own, mounted where only this test sees it.  Who
 * may not mount gets ENOSPC by fault.so instead, which is said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "proto/file.h"
#include "proto/json.h"
#include "proto/pack.h"
#include "proto/turnout.h"
#include "tests/crew.h"
#include "tests/random.h"
#include "tests/world.h"
#include "workers/client.h"

#define DISK_BYTES "96m"
#define BIG        6000  /* bytes of a key that turnout does not know */
#define MOST       40000 /* events until the disk must be full */
#define SMALL      300
#define LINES      100
#define LOG_MOST   1048576

struct scene {
    struct crew *crew;
    bool mounted;
    struct turnout_producer *producer;
    struct buffer events; /* all that were sent */
    struct buffer again;  /* those that found no room */
    struct buffer starts; /* size_t: where the event with that sequence number begins in `events`,
                             and where the next does */
    uint64_t full, numbers;
};

/* ---- the disk ---- */
static bool disk_mount(const struct crew *c)
{
    char path[256];

    snprintf(path, sizeof path, "%s/journal", c->dir);
    if (mkdir(path, 0700) < 0)
        return false;
    return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("none", path, "tmpfs", 0, "size=" DISK_BYTES) == 0;
}

static const char *ballast(const struct scene *s)
{
    static char path[256];

    snprintf(path, sizeof path, "%s/journal/ballast", s->crew->dir);
    return path;
}

/* Something else takes all that is left. */
static void disk_fill(struct scene *s)
{
    static const char block[65536];
    int fd;

    if (!s->mounted) {
        s->crew->plans[CREW_BROKER]->write_errno = ENOSPC;
        return;
    }
    fd = open(ballast(s), O_WRONLY | O_CREAT | O_APPEND, 0600);
    assert_true(fd >= 0);
    while (write(fd, block, sizeof block) > 0)
        ;
    assert_int_equal(errno, ENOSPC);
    close(fd);
}

static void disk_free(struct scene *s)
{
    if (s->mounted)
        assert_int_equal(unlink(ballast(s)), 0);
    crew_heal(s->crew, CREW_BROKER);
}

/* ---- sending ---- */
static struct slice event_of(const struct scene *s, uint64_t seq)
{
    size_t at[2];

    memcpy(at, s->starts.at + (seq - 1) * sizeof at, sizeof at);
    return slice_make(s->events.at + at[0], at[1] - at[0]);
}

static void refused(void *arg, uint64_t seq, const struct turnout_refusal *why)
{
    struct scene *s = arg;

    assert_string_equal(why->code, "journal-full");
    assert_true(why->retry);
    s->full++;
    buffer_add_slice(&s->again, event_of(s, seq));
}

static void send_event(struct scene *s, struct slice event)
{
    size_t at[2] = {s->events.size, s->events.size + event.size};

    buffer_add_slice(&s->events, event);
    buffer_add(&s->starts, at, sizeof at);
    assert_int_equal(turnout_send(s->producer, event.at, event.size, NULL), 0);
}

static void send_world(struct scene *s, uint64_t seed, size_t count)
{
    struct buffer world = {0};
    struct slice *each;

    world_events(seed, count, &world);
    count = world_split(buffer_slice(&world), &each);
    for (size_t i = 0; i < count; i++)
        send_event(s, each[i]);
    assert_int_equal(turnout_flush(s->producer, 60000), 0);
    buffer_free(&world);
    free(each);
}

static void text_pair(struct buffer *b, const char *key, const char *value)
{
    pack_text(b, key);
    pack_text(b, value);
}

/* A vote with a long remark that is kept and ignored. */
static void send_big(struct scene *s)
{
    static char remark[BIG + 1];
    struct buffer event = {0};
    char number[32];

    memset(remark, 'x', BIG);
    snprintf(number, sizeof number, "big-%" PRIu64, ++s->numbers);
    pack_map(&event, 8);
    text_pair(&event, "type", "vote");
    text_pair(&event, "id", number);
    text_pair(&event, "time", "2026-03-01T12:00:00Z");
    text_pair(&event, "committee", "ISO/TC 1");
    text_pair(&event, "ballot", "DIS 1");
    snprintf(number, sizeof number, "M%" PRIu64, s->numbers % 500);
    text_pair(&event, "member", number);
    text_pair(&event, "position", "approve");
    text_pair(&event, "remark", remark);
    send_event(s, buffer_slice(&event));
    buffer_free(&event);
}

/* Until the first that finds no room. */
static void send_until_full(struct scene *s)
{
    for (int i = 0; i < MOST && s->full == 0; i++) {
        send_big(s);
        if (i % 50 == 0)
            assert_int_equal(turnout_flush(s->producer, 60000), 0);
    }
    assert_int_equal(turnout_flush(s->producer, 60000), 0);
    assert_true(s->full > 0);
}

/* What found no room, until it does. */
static void send_again(struct scene *s)
{
    for (int rounds = 0; s->again.size > 0; rounds++) {
        struct buffer again = s->again;
        struct slice *each;
        size_t count = world_split(buffer_slice(&again), &each);

        assert_true(rounds < 200);
        s->again = (struct buffer){0};
        for (size_t i = 0; i < count; i++)
            send_event(s, each[i]); /* again among the events: a repeat changes no number */
        assert_int_equal(turnout_flush(s->producer, 60000), 0);
        buffer_free(&again);
        free(each);
        if (s->again.size)
            pause_ms(50);
    }
}

/* ---- turnout publish ---- */
/* Lines of big votes into DIR/lines, and among all events. */
static void lines_write(struct scene *s, const char *path)
{
    static char line[BIG + 256];
    struct buffer event = {0};
    struct refusal why;
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    for (int i = 0; i < LINES; i++) {
        snprintf(line, sizeof line,
                 "{\"type\":\"vote\",\"id\":\"line-%d\",\"time\":\"2026-03-01T12:00:00Z\","
                 "\"committee\":\"ISO/TC 2\",\"ballot\":\"DIS 2\",\"member\":\"M%d\","
                 "\"position\":\"approve\",\"remark\":\"%0*d\"}\n",
                 i, i, BIG, i);
        fputs(line, f);
        buffer_clear(&event);
        assert_int_equal(json_to_event(slice_make(line, strlen(line) - 1), &event, &why), 0);
        buffer_add_slice(&s->events, buffer_slice(&event));
    }
    assert_int_equal(fclose(f), 0);
    buffer_free(&event);
}

/* What the publisher said, to be freed. */
static struct buffer publisher_log(const struct scene *s)
{
    struct buffer log = {0};
    char path[256];

    snprintf(path, sizeof path, "%s/%s.log", s->crew->dir, crew_names[CREW_PUBLISHER]);
    assert_int_equal(file_read(path, LOG_MOST, &log, NULL), 0);
    buffer_add(&log, "", 1);
    return log;
}

static void expect_told(const struct scene *s, const char *text)
{
    struct buffer log = publisher_log(s);

    if (!strstr(log.at, text))
        fail_msg("not told: %s; but: %s", text, log.at);
    buffer_free(&log);
}

static void publish_while_full(struct scene *s, const char *lines, const char *patience)
{
    char log[256];

    snprintf(log, sizeof log, "%s/%s.log", s->crew->dir, crew_names[CREW_PUBLISHER]);
    unlink(log);
    crew_start_program(s->crew, CREW_PUBLISHER, lines,
                       (const char *const[]){"turnout", "publish", "--patience", patience, NULL});
}

/* Some of them may find a place that was left. */
static void an_impatient_publisher_gives_up(struct scene *s, const char *lines)
{
    publish_while_full(s, lines, "1");
    assert_int_equal(crew_await_end(s->crew, CREW_PUBLISHER), 1);
    expect_told(s, "journal-full: ");
    expect_told(s, "-: line "); /* which ones is chance */
}

/* Freed once it has been told that it is full. */
static void a_patient_one_gets_all_of_it_in(struct scene *s, const char *lines)
{
    bool told = false;
    int status;

    publish_while_full(s, lines, "600");
    while (!told) {
        pause_ms(20);
        struct buffer log = publisher_log(s);
        assert_false(crew_has_ended(s->crew, CREW_PUBLISHER, &status));
        told = strstr(log.at, "sending it again until there is room") != NULL;
        buffer_free(&log);
    }
    disk_free(s);
    assert_int_equal(crew_await_end(s->crew, CREW_PUBLISHER), 0);
    expect_told(s, "{\"accepted\":100,\"rejected\":0}");
}

/* ---- the test ---- */
static void scene_open(struct scene *s, uint64_t seed)
{
    struct turnout_options options = {.name = "test", .refused = refused, .arg = s};

    s->crew = crew_new();
    s->mounted = disk_mount(s->crew);
    if (!s->mounted)
        print_message("no file system of its own: ENOSPC by fault.so\n");
    crew_start_all(s->crew, 1);
    options.endpoint = s->crew->endpoint_publish;
    assert_int_equal(turnout_producer_new(&options, &s->producer), 0);
    send_world(s, seed, SMALL);
    assert_int_equal(s->full, 0);
}

/* What the journal has accepted is counted, also while it is full: sync waits for just that. */
static void assert_reading_goes_on(struct scene *s)
{
    struct dump *found;

    crew_sync(s->crew);
    found = crew_dump(s->crew);
    assert_true(dump_number(found, "turnout:ballot:ISO/TC 1|DIS 1", "votes") > 0);
    dump_free(found);
}

static bool report_says_full(const struct scene *s)
{
    struct wire_report report;
    struct reader *r;
    bool full;

    assert_int_equal(client_connect(s->crew->endpoint_read, 60000, &r), 0);
    assert_int_equal(client_report(r, NULL, 0, 60000, &report), 0);
    full = client_full(&report);
    reader_free(r);
    return full;
}

/* As after a restore: LMDB's table of readers, which is written through a mapping, is not there. */
static void a_start_without_room_says_so(struct scene *s)
{
    char path[256];

    snprintf(path, sizeof path, "%s/journal/lock.mdb", s->crew->dir);
    assert_int_equal(unlink(path), 0);
    disk_fill(s);
    crew_start(s->crew, CREW_BROKER);
    assert_int_equal(crew_await_end(s->crew, CREW_BROKER), 74);
}

static void a_full_disk_refuses_what_comes_until_it_is_freed(void **state)
{
    uint64_t seed = random_seed("disk_full");
    struct scene s = {0};
    char lines[256];
    pid_t broker;
    int status;

    (void)state;
    scene_open(&s, seed);
    snprintf(lines, sizeof lines, "%s/lines", s.crew->dir);
    lines_write(&s, lines);
    broker = s.crew->pids[CREW_BROKER];
    for (unsigned round = 0; round < 2; round++) {
        uint64_t before = s.full;
        s.full = 0;
        send_big(&s);
        assert_int_equal(turnout_flush(s.producer, 60000), 0);
        disk_fill(&s);
        send_until_full(&s);
        assert_reading_goes_on(&s);
        if (s.mounted) /* writes that fail by themselves say nothing of the room there is */
            assert_true(report_says_full(&s));
        an_impatient_publisher_gives_up(&s, lines);
        a_patient_one_gets_all_of_it_in(&s, lines);
        send_again(&s);
        send_world(&s, seed + round + 1, SMALL);
        assert_false(report_says_full(&s));
        s.full += before;
    }
    assert_false(crew_has_ended(s.crew, CREW_BROKER, &status));
    assert_int_equal(s.crew->pids[CREW_BROKER], broker);
    crew_sync(s.crew);
    assert_true(crew_agrees(s.crew, buffer_slice(&s.events)));
    print_message("%" PRIu64 " times refused for want of room, nothing lost\n", s.full);
    turnout_producer_free(s.producer);
    crew_kill(s.crew, CREW_BROKER);
    if (s.mounted) {
        char path[256];
        a_start_without_room_says_so(&s);
        snprintf(path, sizeof path, "%s/journal", s.crew->dir);
        assert_int_equal(umount(path), 0);
    }
    crew_free(s.crew, false);
    buffer_free(&s.events);
    buffer_free(&s.again);
    buffer_free(&s.starts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_disk_refuses_what_comes_until_it_is_freed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
