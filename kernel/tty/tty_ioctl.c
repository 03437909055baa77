// What both sides of a terminal answer alike: modes, window size, flushing. Authority:
// ioctl_tty(2).
#include "kernel/task.h"
#include "kernel/tty/tty_state.h"
#include "kernel/user.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/poll.h"

// --- Speeds --------------------------------------------------------------------------------------
// They mean nothing here, but a program reads back what it set, in either form.

// By the low bits of CBAUD, first without CBAUDEX, then with it.
static const uint32_t speeds[2][16] = {
    {0, 50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19200, 38400},
    {0, 57600, 115200, 230400, 460800, 500000, 576000, 921600, 1000000, 1152000, 1500000, 2000000,
     2500000, 3000000, 3500000, 4000000},
};

// `given`: the value for BOTHER, the code that says "as in the number".
static uint32_t speed_of(uint32_t code, uint32_t given)
{
    if (code == LINUX_BOTHER)
        return given;
    return speeds[code & LINUX_CBAUDEX ? 1 : 0][code & 15];
}

static void fill_speeds(struct linux_termios2 *tio)
{
    uint32_t in = tio->c_cflag >> LINUX_IBSHIFT & LINUX_CBAUD;
    tio->c_ospeed = speed_of(tio->c_cflag & LINUX_CBAUD, tio->c_ospeed);
    tio->c_ispeed = in ? speed_of(in, tio->c_ispeed) : tio->c_ospeed;
}

// --- Modes ---------------------------------------------------------------------------------------

// The part of struct termio in `tio`; the rest stays.
static void from_termio(struct linux_termios2 *tio, const struct linux_termio *old)
{
    const uint32_t low = 0xffff;
    tio->c_iflag = (tio->c_iflag & ~low) | old->c_iflag;
    tio->c_oflag = (tio->c_oflag & ~low) | old->c_oflag;
    tio->c_cflag = (tio->c_cflag & ~low) | old->c_cflag;
    tio->c_lflag = (tio->c_lflag & ~low) | old->c_lflag;
    tio->c_line = old->c_line;
    memcpy(tio->c_cc, old->c_cc, sizeof old->c_cc);
}

static void to_termio(struct linux_termio *out, const struct linux_termios2 *tio)
{
    *out = (struct linux_termio){
        .c_iflag = (uint16_t)tio->c_iflag,
        .c_oflag = (uint16_t)tio->c_oflag,
        .c_cflag = (uint16_t)tio->c_cflag,
        .c_lflag = (uint16_t)tio->c_lflag,
        .c_line = tio->c_line,
    };
    memcpy(out->c_cc, tio->c_cc, sizeof out->c_cc);
}

enum termios_form { FORM_TERMIO, FORM_TERMIOS, FORM_TERMIOS2 };

static struct linux_termios2 current_modes(struct tty *tty)
{
    tty_lock(tty);
    struct linux_termios2 tio = tty->ldisc.termios;
    lock_release(&tty->lock);
    return tio;
}

static int get_modes(struct tty *tty, struct task *task, uint64_t arg, enum termios_form form)
{
    struct linux_termios2 tio = current_modes(tty);
    struct linux_termio old;
    switch (form) {
    case FORM_TERMIO:
        to_termio(&old, &tio);
        return user_put(task, arg, &old);
    case FORM_TERMIOS:
        return user_write(task, arg, &tio, sizeof(struct linux_termios));
    case FORM_TERMIOS2:
        break;
    }
    return user_put(task, arg, &tio);
}

// Flow control by ^S and ^Q, which a packet-mode master may then do at its own end.
static bool usual_flow(const struct linux_termios2 *tio)
{
    return tio->c_iflag & LINUX_IXON && tio->c_cc[LINUX_VSTOP] == 023 &&
           tio->c_cc[LINUX_VSTART] == 021;
}

static void note_mode_packet(struct tty *tty, const struct linux_termios2 *old,
                             const struct linux_termios2 *now)
{
    if ((old->c_lflag | now->c_lflag) & LINUX_EXTPROC)
        tty_note_packet(tty, LINUX_TIOCPKT_IOCTL, 0);
    if (usual_flow(old) != usual_flow(now))
        tty_note_packet(tty, usual_flow(now) ? LINUX_TIOCPKT_DOSTOP : LINUX_TIOCPKT_NOSTOP,
                        LINUX_TIOCPKT_DOSTOP | LINUX_TIOCPKT_NOSTOP);
}

static uint32_t unless_locked(uint32_t locked, uint32_t old, uint32_t asked)
{
    return (old & locked) | (asked & ~locked);
}

