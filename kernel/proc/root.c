// The top of /proc: what is there beside the processes, and the processes.
#include "kernel/keys.h"
#include "kernel/pid_ns.h"
#include "kernel/proc/node.h"
#include "kernel/proc/proc.h"
#include "kernel/task.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include <stdio.h>

static ssize_t self_link(const struct proc_node *node, const struct vfs_caller *c, char *buf,
                         size_t size)
{
    int32_t pid = c->task ? pid_ns_shown(node->kernel, node->pid_ns, c->task->tgid) : 0;
    return pid ? snprintf(buf, size, "%d", pid) : -LINUX_ENOENT;
}

static ssize_t thread_self_link(const struct proc_node *node, const struct vfs_caller *c, char *buf,
                                size_t size)
{
    int32_t pid = c->task ? pid_ns_shown(node->kernel, node->pid_ns, c->task->tgid) : 0;
    int32_t tid = c->task ? pid_ns_shown(node->kernel, node->pid_ns, c->task->pid) : 0;
    return pid && tid ? snprintf(buf, size, "%d/task/%d", pid, tid) : -LINUX_ENOENT;
}

static ssize_t mounts_link(const struct proc_node *node, const struct vfs_caller *c, char *buf,
                           size_t size)
{
    (void)node, (void)c;
    return snprintf(buf, size, "self/mounts");
}

// A number without leading zeros, or -1.
static int32_t parse_id(const char *name)
{
    int64_t id = 0;
    if (name[0] < '1' || name[0] > '9')
        return -1;
    for (const char *p = name; *p; p++) {
        if (*p < '0' || *p > '9')
            return -1;
        id = id * 10 + (*p - '0');
        if (id > INT32_MAX)
            return -1;
    }
    return (int32_t)id;
}

static int lookup_process(const struct proc_node *dir, const char *name, const struct vfs_caller *c,
                          struct proc_node *child)
{
    (void)c;
    int32_t id = parse_id(name);
    id = id > 0 ? pid_ns_of(dir->kernel, dir->pid_ns, id) : 0;
    struct task *task = id > 0 ? task_find(dir->kernel, id) : NULL;
    if (!task)
        return -LINUX_ENOENT;
    child->entry = &proc_process_dir;
    child->tid = id;
    child->start_ns = task->start_ns;
    task_put(task);
    return 0;
}

static bool next_process(const struct proc_node *dir, int64_t *key, char name[PROC_NAME_MAX],
                         struct proc_node *child)
{
    struct task *task = task_next_process(dir->kernel, (int32_t)(*key < 0 ? 0 : *key));
    while (task && !pid_ns_within(task->pid_ns, dir->pid_ns)) {
        int32_t after = task->tgid;
        task_put(task);
        task = task_next_process(dir->kernel, after);
    }
    if (!task)
        return false;
    *key = task->tgid;
    child->entry = &proc_process_dir;
    child->tid = task->tgid;
    child->start_ns = task->start_ns;
    snprintf(name, PROC_NAME_MAX, "%d", pid_ns_shown(dir->kernel, dir->pid_ns, task->tgid));
    task_put(task);
    return true;
}

static int show_keys(struct proc_text *t, const struct proc_node *node, struct task *reader)
{
    (void)node;
    return keys_show(t, reader);
}

static int show_key_users(struct proc_text *t, const struct proc_node *node, struct task *reader)
{
    (void)node;
    return keys_show_users(t, reader);
}

static const struct proc_entry root_children[] = {
    {.name = "self", .mode = LINUX_S_IFLNK | 0777, .readlink = self_link},
    {.name = "thread-self", .mode = LINUX_S_IFLNK | 0777, .readlink = thread_self_link},
    {.name = "mounts", .mode = LINUX_S_IFLNK | 0777, .readlink = mounts_link},
    PROC_FILE("cgroups", 0444, proc_show_cgroups),
    PROC_FILE("cmdline", 0444, proc_show_newline),
    PROC_FILE("cpuinfo", 0444, proc_show_cpuinfo),
    PROC_FILE("devices", 0444, proc_show_devices),
    PROC_FILE("filesystems", 0444, proc_show_filesystems),
    PROC_FILE("interrupts", 0444, proc_show_newline),
    PROC_FILE("key-users", 0444, show_key_users),
    PROC_FILE("keys", 0444, show_keys),
    PROC_FILE("loadavg", 0444, proc_show_loadavg),
    PROC_FILE("meminfo", 0444, proc_show_meminfo),
    PROC_FILE("modules", 0444, proc_show_nothing),
    PROC_FILE("partitions", 0444, proc_show_partitions),
    PROC_FILE("stat", 0444, proc_show_system_stat),
    PROC_FILE("swaps", 0444, proc_show_swaps),
    PROC_FILE("uptime", 0444, proc_show_uptime),
    PROC_FILE("version", 0444, proc_show_version),
    PROC_FILE("vmstat", 0444, proc_show_vmstat),
    {.name = "sys", .mode = LINUX_S_IFDIR | 0555, .settings = true, .children = proc_sys_children},
    {.name = NULL},
};

static const struct proc_entry root = {
    .name = "",
    .mode = LINUX_S_IFDIR | 0555,
    .children = root_children,
    .lookup = lookup_process,
    .next = next_process,
};

int procfs_create(struct kernel *kernel, struct pid_ns *pid_ns, struct super **out)
{
    return proc_super_create(kernel, &root, LINUX_PROC_SUPER_MAGIC, pid_ns, out);
}
