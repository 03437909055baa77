#include "tests/unit/task_stub.h"
#include "kernel/anon.h"
#include "kernel/async.h"
#include "kernel/boot.h"
#include "kernel/dnotify.h"
#include "kernel/lease.h"
#include "kernel/net/net.h"
#include "kernel/pid_ns.h"
#include "kernel/pipe.h"
#include "kernel/signal.h"
#include "kernel/user.h"
#include "kernel/wait.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/resource.h"
#include "platform/base/log.h"
#include "platform/poller.h"
#include <stdlib.h>
#include <string.h>

struct stub_task {
    struct task task;
    bool interrupted; // guarded by wake_lock
    _Atomic uint64_t signals;
    uaddr_t absent; // a page that is not there, or 0
};

static struct stub_task *stub_of(struct task *task)
{
    return CONTAINER_OF(task, struct stub_task, task);
}

// --- Machine and tasks ---------------------------------------------------------------------------

struct kernel *stub_kernel_create(void)
{
    struct kernel *k = calloc(1, sizeof *k);
    ISH_ASSERT(k);
    lock_init(&k->tasklist, LOCK_RANK_TASKLIST);
    ISH_ASSERT(!frame_pool_create(0, &k->frames));
    ISH_ASSERT(!vfs_create(k->frames, &k->vfs));
    struct super *root;
    ISH_ASSERT(!tmpfs_create(k->vfs, 0, 0755, &root));
    ISH_ASSERT(!vfs_mount(k->vfs, NULL, root, "none", "tmpfs", 0));
    ISH_ASSERT(!anon_create(k));
    ISH_ASSERT(!net_create(k));
    ISH_ASSERT(!poller_create(&k->poller));
    const struct vfs_device fifo = {.type = LINUX_S_IFIFO, .open = pipe_open_fifo};
    ISH_ASSERT(!vfs_register_device(k->vfs, &fifo));
    return k;
}

void stub_kernel_destroy(struct kernel *k)
{
    poller_destroy(k->poller);
    net_destroy(k);
    anon_destroy(k);
    vfs_destroy(k->vfs);
    frame_pool_destroy(k->frames);
    lock_destroy(&k->tasklist);
    free(k);
}

struct task *stub_task_create(struct kernel *kernel, struct task *share)
{
    struct stub_task *s = calloc(1, sizeof *s);
    struct fs_context *fs = calloc(1, sizeof *fs);
    ISH_ASSERT(s && fs);
    struct task *task = &s->task;
    task->kernel = kernel;
    task->pid = task->tgid = task->own_pid = task->own_tgid = 1;
    task->cred = cred_create_root();
    lock_init(&task->lock, LOCK_RANK_TASK_WAIT);
    lock_init(&task->wake_lock, LOCK_RANK_TASK_WAIT);
    cond_init(&task->wake_cond);
    lock_init(&fs->lock, LOCK_RANK_FS_CONTEXT);
    vfs_root(kernel->vfs, &fs->root);
    fs->cwd = fs->root;
    path_get(&fs->cwd);
    fs->umask = 022;
    task->fs = fs;
    if (share)
        task->files = fd_table_get(share->files);
    else
        ISH_ASSERT(!fd_table_create(&task->files));
    return task;
}

void stub_task_destroy(struct task *task)
{
    fd_table_put(task->files, task);
    path_put(&task->fs->root);
    path_put(&task->fs->cwd);
    lock_destroy(&task->fs->lock);
    free(task->fs);
    cred_put(task->cred);
    cond_destroy(&task->wake_cond);
    lock_destroy(&task->wake_lock);
    lock_destroy(&task->lock);
    free(stub_of(task));
}

struct task *task_find(struct kernel *kernel, int32_t tid)
{
    (void)kernel, (void)tid;
    return NULL;
}

int32_t pid_ns_of(struct kernel *kernel, const struct pid_ns *ns, int32_t number)
{
    (void)kernel, (void)ns;
    return number;
}

int32_t pid_ns_shown(struct kernel *kernel, const struct pid_ns *ns, int32_t pid)
{
    (void)kernel, (void)ns;
    return pid;
}

// There is no list of processes here.
struct task *task_next_process(struct kernel *kernel, int32_t after)
{
    (void)kernel, (void)after;
    return NULL;
}

struct fd_table *task_files_get(struct task *task)
{
    return fd_table_get(task->files);
}

void task_put(struct task *task)
{
    (void)task;
}

void task_caller(struct task *task, struct vfs_caller *out)
{
    *out = (struct vfs_caller){.vfs = task->kernel->vfs, .cred = task->cred, .task = task};
    lock_acquire(&task->fs->lock);
    out->root = task->fs->root;
    out->cwd = task->fs->cwd;
    out->umask = task->fs->umask;
    path_get(&out->root);
    path_get(&out->cwd);
    lock_release(&task->fs->lock);
}

