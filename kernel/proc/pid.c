// /proc/PID and /proc/PID/task/TID: the tables, and the entries that need only a line or two.
#include "kernel/core_dump.h"
#include "kernel/fd.h"
#include "kernel/group.h"
#include "kernel/mm.h"
#include "kernel/pid_ns.h"
#include "kernel/proc/node.h"
#include "kernel/process.h"
#include "kernel/task.h"
#include "platform/abi/capability.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void proc_task_info(struct task *task, struct task *reader, struct proc_task_info *out)
{
    struct process *p = task->process;
    struct kernel *kernel = task->kernel;
    const struct pid_ns *ns = reader ? reader->pid_ns : NULL;
    *out = (struct proc_task_info){.ppid = process_parent_pid(p)};
    lock_acquire(&task->kernel->tasklist);
    out->pid = pid_shown_locked(kernel, ns, task->pid);
    out->tgid = pid_shown_locked(kernel, ns, task->tgid);
    out->ppid = pid_shown_locked(kernel, ns, out->ppid);
    out->pgid = p->pgrp ? pid_shown_locked(kernel, ns, p->pgrp->pgid) : 0;
    out->sid = p->session ? pid_shown_locked(kernel, ns, p->session->sid) : 0;
    out->threads = p->live_threads;
    out->tracer = task->ptrace.tracer ? pid_shown_locked(kernel, ns, task->ptrace.tracer->pid) : 0;
    out->exit_signal = task->exit_signal;
    out->exit_status = task->exit_status;
    out->children_user_ns = p->children.user_ns;
    out->children_system_ns = p->children.system_ns;
    out->children_min_faults = p->children.min_faults;
    out->children_maj_faults = p->children.maj_faults;
    lock_release(&task->kernel->tasklist);
}

char proc_state_letter(struct task *task)
{
    switch (atomic_load_explicit(&task->state, memory_order_relaxed)) {
    case TASK_RUNNING:
        return 'R';
    case TASK_SLEEPING:
        return 'S';
    case TASK_DISK:
        return 'D';
    case TASK_STOPPED:
        return 'T';
    case TASK_TRACED:
        return 't';
    case TASK_ZOMBIE:
        return 'Z';
    default:
        return 'X';
    }
}

// --- Links to files ------------------------------------------------------------------------------

// A path of the task's: `which` picks it. Referenced in *out.
static int task_place(const struct proc_node *node, bool root, struct path *out)
{
    struct task *task = proc_task_get(node);
    if (!task)
        return -LINUX_ENOENT;
    struct fs_context *fs = task_fs_get(task);
    task_put(task);
    if (!fs)
        return -LINUX_ENOENT;
    lock_acquire(&fs->lock);
    *out = root ? fs->root : fs->cwd;
    path_get(out);
    lock_release(&fs->lock);
    fs_context_put(fs);
    return 0;
}

static ssize_t place_text(struct path *p, const struct vfs_caller *c, char *buf, size_t size)
{
    char *name = malloc(LINUX_PATH_MAX);
    ssize_t n = -LINUX_ENOMEM;
    if (name) {
        n = path_shown(p, &c->root, name, LINUX_PATH_MAX);
        if (n >= 0)
            memcpy(buf, name, (size_t)n < size ? (size_t)n : size);
        else
            n = -LINUX_ENAMETOOLONG;
    }
    free(name);
    path_put(p);
    return n;
}

static int follow_cwd(const struct proc_node *node, const struct vfs_caller *c, struct path *out)
{
    (void)c;
    return task_place(node, false, out);
}

static ssize_t read_cwd(const struct proc_node *node, const struct vfs_caller *c, char *buf,
                        size_t size)
{
    struct path p;
    int err = task_place(node, false, &p);
    return err ? err : place_text(&p, c, buf, size);
}

static int follow_root(const struct proc_node *node, const struct vfs_caller *c, struct path *out)
{
    (void)c;
    return task_place(node, true, out);
}

