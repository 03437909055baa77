// setsockopt and getsockopt; SOL_SOCKET is common to all families.
#include "kernel/net/socket_internal.h"
#include "kernel/syscall_handlers.h"
#include "kernel/task.h"
#include "platform/abi/capability.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/time.h"
#include "platform/clock.h"
#include <stdlib.h>
#include <string.h>

enum {
    SNDBUF_MIN = 4608,
    RCVBUF_MIN = 2304,
    BUFFER_MAX = 212992, // net.core.wmem_max, rmem_max
};

// Options that are one bool of struct socket.
static bool *flag_of(struct socket *s, int32_t name)
{
    switch (name) {
    case LINUX_SO_REUSEADDR:
        return &s->reuse_addr;
    case LINUX_SO_REUSEPORT:
        return &s->reuse_port;
    case LINUX_SO_KEEPALIVE:
        return &s->keepalive;
    case LINUX_SO_BROADCAST:
        return &s->broadcast;
    case LINUX_SO_OOBINLINE:
        return &s->oob_inline;
    case LINUX_SO_PASSCRED:
        return &s->pass_cred;
    case LINUX_SO_DONTROUTE:
        return &s->dont_route;
    case LINUX_SO_NO_CHECK:
        return &s->no_check;
    case LINUX_SO_TIMESTAMP:
        return &s->timestamp;
    case LINUX_SO_TIMESTAMPNS:
        return &s->timestamp_ns;
    default:
        return NULL;
    }
}

// --- Setting -------------------------------------------------------------------------------------

static int set_timeout(struct socket *s, const void *value, uint32_t len, bool send)
{
    struct linux_timeval tv;
    if (len < sizeof tv)
        return -LINUX_EINVAL;
    memcpy(&tv, value, sizeof tv);
    if (tv.usec < 0 || tv.usec >= 1000000)
        return -LINUX_EDOM;
    uint64_t ns = 0;
    if (tv.sec < 0)
        ns = 1; // a negative limit is over at once
    else if ((uint64_t)tv.sec < INT64_MAX / NSEC_PER_SEC)
        ns = (uint64_t)tv.sec * NSEC_PER_SEC + (uint64_t)tv.usec * 1000;
    *(send ? &s->send_timeout_ns : &s->receive_timeout_ns) = ns;
    return 0;
}

static int32_t buffer_size(int32_t asked, int32_t min, bool force)
{
    int32_t limit = force ? INT32_MAX / 2 : BUFFER_MAX;
    if (asked > limit || (!force && asked < 0))
        asked = limit;
    if (asked < 0)
        asked = 0;
    return asked * 2 > min ? asked * 2 : min;
}

static int set_number(struct socket *s, struct task *task, int32_t name, int32_t n)
{
    bool admin = task_capable(task, LINUX_CAP_NET_ADMIN);
    switch (name) {
    case LINUX_SO_SNDBUF:
        s->sndbuf = buffer_size(n, SNDBUF_MIN, false);
        return 0;
    case LINUX_SO_RCVBUF:
        s->rcvbuf = buffer_size(n, RCVBUF_MIN, false);
        return 0;
    case LINUX_SO_SNDBUFFORCE:
        if (admin)
            s->sndbuf = buffer_size(n, SNDBUF_MIN, true);
        return admin ? 0 : -LINUX_EPERM;
    case LINUX_SO_RCVBUFFORCE:
        if (admin)
            s->rcvbuf = buffer_size(n, RCVBUF_MIN, true);
        return admin ? 0 : -LINUX_EPERM;
    case LINUX_SO_PRIORITY:
        if ((n < 0 || n > 6) && !admin)
            return -LINUX_EPERM;
        s->priority = n;
        return 0;
    case LINUX_SO_MARK:
        if (admin)
            s->mark = n;
        return admin ? 0 : -LINUX_EPERM;
    case LINUX_SO_RCVLOWAT:
        s->receive_low = n < 0 ? INT32_MAX : n ? n : 1;
        return 0;
    case LINUX_SO_DEBUG:
        if (n && !admin)
            return -LINUX_EACCES;
        s->debug = n != 0;
        return 0;
    default:
        return -LINUX_ENOPROTOOPT;
    }
}

