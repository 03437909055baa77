#include "kernel/seccomp_notify.h"
#include "kernel/fd.h"
#include "kernel/pid_ns.h"
#include "kernel/task.h"
#include "kernel/user_struct.h"
#include "kernel/wait.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/poll.h"
#include <stdlib.h>
#include <string.h>

struct seccomp_notifier {
    _Atomic uint32_t refs;
    bool killable;    // immutable
    struct lock lock; // rank socket
    // Guarded by lock.
    struct list questions;
    uint64_t next_id;
    unsigned requests;   // questions that came and were not received; some may be withdrawn
    bool closed, unused; // the listener is gone; the filter is
    struct wait_queue queue;
};

enum question_state { ASKED, RECEIVED, ANSWERED };

// On the stack of who asks, in the list until the answer was taken; guarded by the notifier's lock.
struct question {
    struct list link;
    uint64_t id;
    struct task *task;
    const struct linux_seccomp_data *data;
    enum question_state state;
    int64_t value;
    int32_t error;
    uint32_t flags;
    struct list gifts;
};

// A descriptor on its way to who asked: on the stack of the giver, who waits until it is done.
// Guarded by the notifier's lock.
struct gift {
    struct list link; // in the question's list while it is OFFERED
    enum { OFFERED, TAKEN, DONE } state;
    struct task *giver;
    struct file *file; // borrowed
    struct linux_seccomp_notif_addfd args;
    int result;
};

static void notifier_put(struct seccomp_notifier *n)
{
    if (atomic_fetch_sub_explicit(&n->refs, 1, memory_order_acq_rel) != 1)
        return;
    wait_queue_destroy(&n->queue);
    lock_destroy(&n->lock);
    free(n);
}

void seccomp_notifier_unused(struct seccomp_notifier *n)
{
    lock_acquire(&n->lock);
    n->unused = true;
    lock_release(&n->lock);
    wait_queue_wake(&n->queue, 0, false);
    notifier_put(n);
}

bool seccomp_notifier_closed(struct seccomp_notifier *n)
{
    lock_acquire(&n->lock);
    bool closed = n->closed;
    lock_release(&n->lock);
    return closed;
}

static struct question *find_question(struct seccomp_notifier *n, uint64_t id)
{
    struct question *q;
    list_for_each (q, &n->questions, link)
        if (q->id == id)
            return q;
    return NULL;
}

// --- Who asks ------------------------------------------------------------------------------------

static void gift_done(struct gift *g, int result)
{
    g->state = DONE;
    g->result = result;
    task_wake(g->giver);
}

static int take_descriptor(struct task *task, const struct gift *g)
{
    bool cloexec = g->args.newfd_flags & LINUX_O_CLOEXEC;
    struct file *file = file_get(g->file);
    if (g->args.flags & LINUX_SECCOMP_ADDFD_FLAG_SETFD)
        return fd_install_at(task, file, (int)g->args.newfd, cloexec);
    return fd_install(task, file, 0, cloexec);
}

// Takes the gifts that have come, each without the lock.
static void take_gifts(struct seccomp_notifier *n, struct question *q) REQUIRES(n->lock)
{
    while (!list_empty(&q->gifts)) {
        struct gift *g = list_first(&q->gifts, struct gift, link);
        list_remove(&g->link);
        g->state = TAKEN;
        lock_release(&n->lock);
        int fd = take_descriptor(q->task, g);
        lock_acquire(&n->lock);
        if (g->args.flags & LINUX_SECCOMP_ADDFD_FLAG_SEND) {
            if (fd < 0) {
                q->state = RECEIVED;
            } else {
                q->flags = 0;
                q->error = 0;
                q->value = fd;
            }
        }
        gift_done(g, fd);
    }
}

static void refuse_gifts(struct question *q)
{
    while (!list_empty(&q->gifts)) {
        struct gift *g = list_first(&q->gifts, struct gift, link);
        list_remove(&g->link);
        gift_done(g, -LINUX_ESRCH);
    }
}

// Waits with the lock held but while sleeping. 0 or -ERESTARTSYS.
static int await_answer(struct task *task, struct seccomp_notifier *n, struct question *q)
    REQUIRES(n->lock)
{
    int err = 0;
    for (;;) {
        take_gifts(n, q);
        if (q->state == ANSWERED)
            return 0;
        bool killable = n->killable && q->state == RECEIVED;
        if (err && (!killable || err == -LINUX_EINTR))
            return -ERESTARTSYS;
        lock_release(&n->lock);
        err = task_wait(task, WAIT_FOREVER, killable ? WAIT_KILLABLE : WAIT_INTERRUPTIBLE);
        lock_acquire(&n->lock);
        if (err && killable)
            err = -LINUX_EINTR; // a fatal one
    }
}

