// /proc/PID/ns, and the maps of a user namespace: uid_map, gid_map, setgroups.
#include "kernel/cred.h"
#include "kernel/kernel.h"
#include "kernel/ns.h"
#include "kernel/proc/node.h"
#include "kernel/task.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/sched.h"
#include <string.h>

// --- Links ---------------------------------------------------------------------------------------

// The namespace a link stands for, referenced; NULL when the task has none any more.
static struct namespace *of_node(const struct proc_node *node)
{
    static const struct {
        const char *name;
        uint64_t kind;
        bool children;
    } kinds[] = {
        {"cgroup", LINUX_CLONE_NEWCGROUP, false}, {"ipc", LINUX_CLONE_NEWIPC, false},
        {"mnt", LINUX_CLONE_NEWNS, false},        {"net", LINUX_CLONE_NEWNET, false},
        {"pid", LINUX_CLONE_NEWPID, false},       {"pid_for_children", LINUX_CLONE_NEWPID, true},
        {"time", LINUX_CLONE_NEWTIME, false},     {"time_for_children", LINUX_CLONE_NEWTIME, true},
        {"user", LINUX_CLONE_NEWUSER, false},     {"uts", LINUX_CLONE_NEWUTS, false},
    };
    struct namespace *ns = NULL;
    struct task *task = proc_task_get(node);
    for (size_t i = 0; task && i < ARRAY_LEN(kinds); i++)
        if (strcmp(kinds[i].name, node->entry->name) == 0)
            ns = task_namespace(task, kinds[i].kind, kinds[i].children);
    task_put(task);
    return ns;
}

static ssize_t ns_readlink(const struct proc_node *node, const struct vfs_caller *c, char *buf,
                           size_t size)
{
    (void)c;
    char name[64];
    struct namespace *ns = of_node(node);
    if (!ns)
        return -LINUX_ENOENT;
    int n = nsfs_name(ns, name, sizeof name);
    memcpy(buf, name, (size_t)n < size ? (size_t)n : size);
    namespace_put(ns);
    return n;
}

static int ns_follow(const struct proc_node *node, const struct vfs_caller *c, struct path *out)
{
    (void)c;
    struct namespace *ns = of_node(node);
    return ns ? nsfs_path(node->kernel, ns, out) : -LINUX_ENOENT;
}

#define NAMESPACE(kind)                                                                            \
    {.name = (kind),                                                                               \
     .mode = LINUX_S_IFLNK | 0777,                                                                 \
     .needs_access = true,                                                                         \
     .gone_error = LINUX_EACCES,                                                                   \
     .readlink = ns_readlink,                                                                      \
     .follow = ns_follow}

const struct proc_entry proc_ns_children[] = {
    NAMESPACE("cgroup"), NAMESPACE("ipc"),
    NAMESPACE("mnt"),    NAMESPACE("net"),
    NAMESPACE("pid"),    NAMESPACE("pid_for_children"),
    NAMESPACE("time"),   NAMESPACE("time_for_children"),
    NAMESPACE("user"),   NAMESPACE("uts"),
    {.name = NULL},
};

// --- Maps ----------------------------------------------------------------------------------------

// Ids outside as the reader would name them; of its own namespace, as the parent does.
static int show_map(struct proc_text *t, const struct user_ns *ns, struct task *reader,
                    enum id_kind kind)
{
    const struct user_ns *view = reader ? reader->cred->user_ns : NULL;
    if (!ns) {
        proc_printf(t, "%10u %10u %10u\n", 0, 0, UINT32_MAX);
        return 0;
    }
    if (view == ns)
        view = user_ns_parent(ns);
    const struct id_map *map = atomic_load_explicit(&ns->map[kind], memory_order_acquire);
    for (uint32_t i = 0; map && i < map->count; i++) {
        const struct id_extent *e = &map->extent[i];
        proc_printf(t, "%10u %10u %10u\n", e->first, user_ns_from_machine(view, kind, e->machine),
                    e->count);
    }
    return 0;
}

int proc_show_uid_map(struct proc_text *t, const struct proc_kept *kept, struct task *task,
                      struct task *reader)
{
    (void)task;
    return show_map(t, kept->cred->user_ns, reader, ID_UID);
}

int proc_show_gid_map(struct proc_text *t, const struct proc_kept *kept, struct task *task,
                      struct task *reader)
{
    (void)task;
    return show_map(t, kept->cred->user_ns, reader, ID_GID);
}

int proc_store_uid_map(const struct proc_kept *kept, struct task *writer, char *text)
{
    return writer ? user_ns_write_map(kept->cred->user_ns, ID_UID, writer->cred, text)
                  : -LINUX_ESRCH;
}

int proc_store_gid_map(const struct proc_kept *kept, struct task *writer, char *text)
{
    return writer ? user_ns_write_map(kept->cred->user_ns, ID_GID, writer->cred, text)
                  : -LINUX_ESRCH;
}

int proc_show_setgroups(struct proc_text *t, const struct proc_kept *kept, struct task *task,
                        struct task *reader)
{
    (void)task, (void)reader;
    const struct user_ns *ns = kept->cred->user_ns;
    bool denied = ns && atomic_load_explicit(&ns->setgroups_denied, memory_order_relaxed);
    proc_printf(t, "%s\n", denied ? "deny" : "allow");
    return 0;
}

int proc_store_setgroups(const struct proc_kept *kept, struct task *writer, char *text)
{
    return writer ? user_ns_write_setgroups(kept->cred->user_ns, writer->cred, text) : -LINUX_ESRCH;
}
