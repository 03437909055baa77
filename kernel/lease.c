#include "kernel/lease.h"
#include "kernel/async.h"
#include "kernel/file.h"
#include "kernel/kernel.h"
#include "kernel/task.h"
#include "kernel/wait.h"
#include "platform/abi/capability.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/signal.h"
#include "platform/clock.h"
#include "platform/wait_queue.h"
#include <stdlib.h>

struct leases {
    struct kernel *kernel;
    struct lock lock;          // rank lease; guards every lease
    struct wait_queue changed; // one ended or was made weaker
    _Atomic uint32_t break_time;
};

struct lease {
    struct lease *next; // on the same inode
    struct file *file;  // not referenced: it ends the lease
    int fd;
    uint32_t type; // LINUX_F_RDLCK, _WRLCK
    // A break under way: it is to go, or to become a read lease, by then (monotonic clock).
    bool unlock, downgrade;
    uint64_t unlock_ns, downgrade_ns;
};

static struct lease *first_of(struct inode *inode)
{
    return atomic_load_explicit(&inode->leases, memory_order_acquire);
}

static struct lease *lease_of(const struct file *file)
{
    struct lease *l = first_of(file->inode);
    while (l && l->file != file)
        l = l->next;
    return l;
}

static void unlink_lease(struct leases *all, struct lease *l)
{
    struct inode *inode = l->file->inode;
    struct lease *first = first_of(inode), **link = &first;
    while (*link != l)
        link = &(*link)->next;
    *link = l->next;
    atomic_store_explicit(&inode->leases, first, memory_order_seq_cst);
    async_disown(all->kernel, l->file);
    free(l);
    wait_queue_wake(&all->changed, 0, false);
}

static void change(struct leases *all, struct lease *l, uint32_t type)
{
    l->type = type;
    if (type == LINUX_F_RDLCK)
        l->downgrade = false;
    wait_queue_wake(&all->changed, 0, false);
}

// Ends what its holder did not give up in time.
static void expire(struct leases *all, struct inode *inode)
{
    uint64_t now = clock_monotonic_ns();
    for (struct lease *l = first_of(inode), *next; l; l = next) {
        next = l->next;
        if (l->downgrade && now >= l->downgrade_ns)
            change(all, l, LINUX_F_RDLCK);
        if (l->unlock && now >= l->unlock_ns)
            unlink_lease(all, l);
    }
}

// --- Breaking ------------------------------------------------------------------------------------

static bool excludes(const struct lease *l, bool write)
{
    return write || l->type == LINUX_F_WRLCK;
}

static void ask(struct leases *all, struct lease *l, bool write)
{
    uint64_t seconds = atomic_load_explicit(&all->break_time, memory_order_relaxed);
    uint64_t deadline = seconds ? clock_monotonic_ns() + seconds * NSEC_PER_SEC : WAIT_FOREVER;
    if (write ? l->unlock : l->unlock || l->downgrade)
        return; // it was told
    if (write) {
        l->unlock = true;
        l->unlock_ns = deadline;
    } else {
        l->downgrade = true;
        l->downgrade_ns = deadline;
    }
    async_tell_file(all->kernel, l->file, l->fd, LINUX_POLL_MSG);
}

// Is there a lease that excludes the open? Until when at most goes to *deadline. `tell`: its holder
// is asked to give it up.
static bool excluded(struct leases *all, struct inode *inode, bool write, bool tell,
                     uint64_t *deadline)
{
    bool found = false;
    *deadline = WAIT_FOREVER;
    lock_acquire(&all->lock);
    expire(all, inode);
    for (struct lease *l = first_of(inode); l; l = l->next) {
        if (!excludes(l, write))
            continue;
        if (tell)
            ask(all, l, write);
        uint64_t end = l->unlock ? l->unlock_ns : l->downgrade ? l->downgrade_ns : WAIT_FOREVER;
        if (l->unlock && l->downgrade && !write && l->downgrade_ns < end)
            end = l->downgrade_ns;
        found = true;
        *deadline = end < *deadline ? end : *deadline;
    }
    lock_release(&all->lock);
    return found;
}

static int break_leases(void *ctx, struct inode *inode, unsigned flags, struct task *task)
{
    struct leases *all = ctx;
    bool write = (flags & LINUX_O_ACCMODE) != LINUX_O_RDONLY;
    uint64_t deadline;
    if (!excluded(all, inode, write, true, &deadline))
        return 0;
    if (flags & LINUX_O_NONBLOCK || !task)
        return -LINUX_EAGAIN;
    struct task_waiter w;
    int err = 0;
    task_waiter_add(&w, task, &all->changed, 0);
    while (!err && excluded(all, inode, write, false, &deadline)) {
        err = task_wait(task, deadline, WAIT_INTERRUPTIBLE);
        if (err == -LINUX_ETIMEDOUT)
            err = 0;
    }
    task_waiter_remove(&w);
    return err;
}

