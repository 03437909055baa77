#include "kernel/dnotify.h"
#include "fs/notify.h"
#include "kernel/async.h"
#include "kernel/fd.h"
#include "kernel/inotify.h"
#include "kernel/kernel.h"
#include "kernel/task.h"
#include "platform/abi/fcntl.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/signal.h"
#include <stdlib.h>

struct dnotify {
    struct watch base;
    // Immutable. The table is whose descriptors end it; neither is referenced: closing comes first.
    struct kernel *kernel;
    struct file *file;
    const struct fd_table *table;
    // Guarded by the hub's lock.
    int fd;
    uint32_t mask; // LINUX_IN_* and NOTIFY_RENAME
    bool often;    // DN_MULTISHOT
};

static void dnotify_tell(struct watch *w, const struct vfs_event *e)
{
    struct dnotify *d = CONTAINER_OF(w, struct dnotify, base);
    if (!(d->mask & e->mask))
        return;
    async_tell_file(d->kernel, d->file, d->fd, LINUX_POLL_MSG);
    if (!d->often)
        watch_end(d->kernel->inotify, w);
}

static void dnotify_gone(struct watch *w)
{
    watch_end(CONTAINER_OF(w, struct dnotify, base)->kernel->inotify, w);
}

static const struct watch_kind dnotify_kind = {.tell = dnotify_tell, .gone = dnotify_gone};

// The next from `w` on that is the file's, and asked by the table unless that is NULL.
static struct dnotify *find(struct watch *w, const struct file *file, const struct fd_table *table)
{
    for (; w; w = w->next) {
        struct dnotify *d = CONTAINER_OF(w, struct dnotify, base);
        if (w->kind == &dnotify_kind && d->file == file && (!table || d->table == table))
            return d;
    }
    return NULL;
}

void dnotify_end(struct kernel *kernel, struct file *file, const struct fd_table *table)
{
    struct inotify_hub *hub = kernel->inotify;
    struct dnotify *d;
    lock_acquire(&hub->lock);
    while ((d = find(watch_first(file->inode), file, table)))
        watch_end(hub, &d->base);
    lock_release(&hub->lock);
    watch_free_dead(hub);
}

static uint32_t mask_of(uint32_t events)
{
    static const struct {
        uint32_t event, mask;
    } masks[] = {
        {LINUX_DN_ACCESS, LINUX_IN_ACCESS},
        {LINUX_DN_MODIFY, LINUX_IN_MODIFY},
        {LINUX_DN_CREATE, LINUX_IN_CREATE | LINUX_IN_MOVED_TO},
        {LINUX_DN_DELETE, LINUX_IN_DELETE | LINUX_IN_MOVED_FROM},
        {LINUX_DN_RENAME, NOTIFY_RENAME},
        {LINUX_DN_ATTRIB, LINUX_IN_ATTRIB},
    };
    uint32_t mask = 0;
    for (size_t i = 0; i < ARRAY_LEN(masks); i++)
        if (events & masks[i].event)
            mask |= masks[i].mask;
    return mask;
}

int dnotify_set(struct task *task, struct file *file, int fd, uint32_t events)
{
    struct kernel *kernel = task->kernel;
    struct inotify_hub *hub = kernel->inotify;
    if (!(events & ~LINUX_DN_MULTISHOT)) {
        dnotify_close(kernel, file, task->files);
        return 0;
    }
    if (!file->inode || !LINUX_S_ISDIR(file->inode->type))
        return -LINUX_ENOTDIR;
    struct dnotify *fresh = calloc(1, sizeof *fresh);
    int err = fresh ? async_own(file, task, NULL) : -LINUX_ENOMEM;
    if (err) {
        free(fresh);
        return err;
    }
    lock_acquire(&hub->lock);
    struct dnotify *d = find(watch_first(file->inode), file, task->files);
    if (!d) {
        d = fresh;
        fresh = NULL;
        *d = (struct dnotify){.base = {.kind = &dnotify_kind, .inode = inode_get(file->inode)},
                              .kernel = kernel,
                              .file = file,
                              .table = task->files};
        watch_begin(hub, &d->base);
    }
    d->fd = fd;
    d->mask |= mask_of(events);
    d->often |= (events & LINUX_DN_MULTISHOT) != 0;
    lock_release(&hub->lock);
    free(fresh);
    // Another thread may have closed the descriptor meanwhile: then nobody would end it.
    struct file *now = fd_get(task, fd);
    if (now != file)
        dnotify_end(kernel, file, task->files);
    if (now)
        file_put(now);
    return 0;
}
