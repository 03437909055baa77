// Where gdb comes in: `ish --gdb`.
#ifndef TOOLS_GDB_SOCKET_H
#define TOOLS_GDB_SOCKET_H

// Waits for one connection, on a port of the loopback address or, when there is a slash in `where`,
// on a socket made at that path and removed again. The connected socket, or -1 after a complaint.
int gdb_socket_accept(const char *where);

#endif
