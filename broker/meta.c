/* What the journal is and where it ends, as bytes; see meta.h for the drawings.  Decoding trusts
 * nothing but the format's number until the checksum has been found right. */
#include "broker/meta.h"

#include "broker/number.h"
#include "broker/record.h"
#include "proto/error.h"

#define META_MAGIC "TRNTJRNL"
#define ENDS_MAGIC "TRNTENDS"
#define MAGIC      8
#define PLACE      (UINT64_MAX - 1) /* for the checksums; no partition has this number */

enum {
    META_AT_FORMAT = 8,
    META_AT_PARTITIONS = 12,
    META_AT_CREATED = 16,
    META_AT_LOG = 24,
    META_AT_CHECKSUM = 56
};

enum {
    ENDS_AT_COMMIT = 8,
    ENDS_AT_NEXT = 16,
    ENDS_AT_REJECTS = 24,
    ENDS_AT_PARTITIONS = 32,
    ENDS_AT_CHECKSUM = 40
};

/* ---- what it is ---- */

static uint64_t meta_checksum(const char *meta)
{
    return record_checksum(PLACE, META_KEY, slice_make(meta, META_AT_CHECKSUM),
                           slice_make(meta, 0));
}

void meta_encode(const struct meta *m, char *out)
{
    memcpy(out, META_MAGIC, MAGIC);
    number_put32(out + META_AT_FORMAT, m->format);
    number_put32(out + META_AT_PARTITIONS, m->partitions);
    number_put64(out + META_AT_CREATED, (uint64_t)m->created_ms);
    memcpy(out + META_AT_LOG, m->log, sizeof m->log);
    number_put64(out + META_AT_CHECKSUM, meta_checksum(out));
}

int meta_decode(struct slice bytes, struct meta *ret)
{
    struct meta m;

    if (bytes.size < META_AT_PARTITIONS || memcmp(bytes.at, META_MAGIC, MAGIC) != 0)
        return ERR_CORRUPT;
    m.format = number_get32(bytes.at + META_AT_FORMAT);
    if (m.format != META_FORMAT)
        return ERR_VERSION;
    if (bytes.size != META_BYTES ||
        number_get64(bytes.at + META_AT_CHECKSUM) != meta_checksum(bytes.at))
        return ERR_CORRUPT;
    m.partitions = number_get32(bytes.at + META_AT_PARTITIONS);
    m.created_ms = (int64_t)number_get64(bytes.at + META_AT_CREATED);
    memcpy(m.log, bytes.at + META_AT_LOG, sizeof m.log);
    if (m.partitions < 1 || m.partitions > WIRE_MAX_PARTS)
        return ERR_CORRUPT;
    *ret = m;
    return 0;
}

/* ---- where it ends ---- */

static uint64_t ends_checksum(const char *bytes, size_t size)
{
    return record_checksum(PLACE, ENDS_KEY, slice_make(bytes, ENDS_AT_CHECKSUM),
                           slice_make(bytes + ENDS_HEAD, size - ENDS_HEAD));
}

size_t ends_size(const struct ends *e)
{
    return ENDS_HEAD + (size_t)8 * e->partitions;
}

void ends_encode(const struct ends *e, char *out)
{
    memcpy(out, ENDS_MAGIC, MAGIC);
    number_put64(out + ENDS_AT_COMMIT, e->commit);
    number_put64(out + ENDS_AT_NEXT, e->next_reject);
    number_put64(out + ENDS_AT_REJECTS, e->rejects);
    number_put64(out + ENDS_AT_PARTITIONS, e->partitions);
    for (unsigned p = 0; p < e->partitions; p++)
        number_put64(out + ENDS_HEAD + (size_t)8 * p, e->ends[p]);
    number_put64(out + ENDS_AT_CHECKSUM, ends_checksum(out, ends_size(e)));
}

int ends_decode(struct slice bytes, unsigned partitions, struct ends *ret)
{
    struct ends e = {.partitions = partitions};

    if (bytes.size != ends_size(&e) || memcmp(bytes.at, ENDS_MAGIC, MAGIC) != 0 ||
        number_get64(bytes.at + ENDS_AT_CHECKSUM) != ends_checksum(bytes.at, bytes.size) ||
        number_get64(bytes.at + ENDS_AT_PARTITIONS) != partitions)
        return ERR_CORRUPT;
    e.commit = number_get64(bytes.at + ENDS_AT_COMMIT);
    e.next_reject = number_get64(bytes.at + ENDS_AT_NEXT);
    e.rejects = number_get64(bytes.at + ENDS_AT_REJECTS);
    for (unsigned p = 0; p < partitions; p++)
        e.ends[p] = number_get64(bytes.at + ENDS_HEAD + (size_t)8 * p);
    *ret = e;
    return 0;
}
