// epoll: an interest list keyed by (descriptor number, open file), and the list of those that may
// be ready.
//
// An item does not keep its file alive. The file's last reference goes through file_watch, which
// removes its items from every epoll first; an item is only touched under its epoll's lock, so a
// file found through one is still there.
//
// Lock order: epoll_nest, epoll (an outer before the epolls it watches), whatever a poll operation
// takes, wait_queue, epoll_ready. Wake-ups arrive under a wait queue's lock and take epoll_ready
// only.
#include "kernel/epoll.h"
#include "kernel/anon.h"
#include "kernel/file.h"
#include "kernel/syscall_handlers.h"
#include "kernel/task.h"
#include "kernel/timeout.h"
#include "kernel/wait.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/poll.h"
#include "platform/base/log.h"
#include <stdio.h>
#include <stdlib.h>

enum {
    ITEM_QUEUES_INLINE = 2, // no file of ours waits on more
    HASH_FIRST = 16,
    NEST_MAX = 4, // Linux's EP_MAX_NESTS
};
#define ALWAYS    ((uint32_t)LINUX_POLLERR | (uint32_t)LINUX_POLLHUP)
#define MODE_BITS (LINUX_EPOLLWAKEUP | LINUX_EPOLLONESHOT | LINUX_EPOLLET | LINUX_EPOLLEXCLUSIVE)
#define EXCLUSIVE_OK                                                                               \
    ((uint32_t)LINUX_POLLIN | (uint32_t)LINUX_POLLOUT | ALWAYS | LINUX_EPOLLWAKEUP |               \
     LINUX_EPOLLET | LINUX_EPOLLEXCLUSIVE)

struct epoll {
    _Atomic uint32_t refs;      // the file, and whoever is removing an item
    struct lock lock;           // rank epoll; guards the items
    struct list *buckets;       // of items, by hash; guarded by lock
    size_t bucket_count, items; // guarded by lock
    struct lock ready_lock;     // rank epoll_ready
    struct list ready;          // items that may have events; guarded by ready_lock
    size_t ready_count;         // guarded by ready_lock
    struct list sleepers;       // guarded by ready_lock
    struct wait_queue pollers;  // of those that poll the epoll itself
};

// One task in epoll_wait. A wake-up takes it off the list, so the next one reaches the next task.
struct sleeper {
    struct list node;
    struct task *task;
};

struct item;
struct item_queue {
    struct wait_entry entry;
    struct item *item;
};

struct item {
    struct list bucket_link; // guarded by ep->lock
    struct list watch_link;  // guarded by watch->lock
    struct list ready_link;  // guarded by ep->ready_lock
    bool ready;              // on the ready list; guarded by ep->ready_lock
    struct epoll *ep;        // immutable
    struct file *file;       // immutable, not referenced
    struct watch *watch;     // immutable: of file
    int fd;                  // immutable
    _Atomic uint32_t events; // with MODE_BITS; none but those after a ONESHOT fired
    uint64_t data;           // guarded by ep->lock
    unsigned queue_count;
    struct item_queue queues[ITEM_QUEUES_INLINE];
};

// All items, of any epoll, that watch one file.
struct watch {
    struct file_watch base;
    struct lock lock; // rank epoll_ready
    struct list items;
};

static const struct file_ops epoll_ops;

static struct epoll *epoll_of(const struct file *file)
{
    return file->ops == &epoll_ops ? file->private : NULL;
}

static void epoll_put(struct epoll *ep)
{
    if (atomic_fetch_sub_explicit(&ep->refs, 1, memory_order_acq_rel) != 1)
        return;
    wait_queue_destroy(&ep->pollers);
    lock_destroy(&ep->ready_lock);
    lock_destroy(&ep->lock);
    free(ep->buckets);
    free(ep);
}

// --- The ready list ------------------------------------------------------------------------------

static void ready_add(struct epoll *ep, struct item *item, bool at_head) REQUIRES(ep->ready_lock)
{
    if (item->ready)
        return;
    item->ready = true;
    ep->ready_count++;
    if (at_head)
        list_add_head(&ep->ready, &item->ready_link);
    else
        list_add_tail(&ep->ready, &item->ready_link);
}

