/* turnout keys: makes keys, lists them, and revokes them.  A key is a file for its holder in
 * DIR/keys and a section of the rights file, which a running broker follows by itself.
 *
 * What can fail: a name that is taken, a right that makes no sense (the broker's own parser says so
 * before anything is changed), the disk. */
#include "proto/clock.h"
#include "proto/error.h"
#include "proto/keyring.h"
#include "proto/link.h"
#include "workers/cli/cli.h"
#include "workers/cli/cli_out.h"
#include "workers/cli/owner.h"
#include "workers/cli/rights_edit.h"
#include "workers/cli/rights_file.h"
#include "workers/table_text.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#define HEED_MS   400 /* within this the broker has seen a change, as a rule */
#define LOOK_MS   50
#define ANSWER_MS 1000
#define FOLLOW_MS 10000

enum {
    KEY_MAY = 0x200,
    KEY_SOURCE,
    KEY_TYPES,
    KEY_COMMITTEES,
    KEY_RATE,
    KEY_PARTICIPANTS,
    KEY_RIGHTS
};

struct keys_verb {
    const char *dir, *rights_path;
    const char *action, *name;
    struct rights_wish wish;
    bool json;
    struct rights_file file;
};

static const struct argp_option option_table[] = {
    {"may", KEY_MAY, "WHAT", 0, "publish (default), work (as turnout-worker does) or watch", 0},
    {"source", KEY_SOURCE, "NAME", 0, "source of what it publishes (default: the key's name)", 0},
    {"types", KEY_TYPES, "TYPES", 0,
     "event types it may publish, with blanks between (default: all)", 0},
    {"committees", KEY_COMMITTEES, "LIST", 0,
     "committees it may publish for, with | between; a star at the end: all that begin so "
     "(default: "
     "all)",
     0},
    {"rate", KEY_RATE, "N", 0, "most events a second (default: no limit)", 0},
    {"participants", KEY_PARTICIPANTS, 0, 0,
     "a watcher may read the journal and the refused events, which have participants' keys", 0},
    {"json", 'j', 0, 0, "the list as one JSON object", 0},
    {"dir", 'd', "DIR", 0, "the stack's folder (default: $TURNOUT_DIR, else ./run)", 1},
    {"rights", KEY_RIGHTS, "FILE", 0, "the rights file (default: DIR/rights.conf)", 1},
    {0}};

static error_t argument_take(struct keys_verb *v, char *arg, struct argp_state *state)
{
    if (!v->action)
        v->action = arg;
    else if (!v->name)
        v->name = arg;
    else
        argp_usage(state);
    return 0;
}

static void arguments_check(const struct keys_verb *v, struct argp_state *state)
{
    bool is_list = v->action && strcmp(v->action, "list") == 0;
    bool is_new = v->action && strcmp(v->action, "new") == 0;

    if (!is_list && !is_new && !(v->action && strcmp(v->action, "revoke") == 0))
        argp_error(state, "keys new NAME, keys list, or keys revoke NAME");
    if (is_list == (v->name != NULL))
        argp_error(state, is_list ? "keys list takes no name" : "keys %s needs a name", v->action);
    if (v->name && (!name_is_plain(slice_of(v->name)) || strcmp(v->name, KEYRING_BROKER) == 0))
        argp_error(state, "a name is 1 to %d letters, digits, '-', '_' and '.', and not %s",
                   NAME_MOST, KEYRING_BROKER);
}

/* What would not be read again as it was written. */
static bool value_fits(const char *value)
{
    for (const char *at = value; *at; at++)
        if (*at == '\n' || (*at == '#' && (at == value || at[-1] == ' ' || at[-1] == '\t')))
            return false;
    return true;
}

