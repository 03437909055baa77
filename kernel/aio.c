// io_setup and its kin. As on Linux for files that are not opened for direct access, a request is
// carried out while it is submitted; what is left for later is its event.
//
// A context is named by the address of a page of the guest's, which Linux uses to show events
// without a call; ours stays zero, which tells libraries to ask. Contexts belong to an address
// space.
#include "kernel/aio.h"
#include "kernel/aio_internal.h"
#include "kernel/eventfd.h"
#include "kernel/fd.h"
#include "kernel/file.h"
#include "kernel/file_io.h"
#include "kernel/mm_internal.h"
#include "kernel/syscall_handlers.h"
#include "kernel/task.h"
#include "kernel/timeout.h"
#include "kernel/wait.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/mman.h"
#include "platform/base/list.h"
#include <stdlib.h>

enum { AIO_MAX_EVENTS = 65536, AIO_PAGE = 4096, AIO_MAX_REQUEST = 0x800000 };

static void context_free(struct aio_context *c)
{
    struct aio_event *e, *next;
    list_for_each_safe (e, next, &c->events, link)
        free(e);
    wait_queue_destroy(&c->queue);
    free(c);
}

void aio_context_put(struct aio_contexts *all, struct aio_context *c)
{
    lock_acquire(&all->lock);
    bool last = --c->refs == 0;
    lock_release(&all->lock);
    if (last)
        context_free(c);
}

void aio_contexts_put(struct aio_contexts *all)
{
    if (atomic_fetch_sub_explicit(&all->refs, 1, memory_order_acq_rel) != 1)
        return;
    lock_destroy(&all->lock);
    free(all);
}

void aio_destroy(struct aio_contexts *all)
{
    if (!all)
        return;
    struct aio_context *c, *next;
    list_for_each_safe (c, next, &all->list, link) {
        aio_poll_end(all, c);
        aio_context_put(all, c);
    }
    aio_contexts_put(all);
}

// Those of the caller's address space, made when first needed. NULL without memory.
static struct aio_contexts *contexts_of(struct task *task)
{
    struct mm *mm = task->mm;
    struct aio_contexts *all = atomic_load_explicit(&mm->aio, memory_order_acquire);
    if (all)
        return all;
    struct aio_contexts *fresh = calloc(1, sizeof *fresh);
    if (!fresh)
        return NULL;
    atomic_init(&fresh->refs, 1);
    lock_init(&fresh->lock, LOCK_RANK_AIO);
    list_init(&fresh->list);
    if (atomic_compare_exchange_strong_explicit(&mm->aio, &all, fresh, memory_order_acq_rel,
                                                memory_order_acquire))
        return fresh;
    aio_destroy(fresh);
    return all;
}

// The context of this name, held; NULL when there is none.
static struct aio_context *context_find(struct task *task, uint64_t id)
{
    struct aio_contexts *all = atomic_load_explicit(&task->mm->aio, memory_order_acquire);
    struct aio_context *c, *found = NULL;
    if (!all)
        return NULL;
    lock_acquire(&all->lock);
    list_for_each (c, &all->list, link)
        if (c->id == id)
            found = c;
    if (found)
        found->refs++;
    lock_release(&all->lock);
    return found;
}

// --- Contexts ------------------------------------------------------------------------------------

// Only its id: others may end it at once.
static int context_create(struct task *task, uint32_t room, uint64_t *id)
{
    struct aio_contexts *all = contexts_of(task);
    struct aio_context *c = calloc(1, sizeof *c);
    if (!all || !c) {
        free(c);
        return -LINUX_ENOMEM;
    }
    int64_t page = mm_map(task->mm, 0, AIO_PAGE, LINUX_PROT_READ | LINUX_PROT_WRITE,
                          LINUX_MAP_PRIVATE | LINUX_MAP_ANONYMOUS, NULL, 0);
    if (page < 0) {
        free(c);
        return (int)page;
    }
    *id = (uint64_t)page;
    *c = (struct aio_context){.id = *id, .refs = 1, .room = room};
    list_init(&c->events);
    list_init(&c->polls);
    wait_queue_init(&c->queue);
    lock_acquire(&all->lock);
    bool fits = all->total + room <= AIO_MAX_EVENTS;
    if (fits) {
        all->total += room;
        list_add_tail(&all->list, &c->link);
    }
    lock_release(&all->lock);
    if (fits)
        return 0;
    context_free(c);
    int err = mm_unmap(task->mm, *id, AIO_PAGE);
    return err ? err : -LINUX_EAGAIN;
}