static ssize_t read_root(const struct proc_node *node, const struct vfs_caller *c, char *buf,
                         size_t size)
{
    struct path p;
    int err = task_place(node, true, &p);
    return err ? err : place_text(&p, c, buf, size);
}

static int follow_exe(const struct proc_node *node, const struct vfs_caller *c, struct path *out)
{
    (void)c;
    struct task *task = proc_task_get(node);
    struct mm *mm = task ? task_mm_get(task) : NULL;
    if (task)
        task_put(task);
    if (!mm)
        return -LINUX_ENOENT;
    struct file *exe = mm_get_exe(mm);
    mm_put(mm);
    if (!exe)
        return -LINUX_ENOENT;
    *out = exe->path;
    path_get(out);
    file_put(exe);
    return 0;
}

static ssize_t read_exe(const struct proc_node *node, const struct vfs_caller *c, char *buf,
                        size_t size)
{
    struct path p;
    int err = follow_exe(node, c, &p);
    return err ? err : place_text(&p, c, buf, size);
}

// --- Short files ---------------------------------------------------------------------------------

static int show_comm(struct proc_text *t, struct task *task, struct task *reader)
{
    (void)reader;
    char comm[16];
    task_comm_get(task, comm);
    proc_printf(t, "%s\n", comm);
    return 0;
}

static int store_comm(const struct proc_node *node, struct task *writer, char *text, size_t n)
{
    struct task *task = proc_task_get(node);
    if (!task)
        return -LINUX_ESRCH;
    // Only threads of the same process may rename each other.
    int err = writer && writer->process == task->process ? 0 : -LINUX_EINVAL;
    if (!err) {
        if (n > 0 && text[n - 1] == '\n')
            text[--n] = '\0';
        lock_acquire(&task->lock);
        memset(task->comm, 0, sizeof task->comm);
        memcpy(task->comm, text, n < sizeof task->comm ? n : sizeof task->comm - 1);
        lock_release(&task->lock);
    }
    task_put(task);
    return err;
}

static int show_oom_score_adj(struct proc_text *t, struct task *task, struct task *reader)
{
    (void)reader;
    lock_acquire(&task->process->lock);
    int32_t adj = task->process->oom_score_adj;
    lock_release(&task->process->lock);
    proc_printf(t, "%d\n", adj);
    return 0;
}

static int store_oom_score_adj(const struct proc_node *node, struct task *writer, char *text,
                               size_t n)
{
    (void)n;
    enum { ADJ_MAX = 1000 };
    char *end;
    long value = strtol(text, &end, 0);
    if (end == text || end[strspn(end, " \n")])
        return -LINUX_EINVAL;
    if (value != (int32_t)value)
        return -LINUX_ERANGE;
    if (value < -ADJ_MAX || value > ADJ_MAX)
        return -LINUX_EINVAL;
    struct task *task = proc_task_get(node);
    if (!task)
        return -LINUX_ESRCH;
    lock_acquire(&task->process->lock);
    bool lower = value < task->process->oom_score_adj;
    int err =
        lower && !(writer && task_capable(writer, LINUX_CAP_SYS_RESOURCE)) ? -LINUX_EACCES : 0;
    if (!err)
        task->process->oom_score_adj = (int32_t)value;
    lock_release(&task->process->lock);
    task_put(task);
    return err;
}

static int show_coredump_filter(struct proc_text *t, struct task *task, struct task *reader)
{
    (void)reader;
    struct mm *mm = task_mm_get(task);
    if (!mm)
        return 0;
    mm_put(mm);
    lock_acquire(&task->process->lock);
    uint32_t filter = task->process->core_filter;
    lock_release(&task->process->lock);
    proc_printf(t, "%08x\n", filter);
    return 0;
}