static void ready_remove(struct epoll *ep, struct item *item) REQUIRES(ep->ready_lock)
{
    if (!item->ready)
        return;
    item->ready = false;
    ep->ready_count--;
    list_remove(&item->ready_link);
}

static struct item *ready_pop(struct epoll *ep)
{
    struct item *item = NULL;
    lock_acquire(&ep->ready_lock);
    if (!list_empty(&ep->ready)) {
        item = list_first(&ep->ready, struct item, ready_link);
        ready_remove(ep, item);
    }
    lock_release(&ep->ready_lock);
    return item;
}

static void wake_sleeper(struct epoll *ep) REQUIRES(ep->ready_lock)
{
    if (list_empty(&ep->sleepers))
        return;
    struct sleeper *s = list_first(&ep->sleepers, struct sleeper, node);
    list_remove(&s->node);
    task_wake(s->task);
}

// Says that the item may have events. `under_queue`: called from a wait queue's wake-up.
static void mark_ready(struct item *item, bool under_queue)
{
    struct epoll *ep = item->ep;
    lock_acquire(&ep->ready_lock);
    ready_add(ep, item, false);
    wake_sleeper(ep);
    lock_release(&ep->ready_lock);
    const uint32_t events = LINUX_POLLIN | LINUX_POLLRDNORM;
    if (under_queue)
        wait_queue_wake_nested(&ep->pollers, events, false);
    else
        wait_queue_wake(&ep->pollers, events, false);
}

static void item_wake(struct wait_entry *entry, uint32_t events)
{
    struct item *item = CONTAINER_OF(entry, struct item_queue, entry)->item;
    // Of a change of the file and EPOLL_CTL_MOD, the later one sees the other: this load and the
    // poll operation after the store in item_modify.
    uint32_t wanted = atomic_load_explicit(&item->events, memory_order_seq_cst) & ~MODE_BITS;
    if (!wanted || (events && !(events & wanted)))
        return;
    mark_ready(item, true);
}

// --- The interest list ---------------------------------------------------------------------------

static size_t hash(const struct epoll *ep, int fd, const struct file *file)
{
    uint64_t key = ((uint64_t)(uintptr_t)file >> 4) + (uint64_t)(uint32_t)fd;
    return (size_t)(key * 0x9e3779b97f4a7c15ull >> 32) & (ep->bucket_count - 1);
}

static struct item *item_find(struct epoll *ep, int fd, const struct file *file) REQUIRES(ep->lock)
{
    struct item *item;
    list_for_each (item, &ep->buckets[hash(ep, fd, file)], bucket_link)
        if (item->fd == fd && item->file == file)
            return item;
    return NULL;
}

int epoll_watched(const struct file *epoll, int fd, uint32_t skip, const struct file **out)
{
    struct epoll *ep = epoll_of(epoll);
    if (!ep)
        return -LINUX_EINVAL;
    *out = NULL;
    lock_acquire(&ep->lock);
    for (size_t i = 0; i < ep->bucket_count && !*out; i++) {
        struct item *item;
        list_for_each (item, &ep->buckets[i], bucket_link) {
            if (item->fd == fd && skip-- == 0) {
                *out = item->file;
                break;
            }
        }
    }
    lock_release(&ep->lock);
    return *out ? 0 : -LINUX_ENOENT;
}

static struct list *new_buckets(size_t count)
{
    struct list *buckets = malloc(count * sizeof *buckets);
    for (size_t i = 0; buckets && i < count; i++)
        list_init(&buckets[i]);
    return buckets;
}

// More buckets when the chains get long; without memory they stay long.
static void hash_grow(struct epoll *ep) REQUIRES(ep->lock)
{
    if (ep->items < ep->bucket_count)
        return;
    struct list *old = ep->buckets, *buckets = new_buckets(ep->bucket_count * 2);
    if (!buckets)
        return;
    size_t old_count = ep->bucket_count;
    ep->buckets = buckets;
    ep->bucket_count = old_count * 2;
    for (size_t i = 0; i < old_count; i++) {
        struct item *item, *next;
        list_for_each_safe (item, next, &old[i], bucket_link) {
            list_remove(&item->bucket_link);
            list_add_tail(&buckets[hash(ep, item->fd, item->file)], &item->bucket_link);
        }
    }
    free(old);
}

