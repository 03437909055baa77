// inotify(7), and the watches of inodes that it shares with F_NOTIFY. One of inotify belongs to an
// instance (an open file).
#include "kernel/inotify.h"
#include "kernel/async.h"
#include "kernel/file.h"
#include "kernel/kernel.h"
#include "kernel/syscall_handlers.h"
#include "kernel/task.h"
#include "kernel/wait.h"
#include "platform/abi/fs.h"
#include "platform/abi/inotify.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/poll.h"
#include "platform/abi/signal.h"
#include "platform/abi/tty.h"
#include "platform/base/list.h"
#include "platform/base/rbtree.h"
#include <stdlib.h>
#include <string.h>

enum { READABLE = LINUX_POLLIN | LINUX_POLLRDNORM };

struct inotify {
    struct inotify_hub *hub; // immutable
    struct vfs *vfs;         // immutable
    struct kernel *kernel;   // immutable
    struct wait_queue queue;
    struct async_list told; // O_ASYNC
    // Guarded by hub->lock.
    struct rb_root watches; // by wd
    int32_t last_wd;
    struct list events; // struct queued
    unsigned event_count;
    uint32_t event_bytes;
};

struct inotify_watch {
    struct watch base;
    // Immutable.
    struct inotify *owner;
    int32_t wd;
    // Guarded by hub->lock.
    uint32_t mask;
    struct rb_node node;
};

struct queued {
    struct list node;
    struct linux_inotify_event head;
    char name[]; // head.len bytes
};

// --- Queue of events -----------------------------------------------------------------------------

static uint32_t padded_name(const char *name)
{
    const uint32_t unit = sizeof(struct linux_inotify_event);
    return name ? ((uint32_t)strlen(name) + unit) / unit * unit : 0;
}

static bool same_as_last(const struct inotify *in, int32_t wd, uint32_t mask, const char *name)
{
    if (list_empty(&in->events) || mask & LINUX_IN_IGNORED)
        return false;
    const struct queued *last = list_entry(in->events.prev, struct queued, node);
    return last->head.wd == wd && last->head.mask == mask && last->head.len == padded_name(name) &&
           (!name || strcmp(last->name, name) == 0);
}

static void enqueue(struct inotify *in, int32_t wd, uint32_t mask, uint32_t cookie,
                    const char *name) REQUIRES(in->hub->lock)
{
    if (same_as_last(in, wd, mask, name))
        return;
    if (in->event_count >= INOTIFY_QUEUE_MAX) {
        if (same_as_last(in, -1, LINUX_IN_Q_OVERFLOW, NULL))
            return;
        wd = -1;
        mask = LINUX_IN_Q_OVERFLOW;
        cookie = 0;
        name = NULL;
    }
    uint32_t len = padded_name(name);
    struct queued *q = calloc(1, sizeof *q + len);
    if (!q)
        return; // as in Linux, an event that finds no memory is lost
    q->head = (struct linux_inotify_event){wd, mask, cookie, len};
    if (name)
        memcpy(q->name, name, strlen(name));
    list_add_tail(&in->events, &q->node);
    in->event_count++;
    in->event_bytes += (uint32_t)sizeof q->head + len;
    wait_queue_wake(&in->queue, READABLE, true);
    async_tell(in->kernel, &in->told, LINUX_POLL_IN);
}

// --- Watches -------------------------------------------------------------------------------------

struct watch *watch_first(struct inode *inode)
{
    return atomic_load_explicit(&inode->watches, memory_order_acquire);
}

void watch_begin(struct inotify_hub *hub, struct watch *w)
{
    w->next = watch_first(w->inode);
    atomic_store_explicit(&w->inode->watches, w, memory_order_release);
    vfs_watching(hub->vfs, 1);
}

void watch_end(struct inotify_hub *hub, struct watch *w)
{
    struct watch *first = watch_first(w->inode), **link = &first;
    while (*link != w)
        link = &(*link)->next;
    *link = w->next;
    atomic_store_explicit(&w->inode->watches, first, memory_order_release);
    vfs_watching(hub->vfs, -1);
    w->next = hub->dead;
    hub->dead = w;
}

void watch_free_dead(struct inotify_hub *hub)
{
    lock_acquire(&hub->lock);
    struct watch *w = hub->dead;
    hub->dead = NULL;
    lock_release(&hub->lock);
    while (w) {
        struct watch *next = w->next;
        inode_put(w->inode);
        free(w);
        w = next;
    }
}

