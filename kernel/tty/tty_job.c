// Job control: which session a terminal controls, which group is in the foreground, who may use it.
// Authority: credentials(7), ioctl_tty(2), setpgid(2), POSIX.1 chapter 11.
#include "kernel/pid_ns.h"
#include "kernel/process.h"
#include "kernel/syscall_handlers.h"
#include "kernel/task.h"
#include "kernel/tty/tty_state.h"
#include "kernel/wait.h"
#include "platform/abi/capability.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"

// --- The terminal of a session -------------------------------------------------------------------

struct tty *task_tty_get(struct task *task)
{
    if (atomic_load_explicit(&task->process->without_tty, memory_order_relaxed))
        return NULL;
    struct session *session = task_session_get(task);
    lock_acquire(&session->lock);
    struct tty *tty = session->tty ? tty_get(session->tty) : NULL;
    lock_release(&session->lock);
    session_put(session);
    return tty;
}

static bool controls(struct tty *tty, struct task *task)
{
    struct tty *own = task_tty_get(task);
    tty_put(own); // only compared from here on
    return own == tty;
}

void tty_of_task(struct task *task, uint64_t *device, int32_t *foreground_pgid)
{
    *device = 0;
    *foreground_pgid = -1;
    struct tty *tty = task_tty_get(task);
    if (!tty)
        return;
    *device = vfs_makedev(LINUX_UNIX98_PTY_SLAVE_MAJOR, tty->index);
    tty_lock(tty);
    if (tty->foreground)
        *foreground_pgid = tty->foreground->pgid;
    lock_release(&tty->lock);
    tty_put(tty);
}

// Joins session and terminal if both are free. With the session's lock held.
static int join_session(struct tty *tty, struct session *session, struct pgrp *foreground)
{
    int err = -LINUX_EPERM;
    tty_lock(tty);
    if (!tty->far_open) {
        err = -LINUX_EIO;
    } else if (!tty->session && session->leader && !session->tty) {
        tty->session = session_get(session);
        tty->foreground = pgrp_get(foreground);
        session->tty = tty_get(tty);
        err = 0;
    }
    lock_release(&tty->lock);
    return err;
}

static int join_task(struct tty *tty, struct task *task)
{
    if (!task_leads_session(task))
        return -LINUX_EPERM;
    struct session *session = task_session_get(task);
    struct pgrp *pgrp = task_pgrp_get(task), *left = NULL;
    lock_acquire(&session->lock);
    int err = join_session(tty, session, pgrp);
    if (!err) {
        left = session->left_pgrp;
        session->left_pgrp = NULL;
    }
    lock_release(&session->lock);
    pgrp_put(left);
    pgrp_put(pgrp);
    session_put(session);
    return err;
}

void tty_acquire_at_open(struct tty *tty, struct task *task)
{
    int err = join_task(tty, task);
    (void)err; // most openers lead no session or have a terminal: they just do not get this one
}

// Takes session and terminal apart, if they still belong together. Returns the group that was in
// the foreground, referenced, or NULL.
static struct pgrp *part(struct session *session, struct tty *tty)
{
    struct pgrp *foreground = NULL;
    bool parted = false;
    lock_acquire(&session->lock);
    tty_lock(tty);
    if (session->tty == tty) {
        foreground = tty->foreground;
        session->tty = NULL;
        tty->session = NULL;
        tty->foreground = NULL;
        parted = true;
    }
    lock_release(&tty->lock);
    lock_release(&session->lock);
    if (parted) {
        session_put(session);
        tty_put(tty);
    }
    return foreground;
}

// The session's leader, referenced; NULL when it has exited.
static struct task *leader_get(struct session *session)
{
    lock_acquire(&session->lock);
    struct process *process = session->leader ? process_get(session->leader) : NULL;
    lock_release(&session->lock);
    if (!process)
        return NULL;
    struct task *task = process_leader_get(process);
    process_put(process);
    return task;
}

