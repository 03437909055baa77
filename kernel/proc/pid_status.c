// /proc/PID/stat, status, limits, io.
#include "emu/features.h"
#include "kernel/fd.h"
#include "kernel/mm.h"
#include "kernel/proc/node.h"
#include "kernel/process.h"
#include "kernel/seccomp.h"
#include "kernel/task.h"
#include "kernel/tty/tty.h"
#include "kernel/usage.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/time.h"
#include "platform/clock.h"
#include <stdio.h>
#include <string.h>

static uint64_t ticks(uint64_t ns)
{
    return ns / (NSEC_PER_SEC / LINUX_USER_HZ);
}

// --- Signals of a task, copied under its locks ---------------------------------------------------

struct signal_sets {
    uint64_t pending, shared, blocked, ignored, caught;
    unsigned queued;
    uint64_t queue_limit;
};

static void get_signals(struct task *task, struct signal_sets *out)
{
    struct process *p = task->process;
    *out = (struct signal_sets){0};
    lock_acquire(&p->lock);
    out->pending = task->pending.set;
    out->shared = p->pending.set;
    out->blocked = task->blocked;
    out->queued = p->pending_count;
    out->queue_limit = p->rlimit[LINUX_RLIMIT_SIGPENDING].cur;
    if (p->sighand) {
        lock_acquire(&p->sighand->lock);
        for (int signo = 1; signo <= LINUX_NSIG; signo++) {
            uint64_t handler = p->sighand->action[signo].handler;
            if (handler == LINUX_SIG_IGN)
                out->ignored |= signal_bit(signo);
            else if (handler != LINUX_SIG_DFL)
                out->caught |= signal_bit(signo);
        }
        lock_release(&p->sighand->lock);
    }
    lock_release(&p->lock);
}

static void get_memory(struct task *task, struct mm_usage *usage, struct mm_layout *layout)
{
    memset(usage, 0, sizeof *usage);
    memset(layout, 0, sizeof *layout);
    struct mm *mm = task_mm_get(task);
    if (!mm)
        return;
    mm_usage_get(mm, usage);
    mm_layout_get(mm, layout);
    mm_put(mm);
}

// --- stat ----------------------------------------------------------------------------------------

static void show_times(struct proc_text *t, struct task *task, const struct proc_task_info *info)
{
    struct usage usage;
    process_usage(task->process, &usage);
    proc_printf(t, " %llu %llu %llu %llu %llu %llu %llu %llu", (unsigned long long)usage.min_faults,
                (unsigned long long)info->children_min_faults, (unsigned long long)usage.maj_faults,
                (unsigned long long)info->children_maj_faults,
                (unsigned long long)ticks(usage.user_ns),
                (unsigned long long)ticks(usage.system_ns),
                (unsigned long long)ticks(info->children_user_ns),
                (unsigned long long)ticks(info->children_system_ns));
}

static void show_numbers(struct proc_text *t, const uint64_t *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        proc_printf(t, " %llu", (unsigned long long)numbers[i]);
}

int proc_show_stat(struct proc_text *t, struct task *task, struct task *reader)
{
    enum { PRIORITY_NORMAL = 20 };
    struct proc_task_info info;
    struct signal_sets sigs;
    struct mm_usage memory;
    struct mm_layout layout;
    char comm[16];
    uint64_t tty;
    int32_t foreground;
    proc_task_info(task, reader, &info);
    get_signals(task, &sigs);
    get_memory(task, &memory, &layout);
    task_comm_get(task, comm);
    tty_of_task(task, &tty, &foreground);
    // Addresses are for those who could read the memory itself.
    if (!reader || !proc_may_access(reader->cred, reader, task))
        memset(&layout, 0, sizeof layout);
    proc_printf(t, "%d (%s) %c %d %d %d %llu %d %u", info.pid, comm, proc_state_letter(task),
                info.ppid, info.pgid, info.sid, (unsigned long long)tty, foreground, 0x400000u);
    show_times(t, task, &info);
    proc_printf(t, " %d %d %u 0", PRIORITY_NORMAL + task->nice, task->nice, info.threads);
    const uint64_t middle[] = {
        ticks(task->start_boot_ns),
        memory.virtual_size,
        memory.rss / FRAME_SIZE,
        task_rlimit(task, LINUX_RLIMIT_RSS),
        layout.start_code,
        layout.end_code,
        layout.start_stack,
        0, // stack pointer and program counter: not shown of a running task
        0,
        sigs.pending & 0x7fffffff,
        sigs.blocked & 0x7fffffff,
        sigs.ignored & 0x7fffffff,
        sigs.caught & 0x7fffffff,
        0, // wchan
        0,
        0,
    };
    show_numbers(t, middle, ARRAY_LEN(middle));
    proc_printf(t, " %d 0 %d %d 0 0 0", info.exit_signal, task->sched_priority, task->sched_policy);
    const uint64_t last[] = {
        layout.start_data, layout.end_data,  layout.start_brk, layout.arg_start,
        layout.arg_end,    layout.env_start, layout.env_end,
    };
    show_numbers(t, last, ARRAY_LEN(last));
    proc_printf(t, " %d\n", info.exit_status);
    return 0;
}