void task_caller_done(struct vfs_caller *c)
{
    path_put(&c->root);
    path_put(&c->cwd);
}

uint64_t task_rlimit(struct task *task, unsigned resource)
{
    (void)task;
    return resource == LINUX_RLIMIT_NOFILE ? 1024 : UINT64_MAX;
}

// --- SIGIO: nobody asks for it here
// ---------------------------------------------------------------

void async_list_init(struct async_list *list)
{
    *list = (struct async_list){0};
}

void async_tell_members(struct kernel *kernel, struct async_list *list, int reason)
{
    (void)kernel, (void)list, (void)reason;
}

void async_tell_urgent(struct kernel *kernel, struct file *file, struct async_list *list)
{
    (void)kernel, (void)file, (void)list;
}

void async_dissolve(struct kernel *kernel, struct async_list *list)
{
    (void)kernel, (void)list;
}

void dnotify_end(struct kernel *kernel, struct file *file, const struct fd_table *table)
{
    (void)kernel, (void)file, (void)table;
}

int dnotify_set(struct task *task, struct file *file, int fd, uint32_t events)
{
    (void)task, (void)file, (void)fd, (void)events;
    return -LINUX_ENOMEM;
}

int lease_set(struct task *task, struct file *file, int fd, uint32_t type)
{
    (void)task, (void)file, (void)fd, (void)type;
    return -LINUX_ENOMEM;
}

uint32_t lease_get(struct task *task, struct file *file)
{
    (void)task, (void)file;
    return LINUX_F_UNLCK;
}

int async_join(struct file *file, struct task *task, int fd, bool on,
               struct async_list *const *lists, unsigned count)
{
    (void)file, (void)task, (void)fd, (void)on, (void)lists, (void)count;
    return -LINUX_ENOMEM;
}

int async_own(struct file *file, struct task *task, struct pgrp *pgrp)
{
    (void)file, (void)task, (void)pgrp;
    return -LINUX_ENOMEM;
}

int async_set(struct task *task, struct file *file, int fd, bool on)
{
    (void)task, (void)file, (void)fd;
    return on ? -LINUX_ENOMEM : 0;
}

int64_t async_fcntl(struct task *task, struct file *file, int32_t cmd, uint64_t arg)
{
    (void)task, (void)file, (void)cmd, (void)arg;
    return -LINUX_ENOMEM;
}

int async_set_owner(struct task *task, struct file *file, int32_t who)
{
    (void)task, (void)file, (void)who;
    return -LINUX_ENOMEM;
}

int32_t async_owner_seen(struct task *task, struct file *file)
{
    (void)task, (void)file;
    return 0;
}

// --- Waiting and signals -------------------------------------------------------------------------

int task_wait(struct task *task, uint64_t deadline_ns, enum wait_mode mode)
{
    lock_assert_none_held();
    struct stub_task *s = stub_of(task);
    lock_acquire(&task->wake_lock);
    int err = 0;
    while (!task->woken && !err) {
        if (mode == WAIT_INTERRUPTIBLE && s->interrupted)
            err = -ERESTARTSYS;
        else if (!cond_wait(&task->wake_cond, &task->wake_lock, deadline_ns))
            err = -LINUX_ETIMEDOUT;
    }
    task->woken = false;
    s->interrupted = false;
    lock_release(&task->wake_lock);
    return err;
}

void task_wake(struct task *task)
{
    lock_acquire(&task->wake_lock);
    task->woken = true;
    cond_signal(&task->wake_cond);
    lock_release(&task->wake_lock);
}

void stub_interrupt(struct task *task)
{
    lock_acquire(&task->wake_lock);
    stub_of(task)->interrupted = true;
    cond_signal(&task->wake_cond);
    lock_release(&task->wake_lock);
}

static void wake_waiter(struct wait_entry *entry, uint32_t events)
{
    (void)events;
    task_wake(CONTAINER_OF(entry, struct task_waiter, entry)->task);
}

void task_waiter_add(struct task_waiter *w, struct task *task, struct wait_queue *q,
                     uint32_t events)
{
    *w = (struct task_waiter){.entry = {.wake = wake_waiter, .events = events}, .task = task};
    wait_queue_add(q, &w->entry);
}

void task_waiter_remove(struct task_waiter *w)
{
    wait_queue_remove(&w->entry);
}

int signal_send_thread(struct task *task, const struct siginfo *info)
{
    atomic_fetch_or(&stub_of(task)->signals, signal_bit(info->signo));
    return 0;
}