static int context_end(struct task *task, uint64_t id)
{
    struct aio_context *c = context_find(task, id);
    if (!c)
        return -LINUX_EINVAL;
    struct aio_contexts *all = contexts_of(task);
    lock_acquire(&all->lock);
    bool ours = !c->dead;
    if (ours) {
        uint32_t waiting = 0;
        struct list *at;
        for (at = c->events.next; at != &c->events; at = at->next)
            waiting++;
        for (at = c->polls.next; at != &c->polls; at = at->next)
            waiting++;
        all->total -= c->room + waiting;
        c->dead = true;
        list_remove(&c->link);
        c->refs--; // the list's
        wait_queue_wake(&c->queue, 0, false);
    }
    lock_release(&all->lock);
    if (ours)
        aio_poll_end(all, c);
    aio_context_put(all, c);
    if (!ours)
        return -LINUX_EINVAL;
    // That the guest unmapped the page itself is no error of the call's.
    int err = mm_unmap(task->mm, id, AIO_PAGE);
    (void)err;
    return 0;
}

int64_t sys_io_setup(struct task *task, uint32_t nr_events, uaddr_t ctxp)
{
    uint64_t id;
    if (user_get(task, ctxp, &id))
        return -LINUX_EFAULT;
    if (id || nr_events == 0 || nr_events > AIO_MAX_REQUEST)
        return -LINUX_EINVAL;
    if (nr_events > AIO_MAX_EVENTS)
        return -LINUX_EAGAIN;
    int err = context_create(task, nr_events, &id);
    if (err)
        return err;
    if (!user_put(task, ctxp, &id))
        return 0;
    err = context_end(task, id);
    return err ? err : -LINUX_EFAULT;
}

int64_t sys_io_destroy(struct task *task, uint64_t ctx)
{
    return context_end(task, ctx);
}

// --- Requests ------------------------------------------------------------------------------------

static bool is_vector(uint16_t opcode)
{
    return opcode == IOCB_CMD_PREADV || opcode == IOCB_CMD_PWRITEV;
}

// What is wrong with a request before it begins: no event tells of it.
static int check_request(const struct linux_iocb *cb, const struct file *file)
{
    bool write = cb->opcode == IOCB_CMD_PWRITE || cb->opcode == IOCB_CMD_PWRITEV;
    switch (cb->opcode) {
    case IOCB_CMD_PREAD:
    case IOCB_CMD_PREADV:
    case IOCB_CMD_PWRITE:
    case IOCB_CMD_PWRITEV:
        if (write ? !file_is_writable(file) : !file_is_readable(file))
            return -LINUX_EBADF;
        if (write ? !file->ops->write : !file->ops->read)
            return -LINUX_EINVAL;
        if (cb->rw_flags & ~FILE_RWF_KNOWN)
            return -LINUX_EOPNOTSUPP;
        return cb->offset < 0 ? -LINUX_EINVAL : 0;
    case IOCB_CMD_FSYNC:
    case IOCB_CMD_FDSYNC:
        if (cb->buf || cb->offset || cb->nbytes || cb->rw_flags)
            return -LINUX_EINVAL;
        return file->ops->fsync ? 0 : -LINUX_EINVAL;
    default:
        return -LINUX_EINVAL;
    }
}

// What is wrong with a vector is told at once too.
static int check_vector(struct task *task, const struct linux_iocb *cb)
{
    struct iter it;
    int err = user_iter_vec(&it, task, cb->buf, cb->nbytes);
    if (!err)
        user_iter_done(&it);
    return err;
}

