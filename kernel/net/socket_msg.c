// Sending and receiving: sendto, recvfrom, sendmsg, recvmsg and the calls for many messages.
#include "kernel/net/socket_internal.h"
#include "kernel/syscall_handlers.h"
#include "kernel/task.h"
#include "kernel/timeout.h"
#include "kernel/wait.h"
#include "platform/abi/linux_errno.h"
#include "platform/clock.h"
#include <stdlib.h>

enum {
    IOV_MAX_COUNT = 1024,
    CONTROL_MAX = 20480, // net.core.optmem_max
};

static void message_init(struct message *m, struct task *task, const struct sock_ref *ref,
                         struct iter *it, uint32_t flags, bool send)
{
    *m = (struct message){.task = task, .it = it, .flags = flags};
    m->nonblock = flags & LINUX_MSG_DONTWAIT || sock_nonblock(ref);
    m->deadline = socket_deadline(ref->socket, send);
}

static void message_done(struct message *m, struct kernel *kernel)
{
    scm_rights_free(kernel, m->rights);
    free(m->control);
}

// --- One buffer ----------------------------------------------------------------------------------

int64_t sys_sendto(struct task *task, int32_t fd, uaddr_t buf, uint64_t len, uint32_t flags,
                   uaddr_t addr, int32_t addrlen)
{
    struct sock_ref ref;
    struct message m;
    struct iter it;
    int err = sock_get(task, fd, &ref);
    if (err)
        return err;
    user_iter(&it, task, buf, file_rw_clamp(len));
    message_init(&m, task, &ref, &it, flags, true);
    if (addr)
        err = sock_addr_get(task, addr, addrlen, &m.addr);
    int64_t n = err ? err : ref.socket->ops->send(ref.socket, &m);
    file_put(ref.file);
    return n;
}

int64_t sys_recvfrom(struct task *task, int32_t fd, uaddr_t buf, uint64_t len, uint32_t flags,
                     uaddr_t addr, uaddr_t addrlen)
{
    struct sock_ref ref;
    struct message m;
    struct iter it;
    int err = sock_get(task, fd, &ref);
    if (err)
        return err;
    user_iter(&it, task, buf, file_rw_clamp(len));
    message_init(&m, task, &ref, &it, flags, false);
    int64_t n = ref.socket->ops->recv(ref.socket, &m);
    if (n >= 0 && addr) {
        err = sock_addr_put(task, addr, addrlen, &m.addr);
        n = err ? err : n;
    }
    message_done(&m, ref.socket->kernel);
    file_put(ref.file);
    return n;
}

// --- struct msghdr -------------------------------------------------------------------------------

static int get_iov(struct task *task, const struct linux_msghdr *h, struct iter *it)
{
    if (h->iovlen > IOV_MAX_COUNT)
        return -LINUX_EMSGSIZE;
    return user_iter_vec(it, task, h->iov, h->iovlen);
}

static int get_control(struct task *task, const struct linux_msghdr *h, struct message *m)
{
    if (!h->controllen)
        return 0;
    if (h->controllen > CONTROL_MAX)
        return -LINUX_ENOBUFS;
    m->control = malloc((size_t)h->controllen);
    if (!m->control)
        return -LINUX_ENOMEM;
    m->control_len = (size_t)h->controllen;
    return user_read(task, h->control, m->control, m->control_len);
}

static int64_t send_message(struct task *task, const struct sock_ref *ref, uaddr_t addr,
                            uint32_t flags)
{
    struct linux_msghdr h;
    struct iter it;
    int64_t n = user_get(task, addr, &h);
    if (n)
        return n;
    if (h.namelen < 0)
        return -LINUX_EINVAL;
    if (h.namelen > LINUX_SOCKADDR_MAX)
        h.namelen = LINUX_SOCKADDR_MAX;
    n = get_iov(task, &h, &it);
    if (n)
        return n;
    struct message m;
    message_init(&m, task, ref, &it, flags, true);
    if (h.name)
        n = sock_addr_get(task, h.name, h.namelen, &m.addr);
    if (!n)
        n = get_control(task, &h, &m);
    if (!n && ref->socket->family == LINUX_AF_UNIX)
        n = scm_parse(&m);
    if (!n)
        n = ref->socket->ops->send(ref->socket, &m);
    message_done(&m, ref->socket->kernel);
    user_iter_done(&it);
    return n;
}

int64_t sys_sendmsg(struct task *task, int32_t fd, uaddr_t msg, uint32_t flags)
{
    struct sock_ref ref;
    int err = sock_get(task, fd, &ref);
    if (err)
        return err;
    int64_t n = send_message(task, &ref, msg, flags);
    file_put(ref.file);
    return n;
}

