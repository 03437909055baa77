// One terminal, as the files of kernel/tty/ share it. Not for anybody else.
//
// Locks: a session's lock, then the terminal's. Signals are sent and the far end is told with no
// lock held: what is due is noted in a tty_due while the lock is held, and tty_unlock() does it.
#ifndef KERNEL_TTY_TTY_STATE_H
#define KERNEL_TTY_TTY_STATE_H

#include "fs/vfs.h"
#include "kernel/async.h"
#include "kernel/group.h"
#include "kernel/timer.h"
#include "kernel/tty/byte_queue.h"
#include "kernel/tty/ldisc.h"
#include "kernel/tty/tty.h"
#include "platform/lock.h"
#include "platform/wait_queue.h"
#include <stdatomic.h>

// How the far end hears of things; no lock is held. All but the first two may be NULL.
struct tty_far {
    void (*output)(struct tty *tty);      // there is output to take
    void (*near_closed)(struct tty *tty); // the last near file was closed
    void (*input_room)(struct tty *tty);  // typed bytes are taken again (far_refused was set)
    void (*attention)(struct tty *tty);   // somebody waits for input or sets modes: told once
    void (*destroy)(struct tty *tty);     // the terminal is freed
    size_t buffer; // output that is the far end's already, though not taken: no flush finds it
};

struct tty {
    _Atomic uint32_t refs;
    struct kernel *kernel;     // immutable; gone once the far end is closed
    uint32_t index;            // immutable: N of /dev/pts/N
    const struct tty_far *far; // immutable
    void *far_private;         // immutable
    struct inode *inode;       // of devpts, referenced, NULL without; guarded by the tty_table lock
    struct wait_queue near_wait, far_wait;
    struct async_list near_told, far_told; // O_ASYNC
    struct timer attention_timer;          // while it is armed the terminal is referenced
    _Atomic int64_t read_time, write_time; // st_atime, st_mtime

    struct lock lock; // rank tty; guards the rest
    struct ldisc ldisc;
    struct byte_queue typed;           // sent by the far end, not yet seen by the discipline
    struct byte_queue output;          // processed, not yet taken by the far end
    struct linux_termios locked_modes; // a bit set, or a character not 0: it cannot be changed
    struct linux_winsize winsize;
    // Referenced, or both NULL. session->tty points back exactly as long.
    struct session *session;
    struct pgrp *foreground;
    uint32_t opens;   // near files
    uint32_t hangups; // near files made under a lower count are dead
    bool far_open;
    bool near_left;        // every near file was closed since the last open
    bool locked;           // TIOCSPTLCK: the near side cannot be opened
    bool exclusive;        // TIOCEXCL
    bool writing;          // a near write is under way; others wait for it
    bool near_short;       // a near write did not fit: when there is room, that is told
    bool far_held;         // TCXONC on the master: its writes wait
    bool far_refused;      // the far end waits to be told that typed bytes are taken again
    bool attention;        // somebody uses the terminal as one; the far end is or will be told
    bool packet;           // TIOCPKT
    uint8_t packet_status; // LINUX_TIOCPKT_* not yet read by the master
};

// file->private of both sides.
struct tty_file {
    struct tty *tty;  // referenced
    uint32_t hangups; // tty->hangups at open
};

// What is to happen after the lock is released.
struct tty_due {
    uint64_t signals; // for the foreground group, signal_bit()s
    bool output, near_closed, input_room;
};

static inline void tty_lock(struct tty *tty) ACQUIRES(&tty->lock)
{
    lock_acquire(&tty->lock);
}
void tty_unlock(struct tty *tty, struct tty_due *due) RELEASES(&tty->lock);

// A terminal with the far end open, one reference, and the next free number. The node in devpts
// belongs to `cred`'s user. `far_private` is the caller's again when it fails.
NODISCARD int tty_create(struct kernel *kernel, const struct tty_far *far, void *far_private,
                         const struct cred *cred, struct tty **out);
