#include "kernel/fanotify.h"
#include "fs/notify.h"
#include "kernel/file.h"
#include "kernel/kernel.h"
#include "kernel/pid_ns.h"
#include "kernel/syscall_handlers.h"
#include "kernel/task.h"
#include "kernel/wait.h"
#include "platform/abi/capability.h"
#include "platform/abi/fs.h"
#include "platform/abi/inotify.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/poll.h"
#include "platform/abi/tty.h"
#include "platform/base/list.h"
#include <stdlib.h>

enum {
    INIT_CLOEXEC = 1,
    INIT_NONBLOCK = 2,
    INIT_CLASS = 0xc,
    INIT_UNLIMITED_QUEUE = 0x10,
    INIT_UNLIMITED_MARKS = 0x20,
    INIT_PIDFD = 0x80,
    INIT_TID = 0x100,
    INIT_FID = 0x200,
    INIT_DIR_FID = 0x400,
    INIT_NAME = 0x800,
    INIT_TARGET_FID = 0x1000,
    INIT_FIDS = INIT_FID | INIT_DIR_FID | INIT_NAME | INIT_TARGET_FID,
    INIT_HAD = INIT_CLOEXEC | INIT_NONBLOCK | INIT_CLASS | INIT_UNLIMITED_QUEUE |
               INIT_UNLIMITED_MARKS | INIT_TID,

    MARK_ADD = 1,
    MARK_REMOVE = 2,
    MARK_DONT_FOLLOW = 4,
    MARK_ONLYDIR = 8,
    MARK_MOUNT = 0x10,
    MARK_IGNORED = 0x20,
    MARK_IGNORED_KEPT = 0x40,
    MARK_FLUSH = 0x80,
    MARK_SUPER = 0x100,
    MARK_KINDS = MARK_MOUNT | MARK_SUPER,
    MARK_HAD = MARK_ADD | MARK_REMOVE | MARK_DONT_FOLLOW | MARK_ONLYDIR | MARK_KINDS |
               MARK_IGNORED | MARK_IGNORED_KEPT | MARK_FLUSH,

    FAN_OPEN_EXEC = NOTIFY_OPEN_EXEC,
    FAN_ON_CHILD = 0x08000000,
    FAN_ON_DIR = LINUX_IN_ISDIR,
    FAN_EVENTS = LINUX_IN_ACCESS | LINUX_IN_MODIFY | LINUX_IN_CLOSE_WRITE | LINUX_IN_CLOSE_NOWRITE |
                 LINUX_IN_OPEN | FAN_OPEN_EXEC,

    QUEUE_MAX = 16384,
    MARKS_MAX = 8192,
    GROUPS_MAX = 128,
    MERGE_SCAN = 128, // queued events looked at for one to join
    EVENT_VERSION = 3,
    READABLE = LINUX_POLLIN | LINUX_POLLRDNORM,
};

struct event_metadata {
    uint32_t event_len;
    uint8_t version, reserved;
    uint16_t metadata_len;
    uint64_t mask;
    int32_t fd, pid;
};
_Static_assert(sizeof(struct event_metadata) == 24, "struct fanotify_event_metadata");

struct fanotify_hub {
    struct lock lock;   // rank fanotify
    struct list groups; // guarded by lock
    unsigned count;
};

struct group {
    struct fanotify_hub *hub;    // immutable
    struct vfs *vfs;             // immutable
    uint32_t flags, event_flags; // of fanotify_init; immutable
    struct wait_queue queue;
    // Guarded by hub->lock.
    struct list link, marks, events;
    unsigned mark_count, event_count;
};

struct mark {
    struct list link;
    unsigned kind;       // 0, MARK_MOUNT, MARK_SUPER
    struct inode *inode; // of kind 0: referenced
    struct super *super; // referenced, but for a mount
    int mount_id;
    uint32_t mask, ignored;
    bool ignored_kept; // though the file is modified
};

struct event {
    struct list link;
    uint32_t mask;
    struct path path; // empty: the queue was full
    int32_t pid;      // the machine's
};

// --- What happens --------------------------------------------------------------------------------

static bool joins(const struct event *e, const struct path *p, int32_t pid)
{
    return e->path.mnt == p->mnt && e->path.dentry == p->dentry && e->pid == pid;
}