static int set_common(struct socket *s, struct task *task, int32_t name, const void *value,
                      uint32_t len)
{
    int32_t n;
    if (len < sizeof n)
        return -LINUX_EINVAL;
    switch (name) {
    case LINUX_SO_RCVTIMEO:
    case LINUX_SO_RCVTIMEO_NEW:
        return set_timeout(s, value, len, false);
    case LINUX_SO_SNDTIMEO:
    case LINUX_SO_SNDTIMEO_NEW:
        return set_timeout(s, value, len, true);
    case LINUX_SO_TYPE:
    case LINUX_SO_PROTOCOL:
    case LINUX_SO_DOMAIN:
    case LINUX_SO_ERROR:
    case LINUX_SO_ACCEPTCONN:
    case LINUX_SO_PEERCRED:
    case LINUX_SO_SNDLOWAT:
        return -LINUX_ENOPROTOOPT;
    default:
        break;
    }
    memcpy(&n, value, sizeof n);
    bool *flag = flag_of(s, name);
    if (flag) {
        // One kind of time stamp at a time; turning off either turns off both.
        if (flag == &s->timestamp || flag == &s->timestamp_ns)
            s->timestamp = s->timestamp_ns = false;
        *flag = n != 0;
        return 0;
    }
    if (name != LINUX_SO_LINGER)
        return set_number(s, task, name, n);
    if (len < sizeof s->linger)
        return -LINUX_EINVAL;
    memcpy(&s->linger, value, sizeof s->linger);
    s->linger.onoff = s->linger.onoff != 0;
    return 0;
}

static int set_option(struct task *task, struct socket *s, int32_t level, int32_t name,
                      const void *value, uint32_t len)
{
    if (level != LINUX_SOL_SOCKET)
        return s->ops->set_option ? s->ops->set_option(s, level, name, value, len)
                                  : -LINUX_EOPNOTSUPP;
    lock_acquire(&s->lock);
    int err = set_common(s, task, name, value, len);
    lock_release(&s->lock);
    if (err == -LINUX_ENOPROTOOPT && s->ops->set_option)
        return s->ops->set_option(s, level, name, value, len);
    return !err && s->ops->option_changed ? s->ops->option_changed(s, name) : err;
}

// Filters of ICMP take what there is, however little of it, so all of it must be there.
static bool lacks_filter(int32_t level, size_t got, uint32_t len)
{
    enum { ICMP_FILTER_SIZE = 4, ICMP6_FILTER_SIZE = 32 };
    return got < len && ((level == LINUX_SOL_RAW && got < ICMP_FILTER_SIZE) ||
                         (level == LINUX_SOL_ICMPV6 && got < ICMP6_FILTER_SIZE));
}

int64_t sys_setsockopt(struct task *task, int32_t fd, int32_t level, int32_t optname,
                       uaddr_t optval, int32_t optlen)
{
    if (optlen < 0)
        return -LINUX_EINVAL;
    struct sock_ref ref;
    int err = sock_get(task, fd, &ref);
    if (err)
        return err;
    uint32_t len = (uint32_t)optlen < SOCKET_OPTION_MAX ? (uint32_t)optlen : SOCKET_OPTION_MAX;
    void *value = calloc(1, len + 1);
    // What an option does not take need not be there.
    size_t got = value ? user_read_partial(task, optval, value, len) : 0;
    if (!value)
        err = -LINUX_ENOMEM;
    else if (lacks_filter(level, got, len))
        err = -LINUX_EFAULT;
    else
        err = set_option(task, ref.socket, level, optname, value, (uint32_t)got);
    if (err == -LINUX_EINVAL && got < len && len >= sizeof(int32_t))
        err = -LINUX_EFAULT;
    free(value);
    file_put(ref.file);
    return err;
}

// --- Getting -------------------------------------------------------------------------------------

static uint32_t put_value(void *to, uint32_t room, const void *value, uint32_t size)
{
    uint32_t n = room < size ? room : size;
    memcpy(to, value, n);
    return n;
}

static uint32_t get_timeout(uint64_t ns, void *to, uint32_t room)
{
    struct linux_timeval tv = {(int64_t)(ns / NSEC_PER_SEC), (int64_t)(ns % NSEC_PER_SEC / 1000)};
    return put_value(to, room, &tv, sizeof tv);
}