static void item_remove(struct epoll *ep, struct item *item) REQUIRES(ep->lock)
{
    for (unsigned i = 0; i < item->queue_count; i++)
        wait_queue_remove(&item->queues[i].entry);
    lock_acquire(&ep->ready_lock);
    ready_remove(ep, item);
    lock_release(&ep->ready_lock);
    lock_acquire(&item->watch->lock);
    list_remove(&item->watch_link);
    lock_release(&item->watch->lock);
    list_remove(&item->bucket_link);
    ep->items--;
    free(item);
}

// The last reference to a watched file is gone.
static void file_gone(struct file_watch *base, struct file *file)
{
    struct watch *watch = CONTAINER_OF(base, struct watch, base);
    (void)file;
    for (;;) {
        lock_acquire(&watch->lock);
        struct epoll *ep = NULL;
        if (!list_empty(&watch->items)) {
            ep = list_first(&watch->items, struct item, watch_link)->ep;
            atomic_fetch_add_explicit(&ep->refs, 1, memory_order_relaxed);
        }
        lock_release(&watch->lock);
        if (!ep)
            break;
        // The epoll may be removing its items at the same time: look again under its lock.
        lock_acquire_nested(&ep->lock);
        struct item *item, *mine = NULL;
        lock_acquire(&watch->lock);
        list_for_each (item, &watch->items, watch_link)
            if (item->ep == ep)
                mine = item;
        lock_release(&watch->lock);
        if (mine)
            item_remove(ep, mine);
        lock_release(&ep->lock);
        epoll_put(ep);
    }
    lock_destroy(&watch->lock);
    free(watch);
}

// The file's list of items, made at its first. The caller holds a reference to the file.
static struct watch *watch_get(struct file *file)
{
    struct file_watch *old = atomic_load_explicit(&file->watch, memory_order_acquire);
    if (old)
        return CONTAINER_OF(old, struct watch, base);
    struct watch *watch = malloc(sizeof *watch);
    if (!watch)
        return NULL;
    watch->base.released = file_gone;
    lock_init(&watch->lock, LOCK_RANK_EPOLL_READY);
    list_init(&watch->items);
    if (atomic_compare_exchange_strong_explicit(&file->watch, &old, &watch->base,
                                                memory_order_acq_rel, memory_order_acquire))
        return watch;
    lock_destroy(&watch->lock);
    free(watch);
    return CONTAINER_OF(old, struct watch, base);
}

struct item_table {
    struct poll_table table;
    struct item *item;
};

static void item_queue_add(struct poll_table *table, struct file *file, struct wait_queue *q)
{
    struct item_table *t = CONTAINER_OF(table, struct item_table, table);
    struct item *item = t->item;
    (void)file;
    ISH_ASSERT(item->queue_count < ITEM_QUEUES_INLINE);
    struct item_queue *queue = &item->queues[item->queue_count++];
    uint32_t events = atomic_load_explicit(&item->events, memory_order_relaxed);
    *queue = (struct item_queue){
        .entry = {.wake = item_wake, .exclusive = events & LINUX_EPOLLEXCLUSIVE},
        .item = item,
    };
    wait_queue_add(q, &queue->entry);
}

static uint32_t item_poll(struct item *item, struct poll_table *table)
{
    return file_poll(item->file, table) &
           atomic_load_explicit(&item->events, memory_order_relaxed) & ~MODE_BITS;
}

static int item_add(struct epoll *ep, int fd, struct file *file,
                    const struct linux_epoll_event *event) REQUIRES(ep->lock)
{
    struct watch *watch = watch_get(file);
    struct item *item = watch ? calloc(1, sizeof *item) : NULL;
    if (!item)
        return -LINUX_ENOMEM;
    item->ep = ep;
    item->file = file;
    item->fd = fd;
    item->watch = watch;
    item->data = event->data;
    atomic_init(&item->events, event->events | ALWAYS);
    list_init(&item->ready_link);
    hash_grow(ep);
    list_add_tail(&ep->buckets[hash(ep, fd, file)], &item->bucket_link);
    ep->items++;
    lock_acquire(&watch->lock);
    list_add_tail(&watch->items, &item->watch_link);
    lock_release(&watch->lock);
    struct item_table table = {{item_queue_add}, item};
    if (item_poll(item, &table.table))
        mark_ready(item, false);
    return 0;
}

