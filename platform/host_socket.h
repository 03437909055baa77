// Internet sockets of the host with Linux numbers: families, addresses, flags, options and errors
// are Linux's on every host. Layer 1. Nothing here waits: sockets are non-blocking, -LINUX_EAGAIN
// says to ask the poller (platform/poller.h).
#ifndef PLATFORM_HOST_SOCKET_H
#define PLATFORM_HOST_SOCKET_H

#include "platform/abi/socket.h"
#include "platform/base/compiler.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// A host descriptor. -LINUX_EAFNOSUPPORT, -LINUX_EPROTONOSUPPORT, -LINUX_EPERM ...
int host_socket_open(int family, int type, int protocol);
void host_socket_close(int fd);

// Addresses are struct linux_sockaddr_in or _in6. A `len` that is an int* gives room and gets the
// full length.
NODISCARD int host_socket_bind(int fd, const void *addr, uint32_t len);
// -LINUX_EINPROGRESS: writable when decided; then host_socket_error().
NODISCARD int host_socket_connect(int fd, const void *addr, uint32_t len);
NODISCARD int host_socket_listen(int fd, int backlog);
int host_socket_accept(int fd);
NODISCARD int host_socket_name(int fd, bool peer, void *addr, uint32_t *len);
// how: LINUX_SHUT_*.
NODISCARD int host_socket_shutdown(int fd, int how);

// One transfer. `addr` may be NULL. Control data has Linux's layout. flags: LINUX_MSG_*.
struct host_message {
    void *data;
    size_t len;
    void *addr;
    uint32_t addr_len; // send: its length, 0 for none; receive: room, then length
    void *control;
    size_t control_len; // the same
    uint32_t flags;     // receive: LINUX_MSG_TRUNC ... of the message
};
ssize_t host_socket_send(int fd, const struct host_message *m, uint32_t flags);
ssize_t host_socket_receive(int fd, struct host_message *m, uint32_t flags);

// The pending error (SO_ERROR) as a negative number, or 0; it is cleared.
int host_socket_error(int fd);
// Values have Linux's layout. -LINUX_ENOPROTOOPT for what the host does not have.
NODISCARD int host_socket_set_option(int fd, int level, int name, const void *value, uint32_t len);
NODISCARD int host_socket_get_option(int fd, int level, int name, void *value, uint32_t *len);

// Bytes that can be read / that the other side has not acknowledged; whether the next byte is the
// urgent one.
NODISCARD int host_socket_readable_bytes(int fd, int *n);
NODISCARD int host_socket_unsent_bytes(int fd, int *n);
NODISCARD int host_socket_at_mark(int fd, int *at);

#endif