static struct inotify_watch *watch_by_wd(const struct inotify *in, int32_t wd)
{
    struct rb_node *at = in->watches.top;
    while (at) {
        struct inotify_watch *w = rb_entry(at, struct inotify_watch, node);
        if (w->wd == wd)
            return w;
        at = wd < w->wd ? at->left : at->right;
    }
    return NULL;
}

static void watch_insert(struct inotify *in, struct inotify_watch *w) REQUIRES(in->hub->lock)
{
    struct rb_node **link = &in->watches.top, *parent = NULL;
    while (*link) {
        parent = *link;
        link = w->wd < rb_entry(parent, struct inotify_watch, node)->wd ? &parent->left
                                                                        : &parent->right;
    }
    rb_insert(&in->watches, &w->node, parent, link, NULL);
    watch_begin(in->hub, &w->base);
    in->hub->watch_count++;
}

// Takes a watch away from its instance and its inode, onto the dead list.
static void inotify_end(struct inotify_watch *w, bool say_so) NO_TSA
{
    struct inotify *in = w->owner;
    watch_end(in->hub, &w->base);
    rb_erase(&in->watches, &w->node, NULL);
    in->hub->watch_count--;
    if (say_so)
        enqueue(in, w->wd, LINUX_IN_IGNORED, 0, NULL);
}

// --- What the VFS tells --------------------------------------------------------------------------

static struct inotify_watch *inotify_of(struct watch *w)
{
    return CONTAINER_OF(w, struct inotify_watch, base);
}

static void inotify_tell(struct watch *base, const struct vfs_event *e) NO_TSA
{
    struct inotify_watch *w = inotify_of(base);
    uint32_t mask = e->mask;
    if (!(w->mask & mask & LINUX_IN_ALL_EVENTS) ||
        (e->unlinked && e->name && w->mask & LINUX_IN_EXCL_UNLINK))
        return;
    if (mask & (LINUX_IN_MOVE_SELF | LINUX_IN_DELETE_SELF))
        mask &= ~(uint32_t)LINUX_IN_ISDIR; // Linux never says so of these
    enqueue(w->owner, w->wd, mask, e->cookie, e->name);
    if (w->mask & LINUX_IN_ONESHOT)
        inotify_end(w, true);
}

static void inotify_gone(struct watch *base)
{
    inotify_end(inotify_of(base), true);
}

static const struct watch_kind inotify_kind = {.tell = inotify_tell, .gone = inotify_gone};

static void on_event(void *ctx, struct inode *inode, const struct vfs_event *e)
{
    struct inotify_hub *hub = ctx;
    lock_acquire(&hub->lock);
    for (struct watch *w = watch_first(inode), *next; w; w = next) {
        next = w->next;
        w->kind->tell(w, e);
    }
    // Nothing will happen to an inode that is gone.
    while (e->mask & LINUX_IN_DELETE_SELF && watch_first(inode)) {
        struct watch *w = watch_first(inode);
        w->kind->gone(w);
    }
    lock_release(&hub->lock);
}

int inotify_create(struct kernel *kernel)
{
    struct inotify_hub *hub = calloc(1, sizeof *hub);
    if (!hub)
        return -LINUX_ENOMEM;
    lock_init(&hub->lock, LOCK_RANK_INOTIFY);
    hub->vfs = kernel->vfs;
    kernel->inotify = hub;
    vfs_set_event_hook(kernel->vfs, hub, on_event);
    return 0;
}

void inotify_destroy(struct kernel *kernel)
{
    if (!kernel->inotify)
        return;
    watch_free_dead(kernel->inotify);
    lock_destroy(&kernel->inotify->lock);
    free(kernel->inotify);
    kernel->inotify = NULL;
}

// --- The file ------------------------------------------------------------------------------------

// Takes the events that fit into `room` bytes off the queue. Returns their bytes; -LINUX_EINVAL
// when not even the first fits, -LINUX_EAGAIN when there is none.
static ssize_t take_events(struct inotify *in, size_t room, struct list *out)
{
    size_t used = 0;
    lock_acquire(&in->hub->lock);
    bool none = list_empty(&in->events);
    while (!list_empty(&in->events)) {
        struct queued *q = list_first(&in->events, struct queued, node);
        size_t size = sizeof q->head + q->head.len;
        if (size > room - used)
            break;
        list_remove(&q->node);
        list_add_tail(out, &q->node);
        in->event_count--;
        in->event_bytes -= (uint32_t)size;
        used += size;
    }
    lock_release(&in->hub->lock);
    return used ? (ssize_t)used : none ? -LINUX_EAGAIN : -LINUX_EINVAL;
}