static int item_modify(struct epoll *ep, struct item *item, const struct linux_epoll_event *event)
    REQUIRES(ep->lock)
{
    if (atomic_load_explicit(&item->events, memory_order_relaxed) & LINUX_EPOLLEXCLUSIVE)
        return -LINUX_EINVAL;
    item->data = event->data;
    atomic_store_explicit(&item->events, event->events | ALWAYS, memory_order_seq_cst);
    if (item_poll(item, NULL))
        mark_ready(item, false);
    return 0;
}

// --- Nesting -------------------------------------------------------------------------------------

// Would `ep`, put into `outer`, close a circle or make too deep a chain?
static bool nests_badly(struct epoll *ep, const struct epoll *outer, int depth)
{
    bool bad = false;
    lock_acquire_nested(&ep->lock);
    for (size_t i = 0; i < ep->bucket_count && !bad; i++) {
        struct item *item;
        list_for_each (item, &ep->buckets[i], bucket_link) {
            struct epoll *inner = epoll_of(item->file);
            if (inner && !bad)
                bad = inner == outer || depth > NEST_MAX || nests_badly(inner, outer, depth + 1);
        }
    }
    lock_release(&ep->lock);
    return bad;
}

// --- epoll_ctl -----------------------------------------------------------------------------------

static int check_control(struct epoll *ep, int32_t op, const struct file *file,
                         const struct file *target, const struct linux_epoll_event *event)
{
    if (!target->ops->poll)
        return -LINUX_EPERM;
    if (!ep || file == target)
        return -LINUX_EINVAL;
    if (op != LINUX_EPOLL_CTL_DEL && event->events & LINUX_EPOLLEXCLUSIVE) {
        if (op == LINUX_EPOLL_CTL_MOD || epoll_of(target) || event->events & ~EXCLUSIVE_OK)
            return -LINUX_EINVAL;
    }
    return 0;
}

static int control(struct epoll *ep, int32_t op, int fd, struct file *target,
                   const struct linux_epoll_event *event)
{
    lock_acquire(&ep->lock);
    struct item *item = item_find(ep, fd, target);
    int err = -LINUX_EINVAL;
    switch (op) {
    case LINUX_EPOLL_CTL_ADD:
        err = item ? -LINUX_EEXIST : item_add(ep, fd, target, event);
        break;
    case LINUX_EPOLL_CTL_MOD:
        err = item ? item_modify(ep, item, event) : -LINUX_ENOENT;
        break;
    case LINUX_EPOLL_CTL_DEL:
        err = item ? 0 : -LINUX_ENOENT;
        if (item)
            item_remove(ep, item);
        break;
    default:
        break;
    }
    lock_release(&ep->lock);
    return err;
}

static int control_files(struct task *task, int32_t op, struct file *file, int fd,
                         struct file *target, const struct linux_epoll_event *event)
{
    struct epoll *ep = epoll_of(file), *inner = epoll_of(target);
    int err = check_control(ep, op, file, target, event);
    if (err)
        return err;
    if (op != LINUX_EPOLL_CTL_ADD || !inner)
        return control(ep, op, fd, target, event);
    struct lock *nest = &task->kernel->anon->epoll_nest;
    lock_acquire(nest);
    err = nests_badly(inner, ep, 0) ? -LINUX_ELOOP : control(ep, op, fd, target, event);
    lock_release(nest);
    return err;
}

int64_t sys_epoll_ctl(struct task *task, int32_t epfd, int32_t op, int32_t fd, uaddr_t event_addr)
{
    struct linux_epoll_event event = {0};
    int err = op == LINUX_EPOLL_CTL_DEL ? 0 : user_get(task, event_addr, &event);
    if (err)
        return err;
    event.events &= ~LINUX_EPOLLWAKEUP; // takes CAP_BLOCK_SUSPEND, and nothing suspends
    struct file *file = fd_get_io(task, epfd), *target = file ? fd_get_io(task, fd) : NULL;
    err = target ? control_files(task, op, file, fd, target, &event) : -LINUX_EBADF;
    if (target)
        file_put(target);
    if (file)
        file_put(file);
    return err;
}

