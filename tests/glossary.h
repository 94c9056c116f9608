/* The data dictionary as its readers use it: which entry explains a field. */
#ifndef TESTS_GLOSSARY_H
#define TESTS_GLOSSARY_H

#include "workers/view/dictionary.h"

/* The entry for a field of that kind; NULL when there is none. */
const struct dictionary_entry *glossary_find(const char *kind, struct slice field);

#endif
