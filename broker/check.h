/* What turnout-broker does to a journal without being its broker: check it, and copy it.  Both may
 * be done while a broker runs on it. */
#ifndef BROKER_CHECK_H
#define BROKER_CHECK_H

#include <stdbool.h>

/* Reads all of DIR/journal, or of `file` (a backup) unless it is NULL, and prints its faults, one
 * a line, and at last how much there was.  Returns the exit status: 0, 1 for faults, 74 when it
 * cannot be read, 78 when another version wrote it. */
int check_journal(const char *dir, const char *file, bool json);

/* Copies DIR/journal into a file, which is checked and synced before it gets its name.  Returns the
 * exit status: 0; 1 when the journal is damaged, and there is no copy; 64 for a file in the
 * journal's own folder; 74; 75 when another copy is being written to the same file; 78. */
int backup_journal(const char *dir, const char *file);

#endif