static void keep_locked(const struct linux_termios *locked, const struct linux_termios2 *old,
                        struct linux_termios2 *tio)
{
    tio->c_iflag = unless_locked(locked->c_iflag, old->c_iflag, tio->c_iflag);
    tio->c_oflag = unless_locked(locked->c_oflag, old->c_oflag, tio->c_oflag);
    tio->c_cflag = unless_locked(locked->c_cflag, old->c_cflag, tio->c_cflag);
    tio->c_lflag = unless_locked(locked->c_lflag, old->c_lflag, tio->c_lflag);
    if (locked->c_line)
        tio->c_line = old->c_line;
    for (size_t i = 0; i < ARRAY_LEN(tio->c_cc); i++)
        if (locked->c_cc[i])
            tio->c_cc[i] = old->c_cc[i];
}

// `flush`: TCSETSF. Output needs no waiting for: what was written is with the far end.
static int set_modes(struct tty *tty, struct task *task, uint64_t arg, enum termios_form form,
                     bool flush)
{
    int err = tty_check_change(tty, task, LINUX_SIGTTOU);
    if (err)
        return err;
    struct linux_termios2 tio = current_modes(tty);
    struct linux_termio old_form;
    if (form == FORM_TERMIO) {
        err = user_get(task, arg, &old_form);
        if (!err)
            from_termio(&tio, &old_form);
    } else {
        size_t size = form == FORM_TERMIOS ? sizeof(struct linux_termios) : sizeof tio;
        err = user_read(task, arg, &tio, size);
    }
    if (err)
        return err;
    fill_speeds(&tio);
    tio.c_cflag = (tio.c_cflag & ~(LINUX_CSIZE | LINUX_PARENB)) | LINUX_CS8 | LINUX_CREAD;
    struct tty_due due = {0};
    tty_lock(tty);
    if (flush)
        tty_flush_input(tty);
    tty_note_attention(tty);
    struct linux_termios2 old = tty->ldisc.termios;
    keep_locked(&tty->locked_modes, &old, &tio);
    tty_note_events(tty, ldisc_set_termios(&tty->ldisc, &tio), &due);
    note_mode_packet(tty, &old, &tio);
    tty_take_typed(tty, &due);
    tty_move_echo(tty, &due);
    tty_wake_writers(tty);
    tty_unlock(tty, &due);
    return 0;
}

static int lock_ioctl(struct tty *tty, struct task *task, uint32_t cmd, uint64_t arg)
{
    struct linux_termios locked;
    if (cmd == LINUX_TIOCSLCKTRMIOS) {
        if (!task_capable(task, LINUX_CAP_SYS_ADMIN))
            return -LINUX_EPERM;
        if (user_get(task, arg, &locked))
            return -LINUX_EFAULT;
    }
    tty_lock(tty);
    if (cmd == LINUX_TIOCSLCKTRMIOS)
        tty->locked_modes = locked;
    locked = tty->locked_modes;
    lock_release(&tty->lock);
    return cmd == LINUX_TIOCGLCKTRMIOS ? user_put(task, arg, &locked) : 0;
}

static int64_t modes_ioctl(struct tty *tty, struct task *task, uint32_t cmd, uint64_t arg)
{
    switch (cmd) {
    case LINUX_TCGETA:
        return get_modes(tty, task, arg, FORM_TERMIO);
    case LINUX_TCGETS:
        return get_modes(tty, task, arg, FORM_TERMIOS);
    case LINUX_TCGETS2:
        return get_modes(tty, task, arg, FORM_TERMIOS2);
    case LINUX_TCSETA:
    case LINUX_TCSETAW:
    case LINUX_TCSETAF:
        return set_modes(tty, task, arg, FORM_TERMIO, cmd == LINUX_TCSETAF);
    case LINUX_TCSETS:
    case LINUX_TCSETSW:
    case LINUX_TCSETSF:
        return set_modes(tty, task, arg, FORM_TERMIOS, cmd == LINUX_TCSETSF);
    case LINUX_TCSETS2:
    case LINUX_TCSETSW2:
    case LINUX_TCSETSF2:
        return set_modes(tty, task, arg, FORM_TERMIOS2, cmd == LINUX_TCSETSF2);
    case LINUX_TIOCGLCKTRMIOS:
    case LINUX_TIOCSLCKTRMIOS:
        return lock_ioctl(tty, task, cmd, arg);
    default:
        return -LINUX_ENOTTY;
    }
}