// --- status --------------------------------------------------------------------------------------

static const char *state_name(char letter)
{
    switch (letter) {
    case 'R':
        return "running";
    case 'S':
        return "sleeping";
    case 'D':
        return "disk sleep";
    case 'T':
        return "stopped";
    case 't':
        return "tracing stop";
    case 'Z':
        return "zombie";
    default:
        return "dead";
    }
}

static void show_identity(struct proc_text *t, struct task *task, struct task *reader)
{
    struct proc_task_info info;
    proc_task_info(task, reader, &info);
    char comm[16], state = proc_state_letter(task);
    task_comm_get(task, comm);
    proc_printf(t, "Name:\t%s\n", comm);
    struct fs_context *fs = task_fs_get(task);
    if (fs) {
        lock_acquire(&fs->lock);
        uint32_t umask = fs->umask;
        lock_release(&fs->lock);
        fs_context_put(fs);
        proc_printf(t, "Umask:\t%04o\n", umask);
    }
    proc_printf(t, "State:\t%c (%s)\nTgid:\t%d\nNgid:\t0\nPid:\t%d\nPPid:\t%d\nTracerPid:\t%d\n",
                state, state_name(state), info.tgid, info.pid, info.ppid, info.tracer);
    const struct cred *c = task_cred_get(task);
    struct fd_table *files = task_files_get(task);
    const struct user_ns *ns = reader ? reader->cred->user_ns : NULL;
    if (c)
        proc_printf(t, "Uid:\t%u\t%u\t%u\t%u\nGid:\t%u\t%u\t%u\t%u\n",
                    user_ns_show(ns, ID_UID, c->uid), user_ns_show(ns, ID_UID, c->euid),
                    user_ns_show(ns, ID_UID, c->suid), user_ns_show(ns, ID_UID, c->fsuid),
                    user_ns_show(ns, ID_GID, c->gid), user_ns_show(ns, ID_GID, c->egid),
                    user_ns_show(ns, ID_GID, c->sgid), user_ns_show(ns, ID_GID, c->fsgid));
    proc_printf(t, "FDSize:\t%u\nGroups:\t", files ? fd_table_size(files) : 0);
    for (uint32_t i = 0; c && i < c->group_count; i++)
        proc_printf(t, "%u ", user_ns_show(ns, ID_GID, c->groups[i]));
    proc_printf(t, "\nNStgid:\t%d\nNSpid:\t%d\nNSpgid:\t%d\nNSsid:\t%d\n", info.tgid, info.pid,
                info.pgid, info.sid);
    if (files)
        fd_table_put(files, NULL);
    if (c)
        cred_put(c);
}

