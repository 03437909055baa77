// Control data of AF_UNIX messages: descriptors and credentials (unix(7), cmsg(3)).
#include "kernel/file.h"
#include "kernel/net/net.h"
#include "kernel/net/socket_internal.h"
#include "kernel/pid_ns.h"
#include "kernel/task.h"
#include "platform/abi/capability.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include <stdlib.h>
#include <string.h>

enum { HEADER = sizeof(struct linux_cmsghdr) };

static size_t cmsg_align(size_t n)
{
    return (n + 7) & ~(size_t)7;
}

// --- Sending -------------------------------------------------------------------------------------

static int add_rights(struct message *m, const uint8_t *data, size_t len)
{
    size_t count = len / sizeof(int32_t);
    if (!count)
        return 0;
    if (!m->rights) {
        m->rights = malloc(sizeof *m->rights);
        if (!m->rights)
            return -LINUX_ENOMEM;
        m->rights->count = 0;
    }
    if (count > LINUX_SCM_MAX_FD - m->rights->count)
        return -LINUX_EINVAL;
    for (size_t i = 0; i < count; i++) {
        int32_t fd;
        memcpy(&fd, data + i * sizeof fd, sizeof fd);
        struct file *file = fd_get(m->task, fd);
        if (!file)
            return -LINUX_EBADF;
        m->rights->files[m->rights->count++] = file;
    }
    return 0;
}

// Credentials one may claim: one's own ids, any of them, or whatever the capability allows.
static int add_creds(struct message *m, const uint8_t *data, size_t len)
{
    if (len != sizeof m->creds)
        return -LINUX_EINVAL;
    struct linux_ucred u;
    memcpy(&u, data, sizeof u);
    const struct cred *c = m->task->cred;
    // What is carried are the machine's ids; the receiver names them as it knows them.
    u.pid = pid_arg(m->task, u.pid);
    u.uid = cred_uid(c, u.uid);
    u.gid = cred_gid(c, u.gid);
    bool pid = u.pid == m->task->tgid || cred_capable(c, LINUX_CAP_SYS_ADMIN);
    bool uid = u.uid == c->uid || u.uid == c->euid || u.uid == c->suid ||
               cred_capable(c, LINUX_CAP_SETUID);
    bool gid = u.gid == c->gid || u.gid == c->egid || u.gid == c->sgid ||
               cred_capable(c, LINUX_CAP_SETGID);
    if (u.uid == UINT32_MAX || u.gid == UINT32_MAX)
        return -LINUX_EINVAL;
    if (!pid || !uid || !gid)
        return -LINUX_EPERM;
    struct task *named = u.pid == m->task->tgid ? NULL : task_find(m->task->kernel, u.pid);
    if (u.pid != m->task->tgid && !named)
        return -LINUX_ESRCH;
    if (named)
        task_put(named);
    m->creds = u;
    m->has_creds = true;
    return 0;
}

int scm_parse(struct message *m)
{
    size_t at = 0;
    while (m->control_len - at >= HEADER) {
        struct linux_cmsghdr h;
        memcpy(&h, m->control + at, sizeof h);
        if (h.len < HEADER || h.len > m->control_len - at)
            return -LINUX_EINVAL;
        const uint8_t *data = m->control + at + HEADER;
        size_t len = (size_t)h.len - HEADER;
        int err = 0;
        if (h.level == LINUX_SOL_SOCKET && h.type == LINUX_SCM_RIGHTS)
            err = add_rights(m, data, len);
        else if (h.level == LINUX_SOL_SOCKET && h.type == LINUX_SCM_CREDENTIALS)
            err = add_creds(m, data, len);
        else if (h.level == LINUX_SOL_SOCKET)
            err = -LINUX_EINVAL;
        if (err)
            return err;
        size_t step = cmsg_align((size_t)h.len);
        at = step < m->control_len - at ? at + step : m->control_len;
    }
    return 0;
}

// --- Receiving -----------------------------------------------------------------------------------

// Where the guest's control data grows.
struct emitter {
    struct message *m;
    uaddr_t addr;
    uint64_t room, used;
    int err;
};

static uint64_t left(const struct emitter *e)
{
    return e->room - e->used;
}

// Appends a header and data, cut to the room there is.
static void emit(struct emitter *e, int32_t level, int32_t type, const void *data, size_t len)
{
    if (e->err)
        return;
    if (left(e) < HEADER) {
        e->m->out_flags |= LINUX_MSG_CTRUNC;
        return;
    }
    struct linux_cmsghdr h = {HEADER + len, level, type};
    if (h.len > left(e)) {
        e->m->out_flags |= LINUX_MSG_CTRUNC;
        h.len = left(e);
    }
    e->err = user_put(e->m->task, e->addr + e->used, &h);
    if (!e->err)
        e->err = user_write(e->m->task, e->addr + e->used + HEADER, data, (size_t)h.len - HEADER);
    size_t step = cmsg_align(HEADER + len);
    e->used += step < left(e) ? step : left(e);
}

// Installs as many descriptors as there is room for; the rest is closed with the message.
static void emit_rights(struct emitter *e)
{
    struct scm_rights *rights = e->m->rights;
    uint64_t fits = left(e) < HEADER ? 0 : (left(e) - HEADER) / sizeof(int32_t);
    int32_t fds[LINUX_SCM_MAX_FD];
    unsigned n = 0;
    bool cloexec = e->m->flags & LINUX_MSG_CMSG_CLOEXEC;
    while (n < rights->count && n < fits) {
        int fd = fd_install(e->m->task, file_get(rights->files[n]), 0, cloexec);
        if (fd < 0)
            break;
        fds[n++] = fd;
    }
    if (n < rights->count)
        e->m->out_flags |= LINUX_MSG_CTRUNC;
    if (n > 0)
        emit(e, LINUX_SOL_SOCKET, LINUX_SCM_RIGHTS, fds, n * sizeof fds[0]);
}

struct linux_ucred scm_creds_seen(struct task *task, struct linux_ucred c)
{
    c.pid = pid_seen(task, c.pid);
    c.uid = cred_show_uid(task->cred, c.uid);
    c.gid = cred_show_gid(task->cred, c.gid);
    return c;
}

int64_t scm_emit(struct message *m, bool pass_cred, uaddr_t addr, uint64_t room)
{
    struct emitter e = {.m = m, .addr = addr, .room = room};
    if (pass_cred) {
        const struct linux_ucred nobody = {0, 65534, 65534};
        struct linux_ucred creds = m->has_creds ? m->creds : nobody;
        if (m->has_creds && m->task)
            creds = scm_creds_seen(m->task, creds);
        emit(&e, LINUX_SOL_SOCKET, LINUX_SCM_CREDENTIALS, &creds, sizeof creds);
    }
    if (m->rights)
        emit_rights(&e);
    if (m->control_len > 0) {
        uint64_t n = m->control_len < left(&e) ? m->control_len : left(&e);
        if (n < m->control_len)
            m->out_flags |= LINUX_MSG_CTRUNC;
        if (!e.err)
            e.err = user_write(m->task, addr + e.used, m->control, (size_t)n);
        e.used += n;
    }
    return e.err ? e.err : (int64_t)e.used;
}
