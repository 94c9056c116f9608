/* turnout watch: the seats at risk, with what is missing and by when the next ballot closes. */
#include "proto/clock.h"
#include "workers/cli/cli.h"
#include "workers/cli/cli_out.h"
#include "workers/cli/watch_print.h"
#include "workers/table_text.h"

#include <sysexits.h>

#define ANSWER_MS 5000

enum { KEY_CSV = 0x200 };

struct watch_verb {
    struct site site;
    struct watch_ask ask;
    enum cli_form form;
};

static const struct argp_option option_table[] = {
    {"member", 'm', "MEMBER", 0, "only seats of this member; may be given again", 0},
    {"committee", 'c', "COMMITTEE", 0, "only seats in this committee; may be given again", 0},
    {"csv", KEY_CSV, 0, 0,
     "as CSV: risk,reason,committee,title,member,missing,next_ballot,next_closes", 0},
    {"json", 'j', 0, 0, "as one JSON object", 0},
    {0}};

static error_t option_parse(int key, char *arg, struct argp_state *state)
{
    struct watch_verb *v = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &v->site;
        return 0;
    case 'm':
        name_list_add(&v->ask.members, slice_of(arg));
        return 0;
    case 'c':
        name_list_add(&v->ask.committees, slice_of(arg));
        return 0;
    case 'j':
        cli_form_set(&v->form, FORM_JSON, state);
        return 0;
    case KEY_CSV:
        cli_form_set(&v->form, FORM_CSV, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int print(const struct watch_verb *v, const struct watch_list *w)
{
    struct buffer out = {0};
    int status;

    if (!w->known)
        fprintf(stderr, "turnout watch: no watch list yet: nothing has been derived\n");
    else if (w->count == 0)
        fprintf(stderr, "turnout watch: no seat at risk%s\n",
                v->ask.members.count || v->ask.committees.count ? " of those asked for" : "");
    if (v->form == FORM_JSON)
        watch_print_json(w, &out);
    else if (v->form == FORM_CSV)
        watch_print_csv(w, &out);
    else
        watch_print_text(w, text_colour_wanted(stdout), &out);
    status = cli_write("watch", &out);
    buffer_free(&out);
    return status;
}

static int watch(struct watch_verb *v)
{
    struct store *store = site_store(&v->site, ANSWER_MS);
    struct watch_list list = {0};
    int error = watch_load(store, &v->ask, &list);
    int status = error < 0 ? cli_fail("watch", "Redis", v->site.redis, error) : print(v, &list);

    watch_free(&list);
    store_free(store);
    return status;
}

int cli_watch(int argc, char **argv)
{
    static const struct argp_child children[] = {{&site_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        option_table,
        option_parse,
        NULL,
        "Lists the seats at risk, red before amber: why, what exactly is missing, and which open "
        "mandatory ballot of the committee that the member has not answered closes "
        "next.\vmissed-ballot: a DIS, FDIS or SR was missed this year (red), or closes soon and "
        "is unanswered (amber).  missed-share: too many internal ballots (CIB) were missed (red), "
        "or one more would be (amber).  missed-meetings: the last meetings in a row were missed "
        "(red), or the last one (amber).  A late vote, an excuse or a corrected attendance clears "
        "a seat; the list is advice.\n\nExit status: 0 done (also when no seat is at risk, which "
        "is then said on standard error), 64 usage, 69 Redis does not answer, 74 what is read is "
        "damaged, or the output cannot be written, 75 Redis is busy, 78 the user of Redis is not "
        "right.",
        children,
        NULL,
        NULL};
    struct watch_verb v = {0};
    int status;

    argp_parse(&argp, argc, argv, 0, NULL, &v);
    v.ask.now_ms = clock_wall_ms();
    status = watch(&v);
    name_list_free(&v.ask.members);
    name_list_free(&v.ask.committees);
    site_free(&v.site);
    return status;
}
