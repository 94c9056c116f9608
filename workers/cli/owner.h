/* Root at work in a folder that another account may write: it does there what that account could
 * do, and no more.  A link that leads elsewhere then leads to nothing that the account has not
 * anyway. */
#ifndef WORKERS_CLI_OWNER_H
#define WORKERS_CLI_OWNER_H

/* As root: takes the folder owner's rights instead of root's, until owner_return.  Whoever else
 * calls it keeps his own.  A folder of root's changes nothing.  0, or ERR_IO and errno. */
int owner_become(const char *folder);

/* Whoever was root is it again. */
int owner_return(void);

#endif