static ssize_t wait_events(struct inotify *in, struct iter *it, struct list *out)
{
    ssize_t n = take_events(in, it->left, out);
    if (n != -LINUX_EAGAIN || it->nonblock || !it->task)
        return n;
    struct task_waiter w;
    task_waiter_add(&w, it->task, &in->queue, READABLE);
    while ((n = take_events(in, it->left, out)) == -LINUX_EAGAIN) {
        n = task_wait(it->task, WAIT_FOREVER, WAIT_INTERRUPTIBLE);
        if (n)
            break;
    }
    task_waiter_remove(&w);
    return n;
}

static ssize_t inotify_read(struct file *file, struct iter *it, uint64_t *pos)
{
    (void)pos;
    struct inotify *in = file->private;
    struct list events;
    list_init(&events);
    watch_free_dead(in->hub);
    ssize_t n = wait_events(in, it, &events);
    while (!list_empty(&events)) {
        struct queued *q = list_first(&events, struct queued, node);
        list_remove(&q->node);
        if (n > 0 && (iter_put(it, &q->head, sizeof q->head) || iter_put(it, q->name, q->head.len)))
            n = -LINUX_EFAULT;
        free(q);
    }
    return n;
}

static int64_t inotify_seek(struct file *file, int64_t offset, unsigned whence)
{
    (void)file, (void)offset, (void)whence;
    return 0; // it stays where it is
}

static uint32_t inotify_poll(struct file *file, struct poll_table *table)
{
    struct inotify *in = file->private;
    poll_wait(table, file, &in->queue);
    lock_acquire(&in->hub->lock);
    bool readable = !list_empty(&in->events);
    lock_release(&in->hub->lock);
    return readable ? READABLE : 0;
}

static int inotify_set_async(struct file *file, struct task *task, int fd, bool on)
{
    struct async_list *const list = &((struct inotify *)file->private)->told;
    return async_join(file, task, fd, on, &list, 1);
}

static int64_t inotify_ioctl(struct file *file, struct task *task, uint32_t cmd, uint64_t arg)
{
    struct inotify *in = file->private;
    if (cmd != LINUX_FIONREAD)
        return -LINUX_ENOTTY;
    lock_acquire(&in->hub->lock);
    uint32_t bytes = in->event_bytes;
    lock_release(&in->hub->lock);
    return user_put(task, arg, &bytes);
}

static void inotify_release(struct file *file)
{
    struct inotify *in = file->private;
    lock_acquire(&in->hub->lock);
    while (in->watches.top)
        inotify_end(rb_entry(in->watches.top, struct inotify_watch, node), false);
    in->hub->instance_count--;
    lock_release(&in->hub->lock);
    while (!list_empty(&in->events)) {
        struct queued *q = list_first(&in->events, struct queued, node);
        list_remove(&q->node);
        free(q);
    }
    watch_free_dead(in->hub);
    wait_queue_destroy(&in->queue);
    free(in);
}

static const struct file_ops inotify_ops = {
    .read = inotify_read,
    .seek = inotify_seek,
    .poll = inotify_poll,
    .ioctl = inotify_ioctl,
    .set_async = inotify_set_async,
    .release = inotify_release,
};

// --- System calls --------------------------------------------------------------------------------

int64_t sys_inotify_init1(struct task *task, uint32_t flags)
{
    struct inotify_hub *hub = task->kernel->inotify;
    if (flags & ~(uint32_t)(LINUX_O_CLOEXEC | LINUX_O_NONBLOCK))
        return -LINUX_EINVAL;
    lock_acquire(&hub->lock);
    bool room = hub->instance_count < INOTIFY_INSTANCES_MAX;
    hub->instance_count += room;
    lock_release(&hub->lock);
    if (!room)
        return -LINUX_EMFILE;
    struct inotify *in = calloc(1, sizeof *in);
    struct file *file =
        in ? file_create(&inotify_ops, in, LINUX_O_RDONLY | (flags & LINUX_O_NONBLOCK),
                         "anon_inode:inotify")
           : NULL;
    if (!file) {
        free(in);
        lock_acquire(&hub->lock);
        hub->instance_count--;
        lock_release(&hub->lock);
        return -LINUX_ENOMEM;
    }
    in->hub = hub;
    in->vfs = task->kernel->vfs;
    in->kernel = task->kernel;
    list_init(&in->events);
    async_list_init(&in->told);
    wait_queue_init(&in->queue);
    return fd_install(task, file, 0, flags & LINUX_O_CLOEXEC);
}

