/* The votes that the benchmarks send; see votes.h. */
#include "tests/votes.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/pack.h"
#include "tests/random.h"

#define WINDOW     64  /* ballots open at a time */
#define MEMBERS    165 /* that vote on each */
#define COMMITTEES 340
#define MEMORY     4096          /* votes that a later one can change or repeat */
#define START_MS   1704067200000 /* 2024-01-01 */
#define STEP_MS    37

struct vote {
    uint64_t id, ballot, member, position, commented;
    int64_t time_ms;
};

struct votes {
    enum votes_order order;
    uint64_t first, count;
    struct random random;
    struct vote memory[MEMORY];
};

struct votes *votes_new(enum votes_order order, uint64_t first, uint64_t seed)
{
    struct votes *v = memory_need(sizeof *v);

    memset(v, 0, sizeof *v);
    v->order = order;
    v->first = first;
    v->random = random_new(seed);
    return v;
}

void votes_free(struct votes *v)
{
    free(v);
}

uint64_t votes_ballots(uint64_t first, uint64_t count)
{
    return first + (count / (WINDOW * MEMBERS) + 1) * WINDOW;
}

/* ---- writing events ---- */
static void add_text(struct buffer *b, const char *key, const char *value)
{
    pack_text(b, key);
    pack_text(b, value);
}

static void add_number(struct buffer *b, const char *key, const char *prefix, uint64_t number)
{
    char text[32];

    snprintf(text, sizeof text, "%s%" PRIu64, prefix, number);
    add_text(b, key, text);
}

static void add_head(struct buffer *b, uint32_t keys, const char *type, uint64_t id,
                     int64_t time_ms)
{
    char text[32];

    pack_map(b, keys);
    add_text(b, "type", type);
    snprintf(text, sizeof text, "%016" PRIx64, id);
    add_text(b, "id", text);
    pack_text(b, "time");
    pack_int(b, time_ms);
}

static void add_member(struct buffer *b, uint64_t member)
{
    char text[4] = {(char)('A' + member / 26), (char)('A' + member % 26), 'X', 0};

    add_text(b, "member", text);
}

static void add_ballot(struct buffer *b, uint64_t ballot)
{
    add_number(b, "ballot", "B", ballot);
    add_number(b, "committee", "ISO/TC ", ballot % COMMITTEES);
}

/* ---- votes ---- */
static uint64_t pick_ballot(const struct votes *v, uint64_t random)
{
    uint64_t window = v->count / (WINDOW * MEMBERS);

    switch (v->order) {
    case VOTES_RANDOM:
        return (random >> 8) % v->first;
    case VOTES_ONCE:
        return v->first + v->count / MEMBERS;
    default:
        return v->first + window * WINDOW + (random >> 8) % WINDOW;
    }
}

static struct vote vote_new(const struct votes *v, uint64_t random)
{
    uint64_t tenth = (random >> 40) % 10;

    return (struct vote){
        .ballot = pick_ballot(v, random),
        .member = v->order == VOTES_ONCE ? v->count % MEMBERS : (random >> 20) % MEMBERS,
        .position = tenth < 8 ? 0 : tenth - 7,
        .commented = random >> 50 & 1,
    };
}

/* Times go on from segment to segment, so that a later one's votes change those of an earlier. */
static struct vote vote_next(struct votes *v)
{
    uint64_t random = random_next(&v->random), percent = random % 100;
    bool looks_back = v->count >= MEMORY && v->order != VOTES_ONCE;
    struct vote next;

    if (looks_back && percent < 5)
        return v->memory[(random >> 8) % MEMORY];
    if (looks_back && percent < 15) {
        next = v->memory[(random >> 8) % MEMORY];
        next.position = (next.position + 1) % 3;
    } else {
        next = vote_new(v, random);
    }
    next.id = random_next(&v->random);
    next.time_ms = START_MS + (int64_t)(v->first * MEMBERS + v->count) * STEP_MS;
    return next;
}

void votes_next(struct votes *v, struct buffer *ret)
{
    static const char *const positions[] = {"approve", "disapprove", "abstain"};
    struct vote next = vote_next(v);

    add_head(ret, 8, "vote", next.id, next.time_ms);
    add_ballot(ret, next.ballot);
    add_member(ret, next.member);
    add_text(ret, "position", positions[next.position]);
    pack_text(ret, "comments");
    pack_uint(ret, next.commented);
    v->memory[v->count++ % MEMORY] = next;
}

/* ---- notices ---- */
static void ballot_notice(uint64_t ballot, bool closed, uint64_t id, struct buffer *ret)
{
    add_head(ret, 8, "ballot", id, START_MS);
    add_ballot(ret, ballot);
    add_text(ret, "kind", "DIS");
    add_text(ret, "closes", ballot % 2 ? "2024-03-01" : "2024-04-01");
    add_text(ret, "status", closed ? "closed" : "open");
}

static void seat_notice(uint64_t committee, uint64_t member, struct random *r, struct buffer *ret)
{
    add_head(ret, 7, "seat", random_next(r), START_MS);
    add_number(ret, "committee", "ISO/TC ", committee);
    add_member(ret, member);
    add_text(ret, "from", "2020-01-01");
    add_text(ret, "role", random_next(r) % 3 ? "O" : "P");
}

void votes_notices(uint64_t first, uint64_t end, bool closed, uint64_t seed, struct buffer *ret)
{
    struct random r = random_new(seed);

    for (uint64_t b = first; b < end; b++)
        ballot_notice(b, closed, random_next(&r), ret);
    for (uint64_t c = first; c < end && c < COMMITTEES; c++)
        for (uint64_t m = 0; m < MEMBERS; m++)
            seat_notice(c, m, &r, ret);
}