// The far end goes away for good: near files are dead, the session is hung up, the number is free.
void tty_far_close(struct tty *tty);

// All with tty->lock held.
void tty_take_typed(struct tty *tty, struct tty_due *due);
void tty_move_echo(struct tty *tty, struct tty_due *due);
void tty_note_events(struct tty *tty, unsigned ldisc_events, struct tty_due *due);
void tty_note_packet(struct tty *tty, uint8_t set, uint8_t clear);
// The far end should know that the terminal is used as one. It is told on the timer thread: poll
// comes here under locks of its callers.
void tty_note_attention(struct tty *tty);
void tty_flush_output(struct tty *tty);
void tty_flush_input(struct tty *tty);
size_t tty_put_output(struct tty *tty, const uint8_t *bytes, size_t n, struct tty_due *due);

static inline bool tty_file_dead(const struct tty_file *f)
{
    return f->hangups != f->tty->hangups;
}

// The file's own end of `tty` as an open file's private state.
NODISCARD int tty_file_attach(struct file *file, struct tty *tty, const struct file_ops *ops);

// --- tty_near.c: files of the near side
extern const struct file_ops tty_near_ops;
// Opens the near side through `file`. A session leader without a terminal gets this one unless
// `noctty`. -LINUX_EIO when it is locked or gone, -LINUX_EBUSY when it is exclusive.
NODISCARD int tty_near_open(struct tty *tty, struct file *file, struct task *task, bool noctty);
// The near side can write again. The lock is held.
void tty_wake_writers(struct tty *tty);
// O_ASYNC of either side: the owner is the foreground group, or the caller, if it has none yet.
NODISCARD int tty_set_async(struct file *file, struct task *task, int fd, bool on,
                            struct async_list *list);
// Does a blocking transfer of this file fail with EAGAIN instead?
bool tty_nonblock(const struct file *file, const struct iter *it);

// --- tty_job.c
// May the caller change or use the terminal now? If it is in the background its group gets
// `signo` and -ERESTARTSYS comes back; -LINUX_EIO when nobody could ever continue it.
NODISCARD int tty_check_change(struct tty *tty, struct task *task, int signo);
// Open of a terminal by a session leader without one.
void tty_acquire_at_open(struct tty *tty, struct task *task);
// Detaches whatever session the terminal controls. `hangup`: the leader gets SIGHUP and SIGCONT.
void tty_leave_session(struct tty *tty, bool hangup);
// Near files become dead and the session is hung up; the terminal can be opened again.
void tty_hangup(struct tty *tty);
// TIOCSCTTY, TIOCNOTTY, TIOCGPGRP, TIOCSPGRP, TIOCGSID. `near`: asked of the near side.
int64_t tty_job_ioctl(struct tty *tty, struct file *file, struct task *task, uint32_t cmd,
                      uint64_t arg, bool near);

// --- tty_ioctl.c: what both sides answer alike. -LINUX_ENOTTY for the rest.
int64_t tty_common_ioctl(struct tty *tty, struct file *file, struct task *task, uint32_t cmd,
                         uint64_t arg, bool near);
int tty_resize(struct tty *tty, const struct linux_winsize *size);

// --- pty.c
NODISCARD int pty_open_master(struct inode *inode, struct file *file, const struct vfs_caller *c,
                              void *context);

// --- devpts.c: numbers and nodes
enum { TTY_MAX = 4096 };
struct tty_table;
NODISCARD int devpts_add(struct tty *tty, const struct cred *cred); // sets tty->index, tty->inode
void devpts_remove(struct tty *tty);
struct inode *devpts_inode_get(struct tty *tty); // referenced; NULL once the far end is closed
// The oldest terminal with a far end outside the guest, referenced: /dev/console. NULL: none.
struct tty *devpts_console_get(struct kernel *kernel);
void devpts_set_console(struct tty *tty);
// Timers of terminals that have not fired yet, which tty_boot_done() waits for.
void tty_timer_begin(struct tty *tty);
void tty_timer_end(struct kernel *kernel);

#endif
