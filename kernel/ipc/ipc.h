// System V IPC: what semaphores, message queues and shared memory have in common. Layer 4.
//
// One lock per kernel instance guards all of it: objects are few, and an operation is short. A call
// that waits queues itself on the object's wait queue under the lock, and looks again when woken.
#ifndef KERNEL_IPC_IPC_H
#define KERNEL_IPC_IPC_H

#include "fs/namespace.h"
#include "kernel/ns.h"
#include "kernel/user.h"
#include "platform/abi/ipc.h"
#include "platform/base/compiler.h"
#include "platform/base/list.h"
#include "platform/lock.h"
#include "platform/wait_queue.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kernel;
struct proc_text;
struct task;

struct ipc_object {
    // Guarded by ipc->lock.
    int32_t id, key;
    uint32_t uid, gid, cuid, cgid, mode;
    unsigned refs; // the table, and every call that waits
    bool removed;  // no longer in the table
    struct wait_queue queue;
};

// One kind of object, by index; an identifier is a sequence number above the index.
struct ipc_table {
    struct ipc_object **slots;
    uint32_t room, count, limit; // limit: objects of this kind at most
    uint32_t last_index;
    uint16_t sequence;
    void (*destroy)(struct ipc_object *o); // the last reference is gone; frees it, lock held
};

struct ipc {
    struct namespace base;
    struct lock lock;
    struct ipc_table semaphores, queues, segments; // guarded by lock
    uint64_t segment_pages;                        // guarded by lock
    struct list mqueues;       // POSIX message queues that have a name; guarded by lock
    struct list dead_segments; // whose memory is still to be given back; guarded by lock
};

// An IPC namespace: a set of objects of its own. NULL without memory.
struct ipc *ipc_create(uint32_t inum, struct user_ns *owner);
static inline struct ipc *ipc_get_ns(struct ipc *ipc)
{
    namespace_get(&ipc->base);
    return ipc;
}
static inline void ipc_put_ns(struct ipc *ipc) // no lock held
{
    namespace_put(&ipc->base);
}

// What semget, msgget and shmget do. `check`: may refuse an existing object. `make`: a new one with
// `base` zeroed. Returns an identifier.
struct ipc_get {
    struct task *task;
    int32_t key;
    uint32_t flags;
    const void *args;
    int (*check)(struct ipc_object *o, const void *args);
    int (*make)(struct task *task, const void *args, struct ipc_object **out);
};
int64_t ipc_get(struct ipc_table *table, const struct ipc_get *get);

// The lock is held for all of these.
//
// The object with this identifier, borrowed; NULL: -LINUX_EINVAL.
struct ipc_object *ipc_find(const struct ipc_table *table, int32_t id);
struct ipc_object *ipc_at(const struct ipc_table *table, uint32_t index);
// The highest index in use, 0 without any: what the INFO commands return.
int32_t ipc_highest_index(const struct ipc_table *table);
// What a STAT command returns for the object it is about: 0 for IPC_STAT, which says its
// identifier, and the identifier when `by_index`; or an error. `any`: whoever asks.
int64_t ipc_stat_find(struct task *task, const struct ipc_table *table, int32_t id, bool by_index,
                      bool any, struct ipc_object **out);
// Whether the caller has the rights `mode` (0444, 0222) asks for. 0 or -LINUX_EACCES.
NODISCARD int ipc_access(struct task *task, const struct ipc_object *o, uint32_t mode);
// Whether the caller may remove it or change its owner. 0 or -LINUX_EPERM.
NODISCARD int ipc_control(struct task *task, const struct ipc_object *o);
struct ipc_object *ipc_hold(struct ipc_object *o);
void ipc_drop(struct ipc_table *table, struct ipc_object *o);
// Takes it out of the table and wakes everybody who waits for it.
void ipc_remove(struct ipc_table *table, struct ipc_object *o);

void ipc_perm_get(const struct task *task, const struct ipc_object *o, struct linux_ipc_perm *out);
// -LINUX_EINVAL for ids the caller's user namespace does not have.
NODISCARD int ipc_perm_set(const struct task *task, struct ipc_object *o,
                           const struct linux_ipc_perm *perm);
int64_t ipc_now(void); // seconds since the epoch

void semaphores_init(struct ipc_table *table);
void queues_init(struct ipc_table *table);
void segments_init(struct ipc *ipc);
void mqueues_destroy(struct ipc *ipc); // every file is closed
void segments_bury(struct ipc *ipc);   // gives memory of removed segments back; no lock held

// uid, gid, cuid and cgid in a line of /proc/sysvipc, as the reader sees them.
void ipc_show_owner(struct proc_text *t, struct task *reader, const struct ipc_object *o);

// --- Adjustments undone at exit (SEM_UNDO) -------------------------------------------------------
// CLONE_SYSVSEM: the parent's list, made if need be; referenced. -LINUX_ENOMEM.
NODISCARD int sem_undo_share(struct task *parent, struct task *child);
// The task leaves its list; the last one undoes what is in it.
void sem_undo_leave(struct task *task);

#endif
