/* All words that people see, in every language there is: text.def is the table. */
#ifndef WORKERS_WEB_TEXT_H
#define WORKERS_WEB_TEXT_H

#include "proto/bytes.h"

enum lang { LANG_EN, LANG_FR, LANGS };
extern const char *const lang_code[LANGS]; /* "en" */
extern const char *const lang_name[LANGS]; /* "English" */

enum text {
    T_NONE,
#define TEXT(name, en, fr) T_##name,
#include "workers/web/text.def"
#undef TEXT
    TEXTS
};

/* Never NULL; of T_NONE "". */
const char *text_of(enum lang l, enum text t);

/* The name of a text for scripts, "js_moved_up" in lower case without "JS_" and with "-": NULL for
 * other texts. */
const char *text_script_name(enum text t, char room[64]);

/* The language of that code; false for one that there is not. */
bool lang_parse(struct slice code, enum lang *ret);

/* What the header Accept-Language likes most of what there is; English when nothing fits. */
enum lang lang_accepted(struct slice header);

#endif
