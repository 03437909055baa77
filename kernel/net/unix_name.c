// Names of AF_UNIX sockets: in the tree (an inode of type socket points at its socket), abstract (a
// table of the instance), or none.
#include "kernel/kernel.h"
#include "kernel/net/net.h"
#include "kernel/net/unix.h"
#include "kernel/task.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_AT = offsetof(struct linux_sockaddr_un, path) };

static struct unix_name *name_create(const void *path, size_t len)
{
    struct unix_name *name = calloc(1, sizeof *name);
    if (!name)
        return NULL;
    atomic_init(&name->refs, 1);
    name->addr.family = LINUX_AF_UNIX;
    memcpy(name->addr.path, path, len);
    name->len = (uint32_t)(PATH_AT + len);
    list_init(&name->link);
    return name;
}

void unix_name_put(struct unix_name *name)
{
    if (name && atomic_fetch_sub_explicit(&name->refs, 1, memory_order_acq_rel) == 1)
        free(name);
}

static int check_address(const struct sock_addr *addr)
{
    if (addr->len <= PATH_AT || addr->len > sizeof addr->un || addr->family != LINUX_AF_UNIX)
        return -LINUX_EINVAL;
    return 0;
}

// The path of an address in the tree, with a NUL.
static void path_of(const struct sock_addr *addr, char path[sizeof addr->un.path + 1])
{
    size_t len = addr->len - PATH_AT;
    memcpy(path, addr->un.path, len);
    path[len] = '\0';
}

// --- Abstract names ------------------------------------------------------------------------------

static struct list *bucket_of(struct net *net, const char *path, size_t len)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < len; i++)
        h = (h ^ (uint8_t)path[i]) * 16777619u;
    return &net->unix_names[h % NET_NAME_BUCKETS];
}

// Each type of socket has names of its own.
static struct unix_name *abstract_find(struct net *net, int32_t type, const char *path, size_t len)
    REQUIRES(net->lock)
{
    struct unix_name *name;
    list_for_each (name, bucket_of(net, path, len), link)
        if (name->owner->base.type == type && name->len == PATH_AT + len &&
            memcmp(name->addr.path, path, len) == 0)
            return name;
    return NULL;
}

static int abstract_bind(struct unix_sock *u, const char *path, size_t len, struct unix_name **out)
{
    struct net *net = u->base.kernel->net;
    struct unix_name *name = name_create(path, len);
    if (!name)
        return -LINUX_ENOMEM;
    name->owner = u;
    lock_acquire(&net->lock);
    bool taken = abstract_find(net, u->base.type, path, len);
    if (!taken)
        list_add_head(bucket_of(net, path, len), &name->link);
    lock_release(&net->lock);
    if (taken) {
        unix_name_put(name);
        return -LINUX_EADDRINUSE;
    }
    *out = name;
    return 0;
}

static void abstract_release(struct net *net, struct unix_name *name)
{
    lock_acquire(&net->lock);
    list_remove(&name->link);
    name->owner = NULL;
    lock_release(&net->lock);
}

// --- Names in the tree ---------------------------------------------------------------------------

static int path_bind(struct unix_sock *u, struct task *task, const struct sock_addr *addr,
                     struct unix_name **out, struct path *bound)
{
    char path[sizeof addr->un.path + 1];
    path_of(addr, path);
    struct unix_name *name = name_create(path, strlen(path) + 1);
    if (!name)
        return -LINUX_ENOMEM;
    struct vfs_caller c;
    task_caller(task, &c);
    int err = vfs_mknod(&c, NULL, path, LINUX_S_IFSOCK | 0777, 0);
    if (!err)
        err = path_walk(&c, NULL, path, 0, bound);
    task_caller_done(&c);
    if (err) {
        unix_name_put(name);
        return err == -LINUX_EEXIST ? -LINUX_EADDRINUSE : err;
    }
    struct inode *inode = path_inode(bound);
    lock_acquire(&inode->lock);
    inode->attached = u;
    lock_release(&inode->lock);
    *out = name;
    return 0;
}

static int path_find(struct task *task, const struct sock_addr *addr, struct unix_sock **out)
{
    char path[sizeof addr->un.path + 1];
    path_of(addr, path);
    struct vfs_caller c;
    struct path found;
    task_caller(task, &c);
    int err = path_walk(&c, NULL, path, WALK_FOLLOW, &found);
    if (!err) {
        err = vfs_permission(&c, &found, LINUX_W_OK);
        struct inode *inode = path_inode(&found);
        if (!err && inode->type != LINUX_S_IFSOCK)
            err = -LINUX_ECONNREFUSED;
        if (!err) {
            lock_acquire(&inode->lock);
            *out = inode->attached ? unix_get(inode->attached) : NULL;
            lock_release(&inode->lock);
            err = *out ? 0 : -LINUX_ECONNREFUSED;
        }
        path_put(&found);
    }
    task_caller_done(&c);
    return err;
}