static int store_coredump_filter(const struct proc_node *node, struct task *writer, char *text,
                                 size_t n)
{
    (void)writer;
    (void)n;
    char *end;
    unsigned long value = strtoul(text, &end, 0);
    if (end == text || end[strspn(end, " \n")])
        return -LINUX_EINVAL;
    struct task *task = proc_task_get(node);
    struct mm *mm = task ? task_mm_get(task) : NULL;
    if (mm) {
        lock_acquire(&task->process->lock);
        task->process->core_filter = (uint32_t)value & CORE_FILTER_MASK;
        lock_release(&task->process->lock);
        mm_put(mm);
    }
    task_put(task);
    return mm ? 0 : -LINUX_ESRCH;
}

static int show_oom_score(struct proc_text *t, struct task *task, struct task *reader)
{
    (void)task, (void)reader;
    proc_printf(t, "0\n"); // nothing is ever chosen: allocation fails instead
    return 0;
}

static int show_cgroup(struct proc_text *t, struct task *task, struct task *reader)
{
    (void)task, (void)reader;
    proc_printf(t, "0::/\n");
    return 0;
}

static int show_unset_id(struct proc_text *t, struct task *task, struct task *reader)
{
    (void)task, (void)reader;
    proc_printf(t, "%u", UINT32_MAX);
    return 0;
}

static int show_wchan(struct proc_text *t, struct task *task, struct task *reader)
{
    (void)task, (void)reader;
    proc_printf(t, "0"); // as Linux shows it to those who may not know kernel addresses
    return 0;
}

static int show_personality(struct proc_text *t, struct task *task, struct task *reader)
{
    (void)reader;
    proc_printf(t, "%08x\n", task->personality);
    return 0;
}

static int show_schedstat(struct proc_text *t, struct task *task, struct task *reader)
{
    (void)reader;
    struct cpu_times times;
    task_cpu_times(task, &times);
    proc_printf(t, "%llu 0 0\n", (unsigned long long)(times.user_ns + times.system_ns));
    return 0;
}

// Somebody else's is for those who may change how it is scheduled.
static bool may_schedule(const struct task *who, struct task *task)
{
    if (who == task)
        return true;
    const struct cred *cred = task_cred_get(task);
    bool may = who && cred && cred_capable_in(who->cred, cred->user_ns, LINUX_CAP_SYS_NICE);
    cred_put(cred);
    return may;
}

static int show_timerslack(struct proc_text *t, struct task *task, struct task *reader)
{
    if (!may_schedule(reader, task))
        return -LINUX_EPERM;
    proc_printf(t, "%llu\n", (unsigned long long)task->timer_slack_ns);
    return 0;
}

static int store_timerslack(const struct proc_node *node, struct task *writer, char *text, size_t n)
{
    (void)n;
    char *end;
    unsigned long long value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || end[strspn(end, "\n")])
        return -LINUX_EINVAL;
    struct task *task = proc_task_get(node);
    if (!task)
        return -LINUX_ESRCH;
    int err = may_schedule(writer, task) ? 0 : -LINUX_EPERM;
    if (!err)
        task->timer_slack_ns = value ? value : task->default_timer_slack_ns;
    task_put(task);
    return err;
}

// --- Threads -------------------------------------------------------------------------------------

static int lookup_thread(const struct proc_node *dir, const char *name, const struct vfs_caller *c,
                         struct proc_node *child)
{
    (void)c;
    char *end;
    long tid = strtol(name, &end, 10);
    if (name[0] < '1' || name[0] > '9' || *end || tid > INT32_MAX)
        return -LINUX_ENOENT;
    int32_t id = pid_ns_of(dir->kernel, dir->pid_ns, (int32_t)tid);
    struct task *leader = proc_task_get(dir), *task = task_find(dir->kernel, id);
    int err = -LINUX_ENOENT;
    if (leader && task && task->process == leader->process) {
        child->entry = &proc_thread_dir;
        child->tid = task->pid;
        child->start_ns = task->start_ns;
        err = 0;
    }
    if (leader)
        task_put(leader);
    if (task)
        task_put(task);
    return err;
}

