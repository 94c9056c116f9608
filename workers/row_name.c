/* Names of rows; see row_name.h.  Nothing fails. */
#include "workers/row_name.h"

#include "workers/ledger.h"

struct slice row_period(struct commit *c, uint32_t period)
{
    struct date_civil first = {(int)period / 100, (int)period % 100, 1};
    bool year = first.month == 0;
    char text[DATE_TEXT];

    first.month += year;
    date_format(date_from_civil(first), text);
    return arena_copy(c->arena, slice_make(text, year ? 4 : 7));
}

struct slice row_name(struct commit *c, const struct row_key *k)
{
    struct slice none = slice_make("", 0);
    struct slice committee = k->committee ? k->committee->entry.key : none;
    struct slice member = k->member ? k->member->entry.key : none;
    struct slice period = row_period(c, k->period);
    struct slice of_tenure[] = {slice_of("tenure:"), member};
    struct slice of_member[] = {slice_of("member:"), member, slice_of(":"), period};
    struct slice of_committee[] = {slice_of("committee:"), committee, slice_of(":"), period};
    struct slice of_seat[] = {slice_of("seat:"), committee, slice_of("|"), member,
                              slice_of(":"),     period};

    return k->kind == ROW_MEMBER      ? commit_join(c, of_member, 4)
           : k->kind == ROW_COMMITTEE ? commit_join(c, of_committee, 4)
           : k->kind == ROW_SEAT      ? commit_join(c, of_seat, 6)
                                      : commit_join(c, of_tenure, 2);
}
