// Advisory locks: POSIX ranges, OFD ranges, flock. fcntl(2), flock(2).
//
// A range list is kept sorted by owner and start; ranges of one owner neither overlap nor touch
// when of one type. flock conflicts only with flock. OFD locks are ranges owned by a file.
#include "fs/vfs_core.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include <stdlib.h>

struct lock_range {
    struct list node;
    struct vfs_lock lock;
};

struct inode_locks {
    struct list ranges, flocks; // guarded by inode->lock
    struct wait_queue queue;
};

// The lists of an inode, made when first needed.
static struct inode_locks *get_locks(struct inode *inode)
{
    struct inode_locks *have = atomic_load_explicit(&inode->locks, memory_order_acquire);
    if (have)
        return have;
    struct inode_locks *made = malloc(sizeof *made);
    if (!made)
        return NULL;
    list_init(&made->ranges);
    list_init(&made->flocks);
    wait_queue_init(&made->queue);
    if (atomic_compare_exchange_strong_explicit(&inode->locks, &have, made, memory_order_acq_rel,
                                                memory_order_acquire))
        return made;
    wait_queue_destroy(&made->queue);
    free(made);
    return have;
}

static void free_list(struct list *l)
{
    struct lock_range *r, *next;
    list_for_each_safe (r, next, l, node) {
        list_remove(&r->node);
        free(r);
    }
}

void lock_inode_free(struct inode *inode)
{
    struct inode_locks *l = atomic_load_explicit(&inode->locks, memory_order_acquire);
    if (!l)
        return;
    free_list(&l->ranges);
    free_list(&l->flocks);
    wait_queue_destroy(&l->queue);
    free(l);
}

struct wait_queue *vfs_lock_queue(struct inode *inode)
{
    struct inode_locks *l = get_locks(inode);
    return l ? &l->queue : NULL;
}

static bool overlaps(const struct vfs_lock *a, const struct vfs_lock *b)
{
    return a->start <= b->end && b->start <= a->end;
}

static const struct vfs_lock *find_conflict(const struct list *ranges, const struct vfs_lock *want)
{
    const struct lock_range *r;
    list_for_each (r, ranges, node) {
        if (r->lock.owner == want->owner || !overlaps(&r->lock, want))
            continue;
        if (want->type == LINUX_F_WRLCK || r->lock.type == LINUX_F_WRLCK)
            return &r->lock;
    }
    return NULL;
}

static void insert_sorted(struct list *ranges, struct lock_range *new)
{
    struct lock_range *r;
    list_for_each (r, ranges, node)
        if (r->lock.owner == new->lock.owner && r->lock.start > new->lock.start)
            break;
    list_add_tail(&r->node, &new->node);
}

// Cuts `want` out of the owner's range `r`; `spare` is used up if that leaves two pieces.
static void cut(struct list *ranges, struct lock_range *r, const struct vfs_lock *want,
                struct lock_range **spare)
{
    bool head = r->lock.start<want->start, tail = r->lock.end> want->end;
    if (head && tail) {
        struct lock_range *rest = *spare;
        *spare = NULL;
        rest->lock = r->lock;
        rest->lock.start = want->end + 1;
        r->lock.end = want->start - 1;
        insert_sorted(ranges, rest);
    } else if (head) {
        r->lock.end = want->start - 1;
    } else if (tail) {
        r->lock.start = want->end + 1;
    } else {
        list_remove(&r->node);
        free(r);
    }
}

// Joins ranges of the owner and type of `new` that touch it.
static void join(struct list *ranges, struct lock_range *new)
{
    struct lock_range *r, *next;
    list_for_each_safe (r, next, ranges, node) {
        if (r == new || r->lock.owner != new->lock.owner || r->lock.type != new->lock.type)
            continue;
        bool before = r->lock.end != UINT64_MAX && r->lock.end + 1 == new->lock.start;
        bool after = new->lock.end != UINT64_MAX &&new->lock.end + 1 == r->lock.start;
        if (!before && !after)
            continue;
        if (before)
            new->lock.start = r->lock.start;
        else
            new->lock.end = r->lock.end;
        list_remove(&r->node);
        free(r);
    }
}

// No conflict stands in the way. `new` and `spare` are used up or freed.
static void apply(struct list *ranges, const struct vfs_lock *want, struct lock_range *new,
                  struct lock_range *spare)
{
    struct lock_range *r, *next;
    list_for_each_safe (r, next, ranges, node)
        if (r->lock.owner == want->owner && overlaps(&r->lock, want))
            cut(ranges, r, want, &spare);
    if (want->type == LINUX_F_UNLCK) {
        free(new);
    } else {
        new->lock = *want;
        insert_sorted(ranges, new);
        join(ranges, new);
    }
    free(spare);
}

// --- Deadlocks -----------------------------------------------------------------------------------

// Would `owner` waiting for `blocker` close a circle? Goes through everybody the blocker waits for,
// directly or not; an owner may wait in several threads.
static bool closes_circle(const struct list *waiters, const void *owner, const void *blocker)
{
    struct vfs_lock_waiter *w, *queue = NULL;
    list_for_each (w, waiters, node)
        w->visited = false;
    for (const void *at = blocker; at != owner;) {
        list_for_each (w, waiters, node) {
            if (w->visited || w->owner != at)
                continue;
            w->visited = true;
            w->next = queue;
            queue = w;
        }
        if (!queue)
            return false;
        at = queue->blocker;
        queue = queue->next;
    }
    return true;
}