static bool next_thread(const struct proc_node *dir, int64_t *key, char name[PROC_NAME_MAX],
                        struct proc_node *child)
{
    struct task *leader = proc_task_get(dir);
    if (!leader)
        return false;
    struct task *task = task_next_thread(leader->process, (int32_t)(*key < 0 ? 0 : *key));
    task_put(leader);
    if (!task)
        return false;
    *key = task->pid;
    child->entry = &proc_thread_dir;
    child->tid = task->pid;
    child->start_ns = task->start_ns;
    snprintf(name, PROC_NAME_MAX, "%d", pid_ns_shown(dir->kernel, dir->pid_ns, task->pid));
    task_put(task);
    return true;
}

// --- The tables ----------------------------------------------------------------------------------

#define MEMORY_FILE(n, perm, fn, ...)                                                              \
    {.name = (n),                                                                                  \
     .mode = LINUX_S_IFREG | (perm),                                                               \
     .needs_access = true,                                                                         \
     .keeps = PROC_KEEPS_MEMORY,                                                                   \
     .show_kept = (fn),                                                                            \
     __VA_ARGS__}
#define LIVE_FILE(n, fn)                                                                           \
    {.name = (n), .mode = LINUX_S_IFREG | 0444, .live = true, .show_task = (fn)}
#define ID_MAP(n, fn_show, fn_store)                                                               \
    {.name = (n),                                                                                  \
     .mode = LINUX_S_IFREG | 0644,                                                                 \
     .keeps = PROC_KEEPS_CRED,                                                                     \
     .show_kept = (fn_show),                                                                       \
     .store_kept = (fn_store)}
#define MOUNTS_FILE(n, fn)                                                                         \
    {.name = (n),                                                                                  \
     .mode = LINUX_S_IFREG | 0444,                                                                 \
     .splices = true,                                                                              \
     .keeps = PROC_KEEPS_MOUNTS,                                                                   \
     .show_kept = (fn)}
#define MAGIC_LINK(n, fn_read, fn_follow)                                                          \
    {.name = (n),                                                                                  \
     .mode = LINUX_S_IFLNK | 0777,                                                                 \
     .needs_access = true,                                                                         \
     .readlink = (fn_read),                                                                        \
     .follow = (fn_follow)}

