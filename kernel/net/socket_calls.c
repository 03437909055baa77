// System calls on sockets but for messages (socket_msg.c) and options (socket_opt.c).
#include "kernel/net/socket_internal.h"
#include "kernel/syscall_handlers.h"
#include "kernel/task.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"

int sock_get(struct task *task, int32_t fd, struct sock_ref *out)
{
    out->file = fd_get_io(task, fd);
    if (!out->file)
        return -LINUX_EBADF;
    out->socket = socket_of(out->file);
    if (out->socket)
        return 0;
    file_put(out->file);
    return -LINUX_ENOTSOCK;
}

bool sock_nonblock(const struct sock_ref *ref)
{
    return file_flags(ref->file) & LINUX_O_NONBLOCK;
}

int sock_addr_get(struct task *task, uaddr_t addr, int32_t len, struct sock_addr *out)
{
    out->len = 0;
    if (len < 0 || len > LINUX_SOCKADDR_MAX)
        return -LINUX_EINVAL;
    if (len == 0)
        return 0;
    out->family = 0;
    int err = user_read(task, addr, out->bytes, (size_t)len);
    if (!err)
        out->len = (uint32_t)len;
    return err;
}

int sock_addr_put(struct task *task, uaddr_t addr, uaddr_t len_addr, const struct sock_addr *from)
{
    int32_t room;
    int err = user_get(task, len_addr, &room);
    if (err)
        return err;
    if (room < 0)
        return -LINUX_EINVAL;
    uint32_t n = (uint32_t)room < from->len ? (uint32_t)room : from->len;
    err = user_write(task, addr, from->bytes, n);
    return err ? err : user_put(task, len_addr, &from->len);
}

// --- Making sockets ------------------------------------------------------------------------------

enum { TYPE_FLAGS = LINUX_SOCK_CLOEXEC | LINUX_SOCK_NONBLOCK };
_Static_assert((int)LINUX_SOCK_NONBLOCK == (int)LINUX_O_NONBLOCK, "one value for both");

static int check_type(int32_t family, uint32_t type)
{
    enum { SOCK_MAX = 11 };
    if (type & ~(uint32_t)(LINUX_SOCK_TYPE_MASK | TYPE_FLAGS))
        return -LINUX_EINVAL;
    if (family < 0 || family >= LINUX_AF_MAX)
        return -LINUX_EAFNOSUPPORT;
    return (type & LINUX_SOCK_TYPE_MASK) < SOCK_MAX ? 0 : -LINUX_EINVAL;
}

int64_t sys_socket(struct task *task, int32_t family, uint32_t type, int32_t protocol)
{
    struct socket *s;
    int32_t kind = (int32_t)(type & LINUX_SOCK_TYPE_MASK);
    int err = check_type(family, type);
    if (err)
        return err;
    switch (family) {
    case LINUX_AF_UNIX:
        err = unix_socket_create(task->kernel, kind, protocol, &s);
        break;
    case LINUX_AF_INET:
    case LINUX_AF_INET6:
        err = inet_socket_create(task, family, kind, protocol, &s);
        break;
    case LINUX_AF_NETLINK:
        err = netlink_socket_create(task->kernel, kind, protocol, &s);
        break;
    default:
        err = -LINUX_EAFNOSUPPORT;
        break;
    }
    if (err)
        return err;
    struct file *file;
    err = socket_open(s, task->cred, type & LINUX_SOCK_NONBLOCK, &file);
    return err ? err : fd_install(task, file, 0, type & LINUX_SOCK_CLOEXEC);
}

static int open_pair(struct task *task, struct socket *pair[2], uint32_t flags,
                     struct file *files[2])
{
    int err = socket_open(pair[0], task->cred, flags, &files[0]);
    if (err) {
        pair[1]->ops->close(pair[1]);
        return err;
    }
    err = socket_open(pair[1], task->cred, flags, &files[1]);
    if (err)
        file_put(files[0]);
    return err;
}

int64_t sys_socketpair(struct task *task, int32_t family, uint32_t type, int32_t protocol,
                       uaddr_t sv)
{
    int err = check_type(family, type);
    if (err)
        return err;
    if (family != LINUX_AF_UNIX)
        return family == LINUX_AF_INET || family == LINUX_AF_INET6 || family == LINUX_AF_NETLINK
                   ? -LINUX_EOPNOTSUPP
                   : -LINUX_EAFNOSUPPORT;
    bool cloexec = type & LINUX_SOCK_CLOEXEC;
    int32_t fds[2] = {fd_reserve(task, 0, cloexec), -1};
    if (fds[0] < 0)
        return fds[0];
    fds[1] = fd_reserve(task, 0, cloexec);
    err = fds[1] < 0 ? fds[1] : user_write(task, sv, fds, sizeof fds);
    struct socket *pair[2];
    struct file *files[2];
    if (!err)
        err = unix_socket_pair(task, (int32_t)(type & LINUX_SOCK_TYPE_MASK), protocol, pair);
    if (!err)
        err = open_pair(task, pair, type & LINUX_SOCK_NONBLOCK, files);
    for (int i = 0; i < 2; i++) {
        if (!err)
            fd_fill(task, fds[i], files[i]);
        else if (fds[i] >= 0)
            fd_unreserve(task, fds[i]);
    }
    return err;
}

