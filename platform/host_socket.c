#include "platform/host_socket.h"
#include "platform/abi/linux_errno.h"
#include "platform/host_errno.h"
#include "platform/host_socket_options.h"
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#if defined(__linux__)
#include <linux/sockios.h>
#endif

static int last_error(void)
{
    return errno_to_linux(errno);
}

// --- Addresses -----------------------------------------------------------------------------------

static int host_family(int family)
{
    switch (family) {
    case LINUX_AF_INET:
        return AF_INET;
    case LINUX_AF_INET6:
        return AF_INET6;
    default:
        return AF_UNSPEC;
    }
}

// Returns the host's length, or a negative error.
static int address_to_host(const void *addr, uint32_t len, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof *out);
    uint16_t family;
    if (len < sizeof family)
        return -LINUX_EINVAL;
    memcpy(&family, addr, sizeof family);
    if (family == LINUX_AF_INET && len >= sizeof(struct linux_sockaddr_in)) {
        struct linux_sockaddr_in from;
        struct sockaddr_in *to = (struct sockaddr_in *)(void *)out;
        memcpy(&from, addr, sizeof from);
        to->sin_family = AF_INET;
        to->sin_port = from.port;
        memcpy(&to->sin_addr, from.addr, sizeof from.addr);
        return sizeof *to;
    }
    enum { SOCKADDR_IN6_RFC2133 = 24 }; // without the scope
    if (family == LINUX_AF_INET6 && len >= SOCKADDR_IN6_RFC2133) {
        struct linux_sockaddr_in6 from = {.scope_id = 0};
        struct sockaddr_in6 *to = (struct sockaddr_in6 *)(void *)out;
        memcpy(&from, addr, len < sizeof from ? len : sizeof from);
        to->sin6_family = AF_INET6;
        to->sin6_port = from.port;
        to->sin6_flowinfo = from.flowinfo;
        memcpy(&to->sin6_addr, from.addr, sizeof from.addr);
        to->sin6_scope_id = from.scope_id;
        return sizeof *to;
    }
    if (family == LINUX_AF_UNSPEC) {
        out->ss_family = AF_UNSPEC;
        return sizeof(struct sockaddr_in);
    }
    return family == LINUX_AF_INET || family == LINUX_AF_INET6 ? -LINUX_EINVAL
                                                               : -LINUX_EAFNOSUPPORT;
}

// *len: room in `out`, then the full length.
static void address_from_host(const struct sockaddr_storage *from, socklen_t from_len, void *out,
                              uint32_t *len)
{
    union {
        struct linux_sockaddr_in in;
        struct linux_sockaddr_in6 in6;
    } to;
    memset(&to, 0, sizeof to);
    uint32_t size = 0;
    if (from_len > 0 && from->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)from;
        to.in.family = LINUX_AF_INET;
        to.in.port = in->sin_port;
        memcpy(to.in.addr, &in->sin_addr, sizeof to.in.addr);
        size = sizeof to.in;
    } else if (from_len > 0 && from->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)from;
        to.in6.family = LINUX_AF_INET6;
        to.in6.port = in6->sin6_port;
        to.in6.flowinfo = in6->sin6_flowinfo;
        memcpy(to.in6.addr, &in6->sin6_addr, sizeof to.in6.addr);
        to.in6.scope_id = in6->sin6_scope_id;
        size = sizeof to.in6;
    }
    memcpy(out, &to, size < *len ? size : *len);
    *len = size;
}

// --- Making and naming ---------------------------------------------------------------------------

static int host_type(int type)
{
    switch (type) {
    case LINUX_SOCK_STREAM:
        return SOCK_STREAM;
    case LINUX_SOCK_DGRAM:
        return SOCK_DGRAM;
    case LINUX_SOCK_RAW:
        return SOCK_RAW;
    default:
        return -1;
    }
}

// What every socket of ours is: not inherited, never waiting, never a source of SIGPIPE.
static int prepare(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) || fcntl(fd, F_SETFD, FD_CLOEXEC)) {
        int err = last_error();
        close(fd);
        return err;
    }
#if defined(SO_NOSIGPIPE)
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
#endif
    return fd;
}

int host_socket_open(int family, int type, int protocol)
{
    int host = host_type(type);
    if (host < 0)
        return -LINUX_ESOCKTNOSUPPORT;
    if (host_family(family) == AF_UNSPEC)
        return -LINUX_EAFNOSUPPORT;
    int fd = socket(host_family(family), host, protocol);
    return fd < 0 ? last_error() : prepare(fd);
}

void host_socket_close(int fd)
{
    close(fd);
}

int host_socket_bind(int fd, const void *addr, uint32_t len)
{
    struct sockaddr_storage to;
    int size = address_to_host(addr, len, &to);
    if (size < 0)
        return size;
    return bind(fd, (struct sockaddr *)&to, (socklen_t)size) ? last_error() : 0;
}

int host_socket_connect(int fd, const void *addr, uint32_t len)
{
    struct sockaddr_storage to;
    int size = address_to_host(addr, len, &to);
    if (size < 0)
        return size;
    return connect(fd, (struct sockaddr *)&to, (socklen_t)size) ? last_error() : 0;
}

int host_socket_listen(int fd, int backlog)
{
    return listen(fd, backlog) ? last_error() : 0;
}

int host_socket_accept(int fd)
{
    int s;
    do
        s = accept(fd, NULL, NULL);
    while (s < 0 && errno == EINTR);
    return s < 0 ? last_error() : prepare(s);
}

