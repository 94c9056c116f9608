/* Attacks; see attack.h. */
#include "tests/attack.h"

#include "proto/link.h"
#include "proto/pack.h"
#include "tests/raw.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *any_endpoint(struct attack *a)
{
    return random_percent(&a->random, 50) ? a->publish : a->read;
}

static void random_fill(struct random *r, void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        ((unsigned char *)bytes)[i] = (unsigned char)random_next(r);
}

void attack_noise(struct attack *a)
{
    unsigned char bytes[4096];
    int fd = raw_connect(any_endpoint(a));

    random_fill(&a->random, bytes, sizeof bytes);
    if (random_percent(&a->random, 50))
        bytes[0] = 0xff;
    raw_send(fd, bytes, 1 + random_below(&a->random, sizeof bytes));
    close(fd);
}

void attack_truncated(struct attack *a)
{
    int fd = zmtp_connect(any_endpoint(a));

    zmtp_head(fd, ZMTP_MORE, wire_preamble.size);
    raw_send(fd, wire_preamble.at, wire_preamble.size);
    if (random_percent(&a->random, 50))
        zmtp_head(fd, 0, 4000);
    raw_send(fd, "\x93\x03\x01", random_below(&a->random, 4));
    close(fd);
}

void attack_huge_frame(struct attack *a)
{
    static char megabyte[1 << 20];
    int fd = zmtp_connect(any_endpoint(a));

    if (zmtp_head(fd, 0, 100 << 20))
        for (int i = 0; i < 100 && raw_send(fd, megabyte, sizeof megabyte); i++)
            ;
    close(fd);
}

void attack_many_parts(struct attack *a)
{
    int fd = zmtp_connect(any_endpoint(a));
    bool sent = true;

    for (int i = 0; i < 5000 && sent; i++)
        sent = zmtp_head(fd, i < 4999 ? ZMTP_MORE : 0, 1) && raw_send(fd, "x", 1);
    close(fd);
}

/* Well framed and well begun, but the rest is made up. */
void attack_headers(struct attack *a)
{
    unsigned char header[200], payload[200];
    struct slice part = {(char *)payload, sizeof payload};
    struct link *l;

    if (link_connect(any_endpoint(a), &l) < 0)
        return;
    link_wait(&l, 1, -1, 50); /* until it is connected; nothing else comes unasked */
    for (int i = 0; i < 200; i++) {
        random_fill(&a->random, header, sizeof header);
        random_fill(&a->random, payload, sizeof payload);
        header[0] = (unsigned char)(0x90 + i % 16);
        header[1] = (unsigned char)(i % 16);
        link_send(l, slice_of(""), slice_make(header, 2 + random_below(&a->random, 190)), &part,
                  i % 2);
    }
    link_close(l, 100);
}

/* A session as it should be, but its events ask for gigabytes. */
void attack_bombs(struct attack *a)
{
    static const char *const bombs[] = {"\xdd\xff\xff\xff\xff", "\xdf\xff\xff\xff\xff",
                                        "\xdb\xff\xff\xff\xff", "\xc6\xff\xff\xff\xff",
                                        "\xc9\xff\xff\xff\xff", "\x91\x91\x91\x91\x91"};
    struct wire_message hello = {.kind = WIRE_HELLO,
                                 .hello = {slice_of("producer"), slice_of("bomb"), 0}};
    struct wire_message m = {.kind = WIRE_PUBLISH};
    struct buffer header = {0};
    uint32_t size = 5;
    struct link *l;

    if (link_connect(a->publish, &l) < 0)
        return;
    link_wait(&l, 1, -1, 50);
    wire_encode(&hello, &header);
    link_send(l, slice_of(""), buffer_slice(&header), NULL, 0);
    for (uint64_t i = 0; i < 100; i++) {
        struct slice bomb = {bombs[i % 6], 5};

        m.publish = (struct wire_publish){.first = i + 1, .count = 1, .sizes = &size};
        buffer_clear(&header);
        wire_encode(&m, &header);
        link_send(l, slice_of(""), buffer_slice(&header), &bomb, 1);
    }
    link_close(l, 100);
    buffer_free(&header);
}

/* Holds 64 MiB, or what the broker takes before it cuts. */
static void send_endless(struct attack *a, int fd)
{
    static char part[256 * 1024];
    bool small = random_percent(&a->random, 25), sent = true;

    for (int i = 0; i < (small ? 100000 : 256) && sent; i++)
        sent = zmtp_frame(fd, ZMTP_MORE, part, small ? 1 : sizeof part);
}

