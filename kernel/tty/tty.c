// The terminal itself: how bytes move between the far end, the discipline and the near files, and
// what is due after that. See tty_state.h.
#include "kernel/signal.h"
#include "kernel/tty/tty_state.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/poll.h"
#include "platform/abi/signal.h"
#include "platform/clock.h"
#include <stdlib.h>

enum {
    NEAR_IN = LINUX_POLLIN | LINUX_POLLRDNORM,
    NEAR_OUT = LINUX_POLLOUT | LINUX_POLLWRNORM,
};

static void tell_attention(struct timer *timer)
{
    struct tty *tty = CONTAINER_OF(timer, struct tty, attention_timer);
    struct kernel *kernel = tty->kernel;
    tty->far->attention(tty);
    tty_put(tty);
    tty_timer_end(kernel);
}

int tty_create(struct kernel *kernel, const struct tty_far *far, void *far_private,
               const struct cred *cred, struct tty **out)
{
    struct tty *tty = calloc(1, sizeof *tty);
    if (!tty)
        return -LINUX_ENOMEM;
    atomic_init(&tty->refs, 1);
    tty->kernel = kernel;
    tty->far = far;
    tty->far_private = far_private;
    wait_queue_init(&tty->near_wait);
    wait_queue_init(&tty->far_wait);
    async_list_init(&tty->near_told);
    async_list_init(&tty->far_told);
    lock_init(&tty->lock, LOCK_RANK_TTY);
    timer_init(&tty->attention_timer, tell_attention);
    ldisc_init(&tty->ldisc);
    tty->far_open = true;
    int64_t now = (int64_t)clock_realtime_ns();
    atomic_init(&tty->read_time, now);
    atomic_init(&tty->write_time, now);
    int err = devpts_add(tty, cred);
    if (err) {
        tty->far = NULL;
        tty_put(tty);
        return err;
    }
    *out = tty;
    return 0;
}

void tty_note_attention(struct tty *tty)
{
    if (tty->attention || !tty->far->attention || !tty->far_open)
        return;
    tty->attention = true;
    tty_get(tty);
    tty_timer_begin(tty);
    timer_arm(tty->kernel->timers, &tty->attention_timer, 0);
}

struct tty *tty_get(struct tty *tty)
{
    atomic_fetch_add_explicit(&tty->refs, 1, memory_order_relaxed);
    return tty;
}

