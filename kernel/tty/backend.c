// Terminals whose far end is outside the guest: a host terminal, an app's view. See tty.h.
#include "fs/cred.h"
#include "kernel/tty/tty_state.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/poll.h"
#include <stdio.h>
#include <stdlib.h>

enum { OUT = LINUX_POLLOUT | LINUX_POLLWRNORM };

// The terminal's far_private; guarded by the terminal's lock unless immutable.
struct backend {
    struct tty_backend ops; // immutable
    bool calling;           // output is running
    unsigned others;        // other callbacks that are running
    bool refused;           // it took less than it was given
    uint32_t ready_count;   // calls of tty_backend_ready()
    struct cond changed;    // calling, refused, output or far_open changed
};

static struct backend *backend_of(const struct tty *tty)
{
    return tty->far_private;
}

// Hands output over, on the thread of whoever made it. One thread at a time; what others add
// meanwhile goes with it.
static void backend_output(struct tty *tty)
{
    struct backend *b = backend_of(tty);
    struct tty_due due = {0};
    tty_lock(tty);
    if (b->calling) {
        lock_release(&tty->lock);
        return;
    }
    while (byte_queue_used(&tty->output) && !b->refused && tty->far_open) {
        uint8_t bytes[4096];
        uint32_t before = b->ready_count, tail = tty->output.tail;
        const uint8_t *piece;
        size_t n = byte_queue_peek(&tty->output, sizeof bytes, &piece);
        memcpy(bytes, piece, n);
        b->calling = true;
        lock_release(&tty->lock);
        size_t taken = b->ops.output(b->ops.context, bytes, n);
        tty_lock(tty);
        b->calling = false;
        taken = taken < n ? taken : n;
        if (tty->output.tail == tail) // else it was flushed meanwhile
            byte_queue_drop(&tty->output, taken);
        b->refused = taken < n && b->ready_count == before;
        tty_move_echo(tty, &due);
        tty_wake_writers(tty);
    }
    cond_broadcast(&b->changed);
    lock_release(&tty->lock);
}

// The other callbacks may run at the same time as output, and as each other.
static void call(struct tty *tty, void (*callback)(void *context))
{
    struct backend *b = backend_of(tty);
    tty_lock(tty);
    bool open = tty->far_open && callback;
    b->others += open;
    lock_release(&tty->lock);
    if (!open)
        return;
    callback(b->ops.context);
    tty_lock(tty);
    b->others--;
    cond_broadcast(&b->changed);
    lock_release(&tty->lock);
}

static void backend_near_closed(struct tty *tty)
{
    call(tty, backend_of(tty)->ops.closed);
}

static void backend_input_room(struct tty *tty)
{
    call(tty, backend_of(tty)->ops.input_ready);
}

static void backend_attention(struct tty *tty)
{
    call(tty, backend_of(tty)->ops.attention);
}

static void backend_destroy(struct tty *tty)
{
    struct backend *b = backend_of(tty);
    cond_destroy(&b->changed);
    free(b);
}

static const struct tty_far backend_far = {
    .output = backend_output,
    .near_closed = backend_near_closed,
    .input_room = backend_input_room,
    .attention = backend_attention,
    .destroy = backend_destroy,
};

int tty_backend_create(struct kernel *kernel, const struct tty_backend *ops,
                       const struct linux_winsize *size, struct tty **out)
{
    struct backend *b = calloc(1, sizeof *b);
    struct cred *cred = cred_create_root();
    int err = b && cred ? 0 : -LINUX_ENOMEM;
    struct tty *tty = NULL;
    if (!err) {
        b->ops = *ops;
        cond_init(&b->changed);
        err = tty_create(kernel, &backend_far, b, cred, &tty);
        if (err)
            cond_destroy(&b->changed);
    }
    cred_put(cred);
    if (err) {
        free(b);
        return err;
    }
    tty->winsize = *size;
    devpts_set_console(tty);
    *out = tty;
    return 0;
}

ssize_t tty_backend_input(struct tty *tty, const void *bytes, size_t count)
{
    struct tty_due due = {0};
    size_t done = 0, put;
    tty_lock(tty);
    bool open = tty->far_open;
    do {
        put = open ? byte_queue_put(&tty->typed, (const uint8_t *)bytes + done, count - done) : 0;
        done += put;
        if (put)
            tty_take_typed(tty, &due);
    } while (put && done < count);
    tty->far_refused = open && done < count;
    tty_unlock(tty, &due);
    return open ? (ssize_t)done : -LINUX_EIO;
}

void tty_backend_ready(struct tty *tty)
{
    struct backend *b = backend_of(tty);
    tty_lock(tty);
    b->ready_count++;
    b->refused = false;
    lock_release(&tty->lock);
    backend_output(tty);
}

int tty_backend_resize(struct tty *tty, const struct linux_winsize *size)
{
    return tty_resize(tty, size);
}

void tty_backend_hangup(struct tty *tty)
{
    struct backend *b = backend_of(tty);
    tty_far_close(tty);
    tty_lock(tty);
    cond_broadcast(&b->changed);
    lock_release(&tty->lock);
}

void tty_backend_drain(struct tty *tty)
{
    struct backend *b = backend_of(tty);
    tty_lock(tty);
    while (tty->far_open && (b->calling || byte_queue_used(&tty->output)))
        cond_wait(&b->changed, &tty->lock, COND_FOREVER);
    lock_release(&tty->lock);
}

void tty_backend_end(struct tty *tty)
{
    struct backend *b = backend_of(tty);
    tty_backend_hangup(tty);
    tty_lock(tty);
    while (b->calling || b->others)
        cond_wait(&b->changed, &tty->lock, COND_FOREVER);
    lock_release(&tty->lock);
}

int tty_backend_open(struct tty *tty, const struct cred *cred, struct file **out)
{
    char name[32];
    snprintf(name, sizeof name, "/dev/pts/%u", tty->index);
    struct inode *inode = devpts_inode_get(tty);
    if (!inode)
        return -LINUX_EIO;
    atomic_store_explicit(&inode->uid, cred->fsuid, memory_order_relaxed);
    int err = vfs_open_inode(tty->kernel->vfs, inode, LINUX_O_RDWR, cred, name, out);
    inode_put(inode);
    return err;
}