void attack_endless(struct attack *a)
{
    int fd = zmtp_connect(any_endpoint(a));

    if (fd < 0)
        return;
    send_endless(a, fd);
    close(fd);
}

void attack_endless_member(struct attack *a)
{
    struct wire_message hello = {.kind = WIRE_HELLO,
                                 .hello = {slice_of("producer"), slice_of("endless"), 0}};
    struct buffer header = {0};
    int fd = zmtp_connect(a->publish);

    wire_encode(&hello, &header);
    if (fd >= 0 && zmtp_say(fd, header.at, header.size) && raw_await(fd, "turnout-broker"))
        send_endless(a, fd);
    if (fd >= 0)
        close(fd);
    buffer_free(&header);
}

/* libzmq 4.3.4 aborts when this finds a full queue. */
void attack_breaks(struct attack *a)
{
    static const char ping[] = "\x04PING\0\0", pong[] = "\x91\x0a";
    int fd = zmtp_connect(any_endpoint(a));
    struct buffer all = {0};

    for (int i = 0; i < 200; i++) {
        buffer_add(&all, "\1\5TRNT\1\0\2", 9);
        buffer_add(&all, pong, 2);
        if (i % 20 == 19) {
            buffer_add(&all, "\4\7", 2);
            buffer_add(&all, ping, 7);
        }
    }
    if (fd >= 0) {
        raw_send(fd, all.at, all.size);
        close(fd);
    }
    buffer_free(&all);
}

static bool hello_send(int fd, const char *role)
{
    struct buffer b = {0};
    bool sent;

    pack_array(&b, 4);
    pack_int(&b, 1);
    pack_text(&b, role);
    pack_text(&b, "attacker");
    pack_int(&b, 1);
    sent = zmtp_say(fd, b.at, b.size);
    buffer_free(&b);
    return sent;
}

void attack_hellos(struct attack *a)
{
    static const char *const roles[] = {"producer", "worker", "client", "king"};
    bool producer = random_percent(&a->random, 50);
    int fd = zmtp_connect(producer ? a->publish : a->read);
    bool sent = fd >= 0;

    for (int i = 0; i < 500 && sent; i++)
        sent = hello_send(fd, producer ? roles[0] : roles[1 + random_below(&a->random, 3)]);
    if (fd >= 0)
        close(fd);
}

/* Nobody reads the answers. */
void attack_window(struct attack *a)
{
    static char events[WIRE_MAX_EVENTS];
    struct buffer header = {0};
    int fd = zmtp_connect(a->publish);
    bool sent = fd >= 0 && hello_send(fd, "producer");

    memset(events, '\xc0', sizeof events); /* nil: refused as malformed */
    for (uint64_t i = 0; i < 20 && sent; i++) {
        buffer_clear(&header);
        pack_array(&header, 3);
        pack_int(&header, 3);
        pack_int(&header, (int64_t)(1 + i * WIRE_MAX_EVENTS));
        pack_array(&header, WIRE_MAX_EVENTS);
        for (int n = 0; n < WIRE_MAX_EVENTS; n++)
            pack_int(&header, 1);
        sent = zmtp_frame(fd, ZMTP_MORE, wire_preamble.at, wire_preamble.size) &&
               zmtp_frame(fd, ZMTP_MORE, header.at, header.size) &&
               zmtp_frame(fd, 0, events, sizeof events);
    }
    if (fd >= 0)
        close(fd);
    buffer_free(&header);
}

void attack_deaf(struct attack *a)
{
    int fd = zmtp_connect(a->read);
    struct buffer b = {0};
    bool sent = fd >= 0 && hello_send(fd, "client");

    for (int p = 0; p < 8 && sent; p++) {
        buffer_clear(&b);
        pack_array(&b, 5);
        pack_int(&b, 5);
        pack_int(&b, p);
        pack_int(&b, 1);
        pack_int(&b, 0);
        pack_int(&b, (int64_t)1 << 40);
        sent = zmtp_say(fd, b.at, b.size);
    }
    for (int i = 0; i < 100 && sent; i++)
        sent = zmtp_say(fd, "\x92\x0b\x90", 3); /* STATUS */
    poll(NULL, 0, 50);
    if (fd >= 0)
        close(fd);
    buffer_free(&b);
}
