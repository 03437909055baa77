// System calls about the machine as a whole.
#include "platform/abi/system.h"
#include "kernel/cred.h"
#include "kernel/kernel.h"
#include "kernel/ns.h"
#include "kernel/pid_ns.h"
#include "kernel/process.h"
#include "kernel/syscall_handlers.h"
#include "kernel/task.h"
#include "kernel/task_internal.h"
#include "kernel/version.h"
#include "kernel/wait.h"
#include "platform/abi/linux_errno.h"
#include "platform/clock.h"
#include "platform/random.h"
#include <stdio.h>
#include <string.h>

int64_t sys_uname(struct task *task, uaddr_t buf)
{
    struct linux_utsname u = {.sysname = KERNEL_SYSNAME,
                              .release = KERNEL_RELEASE,
                              .version = KERNEL_VERSION,
                              .machine = KERNEL_MACHINE};
    lock_acquire(&task->kernel->tasklist);
    memcpy(u.nodename, task->ns->uts->nodename, sizeof u.nodename);
    memcpy(u.domainname, task->ns->uts->domainname, sizeof u.domainname);
    lock_release(&task->kernel->tasklist);
    return user_put(task, buf, &u);
}

static int64_t set_uts_name(struct task *task, char field[LINUX_UTS_LENGTH + 1], uaddr_t name,
                            int32_t len)
{
    char text[LINUX_UTS_LENGTH + 1] = {0};
    if (!cred_capable_in(task->cred, task->ns->uts->base.owner, LINUX_CAP_SYS_ADMIN))
        return -LINUX_EPERM;
    if (len < 0 || len > LINUX_UTS_LENGTH)
        return -LINUX_EINVAL;
    if (user_read(task, name, text, (size_t)len))
        return -LINUX_EFAULT;
    lock_acquire(&task->kernel->tasklist);
    memcpy(field, text, sizeof text);
    lock_release(&task->kernel->tasklist);
    return 0;
}

int64_t sys_sethostname(struct task *task, uaddr_t name, int32_t len)
{
    return set_uts_name(task, task->ns->uts->nodename, name, len);
}

int64_t sys_setdomainname(struct task *task, uaddr_t name, int32_t len)
{
    return set_uts_name(task, task->ns->uts->domainname, name, len);
}

int64_t sys_sysinfo(struct task *task, uaddr_t info)
{
    struct kernel *kernel = task->kernel;
    uint64_t total = frame_pool_limit(kernel->frames), used = frame_pool_used(kernel->frames);
    lock_acquire(&kernel->tasklist);
    unsigned tasks = kernel->task_count;
    lock_release(&kernel->tasklist);
    struct linux_sysinfo s = {
        .uptime = (int64_t)(clock_boottime_ns() / NSEC_PER_SEC),
        .totalram = total,
        .freeram = used < total ? total - used : 0,
        .procs = (uint16_t)tasks,
        .mem_unit = 1,
    };
    return user_put(task, info, &s);
}

int64_t sys_getrandom(struct task *task, uaddr_t buf, uint64_t count, uint32_t flags)
{
    enum { CHUNK = 256 };
    if (flags & ~(uint32_t)(LINUX_GRND_NONBLOCK | LINUX_GRND_RANDOM | LINUX_GRND_INSECURE) ||
        (flags & (LINUX_GRND_RANDOM | LINUX_GRND_INSECURE)) ==
            (LINUX_GRND_RANDOM | LINUX_GRND_INSECURE))
        return -LINUX_EINVAL;
    if (count > INT32_MAX)
        count = INT32_MAX;
    uint64_t done = 0;
    while (done < count) {
        uint8_t bytes[CHUNK];
        size_t n = count - done < CHUNK ? (size_t)(count - done) : CHUNK;
        random_bytes(bytes, n);
        size_t copied = user_write_partial(task, buf + done, bytes, n);
        done += copied;
        if (copied < n)
            return done ? (int64_t)done : -LINUX_EFAULT;
        // A large request can be interrupted once it has something to return.
        if (done < count && atomic_load_explicit(&task->work_pending, memory_order_relaxed))
            break;
    }
    return (int64_t)done;
}