static void show_memory(struct proc_text *t, struct task *task)
{
    struct mm *mm = task_mm_get(task);
    if (!mm)
        return;
    struct mm_usage m;
    mm_usage_get(mm, &m);
    mm_put(mm);
    const struct {
        const char *name;
        uint64_t bytes;
    } rows[] = {
        {"VmPeak", m.peak_virtual},
        {"VmSize", m.virtual_size},
        {"VmLck", m.locked},
        {"VmPin", 0},
        {"VmHWM", m.peak_rss},
        {"VmRSS", m.rss},
        {"RssAnon", m.rss > m.rss_file ? m.rss - m.rss_file : 0},
        {"RssFile", m.rss_file},
        {"RssShmem", 0},
        {"VmData", m.data},
        {"VmStk", m.stack},
        {"VmExe", m.exec},
        {"VmLib", 0},
        {"VmPTE", 0},
        {"VmSwap", 0},
        {"HugetlbPages", 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        proc_printf(t, "%s:\t%8llu kB\n", rows[i].name, (unsigned long long)(rows[i].bytes / 1024));
    proc_printf(t, "CoreDumping:\t0\nTHP_enabled:\t0\n");
}

static void show_signals(struct proc_text *t, struct task *task, struct task *reader)
{
    struct signal_sets s;
    struct proc_task_info info;
    get_signals(task, &s);
    proc_task_info(task, reader, &info);
    proc_printf(t, "Threads:\t%u\nSigQ:\t%u/%llu\n", info.threads, s.queued,
                (unsigned long long)s.queue_limit);
    proc_printf(t, "SigPnd:\t%016llx\nShdPnd:\t%016llx\nSigBlk:\t%016llx\n",
                (unsigned long long)s.pending, (unsigned long long)s.shared,
                (unsigned long long)s.blocked);
    proc_printf(t, "SigIgn:\t%016llx\nSigCgt:\t%016llx\n", (unsigned long long)s.ignored,
                (unsigned long long)s.caught);
}

static void show_rights(struct proc_text *t, struct task *task)
{
    const struct cred *c = task_cred_get(task);
    if (!c)
        return;
    proc_printf(t, "CapInh:\t%016llx\nCapPrm:\t%016llx\nCapEff:\t%016llx\n",
                (unsigned long long)c->cap_inheritable, (unsigned long long)c->cap_permitted,
                (unsigned long long)c->cap_effective);
    proc_printf(t, "CapBnd:\t%016llx\nCapAmb:\t%016llx\nNoNewPrivs:\t%d\n",
                (unsigned long long)c->cap_bounding, (unsigned long long)c->cap_ambient,
                atomic_load_explicit(&task->no_new_privs, memory_order_relaxed));
    cred_put(c);
    proc_printf(t, "Seccomp:\t%u\nSeccomp_filters:\t%u\n",
                atomic_load_explicit(&task->seccomp_mode, memory_order_relaxed),
                seccomp_filter_count(task));
    proc_printf(t, "Speculation_Store_Bypass:\tnot vulnerable\n");
}

int proc_show_status(struct proc_text *t, struct task *task, struct task *reader)
{
    (void)reader;
    show_identity(t, task, reader);
    show_memory(t, task);
    show_signals(t, task, reader);
    show_rights(t, task);
    unsigned cpus = task->kernel->cpu_count;
    uint64_t mask = cpus < 64 ? (1ull << cpus) - 1 : UINT64_MAX;
    proc_printf(t,
                "Cpus_allowed:\t%llx\nCpus_allowed_list:\t0-%u\nMems_allowed:\t0001\n"
                "Mems_allowed_list:\t0\n",
                (unsigned long long)mask, cpus - 1);
    proc_printf(
        t, "voluntary_ctxt_switches:\t%llu\nnonvoluntary_ctxt_switches:\t%llu\n",
        (unsigned long long)atomic_load_explicit(&task->voluntary_switches, memory_order_relaxed),
        (unsigned long long)atomic_load_explicit(&task->involuntary_switches,
                                                 memory_order_relaxed));
    return 0;
}

// --- limits and io -------------------------------------------------------------------------------

static const struct {
    const char *name, *unit;
} limit_names[LINUX_RLIM_NLIMITS] = {
    [LINUX_RLIMIT_CPU] = {"Max cpu time", "seconds"},
    [LINUX_RLIMIT_FSIZE] = {"Max file size", "bytes"},
    [LINUX_RLIMIT_DATA] = {"Max data size", "bytes"},
    [LINUX_RLIMIT_STACK] = {"Max stack size", "bytes"},
    [LINUX_RLIMIT_CORE] = {"Max core file size", "bytes"},
    [LINUX_RLIMIT_RSS] = {"Max resident set", "bytes"},
    [LINUX_RLIMIT_NPROC] = {"Max processes", "processes"},
    [LINUX_RLIMIT_NOFILE] = {"Max open files", "files"},
    [LINUX_RLIMIT_MEMLOCK] = {"Max locked memory", "bytes"},
    [LINUX_RLIMIT_AS] = {"Max address space", "bytes"},
    [LINUX_RLIMIT_LOCKS] = {"Max file locks", "locks"},
    [LINUX_RLIMIT_SIGPENDING] = {"Max pending signals", "signals"},
    [LINUX_RLIMIT_MSGQUEUE] = {"Max msgqueue size", "bytes"},
    [LINUX_RLIMIT_NICE] = {"Max nice priority", NULL},
    [LINUX_RLIMIT_RTPRIO] = {"Max realtime priority", NULL},
    [LINUX_RLIMIT_RTTIME] = {"Max realtime timeout", "us"},
};

static void show_limit(struct proc_text *t, uint64_t value)
{
    if (value == LINUX_RLIM_INFINITY)
        proc_printf(t, " %-20s", "unlimited");
    else
        proc_printf(t, " %-20llu", (unsigned long long)value);
}

int proc_show_limits(struct proc_text *t, struct task *task, struct task *reader)
{
    (void)reader;
    struct linux_rlimit limits[LINUX_RLIM_NLIMITS];
    lock_acquire(&task->process->lock);
    memcpy(limits, task->process->rlimit, sizeof limits);
    lock_release(&task->process->lock);
    proc_printf(t, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
    for (size_t i = 0; i < ARRAY_LEN(limit_names); i++) {
        proc_printf(t, "%-25s", limit_names[i].name);
        show_limit(t, limits[i].cur);
        show_limit(t, limits[i].max);
        if (limit_names[i].unit)
            proc_printf(t, " %-10s", limit_names[i].unit);
        proc_append(t, "\n", 1);
    }
    return 0;
}

int proc_show_io(struct proc_text *t, struct task *task, struct task *reader)
{
    (void)task, (void)reader;
    // Nothing counts transfers, as in a Linux without CONFIG_TASK_XACCT; the fields are there.
    proc_printf(t, "rchar: 0\nwchar: 0\nsyscr: 0\nsyscw: 0\nread_bytes: 0\nwrite_bytes: 0\n"
                   "cancelled_write_bytes: 0\n");
    return 0;
}
