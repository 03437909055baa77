// SIGIO: files that send a signal to their owner when something happens (fcntl(2): F_SETOWN,
// F_SETSIG, O_ASYNC). Layer 4.
//
// What can tell of itself (one end of a pipe, a socket, one side of a terminal, an inotify) has an
// async_list; O_ASYNC puts an open file on it. Telling only queues, so it may be done under locks.
// The signals are sent when the caller's system call is over or before it sleeps, whichever comes
// first; for a host thread that is no task's, by a thread that the first O_ASYNC starts.
//
// Locks: `async` guards every list, owner and the queue; `async_send` keeps the order of signals.
#ifndef KERNEL_ASYNC_H
#define KERNEL_ASYNC_H

#include "kernel/user.h"
#include "platform/base/compiler.h"
#include "platform/base/list.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct file;
struct file_owner;
struct kernel;
struct pgrp;
struct task;

struct async_list {
    _Atomic uint32_t count; // of members; changed under the lock, read by anybody
    struct list members;
};
void async_list_init(struct async_list *list);

// Why: LINUX_POLL_IN, _OUT, _MSG, _ERR, _PRI or _HUP. Any lock ranked below `async` may be held.
void async_tell_members(struct kernel *kernel, struct async_list *list, int reason);
static inline void async_tell(struct kernel *kernel, struct async_list *list, int reason)
{
    if (UNLIKELY(atomic_load_explicit(&list->count, memory_order_relaxed)))
        async_tell_members(kernel, list, reason);
}
// Urgent data came for a socket: SIGURG to the owner of its file, O_ASYNC or not.
void async_tell_urgent(struct kernel *kernel, struct file *file, struct async_list *list);
// One file, whether it has O_ASYNC or not, as if by descriptor `fd`.
void async_tell_file(struct kernel *kernel, struct file *file, int fd, int reason);

// For file_ops.set_async: puts the file on the lists (at most ASYNC_LISTS) or takes it off, and
// sets its flag. `fd` is what its signals will name. -LINUX_ENOMEM.
enum { ASYNC_LISTS = 2 };
NODISCARD int async_join(struct file *file, struct task *task, int fd, bool on,
                         struct async_list *const *lists, unsigned count);
// Makes the group, or the caller's process when that is NULL, the owner of a file without one.
NODISCARD int async_own(struct file *file, struct task *task, struct pgrp *pgrp);
// What fcntl(2) keeps of the file is there from now on: it is told when the file goes.
NODISCARD int async_make_owner(struct kernel *kernel, struct file *file);
// Nobody owns the file any more, and F_SETSIG is forgotten.
void async_disown(struct kernel *kernel, struct file *file);
// Whoever is on the list is so no more, and its O_ASYNC is gone.
void async_dissolve(struct kernel *kernel, struct async_list *list);

// The commands of fcntl(2) and ioctl(2).
NODISCARD int async_set(struct task *task, struct file *file, int fd, bool on); // F_SETFL
int64_t async_fcntl(struct task *task, struct file *file, int32_t cmd, uint64_t arg);
NODISCARD int async_set_owner(struct task *task, struct file *file, int32_t who);
int32_t async_owner_seen(struct task *task, struct file *file);

// Anything else that must wait until no lock is held: `run` is called where signals would be sent.
// The work may be posted again once `run` was called. -LINUX_ENOMEM for async_prepare, which comes
// before the first async_post.
struct async_work {
    struct list node;
    void (*run)(struct async_work *work);
};
NODISCARD int async_prepare(struct kernel *kernel);
void async_post(struct kernel *kernel, struct async_work *work);

// Sends what is queued, and does the work. No lock is held.
void async_flush(struct kernel *kernel);
void async_flush_task(struct task *task);

NODISCARD int async_create(struct kernel *kernel);
void async_destroy(struct kernel *kernel); // no task runs any more; harmless when never created

#endif