void vfs_lock_waiter_done(struct vfs_lock_waiter *waiter)
{
    struct vfs *vfs = waiter->vfs;
    if (!vfs)
        return;
    lock_acquire(&vfs->lock_graph);
    list_remove(&waiter->node);
    lock_release(&vfs->lock_graph);
    waiter->vfs = NULL;
}

static int note_waiting(struct vfs *vfs, struct vfs_lock_waiter *waiter, const void *owner,
                        const void *blocker)
{
    vfs_lock_waiter_done(waiter);
    int err = 0;
    lock_acquire(&vfs->lock_graph);
    if (closes_circle(&vfs->lock_waiters, owner, blocker)) {
        err = -LINUX_EDEADLK;
    } else {
        waiter->owner = owner;
        waiter->blocker = blocker;
        waiter->vfs = vfs;
        list_add_tail(&vfs->lock_waiters, &waiter->node);
    }
    lock_release(&vfs->lock_graph);
    return err;
}

// --- Calls ---------------------------------------------------------------------------------------

int vfs_lock_posix(struct inode *inode, const struct vfs_lock *want, struct vfs_lock *conflict,
                   struct vfs_lock_waiter *waiter)
{
    struct inode_locks *l = get_locks(inode);
    struct lock_range *new = malloc(sizeof *new), *spare = malloc(sizeof *spare);
    int err = 0;
    if (!l || !new || !spare) {
        err = -LINUX_ENOLCK;
    } else {
        lock_acquire(&inode->lock);
        const struct vfs_lock *other = find_conflict(&l->ranges, want);
        if (want->type == LINUX_F_UNLCK || !other) {
            apply(&l->ranges, want, new, spare);
            new = spare = NULL;
        } else {
            err = -LINUX_EAGAIN;
            if (conflict)
                *conflict = *other;
            if (waiter && inode->super) {
                int dead = note_waiting(inode->super->vfs, waiter, want->owner, other->owner);
                err = dead ? dead : err;
            }
        }
        lock_release(&inode->lock);
    }
    free(new);
    free(spare);
    if (!err) {
        if (waiter)
            vfs_lock_waiter_done(waiter);
        wait_queue_wake(&l->queue, 0, false); // ranges may have shrunk
    }
    return err;
}

void vfs_lock_test(struct inode *inode, const struct vfs_lock *want, struct vfs_lock *conflict)
{
    *conflict = *want;
    conflict->type = LINUX_F_UNLCK;
    struct inode_locks *l = atomic_load_explicit(&inode->locks, memory_order_acquire);
    if (!l)
        return;
    lock_acquire(&inode->lock);
    const struct vfs_lock *other = find_conflict(&l->ranges, want);
    if (other)
        *conflict = *other;
    lock_release(&inode->lock);
}

static struct lock_range *find_flock(const struct list *flocks, const struct file *file)
{
    struct lock_range *r;
    list_for_each (r, flocks, node)
        if (r->lock.owner == file)
            return r;
    return NULL;
}

int vfs_lock_flock(struct inode *inode, struct file *file, uint32_t type)
{
    struct inode_locks *l = get_locks(inode);
    struct lock_range *new = malloc(sizeof *new);
    if (!l || !new) {
        free(new);
        return -LINUX_ENOLCK;
    }
    new->lock = (struct vfs_lock){0, UINT64_MAX, type, file, 0};
    lock_acquire(&inode->lock);
    // A conversion gives the old lock up first, as flock(2) warns.
    struct lock_range *old = find_flock(&l->flocks, file);
    bool released = old && old->lock.type != type;
    if (released) {
        list_remove(&old->node);
        free(old);
        old = NULL;
    }
    int err = 0;
    if (type != LINUX_F_UNLCK && !old) {
        if (find_conflict(&l->flocks, &new->lock)) {
            err = -LINUX_EAGAIN;
        } else {
            list_add_tail(&l->flocks, &new->node);
            new = NULL;
        }
    }
    lock_release(&inode->lock);
    free(new);
    if (released)
        wait_queue_wake(&l->queue, 0, false);
    return err;
}

static bool remove_owner(struct list *ranges, const void *owner)
{
    bool any = false;
    struct lock_range *r, *next;
    list_for_each_safe (r, next, ranges, node) {
        if (r->lock.owner != owner)
            continue;
        list_remove(&r->node);
        free(r);
        any = true;
    }
    return any;
}

void vfs_lock_release_owner(struct inode *inode, const void *owner)
{
    struct inode_locks *l = atomic_load_explicit(&inode->locks, memory_order_acquire);
    if (!l)
        return;
    lock_acquire(&inode->lock);
    bool ranges = remove_owner(&l->ranges, owner), flocks = remove_owner(&l->flocks, owner);
    lock_release(&inode->lock);
    if (ranges || flocks)
        wait_queue_wake(&l->queue, 0, false);
}
