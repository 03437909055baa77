// The part of /sys that programs look at to count processors.
#include "kernel/kernel.h"
#include "kernel/proc/node.h"
#include "kernel/proc/proc.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/frame.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define END {.name = NULL}

static int show_cpu_range(struct proc_text *t, const struct proc_node *node, struct task *reader)
{
    (void)reader;
    if (node->kernel->cpu_count > 1)
        proc_printf(t, "0-%u\n", node->kernel->cpu_count - 1);
    else
        proc_printf(t, "0\n");
    return 0;
}

static int show_highest_cpu(struct proc_text *t, const struct proc_node *node, struct task *reader)
{
    (void)reader;
    proc_printf(t, "%u\n", node->kernel->cpu_count - 1);
    return 0;
}

static int show_own_cpu(struct proc_text *t, const struct proc_node *node, struct task *reader)
{
    (void)reader;
    proc_printf(t, "%d\n", node->number);
    return 0;
}

static int show_own_mask(struct proc_text *t, const struct proc_node *node, struct task *reader)
{
    (void)reader;
    proc_printf(t, "%llx\n", 1ull << (node->number & 63));
    return 0;
}

static int show_zero(struct proc_text *t, const struct proc_node *node, struct task *reader)
{
    (void)node, (void)reader;
    proc_printf(t, "0\n");
    return 0;
}

static int show_all_mask(struct proc_text *t, const struct proc_node *node, struct task *reader)
{
    (void)reader;
    unsigned count = node->kernel->cpu_count;
    proc_printf(t, "%llx\n", count < 64 ? (1ull << count) - 1 : ~0ull);
    return 0;
}

// One package of cores with one thread each.
static const struct proc_entry topology_dir[] = {
    PROC_FILE("core_cpus", 0444, show_own_mask),
    PROC_FILE("core_cpus_list", 0444, show_own_cpu),
    PROC_FILE("core_id", 0444, show_own_cpu),
    PROC_FILE("core_siblings", 0444, show_all_mask),
    PROC_FILE("core_siblings_list", 0444, show_cpu_range),
    PROC_FILE("package_cpus", 0444, show_all_mask),
    PROC_FILE("package_cpus_list", 0444, show_cpu_range),
    PROC_FILE("physical_package_id", 0444, show_zero),
    PROC_FILE("thread_siblings", 0444, show_own_mask),
    PROC_FILE("thread_siblings_list", 0444, show_own_cpu),
    END,
};

static const struct proc_entry cpu_children[] = {PROC_DIR("topology", 0555, topology_dir), END};
static const struct proc_entry one_cpu = {
    .name = "cpu", .mode = LINUX_S_IFDIR | 0555, .children = cpu_children};

static int lookup_cpu(const struct proc_node *dir, const char *name, const struct vfs_caller *c,
                      struct proc_node *child)
{
    (void)c;
    char *end;
    if (strncmp(name, "cpu", 3) != 0 || name[3] < '0' || name[3] > '9')
        return -LINUX_ENOENT;
    unsigned long number = strtoul(name + 3, &end, 10);
    if (*end || number >= dir->kernel->cpu_count || (name[3] == '0' && name[4]))
        return -LINUX_ENOENT;
    child->entry = &one_cpu;
    child->number = (int32_t)number;
    return 0;
}

static bool next_cpu(const struct proc_node *dir, int64_t *key, char name[PROC_NAME_MAX],
                     struct proc_node *child)
{
    if (*key + 1 >= (int64_t)dir->kernel->cpu_count)
        return false;
    ++*key;
    child->entry = &one_cpu;
    child->number = (int32_t)*key;
    snprintf(name, PROC_NAME_MAX, "cpu%d", child->number);
    return true;
}

static int show_no_smt(struct proc_text *t, const struct proc_node *node, struct task *reader)
{
    (void)node, (void)reader;
    proc_printf(t, "notsupported\n");
    return 0;
}

static const struct proc_entry smt_dir[] = {
    PROC_FILE("active", 0444, show_zero),
    PROC_FILE("control", 0444, show_no_smt),
    END,
};

static const struct proc_entry cpus_children[] = {
    PROC_FILE("isolated", 0444, proc_show_newline),
    PROC_FILE("kernel_max", 0444, show_highest_cpu),
    PROC_FILE("offline", 0444, proc_show_newline),
    PROC_FILE("online", 0444, show_cpu_range),
    PROC_FILE("possible", 0444, show_cpu_range),
    PROC_FILE("present", 0444, show_cpu_range),
    PROC_DIR("smt", 0555, smt_dir),
    END,
};

// --- Nodes: one, with all memory and every processor ---------------------------------------------

static int show_node_meminfo(struct proc_text *t, const struct proc_node *node, struct task *reader)
{
    (void)reader;
    uint64_t total = frame_pool_limit(node->kernel->frames) / 1024;
    uint64_t used = frame_pool_used(node->kernel->frames) / 1024;
    proc_printf(t,
                "Node 0 MemTotal:       %llu kB\nNode 0 MemFree:        %llu kB\n"
                "Node 0 MemUsed:        %llu kB\n",
                (unsigned long long)total, (unsigned long long)(total > used ? total - used : 0),
                (unsigned long long)used);
    return 0;
}

static int show_distance(struct proc_text *t, const struct proc_node *node, struct task *reader)
{
    (void)node, (void)reader;
    proc_printf(t, "10\n");
    return 0;
}

static const struct proc_entry node0_children[] = {
    PROC_FILE("cpulist", 0444, show_cpu_range),
    PROC_FILE("cpumap", 0444, show_all_mask),
    PROC_FILE("distance", 0444, show_distance),
    PROC_FILE("meminfo", 0444, show_node_meminfo),
    END,
};
static const struct proc_entry nodes_children[] = {
    PROC_FILE("has_cpu", 0444, show_zero),
    PROC_FILE("has_memory", 0444, show_zero),
    PROC_FILE("has_normal_memory", 0444, show_zero),
    PROC_DIR("node0", 0555, node0_children),
    PROC_FILE("online", 0444, show_zero),
    PROC_FILE("possible", 0444, show_zero),
    END,
};

static const struct proc_entry system_children[] = {
    PROC_DIR("node", 0555, nodes_children),
    {.name = "cpu",
     .mode = LINUX_S_IFDIR | 0555,
     .children = cpus_children,
     .lookup = lookup_cpu,
     .next = next_cpu},
    END,
};

static const struct proc_entry empty[] = {END};
static const struct proc_entry devices_children[] = {PROC_DIR("system", 0555, system_children),
                                                     END};
static const struct proc_entry fs_children[] = {PROC_DIR("cgroup", 0555, empty), END};

static const struct proc_entry root_children[] = {
    PROC_DIR("block", 0555, empty),
    PROC_DIR("bus", 0555, empty),
    PROC_DIR("class", 0555, empty),
    PROC_DIR("dev", 0555, empty),
    PROC_DIR("devices", 0555, devices_children),
    PROC_DIR("firmware", 0555, empty),
    PROC_DIR("fs", 0555, fs_children),
    PROC_DIR("kernel", 0555, empty),
    PROC_DIR("module", 0555, empty),
    END,
};

static const struct proc_entry root = {
    .name = "", .mode = LINUX_S_IFDIR | 0555, .children = root_children};

int sysfs_create(struct kernel *kernel, struct super **out)
{
    return proc_super_create(kernel, &root, LINUX_SYSFS_MAGIC, NULL, out);
}