static bool valid_reboot_magic(int32_t magic1, int32_t magic2)
{
    return (uint32_t)magic1 == LINUX_REBOOT_MAGIC1 &&
           (magic2 == LINUX_REBOOT_MAGIC2 || magic2 == LINUX_REBOOT_MAGIC2A ||
            magic2 == LINUX_REBOOT_MAGIC2B || magic2 == LINUX_REBOOT_MAGIC2C);
}

// A namespace of processes ends when its first one is killed; whoever waits for that one is told
// what was asked for.
static int64_t reboot_pid_ns(struct task *task, uint32_t cmd)
{
    static const struct siginfo kill = {.signo = LINUX_SIGKILL, .code = LINUX_SI_KERNEL};
    struct kernel *kernel = task->kernel;
    struct pid_ns *ns = task->pid_ns;
    bool again = cmd == LINUX_REBOOT_CMD_RESTART || cmd == LINUX_REBOOT_CMD_RESTART2;
    if (!again && cmd != LINUX_REBOOT_CMD_HALT && cmd != LINUX_REBOOT_CMD_POWER_OFF)
        return -LINUX_EINVAL;
    lock_acquire(&kernel->tasklist);
    if (ns)
        ns->reboot = again ? LINUX_SIGHUP : LINUX_SIGINT;
    struct process *first = pid_ns_reaper(kernel, ns);
    if (first)
        (void)signal_send_process(first->leader, &kill);
    lock_release(&kernel->tasklist);
    task->exiting = true;
    task->exit_status = 0;
    return 0;
}

// The machine is the process: what ends it ends the first process, as in a namespace.
int64_t sys_reboot(struct task *task, int32_t magic1, int32_t magic2, uint32_t cmd, uaddr_t arg)
{
    char command[256];
    const struct user_ns *owner = task->pid_ns ? task->pid_ns->base.owner : NULL;
    if (!cred_capable_in(task->cred, owner, LINUX_CAP_SYS_BOOT))
        return -LINUX_EPERM;
    if (!valid_reboot_magic(magic1, magic2))
        return -LINUX_EINVAL;
    if (!task->pid_ns) {
        if (cmd == LINUX_REBOOT_CMD_CAD_ON || cmd == LINUX_REBOOT_CMD_CAD_OFF)
            return 0;
        ssize_t n =
            cmd == LINUX_REBOOT_CMD_RESTART2 ? user_string(task, arg, command, sizeof command) : 0;
        if (n < 0 && n != -LINUX_ENAMETOOLONG)
            return n;
    }
    return reboot_pid_ns(task, cmd);
}

// Until there is something in the log, which there never is.
static int wait_for_ever(struct task *task)
{
    int err;
    do
        err = task_wait(task, WAIT_FOREVER, WAIT_INTERRUPTIBLE);
    while (!err);
    return err;
}

// The log of the kernel, in which nothing is ever written: what ish has to say goes to its own log,
// not to the guest.
int64_t sys_syslog(struct task *task, int32_t type, uaddr_t buf, int32_t len)
{
    enum {
        CLOSE,
        OPEN,
        READ,
        READ_ALL,
        READ_CLEAR,
        CLEAR,
        CONSOLE_OFF,
        CONSOLE_ON,
        CONSOLE_LEVEL,
        SIZE_UNREAD,
        SIZE_BUFFER
    };
    enum { BUFFER_SIZE = 1 << 17, LEVEL_MAX = 8 };
    if (type != READ_ALL && type != SIZE_BUFFER && !task_capable(task, LINUX_CAP_SYSLOG) &&
        !task_capable(task, LINUX_CAP_SYS_ADMIN))
        return -LINUX_EPERM;
    switch (type) {
    case READ:
    case READ_ALL:
    case READ_CLEAR:
        if (!buf || len < 0)
            return -LINUX_EINVAL;
        if (type == READ && len > 0)
            return wait_for_ever(task);
        return 0;
    case CONSOLE_LEVEL:
        return len < 1 || len > LEVEL_MAX ? -LINUX_EINVAL : 0;
    case SIZE_BUFFER:
        return BUFFER_SIZE;
    case CLOSE:
    case OPEN:
    case CLEAR:
    case CONSOLE_OFF:
    case CONSOLE_ON:
    case SIZE_UNREAD:
        return 0;
    default:
        return -LINUX_EINVAL;
    }
}
