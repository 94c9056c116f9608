/* The account of a publisher; see soak_account.h. */
#include "tests/soak_account.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void give_up(const char *what)
{
    fprintf(stderr, "account: %s: %s\n", what, strerror(errno));
    _exit(3);
}

static int file_open(const char *dir, const char *name, unsigned number, struct buffer *ret)
{
    char path[256];
    ssize_t n;
    int fd;

    snprintf(path, sizeof path, "%s/%s-%u", dir, name, number);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        give_up(path);
    while ((n = read(fd, buffer_room(ret, 1 << 20), 1 << 20)) > 0)
        ret->size += (size_t)n;
    return fd;
}

static void file_cut(int fd, size_t size)
{
    if (ftruncate(fd, (off_t)size) < 0 || lseek(fd, 0, SEEK_END) < 0)
        give_up("cannot cut off a tail");
}

static void file_add(int fd, const void *bytes, size_t size)
{
    if (write(fd, bytes, size) != (ssize_t)size)
        give_up("cannot write");
}

static void event_note(struct account *a, size_t at)
{
    const bool acked = false;

    buffer_add(&a->at, &at, sizeof at);
    buffer_add(&a->acked, &acked, sizeof acked);
    a->count++;
}

static void acked_note(struct account *a, uint64_t index)
{
    bool *acked = (bool *)a->acked.at + index;

    a->acked_count += !*acked;
    *acked = true;
}

void account_open(const char *dir, unsigned number, struct account *ret)
{
    struct buffer acked = {0};
    size_t at = 0, count;
    uint32_t size;

    *ret = (struct account){0};
    ret->sent_fd = file_open(dir, "sent", number, &ret->sent);
    ret->acked_fd = file_open(dir, "acked", number, &acked);
    while (ret->sent.size - at >= sizeof size) {
        memcpy(&size, ret->sent.at + at, sizeof size);
        if (ret->sent.size - at - sizeof size < size)
            break;
        event_note(ret, at);
        at += sizeof size + size;
    }
    ret->sent.size = at;
    file_cut(ret->sent_fd, at);
    count = acked.size / sizeof(uint64_t);
    file_cut(ret->acked_fd, count * sizeof(uint64_t));
    for (size_t i = 0; i < count; i++) {
        uint64_t index;
        memcpy(&index, acked.at + i * sizeof index, sizeof index);
        if (index >= ret->count)
            give_up("what was not sent is acknowledged");
        acked_note(ret, index);
    }
    buffer_free(&acked);
}

void account_close(struct account *a)
{
    close(a->sent_fd);
    close(a->acked_fd);
    buffer_free(&a->sent);
    buffer_free(&a->at);
    buffer_free(&a->acked);
}

size_t account_send(struct account *a, struct slice event)
{
    uint32_t size = (uint32_t)event.size;
    size_t at = a->sent.size;

    buffer_add(&a->sent, &size, sizeof size);
    buffer_add_slice(&a->sent, event);
    file_add(a->sent_fd, a->sent.at + at, a->sent.size - at);
    event_note(a, at);
    return a->count - 1;
}

void account_acknowledge(struct account *a, const uint64_t *indexes, size_t count)
{
    file_add(a->acked_fd, indexes, count * sizeof *indexes);
    for (size_t i = 0; i < count; i++)
        acked_note(a, indexes[i]);
}

struct slice account_event(const struct account *a, size_t index)
{
    uint32_t size;
    size_t at;

    memcpy(&at, a->at.at + index * sizeof at, sizeof at);
    memcpy(&size, a->sent.at + at, sizeof size);
    return slice_make(a->sent.at + at + sizeof size, size);
}

bool account_is_acked(const struct account *a, size_t index)
{
    return ((const bool *)a->acked.at)[index];
}