// --- Binding and finding -------------------------------------------------------------------------

// Gives `u` its name unless it has one by now. The gate is held: nobody else binds it.
static int set_name(struct unix_sock *u, struct unix_name *name, const struct path *bound)
{
    lock_acquire(&u->base.lock);
    u->name = name;
    if (bound)
        u->bound = *bound;
    lock_release(&u->base.lock);
    return 0;
}

static bool is_bound(struct unix_sock *u)
{
    lock_acquire(&u->base.lock);
    bool bound = u->name;
    lock_release(&u->base.lock);
    return bound;
}

static int autobind_locked(struct unix_sock *u)
{
    enum { NAMES = 0x100000 };
    struct net *net = u->base.kernel->net;
    for (uint32_t tries = 0; tries < NAMES; tries++) {
        lock_acquire(&net->lock);
        uint32_t number = net->unix_autobind++ % NAMES;
        lock_release(&net->lock);
        char path[8];
        path[0] = '\0';
        snprintf(path + 1, sizeof path - 1, "%05x", number);
        struct unix_name *name;
        int err = abstract_bind(u, path, 6, &name);
        if (err != -LINUX_EADDRINUSE)
            return err ? err : set_name(u, name, NULL);
    }
    return -LINUX_ENOSPC;
}

int unix_autobind(struct unix_sock *u)
{
    gate_enter(&u->io_gate);
    int err = is_bound(u) ? 0 : autobind_locked(u);
    gate_leave(&u->io_gate);
    return err;
}

static int bind_locked(struct unix_sock *u, struct task *task, const struct sock_addr *addr)
{
    if (is_bound(u))
        return -LINUX_EINVAL;
    struct unix_name *name;
    struct path bound = {NULL, NULL};
    int err = addr->un.path[0] ? path_bind(u, task, addr, &name, &bound)
                               : abstract_bind(u, addr->un.path, addr->len - PATH_AT, &name);
    return err ? err : set_name(u, name, &bound);
}

int unix_bind(struct socket *s, struct task *task, const struct sock_addr *addr)
{
    struct unix_sock *u = unix_of(s);
    if (addr->len == PATH_AT && addr->family == LINUX_AF_UNIX)
        return unix_autobind(u);
    int err = check_address(addr);
    if (err)
        return err;
    gate_enter(&u->io_gate);
    err = bind_locked(u, task, addr);
    gate_leave(&u->io_gate);
    return err;
}

int unix_find(struct task *task, const struct sock_addr *addr, int32_t type, struct unix_sock **out)
{
    int err = check_address(addr);
    *out = NULL;
    if (err)
        return err;
    if (addr->un.path[0]) {
        err = path_find(task, addr, out);
    } else {
        struct net *net = task->kernel->net;
        lock_acquire(&net->lock);
        struct unix_name *name = abstract_find(net, type, addr->un.path, addr->len - PATH_AT);
        *out = name ? unix_get(name->owner) : NULL;
        lock_release(&net->lock);
        err = *out ? 0 : -LINUX_ECONNREFUSED;
    }
    if (!err && (*out)->base.type != type) {
        unix_put(*out);
        *out = NULL;
        err = -LINUX_EPROTOTYPE;
    }
    return err;
}

void unix_name_release(struct unix_sock *u, struct unix_name *name, struct path *bound)
{
    if (bound->dentry) {
        struct inode *inode = path_inode(bound);
        lock_acquire(&inode->lock);
        if (inode->attached == u)
            inode->attached = NULL;
        lock_release(&inode->lock);
        path_put(bound);
    } else if (name && !name->addr.path[0] && name->owner == u) {
        abstract_release(u->base.kernel->net, name);
    }
    unix_name_put(name);
}

int unix_getname(struct socket *s, bool peer, struct sock_addr *out)
{
    struct unix_sock *u = unix_of(s), *of = u;
    if (peer) {
        lock_acquire(&s->lock);
        of = u->peer ? unix_get(u->peer) : NULL;
        lock_release(&s->lock);
        if (!of)
            return -LINUX_ENOTCONN;
    }
    lock_acquire(&of->base.lock);
    out->len = PATH_AT;
    out->family = LINUX_AF_UNIX;
    if (of->name) {
        out->len = of->name->len;
        memcpy(&out->un, &of->name->addr, out->len);
    }
    lock_release(&of->base.lock);
    if (peer)
        unix_put(of);
    return 0;
}