// The terminal went away under its session: the leader hears of it now, the group that was in the
// foreground when the leader exits.
static void hang_up_session(struct session *session, struct pgrp *foreground)
{
    struct pgrp *old = foreground;
    lock_acquire(&session->lock);
    if (session->leader) {
        old = session->left_pgrp;
        session->left_pgrp = foreground;
    }
    lock_release(&session->lock);
    pgrp_put(old);
    struct task *leader = leader_get(session);
    if (!leader)
        return;
    signal_kernel_process(leader, LINUX_SIGHUP);
    signal_kernel_process(leader, LINUX_SIGCONT);
    task_put(leader);
}

void tty_leave_session(struct tty *tty, bool hangup)
{
    tty_lock(tty);
    struct session *session = tty->session ? session_get(tty->session) : NULL;
    lock_release(&tty->lock);
    if (!session)
        return;
    struct pgrp *foreground = part(session, tty);
    if (hangup)
        hang_up_session(session, foreground);
    else
        pgrp_put(foreground);
    session_put(session);
}

void tty_hangup(struct tty *tty)
{
    struct tty_due due = {0};
    tty_lock(tty);
    tty->hangups++;
    async_dissolve(tty->kernel, &tty->near_told);
    wait_queue_wake(&tty->near_wait, 0, false);
    tty_unlock(tty, &due);
    tty_leave_session(tty, true);
}

int64_t sys_vhangup(struct task *task)
{
    if (!task_capable(task, LINUX_CAP_SYS_TTY_CONFIG))
        return -LINUX_EPERM;
    struct tty *tty = task_tty_get(task);
    if (tty)
        tty_hangup(tty);
    tty_put(tty);
    return 0;
}

// The leader gives the terminal up. `exiting`: because it ends, and the foreground group is not
// continued.
static void leader_leaves(struct session *session, bool exiting)
{
    lock_acquire(&session->lock);
    struct tty *tty = session->tty ? tty_get(session->tty) : NULL;
    struct pgrp *left = exiting ? session->left_pgrp : NULL;
    if (exiting)
        session->left_pgrp = NULL;
    lock_release(&session->lock);
    struct pgrp *foreground = tty ? part(session, tty) : NULL;
    if (foreground) {
        signal_kernel_pgrp(foreground, LINUX_SIGHUP);
        if (!exiting)
            signal_kernel_pgrp(foreground, LINUX_SIGCONT);
    } else if (left) {
        signal_kernel_pgrp(left, LINUX_SIGHUP);
        signal_kernel_pgrp(left, LINUX_SIGCONT);
    }
    pgrp_put(left);
    pgrp_put(foreground);
    tty_put(tty);
}

void tty_leader_exit(struct task *task, struct session *session)
{
    leader_leaves(session, true);
}

// --- Who may use it ------------------------------------------------------------------------------

int tty_check_change(struct tty *tty, struct task *task, int signo)
{
    if (!controls(tty, task))
        return 0;
    struct pgrp *pgrp = task_pgrp_get(task);
    tty_lock(tty);
    bool background = tty->foreground && tty->foreground != pgrp;
    lock_release(&tty->lock);
    int err = 0;
    if (!background) {
        err = 0;
    } else if (signal_blocked_or_ignored(task, signo)) {
        // It may write and change, but a read would steal the foreground's input.
        err = signo == LINUX_SIGTTIN ? -LINUX_EIO : 0;
    } else if (pgrp_orphaned(pgrp)) {
        err = -LINUX_EIO;
    } else {
        signal_kernel_pgrp(pgrp, signo);
        err = -ERESTARTSYS;
    }
    pgrp_put(pgrp);
    return err;
}

// --- ioctls --------------------------------------------------------------------------------------

int tty_set_controlling(struct tty *tty, struct task *task)
{
    return join_task(tty, task);
}

static bool has_already(struct tty *tty, struct task *task)
{
    return task_leads_session(task) && controls(tty, task);
}