static void enqueue(struct group *g, const struct path *p, int32_t pid, uint32_t mask)
    REQUIRES(g->hub->lock)
{
    unsigned seen = 0;
    for (struct list *at = g->events.prev; at != &g->events && seen < MERGE_SCAN; at = at->prev) {
        struct event *e = list_entry(at, struct event, link);
        if (e->path.dentry && joins(e, p, pid)) {
            e->mask |= mask;
            return;
        }
        seen++;
    }
    bool full = g->event_count >= QUEUE_MAX && !(g->flags & INIT_UNLIMITED_QUEUE);
    if (g->event_count > QUEUE_MAX && full)
        return; // it has been said
    struct event *e = calloc(1, sizeof *e);
    if (!e)
        return; // as in Linux, an event that finds no memory is lost
    *e = (struct event){.mask = full ? (uint32_t)LINUX_IN_Q_OVERFLOW : mask, .pid = pid};
    if (!full) {
        e->path = *p;
        path_get(p);
    }
    list_add_tail(&g->events, &e->link);
    g->event_count++;
    wait_queue_wake(&g->queue, READABLE, false);
}

// Which of an event a group wants: what its marks ask for less what they ignore.
struct happening {
    struct path path;
    struct inode *inode, *parent; // parent: NULL when there is none
    uint32_t mask, is_dir;
};

static bool concerns(const struct mark *m, const struct happening *h)
{
    const uint32_t all = m->mask | m->ignored;
    switch (m->kind) {
    case MARK_MOUNT:
        return m->mount_id == vfs_mount_id(&h->path);
    case MARK_SUPER:
        return m->super == h->inode->super;
    default:
        return m->inode == h->inode || (m->inode == h->parent && all & FAN_ON_CHILD);
    }
}

static uint32_t wanted(struct group *g, const struct happening *h) REQUIRES(g->hub->lock)
{
    struct mark *m;
    uint32_t want = 0, ignored = 0;
    list_for_each (m, &g->marks, link) {
        if (!concerns(m, h))
            continue;
        if (h->mask & LINUX_IN_MODIFY && !m->ignored_kept && m->kind == 0)
            m->ignored &= FAN_ON_CHILD;
        ignored |= m->ignored;
        bool child = m->kind == 0 && m->inode != h->inode;
        if ((!h->is_dir || m->mask & FAN_ON_DIR) && (!child || m->mask & FAN_ON_CHILD))
            want |= m->mask;
    }
    return h->mask & want & ~ignored & FAN_EVENTS;
}

static void on_file_event(void *ctx, const struct path *p, struct inode *parent,
                          uint32_t mask) NO_TSA
{
    struct fanotify_hub *hub = ctx;
    struct happening h = {.path = *p, .inode = path_inode(p), .parent = parent, .mask = mask};
    h.is_dir = LINUX_S_ISDIR(h.inode->type) ? (uint32_t)FAN_ON_DIR : 0;
    const struct task *task = task_of_thread();
    struct group *g;
    lock_acquire(&hub->lock);
    list_for_each (g, &hub->groups, link) {
        uint32_t want = wanted(g, &h);
        if (want)
            enqueue(g, p, task ? (g->flags & INIT_TID ? task->pid : task->tgid) : 0, want);
    }
    lock_release(&hub->lock);
}

int fanotify_create(struct kernel *kernel)
{
    struct fanotify_hub *hub = calloc(1, sizeof *hub);
    if (!hub)
        return -LINUX_ENOMEM;
    lock_init(&hub->lock, LOCK_RANK_FANOTIFY);
    list_init(&hub->groups);
    kernel->fanotify = hub;
    vfs_set_file_event_hook(kernel->vfs, hub, on_file_event);
    return 0;
}

void fanotify_destroy(struct kernel *kernel)
{
    if (!kernel->fanotify)
        return;
    lock_destroy(&kernel->fanotify->lock);
    free(kernel->fanotify);
    kernel->fanotify = NULL;
}

// --- The file ------------------------------------------------------------------------------------

static struct event *take_event(struct group *g)
{
    struct event *e = NULL;
    lock_acquire(&g->hub->lock);
    if (!list_empty(&g->events)) {
        e = list_first(&g->events, struct event, link);
        list_remove(&e->link);
        g->event_count--;
    }
    lock_release(&g->hub->lock);
    return e;
}

static void event_free(struct event *e)
{
    path_put(&e->path);
    free(e);
}

