// The master side of a pty: /dev/ptmx. Authority: pty(7), pts(4), ioctl_tty(2).
#include "kernel/fd.h"
#include "kernel/task.h"
#include "kernel/tty/tty_state.h"
#include "kernel/wait.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/poll.h"
#include "platform/abi/signal.h"
#include <stdio.h>
#include <stdlib.h>

enum {
    IN = LINUX_POLLIN | LINUX_POLLRDNORM,
    OUT = LINUX_POLLOUT | LINUX_POLLWRNORM,
};

static struct tty *master_tty(const struct file *file)
{
    return ((struct tty_file *)file->private)->tty;
}

// --- The far end's view of events ----------------------------------------------------------------

static void master_output(struct tty *tty)
{
    wait_queue_wake(&tty->far_wait, IN, false);
    async_tell(tty->kernel, &tty->far_told, LINUX_POLL_IN);
}

static void master_near_closed(struct tty *tty)
{
    wait_queue_wake(&tty->far_wait, 0, false);
}

static const struct tty_far master_far = {
    .output = master_output,
    .near_closed = master_near_closed,
    .buffer = 4096, // a line discipline's, as the master has one in Linux
};

// --- Transfers -----------------------------------------------------------------------------------

// Bytes for the reader: a packet-mode status byte, or output. 0: nothing yet.
static size_t take_output(struct tty *tty, uint8_t *bytes, size_t n)
{
    if (tty->packet && tty->packet_status) {
        bytes[0] = tty->packet_status;
        tty->packet_status = 0;
        return 1;
    }
    if (!byte_queue_used(&tty->output))
        return 0;
    size_t head = 0;
    if (tty->packet)
        bytes[head++] = LINUX_TIOCPKT_DATA;
    size_t got = head + byte_queue_take(&tty->output, bytes + head, n - head);
    tty_wake_writers(tty);
    return got;
}

// Queues the task at the first call, sleeps at later ones. The lock is released meanwhile.
static int master_sleep(struct tty *tty, struct task_waiter *w, bool *queued, struct task *task,
                        uint32_t events, struct tty_due *due) NO_TSA
{
    int err = 0;
    tty_unlock(tty, due);
    if (!*queued)
        task_waiter_add(w, task, &tty->far_wait, events | LINUX_POLLHUP);
    else
        err = task_wait(task, WAIT_FOREVER, WAIT_INTERRUPTIBLE);
    *queued = true;
    tty_lock(tty);
    return err;
}

static ssize_t master_read(struct file *file, struct iter *it, uint64_t *pos)
{
    struct tty *tty = master_tty(file);
    struct task_waiter w;
    struct tty_due due = {0};
    bool queued = false;
    uint8_t bytes[4096];
    size_t n = 0, want = it->left < sizeof bytes ? it->left : sizeof bytes;
    int err = 0;
    if (!want)
        return 0;
    tty_lock(tty);
    while (!err && !(n = take_output(tty, bytes, want))) {
        if (tty->near_left)
            err = -LINUX_EIO;
        else if (tty_nonblock(file, it))
            err = -LINUX_EAGAIN;
        else
            err = master_sleep(tty, &w, &queued, it->task, IN, &due);
    }
    if (n)
        tty_move_echo(tty, &due);
    tty_unlock(tty, &due);
    if (queued)
        task_waiter_remove(&w);
    if (err)
        return err;
    size_t copied = it->ops->copy_out(it, bytes, n);
    return copied ? (ssize_t)copied : -LINUX_EFAULT;
}

static ssize_t master_write(struct file *file, struct iter *it, uint64_t *pos)
{
    struct tty *tty = master_tty(file);
    struct task_waiter w;
    struct tty_due due = {0};
    bool queued = false;
    size_t total = 0;
    int err = 0;
    while (!err && it->left) {
        uint8_t bytes[2048];
        size_t want = it->left < sizeof bytes ? it->left : sizeof bytes;
        size_t n = it->ops->copy_in(it, bytes, want), done = 0;
        if (n < want) { // nothing of this piece
            err = -LINUX_EFAULT;
            break;
        }
        tty_lock(tty);
        for (;;) {
            size_t put = tty->far_held ? 0 : byte_queue_put(&tty->typed, bytes + done, n - done);
            done += put;
            if (put)
                tty_take_typed(tty, &due);
            if (done == n)
                break;
            if (put)
                continue;
            err = tty_nonblock(file, it) ? -LINUX_EAGAIN
                                         : master_sleep(tty, &w, &queued, it->task, OUT, &due);
            if (err)
                break;
        }
        tty_unlock(tty, &due);
        total += done;
        if (!err && it->left && it->task && task_signal_pending(it->task))
            err = -ERESTARTSYS;
    }
    if (queued)
        task_waiter_remove(&w);
    return total || !err ? (ssize_t)total : err;
}