enum seccomp_answer seccomp_notify(struct task *task, struct seccomp_notifier *n,
                                   const struct linux_seccomp_data *data, int64_t *result)
{
    struct question q = {.task = task, .data = data, .state = ASKED};
    list_init(&q.gifts);
    *result = -LINUX_ENOSYS;
    lock_acquire(&n->lock);
    if (n->closed) {
        lock_release(&n->lock);
        return SECCOMP_ANSWERED;
    }
    q.id = n->next_id++;
    list_add_tail(&n->questions, &q.link);
    n->requests++;
    wait_queue_wake(&n->queue, LINUX_POLLIN, false);
    int err = await_answer(task, n, &q);
    refuse_gifts(&q);
    list_remove(&q.link);
    lock_release(&n->lock);
    if (err) {
        *result = err;
        return SECCOMP_INTERRUPTED;
    }
    if (q.flags & LINUX_SECCOMP_USER_NOTIF_FLAG_CONTINUE)
        return SECCOMP_MAKE;
    *result = q.error ? q.error : q.value;
    return SECCOMP_ANSWERED;
}

// --- Who answers ---------------------------------------------------------------------------------

// Until a question comes; -LINUX_ENOENT when none will come any more, or it was withdrawn.
static int receive(struct task *task, struct seccomp_notifier *n, struct linux_seccomp_notif *out)
{
    struct task_waiter w;
    int err = 0;
    struct question *q = NULL, *each;
    task_waiter_add(&w, task, &n->queue, 0);
    lock_acquire(&n->lock);
    while (!n->requests && !n->unused && !err) {
        lock_release(&n->lock);
        err = task_wait(task, WAIT_FOREVER, WAIT_INTERRUPTIBLE);
        lock_acquire(&n->lock);
    }
    if (n->requests) {
        err = 0;
        n->requests--;
        list_for_each (each, &n->questions, link)
            if (!q && each->state == ASKED)
                q = each;
    }
    int32_t pid = 0;
    if (q) {
        *out = (struct linux_seccomp_notif){.id = q->id, .data = *q->data};
        pid = q->task->pid;
        q->state = RECEIVED;
        task_wake(q->task); // it may sleep in another way now
    } else if (!err) {
        err = -LINUX_ENOENT;
    }
    lock_release(&n->lock);
    task_waiter_remove(&w);
    if (q) {
        out->pid = (uint32_t)pid_seen(task, pid);
        wait_queue_wake(&n->queue, LINUX_POLLOUT, false);
    }
    return err == -ERESTARTSYS ? -LINUX_EINTR : err;
}

static int64_t notify_receive(struct task *task, struct seccomp_notifier *n, uaddr_t addr)
{
    struct linux_seccomp_notif out, zero = {0};
    if (user_get(task, addr, &out))
        return -LINUX_EFAULT;
    if (memcmp(&out, &zero, sizeof out) != 0)
        return -LINUX_EINVAL;
    int err = receive(task, n, &out);
    if (err || !user_put(task, addr, &out))
        return err;
    // It is not lost: the next one gets it, if it is still there.
    lock_acquire(&n->lock);
    struct question *q = find_question(n, out.id);
    if (q) {
        q->state = ASKED;
        n->requests++;
        task_wake(q->task);
    }
    lock_release(&n->lock);
    wait_queue_wake(&n->queue, LINUX_POLLIN, false);
    return -LINUX_EFAULT;
}

static int64_t notify_send(struct task *task, struct seccomp_notifier *n, uaddr_t addr)
{
    struct linux_seccomp_notif_resp r;
    if (user_get(task, addr, &r))
        return -LINUX_EFAULT;
    const uint32_t go_on = LINUX_SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    if (r.flags & ~go_on || (r.flags & go_on && (r.error || r.val)))
        return -LINUX_EINVAL;
    lock_acquire(&n->lock);
    struct question *q = find_question(n, r.id);
    int64_t result = !q ? -LINUX_ENOENT : q->state != RECEIVED ? -LINUX_EINPROGRESS : 0;
    if (!result) {
        q->state = ANSWERED;
        q->value = r.val;
        q->error = r.error;
        q->flags = r.flags;
        task_wake(q->task);
    }
    lock_release(&n->lock);
    return result;
}

static int64_t notify_id_valid(struct task *task, struct seccomp_notifier *n, uaddr_t addr)
{
    uint64_t id;
    if (user_get(task, addr, &id))
        return -LINUX_EFAULT;
    lock_acquire(&n->lock);
    const struct question *q = find_question(n, id);
    int64_t result = q && q->state == RECEIVED ? 0 : -LINUX_ENOENT;
    lock_release(&n->lock);
    return result;
}