static int get_number(struct socket *s, int32_t name, int32_t *n)
{
    switch (name) {
    case LINUX_SO_TYPE:
        *n = s->type;
        return 0;
    case LINUX_SO_PROTOCOL:
        *n = s->protocol;
        return 0;
    case LINUX_SO_DOMAIN:
        *n = s->family;
        return 0;
    case LINUX_SO_ERROR:
        *n = s->error;
        s->error = 0;
        return 0;
    case LINUX_SO_ACCEPTCONN:
        *n = s->listening;
        return 0;
    case LINUX_SO_SNDBUF:
        *n = s->sndbuf;
        return 0;
    case LINUX_SO_RCVBUF:
        *n = s->rcvbuf;
        return 0;
    case LINUX_SO_PRIORITY:
        *n = s->priority;
        return 0;
    case LINUX_SO_MARK:
        *n = s->mark;
        return 0;
    case LINUX_SO_RCVLOWAT:
        *n = s->receive_low;
        return 0;
    case LINUX_SO_SNDLOWAT:
        *n = 1;
        return 0;
    case LINUX_SO_DEBUG:
        *n = s->debug;
        return 0;
    default:
        break;
    }
    const bool *flag = flag_of(s, name);
    if (flag)
        *n = *flag;
    return flag ? 0 : -LINUX_ENOPROTOOPT;
}

// *len: room, then the size of what was stored.
static int get_common(struct socket *s, int32_t name, void *value, uint32_t *len)
{
    int32_t n;
    switch (name) {
    case LINUX_SO_RCVTIMEO:
    case LINUX_SO_RCVTIMEO_NEW:
        *len = get_timeout(s->receive_timeout_ns, value, *len);
        return 0;
    case LINUX_SO_SNDTIMEO:
    case LINUX_SO_SNDTIMEO_NEW:
        *len = get_timeout(s->send_timeout_ns, value, *len);
        return 0;
    case LINUX_SO_LINGER:
        *len = put_value(value, *len, &s->linger, sizeof s->linger);
        return 0;
    default:
        break;
    }
    int err = get_number(s, name, &n);
    if (!err)
        *len = put_value(value, *len, &n, sizeof n);
    return err;
}

static int get_option(struct socket *s, int32_t level, int32_t name, void *value, uint32_t *len)
{
    if (level == LINUX_SOL_SOCKET) {
        if (name == LINUX_SO_ERROR && s->ops->option_changed) {
            int err = s->ops->option_changed(s, LINUX_SO_ERROR); // fetch what the host has
            if (err)
                return err;
        }
        lock_acquire(&s->lock);
        int err = get_common(s, name, value, len);
        lock_release(&s->lock);
        if (err != -LINUX_ENOPROTOOPT)
            return err;
    } else if (!s->ops->get_option) {
        return -LINUX_EOPNOTSUPP;
    }
    return s->ops->get_option ? s->ops->get_option(s, level, name, value, len) : -LINUX_ENOPROTOOPT;
}

int64_t sys_getsockopt(struct task *task, int32_t fd, int32_t level, int32_t optname,
                       uaddr_t optval, uaddr_t optlen)
{
    struct sock_ref ref;
    int err = sock_get(task, fd, &ref);
    if (err)
        return err;
    int32_t room = 0;
    err = user_get(task, optlen, &room);
    if (!err && room < 0)
        err = -LINUX_EINVAL;
    uint32_t len = room < SOCKET_OPTION_MAX ? (uint32_t)room : SOCKET_OPTION_MAX;
    void *value = err ? NULL : calloc(1, SOCKET_OPTION_MAX);
    if (!err)
        err = value ? get_option(ref.socket, level, optname, value, &len) : -LINUX_ENOMEM;
    struct linux_ucred creds;
    if (!err && level == LINUX_SOL_SOCKET && optname == LINUX_SO_PEERCRED && len == sizeof creds) {
        memcpy(&creds, value, sizeof creds);
        creds = scm_creds_seen(task, creds);
        memcpy(value, &creds, sizeof creds);
    }
    if (!err)
        err = user_write(task, optval, value, len);
    if (!err)
        err = user_put(task, optlen, &len);
    free(value);
    file_put(ref.file);
    return err;
}
