// System V shared memory: segments are memory files without a name, attached by mapping them.
//
// Every attachment is an open file of its own, which the mappings made of it keep alive (a fork and
// a split add one each); its last reference is the end of the attachment. So the references of a
// segment's attachments are what nattch counts.
#include "kernel/anon.h"
#include "kernel/ipc/ipc.h"
#include "kernel/kernel.h"
#include "kernel/mm.h"
#include "kernel/pid_ns.h"
#include "kernel/proc/node.h"
#include "kernel/syscall_handlers.h"
#include "kernel/task.h"
#include "platform/abi/capability.h"
#include "platform/abi/fcntl.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/mman.h"
#include "platform/abi/resource.h"
#include "platform/base/list.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { SEGMENTS_MAX = 4096, PAGE = 4096, DETACH_MAX = 16 };
#define ADDRESSES   (UINT64_C(1) << 48)                // bytes of the largest address space
#define SEGMENT_MAX (UINT64_MAX - (UINT64_C(1) << 24)) // kernel.shmmax

struct segment {
    struct ipc_object base;
    struct ipc *ipc;     // immutable
    struct inode *inode; // the memory
    uint64_t size;
    int64_t attach_time, detach_time, change_time;
    int32_t creator, last;
    struct list attachments;
    struct list dead_link; // in ipc->dead_segments
};

// The operations of an attachment's file, with what they need to find it again.
struct attachment {
    struct file_ops ops; // the memory file's, but for release; first
    struct attachment *self;
    void (*release)(struct file *); // the memory file's, or NULL
    struct kernel *kernel;
    struct list link;        // guarded by ipc->lock
    struct segment *segment; // holds a reference to it
    struct file *file;       // not referenced
};

static struct segment *segment_of(struct ipc_object *o)
{
    return CONTAINER_OF(o, struct segment, base);
}

static uint64_t pages_of(const struct segment *s)
{
    return s->size / PAGE + (s->size % PAGE != 0);
}

// --- Life ----------------------------------------------------------------------------------------

// Under the lock, where no inode may be put: segments_bury() does the rest.
static void segment_destroy(struct ipc_object *o)
{
    struct segment *s = segment_of(o);
    s->ipc->segment_pages -= pages_of(s);
    list_add_tail(&s->ipc->dead_segments, &s->dead_link);
}

void segments_init(struct ipc *ipc)
{
    ipc->segments.limit = SEGMENTS_MAX;
    ipc->segments.destroy = segment_destroy;
    list_init(&ipc->dead_segments);
}

void segments_bury(struct ipc *ipc)
{
    struct list dead;
    list_init(&dead);
    lock_acquire(&ipc->lock);
    list_splice_tail(&dead, &ipc->dead_segments);
    lock_release(&ipc->lock);
    while (!list_empty(&dead)) {
        struct segment *s = list_first(&dead, struct segment, dead_link);
        list_remove(&s->dead_link);
        inode_put(s->inode);
        wait_queue_destroy(&s->base.queue);
        free(s);
    }
}

// Mappings of the segment. The lock is held, so none of the files can go.
static uint64_t attached(const struct segment *s)
{
    const struct attachment *a;
    uint64_t n = 0;
    list_for_each (a, &s->attachments, link)
        n += atomic_load_explicit(&a->file->refs, memory_order_relaxed);
    return n;
}

struct segment_args {
    struct ipc *ipc;
    struct inode *inode;
    uint64_t size;
    int32_t creator;
};

static int segment_check(struct ipc_object *o, const void *args)
{
    const struct segment_args *want = args;
    return CONTAINER_OF(o, struct segment, base)->size < want->size ? -LINUX_EINVAL : 0;
}

static int segment_make(struct task *task, const void *args, struct ipc_object **out)
{
    (void)task;
    const struct segment_args *want = args;
    if (!want->inode)
        return -LINUX_EINVAL; // no size a new segment may have
    struct segment *s = calloc(1, sizeof *s);
    if (!s)
        return -LINUX_ENOMEM;
    s->ipc = want->ipc;
    s->inode = inode_get(want->inode);
    s->size = want->size;
    s->creator = want->creator;
    s->change_time = ipc_now();
    list_init(&s->attachments);
    s->ipc->segment_pages += pages_of(s);
    *out = &s->base;
    return 0;
}

// Memory of `size` bytes, in case a segment is made.
static int make_memory(struct task *task, uint64_t size, struct inode **out)
{
    struct inode *dir = task->kernel->anon->memory->root;
    struct vfs_caller caller;
    task_caller(task, &caller);
    int err = dir->ops->tmpfile(dir, LINUX_S_IFREG | 0777, &caller, out);
    task_caller_done(&caller);
    if (err)
        return err;
    const struct vfs_setattr attr = {.mask = ATTR_SIZE, .size = size};
    err = (*out)->ops->setattr(*out, &attr);
    if (err)
        inode_put(*out);
    return err;
}

