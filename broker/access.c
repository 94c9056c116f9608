/* Access; see access.h.  Happy path: the rights file is read once, and looked at (stat) ever after.
 * What can fail: a change of it (logged, the rights stay as they were), a peer (turned away). */
#include "broker/access.h"

#include "proto/clock.h"
#include "proto/error.h"
#include "proto/file.h"
#include "proto/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TELL_MS 1000
/* A file may be looked at while an editor writes it, in its place or as a new one: it is taken when
 * it has been left alone so long.  One that has just been emptied is as a rule about to be filled,
 * and no keys at all end everything. */
#define SETTLE_MS       50
#define SETTLE_EMPTY_MS 2000
#define ADDRESS_BYTES   64

struct access {
    char *path;
    struct rights *rights;
    struct rate *rates; /* by the number of the right */
    int64_t *due_ms;    /* likewise: when all its handshakes up to now would have been due */
    uint64_t admitted;
    char fault[256];
    struct access_counts counts;
    struct stat taken; /* the file as it was read last; st_ino 0: it was not there */
    struct stat seen;  /* as it was looked at last */
    int64_t seen_ms;   /* since when it has looked so */
    /* not told yet */
    uint64_t refused, failed;
    char address[ADDRESS_BYTES]; /* of the last refused */
    int64_t told_ms;
};

/* ---- the file ---- */

/* A file that is not there is all zeros. */
static struct stat look(const char *path)
{
    struct stat s;

    if (stat(path, &s) < 0)
        memset(&s, 0, sizeof s);
    return s;
}

static bool time_same(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool file_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           time_same(a->st_mtim, b->st_mtim) && time_same(a->st_ctim, b->st_ctim);
}

static void rights_take(struct access *a, struct rights *rights, int64_t now_ms)
{
    size_t count = rights_count(rights);
    struct rate *rates = memory_need((count + 1) * sizeof *rates);
    int64_t *due_ms = memory_need((count + 1) * sizeof *due_ms);

    for (size_t i = 0; i < count; i++) {
        const struct right *r = rights_at(rights, i);
        const struct right *old = a->rights ? rights_of_key(a->rights, r->entry.key) : NULL;
        rates[i] = rate_make(r->rate, now_ms);
        due_ms[i] = old ? a->due_ms[old->number] : now_ms;
        if (old && old->rate)
            rate_continue(&rates[i], &a->rates[old->number]);
    }
    rights_free(a->rights);
    free(a->rates);
    free(a->due_ms);
    a->rights = rights;
    a->rates = rates;
    a->due_ms = due_ms;
}

/* Whoever may write the file gives rights. */
static void modes_check(const struct access *a)
{
    if (a->taken.st_mode & (S_IWGRP | S_IWOTH))
        log_warn("the rights file %s can be written by others than its owner", a->path);
}

/* Not taken, but for what it revokes: true if that is anything. */
static bool file_refuse(struct access *a, struct slice text, const char *why)
{
    size_t revoked = a->rights ? rights_take_away(a->rights, text) : 0;

    a->taken = a->seen; /* said once */
    snprintf(a->fault, sizeof a->fault, "%s", utf8_valid(slice_of(why)) ? why : "see the log");
    log_error("the rights file %s: %s%s", a->path, why,
              a->rights ? "; the rights stay as they were" : "");
    if (revoked)
        log_warn("... but for %zu keys that it calls revoked: those are", revoked);
    return revoked > 0;
}

/* 0, or ERR_CONFIG, logged; *ret_changed: whether other rights hold now. */
static int file_take(struct access *a, int64_t now_ms, bool *ret_changed)
{
    struct buffer text = {0};
    struct rights *rights = NULL;
    char why[256];
    int err = file_read(a->path, RIGHTS_MAX_BYTES, &text, &a->taken);

    if (err < 0)
        snprintf(why, sizeof why, "%s", strerror(errno));
    else
        err = rights_parse(buffer_slice(&text), &rights, why, sizeof why);
    *ret_changed = err == 0 || file_refuse(a, buffer_slice(&text), why);
    buffer_free(&text);
    if (err < 0)
        return ERR_CONFIG;
    a->fault[0] = '\0';
    rights_take(a, rights, now_ms);
    log_info("the rights file %s: %zu keys", a->path, rights_count(rights));
    modes_check(a);
    return 0;
}