// --- Window size ---------------------------------------------------------------------------------

int tty_resize(struct tty *tty, const struct linux_winsize *size)
{
    struct tty_due due = {0};
    tty_lock(tty);
    if (memcmp(&tty->winsize, size, sizeof *size)) {
        tty->winsize = *size;
        due.signals = signal_bit(LINUX_SIGWINCH);
    }
    tty_unlock(tty, &due);
    return 0;
}

static int window_ioctl(struct tty *tty, struct task *task, uint32_t cmd, uint64_t arg)
{
    struct linux_winsize size;
    if (cmd == LINUX_TIOCSWINSZ)
        return user_get(task, arg, &size) ? -LINUX_EFAULT : tty_resize(tty, &size);
    tty_lock(tty);
    size = tty->winsize;
    lock_release(&tty->lock);
    return user_put(task, arg, &size);
}

// --- Flushing and holding ------------------------------------------------------------------------

// The master's input is what the near side wrote, and its output what that will read.
static int flush(struct tty *tty, struct task *task, uint64_t arg, bool near)
{
    int err = tty_check_change(tty, task, LINUX_SIGTTOU);
    if (err)
        return err;
    if (arg > LINUX_TCIOFLUSH)
        return -LINUX_EINVAL;
    bool in = arg != LINUX_TCOFLUSH, out = arg != LINUX_TCIFLUSH;
    struct tty_due due = {0};
    tty_lock(tty);
    if (near && in) {
        tty_flush_input(tty);
        byte_queue_clear(&tty->typed);
        due.input_room = tty->far_refused;
        tty->far_refused = false;
    }
    if (near && out)
        tty_flush_output(tty);
    if (!near && in)
        byte_queue_clear(&tty->output);
    if (!near && out)
        byte_queue_clear(&tty->typed);
    tty_wake_writers(tty);
    wait_queue_wake(&tty->far_wait, LINUX_POLLOUT | LINUX_POLLWRNORM, false);
    tty_unlock(tty, &due);
    return 0;
}

// Sends the far end a flow-control character of ours (TCIOFF, TCION).
static void send_flow(struct tty *tty, unsigned index, bool near, struct tty_due *due)
{
    uint8_t c = tty->ldisc.termios.c_cc[index];
    if (c == LINUX_VDISABLE)
        return;
    if (near) {
        due->output = byte_queue_put(&tty->output, &c, 1);
    } else {
        byte_queue_put(&tty->typed, &c, 1);
        tty_take_typed(tty, due);
    }
}

static void hold(struct tty *tty, bool held, bool near, struct tty_due *due)
{
    if (near) {
        tty_note_events(tty, ldisc_hold_output(&tty->ldisc, held), due);
        tty_move_echo(tty, due);
    } else {
        tty->far_held = held;
        wait_queue_wake(&tty->far_wait, LINUX_POLLOUT | LINUX_POLLWRNORM, false);
    }
}

static int flow(struct tty *tty, struct task *task, uint64_t arg, bool near)
{
    int err = tty_check_change(tty, task, LINUX_SIGTTOU);
    if (err)
        return err;
    struct tty_due due = {0};
    tty_lock(tty);
    switch (arg) {
    case LINUX_TCOOFF:
    case LINUX_TCOON:
        hold(tty, arg == LINUX_TCOOFF, near, &due);
        break;
    case LINUX_TCIOFF:
        send_flow(tty, LINUX_VSTOP, near, &due);
        break;
    case LINUX_TCION:
        send_flow(tty, LINUX_VSTART, near, &due);
        break;
    default:
        err = -LINUX_EINVAL;
    }
    tty_unlock(tty, &due);
    return err;
}

// --- The rest ------------------------------------------------------------------------------------

// As with the sysctl dev.tty.legacy_tiocsti off: only for CAP_SYS_ADMIN.
static int inject(struct tty *tty, struct task *task, uint64_t arg, bool near)
{
    uint8_t c;
    if (!task_capable(task, LINUX_CAP_SYS_ADMIN))
        return -LINUX_EIO;
    if (user_get(task, arg, &c))
        return -LINUX_EFAULT;
    struct tty_due due = {0};
    tty_lock(tty);
    if (near) {
        byte_queue_put(&tty->typed, &c, 1);
        tty_take_typed(tty, &due);
    } else {
        due.output = byte_queue_put(&tty->output, &c, 1); // what a master reads
    }
    tty_unlock(tty, &due);
    return 0;
}

static int put_int(struct task *task, uint64_t arg, int32_t value)
{
    return user_put(task, arg, &value);
}