static int get_instance(struct task *task, int32_t fd, struct file **out)
{
    *out = fd_get_io(task, fd);
    if (!*out)
        return -LINUX_EBADF;
    if ((*out)->ops == &inotify_ops)
        return 0;
    file_put(*out);
    return -LINUX_EINVAL;
}

// The watch of `in` on `inode` with this mask: changed, or `fresh` made one, which is used up.
static int64_t watch_set(struct inotify *in, struct inode *inode, uint32_t mask,
                         struct inotify_watch **fresh)
{
    int64_t result;
    lock_acquire(&in->hub->lock);
    struct inotify_watch *w = NULL;
    for (struct watch *at = watch_first(inode); at && !w; at = at->next)
        if (at->kind == &inotify_kind && inotify_of(at)->owner == in)
            w = inotify_of(at);
    if (w && mask & LINUX_IN_MASK_CREATE) {
        result = -LINUX_EEXIST;
    } else if (w) {
        w->mask = mask & LINUX_IN_MASK_ADD ? w->mask | mask : mask;
        result = w->wd;
    } else if (in->hub->watch_count >= INOTIFY_WATCHES_MAX) {
        result = -LINUX_ENOSPC;
    } else {
        w = *fresh;
        *fresh = NULL;
        do
            in->last_wd = in->last_wd < INT32_MAX ? in->last_wd + 1 : 1;
        while (watch_by_wd(in, in->last_wd));
        *w = (struct inotify_watch){.base = {.kind = &inotify_kind, .inode = inode_get(inode)},
                                    .owner = in,
                                    .wd = in->last_wd,
                                    .mask = mask};
        watch_insert(in, w);
        result = w->wd;
    }
    lock_release(&in->hub->lock);
    return result;
}

static int64_t add_watch(struct task *task, struct inotify *in, uaddr_t path, uint32_t mask)
{
    struct file_at at;
    struct path p;
    unsigned walk = (mask & LINUX_IN_DONT_FOLLOW ? 0 : (unsigned)WALK_FOLLOW) |
                    (mask & LINUX_IN_ONLYDIR ? (unsigned)WALK_DIRECTORY : 0);
    int err = file_at_resolve(task, LINUX_AT_FDCWD, path, walk, &at, &p);
    if (err)
        return err;
    struct inotify_watch *fresh = malloc(sizeof *fresh);
    int64_t result = fresh ? vfs_permission(&at.caller, &p, LINUX_R_OK) : -LINUX_ENOMEM;
    if (!result)
        result = watch_set(in, path_inode(&p), mask, &fresh);
    free(fresh);
    path_put(&p);
    file_at_end(&at);
    return result;
}

int64_t sys_inotify_add_watch(struct task *task, int32_t fd, uaddr_t path, uint32_t mask)
{
    const uint32_t known = LINUX_IN_ALL_EVENTS | LINUX_IN_UNMOUNT | LINUX_IN_Q_OVERFLOW |
                           LINUX_IN_IGNORED | LINUX_IN_ONLYDIR | LINUX_IN_DONT_FOLLOW |
                           LINUX_IN_EXCL_UNLINK | LINUX_IN_MASK_CREATE | LINUX_IN_MASK_ADD |
                           LINUX_IN_ISDIR | LINUX_IN_ONESHOT;
    if (mask & ~known || !mask)
        return -LINUX_EINVAL;
    if (fd_is_bad(task, fd))
        return -LINUX_EBADF;
    if (mask & LINUX_IN_MASK_ADD && mask & LINUX_IN_MASK_CREATE)
        return -LINUX_EINVAL;
    struct file *file;
    int64_t result = get_instance(task, fd, &file);
    if (result)
        return result;
    struct inotify *in = file->private;
    watch_free_dead(in->hub);
    result = add_watch(task, in, path, mask);
    file_put(file);
    return result;
}

int64_t sys_inotify_rm_watch(struct task *task, int32_t fd, int32_t wd)
{
    struct file *file;
    int err = get_instance(task, fd, &file);
    if (err)
        return err;
    struct inotify *in = file->private;
    lock_acquire(&in->hub->lock);
    struct inotify_watch *w = watch_by_wd(in, wd);
    if (w)
        inotify_end(w, true);
    lock_release(&in->hub->lock);
    watch_free_dead(in->hub);
    file_put(file);
    return w ? 0 : -LINUX_EINVAL;
}