static int wait_event(struct group *g, struct iter *it, struct event **out)
{
    *out = take_event(g);
    if (*out)
        return 0;
    if (it->nonblock)
        return -LINUX_EAGAIN;
    struct task_waiter w;
    int err = 0;
    task_waiter_add(&w, it->task, &g->queue, READABLE);
    while (!err && !(*out = take_event(g)))
        err = task_wait(it->task, WAIT_FOREVER, WAIT_INTERRUPTIBLE);
    task_waiter_remove(&w);
    return *out ? 0 : err;
}

// A descriptor of what the event is about, about which nobody is told.
static int open_event(struct task *task, const struct group *g, const struct event *e)
{
    struct file *file;
    struct vfs_caller caller;
    if (!e->path.dentry)
        return -1; // FAN_NOFD
    task_caller(task, &caller);
    int err =
        vfs_open_unseen(&caller, &e->path, g->event_flags & ~(uint32_t)LINUX_O_CLOEXEC, &file);
    task_caller_done(&caller);
    return err ? err : fd_install(task, file, 0, g->event_flags & LINUX_O_CLOEXEC);
}

static int put_event(struct task *task, const struct group *g, const struct event *e,
                     struct iter *it)
{
    int fd = open_event(task, g, e);
    if (fd < -1)
        return fd;
    const struct event_metadata head = {
        .event_len = sizeof head,
        .version = EVENT_VERSION,
        .metadata_len = sizeof head,
        .mask = e->mask,
        .fd = fd,
        .pid = e->path.dentry ? pid_seen(task, e->pid) : 0,
    };
    int err = iter_put(it, &head, sizeof head);
    if (err && fd >= 0)
        (void)fd_close(task, fd);
    return err;
}

static uint32_t group_poll(struct file *file, struct poll_table *table)
{
    struct group *g = file->private;
    poll_wait(table, file, &g->queue);
    lock_acquire(&g->hub->lock);
    bool readable = !list_empty(&g->events);
    lock_release(&g->hub->lock);
    return readable ? READABLE : 0;
}

static ssize_t group_read(struct file *file, struct iter *it, uint64_t *pos)
{
    (void)pos;
    struct group *g = file->private;
    size_t done = 0;
    int err = 0;
    if (!it->task)
        return -LINUX_EINVAL;
    if (it->left < sizeof(struct event_metadata))
        return it->nonblock && !group_poll(file, NULL) ? -LINUX_EAGAIN : -LINUX_EINVAL;
    while (!err && it->left >= sizeof(struct event_metadata)) {
        struct event *e = NULL;
        if (done)
            e = take_event(g);
        else
            err = wait_event(g, it, &e);
        if (!e)
            break;
        err = put_event(it->task, g, e, it);
        event_free(e);
        done += err ? 0 : sizeof(struct event_metadata);
    }
    return done ? (ssize_t)done : err;
}

static int64_t group_ioctl(struct file *file, struct task *task, uint32_t cmd, uint64_t arg)
{
    struct group *g = file->private;
    if (cmd != LINUX_FIONREAD)
        return -LINUX_ENOTTY;
    lock_acquire(&g->hub->lock);
    uint32_t bytes = g->event_count * (uint32_t)sizeof(struct event_metadata);
    lock_release(&g->hub->lock);
    return user_put(task, arg, &bytes);
}

static void mark_free(struct mark *m)
{
    if (m->inode)
        inode_put(m->inode);
    if (m->super)
        super_put(m->super);
    free(m);
}

// Takes marks of one kind (or all: -1) off a group, and frees them.
static void flush(struct group *g, int kind)
{
    struct list gone;
    struct mark *m, *next;
    list_init(&gone);
    lock_acquire(&g->hub->lock);
    list_for_each_safe (m, next, &g->marks, link)
        if (kind < 0 || m->kind == (unsigned)kind) {
            list_remove(&m->link);
            list_add_tail(&gone, &m->link);
            g->mark_count--;
            vfs_watching(g->vfs, -1);
        }
    lock_release(&g->hub->lock);
    list_for_each_safe (m, next, &gone, link)
        mark_free(m);
}

static void group_release(struct file *file)
{
    struct group *g = file->private;
    flush(g, -1);
    lock_acquire(&g->hub->lock);
    list_remove(&g->link);
    g->hub->count--;
    lock_release(&g->hub->lock);
    for (struct event *e; (e = take_event(g)) != NULL;)
        event_free(e);
    wait_queue_destroy(&g->queue);
    free(g);
}