int access_open(const char *path, bool wanted, int64_t now_ms, struct access **ret)
{
    struct access *a = memory_need(sizeof *a);
    struct rights *none = NULL;
    bool changed;
    int err = 0;

    *a = (struct access){.path = strdup(path), .seen_ms = now_ms, .told_ms = now_ms - TELL_MS};
    if (!a->path)
        abort();
    a->seen = look(path);
    if (wanted || a->seen.st_ino) {
        err = file_take(a, now_ms, &changed);
    } else {
        rights_parse(slice_of(""), &none, NULL, 0);
        rights_take(a, none, now_ms);
    }
    if (err < 0)
        access_free(a);
    else
        *ret = a;
    return err;
}

void access_free(struct access *a)
{
    if (!a)
        return;
    rights_free(a->rights);
    free(a->rates);
    free(a->due_ms);
    free(a->path);
    free(a);
}

static void missing_note(struct access *a)
{
    a->taken = a->seen;
    snprintf(a->fault, sizeof a->fault, "it is no longer there");
    log_error("the rights file %s is no longer there; the rights stay as they were", a->path);
}

static bool is_settled(const struct access *a, int64_t now_ms)
{
    return now_ms - a->seen_ms >= (a->seen.st_size ? SETTLE_MS : SETTLE_EMPTY_MS);
}

bool access_pending(const struct access *a)
{
    return !file_same(&a->seen, &a->taken);
}

bool access_look(struct access *a, int64_t now_ms)
{
    struct stat now = look(a->path);

    if (!file_same(&now, &a->seen)) {
        a->seen = now;
        a->seen_ms = now_ms;
    }
    if (!access_pending(a) || !is_settled(a, now_ms))
        return false;
    bool changed = false;
    if (a->seen.st_ino)
        file_take(a, now_ms, &changed);
    else
        missing_note(a);
    return changed;
}

/* ---- asking ---- */

const char *access_fault(const struct access *a)
{
    return a->fault;
}

struct access_counts access_counts(const struct access *a)
{
    return a->counts;
}

const struct rights *access_rights(const struct access *a)
{
    return a->rights;
}

const struct right *access_right(const struct access *a, struct slice key)
{
    const struct right *r = rights_of_key(a->rights, key);

    return r && !r->revoked ? r : NULL;
}

struct rate *access_rate(struct access *a, const struct right *r)
{
    return r->rate ? &a->rates[r->number] : NULL;
}

/* Whether the key may shake hands once more now. */
static bool pace_take(struct access *a, const struct right *r)
{
    int64_t now_ms = clock_mono_ms(), *due_ms = &a->due_ms[r->number];

    if (*due_ms - now_ms > ACCESS_BURST * ACCESS_PACE_MS)
        return false;
    *due_ms = (*due_ms > now_ms ? *due_ms : now_ms) + ACCESS_PACE_MS;
    a->admitted++;
    return true;
}

uint64_t access_admitted(const struct access *a)
{
    return a->admitted;
}

void access_distrust(struct access *a, const struct right *r)
{
    a->due_ms[r->number] = clock_mono_ms() + ACCESS_BURST * ACCESS_PACE_MS + ACCESS_DISTRUST_MS;
}

static enum gate_verdict admit_known(struct access *a, const struct right *r, unsigned sessions)
{
    if (sessions < ACCESS_SESSIONS && pace_take(a, r))
        return GATE_OPEN;
    a->counts.later++;
    return GATE_LATER;
}

enum gate_verdict access_admit(struct access *a, const struct gate_request *request,
                               unsigned sessions)
{
    if (!request->keyed)
        return GATE_OPEN;
    const struct right *r = rights_of_key(a->rights, slice_of(request->key));
    if (r && !r->revoked)
        return admit_known(a, r, sessions);
    if (!r && access_pending(a))
        return GATE_LATER; /* it may be in the file that is about to be taken */
    a->refused++;
    a->counts.refused++;
    snprintf(a->address, sizeof a->address, "%.*s", (int)request->address.size,
             request->address.at);
    return r ? GATE_REVOKED : GATE_UNKNOWN;
}

void access_tell(struct access *a, uint64_t failed, int64_t now_ms)
{
    a->failed += failed;
    a->counts.failed += failed;
    if (now_ms - a->told_ms < TELL_MS || a->refused + a->failed == 0)
        return;
    a->told_ms = now_ms;
    if (a->refused)
        log_warn("connections with an unknown or revoked key were turned away: %llu, the last "
                 "from %s",
                 (unsigned long long)a->refused, a->address);
    if (a->failed)
        log_warn("connections to an endpoint with keys came to nothing: %llu; without a key, with "
                 "another broker's, or no ZeroMQ at all",
                 (unsigned long long)a->failed);
    a->refused = a->failed = 0;
}
