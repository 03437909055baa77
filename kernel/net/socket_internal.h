// What the socket system calls share. Layer 4.
#ifndef KERNEL_NET_SOCKET_INTERNAL_H
#define KERNEL_NET_SOCKET_INTERNAL_H

#include "kernel/file.h"
#include "kernel/net/socket.h"
#include "platform/base/compiler.h"

// A descriptor that is a socket; ends with file_put(ref.file).
struct sock_ref {
    struct file *file;
    struct socket *socket;
};
// -LINUX_EBADF, -LINUX_ENOTSOCK.
NODISCARD int sock_get(struct task *task, int32_t fd, struct sock_ref *out);
bool sock_nonblock(const struct sock_ref *ref);

// Addresses. get: len 0 is no address. put: the guest gets what fits and the full length.
NODISCARD int sock_addr_get(struct task *task, uaddr_t addr, int32_t len, struct sock_addr *out);
NODISCARD int sock_addr_put(struct task *task, uaddr_t addr, uaddr_t len_addr,
                            const struct sock_addr *from);

// Control data (kernel/net/scm.c). parse: what AF_UNIX knows of m->control becomes rights and
// creds. emit: rights, credentials and m->control go to `addr`, at most `room` bytes; installs the
// descriptors. Returns the bytes used; adds LINUX_MSG_CTRUNC to m->out_flags.
NODISCARD int scm_parse(struct message *m);
// The sender as `task` knows it.
struct linux_ucred scm_creds_seen(struct task *task, struct linux_ucred c);
int64_t scm_emit(struct message *m, bool pass_cred, uaddr_t addr, uint64_t room);

// The interface questions of netdevice(7) (kernel/net/net_ioctl.c). -LINUX_ENOTTY for others.
NODISCARD int net_ioctl(struct task *task, uint32_t cmd, uaddr_t arg);

#endif