static ssize_t group_write(struct file *file, struct iter *it, uint64_t *pos)
{
    (void)file, (void)it, (void)pos;
    return -LINUX_EINVAL; // nobody waits for an answer
}

static const struct file_ops group_ops = {
    .read = group_read,
    .write = group_write,
    .poll = group_poll,
    .ioctl = group_ioctl,
    .release = group_release,
};

// --- fanotify_init -------------------------------------------------------------------------------

static int check_init(struct task *task, uint32_t flags, uint32_t event_flags)
{
    const uint32_t event_known = LINUX_O_ACCMODE | LINUX_O_APPEND | LINUX_O_NONBLOCK |
                                 LINUX_O_DSYNC | LINUX_O_SYNC | LINUX_O_CLOEXEC |
                                 LINUX_O_LARGEFILE | LINUX_O_NOATIME;
    const uint32_t admin =
        INIT_CLASS | INIT_UNLIMITED_QUEUE | INIT_UNLIMITED_MARKS | INIT_TID | INIT_PIDFD;
    if (!task_capable(task, LINUX_CAP_SYS_ADMIN) && (flags & admin || !(flags & INIT_FIDS)))
        return -LINUX_EPERM;
    // Classes say who is told first, and who may be asked for permission: nobody is asked here, as
    // in a Linux made without that.
    if (flags & ~(uint32_t)INIT_HAD || (flags & INIT_CLASS) == INIT_CLASS ||
        event_flags & ~event_known || (event_flags & LINUX_O_ACCMODE) == LINUX_O_ACCMODE)
        return -LINUX_EINVAL;
    return 0;
}

int64_t sys_fanotify_init(struct task *task, uint32_t flags, uint32_t event_flags)
{
    struct fanotify_hub *hub = task->kernel->fanotify;
    int err = check_init(task, flags, event_flags);
    if (err)
        return err;
    struct group *g = calloc(1, sizeof *g);
    struct file *file =
        g ? file_create(&group_ops, g,
                        LINUX_O_RDWR | (flags & INIT_NONBLOCK ? (uint32_t)LINUX_O_NONBLOCK : 0),
                        "anon_inode:[fanotify]")
          : NULL;
    if (!file) {
        free(g);
        return -LINUX_ENOMEM;
    }
    g->hub = hub;
    g->vfs = task->kernel->vfs;
    g->flags = flags;
    g->event_flags = event_flags;
    wait_queue_init(&g->queue);
    list_init(&g->marks);
    list_init(&g->events);
    lock_acquire(&hub->lock);
    bool room = hub->count < GROUPS_MAX;
    hub->count++;
    list_add_tail(&hub->groups, &g->link);
    lock_release(&hub->lock);
    if (!room) {
        file_put(file);
        return -LINUX_EMFILE;
    }
    return fd_install(task, file, 0, flags & INIT_CLOEXEC);
}

// --- fanotify_mark -------------------------------------------------------------------------------

static struct mark *find_mark(const struct group *g, unsigned kind, const struct path *p)
{
    struct mark *m;
    list_for_each (m, &g->marks, link)
        if (m->kind == kind && (kind == MARK_MOUNT   ? m->mount_id == vfs_mount_id(p)
                                : kind == MARK_SUPER ? m->super == path_inode(p)->super
                                                     : m->inode == path_inode(p)))
            return m;
    return NULL;
}

static struct mark *make_mark(unsigned kind, const struct path *p)
{
    struct mark *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->kind = kind;
    m->mount_id = vfs_mount_id(p);
    if (kind != MARK_MOUNT)
        m->super = super_get(path_inode(p)->super);
    if (kind == 0)
        m->inode = inode_get(path_inode(p));
    return m;
}

static int add_mark(struct group *g, uint32_t flags, uint32_t mask, const struct path *p)
{
    unsigned kind = flags & MARK_KINDS;
    struct mark *fresh = make_mark(kind, p);
    int err = fresh ? 0 : -LINUX_ENOMEM;
    lock_acquire(&g->hub->lock);
    struct mark *m = find_mark(g, kind, p);
    if (!err && !m && g->mark_count >= MARKS_MAX && !(g->flags & INIT_UNLIMITED_MARKS))
        err = -LINUX_ENOSPC;
    if (!err && !m) {
        m = fresh;
        fresh = NULL;
        list_add_tail(&g->marks, &m->link);
        g->mark_count++;
        vfs_watching(g->vfs, 1);
    }
    if (!err && flags & MARK_IGNORED) {
        m->ignored |= mask;
        m->ignored_kept |= (flags & MARK_IGNORED_KEPT) != 0;
    } else if (!err) {
        m->mask |= mask;
    }
    lock_release(&g->hub->lock);
    if (fresh)
        mark_free(fresh);
    return err;
}