static int count_ioctl(struct tty *tty, struct task *task, uint64_t arg, bool near)
{
    tty_lock(tty);
    size_t n = near ? ldisc_input_count(&tty->ldisc) : byte_queue_used(&tty->output);
    lock_release(&tty->lock);
    return put_int(task, arg, (int32_t)n);
}

static int exclusive_ioctl(struct tty *tty, struct task *task, uint32_t cmd, uint64_t arg)
{
    tty_lock(tty);
    bool was = tty->exclusive;
    if (cmd != LINUX_TIOCGEXCL)
        tty->exclusive = cmd == LINUX_TIOCEXCL;
    lock_release(&tty->lock);
    return cmd == LINUX_TIOCGEXCL ? put_int(task, arg, was) : 0;
}

// Only N_TTY, number 0, exists.
static int discipline_ioctl(struct tty *tty, struct task *task, uint32_t cmd, uint64_t arg)
{
    int32_t number = 0;
    if (cmd == LINUX_TIOCGETD)
        return put_int(task, arg, number);
    if (user_get(task, arg, &number))
        return -LINUX_EFAULT;
    int err = tty_check_change(tty, task, LINUX_SIGTTOU);
    return err ? err : number ? -LINUX_EINVAL : 0;
}

// A flag that is kept and means nothing: there is no carrier to watch.
static int set_carrier(struct tty *tty, struct task *task, uint64_t arg)
{
    int32_t on;
    if (user_get(task, arg, &on))
        return -LINUX_EFAULT;
    tty_lock(tty);
    struct linux_termios2 *tio = &tty->ldisc.termios;
    tio->c_cflag = (tio->c_cflag & ~LINUX_CLOCAL) | (on ? LINUX_CLOCAL : 0);
    lock_release(&tty->lock);
    return 0;
}

static int64_t other_ioctl(struct tty *tty, struct task *task, uint32_t cmd, uint64_t arg,
                           bool near)
{
    switch (cmd) {
    case LINUX_TCSBRK: // no line to break; output is with the far end already
    case LINUX_TCSBRKP:
    case LINUX_TIOCSBRK:
    case LINUX_TIOCCBRK:
        return tty_check_change(tty, task, LINUX_SIGTTOU);
    case LINUX_TIOCOUTQ:
        return put_int(task, arg, 0);
    case LINUX_TIOCSTI:
        return inject(tty, task, arg, near);
    case LINUX_TIOCGDEV:
        return put_int(task, arg, (int32_t)vfs_makedev(LINUX_UNIX98_PTY_SLAVE_MAJOR, tty->index));
    case LINUX_TIOCVHANGUP:
        if (!task_capable(task, LINUX_CAP_SYS_ADMIN))
            return -LINUX_EPERM;
        tty_hangup(tty);
        return 0;
    case LINUX_TIOCGSOFTCAR:
        return put_int(task, arg, current_modes(tty).c_cflag & LINUX_CLOCAL ? 1 : 0);
    case LINUX_TIOCSSOFTCAR:
        return set_carrier(tty, task, arg);
    default:
        return -LINUX_ENOTTY;
    }
}

int64_t tty_common_ioctl(struct tty *tty, struct file *file, struct task *task, uint32_t cmd,
                         uint64_t arg, bool near)
{
    switch (cmd) {
    case LINUX_TIOCSCTTY:
    case LINUX_TIOCNOTTY:
    case LINUX_TIOCGPGRP:
    case LINUX_TIOCSPGRP:
    case LINUX_TIOCGSID:
        return tty_job_ioctl(tty, file, task, cmd, arg, near);
    case LINUX_TIOCGWINSZ:
    case LINUX_TIOCSWINSZ:
        return window_ioctl(tty, task, cmd, arg);
    case LINUX_TCFLSH:
        return flush(tty, task, arg, near);
    case LINUX_TCXONC:
        return flow(tty, task, arg, near);
    case LINUX_FIONREAD:
        return count_ioctl(tty, task, arg, near);
    case LINUX_TIOCEXCL:
    case LINUX_TIOCNXCL:
    case LINUX_TIOCGEXCL:
        return exclusive_ioctl(tty, task, cmd, arg);
    case LINUX_TIOCGETD:
    case LINUX_TIOCSETD:
        return discipline_ioctl(tty, task, cmd, arg);
    default: {
        int64_t result = modes_ioctl(tty, task, cmd, arg);
        return result == -LINUX_ENOTTY ? other_ioctl(tty, task, cmd, arg, near) : result;
    }
    }
}