uint64_t stub_signals(struct task *task)
{
    return atomic_exchange(&stub_of(task)->signals, 0);
}

void signal_mask_temporarily(struct task *task, uint64_t mask)
{
    (void)task, (void)mask;
}

// --- Memory --------------------------------------------------------------------------------------

static void *host(uaddr_t addr)
{
    return addr < 4096 ? NULL : (void *)(uintptr_t)addr;
}

int user_read(struct task *task, uaddr_t addr, void *buf, size_t n)
{
    (void)task;
    if (n && !host(addr))
        return -LINUX_EFAULT;
    if (n)
        memcpy(buf, host(addr), n);
    return 0;
}

void stub_drop_page(struct task *task, const void *page)
{
    stub_of(task)->absent = (uaddr_t)(uintptr_t)page & ~(uaddr_t)4095;
}

static bool touches_absent(struct task *task, uaddr_t addr, size_t n)
{
    uaddr_t absent = stub_of(task)->absent;
    return absent && addr < absent + 4096 && addr + n > absent;
}

size_t user_read_partial(struct task *task, uaddr_t addr, void *buf, size_t n)
{
    return user_read(task, addr, buf, n) ? 0 : n;
}

bool user_is_range(uaddr_t addr, uint64_t n)
{
    (void)addr, (void)n;
    return true;
}

int user_fault_in(struct task *task, uaddr_t addr, bool write)
{
    (void)write;
    lock_assert_none_held();
    if (!host(addr))
        return -LINUX_EFAULT;
    if (touches_absent(task, addr, 1))
        stub_of(task)->absent = 0;
    return 0;
}

int user_write_nofault(struct task *task, uaddr_t addr, const void *buf, size_t n)
{
    if (n && (!host(addr) || touches_absent(task, addr, n)))
        return -LINUX_EFAULT;
    if (n)
        memcpy(host(addr), buf, n);
    return 0;
}

int user_write(struct task *task, uaddr_t addr, const void *buf, size_t n)
{
    if (n && touches_absent(task, addr, n) && user_fault_in(task, stub_of(task)->absent, true))
        return -LINUX_EFAULT;
    return user_write_nofault(task, addr, buf, n);
}

ssize_t user_string(struct task *task, uaddr_t addr, char *buf, size_t size)
{
    (void)task;
    if (!host(addr))
        return -LINUX_EFAULT;
    size_t n = strnlen(host(addr), size);
    if (n == size)
        return -LINUX_ENAMETOOLONG;
    memcpy(buf, host(addr), n + 1);
    return (ssize_t)n;
}

int user_path(struct task *task, uaddr_t addr, char **out)
{
    (void)task;
    if (!host(addr))
        return -LINUX_EFAULT;
    *out = strdup(host(addr));
    return *out ? 0 : -LINUX_ENOMEM;
}

static size_t copy_in(struct iter *it, void *buf, size_t n)
{
    if (!host(it->vec_at))
        return 0;
    n = n < it->left ? n : it->left;
    memcpy(buf, host(it->vec_at), n);
    it->vec_at += n;
    it->left -= n;
    return n;
}

static size_t copy_out(struct iter *it, const void *buf, size_t n)
{
    if (!host(it->vec_at))
        return 0;
    n = n < it->left ? n : it->left;
    memcpy(host(it->vec_at), buf, n);
    it->vec_at += n;
    it->left -= n;
    return n;
}

static size_t pin(struct iter *it, size_t n, bool for_write, void **out)
{
    (void)for_write;
    *out = host(it->vec_at);
    size_t page = 4096 - it->vec_at % 4096;
    return *out ? (n < page ? n : page) : 0;
}

static void unpin(struct iter *it, size_t used)
{
    it->vec_at += used;
    it->left -= used;
}

static const struct iter_ops stub_iter_ops = {copy_in, copy_out, pin, unpin};

void user_iter(struct iter *it, struct task *task, uaddr_t addr, size_t n)
{
    *it = (struct iter){.ops = &stub_iter_ops, .left = n, .task = task, .vec_at = addr};
}

// One element is all the tests use.
// One part is all a cursor of the stub has: its pin finds out.
int user_iter_check(const struct iter *it, size_t n, bool write)
{
    (void)it, (void)n, (void)write;
    return 0;
}

int user_iter_vec(struct iter *it, struct task *task, uaddr_t iov, size_t count)
{
    uint64_t v[2];
    if (count != 1 || user_read(task, iov, v, sizeof v))
        return count == 1 ? -LINUX_EFAULT : -LINUX_EINVAL;
    user_iter(it, task, v[0], v[1]);
    return 0;
}

void user_iter_done(struct iter *it)
{
    (void)it;
}
