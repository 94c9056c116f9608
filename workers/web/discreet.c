/* Discretion; see discreet.h. */
#include "workers/web/discreet.h"

#include "workers/audit/subject.h"

struct slice discreet_subject(struct view *v, const struct witness *w)
{
    size_t size = w->subject.size;

    if (w->type == EVENT_ATTENDANCE) /* the participant is its last part */
        while (w->subject.at[--size] != '|')
            ;
    return arena_copy(v->arena, slice_make(w->subject.at, size));
}

struct slice discreet_id(struct view *v, const struct witness *w, struct slice id)
{
    return w->type == EVENT_ATTENDANCE ? (struct slice){0} : arena_copy(v->arena, id);
}

struct slice discreet_states(struct view *v, const struct witness *w)
{
    struct buffer b = {0};
    struct slice text;

    statement_format(w->type, w->fact, &b);
    text = arena_copy(v->arena, buffer_slice(&b));
    buffer_free(&b);
    return text;
}