int64_t sys_shmget(struct task *task, int32_t key, uint64_t size, uint32_t flags)
{
    struct ipc *ipc = task_ipc(task);
    struct segment_args args = {.ipc = ipc, .size = size, .creator = task->tgid};
    const struct ipc_get get = {.task = task,
                                .key = key,
                                .flags = flags,
                                .args = &args,
                                .check = segment_check,
                                .make = segment_make};
    bool may_make = key == LINUX_IPC_PRIVATE || flags & LINUX_IPC_CREAT;
    if (may_make && flags & LINUX_SHM_HUGETLB)
        return -LINUX_ENOSYS; // as Linux without CONFIG_HUGETLBFS
    if (may_make && size > 0 && size <= SEGMENT_MAX) {
        int err = size > ADDRESSES ? -LINUX_ENOMEM : make_memory(task, size, &args.inode);
        if (err)
            return err;
    }
    int64_t id = ipc_get(&ipc->segments, &get);
    if (args.inode)
        inode_put(args.inode);
    segments_bury(ipc);
    return id;
}

// --- Attaching -----------------------------------------------------------------------------------

static struct attachment *attachment_of(const struct file *file)
{
    const struct attachment *a = (const void *)file->ops;
    return a->self;
}

static void attachment_release(struct file *file)
{
    struct attachment *a = attachment_of(file);
    struct segment *s = a->segment;
    struct ipc *ipc = s->ipc; // referenced by the attachment
    if (a->release)
        a->release(file);
    lock_acquire(&ipc->lock);
    list_remove(&a->link);
    s->detach_time = ipc_now();
    bool last = list_empty(&s->attachments) && s->base.mode & LINUX_SHM_DEST;
    if (last && !s->base.removed)
        ipc_remove(&ipc->segments, &s->base);
    ipc_drop(&ipc->segments, &s->base);
    lock_release(&ipc->lock);
    segments_bury(ipc);
    ipc_put_ns(ipc);
    free(a);
}

static bool is_attachment(const struct file *file)
{
    return file && file->ops && file->ops->release == attachment_release;
}

// The rights to attach with these flags.
static uint32_t rights_for(uint32_t flags)
{
    return (flags & LINUX_SHM_RDONLY ? 0444u : 0666u) | (flags & LINUX_SHM_EXEC ? 0111u : 0);
}

// A segment the caller may attach, held.
static int hold_segment(struct task *task, int32_t id, uint32_t flags, struct segment **out)
{
    struct ipc *ipc = task_ipc(task);
    lock_acquire(&ipc->lock);
    struct ipc_object *o = ipc_find(&ipc->segments, id);
    int err = o ? ipc_access(task, o, rights_for(flags)) : -LINUX_EINVAL;
    if (!err)
        *out = segment_of(ipc_hold(o));
    lock_release(&ipc->lock);
    return err;
}

static void drop_segment(struct segment *s)
{
    struct ipc *ipc = s->ipc;
    lock_acquire(&ipc->lock);
    ipc_drop(&ipc->segments, &s->base);
    lock_release(&ipc->lock);
    segments_bury(ipc);
}

// An open file for one attachment; takes the caller's hold of the segment, also on failure.
static int open_attachment(struct task *task, struct segment *s, uint32_t flags, struct file **out)
{
    char name[32];
    const unsigned mode = flags & LINUX_SHM_RDONLY ? LINUX_O_RDONLY : LINUX_O_RDWR;
    struct attachment *a = malloc(sizeof *a);
    struct file *file;
    snprintf(name, sizeof name, "/SYSV%08x (deleted)", (uint32_t)s->base.key);
    int err = a ? vfs_open_inode(task->kernel->vfs, s->inode, mode, task->cred, name, &file)
                : -LINUX_ENOMEM;
    if (err) {
        free(a);
        drop_segment(s);
        return err;
    }
    *a = (struct attachment){.ops = *file->ops,
                             .self = a,
                             .release = file->ops->release,
                             .kernel = task->kernel,
                             .segment = s,
                             .file = file};
    a->ops.release = attachment_release;
    ipc_get_ns(s->ipc);
    file->ops = &a->ops;
    lock_acquire(&s->ipc->lock);
    list_add_tail(&s->attachments, &a->link);
    s->attach_time = ipc_now();
    s->last = task->tgid;
    lock_release(&s->ipc->lock);
    *out = file;
    return 0;
}