void tty_put(struct tty *tty)
{
    if (!tty || atomic_fetch_sub_explicit(&tty->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (tty->far && tty->far->destroy)
        tty->far->destroy(tty);
    wait_queue_destroy(&tty->near_wait);
    wait_queue_destroy(&tty->far_wait);
    lock_destroy(&tty->lock);
    free(tty);
}

void tty_far_close(struct tty *tty)
{
    struct tty_due due = {0};
    tty_lock(tty);
    bool was_open = tty->far_open;
    tty->far_open = false;
    byte_queue_clear(&tty->typed);
    tty_unlock(tty, &due);
    if (!was_open)
        return;
    // Whoever waits on the near side looks before the count moves: a read that was waiting ends
    // with EIO, one that starts later with an end of file.
    tty_hangup(tty);
    devpts_remove(tty);
}

void tty_unlock(struct tty *tty, struct tty_due *due)
{
    struct pgrp *foreground = NULL;
    if (due->signals && tty->foreground)
        foreground = pgrp_get(tty->foreground);
    lock_release(&tty->lock);
    for (int signo = 1; foreground && signo <= LINUX_NSIG; signo++) {
        if (due->signals & signal_bit(signo))
            signal_kernel_pgrp(foreground, signo);
    }
    pgrp_put(foreground);
    if (due->output)
        tty->far->output(tty);
    if (due->near_closed)
        tty->far->near_closed(tty);
    if (due->input_room)
        tty->far->input_room(tty);
    *due = (struct tty_due){0};
}

// --- Packet mode ---------------------------------------------------------------------------------

void tty_note_packet(struct tty *tty, uint8_t set, uint8_t clear)
{
    if (!tty->packet)
        return;
    tty->packet_status = (uint8_t)((tty->packet_status & ~clear) | set);
    wait_queue_wake(&tty->far_wait, LINUX_POLLPRI | NEAR_IN, false);
}

void tty_wake_writers(struct tty *tty)
{
    wait_queue_wake(&tty->near_wait, NEAR_OUT, false);
    if (tty->near_short)
        async_tell(tty->kernel, &tty->near_told, LINUX_POLL_OUT);
    tty->near_short = false;
}

void tty_flush_output(struct tty *tty)
{
    if (tty->far->buffer)
        byte_queue_shorten(&tty->output, tty->far->buffer);
    else
        byte_queue_clear(&tty->output); // who is handing bytes over sees it by the tail
    tty_note_packet(tty, LINUX_TIOCPKT_FLUSHWRITE, 0);
    tty_wake_writers(tty);
}

void tty_flush_input(struct tty *tty)
{
    ldisc_flush_input(&tty->ldisc);
    tty_note_packet(tty, LINUX_TIOCPKT_FLUSHREAD, 0);
}

// --- Input ---------------------------------------------------------------------------------------

void tty_note_events(struct tty *tty, unsigned events, struct tty_due *due)
{
    if (events & LDISC_INTR)
        due->signals |= signal_bit(LINUX_SIGINT);
    if (events & LDISC_QUIT)
        due->signals |= signal_bit(LINUX_SIGQUIT);
    if (events & LDISC_SUSP)
        due->signals |= signal_bit(LINUX_SIGTSTP);
    if (events & LDISC_FLUSHED) {
        tty_note_packet(tty, LINUX_TIOCPKT_FLUSHREAD, 0);
        tty_flush_output(tty);
    }
    if (events & LDISC_STOPPED)
        tty_note_packet(tty, LINUX_TIOCPKT_STOP, LINUX_TIOCPKT_START);
    if (events & LDISC_STARTED) {
        tty_note_packet(tty, LINUX_TIOCPKT_START, LINUX_TIOCPKT_STOP);
        tty_wake_writers(tty);
    }
    if (events & LDISC_READABLE) {
        wait_queue_wake(&tty->near_wait, NEAR_IN, false);
        async_tell(tty->kernel, &tty->near_told, LINUX_POLL_IN);
    }
}

// Gives the discipline what the far end sent, as far as it takes it.
void tty_take_typed(struct tty *tty, struct tty_due *due)
{
    bool took = false;
    while (byte_queue_used(&tty->typed)) {
        const uint8_t *bytes;
        unsigned events;
        size_t n = byte_queue_peek(&tty->typed, BYTE_QUEUE_SIZE, &bytes);
        n = ldisc_receive(&tty->ldisc, bytes, n, &events);
        byte_queue_drop(&tty->typed, n);
        tty_note_events(tty, events, due);
        tty_move_echo(tty, due);
        if (!n)
            break;
        took = true;
    }
    if (!took)
        return;
    wait_queue_wake(&tty->far_wait, NEAR_OUT, false);
    due->input_room |= tty->far_refused;
    tty->far_refused = false;
}

// --- Output --------------------------------------------------------------------------------------

static void queue_output(struct tty *tty, const uint8_t *bytes, size_t n, struct tty_due *due)
{
    if (!n)
        return;
    byte_queue_put(&tty->output, bytes, n);
    due->output = true;
}

void tty_move_echo(struct tty *tty, struct tty_due *due)
{
    uint8_t bytes[256];
    while (!tty->ldisc.stopped && ldisc_echo_pending(&tty->ldisc)) {
        size_t room = byte_queue_room(&tty->output);
        if (!room)
            break;
        size_t n = room < sizeof bytes ? room : sizeof bytes;
        queue_output(tty, bytes, ldisc_echo_take(&tty->ldisc, bytes, n), due);
    }
}

// Processes and queues output; returns the bytes taken, which is 0 while it is held.
size_t tty_put_output(struct tty *tty, const uint8_t *bytes, size_t n, struct tty_due *due)
{
    size_t taken = 0;
    tty_move_echo(tty, due);
    while (taken < n && !tty->ldisc.stopped && !ldisc_echo_pending(&tty->ldisc)) {
        uint8_t processed[512];
        size_t room = byte_queue_room(&tty->output), made;
        room = room < sizeof processed ? room : sizeof processed;
        size_t eaten = ldisc_output(&tty->ldisc, bytes + taken, n - taken, processed, room, &made);
        queue_output(tty, processed, made, due);
        taken += eaten;
        if (!eaten)
            break;
    }
    return taken;
}