static int64_t carry_out(struct task *task, const struct linux_iocb *cb, struct file *file)
{
    int32_t fd = (int32_t)cb->fd;
    int64_t n;
    bool placed = file->ops->seek && file->inode;
    switch (cb->opcode) {
    case IOCB_CMD_PREAD:
    case IOCB_CMD_PWRITE:
        n = file_io_flagged(task, fd, cb->buf, cb->nbytes, placed ? cb->offset : -1, cb->rw_flags,
                            cb->opcode == IOCB_CMD_PWRITE);
        break;
    case IOCB_CMD_PREADV:
        n = sys_preadv2(task, fd, cb->buf, cb->nbytes, placed ? cb->offset : -1, 0, cb->rw_flags);
        break;
    case IOCB_CMD_PWRITEV:
        n = sys_pwritev2(task, fd, cb->buf, cb->nbytes, placed ? cb->offset : -1, 0, cb->rw_flags);
        break;
    default:
        n = file_fsync(file, cb->opcode == IOCB_CMD_FDSYNC);
        break;
    }
    // It cannot be restarted: its submission may have been one of many.
    return n <= -ERESTARTSYS && n >= -ERESTART_RESTARTBLOCK ? -LINUX_EINTR : n;
}

int aio_take_room(struct aio_contexts *all, struct aio_context *c)
{
    lock_acquire(&all->lock);
    int err = c->dead ? -LINUX_EINVAL : c->room == 0 ? -LINUX_EAGAIN : 0;
    if (!err)
        c->room--;
    lock_release(&all->lock);
    return err;
}

void aio_give_event(struct aio_contexts *all, struct aio_context *c, struct aio_event *e)
{
    lock_acquire(&all->lock);
    list_add_tail(&c->events, &e->link);
    wait_queue_wake(&c->queue, 0, false);
    lock_release(&all->lock);
}

static int get_resfd(struct task *task, const struct linux_iocb *cb, struct file **out)
{
    *out = NULL;
    if (!(cb->flags & IOCB_FLAG_RESFD))
        return 0;
    struct file *file = fd_get_io(task, (int)cb->resfd);
    if (!file)
        return -LINUX_EBADF;
    if (!file_is_eventfd(file)) {
        file_put(file);
        return -LINUX_EINVAL;
    }
    *out = file;
    return 0;
}

static int perform(struct task *task, struct aio_contexts *all, struct aio_context *c,
                   const struct linux_iocb *cb, uaddr_t addr, struct file *file, struct file *resfd)
{
    struct aio_event *e = malloc(sizeof *e);
    int err = e ? aio_take_room(all, c) : -LINUX_EAGAIN;
    if (err) {
        free(e);
        return err;
    }
    e->event = (struct linux_io_event){cb->data, addr, carry_out(task, cb, file), 0};
    aio_give_event(all, c, e);
    if (resfd)
        eventfd_signal(resfd);
    return 0;
}

static int submit_one(struct task *task, struct aio_contexts *all, struct aio_context *c,
                      uaddr_t addr)
{
    struct linux_iocb cb;
    if (user_get(task, addr, &cb))
        return -LINUX_EFAULT;
    if (cb.reserved2 || (!is_vector(cb.opcode) && (int64_t)cb.nbytes < 0))
        return -LINUX_EINVAL;
    struct file *file = fd_get_io(task, (int)cb.fd), *resfd = NULL;
    if (!file)
        return -LINUX_EBADF;
    uint32_t key = 0;
    int err = get_resfd(task, &cb, &resfd);
    if (!err && user_put(task, addr + offsetof(struct linux_iocb, key), &key))
        err = -LINUX_EFAULT;
    if (!err && cb.opcode == IOCB_CMD_POLL) {
        err = aio_poll_submit(task, all, c, &cb, addr, file, resfd);
    } else if (!err) {
        err = check_request(&cb, file);
        if (!err && is_vector(cb.opcode))
            err = check_vector(task, &cb);
        if (!err)
            err = perform(task, all, c, &cb, addr, file, resfd);
    }
    if (resfd)
        file_put(resfd);
    file_put(file);
    return err;
}

int64_t sys_io_submit(struct task *task, uint64_t ctx, int64_t nr, uaddr_t iocbpp)
{
    if (nr < 0)
        return -LINUX_EINVAL;
    struct aio_context *c = context_find(task, ctx);
    if (!c)
        return -LINUX_EINVAL;
    struct aio_contexts *all = contexts_of(task);
    int64_t done = 0;
    int err = 0;
    for (; !err && done < nr; done += !err) {
        uint64_t addr;
        err = user_get(task, iocbpp + (uint64_t)done * sizeof addr, &addr) ? -LINUX_EFAULT : 0;
        if (!err)
            err = submit_one(task, all, c, addr);
    }
    aio_context_put(all, c);
    return done ? done : err;
}

