/* Ports of this machine for a test. */
#ifndef TESTS_PORT_H
#define TESTS_PORT_H

/* Two neighbouring ports that nobody has: the first of them.  The system does not give them to who
 * asks for any, and programs that run at the same time look in different places. */
unsigned port_pair(void);

#endif