// --- Taking and giving up ------------------------------------------------------------------------

// Would somebody have the file open in a way the lease excludes?
static bool open_elsewhere(const struct file *file, uint32_t type)
{
    const struct inode *inode = file->inode;
    int32_t writers = atomic_load_explicit(&inode->writers, memory_order_seq_cst);
    uint32_t readers = atomic_load_explicit(&inode->readers, memory_order_seq_cst);
    if (type == LINUX_F_RDLCK)
        return writers > 0;
    bool writes = file_is_writable(file);
    return writers != (writes ? 1 : 0) || readers != (writes ? 0u : 1u);
}

static int check_others(const struct file *file, uint32_t type)
{
    if (open_elsewhere(file, type))
        return -LINUX_EAGAIN;
    for (const struct lease *l = first_of(file->inode); l; l = l->next)
        if (l->file != file && (type == LINUX_F_WRLCK || l->unlock))
            return -LINUX_EAGAIN;
    return 0;
}

static int take(struct leases *all, struct file *file, int fd, uint32_t type, struct lease *fresh)
{
    struct inode *inode = file->inode;
    int err = check_others(file, type);
    struct lease *l = lease_of(file);
    if (err || l) {
        free(fresh);
        if (!err) {
            change(all, l, type);
            l->fd = fd;
        }
        return err;
    }
    *fresh = (struct lease){.next = first_of(inode), .file = file, .fd = fd, .type = type};
    atomic_store_explicit(&inode->leases, fresh, memory_order_seq_cst);
    // Who opens counts itself before it looks for leases; one that did both before is seen now.
    err = check_others(file, type);
    if (err)
        unlink_lease(all, fresh);
    return err;
}

static int give_up(struct leases *all, struct file *file)
{
    struct lease *l = lease_of(file);
    if (!l)
        return -LINUX_EAGAIN;
    unlink_lease(all, l);
    return 0;
}

static int check_right(struct task *task, const struct file *file)
{
    struct vfs_stat st;
    if (!file->inode)
        return -LINUX_EINVAL;
    int err = file->inode->ops->getattr(file->inode, &st);
    if (err)
        return err;
    if (task->cred->fsuid != st.uid && !task_capable(task, LINUX_CAP_LEASE))
        return -LINUX_EACCES;
    return LINUX_S_ISREG(file->inode->type) ? 0 : -LINUX_EINVAL;
}

int lease_set(struct task *task, struct file *file, int fd, uint32_t type)
{
    struct leases *all = task->kernel->leases;
    bool end = type == LINUX_F_UNLCK;
    if (!end && type != LINUX_F_RDLCK && type != LINUX_F_WRLCK)
        return -LINUX_EINVAL;
    int err = check_right(task, file);
    if (err)
        return err;
    struct lease *fresh = end ? NULL : malloc(sizeof *fresh);
    if (!end)
        err = fresh ? async_make_owner(task->kernel, file) : -LINUX_ENOMEM;
    if (err) {
        free(fresh);
        return err;
    }
    lock_acquire(&all->lock);
    expire(all, file->inode);
    err = end ? give_up(all, file) : take(all, file, fd, type, fresh);
    lock_release(&all->lock);
    return err || end ? err : async_own(file, task, NULL);
}

uint32_t lease_get(struct task *task, struct file *file)
{
    struct leases *all = task->kernel->leases;
    uint32_t type = LINUX_F_UNLCK;
    if (!file->inode || !first_of(file->inode))
        return type;
    lock_acquire(&all->lock);
    expire(all, file->inode);
    const struct lease *l = lease_of(file);
    if (l && !l->unlock)
        type = l->downgrade ? (uint32_t)LINUX_F_RDLCK : l->type;
    lock_release(&all->lock);
    return type;
}

void lease_end(struct kernel *kernel, struct file *file)
{
    struct leases *all = kernel->leases;
    lock_acquire(&all->lock);
    (void)!give_up(all, file);
    lock_release(&all->lock);
}

_Atomic uint32_t *lease_break_time(struct kernel *kernel)
{
    return &kernel->leases->break_time;
}

int leases_create(struct kernel *kernel)
{
    struct leases *all = calloc(1, sizeof *all);
    if (!all)
        return -LINUX_ENOMEM;
    all->kernel = kernel;
    lock_init(&all->lock, LOCK_RANK_LEASE);
    wait_queue_init(&all->changed);
    atomic_init(&all->break_time, LEASE_BREAK_TIME);
    kernel->leases = all;
    vfs_set_lease_hook(kernel->vfs, all, break_leases);
    return 0;
}

void leases_destroy(struct kernel *kernel)
{
    if (!kernel->leases)
        return;
    wait_queue_destroy(&kernel->leases->changed);
    lock_destroy(&kernel->leases->lock);
    free(kernel->leases);
    kernel->leases = NULL;
}
