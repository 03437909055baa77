// landlock_create_ruleset, landlock_add_rule and landlock_restrict_self: ABI 2, as Linux 6.1.
#include "fs/landlock.h"
#include "kernel/cred.h"
#include "kernel/file.h"
#include "kernel/kernel.h"
#include "kernel/syscall_handlers.h"
#include "kernel/task.h"
#include "kernel/user_struct.h"
#include "platform/abi/capability.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include <stdlib.h>

enum {
    ABI_VERSION = 2,
    CREATE_VERSION = 1,
    RULE_PATH_BENEATH = 1,
    ATTR_SIZE_LEAST = 8,
};

struct path_beneath {
    uint64_t allowed;
    int32_t parent_fd;
} __attribute__((packed));

struct ruleset {
    struct gate gate;
    struct landlock_layer *layer; // guarded by gate
};

static ssize_t dummy(struct file *file, struct iter *it, uint64_t *pos)
{
    (void)file, (void)it, (void)pos;
    return -LINUX_EINVAL;
}

static void ruleset_release(struct file *file)
{
    struct ruleset *r = file->private;
    landlock_layer_put(r->layer);
    gate_destroy(&r->gate);
    free(r);
}

static const struct file_ops ruleset_ops = {
    .read = dummy, .write = dummy, .release = ruleset_release};

int64_t sys_landlock_create_ruleset(struct task *task, uaddr_t addr, uint64_t size, uint32_t flags)
{
    uint64_t handled = 0;
    if (flags)
        return flags == CREATE_VERSION && !addr && !size ? ABI_VERSION : -LINUX_EINVAL;
    if (!addr)
        return -LINUX_EFAULT;
    int err = user_read_struct(task, addr, size, &handled, sizeof handled, ATTR_SIZE_LEAST);
    if (err)
        return err;
    if (handled & ~(uint64_t)LANDLOCK_ALL)
        return -LINUX_EINVAL;
    if (!handled)
        return -LINUX_ENOMSG;
    struct ruleset *r = calloc(1, sizeof *r);
    struct landlock_layer *layer = landlock_layer_create((uint32_t)handled);
    struct file *file =
        r && layer ? file_create(&ruleset_ops, r, LINUX_O_RDWR, "anon_inode:[landlock-ruleset]")
                   : NULL;
    if (!file) {
        free(r);
        landlock_layer_put(layer);
        return -LINUX_ENOMEM;
    }
    gate_init(&r->gate);
    r->layer = layer;
    return fd_install(task, file, 0, true);
}

static int ruleset_get(struct task *task, int32_t fd, struct file **out)
{
    struct file *file = fd_get_io(task, fd);
    if (!file)
        return -LINUX_EBADF;
    if (file->ops != &ruleset_ops) {
        file_put(file);
        return -LINUX_EBADFD;
    }
    *out = file;
    return 0;
}

static int grant(struct task *task, struct ruleset *r, const struct path_beneath *rule)
{
    if (!rule->allowed)
        return -LINUX_ENOMSG;
    if (rule->allowed & ~(uint64_t)r->layer->handled)
        return -LINUX_EINVAL;
    struct file *file = fd_get(task, rule->parent_fd);
    if (!file)
        return -LINUX_EBADF;
    int err = -LINUX_EBADFD;
    if (file->inode && file->path.dentry && vfs_mount_id(&file->path) > 0) {
        bool dir = LINUX_S_ISDIR(file->inode->type);
        uint32_t rest = LANDLOCK_ALL & ~(r->layer->handled | LANDLOCK_REFER);
        err = !dir && rule->allowed & ~(uint64_t)LANDLOCK_OF_FILES
                  ? -LINUX_EINVAL
                  : landlock_layer_grant(r->layer, file->inode, (uint32_t)rule->allowed | rest);
    }
    file_put(file);
    return err;
}

int64_t sys_landlock_add_rule(struct task *task, int32_t fd, int32_t type, uaddr_t attr,
                              uint32_t flags)
{
    struct file *file;
    struct path_beneath rule;
    if (flags)
        return -LINUX_EINVAL;
    int err = ruleset_get(task, fd, &file);
    if (err)
        return err;
    if (type != RULE_PATH_BENEATH)
        err = -LINUX_EINVAL;
    else if (user_get(task, attr, &rule))
        err = -LINUX_EFAULT;
    if (!err) {
        struct ruleset *r = file->private;
        gate_enter(&r->gate);
        err = grant(task, r, &rule);
        gate_leave(&r->gate);
    }
    file_put(file);
    return err;
}

static int restrict_to(struct task *task, struct ruleset *r)
{
    gate_enter(&r->gate);
    struct landlock_layer *layer = landlock_layer_copy(r->layer);
    gate_leave(&r->gate);
    struct landlock_domain *domain;
    if (!layer)
        return -LINUX_ENOMEM;
    int err = landlock_domain_create(task->cred->landlock, layer, &domain);
    if (err)
        return err;
    struct cred *cred = cred_copy(task->cred, task->cred->group_count);
    if (!cred) {
        landlock_put(domain);
        return -LINUX_ENOMEM;
    }
    landlock_put(cred->landlock);
    cred->landlock = domain;
    cred_commit(task, cred);
    return 0;
}

int64_t sys_landlock_restrict_self(struct task *task, int32_t fd, uint32_t flags)
{
    struct file *file;
    if (!atomic_load_explicit(&task->no_new_privs, memory_order_relaxed) &&
        !task_capable_own(task, LINUX_CAP_SYS_ADMIN))
        return -LINUX_EPERM;
    if (flags)
        return -LINUX_EINVAL;
    int err = ruleset_get(task, fd, &file);
    if (err)
        return err;
    err = restrict_to(task, file->private);
    file_put(file);
    return err;
}
