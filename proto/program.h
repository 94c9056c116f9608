/* What a program does for itself: how it begins, is told to stop, and ends. */
#ifndef PROTO_PROGRAM_H
#define PROTO_PROGRAM_H

/* First thing in every main: the two below, and memory_keep. */
void program_begin(void);

/* Opens /dev/null on whichever of the three standard files is closed: or the next socket would get
 * its number, and be read or written as if it were one. */
void standard_files_open(void);

/* No core is written, which would hold keys and passwords. */
void core_forbid(void);

/* For those that run until they are told to stop, before their first thread: SIGTERM and SIGINT as
 * a file that can then be read, and nothing else.  A reader of the log who goes away is no reason
 * to stop.  The file, or -1 and errno. */
int program_stop_open(void);

/* The exit status that says what this error means to the caller of a program. */
int program_exit_status(int error);

#endif
