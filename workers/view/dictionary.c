/* The data dictionary; see dictionary.h.  An exact name stands before a pattern that it fits too.
 */
#include "workers/view/dictionary.h"

#include "workers/view/csv.h"

#define COUNTED "member committee group" /* all counters of ballots and meetings */
#define DUTY    "member committee seat group"

const struct dictionary_entry dictionary[] = {
    /* votes */
    {"L.votes", "votes", COUNTED, "votes that hold: of a position, on ballots not cancelled"},
    {"L.votes.commented", "votes", COUNTED, "of these, with comments"},
    {"L.votes.participate", "votes", COUNTED, "of these, offering experts"},
    {"L.votes.late", "votes", COUNTED, "of these, recorded on a later day than the closing day"},
    {"L.votes.POSITION", "votes", COUNTED, "of these, of this position"},
    /* duties at ballots */
    {"L.ballots.due", "ballots", DUTY, "closed mandatory ballots on which the member's seat was P"},
    {"L.ballots.due.KIND", "ballots", DUTY, "of these, of this kind"},
    {"L.ballots.abstained", "ballots", DUTY, "due and answered with an abstention"},
    {"L.ballots.excused", "ballots", DUTY, "due and not answered, but excused"},
    {"L.ballots.missed", "ballots", DUTY, "due and neither answered nor excused"},
    {"L.ballots.missed.KIND", "ballots", DUTY, "of these, of this kind"},
    {"L.ballots.voluntary", "ballots", DUTY,
     "closed ballots answered by a member that was not due"},
    {"ballots.commented", "ballots", "seat",
     "due, answered and with comments, at both levels together"},
    /* meetings */
    {"L.meetings.attended", "meetings", COUNTED, "meetings with an attending participant"},
    {"L.delegates", "participants", COUNTED, "attending participants"},
    {"L.delegates.virtual", "participants", COUNTED, "of these, at a distance"},
    {"L.delegates.head", "participants", COUNTED, "of these, heads of delegation"},
    {"L.meetings.due", "meetings", DUTY,
     "held mandatory meetings where the member's seat was P on the first day"},
    {"L.meetings.missed", "meetings", DUTY,
     "due; nobody attended, took part by correspondence or was excused"},
    {"L.meetings.excused", "meetings", DUTY,
     "due; nobody attended or took part by correspondence, somebody was excused"},
    {"L.meetings.correspondence", "meetings", DUTY,
     "due; nobody attended, somebody took part by correspondence"},
    /* adoptions */
    {"adoptions", "adoptions", "member group", "identical and modified adoptions of the period"},
    {"adoptions.identical", "adoptions", "member group", "adoptions of degree IDT"},
    {"adoptions.modified", "adoptions", "member group", "adoptions of degree MOD"},
    {"adoptions.not-equivalent", "adoptions", "member group",
     "adoptions of degree NEQ; not among adoptions"},
    {"adoptions.withdrawn", "adoptions", "member group",
     "identical and modified adoptions withdrawn in the period"},
    {"adoptions.theme.THEME", "adoptions", "member group", "of adoptions, those with this theme"},
    {"adoptions.sdg.GOAL", "adoptions", "member group",
     "of adoptions, those for this sustainable development goal"},
    /* groups */
    {"members", "members", "group", "members in the group on the period's last day"},
    {"members.active", "members", "group",
     "of these, with a vote or an attended meeting in the period"},
    {"seats.P", "seats", "group", "P-seats of the group on the period's last day"},
    {"seats.O", "seats", "group", "O-seats of the group on the period's last day"},
    {"seats.dormant", "seats", "group",
     "P-seats of the year's last day without any duty in the year"},
    {"list", "text", "group", "version of the group list: date of its newest notice, and a digest"},
    {"without", "text", "group",
     "members left out of a -without-top3 group, those with the most votes first"},
    {"effective", "share", "group",
     "P-seats that took part effectively among those with a duty: no DIS, FDIS or SR missed, at "
     "most "
     "20 % of CIB missed, not absent from all meetings, and a position or a comment given"},
    {"voting", "share", "group", "technical ballots answered among those due"},
    {"substantive", "share", "group",
     "technical ballots answered otherwise than by abstention among those due"},
    {"commented", "share", "group", "votes with comments among all votes"},
    {"presence", "share", "group",
     "technical meetings attended, or taken part in by correspondence, among those due"},
    {"governance", "share", "group", "governance ballots answered among those due"},
    {"share.votes", "share", "group", "the group's part in all votes"},
    {"share.delegates", "share", "group", "the group's part in all attending participants"},
    {"share.seats", "share", "group", "the group's part in all P-seats"},
    {"voting.median", "share", "group",
     "median of voting over the group's members that had a technical ballot due"},
    {"presence.median", "share", "group",
     "median of presence over the group's members that had a technical meeting due"},
    {"FIGURE.num", "count", "group", "numerator of the figure"},
    {"FIGURE.den", "count", "group", "denominator of the figure; 0: there is no figure"},
    {"share.FIGURE.num", "count", "group", "numerator of the share"},
    {"share.FIGURE.den", "count", "group", "denominator of the share; 0: there is no share"},
    /* ballots and meetings */
    {"kind", "text", "ballot", "NP, CD, CDV, CIB, DTS, DTR, DPAS, DIS, FDIS, SR, WDRL or another"},
    {"opens", "date", "ballot", "first day"},
    {"closes", "date", "ballot", "last day; the ballot counts in its period"},
    {"starts", "date", "meeting", "first day; the meeting counts in its period"},
    {"ends", "date", "meeting", "last day"},
    {"status", "text", "ballot", "open, closed or cancelled"},
    {"status", "text", "meeting", "planned, held or cancelled"},
    {"level", "text", "ballot meeting", "technical or governance"},
    {"mandatory", "0 or 1", "ballot meeting", "whether P-members must take part"},
    {"title", "text", "ballot meeting", "title"},
    {"notice", "fact", "ballot meeting", "the notice as a fact"},
    {"verdict", "text", "ballot",
     "pass or fail, of a DIS, FDIS or CDV, by the votes as they stand"},
    {"votes", "votes", "ballot", "votes as they stand"},
    {"p.votes", "votes", "ballot", "of these, by members with seat P"},
    {"due", "members", "ballot meeting", "members that were due"},
    {"missed", "members", "ballot meeting", "of these, that missed it"},
    {"excused", "members", "ballot", "of these, that were excused"},
    {"members", "members", "meeting", "members with an attending participant"},
    {"delegates", "participants", "meeting", "attending participants"},
    {"p.POSITION", "votes", "ballot", "votes of this position by members with seat P"},
    {"POSITION", "votes", "ballot", "votes of this position"},
    /* members */
    {"from", "date", "profile", "first day of the newest member notice"},
    {"name", "text", "profile", "country or territory"},
    {"nsb", "text", "profile", "national standards body"},
    {"category", "text", "profile", "full, correspondent or subscriber"},
    {"developing", "0 or 1", "profile", "whether the member counts as a developing country"},
    {"groups", "list", "profile", "further groups, separated by commas"},
    /* facts */
    {"MEMBER", "fact", "vote", "the member's vote on the ballot"},
    {"MEMBER|PARTICIPANT", "fact", "attendance", "one participant of the meeting"},
    {"STANDARD|REFERENCE", "fact", "adoption", "an adoption by the member"},
    {"MEMBER|DATE", "fact", "seat-notice", "the member's role in the committee from that day on"},
    {"DATE", "fact", "member-notice", "what holds for the member from that day on"},
};

const size_t dictionary_count = sizeof dictionary / sizeof *dictionary;

/* The kind before the next space, or the last. */
static struct slice kind_cut(struct slice *kinds)
{
    struct slice kind;

    if (slice_cut(kinds, ' ', &kind))
        return kind;
    kind = *kinds;
    *kinds = (struct slice){0};
    return kind;
}

static void csv_row(struct csv *c, const char *field, const char *unit, struct slice kind,
                    const char *meaning)
{
    csv_add_text(c, field);
    csv_add_text(c, unit);
    csv_add(c, kind);
    csv_add_text(c, meaning);
    csv_end(c);
}

void dictionary_print_csv(struct buffer *out)
{
    struct csv c = {out, 0};

    csv_row(&c, "field", "unit", slice_of("kind"), "meaning");
    for (size_t i = 0; i < dictionary_count; i++) {
        const struct dictionary_entry *e = &dictionary[i];
        struct slice kinds = slice_of(e->kinds);
        while (kinds.at)
            csv_row(&c, e->field, e->unit, kind_cut(&kinds), e->meaning);
    }
}
