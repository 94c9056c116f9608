/* Risks; see risk.h.  Counters come from a store in which anybody may have written, so products of
 * them are taken in 128 bits. */
#include "workers/risk.h"

#include "proto/error.h"

const char *const risk_name[RISKS] = {
    [RISK_MISSED_BALLOT] = "missed-ballot",
    [RISK_MISSED_SHARE] = "missed-share",
    [RISK_MISSED_MEETINGS] = "missed-meetings",
};

/* Fields of a seat, without their level. */
static const struct duty_field {
    const char *name;
    size_t offset;
} duty_fields[] = {
    {"ballots.due", offsetof(struct duties, ballots_due)},
    {"ballots.abstained", offsetof(struct duties, abstained)},
    {"ballots.excused", offsetof(struct duties, excused)},
    {"ballots.missed", offsetof(struct duties, missed)},
    {"ballots.due.CIB", offsetof(struct duties, due_cib)},
    {"ballots.missed.CIB", offsetof(struct duties, missed_cib)},
    {"ballots.missed.DIS", offsetof(struct duties, missed_dis)},
    {"ballots.missed.FDIS", offsetof(struct duties, missed_fdis)},
    {"ballots.missed.SR", offsetof(struct duties, missed_sr)},
    {"meetings.due", offsetof(struct duties, meetings_due)},
    {"meetings.missed", offsetof(struct duties, meetings_missed)},
    {"meetings.excused", offsetof(struct duties, meetings_excused)},
};

static void duty_add(int64_t *to, int64_t more)
{
    *to = (int64_t)((uint64_t)*to + (uint64_t)more);
}

void duties_add(struct duties *d, struct slice field, int64_t value)
{
    if (!slice_cut_begin(&field, slice_of("technical.")) &&
        !slice_cut_begin(&field, slice_of("governance."))) {
        if (slice_is(field, "ballots.commented"))
            duty_add(&d->commented, value);
        return;
    }
    for (size_t i = 0; i < sizeof duty_fields / sizeof *duty_fields; i++)
        if (slice_is(field, duty_fields[i].name)) {
            duty_add((int64_t *)((char *)d + duty_fields[i].offset), value);
            return;
        }
}

int duties_row(void *context, void *record, struct slice field, struct slice value)
{
    int64_t n;

    (void)context;
    if (!slice_to_int(value, &n))
        return ERR_CORRUPT;
    duties_add(record, field, n);
    return 0;
}

static __int128 missed_documents(const struct duties *d)
{
    return (__int128)d->missed_dis + d->missed_fdis + d->missed_sr;
}

bool duties_any(const struct duties *d)
{
    return (__int128)d->ballots_due + d->meetings_due > 0;
}

bool duties_effective(const struct duties *d)
{
    __int128 came = (__int128)d->meetings_due - d->meetings_missed - d->meetings_excused;
    __int128 said = (__int128)d->ballots_due - d->excused - d->missed - d->abstained;

    return missed_documents(d) == 0 && (__int128)5 * d->missed_cib <= d->due_cib &&
           (d->meetings_due == 0 || came > 0) && (said > 0 || d->commented > 0);
}

static enum risk_score ballot_score(const struct rules *r, const struct risk_seat *s)
{
    if (missed_documents(&s->year) >= r->missed_dis)
        return RISK_RED;
    return s->open_ballot ? RISK_AMBER : RISK_NONE;
}

/* Whether so many missed of so many due are too many. */
static bool share_missed(const struct rules *r, __int128 missed, __int128 due)
{
    return missed >= r->cib_min && 100 * missed > r->cib_percent * due;
}

static enum risk_score share_score(const struct rules *r, const struct duties *d)
{
    if (share_missed(r, d->missed_cib, d->due_cib))
        return RISK_RED;
    return share_missed(r, (__int128)d->missed_cib + 1, (__int128)d->due_cib + 1) ? RISK_AMBER
                                                                                  : RISK_NONE;
}

static enum risk_score meetings_score(const struct rules *r, const struct risk_seat *s)
{
    size_t run = (size_t)r->meetings_run, missed = 0;

    while (missed < run && missed < s->meetings && s->missed[missed])
        missed++;
    if (missed == run)
        return RISK_RED;
    return missed > 0 ? RISK_AMBER : RISK_NONE;
}

void risk_scores(const struct rules *r, const struct risk_seat *s, enum risk_score ret[RISKS])
{
    ret[RISK_MISSED_BALLOT] = ballot_score(r, s);
    ret[RISK_MISSED_SHARE] = share_score(r, &s->year);
    ret[RISK_MISSED_MEETINGS] = meetings_score(r, s);
}

bool risk_kind(struct slice kind)
{
    return slice_is(kind, "DIS") || slice_is(kind, "FDIS") || slice_is(kind, "SR");
}