static error_t option_parse(int key, char *arg, struct argp_state *state)
{
    struct keys_verb *v = state->input;
    const char **const to[] = {&v->wish.may, &v->wish.source, &v->wish.types, &v->wish.committees,
                               &v->wish.rate};

    switch (key) {
    case KEY_MAY:
    case KEY_SOURCE:
    case KEY_TYPES:
    case KEY_COMMITTEES:
    case KEY_RATE:
        if (!value_fits(arg))
            argp_error(state, "neither a line's end nor a # can stand in the rights file: %s", arg);
        *to[key - KEY_MAY] = arg;
        return 0;
    case KEY_PARTICIPANTS:
        v->wish.participants = true;
        return 0;
    case KEY_RIGHTS:
        v->rights_path = arg;
        return 0;
    case 'd':
        v->dir = arg;
        return 0;
    case 'j':
        v->json = true;
        return 0;
    case ARGP_KEY_ARG:
        return argument_take(v, arg, state);
    case ARGP_KEY_END:
        arguments_check(v, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

static int fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fprintf(stderr, "turnout keys: ");
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return EX_CONFIG;
}

/* ---- the rights file ---- */

static int rights_write(struct keys_verb *v, const struct buffer *text)
{
    char why[512];

    if (rights_file_write(&v->file, buffer_slice(text), why, sizeof why) < 0)
        return fail("%s", why);
    return EX_OK;
}

/* The rights of whom the keys belong to; see owner.h. */
static int keys_begin(const struct keys_verb *v)
{
    if (owner_return() < 0 || owner_become(v->dir) < 0)
        return fail("%s: %s", v->dir, strerror(errno));
    return EX_OK;
}

static const struct right *right_named(const struct keys_verb *v)
{
    for (size_t i = 0; i < rights_count(v->file.rights); i++)
        if (strcmp(rights_at(v->file.rights, i)->name, v->name) == 0)
            return rights_at(v->file.rights, i);
    return NULL;
}

/* ---- the broker ---- */

/* What a connection under this key comes to; LINK_TRYING when nobody answers. */
static enum link_state state_ask(const struct keyfile *k)
{
    int64_t end_ms = clock_mono_ms() + ANSWER_MS;
    enum link_state state = LINK_TRYING;
    struct link *l;

    if (!k->read[0] || link_connect_keyed(k->read, k, &l) < 0)
        return state;
    while ((state = link_state(l)) == LINK_TRYING && clock_mono_ms() < end_ms)
        link_wait(&l, 1, -1, LOOK_MS);
    link_close(l, 0);
    return state;
}

/* A broker that runs looks at the rights file a few times a second: who is told that a key is made
 * or revoked shall find it so.  A broker that does not run is no matter. */
static void broker_await(const struct keyfile *k, enum link_state wanted)
{
    int64_t end_ms = clock_mono_ms() + FOLLOW_MS;
    enum link_state state;

    if (wanted == LINK_UP)
        link_wait(NULL, 0, -1, HEED_MS); /* or it would log the first try as a stranger's */
    do {
        state = state_ask(k);
        if (state == wanted || state == LINK_TRYING)
            return;
        link_wait(NULL, 0, -1, LOOK_MS);
    } while (clock_mono_ms() < end_ms);
    fail("%s: written, but the broker at %s does not follow; its log says why", k->name, k->read);
}

/* ---- new ---- */

static int key_make(struct keys_verb *v, struct keyfile *ret)
{
    char why[256];
    int err;

    if (keys_begin(v) != EX_OK)
        return EX_CONFIG;
    err = keyring_new(v->dir, v->name, ret, why, sizeof why);
    if (err == ERR_CONFLICT)
        fail("%s: a key of this name is there already", v->name);
    else if (err < 0)
        fail("%s", why);
    return err == 0 ? EX_OK : err == ERR_CONFLICT ? EXIT_FAILURE : EX_CONFIG;
}

/* First the key's file, then its rights: should something come between, there is a file too many,
 * which nobody knows. */
static int key_grant(struct keys_verb *v, const struct keyfile *k)
{
    char *path = keyring_path(v->dir, v->name);
    struct buffer text = {0};
    int status;

    rights_add(buffer_slice(&v->file.text), v->name, k->public, &v->wish, &text);
    status = rights_write(v, &text);
    if (status != EX_OK && keys_begin(v) == EX_OK)
        unlink(path);
    if (status == EX_OK)
        printf("%s\n", path);
    if (status == EX_OK)
        broker_await(k, LINK_UP);
    if (status == EX_OK && !k->publish[0])
        fprintf(stderr, "turnout keys: the broker has no endpoint for keys yet, so the file names "
                        "none\n");
    buffer_free(&text);
    free(path);
    return status;
}

static int keys_new(struct keys_verb *v)
{
    struct keyfile k = {.name = ""};
    int status;

    if (right_named(v)) {
        fail("%s: a key of this name is there already", v->name);
        return EXIT_FAILURE;
    }
    if (!v->wish.may)
        v->wish.may = "publish";
    status = key_make(v, &k);
    if (status == EX_OK)
        status = key_grant(v, &k);
    keyfile_forget(&k);
    return status;
}

/* ---- revoke ---- */

/* Where its holder has taken the key's file away, nobody can look. */
static void revoke_await(const struct keys_verb *v)
{
    char *path = keyring_path(v->dir, v->name), why[256];
    struct keyfile k;

    if (keyfile_read(path, &k, NULL, why, sizeof why) == 0) {
        broker_await(&k, LINK_REVOKED_KEY);
        keyfile_forget(&k);
    }
    free(path);
}

static int keys_revoke(struct keys_verb *v)
{
    const struct right *right = right_named(v);
    struct buffer text = {0};
    int status;

    if (!right) {
        fail("%s: there is no such key", v->name);
        return EXIT_FAILURE;
    }
    if (right->revoked) {
        fail("%s: was revoked before", v->name);
        return EX_OK;
    }
    rights_revoke(buffer_slice(&v->file.text), v->name, date_of_ms(clock_wall_ms()), &text);
    status = rights_write(v, &text);
    if (status == EX_OK)
        revoke_await(v);
    buffer_free(&text);
    return status;
}

/* ---- list ---- */

static const char *may_name(const struct right *r)
{
    return r->may == MAY_PUBLISH ? "publish" : r->may == MAY_WORK ? "work" : "watch";
}

static void types_add(const struct right *r, struct buffer *out)
{
    for (int i = 0; i < EVENT_TYPES; i++)
        if (r->types & 1U << i) {
            buffer_add_text(out, out->size ? " " : "");
            buffer_add_text(out, event_type_name[i]);
        }
}

static void committees_add(const struct right *r, struct buffer *out)
{
    for (size_t i = 0; i < r->committee_count; i++) {
        buffer_add_text(out, i ? " | " : "");
        buffer_add_slice(out, r->committees[i].text);
        buffer_add_text(out, r->committees[i].prefix ? "*" : "");
    }
}

/* What the key may, in words of the rights file; "all" and "-" where nothing limits it. */
static void row_cells(const struct right *r, struct buffer cells[5])
{
    bool publishes = r->may == MAY_PUBLISH;
    char date[DATE_TEXT + 1] = "";

    buffer_add_text(&cells[0], publishes ? r->source : "-");
    if (publishes && r->types != RIGHT_LOCAL->types)
        types_add(r, &cells[1]);
    else
        buffer_add_text(&cells[1], publishes ? "all" : "-");
    if (!r->all_committees)
        committees_add(r, &cells[2]);
    else
        buffer_add_text(&cells[2], publishes ? "all" : "-");
    if (r->rate)
        buffer_add_int(&cells[3], r->rate);
    else
        buffer_add_text(&cells[3], "-");
    if (r->revoked)
        date_format(r->revoked_on, date);
    buffer_add_text(&cells[4], r->revoked ? date : "-");
}

static void row_add(struct text_table *t, const struct right *r)
{
    enum text_style style = r->revoked ? TEXT_RED : TEXT_PLAIN;
    struct buffer cells[5] = {{0}};
    const char *may = r->participants ? "watch, participants" : may_name(r);

    row_cells(r, cells);
    text_table_add(t, slice_of(r->name), style);
    text_table_add(t, slice_of(may), style);
    for (int i = 0; i < 5; i++) {
        text_table_add(t, buffer_slice(&cells[i]), style);
        buffer_free(&cells[i]);
    }
}

static void list_text(const struct keys_verb *v, struct buffer *out)
{
    static const char *const heads[] = {"key",        "may",  "source", "types",
                                        "committees", "rate", "revoked"};
    struct text_table *t = text_table_new(7);

    for (int i = 0; i < 7; i++)
        text_table_add(t, slice_of(heads[i]), TEXT_BOLD);
    for (size_t i = 0; i < rights_count(v->file.rights); i++)
        row_add(t, rights_at(v->file.rights, i));
    text_table_print(t, text_colour_wanted(stdout), out);
    text_table_free(t);
}

static json_t *words_json(const struct right *r)
{
    json_t *all = json_array();

    for (int i = 0; i < EVENT_TYPES; i++)
        if (r->may == MAY_PUBLISH && r->types & 1U << i)
            json_array_append_new(all, json_string(event_type_name[i]));
    return all;
}

static json_t *committees_json(const struct right *r)
{
    json_t *all = json_array();

    for (size_t i = 0; i < r->committee_count; i++)
        json_array_append_new(all, json_sprintf("%.*s%s", (int)r->committees[i].text.size,
                                                r->committees[i].text.at,
                                                r->committees[i].prefix ? "*" : ""));
    return all;
}

static json_t *right_json(const struct right *r)
{
    char date[DATE_TEXT + 1] = "";
    bool publishes = r->may == MAY_PUBLISH;

    if (r->revoked)
        date_format(r->revoked_on, date);
    return json_pack("{s:s,s:s,s:s,s:s?,s:o,s:o?,s:o?,s:b,s:s?}", "name", r->name, "key", r->key,
                     "may", may_name(r), "source", publishes ? r->source : NULL, "types",
                     words_json(r), "committees", r->all_committees ? NULL : committees_json(r),
                     "rate", r->rate ? json_integer(r->rate) : NULL, "participants",
                     r->participants, "revoked", r->revoked ? date : NULL);
}

static void list_json(const struct keys_verb *v, struct buffer *out)
{
    json_t *all = json_array(), *whole;
    char *text;

    for (size_t i = 0; i < rights_count(v->file.rights); i++)
        json_array_append_new(all, right_json(rights_at(v->file.rights, i)));
    whole = json_pack("{s:o}", "keys", all);
    text = json_dumps(whole, JSON_COMPACT | JSON_PRESERVE_ORDER);
    buffer_add_text(out, text);
    buffer_add_text(out, "\n");
    free(text);
    json_decref(whole);
}

static int keys_list(struct keys_verb *v)
{
    struct buffer out = {0};
    int status;

    if (v->json)
        list_json(v, &out);
    else
        list_text(v, &out);
    status = cli_write("keys", &out);
    buffer_free(&out);
    return status;
}

/* ---- all ---- */

static char *path_make(const char *dir, const char *name)
{
    char *path = NULL;

    if (asprintf(&path, "%s/%s", dir, name) < 0)
        abort();
    return path;
}

static int run(struct keys_verb *v, const char *path)
{
    bool is_list = strcmp(v->action, "list") == 0;
    char why[512];

    if (rights_file_open(&v->file, path, !is_list, why, sizeof why) < 0)
        return fail("%s", why);
    if (is_list)
        return keys_list(v);
    return strcmp(v->action, "new") == 0 ? keys_new(v) : keys_revoke(v);
}

int cli_keys(int argc, char **argv)
{
    static const struct argp argp = {
        option_table,
        option_parse,
        "new NAME\nlist\nrevoke NAME",
        "Keys for the broker's tcp:// endpoints.  new makes DIR/keys/NAME.key, the file that its "
        "holder gives to --key, says in the rights file what it may do, and prints the file's "
        "path; "
        "list shows what each key may; revoke takes all of it away for good.  A running broker "
        "follows at once."
        "\vTo be run on the broker's host, by the user that the broker runs as, or root.  Exit "
        "status: 0 done, 1 no such key, or a name that is taken, 64 usage, 78 a right or file that "
        "cannot be.",
        NULL,
        NULL,
        NULL};
    const char *dir = getenv("TURNOUT_DIR");
    struct keys_verb v = {.dir = dir && *dir ? dir : "run", .file.lock = -1};
    char *path;
    int status;

    argp_parse(&argp, argc, argv, 0, NULL, &v);
    path = v.rights_path ? strdup(v.rights_path) : path_make(v.dir, "rights.conf");
    status = run(&v, path);
    rights_file_close(&v.file);
    if (owner_return() < 0)
        status = fail("%s", strerror(errno));
    free(path);
    return status;
}
