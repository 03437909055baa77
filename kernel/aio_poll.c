// IOCB_CMD_POLL: a request that becomes an event when a file is ready.
#include "fs/vfs.h"
#include "kernel/aio_internal.h"
#include "kernel/async.h"
#include "kernel/eventfd.h"
#include "kernel/task.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/poll.h"
#include <stdlib.h>

enum { QUEUES = 2 }; // of one file, at most

struct aio_poll;
struct poll_link {
    struct wait_entry entry;
    struct aio_poll *poll;
};

// Whoever takes it off its context's list fulfils it, or lets it go.
struct aio_poll {
    struct list link;      // aio_context.polls; guarded by contexts->lock
    _Atomic unsigned refs; // the list, and work that was posted
    struct kernel *kernel;
    struct aio_contexts *all;    // referenced
    struct aio_context *context; // held while on the list
    struct aio_event *event;     // what it becomes
    struct file *file, *resfd;   // referenced; resfd may be NULL
    uint32_t wanted;
    struct poll_table table;
    struct poll_link links[QUEUES];
    unsigned link_count;
    bool too_many;
    // A wake-up came and what it said, if that is all there is to know. Work is posted, or was.
    _Atomic bool woken;
    uint32_t said;
    struct async_work work;
};

static void poll_put(struct aio_poll *p)
{
    if (atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1)
        return;
    free(p->event);
    file_put(p->file);
    file_put(p->resfd);
    aio_contexts_put(p->all);
    free(p);
}

// On the waker's thread, with the queue's lock held.
static void on_wake(struct wait_entry *entry, uint32_t events)
{
    struct aio_poll *p = CONTAINER_OF(entry, struct poll_link, entry)->poll;
    if (atomic_exchange_explicit(&p->woken, true, memory_order_acq_rel))
        return;
    p->said = events & (LINUX_POLLERR | LINUX_POLLHUP) ? 0 : events;
    atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
    async_post(p->kernel, &p->work);
}

static void queue_up(struct poll_table *table, struct file *file, struct wait_queue *q)
{
    struct aio_poll *p = CONTAINER_OF(table, struct aio_poll, table);
    (void)file;
    p->too_many |= p->link_count == QUEUES;
    if (p->too_many)
        return;
    struct poll_link *l = &p->links[p->link_count++];
    *l = (struct poll_link){.entry = {.wake = on_wake, .events = p->wanted}, .poll = p};
    wait_queue_add(q, &l->entry);
}

static void leave_queues(struct aio_poll *p)
{
    for (unsigned i = 0; i < p->link_count; i++)
        wait_queue_remove(&p->links[i].entry);
}

// It was taken off the list, and its event given or not.
static void let_go(struct aio_poll *p)
{
    leave_queues(p);
    aio_context_put(p->all, p->context);
    poll_put(p);
}

// contexts->lock is held.
static void become_event(struct aio_poll *p, uint32_t result)
{
    struct aio_context *c = p->context;
    list_remove(&p->link);
    p->event->event.res = result;
    list_add_tail(&c->events, &p->event->link);
    p->event = NULL;
    wait_queue_wake(&c->queue, 0, false);
}

static void fulfil(struct aio_poll *p, uint32_t ready)
{
    lock_acquire(&p->all->lock);
    bool ours = !list_empty(&p->link);
    if (ours)
        become_event(p, ready);
    lock_release(&p->all->lock);
    if (!ours)
        return;
    if (p->resfd)
        eventfd_signal(p->resfd);
    let_go(p);
}

// What holds now. A wake-up from here on counts again.
static uint32_t look_again(struct aio_poll *p)
{
    atomic_store_explicit(&p->woken, false, memory_order_seq_cst);
    return file_poll(p->file, NULL) & p->wanted;
}

static void on_work(struct async_work *work)
{
    struct aio_poll *p = CONTAINER_OF(work, struct aio_poll, work);
    uint32_t ready = p->said ? p->said : look_again(p);
    if (ready)
        fulfil(p, ready);
    poll_put(p);
}

// Everything but its place on the list.
static struct aio_poll *poll_new(struct task *task, struct aio_contexts *all, struct aio_context *c,
                                 const struct linux_iocb *cb, uaddr_t addr, struct file *file,
                                 struct file *resfd)
{
    struct aio_poll *p = calloc(1, sizeof *p);
    struct aio_event *e = malloc(sizeof *e);
    if (!p || !e) {
        free(p);
        free(e);
        return NULL;
    }
    list_init(&p->link);
    atomic_init(&p->refs, 1);
    p->kernel = task->kernel;
    atomic_fetch_add_explicit(&all->refs, 1, memory_order_relaxed);
    p->all = all;
    p->context = c;
    *e = (struct aio_event){.event = {.data = cb->data, .obj = addr}};
    p->event = e;
    p->file = file_get(file);
    p->resfd = resfd ? file_get(resfd) : NULL;
    p->wanted = (uint32_t)cb->buf | LINUX_POLLERR | LINUX_POLLHUP;
    p->table.queue = queue_up;
    p->work.run = on_work;
    return p;
}

int aio_poll_submit(struct task *task, struct aio_contexts *all, struct aio_context *c,
                    const struct linux_iocb *cb, uaddr_t addr, struct file *file,
                    struct file *resfd)
{
    if (cb->buf > UINT16_MAX || cb->offset || cb->nbytes || cb->rw_flags)
        return -LINUX_EINVAL;
    int err = async_prepare(task->kernel);
    struct aio_poll *p = err ? NULL : poll_new(task, all, c, cb, addr, file, resfd);
    if (!p)
        return -LINUX_EAGAIN;
    // Woken from here on; nobody else can end it before it is on the list.
    uint32_t ready = file_poll(file, &p->table) & p->wanted;
    err = p->too_many ? -LINUX_EINVAL : aio_take_room(all, c);
    if (err) {
        leave_queues(p);
        poll_put(p);
        return err;
    }
    atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
    lock_acquire(&all->lock);
    c->refs++;
    list_add_tail(&c->polls, &p->link);
    lock_release(&all->lock);
    if (!ready)
        ready = look_again(p); // a wake-up before that found nothing to end
    if (ready)
        fulfil(p, ready);
    poll_put(p);
    return 0;
}

bool aio_poll_cancel(struct aio_contexts *all, struct aio_context *c, uaddr_t addr)
{
    struct aio_poll *p, *found = NULL;
    lock_acquire(&all->lock);
    list_for_each (p, &c->polls, link)
        if (!found && p->event->event.obj == addr)
            found = p;
    if (found)
        become_event(found, 0);
    lock_release(&all->lock);
    if (found)
        let_go(found);
    return found;
}

void aio_poll_end(struct aio_contexts *all, struct aio_context *c)
{
    lock_acquire(&all->lock);
    while (!list_empty(&c->polls)) {
        struct aio_poll *p = list_first(&c->polls, struct aio_poll, link);
        list_remove(&p->link);
        lock_release(&all->lock);
        let_go(p);
        lock_acquire(&all->lock);
    }
    lock_release(&all->lock);
}
