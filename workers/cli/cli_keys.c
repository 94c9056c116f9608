/* turnout keys: makes keys, lists them, and revokes them.  A key is a file for its holder in
 * DIR/keys and a section of the rights file, which a running broker follows by itself.
 *
 * What can fail: a name that is taken, a right that makes no sense (the broker's own parser says so
 * before anything is changed), the disk. */
#include "proto/clock.h"
#include "proto/error.h"
#include "proto/keyring.h"
#include "workers/cli/cli.h"
#include "workers/cli/cli_out.h"
#include "workers/cli/follow.h"
#include "workers/cli/keys_print.h"
#include "workers/cli/owner.h"
#include "workers/cli/rights_edit.h"
#include "workers/cli/rights_file.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

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
     "(default: all)",
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

static char *path_make(const char *dir, const char *name)
{
    char *path = NULL;

    if (asprintf(&path, "%s/%s", dir, name) < 0)
        abort();
    return path;
}

/* ---- the rights file ---- */

static int rights_write(struct keys_verb *v, const struct buffer *text)
{
    char why[512];

    mode_t mode = v->rights_path ? 0644 : 0640; /* elsewhere it may not be the broker's own */

    if (rights_file_write(&v->file, buffer_slice(text), mode, why, sizeof why) < 0)
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

static const struct right *right_named(const struct keys_verb *v, struct slice name)
{
    for (size_t i = 0; i < rights_count(v->file.rights); i++)
        if (slice_is(name, rights_at(v->file.rights, i)->name))
            return rights_at(v->file.rights, i);
    return NULL;
}

/* ---- the broker ---- */

/* Who is told that a key is made or revoked shall find it so.  A broker that does not run is no
 * matter: it reads the file when it starts. */
static int broker_await(const struct keys_verb *v, const struct keyfile *k, enum link_state wanted)
{
    switch (broker_follow(v->dir, k, wanted)) {
    case FOLLOW_UNSEEN:
        fail("%s: written; not seen whether the broker follows%s", v->name,
             k ? ": it runs, but cannot be reached" : ", as the key's file is not here");
        return EX_TEMPFAIL;
    case FOLLOW_NOT:
        fail("%s: written, but the broker does not follow; its log says why, and which rights file "
             "it has",
             v->name);
        return EX_TEMPFAIL;
    default:
        return EX_OK;
    }
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
        fail("%s: a key of this name is there already, without rights: `turnout keys revoke %s` "
             "takes it away",
             v->name, v->name);
    else if (err < 0)
        fail("%s", why);
    return err == 0 ? EX_OK : err == ERR_CONFLICT ? EXIT_FAILURE : EX_CONFIG;
}

/* First the key's file, then its rights: should something come between, there is a file too many,
 * which no broker knows; `list` tells of it, and `revoke` takes it away. */
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
    if (status == EX_OK && !k->publish[0])
        fail("the broker has no endpoint for keys yet, so the file names none");
    if (status == EX_OK)
        status = broker_await(v, k, LINK_UP);
    buffer_free(&text);
    free(path);
    return status;
}

/* Judges one option by itself, so that it can be named. */
static int option_check(const struct keys_verb *v, const char *option, struct rights_wish wish)
{
    static const char any_key[] =
        "0000000000000000000000000000000000000000000000000000000000000000";
    struct rights *rights = NULL;
    struct buffer text = {0};
    char why[256];
    const char *reason;

    rights_add(slice_of(""), v->name, any_key, &wish, &text);
    int err = rights_parse(buffer_slice(&text), &rights, why, sizeof why);
    buffer_free(&text);
    rights_free(rights);
    if (err == 0)
        return EX_OK;
    reason = strstr(why, ": "); /* after the line, which is nobody's */
    return fail("%s: %s%s", option, reason ? reason + 2 : why,
                wish.types && strchr(wish.types, ',') ? "; types are separated by blanks" : "");
}

static int options_check(const struct keys_verb *v)
{
    const struct rights_wish *w = &v->wish;
    const struct {
        const char *option, *value;
        struct rights_wish wish;
    } checks[] = {
        {"--may", w->may, {.may = w->may}},
        {"--source", w->source, {.may = w->may, .source = w->source}},
        {"--types", w->types, {.may = w->may, .types = w->types}},
        {"--committees", w->committees, {.may = w->may, .committees = w->committees}},
        {"--rate", w->rate, {.may = w->may, .rate = w->rate}},
    };

    if (strcmp(v->name, RIGHT_LOCAL->source) == 0) /* which is no source, but may be a name */
        return EX_OK;
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++)
        if (checks[i].value && option_check(v, checks[i].option, checks[i].wish) != EX_OK)
            return EX_CONFIG;
    return EX_OK;
}

static int keys_new(struct keys_verb *v)
{
    struct keyfile k = {.name = ""};
    int status;

    if (right_named(v, slice_of(v->name))) {
        fail("%s: a key of this name is there already", v->name);
        return EXIT_FAILURE;
    }
    if (!v->wish.may)
        v->wish.may = "publish";
    status = options_check(v);
    if (status == EX_OK)
        status = key_make(v, &k);
    if (status == EX_OK)
        status = key_grant(v, &k);
    keyfile_forget(&k);
    return status;
}

/* ---- revoke ---- */

/* The key's own file, where it is still here. */
static bool file_of_key(const struct keys_verb *v, const char *public, struct keyfile *ret)
{
    char *path = keyring_path(v->dir, v->name), why[256];
    bool found = keyfile_read(path, ret, NULL, why, sizeof why) == 0;

    free(path);
    if (found && public && strcmp(ret->public, public) != 0) {
        keyfile_forget(ret);
        found = false;
    }
    return found;
}

