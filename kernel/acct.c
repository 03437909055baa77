#include "kernel/acct.h"
#include "kernel/file.h"
#include "kernel/kernel.h"
#include "kernel/mm.h"
#include "kernel/process.h"
#include "kernel/syscall_handlers.h"
#include "kernel/task.h"
#include "platform/abi/capability.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/clock.h"
#include <string.h>

enum {
    ACCT_VERSION = 3,
    FLAG_FORKED = 1,     // and never ran another program
    FLAG_CORE = 8,       // left a core
    FLAG_SIGNALLED = 16, // was ended by a signal
    TICKS = 100,         // a second
};

// struct acct_v3 of linux/acct.h.
struct acct_record {
    uint8_t flag, version;
    uint16_t tty;
    uint32_t exit_code, uid, gid, pid, ppid, begin_s;
    float elapsed_ticks;
    uint16_t user_ticks, system_ticks, memory_kib, io, rw, minor_faults, major_faults, swaps;
    char comm[16];
};
_Static_assert(sizeof(struct acct_record) == 64, "struct acct_v3");

// A number of 13 bits times a power of eight, rounded.
static uint16_t compress(uint64_t value)
{
    const uint64_t most = 0x1fff;
    unsigned exponent = 0;
    bool round = false;
    while (value > most) {
        round = value & 4;
        value >>= 3;
        exponent++;
    }
    if (round && ++value > most) {
        value >>= 3;
        exponent++;
    }
    return (uint16_t)(exponent << 13 | value);
}

static uint64_t ticks(uint64_t ns)
{
    return ns / (NSEC_PER_SEC / TICKS);
}

static struct file *acct_file(struct kernel *kernel)
{
    lock_acquire(&kernel->tasklist);
    struct file *file = kernel->acct ? file_get(kernel->acct) : NULL;
    lock_release(&kernel->tasklist);
    return file;
}

static void fill(struct task *task, struct acct_record *out)
{
    struct process *p = task->process;
    struct cpu_times now;
    struct mm_usage memory;
    task_cpu_times(task, &now);
    mm_usage_get(task->mm, &memory);
    lock_acquire(&p->lock);
    int32_t status = p->group_exit ? p->exit_status : task->exit_status;
    lock_release(&p->lock);
    lock_acquire(&task->kernel->tasklist);
    struct usage all = p->dead_threads;
    uint64_t age = clock_monotonic_ns() - p->leader->start_ns;
    const struct task *parent = p->leader->real_parent;
    uint32_t ppid = parent ? (uint32_t)parent->tgid : 0;
    bool forked = !p->execed;
    lock_release(&task->kernel->tasklist);
    uint64_t begin = (clock_realtime_ns() - age) / NSEC_PER_SEC;
    *out = (struct acct_record){
        .flag = (uint8_t)((forked ? FLAG_FORKED : 0) | (status & 0x80 ? FLAG_CORE : 0) |
                          (status & 0x7f ? FLAG_SIGNALLED : 0)),
        .version = ACCT_VERSION,
        .exit_code = (uint32_t)status,
        .uid = task->cred->uid,
        .gid = task->cred->gid,
        .pid = (uint32_t)task->tgid,
        .ppid = ppid,
        .begin_s = (uint32_t)begin,
        .elapsed_ticks = (float)ticks(age),
        .user_ticks = compress(ticks(all.user_ns + now.user_ns)),
        .system_ticks = compress(ticks(all.system_ns + now.system_ns)),
        .memory_kib = compress(memory.virtual_size / 1024),
        .minor_faults = compress(all.min_faults + atomic_load(&task->min_faults)),
        .major_faults = compress(all.maj_faults + atomic_load(&task->maj_faults)),
    };
    task_comm_get(task, out->comm);
}

void acct_process(struct task *task)
{
    struct file *file = acct_file(task->kernel);
    if (!file)
        return;
    struct acct_record record;
    struct iter it;
    fill(task, &record);
    iter_kernel(&it, &record, sizeof record);
    if (file_write(file, &it, NULL) != (ssize_t)sizeof record)
        log_printf(&task->kernel->log, LOG_WARN, "a record of process %d found no room",
                   task->tgid);
    file_put(file);
}

static void replace(struct kernel *kernel, struct file *file)
{
    lock_acquire(&kernel->tasklist);
    struct file *old = kernel->acct;
    kernel->acct = file;
    lock_release(&kernel->tasklist);
    file_put(old);
}

void acct_destroy(struct kernel *kernel)
{
    file_put(kernel->acct);
    kernel->acct = NULL;
}

int64_t sys_acct(struct task *task, uaddr_t path)
{
    if (!task_capable(task, LINUX_CAP_SYS_PACCT) || task->pid_ns)
        return -LINUX_EPERM;
    if (!path) {
        replace(task->kernel, NULL);
        return 0;
    }
    struct file_at at;
    struct file *file;
    int err = file_at_begin(task, LINUX_AT_FDCWD, path, false, &at);
    if (err)
        return err;
    err = vfs_open(&at.caller, at.base.path, at.name,
                   LINUX_O_WRONLY | LINUX_O_APPEND | LINUX_O_LARGEFILE, 0, 0, &file);
    file_at_end(&at);
    if (err)
        return err;
    if (!file->inode || !LINUX_S_ISREG(file->inode->type)) {
        file_put(file);
        return -LINUX_EACCES;
    }
    replace(task->kernel, file);
    return 0;
}