int host_socket_name(int fd, bool peer, void *addr, uint32_t *len)
{
    struct sockaddr_storage from;
    socklen_t size = sizeof from;
    int err = peer ? getpeername(fd, (struct sockaddr *)&from, &size)
                   : getsockname(fd, (struct sockaddr *)&from, &size);
    if (err)
        return last_error();
    address_from_host(&from, size, addr, len);
    return 0;
}

int host_socket_shutdown(int fd, int how)
{
    static const int hows[] = {SHUT_RD, SHUT_WR, SHUT_RDWR};
    return shutdown(fd, hows[how]) ? last_error() : 0;
}

// --- Transfers -----------------------------------------------------------------------------------

static const struct {
    uint32_t linux_flag;
    int host_flag;
} message_flags[] = {
    {LINUX_MSG_OOB, MSG_OOB},
    {LINUX_MSG_PEEK, MSG_PEEK},
    {LINUX_MSG_DONTROUTE, MSG_DONTROUTE},
    {LINUX_MSG_TRUNC, MSG_TRUNC},
    {LINUX_MSG_CTRUNC, MSG_CTRUNC},
    {LINUX_MSG_EOR, MSG_EOR},
#if defined(MSG_ERRQUEUE)
    {LINUX_MSG_ERRQUEUE, MSG_ERRQUEUE},
#endif
#if defined(MSG_MORE)
    {LINUX_MSG_MORE, MSG_MORE},
#endif
#if defined(MSG_CONFIRM)
    {LINUX_MSG_CONFIRM, MSG_CONFIRM},
#endif
};

static int flags_to_host(uint32_t flags)
{
    int host = 0;
    for (size_t i = 0; i < ARRAY_LEN(message_flags); i++)
        if (flags & message_flags[i].linux_flag)
            host |= message_flags[i].host_flag;
#if defined(MSG_NOSIGNAL)
    host |= MSG_NOSIGNAL;
#endif
    return host;
}

static uint32_t flags_from_host(int host)
{
    uint32_t flags = 0;
    for (size_t i = 0; i < ARRAY_LEN(message_flags); i++)
        if (host & message_flags[i].host_flag)
            flags |= message_flags[i].linux_flag;
    return flags;
}

// Control data of a 64-bit Linux host has the guest's layout and numbers; other hosts give and take
// none.
#if defined(__linux__)
enum { CONTROL_IS_OURS = 1 };
#else
enum { CONTROL_IS_OURS = 0 };
#endif

ssize_t host_socket_send(int fd, const struct host_message *m, uint32_t flags)
{
    struct sockaddr_storage to;
    struct iovec iov = {m->data, m->len};
    struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};
    if (m->addr_len) {
        int size = address_to_host(m->addr, m->addr_len, &to);
        if (size < 0)
            return size;
        h.msg_name = &to;
        h.msg_namelen = (socklen_t)size;
    }
    if (CONTROL_IS_OURS && m->control_len) {
        h.msg_control = m->control;
        h.msg_controllen = m->control_len;
    }
    ssize_t n;
    do
        n = sendmsg(fd, &h, flags_to_host(flags));
    while (n < 0 && errno == EINTR);
    return n < 0 ? last_error() : n;
}

ssize_t host_socket_receive(int fd, struct host_message *m, uint32_t flags)
{
    struct sockaddr_storage from;
    struct iovec iov = {m->data, m->len};
    struct msghdr h = {
        .msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &iov, .msg_iovlen = 1};
    if (CONTROL_IS_OURS && m->control_len) {
        h.msg_control = m->control;
        h.msg_controllen = m->control_len;
    }
    ssize_t n;
    do
        n = recvmsg(fd, &h, flags_to_host(flags));
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return last_error();
    m->flags = flags_from_host(h.msg_flags);
    m->control_len = CONTROL_IS_OURS && m->control_len ? (size_t)h.msg_controllen : 0;
    if (m->addr)
        address_from_host(&from, h.msg_namelen, m->addr, &m->addr_len);
    return n;
}

// --- State and options ---------------------------------------------------------------------------

int host_socket_error(int fd)
{
    int error = 0;
    socklen_t len = sizeof error;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len))
        return last_error();
    return error ? errno_to_linux(error) : 0;
}

int host_socket_set_option(int fd, int level, int name, const void *value, uint32_t len)
{
    const struct host_socket_option *o = host_socket_option_find(level, name);
    if (!o)
        return -LINUX_ENOPROTOOPT;
    return setsockopt(fd, o->host_level, o->host_name, value, len) ? last_error() : 0;
}

int host_socket_get_option(int fd, int level, int name, void *value, uint32_t *len)
{
    const struct host_socket_option *o = host_socket_option_find(level, name);
    if (!o)
        return -LINUX_ENOPROTOOPT;
    socklen_t size = *len;
    if (getsockopt(fd, o->host_level, o->host_name, value, &size))
        return last_error();
    *len = size;
    return 0;
}

int host_socket_readable_bytes(int fd, int *n)
{
    return ioctl(fd, FIONREAD, n) ? last_error() : 0;
}

int host_socket_unsent_bytes(int fd, int *n)
{
#if defined(SIOCOUTQ)
    return ioctl(fd, SIOCOUTQ, n) ? last_error() : 0;
#else
    socklen_t len = sizeof *n;
    return getsockopt(fd, SOL_SOCKET, SO_NWRITE, n, &len) ? last_error() : 0;
#endif
}

int host_socket_at_mark(int fd, int *at)
{
    *at = sockatmark(fd);
    return *at < 0 ? last_error() : 0;
}