// Only requests that wait for a file are ever under way when the guest can ask.
int64_t sys_io_cancel(struct task *task, uint64_t ctx, uaddr_t iocb, uaddr_t result)
{
    (void)result;
    uint32_t key;
    if (user_get(task, iocb + offsetof(struct linux_iocb, key), &key))
        return -LINUX_EFAULT;
    struct aio_context *c = key ? NULL : context_find(task, ctx);
    if (!c)
        return -LINUX_EINVAL;
    struct aio_contexts *all = contexts_of(task);
    bool found = aio_poll_cancel(all, c, iocb);
    aio_context_put(all, c);
    return found ? -LINUX_EINPROGRESS : -LINUX_EINVAL;
}

// --- Events --------------------------------------------------------------------------------------

static struct aio_event *take_event(struct aio_contexts *all, struct aio_context *c)
{
    struct aio_event *e = NULL;
    lock_acquire(&all->lock);
    if (!list_empty(&c->events)) {
        e = list_first(&c->events, struct aio_event, link);
        list_remove(&e->link);
        c->room++;
    }
    lock_release(&all->lock);
    return e;
}

// One that could not be told is still there for the next.
static void untake_event(struct aio_contexts *all, struct aio_context *c, struct aio_event *e)
{
    lock_acquire(&all->lock);
    list_add_head(&c->events, &e->link);
    c->room--;
    lock_release(&all->lock);
}

static int64_t take_events(struct task *task, struct aio_contexts *all, struct aio_context *c,
                           int64_t done, int64_t nr, uaddr_t events)
{
    struct aio_event *e;
    while (done < nr && (e = take_event(all, c)) != NULL) {
        if (user_put(task, events + (uint64_t)done * sizeof e->event, &e->event)) {
            untake_event(all, c, e);
            return done ? done : -LINUX_EFAULT;
        }
        free(e);
        done++;
    }
    return done;
}

static int64_t get_events(struct task *task, uint64_t ctx, int64_t min_nr, int64_t nr,
                          uaddr_t events, uint64_t deadline)
{
    struct aio_context *c = context_find(task, ctx);
    if (!c)
        return -LINUX_EINVAL;
    struct aio_contexts *all = contexts_of(task);
    int64_t done = -LINUX_EINVAL;
    if (min_nr >= 0 && min_nr <= nr) {
        struct task_waiter w;
        task_waiter_add(&w, task, &c->queue, 0);
        done = take_events(task, all, c, 0, nr, events);
        int err = 0;
        while (!err && done >= 0 && done < min_nr) {
            err = c->dead ? -LINUX_EINVAL : task_wait(task, deadline, WAIT_INTERRUPTIBLE);
            done = take_events(task, all, c, done, nr, events);
        }
        if (err && done == 0 && err != -LINUX_ETIMEDOUT)
            done = err;
        task_waiter_remove(&w);
    }
    aio_context_put(all, c);
    return done;
}

int64_t sys_io_getevents(struct task *task, uint64_t ctx, int64_t min_nr, int64_t nr,
                         uaddr_t events, uaddr_t timeout)
{
    uint64_t deadline;
    int err = timeout_get(task, timeout, &deadline);
    return err ? err : get_events(task, ctx, min_nr, nr, events, deadline);
}

struct linux_aio_sigset {
    uint64_t mask, size;
};

int64_t sys_io_pgetevents(struct task *task, uint64_t ctx, int64_t min_nr, int64_t nr,
                          uaddr_t events, uaddr_t timeout, uaddr_t sig)
{
    uint64_t deadline;
    struct linux_aio_sigset set = {0, 0};
    int err = timeout_get(task, timeout, &deadline);
    if (!err && sig && user_get(task, sig, &set))
        err = -LINUX_EFAULT;
    if (!err)
        err = timeout_set_mask(task, set.mask, set.size);
    return err ? err : get_events(task, ctx, min_nr, nr, events, deadline);
}
