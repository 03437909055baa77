// The library: terminals with a front end outside the guest. Layer 5.
#include "kernel/api_internal.h"
#include "kernel/tty/tty.h"
#include "platform/abi/linux_errno.h"
#include <stdlib.h>

int ish_terminal_create(ish_kernel *k, const ish_terminal_config *given, ish_terminal **out)
{
    ish_terminal_config config;
    if (!api_copy_sized(&config, sizeof config, given, given->size) || !config.output)
        return -LINUX_EINVAL;
    struct ish_terminal *t = calloc(1, sizeof *t);
    if (!t)
        return -LINUX_ENOMEM;
    const struct tty_backend backend = {
        .output = config.output,
        .input_ready = config.input_ready,
        .attention = config.attention,
        .closed = config.closed,
        .context = config.context,
    };
    const struct linux_winsize size = {config.rows, config.columns, config.pixel_width,
                                       config.pixel_height};
    int err = -LINUX_ESRCH;
    if (api_enter(k)) {
        err = tty_backend_create(k->kernel, &backend, &size, &t->tty);
        if (!err) {
            t->owner = api_get(k);
            lock_acquire(&k->lock);
            list_add_tail(&k->terminals, &t->link);
            lock_release(&k->lock);
        }
        api_leave(k);
    }
    if (err) {
        free(t);
        return err;
    }
    *out = t;
    return 0;
}

ptrdiff_t ish_terminal_input(ish_terminal *t, const void *bytes, size_t count)
{
    if (!api_enter(t->owner))
        return -LINUX_EIO;
    ptrdiff_t n = tty_backend_input(t->tty, bytes, count);
    api_leave(t->owner);
    return n;
}

int ish_terminal_resize(ish_terminal *t, uint16_t rows, uint16_t columns, uint16_t pixel_width,
                        uint16_t pixel_height)
{
    const struct linux_winsize size = {rows, columns, pixel_width, pixel_height};
    if (!api_enter(t->owner))
        return -LINUX_EIO;
    int err = tty_backend_resize(t->tty, &size);
    api_leave(t->owner);
    return err;
}

void ish_terminal_output_ready(ish_terminal *t)
{
    if (!api_enter(t->owner))
        return;
    tty_backend_ready(t->tty);
    api_leave(t->owner);
}

void ish_terminal_drain(ish_terminal *t)
{
    if (!api_enter(t->owner))
        return;
    tty_backend_drain(t->tty);
    api_leave(t->owner);
}

void ish_terminal_hangup(ish_terminal *t)
{
    if (!api_enter(t->owner))
        return;
    tty_backend_hangup(t->tty);
    api_leave(t->owner);
}

void ish_terminal_release(ish_terminal *t)
{
    if (!t)
        return;
    struct ish_kernel *k = t->owner;
    if (api_enter(k)) {
        tty_backend_end(t->tty);
        api_leave(k);
    } else {
        lock_acquire(&k->lock); // destruction ends the terminal
        while (k->kernel)
            cond_wait(&k->changed, &k->lock, COND_FOREVER);
        lock_release(&k->lock);
    }
    lock_acquire(&k->lock);
    list_remove(&t->link);
    lock_release(&k->lock);
    tty_put(t->tty);
    api_put(k);
    free(t);
}

void api_end_terminals(struct ish_kernel *k)
{
    // Nobody enters any more, so the list only shrinks by releases that began earlier; each step
    // starts over.
    for (;;) {
        struct tty *tty = NULL;
        struct ish_terminal *t;
        lock_acquire(&k->lock);
        list_for_each (t, &k->terminals, link) {
            if (!t->ended) {
                t->ended = true;
                tty = tty_get(t->tty);
                break;
            }
        }
        lock_release(&k->lock);
        if (!tty)
            break;
        tty_backend_end(tty);
        tty_put(tty);
    }
}