static int remove_mark(struct group *g, uint32_t flags, uint32_t mask, const struct path *p)
{
    lock_acquire(&g->hub->lock);
    struct mark *m = find_mark(g, flags & MARK_KINDS, p), *gone = NULL;
    int err = m ? 0 : -LINUX_ENOENT;
    if (m && flags & MARK_IGNORED)
        m->ignored &= ~mask;
    else if (m)
        m->mask &= ~mask;
    if (m && !((m->mask | m->ignored) & FAN_EVENTS)) {
        list_remove(&m->link);
        g->mark_count--;
        vfs_watching(g->vfs, -1);
        gone = m;
    }
    lock_release(&g->hub->lock);
    if (gone)
        mark_free(gone);
    return err;
}

static int check_mark(uint32_t flags, uint64_t mask)
{
    const uint64_t known = FAN_EVENTS | FAN_ON_CHILD | (uint32_t)FAN_ON_DIR;
    const uint32_t what = flags & (MARK_ADD | MARK_REMOVE | MARK_FLUSH);
    if (mask >> 32 || flags & ~(uint32_t)MARK_HAD || (flags & MARK_KINDS) == MARK_KINDS)
        return -LINUX_EINVAL;
    if (what == MARK_FLUSH)
        return flags & ~(uint32_t)(MARK_KINDS | MARK_FLUSH) ? -LINUX_EINVAL : 0;
    if ((what != MARK_ADD && what != MARK_REMOVE) || !mask || mask & ~known)
        return -LINUX_EINVAL;
    return 0;
}

// The object: a name, or without one the descriptor itself.
static int find_object(struct task *task, uint32_t flags, int32_t dirfd, uaddr_t path,
                       struct file_at *at, struct path *out)
{
    unsigned walk = (flags & MARK_DONT_FOLLOW ? 0 : (unsigned)WALK_FOLLOW) |
                    (flags & MARK_ONLYDIR ? (unsigned)WALK_DIRECTORY : 0);
    if (path)
        return file_at_resolve(task, dirfd, path, walk, at, out);
    struct file *file = fd_get_io(task, dirfd);
    int err = file ? 0 : -LINUX_EBADF;
    if (!err && (!file->path.dentry || !vfs_mount_id(&file->path)))
        err = -LINUX_EINVAL;
    else if (!err && flags & MARK_ONLYDIR && !LINUX_S_ISDIR(file->inode->type))
        err = -LINUX_ENOTDIR;
    if (!err) {
        *out = file->path;
        path_get(out);
        *at = (struct file_at){.name = NULL};
        task_caller(task, &at->caller);
    }
    file_put(file);
    return err;
}

static int mark_object(struct task *task, struct group *g, uint32_t flags, uint32_t mask,
                       int32_t dirfd, uaddr_t path)
{
    struct file_at at;
    struct path p;
    int err = find_object(task, flags, dirfd, path, &at, &p);
    if (err)
        return err;
    err = vfs_permission(&at.caller, &p, LINUX_R_OK);
    if (flags & MARK_KINDS || !LINUX_S_ISDIR(path_inode(&p)->type))
        mask &= ~(uint32_t)FAN_ON_CHILD;
    if (!err)
        err = flags & MARK_ADD ? add_mark(g, flags, mask, &p) : remove_mark(g, flags, mask, &p);
    path_put(&p);
    file_at_end(&at);
    return err;
}

int64_t sys_fanotify_mark(struct task *task, int32_t fd, uint32_t flags, uint64_t mask,
                          int32_t dirfd, uaddr_t path)
{
    int err = check_mark(flags, mask);
    if (err)
        return err;
    struct file *file = fd_get_io(task, fd);
    if (!file)
        return -LINUX_EBADF;
    if (file->ops != &group_ops)
        err = -LINUX_EINVAL;
    else if (flags & MARK_FLUSH)
        flush(file->private, (int)(flags & MARK_KINDS));
    else
        err = mark_object(task, file->private, flags, (uint32_t)mask, dirfd, path);
    file_put(file);
    return err;
}