static int check_place(uint32_t flags, uaddr_t *addr)
{
    if (!*addr)
        return flags & LINUX_SHM_REMAP ? -LINUX_EINVAL : 0;
    if (*addr % PAGE == 0)
        return 0;
    if (!(flags & LINUX_SHM_RND))
        return -LINUX_EINVAL;
    *addr -= *addr % PAGE;
    return !*addr && flags & LINUX_SHM_REMAP ? -LINUX_EINVAL : 0;
}

int64_t sys_shmat(struct task *task, int32_t id, uaddr_t addr, uint32_t flags)
{
    struct segment *s;
    struct file *file;
    if (id < 0)
        return -LINUX_EINVAL;
    int err = check_place(flags, &addr);
    if (!err)
        err = hold_segment(task, id, flags, &s);
    if (err)
        return err;
    uint64_t size = s->size;
    if (addr + size < addr) {
        drop_segment(s);
        return -LINUX_EINVAL;
    }
    err = open_attachment(task, s, flags, &file);
    if (err)
        return err;
    unsigned prot = LINUX_PROT_READ | (flags & LINUX_SHM_RDONLY ? 0 : LINUX_PROT_WRITE) |
                    (flags & LINUX_SHM_EXEC ? LINUX_PROT_EXEC : 0);
    unsigned how = LINUX_MAP_SHARED | (!addr                     ? 0
                                       : flags & LINUX_SHM_REMAP ? LINUX_MAP_FIXED
                                                                 : LINUX_MAP_FIXED_NOREPLACE);
    int64_t at = mm_map(task->mm, addr, size, prot, how, file, 0);
    file_put(file);
    return at == -LINUX_EEXIST ? -LINUX_EINVAL : at;
}

// What shmdt looks for: the mapping whose start would be `addr` had nothing been cut off before it,
// then what else is left of the same attachment.
struct detaching {
    uint64_t addr, size;
    const struct file *file; // found; not referenced
    uint64_t start[DETACH_MAX], end[DETACH_MAX];
    unsigned count;
    bool more;
};

static void look_for(void *ctx, const struct mm_mapping *m)
{
    struct detaching *d = ctx;
    if (!is_attachment(m->file) || m->start < d->addr || m->start - d->addr != m->offset)
        return;
    const struct attachment *a = attachment_of(m->file);
    if (!d->file) {
        d->file = m->file;
        d->size = a->segment->size;
    }
    if (m->file != d->file || m->start - d->addr >= d->size)
        return;
    if (d->count == DETACH_MAX) {
        d->more = true;
        return;
    }
    d->start[d->count] = m->start;
    d->end[d->count++] = m->end;
}

int64_t sys_shmdt(struct task *task, uaddr_t addr)
{
    bool found = false;
    struct detaching d;
    if (addr % PAGE)
        return -LINUX_EINVAL;
    do {
        d = (struct detaching){.addr = addr};
        int err = mm_each_mapping(task->mm, false, look_for, &d);
        for (unsigned i = 0; !err && i < d.count; i++)
            err = mm_unmap(task->mm, d.start[i], d.end[i] - d.start[i]);
        if (err)
            return err;
        found |= d.count > 0;
    } while (d.more);
    return found ? 0 : -LINUX_EINVAL;
}

// --- Control -------------------------------------------------------------------------------------

static int64_t segment_info(struct task *task, int32_t cmd, uaddr_t buf)
{
    struct ipc *ipc = task_ipc(task);
    const struct linux_shminfo limits = {
        .max = SEGMENT_MAX, .min = 1, .mni = SEGMENTS_MAX, .seg = SEGMENTS_MAX, .all = SEGMENT_MAX};
    lock_acquire(&ipc->lock);
    int32_t highest = ipc_highest_index(&ipc->segments);
    const struct linux_shm_info use = {.used_ids = (int32_t)ipc->segments.count,
                                       .tot = ipc->segment_pages,
                                       .rss = ipc->segment_pages};
    lock_release(&ipc->lock);
    int err = cmd == LINUX_IPC_INFO ? user_put(task, buf, &limits) : user_put(task, buf, &use);
    return err ? err : highest;
}

static int64_t segment_stat(struct task *task, int32_t id, int32_t cmd, uaddr_t buf)
{
    struct ipc *ipc = task_ipc(task);
    struct linux_shmid_ds ds = {.unused = {0}};
    lock_acquire(&ipc->lock);
    struct ipc_object *o;
    int64_t result = ipc_stat_find(task, &ipc->segments, id, cmd != LINUX_IPC_STAT,
                                   cmd == LINUX_SHM_STAT_ANY, &o);
    if (result >= 0) {
        const struct segment *s = segment_of(o);
        ipc_perm_get(task, o, &ds.perm);
        ds.segsz = s->size;
        ds.atime = s->attach_time;
        ds.dtime = s->detach_time;
        ds.ctime = s->change_time;
        ds.cpid = s->creator;
        ds.lpid = s->last;
        ds.nattch = attached(s);
    }
    lock_release(&ipc->lock);
    if (result < 0)
        return result;
    ds.cpid = pid_seen(task, ds.cpid);
    ds.lpid = pid_seen(task, ds.lpid);
    int err = user_put(task, buf, &ds);
    return err ? err : result;
}