// `steal`: 1 takes the terminal away from another session, with CAP_SYS_ADMIN.
static int set_controlling(struct tty *tty, struct file *file, struct task *task, uint64_t steal)
{
    if (has_already(tty, task))
        return 0;
    bool admin = task_capable(task, LINUX_CAP_SYS_ADMIN);
    struct tty *own = task_tty_get(task);
    tty_put(own);
    if (own || !task_leads_session(task))
        return -LINUX_EPERM;
    bool reads = (atomic_load(&file->flags) & LINUX_O_ACCMODE) != LINUX_O_WRONLY;
    if (!reads && !admin)
        return -LINUX_EPERM;
    int err = join_task(tty, task);
    if (err == -LINUX_EPERM && steal == 1 && admin) {
        tty_leave_session(tty, false);
        err = join_task(tty, task);
    }
    return err;
}

static int give_up(struct tty *tty, struct task *task)
{
    if (!controls(tty, task))
        return -LINUX_ENOTTY;
    if (!task_leads_session(task)) {
        atomic_store_explicit(&task->process->without_tty, true, memory_order_relaxed);
        return 0;
    }
    struct session *session = task_session_get(task);
    leader_leaves(session, false);
    session_put(session);
    return 0;
}

static int get_foreground(struct tty *tty, struct task *task, uint64_t arg, bool near)
{
    if (near && !controls(tty, task))
        return -LINUX_ENOTTY;
    tty_lock(tty);
    int32_t pgid = tty->foreground ? tty->foreground->pgid : 0;
    lock_release(&tty->lock);
    pgid = pid_seen(task, pgid);
    return user_put(task, arg, &pgid);
}

static int get_session(struct tty *tty, struct task *task, uint64_t arg, bool near)
{
    if (near && !controls(tty, task))
        return -LINUX_ENOTTY;
    tty_lock(tty);
    int32_t sid = tty->session ? tty->session->sid : 0;
    lock_release(&tty->lock);
    if (!sid)
        return -LINUX_ENOTTY;
    sid = pid_seen(task, sid);
    return user_put(task, arg, &sid);
}

static int set_foreground(struct tty *tty, struct task *task, uint64_t arg)
{
    int32_t pgid;
    int err = tty_check_change(tty, task, LINUX_SIGTTOU);
    if (err)
        return err == -LINUX_EIO ? -LINUX_ENOTTY : err;
    if (user_get(task, arg, &pgid))
        return -LINUX_EFAULT;
    if (pgid < 0)
        return -LINUX_EINVAL;
    bool own = controls(tty, task);
    struct session *session = task_session_get(task);
    struct pgrp *pgrp = pgrp_find(task->kernel, pid_arg(task, pgid)), *old = NULL;
    tty_lock(tty);
    if (tty->session != session || !own)
        err = -LINUX_ENOTTY;
    else if (!pgrp)
        err = -LINUX_ESRCH;
    else if (pgrp->session != session)
        err = -LINUX_EPERM;
    if (!err) {
        old = tty->foreground;
        tty->foreground = pgrp_get(pgrp);
    }
    lock_release(&tty->lock);
    pgrp_put(old);
    pgrp_put(pgrp);
    session_put(session);
    return err;
}

int64_t tty_job_ioctl(struct tty *tty, struct file *file, struct task *task, uint32_t cmd,
                      uint64_t arg, bool near)
{
    switch (cmd) {
    case LINUX_TIOCSCTTY:
        return set_controlling(tty, file, task, arg);
    case LINUX_TIOCNOTTY:
        return near ? give_up(tty, task) : -LINUX_ENOTTY;
    case LINUX_TIOCGPGRP:
        return get_foreground(tty, task, arg, near);
    case LINUX_TIOCSPGRP:
        return set_foreground(tty, task, arg);
    case LINUX_TIOCGSID:
        return get_session(tty, task, arg, near);
    default:
        return -LINUX_ENOTTY;
    }
}