// --- epoll_wait ----------------------------------------------------------------------------------

// Reports up to `max` items of the first *left, each looked at again, and counts *left down.
// Returns their number; *missing when it stopped because a page of `addr` is not there: none can be
// faulted in under the lock.
static int harvest_present(struct epoll *ep, struct task *task, uaddr_t addr, int max, size_t *left,
                           bool *missing)
{
    int n = 0;
    *missing = false;
    lock_acquire(&ep->lock);
    for (struct item *item; *left > 0 && n < max && !*missing && (item = ready_pop(ep));) {
        uint32_t events = item_poll(item, NULL);
        if (!events) {
            --*left;
            continue;
        }
        struct linux_epoll_event out = {.events = events, .data = item->data};
        uaddr_t to = addr + (uint64_t)n * sizeof out;
        *missing = user_write_nofault(task, to, &out, sizeof out) != 0;
        uint32_t mode = atomic_load_explicit(&item->events, memory_order_relaxed) & MODE_BITS;
        if (!*missing && mode & LINUX_EPOLLONESHOT)
            atomic_store_explicit(&item->events, mode, memory_order_relaxed);
        if (*missing || !(mode & (LINUX_EPOLLONESHOT | LINUX_EPOLLET))) {
            lock_acquire(&ep->ready_lock);
            ready_add(ep, item, *missing);
            lock_release(&ep->ready_lock);
        }
        n += !*missing;
        *left -= !*missing;
    }
    lock_acquire(&ep->ready_lock);
    if (ep->ready_count)
        wake_sleeper(ep);
    lock_release(&ep->ready_lock);
    lock_release(&ep->lock);
    return n;
}

// The same, whatever pages are there: -LINUX_EFAULT when the first item cannot be stored.
static int64_t harvest(struct epoll *ep, struct task *task, uaddr_t addr, int max)
{
    int n = 0;
    bool missing = false;
    lock_acquire(&ep->ready_lock);
    size_t left = ep->ready_count;
    lock_release(&ep->ready_lock);
    while (left > 0 && n < max) {
        uaddr_t at = addr + (uint64_t)n * sizeof(struct linux_epoll_event);
        int more = harvest_present(ep, task, at, max - n, &left, &missing);
        n += more;
        if (!missing)
            break;
        at += (uint64_t)more * sizeof(struct linux_epoll_event);
        if (user_fault_in(task, at, true) ||
            user_fault_in(task, at + sizeof(struct linux_epoll_event) - 1, true))
            return n ? n : -LINUX_EFAULT;
    }
    return n;
}

// Sleeps unless something may be ready.
static int sleep_once(struct epoll *ep, struct task *task, uint64_t deadline)
{
    struct sleeper s = {.task = task};
    lock_acquire(&ep->ready_lock);
    bool ready = ep->ready_count;
    if (!ready)
        list_add_tail(&ep->sleepers, &s.node);
    lock_release(&ep->ready_lock);
    if (ready)
        return 0;
    int err = task_wait(task, deadline, WAIT_INTERRUPTIBLE);
    lock_acquire(&ep->ready_lock);
    list_remove(&s.node);
    lock_release(&ep->ready_lock);
    return err;
}

static int64_t epoll_wait_until(struct task *task, int32_t epfd, uaddr_t events, int32_t max,
                                uint64_t deadline)
{
    uint64_t size = (uint64_t)(uint32_t)max * sizeof(struct linux_epoll_event);
    if (max <= 0 || size > INT32_MAX)
        return -LINUX_EINVAL;
    if (!user_is_range(events, size))
        return -LINUX_EFAULT;
    struct file *file = fd_get_io(task, epfd);
    if (!file)
        return -LINUX_EBADF;
    struct epoll *ep = epoll_of(file);
    int64_t n = -LINUX_EINVAL;
    if (ep) {
        int err = 0;
        n = harvest(ep, task, events, max);
        while (!n && !err && deadline != TIMEOUT_NONE) {
            err = sleep_once(ep, task, deadline);
            n = harvest(ep, task, events, max);
        }
        if (!n && err != -LINUX_ETIMEDOUT)
            n = err;
    }
    file_put(file);
    return n;
}