static int lock_pages(struct task *task, struct ipc_object *o, bool on)
{
    const struct cred *c = task->cred;
    bool owner = c->euid == o->uid || c->euid == o->cuid;
    bool room = !on || task_rlimit(task, LINUX_RLIMIT_MEMLOCK);
    if (!task_capable_own(task, LINUX_CAP_IPC_LOCK) && !(owner && room))
        return -LINUX_EPERM;
    // Nothing of ours is ever written to a swap space: it is locked as it is.
    o->mode = on ? o->mode | LINUX_SHM_LOCKED : o->mode & ~(uint32_t)LINUX_SHM_LOCKED;
    return 0;
}

// The lock is held.
static int segment_change(struct task *task, struct ipc_object *o, int32_t cmd,
                          const struct linux_shmid_ds *ds)
{
    if (cmd == LINUX_SHM_LOCK || cmd == LINUX_SHM_UNLOCK)
        return lock_pages(task, o, cmd == LINUX_SHM_LOCK);
    int err = ipc_control(task, o);
    if (err)
        return err;
    struct segment *s = segment_of(o);
    if (cmd == LINUX_IPC_SET) {
        err = ipc_perm_set(task, o, &ds->perm);
        if (err)
            return err;
        s->change_time = ipc_now();
    } else if (list_empty(&s->attachments)) {
        ipc_remove(&s->ipc->segments, o);
    } else {
        o->mode |= LINUX_SHM_DEST; // until the last attachment goes
        o->key = LINUX_IPC_PRIVATE;
    }
    return 0;
}

int64_t sys_shmctl(struct task *task, int32_t id, int32_t cmd, uaddr_t buf)
{
    struct ipc *ipc = task_ipc(task);
    struct linux_shmid_ds ds;
    if (id < 0 || cmd < 0)
        return -LINUX_EINVAL;
    switch (cmd) {
    case LINUX_IPC_INFO:
    case LINUX_SHM_INFO:
        return segment_info(task, cmd, buf);
    case LINUX_IPC_STAT:
    case LINUX_SHM_STAT:
    case LINUX_SHM_STAT_ANY:
        return segment_stat(task, id, cmd, buf);
    case LINUX_IPC_SET:
    case LINUX_IPC_RMID:
    case LINUX_SHM_LOCK:
    case LINUX_SHM_UNLOCK:
        break;
    default:
        return -LINUX_EINVAL;
    }
    int err = cmd == LINUX_IPC_SET ? user_get(task, buf, &ds) : 0;
    if (err)
        return err;
    lock_acquire(&ipc->lock);
    struct ipc_object *o = ipc_find(&ipc->segments, id);
    err = o ? segment_change(task, o, cmd, &ds) : -LINUX_EINVAL;
    lock_release(&ipc->lock);
    segments_bury(ipc);
    return err;
}

// --- /proc/sysvipc/shm ---------------------------------------------------------------------------

// Memory that is resident is not counted by segment, and there is no swap.
int proc_show_segments(struct proc_text *t, const struct proc_node *node, struct task *reader)
{
    (void)node;
    proc_printf(
        t, "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  "
           "cuid  cgid      atime      dtime      ctime                   rss                  "
           "swap\n");
    struct ipc *ipc = reader ? task_ipc(reader) : NULL;
    if (!ipc)
        return 0;
    lock_acquire(&ipc->lock);
    for (uint32_t i = 0; i < ipc->segments.room; i++) {
        if (!ipc->segments.slots[i])
            continue;
        struct segment *s = segment_of(ipc->segments.slots[i]);
        proc_printf(t, "%10d %10d  %4o %21" PRIu64 " %5d %5d  %5" PRIu64 " ", s->base.key,
                    s->base.id, s->base.mode, s->size, pid_seen(reader, s->creator),
                    pid_seen(reader, s->last), (uint64_t)attached(s));
        ipc_show_owner(t, reader, &s->base);
        proc_printf(t, " %10" PRId64 " %10" PRId64 " %10" PRId64 " %21d %21d\n", s->attach_time,
                    s->detach_time, s->change_time, 0, 0);
    }
    lock_release(&ipc->lock);
    return 0;
}