// What threads and processes share.
#define COMMON_ENTRIES                                                                             \
    MEMORY_FILE("auxv", 0400, proc_show_auxv, .live = true),                                       \
        PROC_TASK_FILE("cgroup", 0444, show_cgroup), LIVE_FILE("cmdline", proc_show_cmdline),      \
        {.name = "comm",                                                                           \
         .mode = LINUX_S_IFREG | 0644,                                                             \
         .show_task = show_comm,                                                                   \
         .store = store_comm},                                                                     \
        MAGIC_LINK("cwd", read_cwd, follow_cwd),                                                   \
        MEMORY_FILE("environ", 0400, proc_show_environ, .live = true),                             \
        MAGIC_LINK("exe", read_exe, follow_exe),                                                   \
        ID_MAP("gid_map", proc_show_gid_map, proc_store_gid_map),                                  \
        {.name = "io",                                                                             \
         .mode = LINUX_S_IFREG | 0400,                                                             \
         .unread_error = LINUX_EACCES,                                                             \
         .show_task = proc_show_io},                                                               \
        PROC_TASK_FILE("limits", 0444, proc_show_limits), LIVE_FILE("loginuid", show_unset_id),    \
        MEMORY_FILE("maps", 0444, proc_show_maps, .walked = true),                                 \
        {.name = "mem",                                                                            \
         .mode = LINUX_S_IFREG | 0600,                                                             \
         .needs_access = true,                                                                     \
         .keeps = PROC_KEEPS_MEMORY,                                                               \
         .file_ops = &proc_mem_file_ops},                                                          \
        MOUNTS_FILE("mountinfo", proc_show_mountinfo), MOUNTS_FILE("mounts", proc_show_mounts),    \
        {.name = "net",                                                                            \
         .mode = LINUX_S_IFDIR | 0555,                                                             \
         .of_network = true,                                                                       \
         .children = proc_net_children},                                                           \
        {.name = "ns", .mode = LINUX_S_IFDIR | 0511, .children = proc_ns_children},                \
        PROC_TASK_FILE("oom_score", 0444, show_oom_score),                                         \
        {.name = "oom_score_adj",                                                                  \
         .mode = LINUX_S_IFREG | 0644,                                                             \
         .live = true,                                                                             \
         .show_task = show_oom_score_adj,                                                          \
         .store = store_oom_score_adj},                                                            \
        {.name = "pagemap",                                                                        \
         .mode = LINUX_S_IFREG | 0400,                                                             \
         .needs_access = true,                                                                     \
         .keeps = PROC_KEEPS_MEMORY,                                                               \
         .file_ops = &proc_pagemap_file_ops},                                                      \
        {.name = "personality",                                                                    \
         .mode = LINUX_S_IFREG | 0400,                                                             \
         .unread_error = LINUX_EPERM,                                                              \
         .show_task = show_personality},                                                           \
        MAGIC_LINK("root", read_root, follow_root),                                                \
        PROC_TASK_FILE("schedstat", 0444, show_schedstat), LIVE_FILE("sessionid", show_unset_id),  \
        {.name = "setgroups",                                                                      \
         .mode = LINUX_S_IFREG | 0644,                                                             \
         .admin_writes = true,                                                                     \
         .keeps = PROC_KEEPS_CRED,                                                                 \
         .show_kept = proc_show_setgroups,                                                         \
         .store_kept = proc_store_setgroups},                                                      \
        MEMORY_FILE("smaps", 0444, proc_show_smaps, .walked = true),                               \
        MEMORY_FILE("smaps_rollup", 0444, proc_show_smaps_rollup, .walked = false),                \
        PROC_TASK_FILE("stat", 0444, proc_show_stat),                                              \
        PROC_TASK_FILE("statm", 0444, proc_show_statm),                                            \
        PROC_TASK_FILE("status", 0444, proc_show_status),                                          \
        ID_MAP("uid_map", proc_show_uid_map, proc_store_uid_map),                                  \
        PROC_TASK_FILE("wchan", 0444, show_wchan)

#define FD_DIRS                                                                                    \
    {.name = "fd",                                                                                 \
     .mode = LINUX_S_IFDIR | 0500,                                                                 \
     .own_access = true,                                                                           \
     .lookup = proc_fd_lookup,                                                                     \
     .next = proc_fd_next},                                                                        \
    {                                                                                              \
        .name = "fdinfo", .mode = LINUX_S_IFDIR | 0555, .needs_access = true,                      \
        .gone_error = LINUX_ESRCH, .lookup = proc_fdinfo_lookup, .next = proc_fdinfo_next          \
    }

static const struct proc_entry thread_children[] = {
    COMMON_ENTRIES,
    FD_DIRS,
    {.name = NULL},
};

static const struct proc_entry process_children[] = {
    COMMON_ENTRIES,
    FD_DIRS,
    {.name = "coredump_filter",
     .mode = LINUX_S_IFREG | 0644,
     .live = true,
     .show_task = show_coredump_filter,
     .store = store_coredump_filter},
    {.name = "timerslack_ns",
     .mode = LINUX_S_IFREG | 0666,
     .show_task = show_timerslack,
     .store = store_timerslack},
    {.name = "task",
     .mode = LINUX_S_IFDIR | 0555,
     .gone_error = LINUX_ESRCH,
     .lookup = lookup_thread,
     .next = next_thread},
    {.name = NULL},
};

const struct proc_entry proc_process_dir = {
    .name = "PID",
    .mode = LINUX_S_IFDIR | 0555,
    .gone_error = LINUX_ESRCH,
    .children = process_children,
};
const struct proc_entry proc_thread_dir = {
    .name = "TID", .mode = LINUX_S_IFDIR | 0555, .children = thread_children};