// Offers a descriptor and waits until it is taken.
static int give(struct task *task, struct seccomp_notifier *n, struct gift *g)
{
    bool sends = g->args.flags & LINUX_SECCOMP_ADDFD_FLAG_SEND;
    lock_acquire(&n->lock);
    struct question *q = find_question(n, g->args.id);
    int err = 0;
    if (!q)
        err = -LINUX_ENOENT;
    else if (q->state != RECEIVED)
        err = -LINUX_EINPROGRESS;
    else if (sends && !list_empty(&q->gifts))
        err = -LINUX_EBUSY;
    if (!err) {
        if (sends)
            q->state = ANSWERED;
        list_add_tail(&q->gifts, &g->link);
        task_wake(q->task);
    }
    while (!err && g->state != DONE) {
        bool offered = g->state == OFFERED;
        lock_release(&n->lock);
        int woken =
            task_wait(task, WAIT_FOREVER, offered ? WAIT_INTERRUPTIBLE : WAIT_UNINTERRUPTIBLE);
        lock_acquire(&n->lock);
        if (woken && g->state == OFFERED) {
            list_remove(&g->link);
            if (sends)
                q->state = RECEIVED; // still there: it leaves only after it has seen its gifts
            err = -ERESTARTSYS;
        }
    }
    lock_release(&n->lock);
    return err ? err : g->result;
}

static int64_t notify_give(struct task *task, struct seccomp_notifier *n, uaddr_t addr,
                           uint64_t size)
{
    const uint32_t setfd = LINUX_SECCOMP_ADDFD_FLAG_SETFD, send = LINUX_SECCOMP_ADDFD_FLAG_SEND;
    struct gift g = {.state = OFFERED, .giver = task};
    if (size < LINUX_SECCOMP_ADDFD_SIZE_VER0 || size >= 4096)
        return -LINUX_EINVAL;
    int err =
        user_read_struct(task, addr, size, &g.args, sizeof g.args, LINUX_SECCOMP_ADDFD_SIZE_VER0);
    if (err)
        return err;
    if (g.args.newfd_flags & ~(uint32_t)LINUX_O_CLOEXEC || g.args.flags & ~(setfd | send) ||
        (g.args.newfd && !(g.args.flags & setfd)))
        return -LINUX_EINVAL;
    g.file = fd_get_io(task, (int)g.args.srcfd);
    if (!g.file)
        return -LINUX_EBADF;
    int result = give(task, n, &g);
    file_put(g.file);
    return result;
}

static int64_t notify_ioctl(struct file *file, struct task *task, uint32_t cmd, uint64_t arg)
{
    struct seccomp_notifier *n = file->private;
    switch (cmd) {
    case LINUX_SECCOMP_IOCTL_NOTIF_RECV:
        return notify_receive(task, n, arg);
    case LINUX_SECCOMP_IOCTL_NOTIF_SEND:
        return notify_send(task, n, arg);
    case LINUX_SECCOMP_IOCTL_NOTIF_ID_VALID:
    case LINUX_SECCOMP_IOCTL_NOTIF_ID_VALID_WRONG:
        return notify_id_valid(task, n, arg);
    }
    if ((cmd & 0xffff) == LINUX_SECCOMP_IOCTL_NOTIF_ADDFD)
        return notify_give(task, n, arg, cmd >> 16 & 0x3fff);
    return -LINUX_EINVAL;
}

static uint32_t notify_poll(struct file *file, struct poll_table *table)
{
    struct seccomp_notifier *n = file->private;
    const struct question *q;
    uint32_t ready = 0;
    poll_wait(table, file, &n->queue);
    lock_acquire(&n->lock);
    list_for_each (q, &n->questions, link) {
        if (q->state == ASKED)
            ready |= LINUX_POLLIN | LINUX_POLLRDNORM;
        else if (q->state == RECEIVED)
            ready |= LINUX_POLLOUT;
    }
    if (n->unused)
        ready |= LINUX_POLLHUP;
    lock_release(&n->lock);
    return ready;
}

// Whoever waits for an answer gets none.
static void notify_release(struct file *file)
{
    struct seccomp_notifier *n = file->private;
    struct question *q;
    lock_acquire(&n->lock);
    n->closed = true;
    list_for_each (q, &n->questions, link) {
        if (q->state == ANSWERED)
            continue;
        q->state = ANSWERED;
        q->error = -LINUX_ENOSYS;
        q->value = 0;
        q->flags = 0;
        task_wake(q->task);
    }
    lock_release(&n->lock);
    notifier_put(n);
}

static const struct file_ops notify_ops = {
    .ioctl = notify_ioctl, .poll = notify_poll, .release = notify_release};

int seccomp_notifier_create(bool killable, struct seccomp_notifier **out, struct file **file)
{
    struct seccomp_notifier *n = calloc(1, sizeof *n);
    if (!n)
        return -LINUX_ENOMEM;
    *file = file_create(&notify_ops, n, LINUX_O_RDWR, "anon_inode:seccomp notify");
    if (!*file) {
        free(n);
        return -LINUX_ENOMEM;
    }
    atomic_init(&n->refs, 2);
    n->killable = killable;
    lock_init(&n->lock, LOCK_RANK_SOCKET);
    list_init(&n->questions);
    wait_queue_init(&n->queue);
    n->next_id = 1;
    *out = n;
    return 0;
}