int64_t sys_epoll_pwait(struct task *task, int32_t epfd, uaddr_t events, int32_t maxevents,
                        int32_t timeout, uaddr_t sigmask, uint64_t sigsetsize)
{
    int err = timeout_set_mask(task, sigmask, sigsetsize);
    return err ? err : epoll_wait_until(task, epfd, events, maxevents, timeout_from_ms(timeout));
}

int64_t sys_epoll_pwait2(struct task *task, int32_t epfd, uaddr_t events, int32_t maxevents,
                         uaddr_t timeout, uaddr_t sigmask, uint64_t sigsetsize)
{
    uint64_t deadline;
    int err = timeout_get(task, timeout, &deadline);
    if (!err)
        err = timeout_set_mask(task, sigmask, sigsetsize);
    return err ? err : epoll_wait_until(task, epfd, events, maxevents, deadline);
}

// --- The epoll as a file -------------------------------------------------------------------------

static uint32_t epoll_poll(struct file *file, struct poll_table *table)
{
    struct epoll *ep = file->private;
    poll_wait(table, file, &ep->pollers);
    uint32_t events = 0;
    lock_acquire_nested(&ep->lock);
    for (struct item *item; !events && (item = ready_pop(ep));) {
        if (!item_poll(item, NULL))
            continue;
        lock_acquire(&ep->ready_lock);
        ready_add(ep, item, true);
        lock_release(&ep->ready_lock);
        events = LINUX_POLLIN | LINUX_POLLRDNORM;
    }
    lock_release(&ep->lock);
    return events;
}

static size_t epoll_show(struct file *file, char *buf, size_t size)
{
    struct epoll *ep = file->private;
    size_t at = 0;
    lock_acquire(&ep->lock);
    for (size_t i = 0; i < ep->bucket_count; i++) {
        struct item *item;
        list_for_each (item, &ep->buckets[i], bucket_link) {
            int n = snprintf(buf + at, size - at, "tfd: %8d events: %8x data: %16llx\n", item->fd,
                             atomic_load_explicit(&item->events, memory_order_relaxed),
                             (unsigned long long)item->data);
            if (n > 0 && (size_t)n < size - at)
                at += (size_t)n;
        }
    }
    lock_release(&ep->lock);
    return at;
}

static void epoll_release(struct file *file)
{
    struct epoll *ep = file->private;
    lock_acquire_nested(&ep->lock);
    for (size_t i = 0; i < ep->bucket_count; i++)
        while (!list_empty(&ep->buckets[i]))
            item_remove(ep, list_first(&ep->buckets[i], struct item, bucket_link));
    lock_release(&ep->lock);
    epoll_put(ep);
}

static const struct file_ops epoll_ops = {
    .poll = epoll_poll,
    .show_fdinfo = epoll_show,
    .release = epoll_release,
};

int64_t sys_epoll_create1(struct task *task, uint32_t flags)
{
    if (flags & ~(uint32_t)LINUX_EPOLL_CLOEXEC)
        return -LINUX_EINVAL;
    struct epoll *ep = calloc(1, sizeof *ep);
    if (!ep)
        return -LINUX_ENOMEM;
    atomic_init(&ep->refs, 1);
    lock_init(&ep->lock, LOCK_RANK_EPOLL);
    lock_init(&ep->ready_lock, LOCK_RANK_EPOLL_READY);
    list_init(&ep->ready);
    list_init(&ep->sleepers);
    wait_queue_init(&ep->pollers);
    ep->bucket_count = HASH_FIRST;
    ep->buckets = new_buckets(HASH_FIRST);
    struct file *file = NULL;
    if (ep->buckets)
        file = file_create(&epoll_ops, ep, LINUX_O_RDWR, "anon_inode:[eventpoll]");
    if (!file) {
        epoll_put(ep);
        return -LINUX_ENOMEM;
    }
    return fd_install(task, file, 0, flags & LINUX_EPOLL_CLOEXEC);
}
