/* The write-ahead log as bytes; see frame.h for the drawings.  Nothing is trusted but what a
 * checksum covers. */
#include "broker/frame.h"

#include "broker/number.h"
#include "broker/record.h"
#include "proto/error.h"

#define HEAD_MAGIC "TRNTWALS"
#define MAGIC      "TRNTFRAM"
#define MAGIC_SIZE 8
#define PLACE      (UINT64_MAX - 2) /* for the checksums; no partition has this number */

enum { HEAD_AT_SALT = 8, HEAD_AT_BYTES = 16, HEAD_AT_CHECKSUM = 24, HEAD_AT_ZEROS = 32 };

enum { AT_COMMIT = 8, AT_SIZE = 16, AT_ZERO = 20, AT_CHECKSUM = 24, FRAME_HEAD = 32 };

/* ---- the head ---- */

static uint64_t head_checksum(const char *head)
{
    return record_checksum(PLACE, 0, slice_make(head, HEAD_AT_CHECKSUM), slice_make(head, 0));
}

void frame_head_encode(const struct frame_log *log, char *out)
{
    memset(out, 0, FRAME_FIRST);
    memcpy(out, HEAD_MAGIC, MAGIC_SIZE);
    number_put64(out + HEAD_AT_SALT, log->salt);
    number_put64(out + HEAD_AT_BYTES, log->bytes);
    number_put64(out + HEAD_AT_CHECKSUM, head_checksum(out));
}

int frame_head_decode(struct slice value, struct frame_log *ret)
{
    struct frame_log log;

    if (value.size < FRAME_FIRST || memcmp(value.at, HEAD_MAGIC, MAGIC_SIZE) != 0 ||
        number_get64(value.at + HEAD_AT_CHECKSUM) != head_checksum(value.at))
        return ERR_CORRUPT;
    log.salt = number_get64(value.at + HEAD_AT_SALT);
    log.bytes = number_get64(value.at + HEAD_AT_BYTES);
    if (log.bytes != value.size - FRAME_FIRST || log.bytes % FRAME_BLOCK != 0 ||
        log.bytes < FRAME_LOG_LEAST || log.bytes > FRAME_LOG_MOST)
        return ERR_CORRUPT;
    *ret = log;
    return 0;
}

/* ---- frames ---- */

static size_t copy_bytes(size_t entries)
{
    return (FRAME_HEAD + entries + FRAME_BLOCK - 1) / FRAME_BLOCK * FRAME_BLOCK;
}

size_t frame_bytes(size_t entries)
{
    return 2 * copy_bytes(entries);
}

static uint64_t frame_checksum(uint64_t salt, const char *frame, size_t entries)
{
    return record_checksum(PLACE, salt, slice_make(frame, AT_CHECKSUM),
                           slice_make(frame + FRAME_HEAD, entries));
}

void frame_encode(uint64_t salt, uint64_t commit, struct slice entries, struct buffer *ret)
{
    size_t size = copy_bytes(entries.size);
    char *at;

    buffer_clear(ret);
    at = buffer_room(ret, 2 * size);
    memcpy(at, MAGIC, MAGIC_SIZE);
    number_put64(at + AT_COMMIT, commit);
    number_put32(at + AT_SIZE, (uint32_t)entries.size);
    number_put32(at + AT_ZERO, 0);
    memcpy(at + FRAME_HEAD, entries.at, entries.size);
    number_put64(at + AT_CHECKSUM, frame_checksum(salt, at, entries.size));
    memset(at + FRAME_HEAD + entries.size, 0, size - FRAME_HEAD - entries.size);
    memcpy(at + size, at, size);
    ret->size = 2 * size;
}

/* Whether a sound frame begins there. */
static bool frame_is_at(const struct frame_scan *s, size_t at, uint64_t *ret_commit,
                        struct slice *ret)
{
    const char *frame = s->blocks.at + at;
    size_t size = number_get32(frame + AT_SIZE);

    if (memcmp(frame, MAGIC, MAGIC_SIZE) != 0 || size > FRAME_MOST ||
        copy_bytes(size) > s->blocks.size - at || number_get32(frame + AT_ZERO) != 0 ||
        number_get64(frame + AT_CHECKSUM) != frame_checksum(s->salt, frame, size))
        return false;
    *ret_commit = number_get64(frame + AT_COMMIT);
    *ret = slice_make(frame + FRAME_HEAD, size);
    return true;
}

struct frame_scan frame_scan_begin(struct slice value, const struct frame_log *log, uint64_t commit)
{
    return (struct frame_scan){.blocks = slice_make(value.at + FRAME_FIRST, log->bytes),
                               .salt = log->salt,
                               .commit = commit};
}

int frame_next(struct frame_scan *s, struct slice *ret)
{
    uint64_t commit;

    for (; s->next < s->blocks.size; s->next += FRAME_BLOCK) {
        if (!frame_is_at(s, s->next, &commit, ret) || commit <= s->commit)
            continue;
        if (commit != s->commit + 1)
            return ERR_CORRUPT;
        s->commit = commit;
        s->at = s->next;
        s->next += copy_bytes(ret->size);
        return 0;
    }
    return ERR_AGAIN;
}