static uint32_t master_poll(struct file *file, struct poll_table *table)
{
    struct tty *tty = master_tty(file);
    uint32_t events = 0;
    poll_wait(table, file, &tty->far_wait);
    tty_lock(tty);
    if (byte_queue_used(&tty->output))
        events |= IN;
    if (tty->packet && tty->packet_status)
        events |= IN | LINUX_POLLPRI;
    if (tty->near_left)
        events |= LINUX_POLLHUP;
    if (!tty->far_held && byte_queue_room(&tty->typed))
        events |= OUT;
    lock_release(&tty->lock);
    return events;
}

// --- ioctls --------------------------------------------------------------------------------------

// A new descriptor of the near side, whatever its name is in the caller's tree.
static int64_t open_peer(struct tty *tty, struct task *task, uint64_t flags)
{
    char name[32];
    snprintf(name, sizeof name, "/dev/pts/%u", tty->index);
    struct file *file;
    tty_lock(tty);
    bool exclusive = tty->exclusive;
    lock_release(&tty->lock);
    if (exclusive && !task_capable(task, LINUX_CAP_SYS_ADMIN))
        return -LINUX_EBUSY;
    bool noctty = flags & LINUX_O_NOCTTY;
    struct inode *inode = devpts_inode_get(tty);
    if (!inode)
        return -LINUX_EIO;
    int err = vfs_open_inode(task->kernel->vfs, inode, (unsigned)flags, task->cred, name, &file);
    inode_put(inode);
    if (err)
        return err;
    if (!noctty && (flags & LINUX_O_ACCMODE) != LINUX_O_WRONLY)
        tty_acquire_at_open(tty, task);
    return fd_install(task, file, 0, flags & LINUX_O_CLOEXEC);
}

static int set_locked(struct tty *tty, struct task *task, uint64_t arg)
{
    int32_t value;
    if (user_get(task, arg, &value))
        return -LINUX_EFAULT;
    tty_lock(tty);
    tty->locked = value;
    lock_release(&tty->lock);
    return 0;
}

static int set_packet(struct tty *tty, struct task *task, uint64_t arg)
{
    int32_t value;
    if (user_get(task, arg, &value))
        return -LINUX_EFAULT;
    tty_lock(tty);
    if (value && !tty->packet)
        tty->packet_status = 0;
    tty->packet = value;
    lock_release(&tty->lock);
    return 0;
}

static int send_signal(struct tty *tty, uint64_t signo)
{
    if (signo != LINUX_SIGINT && signo != LINUX_SIGQUIT && signo != LINUX_SIGTSTP)
        return -LINUX_EINVAL;
    struct tty_due due = {.signals = signal_bit((int)signo)};
    tty_lock(tty);
    tty_unlock(tty, &due);
    return 0;
}

static int get_flag(struct tty *tty, struct task *task, uint64_t arg, const bool *flag)
{
    tty_lock(tty);
    int32_t value = *flag;
    lock_release(&tty->lock);
    return user_put(task, arg, &value);
}

static int64_t master_ioctl(struct file *file, struct task *task, uint32_t cmd, uint64_t arg)
{
    struct tty *tty = master_tty(file);
    switch (cmd) {
    case LINUX_TIOCGPTN:
        return user_put(task, arg, &tty->index);
    case LINUX_TIOCSPTLCK:
        return set_locked(tty, task, arg);
    case LINUX_TIOCGPTLCK:
        return get_flag(tty, task, arg, &tty->locked);
    case LINUX_TIOCGPTPEER:
        return open_peer(tty, task, arg);
    case LINUX_TIOCPKT:
        return set_packet(tty, task, arg);
    case LINUX_TIOCGPKT:
        return get_flag(tty, task, arg, &tty->packet);
    case LINUX_TIOCSIG:
        return send_signal(tty, arg);
    default:
        return tty_common_ioctl(tty, file, task, cmd, arg, false);
    }
}

static int master_set_async(struct file *file, struct task *task, int fd, bool on)
{
    return tty_set_async(file, task, fd, on, &master_tty(file)->far_told);
}

static void master_release(struct file *file)
{
    struct tty_file *f = file->private;
    if (!f)
        return;
    tty_far_close(f->tty);
    tty_put(f->tty);
    free(f);
}

static const struct file_ops master_ops = {
    .traits = FILE_SPLICE,
    .read = master_read,
    .write = master_write,
    .poll = master_poll,
    .ioctl = master_ioctl,
    .set_async = master_set_async,
    .release = master_release,
};

int pty_open_master(struct inode *inode, struct file *file, const struct vfs_caller *c,
                    void *context)
{
    struct tty *tty;
    int err = tty_create(context, &master_far, NULL, c->cred, &tty);
    if (err)
        return err;
    tty_lock(tty);
    tty->locked = true;
    lock_release(&tty->lock);
    err = tty_file_attach(file, tty, &master_ops);
    if (err)
        tty_far_close(tty);
    tty_put(tty); // the file has its own
    return err;
}