/* `public`: the key, NULL if that is not known. */
static int revoke_await(const struct keys_verb *v, const char *public)
{
    struct keyfile k;
    bool found;
    int status = keys_begin(v);

    if (status != EX_OK)
        return status;
    found = file_of_key(v, public, &k);
    status = broker_await(v, found ? &k : NULL, LINK_REVOKED_KEY);
    if (found)
        keyfile_forget(&k);
    return status;
}

/* A file without rights, as a `new` that was interrupted leaves it.  One that a broker knows by
 * another rights file is not that. */
static int orphan_remove(const struct keys_verb *v)
{
    char *path = keyring_path(v->dir, v->name);
    struct keyfile k = {.name = ""};
    enum follow admits = FOLLOW_NOBODY;
    int status = keys_begin(v);

    if (status != EX_OK) {
        free(path);
        return status;
    }
    status = EXIT_FAILURE;
    if (!file_of_key(v, NULL, &k)) {
        fail("%s: there is no such key", v->name);
    } else if ((admits = broker_admits(v->dir, &k)) == FOLLOW_SEEN) {
        fail("%s: the broker has this key from another rights file than %s", v->name, v->file.path);
    } else if (admits == FOLLOW_UNSEEN) {
        fail("%s: a broker runs and does not say whether it has this key; nothing is removed",
             v->name);
        status = EX_TEMPFAIL;
    } else if (unlink(path) < 0) {
        status = fail("%s: %s", path, strerror(errno));
    } else {
        fail("%s: had no rights; its file is removed", v->name);
        status = EX_OK;
    }
    keyfile_forget(&k);
    free(path);
    return status;
}

static int keys_revoke(struct keys_verb *v)
{
    const struct right *right = right_named(v, slice_of(v->name));
    struct buffer text = {0};
    int status = EX_OK;

    if (!right)
        return orphan_remove(v);
    if (right->revoked) {
        fail("%s: was revoked before", v->name);
    } else {
        rights_revoke(buffer_slice(&v->file.text), v->name, date_of_ms(clock_wall_ms()), &text);
        status = rights_write(v, &text);
    }
    if (status == EX_OK)
        status = revoke_await(v, right->key);
    buffer_free(&text);
    return status;
}

/* Somebody can be shut out whatever else is wrong with the file: the broker takes that from it. */
static int keys_revoke_faulty(struct keys_verb *v)
{
    struct buffer text = {0};
    int status = fail("%s: %s", v->file.path, v->file.fault);
    int err = rights_revoke_faulty(buffer_slice(&v->file.text), v->name,
                                   date_of_ms(clock_wall_ms()), &text);

    if (err == ERR_AGAIN)
        return status;
    status = EX_OK;
    if (err == ERR_CONFLICT)
        fail("%s: was revoked before", v->name);
    else
        status = rights_write(v, &text);
    if (status == EX_OK)
        status = revoke_await(v, NULL);
    if (status == EX_OK)
        fail("%s: revoked; else nothing of the file counts until it is mended", v->name);
    buffer_free(&text);
    return status;
}

/* ---- list ---- */

/* Key files that nobody has rights for.  Who may not look into the folder is not told. */
static void orphans_tell(const struct keys_verb *v)
{
    char *path = path_make(v->dir, "keys");
    DIR *folder = keys_begin(v) == EX_OK ? opendir(path) : NULL;

    for (struct dirent *e; folder && (e = readdir(folder));) {
        struct slice name = slice_of(e->d_name);
        if (name.size <= 4 || strcmp(e->d_name + name.size - 4, ".key") != 0)
            continue;
        name.size -= 4;
        if (name_is_plain(name) && !slice_is(name, KEYRING_BROKER) && !right_named(v, name))
            fail("%.*s: a key file without rights here: `turnout keys revoke %.*s` takes it away",
                 (int)name.size, name.at, (int)name.size, name.at);
    }
    if (folder)
        closedir(folder);
    free(path);
}

static int keys_list(struct keys_verb *v)
{
    struct buffer out = {0};
    int status;

    orphans_tell(v);
    if (v->json)
        keys_print_json(v->file.rights, &out);
    else
        keys_print_text(v->file.rights, &out);
    status = cli_write("keys", &out);
    buffer_free(&out);
    return status;
}

/* ---- all ---- */

static int run(struct keys_verb *v, const char *path)
{
    bool is_list = strcmp(v->action, "list") == 0;
    char why[512];

    if (access(v->dir, F_OK) < 0 && !v->rights_path)
        return fail("%s: %s", v->dir, strerror(errno));
    if (rights_file_open(&v->file, path, !is_list, why, sizeof why) < 0)
        return fail("%s", why);
    if (!v->file.rights && strcmp(v->action, "revoke") == 0)
        return keys_revoke_faulty(v);
    if (!v->file.rights)
        return fail("%s: %s", v->file.path, v->file.fault);
    if (is_list && !v->file.found)
        fail("no rights file at %s: no keys; a broker that runs keeps the rights it has read last",
             path);
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
        "path; list shows what each key may; revoke takes all of it away for good.  A running "
        "broker follows at once.\vTo be run on the broker's host, by the user that the broker "
        "runs as, or root.  Exit status: 0 done, 1 no such key, or a name that is taken, 64 "
        "usage, 74 the output cannot be written, 75 written, but the broker that runs does not "
        "follow, or it cannot be seen whether it does, 78 a right or file that cannot be.",
        NULL,
        NULL,
        NULL};
    struct keys_verb v = {.dir = site_dir(NULL), .file.lock = -1};
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