// What recvmsg reports besides the data.
static int put_message(struct task *task, const struct sock_ref *ref, uaddr_t addr,
                       struct linux_msghdr *h, struct message *m)
{
    int err = 0;
    if (h->name) {
        if (h->namelen < 0)
            return -LINUX_EINVAL;
        uint32_t room = (uint32_t)h->namelen;
        err = user_write(task, h->name, m->addr.bytes, room < m->addr.len ? room : m->addr.len);
        if (err)
            return err;
        h->namelen = (int32_t)m->addr.len;
    }
    lock_acquire(&ref->socket->lock);
    bool pass_cred = ref->socket->pass_cred;
    lock_release(&ref->socket->lock);
    int64_t used = scm_emit(m, pass_cred, h->control, h->control ? h->controllen : 0);
    if (used < 0)
        return (int)used;
    h->controllen = (uint64_t)used;
    h->flags = m->out_flags | (m->flags & LINUX_MSG_CMSG_CLOEXEC);
    return user_put(task, addr, h);
}

static int64_t receive_message(struct task *task, const struct sock_ref *ref, uaddr_t addr,
                               uint32_t flags)
{
    struct linux_msghdr h;
    struct iter it;
    int64_t n = user_get(task, addr, &h);
    if (n)
        return n;
    if (h.namelen < 0)
        return -LINUX_EINVAL;
    n = get_iov(task, &h, &it);
    if (n)
        return n;
    struct message m;
    message_init(&m, task, ref, &it, flags, false);
    n = ref->socket->ops->recv(ref->socket, &m);
    if (n >= 0) {
        int err = put_message(task, ref, addr, &h, &m);
        n = err ? err : n;
    }
    message_done(&m, ref->socket->kernel);
    user_iter_done(&it);
    return n;
}

int64_t sys_recvmsg(struct task *task, int32_t fd, uaddr_t msg, uint32_t flags)
{
    struct sock_ref ref;
    int err = sock_get(task, fd, &ref);
    if (err)
        return err;
    int64_t n = receive_message(task, &ref, msg, flags);
    file_put(ref.file);
    return n;
}

// --- Many messages -------------------------------------------------------------------------------

static int put_length(struct task *task, uaddr_t at, int64_t n)
{
    uint32_t len = (uint32_t)n;
    return user_put(task, at + offsetof(struct linux_mmsghdr, len), &len);
}

int64_t sys_sendmmsg(struct task *task, int32_t fd, uaddr_t msgvec, uint32_t vlen, uint32_t flags)
{
    struct sock_ref ref;
    int64_t n = sock_get(task, fd, &ref);
    if (n)
        return n;
    if (vlen > IOV_MAX_COUNT)
        vlen = IOV_MAX_COUNT;
    uint32_t sent = 0;
    for (; sent < vlen; sent++) {
        uaddr_t at = msgvec + (uint64_t)sent * sizeof(struct linux_mmsghdr);
        n = send_message(task, &ref, at, flags);
        if (n >= 0)
            n = put_length(task, at, n);
        if (n < 0)
            break;
    }
    file_put(ref.file);
    return sent ? (int64_t)sent : n;
}

int64_t sys_recvmmsg(struct task *task, int32_t fd, uaddr_t msgvec, uint32_t vlen, uint32_t flags,
                     uaddr_t timeout)
{
    uint64_t deadline;
    struct sock_ref ref;
    int64_t n = timeout_get(task, timeout, &deadline);
    if (!n)
        n = sock_get(task, fd, &ref);
    if (n)
        return n;
    n = socket_take_error(ref.socket);
    uint32_t received = 0;
    // The limit is looked at between messages only, as on Linux.
    while (!n && received < vlen) {
        uaddr_t at = msgvec + (uint64_t)received * sizeof(struct linux_mmsghdr);
        n = receive_message(task, &ref, at, flags & ~(uint32_t)LINUX_MSG_WAITFORONE);
        if (n >= 0)
            n = put_length(task, at, n);
        if (n < 0)
            break;
        received++;
        if (flags & LINUX_MSG_WAITFORONE)
            flags |= LINUX_MSG_DONTWAIT;
        if (deadline != WAIT_FOREVER && clock_monotonic_ns() >= deadline)
            break;
    }
    file_put(ref.file);
    if (received && timeout)
        n = timeout_put_left(task, timeout, deadline, received);
    return received ? (int64_t)received : n;
}