// --- Names and connections -----------------------------------------------------------------------

int64_t sys_bind(struct task *task, int32_t fd, uaddr_t addr, int32_t len)
{
    struct sock_ref ref;
    struct sock_addr name;
    int err = sock_get(task, fd, &ref);
    if (err)
        return err;
    err = sock_addr_get(task, addr, len, &name);
    if (!err)
        err = ref.socket->ops->bind(ref.socket, task, &name);
    file_put(ref.file);
    return err;
}

int64_t sys_listen(struct task *task, int32_t fd, int32_t backlog)
{
    struct sock_ref ref;
    int err = sock_get(task, fd, &ref);
    if (err)
        return err;
    // As an unsigned number, so that a negative one means the most there can be.
    if ((uint32_t)backlog > LINUX_SOMAXCONN)
        backlog = LINUX_SOMAXCONN;
    err = ref.socket->ops->listen(ref.socket, task, backlog);
    file_put(ref.file);
    return err;
}

int64_t sys_connect(struct task *task, int32_t fd, uaddr_t addr, int32_t len)
{
    struct sock_ref ref;
    struct sock_addr name;
    int err = sock_get(task, fd, &ref);
    if (err)
        return err;
    err = sock_addr_get(task, addr, len, &name);
    if (!err)
        err = ref.socket->ops->connect(ref.socket, task, &name, sock_nonblock(&ref));
    file_put(ref.file);
    return err;
}

// Accepts into a file of its own, which is there first: a connection without a place would be lost.
static int accept_file(struct task *task, const struct sock_ref *ref, uint32_t flags,
                       struct file **out)
{
    struct file *file;
    int err =
        socket_file_create(ref->socket->kernel, task->cred, flags & LINUX_SOCK_NONBLOCK, &file);
    if (err)
        return err;
    struct socket *s;
    err = ref->socket->ops->accept(ref->socket, task, sock_nonblock(ref), &s);
    if (err) {
        file_put(file);
        return err;
    }
    socket_attach(file, s);
    *out = file;
    return 0;
}

int64_t sys_accept4(struct task *task, int32_t fd, uaddr_t addr, uaddr_t len, uint32_t flags)
{
    if (flags & ~(uint32_t)TYPE_FLAGS)
        return -LINUX_EINVAL;
    struct sock_ref ref;
    int err = sock_get(task, fd, &ref);
    if (err)
        return err;
    int new_fd = fd_reserve(task, 0, flags & LINUX_SOCK_CLOEXEC);
    if (new_fd < 0) {
        file_put(ref.file);
        return new_fd;
    }
    struct file *file;
    err = accept_file(task, &ref, flags, &file);
    file_put(ref.file);
    if (!err && addr) {
        struct sock_addr peer = {.len = 0};
        struct socket *s = socket_of(file);
        err = s->ops->getname(s, true, &peer) ? -LINUX_ECONNABORTED : 0;
        if (!err)
            err = sock_addr_put(task, addr, len, &peer);
        if (err)
            file_put(file);
    }
    if (err) {
        fd_unreserve(task, new_fd);
        return err;
    }
    fd_fill(task, new_fd, file);
    return new_fd;
}

int64_t sys_accept(struct task *task, int32_t fd, uaddr_t addr, uaddr_t len)
{
    return sys_accept4(task, fd, addr, len, 0);
}

static int64_t get_name(struct task *task, int32_t fd, uaddr_t addr, uaddr_t len, bool peer)
{
    struct sock_ref ref;
    struct sock_addr name = {.len = 0};
    int err = sock_get(task, fd, &ref);
    if (err)
        return err;
    err = ref.socket->ops->getname(ref.socket, peer, &name);
    if (!err)
        err = sock_addr_put(task, addr, len, &name);
    file_put(ref.file);
    return err;
}

int64_t sys_getsockname(struct task *task, int32_t fd, uaddr_t addr, uaddr_t len)
{
    return get_name(task, fd, addr, len, false);
}

int64_t sys_getpeername(struct task *task, int32_t fd, uaddr_t addr, uaddr_t len)
{
    return get_name(task, fd, addr, len, true);
}

int64_t sys_shutdown(struct task *task, int32_t fd, int32_t how)
{
    struct sock_ref ref;
    int err = sock_get(task, fd, &ref);
    if (err)
        return err;
    err = how >= LINUX_SHUT_RD && how <= LINUX_SHUT_RDWR
              ? ref.socket->ops->shutdown(ref.socket, how)
              : -LINUX_EINVAL;
    file_put(ref.file);
    return err;
}
