#include "kernel/mount_types.h"
#include "kernel/kernel.h"
#include "kernel/proc/proc.h"
#include "kernel/task.h"
#include "kernel/tty/tty.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include <stdlib.h>
#include <string.h>

// --- Options of tmpfs: "size=64m,mode=1777" ------------------------------------------------------

static bool parse_size(const char *text, uint64_t *out)
{
    char *end;
    uint64_t n = strtoull(text, &end, 0);
    unsigned shift = 0;
    if (*end == 'k' || *end == 'K')
        shift = 10;
    else if (*end == 'm' || *end == 'M')
        shift = 20;
    else if (*end == 'g' || *end == 'G')
        shift = 30;
    if (end == text || end[shift ? 1 : 0] || n > UINT64_MAX >> shift)
        return false;
    *out = n << shift;
    return true;
}

static int make_tmpfs(struct task *task, char *options, struct super **out)
{
    uint64_t size = 0;
    uint32_t mode = 01777;
    for (char *rest = options, *word; rest && (word = strsep(&rest, ","));) {
        char *end;
        if (!strncmp(word, "size=", 5)) {
            if (!parse_size(word + 5, &size))
                return -LINUX_EINVAL;
        } else if (!strncmp(word, "mode=", 5)) {
            mode = (uint32_t)strtoul(word + 5, &end, 8);
            if (*end || mode & ~(uint32_t)LINUX_S_IALLPERM)
                return -LINUX_EINVAL;
        } else if (*word) {
            return -LINUX_EINVAL;
        }
    }
    return tmpfs_create(task->kernel->vfs, size, mode, out);
}

static int make_proc(struct task *task, char *options, struct super **out)
{
    (void)options;
    return procfs_create(task->kernel, task->pid_ns, out);
}

// The terminals are the machine's: every instance shows all of them.
static int make_devpts(struct task *task, char *options, struct super **out)
{
    (void)options;
    *out = tty_devpts(task->kernel);
    return *out ? 0 : -LINUX_ENODEV;
}

static int make_sysfs(struct task *task, char *options, struct super **out)
{
    (void)options;
    return sysfs_create(task->kernel, out);
}

static const struct mount_type {
    const char *name;
    int (*make)(struct task *task, char *options, struct super **out);
} types[] = {
    {"tmpfs", make_tmpfs}, {"ramfs", make_tmpfs},   {"proc", make_proc},
    {"sysfs", make_sysfs}, {"devpts", make_devpts},
};

static const struct mount_type *find_type(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (strcmp(types[i].name, name) == 0)
            return &types[i];
    return NULL;
}

int mount_type_check(const char *type)
{
    return find_type(type) ? 0 : -LINUX_ENODEV;
}

int mount_type_create(struct task *task, const char *type, char *options, struct super **out)
{
    const struct mount_type *t = find_type(type);
    if (!t)
        return -LINUX_ENODEV;
    int err = t->make(task, options, out);
    if (!err && task->cred->user_ns && !(*out)->owner)
        (*out)->owner = user_ns_get(task->cred->user_ns);
    return err;
}
